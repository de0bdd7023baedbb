//! A run beside its file: who may write it, and what outlives a connection.

use std::path::Path;

use lanscribe_core::address_book::Interval;
use lanscribe_core::decode::LinkType;
use lanscribe_core::lan::{Learnt, Source};
use lanscribe_core::learn::News;
use lanscribe_core::pipeline::{Config, Event, EventKind, Pipeline};
use rusqlite::Connection;

use super::super::remember::Recollection;
use super::super::{Clock, Run, StoreError, open_to_read, recall};
use super::*;

fn run(path: &Path) -> Run {
    Run::new(path, Some(TimeZone::UTC))
}

#[test]
fn one_writes_a_file_at_a_time_and_anybody_reads_it() {
    let place = Place::new();
    let store = place.open("UTC");
    let said = Store::open(&place.path(), None).unwrap_err();
    assert!(matches!(said, StoreError::Locked(_)), "{said}");
    let exit = crate::cli::exit::code(&said.into());
    assert_eq!(exit, 75, "trying again later may help");
    let asked = open_to_read(&place.path()).unwrap();
    assert_eq!(asked.query_row("SELECT count(*) FROM devices", [], |row| row.get(0)), Ok(0));
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    // A reader does not keep a writer out either, nor does a run without a connection let another one in.
    let run = store.suspend();
    assert!(matches!(Store::open(&place.path(), None), Err(StoreError::Locked(_))));
    drop(asked);
    run.open().unwrap().close().unwrap();
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1, "no lock file");
    Store::open(&place.path(), None).unwrap();
}

#[test]
fn a_file_that_was_moved_away_is_no_longer_locked_nor_written() {
    let place = Place::new();
    let mut store = place.open("UTC");
    store.flush(&batch(vec![minute(at("2026-11-20T10:00:00"), rows_of_all_classes())])).unwrap();
    assert!(!store.is_moved());
    std::fs::rename(place.path(), place.dir.path().join("old.db")).unwrap();
    assert!(store.is_moved());
    let store = store.suspend().open().unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM usage_minute"), 0);
    assert!(matches!(Store::open(&place.path(), None), Err(StoreError::Locked(_))));
    Store::open(&place.dir.path().join("old.db"), None).unwrap();
}

/// A batch that names no device, only rows of those that were named before.
fn later(start: &str) -> Batch {
    let start = at(start);
    Batch {
        devices: vec![],
        flows: vec![flow(9, start)],
        ..batch(vec![minute(start, rows_of_all_classes())])
    }
}

#[test]
fn after_an_error_a_run_goes_on_with_its_devices_and_numbers() {
    let place = Place::new();
    let mut store = place.open("UTC");
    store.flush(&batch(vec![minute(at("2026-11-20T10:00:00"), rows_of_all_classes())])).unwrap();
    store.flush(&Batch { flows: vec![flow(3, at("2026-11-20T10:00:00"))], ..batch(vec![]) }).unwrap();
    let mut store = store.suspend().open().unwrap();
    store.flush(&later("2026-11-20T10:01:00")).unwrap();
    let by_device = "SELECT mac, sum(packets_up) FROM usage_by_minute GROUP BY 1 ORDER BY 1";
    let twice = [("00:11:32:00:00:01".to_owned(), 24), ("00:11:32:00:00:02".to_owned(), 20)];
    assert_eq!(pairs::<String, i64>(&store, by_device), twice);
    assert_eq!(pairs::<i64, String>(&store, "SELECT id, mac FROM flows ORDER BY id")[1].0, 9);
    assert_law(&store);
}

