//! Devices: the stations of the LAN by MAC address, with link-level totals and who routes for others.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::addr::{MacAddr, Prefix};
use crate::bucket::Bucket;
use crate::time::{Span, Timestamp};

/// New MAC addresses that are admitted at once; real networks showed up to 14 new ones in a second.
const ADMISSION_BURST: u32 = 64;
/// New MAC addresses a second after the burst.
const ADMISSION_RATE: u32 = 1;

/// Addresses that prove that a device routes. With several of them no single lie about one makes it an ordinary
/// station again.
const PROOFS: usize = 4;

/// A device of this run, in order of its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

impl DeviceId {
    /// Nobody in particular: refused, folded, or a frame without link addresses.
    pub const OTHER: Self = Self(0);
}

/// Frames and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames.
    pub frames: u64,
    /// Wire length in bytes.
    pub bytes: u64,
}

impl Count {
    /// One more frame of `bytes`.
    pub fn add(&mut self, bytes: u64) {
        self.frames += 1;
        self.bytes += bytes;
    }

    /// All of `other` too.
    pub fn merge(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.frames == 0 && self.bytes == 0
    }
}

/// What changed about a device since it was last taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChange {
    /// Its number.
    pub id: DeviceId,
    /// Its MAC address; `None` for [`DeviceId::OTHER`].
    pub mac: Option<MacAddr>,
    /// Whether it routes for other addresses.
    pub gateway: bool,
    /// First and last frame from or to it.
    pub seen: (Timestamp, Timestamp),
    /// Frames with its MAC as source since the last change.
    pub sent: Count,
    /// Frames with its MAC as destination since the last change.
    pub received: Count,
}

/// What a device sent and received since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Frames with its MAC as source.
    pub sent: Count,
    /// Frames with its MAC as destination.
    pub received: Count,
    /// Its last frame.
    pub last: Timestamp,
}

#[derive(Debug)]
struct Device {
    mac: Option<MacAddr>,
    /// Addresses that it sent from and that are not its own: the proof that it routes.
    routes: [Option<IpAddr>; PROOFS],
    seen: Option<(Timestamp, Timestamp)>,
    /// Counted since the last change was taken.
    sent: Count,
    received: Count,
    /// Counted before it.
    taken: (Count, Count),
    changed: bool,
}

impl Device {
    const fn new(mac: Option<MacAddr>) -> Self {
        Self {
            mac,
            routes: [None; PROOFS],
            seen: None,
            sent: Count { frames: 0, bytes: 0 },
            received: Count { frames: 0, bytes: 0 },
            taken: (Count { frames: 0, bytes: 0 }, Count { frames: 0, bytes: 0 }),
            changed: false,
        }
    }
}

impl Device {
    fn is_gateway(&self) -> bool {
        self.routes.iter().any(Option::is_some)
    }
}

/// All devices, at most as many as the limit; who comes later is [`DeviceId::OTHER`].
#[derive(Debug)]
pub struct Devices {
    list: Vec<Device>,
    by_mac: HashTable<DeviceId>,
    hasher: RandomState,
    changed: Vec<DeviceId>,
    limit: usize,
    admission: Bucket,
    /// Frames' addresses that were refused a device of their own.
    pub refused: u64,
}

