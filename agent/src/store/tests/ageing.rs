//! What is kept, and for how long.

use super::super::{Age, Budget, Retention};
use super::*;

/// Deletes what is old by a clock that is right, or by one of which nobody knows.
fn retain(store: &mut Store, now: &str, sure: bool) {
    store.retain(Age { now: ms(now), sure }, KEPT, &mut Budget::all()).unwrap();
}

const KEPT: Retention = Retention { minutes: 2, hours: 5, flows: 3, days: 20 };

/// A file with an hour of each of 30 days from the first of November on, and a flow.
fn thirty_days(store: &mut Store) {
    for day in 0..30 {
        let start = at("2026-11-01T10:00:00") + Span::from_secs(86_400 * day);
        let minutes =
            (0..3).map(|n| minute(start + Span::from_secs(60 * n), rows_of_all_classes())).collect();
        let id = u64::try_from(day).unwrap();
        store.flush(&Batch { flows: vec![flow(id, start)], ..batch(minutes) }).unwrap();
    }
}

#[test]
fn each_level_keeps_its_rows_for_its_time() {
    let place = Place::new();
    let mut store = place.open("UTC");
    thirty_days(&mut store);
    let days = sums(&store, "usage_by_day");
    retain(&mut store, "2026-11-30T10:02:00", true);
    let oldest = |store: &Store, table: &str, column: &str| -> String {
        ask(store, &format!("SELECT datetime(min({column})/1000, 'unixepoch') FROM {table}"))
    };
    for (table, column, expected) in [
        ("usage_minute", "window", "2026-11-28 10:02:00"),
        ("coverage_minute", "window", "2026-11-28 10:02:00"),
        ("usage_hour", "window", "2026-11-26 10:00:00"),
        ("coverage_hour", "window", "2026-11-26 10:00:00"),
        ("skip", "window", "2026-11-26 10:00:00"),
        ("flow", "reported", "2026-11-28 10:00:00"),
        ("usage_day", "window", "2026-11-01 00:00:00"),
        ("coverage_day", "window", "2026-11-01 00:00:00"),
    ] {
        assert_eq!(oldest(&store, table, column), expected, "{table}");
    }
    assert_eq!(sums(&store, "usage_by_day"), days, "days keep their sums");
}

#[test]
fn minutes_that_are_not_rolled_up_stay_whatever_their_age() {
    let place = Place::new();
    let mut store = place.open("UTC");
    store.flush(&batch(vec![minute(at("2026-11-01T10:00:00"), rows_of_all_classes())])).unwrap();
    let before = sums(&store, "usage_by_minute");
    retain(&mut store, "2030-01-01T00:00:00", true);
    assert_eq!(sums(&store, "usage_by_minute"), before);
    assert_law(&store);
    // Once it is, the minutes go and the day has them.
    store.flush(&batch(vec![minute(at("2029-12-31T23:59:00"), vec![])])).unwrap();
    retain(&mut store, "2030-01-01T00:00:00", true);
    assert_eq!(sums(&store, "usage_by_minute"), [0; 4]);
    assert_eq!(sums(&store, "usage_by_day"), before);
}

#[test]
fn old_days_lose_peers_and_ports_and_no_byte() {
    let place = Place::new();
    let mut store = place.open("UTC");
    thirty_days(&mut store);
    let by_device = "SELECT mac || direction || protocol, sum(bytes_up) * 1000000 + sum(bytes_down) FROM usage_by_day GROUP BY 1 ORDER BY 1";
    let (before, sums_before) = (pairs::<String, i64>(&store, by_device), sums(&store, "usage_day"));
    for _ in 0..2 {
        retain(&mut store, "2026-11-30T10:02:00", true);
        assert_eq!(pairs::<String, i64>(&store, by_device), before);
        assert_eq!(sums(&store, "usage_day"), sums_before);
        let named = "SELECT min(window), max(window) FROM usage_day WHERE endpoint > 1 OR port > 0";
        assert_eq!(
            pairs::<i64, i64>(&store, named),
            [(ms("2026-11-11T00:00:00"), ms("2026-11-29T00:00:00"))],
            "the last day is still open"
        );
    }
}

