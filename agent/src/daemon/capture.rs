//! The capture thread: every interface's ring, one pipeline, and a look at the clock once a second.

mod rings;

use std::io::{self, Read};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::tap::TapChange;
use lanscribe_core::time::{Span, Timestamp};

use super::ask::{Ask, Asking, Progress, TapProgress, conversation, device_traffic};
use super::lock;
use super::outbox::Outbox;
use super::timeline::{Look, Timeline, Turn};
use super::writer::Reply;
use crate::capture::{BLOCK_TIMEOUT, Links, Own, Sight, Tap, TapError};
use crate::clock::Marks;
use crate::text::span_text;

/// How often the clock is looked at while frames come, and while none do.
const TURN: Duration = Duration::from_secs(1);
const IDLE_TURN: Duration = Duration::from_secs(5);
/// Interfaces count drops without frames too, but nobody needs to know each second.
const COUNT: Duration = Duration::from_secs(10);
/// Frames of this age may still lie in a block that the kernel has not handed over, or be late: time is not told to
/// have passed before that.
const HELD_BACK: Span = Span(1_250_000);
const _: () = assert!(BLOCK_TIMEOUT.as_millis() <= 250);
/// Rows that wait in the pipeline before they are taken out of it, whatever the time: many conversations end in a second
/// of a scan, and the pipeline keeps so many records only.
const PENDING: usize = 20_000;
/// Conversations of a device that are listed.
const LISTED: usize = 32;

/// Why the capture ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was asked to.
    Asked,
    /// An interface failed.
    Tap(TapError),
    /// There is no writer any more.
    NoWriter,
}

/// What is known of the clock at the start.
pub(super) struct Clock {
    /// Whether somebody says that it is right.
    pub(super) synchronised: bool,
    /// Who will.
    pub(super) marks: Marks,
    /// The last minute that is in the file.
    pub(super) stored: Option<Timestamp>,
}

struct Line {
    tap: Tap,
    last_frame: Option<Timestamp>,
    /// Turns in a row in which it was ready and had nothing.
    empty: u32,
    resting_until: Option<Instant>,
    /// There may be more in its ring than one turn took.
    more: bool,
}

/// The thread's own.
pub(super) struct Capture {
    lines: Vec<Line>,
    links: Links,
    pipeline: Pipeline,
    sight: Sight,
    outbox: Outbox,
    flush_every: Duration,
    flush_due: Instant,
    progress: Arc<Mutex<Progress>>,
    asks: mpsc::Receiver<Ask>,
    woken: io::PipeReader,
    /// The time that frames are counted in; looked at before the rings are.
    timeline: Timeline,
    /// What the monotonic clock of the timeline is counted from.
    began: Instant,
    marks: Marks,
    turn_at: Instant,
    turned: Instant,
    count_at: Instant,
    /// Frames when the last turn came.
    counted: u64,
}

impl Capture {
    /// Makes the thread's state, and what others hold of it.
    ///
    /// # Errors
    /// If there is no pipe to wake it by.
    pub(super) fn new(
        taps: Vec<Tap>,
        links: Links,
        pipeline: Pipeline,
        own: &Own,
        outbox: Outbox,
        flush_every: Duration,
        clock: Clock,
    ) -> io::Result<(Self, Asking, Arc<Mutex<Progress>>)> {
        let (asking, asks, woken) = Asking::new()?;
        let progress = Arc::new(Mutex::new(Progress::default()));
        let now = Instant::now();
        let line = |tap| Line { tap, last_frame: None, empty: 0, resting_until: None, more: false };
        let capture = Self {
            lines: taps.into_iter().map(line).collect(),
            links,
            pipeline,
            sight: Sight::new(own),
            outbox,
            flush_every,
            flush_due: now + flush_every,
            progress: Arc::clone(&progress),
            asks,
            woken,
            timeline: Timeline::new(look(now), HELD_BACK, clock.synchronised, clock.stored),
            began: now,
            marks: clock.marks,
            turn_at: now,
            turned: now,
            count_at: now,
            counted: 0,
        };
        Ok((capture, asking, progress))
    }

