//! Nobody who may read the file is ever shut out of it, and nobody who reads it stops the daemon: tried with plain
//! `sqlite3`, as an ordinary user who is a member of the file's group and may write nothing.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::time::Duration;

use super::{Forgetful, as_other, files, hear, meet, member, outcome, read_as_member, start_service, tell};
use crate::support::lab::{Lab, PATIENCE, until};
use crate::support::{FRAMES, number, open};

const DEVICES: &str = "SELECT count(*) FROM devices";
const MARKS: &str = "SELECT count(*) FROM mark";

#[test]
fn members_of_the_group_read_the_file_while_it_is_written_after_a_stop_and_after_a_kill() {
    let Some(lab) =
        Lab::new("members_of_the_group_read_the_file_while_it_is_written_after_a_stop_and_after_a_kill")
    else {
        return;
    };
    let daemon = start_service(&lab, "");
    meet(&lab, &daemon);
    let db = daemon.db.clone();
    let metadata = db.metadata().unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.gid()), (0o640, super::GROUP));
    assert!(read_as_member(&db, DEVICES).parse::<u32>().unwrap() >= 2);
    let (code, said) = outcome(&as_other(false, "sqlite3").arg(&db).arg(DEVICES).output().unwrap());
    assert!(code != 0 && said.contains("unable to open"), "who is no member reads nothing: {said}");
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(super::OTHER), Some(super::OTHER)).unwrap();
    let copy = home.path().join("copy.db");
    read_as_member(&db, &format!("VACUUM INTO '{}'", copy.display()));
    assert_eq!(
        number(&open(&copy), DEVICES).to_string(),
        read_as_member(&db, DEVICES),
        "a copy is taken meanwhile"
    );
    let packets = hear(&lab, &daemon, "a", 50);
    lab.disconnect();
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(files(&lab), ["lanscribe.db"], "one whole file, and nothing else");
    assert_eq!(read_as_member(&db, "PRAGMA journal_mode"), "delete");
    let frames: u64 = read_as_member(&db, FRAMES).parse().unwrap();
    assert!(frames >= packets, "{frames} of {packets}");
    assert_eq!(read_as_member(&db, "PRAGMA integrity_check"), "ok");

    let daemon = start_service(&lab, "");
    for n in 1..=3 {
        let (code, said) = tell(&daemon.config, &["mark", "kettle on"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(read_as_member(&db, MARKS), n.to_string(), "what was written is seen at once");
    }
    daemon.kill();
    assert_eq!(files(&lab), ["lanscribe.db", "lanscribe.db-shm", "lanscribe.db-wal", "socket"]);
    assert_eq!(read_as_member(&db, MARKS), "3", "what was written survives");
    assert_eq!(read_as_member(&db, FRAMES), frames.to_string());

    let daemon = start_service(&lab, "");
    assert_eq!(read_as_member(&db, MARKS), "3");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(files(&lab), ["lanscribe.db"]);
    assert_eq!(read_as_member(&db, MARKS), "3");
}

#[test]
fn a_reader_that_forgets_its_transaction_stops_neither_writing_nor_stopping_nor_starting() {
    let Some(lab) =
        Lab::new("a_reader_that_forgets_its_transaction_stops_neither_writing_nor_stopping_nor_starting")
    else {
        return;
    };
    let daemon = start_service(&lab, "");
    let db = daemon.db.clone();
    until("the file", PATIENCE, || member(&db).arg(DEVICES).output().unwrap().status.success().then_some(()));
    let reader = Forgetful::begin(&db);
    meet(&lab, &daemon);
    assert!(read_as_member(&db, DEVICES).parse::<u32>().unwrap() >= 2, "others see what is new");
    let (code, said) = tell(&daemon.config, &["mark", "kettle on"]);
    assert_eq!(code, 0, "{said}");
    let packets = hear(&lab, &daemon, "b", 50);
    lab.disconnect();
    let (status, code) = daemon.status();
    assert_eq!(code, 0, "{status:#}");
    assert_eq!(daemon.stop().code(), 0);
    let frames: u64 = read_as_member(&db, FRAMES).parse().unwrap();
    assert!(frames >= packets, "{frames} of {packets}: all is there for who comes after a stop");

    let daemon = start_service(&lab, "");
    let (code, said) = tell(&daemon.config, &["mark", "kettle off"]);
    assert_eq!(code, 0, "the file is written at once: {said}");
    assert_eq!(daemon.status().1, 0);
    assert_eq!(read_as_member(&db, MARKS), "2");
    assert_eq!(daemon.stop().code(), 0);
    reader.end();
    assert_eq!(read_as_member(&db, FRAMES), frames.to_string(), "also once it is gone");

    let daemon = start_service(&lab, "");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(files(&lab), ["lanscribe.db"]);
    assert_eq!(read_as_member(&db, FRAMES), frames.to_string());
    assert_eq!(read_as_member(&db, MARKS), "2");
}

#[test]
fn a_transaction_that_is_open_at_the_start_delays_what_is_written_and_loses_nothing() {
    let Some(lab) =
        Lab::new("a_transaction_that_is_open_at_the_start_delays_what_is_written_and_loses_nothing")
    else {
        return;
    };
    let daemon = start_service(&lab, "");
    let db = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let before: u64 = read_as_member(&db, FRAMES).parse().unwrap();
    // In a file without a log a reader keeps who writes out.
    let reader = Forgetful::begin(&db);
    let daemon = start_service(&lab, "");
    lab.connect();
    let packets = hear(&lab, &daemon, "a", 50);
    lab.disconnect();
    until("it to say so", PATIENCE, || {
        let (status, code) = daemon.status();
        let said = status["store"]["waiting"]["why"].as_str()?.contains("reads it within a transaction");
        (said && code == 1).then_some(())
    });
    let (_, text) = tell(&daemon.config, &["status"]);
    assert!(text.contains("nothing can be written since 0 min"), "{text}");
    let (code, said) = tell(&daemon.config, &["mark", "kettle on"]);
    assert_eq!(code, 75, "who wants something changed is told: {said}");
    assert!(said.contains("reads it within a transaction"), "{said}");
    assert!(read_as_member(&db, FRAMES) == before.to_string(), "others read it meanwhile");
    reader.end();
    until("the file to be written again", Duration::from_secs(40), || (daemon.status().1 == 0).then_some(()));
    let (code, said) = tell(&daemon.config, &["mark", "kettle on"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(files(&lab), ["lanscribe.db"]);
    let frames: u64 = read_as_member(&db, FRAMES).parse().unwrap();
    assert!(frames >= before + packets, "{frames}, {before} of them before, and {packets} came since");
}
