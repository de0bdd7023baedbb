//! What each device asked in an hour: how often, for which names, and with which result; within limits, beyond which
//! names fold to their domain, and then to a star.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::registrable::folded;
use crate::device::DeviceId;
use crate::time::{Span, Timestamp};

/// The window of these rows.
pub const HOUR: Span = Span::from_secs(3600);
/// Rows of an hour that do not even name a device: one for each result.
const NOBODYS_ROWS: usize = 17;
/// Hours whose names are remembered, so that their limits hold: the current one, and the one before it, of which the
/// last questions are counted when they were not answered.
const HOURS: usize = 2;
/// What all names fold to in the end, whatever their type.
const STAR: &str = "*";
/// The type of a star (0 is no type that can be asked for, RFC 6895 section 3.1).
const ANY_KIND: u16 = 0;

/// How much an hour may hold.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Names of a device. A phone asks for some hundred; a tunnel, or a device that looks for others by made-up names,
    /// for any number.
    names: usize,
    /// Domains that the further names of a device fold to.
    domains: usize,
    /// Rows, the last quarter of which is for such as name nothing but a device.
    rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { names: 256, domains: 64, rows: 16_384 }
    }
}

/// How a question was answered: 0 and above as on the wire (IANA "DNS RCODEs").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub i16);

impl Rcode {
    /// No answer was seen in time.
    pub const NO_ANSWER: Self = Self(-1);
}

/// Questions of a device for one name and type with one result, in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRow {
    /// Start of the hour, UTC, in which the questions were asked.
    pub window: Timestamp,
    /// Who asked.
    pub device: DeviceId,
    /// The name; `*.` and a registered domain, or `*`, for several.
    pub name: Arc<str>,
    /// QTYPE; 0 where the name is `*`.
    pub kind: u16,
    /// The result.
    pub rcode: Rcode,
    /// Questions since the last batch.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

