//! A clock that was wrong: what it put in the wrong place is moved, and what lies in the future keeps nothing waiting.

use lanscribe_core::names::hours::{DnsRow, Rcode};
use lanscribe_core::pipeline::{Event, EventKind};
use proptest::prelude::*;

use super::*;
use crate::store::calendar::{HOUR, MINUTE};
use crate::store::{Clock, Correction};

/// Everything of these tables, as text, row by row; questions by the hour only if the clock was off by whole `hours`: what
/// was asked in one hour of the wrong time stays together.
fn dump(store: &Store, hours: bool) -> Vec<String> {
    let mut all = Vec::new();
    for table in [
        "usage_minute",
        "usage_hour",
        "usage_day",
        "coverage_minute",
        "coverage_hour",
        "coverage_day",
        "usage_by_hour",
        "usage_by_day",
        if hours {
            "dns_hour"
        } else {
            "(SELECT name, type, rcode, sum(count), min(first), max(last) FROM dns_hour GROUP BY 1, 2, 3)"
        },
        "(SELECT DISTINCT window % 3600000 AS dns FROM dns_hour)",
        // The 5 minutes in which a flow was due are those of the wrong time, moved.
        "(SELECT id, start, end, bytes_up FROM flow)",
    ] {
        let mut statement = store.db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|n| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(n)?)));
            cells.collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        let mut rows: Vec<_> =
            rows.unwrap().map(|cells| format!("{table} {}", cells.unwrap().join(" "))).collect();
        rows.sort();
        all.extend(rows);
    }
    all
}

/// One minute with rows that no other minute has alike.
fn of(window: i64, n: u64) -> Minute {
    let mut minute =
        minute(Timestamp(window * 1_000), vec![row(remote(u32::try_from(n % 7).unwrap()), 443, 1 + n)]);
    minute.coverage.observed = Span::from_secs(30);
    // What could not be decoded is kept by the hour, and moved by the hour.
    minute.coverage.troubles.clear();
    minute
}

/// The question that came before each conversation, or else at the start of each minute; in one hour many are alike.
fn questions(minutes: &[Minute], flows: &[FlowRecord]) -> Vec<DnsRow> {
    let at = flows.iter().map(|flow| (flow.id, flow.start));
    let minutes = minutes.iter().map(|minute| (0, minute.window)).filter(|_| flows.is_empty());
    at.chain(minutes)
        .map(|(n, at)| DnsRow {
            window: at.floor(Span::from_secs(3600)),
            device: DeviceId(1),
            name: format!("host-{}.example", n % 2).into(),
            kind: 1,
            rcode: Rcode(if n % 3 == 0 { 3 } else { 0 }),
            count: 1 + n,
            first: at,
            last: Timestamp(at.0 + 100_000),
        })
        .collect()
}

fn write(
    store: &mut Store,
    clock: Clock,
    minutes: Vec<Minute>,
    flows: Vec<FlowRecord>,
    correction: Option<Correction>,
) {
    store.run().set_clock(clock);
    let dns = questions(&minutes, &flows);
    store.flush_numbered(&Batch { flows, dns, ..batch(minutes) }, "n", correction).unwrap();
}

/// A file with a history of minutes by a clock that was right, one each `step` minutes, up to `start`.
fn with_history(place: &Place, zone: &str, start: i64, count: i64, step: i64) -> Store {
    let mut store = place.open(zone);
    for n in (1..=count).rev() {
        write(&mut store, Clock::Synced, vec![of(start - n * step * MINUTE, 1_000)], vec![], None);
    }
    store
}

