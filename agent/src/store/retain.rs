//! Growing old: each level keeps its rows for a time, days last, without endpoints in the end.

use rusqlite::{Connection, Result};

use super::{Store, StoreError};

/// Days in milliseconds.
const DAY: i64 = 86_400_000;
/// Rows that are deleted at a time, so that no transaction is large.
const BATCH: i64 = 5_000;

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

impl Store {
    /// Deletes what is older at `now` (milliseconds since 1970) than it shall be kept. Minutes whose hour is not
    /// rolled up stay, whatever their age.
    ///
    /// # Errors
    /// Whatever SQLite says; what was deleted until then stays deleted.
    pub(crate) fn retain(&mut self, now: i64, retention: Retention) -> std::result::Result<(), StoreError> {
        self.delete(retention, |_, days| Ok(before(now, days)))
    }

    /// The same while nobody knows whether the clock is right: of what the clock says is old, only what was followed by
    /// as much time that was really watched. So a clock that jumps ahead, in this run or an earlier one, deletes nothing
    /// by that, and the file does not grow beyond what is watched in so many days.
    ///
    /// # Errors
    /// As for [`Store::retain`].
    pub(crate) fn retain_unsure(
        &mut self,
        now: i64,
        retention: Retention,
    ) -> std::result::Result<(), StoreError> {
        self.delete(retention, |db, days| Ok(watched(db, days)?.min(before(now, days))))
    }

    /// Deletes what is older than `limit` says of so many days.
    fn delete(
        &mut self,
        retention: Retention,
        limit: impl Fn(&Connection, u32) -> Result<i64>,
    ) -> std::result::Result<(), StoreError> {
        let open_hour = self.open_hour.unwrap_or(i64::MIN);
        let done = (|| {
            let hours = limit(&self.db, retention.hours)?;
            let minutes = limit(&self.db, retention.minutes)?.min(open_hour);
            for (table, column, limit) in [
                ("usage_minute", "window", minutes),
                ("coverage_minute", "window", minutes),
                ("usage_hour", "window", hours),
                ("coverage_hour", "window", hours),
                ("skip", "window", hours),
                ("dns_hour", "window", hours),
                ("flow", "reported", limit(&self.db, retention.flows)?),
            ] {
                delete_before(&self.db, table, column, limit)?;
            }
            fold_days(&self.db, limit(&self.db, retention.days)?)?;
            give_back_space(&self.db)
        })();
        self.run.dimensions.forget_endpoints();
        done.map_err(|source| self.error(source))
    }
}

fn before(now: i64, days: u32) -> i64 {
    now - i64::from(days) * DAY
}

/// The start of the latest day since which so many whole days were watched, by the coverage of days, which is kept for
/// ever; before everything while there is none.
fn watched(db: &Connection, days: u32) -> Result<i64> {
    let sql = "SELECT max(window) FROM (SELECT window, sum(observed_ms) OVER (ORDER BY window DESC) AS since FROM coverage_day)
        WHERE since >= ?1";
    let window: Option<i64> = db.prepare_cached(sql)?.query_row([i64::from(days) * DAY], |row| row.get(0))?;
    Ok(window.unwrap_or(i64::MIN))
}

/// Cuts the free pages off the file, if they are over a quarter of it: what rolls over each day fills them again, and
/// giving them back each time would move pages about for nothing. SQLite frees one page a step, so it has to be asked
/// until it has no more.
fn give_back_space(db: &Connection) -> Result<()> {
    let ask = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    if ask("PRAGMA freelist_count")? * 4 <= ask("PRAGMA page_count")? {
        return Ok(());
    }
    let mut vacuum = db.prepare("PRAGMA incremental_vacuum")?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

fn delete_before(db: &Connection, table: &str, column: &str, limit: i64) -> Result<()> {
    // The key starts with the time, so the oldest rows are the first ones.
    let boundary =
        format!("SELECT {column} FROM {table} WHERE {column} < ?1 ORDER BY {column} LIMIT 1 OFFSET {BATCH}");
    let delete = format!("DELETE FROM {table} WHERE {column} < ?1");
    loop {
        let next: Option<i64> = match db.prepare_cached(&boundary)?.query_row([limit], |row| row.get(0)) {
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            row => Some(row?),
        };
        // Whole windows only: at least the one that the boundary lies in.
        db.prepare_cached(&delete)?.execute([next.map_or(limit, |window| window + 1)])?;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Days before `limit` keep who, which way and by which protocol, but not with whom.
fn fold_days(db: &Connection, limit: i64) -> Result<()> {
    let days: Vec<i64> = db
        .prepare_cached(
            "SELECT DISTINCT window FROM usage_day WHERE window < ?1 AND (endpoint > 1 OR port > 0)",
        )?
        .query_map([limit], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for day in days {
        let transaction = db.unchecked_transaction()?;
        transaction.execute_batch("CREATE TEMP TABLE IF NOT EXISTS old_day AS SELECT * FROM usage_day WHERE 0; DELETE FROM temp.old_day;")?;
        transaction.execute(
            "INSERT INTO temp.old_day SELECT window, device, min(endpoint, 1), protocol, 0, direction,
               sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows)
             FROM usage_day WHERE window = ?1 GROUP BY device, min(endpoint, 1), protocol, direction",
            [day],
        )?;
        transaction.execute("DELETE FROM usage_day WHERE window = ?1", [day])?;
        transaction.execute("INSERT INTO usage_day SELECT * FROM temp.old_day", [])?;
        transaction.commit()?;
    }
    Ok(())
}
