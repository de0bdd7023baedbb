//! When an hour is over its minutes become its hour rows, and these are added to its day: once, in one transaction
//! with the note that it was done.

use std::collections::BTreeSet;

use rusqlite::{Connection, Result};

use super::calendar::{Calendar, HOUR, MINUTE, hour_of};
use super::level::Level;
use super::write::{USAGE_SUMS, coverage_sums};

/// Endpoints of one device in one hour; the smallest beyond that become `other`.
const ENDPOINTS: i64 = 512;

/// Rolls every hour from `open` up to, and without, the hour `until`. Returns the hour that is open then: `until`, or where
/// a clock that was ahead left rows in there, which were rolled at once, the first one after it without any.
pub(super) fn hours(db: &Connection, calendar: &Calendar, open: i64, until: i64) -> Result<i64> {
    if until <= open {
        return Ok(open);
    }
    // Only hours in which something was seen: time stamps in files jump by decades.
    let sql = "SELECT DISTINCT window - window % 3600000 AS hour FROM coverage_minute WHERE window >= ?1 AND window < ?2
        AND NOT EXISTS (SELECT 1 FROM coverage_hour h WHERE h.window = coverage_minute.window - coverage_minute.window % 3600000)
        ORDER BY 1";
    let hours: Vec<i64> =
        db.prepare_cached(sql)?.query_map((open, until), |row| row.get(0))?.collect::<Result<_>>()?;
    for start in hours {
        hour(db, calendar, start)?;
    }
    first_unrolled(db, until)
}

/// Rolls the hour that begins at `start`, of which nothing was rolled yet.
pub(super) fn hour(db: &Connection, calendar: &Calendar, start: i64) -> Result<()> {
    let end = start + HOUR;
    coverage(db, calendar, Level::Hour, start, start, end)?;
    usage_of_minutes(db, Level::Hour, start, start, end)?;
    fold_endpoints(db, start)?;
    let days = days_of(calendar, start);
    for &(day, from, to) in &days {
        coverage(db, calendar, Level::Day, day, from, to)?;
        match days.len() {
            1 => usage_of_hour(db, day, start)?,
            _ => usage_of_minutes(db, Level::Day, day, from, to)?,
        }
    }
    Ok(())
}

/// The days that an hour is part of, and from when to when: in zones off by half an hour a day begins within an hour.
fn days_of(calendar: &Calendar, hour: i64) -> Vec<(i64, i64, i64)> {
    let end = hour + HOUR;
    let (first, last) = (calendar.day(hour), calendar.day(end - MINUTE));
    if first == last { vec![(first, hour, end)] } else { vec![(first, hour, last), (last, last, end)] }
}

/// The hour that is open once the clock was set back to `current`, while `open` was: that one is rolled, and no hour that
/// was rolled is ever opened again.
pub(super) fn reopen(db: &Connection, calendar: &Calendar, open: i64, current: i64) -> Result<i64> {
    if current >= open {
        return Ok(open);
    }
    hours(db, calendar, open, open + HOUR)?;
    first_unrolled(db, current)
}

/// The first hour from `hour` on that was not rolled.
pub(super) fn first_unrolled(db: &Connection, mut hour: i64) -> Result<i64> {
    while is_rolled(db, hour)? {
        hour += HOUR;
    }
    Ok(hour)
}

/// Whether an hour was rolled.
pub(super) fn is_rolled(db: &Connection, hour: i64) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM coverage_hour WHERE window = ?1")?.exists([hour])
}

/// Adds a minute to its hour and day, which were rolled before.
pub(super) fn late(db: &Connection, calendar: &Calendar, minute: i64) -> Result<()> {
    for (level, window) in [(Level::Hour, hour_of(minute)), (Level::Day, calendar.day(minute))] {
        coverage(db, calendar, level, window, minute, minute + MINUTE)?;
        usage_of_minutes(db, level, window, minute, minute + MINUTE)?;
    }
    Ok(())
}

