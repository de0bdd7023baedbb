//! What is to be written; and how batches that could not be written yet become one, in bounded memory.

mod backlog;
mod shift;

use crate::address_book::Interval;
use crate::device::DeviceChange;
use crate::flow::record::FlowRecord;
use crate::learn::News;
use crate::names::claims::{self, Claim};
use crate::names::hours::{self, DnsRow};
use crate::rollup::Minute;
use crate::stats::{
    CLAIMS_REFUSED, EVENTS_DROPPED, FRAMES_FOLDED, QUESTIONS_DROPPED, QUESTIONS_FOLDED, RECORDS_DROPPED,
    SIGHTINGS_REFUSED,
};
use crate::tap::TapChange;
use crate::time::{Span, Timestamp};

pub use backlog::Backlog;

/// What a batch that lost minutes says of it.
pub const MINUTES_DROPPED: &str = "minutes dropped before they could be written";

/// Something that happened and should be known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, by packet time.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// Kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something was learnt about the LAN.
    Learnt(News),
    /// A limit was reached since the last batch.
    Limit {
        /// What it cost, in words.
        what: &'static str,
        /// How many of them.
        count: u64,
    },
    /// Time went back by more than [`LATE`](crate::pipeline::LATE); it was this before.
    ClockStepped {
        /// The latest time seen until then.
        from: Timestamp,
    },
    /// The clock of this machine was set.
    ClockSet {
        /// Forward; back if it is less than zero.
        by: Span,
    },
    /// The clock of this machine is known to be right for the first time in this run, all of which was moved by this.
    ClockCorrected {
        /// How much it was slow; fast if it is less than zero.
        by: Span,
    },
    /// Something happened to an interface.
    Tap {
        /// Its number.
        interface: u16,
        /// What.
        change: TapChange,
    },
}

/// How much a batch may hold that takes in later ones. Devices are bounded by the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Flow records. Beyond it the oldest are dropped, down to seven eighths: they are detail, not account.
    pub flows: usize,
    /// Usage rows of all minutes. Beyond it minutes lose their names, the oldest first: their rows become nobody's,
    /// one for each class and protocol, and at worst one for each class. Sums are never lost, so a batch may have
    /// five rows for each minute whatever the limit.
    pub rows: usize,
    /// Minutes, a week of them by default. Beyond it the oldest are dropped with all that was in them.
    pub minutes: usize,
    /// Intervals of addresses. Beyond it those that began last are dropped; while an address is in use, every
    /// batch tells of it again.
    pub addresses: usize,
    /// Rows of questions. Beyond it they lose their names.
    pub dns: usize,
    /// What devices said of themselves. Beyond it the later ones are dropped.
    pub claims: usize,
    /// Events. Beyond it the later ones are dropped, but for limits: of each kind of limit there is one event.
    pub events: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            flows: 131_072,
            rows: 131_072,
            minutes: 7 * 24 * 60,
            addresses: 65_536,
            dns: 65_536,
            claims: 32_768,
            events: 4096,
        }
    }
}

/// What a merge cost. The batch has an event for each kind that is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Flow records dropped.
    pub flows: u64,
    /// Frames whose row lost a name; their sums stay.
    pub folded: u64,
    /// Minutes dropped.
    pub minutes: u64,
    /// Intervals of addresses dropped.
    pub addresses: u64,
    /// Questions whose row lost its name.
    pub nameless: u64,
    /// Questions whose row was dropped.
    pub questions: u64,
    /// What devices said and was dropped.
    pub claims: u64,
    /// Events dropped.
    pub events: u64,
}

impl Lost {
    fn kinds(&self) -> [(&'static str, u64); 8] {
        [
            (RECORDS_DROPPED, self.flows),
            (FRAMES_FOLDED, self.folded),
            (MINUTES_DROPPED, self.minutes),
            (SIGHTINGS_REFUSED, self.addresses),
            (QUESTIONS_FOLDED, self.nameless),
            (QUESTIONS_DROPPED, self.questions),
            (CLAIMS_REFUSED, self.claims),
            (EVENTS_DROPPED, self.events),
        ]
    }
}

/// What is to be written: everything that was closed since the last batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Devices that were seen, in order of number.
    pub devices: Vec<DeviceChange>,
    /// Addresses that were seen.
    pub addresses: Vec<Interval>,
    /// Closed minutes in order of closing; one may come twice when the clock went back.
    pub minutes: Vec<Minute>,
    /// Flow records.
    pub flows: Vec<FlowRecord>,
    /// Events in order.
    pub events: Vec<Event>,
    /// Questions that devices asked, by hour.
    pub dns: Vec<DnsRow>,
    /// What devices said of themselves.
    pub claims: Vec<Claim>,
    /// What [`merge`](Self::merge) remembers of the minutes: nothing to write.
    pub backlog: Backlog,
}

