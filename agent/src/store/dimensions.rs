//! Ids of what rows refer to: devices and endpoints, found or made, and remembered for the next flush.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::device::{DeviceChange, DeviceId};
use lanscribe_core::names::NameSource;
use lanscribe_core::rollup::Endpoint;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::naming;
use super::sweep::Sweep;
use crate::vendor::Registry;

/// Endpoint ids that are remembered; beyond that the file is asked again.
const REMEMBERED: usize = 16_384;

/// Sources of names, the most trusted first: of two that stand in it the earlier one counts.
static TRUST: LazyLock<String> = LazyLock::new(|| NameSource::ALL.map(NameSource::as_str).join(" "));

/// Ids by what they stand for, and what devices and interfaces are to the configuration.
#[derive(Debug, Default)]
pub(super) struct Dimensions {
    pub(super) registry: Option<Registry>,
    /// What the configuration calls devices, if it was told.
    pub(super) labels: Option<BTreeMap<MacAddr, String>>,
    /// The MAC addresses of this machine.
    pub(super) own: Vec<MacAddr>,
    /// Each device of this run, by its number.
    devices: Vec<Known>,
    /// The name of each interface of this run, and its id once it has one.
    interfaces: Vec<(String, Option<i64>)>,
    /// The file's id of each endpoint, and the day on which it was last used.
    endpoints: HashMap<Endpoint, (i64, i64), RandomState>,
    /// The sweep that is under way: whatever gets an id here is spared.
    pub(super) sweep: Option<Sweep>,
    /// The last endpoint that the sweep before it looked at.
    pub(super) swept: i64,
    /// The times of devices were moved, when the clock was found to be off.
    corrected: bool,
    /// The ids are of a transaction that came to nothing, or of another file.
    stale: bool,
}

/// What is known of a device beside the file, enough to make its row once more in another file.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The file's id; 0 until it was seen.
    id: i64,
    mac: Option<MacAddr>,
    gateway: bool,
    /// When it was first and last seen, in milliseconds.
    seen: (i64, i64),
}

impl Dimensions {
    /// The transaction came to nothing, or the file is another one: ids may be given to others.
    pub(super) fn forget(&mut self) {
        self.stale = true;
        self.sweep = None;
        self.endpoints.clear();
        for (_, id) in &mut self.interfaces {
            *id = None;
        }
    }

    /// The clock was off by `by` ever since `since`, all in milliseconds. Of one run that is known once, though it may be
    /// told again when it could not be written.
    pub(super) fn correct(&mut self, since: i64, by: i64) {
        if std::mem::replace(&mut self.corrected, true) {
            return;
        }
        for Known { seen: (first, last), .. } in &mut self.devices {
            for at in [first, last] {
                *at += if *at >= since { by } else { 0 };
            }
        }
    }

    /// Nothing was seen later than `now`: the clock was set back to that.
    pub(super) fn set_back(&mut self, db: &Connection, now: i64) -> Result<()> {
        for Known { seen: (first, last), .. } in &mut self.devices {
            (*first, *last) = ((*first).min(now), (*last).min(now));
        }
        for table in ["device", "device_name", "local_network"] {
            let sql = format!(
                "UPDATE {table} SET first_seen = min(first_seen, ?1), last_seen = ?1 WHERE last_seen > ?1"
            );
            db.prepare_cached(&sql)?.execute([now])?;
        }
        Ok(())
    }

    /// Endpoints may have been deleted.
    pub(super) fn forget_endpoints(&mut self) {
        self.endpoints.clear();
    }

    /// The file's ids of all devices of this run.
    pub(super) fn known(&self) -> impl Iterator<Item = i64> {
        self.devices.iter().map(|device| device.id)
    }

    /// Finds all devices of this run again, or makes them: batches name only those that changed.
    pub(super) fn recall(&mut self, db: &Connection) -> Result<()> {
        if !self.stale {
            return Ok(());
        }
        let sql = "SELECT id FROM device WHERE mac = ?1";
        for number in 0..self.devices.len() {
            let Known { mac: Some(mac), gateway, seen, .. } = self.devices[number] else { continue };
            let found = db.prepare_cached(sql)?.query_row([mac.to_string()], |row| row.get(0)).optional()?;
            self.devices[number].id = match found {
                Some(id) => id,
                None => self.add_device(db, mac, gateway, seen, [0; 4])?,
            };
        }
        self.stale = false;
        Ok(())
    }

    pub(super) fn set_interfaces(&mut self, names: &[String]) {
        self.interfaces = names.iter().map(|name| (name.clone(), None)).collect();
    }

    /// What an interface of this run is called; its number where interfaces have no names.
    pub(super) fn interface_name(&self, number: u16) -> String {
        let named = self.interfaces.get(usize::from(number));
        named.map_or_else(|| format!("interface {number}"), |(name, _)| name.clone())
    }

