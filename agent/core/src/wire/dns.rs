//! DNS (RFC 1035): what was asked, which addresses the answer gives for it, and which name for an address.
//!
//! Own code, since `domain` follows 8,000 compression pointers for each of thousands of records of a hostile message, 0.3 s, and
//! gives no names of a message that was cut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::records::kind::{A, AAAA, CNAME, HTTPS, PTR, SVCB};
use super::records::{LONGEST, walk};
use crate::decode::be16;
use crate::text;

/// Questions of a message that are read. Anybody who expects an answer asks one (RFC 9619).
pub const QUESTIONS: usize = 16;
/// Addresses of an answer that are read.
pub const ADDRESSES: usize = 64;
/// Aliases (CNAME) of an answer that are followed, in whatever order they stand.
pub const ALIASES: usize = 16;
/// Names that an answer gives for an address.
pub const POINTERS: usize = 16;
/// Compression pointers that are followed for one name: it has no more labels than this.
const JUMPS: usize = 127;
const HEADER: usize = 12;

const INTERNET: u16 = 1;

/// A message with at least one question that can be read.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    questions: Vec<Asked>,
    /// Where the answers begin, if all before them could be read.
    answers: Option<usize>,
}

/// One question (section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Presentation text, lower case: see [`text::domain`].
    pub name: String,
    /// QTYPE (IANA "DNS Resource Record types").
    pub kind: u16,
    /// QCLASS without the highest bit, which mDNS uses for something else.
    pub class: u16,
}

/// The addresses that an answer gives for the name that was asked, in its order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(pub Vec<IpAddr>);

/// A name as its labels with their lengths, lower case, without compression and without the root.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Labels(Vec<u8>);

#[derive(Clone, Debug)]
struct Asked {
    name: Labels,
    kind: u16,
    class: u16,
}

