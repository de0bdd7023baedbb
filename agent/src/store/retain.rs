//! Growing old: each level keeps its rows for a time, days last, without endpoints in the end.

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::{Store, StoreError, dns};

/// A day in milliseconds.
pub(super) const DAY: i64 = 86_400_000;
/// Rows that are deleted at a time, so that no transaction is large, nor are there many: each writes the pages that say
/// which others are free.
const BATCH: i64 = 20_000;
/// What giving a page back costs, in rows: it may have to be moved.
const PAGE: i64 = 25;
/// Pages that are given back at a time.
const PAGES: i64 = 500;

/// For how many days each level is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) minutes: u32,
    pub(crate) hours: u32,
    pub(crate) flows: u32,
    /// Days with endpoints; after that only device, direction and protocol are kept, for ever.
    pub(crate) days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { minutes: 14, hours: 90, flows: 14, days: 400 }
    }
}

/// By what it is judged how old rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    /// The present, in milliseconds since 1970.
    pub(crate) now: i64,
    /// Whether that is known to be right. Else of what is old by it only that is taken for old which was followed by as
    /// much time that was really watched. So a clock that jumps ahead, in this run or an earlier one, deletes nothing by
    /// that, and the file does not grow beyond what is watched in so many days.
    pub(crate) sure: bool,
}

impl Age {
    /// What is from before this is older than so many days.
    pub(super) fn limit(self, db: &Connection, days: u32) -> Result<i64> {
        let before = self.now - i64::from(days) * DAY;
        if self.sure { Ok(before) } else { Ok(watched(db, days)?.min(before)) }
    }
}

/// How much may still be done at a time: the rest has to wait until others had their turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(i64);

impl Budget {
    /// As much as somebody who waits for the file does not notice: on the smallest Raspberry Pi a second.
    pub(crate) const fn step() -> Self {
        Self(20_000)
    }

    /// Everything at once.
    pub(crate) const fn all() -> Self {
        Self(i64::MAX)
    }

    /// So much.
    #[cfg(test)]
    pub(super) const fn of(rows: i64) -> Self {
        Self(rows)
    }

    /// Whether there may be more to do, for which there is no room.
    pub(crate) fn is_spent(self) -> bool {
        self.0 <= 0
    }

    pub(super) fn spend(&mut self, rows: i64) {
        self.0 = self.0.saturating_sub(rows);
    }

    /// How much that is, in rows.
    pub(crate) fn left(self) -> i64 {
        self.0
    }
}

/// Tables whose rows of one window come and go together, the largest first, with the column of the window.
pub(super) type Tables = &'static [(&'static str, &'static str)];

pub(super) const MINUTES: Tables = &[("usage_minute", "window"), ("coverage_minute", "window")];
pub(super) const HOURS: Tables =
    &[("usage_hour", "window"), ("coverage_hour", "window"), ("skip", "window"), ("dns_hour", "window")];
pub(super) const FLOWS: Tables = &[("flow", "reported")];

impl Store {
    /// Deletes what is older than it shall be kept, as far as the budget goes. Minutes whose hour is not rolled up stay,
    /// whatever their age.
    ///
    /// # Errors
    /// Whatever SQLite says; what was deleted until then stays deleted.
    pub(crate) fn retain(
        &mut self,
        age: Age,
        retention: Retention,
        budget: &mut Budget,
    ) -> std::result::Result<(), StoreError> {
        let open_hour = self.open_hour.unwrap_or(i64::MIN);
        let Self { db, run, .. } = self;
        let done = (|| {
            let minutes = age.limit(db, retention.minutes)?.min(open_hour);
            delete_before(db, MINUTES, minutes, budget)?;
            delete_before(db, HOURS, age.limit(db, retention.hours)?, budget)?;
            delete_before(db, dns::TABLES, age.limit(db, retention.hours.min(dns::DAYS))?, budget)?;
            delete_before(db, FLOWS, age.limit(db, retention.flows)?, budget)?;
            let days = age.limit(db, retention.days)?;
            fold_days(db, &mut run.folded, days, budget)?;
            // What rolls over each day fills the free pages again, and giving them back each time would move pages
            // about for nothing.
            let free = free_pages(db)?;
            if free * 4 > pages(db)? {
                give_back(db, free, budget)?;
            }
            Ok(())
        })();
        done.map_err(|source| self.error(source))
    }
}

