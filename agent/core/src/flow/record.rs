//! Flow records: what is written about a conversation when it ends, or of each part of one that goes on.

use std::net::IpAddr;

use super::naming::Hidden;
use super::{Counter, Flow};
use crate::class::{Class, Endpoint};
use crate::device::DeviceId;
use crate::names::Name;
use crate::service::Service;
use crate::time::{Span, Timestamp};

/// Records are clustered in windows of this length.
pub const REPORTING: Span = Span::from_secs(300);

/// Why a record was written (IPFIX `flowEndReason`, information element 136).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// No packet for the idle time-out.
    Idle = 1,
    /// The flow goes on; this is a part of it.
    Active = 2,
    /// The connection was closed or reset.
    Ended = 3,
    /// The capture ended, or the clock was set back.
    Forced = 4,
    /// Room was needed.
    NoRoom = 5,
}

/// One row of the table `flow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The 5-minute window in which it was due to be reported.
    pub reported: Timestamp,
    /// From whose side it is told.
    pub device: DeviceId,
    /// Number of the flow, from 0 in order of first packets of this run.
    pub id: u64,
    /// Number of the part.
    pub part: u32,
    /// 1 in the record that tells a conversation within the LAN from its receiver's side, else 0.
    pub side: u8,
    /// First packet of the part.
    pub start: Timestamp,
    /// Last packet of the part.
    pub end: Timestamp,
    /// Number of the interface.
    pub interface: u16,
    /// Outermost VLAN of the first packet.
    pub vlan: Option<u16>,
    /// Address and port of the device.
    pub local: (IpAddr, Option<u16>),
    /// Address and port of the other side.
    pub remote: (IpAddr, Option<u16>),
    /// The other side as usage rows name it.
    pub endpoint: Endpoint,
    /// IP protocol.
    pub protocol: u8,
    /// Class of all its frames.
    pub class: Class,
    /// Whether this side opened it; `None` if that is not known.
    pub opened_here: Option<bool>,
    /// Sent by the device in this part.
    pub up: Counter,
    /// Received by the device in this part.
    pub down: Counter,
    /// TCP flags of this part, sent and received.
    pub tcp_flags: Option<(u8, u8)>,
    /// Zeek's state of the whole flow so far.
    pub conn_state: &'static str,
    /// Why it was written.
    pub end_reason: EndReason,
    /// What is spoken, and how that is known.
    pub service: Option<Service>,
    /// The name that was asked for: of the side that serves.
    pub name: Option<Name>,
    /// What hides names in it.
    pub hidden: Option<Hidden>,
    /// Round trip of the handshake in microseconds.
    pub rtt_us: Option<u32>,
}

impl Flow {
    /// Takes the open part as records: two for a conversation within the LAN, none for what is not IP.
    pub(crate) fn report(&mut self, due: Timestamp, end_reason: EndReason, out: &mut Vec<FlowRecord>) {
        let part = std::mem::take(&mut self.part);
        let Some(start) = part.first else { return };
        let number = self.parts;
        self.parts += 1;
        let Ok(protocol) = u8::try_from(self.key.protocol) else { return };
        if self.class == Class::Link {
            return;
        }
        let conn_state = self.conn_state();
        let record = |side: u8, local: usize| {
            let remote = 1 - local;
            let (own, other) = (&self.ends[local], &self.ends[remote]);
            FlowRecord {
                reported: due.floor(REPORTING),
                device: own.device,
                id: self.id,
                part: number,
                side,
                start,
                end: part.last,
                interface: self.key.interface,
                vlan: self.vlan,
                local: (own.address, own.port),
                remote: (other.address, other.port),
                endpoint: self.endpoint(remote),
                protocol,
                class: self.class,
                opened_here: self.opener.map(|opener| opener == local),
                up: part.counters[local],
                down: part.counters[remote],
                tcp_flags: (protocol == 6).then_some((part.tcp_flags[local], part.tcp_flags[remote])),
                conn_state,
                end_reason,
                service: self.naming.service.or_else(|| Service::by_port(protocol, self.port)),
                name: self.naming.name.clone(),
                hidden: self.naming.hidden,
                rtt_us: self.handshake.rtt_us(),
            }
        };
        match self.class {
            Class::Lan => out.extend([record(0, 0), record(1, 1)]),
            Class::Remote if !self.ends[0].station => out.push(record(0, 1)),
            _ => out.push(record(0, 0)),
        }
    }

    /// How the end `way` is named in rows: what is sent to many is sent to a group, whatever its address.
    pub(crate) fn endpoint(&self, way: usize) -> Endpoint {
        match self.class {
            Class::Multicast => Endpoint::Group(self.ends[way].address),
            Class::Link => Endpoint::None,
            Class::Remote | Class::Lan | Class::Transit => {
                self.ends[way].as_endpoint(self.naming.row_name(way))
            }
        }
    }

    fn conn_state(&self) -> &'static str {
        let opener = self.opener.unwrap_or(0);
        match self.key.protocol {
            6 => self.handshake.conn_state(opener),
            17 => match (self.spoke[opener], self.spoke[1 - opener]) {
                (true, true) => "SF",
                (true, false) => "S0",
                (false, true) => "SHR",
                (false, false) => "OTH",
            },
            _ => "OTH",
        }
    }
}
