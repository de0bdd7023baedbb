//! The file as the commands that ask see it: open for reading, with its time zone and a clock.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use rusqlite::{Connection, OptionalExtension as _};

use super::args::AskArgs;
use super::listing::Form;
use super::period::Period;
use crate::store;
use crate::store::calendar::Calendar;

/// What a question needs.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) db: Connection,
    /// The zone in which the file has its days.
    pub(crate) zone: TimeZone,
    pub(crate) calendar: Calendar,
    pub(crate) now: Timestamp,
    pub(crate) period: Period,
    pub(crate) form: Form,
    /// Where hour and day rows end and only minutes are; `None` in an empty file.
    pub(crate) open_hour: Option<i64>,
}

impl Reader {
    /// Opens the file that the arguments name, and understands their period.
    pub(crate) fn open(args: &AskArgs) -> Result<Self> {
        Self::open_at(args, Timestamp::now())
    }

    fn open_at(args: &AskArgs, now: Timestamp) -> Result<Self> {
        let db = open(&args.db)?;
        let name: Option<String> = meta(&db, "time_zone")?;
        let zone = name.map_or(TimeZone::UTC, |name| time_zone(&name));
        let open_hour = meta(&db, "open_hour")?;
        let period = Period::new(&args.period, &zone, now)?;
        let form = match (args.json, args.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        let calendar = Calendar::new(zone.clone());
        Ok(Self { db, zone, calendar, now, period, form, open_hour })
    }

    /// `2026-11-20` in the site's zone, or as `format` says.
    pub(crate) fn local(&self, millis: i64, format: &str) -> String {
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned_datetime(self.zone.clone()).strftime(format).to_string()
    }
}

/// One state of the file for all queries of a question, while the daemon goes on writing.
fn open(path: &Path) -> Result<Connection> {
    let db = store::open_to_read(path)?;
    let begin = || -> rusqlite::Result<()> {
        db.set_prepared_statement_cache_capacity(64);
        db.execute_batch("PRAGMA temp_store = MEMORY; BEGIN")
    };
    begin().map_err(|source| store::StoreError::Sqlite { path: path.to_owned(), source })?;
    Ok(db)
}

fn meta<T: rusqlite::types::FromSql>(db: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    let value = db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional();
    value.map(Option::flatten)
}

/// The zone by what the file says: an IANA name, or an offset where the machine had no name for it.
fn time_zone(name: &str) -> TimeZone {
    let offset = || {
        let (sign, digits) = match name.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let mut parts = digits.split(':').map(|part| part.parse::<i32>().ok());
        let seconds = parts.next()?? * 3_600
            + parts.next().unwrap_or(Some(0))? * 60
            + parts.next().unwrap_or(Some(0))?;
        Offset::from_seconds(sign * seconds).ok().map(TimeZone::fixed)
    };
    TimeZone::get(name).ok().or_else(offset).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_or_offsets() {
        let noon = Timestamp::from_second(1_700_000_000).unwrap();
        let seconds = |name| time_zone(name).to_offset(noon).seconds();
        assert_eq!(seconds("Europe/Berlin"), 3_600);
        assert_eq!(seconds("UTC"), 0);
        assert_eq!(seconds("-03"), -10_800);
        assert_eq!(seconds("+05:30"), 19_800);
        assert_eq!(seconds("Nowhere/Land"), 0);
    }
}
