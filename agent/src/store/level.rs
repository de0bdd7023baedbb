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
    /// How the tables' names end.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}
