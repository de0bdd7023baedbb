//! What is on its way to the writer. Capture never waits for the disk: what the writer cannot take yet takes in what
//! comes after it, in bounded memory. Nor does it wait for the clock: what has no right times yet waits here for them.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use lanscribe_core::pipeline::{Batch, BatchLimits, Lost};
use lanscribe_core::time::{Span, Timestamp};

use super::writer::{Job, Parcel, Reply};
use crate::store::{Clock, Correction};

/// Minutes in which nothing happened are not worth a write of their own for this long.
const SILENT: Duration = Duration::from_secs(3600);

/// Rows that are handed over even if they are not due: more would take too much memory. Each write wears the card, so
/// fewer wait.
const MANY: usize = 65_536;

/// The batch that is not yet with the writer, if there is one.
pub(crate) struct Outbox {
    writer: SyncSender<Job>,
    limits: BatchLimits,
    waiting: Option<Batch>,
    /// Who wants to know when it is written.
    replies: Vec<Reply>,
    /// Since when there is something to hand over.
    since: Option<Instant>,
    /// It shall be handed over as soon as there is room: it is due, or somebody waits for it.
    hurried: bool,
    /// It was said that detail is lost.
    told: bool,
    /// Of the next batch; with the run's id it tells batches apart.
    number: u64,
    /// What the clock of the batches is worth.
    clock: Clock,
    /// Until when batches are held back for a clock that is right.
    held_until: Option<Instant>,
    /// Some went out with a clock that was not known to be right.
    sent_unsure: bool,
    /// What those were off by: to be told with the next one.
    correction: Option<Correction>,
}

impl Outbox {
    /// Nothing is waiting. If the clock is not known to be right, batches are held back until then.
    pub(crate) fn new(writer: SyncSender<Job>, held_until: Option<Instant>) -> Self {
        let limits = BatchLimits::default();
        Self {
            clock: Clock::of_machine(held_until.is_none()),
            held_until,
            sent_unsure: false,
            correction: None,
            writer,
            limits,
            waiting: None,
            replies: Vec::new(),
            since: None,
            hurried: false,
            told: false,
            number: 0,
        }
    }

    /// Takes what was closed since the last time.
    pub(crate) fn put(&mut self, batch: Batch, reply: Option<Reply>, now: Instant) {
        match &mut self.waiting {
            Some(waiting) => {
                let lost = waiting.merge(batch, &self.limits);
                if lost != Lost::default() && !std::mem::replace(&mut self.told, true) {
                    // What was lost is an event of the batch too.
                    tracing::warn!("waiting for the writer for so long that detail is lost: {lost:?}");
                }
            }
            None => self.waiting = Some(batch),
        }
        self.replies.extend(reply);
        self.since.get_or_insert(now);
    }

    /// What is waiting is due.
    pub(crate) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// The clock is right from now on, and was off by `by` ever since the minute `since`, when this run began. What
    /// waits here is moved; what was handed over is corrected with the next batch.
    pub(crate) fn correct(&mut self, since: Timestamp, by: Span, now: Instant) {
        if let Some(waiting) = &mut self.waiting {
            waiting.shift(since, by);
        }
        self.clock = Clock::Synced;
        self.held_until = None;
        if self.sent_unsure {
            self.correction = Some(Correction { since, by });
            self.waiting.get_or_insert_default();
            self.since.get_or_insert(now);
        }
        self.hurry();
    }

    /// Until when what comes is held back for the clock, if it is.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Hands over what is waiting if the writer has room and it is worth it. Returns whether the writer still runs.
    pub(crate) fn send(&mut self, now: Instant) -> bool {
        self.held_until = self.held_until.filter(|&until| now < until);
        let Some(batch) = self.waiting.take() else { return true };
        if !self.is_worth(&batch, now) {
            self.waiting = Some(batch);
            return true;
        }
        let job = self.job(batch);
        match self.writer.try_send(job) {
            Ok(()) => {
                self.number += 1;
                self.sent_unsure |= self.clock == Clock::Unsynced;
                (self.since, self.hurried, self.told) = (None, false, false);
                true
            }
            Err(TrySendError::Full(job)) => {
                self.keep(job);
                true
            }
            Err(TrySendError::Disconnected(job)) => {
                self.keep(job);
                false
            }
        }
    }

