//! What the file knows already, for a pipeline that goes on where another one ended.

use std::net::IpAddr;
use std::path::Path;

use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::lan::Source;
use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::time::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Result};

use super::calendar::HOUR;
use super::{OpenError, Store, StoreError};

/// How long before the newest minute of the file an address was last seen that is still taken for its holder's, in
/// milliseconds: as long as the pipeline keeps what it learnt of the LAN.
const ADDRESSES_KEPT: i64 = 48 * 3_600_000;

/// An address with its holder, by what evidence, and when it was first and last seen there.
type Bound = (MacAddr, IpAddr, Source, (Timestamp, Timestamp));

/// Devices, networks and addresses of earlier runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recollection {
    /// Whether they were gateways; these first, then those that were seen last.
    devices: Vec<(MacAddr, bool)>,
    /// Networks that the LAN announced, and when they were last heard of.
    networks: Vec<(Prefix, Timestamp)>,
    /// Addresses that ARP, NDP or DHCP bound of late: the gateways' first, then the latest.
    addresses: Vec<Bound>,
    /// The last minute of the hour that was open.
    last_minute: Option<Timestamp>,
}

impl Recollection {
    fn load(db: &Connection) -> Result<Self> {
        let mut recollection = Self::default();
        // There may be more than the pipeline has room for: those who were not here for long come last.
        let mut devices = db.prepare(
            "SELECT mac, role IS 'gateway' FROM device WHERE id > 0 ORDER BY role IS NOT 'gateway', last_seen DESC, id",
        )?;
        for row in devices.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
            let (mac, gateway) = row?;
            recollection.devices.extend(mac.parse().ok().map(|mac: MacAddr| (mac, gateway)));
        }
        let mut networks =
            db.prepare("SELECT prefix, last_seen FROM local_network ORDER BY first_seen, prefix")?;
        for row in networks.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))? {
            let (prefix, last_seen) = row?;
            recollection
                .networks
                .extend(prefix.parse().ok().map(|prefix: Prefix| (prefix, instant(last_seen))));
        }
        // What lies beyond that hour was dated by a clock that was ahead, and set right since.
        let sql = "SELECT max(c.window) FROM coverage_minute c, meta m WHERE m.key = 'open_hour' AND c.window < m.value + ?1";
        let last: Option<i64> = db.query_row(sql, [HOUR], |row| row.get(0))?;
        recollection.last_minute = last.map(instant);
        if let Some(last) = last {
            recollection.addresses = addresses(db, last - ADDRESSES_KEPT)?;
        }
        Ok(recollection)
    }

    /// The last minute that is in the file, but for those that a clock put into the future.
    pub(crate) fn last_minute(&self) -> Option<Timestamp> {
        self.last_minute
    }

    /// Tells the pipeline of the devices, which need no admission then and may be gateways, of the networks, and of who
    /// had which address of late.
    pub(crate) fn tell(&self, pipeline: &mut Pipeline) {
        for &(mac, gateway) in &self.devices {
            pipeline.remember_device(mac, gateway);
        }
        for &(prefix, seen) in &self.networks {
            pipeline.remember_network(prefix, Source::Traffic, seen);
        }
        for &(mac, address, source, seen) in &self.addresses {
            pipeline.remember_address(mac, address, source, seen);
        }
    }
}

/// Those that were seen at `since` or later.
fn addresses(db: &Connection, since: i64) -> Result<Vec<Bound>> {
    // The other columns are of the row that has the maximum.
    let sql = "SELECT d.mac, a.address, a.source, a.first_seen, max(a.last_seen) FROM device_address a JOIN device d ON d.id = a.device
        WHERE d.id > 0 AND a.source <> 'traffic' AND a.last_seen >= ?1
        GROUP BY a.device, a.address ORDER BY d.role IS NOT 'gateway', 5 DESC, a.address";
    let mut addresses = Vec::new();
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let [mac, address, source]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let seen = (instant(row.get(3)?), instant(row.get(4)?));
        if let (Ok(mac), Ok(address), Some(source)) = (mac.parse(), address.parse(), Source::named(&source)) {
            addresses.push((mac, address, source, seen));
        }
    }
    Ok(addresses)
}

fn instant(millis: i64) -> Timestamp {
    Timestamp(millis.saturating_mul(1_000))
}

/// What the file knows, for who does not write it. Nothing is known where there is no file, or none yet: whoever made
/// it was stopped before there was a table in it. Nor is it of a damaged one, which who writes it will set aside.
///
/// # Errors
/// If it cannot be read, is not ours, or is newer than this program.
pub(crate) fn recall(path: &Path) -> std::result::Result<Recollection, StoreError> {
    if !path.exists() {
        return Ok(Recollection::default());
    }
    // Who was killed in the middle of a change may have left it to be undone, which only who may write can do.
    let recalled = super::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|(db, version)| {
        if version == 0 { Ok(Recollection::default()) } else { Ok(Recollection::load(&db)?) }
    });
    recalled.or_else(|error| match error {
        OpenError::Ours(error) => Err(error),
        OpenError::Sqlite(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Recollection::default())
        }
        OpenError::Sqlite(source) => Err(StoreError::of(path, source)),
    })
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
