//! What the file knows already, for a pipeline that goes on where another one ended.

use std::path::Path;

use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::lan::Source;
use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::time::Timestamp;
use rusqlite::{Connection, Result};

use super::{Store, StoreError};

/// Devices and networks of earlier runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recollection {
    /// In order of their ids, and whether they were gateways.
    devices: Vec<(MacAddr, bool)>,
    /// Networks that the LAN announced, and when they were last heard of.
    networks: Vec<(Prefix, Timestamp)>,
}

impl Recollection {
    fn load(db: &Connection) -> Result<Self> {
        let mut recollection = Self::default();
        let mut devices = db.prepare("SELECT mac, role IS 'gateway' FROM device WHERE id > 0 ORDER BY id")?;
        for row in devices.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
            let (mac, gateway) = row?;
            recollection.devices.extend(mac.parse().ok().map(|mac: MacAddr| (mac, gateway)));
        }
        let mut networks =
            db.prepare("SELECT prefix, last_seen FROM local_network ORDER BY first_seen, prefix")?;
        for row in networks.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))? {
            let (prefix, last_seen) = row?;
            let seen = Timestamp(last_seen.saturating_mul(1_000));
            recollection.networks.extend(prefix.parse().ok().map(|prefix: Prefix| (prefix, seen)));
        }
        Ok(recollection)
    }

    /// Tells the pipeline of the devices, which need no admission then and may be gateways, and of the networks.
    pub(crate) fn tell(&self, pipeline: &mut Pipeline) {
        for &(mac, gateway) in &self.devices {
            pipeline.remember_device(mac, gateway);
        }
        for &(prefix, seen) in &self.networks {
            pipeline.remember_network(prefix, Source::Traffic, seen);
        }
    }
}

/// What the file knows, for who does not write it. Where no file is, or an empty one, nothing is known.
///
/// # Errors
/// If it cannot be read, is not ours, or is newer than this program.
#[allow(dead_code)] // the capture of the daemon begins with it
pub(crate) fn recall(path: &Path) -> std::result::Result<Recollection, StoreError> {
    let db = match super::open_to_read(path) {
        Err(StoreError::Missing(_)) => return Ok(Recollection::default()),
        Err(_) if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) => {
            return Ok(Recollection::default());
        }
        opened => opened?,
    };
    Recollection::load(&db).map_err(|source| StoreError::of(path, source))
}

impl Store {
    /// Tells the pipeline what the file knows.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn remember(&self, pipeline: &mut Pipeline) -> std::result::Result<(), StoreError> {
        Recollection::load(&self.db).map_err(|source| self.error(source))?.tell(pipeline);
        Ok(())
    }
}
