//! What a device is called. The name stands in the file so that people can filter on it; it is decided here only.
//!
//! It is its label; else what it calls itself; else its vendor and last three octets; else its MAC address. What a device
//! calls itself is never another one's name: where another device is labelled so, or one that came before calls itself
//! so, it has its last three octets behind it, and so has whatever ends like an address by itself. That hangs on labels,
//! claims and the order of devices alone, so it is the same however they came in. Names are set when something is
//! written, so no more often than that, and there is no need of a clock to hold who changes its name each second.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lanscribe_core::addr::MacAddr;
use lanscribe_core::names::claims::ClaimSource;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::{LABEL, write};

/// A device and those that are merged into it. With OR in its place SQLite would prepare a statement anew each time.
const GROUP: &str = "(SELECT ?1 UNION ALL SELECT id FROM device WHERE same_as = ?1)";

/// Writes a device's name, and that of all that are merged with it, as they are one to its owner; and those of others
/// that have to give way to it or need not any more. Returns it.
pub(super) fn refresh(db: &Connection, device: i64) -> Result<String> {
    let root = root(db, device)?;
    let name = name(db, root)?;
    let sql = format!("SELECT name FROM device WHERE id IN {GROUP} AND name IS NOT ?2");
    let before: BTreeSet<String> =
        db.prepare_cached(&sql)?.query_map((root, &name), |row| row.get(0))?.collect::<Result<_>>()?;
    if before.is_empty() {
        return Ok(name);
    }
    let sql = format!("UPDATE device SET name = ?2 WHERE id IN {GROUP} AND name IS NOT ?2");
    db.prepare_cached(&sql)?.execute((root, &name))?;
    let sql =
        "SELECT DISTINCT coalesce(same_as, id) FROM device WHERE name = ?2 AND coalesce(same_as, id) <> ?1";
    let alike: Vec<i64> =
        db.prepare_cached(sql)?.query_map((root, &name), |row| row.get(0))?.collect::<Result<_>>()?;
    for other in alike {
        refresh(db, other)?;
    }
    for name in before {
        release(db, &name)?;
    }
    Ok(name)
}

/// Nobody has to give way to who was called `name` any more: the first of those who did may have it.
pub(super) fn release(db: &Connection, name: &str) -> Result<()> {
    if name.is_empty() || ends_like_address(name) {
        return Ok(());
    }
    if db.prepare_cached("SELECT 1 FROM device WHERE name = ?1")?.exists([name])? {
        return Ok(());
    }
    first_behind(db, name)?.map_or(Ok(()), |next| refresh(db, next).map(|_| ()))
}

