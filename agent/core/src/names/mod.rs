//! Names: what devices are called and what they talk to, learnt from what they say and are told.
//!
//! This is the join: a flow that begins is called what its station was told, and what its packets say is read as long as
//! there is something to learn. Each table beneath is bounded and counts what it had no room for.

pub mod announced;
pub mod claim_source;
pub mod claims;
pub mod crowd;
mod dns_streams;
pub mod heard;
pub mod hello;
pub mod hours;
pub mod kind;
pub mod lookups;
mod name;
mod opening;
pub mod privacy;
mod queue;
pub mod registrable;
pub mod resolver;
mod shared;
pub mod stream;

use std::net::IpAddr;
use std::sync::Arc;

pub use name::{Name, NameSource};

use crate::class::Class;
use crate::device::{DeviceId, Devices};
use crate::flow::Flow;
use crate::flow::naming::{Hidden, Reads};
use crate::packet::Packet;
use crate::service::{self, Service};
use crate::stats::Stats;
use crate::time::{Span, Timestamp};
use crate::wire::dns::Message;

use announced::Announced;
use claims::Claims;
use crowd::Crowds;
use dns_streams::DnsStreams;
use heard::Says;
use hello::{Found, Hellos, Sight};
use hours::DnsRow;
use lookups::{Client, Lookups};
use privacy::{Level, Privacy};
use registrable::registered;

/// What is known of names, and what is being read.
#[derive(Debug)]
pub(crate) struct Names {
    privacy: Privacy,
    hellos: Hellos,
    dns_streams: DnsStreams,
    lookups: Lookups,
    pub(crate) claims: Claims,
    announced: Announced,
    crowds: Crowds,
    /// Flows with somebody beyond the LAN, and those of them that have a name.
    flows: u64,
    named: u64,
}

impl Names {
    pub(crate) fn new(privacy: Privacy) -> Self {
        Self {
            privacy,
            hellos: Hellos::default(),
            dns_streams: DnsStreams::default(),
            lookups: Lookups::default(),
            claims: Claims::default(),
            announced: Announced::default(),
            crowds: Crowds::default(),
            flows: 0,
            named: 0,
        }
    }

    /// A flow begins: its other side is called what the station was told when it got the address.
    pub(crate) fn begin(&mut self, flow: &mut Flow, devices: &Devices, at: Timestamp) {
        let Some(own) = asker(flow) else { return };
        self.flows += u64::from(flow.class == Class::Remote);
        let address = flow.ends[1 - own].address;
        let told = self.lookups.name(client(flow, own), address, at);
        let found = told.or_else(|| self.announced.name(address, at).map(|text| (text, NameSource::Mdns)));
        if let Some((text, source)) = found {
            self.call(flow, 1 - own, &text, source, devices, at);
        }
        if flow.ends.iter().any(|end| end.port == Some(DOMAIN_S)) {
            let hidden = if flow.key.protocol == 6 { Hidden::Dot } else { Hidden::Doq };
            flow.naming.hide(hidden);
        }
    }

    /// Reads what a packet of a flow says, as long as there is something to learn from it.
    pub(crate) fn read(
        &mut self,
        flow: &mut Flow,
        way: usize,
        packet: &Packet<'_>,
        devices: &Devices,
        at: Timestamp,
    ) {
        let Some(ip) = &packet.ip else { return };
        let Some(said) = packet.said().filter(|said| !said.is_empty()) else { return };
        match (flow.naming.reads, ip.tcp) {
            (Reads::Nothing, _) => {}
            (Reads::Dns, Some(tcp)) => {
                let Self { dns_streams, lookups, .. } = self;
                dns_streams
                    .read((flow.id, way), tcp.seq, said, at, |bytes| read_dns(lookups, flow, way, bytes, at));
            }
            (Reads::Dns, None) => _ = read_dns(&mut self.lookups, flow, way, said, at),
            (Reads::Hello | Reads::HelloKept, tcp) => {
                let sight = match tcp {
                    Some(tcp) => self.hellos.tcp(flow.id, way, tcp.seq, said, at),
                    None => self.hellos.udp(flow.id, way, said, at),
                };
                flow.naming.reads = match &sight {
                    Sight::Looking => Reads::HelloKept,
                    Sight::Found(found) if found.more => Reads::HelloKept,
                    Sight::Nothing | Sight::Found(_) => Reads::Nothing,
                };
                if let Sight::Found(found) = sight {
                    self.found(flow, way, &found, devices, at);
                }
            }
        }
    }

    /// A flow is over, of which something was kept.
    pub(crate) fn forget(&mut self, flow: u64) {
        self.hellos.forget(flow);
    }

    /// Reads what a packet says: of its sender, unless it was passed on, and of others.
    pub(crate) fn hear(
        &mut self,
        packet: &Packet<'_>,
        sender: Option<DeviceId>,
        devices: &mut Devices,
        at: Timestamp,
    ) {
        if !self.privacy.device_names {
            return;
        }
        let ports = packet.ip.and_then(|ip| ip.ports);
        let Self { claims, announced, .. } = self;
        heard::heard(packet, ports, &mut |says| match (says, sender) {
            (Says::Of(mac, source, value), _) => {
                claims.observe(devices.hear_of(mac, at), source, &value, at);
            }
            (Says::Own(source, value), Some(sender)) => claims.observe(sender, source, &value, at),
            (Says::Address(name, address), Some(_)) => announced.observe(address, &name, at),
            (Says::Own(..) | Says::Address(..), None) => {}
        });
    }

