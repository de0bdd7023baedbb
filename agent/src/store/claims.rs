//! What devices say of themselves, and what follows from it: what they are called, and what they are.

use std::collections::BTreeSet;

use lanscribe_core::names::claims::{Claim, ClaimSource};
use lanscribe_core::names::kind::kind_of;
use rusqlite::{Connection, Result};

use super::dimensions::Dimensions;
use super::naming;

/// Values of one device and source, and of one device at all. Those that were not heard for longest go first.
pub(super) const VALUES_A_SOURCE: i64 = 32;
pub(super) const VALUES: i64 = 64;

/// Writes what was said. The names of who said something are set anew from all that is in the file: so they do not hang
/// on how it came in, and change no oftener than something is written.
pub(super) fn write(db: &Connection, dimensions: &Dimensions, claims: &[Claim]) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO device_name VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
           first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)
         RETURNING first_seen = ?4 AND last_seen = ?5",
    )?;
    // Those of others that are merged with it, or it with them, are looked for by the renewal alone.
    let mut others = db.prepare_cached(
        "SELECT count(*) > 1 OR EXISTS (SELECT 1 FROM device WHERE same_as = ?1 OR id = ?1 AND same_as IS NOT NULL)
         FROM device_name WHERE device = ?1 AND source = ?2",
    )?;
    let mut said = BTreeSet::new();
    for claim in claims {
        let device = dimensions.device(claim.device);
        if device == 0 {
            continue;
        }
        let (first, last) = (claim.first.as_millis(), claim.last.as_millis());
        let row = (device, claim.source.as_str(), &*claim.value, first, last);
        let new: bool = insert.query_row(row, |row| row.get(0))?;
        // Most is what they said before, and changes nothing: but of several names of one source the latest counts.
        let may_name = claim.source.rank().is_some();
        if new || may_name && others.query_row((device, claim.source.as_str()), |row| row.get(0))? {
            said.insert(device);
        }
    }
    for device in said {
        trim(db, device)?;
        renew(db, device)?;
    }
    Ok(())
}

/// Sets a device's name and type by what is in the file.
pub(super) fn renew(db: &Connection, device: i64) -> Result<()> {
    naming::refresh(db, device)?;
    let sql = "SELECT source, value FROM device_name WHERE device = ?1 ORDER BY source, value";
    let said: Vec<(String, String)> = db
        .prepare_cached(sql)?
        .query_map([device], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    let claims =
        said.iter().filter_map(|(source, value)| Some((ClaimSource::parse(source)?, value.as_str())));
    let kind = kind_of(claims);
    let sql = "UPDATE device SET type = ?2, type_rule = ?3 WHERE id = ?1 AND (type IS NOT ?2 OR type_rule IS NOT ?3)";
    let row = (device, kind.map(|kind| kind.kind), kind.map(|kind| kind.rule));
    db.prepare_cached(sql)?.execute(row).map(|_| ())
}

/// Deletes what is beyond the limits.
fn trim(db: &Connection, device: i64) -> Result<()> {
    let sql = "DELETE FROM device_name WHERE device = ?1 AND (source, value) IN (
         SELECT source, value FROM (
           SELECT source, value, of_source, row_number() OVER (ORDER BY of_source > ?2, last_seen DESC, source, value) AS of_all
           FROM (SELECT source, value, last_seen,
               row_number() OVER (PARTITION BY source ORDER BY last_seen DESC, value) AS of_source
             FROM device_name WHERE device = ?1 AND source NOT IN ('config', 'label')))
         WHERE of_source > ?2 OR of_all > ?3)";
    let count = "SELECT count(*) FROM device_name WHERE device = ?1";
    let count: i64 = db.prepare_cached(count)?.query_row([device], |row| row.get(0))?;
    if count > VALUES_A_SOURCE {
        db.prepare_cached(sql)?.execute((device, VALUES_A_SOURCE, VALUES))?;
    }
    Ok(())
}

/// Deletes some of what devices did not say of themselves since `limit`, and sets their names and types anew. At
/// most `most` at a time; returns how much.
pub(super) fn delete_old(db: &Connection, limit: i64, most: usize) -> Result<usize> {
    let transaction = db.unchecked_transaction()?;
    let mut devices: Vec<i64> = Vec::new();
    {
        let mut delete = transaction.prepare_cached(&format!(
            "DELETE FROM device_name WHERE (device, source, value) IN (SELECT device, source, value FROM device_name
               WHERE last_seen < ?1 AND source NOT IN ('config', 'label') LIMIT {most}) RETURNING device"
        ))?;
        let mut rows = delete.query([limit])?;
        while let Some(row) = rows.next()? {
            devices.push(row.get(0)?);
        }
    }
    let deleted = devices.len();
    devices.sort_unstable();
    devices.dedup();
    for device in devices {
        renew(&transaction, device)?;
    }
    transaction.commit()?;
    Ok(deleted)
}