/// The first device that calls itself `name` and has its address behind it.
fn first_behind(db: &Connection, name: &str) -> Result<Option<i64>> {
    // All names that begin so are next to each other in the index.
    let sql = "SELECT id FROM device WHERE name >= ?1 || ' (' AND name < ?1 || ' )' AND same_as IS NULL
        AND name IN (?1 || ' (' || substr(mac, 10) || ')', ?1 || ' (' || mac || ')') ORDER BY +id LIMIT 1";
    db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
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
    let sql = "SELECT d.id, d.mac, d.label, n.value FROM device_name n JOIN device d ON d.id = n.device WHERE n.source = ?1
        ORDER BY n.device";
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
/// what the configuration gave; else what it or one of them calls itself, else its vendor and last three octets, else its
/// MAC address.
fn name(db: &Connection, device: i64) -> Result<String> {
    let sql = format!(
        "SELECT mac, vendor,
        (SELECT label FROM device d WHERE d.id IN {GROUP} AND label IS NOT NULL
           ORDER BY NOT EXISTS (SELECT 1 FROM device_name WHERE device = d.id AND source = 'config'), id <> ?1, id LIMIT 1)
        FROM device WHERE id = ?1"
    );
    let (mac, vendor, label): (String, Option<String>, Option<String>) =
        db.prepare_cached(&sql)?.query_row([device], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if let Some(label) = label {
        return Ok(label);
    }
    if let Some((_, claim)) = claim(db, device)? {
        return of_claim(db, device, &claim, &mac);
    }
    match vendor {
        Some(vendor) => of_vendor(db, device, &crate::vendor::short(&vendor), &mac),
        None => Ok(mac),
    }
}

/// Where a device's name comes from: `label`, the source of what it calls itself, or `vendor`; `None` if it is its MAC
/// address.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn name_source(db: &Connection, device: i64) -> Result<Option<String>> {
    let sql = "SELECT coalesce(d.same_as, d.id), r.vendor IS NOT NULL,
        EXISTS (SELECT 1 FROM device WHERE (id = r.id OR same_as = r.id) AND label IS NOT NULL)
        FROM device d JOIN device r ON r.id = coalesce(d.same_as, d.id) WHERE d.id = ?1 AND d.id > 0";
    let found = db
        .prepare_cached(sql)?
        .query_row([device], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((root, vendor, label)): Option<(i64, bool, bool)> = found else { return Ok(None) };
    if label {
        return Ok(Some("label".to_owned()));
    }
    let claimed = claim(db, root)?.map(|(source, _)| source.as_str());
    Ok(claimed.or_else(|| vendor.then_some("vendor")).map(str::to_owned))
}

/// What a device, or one merged into it, calls itself by the best source, and there what it said last. What services are
/// called by that have no name but their host's counts as the host's, or the name would change with each announcement.
fn claim(db: &Connection, device: i64) -> Result<Option<(ClaimSource, String)>> {
    let sql = format!(
        "SELECT n.source, n.value, d.mac FROM device d JOIN device_name n ON n.device = d.id
        WHERE d.id IN {GROUP} ORDER BY n.last_seen DESC, n.source, n.value"
    );
    let mut said: Vec<(ClaimSource, String, String)> = Vec::new();
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([device])?;
    while let Some(row) = rows.next()? {
        let source: String = row.get(0)?;
        if let Some(source) = ClaimSource::parse(&source).filter(|source| source.rank().is_some()) {
            said.push((source, row.get(1)?, row.get(2)?));
        }
    }
    let hosts: BTreeSet<_> =
        said.iter().filter(|said| said.0 == ClaimSource::Mdns).map(|said| said.1.to_lowercase()).collect();
    let is_host =
        |source, value: &str| source == ClaimSource::MdnsName && hosts.contains(&value.to_lowercase());
    let names = said.iter().filter(|(source, value, mac)| !is_host(*source, value) && is_name(value, mac));
    let best = names.min_by_key(|(source, ..)| source.rank());
    Ok(best.map(|(source, value, _)| (*source, value.chars().take(LABEL).collect())))
}

/// What is said where there is no name, in small letters.
const NO_NAMES: [&str; 9] = [
    "localhost",
    "localhost.localdomain",
    "unknown",
    "undefined",
    "none",
    "(none)",
    "null",
    "n/a",
    "default",
];
/// As many hexadecimal digits are a number: that of an interface, or one that was drawn.
const NUMBER: usize = 12;

/// Whether it tells a device from others better than its vendor does. `iPhone`, `android` and `espressif` do; what is
/// skipped is no name at all: a word that stands for none, an address, or a number.
fn is_name(value: &str, mac: &str) -> bool {
    let lower = value.to_lowercase();
    let digits = || lower.chars().filter(|c| !matches!(c, ':' | '-' | '.' | '_'));
    let is_number = digits().count() >= NUMBER && digits().all(|c| c.is_ascii_hexdigit());
    !NO_NAMES.contains(&&*lower)
        && lower.chars().any(char::is_alphabetic)
        && lower.parse::<IpAddr>().is_err()
        && lower != mac
        && !is_number
}

/// Whether it ends as names do that this program makes: `01:02:03`, perhaps in brackets.
fn ends_like_address(name: &str) -> bool {
    let name = name.strip_suffix(')').unwrap_or(name).as_bytes();
    let octets = name.len().checked_sub(8).and_then(|start| name.get(start..));
    octets.is_some_and(|octets| {
        octets
            .iter()
            .enumerate()
            .all(|(n, byte)| if n % 3 == 2 { *byte == b':' } else { byte.is_ascii_hexdigit() })
    })
}

/// `bulb`, or `bulb (01:02:03)` where another device is called that: by its label, or because it came before. Where two
/// addresses end alike, the later device has its whole one.
fn of_claim(db: &Connection, device: i64, claim: &str, mac: &str) -> Result<String> {
    let sql = "SELECT 1 FROM device WHERE name = ?2 AND coalesce(same_as, id) <> ?1
        AND (label = name OR coalesce(same_as, id) < ?1)";
    let is_taken = ends_like_address(claim)
        || db.prepare_cached(sql)?.exists((device, claim))?
        || first_behind(db, claim)?.is_some_and(|first| first < device);
    if !is_taken {
        return Ok(claim.to_owned());
    }
    let octets = &mac[9..];
    let sql = "SELECT 1 FROM device WHERE substr(mac, 10) = ?1 AND id < ?2";
    let alike = db.prepare_cached(sql)?.exists((octets, device))?;
    Ok(format!("{claim} ({})", if alike { mac } else { octets }))
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