impl Batch {
    /// Takes in the batch that was taken after this one, within `limits`. Of rows and records it looks at the later
    /// ones alone, however many wait already; only the short lists are walked through. Who changes the minutes of
    /// a merged batch resets its `backlog`.
    pub fn merge(&mut self, later: Self, limits: &BatchLimits) -> Lost {
        let at = later.taken_at();
        let (minutes, folded) = self.backlog.add(&mut self.minutes, later.minutes, limits);
        add_devices(&mut self.devices, later.devices);
        let (nameless, questions) = hours::merge(&mut self.dns, later.dns, limits.dns);
        let lost = Lost {
            flows: add_flows(&mut self.flows, later.flows, limits.flows),
            folded,
            minutes,
            addresses: add_addresses(&mut self.addresses, later.addresses, limits.addresses),
            nameless,
            questions,
            claims: claims::merge(&mut self.claims, later.claims, limits.claims),
            events: add_events(&mut self.events, later.events, limits.events),
        };
        for (what, count) in lost.kinds() {
            if count > 0 {
                note_limit(&mut self.events, at, what, count);
            }
        }
        lost
    }

    /// Whether it says no more than that nothing was captured and nothing dropped while the agent watched.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.devices.is_empty()
            && self.addresses.is_empty()
            && self.flows.is_empty()
            && self.events.is_empty()
            && self.dns.is_empty()
            && self.claims.is_empty()
            && self.minutes.iter().all(|minute| minute.rows.is_empty() && minute.coverage.is_silent())
    }

    /// How many rows it is, in all tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.devices.len()
            + self.addresses.len()
            + self.events.len()
            + self.dns.len()
            + self.claims.len()
            + rows_of(&self.minutes)
            + self.flows.len()
    }

    /// About when it was taken: what is latest may have a date in the future.
    fn taken_at(&self) -> Timestamp {
        let minute = self.minutes.last().map(|minute| minute.window);
        let event = || self.events.last().map(|event| event.at);
        let flow = || self.flows.last().map(|record| record.end);
        let address = || self.addresses.iter().map(|interval| interval.last).max();
        minute.or_else(event).or_else(flow).or_else(address).unwrap_or_default()
    }
}

/// How many rows minutes are, their coverage included.
pub(crate) fn rows_of(minutes: &[Minute]) -> usize {
    minutes.iter().map(|minute| minute.rows.len() + 1).sum()
}

/// Two runs in order are merged in one walk by a stable sort, which leaves the earlier one of two alike first.
fn add_devices(devices: &mut Vec<DeviceChange>, later: Vec<DeviceChange>) {
    devices.extend(later);
    devices.sort_by_key(|change| change.id);
    devices.dedup_by(|later, change| {
        let same = later.id == change.id;
        if same {
            change.mac = later.mac.or(change.mac);
            change.gateway = later.gateway;
            change.seen = (change.seen.0.min(later.seen.0), change.seen.1.max(later.seen.1));
            change.sent.merge(later.sent);
            change.received.merge(later.received);
        }
        same
    });
}

/// Returns how many were dropped.
fn add_addresses(addresses: &mut Vec<Interval>, later: Vec<Interval>, limit: usize) -> u64 {
    addresses.extend(later);
    addresses.sort_by_key(|interval| (interval.first, interval.address, interval.device));
    addresses.dedup_by(|later, interval| {
        let same =
            (later.first, later.address, later.device) == (interval.first, interval.address, interval.device);
        if same {
            interval.last = interval.last.max(later.last);
            interval.source = later.source;
        }
        same
    });
    let excess = addresses.len().saturating_sub(limit);
    addresses.truncate(limit);
    excess as u64
}

/// Returns how many were dropped.
fn add_flows(flows: &mut Vec<FlowRecord>, mut later: Vec<FlowRecord>, limit: usize) -> u64 {
    let all = flows.len() + later.len();
    let mut excess = 0;
    if all > limit {
        // An eighth more than must be, so that the records that stay are moved once in a while only.
        excess = all - (limit - limit / 8);
        let of_own = excess.min(flows.len());
        flows.drain(..of_own);
        later.drain(..excess - of_own);
    }
    let (length, needed) = (flows.len(), flows.len() + later.len());
    if needed > flows.capacity() {
        // Twice as much each time, the way a vector grows, but no room beyond the limit.
        flows.reserve_exact((2 * flows.capacity()).min(limit).max(needed) - length);
    }
    flows.append(&mut later);
    excess as u64
}

/// Returns how many were dropped.
fn add_events(events: &mut Vec<Event>, later: Vec<Event>, limit: usize) -> u64 {
    let mut own = 0;
    events.retain(|event| {
        let counts = !matches!(event.kind, EventKind::Limit { .. });
        own += usize::from(counts);
        !counts || own <= limit
    });
    let mut room = limit.saturating_sub(own);
    let mut dropped = own.saturating_sub(limit) as u64;
    for event in later {
        match event.kind {
            EventKind::Limit { what, count } => note_limit(events, event.at, what, count),
            _ if room > 0 => {
                events.push(event);
                room -= 1;
            }
            _ => dropped += 1,
        }
    }
    dropped
}

/// Adds to the event of a limit, which says when it was reached first.
fn note_limit(events: &mut Vec<Event>, at: Timestamp, what: &'static str, more: u64) {
    for event in events.iter_mut() {
        if let EventKind::Limit { what: known, count } = &mut event.kind
            && *known == what
        {
            *count += more;
            return;
        }
    }
    events.push(Event { at, kind: EventKind::Limit { what, count: more } });
}

#[cfg(test)]
mod tests;
