//! The daemon on a live interface, held against a tcpdump that listens beside it.

mod link;
mod many;
mod replay;
mod stall;
mod stop;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::lab::Lab;

/// Nobody has this address: what is sent there is not answered.
const NOBODY: &str = "192.168.77.99";

/// A frame that tcpdump saw.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Microseconds since 1970.
    at: i64,
    /// Its length on the wire.
    length: u64,
    /// Where its record ends in the file.
    end: usize,
}

/// The frames of a pcap file of this machine's byte order, up to a record that is not yet whole.
fn frames(path: &Path) -> Vec<Seen> {
    let file = std::fs::read(path).expect("tcpdump wrote it");
    let word = |at: usize| Some(u32::from_ne_bytes(file.get(at..at + 4)?.try_into().ok()?));
    assert_eq!(word(0), Some(0xa1b2_c3d4), "a pcap file with microseconds");
    let (mut seen, mut at) = (Vec::new(), 24);
    while let [Some(seconds), Some(micros), Some(captured), Some(length)] =
        [0, 4, 8, 12].map(|n| word(at + n))
    {
        at += 16 + captured as usize;
        if at > file.len() {
            break;
        }
        seen.push(Seen {
            at: i64::from(seconds) * 1_000_000 + i64::from(micros),
            length: length.into(),
            end: at,
        });
    }
    seen
}

/// How many bytes these frames had on the wire.
fn bytes(frames: &[Seen]) -> u64 {
    frames.iter().map(|frame| frame.length).sum()
}

/// A run of traffic.py that goes on until it is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, and waits until it says that it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Lets a host send to nobody without asking for its MAC address.
fn know_nobody(lab: &Lab, host: &str) {
    lab.ip(host, &format!("neigh add {NOBODY} lladdr 52:54:00:77:00:63 dev eth0 nud permanent"));
}
