//! Who a device is, and what its link-level totals are.

use anyhow::Result;
use rusqlite::Connection;

/// A row of the table `device`.
pub(crate) struct Identity {
    pub(crate) id: i64,
    /// `None` for nobody in particular.
    pub(crate) mac: Option<String>,
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) vendor: Option<String>,
    /// Whether it made its MAC address up.
    pub(crate) random: bool,
    pub(crate) role: Option<String>,
    /// Frames and bytes with its MAC address as source.
    pub(crate) sent: (i64, i64),
    /// Frames and bytes with its MAC address as destination.
    pub(crate) received: (i64, i64),
    /// First and last time, in milliseconds since 1970.
    pub(crate) seen: (i64, i64),
}

impl Identity {
    /// The device `id`, or all of them in order of number.
    pub(crate) fn load(db: &Connection, id: Option<i64>) -> Result<Vec<Self>> {
        let mut statement = db.prepare_cached(
            "SELECT id, mac, name, label, vendor, mac_random, role, frames_sent, bytes_sent, frames_received,
               bytes_received, first_seen, last_seen FROM device WHERE id = coalesce(?1, id) AND (id > 0 OR ?1 = 0) ORDER BY id",
        )?;
        let identities = statement.query_map([id], |row| {
            Ok(Self {
                id: row.get(0)?,
                mac: row.get(1)?,
                name: row.get(2)?,
                label: row.get(3)?,
                vendor: row.get(4)?,
                random: row.get(5)?,
                role: row.get(6)?,
                sent: (row.get(7)?, row.get(8)?),
                received: (row.get(9)?, row.get(10)?),
                seen: (row.get(11)?, row.get(12)?),
            })
        })?;
        Ok(identities.collect::<rusqlite::Result<_>>()?)
    }
}
