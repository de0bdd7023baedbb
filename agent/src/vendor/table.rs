//! The registry as one run of bytes that is searched where it lies: opening it takes a look at the smaller
//! blocks and no copy, and the built-in one stays in the program's file until a page of it is needed.
//!
//! ```text
//! 8 bytes      "lanoui", 0, version 1
//! 10 bytes     date of the data, 2026-06-26
//! 2 bytes      0
//! 3 x u32      number of blocks of 24, of 28 and of 36 bits
//! u32          length of the names
//! records      for each of the three: block number in 3, 4 or 5 bytes, place of its name in 3 bytes; sorted
//! names        one byte of length and the name in UTF-8, each name once, sorted
//! ```
//!
//! Numbers have their highest byte first.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::block::Block;

const MAGIC: &[u8; 8] = b"lanoui\0\x01";
const HEAD: usize = 36;
const DATE: std::ops::Range<usize> = 8..18;
/// Bytes that say where a name is.
const PLACE: usize = 3;
/// A block's owner that is longer is cut. The longest today has 108 bytes.
const NAME_MAX: usize = 255;

/// The lengths of block that the IEEE assigns, and the bytes that a block number takes.
const LEVELS: [(u8, usize); 3] = [(24, 3), (28, 4), (36, 5)];

/// Whether the IEEE assigns blocks of that length.
pub(super) fn is_level(bits: u8) -> bool {
    LEVELS.iter().any(|(level, _)| *level == bits)
}

/// The blocks and their names.
#[derive(Clone)]
pub(super) struct Table {
    bytes: Cow<'static, [u8]>,
    levels: [Level; 3],
    /// Where the names begin.
    names: usize,
    /// The first 24 bits of the smaller blocks, sorted: some hundreds, so that most searches are one.
    cut_up: Vec<u64>,
}

/// Where the blocks of one length are.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    bits: u8,
    key: usize,
    start: usize,
    count: usize,
}

impl Table {
    /// Takes bytes in the layout above; `None` if the head does not fit the rest.
    pub(super) fn open(bytes: impl Into<Cow<'static, [u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        if bytes.get(..8)? != MAGIC || !bytes.get(DATE)?.is_ascii() {
            return None;
        }
        let mut levels = [Level::default(); 3];
        let mut start = HEAD;
        for (i, (bits, key)) in LEVELS.into_iter().enumerate() {
            let count = usize::try_from(number(bytes.get(20 + 4 * i..24 + 4 * i)?)).ok()?;
            levels[i] = Level { bits, key, start, count };
            start = start.checked_add(count.checked_mul(key + PLACE)?)?;
        }
        let length = usize::try_from(number(bytes.get(32..HEAD)?)).ok()?;
        if bytes.len() != start.checked_add(length)? {
            return None;
        }
        let mut table = Self { bytes, levels, names: start, cut_up: Vec::new() };
        table.cut_up = table.find_cut_up();
        Some(table)
    }

    /// Lays out the blocks, which all have a length that the IEEE assigns; `None` if their names do not fit.
    pub(super) fn pack(date: &str, blocks: &BTreeMap<Block, String>) -> Option<Self> {
        let mut names = Vec::new();
        let mut places = BTreeMap::new();
        for name in blocks.values().map(|name| cut(name)).collect::<BTreeSet<_>>() {
            places.insert(name, names.len());
            names.push(u8::try_from(name.len()).ok()?);
            names.extend_from_slice(name.as_bytes());
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(date.as_bytes());
        bytes.extend_from_slice(&[0; 2]);
        for (bits, _) in LEVELS {
            let count = blocks.keys().filter(|block| block.bits() == bits).count();
            bytes.extend_from_slice(&u32::try_from(count).ok()?.to_be_bytes());
        }
        bytes.extend_from_slice(&u32::try_from(names.len()).ok()?.to_be_bytes());
        // The order of the map is that of the records: by length, then by number.
        for (block, name) in blocks {
            let (_, key) = LEVELS.into_iter().find(|(bits, _)| *bits == block.bits())?;
            let place =
                u32::try_from(*places.get(cut(name))?).ok().filter(|place| place >> (8 * PLACE) == 0)?;
            bytes.extend_from_slice(&block.number().to_be_bytes()[8 - key..]);
            bytes.extend_from_slice(&place.to_be_bytes()[4 - PLACE..]);
        }
        bytes.extend_from_slice(&names);
        Self::open(bytes)
    }

    /// The date of the data, like `2026-06-26`.
    pub(super) fn date(&self) -> &str {
        self.bytes.get(DATE).and_then(|date| std::str::from_utf8(date).ok()).unwrap_or_default()
    }

    /// Whether it is laid out in just these bytes.
    #[cfg(test)]
    pub(super) fn has_bytes(&self, bytes: &[u8]) -> bool {
        *self.bytes == *bytes
    }

    /// How many blocks there are.
    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(|level| level.count).sum()
    }

    /// The name of the smallest block that holds all of `block`.
    pub(super) fn search(&self, block: Block) -> Option<&str> {
        let [large, smaller @ ..] = &self.levels;
        let oui = block.widen(large.bits)?.number();
        let cut_up = block.bits() > large.bits && self.cut_up.binary_search(&oui).is_ok();
        let smallest = if cut_up {
            smaller.iter().rev().find_map(|level| self.find(level, block.widen(level.bits)?.number()))
        } else {
            None
        };
        smallest.or_else(|| self.find(large, oui))
    }

    fn find_cut_up(&self) -> Vec<u64> {
        let [large, smaller @ ..] = &self.levels;
        let mut ouis = Vec::new();
        for level in smaller {
            for i in 0..level.count {
                let oui = self.key(level, i) >> (level.bits - large.bits);
                // They are sorted, so that most repeat the one before.
                if ouis.last() != Some(&oui) {
                    ouis.push(oui);
                }
            }
        }
        ouis.sort_unstable();
        ouis.dedup();
        ouis
    }

    /// Every block and its name, by length and then by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Block, &str)> {
        self.levels.iter().flat_map(move |level| {
            (0..level.count).filter_map(move |i| {
                let (key, place) = self.record(level, i).split_at_checked(level.key)?;
                Some((Block::new(level.bits, number(key))?, self.name(place)?))
            })
        })
    }

    fn find(&self, level: &Level, wanted: u64) -> Option<&str> {
        // The last block that is not above the wanted one. Halving without a way out in the middle lets the
        // compiler do without branches, which nobody could predict here.
        let (mut found, mut size) = (0, level.count);
        while size > 1 {
            let half = size / 2;
            found = if self.key(level, found + half) <= wanted { found + half } else { found };
            size -= half;
        }
        let (_, place) = self.record(level, found).split_at_checked(level.key)?;
        (level.count > 0 && self.key(level, found) == wanted).then(|| self.name(place))?
    }

    /// The number of a block, which is what the search spends its time on.
    fn key(&self, level: &Level, i: usize) -> u64 {
        let at = level.start + i * (level.key + PLACE);
        match self.bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(eight) => u64::from_be_bytes(*eight) >> (64 - 8 * level.key),
            // At the very end of the table.
            None => number(self.record(level, i).get(..level.key).unwrap_or_default()),
        }
    }

    fn record(&self, level: &Level, i: usize) -> &[u8] {
        let size = level.key + PLACE;
        self.bytes.get(level.start + i * size..).and_then(|rest| rest.get(..size)).unwrap_or_default()
    }

    fn name(&self, place: &[u8]) -> Option<&str> {
        let (length, rest) =
            self.bytes.get(self.names..)?.get(usize::try_from(number(place)).ok()?..)?.split_first()?;
        std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
    }
}

