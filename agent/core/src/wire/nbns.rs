//! NetBIOS over UDP (RFC 1001, RFC 1002): the name that a machine registers, defends or signs its datagrams with.

use std::net::{IpAddr, Ipv4Addr};

use super::records::{Message, Name, Section, kind};
use crate::decode::be32;
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of the name service.
pub const NAME_PORT: u16 = 137;
/// UDP port of the datagram service.
pub const DATAGRAM_PORT: u16 = 138;

/// Addresses of one name that are looked at.
const ADDRESSES: usize = 16;

/// Reads a UDP payload from or to [`NAME_PORT`] that came from address `from`: the unique name of a machine that is
/// registered for, refreshed with, or answered with this very address. Groups, which are workgroups, are skipped.
pub fn read(bytes: &[u8], from: IpAddr, tell: &mut impl FnMut(Says)) {
    const REGISTRATION: u16 = 5;
    const REFRESH: [u16; 2] = [8, 9];
    const GROUP: u8 = 0x80;
    let Some(message) = Message::read(bytes) else { return };
    let section = match (message.is_response(), message.opcode()) {
        (false, code) if code == REGISTRATION || REFRESH.contains(&code) => Section::Additional,
        (true, 0) if message.response_code() == 0 => Section::Answer,
        _ => return,
    };
    for record in message.filter(|record| record.section == section && record.kind == kind::NB) {
        let own = |entry: &[u8]| {
            entry.first().is_some_and(|flags| flags & GROUP == 0)
                && be32(entry, 2).is_some_and(|address| IpAddr::V4(Ipv4Addr::from_bits(address)) == from)
        };
        if record.data.chunks_exact(6).take(ADDRESSES).any(own)
            && let Some(name) = machine(&record.owner)
        {
            return tell(Says::Own(ClaimSource::Nbns, name));
        }
    }
}

/// Reads a UDP payload from [`DATAGRAM_PORT`] that came from address `from`: the name of the sending machine.
pub fn read_datagram(bytes: &[u8], from: IpAddr, tell: &mut impl FnMut(Says)) {
    /// Direct unique, direct group and broadcast datagrams (RFC 1002 section 4.4.1).
    const DIRECT: std::ops::RangeInclusive<u8> = 0x10..=0x12;
    let own = be32(bytes, 4).is_some_and(|address| IpAddr::V4(Ipv4Addr::from_bits(address)) == from);
    if own
        && bytes.first().is_some_and(|kind| DIRECT.contains(kind))
        && let Some((source, _)) = bytes.get(14..).and_then(|rest| Name::read(rest, 0))
        && let Some(name) = machine(&source)
    {
        tell(Says::Own(ClaimSource::Nbns, name));
    }
}

/// The name of a machine: half-ASCII (RFC 1001 section 14.1), 15 characters and a suffix that is a workstation's or a
/// server's.
fn machine(name: &Name<'_>) -> Option<String> {
    let first = <&[u8; 32]>::try_from(*name.labels().first()?).ok()?;
    let mut plain = [0; 16];
    for (byte, pair) in plain.iter_mut().zip(first.chunks_exact(2)) {
        let half = |letter: u8| letter.checked_sub(b'A').filter(|half| *half < 16);
        *byte = half(*pair.first()?)? << 4 | half(*pair.get(1)?)?;
    }
    let [text @ .., 0x00 | 0x20] = &plain else { return None };
    // The names of the service itself (*, __MSBROWSE__) are no machine's.
    text.first().filter(|first| first.is_ascii_alphanumeric())?;
    text::free(text)
}

#[cfg(test)]
mod tests {
    use super::super::records::build::{message, record};
    use super::*;

    const FROM: [u8; 4] = [192, 168, 1, 9];
    const REGISTRATION: u16 = 0x2910;

    fn encoded(name: &str, suffix: u8) -> String {
        let padded = format!("{name:15}").into_bytes();
        padded
            .iter()
            .chain([&suffix])
            .flat_map(|b| [b'A' + (b >> 4), b'A' + (b & 15)])
            .map(char::from)
            .collect()
    }

    fn entry(name: &str, suffix: u8, flags: u8, address: [u8; 4]) -> Vec<u8> {
        record(&encoded(name, suffix), kind::NB, 300, &[&[flags, 0], &address[..]].concat())
    }

    fn said(bytes: &[u8], read: impl Fn(&[u8], &mut dyn FnMut(Says))) -> Option<String> {
        let mut said = None;
        read(bytes, &mut |says| {
            if let Says::Own(ClaimSource::Nbns, name) = says {
                said = Some(name);
            }
        });
        said
    }

    fn name_said(bytes: &[u8]) -> Option<String> {
        said(bytes, |bytes, tell| read(bytes, FROM.into(), &mut |says| tell(says)))
    }

    #[test]
    fn a_machine_that_registers_or_answers_with_its_own_address_has_the_name() {
        let registers = |entry| name_said(&message(REGISTRATION, [&[], &[], &[entry]]));
        assert_eq!(registers(entry("OFFICE-PC", 0, 0, FROM)).as_deref(), Some("OFFICE-PC"));
        assert_eq!(registers(entry("OFFICE-PC", 0x20, 0, FROM)).as_deref(), Some("OFFICE-PC"));
        assert_eq!(registers(entry("WORKGROUP", 0, 0x80, FROM)), None, "a group");
        assert_eq!(registers(entry("OFFICE-PC", 0x1d, 0, FROM)), None, "a role");
        assert_eq!(registers(entry("OFFICE-PC", 0, 0, [192, 168, 1, 1])), None, "of another");
        assert_eq!(registers(entry("*", 0, 0, FROM)), None);
        let answer = message(0x8580, [&[entry("NAS", 0x20, 0, FROM)], &[], &[]]);
        assert_eq!(name_said(&answer).as_deref(), Some("NAS"));
        let failed = message(0x8583, [&[entry("NAS", 0x20, 0, FROM)], &[], &[]]);
        assert_eq!(name_said(&failed), None);
        let asks = message(0x0110, [&[entry("NAS", 0x20, 0, FROM)], &[], &[]]);
        assert_eq!(name_said(&asks), None);
    }

    #[test]
    fn a_datagram_is_signed_by_its_sender() {
        let datagram = |kind: u8, address: [u8; 4]| {
            let head = [&[kind, 2, 0, 1], &address[..], &[0, 138, 0, 200, 0, 0]].concat();
            let bytes = [head, super::super::records::build::name(&encoded("KITCHEN", 0))].concat();
            said(&bytes, |bytes, tell| read_datagram(bytes, FROM.into(), &mut |says| tell(says)))
        };
        assert_eq!(datagram(0x11, FROM).as_deref(), Some("KITCHEN"));
        assert_eq!(datagram(0x11, [192, 168, 1, 1]), None);
        assert_eq!(datagram(0x13, FROM), None, "an error");
    }
}
