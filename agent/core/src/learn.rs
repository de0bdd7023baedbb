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
                self.arp(arp, packet.src, sender, &mut tell);
            }
            return;
        };
        if ip.fragment.is_none() {
            match (ip.protocol, ip.ports) {
                (protocol::ICMPV6, _) => self.ndp(packet, ip, sender, &mut tell),
                (protocol::UDP, Some((dhcp::Ack::SERVER_PORT, _))) => {
                    if let Some(ack) = packet.payload.get(8..).and_then(dhcp::Ack::read) {
                        self.dhcp(ack, &mut tell);
                    }
                }
                _ => {}
            }
        }
        if sender != DeviceId::OTHER
            && self.devices.wants_proof(sender)
            && is_routed_source(ip.src)
            && !self.lan.is_local(ip.src)
            && !self.book.is_bound(ip.src, sender)
            && self.devices.learn_gateway(sender, ip.src)
        {
            tell(News::Gateway { device: sender, address: ip.src });
        }
    }

    fn arp(&mut self, arp: Arp, src: Option<MacAddr>, sender: DeviceId, tell: &mut impl FnMut(News)) {
        // Who speaks for another MAC address than its own is not believed.
        if src.is_some_and(|src| src != arp.sender_mac) {
            return;
        }
        if !arp.sender.is_unspecified() {
            self.bind(arp.sender.into(), sender, Source::Arp, tell);
        }
        self.local_address(arp.target.into(), sender, Source::Arp, tell);
    }

    fn ndp(&mut self, packet: &Packet<'_>, ip: &Ip, sender: DeviceId, tell: &mut impl FnMut(News)) {
        let Some(message) = Ndp::read(ip, packet.payload) else { return };
        let honest = |mac: Option<MacAddr>| mac.is_none() || packet.src.is_none() || mac == packet.src;
        match message {
            Ndp::RouterAdvertisement { options } => {
                self.bind(ip.src, sender, Source::Ndp, tell);
                for prefix in options.on_link_prefixes() {
                    self.network(prefix, Source::Ndp, tell);
                }
            }
            Ndp::Solicitation { target, mac } => {
                self.network_of(target.into(), tell);
                if !ip.src.is_unspecified() && honest(mac) {
                    self.bind(ip.src, sender, Source::Ndp, tell);
                }
            }
            Ndp::Advertisement { target, mac } => {
                self.network_of(target.into(), tell);
                if honest(mac) {
                    self.bind(target.into(), sender, Source::Ndp, tell);
                }
            }
        }
    }

    fn dhcp(&mut self, ack: dhcp::Ack, tell: &mut impl FnMut(News)) {
        let client = self.devices.lookup(ack.client);
        // A router gets leases on its far side, and a forged one must not make that local.
        if let Some(network) =
            ack.network.filter(|_| client.is_none_or(|client| !self.devices.is_gateway(client)))
        {
            self.network(network, Source::Dhcp, tell);
        }
        if let Some(client) = client {
            self.bind(ack.address.into(), client, Source::Dhcp, tell);
        }
    }

    /// `address` is at `device`.
    fn bind(&mut self, address: IpAddr, device: DeviceId, source: Source, tell: &mut impl FnMut(News)) {
        // IPv6 addresses come by their prefix; IPv4 may be public, one by one.
        if address.is_ipv4() {
            self.local_address(address, device, source, tell);
        }
        if self.lan.is_local(address) {
            self.book.observe(address, device, source, self.at);
            self.devices.own_address(device, address);
        }
    }

    /// `address` is on the LAN, says `device`. What a gateway says of addresses that nobody else knows is not
    /// believed: they may be of either side, and to own them would make the internet local.
    fn local_address(
        &mut self,
        address: IpAddr,
        device: DeviceId,
        source: Source,
        tell: &mut impl FnMut(News),
    ) {
        if self.devices.is_gateway_beside(device, address) {
            return;
        }
        if let Some(learnt) = self.lan.learn_address(address, source, self.at) {
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