    /// The file's id of an interface of this run; its number where interfaces have no names, as in captures.
    pub(super) fn interface(&mut self, db: &Connection, number: u16) -> Result<i64> {
        let Some((name, known)) = self.interfaces.get_mut(usize::from(number)) else {
            return Ok(if self.interfaces.is_empty() { number.into() } else { 0 });
        };
        if let Some(id) = known {
            return Ok(*id);
        }
        // The update that changes nothing is there to be told the id.
        let sql =
            "INSERT INTO interface (name) VALUES (?1) ON CONFLICT DO UPDATE SET name = name RETURNING id";
        let id = db.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0))?;
        *known = Some(id);
        Ok(id)
    }

    /// The file's id of a device of this run.
    pub(super) fn device(&self, id: DeviceId) -> i64 {
        self.devices.get(id.0 as usize).map_or(0, |device| device.id)
    }

    /// Adds what was seen of a device.
    pub(super) fn observe_device(&mut self, db: &Connection, change: &DeviceChange) -> Result<()> {
        let counts = [change.sent.frames, change.sent.bytes, change.received.frames, change.received.bytes]
            .map(integer);
        let Some(mac) = change.mac else {
            let sql = "UPDATE device SET frames_sent = frames_sent + ?1, bytes_sent = bytes_sent + ?2,
                frames_received = frames_received + ?3, bytes_received = bytes_received + ?4 WHERE id = 0";
            return db.prepare_cached(sql)?.execute(counts).map(|_| ());
        };
        let seen = (change.seen.0.as_millis(), change.seen.1.as_millis());
        let id = self.add_device(db, mac, change.gateway, seen, counts)?;
        if let Some(sweep) = &mut self.sweep {
            sweep.spare_device(id);
        }
        let number = change.id.0 as usize;
        if self.devices.len() <= number {
            self.devices.resize(number + 1, Known::default());
        }
        let known = &mut self.devices[number];
        let first = if known.mac.is_some() { known.seen.0.min(seen.0) } else { seen.0 };
        *known =
            Known { id, mac: Some(mac), gateway: change.gateway, seen: (first, known.seen.1.max(seen.1)) };
        Ok(())
    }

    /// Adds to the row of a device, or makes it; returns its id.
    fn add_device(
        &self,
        db: &Connection,
        mac: MacAddr,
        gateway: bool,
        seen: (i64, i64),
        counts: [i64; 4],
    ) -> Result<i64> {
        let vendor = self.registry.as_ref().and_then(|registry| registry.lookup(mac));
        let random = self.registry.as_ref().is_some_and(|registry| registry.is_random(mac));
        let role = if self.own.contains(&mac) { Some("self") } else { gateway.then_some("gateway") };
        let label = self.labels.as_ref().and_then(|labels| labels.get(&mac));
        let sql = "INSERT INTO device (mac, name, label, vendor, mac_random, role, frames_sent, bytes_sent, frames_received,
              bytes_received, first_seen, last_seen) VALUES (?1, '', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            ON CONFLICT(mac) DO UPDATE SET frames_sent = frames_sent + excluded.frames_sent,
              bytes_sent = bytes_sent + excluded.bytes_sent, frames_received = frames_received + excluded.frames_received,
              bytes_received = bytes_received + excluded.bytes_received, first_seen = min(first_seen, excluded.first_seen),
              last_seen = max(last_seen, excluded.last_seen),
              role = CASE role WHEN 'self' THEN role ELSE excluded.role END
            RETURNING id, name = ''";
        let [frames_sent, bytes_sent, frames_received, bytes_received] = counts;
        let row = (
            mac.to_string(),
            label,
            vendor,
            random,
            role,
            frames_sent,
            bytes_sent,
            frames_received,
            bytes_received,
            seen.0,
            seen.1,
        );
        let (id, new) =
            db.prepare_cached(sql)?.query_row(row, |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))?;
        if new {
            if let Some(label) = label {
                naming::came_configured(db, id, label, seen.1)?;
            }
            naming::refresh(db, id)?;
        }
        Ok(id)
    }

    /// The file's id of an endpoint that was used at `millis`.
    pub(super) fn endpoint(&mut self, db: &Connection, endpoint: &Endpoint, millis: i64) -> Result<i64> {
        /// Ids of the rows that the schema makes.
        const NONE: i64 = 0;
        const OTHER: i64 = 1;
        let (kind, address, name, device) = match endpoint {
            Endpoint::None => return Ok(NONE),
            Endpoint::Other => return Ok(OTHER),
            Endpoint::Remote(address, name) => ("remote", text(*address), name.as_ref(), 0),
            Endpoint::Group(address) => ("group", text(*address), None, 0),
            Endpoint::Local(address) => ("device", text(*address), None, 0),
            Endpoint::Device(device) => ("device", String::new(), None, self.device(*device)),
        };
        let day = millis.div_euclid(86_400_000);
        if let Some(&(id, last_day)) = self.endpoints.get(endpoint)
            && last_day >= day
        {
            self.spare(id);
            return Ok(id);
        }
        let (name, source) = name.map_or(("", ""), |name| (&*name.text, name.source.as_str()));
        // Of several sources of one name the most trusted stays.
        let sql = "INSERT INTO endpoint (kind, address, name, name_source, device, last_day) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT(kind, address, name, device) DO UPDATE SET last_day = max(last_day, excluded.last_day),
              name_source = CASE WHEN instr(?7, excluded.name_source) < instr(?7, name_source)
                THEN excluded.name_source ELSE name_source END
            RETURNING id";
        let row = (kind, address, name, source, device, day, &*TRUST);
        let id = db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
        if self.endpoints.len() >= REMEMBERED {
            self.endpoints.clear();
        }
        self.endpoints.insert(endpoint.clone(), (id, day));
        self.spare(id);
        Ok(id)
    }

    fn spare(&mut self, endpoint: i64) {
        if let Some(sweep) = &mut self.sweep {
            sweep.spare_endpoint(endpoint);
        }
    }
}

/// RFC 5952 text of an address.
pub(super) fn text(address: IpAddr) -> String {
    address.to_string()
}

/// A count as SQLite's integer. Nothing that is counted here comes near 2^63.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
