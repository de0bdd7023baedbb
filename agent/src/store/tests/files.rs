//! The file as such: what is ours, what is another's, and what stays when it is opened again.

use std::path::Path;

use lanscribe_core::address_book::Interval;
use lanscribe_core::lan::Source;
use rusqlite::Connection;

use super::super::{APPLICATION_ID, MIGRATIONS, StoreError};
use super::*;

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, Some(TimeZone::UTC))
}

/// The version of files that this program makes.
fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap()
}

#[test]
fn an_empty_file_becomes_one_of_this_version() {
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    let store = open(&place.path()).unwrap();
    assert_eq!(ask::<i32>(&store, "PRAGMA application_id"), APPLICATION_ID);
    assert_eq!(ask::<i64>(&store, "PRAGMA user_version"), version());
    assert_eq!(ask::<i64>(&store, "PRAGMA auto_vacuum"), 2, "incremental");
    assert_eq!(
        ask::<String>(&store, "SELECT value FROM meta WHERE key = 'version'"),
        env!("CARGO_PKG_VERSION")
    );
    for view in pairs::<String, String>(&store, "SELECT name, sql FROM sqlite_schema WHERE type = 'view'") {
        store.db.prepare(&format!("SELECT * FROM {}", view.0)).expect(&view.1);
    }
    store.close().unwrap();
    // The read and write versions in the file's header: 2 means a log beside it, which needs a folder to write in.
    assert_eq!(std::fs::read(place.path()).unwrap()[18..20], [1, 1]);
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1, "one complete file");
    open(&place.path()).unwrap();
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let place = Place::new();
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("CREATE TABLE letters (text)").unwrap();
    drop(db);
    let before = std::fs::read(place.path()).unwrap();
    assert!(matches!(open(&place.path()), Err(StoreError::Foreign(..))));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    std::fs::write(place.path(), "a letter, and no database at all\n".repeat(300)).unwrap();
    let before = std::fs::read(place.path()).unwrap();
    assert!(matches!(open(&place.path()), Err(StoreError::Foreign(..))));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_newer_programs_file_is_refused_and_left_alone() {
    let place = Place::new();
    open(&place.path()).unwrap().close().unwrap();
    let newer = version() + 1;
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let before = std::fs::read(place.path()).unwrap();
    assert!(matches!(open(&place.path()), Err(StoreError::Newer { found, .. }) if found == newer));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_second_reading_adds_to_the_file() {
    let place = Place::new();
    let full = || {
        let start = at("2026-11-20T10:00:00");
        let address = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 2));
        let interval =
            Interval { address, device: DeviceId(1), first: start, last: start, source: Source::Arp };
        let minutes = vec![
            minute(start, rows_of_all_classes()),
            minute(at("2026-11-20T11:00:00"), rows_of_all_classes()),
        ];
        Batch { flows: vec![flow(0, start), flow(1, start)], addresses: vec![interval], ..batch(minutes) }
    };
    let mut expected = Vec::new();
    for times in 1..=3_i64 {
        let mut store = open(&place.path()).unwrap();
        store.flush(&full()).unwrap();
        assert_law(&store);
        let now = sums(&store, "usage_by_day");
        let once = *expected.first().unwrap_or(&now);
        assert_eq!(now, once.map(|n| n * times));
        expected.push(now);
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device WHERE id > 0"), 2);
        assert_eq!(ask::<i64>(&store, "SELECT frames_sent FROM device WHERE id = 1"), times);
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM address_history"), 1);
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM usage_minute"), 12);
        store.close().unwrap();
    }
}

#[test]
fn numbers_of_flows_never_start_again() {
    let place = Place::new();
    let start = at("2026-11-20T10:00:00");
    for run in 0..3_i64 {
        let mut store = open(&place.path()).unwrap();
        for id in 0..3 {
            store.flush(&Batch { flows: vec![flow(id, start)], ..batch(vec![]) }).unwrap();
        }
        let numbers = pairs::<i64, i64>(&store, "SELECT min(id), max(id) FROM flow");
        assert_eq!(numbers, [(3 * run, 3 * run + 2)]);
        // Whatever becomes of the rows; and nothing is tidied up, as if the program were killed.
        store.db.execute("DELETE FROM flow", []).unwrap();
        drop(store);
    }
}

#[test]
fn views_of_another_program_are_replaced_and_those_of_the_owner_are_left_alone() {
    let place = Place::new();
    open(&place.path()).unwrap().close().unwrap();
    let schema_version =
        |db: &Connection| -> i64 { db.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap() };
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("CREATE VIEW mine AS SELECT name FROM devices").unwrap();
    let (ours, before) = (views(&db), schema_version(&db));
    let store = open(&place.path()).unwrap();
    assert_eq!(schema_version(&store.db), before, "nothing was made again");
    store.close().unwrap();
    for change in ["DROP VIEW conn", "DROP VIEW conn; CREATE VIEW conn AS SELECT 1"] {
        db.execute_batch(change).unwrap();
        assert_ne!(views(&db), ours);
        open(&place.path()).unwrap().close().unwrap();
        assert_eq!(views(&db), ours, "{change}");
    }
}

fn views(db: &Connection) -> Vec<String> {
    let mut statement =
        db.prepare("SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
