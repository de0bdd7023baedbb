//! Which packet is read for what its sender says of itself: one look at ports and EtherType, then the reader.

use std::net::IpAddr;

use super::claim_source::ClaimSource;
use crate::addr::MacAddr;
use crate::decode::protocol;
use crate::packet::Packet;
use crate::wire::{cdp, dhcp, dhcpv6, lldp, llmnr, mdns, nbns, ssdp, wsd};

/// What a packet says of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Its sender says this of itself.
    Own(ClaimSource, String),
    /// This is said of the station with that MAC address: DHCP, where a relay or the server may speak.
    Of(MacAddr, ClaimSource, String),
    /// The address is announced under this name, presentation text that ends in `.local`.
    Address(String, IpAddr),
}

/// Tells what `packet` says of its sender; `ports` are those of its UDP header. Most packets say nothing and cost one
/// look. The caller sees to it that the IP source is an address of the sender's own, for what a router passes on is no
/// word about the router.
pub fn heard(packet: &Packet<'_>, ports: Option<(u16, u16)>, tell: &mut impl FnMut(Says)) {
    let Some(ip) = &packet.ip else {
        match packet.ethertype {
            lldp::ETHERTYPE => lldp::read(packet.payload, tell),
            cdp::LLC_SNAP => cdp::read(packet.payload, tell),
            _ => {}
        }
        return;
    };
    let Some((from, to)) = ports.filter(|_| ip.protocol == protocol::UDP) else { return };
    let port = |port| from == port || to == port;
    // Fragments after the first have no UDP header, and what is cut within a message is read as far as it goes.
    if !(is_read(from) || is_read(to)) || ip.fragment.is_some_and(|fragment| !fragment.first) {
        return;
    }
    let Some(bytes) = packet.payload.get(8..) else { return };
    if port(dhcp::SERVER_PORT) {
        dhcp::read(bytes, tell);
    } else if to == dhcpv6::SERVER_PORT {
        dhcpv6::read(bytes, tell);
    } else if from == mdns::PORT {
        mdns::read(bytes, ip.src, tell);
    } else if from == llmnr::PORT {
        llmnr::read(bytes, ip.src, tell);
    } else if port(ssdp::PORT) {
        ssdp::read(bytes, tell);
    } else if port(nbns::NAME_PORT) {
        nbns::read(bytes, ip.src, tell);
    } else if from == nbns::DATAGRAM_PORT {
        nbns::read_datagram(bytes, ip.src, tell);
    } else if port(wsd::PORT) {
        wsd::read(bytes, tell);
    }
}

