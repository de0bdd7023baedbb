//! The size cap: when the file gets too large, each level is kept for a shorter time, all for the same share of theirs.
//!
//! What goes first is the oldest of the level that keeps the largest share of its time, a few thousand rows at a time,
//! until enough is free. How far a level goes back is counted in time that was watched, from the newest row on, so no
//! clock is needed; and a row that a wrong clock dated years ahead makes no other one older by more than was watched then.

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::retain::{
    Age, Budget, DAY, FLOWS, HOURS, MINUTES, Tables, delete_some, fold_day, free_pages, give_back, pages,
    unfolded_day,
};
use super::{Retention, Store, StoreError, beside, integer, write};
use crate::text;

/// How large the file may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Size {
    /// As the disk allows: [`Size::USUAL`], or a quarter of the free space if that is less.
    #[default]
    Auto,
    /// So many bytes, with the log beside it.
    Bytes(u64),
    /// As large as it gets.
    Unlimited,
}

impl Size {
    /// Bytes on a disk that has enough of them.
    pub(crate) const USUAL: u64 = 1_000_000_000;
}

/// To what the file is held, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap {
    /// Bytes of the file and of the log beside it.
    pub(crate) limit: u64,
    /// What is configured: no level is kept longer.
    pub(crate) retention: Retention,
    /// Where the present is.
    pub(crate) age: Age,
    /// When to say that it happened.
    pub(crate) at: i64,
}

/// Bytes for the log: SQLite lets it get to 1,000 pages, and a large batch comes on top.
const LOG: i64 = 6_000_000;
/// What is kept in any case, in days that were watched; of minutes, the hour that is open.
const FLOOR: [(Kept, i64); 3] = [(Kept::Flows, 1), (Kept::Hours, 7), (Kept::Days, 30)];

impl Cap {
    /// How many bytes the file may have, and above how many, down to how many of those that hold something are freed.
    /// Between these there is room for what comes until the next look, and pages that are free for it: nothing has to be
    /// moved about to make the file smaller.
    fn marks(self) -> (i64, i64, i64) {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let most = (limit - limit / 16).min(limit - LOG.min(limit / 4));
        (most, most - limit / 16, most - limit / 8)
    }
}

impl Store {
    /// Makes the file small enough, as far as the budget goes. Returns whether it is as small as it should be: when
    /// only what is kept in any case is left, it may not be.
    ///
    /// # Errors
    /// Whatever SQLite says; what was deleted until then stays deleted.
    pub(crate) fn shorten(&mut self, cap: Cap, budget: &mut Budget) -> std::result::Result<bool, StoreError> {
        let (most, high, low) = cap.marks();
        let page = self.db.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0));
        let page = page.map_err(|e| self.error(e))?;
        let done = (|| {
            let Self { db, run, open_hour, .. } = self;
            let used = || Ok::<_, rusqlite::Error>((pages(db)? - free_pages(db)?) * page);
            let now = used()?;
            if now > if run.shortening { low } else { high } {
                run.shortening = true;
                let mut levels = Levels::load(db, cap, open_hour.unwrap_or(i64::MIN), run.folded)?;
                while !budget.is_spent() && used()? > low && levels.shorten(db, budget)? {}
                levels.note(db, cap)?;
            }
            if budget.is_spent() {
                return Ok(());
            }
            run.shortening = false;
            let excess = pages(db)? - most / page;
            give_back(db, excess.min(free_pages(db)?), budget)
        })();
        done.map_err(|e| self.error(e))?;
        let path = &self.run.path;
        let taken = [path.clone(), beside(path, "-wal")].map(|path| path.metadata().map_or(0, |m| m.len()));
        if taken.iter().sum::<u64>() > cap.limit {
            // The file gets shorter when what the log says is done; who reads now may hold that up until the next time.
            self.empty_log()?;
        }
        Ok(pages(&self.db).map_err(|e| self.error(e))? * page <= integer(cap.limit))
    }

    /// Which levels go back less than they would without the cap, in a sentence; nothing while there is room.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn shortened(&self, cap: Cap) -> std::result::Result<Option<String>, StoreError> {
        let says = || -> Result<Option<String>> {
            let page: i64 = self.db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let (.., low) = cap.marks();
            if pages(&self.db)? * page < low - low / 8 {
                return Ok(None);
            }
            let levels = Levels::load(&self.db, cap, self.open_hour.unwrap_or(i64::MIN), self.run.folded)?;
            levels.says(&self.db, cap)
        };
        says().map_err(|e| self.error(e))
    }
}

