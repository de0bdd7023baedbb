//! A batch whose clock was off: all that happened in it is moved to when it happened.

use super::Batch;
use crate::flow::record::REPORTING;
use crate::names::hours;
use crate::time::{MINUTE, Span, Timestamp};

impl Batch {
    /// Moves what happened at `since` or later by `by`: windows by whole minutes, since they cannot be cut anew, all
    /// other times exactly.
    pub fn shift(&mut self, since: Timestamp, by: Span) {
        for minute in &mut self.minutes {
            minute.window = minute.window.shifted(since.floor(MINUTE), by.rounded(MINUTE));
        }
        for device in &mut self.devices {
            device.seen = (device.seen.0.shifted(since, by), device.seen.1.shifted(since, by));
        }
        for interval in &mut self.addresses {
            interval.shift(since, by);
        }
        for flow in &mut self.flows {
            flow.start = flow.start.shifted(since, by);
            flow.end = flow.end.shifted(since, by);
            flow.reported = flow.reported.shifted(since.floor(REPORTING), by).floor(REPORTING);
        }
        hours::shift(&mut self.dns, since, by);
        for claim in &mut self.claims {
            claim.shift(since, by);
        }
        for event in &mut self.events {
            event.at = event.at.shifted(since, by);
        }
    }
}
