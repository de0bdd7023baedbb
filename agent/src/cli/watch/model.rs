//! What the screen shows: the last samples of the daemon, made into rates, in an order that keeps still.
//!
//! Time is part of a sample, and nothing here asks for anything.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use lanscribe_core::addr::MacAddr;

use crate::control::{DeviceTraffic, Status};
use crate::text::visible;

/// Samples that are kept of each device: what the longest sparkline has room for.
pub(super) const HISTORY: usize = 60;
/// Samples over which the order by rate is averaged, so that rows do not jump with each burst.
const CALM: usize = 5;
/// A device is new for so long, in milliseconds.
const NEW: i64 = 24 * 3_600_000;
/// That the daemon was started anew is worth a word for so long.
const RESTART_SHOWN: Duration = Duration::from_secs(60);

/// What the daemon said, and what the file knows of the devices in it.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) status: Status,
    pub(super) traffic: Vec<DeviceTraffic>,
    pub(super) book: Book,
}

/// One turn of asking.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When, since watching began, on a clock that never jumps.
    pub(super) at: Duration,
    /// What the daemon said, or why it said nothing.
    pub(super) look: Result<Look, String>,
    /// Whom the chosen device talks to.
    pub(super) talks: Option<Talks>,
    /// Why the file cannot be read.
    pub(super) trouble: Option<String>,
}

/// Who devices are.
pub(super) type Book = HashMap<MacAddr, Known>;

/// Who a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) vendor: Option<String>,
    pub(super) first: First,
}

/// When a device was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Milliseconds since 1970, as the file says.
    At(i64),
    /// It is not in the file yet.
    JustNow,
    /// No file could be read that would know.
    Unknown,
}

/// With whom a device talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Talks {
    pub(super) device: MacAddr,
    pub(super) list: Vec<Talk>,
}

/// One conversation, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Talk {
    pub(super) endpoint: String,
    /// Where the name comes from, if it is one that was learnt.
    pub(super) named: Option<String>,
    pub(super) service: String,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) last_seen: i64,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) mac: MacAddr,
    pub(super) name: String,
    pub(super) vendor: Option<String>,
    pub(super) new: bool,
    /// Bytes a second that it sends and receives; `None` until two samples tell.
    pub(super) rate: Option<(u64, u64)>,
    /// Bytes a second in both directions, the oldest first.
    pub(super) history: VecDeque<u64>,
    sent: u64,
    received: u64,
    pub(super) last_seen: i64,
}

impl Device {
    /// Bytes in both directions since the daemon started.
    pub(super) fn total(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }

    fn calm_rate(&self) -> u64 {
        self.history.iter().rev().take(CALM).fold(0, |sum, rate| sum.saturating_add(*rate))
    }
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Rate,
    Total,
    Name,
}

impl Sort {
    /// As the foot of the screen calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Total => "total",
            Self::Name => "name",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Rate => Self::Total,
            Self::Total => Self::Name,
            Self::Name => Self::Rate,
        }
    }
}

/// Everything that the screen shows.
#[derive(Debug, Default)]
pub(super) struct Model {
    devices: HashMap<MacAddr, Device>,
    /// Those that are shown, in their order.
    order: Vec<MacAddr>,
    chosen: Option<MacAddr>,
    talks: Option<Talks>,
    status: Option<Status>,
    /// When the last sample with an answer came.
    last: Option<Duration>,
    now: Duration,
    /// Since when there is no answer, and why.
    lost: Option<(Duration, String)>,
    restarted: Option<Duration>,
    trouble: Option<String>,
    bits: Option<u64>,
    sort: Sort,
    only_new: bool,
    filter: String,
    pub(super) typing: bool,
    pub(super) paused: bool,
    pub(super) help: bool,
}

impl Model {
    /// Takes over a sample. While paused, nothing changes.
    pub(super) fn take(&mut self, sample: Sample) {
        if self.paused {
            return;
        }
        self.now = sample.at;
        self.trouble = sample.trouble;
        if let Some(talks) = sample.talks {
            self.talks = Some(talks);
        }
        match sample.look {
            Ok(look) => self.answered(look),
            Err(why) => {
                let since = self.lost.take().map_or(sample.at, |(since, _)| since);
                self.lost = Some((since, why));
                self.bits = None;
                for device in self.devices.values_mut() {
                    device.rate = None;
                }
            }
        }
        self.arrange();
    }

    /// Takes over with whom a device talks, asked beside the turns because it was chosen.
    pub(super) fn take_talks(&mut self, talks: Talks) {
        self.talks = Some(talks);
    }

    fn answered(&mut self, look: Look) {
        let before = self.status.take();
        let restarted =
            before.as_ref().is_some_and(|b| (b.since, b.pid) != (look.status.since, look.status.pid));
        if restarted {
            self.restarted = Some(self.now);
        }
        // Totals of two different runs say nothing about a rate.
        let last = self.last.replace(self.now).filter(|_| !restarted);
        let passed = last.map(|last| self.now.saturating_sub(last)).filter(|passed| passed.as_millis() > 0);
        self.bits = passed
            .zip(before)
            .map(|(passed, before)| per_second(look.status.bytes.saturating_sub(before.bytes), passed))
            .map(|bytes| bytes.saturating_mul(8));
        self.lost = None;
        let mut old = std::mem::take(&mut self.devices);
        for traffic in look.traffic {
            let mut device = device(old.remove(&traffic.mac), &traffic, passed);
            if let Some(known) = look.book.get(&traffic.mac) {
                device.name = visible(&known.name);
                device.vendor = known.vendor.as_deref().map(visible);
                device.new = match known.first {
                    First::At(first) => look.status.now - first < NEW,
                    First::JustNow => true,
                    First::Unknown => false,
                };
            }
            self.devices.insert(traffic.mac, device);
        }
        self.status = Some(look.status);
    }

