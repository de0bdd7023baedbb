//! What the owner may change: what a device is called, which devices are one, and notes on the time line. Rows are
//! never rewritten, so that each change can be taken back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lanscribe_core::addr::MacAddr;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, naming, write};
use crate::text::is_hidden;

/// Characters of a label.
pub(crate) const LABEL: usize = 64;
/// Characters of a mark's text.
const MARK: usize = 200;

/// A change to the file that the owner asks for; as JSON it is a request of the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Change {
    /// Calls a device something, or takes its label away.
    Label {
        /// Which one.
        #[serde(with = "crate::mac_text")]
        device: MacAddr,
        /// The label; none takes it away.
        #[serde(default)]
        name: Option<String>,
    },
    /// Writes a note on the time line.
    Mark {
        /// What it says.
        text: String,
        /// Whom it is about, if it is about one device.
        #[serde(default, with = "crate::mac_text::maybe")]
        device: Option<MacAddr>,
        /// Milliseconds since 1970.
        start: i64,
        /// If it lasts.
        #[serde(default)]
        end: Option<i64>,
    },
    /// Says that a device is another one with a new address.
    Merge {
        /// Which one.
        #[serde(with = "crate::mac_text")]
        device: MacAddr,
        /// Which it is.
        #[serde(with = "crate::mac_text")]
        into: MacAddr,
    },
    /// Takes that back.
    Unmerge {
        /// Which one.
        #[serde(with = "crate::mac_text")]
        device: MacAddr,
    },
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// No such device.
    #[error(
        "{0}: no such device in the file; one that was just seen is written there within minutes, or at once by `lanscribe flush`"
    )]
    Unknown(MacAddr),
    /// It makes no sense, or somebody else decides.
    #[error("{0}")]
    Refused(String),
    /// The file cannot be written at the moment.
    #[error("nothing was changed, as the file cannot be written: {0}")]
    Unavailable(String),
    /// The file says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change was not made, before the path is known.
enum Stopped {
    Change(ChangeError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

fn refused<T>(why: String) -> Result<T, Stopped> {
    Err(Stopped::Change(ChangeError::Refused(why)))
}

impl Store {
    /// Makes a change and writes it down as an event; says in a sentence what was done. `configured` are the labels of
    /// the configuration, which a command cannot change.
    ///
    /// # Errors
    /// If it makes no sense, or whatever SQLite says; then nothing was changed.
    pub(crate) fn apply(
        &mut self,
        change: &Change,
        configured: &BTreeMap<MacAddr, String>,
    ) -> Result<String, ChangeError> {
        self.apply_at(change, configured, Timestamp::now().as_millisecond())
    }

    pub(super) fn apply_at(
        &mut self,
        change: &Change,
        configured: &BTreeMap<MacAddr, String>,
        now: i64,
    ) -> Result<String, ChangeError> {
        // What is refused is no error of SQLite's: it leaves the transaction as it came.
        let Self { db, calendar, .. } = self;
        let done = super::atomically(db, |db| {
            Ok(match apply(db, change, configured, calendar.zone(), now) {
                Err(Stopped::Sqlite(source)) => return Err(source),
                Err(Stopped::Change(error)) => Err(error),
                Ok(said) => Ok(said),
            })
        });
        done.map_err(|source| self.error(source))?
    }
}

/// A device that the owner names.
struct Device {
    id: i64,
    mac: MacAddr,
    name: String,
    same_as: Option<i64>,
}

impl Device {
    fn find(db: &Connection, mac: MacAddr) -> Result<Self, Stopped> {
        let sql = "SELECT id, name, same_as FROM device WHERE mac = ?1";
        let found = db
            .query_row(sql, [mac.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, name, same_as)) = found else { return Err(Stopped::Change(ChangeError::Unknown(mac))) };
        Ok(Self { id, mac, name, same_as })
    }

    /// The one that it is merged into, or itself.
    fn root(&self) -> i64 {
        self.same_as.unwrap_or(self.id)
    }

    /// The addresses of all that it is one with, its own among them; the first is the one that all are merged into.
    fn all(&self, db: &Connection) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT mac FROM device WHERE id = ?1 OR same_as = ?1 ORDER BY id <> ?1, id";
        db.prepare_cached(sql)?.query_map([self.root()], |row| row.get(0))?.collect()
    }
}

fn apply(
    db: &Connection,
    change: &Change,
    configured: &BTreeMap<MacAddr, String>,
    zone: &TimeZone,
    now: i64,
) -> Result<String, Stopped> {
    match change {
        Change::Label { device, name } => label(db, *device, name.as_deref(), configured, now),
        Change::Mark { text, device, start, end } => mark(db, text, *device, (*start, *end), zone, now),
        Change::Merge { device, into } => merge(db, *device, *into, now),
        Change::Unmerge { device } => unmerge(db, *device, now),
    }
}

/// The text without space around it, if it can be read and is not too long.
fn checked<'a>(what: &str, text: &'a str, longest: usize) -> Result<&'a str, Stopped> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > longest {
        return refused(format!("{what} has 1 to {longest} characters, and this one {length}"));
    }
    if let Some(hidden) = text.chars().find(|&c| is_hidden(c)) {
        return refused(format!("{what} has no hidden characters, and this one {}", hidden.escape_unicode()));
    }
    Ok(text)
}