    /// The limits of names that were reached so far.
    pub(crate) fn stats(&self) -> Stats {
        let Self { hellos, dns_streams, lookups, claims, announced, crowds, .. } = self;
        Stats {
            flows_remote: self.flows,
            flows_named: self.named,
            questions: lookups.hours.counted,
            hellos_lost: hellos.lost + dns_streams.lost,
            names_folded: crowds.folded,
            lookups_forgotten: lookups.addresses_evicted + announced.forgotten,
            questions_cut: lookups.questions_evicted + lookups.questions_unread,
            questions_folded: lookups.hours.folded,
            questions_dropped: lookups.hours.dropped,
            claims_refused: claims.refused,
            ..Stats::default()
        }
    }

    /// The capture is over: nothing is waited for any more.
    pub(crate) fn finish(&mut self) {
        self.lookups.close();
        self.claims.finish();
    }

    /// Takes the questions that were counted since the last time, as much of them as the owner wants to be known.
    pub(crate) fn take_questions(&mut self, devices: &Devices, now: Timestamp) -> Vec<DnsRow> {
        self.lookups.expire(now);
        let mut rows = self.lookups.hours.take();
        let privacy = &self.privacy;
        if privacy.keeps_all() {
            return rows;
        }
        rows.retain_mut(|row| match privacy.level(devices.mac(row.device)) {
            Level::Nothing => false,
            Level::Domain => {
                row.name = registered(&row.name).map_or_else(|| "*".into(), Arc::from);
                true
            }
            Level::Full => true,
        });
        hours::join(&mut rows);
        rows
    }

    /// The clock was set by `by`: what is known stays known.
    pub(crate) fn shift(&mut self, by: Span, latest: Timestamp) {
        self.hellos.shift(by);
        self.dns_streams.shift(by);
        self.lookups.shift(by);
        self.announced.shift(by);
        self.crowds.step_back(latest);
    }

    fn found(&mut self, flow: &mut Flow, way: usize, found: &Found, devices: &Devices, at: Timestamp) {
        if let Some(service) = found.service {
            flow.naming.service = Some(Service::parsed(service));
        }
        let server = 1 - way;
        if found.ech {
            flow.naming.hide(Hidden::Ech);
        }
        if found.alpn.offers("dot") {
            flow.naming.hide(Hidden::Dot);
        }
        if found.alpn.offers("doq") {
            flow.naming.hide(Hidden::Doq);
        }
        let speaks_tls = matches!(found.source, NameSource::Sni | NameSource::Quic);
        let named = found.name.as_deref().is_some_and(resolver::is_known_name);
        if speaks_tls && (named || resolver::is_known_address(flow.ends[server].address)) {
            flow.naming.hide(Hidden::Doh);
        }
        // Who asked for an address asked for no name.
        let address = |name: &&String| found.source == NameSource::Http && name.parse::<IpAddr>().is_ok();
        if let Some(name) = found.name.as_ref().filter(|name| !address(name)) {
            self.call(flow, server, &Arc::from(name.as_str()), found.source, devices, at);
        }
    }

    /// The end number `end` of a flow is called so, as far as the owner wants that to be known.
    fn call(
        &mut self,
        flow: &mut Flow,
        end: usize,
        text: &Arc<str>,
        source: NameSource,
        devices: &Devices,
        at: Timestamp,
    ) {
        if !flow.naming.wants(source) {
            return;
        }
        // Who beyond the LAN asks a station for something has no say: the station's owner has.
        let own = station(flow).unwrap_or(1 - end);
        let own = flow.ends[own].device;
        let text = match self.privacy.level(devices.mac(own)) {
            Level::Full => Some(text.clone()),
            level => level.of(text),
        };
        if let Some(text) = text {
            self.named += u64::from(flow.class == Class::Remote && flow.naming.name.is_none());
            let name = Name::new(text, source);
            let row_name = self.crowds.row_name(own, &name, at);
            flow.naming.call(end, name, row_name);
        }
    }
}

/// Port of DNS over TLS (RFC 7858 section 3.1) and over QUIC (RFC 9250 section 4.1.1).
const DOMAIN_S: u16 = 853;

/// The end that looked the other one up: the station of the two, or of two alike the one that began.
fn asker(flow: &Flow) -> Option<usize> {
    match flow.class {
        Class::Remote => station(flow),
        Class::Lan | Class::Transit => Some(0),
        Class::Multicast | Class::Link => None,
    }
}

/// The station of a conversation with somebody beyond the LAN.
fn station(flow: &Flow) -> Option<usize> {
    (flow.class == Class::Remote).then(|| usize::from(!flow.ends[0].station))
}

fn client(flow: &Flow, end: usize) -> Client {
    let end = &flow.ends[end];
    // Where there are no MAC addresses, a station is its address.
    Client { device: end.device, address: (end.device == DeviceId::OTHER).then_some(end.address) }
}

/// A message of DNS: a question of its sender, or an answer to its receiver. Returns how many questions are in it.
fn read_dns(lookups: &mut Lookups, flow: &mut Flow, way: usize, bytes: &[u8], at: Timestamp) -> usize {
    let Some(message) = Message::read(bytes) else { return 0 };
    flow.naming.service = Some(Service::parsed(service::DNS));
    if message.is_response() {
        lookups.answer(flow.id, client(flow, 1 - way), &message, at);
    } else {
        lookups.question(flow.id, client(flow, way), &message, at);
    }
    message.many()
}
