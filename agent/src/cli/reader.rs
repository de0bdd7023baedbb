//! The file as the commands that ask see it: open for reading, with its time zone and a clock.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

use super::args::{self, AskArgs, PeriodArgs};
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

    /// Opens a file to find somebody or something in it, whatever the period.
    pub(crate) fn look(path: &Path) -> Result<Self> {
        Self::load(path, &PeriodArgs::default(), Form::Table, Timestamp::now())
    }

    fn open_at(args: &AskArgs, now: Timestamp) -> Result<Self> {
        let form = match (args.json, args.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        Self::load(&args::db_path(args.db.as_deref()), &args.period, form, now)
    }

    fn load(path: &Path, period: &PeriodArgs, form: Form, now: Timestamp) -> Result<Self> {
        let db = open(path)?;
        let name: Option<String> = meta(&db, "time_zone")?;
        let calendar = name.map_or_else(|| Calendar::new(TimeZone::UTC), |name| Calendar::named(&name));
        let zone = calendar.zone().clone();
        let open_hour = meta(&db, "open_hour")?;
        let period = Period::new(period, &zone, now)?;
        Ok(Self { db, zone, calendar, now, period, form, open_hour })
    }

    /// How many rows are printed if `asked` for so many, where 0 stands for all: if nothing was said, tables have `rows`,
    /// and what programs read has all.
    pub(crate) fn limit(&self, asked: Option<usize>, rows: usize) -> usize {
        match asked {
            Some(0) => usize::MAX,
            Some(limit) => limit,
            None if self.form == Form::Table => rows,
            None => usize::MAX,
        }
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
