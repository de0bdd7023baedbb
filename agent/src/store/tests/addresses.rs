//! Who had an address when: a month of leases is played through the pipeline, and its own list is the truth.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use lanscribe_core::decode::LinkType;
use lanscribe_core::pipeline::{Config, Pipeline};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;

const DEVICES: u8 = 40;
const POOL: RangeInclusive<u8> = 100..=119;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const LEASE: i64 = 12 * HOUR;
const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 1, 0]);
const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const INTERNET: [u8; 4] = [8, 8, 8, 8];

/// A time, in seconds from the start, during which a device was there with an address: from its lease to its last packet.
#[derive(Clone, Copy, Debug)]
struct Stay {
    address: u8,
    device: u8,
    first: i64,
    last: i64,
}

/// A device while it is there.
#[derive(Clone, Copy, Debug)]
struct Guest {
    stay: usize,
    leaves: i64,
    renews: i64,
}

fn mac(device: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0, device])
}

fn home(host: u8) -> [u8; 4] {
    [192, 168, 1, host]
}

fn frame(from: MacAddr, to: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ethertype.to_be_bytes(), payload].concat()
}

fn udp(from: (MacAddr, [u8; 4], u16), to: (MacAddr, [u8; 4], u16), data: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(data.len() + more).unwrap().to_be_bytes();
    let ip = [&[0x45, 0][..], &length(28), &[0, 0, 0, 0, 64, 17, 0, 0], &from.1, &to.1].concat();
    let udp = [from.2.to_be_bytes(), to.2.to_be_bytes(), length(8), [0, 0]].concat();
    frame(from.0, to.0, 0x0800, &[&ip[..], &udp, data].concat())
}

fn arp(request: bool, sender: (MacAddr, [u8; 4]), target: [u8; 4]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, if request { 1 } else { 2 }];
    let payload = [&head[..], &sender.0.0, &sender.1, &[0; 6], &target].concat();
    frame(sender.0, BROADCAST, 0x0806, &payload)
}

/// A message of the client's, type `kind`, which asks for `wanted`; or of the server's, which gives it.
fn dhcp(client: MacAddr, kind: u8, from_server: bool, current: [u8; 4], wanted: [u8; 4]) -> Vec<u8> {
    let mut data = vec![0; 240];
    data[..3].copy_from_slice(&[if from_server { 2 } else { 1 }, 1, 6]);
    data[12..16].copy_from_slice(&current);
    if from_server && kind == 5 {
        data[16..20].copy_from_slice(&wanted);
    }
    data[28..34].copy_from_slice(&client.0);
    data[236..].copy_from_slice(&[99, 130, 83, 99]);
    data.extend([53, 1, kind, 50, 4]);
    data.extend(wanted);
    data.extend([1, 4, 255, 255, 255, 0, 255]);
    if from_server {
        udp((ROUTER, home(1), 67), (client, if kind == 5 { wanted } else { [255; 4] }, 68), &data)
    } else {
        udp((client, current, 68), (BROADCAST, [255; 4], 67), &data)
    }
}

/// A LAN in which more devices come and go than there are addresses.
struct Lan {
    random: TestRng,
    guests: BTreeMap<u8, Guest>,
    /// Whose an address is, and until when.
    leases: BTreeMap<u8, (u8, i64)>,
    stays: Vec<Stay>,
}

impl Lan {
    fn below(&mut self, end: i64) -> i64 {
        i64::from(self.random.next_u32()) % end
    }

    /// What happens in a minute, in order, each frame with its second.
    fn minute(&mut self, at: i64) -> Vec<(i64, Vec<u8>)> {
        let mut frames = Vec::new();
        for device in 1..=DEVICES {
            let now = at + i64::from(device);
            match self.guests.get(&device).copied() {
                None if self.below(18 * 60) == 0 => self.comes(device, now, &mut frames),
                None => self.is_missed(device, now, &mut frames),
                Some(guest) if guest.leaves <= now => drop(self.guests.remove(&device)),
                Some(guest) => self.stays_on(device, guest, now, &mut frames),
            }
        }
        frames
    }

    fn comes(&mut self, device: u8, now: i64, frames: &mut Vec<(i64, Vec<u8>)>) {
        self.leases.retain(|_, &mut (_, until)| until > now);
        let (own, nobody) = (mac(device), [0; 4]);
        let former = self.stays.iter().rev().find(|stay| stay.device == device).map(|stay| stay.address);
        let free: Vec<u8> = POOL.filter(|host| self.leases.get(host).is_none_or(|l| l.0 == device)).collect();
        if let Some(host) = former {
            // It would like to have what it had, and asks everybody.
            frames.push((now, dhcp(own, 3, false, nobody, home(host))));
            if !free.contains(&host) {
                frames.push((now, dhcp(own, 6, true, nobody, home(host))));
            }
        }
        if free.is_empty() {
            frames.push((now, dhcp(own, 1, false, nobody, nobody)));
            return;
        }
        let other = free[usize::try_from(self.below(i64::try_from(free.len()).unwrap())).unwrap()];
        let address = former.filter(|host| free.contains(host)).unwrap_or(other);
        self.leases.insert(address, (device, now + LEASE));
        frames.push((now, dhcp(own, 5, true, nobody, home(address))));
        frames.push((now, arp(true, (own, nobody), home(address))));
        frames.push((now, arp(true, (own, home(address)), home(address))));
        self.stays.push(Stay { address, device, first: now, last: now });
        let leaves = now + 600 + self.below(if device < 8 { 4 * DAY } else { 10 * HOUR });
        let guest = Guest { stay: self.stays.len() - 1, leaves, renews: now + LEASE / 2 };
        self.guests.insert(device, guest);
    }

