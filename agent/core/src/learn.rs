//! What packets teach about the LAN: who has which address, which networks are here, and who routes.

use std::net::IpAddr;

use crate::addr::{MacAddr, Prefix, is_routed_source};
use crate::address_book::AddressBook;
use crate::decode::{ETHERTYPE_ARP, protocol};
use crate::device::{DeviceId, Devices};
use crate::lan::{Lan, Learnt, Source};
use crate::packet::{Ip, Packet};
use crate::time::Timestamp;
use crate::wire::{arp::Arp, dhcp, ndp::Ndp};

/// Something worth writing down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A network or an address is of this LAN.
    Network(Learnt),
    /// A device routes: it sent from an address that is not its own.
    Gateway {
        /// Who routes.
        device: DeviceId,
        /// For whom.
        address: IpAddr,
    },
}

/// The tables that packets teach.
pub(crate) struct Pupils<'a> {
    pub(crate) lan: &'a mut Lan,
    pub(crate) devices: &'a mut Devices,
    pub(crate) book: &'a mut AddressBook,
    pub(crate) at: Timestamp,
}

impl Pupils<'_> {
    /// Learns from a packet that `sender` sent; tells the news.
    pub(crate) fn learn(&mut self, packet: &Packet<'_>, sender: DeviceId, mut tell: impl FnMut(News)) {
        let Some(ip) = &packet.ip else {
            if packet.ethertype == ETHERTYPE_ARP
                && let Some(arp) = Arp::read(packet.payload)
            {
                self.arp(arp, &mut tell);
            }
            return;
        };
        if ip.fragment.is_none() {
            match (ip.protocol, ip.ports) {
                (protocol::ICMPV6, _) => self.ndp(ip, packet.payload, sender, &mut tell),
                (protocol::UDP, Some((dhcp::Ack::SERVER_PORT, _))) => {
                    if let Some(ack) = packet.payload.get(8..).and_then(dhcp::Ack::read) {
                        self.dhcp(ack, &mut tell);
                    }
                }
                _ => {}
            }
        }
        if sender != DeviceId::OTHER
            && is_routed_source(ip.src)
            && !self.devices.is_gateway(sender)
            && !self.lan.is_local(ip.src)
            && !self.book.is_bound(ip.src, sender)
            && self.devices.learn_gateway(sender, ip.src)
        {
            tell(News::Gateway { device: sender, address: ip.src });
        }
    }

    fn arp(&mut self, arp: Arp, tell: &mut impl FnMut(News)) {
        if !arp.sender.is_unspecified() {
            self.bind(arp.sender.into(), self.devices.lookup(arp.sender_mac), Source::Arp, tell);
        }
        self.local_address(arp.target.into(), Source::Arp, tell);
    }

    fn ndp(&mut self, ip: &Ip, payload: &[u8], sender: DeviceId, tell: &mut impl FnMut(News)) {
        let Some(message) = Ndp::read(ip, payload) else { return };
        let owner = |devices: &Devices, mac: Option<MacAddr>| match mac {
            Some(mac) => devices.lookup(mac),
            None => Some(sender),
        };
        match message {
            Ndp::RouterAdvertisement { options } => {
                self.bind(ip.src, Some(sender), Source::Ndp, tell);
                for prefix in options.on_link_prefixes() {
                    self.network(prefix, Source::Ndp, tell);
                }
            }
            Ndp::Solicitation { target, mac } => {
                self.network_of(target.into(), tell);
                if !ip.src.is_unspecified() {
                    self.bind(ip.src, owner(self.devices, mac), Source::Ndp, tell);
                }
            }
            Ndp::Advertisement { target, mac } => {
                self.network_of(target.into(), tell);
                self.bind(target.into(), owner(self.devices, mac), Source::Ndp, tell);
            }
        }
    }

    fn dhcp(&mut self, ack: dhcp::Ack, tell: &mut impl FnMut(News)) {
        if let Some(network) = ack.network {
            self.network(network, Source::Dhcp, tell);
        }
        self.bind(ack.address.into(), self.devices.lookup(ack.client), Source::Dhcp, tell);
    }

    /// `address` is at `device`, by its own word.
    fn bind(
        &mut self,
        address: IpAddr,
        device: Option<DeviceId>,
        source: Source,
        tell: &mut impl FnMut(News),
    ) {
        // IPv6 addresses come by their prefix; IPv4 may be public, one by one.
        if address.is_ipv4() {
            self.local_address(address, source, tell);
        }
        if let Some(device) = device
            && self.lan.is_local(address)
        {
            self.book.observe(address, device, source, self.at);
            self.devices.own_address(device, address);
        }
    }

    fn local_address(&mut self, address: IpAddr, source: Source, tell: &mut impl FnMut(News)) {
        if let Some(learnt) = self.lan.learn_address(address, source, self.at) {
            self.devices.own_prefix(learnt.prefix);
            tell(News::Network(learnt));
        }
    }

    fn network_of(&mut self, target: IpAddr, tell: &mut impl FnMut(News)) {
        if let Some(prefix) = Prefix::new(target, 64) {
            self.network(prefix, Source::Ndp, tell);
        }
    }

    fn network(&mut self, prefix: Prefix, source: Source, tell: &mut impl FnMut(News)) {
        if let Some(learnt) = self.lan.learn_prefix(prefix, source, self.at) {
            self.devices.own_prefix(prefix);
            tell(News::Network(learnt));
        }
    }
}
