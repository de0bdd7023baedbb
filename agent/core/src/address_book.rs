//! Who has which address, and had it when: intervals learnt from ARP, NDP, DHCP and traffic.

use std::net::IpAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::bucket::Bucket;
use crate::device::DeviceId;
use crate::lan::Source;
use crate::time::{Span, Timestamp};

/// Addresses with their holders that are remembered; the ones silent longest are forgotten first (they stay in the file).
const ADDRESSES: usize = 16_384;
/// Addresses that one device may hold at a time. Privacy extensions (RFC 8981) give a phone some ten a week.
const ADDRESSES_A_DEVICE: u16 = 256;
/// Devices that are remembered for one address.
const HOLDERS: usize = 4;
/// New intervals that are written down at once, then a second: an attacker can claim any number.
const ADMISSION: (u32, u32) = (1024, 8);
/// After a silence of this length nobody can say who had the address meanwhile: a new interval begins.
const SILENCE: Span = Span::from_secs(24 * 3600);
/// Two devices seen with one address within this time hold it both (a conflict, or a bond); later it was handed over.
const CONFLICT: Span = Span::from_secs(60);

/// A time during which a device was seen with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The address.
    pub address: IpAddr,
    /// Who had it.
    pub device: DeviceId,
    /// First time seen.
    pub first: Timestamp,
    /// Last time seen.
    pub last: Timestamp,
    /// The best evidence.
    pub source: Source,
}

impl Interval {
    /// Moves what lies at `since` or after it by `by`.
    pub(crate) fn shift(&mut self, since: Timestamp, by: Span) {
        self.first = self.first.shifted(since, by);
        self.last = self.last.shifted(since, by);
    }
}

#[derive(Debug)]
struct Holding {
    interval: Interval,
    changed: bool,
    /// The next sighting begins another interval.
    ended: bool,
}

/// The addresses of the LAN and their holders.
#[derive(Debug)]
pub struct AddressBook {
    holders: HashMap<IpAddr, Vec<Holding>, RandomState>,
    held: HashMap<DeviceId, u16, RandomState>,
    closed: Vec<Interval>,
    admission: Bucket,
    limit: usize,
    /// Sightings that were not written down for want of room.
    pub refused: u64,
}

impl Default for AddressBook {
    fn default() -> Self {
        Self::new(ADDRESSES)
    }
}

