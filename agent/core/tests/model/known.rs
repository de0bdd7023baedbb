//! The model's view of the LAN: who is who, what is local, who routes. Lists that only grow; every question is
//! answered by walking over them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::address_book::Interval;
use lanscribe_core::decode::ETHERTYPE_ARP;
use lanscribe_core::device::DeviceId;
use lanscribe_core::lan::Source;
use lanscribe_core::packet::Packet;
use lanscribe_core::pipeline::Config;
use lanscribe_core::time::{Span, Timestamp};
use lanscribe_core::wire::{arp::Arp, dhcp::Ack, ndp::Ndp};

/// What is of the site whatever anybody says.
const ALWAYS_LOCAL: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10", "fc00::/7"];

#[derive(Default)]
pub(super) struct Known {
    local: Vec<Prefix>,
    learn: bool,
    /// In order of first frame; number 1 stands first.
    macs: Vec<MacAddr>,
    /// Who routes, and the addresses that prove it, at most four.
    routers: BTreeMap<DeviceId, BTreeSet<IpAddr>>,
    /// In order of their beginning.
    pub(super) intervals: Vec<Interval>,
}

impl Known {
    pub(super) fn new(config: &Config) -> Self {
        let always = ALWAYS_LOCAL.iter().map(|text| text.parse().unwrap());
        let local = always.chain(config.networks.iter().copied()).collect();
        Self { local, learn: config.learn, ..Self::default() }
    }

    pub(super) fn meet(&mut self, mac: MacAddr) -> DeviceId {
        if mac == MacAddr::ZERO || mac.is_group() {
            return DeviceId::OTHER;
        }
        if !self.macs.contains(&mac) {
            self.macs.push(mac);
        }
        self.device(mac).unwrap()
    }

    fn device(&self, mac: MacAddr) -> Option<DeviceId> {
        let place = self.macs.iter().position(|&known| known == mac)?;
        Some(DeviceId(u32::try_from(place).unwrap() + 1))
    }

    pub(super) fn mac(&self, device: DeviceId) -> Option<MacAddr> {
        self.macs.get((device.0 as usize).checked_sub(1)?).copied()
    }

    fn is_local(&self, address: IpAddr) -> bool {
        self.local.iter().any(|prefix| prefix.contains(address))
    }

    pub(super) fn is_router(&self, device: DeviceId) -> bool {
        self.routers.get(&device).is_some_and(|proofs| !proofs.is_empty())
    }

    /// "A side is a station if its address is local and its MAC is not known to route for it."
    pub(super) fn is_station(&self, address: IpAddr, device: DeviceId) -> bool {
        self.is_local(address) && (!self.is_router(device) || self.is_bound(address, device))
    }

    /// The interval of each device that had `address`, the latest one of each, by who had it first.
    fn latest(&self, address: IpAddr) -> Vec<Interval> {
        let mut latest: Vec<Interval> = Vec::new();
        for interval in self.intervals.iter().filter(|i| i.address == address) {
            match latest.iter_mut().find(|i| i.device == interval.device) {
                Some(older) => *older = *interval,
                None => latest.push(*interval),
            }
        }
        latest
    }

    fn is_bound(&self, address: IpAddr, device: DeviceId) -> bool {
        self.latest(address).iter().any(|i| i.device == device && i.source != Source::Traffic)
    }

    /// Who was seen with `address` last.
    pub(super) fn holder(&self, address: IpAddr) -> Option<DeviceId> {
        self.latest(address).iter().max_by_key(|i| i.last).map(|i| i.device)
    }

    /// `device` was seen with `address`.
    pub(super) fn sight(&mut self, address: IpAddr, device: DeviceId, source: Source, at: Timestamp) {
        const A_DAY: Span = Span::from_secs(86_400);
        const A_MINUTE: Span = Span::from_secs(60);
        if device == DeviceId::OTHER || address.is_unspecified() {
            return;
        }
        let latest = self.latest(address);
        let others = latest.iter().filter(|i| i.device != device && i.first <= at).map(|i| i.last).max();
        let own = self.intervals.iter_mut().rfind(|i| i.address == address && i.device == device);
        if let Some(own) = own {
            let silence = at - own.last;
            let handed_over = others.is_some_and(|other| other > own.last) && silence > A_MINUTE;
            if silence <= A_DAY && !handed_over && at >= own.first {
                own.last = own.last.max(at);
                own.source = own.source.max(source);
                return;
            }
        }
        self.intervals.push(Interval { address, device, first: at, last: at, source });
    }