/// What can be kept for a shorter time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Flows,
    Minutes,
    Hours,
    Days,
}

impl Kept {
    const ALL: [Self; 4] = [Self::Flows, Self::Minutes, Self::Hours, Self::Days];

    const fn name(self) -> &'static str {
        match self {
            Self::Flows => "flows",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days with peers",
        }
    }

    /// Its tables; those of days are not deleted from.
    const fn tables(self) -> Option<Tables> {
        match self {
            Self::Flows => Some(FLOWS),
            Self::Minutes => Some(MINUTES),
            Self::Hours => Some(HOURS),
            Self::Days => None,
        }
    }

    const fn days(self, retention: Retention) -> u32 {
        match self {
            Self::Flows => retention.flows,
            Self::Minutes => retention.minutes,
            Self::Hours => retention.hours,
            Self::Days => retention.days,
        }
    }

    /// The oldest window from `from` up to `to` that still has its detail.
    fn oldest(self, db: &Connection, from: i64, to: i64) -> Result<Option<i64>> {
        let Some(tables) = self.tables() else { return unfolded_day(db, from, to) };
        let mut oldest: Option<i64> = None;
        for (table, column) in tables {
            let sql = format!(
                "SELECT {column} FROM {table} WHERE {column} >= ?1 AND {column} < ?2 ORDER BY {column} LIMIT 1"
            );
            let found = db.prepare_cached(&sql)?.query_row([from, to], |row| row.get(0)).optional()?;
            oldest = oldest.into_iter().chain(found).min();
        }
        Ok(oldest)
    }

    /// Takes some of what is from `from` up to `to`, the oldest first.
    fn take(self, db: &Connection, from: i64, to: i64, budget: &mut Budget) -> Result<()> {
        match (self.tables(), unfolded_day(db, from, to)?) {
            (Some(tables), _) => delete_some(db, tables, from, to, budget).map(|_| ()),
            (None, Some(day)) => fold_day(db, day, budget),
            (None, None) => Ok(()),
        }
    }
}

/// Windows that were watched, the newest first, each with the time that was watched since its start.
#[derive(Debug)]
struct Watched(Vec<(i64, i64)>);

impl Watched {
    fn load(db: &Connection, table: &str) -> Result<Self> {
        let sql = format!("SELECT window, observed_ms FROM {table} ORDER BY window DESC");
        let mut since = 0;
        let mut statement = db.prepare_cached(&sql)?;
        let windows = statement.query_map([], |row| {
            since += row.get::<_, i64>(1)?;
            Ok((row.get(0)?, since))
        })?;
        windows.collect::<Result<_>>().map(Self)
    }

    /// How much was watched since `window`.
    fn since(&self, window: i64) -> i64 {
        let newer = self.0.partition_point(|&(start, _)| start >= window);
        newer.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// The latest window since which so much was watched.
    fn start(&self, watched: i64) -> Option<i64> {
        let at = self.0.partition_point(|&(_, since)| since < watched);
        self.0.get(at).map(|&(window, _)| window)
    }

    fn oldest(&self) -> i64 {
        self.0.last().map_or(i64::MAX, |&(window, _)| window)
    }
}

/// How the levels stand.
#[derive(Debug)]
struct Levels {
    hours: Watched,
    days: Watched,
    cap: Cap,
    open_hour: i64,
    /// Those that are shorter now.
    cut: Vec<Kept>,
    /// All days before it are known to have no detail left.
    folded: i64,
}

impl Levels {
    fn load(db: &Connection, cap: Cap, open_hour: i64, folded: i64) -> Result<Self> {
        let hours = Watched::load(db, "coverage_hour")?;
        let days = Watched::load(db, "coverage_day")?;
        Ok(Self { hours, days, cap, open_hour, cut: Vec::new(), folded })
    }

