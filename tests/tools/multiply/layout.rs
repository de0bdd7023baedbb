//! Where things lie in a frame: just enough to rewrite and to count it, for whole and for cut frames alike.
//!
//! It is on purpose not the decoder of the agent: a test tool that shares the code under test shares its errors.

use std::net::IpAddr;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP6: u8 = 58;

/// What the link header says comes next, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Arp(usize),
    Ip(usize),
    Other,
}

/// An IP header and what follows its extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) at: usize,
    pub(crate) is_v6: bool,
    pub(crate) protocol: u8,
    /// Where the transport header starts; `None` in later fragments, which have none.
    pub(crate) transport: Option<usize>,
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// Looks below VLAN tags and PPPoE. What lies inside tunnels and MPLS stays as it was captured.
pub(crate) fn network(frame: &[u8]) -> Network {
    let mut at = 12;
    while let Some(kind) = u16_at(frame, at) {
        at += 2;
        match kind {
            0x8100 | 0x88a8 | 0x9100 => at += 2,
            0x8864 => {
                return match u16_at(frame, at + 6) {
                    Some(0x0021 | 0x0057) => Network::Ip(at + 8),
                    _ => Network::Other,
                };
            }
            0x0806 => return Network::Arp(at),
            0x0800 | 0x86dd => return Network::Ip(at),
            _ => return Network::Other,
        }
    }
    Network::Other
}

/// Reads the IP header at `at`, whose version is in its first four bits.
pub(crate) fn ip(bytes: &[u8], at: usize) -> Option<Ip> {
    match bytes.get(at)? >> 4 {
        4 => {
            let header = usize::from(bytes[at] & 0x0f) * 4;
            let protocol = *bytes.get(at + 9)?;
            let is_first = u16_at(bytes, at + 6)? & 0x1fff == 0;
            let transport = (is_first && header >= 20).then_some(at + header);
            Some(Ip { at, is_v6: false, protocol, transport })
        }
        6 => {
            let mut protocol = *bytes.get(at + 6)?;
            let mut transport = Some(at + 40);
            while let (0 | 43 | 44 | 51 | 60, Some(next)) = (protocol, transport) {
                let (Some(following), Some(length)) = (bytes.get(next), bytes.get(next + 1)) else {
                    transport = None;
                    break;
                };
                transport = match protocol {
                    44 if u16_at(bytes, next + 2).is_none_or(|offset| offset & 0xfff8 != 0) => None,
                    44 => Some(next + 8),
                    51 => Some(next + (usize::from(*length) + 2) * 4),
                    _ => Some(next + (usize::from(*length) + 1) * 8),
                };
                protocol = *following;
            }
            Some(Ip { at, is_v6: true, protocol, transport })
        }
        _ => None,
    }
}

impl Ip {
    /// Where source and destination address start.
    pub(crate) fn addresses_at(&self) -> (usize, usize) {
        if self.is_v6 { (self.at + 8, self.at + 24) } else { (self.at + 12, self.at + 16) }
    }

    pub(crate) fn addresses(&self, bytes: &[u8]) -> Option<(IpAddr, IpAddr)> {
        let address = |at: usize| -> Option<IpAddr> {
            let rest = bytes.get(at..)?;
            if self.is_v6 {
                rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets))
            } else {
                rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets))
            }
        };
        let (source, destination) = self.addresses_at();
        Some((address(source)?, address(destination)?))
    }

    /// Source and destination port of TCP and UDP.
    pub(crate) fn ports(&self, bytes: &[u8]) -> Option<(u16, u16)> {
        let at = self.transport.filter(|_| matches!(self.protocol, TCP | UDP))?;
        Some((u16_at(bytes, at)?, u16_at(bytes, at + 2)?))
    }
}

/// Neighbour Discovery (RFC 4861): the bytes at which target addresses lie, and where the options start.
pub(crate) fn neighbour(kind: u8, at: usize) -> Option<(&'static [usize], usize)> {
    match kind {
        133 => Some((&[], at + 8)),
        134 => Some((&[], at + 16)),
        135 | 136 => Some((&[8], at + 24)),
        137 => Some((&[8, 24], at + 40)),
        _ => None,
    }
}
