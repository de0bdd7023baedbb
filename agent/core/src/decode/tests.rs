//! Each link type and shim by a frame made for it; what the real captures hold is tested with the whole program.

use std::net::IpAddr;

use super::*;
use crate::addr::MacAddr;
use crate::packet::{Fragment, Ip};

const SRC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const DST: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header with what follows it.
fn ethernet(ethertype: u16, rest: &[u8]) -> Vec<u8> {
    bytes(&[&DST, &SRC, &ethertype.to_be_bytes(), rest])
}

/// IPv4 from 10.0.0.1 to 10.0.0.2 with `total_len` as it is said, not as it is.
fn ipv4(protocol: u8, total_len: u16, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(total_len.to_be_bytes());
    header.extend([0, 7]);
    header.extend(flags_and_offset.to_be_bytes());
    header.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    header.extend(payload);
    header
}

/// A whole UDP packet from port 1000 to port 53.
fn udp4() -> Vec<u8> {
    ipv4(17, 28, 0, &[3, 232, 0, 53, 0, 8, 0, 0])
}

fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    header.extend([next_header, 255]);
    header.extend("fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    header.extend("ff02::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    header.extend(payload);
    header
}

fn read(dlt: i32, frame: &[u8]) -> Result<Packet<'_>, Trouble> {
    decode(LinkType::from_dlt(dlt).unwrap(), frame, u32::try_from(frame.len()).unwrap())
}

fn ip(dlt: i32, frame: &[u8]) -> Ip {
    let packet = read(dlt, frame).unwrap();
    assert_eq!(packet.trouble, None);
    packet.ip.unwrap_or_else(|| panic!("no IP in {packet:?}"))
}

#[test]
fn every_link_type_leads_to_the_same_packet() {
    let sll = |rest: &[u8]| bytes(&[&[0, 0, 0, 1, 0, 6], &SRC, &[0, 0, 8, 0], rest]);
    let sll2 = |rest: &[u8]| bytes(&[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &SRC, &[0, 0], rest]);
    let cases: [(i32, Vec<u8>); 14] = [
        (1, ethernet(0x0800, &udp4())),
        (113, sll(&udp4())),
        (276, sll2(&udp4())),
        (0, bytes(&[&[2, 0, 0, 0], &udp4()])),
        (0, bytes(&[&[0, 0, 0, 2], &udp4()])),
        (108, bytes(&[&[0, 0, 0, 2], &udp4()])),
        (12, udp4()),
        (101, udp4()),
        (228, udp4()),
        (9, bytes(&[&[0xff, 3, 0, 0x21], &udp4()])),
        (50, bytes(&[&[0x21], &udp4()])),
        (51, bytes(&[&[0x11, 0, 0, 1, 0, 30, 0, 0x21], &udp4()])),
        (104, bytes(&[&[0x0f, 0, 8, 0], &udp4()])),
        (14, udp4()),
    ];
    let expected = ip(12, &udp4());
    assert_eq!(expected.ports, Some((1000, 53)));
    for (dlt, frame) in cases {
        assert_eq!(ip(dlt, &frame), expected, "{dlt}");
    }
    assert!(LinkType::from_dlt(127).is_none(), "radiotap is refused");
    for cooked in [read(113, &sll(&udp4())).unwrap(), read(276, &sll2(&udp4())).unwrap()] {
        assert_eq!((cooked.src, cooked.dst), (Some(MacAddr(SRC)), None));
    }
}

#[test]
fn shims_are_walked_over_and_the_outer_vlan_is_kept() {
    let vlan = |id: u16, ethertype: u16| bytes(&[&(0xe000 | id).to_be_bytes(), &ethertype.to_be_bytes()]);
    let expected = ip(12, &udp4());
    let q_in_q = ethernet(0x88a8, &bytes(&[&vlan(100, 0x8100), &vlan(7, 0x0800), &udp4()]));
    let packet = read(1, &q_in_q).unwrap();
    assert_eq!((packet.vlan, packet.ip), (Some(100), Some(expected)));
    let mpls = ethernet(0x8847, &bytes(&[&[0, 1, 0, 64], &[0, 2, 1, 64], &udp4()]));
    assert_eq!(ip(1, &mpls), expected);
    let pppoe = ethernet(0x8864, &bytes(&[&[0x11, 0, 0, 1, 0, 30, 0, 0x21], &udp4()]));
    assert_eq!(ip(1, &pppoe), expected);
    let snap = ethernet(36, &bytes(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &udp4()]));
    assert_eq!(ip(1, &snap), expected);
}

#[test]
fn what_is_not_ip_keeps_the_protocol_that_it_has() {
    let stp = ethernet(38, &[0x42, 0x42, 3, 0]);
    assert_eq!(read(1, &stp).unwrap().ethertype, 256 + 0x42);
    let pseudo_wire = ethernet(0x8847, &[0, 1, 1, 64, 0, 0, 0, 0]);
    assert_eq!(read(1, &pseudo_wire).unwrap().ethertype, 0x8847);
    assert_eq!(
        read(1, &ethernet(0x893f, &[1, 2, 3])).unwrap().ethertype,
        0x893f,
        "an E-tag is not looked into"
    );
    assert_eq!(read(9, &[0xff, 3, 0xc0, 0x21, 1]).unwrap().ethertype, 0x880b, "LCP is PPP");
}

