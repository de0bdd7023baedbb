//! IPv6 Neighbor Discovery (RFC 4861): who has which address, and which prefixes are on the link.

use std::net::{IpAddr, Ipv6Addr};

use crate::addr::{MacAddr, Prefix};
use crate::decode::{be16, be32};
use crate::packet::Ip;

/// A message and what of it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ndp<'a> {
    /// Router Advertisement: the options hold the prefixes.
    RouterAdvertisement {
        /// What lies behind the fixed part.
        options: Options<'a>,
    },
    /// Neighbor Solicitation: somebody looks for `target`, or, from `::`, wants to take it.
    Solicitation {
        /// The address that is looked for.
        target: Ipv6Addr,
        /// Source link-layer address.
        mac: Option<MacAddr>,
    },
    /// Neighbor Advertisement: the sender has `target`.
    Advertisement {
        /// The address that is claimed.
        target: Ipv6Addr,
        /// Target link-layer address.
        mac: Option<MacAddr>,
    },
}

/// The options at the end of a message (section 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;
const PREFIX: u8 = 3;

impl<'a> Ndp<'a> {
    /// Reads an ICMPv6 message that came with this IP header. Only hop limit 255 is believed: no router can
    /// have forwarded it (section 3.1).
    #[must_use]
    pub fn read(ip: &Ip, bytes: &'a [u8]) -> Option<Self> {
        let (&kind, &code) = (bytes.first()?, bytes.get(1)?);
        if ip.hop_limit != 255 || code != 0 {
            return None;
        }
        match kind {
            134 => {
                // Routers announce from their link-local address only (section 4.2).
                let IpAddr::V6(src) = ip.src else { return None };
                let options = Options(bytes.get(16..)?);
                src.is_unicast_link_local().then_some(Self::RouterAdvertisement { options })
            }
            135 | 136 => {
                let target: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
                let options = Options(&bytes[24..]);
                let target = Ipv6Addr::from(target);
                Some(match kind {
                    135 => Self::Solicitation { target, mac: options.mac(SOURCE_MAC) },
                    _ => Self::Advertisement { target, mac: options.mac(TARGET_MAC) },
                })
            }
            _ => None,
        }
    }
}

impl<'a> Options<'a> {
    fn mac(mut self, kind: u8) -> Option<MacAddr> {
        self.find_map(|(k, body)| if k == kind { body.first_chunk().copied().map(MacAddr) } else { None })
    }

    /// The prefixes that are on the link (section 4.6.2, L flag) and still valid.
    pub fn on_link_prefixes(self) -> impl Iterator<Item = Prefix> {
        self.filter_map(|(kind, body)| {
            const ON_LINK: u8 = 0x80;
            let (&length, &flags) = (body.first()?, body.get(1)?);
            if kind != PREFIX || flags & ON_LINK == 0 || be32(body, 2)? == 0 {
                return None;
            }
            let address: [u8; 16] = body.get(14..30)?.try_into().ok()?;
            Prefix::new(Ipv6Addr::from(address).into(), length)
        })
    }
}

/// Kind and body of each option.
impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind_and_length = be16(self.0, 0)?;
        let [kind, units] = kind_and_length.to_be_bytes();
        // A length of zero would never end: such a message is invalid (section 4.6).
        let body = self.0.get(2..usize::from(units) * 8)?;
        self.0 = &self.0[usize::from(units) * 8..];
        Some((kind, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(src: &str, hop_limit: u8) -> Ip {
        let (src, dst) = (src.parse().unwrap(), "ff02::1".parse().unwrap());
        Ip { src, dst, protocol: 58, hop_limit, len: 0, ports: None, fragment: None, tcp: None }
    }

    fn advertisement(length: u8, flags: u8) -> Vec<u8> {
        let mut bytes = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1];
        bytes.extend([PREFIX, 4, length, flags, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0, 0]);
        bytes.extend("2001:db8:1:2::".parse::<Ipv6Addr>().unwrap().octets());
        bytes
    }

    #[test]
    fn on_link_prefixes_of_a_router_on_this_link_are_found() {
        let bytes = advertisement(64, 0xc0);
        let Some(Ndp::RouterAdvertisement { options }) = Ndp::read(&ip("fe80::1", 255), &bytes) else {
            panic!()
        };
        assert_eq!(options.on_link_prefixes().collect::<Vec<_>>(), ["2001:db8:1:2::/64".parse().unwrap()]);
        assert_eq!(options.mac(SOURCE_MAC), Some(MacAddr([2, 0, 0, 0, 0, 1])));
        assert_eq!(Ndp::read(&ip("fe80::1", 254), &bytes), None, "forwarded");
        assert_eq!(Ndp::read(&ip("2001:db8::1", 255), &bytes), None, "not link-local");
        let off_link = advertisement(64, 0x40);
        let Some(Ndp::RouterAdvertisement { options }) = Ndp::read(&ip("fe80::1", 255), &off_link) else {
            panic!()
        };
        assert_eq!(options.on_link_prefixes().count(), 0);
    }

    #[test]
    fn an_option_of_length_zero_ends_the_message() {
        let mut options = Options(&[1, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(options.next(), None);
    }
}
