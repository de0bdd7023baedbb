//! Questions and resource records of a DNS message (RFC 1035 section 4.1), as mDNS, LLMNR and the NetBIOS name service send
//! them on the LAN.
//!
//! Own code, since `domain` follows chains of thousands of compression pointers again for each name: a hostile message of
//! 64 kB would cost tens of milliseconds.

use std::net::IpAddr;

use crate::decode::{be16, be32};

/// Questions and records of one message that are read; what comes after them is not.
pub(super) const RECORDS: usize = 256;
/// Compression pointers in one name; real ones have two or three.
const POINTERS: usize = 16;
/// Labels of a name that is kept; longer ones (of reverse lookups) are walked over.
const LABELS: usize = 6;
/// Bytes of a name, length bytes included (RFC 1035 section 2.3.4).
pub(super) const LONGEST: usize = 255;

/// Record types that are looked at.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const NB: u16 = 32;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const SVCB: u16 = 64;
    pub(crate) const HTTPS: u16 = 65;
}

/// Tells the labels of the name at `at` of `message` with its compression undone (section 4.1.4), and returns where what
/// follows it begins. `None` if it is broken, too long, or follows more than so many pointers.
pub(super) fn walk<'a>(
    message: &'a [u8],
    at: usize,
    pointers: usize,
    mut tell: impl FnMut(&'a [u8]),
) -> Option<usize> {
    let (mut at, mut start, mut end) = (at, at, None);
    // The root's own length is part of the limit.
    let (mut length, mut followed) = (1, 0);
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(end.unwrap_or(at + 1)),
            size @ ..=63 => {
                let label = message.get(at + 1..at + 1 + size)?;
                length += 1 + size;
                if length > LONGEST {
                    return None;
                }
                tell(label);
                at += 1 + size;
            }
            0xc0.. => {
                // A pointer leads to what came before, so that there is an end.
                let target = usize::from(be16(message, at)? & 0x3fff);
                followed += 1;
                if target >= start || followed > pointers {
                    return None;
                }
                end.get_or_insert(at + 2);
                (at, start) = (target, target);
            }
            _ => return None,
        }
    }
}

/// The labels of a name; none if there are more than are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Name<'a> {
    labels: [&'a [u8]; LABELS],
    count: usize,
}

impl<'a> Name<'a> {
    /// The name at `at` of `message`, and where what follows it begins.
    pub(super) fn read(message: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let mut name = Self::default();
        let end = walk(message, at, POINTERS, |label| {
            if let Some(free) = name.labels.get_mut(name.count) {
                *free = label;
            }
            name.count += 1;
        })?;
        Some((name, end))
    }

    pub(super) fn labels(&self) -> &[&'a [u8]] {
        self.labels.get(..self.count).unwrap_or_default()
    }

    /// What two names have in common that are the same in whatever case (RFC 1035 section 2.3.3).
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        for label in self.labels() {
            key.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            key.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        key
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A resource record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) section: Section,
    pub(super) owner: Name<'a>,
    pub(super) kind: u16,
    pub(super) ttl: u32,
    pub(super) data: &'a [u8],
    message: &'a [u8],
    data_at: usize,
}

impl<'a> Record<'a> {
    /// The name that begins `offset` bytes into the data.
    pub(super) fn name(&self, offset: usize) -> Option<Name<'a>> {
        let (name, end) = Name::read(self.message, self.data_at + offset)?;
        (end <= self.data_at + self.data.len()).then_some(name)
    }

    /// The address that an A or AAAA record gives.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.kind {
            kind::A => Some(IpAddr::from(<[u8; 4]>::try_from(self.data).ok()?)),
            kind::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(self.data).ok()?)),
            _ => None,
        }
    }
}

/// A message whose questions were walked over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    /// Second 16 bits of the header.
    pub(super) flags: u16,
    at: usize,
    counts: [u16; 3],
    left: usize,
}

impl<'a> Message<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (flags, questions) = (be16(bytes, 2)?, be16(bytes, 4)?);
        let counts = [be16(bytes, 6)?, be16(bytes, 8)?, be16(bytes, 10)?];
        let mut at = 12;
        let left = RECORDS.checked_sub(questions.into())?;
        for _ in 0..questions {
            at = Name::read(bytes, at)?.1 + 4;
        }
        Some(Self { bytes, flags, at, counts, left })
    }

    /// Whether it answers, and does not ask.
    pub(super) const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The kind of question, 0 for an ordinary one.
    pub(super) const fn opcode(&self) -> u16 {
        self.flags >> 11 & 0xf
    }

    /// 0 where all is well.
    pub(super) const fn response_code(&self) -> u16 {
        self.flags & 0xf
    }
}

