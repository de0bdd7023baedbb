//! What the commands that ask share: the file, the period, the form of the answer.

use std::path::PathBuf;

use clap::Args;

/// Which file is asked, about when, and how the answer is printed.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The database to ask
    #[arg(long, value_name = "FILE", default_value = "lanscribe.db", help_heading = "File and form")]
    pub(crate) db: PathBuf,
    /// Print one JSON object a line: integers as they are, times in UTC
    #[arg(long, conflicts_with = "csv", help_heading = "File and form")]
    pub(crate) json: bool,
    /// Print CSV with a header: integers as they are, times in UTC
    #[arg(long, help_heading = "File and form")]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) period: PeriodArgs,
}

/// From when to when.
#[derive(Debug, Args)]
pub(crate) struct PeriodArgs {
    /// From when on: 30m, 12h, 1d or 2w ago; today, yesterday; 2026-11-20, '2026-11-20 14:00'; or RFC 3339
    ///
    /// Dates and times of day are in the time zone of the file (the one it was recorded in). What is "ago" counts
    /// from now, and a day ago is 24 hours ago.
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(crate) since: Option<String>,
    /// Until when, in the same forms; a date means to the end of that day
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(crate) until: Option<String>,
}
