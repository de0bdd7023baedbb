//! What the tap sees of the LAN, judged by a cheap sample: a port that is not mirrored, and frames that arrive twice,
//! are the mistakes of the first week, and the rows alone do not show them.
//!
//! Of each second of packet time the first frames are looked at, one after the other, so that repetitions are among
//! them. Counts go back ten to twenty minutes: two halves, of which the older is forgotten.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::{LinkType, decode};
use lanscribe_core::packet::Packet;
use lanscribe_core::time::{Span, Timestamp};

use super::interface::Own;

/// Frames that are looked at in each second: all of them on a quiet LAN, and a few microseconds' work on a busy one.
const SAMPLE: u8 = 64;
/// How long after the first a frame counts as its repetition: a switch mirrors within microseconds, a host sends the
/// same packet again after milliseconds.
const TWICE_WITHIN: Span = Span(2_000);
/// How many frames back a repetition is looked for.
const LOOK_BACK: usize = 64;
/// One of the two halves.
const HALF: Span = Span::from_secs(600);
const SECOND: Span = Span::from_secs(1);

/// With fewer frames nothing is said.
const ENOUGH: u64 = 200;
/// Nor if they came within a shorter time than this, in which the devices of a small LAN may all be starting,
const LONG_ENOUGH: Span = Span::from_secs(180);
/// or with fewer frames than these among them that are not the machine's own: a download can fill the whole sample.
const ENOUGH_OF_OTHERS: u64 = 50;
/// A switch floods frames to all ports until it has learnt where their receivers are: up to one in this many frames
/// that are not the machine's own says nothing of a mirror.
const FLOODED: u64 = 100;

/// So long after others were heard talking to one another, their silence says nothing: a radio network may sleep for a
/// night. A mirror that was taken away is noticed after this.
const REMEMBERED: Span = Span::from_secs(86_400);

const NOT_MIRRORED: &str = "sees only broadcasts and this machine: the port is not mirrored. In the switch, mirror the \
                            router's port to this one (a Wi-Fi client never sees more)";
const TWICE: &str =
    "frames arrive twice: mirror only one port or one direction, and capture a bridge rather than its ports";

/// Watches what arrives.
#[derive(Debug)]
pub(crate) struct Sight {
    own: Own,
    /// The second that is being sampled began here.
    second: Timestamp,
    /// Frames of it that were looked at.
    taken: u8,
    last_frame: Option<Timestamp>,
    /// When the current half began.
    half: Timestamp,
    current: Counts,
    before: Counts,
    /// When others were last heard talking to one another, beyond what a switch floods.
    heard: Option<Timestamp>,
    /// The frames that were looked at last, as hashes, in a ring.
    recent: [(u64, Timestamp); LOOK_BACK],
    next: usize,
    hash: RandomState,
}

/// What was counted of a sample.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: u64,
    others: u64,
    own: u64,
    group: u64,
    twice: u64,
    /// The earliest and the latest of its frames.
    span: Option<(Timestamp, Timestamp)>,
}

/// What the sample of the last ten to twenty minutes says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hints {
    /// Frames that were looked at.
    pub(crate) frames_sampled: u64,
    /// Of those to one receiver, the share (0 to 1) that this machine neither sent nor receives, or only passes on.
    pub(crate) others: f64,
    /// Of all, the share that this machine sent to, or received from, one other.
    pub(crate) own: f64,
    /// Of all, the share sent to many.
    pub(crate) group: f64,
    /// Of all, the share that was there already, the link header aside.
    pub(crate) twice: f64,
    /// When a frame last arrived, sampled or not, however long ago.
    pub(crate) last_frame: Option<Timestamp>,
    blind: bool,
    doubled: bool,
}

impl Sight {
    /// With what is the machine's own.
    pub(crate) fn new(own: &Own) -> Self {
        Self {
            own: own.clone(),
            second: Timestamp(i64::MIN),
            taken: 0,
            last_frame: None,
            half: Timestamp(i64::MIN),
            current: Counts::default(),
            before: Counts::default(),
            heard: None,
            recent: [(0, Timestamp(i64::MIN)); LOOK_BACK],
            next: 0,
            hash: RandomState::default(),
        }
    }

    /// What is the machine's own may change: it was given an address.
    pub(crate) fn set_own(&mut self, own: &Own) {
        self.own.clone_from(own);
    }

    /// A frame was captured at `at`. Called for every frame: once the sample of the second is full, it only compares.
    #[inline]
    pub(crate) fn observe(&mut self, at: Timestamp, link_type: LinkType, bytes: &[u8]) {
        self.last_frame = Some(at);
        // Several rings are not delivered in order of time: what is late by less than a second belongs to this one.
        let since = at.0.wrapping_sub(self.second.0);
        if since < SECOND.0 && since > -SECOND.0 {
            if self.taken == SAMPLE {
                return;
            }
        } else {
            (self.second, self.taken) = (at, 0);
        }
        self.taken += 1;
        self.look(at, link_type, bytes);
    }

