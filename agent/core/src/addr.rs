//! Link-layer and IP addresses, and what their bits alone say about them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A 48-bit MAC address (EUI-48, IEEE 802-2014 section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All zero: what loopback and some drivers put where there is no address.
    pub const ZERO: Self = Self([0; 6]);

    /// The address in the low 48 bits of a number, first octet highest.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The I/G bit: broadcast and multicast addresses have it, stations do not.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The U/L bit: the address was made up, not assigned by the registry.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 != 0
    }

    /// Whether one machine can own it: neither a group nor all zero.
    #[must_use]
    pub fn is_station(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is no MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMac;

impl fmt::Display for NotAMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a MAC address: six octets in hexadecimal, like b8:27:eb:01:02:03")
    }
}

impl std::error::Error for NotAMac {}

/// Reads `b8:27:eb:01:02:03`, `b8-27-eb-01-02-03`, `b827.eb01.0203` and `b827eb010203`.
impl FromStr for MacAddr {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let digits: Vec<u8> = match text.len() {
            12 => text.bytes().collect(),
            14 if text.bytes().enumerate().all(|(i, b)| (i % 5 == 4) == (b == b'.')) => {
                text.bytes().filter(|b| *b != b'.').collect()
            }
            17 if text.bytes().enumerate().all(|(i, b)| (i % 3 == 2) == matches!(b, b':' | b'-')) => {
                text.bytes().filter(|b| !matches!(b, b':' | b'-')).collect()
            }
            _ => return Err(NotAMac),
        };
        let mut octets = [0; 6];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(NotAMac);
            *octet = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(octets))
    }
}

/// Whether the address names many receivers: multicast, or the limited broadcast 255.255.255.255.
#[must_use]
pub fn is_group(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_multicast(),
    }
}

/// Whether the address can only be of this site whatever the router says: RFC 1918, 169.254/16 (RFC 3927),
/// fe80::/10 (RFC 4291), fc00::/7 (RFC 4193). 100.64/10 (RFC 6598) is the provider's.
#[must_use]
pub fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => a.is_private() || a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local() || a.is_unique_local(),
    }
}

/// Whether a packet *from* this address shows that its sender forwards for others: not if anybody may use it
/// as a source, like the unspecified address while asking for a lease.
#[must_use]
pub fn is_routed_source(addr: IpAddr) -> bool {
    !addr.is_unspecified() && !addr.is_loopback() && !is_group(addr) && !is_private(addr)
}

/// An IP network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The network of `length` bits that holds `address`; `None` if there are not that many bits.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) if length <= 32 => IpAddr::V4(Ipv4Addr::from_bits(
                a.to_bits() & !u32::MAX.checked_shr(length.into()).unwrap_or(0),
            )),
            IpAddr::V6(a) if length <= 128 => IpAddr::V6(Ipv6Addr::from_bits(
                a.to_bits() & !u128::MAX.checked_shr(length.into()).unwrap_or(0),
            )),
            _ => return None,
        };
        Some(Self { address, length })
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self::new(address, self.length).is_some_and(|p| p.address == self.address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPrefix;

impl fmt::Display for NotAPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a network: an address and a length, like 192.168.1.0/24 or 2001:db8::/64")
    }
}

impl std::error::Error for NotAPrefix {}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = text.split_once('/').ok_or(NotAPrefix)?;
        let address: IpAddr = address.parse().map_err(|_| NotAPrefix)?;
        let prefix = Self::new(address, length.parse().map_err(|_| NotAPrefix)?).ok_or(NotAPrefix)?;
        // Host bits that are set are more often a typing mistake than meant.
        if prefix.address == address { Ok(prefix) } else { Err(NotAPrefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read_in_the_four_usual_spellings() {
        let mac = MacAddr([0xb8, 0x27, 0xeb, 1, 2, 3]);
        for text in ["b8:27:eb:01:02:03", "B8-27-EB-01-02-03", "b827.eb01.0203", "b827eb010203"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in [
            "",
            "b8:27:eb:01:02",
            "b8:27:eb:01:02:0g",
            "b8:27:eb:01:02:0304",
            "b8.27.eb.01.02.03",
            "é8:27:eb:01:02:0",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(NotAMac), "{text}");
        }
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }

    #[test]
    fn prefixes_hold_their_addresses_and_no_others() {
        let net: Prefix = "192.168.1.0/24".parse().unwrap();
        assert!(net.contains("192.168.1.255".parse().unwrap()));
        assert!(!net.contains("192.168.2.0".parse().unwrap()));
        assert!(!net.contains("::c0a8:101".parse().unwrap()));
        let all: Prefix = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()) && !all.contains("1.2.3.4".parse().unwrap()));
        assert!("10.0.0.1/32".parse::<Prefix>().unwrap().contains("10.0.0.1".parse().unwrap()));
        for text in ["10.0.0.1/24", "10.0.0.0/33", "10.0.0.0", "fe80::/129", "x/8"] {
            assert_eq!(text.parse::<Prefix>(), Err(NotAPrefix), "{text}");
        }
    }

    #[test]
    fn an_address_that_anybody_may_send_from_makes_no_gateway() {
        for quiet in ["0.0.0.0", "::", "127.0.0.1", "192.168.1.1", "fe80::1", "224.0.0.1", "255.255.255.255"]
        {
            assert!(!is_routed_source(quiet.parse().unwrap()), "{quiet}");
        }
        for routed in ["8.8.8.8", "100.64.0.1", "2001:db8::1"] {
            assert!(is_routed_source(routed.parse().unwrap()), "{routed}");
        }
    }
}
