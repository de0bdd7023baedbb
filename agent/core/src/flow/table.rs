//! The flow table: bounded, looked up once a packet. A time-out is decided by packet time when a flow is looked
//! at, so it does not matter when the table is swept.

use std::cmp::Reverse;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::key::{Key, Kind};
use super::naming::{Naming, Reads};
use super::record::{EndReason, FlowRecord};
use super::{Delta, End, Flow, Part, Seen, Timeouts, tcp::Handshake};
use crate::addr::MacAddr;
use crate::class::Class;
use crate::packet::Tcp;
use crate::rollup::Rollup;
use crate::service::{self, Serves};
use crate::time::{Span, Timestamp};

/// Records that may wait to be taken when `flows` may be open: what ends all at once must fit, and a conversation
/// within the LAN has two. More are counted and dropped, for they are detail, not account.
pub(crate) fn records_limit(flows: usize) -> usize {
    flows.saturating_mul(4).max(65_536)
}

/// Flows that may differ in nothing but the MAC addresses of their stations.
const ALIKE: usize = 16;

/// Where the bytes and the records of flows go.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) rollup: Rollup,
    pub(crate) records: Vec<FlowRecord>,
    pub(crate) records_limit: usize,
    /// Records that were dropped because nobody took them.
    pub(crate) records_dropped: u64,
    /// Flows that are over while bytes of theirs were kept.
    pub(crate) ended: Vec<u64>,
}

impl Books {
    /// Moves what the flow counted in its window into the rows of that window.
    pub(crate) fn settle(&mut self, flow: &mut Flow) {
        let delta = std::mem::take(&mut flow.delta);
        if !(delta.counts[0].is_zero() && delta.counts[1].is_zero()) {
            self.rollup.account(flow, &delta);
        }
    }

    fn report(&mut self, flow: &mut Flow, due: Timestamp, reason: EndReason) {
        let before = self.records.len();
        flow.report(due, reason, &mut self.records);
        if self.records.len() > self.records_limit {
            self.records_dropped += (self.records.len() - before) as u64;
            self.records.truncate(before);
        }
    }
}

/// What a packet says of the conversation that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) key: Key,
    /// Direction in the key: 0 if the packet's source stands first there.
    pub(crate) way: usize,
    pub(crate) src: Option<MacAddr>,
    pub(crate) dst: Option<MacAddr>,
    pub(crate) tcp: Option<Tcp>,
}

/// What is decided at a flow's first packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) class: Class,
    pub(crate) ends: [End; 2],
    pub(crate) vlan: Option<u16>,
}

/// The flow of a packet, the packet counted in it.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) flow: &'a mut Flow,
    /// Which way the packet went: 0 as the first one did.
    pub(crate) way: usize,
    /// It is the first one.
    pub(crate) begun: bool,
}

/// All open flows.
#[derive(Debug)]
pub(crate) struct FlowTable {
    /// Positions in `flows`.
    index: HashTable<u32>,
    flows: Vec<Flow>,
    hasher: RandomState,
    limit: usize,
    timeouts: Timeouts,
    next_id: u64,
    /// Flows that were ended to make room.
    pub(crate) evicted: u64,
}

impl FlowTable {
    pub(crate) fn new(limit: usize, timeouts: Timeouts) -> Self {
        Self {
            index: HashTable::new(),
            flows: Vec::new(),
            hasher: RandomState::default(),
            limit: limit.max(1),
            timeouts,
            next_id: 0,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// All open flows, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter()
    }

    /// Counts a packet in its flow, which `open` describes if it is the first one.
    pub(crate) fn observe(
        &mut self,
        probe: &Probe,
        seen: &Seen,
        books: &mut Books,
        open: impl FnOnce() -> Opening,
    ) -> Observed<'_> {
        let hash = probe.key.hash_with(&self.hasher, probe.src);
        let found = loop {
            let Some(at) = self.find(hash, probe) else { break None };
            let flow = &mut self.flows[at as usize];
            if run_timers(flow, seen.now, &self.timeouts, books) {
                self.remove(at, books);
                continue;
            }
            if !probe.tcp.is_some_and(|tcp| flow.handshake.is_reused_by(tcp)) {
                break Some(at);
            }
            books.report(flow, seen.at, EndReason::Ended);
            self.remove(at, books);
            break None;
        };
        let begun = found.is_none();
        let at = if let Some(at) = found {
            at
        } else {
            if self.flows.len() >= self.limit {
                self.make_room(seen.now, books);
            }
            let opening = open();
            self.insert(hash, probe, seen, opening)
        };
        let flow = &mut self.flows[at as usize];
        if flow.delta.window != seen.window {
            books.settle(flow);
            flow.delta.window = seen.window;
        }
        let way = usize::from(probe.way != flow.first_way);
        flow.add(way, seen);
        Observed { flow, way, begun }
    }