/// A resource record (section 4.1.3); its data may be cut.
struct Record<'a> {
    /// Where its name stands.
    owner: usize,
    kind: u16,
    class: u16,
    /// Where its data stands.
    at: usize,
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a UDP payload, or one message of a TCP stream. `None` for what has no question that can be read whole.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let many = usize::from(be16(bytes, 4)?);
        let (mut questions, mut at) = (Vec::new(), HEADER);
        while questions.len() < many.min(QUESTIONS) {
            let Some((question, end)) = question(bytes, at) else { break };
            questions.push(question);
            at = end;
        }
        let answers = (questions.len() == many).then_some(at);
        (!questions.is_empty()).then_some(Self { bytes, questions, answers })
    }

    /// What joins an answer to its question.
    #[must_use]
    pub fn id(&self) -> u16 {
        be16(self.bytes, 0).unwrap_or_default()
    }

    fn flags(&self) -> u16 {
        be16(self.bytes, 2).unwrap_or_default()
    }

    /// Whether it is an answer (QR).
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags() & 0x8000 != 0
    }

    /// What is asked for: 0 for a query (IANA "DNS `OpCodes`").
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.flags() >> 11 & 0xf) as u8
    }

    /// Response code of the header, 0 to 15 (IANA "DNS RCODEs"), without what EDNS adds to it.
    #[must_use]
    pub fn rcode(&self) -> u8 {
        (self.flags() & 0xf) as u8
    }

    /// The questions, at most [`QUESTIONS`]; those before the damage of a damaged message.
    pub fn questions(&self) -> impl Iterator<Item = Question> {
        self.questions.iter().map(|asked| Question {
            name: asked.name.to_text(),
            kind: asked.kind,
            class: asked.class,
        })
    }

    /// How many questions [`questions`](Self::questions) gives.
    #[must_use]
    pub fn many(&self) -> usize {
        self.questions.len()
    }

    /// Whether the message claims to have more questions than [`questions`](Self::questions) gives.
    #[must_use]
    pub fn has_more_questions(&self) -> bool {
        self.answers.is_none()
    }

    /// The addresses that the answer gives for the first question's name, directly or over aliases: of A and AAAA
    /// records, and the hints of SVCB and HTTPS records (RFC 9460 section 7.3). At most [`ADDRESSES`], of the first so many
    /// records that could give one.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let names = self.names();
        let mut found = Vec::new();
        let mut add = |address: IpAddr| {
            if found.len() < ADDRESSES && !found.contains(&address) {
                found.push(address);
            }
        };
        let giving = self.records().filter(|record| matches!(record.kind, A | AAAA | SVCB | HTTPS));
        for record in giving.take(ADDRESSES).filter(|record| self.is_owned(record, &names)) {
            match record.kind {
                A | AAAA => address(record.data).into_iter().for_each(&mut add),
                _ => hints(record.data).take(ADDRESSES).for_each(&mut add),
            }
        }
        Addresses(found)
    }

    /// The names that the answer gives for an address, if it was asked for one: by `in-addr.arpa` (section 3.5) or `ip6.arpa`
    /// (RFC 3596 section 2.5), directly or over aliases (RFC 2317). At most [`POINTERS`].
    #[must_use]
    pub fn pointers(&self) -> Vec<(IpAddr, String)> {
        let Some(address) = self.questions.first().and_then(|question| question.name.as_address()) else {
            return Vec::new();
        };
        let names = self.names();
        self.records()
            .filter(|record| record.kind == PTR)
            .take(POINTERS)
            .filter(|record| self.is_owned(record, &names))
            .filter_map(|record| Some((address, labels(self.bytes, record.at)?.0.to_text())))
            .filter(|(_, name)| name != ".")
            .collect()
    }

    /// The first question's name and all that it is an alias of: aliases stand in any order, and may go in a circle.
    fn names(&self) -> Vec<Labels> {
        let mut names: Vec<_> = self.questions.iter().take(1).map(|asked| asked.name.clone()).collect();
        let alias = |record: Record<'_>| {
            let target = match record.kind {
                CNAME => record.at,
                // Priority 0 makes an alias of these two (RFC 9460 section 2.4.2).
                SVCB | HTTPS if be16(record.data, 0) == Some(0) => record.at + 2,
                _ => return None,
            };
            Some((labels(self.bytes, record.owner)?.0, labels(self.bytes, target)?.0))
        };
        let aliasing = self.records().filter(|record| matches!(record.kind, CNAME | SVCB | HTTPS));
        let mut aliases: Vec<_> = aliasing.take(ALIASES).filter_map(alias).collect();
        let mut known = 0;
        while let Some(name) = names.get(known).cloned() {
            let (found, left) = aliases.into_iter().partition(|(owner, _)| *owner == name);
            let found: Vec<_> = found;
            aliases = left;
            names.extend(found.into_iter().map(|(_, target)| target));
            known += 1;
        }
        names
    }

    fn is_owned(&self, record: &Record<'_>, by: &[Labels]) -> bool {
        labels(self.bytes, record.owner).is_some_and(|(owner, _)| by.contains(&owner))
    }

    /// The records of the answer section up to the first that cannot be read, of class IN.
    fn records(&self) -> impl Iterator<Item = Record<'a>> {
        let bytes = self.bytes;
        let many = self.answers.and_then(|_| be16(bytes, 6)).unwrap_or_default();
        let mut next = self.answers.unwrap_or_default();
        (0..many)
            .map_while(move |_| {
                let record = record(bytes, next)?;
                next = record.at + record.data.len();
                Some(record)
            })
            .filter(|record| record.class == INTERNET)
    }
}

