//! IPv4 and IPv6 with extension headers, fragments, and the few bytes of transport headers that flows need.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpv4Slice, LaxIpv6Slice};

use super::{ETHERTYPE_IPV6, be16, be32};
use crate::packet::{Fragment, Ip, Packet, Tcp, Trouble};

/// IP protocol numbers that are looked at.
pub(crate) mod protocol {

    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const DCCP: u8 = 33;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const UDP_LITE: u8 = 136;

    /// Whether the first four bytes of the header are the ports.
    pub(crate) const fn has_ports(protocol: u8) -> bool {
        matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
    }
}

/// Reads the IP header at the start of `packet.payload`; `wire_rest` is how long the frame was from there on.
pub(super) fn decode(packet: &mut Packet<'_>, wire_rest: u32) {
    match packet.ethertype {
        ETHERTYPE_IPV6 => ipv6(packet, wire_rest),
        _ => ipv4(packet, wire_rest),
    }
    let Some(ip) = &mut packet.ip else { return };
    // Where no link header says so, the address tells that many were meant.
    if packet.dst.is_none() && crate::addr::is_group(ip.dst) {
        packet.group = true;
    }
    if !protocol::has_ports(ip.protocol) || ip.fragment.is_some_and(|f| !f.first) {
        return;
    }
    // Four bytes are enough for the ports, whatever the rest of the header says.
    let (Some(from), Some(to)) = (be16(packet.payload, 0), be16(packet.payload, 2)) else {
        packet.trouble.get_or_insert(Trouble::NoPorts);
        return;
    };
    ip.ports = Some((from, to));
    if ip.protocol == protocol::TCP
        && let (Some(seq), Some(&flags)) = (be32(packet.payload, 4), packet.payload.get(13))
    {
        ip.tcp = Some(Tcp { flags, seq });
    }
}

fn ipv4(packet: &mut Packet<'_>, wire_rest: u32) {
    let Ok((slice, _)) = LaxIpv4Slice::from_slice(packet.payload) else {
        packet.trouble = Some(Trouble::Ipv4Header);
        return;
    };
    let header = slice.header();
    let total_len = u32::from(header.total_len());
    let header_len = header.slice().len();
    packet.payload = match total_len as usize {
        0 => &packet.payload[header_len..],
        // A length that does not even cover the header: nothing can be said to lie behind it.
        len if len < header_len => &[],
        len => &packet.payload[header_len..len.min(packet.payload.len())],
    };
    let offset = header.fragments_offset().value();
    packet.ip = Some(Ip {
        src: IpAddr::V4(header.source_addr()),
        dst: IpAddr::V4(header.destination_addr()),
        protocol: header.protocol().0,
        hop_limit: header.ttl(),
        len: if total_len == 0 { wire_rest } else { total_len },
        ports: None,
        fragment: (offset != 0 || header.more_fragments())
            .then(|| Fragment { id: header.identification().into(), first: offset == 0 }),
        tcp: None,
    });
}

fn ipv6(packet: &mut Packet<'_>, wire_rest: u32) {
    let Ok((slice, stopped)) = LaxIpv6Slice::from_slice(packet.payload) else {
        packet.trouble = Some(Trouble::Ipv6Header);
        return;
    };
    let header = slice.header();
    if stopped.is_some() {
        packet.trouble = Some(Trouble::Ipv6Extension);
    }
    let fragment = fragment_header(slice.extensions().first_header(), slice.extensions().slice());
    let payload_len = u32::from(header.payload_length());
    packet.payload = slice.payload().payload;
    packet.ip = Some(Ip {
        src: IpAddr::V6(header.source_addr()),
        dst: IpAddr::V6(header.destination_addr()),
        protocol: slice.payload().ip_number.0,
        hop_limit: header.hop_limit(),
        // Length 0 is a jumbogram (RFC 2675) or offload: to the end of the frame.
        len: if payload_len == 0 { wire_rest } else { 40 + payload_len },
        ports: None,
        fragment,
        tcp: None,
    });
}

/// What the first fragment header says, if it says more than that the packet is whole (RFC 6946).
///
/// Walked here, and not with etherparse's iterator: that one goes on reading where a chain of extension headers
/// was cut between two of them, beyond the end of the packet.
fn fragment_header(first: Option<IpNumber>, mut bytes: &[u8]) -> Option<Fragment> {
    let mut kind = first?;
    loop {
        let (&next, &length) = (bytes.first()?, bytes.get(1)?);
        let length = match kind {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let (offset_and_flags, id) = (be16(bytes, 2)?, be32(bytes, 4)?);
                let (offset, more) = (offset_and_flags >> 3, offset_and_flags & 1 != 0);
                return (offset != 0 || more).then_some(Fragment { id, first: offset == 0 });
            }
            IpNumber::AUTHENTICATION_HEADER => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        (kind, bytes) = (IpNumber(next), bytes.get(length..)?);
    }
}
