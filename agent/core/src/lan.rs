//! Which addresses are of this LAN: private ones, those of the config, and those that the LAN itself announces,
//! within limits, because anybody on it can announce anything.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::addr::{Prefix, is_group, is_private};
use crate::time::{Span, Timestamp};

/// Prefixes that may be learnt. A home has one or two; providers that renumber leave old ones behind.
const PREFIXES: usize = 16;
/// Single addresses that may be learnt: a campus gives its stations public IPv4.
const ADDRESSES: usize = 1024;
/// Networks that may be added to those of the config. A provider that renumbers gives a new one each day.
const ADDED: usize = 64;
/// How long something learnt is safe from being replaced when there is no more room.
const KEPT: Span = Span::from_secs(48 * 3600);

/// How an address or a network became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Packets from and to it.
    Traffic,
    /// ARP (RFC 826).
    Arp,
    /// IPv6 Neighbor Discovery (RFC 4861).
    Ndp,
    /// DHCP (RFC 2131).
    Dhcp,
}

impl Source {
    /// The source as stored in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Arp => "arp",
            Self::Ndp => "ndp",
            Self::Dhcp => "dhcp",
        }
    }

    /// The source that is stored as `text`.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        [Self::Traffic, Self::Arp, Self::Ndp, Self::Dhcp].into_iter().find(|source| source.as_str() == text)
    }
}

/// Something that the LAN said of itself for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// The network; a single address has full length.
    pub prefix: Prefix,
    /// Who said so.
    pub source: Source,
}

/// The networks of this LAN.
#[derive(Debug)]
pub struct Lan {
    configured: Vec<Prefix>,
    /// The oldest first.
    added: Vec<Prefix>,
    learn: bool,
    prefixes: Vec<(Prefix, Timestamp)>,
    addresses: HashMap<IpAddr, Timestamp, RandomState>,
    /// Announcements that were not believed for want of room.
    pub refused: u64,
}

impl Lan {
    /// The networks of the config, and whether more may be learnt.
    #[must_use]
    pub fn new(configured: Vec<Prefix>, learn: bool) -> Self {
        Self {
            configured,
            added: Vec::new(),
            learn,
            prefixes: Vec::new(),
            addresses: HashMap::default(),
            refused: 0,
        }
    }

    /// One more network that counts as if the config named it. Of 64 such ones the oldest makes room.
    pub fn add(&mut self, prefix: Prefix) {
        if self.configured.contains(&prefix) || self.added.contains(&prefix) {
            return;
        }
        if self.added.len() >= ADDED {
            self.added.remove(0);
        }
        self.added.push(prefix);
    }

