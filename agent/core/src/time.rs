//! Time as core sees it: microseconds since 1970 UTC, always an argument, never read.

use std::ops::{Add, Neg, Sub};

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A length of time in microseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

/// The shortest rollup window. A minute in UTC is a minute in every civil time zone too.
pub const MINUTE: Span = Span::from_secs(60);

impl Timestamp {
    /// The last instant that is accepted, 9999-01-01T00:00:00Z: every calendar on the way to the reader still
    /// knows it. Capture files hold stamps up to the year 586,912; they are counted here instead.
    pub const MAX: Self = Self(253_370_764_800 * 1_000_000);

    /// `secs` seconds since 1970.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Moved into what can be stored: 1970 up to [`Timestamp::MAX`].
    #[must_use]
    pub fn clamped(self) -> Self {
        Self(self.0.clamp(0, Self::MAX.0))
    }

    /// The start of the window of length `width` that holds this instant.
    #[must_use]
    pub const fn floor(self, width: Span) -> Self {
        Self(self.0 - self.0.rem_euclid(width.0))
    }

    /// Moved by `by` if it is `since` or later, within what can be stored.
    #[must_use]
    pub(crate) fn shifted(self, since: Self, by: Span) -> Self {
        if self < since { self } else { (self + by).clamped() }
    }

    /// Milliseconds since 1970, rounded down: the unit of the file.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

impl Span {
    /// `secs` seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Its length.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// The nearest whole multiple of `unit`.
    #[must_use]
    pub const fn rounded(self, unit: Self) -> Self {
        Self(self.0.saturating_add(unit.0 / 2).div_euclid(unit.0) * unit.0)
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, other: Self) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_finds_the_window_on_both_sides_of_1970() {
        assert_eq!(Timestamp::from_secs(61).floor(MINUTE), Timestamp::from_secs(60));
        assert_eq!(Timestamp::from_secs(60).floor(MINUTE), Timestamp::from_secs(60));
        assert_eq!(Timestamp::from_secs(-1).floor(MINUTE), Timestamp::from_secs(-60));
    }

    #[test]
    fn a_span_is_rounded_to_the_nearest_minute_either_way() {
        let rounded = |secs: i64| Span::from_secs(secs).rounded(MINUTE).0 / MINUTE.0;
        assert_eq!([29, 30, 89, 91, -29, -31, -91].map(rounded), [0, 1, 1, 2, 0, -1, -2]);
    }

    #[test]
    fn stamps_that_no_calendar_knows_are_clamped() {
        assert_eq!(Timestamp(i64::MAX).clamped(), Timestamp::MAX);
        assert_eq!(Timestamp(-5).clamped(), Timestamp(0));
        assert_eq!(Timestamp(i64::MAX) + MINUTE, Timestamp(i64::MAX));
    }
}
