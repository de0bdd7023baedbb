//! Flows: one bounded entry per conversation (biflow, RFC 5103), seen from the device that it belongs to.

pub mod key;
pub mod naming;
pub mod record;
pub mod table;
pub mod tcp;

use std::net::IpAddr;

use crate::addr::{MacAddr, is_group};
use crate::class::{Class, Endpoint};
use crate::device::{Count, DeviceId};
use crate::names::Name;
use crate::time::{Span, Timestamp};

use key::Key;
use naming::Naming;
use tcp::Handshake;

/// How long a flow may be silent or go on before it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A flow that goes on is reported in parts of this length (IPFIX active timeout).
    pub active: Span,
    /// Silence that ends a TCP connection.
    pub tcp: Span,
    /// Silence that ends a TCP connection which both sides closed, or one reset.
    pub tcp_closed: Span,
    /// Silence that ends UDP.
    pub udp: Span,
    /// Silence that ends ICMP and ICMPv6.
    pub icmp: Span,
    /// Silence that ends anything else.
    pub other: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            active: Span::from_secs(300),
            tcp: Span::from_secs(300),
            tcp_closed: Span::from_secs(5),
            udp: Span::from_secs(60),
            icmp: Span::from_secs(60),
            other: Span::from_secs(60),
        }
    }
}

/// One side of a conversation, as its first packet showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// IP address; unspecified for what is not IP.
    pub address: IpAddr,
    /// Port, where the protocol has ports.
    pub port: Option<u16>,
    /// Whose MAC address it came from or went to.
    pub device: DeviceId,
    /// The MAC address that every later packet of this side must have: set for a station, since two devices may
    /// use one address, and not for what lies behind a gateway, since packets may come back through another one, nor for
    /// one that was refused as a device.
    pub mac: Option<MacAddr>,
    /// Whether it is a station of this LAN.
    pub station: bool,
}

impl End {
    /// What the other side of a row is called.
    fn as_endpoint(&self, name: Option<&Name>) -> Endpoint {
        match self.station {
            true if self.device == DeviceId::OTHER => Endpoint::Local(self.address),
            true => Endpoint::Device(self.device),
            false if is_group(self.address) => Endpoint::Group(self.address),
            false => Endpoint::Remote(self.address, name.cloned()),
        }
    }
}

/// Packets and bytes of one direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Wire length in bytes, link header included.
    pub bytes: u64,
    /// IP total length in bytes.
    pub ip_bytes: u64,
}

/// A conversation. Index 0 of a pair is what the sender of the first packet sent, index 1 what it received.
#[derive(Debug)]
pub struct Flow {
    pub(crate) id: u64,
    pub(crate) key: Key,
    /// The direction that the first packet had in the key.
    pub(crate) first_way: usize,
    pub(crate) hash: u64,
    pub(crate) class: Class,
    pub(crate) ends: [End; 2],
    /// The service port, 0 if neither side's is one.
    pub(crate) port: u16,
    /// Which end opened the conversation, where that is known.
    pub(crate) opener: Option<usize>,
    pub(crate) vlan: Option<u16>,
    /// Its latest packet.
    pub(crate) last: Timestamp,
    /// The part that is not yet reported.
    pub(crate) part: Part,
    pub(crate) parts: u32,
    /// Which ends have sent anything yet.
    pub(crate) spoke: [bool; 2],
    pub(crate) handshake: Handshake,
    /// What it was learnt to be.
    pub(crate) naming: Naming,
    pub(crate) delta: Delta,
}

/// What was counted since the flow was last reported.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// First packet; nothing was counted without one.
    pub(crate) first: Option<Timestamp>,
    /// Last packet: before the flow's own if one was late for the part before.
    pub(crate) last: Timestamp,
    pub(crate) counters: [Counter; 2],
    pub(crate) tcp_flags: [u8; 2],
}

/// What was counted in a window and is not yet in its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta {
    /// Start of the window.
    pub(crate) window: Timestamp,
    pub(crate) counts: [Count; 2],
    /// 1 in the window in which the flow began.
    pub(crate) started: u64,
}

/// What an observed packet adds to its flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    /// The latest time so far: later than `at` for a packet that is late.
    pub(crate) now: Timestamp,
    pub(crate) window: Timestamp,
    pub(crate) wire_len: u64,
    pub(crate) ip_len: u64,
    pub(crate) tcp: Option<crate::packet::Tcp>,
    pub(crate) src_device: DeviceId,
}

impl Flow {
    /// Counts a packet of direction `way`.
    pub(crate) fn add(&mut self, way: usize, seen: &Seen) {
        self.last = self.last.max(seen.at);
        self.part.first.get_or_insert(seen.at);
        self.part.last = self.part.last.max(seen.at);
        self.spoke[way] = true;
        let counter = &mut self.part.counters[way];
        counter.packets += 1;
        counter.bytes += seen.wire_len;
        counter.ip_bytes += seen.ip_len;
        self.delta.counts[way].add(seen.wire_len);
        if way == 1 && self.class == Class::Transit && self.ends[1].device == DeviceId::OTHER {
            // A cooked capture shows who sent, never to whom: now it is known.
            self.ends[1].device = seen.src_device;
        }
        if let Some(tcp) = seen.tcp {
            self.part.tcp_flags[way] |= tcp.flags;
            self.handshake.observe(way, tcp, seen.at);
        }
    }

    /// Moves its times by `by`; what it counted must have been settled.
    pub(crate) fn shift(&mut self, by: Span) {
        self.last = (self.last + by).clamped();
        self.part.first = self.part.first.map(|first| (first + by).clamped());
        if self.part.first.is_some() {
            self.part.last = (self.part.last + by).clamped();
        }
        self.handshake.shift(by);
    }

    /// Silence after which it is over.
    pub(crate) fn idle(&self, timeouts: &Timeouts) -> Span {
        match self.key.protocol {
            6 if self.handshake.is_over() => timeouts.tcp_closed,
            6 => timeouts.tcp,
            17 => timeouts.udp,
            1 | 58 => timeouts.icmp,
            _ => timeouts.other,
        }
    }
}
