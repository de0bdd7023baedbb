//! Whose packet is it: devices behind a router, routers learnt late, public addresses, forged announcements.

use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::LinkType;
use lanscribe_core::rollup::{Class, Endpoint};

use super::{HEADERS, INTERNET, ROUTER, bytes, classes, device, home, in_a_row, ip, rows_of, tcp, udp};
use crate::frame::{self, BROADCAST, Datagram, Frame};
use crate::input::{Op, Shot, run};
use crate::input::{START, Told, law, watch};
use lanscribe_core::pipeline::Config;

/// A machine with a local address that is not on this wire: another floor, or the other end of a VPN.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 5);
/// A campus gives its machines addresses of the internet.
const fn campus(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(130, 1, 2, n)
}

/// A packet that comes from the internet: now everybody knows who routes.
fn from_the_internet() -> Frame {
    udp((ROUTER, INTERNET), (device(9), home(9)), (53, 50_000), 0)
}

fn watched(frames: impl IntoIterator<Item = Frame>) -> Told {
    let frames = in_a_row(frames);
    let ops: Vec<_> =
        frames.iter().map(|(after, frame)| Op::Frame(Shot::of(START + *after, frame))).collect();
    let told = run(&Config::default(), &ops);
    law(&told, &ops).unwrap();
    told
}

#[test]
fn traffic_of_three_devices_through_one_router_gives_the_bytes_to_the_three() {
    let mut frames = Vec::new();
    for n in 1..=3 {
        let (mac, len) = (device(n), usize::from(n) * 100);
        frames.push(udp((mac, home(n)), (ROUTER, INTERNET), (50_000, 443), len));
        frames.push(udp((ROUTER, INTERNET), (mac, home(n)), (443, 50_000), len * 2));
    }
    let told = watched(frames);
    for n in 1..=3 {
        let rows = rows_of(&told, device(n), Class::Remote);
        assert_eq!(bytes(&rows), (HEADERS + u64::from(n) * 100, HEADERS + u64::from(n) * 200));
        assert_eq!((rows[0].0.endpoint.clone(), rows[0].0.port), (Endpoint::Remote(ip(INTERNET), None), 443));
    }
    assert_eq!(rows_of(&told, ROUTER, Class::Remote), []);
    assert_eq!(classes(&told), [Class::Remote]);
}

#[test]
fn a_gateway_learnt_in_mid_flow_keeps_the_law_and_the_class_of_the_flow() {
    let ask = |port| udp((device(1), home(1)), (ROUTER, ELSEWHERE), (port, 53), 10);
    let answer = |port| udp((ROUTER, ELSEWHERE), (device(1), home(1)), (53, port), 20);
    let told = watched([
        ask(50_000),
        answer(50_000),
        from_the_internet(),
        ask(50_000),
        answer(50_000),
        ask(50_001),
        answer(50_001),
    ]);
    let lan = rows_of(&told, device(1), Class::Lan);
    assert_eq!(bytes(&lan), (2 * (HEADERS + 10), 2 * (HEADERS + 20)), "two of each, before and after");
    let router = rows_of(&told, ROUTER, Class::Lan);
    assert_eq!(bytes(&router), (2 * (HEADERS + 20), 2 * (HEADERS + 10)));
    let remote = rows_of(&told, device(1), Class::Remote);
    assert_eq!(bytes(&remote), (HEADERS + 10, HEADERS + 20), "what began later is known better");
}

