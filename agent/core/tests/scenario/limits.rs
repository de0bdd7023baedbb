//! Each limit reached on purpose: its counter says so, and the law holds.

use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::device::DeviceId;
use lanscribe_core::flow::record::EndReason;
use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::RowLimits;
use lanscribe_core::time::{Span, Timestamp};

use super::{INTERNET, ROUTER, device, home, udp};
use crate::frame::{self, BROADCAST, Datagram, Frame, Piece};
use crate::input::{Op, START, Shot, Told, law, run};

fn flood(config: &Config, frames: impl Iterator<Item = Frame>) -> Told {
    let at = |n: u32| START + Span(i64::from(n) * 100);
    let ops: Vec<_> = (0..).zip(frames).map(|(n, frame)| Op::Frame(Shot::of(at(n), &frame))).collect();
    let told = run(config, &ops);
    law(&told, &ops).unwrap();
    told
}

fn somewhere(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0900_0000 + n)
}

#[test]
fn devices_beyond_the_burst_are_nobody_and_their_bytes_are_kept() {
    let scan = |n: u8| udp((device(n), home(n)), (ROUTER, INTERNET), (50_000, 443), 10);
    let told = flood(&Config::default(), (0..200).map(scan));
    assert_eq!(told.devices.len(), 64 + 1, "the burst, and nobody");
    assert!(told.stats.devices_refused > 0);
    assert!(
        told.minutes[0].rows.iter().any(|(key, usage)| key.device == DeviceId::OTHER && usage.up.frames > 1)
    );
}

#[test]
fn sightings_of_more_addresses_than_one_device_may_hold_are_refused() {
    let claim = |n| Frame::new(device(1), BROADCAST, frame::arp(true, device(1), somewhere(n), home(1)));
    let told = flood(&Config::default(), (0..600).map(claim));
    assert!(told.stats.addresses_refused > 0);
    assert!(told.addresses.len() <= 256);
}

#[test]
fn more_addresses_than_a_lan_can_have_are_not_believed() {
    let claim = |n| Frame::new(device(1), BROADCAST, frame::arp(true, device(1), somewhere(n), home(1)));
    let told = flood(&Config::default(), (0..2000).map(claim));
    assert!(told.stats.networks_refused > 0);
    assert!(told.stats.events_dropped > 0, "each one is an event, and nobody took them");
}

#[test]
fn a_flood_of_first_fragments_is_forgotten_early() {
    let first = |n: u32| {
        let mut datagram = Datagram::new(
            somewhere(n / 60_000).into(),
            IpAddr::from(home(1)),
            frame::udp(53, 50_000, &[0; 8]),
        );
        datagram.piece = Some(Piece { id: u16::try_from(n % 60_000).unwrap(), first: true });
        Frame::new(ROUTER, device(1), datagram.ether())
    };
    let told = flood(&Config::default(), (0..9000).map(first));
    assert!(told.stats.fragments_forgotten > 0);
    assert_eq!(told.flows.len(), 1, "they are one conversation all the same");
}

#[test]
fn a_scan_ends_flows_early_and_drops_records_that_nobody_took() {
    let scan = |n: u32| {
        let port = u16::try_from(n % 30_000).unwrap() + 1;
        udp((device(1), home(1)), (ROUTER, somewhere(n / 30_000)), (50_000, port), 0)
    };
    let config = Config { flows: 64, ..Config::default() };
    let told = flood(&config, (0..67_000).map(scan));
    assert!(told.stats.flows_evicted > 0 && told.stats.records_dropped > 0 && told.stats.frames_folded > 0);
    assert_eq!(told.flows.len() as u64 + told.stats.records_dropped, 67_000);
}

#[test]
fn a_frame_that_lost_its_name_twice_was_folded_once() {
    // Each of two devices has one endpoint with much and two with little: the little becomes "other" of its
    // device and then, since two times two rows are one too many, nobody's.
    let talk = |n: u8| {
        let len = if n < 2 { 1000 } else { 0 };
        udp((device(n % 2), home(n % 2)), (ROUTER, somewhere(n.into())), (50_000, 443), len)
    };
    let config = Config { rows: RowLimits { endpoints: 2, rows: 3 }, ..Config::default() };
    let told = flood(&config, (0..6).map(talk));
    assert_eq!(told.minutes[0].coverage.folded.frames, 4);
    assert_eq!(told.stats.frames_folded, 4);
}

