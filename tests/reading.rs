//! `lanscribe read`: what it takes, and what it counts once only.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{FRAMES, gzip, lanscribe, number, open, place, read, rows, said, sample};

/// The usage rows with texts instead of ids, which go by the order of things.
const USAGE: &str =
    "SELECT utc, mac, peer, protocol, port, direction, bytes_up, bytes_down, packets_up, packets_down, flows
    FROM usage_by_minute ORDER BY 1, 2, 3, 4, 5, 6";

#[test]
fn a_capture_reads_the_same_packed_through_a_pipe_or_plain() {
    let (dir, plain) = place();
    read(&[sample("home.pcap"), "--db".into(), plain.clone()]);
    let packed = dir.path().join("home.pcap.gz");
    gzip(&sample("home.pcap"), &packed);
    let of_packed = dir.path().join("packed.db");
    assert!(read(&[packed.clone(), "--db".into(), of_packed.clone()]).status.success());
    let of_pipe = dir.path().join("pipe.db");
    let input = Stdio::from(std::fs::File::open(&packed).unwrap());
    let status = lanscribe().args(["read", "-q", "-", "--db"]).arg(&of_pipe).stdin(input).status().unwrap();
    assert!(status.success());
    let expected = rows(&open(&plain), USAGE);
    assert!(expected.len() > 100);
    assert_eq!(rows(&open(&of_packed), USAGE), expected);
    assert_eq!(rows(&open(&of_pipe), USAGE), expected);
}

#[test]
fn the_same_capture_twice_is_refused_however_it_is_packed_unless_again_is_said() {
    let (dir, db) = place();
    let once = sample("home.pcap");
    read(&[once.clone(), "--db".into(), db.clone()]);
    let frames = number(&open(&db), FRAMES);
    let packed = dir.path().join("other-name.gz");
    gzip(&once, &packed);
    for same in [once.clone(), packed] {
        let refused = read(&[same, "--db".into(), db.clone()]);
        assert_eq!(refused.status.code(), Some(65));
        assert!(
            said(&refused).contains("in the database already") && said(&refused).contains("--again"),
            "{}",
            said(&refused)
        );
    }
    assert_eq!(number(&open(&db), FRAMES), frames, "nothing of it was counted");
    assert!(read(&[once.clone(), "--again".into(), "--db".into(), db.clone()]).status.success());
    assert_eq!(number(&open(&db), FRAMES), 2 * frames);
    let (_dir, other) = place();
    let twice = read(&[once.clone(), once, "--db".into(), other]);
    assert!(said(&twice).contains("the same capture as"), "{}", said(&twice));
}

#[test]
fn several_files_are_one_capture_in_order_of_time() {
    let (dir, whole) = place();
    read(&[sample("home.pcap"), "--db".into(), whole.clone()]);
    // Deal the packets out to three files: the first third of them to one, the rest in turn to two that overlap.
    let bytes = std::fs::read(sample("home.pcap")).unwrap();
    let mut parts = vec![bytes[..24].to_vec(); 3];
    let (mut at, mut n) = (24, 0);
    while at < bytes.len() {
        let length = 16 + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        parts[if n < 1000 { 0 } else { 1 + n % 2 }].extend(&bytes[at..at + length]);
        (at, n) = (at + length, n + 1);
    }
    let files: Vec<PathBuf> = (0..3).map(|n| dir.path().join(format!("{n}.pcap"))).collect();
    parts.iter().zip(&files).for_each(|(part, file)| std::fs::write(file, part).unwrap());
    let db = dir.path().join("parts.db");
    let [first, second, third] = [&files[2], &files[0], &files[1]].map(Clone::clone);
    assert!(read(&[first, second, third, "--db".into(), db.clone()]).status.success());
    assert_eq!(rows(&open(&db), USAGE), rows(&open(&whole), USAGE));
    let flows = "SELECT start, end, mac, local_port, remote_address, remote_port, bytes_up, bytes_down, conn_state, part
        FROM flows ORDER BY 1, 2, 3, 4, 5, 6, 7, 10";
    assert_eq!(rows(&open(&db), flows), rows(&open(&whole), flows));
    assert_eq!(number(&open(&db), "SELECT count(*) FROM capture"), 3);
}

#[test]
fn reading_another_capture_into_the_file_adds_to_it() {
    let (_dir, db) = place();
    read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    let (frames, flows) = (number(&open(&db), FRAMES), number(&open(&db), "SELECT max(id) FROM flow"));
    assert!(read(&[sample("trunk.pcap"), "--db".into(), db.clone()]).status.success());
    let db = open(&db);
    assert_eq!(number(&db, FRAMES), frames + 234);
    assert!(
        number(&db, "SELECT min(id) FROM flow WHERE vlan IS NOT NULL") > flows,
        "flow numbers never start again"
    );
    assert_eq!(
        number(&db, "SELECT count(*) FROM (SELECT mac FROM device GROUP BY mac HAVING count(*) > 1)"),
        0
    );
}

