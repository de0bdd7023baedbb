//! What the commands that ask share: the file, the period, the form of the answer.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::names::{Direction, Names};
use super::reader::Reader;
use super::sums::Filter;
use super::who;

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

/// Which rows count.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only this device: its MAC or IP address, label, name, or a part of its name
    #[arg(long, value_name = "WHO")]
    device: Option<String>,
    /// Only this: a protocol (tcp), a service (https), a port (8883), or both (tcp/8883)
    #[arg(long, value_name = "WHICH")]
    protocol: Option<String>,
    /// Only this way
    #[arg(long, value_enum)]
    direction: Option<Direction>,
}

impl FilterArgs {
    /// Finds what is meant in the file.
    ///
    /// # Errors
    /// If nobody, or more than one, is meant, or the protocol is not known.
    pub(crate) fn resolve(&self, reader: &Reader, names: &mut Names) -> Result<Filter> {
        let find = |who: &str| who::find(reader, names, who).map(|who| who.ids);
        Ok(Filter {
            devices: self.device.as_deref().map(find).transpose()?,
            services: self
                .protocol
                .as_deref()
                .map(|text| names.services(text))
                .transpose()?
                .unwrap_or_default(),
            direction: self.direction.map(Direction::number),
        })
    }
}
