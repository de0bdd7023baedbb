//! Whose packet is it, and which way does it go? Decided at a flow's first packet, from what is known by then.

use std::net::{IpAddr, Ipv4Addr};

use crate::addr::MacAddr;
use crate::address_book::AddressBook;
use crate::class::Class;
use crate::device::{DeviceId, Devices};
use crate::flow::End;
use crate::flow::table::Opening;
use crate::lan::Lan;
use crate::packet::Packet;

/// The devices whose MAC addresses stand in the outermost link header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkEnds {
    pub(crate) src: DeviceId,
    pub(crate) dst: DeviceId,
}

/// What is known of the LAN when a flow begins.
pub(crate) struct Known<'a> {
    pub(crate) lan: &'a Lan,
    pub(crate) devices: &'a Devices,
    pub(crate) book: &'a AddressBook,
}

impl Known<'_> {
    /// Classes a packet that begins a flow.
    pub(crate) fn attribute(
        &self,
        packet: &Packet<'_>,
        ports: Option<(u16, u16)>,
        link: LinkEnds,
    ) -> Opening {
        let Some(ip) = &packet.ip else {
            let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let from = End { address: nowhere, port: None, device: link.src, mac: packet.src, station: true };
            let to = End { address: nowhere, port: None, device: DeviceId::OTHER, mac: None, station: false };
            return Opening { class: Class::Link, ends: [from, to], vlan: packet.vlan };
        };
        let (from_port, to_port) = (ports.map(|p| p.0), ports.map(|p| p.1));
        if packet.group {
            let from =
                End { address: ip.src, port: from_port, device: link.src, mac: packet.src, station: true };
            let to =
                End { address: ip.dst, port: to_port, device: DeviceId::OTHER, mac: None, station: false };
            return Opening { class: Class::Multicast, ends: [from, to], vlan: packet.vlan };
        }
        let from = self.end(ip.src, from_port, packet.src, link.src);
        let to = self.end(ip.dst, to_port, packet.dst, link.dst);
        let class = match (from.station, to.station) {
            (true, true) => Class::Lan,
            (false, false) => Class::Transit,
            _ => Class::Remote,
        };
        Opening { class, ends: [from, to], vlan: packet.vlan }
    }

    fn end(&self, address: IpAddr, port: Option<u16>, mac: Option<MacAddr>, device: DeviceId) -> End {
        // A cooked capture does not say to whom a frame went: to whoever has the address, as far as is known.
        let device = match mac {
            None => self.book.holder(address).unwrap_or(device),
            Some(_) => device,
        };
        let station = self.is_station(address, device);
        // Whoever was refused as a device shares a flow with the others that were: MAC addresses are made up for nothing.
        let mac = mac.filter(|_| station && device != DeviceId::OTHER);
        End { address, port, device, mac, station }
    }

    /// An address of this LAN, at a MAC address that does not route for it: a gateway owns only what ARP, NDP or
    /// DHCP bound to it, for a local address behind it belongs to somebody else.
    pub(crate) fn is_station(&self, address: IpAddr, device: DeviceId) -> bool {
        self.lan.is_local(address)
            && (!self.devices.is_gateway(device) || self.book.is_bound(address, device))
    }
}
