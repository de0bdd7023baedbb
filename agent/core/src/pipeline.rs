//! The join: a packet walks from the wire to its rows, and time runs what is due before it.

use std::net::{IpAddr, Ipv4Addr};

use crate::addr::{MacAddr, Prefix};
use crate::address_book::{AddressBook, Interval};
use crate::attribution::{Known, LinkEnds};
use crate::batch::rows_of;
use crate::class::Class;
use crate::decode::{LinkType, decode};
use crate::device::{DeviceId, Devices, Traffic};
use crate::flow::key::Key;
use crate::flow::naming::Reads;
use crate::flow::record::EndReason;
use crate::flow::table::{Books, FlowTable, Observed, Probe, records_limit};
use crate::flow::{Seen, Timeouts};
use crate::fragment::Fragments;
use crate::lan::{Lan, Source};
use crate::learn::Pupils;
use crate::names::Names;
use crate::names::privacy::Privacy;
use crate::packet::Packet;
use crate::rollup::{Minute, Rollup, RowLimits};
use crate::stats::Stats;
use crate::talk::{self, Talk};
use crate::tap::TapChange;
use crate::time::{MINUTE, Span, Timestamp};

pub use crate::batch::{Batch, BatchLimits, Event, EventKind, Lost};

/// A frame may be this late and still counts as in order: interfaces and cores deliver a little out of turn.
pub const LATE: Span = Span::from_secs(1);
/// A silence up to this long was watched; after a longer one nobody knows whether the capture ran. A running
/// agent ticks each second, so only capture files have longer ones.
pub const SILENCE: Span = Span::from_secs(300);
/// Events that may wait to be taken.
const EVENTS: usize = 256;

/// What the owner may decide.
#[derive(Clone, Debug)]
pub struct Config {
    /// Networks that are local beside the private ones.
    pub networks: Vec<Prefix>,
    /// Whether more may be learnt from RA, NDP, ARP and DHCP.
    pub learn: bool,
    /// When flows are over.
    pub timeouts: Timeouts,
    /// Flows that may be open at a time.
    pub flows: usize,
    /// Devices in all.
    pub devices: usize,
    /// Rows of a minute.
    pub rows: RowLimits,
    /// How much of names is kept.
    pub privacy: Privacy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            learn: true,
            timeouts: Timeouts::default(),
            flows: 16_384,
            devices: 4096,
            rows: RowLimits::default(),
            privacy: Privacy::default(),
        }
    }
}

/// Everything between a captured frame and a row.
#[derive(Debug)]
pub struct Pipeline {
    lan: Lan,
    devices: Devices,
    book: AddressBook,
    fragments: Fragments,
    flows: FlowTable,
    names: Names,
    books: Books,
    /// The latest packet or tick.
    now: Option<Timestamp>,
    /// The time of the last packet or tick, also after the end.
    latest: Timestamp,
    /// When a window opens or closes next.
    turn_at: Timestamp,
    minutes: Vec<Minute>,
    events: Vec<Event>,
    events_dropped: u64,
    /// The limits that batches have told of.
    told: Stats,
}

