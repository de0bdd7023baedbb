//! The rings of the interfaces: waited for together, and read so that none is behind the others for long.

use std::io;
use std::time::{Duration, Instant};

use lanscribe_core::time::Span;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Capture, follow};
use crate::capture::{BLOCK_TIMEOUT, Tap, TapError};

/// Frames that are taken from the rings before whoever asks for something has a turn; and from one of several rings before
/// the others.
const AT_ONCE: usize = 16_384;
const SLICE: usize = 64;
/// Turns in a row in which an interface was ready and had nothing, as one is that went down.
const EMPTY: u32 = 3;
/// How long such an interface is left alone.
const REST: Duration = Duration::from_millis(500);
/// What `wait` found.
pub(super) struct Ready {
    pub(super) woken: bool,
    /// Something happened to an interface of this machine.
    pub(super) links: bool,
    pub(super) lines: Vec<bool>,
}

impl Capture {
    /// Waits until a ring has something, somebody asks, or `until`.
    pub(super) fn wait(&mut self, until: Instant) -> io::Result<Ready> {
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
    pub(super) fn read_rings(
        &mut self,
        mut full: Vec<bool>,
        most: impl Fn(&Tap) -> u64,
    ) -> Result<u64, TapError> {
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

    /// Takes in what the kernel has counted up to now, and no more: what comes later was never promised.
    pub(super) fn drain(&mut self) -> Result<(), TapError> {
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
}