#[test]
fn stamps_that_no_calendar_knows_are_counted_at_the_last_instant_that_one_does() {
    let frame = udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10);
    let ops: Vec<_> = [i64::MIN, -1, 0, i64::MAX].map(|at| Op::Frame(Shot::of(Timestamp(at), &frame))).into();
    let told = run(&Config::default(), &ops);
    law(&told, &ops).unwrap();
    let windows: Vec<_> = told.minutes.iter().map(|minute| minute.window).collect();
    assert_eq!(windows, [Timestamp(0), Timestamp::MAX]);
}

#[test]
fn room_for_a_flood_is_made_by_flows_of_one_packet() {
    let config = Config { flows: 64, ..Config::default() };
    let steady = |n: u16| udp((device(1), home(1)), (ROUTER, INTERNET), (50_000 + n, 443), 10);
    let scan = |n: u32| udp((device(2), home(2)), (ROUTER, somewhere(n)), (50_000, 443), 10);
    let conversations = (0..16).flat_map(|n| [steady(n), steady(n)]);
    let told = flood(&config, conversations.chain((0..2000).map(scan)).chain((0..16).map(steady)));
    assert!(told.stats.flows_evicted > 1500);
    let cut = told.flows.iter().filter(|flow| flow.end_reason == EndReason::NoRoom);
    assert!(cut.clone().count() > 1500);
    assert!(cut.clone().all(|flow| flow.local.1 == Some(50_000)), "a conversation of two packets had to go");
}

#[test]
fn a_minute_that_comes_in_pieces_keeps_to_its_rows() {
    // Time goes back by three seconds before each packet, and on again: every one closes the minute.
    let config = Config { rows: RowLimits { endpoints: 4, rows: 8 }, ..Config::default() };
    let frame = |n: u32| udp((device(1), home(1)), (ROUTER, somewhere(n)), (50_000, 443), 10);
    let at = |n: u32| START + Span(if n.is_multiple_of(2) { 0 } else { 3_000_000 });
    let ops: Vec<_> = (0..500).map(|n| Op::Frame(Shot::of(at(n), &frame(n)))).collect();
    let told = run(&config, &ops);
    law(&told, &ops).unwrap();
    let rows: std::collections::BTreeSet<_> =
        told.minutes.iter().flat_map(|m| &m.rows).map(|(key, _)| key).collect();
    assert!(
        told.minutes.len() > 200 && rows.len() <= 8 + 5,
        "{} pieces, {} rows",
        told.minutes.len(),
        rows.len()
    );
    assert!(told.stats.frames_folded > 400);
}

#[test]
fn pieces_of_a_minute_that_add_to_the_same_rows_lose_no_name() {
    let frame = udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10);
    let at = |n: u32| START + Span(if n.is_multiple_of(2) { 0 } else { 3_000_000 });
    let ops: Vec<_> = (0..20_000).map(|n| Op::Frame(Shot::of(at(n), &frame))).collect();
    let told = run(&Config::default(), &ops);
    law(&told, &ops).unwrap();
    assert!(told.minutes.len() > 9_000);
    assert_eq!(told.stats.frames_folded, 0);
}

#[test]
fn made_up_mac_addresses_with_one_conversation_cost_a_few_flows() {
    let station = |n: u32| {
        let [_, b, c, d] = n.to_be_bytes();
        MacAddr([2, 0, 0, b, c, d])
    };
    let talk = |n| udp((station(n), home(1)), (device(200), home(200)), (5_000, 53), 10);
    let told = flood(&Config::default(), (0..20_000).map(talk));
    // 64 were admitted at once, and one or two later: of these 16 have a flow of their own, and all others share one.
    let flows: std::collections::HashSet<_> = told.flows.iter().map(|record| record.id).collect();
    assert!(flows.len() <= 17, "{}", flows.len());
}
