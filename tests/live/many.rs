//! Two hundred times: the link flaps, the interface is taken away and made anew, the daemon is killed under traffic. What
//! may be lost is what was sent while nobody could hear it, and at a kill what was not written yet; nothing else, ever.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::lab::{Daemon, Lab, PATIENCE, until};
use crate::support::wire::{Burden, Wire, assert_whole, captured, most_and_median, now, taken_in};
use crate::support::{FRAMES, number, open, rows};

const SETTINGS: &str = "capture.interface = \"tap0\"\nflow.udp = \"1s\"\nstore.flush = \"10s\"\n";
/// Frames of each round that must be there.
const SURE: usize = 20;
/// A link or an interface that is there again is captured again within so many milliseconds.
const BACK: i64 = 2_000;
/// The round whose burden is held against the last one's: by then everything was used once.
const WARM: usize = 20;
/// Flaps of which down and up are told one by one.
const LISTED: usize = 20;
/// Kilobytes that memory may differ by: of the two megabytes of SQLite's cache most is filled after that round, and the
/// allocator keeps some.
const SLACK: u64 = 2_500;
/// How long the unit waits before it starts the service again.
const RESTART: Duration = Duration::from_millis(500);
/// What says so.
const UNIT: &str = include_str!("../../systemd/lanscribe.service");

/// When something was there again, and the first frame after that.
struct Return {
    at: i64,
    first: i64,
}

/// How long each return took until the first frame that was captured.
fn assert_back(db: &Connection, returns: &[Return]) {
    let captured = captured(db);
    let took = returns.iter().map(|back| {
        let first = captured.range(back.first..).next();
        let (_, at) = first.expect("something was captured after it was back");
        at - back.at
    });
    let took: Vec<_> = took.collect();
    let (most, median) = most_and_median(took.clone());
    eprintln!("back after at most {most} ms, median {median} ms");
    assert!(most < BACK, "{took:?}");
}

/// Sees that just the frames that were sent were captured, `maybe` others among them.
fn assert_all(db: &Connection, wire: &Wire<'_>) {
    let captured: BTreeSet<_> = captured(db).into_keys().collect();
    let lost: Vec<_> = wire.sent.difference(&captured).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), wire.sent.len());
    // In coverage too each is there once; no other frame was on the wire.
    assert_eq!(number(db, FRAMES).unsigned_abs(), captured.len() as u64);
    assert_eq!(number(db, "SELECT sum(dropped + interface_dropped) FROM coverage_by_day"), 0);
}

/// Sees that memory is flat and no file handle was left open: the warm round beside the last one.
fn assert_flat(burdens: &[Burden]) {
    let (warm, last) = (burdens[WARM.min(burdens.len() / 2)], burdens[burdens.len() - 1]);
    eprintln!("{} rounds: {warm:?} when warm, {last:?} at the end", burdens.len());
    let course: Vec<u64> = burdens.iter().step_by(20).map(|burden| burden.memory).collect();
    eprintln!("memory in kB at each 20th round: {course:?}");
    assert_eq!(warm.files, last.files, "{burdens:?}");
    assert!(last.memory <= warm.memory + SLACK, "{warm:?} {last:?}");
}