/// Says what it is, without a megabyte of bytes.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("date", &self.date()).field("len", &self.len()).finish_non_exhaustive()
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn cut(name: &str) -> &str {
    let end = (0..=NAME_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(list: &[(u8, u64, &str)]) -> BTreeMap<Block, String> {
        list.iter().map(|(bits, n, name)| (Block::new(*bits, *n).unwrap(), (*name).to_owned())).collect()
    }

    #[test]
    fn what_is_packed_is_found_by_its_longest_prefix() {
        let map =
            blocks(&[(24, 0xb8_27eb, "Pi"), (24, 1, "Large"), (28, 0x1f, "Medium"), (36, 0x1f00, "Pi")]);
        let table = Table::pack("2026-06-26", &map).unwrap();
        assert_eq!((table.date(), table.len()), ("2026-06-26", 4));
        assert!(table.iter().map(|(block, name)| (block, name.to_owned())).eq(map.clone()));
        for (text, name) in [
            ("00:00:01:00:00:00", Some("Large")),
            ("00:00:01:f0:0f:ff", Some("Pi")),
            ("00:00:01:f0:10:00", Some("Medium")),
            ("b8:27:eb", Some("Pi")),
            ("b8:27:ec", None),
            ("00:00:01:f", Some("Medium")),
            ("00:00:01", Some("Large")),
        ] {
            assert_eq!(table.search(text.parse().unwrap()), name, "{text}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let table = Table::pack("2026-06-26", &blocks(&[(24, 1, &"é".repeat(200))])).unwrap();
        assert_eq!(table.search("000001".parse().unwrap()), Some("é".repeat(127).as_str()));
    }

    #[test]
    fn bytes_that_do_not_fit_their_head_are_refused() {
        let whole =
            Table::pack("2026-06-26", &blocks(&[(24, 1, "One"), (36, 2, "Two")])).unwrap().bytes.into_owned();
        for end in 0..whole.len() {
            assert!(Table::open(whole[..end].to_vec()).is_none(), "{end}");
        }
        // Whatever else is damaged, a search ends.
        for i in HEAD..whole.len() {
            let mut damaged = whole.clone();
            damaged[i] ^= 0xff;
            let table = Table::open(damaged).unwrap();
            table.search("000001000000".parse().unwrap());
            assert!(table.iter().count() <= 2);
        }
    }
}