fn check(zone: &str, history: (i64, i64), run: &[i64], by_minutes: i64, rest: i64) {
    let start = ms("2026-11-20T10:17:00");
    let by = by_minutes * MINUTE;
    // The seconds of the correction do not show in windows.
    let correction = Correction { since: Timestamp(start * 1_000), by: Span((by + rest) * 1_000) };
    let (wrong, right) = (Place::new(), Place::new());
    let mut moved = with_history(&wrong, zone, start, history.0, history.1);
    let mut never = with_history(&right, zone, start, history.0, history.1);
    let mut last = start;
    for (n, after) in (0..).zip(run) {
        last += after * MINUTE;
        let seen = |at: i64| Timestamp((at + 1_234) * 1_000);
        write(&mut moved, Clock::Unsynced, vec![of(last, n)], vec![flow(n, seen(last))], None);
        write(&mut never, Clock::Synced, vec![of(last + by, n)], vec![flow(n, seen(last + by + rest))], None);
    }
    let next = last + by + MINUTE;
    write(&mut moved, Clock::Synced, vec![of(next, 99)], vec![], Some(correction));
    write(&mut never, Clock::Synced, vec![of(next, 99)], vec![], None);
    assert_law(&moved);
    assert_law(&never);
    // Minutes that came too late for an open hour of the other file are rolled in both once this hour is over.
    for store in [&mut moved, &mut never] {
        write(store, Clock::Synced, vec![of(next + 2 * HOUR, 98)], vec![], None);
    }
    let hours = by_minutes % 60 == 0 && rest == 0;
    let (moved, never) = (dump(&moved, hours), dump(&never, hours));
    let differ: Vec<_> = moved.iter().zip(&never).filter(|(a, b)| a != b).take(4).collect();
    assert!(moved.len() == never.len() && differ.is_empty(), "{} {} {differ:#?}", moved.len(), never.len());
}

