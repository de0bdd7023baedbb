//! The model's flows: the list of all their packets, from which every answer is worked out anew.

use std::net::IpAddr;

use lanscribe_core::addr::MacAddr;
use lanscribe_core::device::DeviceId;
use lanscribe_core::flow::record::{EndReason, FlowRecord};
use lanscribe_core::flow::{Counter, Timeouts};
use lanscribe_core::packet::Tcp;
use lanscribe_core::rollup::{Class, Endpoint};
use lanscribe_core::service::{self, Service};
use lanscribe_core::time::{Span, Timestamp};

/// One side, as the first packet showed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) device: DeviceId,
    /// What later packets must show, if the side is a station.
    pub(super) mac: Option<MacAddr>,
    pub(super) station: bool,
}

/// A packet of a flow; `way` 0 goes the way of the first one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    /// Number of the window in which it counts.
    pub(super) window: usize,
    pub(super) way: usize,
    pub(super) bytes: u64,
    pub(super) ip_bytes: u64,
    pub(super) tcp: Option<Tcp>,
}

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) id: u64,
    pub(super) interface: u16,
    pub(super) protocol: u16,
    pub(super) class: Class,
    pub(super) sides: [Side; 2],
    pub(super) vlan: Option<u16>,
    pub(super) seen: Vec<Seen>,
    /// How many of the packets are in records already, and in how many.
    pub(super) told: usize,
    pub(super) parts: u32,
}

impl Talk {
    /// Which way a packet between these two goes, if it belongs here.
    pub(super) fn way(&self, from: (IpAddr, Option<u16>), to: (IpAddr, Option<u16>)) -> Option<usize> {
        let [a, b] = self.sides.map(|side| (side.address, side.port));
        match self.class {
            _ if (from, to) == (a, b) => Some(0),
            Class::Multicast | Class::Link => None,
            _ => ((from, to) == (b, a)).then_some(1),
        }
    }

    /// How many MAC addresses of the packet are the ones that they must be; none if one is not.
    pub(super) fn agrees(&self, way: usize, src: Option<MacAddr>, dst: Option<MacAddr>) -> Option<u8> {
        let mut sure = 0;
        for (side, mac) in [(&self.sides[way], src), (&self.sides[1 - way], dst)] {
            match (side.mac, mac) {
                (Some(must), Some(is)) if must != is => return None,
                (Some(_), Some(_)) => sure += 1,
                _ => {}
            }
        }
        Some(sure)
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = (usize, Tcp, Timestamp)> + Clone {
        self.seen.iter().filter_map(|seen| Some((seen.way, seen.tcp?, seen.at)))
    }

    /// Reset, or closed from both sides.
    pub(super) fn is_over(&self) -> bool {
        let fin = |way| self.segments().any(|(w, tcp, _)| w == way && tcp.flags & Tcp::FIN != 0);
        self.segments().any(|(_, tcp, _)| tcp.flags & Tcp::RST != 0) || (fin(0) && fin(1))
    }

    /// Whether `tcp` opens another connection with the same ports.
    pub(super) fn is_reused_by(&self, tcp: Tcp) -> bool {
        let syn = self.segments().find(|(_, tcp, _)| tcp.opens());
        tcp.opens() && self.is_over() && syn.is_none_or(|(_, syn, _)| syn.seq != tcp.seq)
    }

    /// When silence ends it.
    pub(super) fn silent_at(&self, timeouts: &Timeouts) -> Timestamp {
        let last = self.seen.iter().map(|seen| seen.at).max().unwrap();
        let patience = match self.protocol {
            6 if self.is_over() => timeouts.tcp_closed,
            6 => timeouts.tcp,
            17 => timeouts.udp,
            1 | 58 => timeouts.icmp,
            _ => timeouts.other,
        };
        last + patience
    }

    /// When the part that is not yet told has gone on for too long.
    pub(super) fn long_at(&self, timeouts: &Timeouts) -> Option<Timestamp> {
        Some(self.seen.get(self.told)?.at + timeouts.active)
    }

    /// The service port, and who opened the conversation, by its first packet.
    pub(super) fn service_port(&self) -> (u16, Option<usize>) {
        let tcp = self.protocol == 6;
        let (Some(from), Some(to)) = (self.sides[0].port, self.sides[1].port) else {
            return (0, (!tcp).then_some(0));
        };
        let first = self.seen[0].tcp;
        if first.is_some_and(Tcp::opens) {
            return (to, Some(0));
        }
        if first.is_some_and(Tcp::accepts) {
            return (from, Some(1));
        }
        let protocol = u8::try_from(self.protocol).unwrap();
        let quality = |port: u16| match port {
            0 => 0,
            _ if service::name(protocol, port).is_some() => 3,
            1..1024 => 2,
            1024..32_768 => 1,
            _ => 0,
        };
        let (port, opener) = match (quality(from), quality(to)) {
            (0, 0) => (0, 0),
            (sender, receiver) if sender > receiver => (from, 1),
            _ => (to, 0),
        };
        (port, (!tcp).then_some(opener))
    }

    /// What the side is called on the other one's rows.
    pub(super) fn name(&self, way: usize) -> Endpoint {
        let side = &self.sides[way];
        let group = match side.address {
            IpAddr::V4(a) => a.is_multicast() || a.is_broadcast(),
            IpAddr::V6(a) => a.is_multicast(),
        };
        match self.class {
            Class::Link => Endpoint::None,
            Class::Multicast => Endpoint::Group(side.address),
            _ if side.station && side.device == DeviceId::OTHER => Endpoint::Local(side.address),
            _ if side.station => Endpoint::Device(side.device),
            _ if group => Endpoint::Group(side.address),
            _ => Endpoint::Remote(side.address, None),
        }
    }

    /// Whose side the rows and records are told from.
    pub(super) fn tellers(&self) -> &'static [usize] {
        match self.class {
            Class::Lan => &[0, 1],
            Class::Remote if self.sides[1].station => &[1],
            _ => &[0],
        }
    }

