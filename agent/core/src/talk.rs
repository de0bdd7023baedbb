//! With whom a device talks right now, for a live screen. Nothing is kept for it: the open flows know.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::addr::MacAddr;
use crate::class::Endpoint;
use crate::device::{Count, DeviceId, Devices};
use crate::flow::Flow;
use crate::names::Name;
use crate::rollup;
use crate::time::Timestamp;

/// The other side of a [`Talk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Nobody in particular: the frames are not IP.
    None,
    /// A station of this LAN.
    Device(MacAddr),
    /// An address: one that is not on this LAN, a group, or a station whose MAC address is not known.
    Address(IpAddr),
}

/// What a device and somebody else sent each other in flows that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// Who; one of them, if several addresses have one name.
    pub peer: Peer,
    /// What the other side is called, by the most trusted of its sources.
    pub name: Option<Name>,
    /// IP protocol (0 to 255), 256 + DSAP, or EtherType.
    pub protocol: u16,
    /// Service port, 0 if none.
    pub port: u16,
    /// Sent by the device, in the parts of the flows that are not yet reported.
    pub up: Count,
    /// Received by the device.
    pub down: Count,
    /// The latest packet.
    pub last: Timestamp,
}

/// What talks are kept apart by: a name, whatever its addresses, else who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Named(Arc<str>),
    Peer(Peer),
}

/// The largest talks of the device `mac` in `flows`, at most `most`.
pub(crate) fn largest<'a>(
    flows: impl Iterator<Item = &'a Flow>,
    devices: &Devices,
    mac: MacAddr,
    most: usize,
) -> Vec<Talk> {
    let Some(device) = devices.lookup(mac) else { return Vec::new() };
    let mut talks: HashMap<(Who, u16, u16), Talk, RandomState> = HashMap::default();
    // A flow without a packet since its last report has said everything.
    for flow in flows.filter(|flow| flow.part.first.is_some() && flow.is_of(device)) {
        let counts = flow.part.counters.map(|c| Count { frames: c.packets, bytes: c.bytes });
        for (key, usage) in rollup::rows(flow, counts, 0).filter(|(key, _)| key.device == device) {
            let (protocol, port) = (key.protocol, key.port);
            let peer = peer(&key.endpoint, devices);
            let name = match key.endpoint {
                Endpoint::Remote(_, name) => name,
                _ => None,
            };
            let who = name.as_ref().map_or(Who::Peer(peer), |name| Who::Named(Arc::clone(&name.text)));
            let none = Count::default();
            let talk = talks.entry((who, protocol, port)).or_insert_with(|| Talk {
                peer,
                name: name.clone(),
                protocol,
                port,
                up: none,
                down: none,
                last: flow.part.last,
            });
            talk.peer = talk.peer.min(peer);
            talk.name = name.into_iter().chain(talk.name.take()).min_by_key(|name| name.source);
            talk.up.merge(usage.up);
            talk.down.merge(usage.down);
            talk.last = talk.last.max(flow.part.last);
        }
    }
    let mut talks: Vec<_> = talks.into_values().collect();
    talks.sort_unstable_by_key(|talk| {
        (Reverse(talk.up.bytes + talk.down.bytes), talk.peer, talk.protocol, talk.port, talk.name.clone())
    });
    talks.truncate(most);
    talks
}

fn peer(endpoint: &Endpoint, devices: &Devices) -> Peer {
    match *endpoint {
        Endpoint::None | Endpoint::Other => Peer::None,
        Endpoint::Remote(address, _) | Endpoint::Group(address) | Endpoint::Local(address) => {
            Peer::Address(address)
        }
        Endpoint::Device(id) => devices.mac(id).map_or(Peer::None, Peer::Device),
    }
}

impl Flow {
    fn is_of(&self, device: DeviceId) -> bool {
        self.ends.iter().any(|end| end.device == device)
    }
}
