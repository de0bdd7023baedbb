//! When an hour is over its minutes become its hour rows, and these are added to its day: once, in one transaction
//! with the note that it was done.

use rusqlite::{Connection, Result};

use super::calendar::{Calendar, HOUR, MINUTE};
use super::level::Level;
use super::write::{USAGE_SUMS, coverage_sums};

/// Endpoints of one device in one hour; the smallest beyond that become `other`.
const ENDPOINTS: i64 = 512;

/// Rolls every hour from `open` up to, and without, the hour `until`. Returns the hour that is open then.
pub(super) fn hours(db: &Connection, calendar: &Calendar, open: i64, until: i64) -> Result<i64> {
    if until <= open {
        return Ok(open);
    }
    // Only hours in which something was seen: time stamps in files jump by decades.
    let sql = "SELECT DISTINCT window - window % 3600000 FROM coverage_minute WHERE window >= ?1 AND window < ?2 ORDER BY 1";
    let hours: Vec<i64> =
        db.prepare_cached(sql)?.query_map((open, until), |row| row.get(0))?.collect::<Result<_>>()?;
    for hour in hours {
        let end = hour + HOUR;
        coverage(db, calendar, Level::Hour, hour, hour, end)?;
        usage_of_minutes(db, Level::Hour, hour, hour, end)?;
        fold_endpoints(db, hour)?;
        let (first, last) = (calendar.day(hour), calendar.day(end - MINUTE));
        if first == last {
            coverage(db, calendar, Level::Day, first, hour, end)?;
            usage_of_hour(db, first, hour)?;
        } else {
            // In zones off by half an hour a day begins within an hour.
            for (day, from, to) in [(first, hour, last), (last, last, end)] {
                coverage(db, calendar, Level::Day, day, from, to)?;
                usage_of_minutes(db, Level::Day, day, from, to)?;
            }
        }
    }
    Ok(until)
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
