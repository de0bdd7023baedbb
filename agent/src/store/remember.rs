//! What the file knows already, for a pipeline that goes on where another one ended.

use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::lan::Source;
use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::time::Timestamp;

use super::{Store, StoreError};

impl Store {
    /// Tells the pipeline of the devices, which need no admission then and may be gateways, and of the networks that the LAN announced.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn remember(&self, pipeline: &mut Pipeline) -> Result<(), StoreError> {
        let mut remember = || -> rusqlite::Result<()> {
            let mut devices =
                self.db.prepare("SELECT mac, role IS 'gateway' FROM device WHERE id > 0 ORDER BY id")?;
            for row in devices.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
                let (mac, gateway) = row?;
                if let Ok(mac) = mac.parse::<MacAddr>() {
                    pipeline.remember_device(mac, gateway);
                }
            }
            let mut networks =
                self.db.prepare("SELECT prefix, last_seen FROM local_network ORDER BY first_seen, prefix")?;
            for row in networks.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))? {
                let (prefix, last_seen) = row?;
                if let Ok(prefix) = prefix.parse::<Prefix>() {
                    pipeline.remember_network(
                        prefix,
                        Source::Traffic,
                        Timestamp(last_seen.saturating_mul(1_000)),
                    );
                }
            }
            Ok(())
        };
        remember().map_err(|source| self.error(source))
    }
}