/// The burden once the open files are as many as they were, or for a while the same: somebody may just be asking, or the
/// file not yet be open.
fn settled(daemon: &Daemon, files: Option<usize>) -> Burden {
    let since = Instant::now();
    let (mut burden, mut same_since) = (Burden::of(daemon), since);
    loop {
        let known = files.map_or(same_since.elapsed() > Duration::from_millis(500), |n| burden.files == n);
        if known || since.elapsed() > Duration::from_secs(3) {
            return burden;
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = Burden::of(daemon);
        if now.files != burden.files {
            same_since = Instant::now();
        }
        burden = now;
    }
}

fn flap(test: &str, rounds: usize) {
    let Some(lab) = Lab::new(test) else { return };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(SETTINGS);
    let (mut returns, mut burdens): (Vec<Return>, Vec<Burden>) = (Vec::new(), Vec::new());
    let files = settled(&daemon, None).files;
    wire.send(SURE);
    for round in 0..rounds {
        let near = round % 2 == 0;
        wire.down(near);
        assert_eq!(wire.send(1), 0, "there is no link");
        // As long as it is told one by one, it is waited for; then it may be shorter than anybody can notice.
        let heard = |words: &str| {
            until(words, PATIENCE, || (daemon.process.said().matches(words).count() > round).then_some(()));
        };
        if round < LISTED {
            heard("tap0 is down");
        } else {
            std::thread::sleep(Duration::from_millis(7 * (round as u64 % 40)));
        }
        wire.up(near);
        let (at, before) = (now(), wire.sent.last().copied().unwrap_or(0));
        let mut sent = 0;
        until("the sender's link", PATIENCE, || {
            sent += wire.send(SURE);
            (sent >= SURE).then_some(())
        });
        returns.push(Return { at, first: before + 1 });
        if round < LISTED {
            heard("tap0 is up again");
        }
        burdens.push(settled(&daemon, Some(files)));
    }
    let (status, code) = daemon.status();
    assert_eq!(code, 0, "{status}");
    let path = daemon.db.clone();
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    let db = open(&path);
    assert_whole(&db);
    assert_all(&db, &wire);
    assert_back(&db, &returns);
    assert_flat(&burdens);
    // Neither the file nor the log is filled; what is left out is counted.
    let details = rows(&db, "SELECT detail FROM event WHERE kind = 'link' ORDER BY id").concat();
    assert_eq!(details.len(), (2 * rounds).min(2 * LISTED + 1), "{details:?}");
    if rounds > LISTED {
        assert!(details[2 * LISTED].contains("more times, too often to list"), "{details:?}");
    }
    let lines = ended.said.lines().filter(|line| line.contains("tap0 is ") || line.contains("tap0 changed "));
    assert_eq!(lines.count(), details.len(), "{}", ended.said);
}

#[test]
fn a_link_that_flaps_loses_nothing_and_leaves_nothing() {
    flap("a_link_that_flaps_loses_nothing_and_leaves_nothing", 6);
}

#[test]
#[ignore = "three minutes; make test-live"]
fn a_link_that_flaps_two_hundred_times_loses_nothing_and_leaves_nothing() {
    flap("a_link_that_flaps_two_hundred_times_loses_nothing_and_leaves_nothing", 200);
}

/// Starts a daemon as the unit does.
fn start(lab: &Lab, settings: &str) -> Daemon {
    lab.start(&lab.config(settings), &[])
}

fn captures(daemon: &Daemon) -> bool {
    daemon.process.said().contains("capturing on tap0")
}

fn take_away(test: &str, rounds: usize) {
    assert!(
        UNIT.contains(&format!("RestartSec={}ms", RESTART.as_millis())),
        "it is started as the unit does it"
    );
    let Some(lab) = Lab::new(test) else { return };
    let mut wire = Wire::lay(&lab);
    let (mut returns, mut burdens): (Vec<Return>, Vec<Burden>) = (Vec::new(), Vec::new());
    let mut daemon = start(&lab, SETTINGS);
    until("it to capture", PATIENCE, || captures(&daemon).then_some(()));
    for round in 0..rounds {
        wire.send(SURE);
        burdens.push(settled(&daemon, burdens.first().map(|burden| burden.files)));
        // The last ones are in a block that the kernel has not handed over.
        wire.send(SURE);
        wire.take_away();
        // It comes back while the daemon still writes, while nobody runs, or when the next one waits for it.
        let pause = Duration::from_millis([0, 60, 150, 700][round % 4]);
        let taken = Instant::now();
        let mut back: Option<(i64, Option<i64>)> = None;
        let mut ended: Option<Instant> = None;
        until("the daemon to capture again", PATIENCE, || {
            if back.is_none() && taken.elapsed() >= pause {
                wire.lay_again();
                back = Some((now(), None));
            }
            match ended {
                None if daemon.process.child.try_wait().expect("it is a child").is_some() => {
                    ended = Some(Instant::now());
                }
                Some(at) if at.elapsed() >= RESTART => {
                    let old = std::mem::replace(&mut daemon, start(&lab, SETTINGS));
                    let old = old.wait();
                    assert_eq!(old.code(), 75, "{}", old.said);
                    assert!(old.said.contains("tap0: the interface disappeared"), "{}", old.said);
                    ended = Some(Instant::now() + 2 * PATIENCE);
                }
                _ => {}
            }
            if let Some((_, first)) = &mut back {
                *first = first.or(wire.probe(1).first().copied());
            }
            (back.is_some() && ended.is_some_and(|at| at > Instant::now()) && captures(&daemon)).then_some(())
        });
        let (at, first) = back.expect("it was laid again");
        returns.push(Return { at, first: first.expect("the link is up") });
    }
    wire.send(SURE);
    let path = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let db = open(&path);
    assert_whole(&db);
    assert_all(&db, &wire);
    assert_back(&db, &returns);
    assert_flat(&burdens);
    let gone = number(&db, "SELECT count(*) FROM event WHERE kind = 'link' AND detail = 'tap0 is gone'");
    assert_eq!(gone.unsigned_abs(), rounds as u64);
}

#[test]
fn an_interface_that_is_taken_away_and_made_anew_is_captured_again() {
    take_away("an_interface_that_is_taken_away_and_made_anew_is_captured_again", 6);
}

#[test]
#[ignore = "five minutes; make test-live"]
fn an_interface_that_is_taken_away_two_hundred_times_is_captured_again() {
    take_away("an_interface_that_is_taken_away_two_hundred_times_is_captured_again", 200);
}

/// Conversations that may be open in a daemon that is to be killed.
const ROOM: usize = 64;

/// Kills daemons under traffic. What was said to be written is there, whatever the moment.
fn kill(test: &str, rounds: usize) {
    let Some(lab) = Lab::new(test) else { return };
    let mut wire = Wire::lay(&lab);
    let (mut returns, mut burdens): (Vec<Return>, Vec<Burden>) = (Vec::new(), Vec::new());
    let (mut marks, mut sure): (Vec<String>, BTreeSet<i64>) = (Vec::new(), BTreeSet::new());
    let (mut killed_minutes, mut before) = (0, 0);
    // With so little room conversations are over soon.
    let settings = format!("{SETTINGS}limits.flows = {ROOM}\n");
    for round in 0..rounds {
        let started = now();
        let daemon = start(&lab, &settings);
        let first = wire.sent.last().map_or(0, |last| last + 1);
        let mut probes = Vec::new();
        until("it to capture", PATIENCE, || {
            probes.extend(wire.probe(1));
            captures(&daemon).then_some(())
        });
        // From here on every frame is heard.
        wire.send(SURE);
        let heard: BTreeSet<_> = wire.sent.range(first..).copied().collect();
        returns.push(Return { at: started, first: probes.first().copied().unwrap_or(first) });
        // Other conversations take the place of these, which are over then; and so is a minute whose end is near.
        let (since, mut left) = (Instant::now(), Duration::from_millis(500 + 37 * (round as u64 % 11)));
        let to_end = 60_000 - now() % 60_000;
        if to_end < 5_000 {
            left = left.max(Duration::from_millis(to_end.unsigned_abs() + 3_000));
        }
        let needed = probes.len() + SURE + 2 * ROOM;
        while since.elapsed() < left || taken_in(&daemon) < needed {
            assert!(since.elapsed() < PATIENCE, "it hears {} of {needed}", taken_in(&daemon));
            wire.probe(10);
            std::thread::sleep(Duration::from_millis(20));
        }
        burdens.push(settled(&daemon, burdens.first().map(|burden| burden.files)));
        if round % 3 == 2 {
            // In the middle of a write.
            let mut flush = daemon.command(&["flush"]);
            let mut asked =
                flush.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
            std::thread::sleep(Duration::from_millis(round as u64 * 7 % 60));
            before = number(&open(&daemon.db), FRAMES);
            daemon.kill();
            let _ = asked.wait();
        } else {
            let flushed = daemon.command(&["flush"]).output().expect("the program runs");
            assert!(flushed.status.success(), "{}", String::from_utf8_lossy(&flushed.stderr));
            sure.extend(heard);
            let mark = format!("round {round}");
            let marked = daemon.command(&["mark", &mark]).output().expect("the program runs");
            assert!(marked.status.success(), "{}", String::from_utf8_lossy(&marked.stderr));
            marks.push(mark);
            wire.probe(20);
            let minutes = number(&open(&daemon.db), "SELECT count(*) FROM coverage_minute");
            killed_minutes = killed_minutes.max(minutes);
            before = number(&open(&daemon.db), FRAMES);
            daemon.kill();
        }
        // As whoever looks finds it.
        let db = open(&lab.folder.path().join("lanscribe.db"));
        assert_whole(&db);
        let after = number(&db, FRAMES);
        assert!(after >= before, "{before} frames were there, and {after} are");
        before = after;
    }
    let daemon = start(&lab, &settings);
    until("it to capture", PATIENCE, || captures(&daemon).then_some(()));
    let path = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let db = open(&path);
    assert_whole(&db);
    assert!(number(&db, FRAMES) >= before);
    let captured: BTreeSet<_> = captured(&db).into_keys().collect();
    let lost: Vec<_> = sure.difference(&captured).collect();
    assert!(lost.is_empty(), "{} of {} that were written are lost: {lost:?}", lost.len(), sure.len());
    assert_eq!(rows(&db, "SELECT text FROM mark ORDER BY id").concat(), marks);
    eprintln!("{killed_minutes} minutes and {} frames were written before a kill", captured.len());
    assert!(killed_minutes > 1 || rounds < 100, "no minute was written before a kill");
    // Only what was written before a kill can be found.
    let found: Vec<_> =
        returns.into_iter().enumerate().filter(|(n, _)| n % 3 != 2).map(|(_, back)| back).collect();
    assert_back(&db, &found);
    assert_flat(&burdens);
}

#[test]
fn a_daemon_that_is_killed_under_traffic_leaves_what_it_wrote() {
    kill("a_daemon_that_is_killed_under_traffic_leaves_what_it_wrote", 4);
}

#[test]
#[ignore = "six minutes; make test-live"]
fn a_daemon_that_is_killed_two_hundred_times_under_traffic_leaves_what_it_wrote() {
    kill("a_daemon_that_is_killed_two_hundred_times_under_traffic_leaves_what_it_wrote", 200);
}