/// Takes back that an hour was rolled. All of its minutes must still be there.
pub(super) fn undo(db: &Connection, calendar: &Calendar, hour: i64) -> Result<()> {
    let days = days_of(calendar, hour);
    for &(day, from, to) in &days {
        let (usage, coverage) = match days.len() {
            1 => ("SELECT * FROM usage_hour", "SELECT * FROM coverage_hour"),
            _ => ("SELECT * FROM usage_minute", "SELECT * FROM coverage_minute"),
        };
        let sql = format!(
            "UPDATE usage_day AS d SET bytes_up = d.bytes_up - r.bytes_up, bytes_down = d.bytes_down - r.bytes_down,
               packets_up = d.packets_up - r.packets_up, packets_down = d.packets_down - r.packets_down, flows = d.flows - r.flows
             FROM (SELECT device, endpoint, protocol, port, direction, sum(bytes_up) AS bytes_up, sum(bytes_down) AS bytes_down,
                 sum(packets_up) AS packets_up, sum(packets_down) AS packets_down, sum(flows) AS flows
               FROM ({usage} WHERE window >= ?2 AND window < ?3) GROUP BY 1, 2, 3, 4, 5) AS r
             WHERE d.window = ?1 AND d.device = r.device AND d.endpoint = r.endpoint AND d.protocol = r.protocol AND d.port = r.port
               AND d.direction = r.direction"
        );
        db.prepare_cached(&sql)?.execute((day, from, to))?;
        let sql =
            "DELETE FROM usage_day WHERE window = ?1 AND packets_up = 0 AND packets_down = 0 AND flows = 0";
        db.prepare_cached(sql)?.execute([day])?;
        let sql = format!(
            "UPDATE coverage_day AS d SET observed_ms = max(0, d.observed_ms - r.observed_ms), frames = d.frames - r.frames,
               bytes = d.bytes - r.bytes, dropped = d.dropped - r.dropped,
               interface_dropped = d.interface_dropped - r.interface_dropped, undecodable = d.undecodable - r.undecodable,
               undecodable_bytes = d.undecodable_bytes - r.undecodable_bytes, folded = d.folded - r.folded,
               folded_bytes = d.folded_bytes - r.folded_bytes
             FROM (SELECT sum(observed_ms) AS observed_ms, sum(frames) AS frames, sum(bytes) AS bytes, sum(dropped) AS dropped,
                 sum(interface_dropped) AS interface_dropped, sum(undecodable) AS undecodable,
                 sum(undecodable_bytes) AS undecodable_bytes, sum(folded) AS folded, sum(folded_bytes) AS folded_bytes
               FROM ({coverage} WHERE window >= ?2 AND window < ?3) HAVING count(*) > 0) AS r
             WHERE d.window = ?1"
        );
        db.prepare_cached(&sql)?.execute((day, from, to))?;
    }
    db.prepare_cached("DELETE FROM usage_hour WHERE window = ?1")?.execute([hour])?;
    db.prepare_cached("DELETE FROM coverage_hour WHERE window = ?1")?.execute([hour])?;
    Ok(())
}

/// Days that hours were taken out of have the clock of those that are left; and days without any are none.
pub(super) fn renew_days(
    db: &Connection,
    calendar: &Calendar,
    hours: impl Iterator<Item = i64>,
) -> Result<()> {
    let days: BTreeSet<i64> = hours.flat_map(|hour| days_of(calendar, hour)).map(|(day, ..)| day).collect();
    for day in days {
        // A day of an hour is the day of its first minute here, also where it begins within the hour.
        let end = calendar.day(day + 26 * HOUR);
        let sql = "SELECT max(clock) FROM coverage_hour WHERE window > ?1 - 3600000 AND window < ?2";
        let clock: Option<String> = db.prepare_cached(sql)?.query_row((day, end), |row| row.get(0))?;
        let sql = "DELETE FROM coverage_day WHERE window = ?1 AND ?2 IS NULL AND frames = 0 AND dropped = 0 AND interface_dropped = 0";
        db.prepare_cached(sql)?.execute((day, &clock))?;
        let sql = "UPDATE coverage_day SET clock = coalesce(?2, clock) WHERE window = ?1";
        db.prepare_cached(sql)?.execute((day, &clock))?;
    }
    Ok(())
}

