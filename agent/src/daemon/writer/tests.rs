//! The thread and its queue, in real time: files and disks in trouble, and the end.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc::TrySendError;

use lanscribe_core::time::Span;
use rusqlite::Connection;

use super::*;
use crate::store::tests::{Place, at, batch, minute, rows_of_all_classes};

const LAW: &str = "SELECT (SELECT sum(frames - undecodable) FROM coverage_minute) =
    (SELECT sum(packets_up + CASE direction WHEN 'remote' THEN packets_down ELSE 0 END) FROM usage_by_minute)";

/// The nth batch of a run: a minute.
fn job(number: i64) -> (Job, oneshot::Receiver<Result<(), String>>) {
    let (done, written) = oneshot::channel();
    let start = at("2026-11-20T10:00:00") + Span::from_secs(60 * number);
    let batch = batch(vec![minute(start, rows_of_all_classes())]);
    let number = u64::try_from(number).unwrap();
    let parcel = Parcel { batch, number, clock: Clock::Synced, correction: None, done: vec![done] };
    (Job::Batch(Box::new(parcel)), written)
}

fn ask<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).expect(sql)
}

/// Waits until the status is so.
fn until(writer: &Writer, so: impl Fn(&WriterStatus) -> bool) {
    let began = Instant::now();
    while !so(&writer.status()) {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", writer.status());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_waiting_for(writer: &Writer, what: &str) {
    until(writer, |status| status.waiting.is_some());
    let (why, _) = writer.status().waiting.unwrap();
    assert!(why.contains(what), "{why}");
}

#[test]
fn what_was_sent_is_in_one_whole_file_at_the_end() {
    let place = Place::new();
    let writer = Writer::start(&place.path(), Settings::default()).unwrap();
    let mut replies = Vec::new();
    for number in 0..10 {
        let (job, written) = job(number);
        writer.sender.send(job).unwrap();
        replies.push(written);
    }
    let watch = writer.watch();
    let ended = writer.join();
    assert!(ended.lost.is_none() && ended.fatal.is_none(), "{ended:?}");
    assert!(replies.into_iter().all(|written| written.blocking_recv() == Ok(Ok(()))));
    assert_eq!(watch().flushes, 10);
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1);
    assert_eq!(ask::<i64>(&place.path(), "SELECT count(*) FROM coverage_minute"), 10);
    assert_eq!(ask::<i64>(&place.path(), LAW), 1);
}

#[test]
fn while_another_program_holds_the_file_the_queue_fills_and_nothing_is_lost() {
    let place = Place::new();
    let writer = Writer::start(&place.path(), Settings::default()).unwrap();
    writer.sender.send(job(0).0).unwrap();
    until(&writer, |status| status.flushes == 1);
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = Instant::now();
    let (first, written) = job(1);
    writer.sender.send(first).unwrap();
    is_waiting_for(&writer, "in use by another program");
    for number in 2..4 {
        writer.sender.try_send(job(number).0).unwrap();
    }
    assert!(matches!(writer.sender.try_send(job(4).0), Err(TrySendError::Full(_))));
    std::thread::sleep(Duration::from_secs(5).saturating_sub(held.elapsed()));
    assert!(writer.status().waiting.is_some());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(written.blocking_recv(), Ok(Ok(())));
    let ended = writer.join();
    assert!(ended.lost.is_none() && ended.fatal.is_none(), "{ended:?}");
    assert_eq!(ask::<i64>(&place.path(), "SELECT count(*) FROM coverage_minute"), 4);
    assert_eq!(ask::<i64>(&place.path(), LAW), 1);
}

