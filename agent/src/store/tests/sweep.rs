//! What nothing refers to any more goes, and nothing else, whatever is written meanwhile.

use super::super::{Age, Budget, Retention};
use super::*;

const KEPT: Retention = Retention { minutes: 14, flows: 14, hours: 90, days: 400 };

/// Sweeps to the end, a little at a time, doing `between` after each time. Returns how many times that was.
fn sweep_with(store: &mut Store, now: &str, mut between: impl FnMut(&mut Store, u32)) -> u32 {
    let age = Age { now: ms(now), sure: true };
    for times in 1.. {
        let mut budget = Budget::of(1);
        store.sweep(age, ms(now), KEPT, &mut budget).unwrap();
        if !budget.is_spent() {
            return times;
        }
        between(store, times);
        assert!(times < 1_000, "it never ends");
    }
    unreachable!()
}

fn sweep(store: &mut Store, now: &str) -> u32 {
    sweep_with(store, now, |_, _| ())
}

/// No row refers to an endpoint or a device that is not there.
fn assert_whole(store: &Store) {
    for table in ["usage_minute", "usage_hour", "usage_day", "flow"] {
        for of in ["endpoint", "device"] {
            let sql = format!("SELECT count(*) FROM {table} WHERE {of} NOT IN (SELECT id FROM {of})");
            assert_eq!(ask::<i64>(store, &sql), 0, "{table}.{of}");
        }
    }
    let sql = "SELECT count(*) FROM endpoint WHERE device NOT IN (SELECT id FROM device)";
    assert_eq!(ask::<i64>(store, sql), 0);
    let sql = "SELECT count(*) FROM device_address WHERE device NOT IN (SELECT id FROM device)";
    assert_eq!(ask::<i64>(store, sql), 0);
}

/// Endpoints that are there, and those that something refers to, found the simple way.
fn endpoints(store: &Store) -> (Vec<i64>, Vec<i64>) {
    let ids =
        |sql: &str| -> Vec<i64> { pairs::<i64, i64>(store, sql).into_iter().map(|(id, _)| id).collect() };
    let referred = "SELECT id, 0 FROM endpoint WHERE id < 2 UNION SELECT endpoint, 0 FROM usage_minute UNION SELECT endpoint, 0 FROM usage_hour
        UNION SELECT endpoint, 0 FROM usage_day UNION SELECT endpoint, 0 FROM flow ORDER BY 1";
    (ids("SELECT id, 0 FROM endpoint ORDER BY id"), ids(referred))
}

/// Twenty days of one endpoint each, at three levels and in flows, of which some lost their rows.
fn twenty_days(place: &Place) -> Store {
    let mut store = place.open("UTC");
    for day in 0..20_u32 {
        let start = at("2026-11-01T10:00:00") + Span::from_secs(86_400 * i64::from(day));
        let rows = rows_of_all_classes().into_iter().chain([row(remote(100 + day), 443, 100)]);
        let other = flow(day.into(), start);
        let flows = vec![FlowRecord { endpoint: remote(200 + day), ..other }];
        store.flush(&Batch { flows, ..batch(vec![minute(start, rows.collect())]) }).unwrap();
    }
    // Levels are cut at different places.
    store
        .db
        .execute_batch(
            "DELETE FROM usage_minute WHERE window < 1794600000000; DELETE FROM usage_hour WHERE window < 1794300000000;
             DELETE FROM flow WHERE reported < 1794400000000;
             DELETE FROM usage_day WHERE window < 1793900000000",
        )
        .unwrap();
    store
}

#[test]
fn endpoints_that_no_row_refers_to_go_and_all_others_stay() {
    let place = Place::new();
    let mut store = twenty_days(&place);
    let (before, referred) = endpoints(&store);
    assert!(before.len() > referred.len() + 5, "{before:?} {referred:?}");
    sweep(&mut store, "2026-11-20T11:00:00");
    assert_eq!(endpoints(&store).0, referred);
    assert_whole(&store);
    // Once a day.
    store.db.execute_batch("DELETE FROM flow").unwrap();
    sweep(&mut store, "2026-11-21T10:59:59");
    assert_eq!(endpoints(&store).0, referred);
    sweep(&mut store, "2026-11-21T11:00:00");
    assert_eq!(endpoints(&store).0, endpoints(&store).1);
    // And another one, if the clock says nonsense.
    store
        .db
        .execute_batch("DELETE FROM usage_hour; DELETE FROM usage_day; DELETE FROM usage_minute")
        .unwrap();
    sweep(&mut store, "2001-01-01T00:00:00");
    assert_eq!(endpoints(&store).0, [0, 1]);
}