#[test]
fn one_forged_router_advertisement_for_2000_3_changes_nothing() {
    let (phone, server) = ("fe80::5".parse().unwrap(), "2606:4700::1".parse::<IpAddr>().unwrap());
    let talk = |n: u16| {
        let body = frame::udp(50_000 + n, 443, &[0; 10]);
        Frame::new(device(1), ROUTER, Datagram::new(phone, server, body).ether())
    };
    let forge = |length, hops| {
        let ether = frame::router("fe80::66".parse().unwrap(), hops, "2000::".parse().unwrap(), length);
        Frame::new(device(6), MacAddr([0x33, 0x33, 0, 0, 0, 1]), ether)
    };
    let without = watched([talk(0), talk(1)]);
    let with = watched([talk(0), forge(3, 255), forge(0, 255), forge(47, 255), forge(64, 64), talk(1)]);
    let rows = |told| rows_of(told, device(1), Class::Remote);
    assert_eq!(rows(&with), rows(&without));
    assert_eq!(bytes(&rows(&with)), (2 * (14 + 40 + 8 + 10), 0));
}

#[test]
fn a_campus_lan_with_public_addresses_has_its_devices_by_arp() {
    let ask = Frame::new(device(1), BROADCAST, frame::arp(true, device(1), campus(1), campus(254)));
    let answer = Frame::new(ROUTER, device(1), frame::arp(false, ROUTER, campus(254), campus(1)));
    let told = watched([
        ask,
        answer,
        udp((device(1), campus(1)), (ROUTER, INTERNET), (50_000, 443), 100),
        udp((ROUTER, INTERNET), (device(1), campus(1)), (443, 50_000), 300),
    ]);
    assert_eq!(bytes(&rows_of(&told, device(1), Class::Remote)), (HEADERS + 100, HEADERS + 300));
    let gateways: Vec<_> = told.devices.values().filter(|d| d.gateway).map(|d| d.mac).collect();
    assert_eq!(gateways, [Some(ROUTER)]);
}

#[test]
fn a_campus_lan_with_public_addresses_has_its_devices_by_the_mask_of_a_dhcp_ack() {
    let lease = frame::lease(campus(254), device(1), campus(1), Some(24));
    let told = watched([
        Frame::new(ROUTER, device(1), lease),
        // Neither of these two was ever named by ARP.
        udp((device(2), campus(2)), (device(3), campus(3)), (50_000, 443), 100),
        udp((device(2), campus(2)), (ROUTER, INTERNET), (50_000, 443), 200),
    ]);
    assert_eq!(bytes(&rows_of(&told, device(2), Class::Lan)), (HEADERS + 100, 0));
    assert_eq!(bytes(&rows_of(&told, device(3), Class::Lan)), (0, HEADERS + 100));
    assert_eq!(bytes(&rows_of(&told, device(2), Class::Remote)), (HEADERS + 200, 0));
}

#[test]
fn dhcp_of_thirty_devices_from_nowhere_is_thirty_flows() {
    let told = watched((1..=30).flat_map(|n| [frame::discover(device(n)), frame::discover(device(n))]));
    assert_eq!(told.flows.len(), 30);
    for n in 1..=30 {
        let rows = rows_of(&told, device(n), Class::Multicast);
        assert_eq!((rows.len(), rows[0].1.up.frames, rows[0].1.flows), (1, 2, 1));
    }
}

#[test]
fn a_local_address_behind_a_gateway_is_a_remote_endpoint() {
    let told = watched([
        from_the_internet(),
        udp((device(1), home(1)), (ROUTER, ELSEWHERE), (50_000, 22), 10),
        udp((ROUTER, ELSEWHERE), (device(1), home(1)), (22, 50_000), 20),
    ]);
    let rows = rows_of(&told, device(1), Class::Remote);
    assert_eq!(rows[0].0.endpoint, Endpoint::Remote(ip(ELSEWHERE), None));
    assert_eq!(bytes(&rows), (HEADERS + 10, HEADERS + 20));
    assert_eq!(rows_of(&told, ROUTER, Class::Lan), []);
}