#[test]
fn in_a_fresh_file_a_run_makes_its_devices_again() {
    let place = Place::new();
    let mut run = run(&place.path());
    run.set_own(vec![MacAddr([0, 0x11, 0x32, 0, 0, 2])]);
    run.set_labels([(MacAddr([0, 0x11, 0x32, 0, 0, 1]), "kitchen".to_owned())].into());
    run.set_site(Some("attic"));
    let mut store = run.open().unwrap();
    let first = minute(at("2026-11-20T10:00:00"), rows_of_all_classes());
    // In another order than the rows: ids of the file are not numbers of the run.
    let mut devices = batch(vec![first.clone()]).devices;
    devices.reverse();
    devices[0].gateway = true;
    store.flush(&Batch { devices, ..batch(vec![first]) }).unwrap();
    let run = store.suspend();
    std::fs::remove_file(place.path()).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", place.path().display()));
    }
    let mut store = run.open().unwrap();
    store.flush(&later("2026-11-20T10:01:00")).unwrap();
    let by_device = "SELECT mac, sum(packets_up) FROM usage_by_minute GROUP BY 1 ORDER BY 1";
    let once = [("00:11:32:00:00:01".to_owned(), 12), ("00:11:32:00:00:02".to_owned(), 10)];
    assert_eq!(pairs::<String, i64>(&store, by_device), once);
    let roles = "SELECT name, role FROM devices ORDER BY mac";
    assert_eq!(
        pairs::<String, Option<String>>(&store, roles),
        [("kitchen".to_owned(), None), ("00:11:32:00:00:02".to_owned(), Some("self".to_owned()))]
    );
    assert_eq!(ask::<i64>(&store, "SELECT first_seen FROM device WHERE id = 1"), ms("2026-11-20T10:00:00"));
    assert_eq!(ask::<String>(&store, "SELECT value FROM meta WHERE key = 'site'"), "attic");
    assert_law(&store);
}

#[test]
fn a_batch_that_failed_leaves_no_number_behind() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let full = batch(vec![minute(at("2026-11-20T10:59:00"), rows_of_all_classes())]);
    assert_eq!(store.last_flush().unwrap(), None);
    store.flush_numbered(&full, "a:1", None).unwrap();
    store.db.execute_batch("CREATE TEMP TRIGGER full BEFORE INSERT ON main.usage_minute BEGIN SELECT RAISE(ABORT, 'disk full'); END").unwrap();
    store.flush_numbered(&full, "a:2", None).unwrap_err();
    let store = store.suspend().open().unwrap();
    assert_eq!(store.last_flush().unwrap().as_deref(), Some("a:1"));
}

#[test]
fn interfaces_have_names_where_they_were_given_and_numbers_where_not() {
    let place = Place::new();
    let start = at("2026-11-20T10:00:00");
    let on = |id, interface| FlowRecord { interface, ..flow(id, start) };
    let mut store = place.open("UTC");
    store.flush(&Batch { flows: vec![on(0, 0)], ..batch(vec![]) }).unwrap();
    store.run().set_interfaces(&["wlan0".to_owned(), "eth0".to_owned()]);
    store.flush(&Batch { flows: vec![on(1, 1), on(2, 0), on(3, 2)], ..batch(vec![]) }).unwrap();
    // Another run counts them otherwise.
    let mut run = store.suspend();
    run.set_interfaces(&["eth0".to_owned()]);
    let mut store = run.open().unwrap();
    store.flush(&Batch { flows: vec![on(4, 0)], ..batch(vec![]) }).unwrap();
    let named = pairs::<i64, Option<String>>(&store, "SELECT id, interface FROM flows ORDER BY id");
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(named, [(0, None), (1, name("eth0")), (2, name("wlan0")), (3, None), (4, name("eth0"))]);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM interface"), 2);
}

#[test]
fn an_hour_with_one_minute_of_an_unsure_clock_says_so() {
    let place = Place::new();
    let mut store = place.open("UTC");
    for (clock, window) in [
        (Clock::Synced, "2026-11-20T10:00:00"),
        (Clock::Unsynced, "2026-11-20T10:01:00"),
        (Clock::Synced, "2026-11-20T10:02:00"),
        (Clock::Synced, "2026-11-20T11:00:00"),
        (Clock::Synced, "2026-11-20T12:00:00"),
    ] {
        store.run().set_clock(clock);
        store.flush(&batch(vec![minute(at(window), vec![])])).unwrap();
    }
    let clocks = |level: &str| {
        pairs::<String, i64>(
            &store,
            &format!("SELECT clock, window FROM coverage_{level} ORDER BY window LIMIT 3"),
        )
        .into_iter()
        .map(|(clock, _)| clock)
        .collect::<Vec<_>>()
    };
    assert_eq!(clocks("minute"), ["synced", "unsynced", "synced"]);
    assert_eq!(clocks("hour"), ["unsynced", "synced"]);
    assert_eq!(clocks("day"), ["unsynced"]);
}

