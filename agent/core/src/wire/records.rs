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
const LONGEST: usize = 255;

/// Record types that are looked at.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const NB: u16 = 32;
    pub(crate) const SRV: u16 = 33;
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
        let (mut name, mut end, mut at) = (Self::default(), None, at);
        let (mut length, mut pointers) = (1, 0);
        loop {
            match usize::from(*message.get(at)?) {
                0 => break,
                size @ ..=63 => {
                    let label = message.get(at + 1..at + 1 + size)?;
                    length += 1 + size;
                    if length > LONGEST {
                        return None;
                    }
                    if let Some(free) = name.labels.get_mut(name.count) {
                        *free = label;
                    }
                    name.count += 1;
                    at += 1 + size;
                }
                0xc0.. => {
                    let target = usize::from(be16(message, at)? & 0x3fff);
                    pointers += 1;
                    if target >= at || pointers > POINTERS {
                        return None;
                    }
                    end.get_or_insert(at + 2);
                    at = target;
                }
                _ => return None,
            }
        }
        Some((name, end.unwrap_or(at + 1)))
    }

    pub(super) fn labels(&self) -> &[&'a [u8]] {
        self.labels.get(..self.count).unwrap_or_default()
    }

    /// Whether it is the same name, in whatever case (RFC 1035 section 2.3.3).
    pub(super) fn is(&self, other: &Self) -> bool {
        let (own, other) = (self.labels(), other.labels());
        own.len() == other.len() && own.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b))
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
