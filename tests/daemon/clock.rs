//! A clock that is not known to be right: rows wait for it, and are moved when it is. Nobody sets the clock of this
//! machine here: what changes is the file that says that it is right.

use std::time::Duration;

use rusqlite::Connection;

use super::hear;
use crate::support::lab::{Lab, PATIENCE, until};
use crate::support::open;

/// What stands in the file of frames that are counted at each level, up and down.
const LAW: &str = "SELECT (SELECT sum(frames - undecodable) FROM coverage_by_day) = (SELECT sum(packets_up +
      CASE direction WHEN 'remote' THEN packets_down ELSE 0 END) FROM usage_by_minute)
    AND (SELECT sum(packets_up) FROM usage_by_minute) = (SELECT sum(packets_up) FROM usage_by_hour)
    AND (SELECT sum(packets_up) FROM usage_by_minute) = (SELECT sum(packets_up) FROM usage_by_day)";

fn mark(lab: &Lab) -> std::path::PathBuf {
    lab.folder.path().join("synchronized")
}

fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Milliseconds since 1970, by the clock of this machine.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn frames(db: &Connection) -> i64 {
    number(db, "SELECT coalesce(sum(frames), 0) FROM coverage_minute")
}

#[test]
fn what_was_written_by_an_unsure_clock_is_moved_once_it_is_known_to_be_right() {
    let Some(lab) = Lab::new("what_was_written_by_an_unsure_clock_is_moved_once_it_is_known_to_be_right")
    else {
        return;
    };
    // A file whose last minute lies three hours ahead: by a clock that was fast before the machine was switched off.
    let daemon = lab.daemon("");
    lab.connect();
    hear(&lab, &daemon, "a", 10);
    let db = daemon.db.clone();
    daemon.stop();
    let ahead = 3 * 3_600_000;
    let file = Connection::open(&db).unwrap();
    for sql in [
        "UPDATE usage_minute SET window = window + 10800000",
        "UPDATE coverage_minute SET window = window + 10800000",
        "UPDATE meta SET value = value + 10800000 WHERE key = 'open_hour'",
    ] {
        file.execute(sql, []).unwrap();
    }
    let before = frames(&file);
    let stored = number(&file, "SELECT max(window) FROM coverage_minute");
    drop(file);

    std::fs::remove_file(mark(&lab)).unwrap();
    let daemon = lab.daemon("store.flush = \"10s\"\nclock.wait = \"5s\"\n");
    let began = now();
    let (status, code) = daemon.status();
    assert_eq!((status["clock"].as_str(), code), (Some("unsynced"), 0), "{status}");
    assert!(status["warnings"].to_string().contains("rows wait"), "{status}");
    hear(&lab, &daemon, "a", 50);
    hear(&lab, &daemon, "b", 70);
    let file = open(&db);
    let later = format!("SELECT coalesce(min(window), 0) FROM coverage_minute WHERE window > {stored}");
    let first = until("the first minute to be over", Duration::from_secs(90), || {
        Some(number(&file, &later)).filter(|&first| first > 0)
    });
    assert_eq!(first, stored + 60_000, "the first minute that is free");
    assert!(frames(&file) >= before + 120);
    assert_eq!(number(&file, "SELECT count(*) FROM coverage_minute WHERE clock = 'unsynced'"), 1);
    assert_eq!(number(&file, LAW), 1);

    hear(&lab, &daemon, "a", 30);
    std::fs::write(mark(&lab), "").unwrap();
    until("the clock to be believed", PATIENCE, || (daemon.status().0["clock"] == "synced").then_some(()));
    hear(&lab, &daemon, "b", 20);
    lab.disconnect();
    let captured = daemon.status().0["packets"].as_i64().unwrap();
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    let file = open(&db);
    assert_eq!(number(&file, "SELECT count(*) FROM coverage_minute WHERE clock = 'unsynced'"), 0);
    let of_run = format!("FROM coverage_minute WHERE window BETWEEN {began} - 120000 AND {began} + 120000");
    assert_eq!(number(&file, &format!("SELECT sum(frames) {of_run}")), captured, "all at their right time");
    let last = number(&file, &format!("SELECT max(window) FROM coverage_minute WHERE window < {stored}"));
    // Windows are moved by whole minutes, to the nearest.
    assert!(last <= now() + 30_000, "and none of it later than now");
    assert_eq!(frames(&file), before + captured);
    assert_eq!(number(&file, LAW), 1);
    let off = number(
        &file,
        "SELECT max(abs(start - window)) FROM (SELECT start, (SELECT max(window) FROM coverage_minute
        WHERE window <= start) AS window FROM flow WHERE id > (SELECT min(id) FROM flow))",
    );
    assert!(off < ahead / 2, "flows went with them");
    let said: String =
        file.query_row("SELECT detail FROM event WHERE kind = 'clock'", [], |row| row.get(0)).unwrap();
    assert!(said.contains("moved back by 3h") || said.contains("moved back by 2h 59m"), "{said}");
}

#[test]
fn rows_wait_for_the_clock_so_long_and_no_longer() {
    let Some(lab) = Lab::new("rows_wait_for_the_clock_so_long_and_no_longer") else { return };
    std::fs::remove_file(mark(&lab)).unwrap();
    let daemon = lab.daemon("store.flush = \"10s\"\nclock.wait = \"18s\"\nflow.udp = \"1s\"\n");
    let began = std::time::Instant::now();
    lab.connect();
    hear(&lab, &daemon, "a", 10);
    let written = || daemon.status().0["store"]["last_write"].as_i64();
    while began.elapsed() < Duration::from_secs(14) {
        assert_eq!(written(), None, "{:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    }
    until("rows to be written", Duration::from_secs(20), written);
    assert!(began.elapsed() >= Duration::from_secs(17), "{:?}", began.elapsed());
    daemon.stop();
}
