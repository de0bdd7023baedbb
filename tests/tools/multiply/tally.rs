//! Counts what was written, by its own simple means, so that figures of the agent can be held against it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use crate::layout::{self, Network};
use crate::source::SECOND;

/// A conversation that was silent for longer is counted as another flow when it goes on.
const IDLE: i64 = 60 * SECOND;
const MINUTE: i64 = 60 * SECOND;

/// Protocol and both ends, the lower one first, so that both directions are one.
type FiveTuple = (u8, (IpAddr, u16), (IpAddr, u16));

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    captured_bytes: u64,
    wire_bytes: u64,
    flows: u64,
    /// When each conversation was last heard.
    conversations: HashMap<FiveTuple, i64>,
    pub(crate) devices: HashSet<[u8; 6]>,
    minute: i64,
    heard_this_minute: HashSet<[u8; 6]>,
    heard_by_minute: Vec<usize>,
    first: Option<i64>,
    last: i64,
}

impl Tally {
    pub(crate) fn count(&mut self, at: i64, wire_len: u32, frame: &[u8]) {
        self.packets += 1;
        self.captured_bytes += u64::try_from(frame.len()).unwrap_or(0);
        self.wire_bytes += u64::from(wire_len);
        self.first.get_or_insert(at);
        self.last = at;
        if at / MINUTE != self.minute {
            self.minute = at / MINUTE;
            self.end_minute();
        }
        let sender: Option<&[u8; 6]> = frame.get(6..).and_then(|rest| rest.first_chunk());
        if let Some(mac) = sender.filter(|mac| mac[0] & 1 == 0 && **mac != [0; 6]) {
            self.devices.insert(*mac);
            self.heard_this_minute.insert(*mac);
        }
        if let Some(key) = five_tuple(frame) {
            let last = self.conversations.insert(key, at);
            self.flows += u64::from(last.is_none_or(|last| at - last > IDLE));
        }
    }

    /// Minutes without a packet are no minutes here.
    fn end_minute(&mut self) {
        if !self.heard_this_minute.is_empty() {
            self.heard_by_minute.push(self.heard_this_minute.len());
            self.heard_this_minute.clear();
        }
    }
}

/// Of the outermost IP header; without ports (ICMP, later fragments) they are 0.
fn five_tuple(frame: &[u8]) -> Option<FiveTuple> {
    let Network::Ip(at) = layout::network(frame) else { return None };
    let ip = layout::ip(frame, at)?;
    let (source, destination) = ip.addresses(frame)?;
    let (from, to) = ip.ports(frame).unwrap_or((0, 0));
    let (a, b) = ((source, from), (destination, to));
    Some((ip.protocol, a.min(b), a.max(b)))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_minute = self.heard_by_minute.clone();
        by_minute.sort_unstable();
        let median = by_minute.get(by_minute.len() / 2).unwrap_or(&0);
        let most = by_minute.last().unwrap_or(&0);
        writeln!(f, "packets      {}", self.packets)?;
        writeln!(f, "bytes        {} on the wire, {} captured", self.wire_bytes, self.captured_bytes)?;
        writeln!(f, "flows        {} (60 s idle)", self.flows)?;
        writeln!(f, "5-tuples     {}", self.conversations.len())?;
        writeln!(f, "devices      {} senders", self.devices.len())?;
        writeln!(f, "in a minute  {median} devices (median), {most} at most")?;
        write!(f, "duration     {} s", (self.last - self.first.unwrap_or(self.last)) / SECOND)
    }
}
