//! A plain model of the whole pipeline without limits, hashes, deltas or sweeps: the packet list, walked over
//! as often as it takes. Written from the design, to be held against the clever one.

mod known;
mod talk;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::decode::decode;
use lanscribe_core::device::{Count, DeviceChange, DeviceId};
use lanscribe_core::flow::record::EndReason;
use lanscribe_core::lan::Source;
use lanscribe_core::names::heard::{Says, heard};
use lanscribe_core::packet::{Packet, Trouble};
use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::{Class, Coverage, Minute, RowKey, Usage};
use lanscribe_core::time::{MINUTE, Span, Timestamp};

use crate::input::{Op, Shot, Told};
use known::Known;
use talk::{Seen, Side, Talk};

const LATE: Span = Span::from_secs(1);
const SILENCE: Span = Span::from_secs(300);

/// Where from, where to, identification, protocol.
type Datagram = (IpAddr, IpAddr, u32, u8);

/// A minute that is still open.
struct Window {
    start: Timestamp,
    observed: Span,
    captured: Count,
    undecodable: Count,
    troubles: Vec<Count>,
    rows: BTreeMap<RowKey, Usage>,
}

struct Model {
    config: Config,
    known: Known,
    now: Option<Timestamp>,
    open: Vec<Window>,
    talks: Vec<Talk>,
    next_id: u64,
    /// First fragments with their ports.
    pieces: Vec<(Datagram, (u16, u16), Timestamp)>,
    told: Told,
}

/// Runs the model over `ops` to the end of the capture.
pub(crate) fn run(config: &Config, ops: &[Op]) -> Told {
    let mut model = Model {
        config: config.clone(),
        known: Known::new(config),
        now: None,
        open: Vec::new(),
        talks: Vec::new(),
        next_id: 0,
        pieces: Vec::new(),
        told: Told::default(),
    };
    for op in ops {
        match op {
            Op::Frame(shot) => model.frame(shot),
            Op::Tick(at) if model.now.is_none_or(|now| *at > now) => model.time(*at),
            Op::Tick(_) | Op::Take => {}
        }
    }
    model.end_talks(|_| true);
    model.close(|_| true);
    let Model { known, mut told, .. } = model;
    for interval in &known.intervals {
        told.addresses.insert((interval.address, interval.device, interval.first), *interval);
    }
    for device in told.devices.values_mut() {
        device.mac = known.mac(device.id);
        device.gateway = known.is_router(device.id);
    }
    told.flows.sort_by_key(|record| (record.id, record.part, record.side));
    told
}

impl Model {
    /// Time goes to `at`: timers that were due by then have run, and windows are open that must be.
    fn time(&mut self, at: Timestamp) {
        let Some(now) = self.now else {
            self.now = Some(at);
            return self.open(at);
        };
        if at < now - LATE {
            // The clock was set back. What has packets in the future is over.
            self.end_talks(|talk| talk.seen.iter().any(|seen| seen.at > at + LATE));
            self.close(|_| true);
            self.now = Some(at);
            return self.open(at);
        }
        if at <= now {
            return;
        }
        self.now = Some(at);
        self.timers(at);
        if at - now <= SILENCE {
            // The silence was watched: each minute of it is covered.
            let mut from = now;
            while from < at {
                let to = at.min(from.floor(MINUTE) + MINUTE);
                self.open(from);
                self.open.last_mut().unwrap().observed.0 += (to - from).0;
                from = to;
            }
        }
        self.open(at);
        self.close(|window| window.start + MINUTE + LATE <= at);
    }

    /// The window of `at` is open from now on.
    fn open(&mut self, at: Timestamp) {
        let start = at.floor(MINUTE);
        if self.open.iter().all(|window| window.start != start) {
            self.open.push(Window {
                start,
                observed: Span(0),
                captured: Count::default(),
                undecodable: Count::default(),
                troubles: vec![Count::default(); Trouble::ALL.len()],
                rows: BTreeMap::new(),
            });
        }
    }

