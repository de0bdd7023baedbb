//! The minutes of a batch that waits: pieces of one are joined, the oldest ones lose their names when there is no
//! room for all rows, and how far that went is remembered, so that each is folded once and never looked at again.

use super::BatchLimits;
use crate::rollup::{Fold, Minute};

/// Minutes back from the newest one among which a further piece finds the rest of its minute: a clock that goes to
/// and fro makes a piece at each step.
const PIECES: usize = 4;

/// How far the minutes of a batch were counted and folded.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Minutes from the first one whose rows are in the counts below.
    pub(super) counted: usize,
    pub(super) rows: usize,
    /// Minutes from the first one that have no names any more, and their rows.
    pub(super) nameless: usize,
    pub(super) nameless_rows: usize,
    /// Of these, the ones that have one row for each class.
    pub(super) classes_only: usize,
}

impl Backlog {
    /// Adds `later` to `minutes`, of which this is the backlog. Returns how many minutes were dropped, and how many
    /// frames lost a name on their row.
    pub(super) fn add(
        &mut self,
        minutes: &mut Vec<Minute>,
        later: Vec<Minute>,
        limits: &BatchLimits,
    ) -> (u64, u64) {
        if self.counted > minutes.len() {
            // Somebody took minutes out.
            *self = Self::default();
        }
        self.rows += minutes[self.counted..].iter().map(|minute| minute.rows.len()).sum::<usize>();
        let mut folded = 0;
        for minute in later {
            folded += self.add_minute(minutes, minute);
        }
        self.counted = minutes.len();
        let excess = minutes.len().saturating_sub(limits.minutes);
        self.drop_oldest(minutes, excess);
        folded += self.fold(minutes, limits.rows);
        (excess as u64, folded)
    }

    /// Returns the frames that lost a name, which is what a piece of a nameless minute does.
    fn add_minute(&mut self, minutes: &mut Vec<Minute>, mut minute: Minute) -> u64 {
        let newest = minutes.len().saturating_sub(PIECES);
        let Some(at) = minutes[newest..].iter().rposition(|known| known.window == minute.window) else {
            self.rows += minute.rows.len();
            minutes.push(minute);
            return 0;
        };
        let at = newest + at;
        let folded = match self.depth(at) {
            Some(depth) => minute.fold(depth),
            None => 0,
        };
        let before = minutes[at].rows.len();
        minutes[at].merge(minute);
        let more = minutes[at].rows.len() - before;
        self.rows += more;
        if at < self.nameless {
            self.nameless_rows += more;
        }
        folded
    }

    fn depth(&self, at: usize) -> Option<Fold> {
        match at {
            at if at < self.classes_only => Some(Fold::ToClass),
            at if at < self.nameless => Some(Fold::ToNobody),
            _ => None,
        }
    }

    /// A minute is a few hundred bytes without its rows, so moving a week of them is nothing.
    fn drop_oldest(&mut self, minutes: &mut Vec<Minute>, many: usize) {
        for (at, minute) in minutes.drain(..many).enumerate() {
            self.rows -= minute.rows.len();
            if at < self.nameless {
                self.nameless_rows -= minute.rows.len();
            }
        }
        self.counted = minutes.len();
        self.nameless = self.nameless.saturating_sub(many);
        self.classes_only = self.classes_only.saturating_sub(many);
    }

    /// Folds the oldest minutes until the rows of all are within `limit`, or no more can be done. Nameless rows
    /// may fill half of it: then they are folded further, rather than that newer minutes lose their names.
    fn fold(&mut self, minutes: &mut [Minute], limit: usize) -> u64 {
        let mut folded = 0;
        while self.rows > limit {
            let crowded = self.nameless_rows > limit / 2 || self.nameless == minutes.len();
            if crowded && self.classes_only < self.nameless {
                let minute = &mut minutes[self.classes_only];
                let before = minute.rows.len();
                folded += minute.fold(Fold::ToClass);
                let less = before - minute.rows.len();
                self.rows -= less;
                self.nameless_rows -= less;
                self.classes_only += 1;
            } else if let Some(minute) = minutes.get_mut(self.nameless) {
                let before = minute.rows.len();
                folded += minute.fold(Fold::ToNobody);
                self.rows -= before - minute.rows.len();
                self.nameless_rows += minute.rows.len();
                self.nameless += 1;
            } else {
                break;
            }
        }
        folded
    }
}