#[test]
fn traffic_between_vlans_seen_twice_goes_to_each_station_as_remote() {
    let (a, b) = ((device(1), home(1)), (device(2), ELSEWHERE));
    let there = [
        tcp(a, (ROUTER, b.1), (50_000, 22), frame::SYN, 1),
        tcp((ROUTER, a.1), b, (50_000, 22), frame::SYN, 1),
    ];
    let back = [
        tcp(b, (ROUTER, a.1), (22, 50_000), frame::SYN | frame::ACK, 1),
        tcp((ROUTER, b.1), a, (22, 50_000), frame::SYN | frame::ACK, 1),
    ];
    let told = watched([from_the_internet()].into_iter().chain(there.clone()).chain(back).chain(there));
    for (station, other) in [(a, b), (b, a)] {
        let rows = rows_of(&told, station.0, Class::Remote);
        assert_eq!((rows.len(), rows[0].0.endpoint.clone()), (1, Endpoint::Remote(ip(other.1), None)));
        assert_eq!((rows[0].1.up.frames + rows[0].1.down.frames, rows[0].1.flows), (3, 1));
    }
    assert_eq!(classes(&told), [Class::Remote]);
}

#[test]
fn a_leg_beyond_the_router_never_swallows_the_stations_own_leg() {
    // The router's leg fits every MAC address, so each packet of the station fits two flows: the order in a
    // seeded table must not decide.
    let own = udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10);
    let beyond = udp((ROUTER, home(1)), (device(7), INTERNET), (50_000, 443), 10);
    for _ in 0..16 {
        // Other flows make the table grow and move what is in it.
        let other = |port| udp((device(2), home(2)), (ROUTER, INTERNET), (port, 443), 10);
        let rounds = (0..40).flat_map(|n| [own.clone(), beyond.clone(), other(40_000 + n)]);
        let told = watched([from_the_internet()].into_iter().chain(rounds));
        let remote = rows_of(&told, device(1), Class::Remote);
        assert_eq!(remote.iter().map(|(_, usage)| usage.up.frames).sum::<u64>(), 40);
        let transit = rows_of(&told, ROUTER, Class::Transit);
        assert_eq!(transit.iter().map(|(_, usage)| usage.up.frames).sum::<u64>(), 40);
    }
}

#[test]
fn two_devices_with_one_address_are_not_mixed() {
    let send = |n, len| udp((device(n), home(1)), (ROUTER, INTERNET), (50_000, 443), len);
    let answer = |n, len| udp((ROUTER, INTERNET), (device(n), home(1)), (443, 50_000), len);
    let told = watched([send(1, 1), send(2, 20), answer(2, 200), answer(1, 10), send(1, 1)]);
    assert_eq!(bytes(&rows_of(&told, device(1), Class::Remote)), (2 * (HEADERS + 1), HEADERS + 10));
    assert_eq!(bytes(&rows_of(&told, device(2), Class::Remote)), (HEADERS + 20, HEADERS + 200));
    assert_eq!(told.flows.len(), 2);
}

#[test]
fn the_gateway_is_a_station_at_the_address_that_arp_ndp_or_dhcp_bound_to_it() {
    let gate = home(254);
    let ask = |port| udp((device(1), home(1)), (ROUTER, gate), (port, 53), 10);
    let arp = Frame::new(ROUTER, device(1), frame::arp(false, ROUTER, gate, home(1)));
    let lease = Frame::new(device(8), ROUTER, frame::lease(home(253), ROUTER, gate, None));
    for binding in [arp, lease] {
        let told = watched([from_the_internet(), ask(50_000), binding, ask(50_001)]);
        let lan = rows_of(&told, ROUTER, Class::Lan);
        assert!(
            lan.iter()
                .any(|(key, usage)| { (key.port, usage.down.bytes, usage.flows) == (53, HEADERS + 10, 1) })
        );
        let before = rows_of(&told, device(1), Class::Remote);
        assert_eq!(bytes(&before), (HEADERS + 10, 0), "nobody had said yet whose address it is");
    }

    let (gate, phone) = ("fe80::254".parse().unwrap(), IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1_u16]));
    let all = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    let ask = |port| {
        let body = frame::udp(port, 53, &[0; 10]);
        Frame::new(device(1), ROUTER, Datagram::new(phone, IpAddr::V6(gate), body).ether())
    };
    let hello = Frame::new(ROUTER, all, frame::neighbour(false, gate, gate, Some(ROUTER)));
    let told = watched([from_the_internet(), ask(50_000), hello, ask(50_001)]);
    assert_eq!(bytes(&rows_of(&told, ROUTER, Class::Lan)), (0, 14 + 40 + 8 + 10));
}