impl AddressBook {
    /// Empty, for at most `limit` addresses.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            holders: HashMap::default(),
            held: HashMap::default(),
            closed: Vec::new(),
            admission: Bucket::new(ADMISSION.0, ADMISSION.1),
            limit,
            refused: 0,
        }
    }

    /// `device` was seen with `address`.
    pub fn observe(&mut self, address: IpAddr, device: DeviceId, source: Source, at: Timestamp) {
        if device == DeviceId::OTHER || address.is_unspecified() {
            return;
        }
        if let Some(holdings) = self.holders.get_mut(&address) {
            let others_since = holdings
                .iter()
                .filter(|h| h.interval.device != device && h.interval.first <= at && !h.ended)
                .map(|h| h.interval.last)
                .max();
            if let Some(own) = holdings.iter_mut().find(|h| h.interval.device == device) {
                let silent = at - own.interval.last;
                let handed_over =
                    others_since.is_some_and(|other| other > own.interval.last) && silent > CONFLICT;
                let stepped_back = at < own.interval.first;
                if silent <= SILENCE && !handed_over && !stepped_back && !own.ended {
                    own.interval.last = own.interval.last.max(at);
                    own.interval.source = own.interval.source.max(source);
                    own.changed = true;
                } else if self.admission.admit(at) {
                    if own.changed {
                        self.closed.push(own.interval);
                    }
                    *own = Holding {
                        interval: Interval { address, device, first: at, last: at, source },
                        changed: true,
                        ended: false,
                    };
                } else {
                    self.refused += 1;
                }
                return;
            }
        }
        self.hold(Interval { address, device, first: at, last: at, source });
    }

    /// Takes in what an earlier run wrote down: no news, and no need of admission. Beyond half of the room nothing is
    /// taken, so that what comes later need not be forgotten for it.
    pub fn remember(&mut self, interval: Interval) {
        let Interval { address, device, .. } = interval;
        let known = self.holders.get(&address).map_or(&[][..], |holdings| holdings);
        let held = self.held.get(&device).copied().unwrap_or(0);
        let room = self.holders.len() < self.limit / 2
            && known.len() < HOLDERS
            && held < ADDRESSES_A_DEVICE / 2
            && known.iter().all(|h| h.interval.device != device);
        if device != DeviceId::OTHER && !address.is_unspecified() && room {
            *self.held.entry(device).or_default() += 1;
            self.holders.entry(address).or_default().push(Holding { interval, changed: false, ended: false });
        }
    }

    fn hold(&mut self, interval: Interval) {
        let held = self.held.entry(interval.device).or_default();
        if *held >= ADDRESSES_A_DEVICE || !self.admission.admit(interval.first) {
            self.refused += 1;
            return;
        }
        *held += 1;
        if self.holders.len() >= self.limit && !self.holders.contains_key(&interval.address) {
            self.forget_the_silent();
        }
        let holdings = self.holders.entry(interval.address).or_default();
        if holdings.len() >= HOLDERS
            && let Some(oldest) = (0..holdings.len()).min_by_key(|&i| holdings[i].interval.last)
        {
            let gone = holdings.swap_remove(oldest);
            let_go(&mut self.held, &mut self.closed, &gone);
        }
        holdings.push(Holding { interval, changed: true, ended: false });
    }

    /// Makes room for an eighth of the table in one pass, so that the next pass is far off.
    fn forget_the_silent(&mut self) {
        let newest = |holdings: &Vec<Holding>| holdings.iter().map(|h| h.interval.last).max();
        let mut ages: Vec<_> = self.holders.values().map(newest).collect();
        let keep_from = ages.len() / 8;
        let (_, &mut limit, _) = ages.select_nth_unstable(keep_from);
        let (held, closed) = (&mut self.held, &mut self.closed);
        let mut to_drop = keep_from + 1;
        self.holders.retain(|_, holdings| {
            let drop = to_drop > 0 && newest(holdings) <= limit;
            if drop {
                to_drop -= 1;
                holdings.iter().for_each(|h| let_go(held, closed, h));
            }
            !drop
        });
    }

    /// The clock was set: nobody can say how long an interval is that reaches over that.
    pub(crate) fn end_all(&mut self) {
        for holding in self.holders.values_mut().flatten() {
            holding.ended = true;
        }
    }

    /// The clock was off by `by` ever since `since`: sightings since then were that much later.
    pub(crate) fn shift(&mut self, since: Timestamp, by: Span) {
        for Holding { interval, .. } in self.holders.values_mut().flatten() {
            interval.shift(since, by);
        }
    }

    /// Whether ARP, NDP or DHCP bound `address` to `device`.
    #[must_use]
    pub fn is_bound(&self, address: IpAddr, device: DeviceId) -> bool {
        self.holders.get(&address).is_some_and(|holdings| {
            holdings.iter().any(|h| h.interval.device == device && h.interval.source > Source::Traffic)
        })
    }

    /// Who was seen with `address` last.
    #[must_use]
    pub fn holder(&self, address: IpAddr) -> Option<DeviceId> {
        let last = self.holders.get(&address)?.iter().max_by_key(|h| h.interval.last)?;
        Some(last.interval.device)
    }

    /// The intervals that began or grew since the last call, in a fixed order.
    pub fn take_changes(&mut self) -> Vec<Interval> {
        let mut changes = std::mem::take(&mut self.closed);
        for holding in self.holders.values_mut().flatten().filter(|h| h.changed) {
            holding.changed = false;
            changes.push(holding.interval);
        }
        changes.sort_unstable_by_key(|i| (i.first, i.address, i.device));
        changes
    }
}

