//! Link types as a table, and the shims between the link header and IP: VLAN, QinQ, PPPoE, MPLS, LLC/SNAP.

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, OTHER_PROTOCOL, be16, be32};
use crate::addr::MacAddr;
use crate::packet::{Packet, Trouble};

/// How frames of a capture begin. The numbers are libpcap's DLT values.
#[derive(Clone, Copy, Debug)]
pub struct LinkType {
    /// The name that tcpdump prints.
    pub name: &'static str,
    decode: Decoder,
}

/// A link header's reader: the packet so far, payload and ethertype set to what follows the header.
type Decoder = fn(&[u8]) -> Result<Packet<'_>, Trouble>;

/// Every link type that is understood: DLT number (on Linux), name, reader.
const LINK_TYPES: &[(i32, &str, Decoder)] = &[
    (0, "NULL", null),
    (1, "EN10MB", ethernet),
    (9, "PPP", ppp),
    (12, "RAW", raw),
    (14, "RAW", raw),
    (50, "PPP_SERIAL", ppp),
    (51, "PPP_ETHER", pppoe),
    (101, "RAW", raw),
    (104, "C_HDLC", cisco_hdlc),
    (108, "LOOP", null),
    (113, "LINUX_SLL", linux_sll),
    (228, "IPV4", raw),
    (229, "IPV6", raw),
    (276, "LINUX_SLL2", linux_sll2),
];

impl LinkType {
    /// Ethernet (IEEE 802.3), what nearly every capture of a LAN is.
    pub const ETHERNET: Self = Self { name: "EN10MB", decode: ethernet };

    /// The link type with libpcap's number `dlt`; `None` if it is not understood, so that a capture is refused
    /// when it is opened and no packet of it can fail later.
    #[must_use]
    pub fn from_dlt(dlt: i32) -> Option<Self> {
        LINK_TYPES.iter().find(|(n, ..)| *n == dlt).map(|&(_, name, decode)| Self { name, decode })
    }

    /// The names of all link types that are understood.
    pub fn names() -> impl Iterator<Item = &'static str> {
        LINK_TYPES.iter().map(|(_, name, _)| *name)
    }
}

/// Reads the link header and the shims behind it.
pub(super) fn decode(link_type: LinkType, bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let mut packet = (link_type.decode)(bytes)?;
    skip_shims(&mut packet);
    Ok(packet)
}

fn bare(ethertype: u16, payload: &[u8]) -> Packet<'_> {
    Packet { src: None, dst: None, group: false, vlan: None, ethertype, ip: None, trouble: None, payload }
}

fn mac(bytes: &[u8], at: usize) -> Option<MacAddr> {
    bytes.get(at..at + 6)?.try_into().ok().map(MacAddr)
}

/// Destination, source, EtherType or length (IEEE 802.3 clause 3).
fn ethernet(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let (Some(dst), Some(src), Some(ethertype)) = (mac(bytes, 0), mac(bytes, 6), be16(bytes, 12)) else {
        return Err(Trouble::LinkHeaderCut);
    };
    let mut packet = bare(ethertype, &bytes[14..]);
    (packet.src, packet.dst, packet.group) = (Some(src), Some(dst), dst.is_group());
    llc(&mut packet);
    Ok(packet)
}

/// Linux cooked capture: packet type, ARPHRD type, address length, address (8), protocol.
fn linux_sll(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let (Some(kind), Some(len), Some(protocol)) = (be16(bytes, 0), be16(bytes, 4), be16(bytes, 14)) else {
        return Err(Trouble::LinkHeaderCut);
    };
    Ok(cooked(kind, (len == 6).then(|| mac(bytes, 6)).flatten(), protocol, &bytes[16..]))
}

/// Linux cooked capture v2: protocol, reserved, interface index (4), ARPHRD type, packet type (1), address length (1), address (8).
fn linux_sll2(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let (Some(protocol), Some(kind), Some(&len)) = (be16(bytes, 0), bytes.get(10), bytes.get(11)) else {
        return Err(Trouble::LinkHeaderCut);
    };
    let Some(payload) = bytes.get(20..) else { return Err(Trouble::LinkHeaderCut) };
    Ok(cooked(u16::from(*kind), (len == 6).then(|| mac(bytes, 12)).flatten(), protocol, payload))
}

fn cooked(kind: u16, src: Option<MacAddr>, protocol: u16, payload: &[u8]) -> Packet<'_> {
    /// Values of the packet type field: sent to all, sent to a group.
    const BROADCAST: u16 = 1;
    const MULTICAST: u16 = 2;
    /// Pseudo-protocol of frames that begin with an LLC header.
    const LLC: u16 = 0x0004;
    let mut packet = bare(if protocol < 1536 { OTHER_PROTOCOL } else { protocol }, payload);
    packet.src = src;
    packet.group = matches!(kind, BROADCAST | MULTICAST);
    if protocol == LLC {
        packet.ethertype = 0;
        llc(&mut packet);
    }
    packet
}

