//! The table of questions: what each device asked of DNS, by the hour.

use lanscribe_core::names::hours::DnsRow;
use rusqlite::{Connection, Result};

use super::calendar::{MINUTE, hour_of};
use super::dimensions::{Dimensions, integer};
use super::retain::Tables;

/// Days for which they are kept at most, however long hours are: they are a history of what was looked at.
pub(super) const DAYS: u32 = 400;
pub(super) const TABLES: Tables = &[("dns_hour", "window")];

/// What happens to a row that is there already.
const SUMS: &str = "ON CONFLICT DO UPDATE SET count = count + excluded.count,
    first = min(first, excluded.first), last = max(last, excluded.last)";

/// From when on the rows of a run are its own, whose clock nobody vouches for: the minute of the first question.
pub(super) fn first_minute(rows: &[DnsRow]) -> Option<i64> {
    rows.iter().map(|row| row.first.as_millis().div_euclid(MINUTE) * MINUTE).min()
}

/// Writes the rows. Those of a run whose clock is `unsure` since a minute begin, in the hour of that, with the minute: so
/// they are not added to those of an earlier run in that hour, which stay where they are if the clock proves to be off.
pub(super) fn write(
    db: &Connection,
    dimensions: &Dimensions,
    unsure: Option<i64>,
    rows: &[DnsRow],
) -> Result<()> {
    let mut insert =
        db.prepare_cached(&format!("INSERT INTO dns_hour VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) {SUMS}"))?;
    // In the order of the key.
    let mut sorted: Vec<(i64, &DnsRow)> =
        rows.iter().map(|row| (dimensions.device(row.device), row)).collect();
    sorted.sort_unstable_by_key(|&(device, row)| (row.window, device, &row.name, row.kind, row.rcode));
    for (device, row) in sorted {
        let hour = row.window.as_millis();
        let window = unsure.filter(|&since| hour_of(since) == hour).unwrap_or(hour);
        let (first, last) = (row.first.as_millis(), row.last.as_millis());
        insert.execute((
            window,
            device,
            &*row.name,
            row.kind,
            row.rcode.0,
            integer(row.count),
            first,
            last,
        ))?;
    }
    Ok(())
}

/// Moves by `by` what was asked in the windows from `since` up to `until`: each row into the hour in which its first
/// question was asked then.
pub(super) fn shift(db: &Connection, since: i64, until: i64, by: i64) -> Result<()> {
    // The one that makes room for others first, and none twice.
    let order = if by > 0 { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT DISTINCT window FROM dns_hour WHERE window >= ?1 AND window < ?2 ORDER BY window {order}"
    );
    let windows: Vec<i64> =
        db.prepare(&sql)?.query_map((since, until), |row| row.get(0))?.collect::<Result<_>>()?;
    if windows.is_empty() {
        return Ok(());
    }
    // A row may go where it is, and would be added to itself.
    db.execute_batch("CREATE TEMP TABLE moved AS SELECT * FROM dns_hour WHERE 0")?;
    for window in windows {
        db.prepare_cached("INSERT INTO temp.moved SELECT * FROM dns_hour WHERE window = ?1")?
            .execute([window])?;
        db.prepare_cached("DELETE FROM dns_hour WHERE window = ?1")?.execute([window])?;
        let sql = format!(
            "INSERT INTO dns_hour SELECT (first + ?1) - ((first + ?1) % 3600000 + 3600000) % 3600000,
               device, name, type, rcode, count, first + ?1, last + ?1 FROM temp.moved WHERE 1 {SUMS}"
        );
        db.prepare_cached(&sql)?.execute([by])?;
        db.prepare_cached("DELETE FROM temp.moved")?.execute([])?;
    }
    db.execute_batch("DROP TABLE temp.moved")
}
