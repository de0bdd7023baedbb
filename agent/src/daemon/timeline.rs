//! The time in which frames are counted, on a machine whose clock may be wrong at first and may be set at any time.
//!
//! The kernel stamps frames by the wall clock. As long as nobody said that this one is right, time here runs on evenly
//! whatever is done to it, and begins after what the file has already; from the day that it is right, time is what it
//! says. A step is seen by comparing it with the monotonic clock, which nobody sets.

use lanscribe_core::pipeline::LATE;
use lanscribe_core::time::{MINUTE, Span, Timestamp};

/// What is less is no step: a clock that is steered gains or loses at most a tenth, and is looked at every few seconds;
/// and a frame may be so late.
const STEP: Span = LATE;
/// How long after a step frames that were stamped before it may still lie in a ring: a hiccup of the machine included.
const REMEMBERED: Span = Span::from_secs(60);

/// Both clocks at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) wall: Timestamp,
    /// Since any fixed instant.
    pub(super) monotonic: Span,
}

/// What a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The clock was set by this, and time with it.
    Set(Span),
    /// The clock is right from now on: all that was counted until now happened this much later.
    Corrected(Span),
}

/// The time that frames are counted in.
#[derive(Debug)]
pub(super) struct Timeline {
    synchronised: bool,
    /// What has to be added to the wall clock. Zero once that is right.
    ahead: Span,
    /// The latest look.
    last: Look,
    /// The latest step, and when it was seen by the monotonic clock.
    step: Option<(Span, Span)>,
    /// The first minute of this run.
    since: Timestamp,
}

impl Timeline {
    /// Begins at `now`; what is told of silence may be `held_back` by so much. A clock that is not `synchronised` is not
    /// believed if it shows a time at or before the minute `stored`, the last that is in the file: then time begins in
    /// the minute after that.
    pub(super) fn new(now: Look, held_back: Span, synchronised: bool, stored: Option<Timestamp>) -> Self {
        let earliest = stored.map(|minute| minute.floor(MINUTE) + MINUTE + held_back);
        let ahead = earliest.filter(|_| !synchronised).map_or(Span(0), |earliest| earliest - now.wall);
        let ahead = ahead.max(Span(0));
        let since = (now.wall + ahead - held_back).floor(MINUTE);
        Self { synchronised, ahead, last: now, step: None, since }
    }

    /// Whether the clock is known to be right.
    pub(super) fn is_synchronised(&self) -> bool {
        self.synchronised
    }

    /// The first minute of this run.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// The time at the latest look.
    pub(super) fn now(&self) -> Timestamp {
        self.last.wall + self.ahead
    }

    /// What has to be added to the wall clock.
    pub(super) fn ahead(&self) -> Span {
        self.ahead
    }

    /// Takes in what the clocks show, and whether somebody says that the wall clock is right, which holds from then on.
    pub(super) fn look(&mut self, now: Look, synchronised: bool) -> Option<Turn> {
        let by = (now.wall - self.last.wall) - (now.monotonic - self.last.monotonic);
        self.last = now;
        let stepped = by.abs() > STEP;
        if stepped {
            self.step = Some((by, now.monotonic));
        }
        if self.synchronised {
            return stepped.then_some(Turn::Set(by));
        }
        if stepped {
            self.ahead = self.ahead - by;
        }
        if !synchronised {
            return None;
        }
        self.synchronised = true;
        let off = -std::mem::take(&mut self.ahead);
        Some(Turn::Corrected(off))
    }

    /// Whether a frame with this stamp may be the first of a clock that was set since the latest look.
    pub(super) fn is_surprised_by(&self, stamp: Timestamp) -> bool {
        (stamp - self.last.wall).abs() > STEP
    }

    /// The time at which a frame with this stamp is counted. One that was stamped before a step is told by which of the
    /// two clocks it is nearer to.
    pub(super) fn at(&self, stamp: Timestamp) -> Timestamp {
        let stamp = match self.step {
            Some((by, seen)) if self.last.monotonic - seen <= REMEMBERED => {
                let away = (stamp - self.last.wall).abs();
                let away_before = (stamp - (self.last.wall - by)).abs();
                if away_before < away { stamp + by } else { stamp }
            }
            _ => stamp,
        };
        stamp + self.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn wall(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + secs)
    }

    /// The clocks after so many seconds of a wall clock that was set by so many.
    fn look(secs: i64, set: i64) -> Look {
        Look { wall: wall(secs + set), monotonic: Span::from_secs(secs + 77) }
    }

