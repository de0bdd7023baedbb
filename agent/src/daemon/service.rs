//! What the service manager is told, if one started this (sd_notify(3)): that it is ready, what it does, and that it
//! lives. Without one nothing here does anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sd_notify::NotifyState;

use super::lock;
use super::state::Daemon;
use super::writer::{Pulse, WriterStatus};
use crate::text::visible;

/// It is told that often within the time in which it must be: one sign may be late.
const SIGNS: u32 = 3;
/// How much later than it said the capture may look at the clock, on a machine that is busy.
const LATE: Duration = Duration::from_secs(3);
/// A call of the store that takes longer, and in which its thread neither computes nor waits for the disk, does not
/// come back. Cards retry a bad block for minutes.
const HUNG: Duration = Duration::from_secs(15 * 60);

/// It is started, whatever there is to capture yet: nobody shall wait for an interface.
pub(super) fn ready(doing: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(doing))]);
}

/// What it does now, in a line.
pub(super) fn doing(doing: &str) {
    tell(&[NotifyState::Status(&line(doing))]);
}

/// It reads its configuration again, until it is [`ready`].
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    // The crate's own way to this number runs over within the hour where a time has 32 bits.
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    tell(&[NotifyState::Reloading, NotifyState::MonotonicUsec(micros)]);
}

/// It ends: from here on the time to stop counts, and no sign of life is due.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("writing what is left")]);
}

/// Gives signs of life as long as this thread, which is the only one yet, comes here.
pub(super) async fn live() {
    let Some(every) = every() else { return std::future::pending().await };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(every).await;
    }
}

/// Gives a sign of life whenever both threads went on since the last one.
pub(super) async fn watch(daemon: &Arc<Daemon>) {
    let Some(every) = every() else { return std::future::pending().await };
    let mut watch = Watch::default();
    let (begun, mut said) = (Instant::now(), None);
    loop {
        tokio::time::sleep(every).await;
        let next_turn = lock(&daemon.progress).next_turn.unwrap_or(begun);
        let hangs = watch.hangs(next_turn, &daemon.written(), Instant::now());
        match hangs {
            None => tell(&[NotifyState::Watchdog]),
            Some(thread) if said != hangs => {
                tracing::error!(
                    "the {thread} thread does not go on: the service manager will start this anew"
                );
            }
            Some(_) => {}
        }
        said = hangs;
    }
}

/// What was seen of the writer the last time.
#[derive(Debug, Default)]
struct Watch {
    pulse: Option<Pulse>,
}

impl Watch {
    /// Which thread hangs, if one does. The capture looks at the clock every few seconds, whatever comes, and says when it
    /// will do so next. The writer may be idle, which is well, or have a file that is locked or a disk that is full,
    /// which it tries again. It may also be within one call of the store for long: as long as its thread computes it gets
    /// somewhere, and while the kernel has it wait for the disk, nothing can end it, and what is captured meanwhile
    /// is better kept here than lost with a new start, which would wait for the same disk.
    fn hangs(&mut self, next_turn: Instant, writer: &WriterStatus, now: Instant) -> Option<&'static str> {
        let pulse = writer.thread.and_then(Pulse::of);
        let before = std::mem::replace(&mut self.pulse, pulse);
        let long = writer.busy_since.is_some_and(|since| now.duration_since(since) > HUNG);
        match () {
            () if now > next_turn + LATE => Some("capture"),
            () if long && pulse.is_none_or(|pulse| !pulse.waits_for_disk && before == Some(pulse)) => {
                Some("writer")
            }
            () => None,
        }
    }
}

/// Between two signs of life, if any are wanted.
fn every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|time| time / SIGNS)
}

fn line(text: &str) -> String {
    visible(text)
}

fn tell(what: &[NotifyState<'_>]) {
    // Who does not listen any more will find out by itself.
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(busy_since: Option<Instant>) -> WriterStatus {
        WriterStatus { thread: Some(rustix::thread::gettid()), busy_since, ..WriterStatus::default() }
    }

    #[test]
    fn a_capture_that_does_not_look_at_the_clock_hangs() {
        let (mut watch, idle, turn) = (Watch::default(), writer(None), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(watch.hangs(turn, &idle, turn), None);
        assert_eq!(watch.hangs(turn, &idle, turn + LATE), None, "the machine is busy");
        assert_eq!(watch.hangs(turn, &idle, turn + LATE + second), Some("capture"));
        assert_eq!(watch.hangs(turn + LATE, &idle, turn + LATE + second), None, "it was only slow");
    }

    #[test]
    fn a_writer_hangs_that_is_at_one_call_for_long_and_does_nothing() {
        let since = Instant::now();
        let (soon, late) = (since + HUNG, since + HUNG + Duration::from_secs(1));
        let mut watch = Watch::default();
        // A thread that is not there has no pulse.
        let gone = WriterStatus { thread: None, ..writer(Some(since)) };
        assert_eq!(watch.hangs(late, &gone, soon), None, "a disk may take its time");
        assert_eq!(watch.hangs(late, &gone, late), Some("writer"));
        assert_eq!(
            watch.hangs(late, &WriterStatus { busy_since: None, ..gone }, late),
            None,
            "it waits for work"
        );

        // This one computes.
        let busy = writer(Some(since));
        assert_eq!(watch.hangs(late, &busy, late), None, "it is seen for the first time");
        let before = watch.pulse;
        while Pulse::of(rustix::thread::gettid()) == before {}
        assert_eq!(watch.hangs(late, &busy, late), None, "it has done something since");
        let hangs = (0..99).find_map(|_| watch.hangs(late, &busy, late));
        assert_eq!(hangs, Some("writer"), "between two looks of which it did nothing");
    }
}