#[test]
fn frames_without_a_readable_link_header_say_why() {
    assert_eq!(read(1, &DST).unwrap_err(), Trouble::LinkHeaderCut);
    assert_eq!(read(113, &[0; 15]).unwrap_err(), Trouble::LinkHeaderCut);
    assert_eq!(read(0, &[7, 0, 0, 0, 1]).unwrap_err(), Trouble::AddressFamily);
    assert_eq!(read(12, &[0x50, 0]).unwrap_err(), Trouble::RawVersion);
    assert!(Trouble::ALL.iter().filter(|t| t.is_undecodable()).count() == 3);
}

#[test]
fn a_header_that_is_cut_leaves_the_frame_to_its_link_header() {
    for (frame, trouble) in [
        (ethernet(0x0800, &udp4()[..19]), Trouble::Ipv4Header),
        (ethernet(0x86dd, &ipv6(17, &[])[..39]), Trouble::Ipv6Header),
        (ethernet(0x0800, &[0x44; 20]), Trouble::Ipv4Header),
        (ethernet(0x8100, &[0, 1]), Trouble::ShimCut),
        (ethernet(0x8864, &[0x11, 0, 0, 1, 0, 30]), Trouble::ShimCut),
        (ethernet(0x8847, &[0, 1, 0]), Trouble::ShimCut),
    ] {
        let packet = read(1, &frame).unwrap();
        assert_eq!((packet.ip, packet.trouble), (None, Some(trouble)));
    }
}

#[test]
fn four_bytes_are_enough_for_the_ports_as_far_as_the_ip_length_reaches() {
    let four = ipv4(6, 40, 0, &[0, 80, 1, 0]);
    assert_eq!(ip(12, &four).ports, Some((80, 256)));
    let three = read(12, &four[..23]).unwrap();
    assert_eq!((three.ip.unwrap().ports, three.trouble), (None, Some(Trouble::NoPorts)));
    // Ethernet pads short frames: what lies behind the IP length is no transport header.
    let padded = ipv4(17, 22, 0, &[0, 80, 1, 0, 0, 0]);
    assert_eq!(read(12, &padded).unwrap().ip.unwrap().ports, None);
    let no_length = ipv4(17, 0, 0, &[0, 80, 1, 0, 0, 0]);
    assert_eq!(ip(12, &no_length).ports, Some((80, 256)), "segmentation offload leaves the length 0");
    assert_eq!(ip(12, &no_length).len, 26);
    let impossible = ipv4(17, 19, 0, &[0, 80, 1, 0]);
    assert_eq!(read(12, &impossible).unwrap().ip.unwrap().ports, None);
}

#[test]
fn tcp_flags_are_read_where_they_were_captured() {
    let segment = [0, 80, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0];
    let tcp = ip(12, &ipv4(6, 40, 0, &segment)).tcp.unwrap();
    assert!(tcp.accepts() && !tcp.opens() && tcp.seq == 9);
    assert_eq!(ip(12, &ipv4(6, 40, 0, &segment)[..33]).tcp, None, "cut before the flags");
}

#[test]
fn fragments_are_known_and_only_the_first_has_ports() {
    let first = ip(12, &ipv4(17, 28, 0x2000, &[3, 232, 0, 53, 0, 8, 0, 0]));
    assert_eq!((first.fragment, first.ports), (Some(Fragment { id: 7, first: true }), Some((1000, 53))));
    let later = ip(12, &ipv4(17, 28, 0x0002, &[3, 232, 0, 53, 0, 8, 0, 0]));
    assert_eq!((later.fragment, later.ports), (Some(Fragment { id: 7, first: false }), None));
    let dont_fragment = ip(12, &ipv4(17, 28, 0x4000, &[3, 232, 0, 53, 0, 8, 0, 0]));
    assert_eq!(dont_fragment.fragment, None);
}

#[test]
fn ipv6_extension_headers_are_walked_over() {
    let udp = [3, 232, 0, 53, 0, 8, 0, 0];
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [44, 0, 1, 4, 0, 0, 0, 0];
    let fragment = |offset_and_more: u16| bytes(&[&[17, 0], &offset_and_more.to_be_bytes(), &[0, 0, 0, 9]]);
    let chain = |f: u16| ipv6(0, &bytes(&[&hop_by_hop, &destination, &fragment(f), &udp]));
    let whole = ip(12, &chain(0));
    assert_eq!(
        (whole.protocol, whole.ports, whole.fragment),
        (17, Some((1000, 53)), None),
        "an atomic fragment is whole"
    );
    assert_eq!(whole.len, 40 + 32);
    let first = ip(12, &chain(1));
    assert_eq!((first.ports, first.fragment), (Some((1000, 53)), Some(Fragment { id: 9, first: true })));
    let later = ip(12, &chain(8));
    assert_eq!((later.ports, later.fragment), (None, Some(Fragment { id: 9, first: false })));
    let cut = chain(0);
    assert_eq!(read(12, &cut[..44]).unwrap().trouble, Some(Trouble::Ipv6Extension));
}

#[test]
fn a_group_is_known_by_its_mac_or_without_one_by_its_address() {
    let mut broadcast = ethernet(0x0800, &udp4());
    broadcast[..6].copy_from_slice(&[0xff; 6]);
    assert!(read(1, &broadcast).unwrap().group);
    assert!(!read(1, &ethernet(0x86dd, &ipv6(17, &[0; 8]))).unwrap().group, "the link header decides");
    let raw = ipv6(17, &[0; 8]);
    let packet = read(12, &raw).unwrap();
    assert!(packet.group);
    assert_eq!(packet.ip.unwrap().src, "fe80::1".parse::<IpAddr>().unwrap());
}