    /// Captures until it is asked to stop or cannot go on; then every frame that the kernel counted is taken in, and
    /// the last batch handed over.
    pub(super) fn run(mut self) -> End {
        let now = Instant::now();
        let end = match self.look_at_links(now) {
            Ok(()) => {
                // Who asks at once should see what there is.
                self.publish(now, now);
                self.listen()
            }
            Err(end) => end,
        };
        if let Err(error) = self.drain() {
            tracing::warn!("{error}");
        }
        let now = Instant::now();
        // libpcap may have known first that an interface is gone.
        let _ = self.look_at_links(now);
        let left_out = self.links.left_out(now, true);
        self.tell(left_out);
        self.pipeline.finish();
        self.outbox.put(self.pipeline.take_batch(), None, now);
        self.publish(now, now);
        let Self { outbox, lines, .. } = self;
        for Line { tap, .. } in &lines {
            let (counts, (captured, _)) = (tap.counts(), tap.captured());
            tracing::info!(
                "{}: {} packets received by the kernel, {captured} captured, {} dropped for want of room",
                tap.name(),
                counts.received,
                counts.dropped
            );
        }
        match outbox.close() {
            true => end,
            false => End::NoWriter,
        }
    }

    fn listen(&mut self) -> End {
        loop {
            let ready = match self.wait(self.turn_at) {
                Ok(ready) => ready,
                Err(error) => return End::Tap(TapError::Broken("poll".to_owned(), error.to_string())),
            };
            let frames = match self.read_rings(ready.lines, |_| u64::MAX) {
                Ok(frames) => frames,
                Err(error) => return End::Tap(error),
            };
            if ready.woken && self.answer() {
                return End::Asked;
            }
            let now = Instant::now();
            if ready.links
                && let Err(end) = self.look_at_links(now)
            {
                return end;
            }
            if frames > 0 {
                self.turn_at = self.turn_at.min(now + TURN);
            }
            if self.pipeline.pending() >= PENDING {
                self.outbox.put(self.pipeline.take_batch(), None, now);
            }
            if now >= self.turn_at
                && let Err(end) = self.turn(now, frames == 0)
            {
                return end;
            }
        }
    }

    /// Once a second: time passes, drops are counted, and what is due is handed over.
    fn turn(&mut self, now: Instant, silent: bool) -> Result<(), End> {
        if silent {
            self.pipeline.tick(self.timeline.now() - HELD_BACK);
        }
        if !self.timeline.is_synchronised() && self.marks.say_so() {
            self.look(true);
        }
        let frames = self.frames();
        if frames > self.counted || now >= self.count_at {
            self.count_at = now + COUNT;
            self.count().map_err(End::Tap)?;
        }
        if self.links.is_due() {
            self.look_at_links(now)?;
        }
        let left_out = self.links.left_out(now, false);
        self.tell(left_out);
        if now >= self.flush_due {
            self.flush(None, now);
        }
        let written = self.outbox.send(now);
        self.turn_at = now + if frames > self.counted { TURN } else { IDLE_TURN };
        let since = std::mem::replace(&mut self.turned, now);
        self.publish(since, now);
        self.counted = frames;
        if written { Ok(()) } else { Err(End::NoWriter) }
    }

    /// Looks at the clocks, and does what they ask for.
    fn look(&mut self, synchronised: bool) {
        let Self { timeline, pipeline, outbox, began, .. } = self;
        let moved = follow(timeline, pipeline, outbox, *began, synchronised);
        self.move_along(moved);
    }

    /// Time was moved by so much.
    fn move_along(&mut self, by: Span) {
        for line in &mut self.lines {
            line.last_frame = line.last_frame.map(|at| at + by);
        }
    }

    /// Sees how the links are: that one is down is time in which nothing is watched, that one is lost is the end.
    fn look_at_links(&mut self, now: Instant) -> Result<(), End> {
        let news = self.links.look(now);
        self.tell(news.told);
        self.pipeline.watch(self.timeline.now(), self.links.is_any_up());
        news.end.map_or(Ok(()), |error| Err(End::Tap(error)))
    }

    fn tell(&mut self, changes: Vec<(u16, TapChange)>) {
        let now = self.timeline.now();
        for (interface, change) in changes {
            self.pipeline.tap_changed(now, interface, change);
        }
    }

    fn frames(&self) -> u64 {
        self.lines.iter().map(|line| line.tap.captured().0).sum()
    }

    fn count(&mut self) -> Result<(), TapError> {
        for line in &mut self.lines {
            let (ring, interface) = line.tap.count()?;
            if ring > 0 || interface > 0 {
                self.pipeline.dropped(ring, interface);
            }
        }
        Ok(())
    }