    /// The flow of a packet. Several fit where a router's leg of a conversation is seen beside a station's: then
    /// the one that names most of the packet's stations, else the oldest, whatever the order in the table.
    ///
    /// No more than [`ALIKE`] flows differ in nothing but their stations: each packet looks at all of them, and MAC
    /// addresses cost an attacker nothing. A further station's packets count on the oldest.
    fn find(&self, hash: u64, probe: &Probe) -> Option<u32> {
        let (mut alike, mut oldest, mut best) = (0, None, None);
        for &at in self.index.iter_hash(hash) {
            let flow = &self.flows[at as usize];
            if flow.hash == hash {
                alike += 1;
                oldest = oldest.max(Some((Reverse(flow.id), at)));
                best = best.max(agreement(flow, probe).map(|agreement| (agreement, Reverse(flow.id), at)));
            }
        }
        let shared = oldest.filter(|_| alike >= ALIKE).map(|(_, at)| at);
        best.map(|(.., at)| at).or(shared)
    }

    fn insert(&mut self, hash: u64, probe: &Probe, seen: &Seen, opening: Opening) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let (port, opener) = service_port(probe, &opening.ends);
        let at = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
        self.flows.push(Flow {
            id,
            key: probe.key,
            first_way: probe.way,
            hash,
            class: opening.class,
            ends: opening.ends,
            port,
            opener,
            vlan: opening.vlan,
            last: seen.at,
            part: Part::default(),
            parts: 0,
            spoke: [false; 2],
            handshake: Handshake::default(),
            naming: Naming::new(probe, &opening),
            delta: Delta { window: seen.window, counts: Default::default(), started: 1 },
        });
        let Self { index, flows, .. } = self;
        index.insert_unique(hash, at, |&other| flows[other as usize].hash);
        at
    }

    /// Takes a flow out; its last part must have been reported.
    fn remove(&mut self, at: u32, books: &mut Books) {
        let flow = &mut self.flows[at as usize];
        books.settle(flow);
        if flow.naming.reads == Reads::HelloKept {
            books.ended.push(flow.id);
        }
        let hash = self.flows[at as usize].hash;
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        self.flows.swap_remove(at as usize);
        // The last flow moved into the gap.
        if let Some(moved) = self.flows.get(at as usize) {
            let was = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
            if let Some(slot) = self.index.find_mut(moved.hash, |&other| other == was) {
                *slot = at;
            }
        }
    }

    /// Takes out every flow of which `over` says so; it has reported what there was to report.
    fn remove_where(&mut self, books: &mut Books, mut over: impl FnMut(&mut Flow, &mut Books) -> bool) {
        let mut at = 0;
        while let Some(flow) = self.flows.get_mut(at as usize) {
            if over(flow, books) {
                self.remove(at, books);
            } else {
                at += 1;
            }
        }
    }

    /// Runs every timer that is due at `now`.
    pub(crate) fn expire(&mut self, now: Timestamp, books: &mut Books) {
        let timeouts = self.timeouts;
        self.remove_where(books, |flow, books| run_timers(flow, now, &timeouts, books));
    }

    /// Moves what all flows counted in the window that starts at `window`, or before it, into its rows.
    pub(crate) fn settle_until(&mut self, window: Timestamp, books: &mut Books) {
        for flow in self.flows.iter_mut().filter(|f| f.delta.window <= window) {
            books.settle(flow);
        }
    }

    /// Time went back from `now`: ends what was over by then, and what reaches beyond `limit`, which lies in the
    /// future again; the rest is settled. One walk, for a capture may be made to step at every packet.
    pub(crate) fn step_back(&mut self, now: Timestamp, limit: Timestamp, books: &mut Books) {
        let timeouts = self.timeouts;
        self.remove_where(books, |flow, books| {
            if run_timers(flow, now, &timeouts, books) {
                return true;
            }
            let reaches_beyond = flow.last > limit;
            if reaches_beyond {
                books.report(flow, flow.last, EndReason::Forced);
            } else {
                books.settle(flow);
            }
            reaches_beyond
        });
    }

    /// The clock was set by `by`: what is open goes on in the new time.
    pub(crate) fn shift(&mut self, by: Span) {
        for flow in &mut self.flows {
            flow.shift(by);
        }
    }

    /// Ends every flow that `which` picks.
    pub(crate) fn end(&mut self, reason: EndReason, books: &mut Books, which: impl Fn(&Flow) -> bool) {
        self.remove_where(books, |flow, books| {
            let picked = which(flow);
            if picked {
                books.report(flow, flow.last, reason);
            }
            picked
        });
    }

    /// Ends what is over, then an eighth of the table in one pass: flows of one packet first, since only those
    /// come in floods, then the ones silent longest.
    fn make_room(&mut self, now: Timestamp, books: &mut Books) {
        self.expire(now, books);
        let keep = self.limit - (self.limit / 8).max(1);
        let Some(excess) = self.flows.len().checked_sub(keep).filter(|&n| n > 0) else { return };
        let worth = |f: &Flow| {
            (f.part.counters[0].packets + f.part.counters[1].packets > 1 || f.parts > 0, f.last, f.id)
        };
        let mut order: Vec<_> = self.flows.iter().map(worth).collect();
        let (_, &mut last_to_go, _) = order.select_nth_unstable(excess - 1);
        self.evicted += excess as u64;
        self.end(EndReason::NoRoom, books, |f| worth(f) <= last_to_go);
    }
}

