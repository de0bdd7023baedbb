//! ARP for IPv4 over Ethernet (RFC 826; RFC 5227 for probes).

use std::net::Ipv4Addr;

use crate::addr::MacAddr;

/// A request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// `arp.src.hw_mac`
    pub sender_mac: MacAddr,
    /// `arp.src.proto_ipv4`; 0.0.0.0 in a probe, which claims nothing.
    pub sender: Ipv4Addr,
    /// `arp.dst.proto_ipv4`
    pub target: Ipv4Addr,
}

impl Arp {
    /// Reads the packet behind the link header.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
        const REQUEST: [u8; 2] = [0, 1];
        const REPLY: [u8; 2] = [0, 2];
        let bytes: &[u8; 28] = bytes.first_chunk()?;
        let (head, rest) = bytes.split_first_chunk::<6>()?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        if *head != ETHERNET_IPV4 || (*operation != REQUEST && *operation != REPLY) {
            return None;
        }
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let target: &[u8; 4] = rest.last_chunk()?;
        Some(Self { sender_mac: MacAddr(*sender_mac), sender: (*sender).into(), target: (*target).into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_a_cut_one_is_not() {
        let mut bytes =
            vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 192, 168, 1, 9, 0, 0, 0, 0, 0, 0, 192, 168, 1, 1];
        let arp = Arp::read(&bytes).unwrap();
        assert_eq!(arp.sender_mac, MacAddr([2, 0, 0, 0, 0, 9]));
        assert_eq!((arp.sender, arp.target), ([192, 168, 1, 9].into(), [192, 168, 1, 1].into()));
        assert_eq!(Arp::read(&bytes[..27]), None);
        bytes[7] = 3;
        assert_eq!(Arp::read(&bytes), None, "RARP");
    }
}