fn let_go(held: &mut HashMap<DeviceId, u16, RandomState>, closed: &mut Vec<Interval>, holding: &Holding) {
    if let Some(count) = held.get_mut(&holding.interval.device) {
        *count = count.saturating_sub(1);
    }
    if holding.changed {
        closed.push(holding.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DeviceId = DeviceId(1);
    const B: DeviceId = DeviceId(2);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn intervals(book: &mut AddressBook) -> Vec<(u32, i64, i64)> {
        let seconds = |t: Timestamp| (t - at(0)).0 / 1_000_000;
        book.take_changes().iter().map(|i| (i.device.0, seconds(i.first), seconds(i.last))).collect()
    }

    #[test]
    fn a_lease_that_wanders_makes_one_interval_a_stay() {
        let (mut book, ip) = (AddressBook::default(), "192.168.1.50".parse().unwrap());
        for t in [0, 600, 1200] {
            book.observe(ip, A, Source::Traffic, at(t));
        }
        book.observe(ip, B, Source::Dhcp, at(2000));
        assert_eq!(book.holder(ip), Some(B));
        book.observe(ip, A, Source::Arp, at(4000));
        assert_eq!(intervals(&mut book), [(1, 0, 1200), (2, 2000, 2000), (1, 4000, 4000)]);
        book.observe(ip, A, Source::Arp, at(4100));
        assert_eq!(intervals(&mut book), [(1, 4000, 4100)], "what did not change is not told again");
    }

    #[test]
    fn two_devices_that_fight_for_an_address_do_not_flood_the_file() {
        let (mut book, ip) = (AddressBook::default(), "192.168.1.50".parse().unwrap());
        for t in 0..3000 {
            book.observe(ip, if t % 2 == 0 { A } else { B }, Source::Arp, at(t));
        }
        assert_eq!(intervals(&mut book), [(1, 0, 2998), (2, 1, 2999)]);
    }

    #[test]
    fn a_day_of_silence_or_a_clock_that_went_back_begins_anew() {
        let (mut book, ip) = (AddressBook::default(), "fe80::1".parse().unwrap());
        for t in [0, 86_400, 3 * 86_400, -50] {
            book.observe(ip, A, Source::Ndp, at(t));
        }
        assert_eq!(intervals(&mut book), [(1, -50, -50), (1, 0, 86_400), (1, 3 * 86_400, 3 * 86_400)]);
    }

    #[test]
    fn an_address_has_at_most_four_holders_and_the_one_silent_longest_goes() {
        let (mut book, ip) = (AddressBook::default(), "192.168.1.50".parse().unwrap());
        for n in 1..=10 {
            book.observe(ip, DeviceId(n), Source::Arp, at(i64::from(n) * 100));
        }
        assert_eq!(book.holders[&ip].len(), HOLDERS);
        assert!(book.is_bound(ip, DeviceId(7)) && !book.is_bound(ip, DeviceId(6)));
        assert_eq!(book.take_changes().len(), 10, "all were told");
    }

    #[test]
    fn only_arp_ndp_and_dhcp_bind() {
        let (mut book, ip) = (AddressBook::default(), "192.168.1.1".parse().unwrap());
        book.observe(ip, A, Source::Traffic, at(0));
        assert!(!book.is_bound(ip, A));
        book.observe(ip, A, Source::Arp, at(1));
        assert!(book.is_bound(ip, A) && !book.is_bound(ip, B));
    }

    #[test]
    fn what_an_earlier_run_knew_is_no_news_and_goes_on_where_it_was() {
        let (mut book, ip) = (AddressBook::default(), "192.168.1.1".parse().unwrap());
        let known =
            |device, address| Interval { address, device, first: at(0), last: at(60), source: Source::Arp };
        book.remember(known(A, ip));
        assert!(book.is_bound(ip, A) && intervals(&mut book).is_empty());
        book.observe(ip, A, Source::Traffic, at(600));
        assert_eq!(intervals(&mut book), [(1, 0, 600)]);
        book.remember(known(A, ip));
        assert_eq!(book.holder(ip), Some(A));
        assert!(intervals(&mut book).is_empty(), "what this run saw is not overwritten");
        for n in 0..1000_u32 {
            book.remember(known(B, IpAddr::V4((1 + n).into())));
        }
        assert_eq!((book.held[&B], book.refused), (ADDRESSES_A_DEVICE / 2, 0));
        book.observe(IpAddr::V4(5000.into()), B, Source::Arp, at(0));
        assert_eq!(intervals(&mut book), [(2, 0, 0)], "there is room for more");
    }

    #[test]
    fn the_table_is_bounded_a_device_and_in_all_and_what_is_forgotten_was_told() {
        let mut book = AddressBook::new(512);
        for n in 0..5000_u32 {
            // The time between lets the admission through.
            book.observe(IpAddr::V4(n.into()), DeviceId(1 + n % 40), Source::Arp, at(i64::from(n)));
        }
        assert!(book.holders.len() <= 512);
        assert_eq!(book.take_changes().len() as u64 + book.refused, 4999, "0.0.0.0 is nobody's");
        let mut greedy = AddressBook::default();
        for n in 1..1000_u32 {
            greedy.observe(IpAddr::V4(n.into()), A, Source::Arp, at(0));
        }
        assert_eq!(greedy.refused, 999 - 256);
    }
}
