//! What a device is called. The name stands in the file so that people can filter on it; it is decided here only.

use rusqlite::{Connection, OptionalExtension as _, Result};

/// Writes a device's name, and that of all that are merged with it, as they are one to its owner. Returns it.
pub(super) fn refresh(db: &Connection, device: i64) -> Result<String> {
    let root = root(db, device)?;
    let name = name(db, root)?;
    let sql = "UPDATE device SET name = ?2 WHERE (id = ?1 OR same_as = ?1) AND name IS NOT ?2";
    db.prepare_cached(sql)?.execute((root, &name))?;
    Ok(name)
}

/// The device that this one is merged into, or itself.
pub(super) fn root(db: &Connection, device: i64) -> Result<i64> {
    let sql = "SELECT coalesce(same_as, id) FROM device WHERE id = ?1";
    db.prepare_cached(sql)?.query_row([device], |row| row.get(0))
}

/// Gives a label to the device with this MAC address, if there is one and it has another label or none.
pub(super) fn label(db: &Connection, mac: &str, label: &str) -> Result<()> {
    let sql = "UPDATE device SET label = ?2 WHERE mac = ?1 AND label IS NOT ?2 RETURNING id";
    let changed: Option<i64> =
        db.prepare_cached(sql)?.query_row((mac, label), |row| row.get(0)).optional()?;
    if let Some(device) = changed {
        refresh(db, device)?;
    }
    Ok(())
}

/// The name of a device that is merged into no other: its label, else that of one merged into it, else the latest
/// name that it was heard by, else its vendor and last three octets, else its MAC address.
fn name(db: &Connection, device: i64) -> Result<String> {
    let sql = "SELECT mac, vendor,
        (SELECT label FROM device WHERE (id = ?1 OR same_as = ?1) AND label IS NOT NULL ORDER BY id <> ?1, id LIMIT 1),
        (SELECT value FROM device_name WHERE device = ?1 ORDER BY last_seen DESC, source, value LIMIT 1)
        FROM device WHERE id = ?1";
    let (mac, vendor, label, heard): (String, Option<String>, Option<String>, Option<String>) = db
        .prepare_cached(sql)?
        .query_row([device], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    match (label.or(heard), vendor) {
        (Some(name), _) => Ok(name),
        (None, Some(vendor)) => of_vendor(db, device, &crate::vendor::short(&vendor), &mac),
        (None, None) => Ok(mac),
    }
}

/// `Synology 01:02:03`; where two blocks of one vendor end alike, the later device has its whole address. It depends on
/// nothing that changes, so that who was merged and is by itself again has the name that it had.
fn of_vendor(db: &Connection, device: i64, vendor: &str, mac: &str) -> Result<String> {
    let octets = &mac[9..];
    let sql = "SELECT vendor FROM device WHERE substr(mac, 10) = ?1 AND id < ?2 AND vendor IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut alike = statement.query((octets, device))?;
    while let Some(row) = alike.next()? {
        if crate::vendor::short(&row.get::<_, String>(0)?) == vendor {
            return Ok(format!("{vendor} {mac}"));
        }
    }
    Ok(format!("{vendor} {octets}"))
}
