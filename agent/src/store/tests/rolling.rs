//! Minutes become hours and days: each once, also after something went wrong, in every time zone.

use super::*;

#[test]
fn an_hour_is_rolled_up_when_it_is_over_and_not_before() {
    let (place, bytes) = (Place::new(), "SELECT coalesce(sum(bytes_up), 0) FROM ");
    let mut store = place.open("UTC");
    let minutes =
        |texts: &[&str]| batch(texts.iter().map(|t| minute(at(t), vec![row(remote(1), 443, 100)])).collect());
    store.flush(&minutes(&["2026-11-20T10:58:00", "2026-11-20T10:59:00"])).unwrap();
    assert_eq!(ask::<i64>(&store, &format!("{bytes} usage_hour")), 0);
    assert_law(&store);
    store.flush(&minutes(&["2026-11-20T11:00:00"])).unwrap();
    assert_eq!(ask::<i64>(&store, &format!("{bytes} usage_hour")), 200);
    assert_eq!(ask::<i64>(&store, &format!("{bytes} usage_day")), 200);
    assert_eq!(
        ask::<i64>(&store, "SELECT value FROM meta WHERE key = 'open_hour'"),
        ms("2026-11-20T11:00:00")
    );
    assert_law(&store);
    // A day of silence, and a file that is closed in between.
    store.close().unwrap();
    let mut store = place.open("UTC");
    store.flush(&minutes(&["2026-11-21T15:30:00"])).unwrap();
    let hours = pairs::<String, i64>(
        &store,
        "SELECT utc, bytes_up FROM usage_hour JOIN coverage_hour USING (window)",
    );
    assert_eq!(hours, [("2026-11-20 10:00".into(), 200), ("2026-11-20 11:00".into(), 100)]);
    assert_law(&store);
}

#[test]
fn drops_stand_beside_what_was_captured_at_every_level() {
    let mut store = Place::new().open("UTC");
    let lossy = |text, ring, interface| {
        let mut minute = minute(at(text), vec![row(remote(1), 443, 100)]);
        (minute.coverage.dropped, minute.coverage.interface_dropped) = (ring, interface);
        minute
    };
    // The second one is a further piece of the first.
    let hour = vec![lossy("2026-11-20T10:58:00", 5, 1), lossy("2026-11-20T10:58:00", 2, 0)];
    store.flush(&batch(hour)).unwrap();
    store.flush(&batch(vec![lossy("2026-11-20T11:00:00", 0, 9)])).unwrap();
    let drops = |table: &str| -> Vec<(i64, i64)> {
        pairs(&store, &format!("SELECT dropped, interface_dropped FROM {table}"))
    };
    assert_eq!(drops("coverage_minute"), [(7, 1), (0, 9)]);
    assert_eq!(drops("coverage_hour"), [(7, 1)]);
    assert_eq!(drops("coverage_by_day"), [(7, 10)]);
}

#[test]
fn a_roll_up_that_broke_off_is_done_again_and_never_twice() {
    let place = Place::new();
    let mut store = place.open("UTC");
    store.flush(&batch(vec![minute(at("2026-11-20T10:59:00"), rows_of_all_classes())])).unwrap();
    let next = batch(vec![minute(at("2026-11-20T11:00:00"), rows_of_all_classes())]);
    // It breaks where the hour is written and its day is not: in this run, then in one that was killed there.
    for _ in 0..2 {
        store
            .db
            .execute_batch("CREATE TEMP TRIGGER full BEFORE INSERT ON main.usage_day BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            .unwrap();
        let said = store.flush(&next).unwrap_err().to_string();
        assert!(said.ends_with("disk full"), "{said}");
        drop(store);
        store = place.open("UTC");
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM usage_hour"), 0);
        assert_eq!(
            ask::<i64>(&store, "SELECT value FROM meta WHERE key = 'open_hour'"),
            ms("2026-11-20T10:00:00")
        );
    }
    store.flush(&next).unwrap();
    assert_eq!(sums(&store, "usage_hour"), [22, 19, 2200, 1900]);
    assert_eq!(sums(&store, "usage_day"), [22, 19, 2200, 1900]);
    assert_law(&store);
}

#[test]
fn a_flush_that_failed_leaves_the_store_fit_to_take_the_batch_again() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let full = batch(vec![minute(at("2026-11-20T10:59:00"), rows_of_all_classes())]);
    store.db.execute_batch("CREATE TEMP TRIGGER full BEFORE INSERT ON main.usage_minute BEGIN SELECT RAISE(ABORT, 'disk full'); END").unwrap();
    store.flush(&full).unwrap_err();
    store.db.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device"), 1, "nobody but the one for nobody");
    store.flush(&full).unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(DISTINCT mac) FROM usage_by_minute"), 2);
    assert_eq!(
        ask::<i64>(&store, "SELECT count(DISTINCT peer) FROM usage_by_minute"),
        6,
        "each with its own number"
    );
    assert_law(&store);
}

