//! The capture thread: every interface's ring, one pipeline, and a look at the clock once a second.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::tap::TapChange;
use lanscribe_core::time::{Span, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
/// Frames that are taken from the rings before whoever asks for something has a turn; and from one of several rings before
/// the others.
const AT_ONCE: usize = 16_384;
const SLICE: usize = 64;
/// Turns in a row in which an interface was ready and had nothing, as one is that went down.
const EMPTY: u32 = 3;
/// How long such an interface is left alone.
const REST: Duration = Duration::from_millis(500);
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

    /// Waits until a ring has something, somebody asks, or `until`.
    fn wait(&mut self, until: Instant) -> io::Result<Ready> {
        let now = Instant::now();
        for line in &mut self.lines {
            line.resting_until = line.resting_until.filter(|&until| until > now);
        }
        let resting = self.lines.iter().filter_map(|line| line.resting_until);
        let until = resting.chain(self.links.rests_until(now)).fold(until, Instant::min);
        let busy = self.lines.iter().any(|line| line.more);
        let patience = if busy { Duration::ZERO } else { until.saturating_duration_since(now) };
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        fds.extend(self.lines.iter().map(|line| {
            // One that rests is only asked for errors, which cannot be switched off, so it is not asked at all.
            if line.resting_until.is_some() {
                PollFd::new(&self.woken, PollFlags::empty())
            } else {
                PollFd::new(&line.tap, PollFlags::IN)
            }
        }));
        fds.push(match self.links.fd(now) {
            Some(fd) => PollFd::from_borrowed_fd(fd, PollFlags::IN),
            None => PollFd::new(&self.woken, PollFlags::empty()),
        });
        let timeout = Timespec::try_from(patience).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let resting = self.lines.iter().map(|line| line.resting_until.is_some());
        let lines =
            fds[1..].iter().zip(resting).map(|(fd, rests)| !rests && !fd.revents().is_empty()).collect();
        let woken = !fds[0].revents().is_empty();
        let links = self.links.fd(now).is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty());
        if links {
            self.links.hear(Instant::now());
        }
        // What is in the rings by now was stamped before this.
        self.look(false);
        Ok(Ready { woken, links, lines })
    }

    /// Takes in what is in those rings that have something, of each at most what `most` allows, until none has more or
    /// others must have their turn. Returns how many frames there were.
    ///
    /// The one that is behind in time comes first, and only a little of it: after a hiccup each ring holds seconds of
    /// frames, and those of one must not look like a clock that was set back after those of another.
    fn read_rings(&mut self, mut full: Vec<bool>, most: impl Fn(&Tap) -> u64) -> Result<u64, TapError> {
        let slice = if self.lines.len() == 1 { AT_ONCE } else { SLICE };
        let mut frames = 0;
        for _ in 0..AT_ONCE / slice {
            let behind = (0..full.len()).filter(|&n| full[n]).min_by_key(|&n| self.lines[n].last_frame);
            let Some(n) = behind else { break };
            let most = most(&self.lines[n].tap);
            frames += self.read(n, slice, most)?;
            full[n] = self.lines[n].more;
        }
        Ok(frames)
    }

    /// Takes in what is in the ring of interface `n`, a `slice` of it and at most `most` frames. Returns how many there
    /// were.
    fn read(&mut self, n: usize, slice: usize, most: u64) -> Result<u64, TapError> {
        let Self { lines, pipeline, sight, timeline, outbox, began, .. } = self;
        let mut moved = Span(0);
        let line = &mut lines[n];
        let interface = u16::try_from(n).unwrap_or(u16::MAX);
        let (before, last_frame) = (line.tap.captured().0, &mut line.last_frame);
        line.more = line.tap.read(slice, most, |frame| {
            // The clock may be set while the ring is read, and what comes then is of the new one.
            if timeline.is_surprised_by(frame.at) {
                moved = moved + follow(timeline, pipeline, outbox, *began, false);
            }
            let at = timeline.at(frame.at);
            pipeline.packet(at, interface, frame.link_type, frame.wire_len, frame.bytes);
            sight.observe(at, frame.link_type, frame.bytes);
            *last_frame = Some(at);
        })?;
        let frames = line.tap.captured().0 - before;
        line.empty = if frames == 0 { line.empty + 1 } else { 0 };
        if line.empty >= EMPTY {
            line.empty = 0;
            line.resting_until = Some(Instant::now() + REST);
        }
        // The latest frame of this one is of the new time already.
        let last = line.last_frame;
        self.move_along(moved);
        self.lines[n].last_frame = last;
        Ok(frames)
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
                    let talks = self.pipeline.talks(mac, LISTED).into_iter();
                    let _ = reply.send(talks.map(|talk| conversation(talk, ahead)).collect());
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

    /// Takes in what the kernel has counted up to now, and no more: what comes later was never promised.
    fn drain(&mut self) -> Result<(), TapError> {
        self.count()?;
        // The kernel hands over a block that is not full after the time-out. What has piled up in a large ring may take
        // longer than that to take in.
        let patience = 4 * BLOCK_TIMEOUT;
        let mut until = Instant::now() + patience;
        while self.lines.iter().any(|line| line.tap.in_ring() > 0) && Instant::now() < until {
            let _ = self.wait(until.min(Instant::now() + BLOCK_TIMEOUT / 4));
            let full = self.lines.iter().map(|line| line.tap.in_ring() > 0).collect();
            match self.read_rings(full, Tap::in_ring) {
                Ok(0) => {}
                Ok(_) => until = Instant::now() + patience,
                // What the last block of one that is gone holds comes after the time-out, like anybody's.
                Err(TapError::Gone(_)) => {}
                // Others may hold more.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        for line in &mut self.lines {
            line.tap.write_off();
        }
        Ok(())
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

/// What `wait` found.
struct Ready {
    woken: bool,
    /// Something happened to an interface of this machine.
    links: bool,
    lines: Vec<bool>,
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