#[test]
fn what_a_file_knows_is_told_without_writing_it() {
    let place = Place::new();
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    assert!(!place.path().exists());
    std::fs::write(place.path(), "").unwrap();
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    let mut store = place.open("UTC");
    let start = at("2026-11-20T10:00:00");
    let learnt = Learnt { prefix: "203.0.113.0/24".parse().unwrap(), source: Source::Dhcp };
    let event = Event { at: start, kind: EventKind::Learnt(News::Network(learnt)) };
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));
    let interval = Interval { address, device: DeviceId(1), first: start, last: start, source: Source::Arp };
    let mut devices = batch(vec![minute(start, vec![])]).devices;
    devices[1].gateway = true;
    store
        .flush(&Batch { devices, events: vec![event], addresses: vec![interval], ..Batch::default() })
        .unwrap();
    let told = |tell: &dyn Fn(&mut Pipeline)| {
        let mut pipeline = Pipeline::new(Config::default());
        tell(&mut pipeline);
        (pipeline.stats().devices, format!("{pipeline:?}").contains("203.0.113.0"))
    };
    let live = told(&|pipeline| recall(&place.path()).unwrap().tell(pipeline));
    assert_eq!(live, told(&|pipeline| store.remember(pipeline).unwrap()));
    assert!(live.1, "{live:?}");
    store.close().unwrap();
    let before = std::fs::read(place.path()).unwrap();
    assert_eq!(live, told(&|pipeline| recall(&place.path()).unwrap().tell(pipeline)));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(recall(&place.path()), Err(StoreError::Newer { .. })));
}

/// A DNS question from device 2 at .2 to device 1.
fn question_to(address: [u8; 4]) -> Vec<u8> {
    let mac = |n| [0, 0x11, 0x32, 0, 0, n];
    let ip = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    let udp = [0xc3, 0x50, 0, 53, 0, 8, 0, 0];
    [&mac(1)[..], &mac(2), &[8, 0], &ip, &[192, 168, 1, 2], &address, &udp].concat()
}

#[test]
fn after_a_restart_a_routers_own_services_are_its_own_by_what_was_bound_to_it_of_late() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let now = at("2026-11-20T10:00:00");
    let mut devices = batch(vec![minute(now, vec![])]).devices;
    devices[0].gateway = true;
    let bound = |n: u8, hours: i64, source| {
        let seen = now - Span::from_secs(3_600 * hours);
        let address = IpAddr::V4(Ipv4Addr::new(192, 168, 1, n));
        Interval { address, device: DeviceId(1), first: seen, last: seen, source }
    };
    let addresses = vec![bound(1, 48, Source::Arp), bound(3, 49, Source::Arp), bound(4, 0, Source::Traffic)];
    let minutes = vec![minute(now, vec![])];
    store.flush(&Batch { devices, addresses, minutes, ..Batch::default() }).unwrap();
    for (last, class) in [(1, Class::Lan), (3, Class::Remote), (4, Class::Remote)] {
        let mut pipeline = Pipeline::new(Config::default());
        recall(&place.path()).unwrap().tell(&mut pipeline);
        let frame = question_to([192, 168, 1, last]);
        pipeline.packet(now, 0, LinkType::ETHERNET, 42, &frame);
        pipeline.finish();
        let minutes = pipeline.take_batch().minutes;
        assert!(minutes[0].rows.iter().all(|(key, _)| key.class == class), ".{last}: {:?}", minutes[0].rows);
    }
}

#[test]
fn nothing_is_known_of_a_file_whose_maker_was_killed_at_once_nor_of_a_damaged_one() {
    let place = Place::new();
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL").unwrap();
    drop(db);
    assert!(place.path().metadata().unwrap().len() > 0);
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    place.open("UTC").close().unwrap();
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes[4_096..].fill(0xff);
    std::fs::write(place.path(), bytes).unwrap();
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    // One with a change that was begun, and is undone first.
    std::fs::remove_file(place.path()).unwrap();
    place.open("UTC").close().unwrap();
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN").unwrap();
    db.execute_batch("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(9000000))").unwrap();
    let journal = place.path().with_extension("db-journal");
    let left = [place.path(), journal.clone()].map(|path| std::fs::read(path).unwrap());
    drop(db);
    std::fs::write(place.path(), &left[0]).unwrap();
    std::fs::write(&journal, &left[1]).unwrap();
    assert_eq!(recall(&place.path()).unwrap(), Recollection::default());
    assert!(!journal.exists(), "it was one");
    // One of somebody else is not the writer's to set aside.
    std::fs::write(place.path(), "notes ".repeat(1_000)).unwrap();
    assert!(matches!(recall(&place.path()), Err(StoreError::Foreign(..))));
}
