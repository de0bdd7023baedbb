//! The three levels at which usage and coverage are kept.

/// A level: each has a table `usage_...` and one `coverage_...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Minutes of UTC.
    Minute,
    /// Hours of UTC, made of their minutes when they are over.
    Hour,
    /// The site's civil days.
    Day,
}

impl Level {
    /// How long a window can be, in milliseconds: a day, of 25 hours.
    pub(crate) const fn longest(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 25 * 3_600_000,
        }
    }

    /// How the tables' names end.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}
