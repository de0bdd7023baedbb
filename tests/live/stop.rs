//! The second law: every frame that the kernel counted is in the file as captured or dropped, whenever the end comes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::{NOBODY, Running, bytes, frames, know_nobody};
use crate::captures::broken_windows;
use crate::support::lab::{BRIDGE, Lab, signal};
use crate::support::{number, open};

/// How long a frame may take from its stamp to the daemon's ring, in microseconds: where somebody on the machine wants
/// frames stamped, that is done as they leave the cable, and on a busy machine their way from there takes its time.
const ON_ITS_WAY: i64 = 20_000;

/// How a daemon is ended under load.
#[derive(Clone, Copy, Debug)]
struct Case {
    ring: &'static str,
    /// Milliseconds of load before the signal.
    after: u64,
    /// Milliseconds before the signal for which the daemon does not run, so that a small ring fills.
    held: u64,
}

impl Case {
    /// Every third one with a ring so small that frames are dropped.
    fn number(n: u32) -> Self {
        let after = random(1_200);
        match n % 3 {
            2 => Self { ring: "1MiB", after, held: 200 + random(300) },
            _ => Self { ring: "64MiB", after, held: 0 },
        }
    }
}

/// A number below `below`, hardly the same twice.
fn random(below: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    // The step of Knuth's generator: the low digits of a clock alone are too regular.
    let mixed = since.as_micros().wrapping_mul(6_364_136_223_846_793_005) >> 33;
    u64::try_from(mixed & 0x7fff_ffff).expect("31 bits") % below
}

/// Microseconds since 1970.
fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("long before that")
}

/// Ends a daemon under load and compares; returns how many frames it captured and how many were dropped.
fn end_under_load(lab: &Lab, n: u32, case: Case) -> (u64, u64) {
    let db = lab.folder.path().join(format!("{n}.db"));
    let capture = format!("{n}.pcap");
    // Both listen before there is anything to hear.
    let witness = lab.witness(BRIDGE, &capture, 96);
    let daemon =
        lab.daemon(&format!("capture.ring = \"{}\"\nstore.file = \"{}\"\n", case.ring, db.display()));
    lab.connect();
    let flood = Running::start(&mut lab.traffic("a", &format!("flood {NOBODY}")));
    std::thread::sleep(Duration::from_millis(case.after));
    if case.held > 0 {
        signal(&daemon.process.child, Signal::STOP);
        std::thread::sleep(Duration::from_millis(case.held));
    }
    let signalled = micros();
    signal(&daemon.process.child, Signal::TERM);
    signal(&daemon.process.child, Signal::CONT);
    let ended = daemon.wait();
    drop(flood);
    lab.disconnect();
    let (path, count) = (witness.path.clone(), witness.stop());
    let witness = frames(&path);
    assert_eq!(witness.len() as u64, count);
    assert_eq!(ended.code(), 0, "{case:?}: {}", ended.said);

    // What the daemon says of the kernel's counts is what is in the file.
    let line = ended.said.lines().last().expect("it says what it counted");
    let said: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [received, captured, dropped] = said[..] else { panic!("{line}") };
    let file = open(&db);
    let sum =
        |column: &str| number(&file, &format!("SELECT sum({column}) FROM coverage_minute")).unsigned_abs();
    assert_eq!((sum("frames"), sum("dropped")), (captured, dropped), "{case:?}: {line}");
    assert_eq!(captured + dropped, received, "{case:?}: {line}");
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(&file, level), Vec::<Vec<String>>::new(), "{level}, {case:?}");
    }

    // And that is all that was there to be heard when the end was asked for, and nothing else.
    let received = usize::try_from(received).unwrap();
    let before = witness.iter().take_while(|frame| frame.at < signalled - ON_ITS_WAY).count();
    assert!(
        before <= received && received <= witness.len(),
        "{before} {received} {}, {case:?}",
        witness.len()
    );
    if dropped == 0 {
        assert_eq!(sum("bytes"), bytes(&witness[..received]), "{case:?}");
    }
    let usage = "SELECT sum(bytes_up) FROM usage_minute";
    assert_eq!(number(&file, usage).unsigned_abs(), sum("bytes"), "{case:?}");
    std::fs::remove_file(&db).unwrap();
    std::fs::remove_file(path).unwrap();
    (captured, dropped)
}

fn end_many_under_load(test: &str, times: u32) {
    let Some(lab) = Lab::new(test) else { return };
    know_nobody(&lab, "a");
    let sums: Vec<_> = (0..times).map(|n| end_under_load(&lab, n, Case::number(n))).collect();
    eprintln!("captured and dropped: {sums:?}");
    let busy = sums.iter().filter(|(captured, _)| *captured > 5_000).count();
    let full = sums.iter().filter(|(_, dropped)| *dropped > 0).count();
    assert!(2 * busy > sums.len() && 4 * full >= sums.len(), "too little load: {sums:?}");
}

#[test]
fn every_frame_that_the_kernel_counted_is_in_the_file_after_an_end_under_load() {
    end_many_under_load("every_frame_that_the_kernel_counted_is_in_the_file_after_an_end_under_load", 9);
}

#[test]
#[ignore = "some minutes; make test-live"]
fn every_frame_that_the_kernel_counted_is_in_the_file_after_a_hundred_ends_under_load() {
    end_many_under_load(
        "every_frame_that_the_kernel_counted_is_in_the_file_after_a_hundred_ends_under_load",
        100,
    );
}