    /// Whether a batch shall be handed over now, if there is room.
    fn is_worth(&self, batch: &Batch, now: Instant) -> bool {
        if batch.rows() >= MANY || !self.replies.is_empty() {
            return true;
        }
        let young = self.since.is_some_and(|since| now.duration_since(since) < SILENT);
        let silent = young && batch.is_silent() && self.correction.is_none();
        self.hurried && !silent && self.held_until.is_none()
    }

    /// Hands over the last batch, for which the writer is waited for. Returns whether the writer took it.
    pub(crate) fn close(mut self) -> bool {
        let Some(batch) = self.waiting.take() else { return true };
        let job = self.job(batch);
        self.writer.send(job).is_ok()
    }

    fn job(&mut self, batch: Batch) -> Job {
        Job::Batch(Box::new(Parcel {
            batch,
            number: self.number,
            clock: self.clock,
            correction: self.correction.take(),
            done: std::mem::take(&mut self.replies),
        }))
    }

    /// Rows that are waiting.
    pub(crate) fn rows(&self) -> usize {
        self.waiting.as_ref().map_or(0, Batch::rows)
    }

    fn keep(&mut self, job: Job) {
        if let Job::Batch(parcel) = job {
            let Parcel { batch, correction, done, .. } = *parcel;
            self.waiting = Some(batch);
            self.correction = correction;
            self.replies = done;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use lanscribe_core::device::Count;
    use lanscribe_core::rollup::{Coverage, Minute};
    use lanscribe_core::time::Timestamp;
    use tokio::sync::oneshot;

    use super::*;

    /// One minute with so many frames.
    fn batch(minute: i64, frames: u64) -> Batch {
        let captured = Count { frames, bytes: 60 * frames };
        let coverage = Coverage { captured, ..Coverage::default() };
        let minute = Minute { window: Timestamp::from_secs(60 * minute), coverage, rows: Vec::new() };
        Batch { minutes: vec![minute], ..Batch::default() }
    }

    fn taken(jobs: &Receiver<Job>) -> Vec<(u64, u64)> {
        let frames = |batch: &Batch| batch.minutes.iter().map(|m| m.coverage.captured.frames).sum();
        jobs.try_iter()
            .filter_map(|job| match job {
                Job::Batch(parcel) => Some((parcel.number, frames(&parcel.batch))),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn what_the_writer_has_no_room_for_goes_with_the_next_and_nothing_is_lost() {
        let (sender, jobs) = sync_channel(1);
        let (mut outbox, now) = (Outbox::new(sender, None), Instant::now());
        for minute in 1..=4 {
            outbox.put(batch(minute, 10), None, now);
            outbox.hurry();
            assert!(outbox.send(now), "a writer that is slow is still there");
        }
        assert_eq!(taken(&jobs), [(0, 10)]);
        assert!(outbox.send(now));
        assert_eq!(taken(&jobs), [(1, 30)]);
        assert!(outbox.send(now), "with nothing to hand over");
        assert_eq!(taken(&jobs), []);
    }

    #[test]
    fn silent_minutes_wait_for_an_hour_or_for_company() {
        let (sender, jobs) = sync_channel(9);
        let (mut outbox, start) = (Outbox::new(sender, None), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        for minute in 0..60 {
            outbox.put(batch(1, 0), None, at(minute));
            outbox.hurry();
            outbox.send(at(minute));
        }
        assert_eq!(taken(&jobs), []);
        outbox.send(at(60));
        assert_eq!(taken(&jobs), [(0, 0)]);
        outbox.put(batch(2, 0), None, at(61));
        outbox.hurry();
        outbox.send(at(61));
        outbox.put(batch(3, 5), None, at(62));
        outbox.send(at(62));
        assert_eq!(taken(&jobs), [(1, 5)]);
        let (reply, _done) = oneshot::channel();
        outbox.put(batch(4, 0), Some(reply), at(63));
        outbox.hurry();
        outbox.send(at(63));
        assert_eq!(taken(&jobs), [(2, 0)], "who asks for a flush is not kept waiting");
    }

    #[test]
    fn a_writer_that_is_gone_is_noticed() {
        let (sender, jobs) = sync_channel(1);
        let (mut outbox, now) = (Outbox::new(sender, None), Instant::now());
        drop(jobs);
        outbox.put(batch(1, 10), None, now);
        outbox.hurry();
        assert!(!outbox.send(now));
        assert!(!outbox.close());
    }

    #[test]
    fn what_is_not_due_waits_until_it_is_or_is_much() {
        let (sender, jobs) = sync_channel(9);
        let (mut outbox, now) = (Outbox::new(sender, None), Instant::now());
        outbox.put(batch(1, 10), None, now);
        outbox.send(now);
        assert_eq!(taken(&jobs), []);
        outbox.hurry();
        outbox.send(now);
        assert_eq!(taken(&jobs), [(0, 10)]);
        // A minute is a row of its own.
        for _ in 0..MANY {
            outbox.put(batch(2, 1), None, now);
        }
        outbox.put(batch(3, 5), None, now);
        outbox.send(now);
        assert_eq!(outbox.rows(), 2, "pieces of one minute are one");
        for minute in 4..2_000 {
            outbox.put(batch(minute, 1), None, now);
        }
        outbox.limits.minutes = 100;
        outbox.put(batch(2_001, 1), None, now);
        assert_eq!(outbox.rows(), 101, "a hundred minutes, and the event that says what was lost");
        assert_eq!(taken(&jobs), []);
    }

    /// The parcels that were handed over: the first minute, what the clock is worth, and what was off before.
    fn parcels(jobs: &Receiver<Job>) -> Vec<(i64, Clock, Option<Correction>)> {
        let first = |batch: &Batch| batch.minutes.first().map_or(-1, |minute| minute.window.0 / 60_000_000);
        let parcel = |job| match job {
            Job::Batch(parcel) => Some((first(&parcel.batch), parcel.clock, parcel.correction)),
            _ => None,
        };
        jobs.try_iter().filter_map(parcel).collect()
    }

    const HOUR: Span = Span::from_secs(3600);

    #[test]
    fn rows_wait_for_the_clock_and_have_right_times_when_they_go() {
        let (sender, jobs) = sync_channel(9);
        let start = Instant::now();
        let until = start + Duration::from_secs(900);
        let mut outbox = Outbox::new(sender, Some(until));
        for minute in 1..=10 {
            outbox.put(batch(minute, 10), None, start);
            outbox.hurry();
            assert!(outbox.send(until - Duration::from_secs(1)));
        }
        assert_eq!((parcels(&jobs), outbox.held_until()), (vec![], Some(until)));
        outbox.correct(Timestamp::from_secs(60), HOUR, start);
        outbox.send(start);
        assert_eq!(parcels(&jobs), [(61, Clock::Synced, None)], "nothing of before is in the file");
        outbox.put(batch(72, 10), None, start);
        outbox.hurry();
        outbox.send(start);
        assert_eq!(parcels(&jobs), [(72, Clock::Synced, None)]);
    }

    #[test]
    fn what_went_without_a_right_clock_is_corrected_with_the_next_batch_and_only_with_that() {
        let since = Timestamp::from_secs(60);
        let (reply, _done) = oneshot::channel();
        for asked in [Some(reply), None] {
            let (sender, jobs) = sync_channel(1);
            let start = Instant::now();
            let later = if asked.is_some() { start } else { start + Duration::from_secs(900) };
            let mut outbox = Outbox::new(sender, Some(start + Duration::from_secs(900)));
            outbox.put(batch(1, 10), asked, start);
            outbox.hurry();
            outbox.send(later);
            // It is still on its way, and there is no room for another one.
            outbox.correct(since, HOUR, later);
            outbox.send(later);
            assert_eq!(parcels(&jobs), [(1, Clock::Unsynced, None)]);
            outbox.put(batch(62, 10), None, later);
            outbox.send(later);
            outbox.put(batch(63, 10), None, later);
            outbox.hurry();
            let correction = Correction { since, by: HOUR };
            assert_eq!(parcels(&jobs), [(62, Clock::Synced, Some(correction))]);
            outbox.send(later);
            assert_eq!(parcels(&jobs), [(63, Clock::Synced, None)]);
        }
    }

    #[test]
    fn a_correction_is_told_also_when_nothing_comes_any_more() {
        let (sender, jobs) = sync_channel(2);
        let start = Instant::now();
        let mut outbox = Outbox::new(sender, Some(start));
        outbox.put(batch(1, 10), None, start);
        outbox.hurry();
        outbox.send(start);
        outbox.correct(Timestamp::from_secs(60), HOUR, start);
        assert!(outbox.close());
        let correction = Correction { since: Timestamp::from_secs(60), by: HOUR };
        assert_eq!(parcels(&jobs), [(1, Clock::Unsynced, None), (-1, Clock::Synced, Some(correction))]);
    }
}
