//! What a running capture is told and asked: drops, who moved how much, and who talks with whom right now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lanscribe_core::device::{Count, DeviceId, Traffic};
use lanscribe_core::lan::Source;
use lanscribe_core::pipeline::{Config, Pipeline};
use lanscribe_core::rollup::{Class, Endpoint};
use lanscribe_core::talk::{Peer, Talk};
use lanscribe_core::time::{MINUTE, Span, Timestamp};
use proptest::prelude::*;

use super::{HEADERS, INTERNET, ROUTER, device, home, ip, tcp, udp};
use crate::frame::{ACK, BROADCAST, Frame};
use crate::input::{Op, START, Shot, Told, feed, secs};
use crate::traffic;

fn packet() -> Frame {
    udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10)
}

fn show(pipeline: &mut Pipeline, after: Span, frame: &Frame) {
    feed(pipeline, &Op::Frame(Shot::of(START + after, frame)));
}

/// Minutes from the start, and what was dropped in them.
fn drops(pipeline: &mut Pipeline) -> Vec<(i64, u64, u64)> {
    let minutes = pipeline.take_batch().minutes;
    let row = |minute: &lanscribe_core::rollup::Minute| {
        let after = (minute.window - START).0 / MINUTE.0;
        (after, minute.coverage.dropped, minute.coverage.interface_dropped)
    };
    minutes.iter().map(row).collect()
}

#[test]
fn drops_count_in_the_newest_open_minute() {
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, secs(1), &packet());
    pipeline.dropped(2, 1);
    pipeline.dropped(3, 0);
    show(&mut pipeline, secs(60), &packet());
    // The minute before is still open for what is late.
    pipeline.dropped(0, 7);
    pipeline.finish();
    assert_eq!(drops(&mut pipeline), [(0, 5, 1), (1, 0, 7)]);
}

#[test]
fn drops_wait_for_the_first_minute_and_past_the_end_for_the_next_one() {
    let mut pipeline = Pipeline::new(Config::default());
    pipeline.dropped(2, 1);
    pipeline.finish();
    assert_eq!(drops(&mut pipeline), [], "there is no minute to count them in, and they wait on");
    pipeline.tick(START);
    pipeline.finish();
    pipeline.dropped(5, 0);
    assert_eq!(drops(&mut pipeline), [(0, 2, 1)]);
    show(&mut pipeline, secs(60), &packet());
    pipeline.finish();
    assert_eq!(drops(&mut pipeline), [(1, 5, 0)]);
}

#[test]
fn a_batch_with_drops_is_not_silent_and_one_of_watched_minutes_is() {
    let mut pipeline = Pipeline::new(Config::default());
    pipeline.tick(START);
    pipeline.tick(START + secs(130));
    let silent = pipeline.take_batch();
    assert!(silent.is_silent());
    assert_eq!((silent.minutes.len(), silent.rows()), (2, 2));
    pipeline.dropped(0, 1);
    pipeline.tick(START + secs(190));
    assert!(!pipeline.take_batch().is_silent());
    show(&mut pipeline, secs(200), &packet());
    assert!(!pipeline.take_batch().is_silent(), "a device was seen, be its minute open yet");
}

