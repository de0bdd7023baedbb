//! `lanscribe read` in trouble: what is broken, refused, stopped half-way, or in use by somebody else.

use std::io::Write;
use std::process::Stdio;

use crate::support::frames::{Frames, Station};
use crate::support::{FRAMES, gzip, lanscribe, number, open, place, read, rows, said, sample};

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
    let asked = lanscribe().args(["devices", "--db", "."]).current_dir(dir.path()).output().unwrap();
    assert_eq!(asked.status.code(), Some(65));
    assert!(said(&asked).contains("no regular file"), "{}", said(&asked));
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
fn one_program_writes_a_file_at_a_time_while_others_read_it() {
    let (_dir, db) = place();
    let mut child =
        lanscribe().args(["read", "-q", "-", "--db"]).arg(&db).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let capture = std::fs::read(sample("home.pcap")).unwrap();
    input.write_all(&capture[..500_000]).unwrap();
    let log = db.with_extension("db-wal");
    while !std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let began = std::time::Instant::now();
    let refused = read(&[sample("trunk.pcap"), "--db".into(), db.clone()]);
    assert_eq!(refused.status.code(), Some(75));
    assert!(said(&refused).contains("in use by another lanscribe, which writes it"), "{}", said(&refused));
    assert!(began.elapsed().as_secs() < 5, "at once");
    assert!(lanscribe().args(["devices", "--db"]).arg(&db).output().unwrap().status.success());
    input.write_all(&capture[500_000..]).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(number(&open(&db), FRAMES), 3184);
    assert!(read(&[sample("trunk.pcap"), "--db".into(), db]).status.success());
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
