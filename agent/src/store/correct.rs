//! What an unsure clock put in the wrong place is moved to the right one, once that is known: minutes by whole minutes,
//! and with them the hours and days that they were rolled into; all other times exactly.
//!
//! Only what is still there in minutes can be moved. What is older stays, and its coverage says `unsynced`.

use std::collections::{BTreeMap, BTreeSet};

use lanscribe_core::time::{MINUTE, Span, Timestamp};
use rusqlite::{Connection, Result};

use super::calendar::{Calendar, HOUR, hour_of};
use super::level::Level;
use super::write::{USAGE_SUMS, coverage_sums};
use super::{dns, roll};

/// The clock was off by `by` in all that this run wrote since `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Correction {
    /// The first minute of the run.
    pub(crate) since: Timestamp,
    /// What has to be added to its times.
    pub(crate) by: Span,
}

/// Moves all that this run wrote, flows from `flow_base` on; `open` is the hour that is not rolled up. Returns the hour
/// that is open then. To be done within a transaction.
pub(super) fn apply(
    db: &Connection,
    calendar: &Calendar,
    open: i64,
    flow_base: i64,
    correction: Correction,
) -> Result<i64> {
    let since = correction.since.as_millis();
    let by = correction.by.rounded(MINUTE).0 / 1_000;
    times(db, since, open + 2 * HOUR, flow_base, correction.by.0 / 1_000)?;
    dns::shift(db, since, open + 2 * HOUR, correction.by.0 / 1_000)?;
    let mut whole = Whole { db, known: BTreeMap::new() };
    // This run wrote nothing beyond the open hour. What is there is of another clock that was ahead.
    let mut windows = Vec::new();
    for window in unsure(db, since, open + HOUR)? {
        if hour_of(window) >= open || whole.is(hour_of(window))? {
            windows.push(window);
        }
    }
    let Some(&last) = windows.last() else { return Ok(open) };
    let current = hour_of(last + by);

    let mut again = BTreeSet::new();
    for hour in windows.iter().flat_map(|&window| [hour_of(window), hour_of(window + by)]) {
        if (hour < open || roll::is_rolled(db, hour)?) && whole.is(hour)? {
            again.insert(hour);
        }
    }
    for &hour in &again {
        roll::undo(db, calendar, hour)?;
    }
    move_minutes(db, calendar, &windows, by)?;

    let now_open = if current < open { roll::first_unrolled(db, current)? } else { open };
    again.insert(open);
    for &hour in again.iter().filter(|&&hour| hour < now_open || hour > now_open.max(current)) {
        roll::hour(db, calendar, hour)?;
    }
    let now_open = roll::hours(db, calendar, now_open, current)?;
    // Of these hours minutes were deleted before: they take in more, but cannot be made anew.
    for &window in &windows {
        let hour = hour_of(window + by);
        if hour < now_open && !again.contains(&hour) && hour < open {
            roll::late(db, calendar, window + by)?;
        }
    }
    roll::renew_days(db, calendar, again.into_iter())?;
    Ok(now_open)
}

/// The minutes from `since` up to `until` that were written by a clock that nobody vouched for.
fn unsure(db: &Connection, since: i64, until: i64) -> Result<Vec<i64>> {
    let sql = "SELECT window FROM coverage_minute WHERE window >= ?1 AND window < ?2 AND clock = 'unsynced' ORDER BY window";
    db.prepare_cached(sql)?.query_map((since, until), |row| row.get(0))?.collect()
}

/// Which hours have all the minutes that they were rolled up from.
struct Whole<'d> {
    db: &'d Connection,
    known: BTreeMap<i64, bool>,
}

impl Whole<'_> {
    fn is(&mut self, hour: i64) -> Result<bool> {
        if let Some(&known) = self.known.get(&hour) {
            return Ok(known);
        }
        let sql = "SELECT (SELECT count(*) || ' ' || coalesce(sum(frames), 0) || ' ' || coalesce(sum(bytes), 0) || ' ' || coalesce(sum(dropped), 0)
             FROM coverage_minute WHERE window >= ?1 AND window < ?1 + 3600000),
           (SELECT frames || ' ' || bytes || ' ' || dropped FROM coverage_hour WHERE window = ?1)";
        let (minutes, rolled): (String, Option<String>) =
            self.db.prepare_cached(sql)?.query_row([hour], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (count, sums) = minutes.split_once(' ').unwrap_or_default();
        let whole = rolled.map_or(count == "0", |rolled| rolled == sums);
        self.known.insert(hour, whole);
        Ok(whole)
    }
}