#[test]
fn what_is_written_meanwhile_is_spared_at_whatever_point_of_the_sweep() {
    for moment in 1..12 {
        for known in [true, false] {
            let place = Place::new();
            let mut store = twenty_days(&place);
            // Endpoints 100 to 102 are referred to by nothing; the run knows the id of one of the last day's, too.
            store.db.execute_batch("DELETE FROM usage_minute; DELETE FROM usage_hour; DELETE FROM usage_day; DELETE FROM flow").unwrap();
            if !known {
                store.run.dimensions.forget_endpoints();
            }
            let late = minute(
                at("2026-11-20T10:01:00"),
                vec![row(remote(101), 443, 100), row(remote(119), 443, 100)],
            );
            let mut flushed = false;
            sweep_with(&mut store, "2026-11-20T11:00:00", |store, times| {
                if times == moment {
                    store.flush(&batch(vec![late.clone()])).unwrap();
                    flushed = true;
                    assert_whole(store);
                }
            });
            if !flushed {
                assert!(moment > 4, "it ended after less than {moment}");
                continue;
            }
            assert_whole(&store);
            let (left, referred) = endpoints(&store);
            assert!(referred.iter().all(|id| left.contains(id)), "{left:?} {referred:?}");
            store.flush(&batch(vec![minute(at("2026-11-20T11:01:00"), vec![])])).unwrap();
            assert_whole(&store);
        }
    }
}

#[test]
fn when_the_open_hour_moves_back_what_was_read_counts_no_more() {
    let place = Place::new();
    let mut store = twenty_days(&place);
    let rows = "DELETE FROM usage_hour; DELETE FROM usage_day; DELETE FROM flow;";
    store.db.execute_batch(rows).unwrap();
    sweep_with(&mut store, "2026-11-20T11:00:00", |store, times| {
        // All minutes move to where the sweep has been.
        if times == 2 {
            store.db.execute_batch("UPDATE usage_minute SET window = window - 864000000").unwrap();
            store.open_hour = store.open_hour.map(|hour| hour - 864_000_000);
            assert!(store.run.dimensions.sweep.is_some());
        } else if times == 3 {
            assert_eq!(store.run.dimensions.sweep.as_ref().unwrap().open_hour(), store.open_hour);
        }
    });
    assert_whole(&store);
}

#[test]
fn devices_of_a_flood_go_and_whoever_has_a_label_or_any_row_stays() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let start = at("2026-01-01T10:00:00");
    let flood = (10..60).map(|n| device(n, start)).collect();
    let addresses = (10..60)
        .map(|n| lanscribe_core::address_book::Interval {
            address: IpAddr::V4(Ipv4Addr::new(192, 168, 1, n)),
            device: DeviceId(n.into()),
            first: start,
            last: start,
            source: lanscribe_core::lan::Source::Arp,
        })
        .collect();
    let mut rows = batch(vec![minute(start, rows_of_all_classes())]);
    rows.devices.extend::<Vec<_>>(flood);
    rows.addresses = addresses;
    rows.minutes[0].rows.push(RowTo::device(10));
    store.flush(&rows).unwrap();
    let macs = |store: &Store| ask::<i64>(store, "SELECT count(*) FROM device");
    let sent = "SELECT sum(frames_sent + bytes_sent + frames_received + bytes_received) FROM device";
    let all: i64 = ask(&store, sent);
    // 11 is labelled, 12 was before the configuration named it, 13 and 14 are one, 15 was marked, 16 is this machine.
    let id = |n: u8| -> i64 {
        ask(&store, &format!("SELECT id FROM device WHERE mac = '00:11:32:00:00:{n:02x}'"))
    };
    let [a, b, c, d, e, f] = [11, 12, 13, 14, 15, 16].map(id);
    store
        .db
        .execute_batch(&format!(
            "UPDATE device SET label = 'Lamp' WHERE id = {a}; INSERT INTO device_name VALUES ({b}, 'label', 'Old', 1, 1);
             UPDATE device SET same_as = {c} WHERE id = {d}; INSERT INTO mark (start, device, text) VALUES (1, {e}, 'x');
             UPDATE device SET role = 'self' WHERE id = {f}"
        ))
        .unwrap();
    sweep(&mut store, "2026-03-01T10:00:00");
    assert_eq!(macs(&store), 53, "this run knows their numbers");
    drop(store);
    let mut store = place.open("UTC");
    sweep(&mut store, "2026-01-20T10:00:00");
    assert_eq!(macs(&store), 53, "they were seen of late");
    // One comes back just now.
    let back = Batch { devices: vec![device(20, at("2026-03-02T10:00:00"))], ..Batch::default() };
    let mut came = false;
    sweep_with(&mut store, "2026-03-02T10:00:00", |store, times| {
        if times == 2 {
            store.flush(&back).unwrap();
            came = true;
        }
    });
    assert!(came);
    // Nobody, two with rows, one that another row is about, six that the owner knows, one that came back.
    assert_eq!(macs(&store), 1 + 2 + 1 + 6 + 1);
    assert_whole(&store);
    assert_eq!(ask::<i64>(&store, sent), all + 302, "what they sent is nobody's in particular");
    assert_eq!(
        ask::<i64>(&store, "SELECT min(first_seen) FROM device WHERE label = 'Lamp'"),
        start.as_millis()
    );
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device_address"), 8);
    // A device that went has a row again when it comes, and its rows are its own.
    let again = at("2026-03-02T10:05:00");
    let mut rows = batch(vec![minute(again, rows_of_all_classes())]);
    rows.devices.push(device(30, again));
    rows.minutes[0].rows[0].0.device = DeviceId(30);
    store.flush(&rows).unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM usage_by_minute WHERE mac LIKE '%1e'"), 1);
}

