//! Usage by minute: what each device sent and received, to and from whom, in rows that are bounded in number.
//!
//! Every captured frame is in exactly one window and one class, and its bytes stand on one row, or on two for a
//! conversation within the LAN. Folding into `other` changes names on a row, never sums.

mod fold;

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

pub use crate::class::{Class, Endpoint};
use crate::device::{Count, DeviceId};
use crate::flow::{Delta, Flow};
use crate::gap::Gaps;
use crate::packet::Trouble;
use crate::time::{MINUTE, Span, Timestamp};

/// What rows are told apart by, within a window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Whose row it is.
    pub device: DeviceId,
    /// The other side.
    pub endpoint: Endpoint,
    /// IP protocol (0 to 255), 256 + DSAP, or EtherType.
    pub protocol: u16,
    /// Service port, 0 if none.
    pub port: u16,
    /// Class.
    pub class: Class,
}

/// The sums of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sent by the device.
    pub up: Count,
    /// Received by the device.
    pub down: Count,
    /// Flows that started in the window.
    pub flows: u64,
}

impl Usage {
    /// Adds another row's sums.
    pub fn merge(&mut self, other: &Self) {
        self.up.merge(other.up);
        self.down.merge(other.down);
        self.flows += other.flows;
    }

    /// The frames that this row accounts for: those that a conversation within the LAN brought down are already
    /// on its sender's row.
    #[must_use]
    pub fn accounted(&self, class: Class) -> Count {
        let mut count = self.up;
        if class == Class::Remote {
            count.merge(self.down);
        }
        count
    }
}

/// What was seen in a window, decoded or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Time for which the agent watched, and there was something to watch.
    pub observed: Span,
    /// All frames that were captured.
    pub captured: Count,
    /// Frames that the ring had no room for. What drops is counted where it is noticed: in the newest open window.
    pub dropped: u64,
    /// Frames that the interface lost before.
    pub interface_dropped: u64,
    /// Of the captured ones, those without a readable link header: on no row.
    pub undecodable: Count,
    /// Of the captured ones, those whose device, endpoint or port was folded.
    pub folded: Count,
    /// Frames by what was wrong with them, those of class `link` too; in the order of [`Trouble::ALL`].
    pub troubles: Vec<Count>,
}

impl Coverage {
    /// Whether nothing was captured and nothing was lost.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.captured.is_zero() && self.dropped == 0 && self.interface_dropped == 0
    }

    /// Adds another piece of the same minute. Pieces may overlap, but none was watched for longer than it lasts.
    fn merge(&mut self, piece: &Self) {
        self.observed = Span(self.observed.0.saturating_add(piece.observed.0)).min(MINUTE);
        self.captured.merge(piece.captured);
        self.dropped += piece.dropped;
        self.interface_dropped += piece.interface_dropped;
        self.undecodable.merge(piece.undecodable);
        self.folded.merge(piece.folded);
        self.troubles.resize(self.troubles.len().max(piece.troubles.len()), Count::default());
        for (sum, more) in self.troubles.iter_mut().zip(&piece.troubles) {
            sum.merge(*more);
        }
    }
}

/// A closed minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Its start.
    pub window: Timestamp,
    /// What was seen.
    pub coverage: Coverage,
    /// Its rows, in order.
    pub rows: Vec<(RowKey, Usage)>,
}

/// How much of their names the rows of a minute lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// A row for each class and protocol.
    ToNobody,
    /// A row for each class.
    ToClass,
}

impl Minute {
    /// Makes all rows nobody's. Returns the frames that lost a name by it.
    pub(crate) fn fold(&mut self, depth: Fold) -> u64 {
        let to = match depth {
            Fold::ToNobody => fold::to_nobody,
            Fold::ToClass => fold::to_class,
        };
        let folded = fold::all(&mut self.rows, to);
        self.coverage.folded.merge(folded);
        folded.frames
    }

    /// Adds another piece of the same minute.
    pub(crate) fn merge(&mut self, piece: Self) {
        self.coverage.merge(&piece.coverage);
        fold::add(&mut self.rows, piece.rows);
    }
}

/// How many rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// Endpoints of one device in one minute; the smallest beyond that become `other`.
    pub endpoints: usize,
    /// Rows of one minute in all; the smallest beyond that go to nobody in particular.
    pub rows: usize,
}

impl Default for RowLimits {
    fn default() -> Self {
        Self { endpoints: 64, rows: 8192 }
    }
}