    /// Sorts and filters, and keeps somebody chosen.
    fn arrange(&mut self) {
        let wanted = self.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let mut shown: Vec<&Device> = self
            .devices
            .values()
            .filter(|device| !self.only_new || device.new)
            .filter(|d| has(&d.name) || d.vendor.as_deref().is_some_and(has) || has(&d.mac.to_string()))
            .collect();
        shown.sort_by_cached_key(|device| {
            let first = match self.sort {
                Sort::Rate => (Reverse(device.calm_rate()), Reverse(device.total())),
                Sort::Total => (Reverse(device.total()), Reverse(0)),
                Sort::Name => (Reverse(0), Reverse(0)),
            };
            (first, device.name.to_lowercase(), device.mac.0)
        });
        self.order = shown.into_iter().map(|device| device.mac).collect();
        if self.chosen.is_none_or(|chosen| !self.order.contains(&chosen)) {
            self.chosen = self.order.first().copied();
        }
    }

    /// Chooses the device so many rows further down, or up.
    pub(super) fn step(&mut self, rows: isize) {
        let Some(last) = self.order.len().checked_sub(1) else { return };
        let to = self.chosen_row().unwrap_or(0).saturating_add_signed(rows).min(last);
        self.chosen = self.order.get(to).copied();
    }

    /// Sorts by something else.
    pub(super) fn sort_next(&mut self) {
        self.sort = self.sort.next();
        self.arrange();
    }

    /// Shows new devices only, or all again.
    pub(super) fn toggle_new(&mut self) {
        self.only_new = !self.only_new;
        self.arrange();
    }

    /// Shows only devices with this in their name, vendor or MAC address.
    pub(super) fn filter_by(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    /// The devices that are shown, in their order.
    pub(super) fn shown(&self) -> impl ExactSizeIterator<Item = &Device> + Clone {
        self.order.iter().map(|mac| &self.devices[mac])
    }

    /// How many devices there are, shown or not.
    pub(super) fn known(&self) -> usize {
        self.devices.len()
    }

    /// The row of the chosen device among those that are shown.
    pub(super) fn chosen_row(&self) -> Option<usize> {
        self.chosen.and_then(|chosen| self.order.iter().position(|mac| *mac == chosen))
    }

    /// The chosen device.
    pub(super) fn chosen(&self) -> Option<&Device> {
        self.chosen.and_then(|chosen| self.devices.get(&chosen))
    }

    /// With whom the chosen device talks; `None` until that is known.
    pub(super) fn talks(&self) -> Option<&[Talk]> {
        let talks = self.talks.as_ref().filter(|talks| Some(talks.device) == self.chosen)?;
        Some(&talks.list)
    }

    /// What the daemon said last of itself.
    pub(super) fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// For how long there was no answer, and why.
    pub(super) fn lost(&self) -> Option<(Duration, &str)> {
        self.lost.as_ref().map(|(since, why)| (self.now.saturating_sub(*since), &**why))
    }

    /// How long ago the daemon was found started anew, as long as that is worth a word.
    pub(super) fn restarted(&self) -> Option<Duration> {
        self.restarted.map(|at| self.now.saturating_sub(at)).filter(|ago| *ago < RESTART_SHOWN)
    }

    /// Why names cannot be read from the file.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Bits a second of all that is captured.
    pub(super) fn bits(&self) -> Option<u64> {
        self.bits
    }

    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn only_new(&self) -> bool {
        self.only_new
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    /// The highest rate that any sparkline has to show.
    pub(super) fn peak(&self) -> u64 {
        self.shown().flat_map(|device| &device.history).copied().max().unwrap_or(0)
    }
}

/// A device with what was moved since it was looked at, `passed` ago.
fn device(old: Option<Device>, traffic: &DeviceTraffic, passed: Option<Duration>) -> Device {
    // Who was not there at the last look has moved all of it since then; so has who was forgotten and came again.
    let (sent, received) = old
        .as_ref()
        .map(|old| (old.sent, old.received))
        .filter(|(sent, received)| *sent <= traffic.bytes_sent && *received <= traffic.bytes_received)
        .unwrap_or_default();
    let rate = passed.map(|passed| {
        (per_second(traffic.bytes_sent - sent, passed), per_second(traffic.bytes_received - received, passed))
    });
    let mut history = old.map(|old| old.history).unwrap_or_default();
    if let Some((up, down)) = rate {
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(up.saturating_add(down));
    }
    Device {
        mac: traffic.mac,
        name: traffic.mac.to_string(),
        vendor: None,
        new: false,
        rate,
        history,
        sent: traffic.bytes_sent,
        received: traffic.bytes_received,
        last_seen: traffic.last_seen,
    }
}

fn per_second(count: u64, passed: Duration) -> u64 {
    let rate = u128::from(count) * 1_000 / passed.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