impl DnsRow {
    fn key(&self) -> (Timestamp, DeviceId, &str, u16, Rcode) {
        (self.window, self.device, &self.name, self.kind, self.rcode)
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

type Key = (DeviceId, Arc<str>, u16, Rcode);

/// Questions that are not yet taken.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// What a device asked for in an hour.
#[derive(Debug, Default)]
struct Asked {
    names: HashSet<Arc<str>, RandomState>,
    /// What the further ones fold to.
    domains: HashSet<Arc<str>, RandomState>,
}

#[derive(Debug)]
struct Hour {
    window: Timestamp,
    asked: HashMap<DeviceId, Asked, RandomState>,
    /// Rows stay when they were taken, for the limits are those of the hour.
    rows: HashMap<Key, Tally, RandomState>,
}

/// The questions of the hours, until they are taken.
#[derive(Debug)]
pub struct Hours {
    /// The latest begun last.
    hours: Vec<Hour>,
    /// Rows of hours whose names are not remembered any more.
    waiting: Vec<DnsRow>,
    star: Arc<str>,
    limits: Limits,
    /// Questions in all.
    pub counted: u64,
    /// Questions whose row lost the name, be it with the type and the device.
    pub folded: u64,
    /// Questions that are in no row, for nobody took the rows.
    pub dropped: u64,
}

impl Default for Hours {
    fn default() -> Self {
        let (hours, waiting, limits) = (Vec::new(), Vec::new(), Limits::default());
        Self { hours, waiting, star: STAR.into(), limits, counted: 0, folded: 0, dropped: 0 }
    }
}

impl Hours {
    /// Counts a question that was asked at `at`, be it the past, as one of that hour.
    pub fn count(&mut self, device: DeviceId, name: &Arc<str>, kind: u16, rcode: Rcode, at: Timestamp) {
        self.counted += 1;
        let window = at.floor(HOUR);
        let place = self.hours.iter().position(|hour| hour.window == window).unwrap_or_else(|| {
            if self.hours.len() >= HOURS {
                let oldest = self.hours.remove(0);
                self.put_aside(oldest);
            }
            self.hours.push(Hour { window, asked: HashMap::default(), rows: HashMap::default() });
            self.hours.len() - 1
        });
        if let Some(hour) = self.hours.get_mut(place) {
            let key = hour.admit((device, Arc::clone(name), kind, rcode), &self.star, &self.limits);
            self.folded += u64::from(key.1 != *name);
            hour.rows.entry(key).or_default().add(at);
        }
    }

    /// What was counted since the last time, in order of window, device, name, type and result.
    pub fn take(&mut self) -> Vec<DnsRow> {
        let mut rows = std::mem::take(&mut self.waiting);
        rows.extend(self.hours.iter_mut().flat_map(Hour::take));
        join(&mut rows);
        rows
    }

    /// The clock was set: the hours that were are others now, and limits begin anew. What waits to be taken stays.
    pub(crate) fn forget(&mut self) {
        for hour in std::mem::take(&mut self.hours) {
            self.put_aside(hour);
        }
    }

    /// Only a clock that goes to and fro makes so many rows of earlier hours that there is no room for them.
    fn put_aside(&mut self, mut hour: Hour) {
        let (folded, dropped) = merge(&mut self.waiting, hour.take().collect(), 2 * self.limits.rows);
        self.folded += folded;
        self.dropped += dropped;
    }
}

impl Hour {
    /// The row that a question counts in: the first of its own, its domain's, its device's and nobody's that is there or
    /// has room.
    fn admit(&mut self, (device, name, kind, rcode): Key, star: &Arc<str>, limits: &Limits) -> Key {
        // A name gets a row when it is admitted, so there are no more names than rows.
        let room = self.rows.len() < limits.rows / 4 * 3;
        if let Some(name) = self.known(device, &name, room, limits) {
            let key = (device, name, kind, rcode);
            if room || self.rows.contains_key(&key) {
                return key;
            }
        }
        let key = (device, Arc::clone(star), ANY_KIND, rcode);
        if self.rows.len() + NOBODYS_ROWS < limits.rows || self.rows.contains_key(&key) {
            return key;
        }
        (DeviceId::OTHER, Arc::clone(star), ANY_KIND, rcode)
    }

    /// The name, or what it folds to; if there is no `room`, only what was asked before.
    fn known(&mut self, device: DeviceId, name: &Arc<str>, room: bool, limits: &Limits) -> Option<Arc<str>> {
        if !room && !self.asked.contains_key(&device) {
            return None;
        }
        let Asked { names, domains } = self.asked.entry(device).or_default();
        if let Some(name) = names.get(name) {
            return Some(Arc::clone(name));
        }
        if room && names.len() < limits.names {
            names.insert(Arc::clone(name));
            return Some(Arc::clone(name));
        }
        let domain = folded(name);
        if let Some(domain) = domains.get(domain.as_str()) {
            return Some(Arc::clone(domain));
        }
        if !room || domains.len() >= limits.domains || domain == STAR {
            return None;
        }
        let domain: Arc<str> = domain.into();
        domains.insert(Arc::clone(&domain));
        Some(domain)
    }

    fn take(&mut self) -> impl Iterator<Item = DnsRow> {
        let window = self.window;
        self.rows.iter_mut().filter(|(_, tally)| tally.count > 0).map(move |(key, tally)| {
            let Tally { count, first, last } = std::mem::take(tally);
            let (device, name, kind, rcode) = key.clone();
            DnsRow { window, device, name, kind, rcode, count, first, last }
        })
    }
}

impl Tally {
    fn add(&mut self, at: Timestamp) {
        (self.first, self.last) = match self.count {
            0 => (at, at),
            _ => (self.first.min(at), self.last.max(at)),
        };
        self.count += 1;
    }
}

/// Adds `later` to `rows`, of which it keeps at most `limit`: beyond it hours lose their names, the oldest first, where
/// that makes their rows fewer, and of what is still too much the oldest rows are dropped. Returns how many questions lost their name, and how many were
/// dropped.
pub fn merge(rows: &mut Vec<DnsRow>, later: Vec<DnsRow>, limit: usize) -> (u64, u64) {
    rows.extend(later);
    join(rows);
    let (mut folded, mut dropped) = (0, 0);
    if rows.len() > limit {
        let star: Arc<str> = STAR.into();
        let mut excess = rows.len() - limit;
        let mut kept = Vec::with_capacity(rows.len());
        for hour in rows.chunk_by(|a, b| a.window == b.window) {
            if excess > 0 {
                let nameless =
                    |row: &DnsRow| DnsRow { name: Arc::clone(&star), kind: ANY_KIND, ..row.clone() };
                let mut short: Vec<_> = hour.iter().map(nameless).collect();
                join(&mut short);
                if short.len() < hour.len() {
                    excess = excess.saturating_sub(hour.len() - short.len());
                    folded += hour.iter().filter(|row| *row.name != *STAR).map(|row| row.count).sum::<u64>();
                    kept.append(&mut short);
                    continue;
                }
            }
            kept.extend_from_slice(hour);
        }
        dropped = kept.drain(..excess).map(|row| row.count).sum();
        *rows = kept;
    }
    (folded, dropped)
}

/// Moves what was asked at `since` or later by `by`. A row cannot be cut: it goes to the hour of its first question.
pub fn shift(rows: &mut Vec<DnsRow>, since: Timestamp, by: Span) {
    for row in &mut *rows {
        row.first = row.first.shifted(since, by);
        row.last = row.last.shifted(since, by).max(row.first);
        row.window = row.first.floor(HOUR);
    }
    join(rows);
}

/// Sorts the rows and makes one of those that are for the same.
pub(crate) fn join(rows: &mut Vec<DnsRow>) {
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    rows.dedup_by(|later, kept| {
        let same = later.key() == kept.key();
        if same {
            kept.add(later);
        }
        same
    });
}

#[cfg(test)]
mod tests;