/// Whether packets from or to this UDP port are read at all.
const fn is_read(port: u16) -> bool {
    matches!(
        port,
        dhcp::SERVER_PORT
            | dhcpv6::SERVER_PORT
            | mdns::PORT
            | llmnr::PORT
            | ssdp::PORT
            | nbns::NAME_PORT
            | nbns::DATAGRAM_PORT
            | wsd::PORT
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Fragment, Ip};
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn bare(ethertype: u16, payload: &[u8]) -> Packet<'_> {
        let (src, trouble) = (Some(MacAddr([2, 0, 0, 0, 0, 7])), None);
        Packet { src, dst: None, group: true, vlan: None, ethertype, ip: None, trouble, payload }
    }

    fn ip(protocol: u8, ports: (u16, u16)) -> Ip {
        let (src, dst) = ([192, 168, 1, 7].into(), [224, 0, 0, 251].into());
        Ip { src, dst, protocol, hop_limit: 255, len: 0, ports: Some(ports), fragment: None, tcp: None }
    }

    fn said(packet: &Packet<'_>) -> Vec<Says> {
        let mut said = Vec::new();
        heard(packet, packet.ip.and_then(|ip| ip.ports), &mut |says| said.push(says));
        said
    }

    const NOTIFY: &[u8] = b"\0\0\0\0\0\0\0\0NOTIFY * HTTP/1.1\r\nSERVER: bulb\r\n\r\n";

    #[test]
    fn packets_are_read_by_their_udp_port_and_others_are_not() {
        let bulb = [Says::Own(ClaimSource::Ssdp, "bulb".to_owned())];
        let of = |ip: Ip| said(&Packet { ip: Some(ip), ..bare(0x800, NOTIFY) });
        assert_eq!(of(ip(17, (50_000, 1900))), bulb);
        assert_eq!(of(ip(17, (1900, 50_000))), bulb);
        assert_eq!(of(ip(17, (50_000, 50_001))), []);
        assert_eq!(of(ip(6, (50_000, 1900))), [], "TCP");
        assert_eq!(of(ip(17, (5353, 5353))), [], "no DNS");
    }

    #[test]
    fn later_fragments_have_no_header_to_skip() {
        let of = |first| {
            let fragment = Some(Fragment { id: 1, first });
            said(&Packet { ip: Some(Ip { fragment, ..ip(17, (1900, 1900)) }), ..bare(0x800, NOTIFY) }).len()
        };
        assert_eq!((of(true), of(false)), (1, 0));
    }

    #[test]
    fn frames_without_ip_are_read_by_their_ethertype() {
        let lldp = [5 << 1, 2, b's', b'1'];
        assert_eq!(said(&bare(0x88cc, &lldp)), [Says::Own(ClaimSource::Lldp, "s1".to_owned())]);
        assert_eq!(said(&bare(0x88cd, &lldp)), []);
        let cdp = [0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0, 2, 180, 0, 0, 0, 1, 0, 6, b's', b'1'];
        assert_eq!(said(&bare(256 + 0xaa, &cdp)), [Says::Own(ClaimSource::Cdp, "s1".to_owned())]);
    }

    #[test]
    fn a_client_of_dhcp_is_named_by_its_hardware_address() {
        let mut bytes = vec![0; 8 + 240];
        bytes[8..11].copy_from_slice(&[1, 1, 6]);
        bytes[36..42].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        bytes[244..248].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend([12, 2, b'p', b'c']);
        let packet = Packet { ip: Some(ip(17, (68, 67))), ..bare(0x800, &bytes) };
        let client = MacAddr([2, 0, 0, 0, 0, 9]);
        assert_eq!(said(&packet), [Says::Of(client, ClaimSource::Dhcp, "pc".to_owned())]);
    }

    /// Beginnings that lead each reader past its first look.
    const HEADS: [&[u8]; 7] = [
        b"",
        b"\0\0\x84\0\0\0\0\x09\0\x01\0\x01\x04name\x05local\0\0\x01\0\x01\0\0\0\x09\0\x04\xc0\xa8\x01\x07",
        b"\0\0\x29\x10\0\0\0\0\0\0\0\x09",
        b"NOTIFY * HTTP/1.1\r\nNT: urn:x:device:y:1\r\nSERVER: ",
        b"<Action>/Hello</Action><Scopes>onvif://www.onvif.org/name/",
        b"\x01\0\0\0\0\x27\0\x08\x01\x03abc",
        b"\x0a\x05name\0",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_comes_what_is_told_is_short_and_safe(
            port in prop::sample::select(&[67_u16, 547, 5353, 5355, 1900, 137, 138, 3702][..]),
            head in prop::sample::select(&HEADS[..]),
            // Small numbers are lengths, types and counts that mean something.
            rest in prop::collection::vec(prop_oneof![0..64_u8, any::<u8>()], 0..400),
            dhcp in any::<bool>(),
            cut in any::<Index>(),
        ) {
            let mut bytes = [&[0; 8], head, &rest[..]].concat();
            if dhcp {
                bytes.splice(8..8, [&[1, 1, 6][..], &[2; 233], &[99, 130, 83, 99]].concat());
            }
            let bytes = &bytes[..=cut.index(bytes.len())];
            let udp = Packet { ip: Some(ip(17, (port, port))), ..bare(0x800, bytes) };
            for packet in [udp, bare(lldp::ETHERTYPE, bytes), bare(cdp::LLC_SNAP, bytes)] {
                for says in said(&packet) {
                    let (Says::Own(_, text) | Says::Of(_, _, text) | Says::Address(text, _)) = says;
                    prop_assert!(!text.is_empty() && text.chars().count() <= 256, "{text}");
                    prop_assert!(!text.chars().any(crate::text::is_hidden), "{text:?}");
                }
            }
        }
    }
}
