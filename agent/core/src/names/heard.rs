//! Which packet is read for what its sender says of itself: one look at ports and EtherType, then the reader.

use std::net::IpAddr;

use super::claim_source::ClaimSource;
use crate::addr::MacAddr;
use crate::decode::protocol;
use crate::packet::Packet;
use crate::wire::{cdp, dhcp, dhcpv6, lldp, llmnr, mdns, nbns, ssdp, wsd};

/// What a packet says of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Its sender says this of itself.
    Own(ClaimSource, String),
    /// This is said of the station with that MAC address: DHCP, where a relay or the server may speak.
    Of(MacAddr, ClaimSource, String),
    /// The address is announced under this name, presentation text that ends in `.local`.
    Address(String, IpAddr),
}

/// Tells what `packet` says of its sender; `ports` are those of its UDP header. Most packets say nothing and cost one
/// look. The caller sees to it that the IP source is an address of the sender's own, for what a router passes on is no
/// word about the router.
pub fn heard(packet: &Packet<'_>, ports: Option<(u16, u16)>, tell: &mut impl FnMut(Says)) {
    let Some(ip) = &packet.ip else {
        match packet.ethertype {
            lldp::ETHERTYPE => lldp::read(packet.payload, tell),
            cdp::LLC_SNAP => cdp::read(packet.payload, tell),
            _ => {}
        }
        return;
    };
    let Some((from, to)) = ports.filter(|_| ip.protocol == protocol::UDP) else { return };
    let port = |port| from == port || to == port;
    // Fragments after the first have no UDP header, and what is cut within a message is read as far as it goes.
    if !(is_read(from) || is_read(to)) || ip.fragment.is_some_and(|fragment| !fragment.first) {
        return;
    }
    let Some(bytes) = packet.payload.get(8..) else { return };
    if port(dhcp::SERVER_PORT) {
        dhcp::read(bytes, tell);
    } else if to == dhcpv6::SERVER_PORT {
        dhcpv6::read(bytes, tell);
    } else if from == mdns::PORT {
        mdns::read(bytes, ip.src, tell);
    } else if from == llmnr::PORT {
        llmnr::read(bytes, ip.src, tell);
    } else if port(ssdp::PORT) {
        ssdp::read(bytes, tell);
    } else if port(nbns::NAME_PORT) {
        nbns::read(bytes, ip.src, tell);
    } else if from == nbns::DATAGRAM_PORT {
        nbns::read_datagram(bytes, ip.src, tell);
    } else if port(wsd::PORT) {
        wsd::read(bytes, tell);
    }
}

/// Whether packets from or to this UDP port are read at all.
const fn is_read(port: u16) -> bool {
    matches!(
        port,
        dhcp::SERVER_PORT
            | dhcpv6::SERVER_PORT
            | mdns::PORT
            | llmnr::PORT
            | ssdp::PORT
            | nbns::NAME_PORT
            | nbns::DATAGRAM_PORT
            | wsd::PORT
    )
}