impl Devices {
    /// None yet, and never more than `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            list: vec![Device::new(None)],
            by_mac: HashTable::new(),
            hasher: RandomState::default(),
            changed: Vec::new(),
            limit,
            admission: Bucket::new(ADMISSION_BURST, ADMISSION_RATE),
            refused: 0,
        }
    }

    /// The device with this MAC address, admitted now if it is new and there is room.
    pub fn observe(&mut self, mac: MacAddr, at: Timestamp) -> DeviceId {
        if !mac.is_station() {
            return DeviceId::OTHER;
        }
        if let Some(id) = self.lookup(mac) {
            return id;
        }
        if self.list.len() > self.limit || !self.admission.admit(at) {
            self.refused += 1;
            return DeviceId::OTHER;
        }
        self.admit(mac)
    }

    /// The device with this MAC address, of which another one spoke: a relay passes on what its clients ask for. One that
    /// is new is admitted as any other, and was seen then, be it without a frame.
    pub fn hear_of(&mut self, mac: MacAddr, at: Timestamp) -> DeviceId {
        let id = self.observe(mac, at);
        if id != DeviceId::OTHER && self.list[id.0 as usize].seen.is_none() {
            self.touch(id, at);
        }
        id
    }

    /// Takes a device of an earlier run in, unless half of the room is taken.
    pub fn remember(&mut self, mac: MacAddr) -> Option<DeviceId> {
        let has_room = self.len() < self.limit.div_ceil(2);
        self.lookup(mac).or_else(|| has_room.then(|| self.admit(mac)))
    }

    /// Takes a device in without asking for room: one that the file already knows.
    fn admit(&mut self, mac: MacAddr) -> DeviceId {
        if let Some(id) = self.lookup(mac) {
            return id;
        }
        let id = DeviceId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(Device::new(Some(mac)));
        let Self { list, by_mac, hasher, .. } = self;
        by_mac.insert_unique(hash(hasher, mac), id, |&other| {
            hash(hasher, list[other.0 as usize].mac.unwrap_or_default())
        });
        id
    }

    /// The device with this MAC address, if it is known.
    #[must_use]
    pub fn lookup(&self, mac: MacAddr) -> Option<DeviceId> {
        self.by_mac.find(hash(&self.hasher, mac), |&id| self.list[id.0 as usize].mac == Some(mac)).copied()
    }

    /// Counts a frame of `bytes` that `id` sent.
    pub fn sent(&mut self, id: DeviceId, at: Timestamp, bytes: u64) {
        self.touch(id, at).sent.add(bytes);
    }

    /// Counts a frame of `bytes` that was sent to `id`.
    pub fn received(&mut self, id: DeviceId, at: Timestamp, bytes: u64) {
        self.touch(id, at).received.add(bytes);
    }

    /// The clock was set: what was seen at `since` or later was so much later.
    pub(crate) fn shift(&mut self, since: Timestamp, by: Span) {
        for (first, last) in self.list.iter_mut().filter_map(|device| device.seen.as_mut()) {
            (*first, *last) = (first.shifted(since, by), last.shifted(since, by));
        }
    }

    fn touch(&mut self, id: DeviceId, at: Timestamp) -> &mut Device {
        let device = &mut self.list[id.0 as usize];
        device.seen = Some(device.seen.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        if !device.changed {
            device.changed = true;
            self.changed.push(id);
        }
        device
    }

    /// `id` sent a packet from `address`, which is not its own. Returns whether it is news that it routes.
    pub fn learn_gateway(&mut self, id: DeviceId, address: IpAddr) -> bool {
        let Some(device) = self.list.get_mut(id.0 as usize) else { return false };
        if id == DeviceId::OTHER || device.routes.contains(&Some(address)) {
            return false;
        }
        let news = !device.is_gateway();
        if let Some(free) = device.routes.iter_mut().find(|proof| proof.is_none()) {
            *free = Some(address);
        }
        if news {
            self.mark_changed(id);
        }
        news
    }

    /// Whether another proof that `id` routes would be kept.
    #[must_use]
    pub fn wants_proof(&self, id: DeviceId) -> bool {
        self.list[id.0 as usize].routes.contains(&None)
    }

    /// `address` turned out to be `id`'s own: it is no proof that `id` routes.
    pub fn own_address(&mut self, id: DeviceId, address: IpAddr) {
        if id != DeviceId::OTHER {
            self.forget_proofs(id, |proof| proof == address);
        }
    }

    /// `prefix` turned out to be of this LAN: sending from it is no proof that anybody routes.
    pub fn own_prefix(&mut self, prefix: Prefix) {
        for number in 0..self.list.len() {
            self.forget_proofs(DeviceId(u32::try_from(number).unwrap_or(0)), |proof| prefix.contains(proof));
        }
    }

    fn forget_proofs(&mut self, id: DeviceId, which: impl Fn(IpAddr) -> bool) {
        let device = &mut self.list[id.0 as usize];
        let was = device.is_gateway();
        for proof in &mut device.routes {
            *proof = proof.filter(|&address| !which(address));
        }
        if was && !device.is_gateway() {
            self.mark_changed(id);
        }
    }

    fn mark_changed(&mut self, id: DeviceId) {
        let device = &mut self.list[id.0 as usize];
        if !device.changed {
            device.changed = true;
            self.changed.push(id);
        }
    }

    /// Whether `id` sends for other addresses than its own.
    #[must_use]
    pub fn is_gateway(&self, id: DeviceId) -> bool {
        self.list[id.0 as usize].is_gateway()
    }

    /// Whether `id` routes by other proof than `address`.
    #[must_use]
    pub fn is_gateway_beside(&self, id: DeviceId, address: IpAddr) -> bool {
        self.list[id.0 as usize].routes.iter().flatten().any(|&proof| proof != address)
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() - 1
    }

    /// Whether no device was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The MAC address of a device; `None` for [`DeviceId::OTHER`].
    #[must_use]
    pub fn mac(&self, id: DeviceId) -> Option<MacAddr> {
        self.list[id.0 as usize].mac
    }

    /// What each device sent and received in this run, in order of number.
    pub fn traffic(&self) -> impl Iterator<Item = Traffic> {
        self.list.iter().filter_map(|device| {
            let (mut sent, mut received) = device.taken;
            sent.merge(device.sent);
            received.merge(device.received);
            Some(Traffic { mac: device.mac?, sent, received, last: device.seen?.1 })
        })
    }

    /// What changed since the last call, in order of number; the counts start again at zero.
    pub fn take_changes(&mut self) -> Vec<DeviceChange> {
        self.changed.sort_unstable();
        let list = &mut self.list;
        self.changed
            .drain(..)
            .filter_map(|id| {
                let device = &mut list[id.0 as usize];
                device.changed = false;
                device.taken.0.merge(device.sent);
                device.taken.1.merge(device.received);
                Some(DeviceChange {
                    id,
                    mac: device.mac,
                    gateway: device.is_gateway(),
                    seen: device.seen?,
                    sent: std::mem::take(&mut device.sent),
                    received: std::mem::take(&mut device.received),
                })
            })
            .collect()
    }
}