#[test]
fn a_clean_end_leaves_one_file_that_needs_no_log_beside_it() {
    let (dir, db) = place();
    read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["x.db"]);
    assert_eq!(rows(&open(&db), "PRAGMA journal_mode"), [["delete"]]);
    assert_eq!(rows(&open(&db), "PRAGMA auto_vacuum"), [["2"]]);
    assert_eq!(rows(&open(&db), "PRAGMA integrity_check"), [["ok"]]);
}

#[test]
fn nothing_is_deleted_by_age_unless_asked_for() {
    let (dir, db) = place();
    let config = dir.path().join("short.toml");
    std::fs::write(&config, "[retention]\nflows = \"1d\"\n").unwrap();
    let arguments = |more: &[&str]| {
        let mut all = vec![sample("home.pcap"), "--db".into(), db.clone(), "--config".into(), config.clone()];
        all.extend(more.iter().map(PathBuf::from));
        all
    };
    read(&arguments(&[]));
    let flows = number(&open(&db), "SELECT count(*) FROM flow");
    // A capture of two days later makes the first one's flows old.
    let later = dir.path().join("later.pcap");
    let mut bytes = std::fs::read(sample("trunk.pcap")).unwrap();
    let mut at = 24;
    while at < bytes.len() {
        let seconds = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) + 2 * 86_400;
        bytes[at..at + 4].copy_from_slice(&seconds.to_le_bytes());
        at += 16 + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    std::fs::write(&later, bytes).unwrap();
    let mut second = arguments(&[]);
    second[0].clone_from(&later);
    assert!(read(&second).status.success());
    assert!(number(&open(&db), "SELECT count(*) FROM flow") > flows);
    second.extend(["--again".into(), "--retain".into()]);
    assert!(read(&second).status.success());
    let db = open(&db);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM flow WHERE vlan IS NULL AND start < (SELECT max(start) - 86400000 FROM flow)"
        ),
        0
    );
    assert!(number(&db, FRAMES) > 3000, "usage is kept longer than flows");
}

#[test]
fn days_are_those_of_the_zone_that_the_file_was_made_with() {
    let (dir, db) = place();
    let zone = |name: &str| {
        let config = dir.path().join(name.replace('/', "-"));
        std::fs::write(&config, format!("[site]\ntime_zone = \"{name}\"\n")).unwrap();
        config
    };
    let (kolkata, berlin) = (zone("Asia/Kolkata"), zone("Europe/Berlin"));
    let arguments = |file: &str, config: &Path| {
        [sample(file), "--db".into(), db.clone(), "--config".into(), config.to_owned()]
    };
    assert!(read(&arguments("home.pcap", &kolkata)).status.success());
    let refused = read(&arguments("trunk.pcap", &berlin));
    assert_eq!(refused.status.code(), Some(78));
    assert!(said(&refused).contains("days are those of Asia/Kolkata"), "{}", said(&refused));
    assert!(
        read(&[sample("trunk.pcap"), "--db".into(), db.clone()]).status.success(),
        "without a wish the file's zone holds"
    );
    // Both samples are of one morning in UTC, which is the same day in Kolkata.
    let day = "SELECT DISTINCT datetime(window / 1000, 'unixepoch') FROM usage_by_day";
    assert_eq!(rows(&open(&db), day), [["2026-11-23 18:30:00"]]);
}

#[test]
fn a_capture_that_has_grown_is_not_counted_twice_and_one_that_is_empty_is_no_other() {
    let (dir, db) = place();
    let whole = std::fs::read(sample("home.pcap")).unwrap();
    let file = |name: &str, bytes: usize| {
        let path = dir.path().join(name);
        std::fs::write(&path, &whole[..bytes]).unwrap();
        path
    };
    let (empty, empty_too) = (file("1.pcap", 24), file("2.pcap", 24));
    assert!(read(&[empty, empty_too, "--db".into(), db.clone()]).status.success());
    assert_eq!(
        read(&[file("grows.pcap", 200_000), "--db".into(), db.clone()]).status.code(),
        Some(65),
        "cut"
    );
    let frames = number(&open(&db), FRAMES);
    let refused = read(&[file("grows.pcap", whole.len()), "--db".into(), db.clone()]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(said(&refused).contains("the beginning of it is in the database already"), "{}", said(&refused));
    assert_eq!(number(&open(&db), FRAMES), frames);
}