/// Reports what is due at `now`. Returns whether the flow is over.
fn run_timers(flow: &mut Flow, now: Timestamp, timeouts: &Timeouts, books: &mut Books) -> bool {
    let idle_due = flow.last + flow.idle(timeouts);
    if let Some(first) = flow.part.first {
        let active_due = first + timeouts.active;
        if active_due < idle_due && active_due <= now {
            books.report(flow, active_due, EndReason::Active);
        }
    }
    if idle_due > now {
        return false;
    }
    let reason = if flow.handshake.is_over() { EndReason::Ended } else { EndReason::Idle };
    books.report(flow, idle_due, reason);
    true
}

/// How many of the packet's MAC addresses are those that the flow must have; `None` if it is not of this flow.
fn agreement(flow: &Flow, probe: &Probe) -> Option<u8> {
    if flow.key != probe.key {
        return None;
    }
    if flow.key.kind != Kind::Pair {
        // The sender is part of the conversation, be it that it has no address: hashes alone may be alike.
        return (flow.ends[0].mac == probe.src).then_some(0);
    }
    let way = usize::from(probe.way != flow.first_way);
    let agrees = |end: &End, mac: Option<MacAddr>| match (end.mac, mac) {
        (Some(must), Some(is)) => (must == is).then_some(1),
        _ => Some(0),
    };
    Some(agrees(&flow.ends[way], probe.src)? + agrees(&flow.ends[1 - way], probe.dst)?)
}

/// The service port, and which end opened the conversation, by its first packet.
fn service_port(probe: &Probe, ends: &[End; 2]) -> (u16, Option<usize>) {
    // A TCP connection whose opening was not seen may have been opened long ago, by anybody.
    let known = |end| (probe.key.protocol != 6).then_some(end);
    let (Some(from), Some(to)) = (ends[0].port, ends[1].port) else { return (0, known(0)) };
    if let Some(tcp) = probe.tcp {
        if tcp.opens() {
            return (to, Some(0));
        }
        if tcp.accepts() {
            return (from, Some(1));
        }
    }
    let protocol = u8::try_from(probe.key.protocol).unwrap_or(0);
    match service::serves(protocol, from, to) {
        Serves::Receiver => (to, known(0)),
        Serves::Sender => (from, known(1)),
        Serves::Neither => (0, known(0)),
    }
}
