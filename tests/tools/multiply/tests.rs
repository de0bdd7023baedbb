//! Copies are consistent households, and the same seed makes the same file.

use std::collections::HashSet;
use std::fs;

use crate::layout::{self, Network};
use crate::plan::{self, Settings};
use crate::rewrite::{Household, Networks, Rewriter};
use crate::source::{SECOND, Source};
use crate::tally::Tally;
use crate::write;

const MAC: [u8; 6] = [0xb8, 0x27, 0xeb, 1, 2, 3];
const KEY: [u8; 3] = [0xa5, 0x0f, 0x77];
const NEW_MAC: [u8; 6] = [0xb8, 0x27, 0xeb, 1 ^ 0xa5, 2 ^ 0x0f, 3 ^ 0x77];

fn with_rewriter<T>(test: impl FnOnce(&mut Rewriter<'_>) -> T) -> T {
    let household = Household { number: 3, key: KEY };
    let on_link = HashSet::from([[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1]]);
    let mut networks = Networks::default();
    let mut rewriter =
        Rewriter { household: &household, on_link: &on_link, port_shift: 12_345, networks: &mut networks };
    test(&mut rewriter)
}

fn rewritten(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    with_rewriter(|rewriter| rewriter.frame(&mut frame));
    frame
}

fn ethernet(destination: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &MAC, &kind.to_be_bytes(), payload].concat()
}

fn udp4(source: [u8; 4], destination: [u8; 4], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(28 + payload.len()).unwrap();
    let mut ip = vec![0x45, 0];
    ip.extend(total.to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend([source, destination].concat());
    ip.extend([ports.0, ports.1, total - 20, 0].map(u16::to_be_bytes).concat());
    ip.extend(payload);
    ip
}

fn arp(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 1], &MAC[..], &sender, &[0; 6], &target].concat();
    ethernet([0xff; 6], 0x0806, &body)
}

fn dhcp_discover() -> Vec<u8> {
    let mut bootp = vec![0; 240];
    bootp[..3].copy_from_slice(&[1, 1, 6]);
    bootp[28..34].copy_from_slice(&MAC);
    bootp.extend([&[53, 1, 1, 50, 4, 192, 168, 1, 20, 61, 7, 1], &MAC[..], &[255]].concat());
    ethernet([0xff; 6], 0x0800, &udp4([0; 4], [255; 4], (68, 67), &bootp))
}

/// A solicitation for `target`, from its own EUI-64 link-local address.
fn solicitation(target: [u8; 16]) -> Vec<u8> {
    let [.., a, b, c] = target;
    let source = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xba, 0x27, 0xeb, 0xff, 0xfe, 1, 2, 3];
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    let header = [0x60, 0, 0, 0, 0, 32, 58, 255];
    let body = [&header[..], &source, &group, &[135, 0, 0, 0, 0, 0, 0, 0], &target, &[1, 1], &MAC].concat();
    ethernet([0x33, 0x33, 0xff, a, b, c], 0x86dd, &body)
}

#[test]
fn stations_keep_their_vendor_and_stay_apart_while_groups_stay_as_they_are() {
    let household = Household { number: 0, key: KEY };
    assert_eq!(household.mac(MAC), NEW_MAC);
    for kept in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 0xfb], [0x33, 0x33, 0, 0, 0, 1]] {
        assert_eq!(household.mac(kept), kept);
    }
    let all = (0..=u16::MAX).map(|n| [MAC[0], MAC[1], MAC[2], 9, n.to_be_bytes()[0], n.to_be_bytes()[1]]);
    let mapped: HashSet<_> = all.map(|mac| household.mac(mac)).collect();
    assert_eq!(mapped.len(), 1 << 16);
    assert!(mapped.iter().all(|mac| mac.starts_with(&MAC[..3])));
}

#[test]
fn private_addresses_stay_private_and_apart_while_remote_ones_stay_as_they_are() {
    with_rewriter(|rewriter| {
        let mut mapped = HashSet::new();
        let networks = [[10, 0, 0], [10, 9, 8], [172, 16, 0], [172, 31, 255], [192, 168, 0], [192, 168, 1]];
        for ([a, b, c], d) in networks.into_iter().flat_map(|network| (0..=255).map(move |d| (network, d))) {
            let new = rewriter.v4([a, b, c, d]);
            assert_eq!((new[0], new[3]), (10, d));
            assert!(mapped.insert(new));
        }
        let link_local = (0..=255).flat_map(|c| (0..=255).map(move |d| [169, 254, c, d]));
        let new: HashSet<_> = link_local.map(|address| rewriter.v4(address)).collect();
        assert_eq!(new.len(), 1 << 16);
        assert!(new.iter().all(|address| address.starts_with(&[169, 254])));
        for kept in [[8, 8, 8, 8], [0; 4], [255; 4], [224, 0, 0, 251], [172, 32, 0, 1], [100, 64, 0, 1]] {
            assert_eq!(rewriter.v4(kept), kept);
        }
    });
}