    fn close(&mut self, which: impl Fn(&Window) -> bool) {
        let (closed, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(which);
        self.open = open;
        self.told.minutes.extend(closed.into_iter().map(|window| Minute {
            window: window.start,
            coverage: Coverage {
                observed: window.observed,
                captured: window.captured,
                dropped: 0,
                interface_dropped: 0,
                undecodable: window.undecodable,
                folded: Count::default(),
                troubles: window.troubles,
            },
            rows: window.rows.into_iter().collect(),
        }));
    }

    /// Each flow's timers on their own: no flow can hear of another one.
    fn timers(&mut self, now: Timestamp) {
        let (timeouts, told) = (self.config.timeouts, &mut self.told);
        self.talks.retain_mut(|talk| {
            let silent_at = talk.silent_at(&timeouts);
            if let Some(long_at) = talk.long_at(&timeouts).filter(|&due| due < silent_at && due <= now) {
                talk.tell(long_at, EndReason::Active, &mut told.flows);
            }
            if silent_at <= now {
                let reason = if talk.is_over() { EndReason::Ended } else { EndReason::Idle };
                talk.tell(silent_at, reason, &mut told.flows);
            }
            silent_at > now
        });
    }

    fn end_talks(&mut self, which: impl Fn(&Talk) -> bool) {
        let told = &mut self.told;
        self.talks.retain_mut(|talk| {
            let ends = which(talk);
            if ends {
                let last = talk.seen.iter().map(|seen| seen.at).max().unwrap();
                talk.tell(last, EndReason::Forced, &mut told.flows);
            }
            !ends
        });
    }

    fn frame(&mut self, shot: &Shot) {
        let at = shot.at.clamped();
        self.time(at);
        let own = self.open.iter().position(|window| window.start == at.floor(MINUTE)).unwrap_or(0);
        let (window, bytes) = (&mut self.open[own], u64::from(shot.wire_len));
        window.captured.add(bytes);
        let decoded = decode(shot.link_type, &shot.bytes, shot.wire_len);
        if let Some(trouble) = decoded.as_ref().map_or_else(|trouble| Some(*trouble), |packet| packet.trouble)
        {
            window.troubles[trouble as usize].add(bytes);
        }
        let Ok(packet) = decoded else { return window.undecodable.add(bytes) };

        let src = packet.src.map_or(DeviceId::OTHER, |mac| self.known.meet(mac));
        if packet.src.is_some() {
            self.total(src, at, |total| total.sent.add(bytes));
        }
        let unicast = packet.dst.filter(|mac| !mac.is_group());
        let dst = unicast.map_or(DeviceId::OTHER, |mac| self.known.meet(mac));
        if unicast.is_some() {
            self.total(dst, at, |total| total.received.add(bytes));
        }
        self.known.learn(&packet, src, at);
        self.hear(&packet, at);

        let ports = self.ports(&packet, at);
        let place = self.talk(&packet, ports, [src, dst], shot, (at, self.told.minutes.len() + own));
        let talk = &self.talks[place];
        let (&Seen { way, window, .. }, before) = talk.seen.split_last().unwrap();
        // Traffic shows who has which address: once a flow, way and minute. To whom it goes it shows of nobody else's alone.
        let again = before.iter().rev().take_while(|seen| seen.window == window).any(|seen| seen.way == way);
        if talk.class != Class::Link && !again {
            for (side, sends) in [(talk.sides[way], true), (talk.sides[1 - way], false)] {
                let counts = sends || self.known.holder(side.address).is_none();
                if counts && self.known.is_station(side.address, side.device) {
                    self.known.sight(side.address, side.device, Source::Traffic, at);
                }
            }
        }
        let protocol = talk.protocol;
        let (port, _) = talk.service_port();
        let flows = u64::from(talk.seen.len() == 1 && talk.class != Class::Link);
        let rows = &mut self.open[own].rows;
        let key = |side: usize| RowKey {
            device: talk.sides[side].device,
            endpoint: talk.name(1 - side),
            protocol,
            port,
            class: talk.class,
        };
        match talk.class {
            Class::Remote | Class::Lan => {
                for &side in talk.tellers() {
                    let usage = rows.entry(key(side)).or_default();
                    if side == way { &mut usage.up } else { &mut usage.down }.add(bytes);
                    usage.flows += flows;
                }
            }
            Class::Multicast | Class::Transit | Class::Link => {
                let usage = rows.entry(key(way)).or_default();
                usage.up.add(bytes);
                usage.flows += flows;
            }
        }
    }

    /// Of whom a relay speaks, that was seen, be it without a frame.
    fn hear(&mut self, packet: &Packet<'_>, at: Timestamp) {
        let mut spoken_of = Vec::new();
        heard(packet, packet.ip.and_then(|ip| ip.ports), &mut |says| {
            if let Says::Of(mac, ..) = says {
                spoken_of.push(mac);
            }
        });
        for mac in spoken_of {
            let id = self.known.meet(mac);
            if id != DeviceId::OTHER && !self.told.devices.contains_key(&id) {
                self.total(id, at, |_| ());
            }
        }
    }

    fn total(&mut self, id: DeviceId, at: Timestamp, count: impl FnOnce(&mut DeviceChange)) {
        let total = self.told.devices.entry(id).or_insert_with(|| DeviceChange {
            id,
            mac: None,
            gateway: false,
            seen: (at, at),
            sent: Count::default(),
            received: Count::default(),
        });
        total.seen = (total.seen.0.min(at), total.seen.1.max(at));
        count(total);
    }

    /// A fragment has the ports of the first one, if that came before and is not a minute old.
    fn ports(&mut self, packet: &Packet<'_>, at: Timestamp) -> Option<(u16, u16)> {
        let ip = packet.ip?;
        let Some(fragment) = ip.fragment else { return ip.ports };
        let datagram = (ip.src, ip.dst, fragment.id, ip.protocol);
        if fragment.first {
            self.pieces.extend(ip.ports.map(|ports| (datagram, ports, at)));
            return ip.ports;
        }
        let (_, ports, first_at) = self.pieces.iter().rfind(|(of, ..)| *of == datagram)?;
        (at - *first_at <= MINUTE).then_some(*ports)
    }

    /// The flow of the packet, begun if need be, the packet added to it.
    fn talk(
        &mut self,
        packet: &Packet<'_>,
        ports: Option<(u16, u16)>,
        devices: [DeviceId; 2],
        shot: &Shot,
        (at, window): (Timestamp, usize),
    ) -> usize {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let (src, dst) = packet.ip.map_or((nowhere, nowhere), |ip| (ip.src, ip.dst));
        let (from, to) = ((src, ports.map(|p| p.0)), (dst, ports.map(|p| p.1)));
        let protocol = packet.ip.map_or(packet.ethertype, |ip| ip.protocol.into());
        let tcp = packet.ip.and_then(|ip| ip.tcp);
        let kind = |class| match class {
            Class::Link => 0,
            Class::Multicast => 1,
            Class::Remote | Class::Lan | Class::Transit => 2,
        };
        let own_kind = if packet.ip.is_none() { 0 } else { 2 - u8::from(packet.group) };
        let fits = |(place, talk): (usize, &Talk)| {
            let same =
                talk.interface == shot.interface && talk.protocol == protocol && kind(talk.class) == own_kind;
            // To a group, and below IP, the sender is part of the conversation.
            let same = same && (own_kind == 2 || talk.sides[0].mac == packet.src);
            let way = talk.way(from, to).filter(|_| same)?;
            // The flow that is surest of its stations; of two as sure, the older one.
            Some((talk.agrees(way, packet.src, packet.dst)?, std::cmp::Reverse(talk.id), place, way))
        };
        let found = self.talks.iter().enumerate().filter_map(fits).max();
        let seen = |way| Seen {
            at,
            window,
            way,
            bytes: shot.wire_len.into(),
            ip_bytes: packet.ip.map_or(0, |ip| ip.len.into()),
            tcp,
        };
        if let Some((.., place, way)) = found {
            if !tcp.is_some_and(|tcp| self.talks[place].is_reused_by(tcp)) {
                let talk = &mut self.talks[place];
                talk.seen.push(seen(way));
                if way == 1 && talk.class == Class::Transit && talk.sides[1].device == DeviceId::OTHER {
                    talk.sides[1].device = devices[0];
                }
                return place;
            }
            self.talks[place].tell(at, EndReason::Ended, &mut self.told.flows);
            self.talks.remove(place);
        }

        let side = |(address, port): (IpAddr, Option<u16>), mac: Option<_>, device: DeviceId| {
            let device = if mac.is_none() { self.known.holder(address).unwrap_or(device) } else { device };
            let station = self.known.is_station(address, device);
            let mac = mac.filter(|_| station && device != DeviceId::OTHER);
            Side { address, port, device, mac, station }
        };
        let many =
            |(address, port)| Side { address, port, device: DeviceId::OTHER, mac: None, station: false };
        let sender =
            |(address, port)| Side { address, port, device: devices[0], mac: packet.src, station: true };
        let (class, sides) = match own_kind {
            0 => (Class::Link, [sender(from), many(to)]),
            1 => (Class::Multicast, [sender(from), many(to)]),
            _ => {
                let sides = [side(from, packet.src, devices[0]), side(to, packet.dst, devices[1])];
                let class = match sides.map(|side| side.station) {
                    [true, true] => Class::Lan,
                    [false, false] => Class::Transit,
                    _ => Class::Remote,
                };
                (class, sides)
            }
        };
        let id = self.next_id;
        self.next_id += 1;
        let (interface, vlan) = (shot.interface, packet.vlan);
        let seen = vec![seen(0)];
        self.talks.push(Talk { id, interface, protocol, class, sides, vlan, seen, told: 0, parts: 0 });
        self.talks.len() - 1
    }
}
