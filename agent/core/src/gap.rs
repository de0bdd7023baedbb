//! Time in which nothing could be watched, for no interface had a link.

use std::collections::VecDeque;

use crate::time::{Span, Timestamp};

/// Gaps that are kept apart until the minutes that they lie in are closed. Beyond it one that follows counts as if it
/// had begun with the one before: too little is then said to have been watched, never too much.
pub(crate) const GAPS: usize = 512;

/// The gaps that reach into minutes which are open, or not yet open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// Those that are over, in order, none of which overlap.
    over: VecDeque<(Timestamp, Timestamp)>,
    /// When the one that lasts began.
    since: Option<Timestamp>,
}

impl Gaps {
    /// From `at` on something is watched, or nothing. Saying it again changes nothing.
    pub(crate) fn watch(&mut self, at: Timestamp, watched: bool) {
        match (watched, self.since) {
            (false, None) => {
                self.since = Some(self.over.back().map_or(at, |&(_, until)| at.max(until)));
            }
            (true, Some(since)) => {
                self.since = None;
                let full = self.over.len() >= GAPS;
                match self.over.back_mut() {
                    _ if at <= since => {}
                    Some(last) if full => last.1 = at,
                    _ => self.over.push_back((since, at)),
                }
            }
            _ => {}
        }
    }

    /// How much of the time between is in a gap.
    pub(crate) fn within(&self, from: Timestamp, until: Timestamp) -> Span {
        let over = self.over.iter().copied();
        let all = over.chain(self.since.map(|since| (since, Timestamp::MAX)));
        Span(all.map(|gap| (gap.1.min(until) - gap.0.max(from)).0.max(0)).sum())
    }

    /// Everything before `at` is closed.
    pub(crate) fn forget(&mut self, at: Timestamp) {
        while self.over.front().is_some_and(|&(_, until)| until <= at) {
            self.over.pop_front();
        }
    }

    /// Time went back to `at`: what was is over, and what lasts goes on.
    pub(crate) fn step_back(&mut self, at: Timestamp) {
        self.over.clear();
        self.since = self.since.map(|since| since.min(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn within(gaps: &Gaps, from: i64, until: i64) -> i64 {
        gaps.within(at(from), at(until)).0 / 1_000_000
    }

    #[test]
    fn a_gap_counts_as_far_as_it_lies_within() {
        let mut gaps = Gaps::default();
        gaps.watch(at(10), false);
        assert_eq!((within(&gaps, 0, 60), within(&gaps, 60, 120)), (50, 60), "it lasts");
        gaps.watch(at(20), false);
        gaps.watch(at(70), true);
        gaps.watch(at(80), true);
        assert_eq!((within(&gaps, 0, 60), within(&gaps, 60, 120)), (50, 10));
        gaps.watch(at(70), false);
        gaps.watch(at(60), true);
        assert_eq!(within(&gaps, 0, 120), 60, "one that ends before it begins is none");
        gaps.forget(at(60));
        assert_eq!(within(&gaps, 0, 120), 60);
        gaps.forget(at(70));
        assert_eq!(within(&gaps, 0, 120), 0);
    }

    #[test]
    fn many_gaps_are_kept_in_bounded_room_and_none_of_them_is_lost() {
        let mut gaps = Gaps::default();
        for n in 0..10 * i64::try_from(GAPS).unwrap() {
            gaps.watch(at(2 * n), false);
            gaps.watch(at(2 * n + 1), true);
        }
        assert_eq!(gaps.over.len(), GAPS);
        assert_eq!(within(&gaps, 0, 1000), 500);
        assert!(within(&gaps, 0, 1 << 40) > 5 * i64::try_from(GAPS).unwrap());
    }

    #[test]
    fn one_that_lasts_when_the_clock_goes_back_goes_on_from_there() {
        let mut gaps = Gaps::default();
        gaps.watch(at(1_000), false);
        gaps.watch(at(1_010), true);
        gaps.watch(at(1_020), false);
        gaps.step_back(at(500));
        assert_eq!((within(&gaps, 0, 500), within(&gaps, 500, 560)), (0, 60));
    }
}