impl Labels {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first()?;
            let (label, left) = after.split_at_checked(length.into())?;
            rest = left;
            Some(label)
        })
    }

    fn to_text(&self) -> String {
        text::domain(self.iter())
    }

    /// The address that a name below `in-addr.arpa` or `ip6.arpa` stands for.
    fn as_address(&self) -> Option<IpAddr> {
        let labels: Vec<_> = self.iter().collect();
        match labels.as_slice() {
            [octets @ .., b"in-addr", b"arpa"] => {
                let octets: &[&[u8]; 4] = octets.try_into().ok()?;
                let mut address = [0; 4];
                for (to, label) in address.iter_mut().rev().zip(octets) {
                    *to = std::str::from_utf8(label).ok()?.parse().ok()?;
                }
                Some(Ipv4Addr::from(address).into())
            }
            [digits @ .., b"ip6", b"arpa"] => {
                let digits: &[&[u8]; 32] = digits.try_into().ok()?;
                let mut address = 0;
                for label in digits.iter().rev() {
                    let &[digit] = *label else { return None };
                    address = address << 4 | u128::from(char::from(digit).to_digit(16)?);
                }
                Some(Ipv6Addr::from_bits(address).into())
            }
            _ => None,
        }
    }
}

/// The messages of a DNS conversation over TCP, each after its length (section 4.2.2), and how many bytes of `stream` they
/// take up: what is left is the beginning of the next one.
pub fn tcp_messages(stream: &[u8]) -> (impl Iterator<Item = &[u8]>, usize) {
    let (mut messages, mut rest) = (Vec::new(), stream);
    while let Some((length, after)) = rest.split_first_chunk()
        && let Some((message, left)) = after.split_at_checked(u16::from_be_bytes(*length).into())
    {
        messages.push(message);
        rest = left;
    }
    (messages.into_iter(), stream.len() - rest.len())
}

/// The question at `at`, and where it ends.
fn question(bytes: &[u8], at: usize) -> Option<(Asked, usize)> {
    let (name, end) = labels(bytes, at)?;
    let (kind, class) = (be16(bytes, end)?, be16(bytes, end + 2)? & 0x7fff);
    Some((Asked { name, kind, class }, end + 4))
}

fn record(bytes: &[u8], owner: usize) -> Option<Record<'_>> {
    let end = skip(bytes, owner)?;
    let (kind, class, length) = (be16(bytes, end)?, be16(bytes, end + 2)?, be16(bytes, end + 8)?);
    let at = end + 10;
    Some(Record { owner, kind, class, at, data: bytes.get(at..at + usize::from(length))? })
}

/// The name at `at`, and where what follows it begins.
fn labels(bytes: &[u8], at: usize) -> Option<(Labels, usize)> {
    let mut name = Vec::new();
    let end = walk(bytes, at, JUMPS, |label| {
        name.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        name.extend(label.iter().map(u8::to_ascii_lowercase));
    })?;
    Some((Labels(name), end))
}

/// Where what follows the name at `at` begins.
fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while at - start < LONGEST {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length @ 1..64 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
    None
}

/// An address by its length.
fn address(data: &[u8]) -> Option<IpAddr> {
    let ipv4 = || <[u8; 4]>::try_from(data).map(IpAddr::from);
    let ipv6 = |_| <[u8; 16]>::try_from(data).map(IpAddr::from);
    ipv4().or_else(ipv6).ok()
}

/// The address hints of a SVCB or HTTPS record: priority, target, then parameters, each a key and a length before its
/// value (RFC 9460 section 2.2).
fn hints(data: &[u8]) -> impl Iterator<Item = IpAddr> {
    const IPV4_HINT: u16 = 4;
    const IPV6_HINT: u16 = 6;
    let mut rest = skip(data, 2).and_then(|end| data.get(end..)).unwrap_or_default();
    let parameters = std::iter::from_fn(move || {
        let (key, length) = (be16(rest, 0)?, usize::from(be16(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + length..)?;
        Some((key, value))
    });
    parameters.flat_map(|(key, value)| {
        let size = match key {
            IPV4_HINT => 4,
            IPV6_HINT => 16,
            _ => usize::MAX,
        };
        value.chunks_exact(size).filter_map(address)
    })
}

#[cfg(test)]
pub(crate) mod tests;