#[test]
fn rows_are_deleted_in_batches_of_whole_windows() {
    let place = Place::new();
    let mut store = place.open("UTC");
    // More rows in one window than a batch has, and many windows in one batch.
    let wide = (0..21_000).map(|n| row(remote(n), 443, 100)).collect();
    let narrow = (0..59)
        .map(|n| minute(at("2026-11-01T10:01:00") + Span::from_secs(60 * n), vec![row(remote(1), 443, 1)]));
    let minutes = std::iter::once(minute(at("2026-11-01T10:00:00"), wide)).chain(narrow).collect();
    store.flush(&batch(minutes)).unwrap();
    store.flush(&batch(vec![minute(at("2026-11-30T10:00:00"), vec![row(remote(1), 443, 7)])])).unwrap();
    retain(&mut store, "2026-11-30T10:01:00", true);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM usage_minute"), 1);
}

#[test]
fn the_space_of_deleted_rows_is_given_back_once_it_is_over_a_quarter() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let fill = |store: &mut Store, day: &str, minutes: i64| {
        for n in 0..minutes {
            let rows = (0..1_000).map(|n| row(remote(n), 443, 100)).collect();
            store.flush(&batch(vec![minute(at(day) + Span::from_secs(60 * n), rows)])).unwrap();
        }
    };
    fill(&mut store, "2026-11-01T10:00:00", 4);
    fill(&mut store, "2026-11-28T10:00:00", 20);
    store.flush(&batch(vec![minute(at("2026-11-28T11:00:00"), vec![])])).unwrap();
    let pages = |store: &Store| -> (i64, i64) {
        (ask(store, "PRAGMA page_count"), ask(store, "PRAGMA freelist_count"))
    };
    let (before, _) = pages(&store);
    retain(&mut store, "2026-11-28T11:01:00", true);
    let (after, free) = pages(&store);
    assert!(after == before && free > 20, "little is kept for what comes: {after} pages, {free} free");
    retain(&mut store, "2026-11-30T12:00:00", true);
    let (after, free) = pages(&store);
    assert!(free < 4 && after < before / 2, "{before} pages, then {after}, of which {free} are free");
}

#[test]
fn by_an_unsure_clock_rows_age_by_the_time_that_was_watched() {
    let place = Place::new();
    let mut store = place.open("UTC");
    thirty_days(&mut store);
    let minutes = |store: &Store| ask::<i64>(store, "SELECT count(DISTINCT window) FROM usage_minute");
    // The clock jumped by decades, and maybe back: in the file, the newest hour is one of the far future.
    store.flush(&batch(vec![minute(at("2060-01-01T10:00:00"), rows_of_all_classes())])).unwrap();
    store.flush(&batch(vec![minute(at("2060-01-01T11:00:00"), rows_of_all_classes())])).unwrap();
    let levels = ["usage_minute", "usage_hour", "usage_day", "flow"];
    let count =
        |store: &Store| levels.map(|table| ask::<i64>(store, &format!("SELECT count(*) FROM {table}")));
    let before = count(&store);
    retain(&mut store, "2060-01-01T11:00:00", false);
    assert_eq!(count(&store), before, "three minutes a day are no days");
    // Each of November's days was watched for half of its time.
    store.db.execute_batch("UPDATE coverage_day SET observed_ms = 43200000 WHERE utc < '2060'").unwrap();
    retain(&mut store, "2060-01-01T11:00:00", false);
    assert_eq!(minutes(&store), 3 * 4 + 2, "the last four half days, and what came after them");
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM flow"), 6);
    // What is not old by the clock either stays.
    let other = Place::new();
    let mut store = other.open("UTC");
    thirty_days(&mut store);
    store.db.execute_batch("UPDATE coverage_day SET observed_ms = 90000000").unwrap();
    retain(&mut store, "2026-11-03T10:00:00", false);
    assert_eq!(minutes(&store), 3 * 30);
}
