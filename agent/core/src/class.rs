//! What a frame is to this LAN, and what the other side of a row is called.

use std::net::IpAddr;

use crate::device::DeviceId;
use crate::names::Name;

/// What a frame is to this LAN; fixed for a flow by its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Between a station and something that is not on this LAN.
    Remote = 0,
    /// Between two stations.
    Lan = 1,
    /// To a group.
    Multicast = 2,
    /// Between two that are not on this LAN.
    Transit = 3,
    /// Not IP, or IP that could not be read.
    Link = 4,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Remote, Self::Lan, Self::Multicast, Self::Transit, Self::Link];

    /// The class as text, the way the views give it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Lan => "lan",
            Self::Multicast => "multicast",
            Self::Transit => "transit",
            Self::Link => "link",
        }
    }
}

/// The other side of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Nobody: the frame is not IP.
    None,
    /// Whoever was folded.
    Other,
    /// An address that is not on this LAN, and what it is called, where that is known.
    Remote(IpAddr, Option<Name>),
    /// A multicast or broadcast address.
    Group(IpAddr),
    /// A station of this LAN.
    Device(DeviceId),
    /// A station of this LAN whose MAC address is not known.
    Local(IpAddr),
}
