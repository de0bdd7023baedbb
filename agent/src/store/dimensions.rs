//! Ids of what rows refer to: devices and endpoints, found or made, and remembered for the next flush.

use std::collections::HashMap;
use std::net::IpAddr;

use lanscribe_core::device::{DeviceChange, DeviceId};
use lanscribe_core::rollup::Endpoint;
use rusqlite::{Connection, Result};

use crate::vendor::Registry;

/// Endpoint ids that are remembered; beyond that the file is asked again.
const REMEMBERED: usize = 16_384;

/// Ids by what they stand for.
#[derive(Debug, Default)]
pub(super) struct Dimensions {
    pub(super) registry: Option<Registry>,
    /// The file's id of each device of this run, by its number; 0 until it was seen.
    devices: Vec<i64>,
    /// Those whose id was learnt in the transaction that is not yet committed.
    unsure: Vec<usize>,
    /// The file's id of each endpoint, and the day on which it was last used.
    endpoints: HashMap<Endpoint, (i64, i64)>,
}

impl Dimensions {
    /// The transaction was committed: what was learnt in it holds.
    pub(super) fn keep(&mut self) {
        self.unsure.clear();
    }

    /// The transaction came to nothing: ids that were learnt in it may be given to others.
    pub(super) fn forget(&mut self) {
        for number in self.unsure.drain(..) {
            self.devices[number] = 0;
        }
        self.endpoints.clear();
    }

    /// Endpoints may have been deleted.
    pub(super) fn forget_endpoints(&mut self) {
        self.endpoints.clear();
    }

    /// The file's id of a device of this run.
    pub(super) fn device(&self, id: DeviceId) -> i64 {
        self.devices.get(id.0 as usize).copied().unwrap_or(0)
    }

    /// Adds what was seen of a device.
    pub(super) fn observe_device(&mut self, db: &Connection, change: &DeviceChange) -> Result<()> {
        let (first, last) = (change.seen.0.as_millis(), change.seen.1.as_millis());
        let role = change.gateway.then_some("gateway");
        let counts = [change.sent.frames, change.sent.bytes, change.received.frames, change.received.bytes]
            .map(integer);
        let Some(mac) = change.mac else {
            let sql = "UPDATE device SET frames_sent = frames_sent + ?1, bytes_sent = bytes_sent + ?2,
                frames_received = frames_received + ?3, bytes_received = bytes_received + ?4 WHERE id = 0";
            return db.prepare_cached(sql)?.execute(counts).map(|_| ());
        };
        let vendor = self.registry.as_ref().and_then(|registry| registry.lookup(mac));
        let random = self.registry.as_ref().is_some_and(|registry| registry.is_random(mac));
        let text = mac.to_string();
        let name = match vendor {
            Some(vendor) => {
                let name = format!("{} {}", crate::vendor::short(vendor), &text[9..]);
                // Two blocks of one vendor: the whole address tells them apart.
                if self.is_taken(db, change.id, &name, &text)? {
                    format!("{} {text}", crate::vendor::short(vendor))
                } else {
                    name
                }
            }
            None => text.clone(),
        };
        let sql = "INSERT INTO device (mac, name, vendor, mac_random, role, frames_sent, bytes_sent, frames_received,
              bytes_received, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            ON CONFLICT(mac) DO UPDATE SET frames_sent = frames_sent + excluded.frames_sent,
              bytes_sent = bytes_sent + excluded.bytes_sent, frames_received = frames_received + excluded.frames_received,
              bytes_received = bytes_received + excluded.bytes_received, first_seen = min(first_seen, excluded.first_seen),
              last_seen = max(last_seen, excluded.last_seen),
              role = CASE role WHEN 'self' THEN role ELSE excluded.role END
            RETURNING id";
        let [frames_sent, bytes_sent, frames_received, bytes_received] = counts;
        let row = (
            text,
            name,
            vendor,
            random,
            role,
            frames_sent,
            bytes_sent,
            frames_received,
            bytes_received,
            first,
            last,
        );
        let id = db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
        let number = change.id.0 as usize;
        if self.devices.len() <= number {
            self.devices.resize(number + 1, 0);
        }
        if self.devices[number] == 0 {
            self.unsure.push(number);
        }
        self.devices[number] = id;
        Ok(())
    }

    /// Whether another device has the name of one that is new to this run.
    fn is_taken(&self, db: &Connection, id: DeviceId, name: &str, mac: &str) -> Result<bool> {
        if self.device(id) != 0 {
            return Ok(false);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM device WHERE name = ?1 AND mac IS NOT ?2)";
        db.prepare_cached(sql)?.query_row((name, mac), |row| row.get(0))
    }

    /// The file's id of an endpoint that was used at `millis`.
    pub(super) fn endpoint(&mut self, db: &Connection, endpoint: Endpoint, millis: i64) -> Result<i64> {
        /// Ids of the rows that the schema makes.
        const NONE: i64 = 0;
        const OTHER: i64 = 1;
        let (kind, address, device) = match endpoint {
            Endpoint::None => return Ok(NONE),
            Endpoint::Other => return Ok(OTHER),
            Endpoint::Remote(address) => ("remote", text(address), 0),
            Endpoint::Group(address) => ("group", text(address), 0),
            Endpoint::Local(address) => ("device", text(address), 0),
            Endpoint::Device(device) => ("device", String::new(), self.device(device)),
        };
        let day = millis.div_euclid(86_400_000);
        if let Some(&(id, last_day)) = self.endpoints.get(&endpoint)
            && last_day >= day
        {
            return Ok(id);
        }
        let sql = "INSERT INTO endpoint (kind, address, device, last_day) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT(kind, address, name, device) DO UPDATE SET last_day = max(last_day, excluded.last_day) RETURNING id";
        let id = db.prepare_cached(sql)?.query_row((kind, address, device, day), |row| row.get(0))?;
        if self.endpoints.len() >= REMEMBERED {
            self.endpoints.clear();
        }
        self.endpoints.insert(endpoint, (id, day));
        Ok(id)
    }
}

/// RFC 5952 text of an address.
pub(super) fn text(address: IpAddr) -> String {
    address.to_string()
}

/// A count as SQLite's integer. Nothing that is counted here comes near 2^63.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
