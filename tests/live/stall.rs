//! The third law: capture never waits for the disk, and what could not be written for a while is all written later, from
//! bounded memory.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{NOBODY, Running, bytes, frames, know_nobody};
use crate::captures::broken_windows;
use crate::support::lab::{BRIDGE, Daemon, Ended, Lab, PATIENCE, Witness, until};
use crate::support::{FRAMES, number, open, rows};

/// Conversations end soon, and each write has some.
const SETTINGS: &str = "store.flush = \"10s\"\nflow.udp = \"1s\"\n";
/// Datagrams a second, each a conversation of its own.
const RATE: u64 = 500;
/// Kilobytes that the daemon may grow by while it cannot write.
const GROWTH: u64 = 30_000;
/// The longest that the file is left alone before it is tried again, and some time to write.
const NEXT_TRY: Duration = Duration::from_secs(90);

/// Kilobytes of memory that a process has.
fn memory(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// Waits for the first write.
fn wait_for_a_write(daemon: &Daemon) {
    until("the first write", PATIENCE, || daemon.status().0["store"]["last_write"].as_i64());
}

/// Waits until the daemon says that it cannot write for this reason, and sees that it is found degraded for it.
fn wait_until_it_waits(daemon: &Daemon, why: &str) {
    let (status, code) = until("the writer to wait", PATIENCE, || {
        let (status, code) = daemon.status();
        status["store"]["waiting"].is_object().then_some((status, code))
    });
    let said = status["store"]["waiting"]["why"].as_str().expect("it says why");
    assert!(said.contains(why), "{said}");
    assert_eq!((code, status["health"].as_str()), (1, Some("degraded")), "{status}");
    let warning = status["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("nothing can be written") && warning.contains(why), "{warning}");
}

/// Sees for a while that capture goes on without loss; returns the most memory that the daemon had.
fn watch_it_capture(daemon: &Daemon, time: Duration) -> u64 {
    let since = Instant::now();
    let (mut before, mut most) = (daemon.status().0["packets"].as_u64(), memory(daemon));
    while since.elapsed() < time {
        let more = until("further packets", Duration::from_secs(5), || {
            let (status, _) = daemon.status();
            most = most.max(memory(daemon));
            assert_eq!(status["dropped"].as_u64(), Some(0), "{status}");
            assert!(status["store"]["waiting"].is_object(), "{status}");
            Some(status["packets"].as_u64()).filter(|packets| *packets > before)
        });
        before = more;
    }
    most
}

/// Waits until the daemon has written again.
fn wait_until_it_writes(daemon: &Daemon) {
    until("the writer to go on", NEXT_TRY, || {
        let (status, _) = daemon.status();
        (status["store"]["waiting"].is_null() && status["health"] == "healthy").then_some(())
    });
}

/// Sees that the file has all frames that tcpdump saw, and that they add up.
fn assert_whole(file: &Path, witness: Witness, ended: &Ended) {
    let (path, count) = (witness.path.clone(), witness.stop());
    assert_eq!(ended.code(), 0, "{}", ended.said);
    let file = open(file);
    assert_eq!(number(&file, FRAMES).unsigned_abs(), count);
    assert_eq!(number(&file, "SELECT sum(bytes) FROM coverage_by_day").unsigned_abs(), bytes(&frames(&path)));
    assert_eq!(number(&file, "SELECT sum(dropped) FROM coverage_by_day"), 0);
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(&file, level), Vec::<Vec<String>>::new(), "{level}");
    }
    // Of each conversation too all is there, and once.
    let sent = number(&file, "SELECT sum(packets_up) FROM flow WHERE protocol = 17");
    assert_eq!(number(&file, "SELECT sum(packets_up) FROM usage_minute WHERE protocol = 17"), sent);
    assert_eq!(rows(&file, "SELECT detail FROM event WHERE kind = 'limit'"), Vec::<Vec<String>>::new());
    assert!(sent > 10_000, "{sent}");
}

