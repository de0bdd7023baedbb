//! What the daemon knows of itself, and what it makes of it for `lanscribe status`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lanscribe_core::time::Timestamp as PacketTime;

use super::ask::{Ask, Asking, Progress, TapProgress};
use super::disk;
use super::lock;
use super::notice::Notice;
use super::recent::{Frames, Recent};
use super::writer::{Job, WriterStatus};
use crate::capture::link_state;
use crate::config::Config;
use crate::control::{Health, Interface, Limit, Sight, Status, StoreStatus, Waiting};
use crate::log;
use crate::store::Clock;

/// Frames lost in a thousand, within an hour, above which a run is not healthy.
const DROPS_PER_MILLE: u64 = 1;
/// A write that takes longer is one that a disk does not answer, or somebody who writes the file does not let happen.
const SLOW: Duration = Duration::from_secs(10);
/// A link that is up and shows nothing for so long is worth a word.
const NOTHING: i64 = 600_000;

/// Said while rows wait for the clock.
const HELD: &str = "the clock is not set from the network yet: rows wait for that before they are written";

/// Everything that the threads share.
pub(super) struct Daemon {
    pub(super) capture: Asking,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) writer: SyncSender<Job>,
    pub(super) written: Box<dyn Fn() -> WriterStatus + Send + Sync>,
    /// What the writer is told.
    pub(super) notice: Notice,
    pub(super) since: Timestamp,
    pub(super) file: String,
    pub(super) ring: usize,
    pub(super) group_writes: AtomicBool,
    /// Settings that were changed in the file and need a restart.
    pub(super) stale: Mutex<Vec<&'static str>>,
    pub(super) last_flush: Mutex<Option<Instant>>,
    pub(super) recent: Mutex<Recent>,
}

impl Daemon {
    /// Whether the group may change what is kept.
    pub(super) fn group_writes(&self) -> bool {
        self.group_writes.load(Ordering::Relaxed)
    }

    /// Takes the right to one flush on request, or says how long there is none.
    pub(super) fn claim_flush(&self, now: Instant, every: Duration) -> Option<Duration> {
        let mut last = lock(&self.last_flush);
        let wait = last.map_or(Duration::ZERO, |last| every.saturating_sub(now.duration_since(last)));
        if wait.is_zero() {
            *last = Some(now);
        }
        (!wait.is_zero()).then_some(wait)
    }