#[test]
fn two_households_never_share_a_network() {
    let mut networks = Networks::default();
    let on_link = HashSet::new();
    let mut seen = HashSet::new();
    for number in 0..100 {
        let household = Household { number, key: KEY };
        let mut rewriter =
            Rewriter { household: &household, on_link: &on_link, port_shift: 0, networks: &mut networks };
        let first = rewriter.v4([192, 168, 1, 1]);
        assert_eq!(rewriter.v4([192, 168, 1, 1]), first);
        assert!(seen.insert(first));
    }
}

#[test]
fn ephemeral_ports_are_rotated_among_themselves_and_both_directions_agree() {
    with_rewriter(|rewriter| {
        for other in [443, 40_000, 50_000] {
            let mapped: HashSet<_> = (0..=u16::MAX).map(|port| rewriter.port(port, other)).collect();
            assert_eq!(mapped.len(), 1 << 16);
        }
        for (port, other) in [(443, 50_000), (5353, 5353), (49_153, 50_000), (40_000, 50_000)] {
            assert_eq!(rewriter.port(port, other), port);
        }
        assert_ne!(rewriter.port(50_000, 443), 50_000);
        assert_ne!(rewriter.port(40_000, 443), 40_000);
    });
    let (host, server) = ([192, 168, 1, 20], [1, 1, 1, 1]);
    let up = rewritten(&ethernet([2; 6], 0x0800, &udp4(host, server, (50_000, 53), &[])));
    let down = rewritten(&ethernet([2; 6], 0x0800, &udp4(server, host, (53, 50_000), &[])));
    assert_eq!((&up[26..30], &up[30..34]), (&down[30..34], &down[26..30]));
    assert_eq!((&up[34..36], &up[36..38]), (&down[36..38], &down[34..36]));
}

#[test]
fn arp_agrees_with_the_frame_and_with_ip() {
    let new = rewritten(&arp([192, 168, 1, 20], [192, 168, 1, 1]));
    assert_eq!(new[..6], [0xff; 6]);
    assert_eq!((&new[6..12], &new[22..28]), (&NEW_MAC[..], &NEW_MAC[..]));
    assert_eq!(new[32..38], [0; 6]);
    let ip = rewritten(&ethernet([2; 6], 0x0800, &udp4([192, 168, 1, 20], [9; 4], (1, 2), &[])));
    assert_eq!(new[28..32], ip[26..30]);
    assert_eq!(new[38..41], new[28..31]);
}

#[test]
fn a_solicitation_agrees_in_target_group_and_link_addresses() {
    for prefix in [[0xfe, 0x80, 0, 0, 0, 0, 0, 0], [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1]] {
        let target: [u8; 16] = [prefix, [0, 0, 0, 0, 0, 4, 5, 6]].concat().try_into().unwrap();
        let new = rewritten(&solicitation(target));
        let low = [4 ^ KEY[0], 5 ^ KEY[1], 6 ^ KEY[2]];
        assert_eq!(new[3..6], low, "Ethernet group");
        assert_eq!(new[51..54], low, "IPv6 group");
        assert_eq!(new[75..78], low, "target");
        assert_eq!(new[80..86], NEW_MAC, "source link-layer address");
        assert_eq!(new[35..38], NEW_MAC[3..], "the EUI-64 source address follows the MAC");
    }
}

#[test]
fn remote_ipv6_addresses_stay_as_they_are() {
    let remote = [0x20, 0x01, 0x48, 0x60, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x88];
    with_rewriter(|rewriter| assert_eq!(rewriter.v6(remote), remote));
}

#[test]
fn dhcp_agrees_with_the_frame() {
    let new = rewritten(&dhcp_discover());
    let bootp = &new[42..];
    assert_eq!(bootp[28..34], NEW_MAC);
    assert_eq!((bootp[245], bootp[248]), (10, 20));
    assert_eq!(bootp[252..258], NEW_MAC);
}