#[test]
fn link_level_totals_count_every_frame_whatever_its_class() {
    let told = watch(&in_a_row([
        udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10),
        Frame::new(device(1), BROADCAST, frame::arp(true, device(1), home(1), home(254))),
        Frame::new(ROUTER, device(1), (0x88cc, vec![0; 46])),
    ]));
    let of = |mac| told.devices.values().find(|device| device.mac == Some(mac)).unwrap();
    assert_eq!((of(device(1)).sent.frames, of(device(1)).sent.bytes), (2, HEADERS + 10 + 14 + 28));
    assert_eq!((of(device(1)).received.frames, of(device(1)).received.bytes), (1, 60));
    assert_eq!((of(ROUTER).sent.bytes, of(ROUTER).received.bytes), (60, HEADERS + 10));
}

#[test]
fn who_has_no_mac_address_is_not_mixed_with_who_has_one() {
    // A cooked capture of all interfaces: a tunnel's frames have none. The same EtherType otherwise.
    let sll = LinkType::from_dlt(113).unwrap();
    let shot = |n: Option<u8>| {
        let mut bytes = Frame::new(device(n.unwrap_or(0)), ROUTER, (0x88cc, vec![0; 10])).sll();
        bytes[5] = if n.is_some() { 6 } else { 0 };
        Op::Frame(Shot { at: START, interface: 0, link_type: sll, wire_len: 26, bytes })
    };
    for _ in 0..16 {
        let ops: Vec<_> = (1..=60).map(Some).chain([None]).chain((1..=60).map(Some)).map(shot).collect();
        let told = run(&Config::default(), &ops);
        let frames: Vec<_> = told.minutes[0].rows.iter().map(|(_, usage)| usage.up.frames).collect();
        assert_eq!(frames, [&[1][..], &[2; 60]].concat(), "nobody's one, and two of each");
    }
}

#[test]
fn no_forged_claim_makes_an_address_of_the_internet_the_routers() {
    let liar = device(66);
    let elsewhere = Ipv4Addr::new(9, 9, 9, 9);
    let known = || vec![from_the_internet(), udp((ROUTER, elsewhere), (device(9), home(9)), (53, 50_001), 0)];
    let talk = || {
        [
            udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10),
            udp((ROUTER, INTERNET), (device(1), home(1)), (443, 50_000), 20),
        ]
    };
    let claims = [
        (
            "an ARP for the router from somebody else",
            Frame::new(liar, BROADCAST, frame::arp(true, ROUTER, INTERNET, home(1))),
        ),
        (
            "an ARP of the router itself",
            Frame::new(ROUTER, BROADCAST, frame::arp(true, ROUTER, INTERNET, home(1))),
        ),
        (
            "an ARP of somebody for himself",
            Frame::new(liar, BROADCAST, frame::arp(true, liar, INTERNET, home(1))),
        ),
        (
            "a lease for the router",
            Frame::new(liar, BROADCAST, frame::lease(home(254), ROUTER, INTERNET, Some(16))),
        ),
    ];
    for (what, claim) in claims {
        let told = watched(known().into_iter().chain([claim]).chain(talk()));
        let remote = rows_of(&told, device(1), Class::Remote);
        assert_eq!(bytes(&remote), (HEADERS + 10, HEADERS + 20), "{what}");
        assert_eq!(rows_of(&told, ROUTER, Class::Lan), [], "{what}");
    }
}
