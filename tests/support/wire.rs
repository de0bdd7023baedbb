//! A cable of its own from host `a` to where the daemon listens, on which there is nothing but numbered frames: so it is
//! known of each whether it was captured.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use serde_json::Value;

use super::lab::{Daemon, Lab, mac};
use super::{number, rows};
use crate::captures::broken_windows;

/// The end where the daemon listens.
pub(crate) const TAP: &str = "tap0";
/// The end on host `a`.
const FAR: &str = "wire";
/// Bytes of a frame, if nothing else is said.
const SIZE: usize = 200;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("long before that")
}

/// The cable, and who sends on it.
pub(crate) struct Wire<'l> {
    lab: &'l Lab,
    sender: Child,
    answers: BufReader<ChildStdout>,
    /// The numbers of the frames that were sent while there was a link.
    pub(crate) sent: BTreeSet<i64>,
}

impl<'l> Wire<'l> {
    /// Lays the cable.
    pub(crate) fn lay(lab: &'l Lab) -> Self {
        lab.sysctl("a", "net.ipv6.conf.default.disable_ipv6=1");
        add(lab);
        let mut command = lab.traffic("a", &format!("number {FAR}"));
        let mut sender =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut answers = BufReader::new(sender.stdout.take().expect("it is piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("it says that it is ready");
        assert_eq!(line.trim(), "ready");
        Self { lab, sender, answers, sent: BTreeSet::new() }
    }

    /// Lays it anew after it was taken away.
    pub(crate) fn lay_again(&self) {
        add(self.lab);
    }

    /// Takes the interface away.
    pub(crate) fn take_away(&self) {
        self.lab.ip("tap", &format!("link del {TAP}"));
    }

    /// Does something to an end: `up`, `down`, `mtu 9000`.
    pub(crate) fn set(&self, near: bool, what: &str) {
        let (place, end) = if near { ("tap", TAP) } else { ("a", FAR) };
        self.lab.ip(place, &format!("link set {end} {what}"));
    }

    /// Pulls the cable, or switches the interface off.
    pub(crate) fn down(&self, near: bool) {
        self.set(near, "down");
    }

    /// Undoes that. When it comes back both ends take frames.
    pub(crate) fn up(&self, near: bool) {
        self.set(near, "up");
    }

    /// Sends frames, and returns how many were taken.
    pub(crate) fn send(&mut self, count: usize) -> usize {
        self.ask(count, SIZE).len()
    }

    /// Sends one frame of this many bytes, which must be taken.
    pub(crate) fn send_long(&mut self, size: usize) {
        let taken = self.ask(1, size);
        assert_eq!(taken.len(), 1, "a frame of {size} bytes is taken");
    }

    /// Sends frames that may be missed. Returns the numbers of those that were taken.
    pub(crate) fn probe(&mut self, count: usize) -> Vec<i64> {
        self.exchange(count, SIZE)
    }

    fn ask(&mut self, count: usize, size: usize) -> Vec<i64> {
        let taken = self.exchange(count, size);
        self.sent.extend(&taken);
        taken
    }

    fn exchange(&mut self, count: usize, size: usize) -> Vec<i64> {
        writeln!(self.sender.stdin.as_ref().expect("it is piped"), "{count} {size}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.split_whitespace().map(|n| n.parse().expect("a number")).collect()
    }
}

impl Drop for Wire<'_> {
    fn drop(&mut self) {
        drop(self.sender.stdin.take());
        let _ = self.sender.wait();
    }
}

fn add(lab: &Lab) {
    let far = lab.namespace("a");
    lab.ip("tap", &format!("link add {TAP} type veth peer name {FAR} netns {far}"));
    lab.ip("a", &format!("link set {FAR} up"));
    lab.ip("tap", &format!("link set {TAP} up"));
}

/// The numbers of the frames that are in the file, and when each was captured, in milliseconds since 1970. None is there
/// twice.
pub(crate) fn captured(db: &Connection) -> BTreeMap<i64, i64> {
    let sql = "SELECT (remote_port - 20000) * 60000 + local_port - 1024, start, packets_up FROM flow
               WHERE remote_address = '203.0.113.9'";
    let mut times = BTreeMap::new();
    for row in rows(db, sql) {
        let [number, at, packets] = &row[..] else { unreachable!("three columns") };
        assert_eq!(packets, "1", "frame {number}");
        let twice = times.insert(number.parse().unwrap(), at.parse().unwrap());
        assert_eq!(twice, None, "frame {number} is there twice");
    }
    times
}

/// How many frames a daemon has taken in by now from who sends on the wire.
pub(crate) fn taken_in(daemon: &Daemon) -> usize {
    let mut stream = UnixStream::connect(&daemon.socket).expect("it listens");
    stream.write_all(b"{\"request\":\"traffic\"}\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let answer: Value = serde_json::from_str(&answer).expect("it answers in JSON");
    let devices = answer["ok"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let frames = devices.iter().find(|device| device["mac"] == mac(10)).map(|device| &device["frames_sent"]);
    frames.and_then(Value::as_u64).map_or(0, |frames| usize::try_from(frames).expect("not that many"))
}

/// Sees that a file is sound, that each window of each level adds up, and that no flow has the number of another.
pub(crate) fn assert_whole(db: &Connection) {
    assert_eq!(rows(db, "PRAGMA integrity_check"), [["ok"]]);
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(db, level), Vec::<Vec<String>>::new(), "{level}");
    }
    let twice = "SELECT id FROM flow GROUP BY id, part, side HAVING count(*) > 1";
    assert_eq!(rows(db, twice), Vec::<Vec<String>>::new());
    let next =
        "SELECT (SELECT value FROM meta WHERE key = 'next_flow') > (SELECT coalesce(max(id), -1) FROM flow)";
    assert_eq!(number(db, next), 1);
}

/// What a process has: kilobytes of memory, and open files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burden {
    pub(crate) memory: u64,
    pub(crate) files: usize,
}

impl Burden {
    /// Of a daemon that nobody asks anything just now.
    pub(crate) fn of(daemon: &Daemon) -> Self {
        let process = format!("/proc/{}", daemon.pid());
        let status = std::fs::read_to_string(format!("{process}/status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        let memory = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
        let files = std::fs::read_dir(format!("{process}/fd")).expect("it runs").count();
        Self { memory, files }
    }
}

/// The longest and the middle one of some times.
pub(crate) fn most_and_median(mut times: Vec<i64>) -> (i64, i64) {
    times.sort_unstable();
    (times.last().copied().unwrap_or(0), times.get(times.len() / 2).copied().unwrap_or(0))
}

/// Voluntary context switches of all threads of a process: how often it was woken.
pub(crate) fn wake_ups(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of = |task: std::fs::DirEntry| -> Option<u64> {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    tasks.flatten().filter_map(of).sum()
}

/// Processor time of all threads of a process.
pub(crate) fn cpu(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let of = |task: std::fs::DirEntry| -> Option<u64> {
        std::fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(of).sum())
}
