//! Who a device is, and what its link-level totals are.

use std::collections::HashMap;

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
    /// What it is, and the rule that says so.
    pub(crate) kind: Option<String>,
    pub(crate) rule: Option<String>,
    /// Frames and bytes with its MAC address as source.
    pub(crate) sent: (i64, i64),
    /// Frames and bytes with its MAC address as destination.
    pub(crate) received: (i64, i64),
    /// First and last time, in milliseconds since 1970.
    pub(crate) seen: (i64, i64),
    /// The device that it was merged into, or itself.
    pub(crate) root: i64,
    /// The MAC address of that, if it is another one.
    pub(crate) merged_into: Option<String>,
    /// How many others are in this one's sums.
    pub(crate) others: usize,
}

impl Identity {
    /// The device `id`, or all of them in order of number.
    pub(crate) fn load(db: &Connection, id: Option<i64>) -> Result<Vec<Self>> {
        let mut statement = db.prepare_cached(
            "SELECT id, mac, name, label, vendor, mac_random, role, frames_sent, bytes_sent, frames_received,
               bytes_received, first_seen, last_seen, coalesce(same_as, id),
               (SELECT root.mac FROM device root WHERE root.id = device.same_as), type, type_rule FROM device WHERE id = coalesce(?1, id) AND (id > 0 OR ?1 = 0) ORDER BY id",
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
                root: row.get(13)?,
                merged_into: row.get(14)?,
                kind: row.get(15)?,
                rule: row.get(16)?,
                others: 0,
            })
        })?;
        Ok(identities.collect::<rusqlite::Result<_>>()?)
    }
    /// One for each device, with the sums of those that were merged into it.
    pub(crate) fn fold(all: Vec<Self>) -> Vec<Self> {
        let (mut roots, merged): (Vec<Self>, Vec<Self>) = all.into_iter().partition(|one| one.root == one.id);
        let places: HashMap<i64, usize> = roots.iter().enumerate().map(|(n, root)| (root.id, n)).collect();
        for one in merged {
            let Some(root) = places.get(&one.root).map(|&place| &mut roots[place]) else { continue };
            root.sent = (root.sent.0 + one.sent.0, root.sent.1 + one.sent.1);
            root.received = (root.received.0 + one.received.0, root.received.1 + one.received.1);
            root.seen = (root.seen.0.min(one.seen.0), root.seen.1.max(one.seen.1));
            root.others += 1;
            if root.kind.is_none() {
                (root.kind, root.rule) = (one.kind, one.rule);
            }
        }
        roots
    }
}

/// A MAC address for people, and how many more the device has.
pub(crate) fn mac_and_more(mac: Option<String>, others: usize) -> Option<String> {
    mac.map(|mac| if others == 0 { mac } else { format!("{mac} +{others}") })
}