fn label(
    db: &Connection,
    mac: MacAddr,
    name: Option<&str>,
    configured: &BTreeMap<MacAddr, String>,
    now: i64,
) -> Result<String, Stopped> {
    let name = name.map(|name| checked("a label", name, LABEL)).transpose()?;
    let device = Device::find(db, mac)?;
    // Merged devices have one name, so they have one label: that of the one they are merged into.
    let all = device.all(db)?;
    for mac in &all {
        if let Some(label) = mac.parse().ok().and_then(|mac: MacAddr| configured.get(&mac)) {
            return refused(format!(
                "{mac} is called \"{label}\" by the configuration: change it there, under [labels]"
            ));
        }
    }
    let root = device.root();
    let event = match name {
        Some(name) => {
            db.execute("UPDATE device SET label = ?2 WHERE id = ?1", (root, name))?;
            format!("called \"{name}\"")
        }
        None => {
            let sql = "UPDATE device SET label = NULL WHERE (id = ?1 OR same_as = ?1) AND label IS NOT NULL";
            if db.execute(sql, [root])? == 0 {
                return refused(format!("{mac} has no label"));
            }
            "label taken away".to_owned()
        }
    };
    let called = naming::refresh(db, root)?;
    write::insert_event(db, now, "label", Some(device.id), &event)?;
    Ok(format!("{mac} is now called \"{called}\""))
}

fn mark(
    db: &Connection,
    text: &str,
    mac: Option<MacAddr>,
    (start, end): (i64, Option<i64>),
    zone: &TimeZone,
    now: i64,
) -> Result<String, Stopped> {
    let text = checked("the text of a mark", text, MARK)?;
    let device = mac.map(|mac| Device::find(db, mac)).transpose()?;
    // In the site's zone, as who asked has it.
    let local = |millis: i64| match Timestamp::from_millisecond(millis) {
        Ok(at) => Ok(at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()),
        Err(_) => refused(format!("{millis} is no time in milliseconds since 1970")),
    };
    let from = local(start)?;
    let span = match end {
        Some(end) if end < start => {
            return refused(format!(
                "a mark ends after it begins, and this one from {from} at {}",
                local(end)?
            ));
        }
        Some(end) => format!("from {from} to {}", local(end)?),
        None => format!("at {from}"),
    };
    let id = device.as_ref().map(|device| device.id);
    let sql = "INSERT INTO mark (start, end, device, text) VALUES (?1, ?2, ?3, ?4)";
    db.execute(sql, (start, end, id, text))?;
    write::insert_event(db, now, "mark", id, &format!("marked {span}: {text}"))?;
    let whom = device.map_or(String::new(), |device| format!(" for \"{}\"", device.name));
    Ok(format!("marked \"{text}\"{whom} {span}"))
}

fn merge(db: &Connection, mac: MacAddr, into: MacAddr, now: i64) -> Result<String, Stopped> {
    let (device, into) = (Device::find(db, mac)?, Device::find(db, into)?);
    let root = into.root();
    if device.id == into.id {
        return refused(format!("{mac} is the same device already: it was named twice"));
    }
    if device.same_as == Some(root) {
        return refused(format!("{mac} and {} are one already, called \"{}\"", into.mac, into.name));
    }
    if device.same_as.is_some() {
        return refused(format!(
            "{mac} is merged into another device, \"{}\": unmerge it first",
            device.name
        ));
    }
    if root == device.id {
        return refused(format!("{} is merged into {mac} already: unmerge it first", into.mac));
    }
    // With chains an `unmerge` could not give back what was.
    let members = device.all(db)?;
    if let Some(member) = members.get(1) {
        return refused(format!(
            "{member} is merged into {mac}: merge {} into that one instead, or unmerge {member} first",
            into.mac
        ));
    }
    db.execute("UPDATE device SET same_as = ?2 WHERE id = ?1", (device.id, root))?;
    let called = naming::refresh(db, root)?;
    write::insert_event(db, now, "merge", Some(device.id), &format!("merged into {}", into.mac))?;
    Ok(format!("{mac} and {} are now one device, called \"{called}\"", into.mac))
}

fn unmerge(db: &Connection, mac: MacAddr, now: i64) -> Result<String, Stopped> {
    let device = Device::find(db, mac)?;
    let Some(root) = device.same_as else {
        let merged = device.all(db)?.split_off(1);
        return refused(match merged.as_slice() {
            [] => format!("{mac} is merged into no other device"),
            [one] => format!("{mac} is merged into no other device, but {one} into it: unmerge that one"),
            many => format!(
                "{mac} is merged into no other device, but {} into it: unmerge those",
                many.join(", ")
            ),
        });
    };
    db.execute("UPDATE device SET same_as = NULL WHERE id = ?1", [device.id])?;
    let called = naming::refresh(db, device.id)?;
    let other = naming::refresh(db, root)?;
    write::insert_event(db, now, "unmerge", Some(device.id), "by itself again")?;
    Ok(format!("{mac} is by itself again, called \"{called}\"; the other one is \"{other}\""))
}