/// Frames that were not captured.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
    ring: u64,
    interface: u64,
}

#[derive(Debug)]
struct Window {
    start: Timestamp,
    observed_from: Timestamp,
    observed_until: Timestamp,
    captured: Count,
    drops: Drops,
    undecodable: Count,
    folded: Count,
    troubles: Vec<Count>,
    rows: HashMap<RowKey, Usage, RandomState>,
}

/// Closed minutes whose rows are remembered: when the clock goes back, a minute comes in pieces.
const REMEMBERED: usize = 4;

/// The minutes that are still open: the current one, and the one before it in its first second.
#[derive(Debug)]
pub struct Rollup {
    windows: Vec<Window>,
    limits: RowLimits,
    /// What was dropped while no window was open.
    drops: Drops,
    /// When nothing was to be watched.
    gaps: Gaps,
    /// The latest minutes that were closed, and the rows that they have.
    closed: VecDeque<(Timestamp, HashSet<RowKey, RandomState>)>,
    /// Frames whose row was folded because of a limit.
    pub folded: u64,
}

impl Rollup {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: RowLimits) -> Self {
        Self {
            windows: Vec::new(),
            limits,
            drops: Drops::default(),
            gaps: Gaps::default(),
            closed: VecDeque::new(),
            folded: 0,
        }
    }

    /// The start of the window in which a frame of time `at` counts: its own if that is open, else the oldest.
    #[must_use]
    pub fn window(&self, at: Timestamp) -> Option<Timestamp> {
        let own = at.floor(MINUTE);
        match self.windows.first() {
            Some(oldest) if own < oldest.start => Some(oldest.start),
            _ => self.windows.iter().find(|w| w.start == own).map(|w| w.start),
        }
    }

    /// The start of the oldest open window.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.windows.first().map(|w| w.start)
    }

    /// The start of the newest open window.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.windows.last().map(|w| w.start)
    }

    /// Opens the window that starts at `start`, watched since `from`.
    pub fn open(&mut self, start: Timestamp, from: Timestamp) {
        self.windows.push(Window {
            start,
            observed_from: from,
            observed_until: from,
            captured: Count::default(),
            drops: std::mem::take(&mut self.drops),
            undecodable: Count::default(),
            folded: Count::default(),
            troubles: vec![Count::default(); Trouble::ALL.len()],
            rows: HashMap::default(),
        });
    }

    /// The agent was watching up to `until`.
    pub fn observed(&mut self, until: Timestamp) {
        if let Some(newest) = self.windows.last_mut() {
            newest.observed_until = until.clamp(newest.observed_until, newest.start + MINUTE);
        }
    }

    /// From `at` on there is something to watch, or nothing: what is not watched is not observed.
    pub(crate) fn watch(&mut self, at: Timestamp, watched: bool) {
        self.gaps.watch(at, watched);
    }

    /// The clock was set, to `at`, and every window was closed.
    pub(crate) fn step_back(&mut self, at: Timestamp) {
        self.gaps.step_back(at);
    }

    /// Counts a frame as captured in the window that starts at `start`.
    pub fn captured(&mut self, start: Timestamp, bytes: u64) {
        if let Some(window) = self.find(start) {
            window.captured.add(bytes);
        }
    }

    /// Counts frames that were dropped in the newest open window, or else in the next one that opens.
    pub fn dropped(&mut self, ring: u64, interface: u64) {
        let drops = self.windows.last_mut().map_or(&mut self.drops, |newest| &mut newest.drops);
        drops.ring += ring;
        drops.interface += interface;
    }

    /// Counts what was wrong with a frame of the window that starts at `start`.
    pub fn trouble(&mut self, start: Timestamp, trouble: Trouble, bytes: u64) {
        if let Some(window) = self.find(start) {
            window.troubles[trouble as usize].add(bytes);
            if trouble.is_undecodable() {
                window.undecodable.add(bytes);
            }
        }
    }

    /// Puts what a flow counted in a window on its rows.
    pub(crate) fn account(&mut self, flow: &Flow, delta: &Delta) {
        for (key, usage) in rows(flow, delta.counts, delta.started) {
            self.add(delta.window, key, usage);
        }
    }

    fn add(&mut self, start: Timestamp, key: RowKey, usage: Usage) {
        let limit = self.limits.rows.saturating_mul(2);
        let Some(window) = self.windows.iter_mut().find(|w| w.start == start) else { return };
        let mut key = key;
        if window.rows.len() >= limit && !window.rows.contains_key(&key) {
            let count = usage.accounted(key.class);
            window.folded.merge(count);
            self.folded += count.frames;
            key = fold::to_nobody(&key);
        }
        window.rows.entry(key).or_default().merge(&usage);
    }

    /// Closes the oldest window; every flow must have been settled. Rows beyond the limits are folded.
    pub fn close(&mut self) -> Option<Minute> {
        if self.windows.is_empty() {
            return None;
        }
        let window = self.windows.remove(0);
        // A further piece of a minute adds to the rows that the minute has, and may have as many more as are left.
        let place = self.closed.iter().position(|(start, _)| *start == window.start);
        let mut known =
            place.and_then(|place| self.closed.remove(place)).map(|(_, rows)| rows).unwrap_or_default();
        let (again, mut rows): (Vec<_>, Vec<_>) =
            window.rows.into_iter().partition(|(key, _)| known.contains(key));
        let left = RowLimits { rows: self.limits.rows.saturating_sub(known.len()), ..self.limits };
        let mut folded = window.folded;
        let by_limits = fold::to_limits(&mut rows, left);
        if !again.is_empty() {
            fold::add(&mut rows, again);
        }
        known.extend(rows.iter().map(|(key, _)| key.clone()));
        self.closed.truncate(REMEMBERED - 1);
        self.closed.push_front((window.start, known));
        self.folded += by_limits.frames;
        folded.merge(by_limits);
        let (from, until) = (window.observed_from, window.observed_until);
        let observed = Span((until - from).0 - self.gaps.within(from, until).0);
        self.gaps.forget(window.start + MINUTE);
        Some(Minute {
            window: window.start,
            coverage: Coverage {
                observed,
                captured: window.captured,
                dropped: window.drops.ring,
                interface_dropped: window.drops.interface,
                undecodable: window.undecodable,
                folded,
                troubles: window.troubles,
            },
            rows,
        })
    }

    fn find(&mut self, start: Timestamp) -> Option<&mut Window> {
        self.windows.iter_mut().rev().find(|w| w.start == start)
    }
}

