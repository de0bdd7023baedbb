//! A block of addresses: the leading bits of a MAC address that the registry gives to one organisation.

use std::fmt;
use std::str::FromStr;

use lanscribe_core::addr::MacAddr;

/// All addresses that share their first `bits` bits. Blocks are ordered by length, then by number, which is
/// the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Block {
    bits: u8,
    number: u64,
}

impl Block {
    /// The block whose leading `bits` bits, read as a number, are `number`; `None` if they are not 24 to 48 or
    /// do not hold that number.
    pub(crate) fn new(bits: u8, number: u64) -> Option<Self> {
        ((24..=48).contains(&bits) && number >> bits == 0).then_some(Self { bits, number })
    }

    /// How many leading bits count.
    pub(crate) const fn bits(self) -> u8 {
        self.bits
    }

    /// The leading bits as a number.
    pub(crate) const fn number(self) -> u64 {
        self.number
    }

    /// The larger block of `bits` bits that this one lies in, which may be itself; `None` if it would be smaller.
    pub(crate) fn widen(self, bits: u8) -> Option<Self> {
        let shift = self.bits.checked_sub(bits)?;
        Self::new(bits, self.number >> shift)
    }

    /// The lowest address of the block.
    pub(crate) const fn first(self) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = (self.number << (48 - self.bits)).to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

impl From<MacAddr> for Block {
    fn from(mac: MacAddr) -> Self {
        Self { bits: 48, number: mac.as_u64() }
    }
}

/// The leading hexadecimal digits as they stand in the text of an address, and no more: `b8:27:eb`,
/// `c8:5c:e2:7`, `00:1b:c5:00:0`. So an address lies in the block if its text starts with the block's.
impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.bits.div_ceil(4));
        f.write_str(&self.first().to_string()[..digits + (digits - 1) / 2])
    }
}

/// The text is neither a MAC address nor the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotABlock;

impl fmt::Display for NotABlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a MAC address: twelve hexadecimal digits like b8:27:eb:01:02:03, or the first six or more of \
             them like b8:27:eb",
        )
    }
}

impl std::error::Error for NotABlock {}

/// Reads an address as [`MacAddr`] does, or its first 6 to 11 digits, in pairs set apart by `:` or by `-` or
/// not at all; either with `/N`, which says how many bits count.
impl FromStr for Block {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse().map_err(|_| NotABlock)?)),
            None => (text, None),
        };
        let block = match address.parse::<MacAddr>() {
            Ok(mac) => mac.into(),
            Err(_) => beginning(address).ok_or(NotABlock)?,
        };
        length.map_or(Some(block), |bits| block.widen(bits)).ok_or(NotABlock)
    }
}

/// The block that the first digits of an address name.
fn beginning(text: &str) -> Option<Block> {
    let separator = text.chars().nth(2).filter(|c| matches!(c, ':' | '-'));
    let mut digits = String::with_capacity(12);
    for (i, c) in text.chars().enumerate() {
        match separator {
            Some(s) if i % 3 == 2 => (c == s).then_some(())?,
            _ => digits.push(c.is_ascii_hexdigit().then_some(c)?),
        }
    }
    let bits = u8::try_from(digits.len() * 4).ok().filter(|bits| (24..48).contains(bits))?;
    Block::new(bits, u64::from_str_radix(&digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_written_as_the_beginning_of_its_addresses() {
        for (bits, number, text) in [
            (24, 0xb8_27eb, "b8:27:eb"),
            (28, 0xc85_ce27, "c8:5c:e2:7"),
            (36, 0x0_01bc_5000, "00:1b:c5:00:0"),
        ] {
            let block = Block::new(bits, number).unwrap();
            assert_eq!(block.to_string(), text);
            assert_eq!(text.parse(), Ok(block));
            assert!(block.first().to_string().starts_with(text));
        }
    }

    #[test]
    fn blocks_are_read_in_every_spelling() {
        let block = Block::new(28, 0xc85_ce27).unwrap();
        for text in ["C8-5C-E2-7", "c85ce27", "c8:5c:e2:70:00:00/28", "c85c.e270.0000/28", "c8:5c:e2:7f/28"] {
            assert_eq!(text.parse(), Ok(block), "{text}");
        }
        for text in [
            "",
            "b8:27:e",
            "b8:27-eb",
            "b8:27:eb:",
            "b8:27:eg",
            "b8:27:eb/",
            "b8:27:eb/28",
            "b8:27:eb/23",
            "+b827eb",
            "b8:27:eb:01:02:03:04",
            "b8:27:eb:01:02:03/49",
            "é8:27:eb",
        ] {
            // A separator at the end belongs to a copied prefix; it names the same block.
            let expected =
                if text == "b8:27:eb:" { Ok(Block::new(24, 0xb8_27eb).unwrap()) } else { Err(NotABlock) };
            assert_eq!(text.parse::<Block>(), expected, "{text}");
        }
    }

    #[test]
    fn a_block_lies_in_wider_ones_only() {
        let block = Block::new(28, 0xc85_ce27).unwrap();
        assert_eq!(block.widen(24), Block::new(24, 0xc8_5ce2));
        assert_eq!(block.widen(28), Some(block));
        assert_eq!(block.widen(36), None);
        assert_eq!(Block::new(24, 0x100_0000), None);
    }
}
