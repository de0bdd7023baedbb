//! Bytes to a [`Packet`], or the reason why not: a table of link types, then shims, then IP.
//!
//! Nothing here allocates, keeps state or can panic on any input; a cut frame is normal and yields what was
//! captured of it.

mod ip;
mod link;

pub(crate) use ip::protocol;
pub use link::LinkType;

use crate::packet::{Packet, Trouble};

/// What `ethertype` is when the link header names a protocol in no registry that fits (0xffff is reserved by IEEE).
pub const OTHER_PROTOCOL: u16 = 0xffff;

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Decodes a captured frame; `wire_len` is its length on the wire, of which `bytes` may be only the start.
///
/// # Errors
/// The [`Trouble`] that left no readable link header: the frame is *undecodable*.
pub fn decode(link_type: LinkType, bytes: &[u8], wire_len: u32) -> Result<Packet<'_>, Trouble> {
    let mut packet = link::decode(link_type, bytes)?;
    if matches!(packet.ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6) && packet.trouble.is_none() {
        let before = bytes.len() - packet.payload.len();
        let wire_rest = wire_len.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX));
        ip::decode(&mut packet, wire_rest);
    }
    Ok(packet)
}

/// The big-endian number at `at`, if it was captured.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

/// The big-endian number at `at`, if it was captured.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
