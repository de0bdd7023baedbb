//! What ids stand for: devices, endpoints, protocols and services by the names that people know.

use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Result;
use lanscribe_core::service;
use rusqlite::{Connection, OptionalExtension as _};

use super::exit::Usage;
use super::sums::Service;
use crate::store;

/// TCP and UDP, which have services by port.
const WITH_PORTS: [u8; 2] = [6, 17];
/// `direction` in usage and flows.
pub(crate) const DIRECTIONS: [&str; 5] = ["remote", "lan", "multicast", "transit", "link"];

/// Which way a row went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Direction {
    /// To and from the internet
    Remote,
    /// Between two devices of the LAN
    Lan,
    /// To many at once
    Multicast,
    /// Neither end is of the LAN
    Transit,
    /// Not IP
    Link,
}

impl Direction {
    pub(crate) fn number(self) -> i64 {
        self as i64
    }
}

/// The text of a direction's number.
pub(crate) fn direction(number: i64) -> &'static str {
    usize::try_from(number).ok().and_then(|n| DIRECTIONS.get(n)).copied().unwrap_or("link")
}

/// A device as it is named in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: i64,
    pub(crate) mac: Option<String>,
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) vendor: Option<String>,
    /// The device that it was said to be the same as, or itself.
    pub(crate) root: i64,
}

/// The other side of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As in the column `peer` of the views.
    pub(crate) name: String,
    /// Where the name comes from; `None` if it is an address.
    pub(crate) source: Option<String>,
    pub(crate) kind: String,
    pub(crate) address: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) as_org: Option<String>,
}

impl Peer {
    /// For people: what is no endpoint says so.
    pub(crate) fn shown(&self) -> String {
        match &*self.kind {
            "none" => "(not IP)".to_owned(),
            "other" => "(others)".to_owned(),
            _ => self.name.clone(),
        }
    }

    /// The name, and behind it where it comes from if it was learnt.
    pub(crate) fn with_source(&self) -> String {
        match &self.source {
            Some(source) if self.kind != "device" => format!("{} ({source})", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether it is somebody, and not a group, the rest, or nobody.
    pub(crate) fn is_somebody(&self) -> bool {
        matches!(&*self.kind, "remote" | "device")
    }
}

/// Looks up what ids stand for, each once.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    db: &'a Connection,
    devices: HashMap<i64, Device>,
    protocols: HashMap<i64, String>,
    peers: HashMap<i64, Rc<Peer>>,
    /// The first endpoint of each kind and name that was asked for.
    first: HashMap<(String, String), i64>,
    /// Where the names of devices come from.
    sources: HashMap<i64, Option<String>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(db: &'a Connection) -> Result<Self> {
        let devices = db
            .prepare("SELECT id, mac, name, label, vendor, coalesce(same_as, id) FROM device")?
            .query_map([], |row| {
                Ok(Device {
                    id: row.get(0)?,
                    mac: row.get(1)?,
                    name: row.get(2)?,
                    label: row.get(3)?,
                    vendor: row.get(4)?,
                    root: row.get(5)?,
                })
            })?
            .map(|device| device.map(|d| (d.id, d)))
            .collect::<rusqlite::Result<_>>()?;
        let protocols = db
            .prepare("SELECT number, name FROM protocol")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            db,
            devices,
            protocols,
            peers: HashMap::new(),
            first: HashMap::new(),
            sources: HashMap::new(),
        })
    }