#[test]
fn a_reader_in_a_transaction_at_the_start_is_waited_for() {
    let place = Place::new();
    place.open("UTC").close().unwrap();
    let reader = Connection::open(place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM flow").unwrap();
    let writer = Writer::start(&place.path(), Settings::default()).unwrap();
    is_waiting_for(&writer, "in use by another program");
    let (job, written) = job(0);
    writer.sender.send(job).unwrap();
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(written.blocking_recv(), Ok(Ok(())));
    assert_eq!(writer.status().waiting, None);
}

#[test]
fn who_must_end_while_the_file_is_held_says_what_is_lost() {
    let place = Place::new();
    let writer = Writer::start_with(&place.path(), Settings::default(), Duration::from_secs(1)).unwrap();
    writer.sender.send(job(0).0).unwrap();
    until(&writer, |status| status.flushes == 1);
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let replies = [1, 2, 3].map(|number| {
        let (job, written) = job(number);
        writer.sender.send(job).unwrap();
        written
    });
    is_waiting_for(&writer, "in use");
    let began = Instant::now();
    let ended = writer.join();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let lost = ended.lost.unwrap();
    let expected = ": 3 minutes from 2026-11-20 10:01 UTC to 2026-11-20 10:04 UTC are lost";
    assert!(lost.contains(expected), "{lost}");
    assert!(replies.into_iter().all(|written| written.blocking_recv().unwrap().is_err()));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(ask::<i64>(&place.path(), "SELECT count(*) FROM coverage_minute"), 1);
}

#[test]
fn the_end_comes_at_once_where_the_file_is_not_ours() {
    let place = Place::new();
    std::fs::write(place.path(), "a letter, and no database at all\n".repeat(300)).unwrap();
    let writer = Writer::start(&place.path(), Settings::default()).unwrap();
    let began = Instant::now();
    while !writer.is_over() {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(writer.sender.send(job(0).0).is_err());
    assert!(matches!(writer.join().fatal, Some(StoreError::Foreign(..))));
}

/// Where the disk is that the test below may fill.
const DISK: &str = "LANSCRIBE_TEST_DISK";

#[test]
fn a_disk_that_is_read_only_and_then_full_is_waited_for() {
    const NAME: &str = "daemon::writer::tests::a_disk_that_is_read_only_and_then_full_is_waited_for";
    if let Some(disk) = std::env::var_os(DISK) {
        return fill(Path::new(&disk));
    }
    // A small disk in a mount namespace of its own, in which this test runs once more.
    let place = Place::new();
    let inner = |flags: &str| {
        let script = "mount -t tmpfs -o size=1m,ro none \"$1\" && exec \"$0\" --exact \"$2\" --nocapture";
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script]).arg(std::env::current_exe().unwrap());
        command.arg(place.dir.path()).arg(NAME).env(DISK, place.dir.path()).process_group(0);
        command
    };
    let can = |flags: &str| {
        let probe = Command::new("unshare").args([flags, "sh", "-c", "mount -t tmpfs none /mnt"]).output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    let Some(flags) = ["-m", "-rm"].into_iter().find(|flags| can(flags)) else {
        eprintln!(
            "SKIPPED: a_disk_that_is_read_only_and_then_full_is_waited_for: no mount namespace can be made"
        );
        return;
    };
    let output = inner(flags).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

/// The test itself, on a disk of 1 MB that is read-only at first.
fn fill(disk: &Path) {
    let path = disk.join("x.db");
    let writer = Writer::start(&path, Settings::default()).unwrap();
    is_waiting_for(&writer, "Read-only file system");
    let mount = Command::new("mount").args(["-o", "remount,rw"]).arg(disk).status();
    assert!(mount.unwrap().success());
    writer.sender.send(job(0).0).unwrap();
    until(&writer, |status| status.flushes == 1 && status.waiting.is_none());
    // Something else fills it, but for the room that the log has already.
    let ballast = disk.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while io::Write::write(&mut file, &[0; 1024]).is_ok_and(|written| written > 0) {}
    drop(file);
    let mut number = 0;
    while writer.status().waiting.is_none() {
        number += 1;
        assert!(number < 10_000, "the disk is never full");
        let (job, mut written) = job(number);
        writer.sender.send(job).unwrap();
        let began = Instant::now();
        while written.try_recv().is_err() && writer.status().waiting.is_none() {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    is_waiting_for(&writer, "full");
    std::fs::remove_file(&ballast).unwrap();
    let ended = writer.join();
    assert!(ended.lost.is_none() && ended.fatal.is_none(), "{ended:?}");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM coverage_minute"), number + 1);
    assert_eq!(ask::<i64>(&path, LAW), 1);
}