    #[test]
    fn a_clock_that_is_right_is_followed_both_ways() {
        for by in [2, -2, 3_600, -3_600, 3_650 * DAY, -3_650 * DAY] {
            let mut line = Timeline::new(look(0, 0), Span(0), true, Some(wall(DAY)));
            assert_eq!(line.since(), wall(0).floor(MINUTE), "what the file has does not matter");
            assert_eq!(line.look(look(5, 0), true), None);
            assert_eq!(line.look(look(6, by), true), Some(Turn::Set(Span::from_secs(by))));
            // A frame that lay in the ring when it was set, and one that came after it.
            let young = Span(900_000);
            assert_eq!(line.at(wall(5) + young), wall(5 + by) + young, "{by}");
            assert_eq!(line.at(wall(6 + by)), wall(6 + by), "{by}");
            assert_eq!(line.look(look(7, by), true), None, "once");
            assert_eq!((line.now(), line.ahead()), (wall(7 + by), Span(0)));
        }
    }

    #[test]
    fn a_clock_that_is_steered_takes_no_step() {
        let mut line = Timeline::new(look(0, 0), Span(0), true, None);
        for n in 1..1_000 {
            // Half a second in five, which is more than chrony does by itself.
            let now = look(5 * n, 0);
            let now = Look { wall: now.wall + Span(500_000 * n), ..now };
            assert_eq!(line.look(now, true), None);
        }
    }

    #[test]
    fn before_it_is_right_time_runs_on_evenly_whatever_is_done_to_the_clock() {
        let mut line = Timeline::new(look(0, 0), Span(0), false, None);
        assert_eq!(line.look(look(10, 0), false), None);
        assert_eq!(line.look(look(11, 700 * DAY), false), None);
        assert_eq!(line.now(), wall(11));
        assert_eq!((line.at(wall(10)), line.at(wall(11 + 700 * DAY))), (wall(10), wall(11)));
        assert_eq!(line.look(look(20, -5 * DAY), false), None);
        assert_eq!((line.now(), line.at(wall(20 - 5 * DAY))), (wall(20), wall(20)));
        // The last of these was the right one.
        assert_eq!(line.look(look(21, -5 * DAY), true), Some(Turn::Corrected(Span::from_secs(-5 * DAY))));
        assert_eq!((line.now(), line.ahead()), (wall(21 - 5 * DAY), Span(0)));
        assert_eq!(line.look(look(22, -5 * DAY), false), None, "it stays right");
        assert!(line.is_synchronised());
    }

    #[test]
    fn a_step_that_is_seen_with_the_word_that_it_is_right_is_part_of_the_correction() {
        let mut line = Timeline::new(look(0, 0), Span(0), false, None);
        line.look(look(10, 0), false);
        assert_eq!(line.look(look(11, 90), true), Some(Turn::Corrected(Span::from_secs(90))));
        assert_eq!(line.at(wall(10)), wall(100), "a frame from before the step");
        assert_eq!(line.at(wall(101)), wall(101));
    }

    #[test]
    fn an_unsure_clock_begins_after_what_the_file_has() {
        let begins = |stored: i64| Timeline::new(look(0, 0), Span(0), false, Some(wall(stored)));
        assert_eq!(begins(-DAY).now(), wall(0), "that was long ago");
        let held_back = Span::from_secs(2);
        let line = Timeline::new(look(0, 0), held_back, false, Some(wall(DAY)));
        assert_eq!((line.now() - held_back, line.since()), (line.since(), wall(DAY).floor(MINUTE) + MINUTE));
        let line = Timeline::new(look(0, 0), held_back, false, None);
        assert_eq!(
            line.since(),
            (wall(0) - held_back).floor(MINUTE),
            "what is told of silence is of this run too"
        );
        let line = begins(DAY);
        assert_eq!(line.now(), wall(DAY).floor(MINUTE) + MINUTE);
        assert_eq!(line.since(), line.now());
        assert_eq!(line.at(wall(1)), line.now() + Span::from_secs(1));
        let mut line = begins(DAY);
        let off = wall(5) - (line.now() + Span::from_secs(5));
        assert_eq!(line.look(look(5, 0), true), Some(Turn::Corrected(off)), "the clock was right all along");
        assert_eq!(line.at(wall(5)), wall(5));
    }

    #[test]
    fn a_frame_of_a_clock_that_was_just_set_is_a_reason_to_look_again() {
        let line = Timeline::new(look(0, 0), Span(0), true, None);
        for (stamp, surprises) in [(0, false), (1, false), (2, true), (-2, true), (DAY, true)] {
            assert_eq!(line.is_surprised_by(wall(stamp)), surprises, "{stamp}");
        }
    }

    #[test]
    fn a_step_is_forgotten_after_a_minute() {
        let mut line = Timeline::new(look(0, 0), Span(0), true, None);
        line.look(look(1, 100), true);
        assert_eq!(line.at(wall(1)), wall(101));
        line.look(look(62, 100), true);
        assert_eq!(
            line.at(wall(62)),
            wall(62),
            "a frame that somebody stamped wrongly is not ours to correct"
        );
    }
}