/// The start of the latest day since which so many whole days were watched, by the coverage of days, which is kept for
/// ever; before everything while there is none.
fn watched(db: &Connection, days: u32) -> Result<i64> {
    let sql = "SELECT max(window) FROM (SELECT window, sum(observed_ms) OVER (ORDER BY window DESC) AS since FROM coverage_day)
        WHERE since >= ?1";
    let window: Option<i64> = db.prepare_cached(sql)?.query_row([i64::from(days) * DAY], |row| row.get(0))?;
    Ok(window.unwrap_or(i64::MIN))
}

/// Pages of the file.
pub(super) fn pages(db: &Connection) -> Result<i64> {
    db.query_row("PRAGMA page_count", [], |row| row.get(0))
}

/// Those of them that hold nothing.
pub(super) fn free_pages(db: &Connection) -> Result<i64> {
    db.query_row("PRAGMA freelist_count", [], |row| row.get(0))
}

/// Cuts so many free pages off the file.
pub(super) fn give_back(db: &Connection, mut count: i64, budget: &mut Budget) -> Result<()> {
    while count > 0 && !budget.is_spent() {
        let some = count.min(PAGES);
        // SQLite frees one page a step, so it has to be asked until it has no more.
        let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({some})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        budget.spend(some * PAGE);
        count -= some;
    }
    Ok(())
}

fn delete_before(db: &Connection, tables: Tables, limit: i64, budget: &mut Budget) -> Result<()> {
    while !budget.is_spent() && delete_some(db, tables, i64::MIN, limit, budget)? {}
    Ok(())
}

/// Deletes the oldest windows from `from` up to `limit`, about as many rows as make a batch, in one transaction: with
/// the usage of a window its coverage goes. Returns whether there may be more.
pub(super) fn delete_some(
    db: &Connection,
    tables: Tables,
    from: i64,
    limit: i64,
    budget: &mut Budget,
) -> Result<bool> {
    let mut end = limit;
    for (table, column) in tables {
        // The key starts with the time, so the oldest rows are the first ones.
        let boundary = format!(
            "SELECT {column} FROM {table} WHERE {column} >= ?1 AND {column} < ?2 ORDER BY {column} LIMIT 1 OFFSET {BATCH}"
        );
        let next: Option<i64> =
            db.prepare_cached(&boundary)?.query_row([from, end], |row| row.get(0)).optional()?;
        // Whole windows only: at least the one that the boundary lies in.
        end = next.map_or(end, |window| window + 1);
    }
    let transaction = db.unchecked_transaction()?;
    for (table, column) in tables {
        let delete = format!("DELETE FROM {table} WHERE {column} >= ?1 AND {column} < ?2");
        let deleted = transaction.prepare_cached(&delete)?.execute([from, end])?;
        budget.spend(i64::try_from(deleted).unwrap_or(i64::MAX));
    }
    transaction.commit()?;
    Ok(end < limit)
}

/// Days before `limit` keep who, which way and by which protocol, but not with whom. All before `folded` do so already,
/// as far as this run knows: they are for ever, so they are not looked through each time.
fn fold_days(db: &Connection, folded: &mut i64, limit: i64, budget: &mut Budget) -> Result<()> {
    if limit < *folded {
        // The clock was ahead: days that came late may be among them.
        *folded = i64::MIN;
    }
    while let Some(day) = unfolded_day(db, *folded, limit)? {
        if budget.is_spent() {
            return Ok(());
        }
        *folded = day;
        fold_day(db, day, budget)?;
    }
    *folded = limit;
    Ok(())
}

/// The first day from `from` up to `limit` that has a peer or a port.
pub(super) fn unfolded_day(db: &Connection, from: i64, limit: i64) -> Result<Option<i64>> {
    let sql = "SELECT window FROM usage_day WHERE window >= ?1 AND window < ?2 AND (endpoint > 1 OR port > 0)
        ORDER BY window LIMIT 1";
    db.prepare_cached(sql)?.query_row([from, limit], |row| row.get(0)).optional()
}

/// Takes peers and ports from a day.
pub(super) fn fold_day(db: &Connection, day: i64, budget: &mut Budget) -> Result<()> {
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS old_day AS SELECT * FROM usage_day WHERE 0; DELETE FROM temp.old_day;",
    )?;
    transaction.execute(
        "INSERT INTO temp.old_day SELECT window, device, min(endpoint, 1), protocol, 0, direction,
           sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows)
         FROM usage_day WHERE window = ?1 GROUP BY device, min(endpoint, 1), protocol, direction",
        [day],
    )?;
    let rows = transaction.execute("DELETE FROM usage_day WHERE window = ?1", [day])?;
    transaction.execute("INSERT INTO usage_day SELECT * FROM temp.old_day", [])?;
    transaction.commit()?;
    budget.spend(i64::try_from(rows).unwrap_or(i64::MAX));
    Ok(())
}