/// BSD loopback: an address family of four bytes, in the byte order of the machine that captured (NULL) or of the network (LOOP).
fn null(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let Some(family) = be32(bytes, 0) else { return Err(Trouble::LinkHeaderCut) };
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Ok(bare(ETHERTYPE_IPV4, &bytes[4..])),
        // AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, and Linux.
        24 | 28 | 30 | 10 => Ok(bare(ETHERTYPE_IPV6, &bytes[4..])),
        _ => Err(Trouble::AddressFamily),
    }
}

/// No link header at all.
fn raw(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    match bytes.first().map(|b| b >> 4) {
        Some(4) => Ok(bare(ETHERTYPE_IPV4, bytes)),
        Some(6) => Ok(bare(ETHERTYPE_IPV6, bytes)),
        Some(_) => Err(Trouble::RawVersion),
        None => Err(Trouble::LinkHeaderCut),
    }
}

/// PPP, with or without the HDLC framing bytes ff 03 (RFC 1661, RFC 1662).
fn ppp(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    // RFC 1662 says ff 03; a direction byte in its place stands in captures of pppd.
    let bytes = match bytes {
        [0xff | 0x00 | 0x01, 0x03, rest @ ..] => rest,
        _ => bytes,
    };
    let (ethertype, payload) = ppp_protocol(bytes).ok_or(Trouble::LinkHeaderCut)?;
    Ok(bare(ethertype, payload))
}

/// PPPoE session frames without the Ethernet header before them.
fn pppoe(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let (ethertype, payload) = bytes.get(6..).and_then(ppp_protocol).ok_or(Trouble::LinkHeaderCut)?;
    Ok(bare(ethertype, payload))
}

/// Cisco HDLC: address, control, EtherType.
fn cisco_hdlc(bytes: &[u8]) -> Result<Packet<'_>, Trouble> {
    let ethertype = be16(bytes, 2).ok_or(Trouble::LinkHeaderCut)?;
    Ok(bare(if ethertype < 1536 { OTHER_PROTOCOL } else { ethertype }, &bytes[4..]))
}

/// The PPP protocol field, one byte if it is odd (RFC 1661 section 2), as an EtherType.
fn ppp_protocol(bytes: &[u8]) -> Option<(u16, &[u8])> {
    /// EtherType of PPP: stands for all its protocols that are not IP.
    const PPP: u16 = 0x880b;
    let (protocol, payload) = match *bytes.first()? {
        short if short & 1 == 1 => (u16::from(short), &bytes[1..]),
        _ => (be16(bytes, 0)?, &bytes[2..]),
    };
    Some(match protocol {
        0x0021 => (ETHERTYPE_IPV4, payload),
        0x0057 => (ETHERTYPE_IPV6, payload),
        // Multiprotocol label switching (RFC 3032 section 4.3).
        0x0281 => (0x8847, payload),
        _ => (PPP, payload),
    })
}

/// An IEEE 802.2 header instead of an EtherType: SNAP gives the EtherType, anything else counts as 256 + DSAP.
fn llc(packet: &mut Packet<'_>) {
    const LARGEST_LENGTH: u16 = 1500;
    if packet.ethertype > LARGEST_LENGTH {
        return;
    }
    packet.ethertype = match *packet.payload {
        // SNAP with the OUI of encapsulated Ethernet (RFC 1042), or of bridged frames (IEEE 802.1H).
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low, ref rest @ ..] if high >= 6 => {
            packet.payload = rest;
            u16::from_be_bytes([high, low])
        }
        [dsap, ..] => 256 + u16::from(dsap),
        [] => {
            packet.trouble = Some(Trouble::ShimCut);
            OTHER_PROTOCOL
        }
    };
}

/// Walks over VLAN tags, PPPoE session headers and MPLS label stacks until something else comes.
fn skip_shims(packet: &mut Packet<'_>) {
    loop {
        let step = match packet.ethertype {
            // 802.1Q, 802.1ad, and the tags that QinQ gear used before that.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => vlan(packet),
            0x8864 => packet.payload.get(6..).and_then(ppp_protocol),
            0x8847 | 0x8848 => match mpls(packet.payload) {
                // A pseudo-wire or a control word: nothing more to see, and not an error.
                Some((OTHER_PROTOCOL, _)) => return,
                step => step,
            },
            _ => return,
        };
        let Some((ethertype, payload)) = step else {
            packet.trouble = Some(Trouble::ShimCut);
            return;
        };
        (packet.ethertype, packet.payload) = (ethertype, payload);
        llc(packet);
    }
}

fn vlan<'a>(packet: &mut Packet<'a>) -> Option<(u16, &'a [u8])> {
    let (tag, ethertype) = (be16(packet.payload, 0)?, be16(packet.payload, 2)?);
    packet.vlan.get_or_insert(tag & 0x0fff);
    Some((ethertype, &packet.payload[4..]))
}

/// Past the bottom of the label stack (RFC 3032) the version nibble tells IP from everything else.
fn mpls(mut bytes: &[u8]) -> Option<(u16, &[u8])> {
    loop {
        let label = be32(bytes, 0)?;
        bytes = &bytes[4..];
        if label & 0x100 != 0 {
            return Some(match bytes.first()? >> 4 {
                4 => (ETHERTYPE_IPV4, bytes),
                6 => (ETHERTYPE_IPV6, bytes),
                _ => (OTHER_PROTOCOL, bytes),
            });
        }
    }
}
