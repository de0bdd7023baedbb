//! When an hour is over its minutes become its hour rows and are added to its day: once, in one transaction with
//! the note that it was done.

use rusqlite::{Connection, Result};

use super::calendar::{Calendar, HOUR, MINUTE};
use super::write::Level;

/// Endpoints of one device in one hour; the smallest beyond that become `other`.
const ENDPOINTS: i64 = 512;

/// Rolls every hour from `open` up to, and without, the hour `until`. Returns the hour that is open then.
pub(super) fn hours(db: &Connection, calendar: &Calendar, open: i64, until: i64) -> Result<i64> {
    if until <= open {
        return Ok(open);
    }
    // Only hours in which something was seen: time stamps in files jump by decades.
    let hours: Vec<i64> = db
        .prepare_cached("SELECT DISTINCT window - window % 3600000 FROM coverage_minute WHERE window >= ?1 AND window < ?2 ORDER BY 1")?
        .query_map((open, until), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for hour in hours {
        let end = hour + HOUR;
        fold_endpoints(db, hour)?;
        roll(db, calendar, Level::Hour, hour, hour, end)?;
        // In zones off by half an hour a day begins within an hour.
        let (first, last) = (calendar.day(hour), calendar.day(end - MINUTE));
        if first == last {
            roll(db, calendar, Level::Day, first, hour, end)?;
        } else {
            roll(db, calendar, Level::Day, first, hour, last)?;
            roll(db, calendar, Level::Day, last, last, end)?;
        }
    }
    Ok(until)
}

/// Adds the minutes from `from` up to `to` to the rows of a window of `level`.
fn roll(db: &Connection, calendar: &Calendar, level: Level, window: i64, from: i64, to: i64) -> Result<()> {
    let texts = if level == Level::Day { calendar.day_texts(window) } else { calendar.minute(window) };
    let name = level.name();
    let coverage = format!(
        "INSERT INTO coverage_{name} SELECT ?1, ?2, ?3, sum(observed_ms), min(clock), sum(frames), sum(bytes), sum(dropped),
           sum(interface_dropped), sum(undecodable), sum(undecodable_bytes), sum(folded), sum(folded_bytes)
         FROM coverage_minute WHERE window >= ?4 AND window < ?5 HAVING count(*) > 0
         ON CONFLICT DO UPDATE SET observed_ms = observed_ms + excluded.observed_ms, frames = frames + excluded.frames,
           bytes = bytes + excluded.bytes, dropped = dropped + excluded.dropped,
           interface_dropped = interface_dropped + excluded.interface_dropped,
           undecodable = undecodable + excluded.undecodable, undecodable_bytes = undecodable_bytes + excluded.undecodable_bytes,
           folded = folded + excluded.folded, folded_bytes = folded_bytes + excluded.folded_bytes"
    );
    db.prepare_cached(&coverage)?.execute((window, texts.utc, texts.local, from, to))?;
    let usage = format!(
        "INSERT INTO usage_{name}
         SELECT ?1, u.device, coalesce(f.target, u.endpoint), u.protocol, CASE WHEN f.target IS NULL THEN u.port ELSE 0 END,
           u.direction, sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down), sum(flows)
         FROM usage_minute u LEFT JOIN temp.folded f ON f.device = u.device AND f.endpoint = u.endpoint
         WHERE window >= ?2 AND window < ?3 GROUP BY 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6
         ON CONFLICT DO UPDATE SET bytes_up = bytes_up + excluded.bytes_up, bytes_down = bytes_down + excluded.bytes_down,
           packets_up = packets_up + excluded.packets_up, packets_down = packets_down + excluded.packets_down,
           flows = flows + excluded.flows"
    );
    db.prepare_cached(&usage)?.execute((window, from, to)).map(|_| ())
}

/// Lists in `temp.folded` the endpoints of the hour that are too many for their device.
fn fold_endpoints(db: &Connection, hour: i64) -> Result<()> {
    db.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS folded (device INTEGER, endpoint INTEGER, target INTEGER, PRIMARY KEY (device, endpoint)) WITHOUT ROWID;
         DELETE FROM temp.folded;",
    )?;
    // Endpoints 0 (not IP) and 1 (other already) are not endpoints that anybody could miss.
    let sql = "INSERT INTO temp.folded
        SELECT device, endpoint, 1 FROM (
          SELECT device, endpoint, row_number() OVER (PARTITION BY device ORDER BY sum(bytes_up) + sum(bytes_down) DESC, endpoint) AS place,
            count(*) OVER (PARTITION BY device) AS of
          FROM usage_minute WHERE window >= ?1 AND window < ?2 AND endpoint > 1 GROUP BY device, endpoint)
        WHERE of > ?3 AND place >= ?3";
    db.prepare_cached(sql)?.execute((hour, hour + HOUR, ENDPOINTS)).map(|_| ())
}
