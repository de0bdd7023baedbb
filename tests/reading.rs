//! `lanscribe read`: what it takes, what it refuses, and what it keeps of what is broken.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::frames::{Frames, Station};
use crate::support::{lanscribe, number, open, read, rows, said, sample};

const FRAMES: &str = "SELECT coalesce(sum(frames), 0) FROM coverage_by_day";

/// A folder with a database to make.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("x.db");
    (dir, db)
}

fn gzip(from: &Path, to: &Path) {
    let mut packed =
        flate2::write::GzEncoder::new(std::fs::File::create(to).unwrap(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(from).unwrap()).unwrap();
    packed.finish().unwrap();
}

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
fn a_cut_capture_keeps_its_whole_packets_and_says_where_it_ends() {
    let (dir, db) = place();
    let bytes = std::fs::read(sample("home.pcap")).unwrap();
    let cut = dir.path().join("cut.pcap");
    std::fs::write(&cut, &bytes[..300_000]).unwrap();
    let output = read(&[cut, "--db".into(), db.clone()]);
    assert_eq!(output.status.code(), Some(65));
    let frames = number(&open(&db), FRAMES);
    assert!(frames > 500);
    assert!(said(&output).contains(&format!("read up to packet {frames}, then: ")), "{}", said(&output));
    assert_eq!(
        rows(&open(&db), "SELECT frames, error IS NOT NULL FROM capture"),
        [[frames.to_string(), "1".to_owned()]]
    );

    let whole = dir.path().join("whole.gz");
    gzip(&sample("home.pcap"), &whole);
    let packed = std::fs::read(&whole).unwrap();
    let cut = dir.path().join("cut.gz");
    std::fs::write(&cut, &packed[..packed.len() / 2]).unwrap();
    let output = read(&[cut, "--db".into(), dir.path().join("y.db")]);
    assert_eq!(output.status.code(), Some(65));
    assert!(said(&output).contains("damaged"), "{}", said(&output));
}

#[test]
fn what_is_no_capture_is_refused_with_its_name_and_leaves_no_database() {
    let (dir, db) = place();
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "not a capture").unwrap();
    let radiotap = dir.path().join("radiotap.pcap");
    let header = [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 127];
    std::fs::write(&radiotap, header.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<_>>()).unwrap();
    for (file, code, words) in [
        (text, 65, "pcap or pcapng"),
        (radiotap, 65, "link type IEEE802_11_RADIO is not supported; supported are "),
        (dir.path().join("missing.pcap"), 66, "No such file"),
        (dir.path().to_owned(), 66, "is a directory"),
    ] {
        let output = read(&[file.clone(), "--db".into(), db.clone()]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(
            said(&output).contains(words) && said(&output).contains(&*file.to_string_lossy()),
            "{}",
            said(&output)
        );
        assert!(!db.exists());
    }
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
fn a_database_of_a_newer_program_or_of_another_one_is_refused() {
    let (dir, newer) = place();
    read(&[sample("trunk.pcap"), "--db".into(), newer.clone()]);
    open(&newer).pragma_update(None, "user_version", 99).unwrap();
    let foreign = dir.path().join("foreign.db");
    open(&foreign).execute_batch("CREATE TABLE t (x)").unwrap();
    let text = dir.path().join("text.db");
    std::fs::write(&text, "This is no database at all, but long enough to look at. ".repeat(40)).unwrap();
    for (db, words) in
        [(newer, "newer lanscribe"), (foreign, "another program"), (text, "no SQLite database")]
    {
        let before = std::fs::read(&db).unwrap();
        let output = read(&[sample("home.pcap"), "--db".into(), db.clone()]);
        assert_eq!(output.status.code(), Some(65), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
        assert_eq!(std::fs::read(&db).unwrap(), before, "it was not touched");
    }
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
fn a_config_with_mistakes_is_refused_before_anything_is_read() {
    let (dir, db) = place();
    let config = dir.path().join("bad.toml");
    std::fs::write(&config, "[flow]\nudp = 60\n[lan]\nnetwork = []\n").unwrap();
    let output = read(&[sample("home.pcap"), "--db".into(), db.clone(), "--config".into(), config]);
    assert_eq!(output.status.code(), Some(78));
    let text = said(&output);
    assert!(text.contains("bad.toml:2: flow.udp: ") && text.contains("bad.toml:4: lan.network: "), "{text}");
    assert!(!db.exists());
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
fn a_stream_that_turns_to_garbage_is_told_at_once_and_not_waited_for() {
    let (_dir, db) = place();
    let mut child = lanscribe().args(["read", "-", "--db"]).arg(&db).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut capture = std::fs::read(sample("home.pcap")).unwrap();
    capture.resize(2 << 20, 0xff);
    let _ = input.write_all(&capture);
    // The stream stays open.
    assert_eq!(child.wait().unwrap().code(), Some(65));
    assert_eq!(number(&open(&db), FRAMES), 3184);
    drop(input);
}

/// A capture of `count` one-packet flows, a hundred a second.
fn many_flows(count: i64) -> Frames {
    let (home, away) = (Station::new(1, [10, 0, 0, 1]), Station::new(2, [10, 0, 0, 2]).beyond([8, 8, 8, 8]));
    let mut frames = Frames::default();
    for n in 0..count {
        let port = 1024 + u16::try_from(n % 60_000).unwrap();
        frames.udp(1_700_000_000_000_000 + n * 10_000, (home, port), (away, 53), 10);
    }
    frames
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

#[test]
fn ctrl_c_ends_a_stream_with_the_program_that_captures_and_keeps_what_came() {
    let (_dir, db) = place();
    let mut child =
        lanscribe().args(["read", "-q", "-", "--db"]).arg(&db).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let capture = std::fs::read(sample("home.pcap")).unwrap();
    // The file is opened once the signal is taken care of.
    input.write_all(&capture[..500_000]).unwrap();
    while !db.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let interrupt =
        std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(interrupt.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(100));
    input.write_all(&capture[500_000..]).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(number(&open(&db), FRAMES), 3184);
}

#[test]
fn what_names_no_file_on_the_disk_is_no_database() {
    let (dir, _) = place();
    for (name, code) in [(":memory:", 0), ("file:x.db?mode=memory", 0), (".", 65)] {
        let mut command = lanscribe();
        command.args(["read", "-q"]).arg(sample("trunk.pcap")).args(["--db", name]).current_dir(dir.path());
        assert_eq!(command.status().unwrap().code(), Some(code), "{name}");
        assert!(code != 0 || dir.path().join(name).is_file(), "{name} is the name of a file");
    }
}

#[test]
fn a_reader_that_forgets_its_transaction_is_waited_for_and_then_named() {
    let (_dir, db) = place();
    read(&[sample("trunk.pcap"), "--db".into(), db.clone()]);
    let reader = open(&db);
    reader.execute_batch("BEGIN; SELECT count(*) FROM flow").unwrap();
    let child = lanscribe()
        .args(["read", "-q"])
        .arg(sample("home.pcap"))
        .arg("--db")
        .arg(&db)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    reader.execute_batch("COMMIT").unwrap();
    assert!(child.wait_with_output().unwrap().status.success(), "it waited");
    reader.execute_batch("BEGIN; SELECT count(*) FROM flow").unwrap();
    let refused = read(&[sample("cooked.pcapng"), "--db".into(), db]);
    assert_eq!(refused.status.code(), Some(75));
    assert!(said(&refused).contains("in use by another program"), "{}", said(&refused));
}

#[test]
fn a_read_that_is_killed_half_way_leaves_the_file_as_it_was() {
    let (dir, db) = place();
    read(&[sample("trunk.pcap"), "--db".into(), db.clone()]);
    let before = rows(&open(&db), "SELECT * FROM usage_minute");
    // So many flows that many are written before the program is killed.
    let capture = many_flows(200_000).write(dir.path(), "many.pcap");
    let mut child = lanscribe().args(["read", "-q"]).arg(&capture).arg("--db").arg(&db).spawn().unwrap();
    let log = db.with_extension("db-wal");
    let grown = || std::fs::metadata(&log).is_ok_and(|log| log.len() > 1 << 20);
    let began = std::time::Instant::now();
    while !grown() {
        assert!(began.elapsed().as_secs() < 60, "nothing was written yet");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(rows(&open(&db), "SELECT * FROM usage_minute"), before);
    assert!(
        read(&[sample("home.pcap"), "--db".into(), db.clone()]).status.success(),
        "and it can be read after all"
    );
}