/// A row of device 1 that is about another one.
struct RowTo;

impl RowTo {
    fn device(n: u32) -> (RowKey, Usage) {
        row(Endpoint::Device(DeviceId(n)), 0, 0)
    }
}

#[test]
fn many_endpoints_go_in_small_steps_and_a_flood_of_them_at_once() {
    for (one_in, kept, least) in [(3, 8_333, 17), (100, 250, 1)] {
        flood(one_in, kept, least);
    }
}

/// Of 25,000 endpoints one in so many is left, after at least so many steps.
fn flood(one_in: i64, kept: i64, least: u32) {
    let place = Place::new();
    let mut store = place.open("UTC");
    for n in 0..10 {
        let rows = (2_500 * n..2_500 * (n + 1)).map(|n| row(remote(n), 443, 100)).collect();
        store
            .flush(&batch(vec![minute(at("2026-11-20T10:00:00") + Span::from_secs(60 * i64::from(n)), rows)]))
            .unwrap();
    }
    store.db.execute_batch(&format!("DELETE FROM usage_minute WHERE endpoint % {one_in} <> 0")).unwrap();
    let count = |store: &Store| ask::<i64>(store, "SELECT count(*) FROM endpoint");
    let mut left = count(&store);
    let steps = sweep_with(&mut store, "2026-11-20T11:00:00", |store, _| {
        assert!(left - count(store) <= if least > 1 { 1_000 } else { 25_000 });
        left = count(store);
    });
    assert!(steps >= least, "{steps}");
    assert_eq!(endpoints(&store).0, endpoints(&store).1);
    assert_eq!(count(&store), 2 + kept);
}

#[test]
fn old_events_addresses_and_networks_go_by_age_and_number() {
    let place = Place::new();
    let mut store = twenty_days(&place);
    store
        .db
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100500)
               INSERT INTO event (time, kind, detail) SELECT 1795000000000, 'clock', i FROM n;
             INSERT INTO event (time, kind, detail) VALUES (1700000000000, 'clock', 'old');
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
               INSERT INTO local_network SELECT 'net' || i, 'ra', 0, i FROM n;
             INSERT INTO device_address VALUES ('10.0.0.1', 0, 1, 1750000000000, 'arp'), ('10.0.0.2', 0, 1, 1790000000000, 'arp')",
        )
        .unwrap();
    sweep(&mut store, "2026-11-20T11:00:00");
    let events = pairs::<i64, String>(
        &store,
        "SELECT count(*), max(detail = 'old') || ' ' || min(CAST(detail AS INTEGER)) FROM event",
    );
    assert_eq!(events, [(99_999, "0 502".to_owned())]);
    assert_eq!(
        pairs::<i64, i64>(&store, "SELECT count(*), min(last_seen) FROM local_network"),
        [(1_024, 77)]
    );
    assert_eq!(ask::<String>(&store, "SELECT group_concat(address) FROM device_address"), "10.0.0.2");
    // By a clock of which nobody knows nothing is old that was not followed by so much time.
    store.db.execute_batch("DELETE FROM meta WHERE key = 'swept'").unwrap();
    store
        .sweep(
            Age { now: ms("2060-01-01T00:00:00"), sure: false },
            ms("2060-01-01T00:00:00"),
            KEPT,
            &mut Budget::all(),
        )
        .unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM event"), 99_999);
}