/// Somebody holds the lock of the file for `time` after the daemon noticed.
fn lock_the_file(test: &str, time: Duration) {
    let Some(lab) = Lab::new(test) else { return };
    know_nobody(&lab, "a");
    let witness = lab.witness(BRIDGE, "witness.pcap", 96);
    let daemon = lab.daemon(SETTINGS);
    // Another one meets the same, and then loses its power.
    let folder = lab.folder.path().display();
    let place = format!("store.file = \"{folder}/victim.db\"\ncontrol.socket = \"{folder}/victim\"\n");
    let victim = lab.daemon(&format!("{SETTINGS}{place}"));
    lab.connect();
    let traffic = Running::start(&mut lab.traffic("a", &format!("scatter {NOBODY} {RATE}")));
    let locks = [&daemon, &victim].map(|daemon| {
        wait_for_a_write(daemon);
        let db = daemon.db();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        db
    });
    let before = memory(&daemon);
    for daemon in [&daemon, &victim] {
        wait_until_it_waits(daemon, "in use by another program");
    }
    let [lock, lock_of_victim] = locks;
    let file = victim.db.clone();
    victim.kill();
    drop(lock_of_victim);
    assert_opens(&open(&file));

    let most = watch_it_capture(&daemon, time);
    drop(lock);
    wait_until_it_writes(&daemon);
    drop(traffic);
    lab.disconnect();
    let file = daemon.db.clone();
    let ended = daemon.stop();
    assert_whole(&file, witness, &ended);
    eprintln!("{before} kB of memory before, at most {most} kB while it waited");
    assert!(most < before + GROWTH, "{before} kB before, {most} kB while it waited");
}

/// Sees that a file that was left in the middle is sound, and adds up as far as it goes.
fn assert_opens(file: &Connection) {
    assert_eq!(rows(file, "PRAGMA integrity_check"), [["ok"]]);
    assert!(number(file, "SELECT count(*) FROM flow") > 0);
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(file, level), Vec::<Vec<String>>::new(), "{level}");
    }
}

#[test]
fn a_locked_file_holds_up_the_writer_and_nothing_else() {
    // Long enough that the writer's queue is full too, and what is written later has to wait in the capture thread.
    lock_the_file("a_locked_file_holds_up_the_writer_and_nothing_else", Duration::from_secs(34));
}

#[test]
#[ignore = "two minutes; make test-live"]
fn a_file_that_is_locked_for_a_minute_holds_up_the_writer_and_nothing_else() {
    lock_the_file(
        "a_file_that_is_locked_for_a_minute_holds_up_the_writer_and_nothing_else",
        Duration::from_secs(60),
    );
}

/// Fills a disk to the last byte.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).expect("there is room");
    for piece in [1 << 16, 1 << 10, 1] {
        while file.write(&vec![0; piece]).is_ok_and(|written| written > 0) {}
    }
}

#[test]
fn a_full_disk_holds_up_the_writer_and_nothing_else() {
    let Some(lab) = Lab::new("a_full_disk_holds_up_the_writer_and_nothing_else") else { return };
    know_nobody(&lab, "a");
    let disk = lab.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let (folder, place) = (lab.folder.path().display(), disk.display());
    let witness = lab.witness(BRIDGE, "witness.pcap", 96);
    // A small disk that only the daemon sees, and who looks at the world through its eyes.
    let script = format!("mount -t tmpfs -o size=24m none '{place}' && exec \"$0\" \"$@\"");
    let config = lab.config(&format!("{SETTINGS}store.file = \"{folder}/disk/lanscribe.db\"\n"));
    let mut daemon = lab.start(&config, &["unshare", "-m", "sh", "-c", &script]);
    daemon.wait_until_ready();
    let through = |path: &Path| PathBuf::from(format!("/proc/{}/root{}", daemon.pid(), path.display()));
    lab.connect();
    let traffic = Running::start(&mut lab.traffic("a", &format!("scatter {NOBODY} {RATE}")));
    wait_for_a_write(&daemon);
    let ballast = through(&disk.join("ballast"));
    fill(&ballast);
    let before = memory(&daemon);
    wait_until_it_waits(&daemon, "full");
    let most = watch_it_capture(&daemon, Duration::from_secs(10));
    std::fs::remove_file(&ballast).unwrap();
    wait_until_it_writes(&daemon);
    drop(traffic);
    lab.disconnect();
    // The disk goes with the daemon, but for what is held open of it.
    let mut held = File::open(through(&daemon.db)).unwrap();
    let ended = daemon.stop();
    let copy = lab.folder.path().join("copy.db");
    std::io::copy(&mut held, &mut File::create(&copy).unwrap()).unwrap();
    assert_whole(&copy, witness, &ended);
    eprintln!("{before} kB of memory before, at most {most} kB while it waited");
    assert!(most < before + GROWTH, "{before} kB before, {most} kB while it waited");
}