    /// All devices, without the one that stands for nobody.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values().filter(|device| device.id != 0)
    }

    pub(crate) fn device(&self, id: i64) -> Option<&Device> {
        self.devices.get(&id)
    }

    pub(crate) fn device_name(&self, id: i64) -> String {
        self.devices.get(&id).map_or_else(|| format!("device {id}"), |device| device.name.clone())
    }

    pub(crate) fn peer(&mut self, endpoint: i64) -> Result<Rc<Peer>> {
        if let Some(peer) = self.peers.get(&endpoint) {
            return Ok(Rc::clone(peer));
        }
        let sql = "SELECT kind, nullif(address, ''), nullif(name, ''), nullif(name_source, ''), device, country, as_org
            FROM endpoint WHERE id = ?1";
        let db = self.db;
        let found = db.prepare_cached(sql)?.query_row([endpoint], |row| {
            let (kind, address): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            let (name, source): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            let (name, source) = match (&*kind, &address, name) {
                ("device", None, _) => {
                    let device = row.get(4)?;
                    (self.device_name(device), self.device_name_source(device)?)
                }
                ("device", Some(address), _) | (_, Some(address), None) => (address.clone(), None),
                (_, _, Some(name)) => (name, source),
                (kind, None, None) => (kind.to_owned(), None),
            };
            Ok(Peer { name, source, kind, address, country: row.get(5)?, as_org: row.get(6)? })
        });
        let peer = Rc::new(found.optional()?.unwrap_or_else(|| Peer {
            name: format!("endpoint {endpoint}"),
            source: None,
            kind: "other".to_owned(),
            address: None,
            country: None,
            as_org: None,
        }));
        self.peers.insert(endpoint, Rc::clone(&peer));
        Ok(peer)
    }

    /// An endpoint of the same kind and name: the same one for all of them.
    pub(crate) fn first_called(&mut self, endpoint: i64) -> Result<i64> {
        let peer = self.peer(endpoint)?;
        Ok(*self.first.entry((peer.kind.clone(), peer.name.clone())).or_insert(endpoint))
    }

    /// Where a device's name comes from: see [`store::name_source`].
    pub(crate) fn device_name_source(&mut self, device: i64) -> rusqlite::Result<Option<String>> {
        if let Some(source) = self.sources.get(&device) {
            return Ok(source.clone());
        }
        let source = store::name_source(self.db, device)?;
        self.sources.insert(device, source.clone());
        Ok(source)
    }

    /// `tcp`, or the number where it has no name.
    pub(crate) fn protocol(&self, number: i64) -> String {
        self.protocols.get(&number).cloned().unwrap_or_else(|| number.to_string())
    }

    /// For people: `https`, `tcp 8443`, `icmp`.
    pub(crate) fn service(&self, protocol: i64, port: i64) -> String {
        match (service(protocol, port), port) {
            (Some(service), _) => service.to_owned(),
            (None, 0) => self.protocol(protocol),
            (None, port) => format!("{} {port}", self.protocol(protocol)),
        }
    }

    /// Understands `tcp`, `arp`, `https`, `8883` and `udp/53`.
    pub(crate) fn services(&self, text: &str) -> Result<Vec<Service>, Usage> {
        let lower = text.to_lowercase();
        let protocol =
            |name: &str| self.protocols.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
        let port = |digits: &str| digits.parse::<u16>().ok().map(i64::from);
        if let Some((name, digits)) = lower.split_once('/')
            && let (Some(protocol), Some(port)) = (protocol(name), port(digits))
        {
            return Ok(vec![Service { protocol: Some(protocol), port: Some(port) }]);
        }
        if let Some(port) = port(&lower) {
            return Ok(vec![Service { protocol: None, port: Some(port) }]);
        }
        if let Some(protocol) = protocol(&lower) {
            return Ok(vec![Service { protocol: Some(protocol), port: None }]);
        }
        let named: Vec<Service> = WITH_PORTS
            .iter()
            .flat_map(|&protocol| (1..=u16::MAX).map(move |port| (protocol, port)))
            .filter(|&(protocol, port)| service::name(protocol, port) == Some(&*lower))
            .map(|(protocol, port)| Service { protocol: Some(protocol.into()), port: Some(port.into()) })
            .collect();
        if named.is_empty() {
            return Err(Usage(format!(
                "--protocol {text:?} is not known: give a protocol (tcp, udp, icmp, arp), a service (https, domain, mqtt), a port (8883), or both (tcp/8883)"
            )));
        }
        Ok(named)
    }
}

/// The service at a port, if it is known.
pub(crate) fn service(protocol: i64, port: i64) -> Option<&'static str> {
    service::name(u8::try_from(protocol).ok()?, u16::try_from(port).ok()?)
}