/// The rows on which a flow is accounted for what went each way and for having started: two for a conversation
/// within the LAN.
pub(crate) fn rows(flow: &Flow, counts: [Count; 2], started: u64) -> impl Iterator<Item = (RowKey, Usage)> {
    let [out, back] = counts;
    let none = Count::default();
    let row = |local: usize, up: Count, down: Count, flows: u64| {
        let key = RowKey {
            device: flow.ends[local].device,
            endpoint: flow.endpoint(1 - local),
            protocol: flow.key.protocol,
            port: flow.port,
            class: flow.class,
        };
        Some((key, Usage { up, down, flows }))
    };
    let started = if flow.class == Class::Link { 0 } else { started };
    let rows = match flow.class {
        Class::Remote if flow.ends[0].station => [row(0, out, back, started), None],
        Class::Remote => [row(1, back, out, started), None],
        Class::Lan => [row(0, out, back, started), row(1, back, out, started)],
        Class::Multicast | Class::Link | Class::Transit => [
            if out.is_zero() && started == 0 { None } else { row(0, out, none, started) },
            if back.is_zero() { None } else { row(1, back, none, 0) },
        ],
    };
    rows.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_minute_holds_no_more_than_twice_the_rows_that_it_may_keep() {
        let mut rollup = Rollup::new(RowLimits { endpoints: 4, rows: 8 });
        rollup.open(Timestamp(0), Timestamp(0));
        for n in 0..1000_u32 {
            let endpoint = Endpoint::Remote(std::net::IpAddr::V4(n.into()), None);
            let key = RowKey { device: DeviceId(n), endpoint, protocol: 6, port: 443, class: Class::Remote };
            rollup.add(Timestamp(0), key, Usage { up: Count { frames: 1, bytes: 60 }, ..Usage::default() });
        }
        assert_eq!(rollup.windows[0].rows.len(), 16 + 1, "and one for nobody");
        assert_eq!(rollup.folded, 1000 - 16);
        let minute = rollup.close().unwrap();
        assert_eq!(minute.rows.len(), 8);
        assert_eq!(minute.rows.iter().map(|(_, usage)| usage.up.frames).sum::<u64>(), 1000);
    }
}
