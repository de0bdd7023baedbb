//! What is right by itself: names, interfaces, networks and filters, whoever gives them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lanscribe_core::addr::{Prefix, is_private};

use super::reader::quoted;
use crate::text::is_hidden;

/// Characters of a name that an owner gives, to a device or to a tap: as many as a label that is given by command.
pub(super) const NAME: usize = crate::store::LABEL;
/// Bytes of an interface's name: IFNAMSIZ, less the zero at its end.
const INTERFACE: usize = 15;

/// A name that an owner may give to a device or a tap, without the spaces around it; else what is wrong with it.
///
/// # Errors
/// If nothing is left, or it is longer than 64 characters, or has hidden ones.
pub(super) fn check_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let wrong = match name.chars().count() {
        0 => "is empty",
        n if n > NAME => "is too long",
        _ if name.chars().any(is_hidden) => "has hidden characters",
        _ => return Ok(name.to_owned()),
    };
    Err(format!("{} {wrong}", quoted(name)))
}

/// What Linux takes for the name of an interface.
pub(super) fn check_interface(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > INTERFACE {
        return Err(format!("has {} bytes; a name has 1 to {INTERFACE}", name.len()));
    }
    let forbidden = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || is_hidden(c);
    if matches!(name, "." | "..") || name.contains(forbidden) {
        return Err("is no name of an interface".to_owned());
    }
    Ok(())
}

/// Networks that cannot be a LAN's.
pub(super) fn check_network(network: Prefix) -> Result<(), String> {
    if network.length() == 0 {
        return Err("would make the whole internet local".to_owned());
    }
    let v4 = |a, b, c, d, length| (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length);
    let v6 = |first, length| (IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)), length);
    let strange = [
        (v4(224, 0, 0, 0, 4), "multicast"),
        (v4(255, 255, 255, 255, 32), "broadcast"),
        (v4(127, 0, 0, 0, 8), "loopback"),
        (v4(0, 0, 0, 0, 8), "unspecified"),
        (v6(0xff00, 8), "multicast"),
        ((IpAddr::V6(Ipv6Addr::LOCALHOST), 128), "loopback"),
        ((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128), "unspecified"),
        ((IpAddr::V6(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()), 96), "never on a wire (IPv4 in IPv6)"),
    ];
    for ((address, length), what) in strange {
        let other = Prefix::new(address, length);
        if other.is_some_and(|other| other.contains(network.address())) || network.contains(address) {
            return Err(format!("has addresses that are {what}"));
        }
    }
    let widest = if network.address().is_ipv4() { 8 } else { 16 };
    if network.length() < widest && !is_private(network.address()) {
        return Err(format!("is wider than /{widest}, and would make a part of the internet local"));
    }
    Ok(())
}

/// Has libpcap look at a filter, as it would be for an Ethernet interface.
pub(super) fn check_filter(filter: &str) -> Result<(), String> {
    let said = |e: pcap::Error| crate::capture::said(&e);
    let ethernet = pcap::Capture::dead(pcap::Linktype::ETHERNET).map_err(said)?;
    ethernet.compile(filter, true).map(drop).map_err(said)
}