    /// Writes a record (or two) of the packets that are not told yet.
    pub(super) fn tell(&mut self, due: Timestamp, end_reason: EndReason, records: &mut Vec<FlowRecord>) {
        let untold = &self.seen[self.told..];
        let (Some(first), false) = (untold.first(), self.class == Class::Link) else { return };
        let count = |way| {
            untold.iter().filter(|seen| seen.way == way).fold(Counter::default(), |sum, seen| Counter {
                packets: sum.packets + 1,
                bytes: sum.bytes + seen.bytes,
                ip_bytes: sum.ip_bytes + seen.ip_bytes,
            })
        };
        let flags = |way| {
            let of = |seen: &Seen| seen.tcp.filter(|_| seen.way == way).map_or(0, |tcp| tcp.flags);
            untold.iter().map(of).fold(0, |all, flags| all | flags)
        };
        let (port, opener) = self.service_port();
        let protocol = u8::try_from(self.protocol).unwrap();
        for (side, &own) in (0..).zip(self.tellers()) {
            let other = 1 - own;
            let place = |way: usize| (self.sides[way].address, self.sides[way].port);
            records.push(FlowRecord {
                reported: due.floor(Span::from_secs(300)),
                device: self.sides[own].device,
                id: self.id,
                part: self.parts,
                side,
                start: first.at,
                end: untold.iter().map(|seen| seen.at).max().unwrap(),
                interface: self.interface,
                vlan: self.vlan,
                local: place(own),
                remote: place(other),
                endpoint: self.name(other),
                protocol,
                class: self.class,
                opened_here: opener.map(|opener| opener == own),
                up: count(own),
                down: count(other),
                tcp_flags: (protocol == 6).then(|| (flags(own), flags(other))),
                conn_state: self.conn_state(opener.unwrap_or(0)),
                end_reason,
                service: Service::by_port(protocol, port),
                name: None,
                hidden: None,
                rtt_us: self.rtt(),
            });
        }
        self.told = self.seen.len();
        self.parts += 1;
    }

    /// Zeek's table of `conn_state`.
    fn conn_state(&self, opener: usize) -> &'static str {
        if self.protocol == 17 {
            let spoke = |way| self.seen.iter().any(|seen| seen.way == way);
            return match (spoke(opener), spoke(1 - opener)) {
                (true, true) => "SF",
                (true, false) => "S0",
                _ => "SHR",
            };
        }
        let syn = self.segments().find(|(_, tcp, _)| tcp.opens()).map(|(way, ..)| way);
        let accept = self.segments().find(|(_, tcp, _)| tcp.accepts()).map(|(way, ..)| way);
        let originator = syn.or(accept.map(|way| 1 - way)).unwrap_or(opener);
        let did = |originates: bool, flags: u8| {
            self.segments().any(|(way, tcp, _)| (way == originator) == originates && tcp.flags & flags != 0)
        };
        let plain = |tcp: Tcp| tcp.flags & (Tcp::SYN | Tcp::RST) == 0;
        let answered =
            accept.is_some() || self.segments().any(|(way, tcp, _)| way != originator && plain(tcp));
        let reset =
            self.segments().find(|(_, tcp, _)| tcp.flags & Tcp::RST != 0).map(|(way, ..)| way == originator);
        let (closed, answered_close) = (did(true, Tcp::FIN), did(false, Tcp::FIN));
        match (syn.is_some(), answered, reset) {
            (true, false, Some(true)) => "RSTOS0",
            (true, false, Some(false)) => "REJ",
            (true, false, None) if closed => "SH",
            (true, false, None) => "S0",
            (true, true, Some(true)) => "RSTO",
            (true, true, Some(false)) => "RSTR",
            (true, true, None) if closed && answered_close => "SF",
            (true, true, None) if closed => "S2",
            (true, true, None) if answered_close => "S3",
            (true, true, None) => "S1",
            (false, ..) if accept.is_none() => "OTH",
            (false, _, Some(false)) => "RSTRH",
            (false, _, None) if answered_close && !closed => "SHR",
            (false, ..) => "OTH",
        }
    }

    /// From the SYN to the ACK of the answer to it, if there was one of each.
    fn rtt(&self) -> Option<u32> {
        let segments: Vec<_> = self.segments().collect();
        let syn = segments.iter().position(|(_, tcp, _)| tcp.opens())?;
        let answer = segments.iter().position(|(_, tcp, _)| tcp.accepts())?;
        let opener = segments[syn].0;
        let plain = |tcp: Tcp| tcp.flags & (Tcp::SYN | Tcp::RST) == 0;
        let ack =
            (syn.max(answer)..segments.len()).find(|&n| segments[n].0 == opener && plain(segments[n].1))?;
        let handshake = segments[..ack].iter().filter(|(_, tcp, _)| tcp.flags & Tcp::SYN != 0).count();
        let clean = handshake == 2 && segments[answer].0 != opener;
        clean.then(|| u32::try_from((segments[ack].2 - segments[syn].2).0).ok())?
    }
}