    fn flush(&mut self, reply: Option<Reply>, now: Instant) {
        self.flush_due = now + self.flush_every;
        self.outbox.put(self.pipeline.take_batch(), reply, now);
        self.outbox.hurry();
    }

    /// Answers what was asked. Returns whether it was asked to stop.
    fn answer(&mut self) -> bool {
        let _ = self.woken.read(&mut [0; 64]);
        // Who asked may have gone: then nobody misses the answer.
        while let Ok(ask) = self.asks.try_recv() {
            match ask {
                Ask::Flush(reply) => {
                    let now = Instant::now();
                    self.flush(Some(reply), now);
                    // A writer that is gone is noticed at the next turn.
                    self.outbox.send(now);
                }
                Ask::Traffic(reply) => {
                    let ahead = self.timeline.ahead();
                    let traffic = self.pipeline.traffic().map(|traffic| device_traffic(traffic, ahead));
                    let _ = reply.send(traffic.collect());
                }
                Ask::Talks(mac, reply) => {
                    let ahead = self.timeline.ahead();
                    let talks = self.pipeline.talks(mac, LISTED);
                    let _ = reply.send(talks.iter().map(|talk| conversation(talk, ahead)).collect());
                }
                Ask::Own(own) => {
                    self.sight.set_own(&own);
                    for &network in &own.networks {
                        self.pipeline.add_network(network);
                    }
                }
                Ask::FlushEvery(every) => {
                    self.flush_due = self.flush_due.min(Instant::now() + every);
                    self.flush_every = every;
                }
                Ask::Stop => return true,
            }
        }
        false
    }

    fn publish(&mut self, since: Instant, now: Instant) {
        let frames = self.frames() - self.counted;
        let millis = now.duration_since(since).as_millis().max(1);
        let rate = u128::from(frames) * 1_000 / millis;
        let progress = Progress {
            next_turn: Some(self.turn_at),
            taps: (0..)
                .zip(&self.lines)
                .map(|(n, line)| line.progress(self.timeline.ahead(), self.links.is_narrow(n)))
                .collect(),
            stats: self.pipeline.stats(),
            packets_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
            hints: Some(self.sight.hints(self.timeline.now())),
            pending: self.pipeline.pending() + self.outbox.rows(),
            flush_due: Some(self.flush_due),
            synchronised: self.timeline.is_synchronised(),
            held_until: self.outbox.held_until(),
        };
        *lock(&self.progress) = progress;
    }
}

impl Line {
    /// With times by the wall clock, from which `ahead` is what they are counted in.
    fn progress(&self, ahead: Span, narrow: bool) -> TapProgress {
        let (counts, (captured, bytes)) = (self.tap.counts(), self.tap.captured());
        TapProgress {
            name: self.tap.name().to_owned(),
            link_type: self.tap.link_type().name,
            captured,
            bytes,
            received: counts.received,
            dropped: counts.dropped,
            interface_dropped: counts.interface_dropped,
            last_frame: self.last_frame.map(|at| at - ahead),
            narrow,
        }
    }
}

/// Looks at the clocks, and does what they ask for. Returns by how much time was moved.
fn follow(
    timeline: &mut Timeline,
    pipeline: &mut Pipeline,
    outbox: &mut Outbox,
    began: Instant,
    synchronised: bool,
) -> Span {
    let now = Instant::now();
    match timeline.look(look(began), synchronised) {
        None => Span(0),
        Some(Turn::Set(by)) => {
            tracing::warn!("the clock was set {}", span_text(by));
            outbox.put(pipeline.set_clock(by), None, now);
            by
        }
        Some(Turn::Corrected(Span(0))) => {
            tracing::info!("the clock is right, and was all along");
            outbox.correct(timeline.since(), Span(0), now);
            Span(0)
        }
        Some(Turn::Corrected(by)) => {
            tracing::info!("the clock is right now; what was captured until now happened {}", span_text(by));
            outbox.correct(timeline.since(), by, now);
            outbox.put(pipeline.correct_clock(timeline.since(), by), None, now);
            by
        }
    }
}

/// Both clocks, the monotonic one counted from `began`.
fn look(began: Instant) -> Look {
    let monotonic = Span(i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX));
    Look { wall: Timestamp(jiff::Timestamp::now().as_microsecond()), monotonic }
}