/// Moves minutes by a number of whole minutes: the one that makes room for others first.
fn move_minutes(db: &Connection, calendar: &Calendar, windows: &[i64], by: i64) -> Result<()> {
    if by == 0 {
        let mut vouch = db.prepare_cached("UPDATE coverage_minute SET clock = 'synced' WHERE window = ?1")?;
        return windows.iter().try_for_each(|window| vouch.execute([window]).map(drop));
    }
    let usage = format!(
        "INSERT INTO usage_minute SELECT window + ?2, device, endpoint, protocol, port, direction, bytes_up, bytes_down,
           packets_up, packets_down, flows FROM usage_minute WHERE window = ?1 {USAGE_SUMS}"
    );
    let coverage = format!(
        "INSERT INTO coverage_minute SELECT window + ?2, ?3, ?4, observed_ms, 'synced', frames, bytes, dropped, interface_dropped,
           undecodable, undecodable_bytes, folded, folded_bytes FROM coverage_minute WHERE window = ?1 {}",
        coverage_sums(Level::Minute)
    );
    let mut order: Vec<i64> = windows.to_vec();
    if by > 0 {
        order.reverse();
    }
    for window in order {
        let texts = calendar.texts(Level::Minute, window + by);
        db.prepare_cached(&usage)?.execute((window, by))?;
        db.prepare_cached(&coverage)?.execute((window, by, texts.utc, texts.local))?;
        db.prepare_cached("DELETE FROM usage_minute WHERE window = ?1")?.execute([window])?;
        db.prepare_cached("DELETE FROM coverage_minute WHERE window = ?1")?.execute([window])?;
    }
    // What could not be decoded is known by the hour only.
    let mut hours: Vec<i64> = windows.iter().map(|&window| hour_of(window)).collect();
    hours.dedup();
    if by > 0 {
        hours.reverse();
    }
    for hour in hours.into_iter().filter(|&hour| hour_of(hour + by) != hour) {
        let sql = "INSERT INTO skip SELECT ?2, reason, frames, bytes FROM skip WHERE window = ?1
            ON CONFLICT DO UPDATE SET frames = frames + excluded.frames, bytes = bytes + excluded.bytes";
        db.prepare_cached(sql)?.execute((hour, hour_of(hour + by)))?;
        db.prepare_cached("DELETE FROM skip WHERE window = ?1")?.execute([hour])?;
    }
    Ok(())
}

/// Moves the times of flows from number `flow_base` on, and those between `since` and `until` of devices, addresses,
/// networks and events.
fn times(db: &Connection, since: i64, until: i64, flow_base: i64, by: i64) -> Result<()> {
    if by == 0 {
        return Ok(());
    }
    // A little at a time, for the keys of what one statement changes are kept in memory; and the one that makes room
    // for others first.
    let order = if by > 0 { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT DISTINCT reported FROM flow WHERE reported >= ?1 / 300000 * 300000 ORDER BY 1 {order}"
    );
    let parts: Vec<i64> = db.prepare(&sql)?.query_map([since], |row| row.get(0))?.collect::<Result<_>>()?;
    for part in parts {
        let sql =
            "UPDATE flow SET reported = (reported + ?3) / 300000 * 300000, start = start + ?3, end = end + ?3
            WHERE reported = ?1 AND id >= ?2";
        db.prepare_cached(sql)?.execute((part, flow_base, by))?;
    }
    for (table, columns) in [
        ("device", &["first_seen", "last_seen"][..]),
        ("device_name", &["first_seen", "last_seen"]),
        ("device_address", &["first_seen", "last_seen"]),
        ("local_network", &["first_seen", "last_seen"]),
        ("event", &["time"]),
    ] {
        for column in columns {
            let sql = format!(
                "UPDATE OR IGNORE {table} SET {column} = {column} + ?3 WHERE {column} >= ?1 AND {column} < ?2"
            );
            db.execute(&sql, (since, until, by))?;
        }
    }
    // The owner's labels and marks are of the time at which the owner set them.
    Ok(())
}