impl Pipeline {
    /// An empty pipeline.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut devices = Devices::new(config.devices);
        // A device that the owner wants less, or more, to be known of must be known, however many others come with it.
        for mac in config.privacy.of_device.keys() {
            devices.remember(*mac);
        }
        Self {
            lan: Lan::new(config.networks, config.learn),
            devices,
            book: AddressBook::default(),
            fragments: Fragments::default(),
            flows: FlowTable::new(config.flows, config.timeouts),
            names: Names::new(config.privacy),
            books: Books {
                rollup: Rollup::new(config.rows),
                records: Vec::new(),
                records_limit: records_limit(config.flows),
                records_dropped: 0,
                ended: Vec::new(),
            },
            now: None,
            latest: Timestamp(0),
            turn_at: Timestamp(0),
            minutes: Vec::new(),
            events: Vec::new(),
            events_dropped: 0,
            told: Stats::default(),
        }
    }

    /// Tells of a device of an earlier run, which needs no admission, and whether it routed then. Half of the room is kept
    /// for those that are new: of more that are told of, the later ones must be admitted like anybody.
    pub fn remember_device(&mut self, mac: MacAddr, gateway: bool) {
        let Some(id) = self.devices.remember(mac) else { return };
        if gateway {
            self.devices.learn_gateway(id, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        }
    }

    /// Tells of a network, or a single address, that was learnt in an earlier run and last heard of at `seen`.
    pub fn remember_network(&mut self, prefix: Prefix, source: Source, seen: Timestamp) {
        let single = prefix.length() == if prefix.address().is_ipv4() { 32 } else { 128 };
        let _ = match single {
            true => self.lan.learn_address(prefix.address(), source, seen),
            false => self.lan.learn_prefix(prefix, source, seen),
        };
    }

    /// Tells of an address that ARP, NDP or DHCP bound to a device in an earlier run, and when it was first and last seen
    /// there: what a gateway says in its own name is then its own from the first packet on. To be told after devices and
    /// networks; of a device or a network that is not known it does nothing.
    pub fn remember_address(
        &mut self,
        mac: MacAddr,
        address: IpAddr,
        source: Source,
        (first, last): (Timestamp, Timestamp),
    ) {
        if let Some(device) = self.devices.lookup(mac)
            && self.lan.is_local(address)
        {
            self.book.remember(Interval { address, device, first, last, source });
        }
    }

    /// Handles a frame that was captured at `at` on interface number `interface`: `wire_len` bytes, of which
    /// `bytes` were captured.
    pub fn packet(
        &mut self,
        at: Timestamp,
        interface: u16,
        link_type: LinkType,
        wire_len: u32,
        bytes: &[u8],
    ) {
        let at = at.clamped();
        let window = self.advance(at);
        self.books.rollup.captured(window, wire_len.into());
        match decode(link_type, bytes, wire_len) {
            Err(trouble) => self.books.rollup.trouble(window, trouble, wire_len.into()),
            Ok(packet) => {
                if let Some(trouble) = packet.trouble {
                    self.books.rollup.trouble(window, trouble, wire_len.into());
                }
                let link = self.link_ends(&packet, at, wire_len.into());
                self.learn(&packet, link.src, at);
                self.hear(&packet, link.src, at);
                self.account(&packet, link, interface, at, window, wire_len.into());
            }
        }
    }

    /// Time passed without a packet, up to `now`. Does nothing if packets were later than that.
    pub fn tick(&mut self, now: Timestamp) {
        let now = now.clamped();
        if self.now.is_none_or(|latest| now > latest) {
            self.advance(now);
        }
    }

    /// Adds a network that is local whatever anybody says, as those of the config: one that this machine was given while
    /// it runs.
    pub fn add_network(&mut self, prefix: Prefix) {
        self.lan.add(prefix);
    }

    /// Frames were dropped since the last call: `ring` for want of room in the ring, `interface` before they came
    /// there. They count in the newest open window; while none is open, before the first packet or tick and after
    /// [`finish`](Self::finish), they wait for the next one. So who may have drops and no packets at all ticks
    /// before the end: `finish` opens no window, for core knows no time that it could be.
    pub fn dropped(&mut self, ring: u64, interface: u64) {
        self.books.rollup.dropped(ring, interface);
    }

    /// From `at` on there is something to watch, or nothing, as when no interface has a link: the time in between is not
    /// observed, whatever frames come late in it. To be told as it happens, in order; it makes no time pass.
    pub fn watch(&mut self, at: Timestamp, watched: bool) {
        self.books.rollup.watch(at.clamped(), watched);
    }

    /// Something happened to interface number `interface` that should be known later.
    pub fn tap_changed(&mut self, at: Timestamp, interface: u16, change: TapChange) {
        let event = Event { at: at.clamped(), kind: EventKind::Tap { interface, change } };
        note(&mut self.events, &mut self.events_dropped, event);
    }

    /// The clock that stamps frames was set by `by`: what comes from now on is that much later than it would have been.
    /// What was counted stays where it is; open windows are closed, and open flows go on, their times moved along.
    /// Returns what was closed until then.
    pub fn set_clock(&mut self, by: Span) -> Batch {
        let closed = self.close_before_step(by);
        self.devices.shift(Timestamp(0), by);
        self.names.claims.shift(Timestamp(0), by);
        self.book.end_all();
        self.note(EventKind::ClockSet { by });
        closed
    }

    /// It is known now that the clock was off ever since `since`, when this pipeline began: all of it happened `by`
    /// later, and so it is told. As [`set_clock`](Self::set_clock), but what is returned has its times moved, and so
    /// must what was taken before: see [`Batch::shift`].
    pub fn correct_clock(&mut self, since: Timestamp, by: Span) -> Batch {
        let mut closed = self.close_before_step(by);
        closed.shift(since, by);
        self.devices.shift(since, by);
        self.names.claims.shift(since, by);
        self.book.shift(since, by);
        self.note(EventKind::ClockCorrected { by });
        closed
    }

    fn close_before_step(&mut self, by: Span) -> Batch {
        if let Some(now) = self.now.take() {
            self.books.rollup.observed(now);
            self.flows.expire(now, &mut self.books);
            self.flows.settle_until(Timestamp::MAX, &mut self.books);
            self.close_all();
        }
        let closed = self.take_batch();
        self.flows.shift(by);
        self.lan.shift(by);
        self.fragments.shift(by);
        self.latest = (self.latest + by).clamped();
        self.names.shift(by, self.latest);
        self.books.rollup.step_back(self.latest);
        closed
    }

    fn note(&mut self, kind: EventKind) {
        note(&mut self.events, &mut self.events_dropped, Event { at: self.latest, kind });
    }

    /// The capture is over: every flow is reported and every window closed.
    pub fn finish(&mut self) {
        // There is no time between a step of the clock and the next packet, but there are flows.
        let now = self.now.take().unwrap_or(self.latest);
        self.flows.expire(now, &mut self.books);
        self.flows.end(EndReason::Forced, &mut self.books, |_| true);
        self.books.rollup.observed(now);
        self.close_all();
        self.names.finish();
    }

    /// Takes what was closed since the last time.
    pub fn take_batch(&mut self) -> Batch {
        self.tell_limits();
        Batch {
            devices: self.devices.take_changes(),
            addresses: self.book.take_changes(),
            minutes: std::mem::take(&mut self.minutes),
            flows: std::mem::take(&mut self.books.records),
            events: std::mem::take(&mut self.events),
            dns: self.names.take_questions(&self.devices, self.latest),
            claims: self.names.claims.take_changes(),
            ..Batch::default()
        }
    }

    /// Adds an event for each limit that was reached since the last batch.
    fn tell_limits(&mut self) {
        let (stats, at) = (self.stats(), self.latest);
        for ((what, count), (_, told)) in stats.limits().into_iter().zip(self.told.limits()) {
            if count > told {
                self.events.push(Event { at, kind: EventKind::Limit { what, count: count - told } });
            }
        }
        self.told = stats;
    }

    /// How many rows of minutes and flows wait in the next batch.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.books.records.len() + rows_of(&self.minutes)
    }

    /// What each device sent and received since the start of the run, batches taken or not.
    pub fn traffic(&self) -> impl Iterator<Item = Traffic> {
        self.devices.traffic()
    }

    /// With whom the device `mac` has flows open, by what is not yet reported of them: the largest first, at most
    /// `most`. One walk over the flows.
    #[must_use]
    pub fn talks(&self, mac: MacAddr, most: usize) -> Vec<Talk> {
        talk::largest(self.flows.iter(), &self.devices, mac, most)
    }

    /// The limits that were reached so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            devices: self.devices.len(),
            open_flows: self.flows.len(),
            devices_refused: self.devices.refused,
            addresses_refused: self.book.refused,
            networks_refused: self.lan.refused,
            fragments_forgotten: self.fragments.forgotten,
            flows_evicted: self.flows.evicted,
            records_dropped: self.books.records_dropped,
            frames_folded: self.books.rollup.folded,
            events_dropped: self.events_dropped,
            ..self.names.stats()
        }
    }

    /// Counts a frame for the MAC addresses of its outermost link header.
    fn link_ends(&mut self, packet: &Packet<'_>, at: Timestamp, bytes: u64) -> LinkEnds {
        let mut ends = LinkEnds { src: DeviceId::OTHER, dst: DeviceId::OTHER };
        if let Some(src) = packet.src {
            ends.src = self.devices.observe(src, at);
            self.devices.sent(ends.src, at, bytes);
        }
        if let Some(dst) = packet.dst.filter(|mac| !mac.is_group()) {
            ends.dst = self.devices.observe(dst, at);
            self.devices.received(ends.dst, at, bytes);
        }
        ends
    }

    fn learn(&mut self, packet: &Packet<'_>, sender: DeviceId, at: Timestamp) {
        let Self { lan, devices, book, events, events_dropped, .. } = self;
        Pupils { lan, devices, book, at }.learn(packet, sender, |news| {
            note(events, events_dropped, Event { at, kind: EventKind::Learnt(news) });
        });
    }

    /// Reads what a device says of itself, or of a client that it relays. What a router passes on is no word about the router.
    fn hear(&mut self, packet: &Packet<'_>, sender: DeviceId, at: Timestamp) {
        let Self { devices, book, names, .. } = self;
        let passed_on = packet.ip.is_some_and(|ip| {
            devices.is_gateway(sender) && !ip.src.is_unspecified() && !book.is_bound(ip.src, sender)
        });
        names.hear(packet, (!passed_on).then_some(sender), devices, at);
    }

    /// Finds the flow, or begins one, and counts the packet in it.
    fn account(
        &mut self,
        packet: &Packet<'_>,
        link: LinkEnds,
        interface: u16,
        at: Timestamp,
        window: Timestamp,
        wire_len: u64,
    ) {
        let ports = match &packet.ip {
            Some(ip) => match ip.fragment {
                Some(fragment) => self.fragments.ports(ip, fragment, at),
                None => ip.ports,
            },
            None => None,
        };
        let (key, way) = Key::of(packet, ports, interface);
        let tcp = packet.ip.and_then(|ip| ip.tcp);
        let probe = Probe { key, way, src: packet.src, dst: packet.dst, tcp };
        let ip_len = packet.ip.map_or(0, |ip| ip.len.into());
        let now = self.now.unwrap_or(at);
        let seen = Seen { at, now, window, wire_len, ip_len, tcp, src_device: link.src };
        let Self { lan, devices, book, flows, names, books, .. } = self;
        let Observed { flow, way, begun } = flows
            .observe(&probe, &seen, books, || Known { lan, devices, book }.attribute(packet, ports, link));
        if begun {
            names.begin(flow, devices, at);
        }
        if flow.naming.reads != Reads::Nothing {
            names.read(flow, way, packet, devices, at);
        }
        // Who sends has the address, and once a flow, way and minute is enough to say so: it hangs on packets alone. To whom
        // it goes is only what the sender believes, who may be late by hours: so that counts where nobody is known.
        if flow.class != Class::Link && flow.delta.counts[way].frames == 1 {
            for (end, sends) in [(flow.ends[way], true), (flow.ends[1 - way], false)] {
                let known = Known { lan, devices, book };
                if known.is_station(end.address, end.device) && (sends || book.holder(end.address).is_none())
                {
                    book.observe(end.address, end.device, Source::Traffic, at);
                }
            }
        }
        while let Some(over) = books.ended.pop() {
            names.forget(over);
        }
    }

    /// Runs what is due at `at`, and returns the window in which a frame of that time counts.
    fn advance(&mut self, at: Timestamp) -> Timestamp {
        match self.now {
            None => {
                // After a step of the clock: what reaches beyond this would never be over.
                self.flows.step_back(at, at + LATE, &mut self.books);
                self.start(at);
            }
            Some(now) if at < now - LATE => self.step_back(now, at),
            Some(now) => {
                if at >= self.turn_at {
                    self.turn(now, at);
                }
                self.now = Some(now.max(at));
            }
        }
        self.latest = self.now.unwrap_or(at);
        self.books.rollup.window(at).unwrap_or_default()
    }

    fn start(&mut self, at: Timestamp) {
        self.now = Some(at);
        self.books.rollup.open(at.floor(MINUTE), at);
        self.turn_at = at.floor(MINUTE) + MINUTE;
    }

    /// Time went back: what is open belongs to the time before, and a date in the future must not stick.
    fn step_back(&mut self, now: Timestamp, at: Timestamp) {
        self.books.rollup.observed(now);
        self.flows.step_back(now, at + LATE, &mut self.books);
        while let Some(minute) = self.books.rollup.close() {
            self.minutes.push(minute);
        }
        self.books.rollup.step_back(at);
        note(
            &mut self.events,
            &mut self.events_dropped,
            Event { at, kind: EventKind::ClockStepped { from: now } },
        );
        self.start(at);
    }

    /// A window begins, or the one before it is so old that nothing can be late for it any more.
    fn turn(&mut self, now: Timestamp, at: Timestamp) {
        let Some(newest) = self.books.rollup.newest() else { return self.start(at) };
        let newest_end = newest + MINUTE;
        if at >= newest_end {
            let watched = at - now <= SILENCE;
            self.books.rollup.observed(if watched { newest_end } else { now });
            let mut start = if watched { newest_end } else { at.floor(MINUTE) };
            // A watched silence is short, so these are few.
            while start <= at {
                self.books.rollup.open(start, if watched { start } else { at });
                start = start + MINUTE;
                self.books.rollup.observed(start.min(at));
            }
        }
        self.flows.expire(at, &mut self.books);
        while let Some(oldest) = self.books.rollup.oldest().filter(|&start| start + MINUTE + LATE <= at) {
            self.close(oldest);
        }
        self.turn_at = match (self.books.rollup.oldest(), self.books.rollup.newest()) {
            (Some(oldest), Some(newest)) if oldest < newest => oldest + MINUTE + LATE,
            (Some(only), _) => only + MINUTE,
            _ => at,
        };
    }

    fn close_all(&mut self) {
        while let Some(oldest) = self.books.rollup.oldest() {
            self.close(oldest);
        }
    }

    fn close(&mut self, start: Timestamp) {
        self.flows.settle_until(start, &mut self.books);
        self.minutes.extend(self.books.rollup.close());
    }
}

fn note(events: &mut Vec<Event>, dropped: &mut u64, event: Event) {
    if events.len() < EVENTS { events.push(event) } else { *dropped += 1 }
}