    /// Takes over what a changed configuration says, as far as that can be done while running: `taken` are the keys
    /// that differ from before, `waiting` those that need a restart.
    pub(super) fn reload(&self, new: &Config, taken: &[&'static str], waiting: Vec<&'static str>) {
        log::set_level(new.log_level);
        self.group_writes.store(new.control.group_writes, Ordering::Relaxed);
        self.capture.ask(Ask::FlushEvery(new.store.flush));
        self.notice.change(|settings| *settings = settings.renewed(new));
        match (taken, waiting.as_slice()) {
            ([], []) => tracing::info!("configuration read again: nothing changed"),
            (taken, []) => tracing::info!("configuration read again: {} changed", taken.join(", ")),
            (taken, waiting) => tracing::warn!(
                "configuration read again: {}{} can only change with a restart",
                if taken.is_empty() { String::new() } else { format!("{} changed, ", taken.join(", ")) },
                waiting.join(", ")
            ),
        }
        *lock(&self.stale) = waiting;
    }

    /// How it goes.
    pub(super) fn status(&self) -> Status {
        let progress = lock(&self.progress).clone();
        let (written, hints) = (self.written(), progress.hints);
        let now = Timestamp::now();
        let frames = frames(&progress);
        let last_hour = lock(&self.recent).since(frames);
        // What is held back for the clock is not written before that ends.
        let due = progress.flush_due.max(progress.held_until);
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        let limits = progress.stats.limits().into_iter().filter(|(_, count)| *count > 0);
        let mut status = Status {
            health: Health::Healthy,
            warnings: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            site: self.notice.settings().site.clone(),
            since: self.since.as_millisecond(),
            now: now.as_millisecond(),
            interfaces: progress.taps.iter().map(interface).collect(),
            packets: frames.captured,
            bytes: progress.taps.iter().map(|tap| tap.bytes).sum(),
            packets_per_second: progress.packets_per_second,
            dropped: frames.dropped,
            interface_dropped: frames.interface_dropped,
            ring: self.ring as u64,
            devices: progress.stats.devices,
            open_flows: progress.stats.open_flows,
            flows_of_two: progress.stats.flows_of_two,
            flows_named: progress.stats.flows_named,
            questions: progress.stats.questions,
            limits: limits.map(|(what, count)| Limit { what: what.to_owned(), count }).collect(),
            sight: hints.map_or_else(Sight::default, |hints| Sight {
                sampled: hints.frames_sampled,
                others: hints.others,
                own: hints.own,
                group: hints.group,
                twice: hints.twice,
            }),
            clock: Clock::of_machine(progress.synchronised).as_str().to_owned(),
            store: StoreStatus {
                file: self.file.clone(),
                bytes: written.file_bytes,
                wal_bytes: written.wal_bytes,
                last_write: written.last_flush,
                rows: written.rows,
                last_write_ms: u64::try_from(written.took.as_millis()).unwrap_or(u64::MAX),
                next_write: due.map(|due| now.as_millisecond() + i64::try_from(due.as_millis()).unwrap_or(0)),
                waiting: waiting(&written, now.as_millisecond()),
                pending_rows: progress.pending,
            },
        };
        let hints = hints.map(|hints| hints.words()).unwrap_or_default();
        let narrow = progress.taps.iter().filter(|tap| tap.narrow).map(|tap| not_promiscuous(&tap.name));
        let hints = hints.into_iter().map(str::to_owned);
        let urgent = written.alarms.into_iter().chain(narrow).chain(hints);
        let stale = Some(self.stale()).filter(|stale| !stale.is_empty());
        let stale = stale
            .map(|keys| format!("changed in the configuration, and needs a restart: {}", keys.join(", ")));
        let held = progress.held_until.map(|_| HELD.to_owned());
        let notes = disk::caution(Path::new(&self.file)).map(str::to_owned).into_iter();
        let notes = notes.chain(held).chain(written.note).chain(stale);
        judge(&mut status, last_hour, urgent.collect(), notes.collect());
        status
    }

    /// What it does, in a line: where it captures, and what is amiss, if anything is.
    pub(super) fn doing(&self) -> String {
        let capturing = format!("capturing on {}", self.notice.settings().interfaces.join(", "));
        let Status { health, warnings, .. } = self.status();
        match warnings.first() {
            Some(warning) if health != Health::Healthy => format!("{capturing}; {warning}"),
            _ => capturing,
        }
    }

    /// Notes what was captured and lost until now, for what is said of the last hour.
    pub(super) fn note_counts(&self) {
        let frames = frames(&lock(&self.progress));
        lock(&self.recent).note(Instant::now(), frames);
    }

    /// How the writer stands.
    pub(super) fn written(&self) -> WriterStatus {
        (self.written)()
    }

    fn stale(&self) -> Vec<&'static str> {
        lock(&self.stale).clone()
    }
}

fn not_promiscuous(name: &str) -> String {
    format!(
        "{name}: the interface is not promiscuous although capture.promiscuous is on, so what is sent to others is not \
         seen: restart, and if that does not help take another interface"
    )
}

/// Why nothing can be written at `now`: the file cannot, or the disk does not answer.
fn waiting(written: &WriterStatus, now: i64) -> Option<Waiting> {
    let busy = written.busy_since.map(|since| since.elapsed()).filter(|&busy| busy > SLOW);
    match (&written.waiting, busy) {
        (Some((why, since)), _) => Some(Waiting { why: why.clone(), since: *since }),
        (None, Some(busy)) => {
            let why = "the disk does not answer".to_owned();
            Some(Waiting { why, since: now - i64::try_from(busy.as_millis()).unwrap_or(0) })
        }
        (None, None) => None,
    }
}

fn interface(tap: &TapProgress) -> Interface {
    Interface {
        name: tap.name.clone(),
        link_type: tap.link_type.to_owned(),
        link: link_state(&tap.name).to_owned(),
        packets: tap.captured,
        bytes: tap.bytes,
        received: tap.received,
        dropped: tap.dropped,
        interface_dropped: tap.interface_dropped,
        last_packet: tap.last_frame.map(PacketTime::as_millis),
    }
}

/// The counts of all interfaces.
fn frames(progress: &Progress) -> Frames {
    let sum = |of: fn(&TapProgress) -> u64| progress.taps.iter().map(of).sum();
    Frames {
        captured: sum(|tap| tap.captured),
        dropped: sum(|tap| tap.dropped),
        interface_dropped: sum(|tap| tap.interface_dropped),
    }
}