#[derive(Clone, Debug)]
enum Step {
    Frame(Span),
    Tick(Span),
    Dropped(u64, u64),
    Take,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    let span = || prop_oneof![3 => 0..90_000_000_i64, 1 => -3_000_000_000..3_000_000_000_i64].prop_map(Span);
    prop_oneof![
        6 => span().prop_map(Step::Frame),
        2 => span().prop_map(Step::Tick),
        4 => (0..9_u64, 0..9_u64).prop_map(|(ring, interface)| Step::Dropped(ring, interface)),
        2 => Just(Step::Take),
        1 => Just(Step::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_drop_is_in_one_minute(steps in prop::collection::vec(step(), 1..80)) {
        let mut pipeline = Pipeline::new(Config::default());
        let (mut now, mut fed, mut told) = (START, (0, 0), (0, 0));
        let mut take = |pipeline: &mut Pipeline| {
            for (_, ring, interface) in drops(pipeline) {
                told = (told.0 + ring, told.1 + interface);
            }
        };
        for step in steps {
            match step {
                Step::Frame(span) => {
                    now = now + span;
                    show(&mut pipeline, now - START, &packet());
                }
                Step::Tick(span) => {
                    now = now + span;
                    pipeline.tick(now);
                }
                Step::Dropped(ring, interface) => {
                    fed = (fed.0 + ring, fed.1 + interface);
                    pipeline.dropped(ring, interface);
                }
                Step::Take => take(&mut pipeline),
                Step::Finish => pipeline.finish(),
            }
        }
        pipeline.tick(Timestamp::MAX);
        pipeline.finish();
        take(&mut pipeline);
        prop_assert_eq!(told, fed);
    }

    #[test]
    fn traffic_is_what_all_batches_said_of_each_device(events in traffic::wild(100)) {
        let mut pipeline = Pipeline::new(Config { devices: 3, ..Config::default() });
        let mut told = Told::default();
        for op in traffic::play(&events) {
            if let Some(batch) = feed(&mut pipeline, &op) {
                told.join(batch);
            }
        }
        let traffic: Vec<_> = pipeline.traffic().collect();
        told.join(pipeline.take_batch());
        let expected: Vec<_> = told
            .devices
            .values()
            .filter_map(|seen| {
                Some(Traffic { mac: seen.mac?, sent: seen.sent, received: seen.received, last: seen.seen.1 })
            })
            .collect();
        prop_assert_eq!(&traffic, &expected);
        let again: Vec<_> = pipeline.traffic().collect();
        prop_assert_eq!(again, expected, "taking a batch resets nothing");
    }
}

#[test]
fn a_device_that_was_only_remembered_has_no_traffic() {
    let mut pipeline = Pipeline::new(Config::default());
    pipeline.remember_device(device(9), false);
    show(&mut pipeline, secs(0), &packet());
    let macs: Vec<_> = pipeline.traffic().map(|traffic| traffic.mac).collect();
    assert_eq!(macs, [device(1), ROUTER]);
}

#[test]
fn a_remembered_router_speaks_in_its_own_name_from_the_first_packet_on() {
    let dns = udp((device(1), home(1)), (ROUTER, home(254)), (50_000, 53), 10);
    let answer = udp((ROUTER, home(254)), (device(1), home(1)), (53, 50_000), 10);
    let seen = (START - secs(7200), START - secs(3600));
    for (bound_to, class) in
        [(Some(home(254)), Class::Lan), (Some(home(253)), Class::Remote), (None, Class::Remote)]
    {
        let mut pipeline = Pipeline::new(Config::default());
        pipeline.remember_device(ROUTER, true);
        // Who is not known, and an address that is not of this LAN, are not taken in.
        pipeline.remember_address(device(7), home(7).into(), Source::Arp, seen);
        pipeline.remember_address(ROUTER, INTERNET.into(), Source::Arp, seen);
        if let Some(address) = bound_to {
            pipeline.remember_address(ROUTER, address.into(), Source::Arp, seen);
        }
        assert_eq!(pipeline.take_batch().addresses, [], "no news");
        show(&mut pipeline, secs(0), &dns);
        show(&mut pipeline, secs(0), &answer);
        pipeline.finish();
        let batch = pipeline.take_batch();
        assert!(batch.minutes[0].rows.iter().all(|(key, _)| key.class == class), "{bound_to:?}");
        let router: Vec<_> = batch.addresses.iter().filter(|seen| seen.address == ip(home(254))).collect();
        match class {
            Class::Lan => {
                assert_eq!((router[0].first, router[0].last, router[0].source), (seen.0, START, Source::Arp));
            }
            _ => assert!(router.is_empty()),
        }
    }
}

fn count(frames: u64, bytes: u64) -> Count {
    Count { frames, bytes }
}

#[test]
fn talks_are_what_a_device_has_open_with_each_the_largest_first() {
    let mut pipeline = Pipeline::new(Config::default());
    let (me, you, out) = ((device(1), home(1)), (device(2), home(2)), (ROUTER, INTERNET));
    let frames = [
        // Two conversations with one service, one with a neighbour, a shout, and ARP.
        udp(me, out, (50_000, 443), 100),
        udp(out, me, (443, 50_000), 1000),
        udp(me, out, (50_001, 443), 10),
        udp(you, me, (40_000, 53), 300),
        udp(me, you, (53, 40_000), 200),
        udp(me, (BROADCAST, [255; 4].into()), (68, 67), 50),
        Frame::new(device(1), BROADCAST, crate::frame::arp(true, device(1), home(1), home(2))),
        udp(you, out, (50_000, 443), 1400),
    ];
    for (n, frame) in (0..).zip(&frames) {
        show(&mut pipeline, secs(n), frame);
    }
    let talk = |peer, (protocol, port), up, down, last| Talk {
        peer,
        protocol,
        port,
        name: None,
        up,
        down,
        last: START + secs(last),
    };
    let none = Count::default();
    let expected = [
        talk(
            Peer::Address(ip(INTERNET)),
            (17, 443),
            count(2, 110 + 2 * HEADERS),
            count(1, 1000 + HEADERS),
            2,
        ),
        talk(Peer::Device(device(2)), (17, 53), count(1, 200 + HEADERS), count(1, 300 + HEADERS), 4),
        talk(Peer::Address([255; 4].into()), (17, 67), count(1, 50 + HEADERS), none, 5),
        talk(Peer::None, (0x0806, 0), count(1, 42), none, 6),
    ];
    assert_eq!(pipeline.talks(device(1), 10), expected);
    assert_eq!(pipeline.talks(device(1), 2), expected[..2]);
    assert_eq!(pipeline.talks(device(9), 10), [], "nobody knows it");
    let of_the_neighbour = pipeline.talks(device(2), 10);
    assert_eq!(of_the_neighbour[1].peer, Peer::Device(device(1)));
    assert_eq!(of_the_neighbour[1].up, expected[1].down, "the other side of the same");
}

#[test]
fn what_a_flow_reported_is_no_talk_any_more() {
    let mut pipeline = Pipeline::new(Config::default());
    let packet = tcp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), ACK, 1);
    for n in [0, 200] {
        show(&mut pipeline, secs(n), &packet);
    }
    let [talk] = &pipeline.talks(device(1), 10)[..] else { panic!("one conversation") };
    assert_eq!(talk.up.frames, 2);
    // The part is over after 300 s, the connection only after as long a silence.
    pipeline.tick(START + secs(400));
    assert_eq!(pipeline.stats().open_flows, 1);
    assert_eq!(pipeline.talks(device(1), 10), []);
    show(&mut pipeline, secs(450), &packet);
    assert_eq!(pipeline.talks(device(1), 10)[0].up.frames, 1);
}