    /// Others still look for who has gone, and send to where it was.
    fn is_missed(&mut self, device: u8, now: i64, frames: &mut Vec<(i64, Vec<u8>)>) {
        let last = self.stays.iter().rev().find(|stay| stay.device == device);
        let Some(&Stay { address, last, .. }) = last else { return };
        if now - last < 2 * HOUR && self.below(15) == 0 {
            frames.push((now, arp(true, (ROUTER, home(1)), home(address))));
            frames.push((now, udp((ROUTER, INTERNET, 443), (mac(device), home(address), 50_000), &[0; 50])));
        }
    }

    fn stays_on(&mut self, device: u8, guest: Guest, now: i64, frames: &mut Vec<(i64, Vec<u8>)>) {
        let stay = &mut self.stays[guest.stay];
        let (own, address) = (mac(device), home(stay.address));
        if guest.renews <= now {
            frames.push((now, dhcp(own, 3, false, address, address)));
            frames.push((now, dhcp(own, 5, true, address, address)));
            self.leases.insert(stay.address, (device, now + LEASE));
            stay.last = now;
            self.guests.insert(device, Guest { renews: now + LEASE / 2, ..guest });
            return;
        }
        match self.random.next_u32() % 90 {
            0 => frames.push((now, arp(true, (own, address), home(1)))),
            1 => {
                frames.push((now, arp(true, (ROUTER, home(1)), address)));
                frames.push((now, arp(false, (own, address), home(1))));
            }
            2 => {
                frames.push((now, udp((own, address, 50_000), (ROUTER, INTERNET, 443), &[0; 100])));
                frames.push((now, udp((ROUTER, INTERNET, 443), (own, address, 50_000), &[0; 900])));
            }
            _ => return,
        }
        self.stays[guest.stay].last = now;
    }
}

/// Who may be said to have had the address: nobody where nobody was there, unless it was one and the same device that
/// was there before and came back within a day, while nobody else had it.
fn truth(stays: &[Stay], address: u8, at: i64) -> (Option<u8>, Option<u8>) {
    let of = || stays.iter().filter(|stay| stay.address == address);
    if let Some(stay) = of().find(|stay| stay.first <= at && at <= stay.last) {
        return (Some(stay.device), Some(stay.device));
    }
    let before = of().filter(|stay| stay.last < at).max_by_key(|stay| stay.last);
    let after = of().filter(|stay| stay.first > at).min_by_key(|stay| stay.first);
    let back = before.zip(after).filter(|(b, a)| b.device == a.device && a.first - b.last <= DAY);
    (None, back.map(|(stay, _)| stay.device))
}

#[test]
fn who_had_an_address_is_right_at_any_time_of_a_month_of_leases() {
    let place = Place::new();
    let start = at("2026-11-02T00:00:00");
    let mut store = place.open("UTC");
    store.db.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let mut pipeline = Pipeline::new(Config::default());
    let mut lan = Lan {
        random: TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]),
        guests: BTreeMap::new(),
        leases: BTreeMap::new(),
        stays: Vec::new(),
    };
    for minute in 0..30 * 24 * 60 {
        for (second, bytes) in lan.minute(minute * 60) {
            let at = Timestamp(start.0 + second * 1_000_000);
            let length = u32::try_from(bytes.len()).unwrap();
            pipeline.packet(at, 0, LinkType::ETHERNET, length, &bytes);
        }
        if minute % 360 == 359 {
            store.flush(&pipeline.take_batch()).unwrap();
        }
        // On some days the agent is started anew.
        if minute % (7 * 24 * 60) == 6_000 {
            pipeline.finish();
            store.flush(&pipeline.take_batch()).unwrap();
            drop(store);
            (store, pipeline) = (place.open("UTC"), Pipeline::new(Config::default()));
            store.db.execute_batch("PRAGMA synchronous = OFF").unwrap();
            store.remember(&mut pipeline).unwrap();
        }
    }
    pipeline.finish();
    store.flush(&pipeline.take_batch()).unwrap();

    let sql = "SELECT mac FROM address_history WHERE address = ?1 AND from_utc <= ?2 AND to_utc >= ?2 ORDER BY from_utc DESC";
    let mut ask = store.db.prepare(sql).unwrap();
    let (mut somebody, mut nobody) = (0, 0);
    for _ in 0..500 {
        let (address, second) = (100 + u8::try_from(lan.below(20)).unwrap(), lan.below(30 * DAY));
        let instant = jiff::Timestamp::from_microsecond(start.0 + second * 1_000_000).unwrap();
        let text = instant.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let rows = ask.query_map((format!("192.168.1.{address}"), &text), |row| row.get::<_, String>(0));
        let said: Vec<String> = rows.unwrap().collect::<Result<_, _>>().unwrap();
        let (there, at_most) = truth(&lan.stays, address, second);
        let called = |device: Option<u8>| device.map(|n| mac(n).to_string()).into_iter().collect::<Vec<_>>();
        let near: Vec<_> = lan
            .stays
            .iter()
            .filter(|stay| stay.address == address && (stay.first - second).abs() < 2 * DAY)
            .collect();
        assert!(
            said == called(there) || said == called(at_most),
            "192.168.1.{address} at {text}: {said:?} {there:?} {second} {near:?}"
        );
        *if there.is_some() { &mut somebody } else { &mut nobody } += 1;
    }
    assert!(
        lan.stays.len() > 500 && somebody > 100 && nobody > 50,
        "{} {somebody} {nobody}",
        lan.stays.len()
    );
}
