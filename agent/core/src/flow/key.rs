//! What makes two packets one conversation.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use crate::addr::MacAddr;
use crate::packet::Packet;

/// How a conversation is told apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Between two: both directions are one flow.
    Pair,
    /// To a group: one direction, and the sender's MAC address counts, for thirty devices ask for their
    /// leases from 0.0.0.0 port 68.
    Group,
    /// Not IP, or IP that could not be read: by sender and EtherType.
    Link,
}

/// The 5-tuple with the two sides in a fixed order, and the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Kind.
    pub kind: Kind,
    /// Number of the interface that it was captured on.
    pub interface: u16,
    /// IP protocol, or EtherType for [`Kind::Link`].
    pub protocol: u16,
    v6: bool,
    ported: bool,
    sides: [(u128, u16); 2],
}

impl Key {
    /// The key of a packet, and the direction that it has in that key: 0 if its source stands first.
    #[must_use]
    pub fn of(packet: &Packet<'_>, ports: Option<(u16, u16)>, interface: u16) -> (Self, usize) {
        let Some(ip) = &packet.ip else {
            let key = Self {
                kind: Kind::Link,
                interface,
                protocol: packet.ethertype,
                v6: false,
                ported: false,
                sides: [(0, 0); 2],
            };
            return (key, 0);
        };
        let (src_port, dst_port) = ports.unwrap_or_default();
        let (src, dst) = ((bits(ip.src), src_port), (bits(ip.dst), dst_port));
        let key = |kind, sides| Self {
            kind,
            interface,
            protocol: ip.protocol.into(),
            v6: ip.src.is_ipv6(),
            ported: ports.is_some(),
            sides,
        };
        match packet.group {
            true => (key(Kind::Group, [src, dst]), 0),
            false if src <= dst => (key(Kind::Pair, [src, dst]), 0),
            false => (key(Kind::Pair, [dst, src]), 1),
        }
    }

    /// A hash that an attacker cannot aim at, with the sender's MAC address where that is part of the conversation.
    pub(crate) fn hash_with(&self, hasher: &impl BuildHasher, src: Option<MacAddr>) -> u64 {
        match self.kind {
            Kind::Pair => hasher.hash_one(self),
            Kind::Group | Kind::Link => hasher.hash_one((self, src.map(MacAddr::as_u64))),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) => a.to_bits(),
    }
}
