//! Non-first fragments find the ports of their first one; nothing is reassembled.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::packet::{Fragment, Ip};
use crate::time::{Span, Timestamp};

/// Datagrams whose ports are remembered.
const DATAGRAMS: usize = 8192;
/// How long fragments of one datagram may be apart (RFC 8200 section 4.5); identifications are used again later.
const LIFETIME: Span = Span::from_secs(60);

type Key = (IpAddr, IpAddr, u32, u8);

/// The ports of datagrams that came in fragments.
#[derive(Debug)]
pub(crate) struct Fragments {
    ports: HashMap<Key, ((u16, u16), Timestamp), RandomState>,
    limit: usize,
    /// Datagrams that were forgotten for want of room.
    pub(crate) forgotten: u64,
}

impl Default for Fragments {
    fn default() -> Self {
        Self::new(DATAGRAMS)
    }
}

impl Fragments {
    /// Room for `limit` datagrams.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        Self { ports: HashMap::default(), limit, forgotten: 0 }
    }

    /// The ports of the datagram that `fragment` is part of: its own for a first fragment, which is remembered,
    /// and those of the first one for the others, if that came before.
    pub(crate) fn ports(&mut self, ip: &Ip, fragment: Fragment, at: Timestamp) -> Option<(u16, u16)> {
        let key = (ip.src, ip.dst, fragment.id, ip.protocol);
        if !fragment.first {
            let (ports, seen) = self.ports.get(&key)?;
            return (at - *seen <= LIFETIME).then_some(*ports);
        }
        let ports = ip.ports?;
        if self.ports.len() >= self.limit && !self.ports.contains_key(&key) {
            self.make_room(at);
        }
        self.ports.insert(key, (ports, at));
        Some(ports)
    }

    /// The clock was set by `by`: what is on its way is as old as before.
    pub(crate) fn shift(&mut self, by: Span) {
        for (_, seen) in self.ports.values_mut() {
            *seen = *seen + by;
        }
    }

    fn make_room(&mut self, at: Timestamp) {
        self.ports.retain(|_, (_, seen)| at - *seen <= LIFETIME && at - *seen >= Span(0));
        if self.ports.len() >= self.limit {
            // All of them are young: an attack. Starting over is cheaper for us than for the attacker.
            self.forgotten += self.ports.len() as u64;
            self.ports.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(id: u32, ports: Option<(u16, u16)>) -> (Ip, Fragment) {
        let fragment = Fragment { id, first: ports.is_some() };
        let (src, dst) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        (
            Ip {
                src,
                dst,
                protocol: 17,
                hop_limit: 64,
                len: 100,
                ports,
                fragment: Some(fragment),
                tcp: None,
            },
            fragment,
        )
    }

    #[test]
    fn later_fragments_have_the_ports_of_the_first_for_a_minute() {
        let mut fragments = Fragments::default();
        let (first, f) = packet(7, Some((1, 2)));
        let (later, l) = packet(7, None);
        let t = Timestamp::from_secs(100);
        assert_eq!(fragments.ports(&later, l, t), None);
        assert_eq!(fragments.ports(&first, f, t), Some((1, 2)));
        assert_eq!(fragments.ports(&later, l, t + LIFETIME), Some((1, 2)));
        assert_eq!(fragments.ports(&later, l, t + LIFETIME + Span(1)), None);
        let (other, o) = packet(8, None);
        assert_eq!(fragments.ports(&other, o, t), None);
    }

    #[test]
    fn a_flood_of_first_fragments_is_bounded_and_counted() {
        let mut fragments = Fragments::new(64);
        for id in 0..1000 {
            let (first, f) = packet(id, Some((1, 2)));
            fragments.ports(&first, f, Timestamp(0));
        }
        assert!(fragments.ports.len() <= 64);
        assert!(fragments.forgotten >= 1000 - 128);
    }
}