fn hash(hasher: &RandomState, mac: MacAddr) -> u64 {
    hasher.hash_one(mac.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u8) -> MacAddr {
        MacAddr([0, 0, 0, 0, 1, n])
    }

    #[test]
    fn one_device_a_mac_up_to_the_limit() {
        let (mut devices, t) = (Devices::new(2), Timestamp::from_secs(5));
        assert_eq!(devices.observe(mac(1), t), DeviceId(1));
        assert_eq!(devices.observe(mac(2), t), DeviceId(2));
        assert_eq!(devices.observe(mac(1), t), DeviceId(1));
        assert_eq!(devices.observe(mac(3), t), DeviceId::OTHER);
        assert_eq!(devices.observe(MacAddr([0xff; 6]), t), DeviceId::OTHER);
        assert_eq!((devices.len(), devices.refused), (2, 1));
    }

    #[test]
    fn devices_of_an_earlier_run_leave_half_of_the_room_to_new_ones() {
        let (mut devices, t) = (Devices::new(4), Timestamp::from_secs(5));
        assert!((1..=2).all(|n| devices.remember(mac(n)).is_some()));
        assert_eq!(devices.remember(mac(3)), None);
        assert_eq!(devices.remember(mac(1)), Some(DeviceId(1)), "it is there already");
        assert_eq!((devices.observe(mac(4), t), devices.observe(mac(3), t)), (DeviceId(3), DeviceId(4)));
    }

    #[test]
    fn changes_are_taken_once() {
        let (mut devices, t) = (Devices::new(9), Timestamp::from_secs(5));
        let id = devices.observe(mac(1), t);
        devices.sent(id, t, 60);
        devices.received(id, Timestamp::from_secs(4), 100);
        let taken = devices.take_changes();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].sent, Count { frames: 1, bytes: 60 });
        assert_eq!(taken[0].seen, (Timestamp::from_secs(4), t));
        assert_eq!(devices.take_changes(), []);
        devices.learn_gateway(id, "8.8.8.8".parse().unwrap());
        assert!(devices.take_changes()[0].gateway);
    }

    #[test]
    fn a_gateway_is_none_once_the_address_proves_to_be_its_own() {
        let (mut devices, address) = (Devices::new(9), "130.1.2.3".parse().unwrap());
        let id = devices.observe(mac(1), Timestamp(0));
        assert!(devices.learn_gateway(id, address) && devices.is_gateway(id));
        devices.own_address(id, "130.1.2.4".parse().unwrap());
        assert!(devices.is_gateway(id));
        devices.own_prefix("130.1.0.0/16".parse().unwrap());
        assert!(!devices.is_gateway(id));
    }
}
