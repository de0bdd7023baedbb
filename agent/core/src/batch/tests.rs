//! Merging by hand, number by number. The property tests hold the law.

use std::net::IpAddr;

use super::*;
use crate::device::{Count, DeviceId};
use crate::flow::Counter;
use crate::flow::record::EndReason;
use crate::lan::Source;
use crate::rollup::{Class, Coverage, Endpoint, RowKey, Usage};
use crate::time::{MINUTE, Span};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn window(n: usize) -> Timestamp {
    Timestamp(MINUTE.0 * i64::try_from(n).unwrap())
}

fn count(frames: u64, bytes: u64) -> Count {
    Count { frames, bytes }
}

/// A row of one frame for each of these protocols, each with an endpoint of its own.
fn minute(n: usize, protocols: &[u16]) -> Minute {
    let rows = (0..).zip(protocols).map(|(remote, &protocol)| {
        let endpoint = Endpoint::Remote(IpAddr::V4(u32::into(remote)), None);
        let key = RowKey { device: DeviceId(1), endpoint, protocol, port: 443, class: Class::Remote };
        (key, Usage { up: count(1, 60), ..Usage::default() })
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable_by_key(|(key, _)| key.clone());
    let captured = count(rows.len() as u64, 60 * rows.len() as u64);
    let coverage = Coverage { observed: MINUTE, captured, ..Coverage::default() };
    Minute { window: window(n), coverage, rows }
}

fn of_minutes(minutes: Vec<Minute>) -> Batch {
    Batch { minutes, ..Batch::default() }
}

fn flow(id: u64) -> FlowRecord {
    let local = IpAddr::V4(0.into());
    FlowRecord {
        reported: at(0),
        device: DeviceId(1),
        id,
        part: 0,
        side: 0,
        start: at(0),
        end: at(7),
        interface: 0,
        vlan: None,
        local: (local, None),
        remote: (local, None),
        endpoint: Endpoint::None,
        protocol: 17,
        class: Class::Remote,
        opened_here: None,
        up: Counter::default(),
        down: Counter::default(),
        tcp_flags: None,
        conn_state: "OTH",
        end_reason: EndReason::Idle,
        service: None,
        name: None,
        hidden: None,
        rtt_us: None,
    }
}

fn of_flows(ids: std::ops::Range<u64>) -> Batch {
    Batch { flows: ids.map(flow).collect(), ..Batch::default() }
}

/// How many rows each minute has.
fn rows(batch: &Batch) -> Vec<usize> {
    batch.minutes.iter().map(|minute| minute.rows.len()).collect()
}

#[test]
fn a_device_is_told_once_with_all_that_was_seen_of_it() {
    let change = |id: u32, seen: (i64, i64), gateway, sent| DeviceChange {
        id: DeviceId(id),
        mac: None,
        gateway,
        seen: (at(seen.0), at(seen.1)),
        sent: count(sent, 60 * sent),
        received: count(1, 1000),
    };
    let of = |devices| Batch { devices, ..Batch::default() };
    let mut batch = of(vec![change(2, (20, 30), true, 1), change(5, (20, 20), false, 1)]);
    batch.merge(
        of(vec![change(1, (40, 40), false, 9), change(2, (10, 25), false, 2)]),
        &BatchLimits::default(),
    );
    batch.merge(of(vec![change(5, (50, 60), true, 3)]), &BatchLimits::default());
    let both = |id, seen, gateway, sent| DeviceChange {
        received: count(2, 2000),
        ..change(id, seen, gateway, sent)
    };
    let expected = [change(1, (40, 40), false, 9), both(2, (10, 30), false, 3), both(5, (20, 60), true, 4)];
    assert_eq!(batch.devices, expected);
}

#[test]
fn an_address_goes_on_and_those_that_began_last_find_no_room() {
    let interval = |address: u32, first, last, source| Interval {
        address: IpAddr::V4(address.into()),
        device: DeviceId(1),
        first: at(first),
        last: at(last),
        source,
    };
    let of = |addresses| Batch { addresses, ..Batch::default() };
    let mut batch = of(vec![interval(1, 10, 20, Source::Traffic), interval(2, 30, 30, Source::Traffic)]);
    let later = vec![
        interval(1, 10, 40, Source::Arp),
        interval(1, 25, 50, Source::Arp),
        interval(3, 35, 35, Source::Arp),
    ];
    let lost = batch.merge(of(later), &BatchLimits { addresses: 3, ..BatchLimits::default() });
    assert_eq!(lost, Lost { addresses: 1, ..Lost::default() });
    let expected = [
        interval(1, 10, 40, Source::Arp),
        interval(1, 25, 50, Source::Arp),
        interval(2, 30, 30, Source::Traffic),
    ];
    assert_eq!(batch.addresses, expected);
    let told = EventKind::Limit { what: "address sightings not kept", count: 1 };
    assert_eq!(batch.events, [Event { at: at(50), kind: told }]);
}

#[test]
fn of_too_many_flow_records_the_oldest_go_an_eighth_more_than_must() {
    let limits = BatchLimits { flows: 16, ..BatchLimits::default() };
    let mut batch = of_flows(0..10);
    assert_eq!(batch.merge(of_flows(10..16), &limits), Lost::default());
    assert_eq!(batch.merge(of_flows(16..17), &limits).flows, 3);
    let ids = |batch: &Batch| -> Vec<_> { batch.flows.iter().map(|record| record.id).collect() };
    assert_eq!(ids(&batch), (3..17).collect::<Vec<_>>());
    assert_eq!(batch.merge(of_flows(17..117), &limits).flows, 100);
    assert_eq!(ids(&batch), (103..117).collect::<Vec<_>>(), "one batch alone was more than the limit");
    assert!(batch.flows.capacity() <= 16, "room for {}", batch.flows.capacity());
    let told = EventKind::Limit { what: "flow records dropped", count: 103 };
    assert_eq!(batch.events, [Event { at: at(7), kind: told }], "told once, when it began");
}

#[test]
fn the_oldest_minutes_lose_their_names_first_and_only_as_many_as_must() {
    let limits = BatchLimits { rows: 12, ..BatchLimits::default() };
    let mut batch = of_minutes(vec![minute(0, &[6, 6, 6, 17]), minute(1, &[6, 6, 6, 17])]);
    batch.merge(of_minutes(vec![minute(2, &[6, 6, 6, 17])]), &limits);
    assert_eq!(rows(&batch), [4, 4, 4]);
    let lost = batch.merge(of_minutes(vec![minute(3, &[6, 17])]), &limits);
    assert_eq!(rows(&batch), [2, 4, 4, 2]);
    assert_eq!(lost, Lost { folded: 4, ..Lost::default() });
    assert_eq!(batch.minutes[0].coverage.folded, count(4, 240));
    assert_eq!(batch.minutes[1].coverage.folded, Count::default());
    let row = |(key, usage): &(RowKey, Usage)| (key.device.0, key.endpoint.clone(), key.protocol, usage.up);
    let nobodys: Vec<_> = batch.minutes[0].rows.iter().map(row).collect();
    assert_eq!(nobodys, [(0, Endpoint::Other, 6, count(3, 180)), (0, Endpoint::Other, 17, count(1, 60))]);
    assert!(batch.minutes[0].rows.capacity() < 4, "room for {}", batch.minutes[0].rows.capacity());
}

#[test]
fn a_flood_of_protocols_long_ago_does_not_cost_new_minutes_their_names() {
    let limits = BatchLimits { rows: 40, ..BatchLimits::default() };
    let mut batch = Batch::default();
    for n in 0..10 {
        batch.merge(of_minutes(vec![minute(n, &(0..20).collect::<Vec<_>>())]), &limits);
    }
    for n in 10..13 {
        batch.merge(of_minutes(vec![minute(n, &[6; 6])]), &limits);
    }
    assert_eq!(rows(&batch)[10..], [6; 3], "{:?}", rows(&batch));
    assert_eq!(batch.minutes[11].coverage.folded, Count::default());
    assert_eq!(rows(&batch)[..9], [1; 9]);
    let frames = batch.minutes.iter().flat_map(|minute| &minute.rows).map(|(_, usage)| usage.up.frames);
    assert_eq!(frames.sum::<u64>(), 200 + 18);
}

#[test]
fn what_was_folded_is_not_looked_at_again() {
    let limits = BatchLimits { rows: 200, ..BatchLimits::default() };
    let mut batch = Batch::default();
    for n in 0..1000 {
        batch.merge(of_minutes(vec![minute(n, &[6, 6, 17])]), &limits);
        let Backlog { counted, rows, nameless, nameless_rows, classes_only } = batch.backlog;
        assert_eq!(counted, n + 1);
        assert_eq!(rows, batch.rows() - batch.minutes.len() - batch.events.len());
        assert_eq!(
            nameless_rows,
            batch.minutes[..nameless].iter().map(|minute| minute.rows.len()).sum::<usize>()
        );
        assert!(classes_only <= nameless);
    }
    // A row that somebody puts there is out of reach of the folding that was done.
    let untouched = minute(0, &[6, 6, 17]).rows;
    batch.minutes[0].rows.clone_from(&untouched);
    batch.merge(of_minutes(vec![minute(1000, &[6])]), &limits);
    assert_eq!(batch.minutes[0].rows, untouched);
}

#[test]
fn pieces_of_a_minute_become_one_and_it_was_not_watched_for_longer_than_it_lasts() {
    let mut piece = minute(3, &[6]);
    piece.coverage.observed = Span::from_secs(40);
    piece.coverage.dropped = 2;
    piece.coverage.troubles = vec![count(1, 9)];
    let mut batch = of_minutes(vec![piece.clone(), minute(4, &[])]);
    batch.merge(of_minutes(vec![piece, minute(4, &[6])]), &BatchLimits::default());
    assert_eq!(rows(&batch), [1, 1]);
    let Minute { coverage, rows, .. } = &batch.minutes[0];
    assert_eq!(rows[0].1.up, count(2, 120));
    assert_eq!((coverage.observed, coverage.captured, coverage.dropped), (MINUTE, count(2, 120), 4));
    assert_eq!(coverage.troubles, [count(2, 18)]);
}

#[test]
fn a_late_piece_of_a_minute_without_names_gets_none() {
    let limits = BatchLimits { rows: 2, ..BatchLimits::default() };
    let mut batch = of_minutes(vec![minute(0, &[6, 6])]);
    batch.merge(of_minutes(vec![minute(1, &[6])]), &limits);
    assert_eq!(rows(&batch), [1, 1]);
    let lost = batch.merge(of_minutes(vec![minute(0, &[6, 6])]), &BatchLimits::default());
    assert_eq!(rows(&batch), [1, 1], "though there is room again");
    assert_eq!((lost.folded, batch.minutes[0].coverage.folded.frames), (2, 4));
}

#[test]
fn of_too_many_events_the_first_are_kept_and_limits_are_added_up() {
    let stepped = |n| Event { at: at(n), kind: EventKind::ClockStepped { from: at(n) } };
    let limit = |n, count| Event { at: at(n), kind: EventKind::Limit { what: "events dropped", count } };
    let of = |events| Batch { events, ..Batch::default() };
    let mut batch = of(vec![stepped(1), limit(2, 5)]);
    let lost = batch.merge(
        of(vec![stepped(3), stepped(4), limit(5, 7)]),
        &BatchLimits { events: 2, ..BatchLimits::default() },
    );
    assert_eq!(lost, Lost { events: 1, ..Lost::default() });
    assert_eq!(batch.events, [stepped(1), limit(2, 13), stepped(3)]);
}