/// The records in order, up to the first that cannot be read.
impl<'a> Iterator for Message<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let number = self.counts.iter().position(|&count| count > 0)?;
        self.left = self.left.checked_sub(1)?;
        let section = [Section::Answer, Section::Authority, Section::Additional].get(number).copied()?;
        if let Some(count) = self.counts.get_mut(number) {
            *count -= 1;
        }
        let (owner, at) = Name::read(self.bytes, self.at)?;
        let (kind, ttl, length) =
            (be16(self.bytes, at)?, be32(self.bytes, at + 4)?, be16(self.bytes, at + 8)?);
        let data_at = at + 10;
        self.at = data_at + usize::from(length);
        let data = self.bytes.get(data_at..self.at)?;
        Some(Record { section, owner, kind, ttl, data, message: self.bytes, data_at })
    }
}

/// Messages for tests. Names have `/` between their labels.
#[cfg(test)]
pub(super) mod build {
    use super::kind;

    pub(in crate::wire) fn name(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in text.split('/') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    pub(in crate::wire) fn record(owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = name(owner);
        bytes.extend([kind.to_be_bytes(), [0, 1]].concat());
        bytes.extend(ttl.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        bytes
    }

    pub(in crate::wire) fn a(host: &str, address: [u8; 4]) -> Vec<u8> {
        record(host, kind::A, 120, &address)
    }

    /// One question, and the records of each section.
    pub(in crate::wire) fn message(flags: u16, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
        let mut bytes = [[0, 7], flags.to_be_bytes(), [0, 1]].concat();
        for section in sections {
            bytes.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
        }
        bytes.extend([name("question"), vec![0, 255, 0, 1]].concat());
        sections.iter().for_each(|section| bytes.extend(section.concat()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_through_pointers_that_go_back_and_not_through_others() {
        let bytes = b"\x05local\0\x03www\xc0\x00rest\xc0\x07\xc0\x14\xc0\x15";
        let labels = |at: usize| Name::read(bytes, at).map(|(name, end)| (name.labels().concat(), end));
        assert_eq!(labels(7), Some((b"wwwlocal".to_vec(), 13)));
        assert_eq!(labels(17), Some((b"wwwlocal".to_vec(), 19)), "two pointers");
        assert_eq!(labels(19), None, "forward");
        assert_eq!(labels(21), None, "itself");
        assert_eq!(labels(23), None, "the end");
    }

    #[test]
    fn chains_of_pointers_and_names_without_end_are_given_up() {
        let chain: Vec<u8> = [vec![0, 0], (0..100_u8).flat_map(|n| [0xc0, 2 * n]).collect()].concat();
        assert!(Name::read(&chain, 2 * POINTERS).is_some());
        assert!(Name::read(&chain, 2 * POINTERS + 2).is_none());
        let long = |last: u8| -> Vec<u8> {
            [[63; 64].repeat(3), vec![last; 1 + usize::from(last)], vec![0]].concat()
        };
        assert!(Name::read(&long(61), 0).is_some() && Name::read(&long(62), 0).is_none(), "255 bytes");
        let many = [b"\x01a".repeat(LABELS + 1), vec![0]].concat();
        let (name, end) = Name::read(&many, 0).unwrap();
        assert!(name.labels().is_empty() && end == many.len(), "walked over");
    }

    #[test]
    fn a_message_is_read_up_to_its_limit_and_to_what_was_captured() {
        let many = vec![build::a("h/local", [10, 0, 0, 1]); 300];
        let bytes = build::message(0x8400, [&many[..2], &[], &many[..298]]);
        let records: Vec<_> = Message::read(&bytes).unwrap().collect();
        assert_eq!(records.len(), RECORDS - 1, "one question");
        assert_eq!((records[1].section, records[2].section), (Section::Answer, Section::Additional));
        assert_eq!(records[0].address(), Some([10, 0, 0, 1].into()));
        assert_eq!(Message::read(&bytes[..100]).unwrap().count(), 3);
        assert!(Message::read(&bytes[..11]).is_none());
    }
}
