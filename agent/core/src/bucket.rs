//! Admission by token bucket: a burst, then a steady rate, by packet time.

use crate::time::{Span, Timestamp};

/// Lets `burst` things in at once and then `rate` more each second.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    burst: u32,
    rate: u32,
    tokens: u32,
    filled: Timestamp,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub(crate) const fn new(burst: u32, rate: u32) -> Self {
        Self { burst, rate, tokens: burst, filled: Timestamp(0) }
    }

    /// Whether one more may come in at `now`; takes a token if so.
    pub(crate) fn admit(&mut self, now: Timestamp) -> bool {
        let elapsed = now - self.filled;
        if elapsed < Span(0) {
            // Time went back: what was saved up stays, and filling goes on from here.
            self.filled = now;
        } else if elapsed >= Span::from_secs(1) {
            let seconds = elapsed.0 / 1_000_000;
            let earned = seconds.saturating_mul(self.rate.into()).min(self.burst.into());
            self.tokens =
                self.tokens.saturating_add(u32::try_from(earned).unwrap_or(self.burst)).min(self.burst);
            self.filled = self.filled + Span::from_secs(seconds);
        }
        let admitted = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_comes_in_then_one_a_second_whatever_time_does() {
        let mut bucket = Bucket::new(3, 1);
        let t = Timestamp::from_secs(1_000);
        assert_eq!((0..5).map(|_| bucket.admit(t)).collect::<Vec<_>>(), [true, true, true, false, false]);
        assert!(bucket.admit(t + Span::from_secs(1)));
        assert!(!bucket.admit(t + Span::from_secs(1)));
        assert!(!bucket.admit(t - Span::from_secs(500)), "a step back earns nothing");
        assert!(bucket.admit(t - Span::from_secs(499)));
        assert!(bucket.admit(Timestamp::MAX));
        assert_eq!((0..5).filter(|_| bucket.admit(Timestamp::MAX)).count(), 2, "never more than the burst");
    }
}