#[test]
fn icmp_errors_quote_the_rewritten_packet() {
    let quoted = udp4([192, 168, 1, 20], [1, 1, 1, 1], (50_000, 53), &[]);
    let mut error = udp4([1, 1, 1, 1], [192, 168, 1, 20], (0, 0), &quoted);
    error[9] = 1;
    error[20] = 3;
    let new = rewritten(&ethernet(MAC, 0x0800, &error));
    let sent = rewritten(&ethernet([2; 6], 0x0800, &quoted));
    assert_eq!(new[42..], sent[14..]);
}

#[test]
fn tags_are_looked_below() {
    let plain = udp4([192, 168, 1, 20], [1, 1, 1, 1], (50_000, 53), &[]);
    let tagged = [&[0, 5, 0x81, 0, 0, 6, 8, 0][..], &plain].concat();
    let frame = ethernet([2; 6], 0x88a8, &tagged);
    assert_eq!(layout::network(&frame), Network::Ip(22));
    assert_eq!(rewritten(&frame)[22..], rewritten(&ethernet([2; 6], 0x0800, &plain))[14..]);
}

#[test]
fn frames_cut_anywhere_keep_their_length() {
    let target = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6];
    for frame in [arp([10, 0, 0, 1], [10, 0, 0, 2]), dhcp_discover(), solicitation(target)] {
        for end in 0..=frame.len() {
            assert_eq!(rewritten(&frame[..end]).len(), end);
        }
    }
}

/// Reads a capture of `count` packets, each of its own content and sent at the time that `at` says.
fn read(count: u16, at: impl Fn(i64) -> i64) -> anyhow::Result<Source> {
    let mut file = Vec::new();
    write::write_file_header(&mut file)?;
    for n in 0..count {
        let packet =
            udp4([192, 168, 1, 20], [1, 1, 1, 1], (50_000 + n % 3, 53), &[n.to_be_bytes(); 10].concat());
        let frame = ethernet([2; 6], 0x0800, &packet);
        write::write_packet(&mut file, at(i64::from(n)), 1500, &frame)?;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("example.pcap");
    fs::write(&path, file)?;
    Source::read(&path)
}

const SANE: i64 = 1_600_000_000 * SECOND;

/// A capture over 58 s, one packet of which is half a second late.
fn example() -> Source {
    let late = |n| if n == 7 { 2 * SECOND + SECOND / 2 } else { 0 };
    read(30, |n| SANE + 2 * n * SECOND - late(n)).unwrap()
}

#[test]
fn what_no_home_would_have_captured_is_left_out() {
    let reason = |read: anyhow::Result<Source>| read.err().unwrap().to_string();
    assert!(reason(read(30, |n| n * SECOND)).contains("before 1995"));
    assert!(reason(read(30, |n| 4_000_000_000 * SECOND + n)).contains("from the future"));
    assert!(reason(read(30, |n| SANE - 2 * n * SECOND)).contains("out of order"));
    assert!(reason(read(30, |n| SANE + 300 * n * SECOND)).contains("two hours"));
    assert!(reason(read(24, |n| SANE + n * SECOND)).contains("only 24 packets"));
    assert!(reason(read(2000, |n| SANE + n)).contains("a flood of 2000"));
}

fn generate(sources: &[Source], seed: u64) -> (Vec<u8>, Tally) {
    let settings = Settings { packets: 1000, seed, hours: 2, homes: 2 };
    let copies = plan::copies(sources, &settings);
    let mut out = Vec::new();
    let tally = write::capture(sources, &copies, &settings, &mut out).unwrap();
    (out, tally)
}

#[test]
fn the_same_seed_makes_the_same_file_and_another_seed_another() {
    let sources = [example(), example()];
    let (first, tally) = generate(&sources, 1);
    assert_eq!(first, generate(&sources, 1).0);
    assert_ne!(first, generate(&sources, 2).0);
    assert_eq!(tally.packets, 1020, "whole copies, until there are enough");
    assert_eq!(tally.devices.len(), 4, "two captures of one sender in two homes");
}

#[test]
fn the_file_is_in_order_and_keeps_wire_lengths() {
    let sources = [example(), example()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.pcap");
    fs::write(&path, generate(&sources, 1).0).unwrap();
    let mut file = pcap::Capture::from_file_with_precision(&path, pcap::Precision::Nano).unwrap();
    let (mut packets, mut latest) = (0, (0, 0));
    while let Ok(packet) = file.next_packet() {
        let at = (packet.header.ts.tv_sec, packet.header.ts.tv_usec);
        assert!(at >= latest);
        assert_eq!((packet.header.len, packet.header.caplen), (1500, 62));
        (packets, latest) = (packets + 1, at);
    }
    assert_eq!(packets, 1020);
}
