//! What a device is called. The name stands in the file so that people can filter on it; it is decided here only.

use std::collections::BTreeMap;

use lanscribe_core::addr::MacAddr;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::write;

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

/// In `device_name`: the label that the configuration gave, as long as it does, and the owner's own one from before.
const CONFIGURED: &str = "config";
const OWN: &str = "label";

/// Calls devices what the configuration says, and those that it no longer names what they were called before. Each
/// change is an event.
pub(super) fn configure(db: &Connection, labels: &BTreeMap<MacAddr, String>, now: i64) -> Result<()> {
    for (mac, label) in labels {
        let sql = "SELECT id, label FROM device WHERE mac = ?1";
        let found: Option<(i64, Option<String>)> = db
            .prepare_cached(sql)?
            .query_row([mac.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((device, before)) = found {
            give(db, device, before.as_deref(), label, now)?;
        }
    }
    let sql = "SELECT d.id, d.mac, d.label, n.value FROM device_name n JOIN device d ON d.id = n.device WHERE n.source = ?1";
    let given: Vec<(i64, String, Option<String>, String)> = db
        .prepare_cached(sql)?
        .query_map([CONFIGURED], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_>>()?;
    for (device, mac, label, given) in given {
        if mac.parse().is_ok_and(|mac: MacAddr| !labels.contains_key(&mac)) {
            give_back(db, device, label.as_deref(), &given, now)?;
        }
    }
    Ok(())
}

/// A device came that the configuration calls `label`, and has it.
pub(super) fn came_configured(db: &Connection, device: i64, label: &str, now: i64) -> Result<()> {
    keep(db, device, CONFIGURED, Some(label), now)
}

fn give(db: &Connection, device: i64, before: Option<&str>, label: &str, now: i64) -> Result<()> {
    let given = kept(db, device, CONFIGURED)?;
    let given = given.as_deref();
    if given == Some(label) && before == given {
        return Ok(());
    }
    if before.is_some() && before != given {
        keep(db, device, OWN, before, now)?;
    }
    keep(db, device, CONFIGURED, Some(label), now)?;
    set_label(db, device, Some(label))?;
    if before != Some(label) {
        let said = format!("called \"{label}\" by the configuration");
        write::insert_event(db, now, "label", Some(device), &said)?;
    }
    Ok(())
}

fn give_back(db: &Connection, device: i64, label: Option<&str>, given: &str, now: i64) -> Result<()> {
    let own = kept(db, device, OWN)?;
    for source in [CONFIGURED, OWN] {
        keep(db, device, source, None, now)?;
    }
    // What a command changed while no daemon ran stays.
    let back = if label == Some(given) { own.as_deref() } else { label };
    let called = set_label(db, device, back)?;
    if back != label {
        let said = format!("no longer called \"{given}\" by the configuration, but \"{called}\" again");
        write::insert_event(db, now, "label", Some(device), &said)?;
    }
    Ok(())
}

fn set_label(db: &Connection, device: i64, label: Option<&str>) -> Result<String> {
    db.prepare_cached("UPDATE device SET label = ?2 WHERE id = ?1")?.execute((device, label))?;
    refresh(db, device)
}

fn kept(db: &Connection, device: i64, source: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM device_name WHERE device = ?1 AND source = ?2";
    db.prepare_cached(sql)?.query_row((device, source), |row| row.get(0)).optional()
}

/// Keeps one name of this source, or none.
fn keep(db: &Connection, device: i64, source: &str, name: Option<&str>, now: i64) -> Result<()> {
    let sql = "DELETE FROM device_name WHERE device = ?1 AND source = ?2";
    db.prepare_cached(sql)?.execute((device, source))?;
    if let Some(name) = name {
        let sql = "INSERT INTO device_name VALUES (?1, ?2, ?3, ?4, ?4)";
        db.prepare_cached(sql)?.execute((device, source, name, now))?;
    }
    Ok(())
}

/// The name of a device that is merged into no other: its label, else that of one merged into it, and of these first
/// what the configuration gave; else the latest name that it was heard by, else its vendor and last three octets, else
/// its MAC address.
fn name(db: &Connection, device: i64) -> Result<String> {
    let sql = "SELECT mac, vendor,
        (SELECT label FROM device d WHERE (id = ?1 OR same_as = ?1) AND label IS NOT NULL
           ORDER BY NOT EXISTS (SELECT 1 FROM device_name WHERE device = d.id AND source = 'config'), id <> ?1, id LIMIT 1),
        (SELECT value FROM device_name WHERE device = ?1 AND source NOT IN ('config', 'label') ORDER BY last_seen DESC, source, value LIMIT 1)
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