    /// What the packet teaches. Of ARP and Neighbor Discovery only those count who speak for themselves.
    pub(super) fn learn(&mut self, packet: &Packet<'_>, sender: DeviceId, at: Timestamp) {
        let Some(ip) = packet.ip else {
            if let (ETHERTYPE_ARP, Some(arp)) = (packet.ethertype, Arp::read(packet.payload)) {
                if packet.src.is_some_and(|src| src != arp.sender_mac) {
                    return;
                }
                if !arp.sender.is_unspecified() {
                    self.bind(arp.sender.into(), Some(sender), Source::Arp, at);
                }
                self.local_one(arp.target.into(), sender);
            }
            return;
        };
        if ip.fragment.is_none() && ip.protocol == 58 {
            self.neighbours(packet, sender, at);
        }
        if ip.fragment.is_none()
            && ip.protocol == 17
            && ip.ports.is_some_and(|(from, _)| from == 67)
            && let Some(ack) = packet.payload.get(8..).and_then(Ack::read)
        {
            let client = self.device(ack.client);
            let believed = client.is_none_or(|client| !self.is_router(client));
            if let Some(network) = ack.network.filter(|n| n.length() >= 16 && believed) {
                self.local_net(network);
            }
            self.bind(ack.address.into(), client, Source::Dhcp, at);
        }
        let nobodys = match ip.src {
            IpAddr::V4(a) => a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast(),
            IpAddr::V6(a) => a.is_unspecified() || a.is_loopback() || a.is_multicast(),
        };
        if sender != DeviceId::OTHER && !nobodys && !self.is_local(ip.src) && !self.is_bound(ip.src, sender) {
            let proofs = self.routers.entry(sender).or_default();
            if proofs.len() < 4 {
                proofs.insert(ip.src);
            }
        }
    }

    fn neighbours(&mut self, packet: &Packet<'_>, sender: DeviceId, at: Timestamp) {
        let Some(ip) = &packet.ip else { return };
        let honest = |mac: Option<MacAddr>| mac.is_none() || packet.src.is_none() || mac == packet.src;
        match Ndp::read(ip, packet.payload) {
            Some(Ndp::RouterAdvertisement { options }) => {
                self.bind(ip.src, Some(sender), Source::Ndp, at);
                for prefix in options.on_link_prefixes().filter(|p| (48..=64).contains(&p.length())) {
                    self.local_net(prefix);
                }
            }
            Some(Ndp::Solicitation { target, mac }) => {
                self.local_net(Prefix::new(target.into(), 64).unwrap());
                if !ip.src.is_unspecified() && honest(mac) {
                    self.bind(ip.src, Some(sender), Source::Ndp, at);
                }
            }
            Some(Ndp::Advertisement { target, mac }) => {
                self.local_net(Prefix::new(target.into(), 64).unwrap());
                if honest(mac) {
                    self.bind(target.into(), Some(sender), Source::Ndp, at);
                }
            }
            None => {}
        }
    }

    fn bind(&mut self, address: IpAddr, device: Option<DeviceId>, source: Source, at: Timestamp) {
        let Some(device) = device else { return };
        if address.is_ipv4() {
            self.local_one(address, device);
        }
        if self.is_local(address) {
            self.sight(address, device, source, at);
            if let Some(proofs) = self.routers.get_mut(&device) {
                proofs.remove(&address);
            }
        }
    }

    /// `device` says that one more address is local. Who routes is not believed about an address, but for the only one
    /// that proves that it does: that may be its own.
    fn local_one(&mut self, address: IpAddr, device: DeviceId) {
        let routes_else =
            self.routers.get(&device).is_some_and(|proofs| proofs.iter().any(|&proof| proof != address));
        let length = if address.is_ipv4() { 32 } else { 128 };
        let network = Prefix::new(address, length).unwrap();
        if !routes_else && self.may_be_learnt(network) {
            self.local.push(network);
        }
    }

    /// One more network is local; who only sent from there does not route.
    fn local_net(&mut self, network: Prefix) {
        if self.may_be_learnt(network) {
            self.local.push(network);
            self.routers.values_mut().for_each(|proofs| proofs.retain(|proof| !network.contains(*proof)));
        }
    }

    fn may_be_learnt(&self, network: Prefix) -> bool {
        let possible = match network.address() {
            IpAddr::V4(a) => !(a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast()),
            IpAddr::V6(a) => a.segments()[0] >> 13 == 1 || a.is_unique_local(),
        };
        self.learn && possible && !self.local.contains(&network)
    }
}
