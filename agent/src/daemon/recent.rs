//! What was captured and lost in the last hour: a hiccup at the start must not worry anybody for days, nor may a month
//! without one hide today's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back it goes.
const HOUR: Duration = Duration::from_secs(3_600);

/// Frames since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    pub(super) captured: u64,
    /// By the ring.
    pub(super) dropped: u64,
    pub(super) interface_dropped: u64,
}

/// The counts at some instants of the last hour, about one a minute.
#[derive(Debug, Default)]
pub(super) struct Recent {
    earlier: VecDeque<(Instant, Frames)>,
}

impl Recent {
    /// These are the counts at `now`.
    pub(super) fn note(&mut self, now: Instant, frames: Frames) {
        // One that is older is kept: it is where the hour begins.
        while self.earlier.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= HOUR) {
            self.earlier.pop_front();
        }
        self.earlier.push_back((now, frames));
    }

    /// What came since the hour began, when the counts are these; since the start, if that is later.
    pub(super) fn since(&self, frames: Frames) -> Frames {
        let (_, before) = self.earlier.front().copied().unwrap_or((Instant::now(), Frames::default()));
        Frames {
            captured: frames.captured - before.captured,
            dropped: frames.dropped - before.dropped,
            interface_dropped: frames.interface_dropped - before.interface_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_forgotten_after_an_hour_and_not_before() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let frames = |dropped, captured| Frames { captured, dropped, interface_dropped: 0 };
        assert_eq!(recent.since(frames(7, 70)), frames(7, 70), "nothing is known of the time before");
        for minute in 0..=60 {
            recent.note(start + Duration::from_secs(60 * minute), frames(9, 100 * minute));
        }
        assert_eq!(recent.since(frames(9, 6_100)), frames(0, 6_100), "those were lost before the first note");
        for minute in 61..=200 {
            recent.note(start + Duration::from_secs(60 * minute), frames(12, 100 * minute));
            assert!(recent.earlier.len() <= 62);
            let lost = recent.since(frames(12, 100 * minute)).dropped;
            assert_eq!(lost, if minute < 61 + 60 { 3 } else { 0 }, "in minute {minute}");
        }
    }
}