    /// How much was watched since `window`: by hours, and by days before there are any.
    fn since(&self, window: i64) -> i64 {
        if window >= self.hours.oldest() { self.hours.since(window) } else { self.days.since(window) }
    }

    /// The latest window since which so much was watched.
    fn start(&self, kept: Kept, watched: i64) -> Option<i64> {
        let hours = self.hours.start(watched).filter(|_| kept != Kept::Days);
        hours.or_else(|| self.days.start(watched))
    }

    /// What of a level is from before this may go.
    fn end(&self, kept: Kept) -> i64 {
        let configured = i64::from(kept.days(self.cap.retention));
        let floor = FLOOR.iter().find(|(of, _)| *of == kept);
        let watched = floor.map_or(0, |&(_, days)| DAY * days.min(configured));
        let end = match kept {
            Kept::Minutes => Some(self.open_hour),
            kept => self.start(kept, watched),
        };
        end.unwrap_or(i64::MIN)
    }

    /// Takes some rows away. Returns whether there was anything that may go.
    fn shorten(&mut self, db: &Connection, budget: &mut Budget) -> Result<bool> {
        let mut most: Option<(i64, Kept, i64)> = None;
        for kept in Kept::ALL {
            let end = self.end(kept);
            let from = if kept == Kept::Days { self.folded } else { i64::MIN };
            let Some(oldest) = kept.oldest(db, from, end)? else { continue };
            if kept == Kept::Days {
                self.folded = oldest;
            }
            let reach = self.since(oldest);
            let share = reach / i64::from(kept.days(self.cap.retention));
            if most.is_none_or(|(larger, ..)| share > larger) {
                // In a small file one batch may be all of a level.
                let shorter = self.start(kept, reach - reach / 16).filter(|&start| start > oldest);
                most = Some((share, kept, end.min(shorter.unwrap_or(i64::MAX))));
            }
        }
        let Some((_, kept, end)) = most else { return Ok(false) };
        kept.take(db, if kept == Kept::Days { self.folded } else { i64::MIN }, end, budget)?;
        self.cut(kept);
        Ok(true)
    }

    fn cut(&mut self, kept: Kept) {
        if !self.cut.contains(&kept) {
            self.cut.push(kept);
        }
    }

    /// The oldest window of a level, whatever may go of it.
    fn oldest(&self, db: &Connection, kept: Kept) -> Result<Option<i64>> {
        kept.oldest(db, if kept == Kept::Days { self.folded } else { i64::MIN }, i64::MAX)
    }

    /// Writes down which levels are shorter now, each at most once a day.
    fn note(&self, db: &Connection, cap: Cap) -> Result<()> {
        for &kept in &self.cut {
            let name = kept.name();
            let sql = "SELECT 1 FROM event WHERE kind = 'retention' AND time > ?1 AND time < ?2 AND detail LIKE ?3 || ' %' LIMIT 1";
            let said = db.query_row(sql, (cap.at - DAY, cap.at + DAY, name), |_| Ok(())).optional()?;
            if said.is_none() {
                let since = self.oldest(db, kept)?.map_or_else(
                    || "nothing".to_owned(),
                    |window| jiff::Timestamp::from_millisecond(window).unwrap_or_default().to_string(),
                );
                let limit = text::bytes(integer(cap.limit));
                let said = format!("{name} are kept from {since} on, for the file may take {limit}");
                write::insert_event(db, cap.at, "retention", None, &said)?;
            }
        }
        Ok(())
    }

    fn says(&self, db: &Connection, cap: Cap) -> Result<Option<String>> {
        let mut says = Vec::new();
        for kept in Kept::ALL {
            let days = kept.days(cap.retention);
            let reach = self.oldest(db, kept)?.map_or(0, |window| self.since(window));
            // What would be there by what is configured, of what was watched at all.
            let wanted = self.since(cap.age.limit(db, days)?).min(i64::from(days) * DAY);
            if reach + DAY < wanted {
                says.push(format!("{} for {} instead of {days} days", kept.name(), text::duration(reach)));
            }
        }
        let limit = text::bytes(integer(cap.limit));
        Ok((!says.is_empty()).then(|| format!("to keep the file below {limit}, it has {}", says.join(", "))))
    }
}