    /// Whether a machine with this address can be on the LAN.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        is_private(address)
            || self.configured.iter().chain(&self.added).any(|p| p.contains(address))
            || self.prefixes.iter().any(|(p, _)| p.contains(address))
            || (!self.addresses.is_empty() && self.addresses.contains_key(&address))
    }

    /// `prefix` was announced at `at`. Returns it if that is news and believed.
    ///
    /// Believed are IPv6 prefixes of 48 to 64 bits within 2000::/3 or fc00::/7, so that one forged announcement
    /// cannot make the internet local, and IPv4 ones of 16 to 32 bits.
    pub fn learn_prefix(&mut self, prefix: Prefix, source: Source, at: Timestamp) -> Option<Learnt> {
        let believed = match prefix.address() {
            IpAddr::V4(a) => {
                (16..=32).contains(&prefix.length())
                    && !a.is_unspecified()
                    && !a.is_loopback()
                    && !is_group(a.into())
            }
            IpAddr::V6(a) => {
                (48..=64).contains(&prefix.length())
                    && (a.segments()[0] & 0xe000 == 0x2000 || a.is_unique_local())
            }
        };
        let known = self.configured.contains(&prefix) || self.added.contains(&prefix);
        if !believed || !self.learn || is_private(prefix.address()) || known {
            return None;
        }
        if let Some((_, last)) = self.prefixes.iter_mut().find(|(p, _)| *p == prefix) {
            *last = at;
            return None;
        }
        if self.prefixes.len() >= PREFIXES {
            let Some(stale) = self.prefixes.iter().position(|(_, last)| at - *last > KEPT) else {
                self.refused += 1;
                return None;
            };
            self.prefixes.swap_remove(stale);
        }
        self.prefixes.push((prefix, at));
        Some(Learnt { prefix, source })
    }

    /// The clock was set by `by`: what was learnt is as old as before.
    pub(crate) fn shift(&mut self, by: Span) {
        let prefixes = self.prefixes.iter_mut().map(|(_, last)| last);
        for last in prefixes.chain(self.addresses.values_mut()) {
            *last = *last + by;
        }
    }

    /// A machine on the LAN says that `address` is on it too. Returns it if that is news and believed.
    pub fn learn_address(&mut self, address: IpAddr, source: Source, at: Timestamp) -> Option<Learnt> {
        if !self.learn || address.is_unspecified() || address.is_loopback() || is_group(address) {
            return None;
        }
        if let Some(last) = self.addresses.get_mut(&address) {
            *last = at;
            return None;
        }
        if self.is_local(address) {
            return None;
        }
        if self.addresses.len() >= ADDRESSES {
            self.addresses.retain(|_, last| at - *last <= KEPT);
            if self.addresses.len() >= ADDRESSES {
                self.refused += 1;
                return None;
            }
        }
        self.addresses.insert(address, at);
        let length = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(address, length).map(|prefix| Learnt { prefix, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lan() -> Lan {
        Lan::new(vec!["100.64.0.0/10".parse().unwrap()], true)
    }

    #[test]
    fn what_is_configured_or_private_is_local_and_the_internet_is_not() {
        let lan = lan();
        for local in
            ["192.168.1.1", "10.9.9.9", "172.31.0.1", "169.254.3.4", "fe80::1", "fd00::1", "100.64.1.1"]
        {
            assert!(lan.is_local(local.parse().unwrap()), "{local}");
        }
        for remote in ["8.8.8.8", "172.32.0.1", "2001:db8::1"] {
            assert!(!lan.is_local(remote.parse().unwrap()), "{remote}");
        }
    }

    #[test]
    fn a_network_that_the_machine_is_given_later_counts_as_if_it_were_configured() {
        let mut lan = Lan::new(Vec::new(), false);
        let network = |n: usize| -> Prefix { format!("2001:db8:0:{n:x}::/64").parse().unwrap() };
        assert!(!lan.is_local(network(0).address()));
        for n in 0..=ADDED {
            // The same again is no further one.
            lan.add(network(n));
            lan.add(network(n));
            assert!(lan.is_local(network(n).address()), "{n}");
        }
        assert!(!lan.is_local(network(0).address()), "the oldest made room");
        assert!(lan.is_local(network(1).address()));
        let mut lan = Lan::new(Vec::new(), true);
        lan.add(network(0));
        assert_eq!(lan.learn_prefix(network(0), Source::Ndp, Timestamp(0)), None, "it is no news");
    }

    #[test]
    fn one_forged_announcement_cannot_make_the_internet_local() {
        let mut lan = lan();
        for forged in
            ["2000::/3", "::/0", "2001:db8::/32", "2001:db8::/96", "4000::/64", "8.0.0.0/8", "0.0.0.0/16"]
        {
            assert_eq!(
                lan.learn_prefix(forged.parse().unwrap(), Source::Ndp, Timestamp(0)),
                None,
                "{forged}"
            );
        }
        assert!(!lan.is_local("2606:4700::1111".parse().unwrap()));
        let real = "2001:db8:1:2::/64".parse().unwrap();
        assert!(lan.learn_prefix(real, Source::Ndp, Timestamp(0)).is_some());
        assert_eq!(lan.learn_prefix(real, Source::Ndp, Timestamp(0)), None, "no news twice");
        assert!(lan.is_local("2001:db8:1:2::77".parse().unwrap()));
    }

    #[test]
    fn room_is_made_only_by_what_was_silent_for_two_days() {
        let mut lan = lan();
        let net = |n: u16| Prefix::new(format!("2001:db8:{n:x}::").parse().unwrap(), 64).unwrap();
        for n in 0..16 {
            assert!(lan.learn_prefix(net(n), Source::Ndp, Timestamp(0)).is_some());
        }
        assert_eq!(lan.learn_prefix(net(16), Source::Ndp, Timestamp(0) + KEPT), None);
        assert_eq!(lan.refused, 1);
        assert!(lan.learn_prefix(net(16), Source::Ndp, Timestamp(1) + KEPT).is_some());
    }

    #[test]
    fn addresses_are_learnt_up_to_the_limit() {
        let mut lan = lan();
        for n in 0..2000_u32 {
            let address = IpAddr::V4((0x0800_0000 + n).into());
            assert_eq!(lan.learn_address(address, Source::Arp, Timestamp(0)).is_some(), n < 1024);
        }
        assert_eq!(lan.refused, 2000 - 1024);
        assert!(lan.is_local("8.0.0.5".parse().unwrap()) && !lan.is_local("8.0.4.5".parse().unwrap()));
        let mut fixed = Lan::new(Vec::new(), false);
        assert_eq!(fixed.learn_address("8.8.8.8".parse().unwrap(), Source::Arp, Timestamp(0)), None);
    }
}