#[test]
fn a_file_whose_times_were_moved_is_as_if_the_clock_had_been_right_all_along() {
    for zone in ["UTC", "Asia/Kolkata", "America/St_Johns"] {
        for by in [0, 1, -1, 5, 59, 60, -60, 61, 24 * 60 + 7, -24 * 60, 400 * 24 * 60, -400 * 24 * 60 + 13] {
            check(zone, (3, 20), &[0, 1, 1, 30, 45, 600], by, 29_000);
            check(zone, (3, 20), &[0, 1, 1, 30, 45, 600], by, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn moving_is_right_wherever_it_goes(
        zone in prop::sample::select(vec!["UTC", "Asia/Kolkata", "Europe/Berlin"]),
        history in (0_i64..6, 1_i64..100),
        run in prop::collection::vec(1_i64..90, 1..12),
        by in prop_oneof![-200_i64..200, -6_000_i64..6_000],
        rest in prop_oneof![Just(0), -29_999_i64..30_000],
    ) {
        check(zone, history, &run, by, rest);
    }
}

#[test]
fn minutes_that_were_deleted_meanwhile_are_not_counted_anew() {
    let (place, start) = (Place::new(), ms("2026-11-20T10:00:00"));
    let mut store = place.open("UTC");
    for (n, number) in (0..4 * 60).zip(0..) {
        write(&mut store, Clock::Unsynced, vec![of(start + n * MINUTE, number)], vec![], None);
    }
    store.db.execute("DELETE FROM usage_minute WHERE window < ?1", [start + 90 * MINUTE]).unwrap();
    store.db.execute("DELETE FROM coverage_minute WHERE window < ?1", [start + 90 * MINUTE]).unwrap();
    let before: i64 = ask(&store, "SELECT sum(packets_up) FROM usage_by_day");
    let correction = Correction { since: Timestamp(start * 1_000), by: Span::from_secs(5 * 86_400) };
    write(&mut store, Clock::Synced, vec![of(start + 121 * HOUR + 4 * HOUR, 7)], vec![], Some(correction));
    assert_eq!(ask::<i64>(&store, "SELECT sum(packets_up) FROM usage_by_day"), before + 1);
    let hours = pairs::<String, String>(&store, "SELECT utc, clock FROM coverage_hour ORDER BY window");
    let hours: Vec<_> = hours.iter().map(|(utc, clock)| (utc.as_str(), clock.as_str())).collect();
    let stayed = [("2026-11-20 10:00", "unsynced"), ("2026-11-20 11:00", "unsynced")];
    assert_eq!(
        hours,
        [&stayed[..], &[("2026-11-25 12:00", "synced"), ("2026-11-25 13:00", "synced")]].concat()
    );
}

#[test]
fn what_other_runs_wrote_stays_where_it_is() {
    let (place, start) = (Place::new(), ms("2026-11-20T10:30:00"));
    let mut store = place.open("UTC");
    write(
        &mut store,
        Clock::Unsynced,
        vec![of(start - MINUTE, 1)],
        vec![flow(0, Timestamp(start * 1_000 - 1))],
        None,
    );
    drop(store);
    let mut store = place.open("UTC");
    write(
        &mut store,
        Clock::Unsynced,
        vec![of(start, 2)],
        vec![flow(0, Timestamp(start * 1_000 + 1_000))],
        None,
    );
    let correction = Correction { since: Timestamp(start * 1_000), by: Span::from_secs(86_400) };
    write(&mut store, Clock::Synced, vec![of(start + 24 * HOUR + MINUTE, 3)], vec![], Some(correction));
    let windows = pairs::<String, String>(&store, "SELECT utc, clock FROM coverage_minute ORDER BY window");
    let text = |(utc, clock): &(String, String)| format!("{utc} {clock}");
    assert_eq!(
        windows.iter().map(text).collect::<Vec<_>>(),
        ["2026-11-20 10:29 unsynced", "2026-11-21 10:30 synced", "2026-11-21 10:31 synced"]
    );
    // Both asked for the same in one hour, and the later run's question is told apart.
    let asked = pairs::<String, i64>(
        &store,
        "SELECT strftime('%Y-%m-%d %H:%M', window / 1000, 'unixepoch'), count FROM dns_hour WHERE name = 'host-0.example' ORDER BY window",
    );
    let text = |(utc, count): &(String, i64)| format!("{utc} {count}");
    assert_eq!(
        asked.iter().map(text).collect::<Vec<_>>(),
        ["2026-11-20 10:29 1", "2026-11-21 10:00 2"],
        "one by the earlier run, one that was moved and one at the right time"
    );
    let flows = pairs::<i64, i64>(&store, "SELECT id, start FROM flow ORDER BY id");
    assert_eq!(flows, [(0, start - 1), (1, start + 24 * HOUR + 1)]);
    let seen = pairs::<i64, i64>(&store, "SELECT first_seen, last_seen FROM device WHERE id = 1");
    assert_eq!(seen, [(start - MINUTE, start + 24 * HOUR + MINUTE)]);
    assert_law(&store);
}

#[test]
fn a_date_in_the_future_keeps_no_hour_open_once_the_clock_was_set_back() {
    let start = ms("2026-11-20T10:05:00");
    for ahead in [1, 3, 24, 10 * 365 * 24] {
        let place = Place::new();
        let mut store = place.open("Europe/Berlin");
        let then = start + ahead * HOUR;
        write(&mut store, Clock::Synced, vec![of(start, 1)], vec![], None);
        // In one batch: before the clock went ahead, while it was, and after it was set back.
        let steps = [start + MINUTE, then, then + MINUTE, start + 2 * MINUTE, start + 3 * MINUTE];
        write(&mut store, Clock::Synced, steps.iter().map(|&at| of(at, 2)).collect(), vec![], None);
        assert_law(&store);
        // And once more in batches of its own.
        for at in [then + 5 * MINUTE, then + 70 * MINUTE, start + 6 * MINUTE, start + 7 * MINUTE] {
            write(&mut store, Clock::Synced, vec![of(at, 3)], vec![], None);
            assert_law(&store);
        }
        let hour: i64 = ask(&store, "SELECT value FROM meta WHERE key = 'open_hour'");
        assert!(hour - start <= (ahead.min(4) + 2) * HOUR, "{ahead}: the hour that is open is one of now");
        for n in 1..12 {
            write(&mut store, Clock::Synced, vec![of(start + n * HOUR, 4)], vec![], None);
            assert_law(&store);
        }
        let late: i64 = ask(&store, "SELECT value FROM meta WHERE key = 'open_hour'");
        assert_eq!(late, start - 5 * MINUTE + 11 * HOUR, "{ahead}");
    }
}

#[test]
fn nobody_was_seen_later_than_the_clock_that_was_set_back() {
    let (place, start) = (Place::new(), ms("2036-01-01T10:00:00"));
    let mut store = place.open("UTC");
    write(&mut store, Clock::Synced, vec![of(start, 1)], vec![], None);
    let now = ms("2026-01-01T10:00:00");
    let set =
        Event { at: Timestamp(now * 1_000), kind: EventKind::ClockSet { by: Span((now - start) * 1_000) } };
    store.flush(&Batch { events: vec![set], ..batch(vec![of(now, 2)]) }).unwrap();
    let seen = pairs::<i64, i64>(&store, "SELECT first_seen, last_seen FROM device WHERE id > 0");
    assert_eq!(seen, [(now, now); 2]);
    write(&mut store, Clock::Synced, vec![of(now + MINUTE, 3)], vec![], None);
    let seen = pairs::<i64, i64>(&store, "SELECT first_seen, last_seen FROM device WHERE id > 0");
    assert_eq!(seen, [(now, now + MINUTE); 2]);
}