#[test]
fn a_late_minute_is_added_to_all_levels() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let texts = [
        "2026-11-20T10:59:00",
        "2026-11-21T00:00:00",
        "2026-11-20T10:58:00",
        "2026-11-20T10:59:00",
        "2026-11-19T23:00:00",
    ];
    for text in texts {
        store.flush(&batch(vec![minute(at(text), rows_of_all_classes())])).unwrap();
        assert_law(&store);
    }
    let days = pairs::<String, i64>(
        &store,
        "SELECT day, sum(packets_up) FROM usage_by_day GROUP BY day ORDER BY day",
    );
    assert_eq!(days, [("2026-11-19".into(), 22), ("2026-11-20".into(), 66), ("2026-11-21".into(), 22)]);
    let observed = pairs::<String, i64>(&store, "SELECT utc, observed_ms FROM coverage_hour ORDER BY window");
    assert_eq!(observed, [("2026-11-19 23:00".into(), 60_000), ("2026-11-20 10:00".into(), 180_000)]);
    let skipped = pairs::<i64, i64>(&store, "SELECT window, frames FROM skip ORDER BY window");
    assert_eq!(skipped[1], (ms("2026-11-20T10:00:00"), 3));
    // All at once, in whatever order, it is the same.
    let other = Place::new();
    let mut at_once = other.open("UTC");
    at_once.flush(&batch(texts.map(|text| minute(at(text), rows_of_all_classes())).into())).unwrap();
    assert_law(&at_once);
    assert_eq!(sums(&at_once, "usage_by_day"), sums(&store, "usage_by_day"));
}

#[test]
fn a_day_that_begins_within_an_hour_takes_only_its_own_minutes() {
    let place = Place::new();
    let mut store = place.open("Asia/Kolkata");
    // Midnight in Kolkata is 18:30 in UTC.
    for text in ["2026-11-20T17:10:00", "2026-11-20T18:00:00", "2026-11-20T18:29:00", "2026-11-20T18:30:00"] {
        store.flush(&batch(vec![minute(at(text), vec![row(remote(1), 443, 100)])])).unwrap();
        assert_law(&store);
    }
    let days = "SELECT day || ' ' || window, sum(bytes_up) FROM usage_by_day GROUP BY 1 ORDER BY 1";
    let expected = [
        (format!("2026-11-20 {}", ms("2026-11-19T18:30:00")), 300),
        (format!("2026-11-21 {}", ms("2026-11-20T18:30:00")), 100),
    ];
    assert_eq!(pairs::<String, i64>(&store, days), expected, "while the hour is open");
    let open = "SELECT local, sum(bytes_up) FROM usage_by_hour GROUP BY 1 ORDER BY 1";
    let hours = [("2026-11-20 22:30".into(), 100), ("2026-11-20 23:30".into(), 300)];
    assert_eq!(pairs::<String, i64>(&store, open), hours);
    store.flush(&batch(vec![minute(at("2026-11-20T19:05:00"), vec![])])).unwrap();
    assert_eq!(pairs::<String, i64>(&store, days), expected, "and when it is over");
    assert_eq!(pairs::<String, i64>(&store, open), hours);
    assert_law(&store);
    assert_eq!(
        ask::<i64>(&store, "SELECT observed_ms FROM coverage_by_day WHERE day = '2026-11-20'"),
        180_000
    );
}

#[test]
fn days_of_23_and_25_hours_have_all_their_hours() {
    let place = Place::new();
    let mut store = place.open("Europe/Berlin");
    for (from, hours) in [("2026-03-28T22:30:00", 26), ("2026-10-24T21:30:00", 28)] {
        let all =
            (0..hours).map(|n| minute(at(from) + Span::from_secs(3600 * n), vec![row(remote(1), 443, 100)]));
        store.flush(&batch(all.collect())).unwrap();
    }
    let days = pairs::<String, i64>(
        &store,
        "SELECT day, sum(packets_up) FROM usage_by_day GROUP BY day ORDER BY day",
    );
    let expected = [
        ("2026-03-28", 1),
        ("2026-03-29", 23),
        ("2026-03-30", 2),
        ("2026-10-24", 1),
        ("2026-10-25", 25),
        ("2026-10-26", 2),
    ];
    assert_eq!(days, expected.map(|(day, n)| (day.to_owned(), n)));
    let windows = pairs::<String, i64>(
        &store,
        "SELECT local, window FROM coverage_day WHERE local LIKE '%-2_' ORDER BY 1",
    );
    assert!(windows.contains(&("2026-03-29".into(), ms("2026-03-28T23:00:00"))), "{windows:?}");
    assert!(windows.contains(&("2026-10-25".into(), ms("2026-10-24T22:00:00"))), "{windows:?}");
    assert_law(&store);
}

#[test]
fn the_smallest_endpoints_beyond_512_become_other_and_sums_stay() {
    let place = Place::new();
    let mut store = place.open("UTC");
    // Two devices with 600 and 512 endpoints; sizes go up with the number, over two minutes.
    for text in ["2026-11-20T10:00:00", "2026-11-20T10:01:00"] {
        let mut rows: Vec<_> = (0..600).map(|n| row(remote(n), 443, 100 + u64::from(n))).collect();
        rows.extend((0..512).map(|n| {
            let (key, usage) = row(remote(n), 80, 1000);
            (RowKey { device: DeviceId(2), ..key }, usage)
        }));
        store.flush(&batch(vec![minute(at(text), rows)])).unwrap();
    }
    let before = sums(&store, "usage_by_hour");
    store.flush(&batch(vec![minute(at("2026-11-20T11:00:00"), vec![])])).unwrap();
    assert_eq!(sums(&store, "usage_hour"), before);
    assert_law(&store);
    let endpoints = "SELECT device, count(*) FROM usage_hour GROUP BY device ORDER BY device";
    assert_eq!(pairs::<i64, i64>(&store, endpoints), [(1, 512), (2, 512)]);
    let other = "SELECT port, bytes_up FROM usage_hour WHERE endpoint = 1";
    let smallest: i64 = (0..89).map(|n| 2 * (100 + n)).sum();
    assert_eq!(pairs::<i64, i64>(&store, other), [(0, smallest)], "511 keep their names");
    assert_eq!(
        ask::<i64>(&store, "SELECT min(bytes_up) FROM usage_hour WHERE device = 1 AND endpoint > 1"),
        2 * 189
    );
}