    /// What can be said at `now`.
    pub(crate) fn hints(&self, now: Timestamp) -> Hints {
        let age = now - self.half;
        let counts = if age < HALF {
            self.current.and(self.before)
        } else if age < Span(2 * HALF.0) {
            self.current
        } else {
            Counts::default()
        };
        let Counts { frames, others, own, group, twice, span } = counts;
        let lasted = span.map_or(Span(0), |(first, last)| last - first);
        Hints {
            frames_sampled: frames,
            others: share(others, others + own),
            own: share(own, frames),
            group: share(group, frames),
            twice: share(twice, frames),
            last_frame: self.last_frame,
            blind: !self.own.in_path
                && !self.heard.is_some_and(|at| now >= at && now - at < REMEMBERED)
                && frames >= ENOUGH
                && lasted >= LONG_ENOUGH
                && others + group >= ENOUGH_OF_OTHERS
                && !counts.shows_others(),
            doubled: frames >= ENOUGH && twice * 10 > frames * 3,
        }
    }

    #[cold]
    fn look(&mut self, at: Timestamp, link_type: LinkType, bytes: &[u8]) {
        let age = at - self.half;
        // The clock stepped back, or there was nothing for long.
        if age < Span(-HALF.0) || age >= Span(2 * HALF.0) {
            (self.before, self.current, self.half) = (Counts::default(), Counts::default(), at);
        } else if age >= HALF {
            (self.before, self.current, self.half) = (self.current, Counts::default(), at);
        }
        let (first, last) = self.current.span.unwrap_or((at, at));
        self.current.span = Some((first.min(at), last.max(at)));
        self.current.frames += 1;
        let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Ok(packet) = decode(link_type, bytes, wire_len) else { return };
        if packet.group {
            self.current.group += 1;
        } else if self.is_own(&packet) {
            self.current.own += 1;
        } else {
            self.current.others += 1;
            if self.current.others >= ENOUGH_OF_OTHERS && self.current.shows_others() {
                self.heard = Some(at);
            }
        }
        let hash = self.fingerprint(&packet, bytes);
        let again = |&(h, t): &(u64, Timestamp)| {
            h == hash && (at - t).0.unsigned_abs() <= TWICE_WITHIN.0.unsigned_abs()
        };
        self.current.twice += u64::from(self.recent.iter().any(again));
        self.recent[self.next] = (hash, at);
        self.next = (self.next + 1) % LOOK_BACK;
    }

    /// Whether this machine sent it or it is meant for it; not if it only passes it on.
    fn is_own(&self, packet: &Packet<'_>) -> bool {
        let has_mac = |mac: Option<MacAddr>| mac.is_some_and(|mac| self.own.macs.contains(&mac));
        let (from, to) = (has_mac(packet.src), has_mac(packet.dst));
        match packet.ip {
            // Without MAC addresses the others must do.
            Some(ip) if packet.src.is_none() => {
                self.own.addresses.contains(&ip.src) || self.own.addresses.contains(&ip.dst)
            }
            Some(ip) if self.own.forwards => {
                (from && !self.is_passed_on(ip.src)) || (to && !self.is_passed_on(ip.dst))
            }
            _ => from || to,
        }
    }

    /// Whether a packet with this machine's MAC and this address at the same end is one that it passes on. One in its
    /// own networks is not: their stations have MACs of their own, and its own address there may be newer than what is
    /// known here (IPv6 makes new ones each day).
    fn is_passed_on(&self, address: IpAddr) -> bool {
        let stays = match address {
            IpAddr::V4(a) => a.is_link_local() || a.is_unspecified(),
            IpAddr::V6(a) => a.is_unicast_link_local() || a.is_unspecified(),
        };
        !stays
            && !self.own.addresses.contains(&address)
            && !self.own.networks.iter().any(|network| network.contains(address))
    }

    /// The frame without its link header and padding, so that copies with a VLAN tag and without, or from before and
    /// after a bridge, are alike. The last 20 bytes of the IP header are in it: IPv4's identification tells a host's
    /// repeated packet from a copy.
    fn fingerprint(&self, packet: &Packet<'_>, bytes: &[u8]) -> u64 {
        const HEADER: usize = 20;
        let mut hasher = self.hash.build_hasher();
        packet.ethertype.hash(&mut hasher);
        if let Some(ip) = packet.ip {
            (ip.src, ip.dst).hash(&mut hasher);
            // Where in the frame the payload lies; it may be empty, and then lies nowhere.
            let before = packet.payload.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
            if let Some(header) = before.checked_sub(HEADER).and_then(|start| bytes.get(start..before)) {
                hasher.write(header);
            }
        } else {
            packet.src.hash(&mut hasher);
        }
        hasher.write(packet.payload);
        hasher.finish()
    }
}

impl Counts {
    /// Whether others talk to one another, beyond what a switch floods.
    fn shows_others(&self) -> bool {
        self.others * FLOODED > self.others + self.group
    }

    fn and(self, other: Self) -> Self {
        let span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (span, None) | (None, span) => span,
        };
        Self {
            frames: self.frames + other.frames,
            others: self.others + other.others,
            own: self.own + other.own,
            group: self.group + other.group,
            twice: self.twice + other.twice,
            span,
        }
    }
}

impl Hints {
    /// What the owner should know, with the remedy; nothing if all is well or too little was seen.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        [(self.blind, NOT_MIRRORED), (self.doubled, TWICE)]
            .into_iter()
            .filter_map(|(so, words)| so.then_some(words))
            .collect()
    }
}

#[allow(clippy::cast_precision_loss)] // a share is shown with two digits
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests;