#[test]
fn talks_are_what_would_be_reported_if_the_capture_ended_now() {
    let compared = AtomicU64::new(0);
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(400) };
    let outcome = proptest::test_runner::TestRunner::new(config).run(&traffic::wild(60), |events| {
        let mut pipeline = Pipeline::new(Config::default());
        let mut told = Told::default();
        for op in traffic::play(&events) {
            told.join(feed(&mut pipeline, &op).unwrap_or_default());
        }
        told.join(pipeline.take_batch());
        let ids: BTreeMap<_, _> =
            told.devices.values().filter_map(|seen| Some((seen.mac?, seen.id))).collect();
        let macs: BTreeMap<_, _> = ids.iter().map(|(mac, id)| (*id, *mac)).collect();
        let mut talks: BTreeMap<(DeviceId, Peer, u16), (Count, Count)> = BTreeMap::new();
        for (mac, id) in &ids {
            // What is not IP makes no record.
            for talk in pipeline.talks(*mac, usize::MAX).iter().filter(|talk| talk.protocol < 256) {
                let sum = talks.entry((*id, talk.peer, talk.protocol)).or_default();
                sum.0.merge(talk.up);
                sum.1.merge(talk.down);
            }
        }
        pipeline.finish();
        let records = pipeline.take_batch().flows;
        if records.iter().any(|record| record.class == Class::Transit) {
            // Their way back is another sender's talk, and the record does not say whose.
            return Ok(());
        }
        let mut expected: BTreeMap<_, (Count, Count)> = BTreeMap::new();
        for record in records.iter().filter(|record| record.device != DeviceId::OTHER) {
            let peer = match record.endpoint {
                Endpoint::Device(id) => Peer::Device(macs[&id]),
                Endpoint::Remote(address, _) | Endpoint::Group(address) | Endpoint::Local(address) => {
                    Peer::Address(address)
                }
                Endpoint::None | Endpoint::Other => Peer::None,
            };
            let sum = expected.entry((record.device, peer, record.protocol.into())).or_default();
            sum.0.merge(count(record.up.packets, record.up.bytes));
            sum.1.merge(count(record.down.packets, record.down.bytes));
        }
        prop_assert_eq!(&talks, &expected);
        compared.fetch_add(expected.len() as u64, Ordering::Relaxed);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(compared.load(Ordering::Relaxed) > 100, "{compared:?} talks compared");
}

#[test]
fn who_is_sent_to_has_the_address_only_until_somebody_sends_from_it() {
    let there = udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10);
    let back = udp((ROUTER, INTERNET), (device(1), home(1)), (443, 50_000), 10);
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, secs(0), &back);
    show(&mut pipeline, secs(90), &back);
    show(&mut pipeline, secs(100), &there);
    // It has left, and is still sent to.
    show(&mut pipeline, secs(3600), &back);
    pipeline.finish();
    let seen: Vec<_> = pipeline.take_batch().addresses.iter().map(|i| (i.address, i.first, i.last)).collect();
    assert_eq!(seen, [(ip(home(1)), START, START + secs(100))]);
}