/// Says whether all is well, and what is not, the most urgent first: what `urgent` has too, while `notes` need no hurry.
fn judge(status: &mut Status, last_hour: Frames, urgent: Vec<String>, notes: Vec<String>) {
    let mut warnings: Vec<String> = Vec::new();
    let minutes_since = |millis: i64| (status.now - millis) / 60_000;
    if let Some(waiting) = &status.store.waiting {
        let minutes = minutes_since(waiting.since);
        warnings.push(format!("nothing can be written since {minutes} min: {}", waiting.why));
    }
    for interface in &status.interfaces {
        let last = interface.last_packet.unwrap_or(status.since);
        if interface.link != "up" {
            warnings.push(format!("{}: the link is {}", interface.name, interface.link));
        } else if status.now - last > NOTHING {
            let minutes = minutes_since(last);
            warnings.push(format!(
                "{}: the link is up, but nothing has come for {minutes} min: is the cable in the mirror port?",
                interface.name
            ));
        }
    }
    if last_hour.dropped * 1_000 > last_hour.captured * DROPS_PER_MILLE {
        let ring = 2 * status.ring / (1 << 20);
        warnings.push(format!(
            "{} packets found the ring full within the last hour: set capture.ring = \"{ring}MiB\" or more, and restart",
            last_hour.dropped
        ));
    }
    if last_hour.interface_dropped * 1_000 > last_hour.captured * DROPS_PER_MILLE {
        warnings.push(format!(
            "{} packets were dropped by the interface itself within the last hour: it is too slow for what the mirror \
             port sends",
            last_hour.interface_dropped
        ));
    }
    warnings.extend(urgent);
    status.health = if warnings.is_empty() { Health::Healthy } else { Health::Degraded };
    let limits = status.limits.iter();
    warnings.extend(limits.map(|limit| format!("a limit was reached: {} {}", limit.count, limit.what)));
    warnings.extend(notes);
    status.warnings = warnings;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute of 1,000 packets on one interface.
    fn status() -> Status {
        let interface = Interface {
            name: "eth0".into(),
            link: "up".into(),
            last_packet: Some(3_000_000),
            ..Interface::default()
        };
        Status {
            now: 3_060_000,
            since: 3_000_000,
            packets: 1_000,
            ring: 8 << 20,
            interfaces: vec![interface],
            ..Status::default()
        }
    }

    fn judged(change: impl FnOnce(&mut Status)) -> (Health, Vec<String>) {
        let mut status = status();
        change(&mut status);
        let last_hour =
            Frames { captured: 1_000, dropped: status.dropped, interface_dropped: status.interface_dropped };
        judge(&mut status, last_hour, Vec::new(), vec!["a note".to_owned()]);
        assert_eq!(status.warnings.pop().unwrap(), "a note", "what needs no hurry comes last");
        (status.health, status.warnings)
    }

    #[test]
    fn a_tap_that_captures_and_writes_is_healthy_whatever_needs_no_hurry() {
        assert_eq!(judged(|_| {}), (Health::Healthy, vec![]));
        let limit = Limit { what: "flows ended early for room".into(), count: 7 };
        let (health, warnings) = judged(|status| status.limits.push(limit));
        assert_eq!(
            (health, warnings[0].as_str()),
            (Health::Healthy, "a limit was reached: 7 flows ended early for room")
        );
    }

    #[test]
    fn what_hurts_degrades_and_comes_with_the_remedy() {
        let says = |words: &str, change: fn(&mut Status)| {
            let (health, warnings) = judged(change);
            assert_eq!(health, Health::Degraded, "{words}");
            assert!(warnings[0].contains(words), "{words}: {warnings:?}");
        };
        says("the link is down", |status| status.interfaces[0].link = "down".into());
        says("nothing has come for 11 min", |status| status.now += 600_001);
        says("capture.ring = \"16MiB\"", |status| status.dropped = 2);
        says("too slow", |status| status.interface_dropped = 2);
        says("since 1 min: disk full", |status| {
            status.store.waiting = Some(Waiting { why: "disk full".into(), since: 3_000_000 });
        });
    }

    #[test]
    fn one_frame_lost_in_a_thousand_is_no_alarm() {
        assert_eq!(judged(|status| status.dropped = 1).0, Health::Healthy);
    }
}