/// Adds the coverage of the minutes from `from` up to `to` to a window of `level`.
fn coverage(
    db: &Connection,
    calendar: &Calendar,
    level: Level,
    window: i64,
    from: i64,
    to: i64,
) -> Result<()> {
    let texts = calendar.texts(level, window);
    let (name, sums) = (level.name(), coverage_sums(level));
    let sql = format!(
        "INSERT INTO coverage_{name} SELECT ?1, ?2, ?3, sum(observed_ms), max(clock), sum(frames), sum(bytes), sum(dropped),
           sum(interface_dropped), sum(undecodable), sum(undecodable_bytes), sum(folded), sum(folded_bytes)
         FROM coverage_minute WHERE window >= ?4 AND window < ?5 HAVING count(*) > 0 {sums}"
    );
    db.prepare_cached(&sql)?.execute((window, texts.utc, texts.local, from, to)).map(|_| ())
}

/// Adds the minutes from `from` up to `to` to the rows of a window of `level`.
fn usage_of_minutes(db: &Connection, level: Level, window: i64, from: i64, to: i64) -> Result<()> {
    let name = level.name();
    let sql = format!(
        "INSERT INTO usage_{name} SELECT ?1, device, endpoint, protocol, port, direction,
           sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows)
         FROM usage_minute WHERE window >= ?2 AND window < ?3 GROUP BY 2, 3, 4, 5, 6 {USAGE_SUMS}"
    );
    db.prepare_cached(&sql)?.execute((window, from, to)).map(|_| ())
}

/// Adds the rows of a rolled hour to its day.
fn usage_of_hour(db: &Connection, day: i64, hour: i64) -> Result<()> {
    let sql = format!(
        "INSERT INTO usage_day SELECT ?1, device, endpoint, protocol, port, direction,
           bytes_up, bytes_down, packets_up, packets_down, flows
         FROM usage_hour WHERE window = ?2 {USAGE_SUMS}"
    );
    db.prepare_cached(&sql)?.execute((day, hour)).map(|_| ())
}

/// Folds the smallest endpoints of each device that has too many in the hour. Endpoints 0 (not IP) and 1 (other
/// already) are none that anybody could miss.
fn fold_endpoints(db: &Connection, hour: i64) -> Result<()> {
    let busy: Vec<i64> = db
        .prepare_cached(
            "SELECT device FROM usage_hour WHERE window = ?1 GROUP BY device HAVING count(*) > ?2",
        )?
        .query_map((hour, ENDPOINTS), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for device in busy {
        let small: Vec<i64> = db
            .prepare_cached(
                "SELECT endpoint FROM usage_hour WHERE window = ?1 AND device = ?2 AND endpoint > 1 GROUP BY endpoint
                 ORDER BY sum(bytes_up) + sum(bytes_down) DESC, endpoint",
            )?
            .query_map((hour, device), |row| row.get(0))?
            .collect::<Result<_>>()?;
        if small.len() <= usize::try_from(ENDPOINTS).unwrap_or(usize::MAX) {
            continue;
        }
        let mut to_other = db.prepare_cached(&format!(
            "INSERT INTO usage_hour SELECT window, device, 1, protocol, 0, direction, sum(bytes_up), sum(bytes_down),
               sum(packets_up), sum(packets_down), sum(flows)
             FROM usage_hour WHERE window = ?1 AND device = ?2 AND endpoint = ?3 GROUP BY protocol, direction {USAGE_SUMS}"
        ))?;
        let mut delete =
            db.prepare_cached("DELETE FROM usage_hour WHERE window = ?1 AND device = ?2 AND endpoint = ?3")?;
        let kept = usize::try_from(ENDPOINTS - 1).unwrap_or(0);
        for endpoint in &small[kept..] {
            to_other.execute((hour, device, endpoint))?;
            delete.execute((hour, device, endpoint))?;
        }
    }
    Ok(())
}
