//! What devices say of themselves, remembered: each value with its source and when it was first and last said.
//!
//! The first values of a device are kept and what comes beyond a limit is counted, so that who changes its name a
//! thousand times costs no more than who has one. Nothing is forgotten within a run, and what is kept hangs on what was
//! observed alone, not on when changes are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::claim_source::ClaimSource;
use crate::device::DeviceId;
use crate::time::{MINUTE, Span, Timestamp};

/// Values of all devices.
pub const VALUES: usize = 16_384;
/// Values of one device.
pub const VALUES_A_DEVICE: usize = 32;
/// Values of one source for one device: a source that says much leaves room to the others.
pub const VALUES_A_SOURCE: usize = 12;
/// Names of one source for one device that are taken at once; after them one a [`MINUTE`]. What is no name is not held to it:
/// a device announces all its services in one message.
pub const AT_ONCE: usize = 3;
/// A value that is said again and again is told once in this time: each time is a row that the card must bear.
pub const RETOLD: Span = Span::from_secs(3600);

/// Something that a device said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who said it.
    pub device: DeviceId,
    /// How.
    pub source: ClaimSource,
    /// What: safe text of at most 256 characters.
    pub value: Arc<str>,
    /// First time heard.
    pub first: Timestamp,
    /// Last time heard.
    pub last: Timestamp,
}

impl Claim {
    /// Moves what lies at `since` or after it by `by`.
    pub fn shift(&mut self, since: Timestamp, by: Span) {
        self.first = self.first.shifted(since, by);
        self.last = self.last.shifted(since, by);
    }

    fn key(&self) -> (DeviceId, ClaimSource, &str) {
        (self.device, self.source, &self.value)
    }
}

#[derive(Debug)]
struct Said {
    source: ClaimSource,
    value: Arc<str>,
    first: Timestamp,
    last: Timestamp,
    /// First and last as they were told.
    told: Option<(Timestamp, Timestamp)>,
}

/// What devices said of themselves.
#[derive(Debug, Default)]
pub struct Claims {
    devices: BTreeMap<DeviceId, Vec<Said>>,
    values: usize,
    finished: bool,
    /// How often a value was not kept, for want of room or because it came too fast.
    pub refused: u64,
}

impl Claims {
    /// `device` said `value` of itself.
    pub fn observe(&mut self, device: DeviceId, source: ClaimSource, value: &str, at: Timestamp) {
        if device == DeviceId::OTHER || value.is_empty() {
            return;
        }
        let known = self.devices.get_mut(&device).map_or(&mut [][..], |said| said);
        if let Some(said) = known.iter_mut().find(|said| said.source == source && &*said.value == value) {
            said.first = said.first.min(at);
            said.last = said.last.max(at);
            return;
        }
        let of_source = || known.iter().filter(|said| said.source == source);
        let count = of_source().count();
        // Whichever way time went since the newest one.
        let in_haste = source.rank().is_some()
            && count >= AT_ONCE
            && of_source().any(|said| (at - said.first).abs() < MINUTE);
        if self.values >= VALUES || known.len() >= VALUES_A_DEVICE || count >= VALUES_A_SOURCE || in_haste {
            self.refused += 1;
            return;
        }
        self.values += 1;
        let said = Said { source, value: value.into(), first: at, last: at, told: None };
        self.devices.entry(device).or_default().push(said);
    }

    /// The values that are new, and those heard [`RETOLD`] or longer after they were told; after
    /// [`finish`](Self::finish) all that were heard since. In order of device, then of hearing.
    pub fn take_changes(&mut self) -> Vec<Claim> {
        let finished = std::mem::take(&mut self.finished);
        let mut changes = Vec::new();
        for (&device, said) in
            self.devices.iter_mut().flat_map(|(id, list)| list.iter_mut().map(move |s| (id, s)))
        {
            let due = said.told.is_none_or(|told| {
                said.last - told.1 >= RETOLD || (finished && told != (said.first, said.last))
            });
            if due {
                said.told = Some((said.first, said.last));
                let Said { source, ref value, first, last, .. } = *said;
                changes.push(Claim { device, source, value: value.clone(), first, last });
            }
        }
        changes
    }

    /// The capture is over: the next changes are all that is not told, so that the sum of what was told is the same
    /// whenever it was taken.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// What `device` said of itself, in order of hearing.
    pub fn of(&self, device: DeviceId) -> impl Iterator<Item = (ClaimSource, &str)> {
        self.devices.get(&device).into_iter().flatten().map(|said| (said.source, &*said.value))
    }

    /// How many values are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// The clock was set: what was heard at `since` or later was so much later.
    pub fn shift(&mut self, since: Timestamp, by: Span) {
        for said in self.devices.values_mut().flatten() {
            let moved =
                |(first, last): (Timestamp, Timestamp)| (first.shifted(since, by), last.shifted(since, by));
            (said.first, said.last) = moved((said.first, said.last));
            said.told = said.told.map(moved);
        }
    }
}

/// Takes the claims of a later batch into those that wait, sorted by device, source and value, of which there are none
/// twice. Beyond `limit` those that began last are dropped; returns how many.
pub fn merge(claims: &mut Vec<Claim>, later: Vec<Claim>, limit: usize) -> u64 {
    claims.extend(later);
    claims.sort_by(|a, b| a.key().cmp(&b.key()));
    claims.dedup_by(|later, claim| {
        let same = later.key() == claim.key();
        if same {
            claim.first = claim.first.min(later.first);
            claim.last = claim.last.max(later.last);
        }
        same
    });
    let excess = claims.len().saturating_sub(limit);
    if excess > 0 {
        claims.sort_by_key(|claim| claim.first);
        claims.truncate(limit);
        claims.sort_by(|a, b| a.key().cmp(&b.key()));
    }
    excess as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    const A: DeviceId = DeviceId(1);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    /// Device, source and value with first and last in seconds, as told.
    fn told(claims: &mut Claims) -> Vec<(u32, &'static str, String, i64, i64)> {
        let seconds = |t: Timestamp| (t - at(0)).0 / 1_000_000;
        let row = |c: Claim| {
            (c.device.0, c.source.as_str(), c.value.to_string(), seconds(c.first), seconds(c.last))
        };
        claims.take_changes().into_iter().map(row).collect()
    }

    #[test]
    fn a_value_is_told_when_new_then_once_an_hour_and_at_the_end() {
        let mut claims = Claims::default();
        let mut observe_and_tell = |secs| {
            claims.observe(A, ClaimSource::Dhcp, "pc", at(secs));
            told(&mut claims)
        };
        let row = |last| vec![(1, "dhcp", "pc".to_owned(), 0, last)];
        assert_eq!(observe_and_tell(0), row(0));
        assert_eq!(observe_and_tell(3599), []);
        assert_eq!(observe_and_tell(3600), row(3600));
        assert_eq!(observe_and_tell(3700), []);
        claims.finish();
        assert_eq!(told(&mut claims), row(3700));
        claims.finish();
        assert_eq!(told(&mut claims), [], "nothing is left to tell");
    }

    #[test]
    fn who_changes_its_name_a_thousand_times_keeps_the_first_ones() {
        let mut claims = Claims::default();
        for n in 0..1_000 {
            claims.observe(A, ClaimSource::Dhcp, &format!("name {n}"), at(n));
        }
        let starts: Vec<_> = told(&mut claims).into_iter().map(|row| row.3).collect();
        assert_eq!(
            starts,
            [0, 1, 2, 62, 122, 182, 242, 302, 362, 422, 482, 542],
            "three at once, then one a minute"
        );
        assert_eq!(claims.refused, 1_000 - 12);
        claims.observe(A, ClaimSource::Mdns, "other source", at(1_000));
        assert_eq!(claims.len(), 13, "a source that says much leaves room to others");
        (0..20).for_each(|n| claims.observe(A, ClaimSource::MdnsService, &format!("_x{n}._tcp"), at(1_000)));
        assert_eq!(claims.len(), 25, "services come all at once");
    }

    #[test]
    fn time_that_went_back_admits_again_after_a_minute() {
        let mut claims = Claims::default();
        for secs in [5_000, 5_001, 5_002, 4_990, 100, 90, 30] {
            claims.observe(A, ClaimSource::Dhcp, &format!("name {secs}"), at(secs));
        }
        let starts: Vec<_> = told(&mut claims).into_iter().map(|row| row.3).collect();
        assert_eq!((starts, claims.refused), (vec![5_000, 5_001, 5_002, 100, 30], 2));
    }

    #[test]
    fn a_device_has_32_values_and_all_together_16384_and_nobody_has_none() {
        let mut claims = Claims::default();
        let mut observe_all = |device| {
            for (n, source) in ClaimSource::ALL.iter().cycle().take(60).enumerate() {
                claims.observe(DeviceId(device), *source, &format!("value {n}"), at(0));
            }
            claims.len()
        };
        assert_eq!(observe_all(0), 0);
        assert_eq!(observe_all(1), VALUES_A_DEVICE);
        assert_eq!((2..600).map(observe_all).last(), Some(VALUES));
        claims.observe(A, ClaimSource::MdnsName, "value 0", at(9));
        claims.finish();
        assert_eq!(claims.take_changes()[0].last, at(9), "what is known goes on");
        assert_eq!(claims.refused, 60 * 599 - VALUES as u64);
    }

    #[test]
    fn what_a_device_said_is_found_in_the_order_of_hearing() {
        let mut claims = Claims::default();
        claims.observe(A, ClaimSource::Nbns, "PC", at(0));
        claims.observe(A, ClaimSource::Dhcp, "pc", at(0));
        claims.observe(A, ClaimSource::Dhcp, "", at(0));
        assert!(claims.of(A).eq([(ClaimSource::Nbns, "PC"), (ClaimSource::Dhcp, "pc")]));
        assert_eq!(claims.of(DeviceId(2)).count(), 0);
    }

    #[test]
    fn a_clock_that_is_set_moves_what_was_heard_and_tells_nothing_again() {
        let mut claims = Claims::default();
        claims.observe(A, ClaimSource::Dhcp, "old", at(0));
        claims.observe(A, ClaimSource::Dhcp, "new", at(100));
        let mut before = claims.take_changes();
        claims.shift(at(50), Span::from_secs(5_000));
        claims.finish();
        assert_eq!(claims.take_changes(), []);
        claims.observe(A, ClaimSource::Dhcp, "new", at(5_101));
        claims.finish();
        assert_eq!(told(&mut claims), [(1, "dhcp", "new".to_owned(), 5_100, 5_101)]);
        before.iter_mut().for_each(|claim| claim.shift(at(50), Span::from_secs(5_000)));
        assert_eq!([before[0].first, before[1].first, before[1].last], [at(0), at(5_100), at(5_100)]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Observe { device: u32, source: usize, value: u8, wait: i64 },
        Take,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let wait = prop_oneof![4 => 0..20_i64, 3 => 50..70_i64, 1 => 3_000..4_000_i64, 1 => -100..0_i64];
        // Few of one source, so that every limit but the last is reached.
        let source = prop_oneof![2 => Just(0_usize), 2 => 0..20_usize];
        let observe = (0..3_u32, source, 0..30_u8, wait)
            .prop_map(|(device, source, value, wait)| Step::Observe { device, source, value, wait });
        prop::collection::vec(prop_oneof![9 => observe, 1 => Just(Step::Take)], 0..400)
    }

    type Row = (u32, ClaimSource, String, Timestamp, Timestamp);

    /// The rules as they are written down, over one plain list.
    fn model(steps: &[Step]) -> (Vec<Row>, u64) {
        let (mut rows, mut refused, mut now) = (Vec::<Row>::new(), 0, at(0));
        for step in steps {
            let Step::Observe { device, source, value, wait } = *step else { continue };
            now = now + Span::from_secs(wait);
            let (source, value) = (ClaimSource::ALL[source], format!("value {value}"));
            if device == 0 {
                continue;
            }
            if let Some(row) = rows.iter_mut().find(|row| (row.0, row.1, &row.2) == (device, source, &value))
            {
                (row.3, row.4) = (row.3.min(now), row.4.max(now));
                continue;
            }
            let of_device = rows.iter().filter(|row| row.0 == device).count();
            let same: Vec<_> = rows.iter().filter(|row| (row.0, row.1) == (device, source)).collect();
            let in_haste = source.rank().is_some()
                && same.len() >= 3
                && same.iter().any(|row| (now - row.3).0.abs() < 60_000_000);
            if of_device == 32 || same.len() == 12 || in_haste {
                refused += 1;
            } else {
                rows.push((device, source, value, now, now));
            }
        }
        rows.sort();
        (rows, refused)
    }

    fn feed(claims: &mut Claims, steps: &[Step]) -> Vec<Vec<Claim>> {
        let (mut taken, mut now) = (Vec::new(), at(0));
        for step in steps {
            match *step {
                Step::Take => taken.push(claims.take_changes()),
                Step::Observe { device, source, value, wait } => {
                    now = now + Span::from_secs(wait);
                    let value = format!("value {value}");
                    claims.observe(DeviceId(device), ClaimSource::ALL[source], &value, now);
                }
            }
        }
        claims.finish();
        taken.push(claims.take_changes());
        taken
    }

    fn rows(claims: &[Claim]) -> Vec<Row> {
        claims.iter().map(|c| (c.device.0, c.source, c.value.to_string(), c.first, c.last)).collect()
    }

    proptest! {
        #[test]
        fn what_was_told_in_the_end_is_what_was_said_whenever_it_was_taken_and_merged(
            steps in steps(),
            order in prop::collection::vec(any::<Index>(), 1..9),
        ) {
            let mut claims = Claims::default();
            let mut taken = feed(&mut claims, &steps);
            for (n, index) in order.iter().cycle().enumerate() {
                if taken.len() == 1 {
                    break;
                }
                prop_assert!(n < 1_000);
                let place = index.index(taken.len() - 1);
                let later = taken.remove(place + 1);
                prop_assert_eq!(merge(&mut taken[place], later, usize::MAX), 0);
            }
            let (expected, refused) = model(&steps);
            prop_assert_eq!(claims.refused, refused);
            let mut in_order = rows(&taken[0]);
            in_order.sort();
            prop_assert_eq!(in_order, expected);
        }

        #[test]
        fn a_value_is_told_at_most_once_an_hour_before_the_end(steps in steps()) {
            let mut claims = Claims::default();
            let mut taken = feed(&mut claims, &steps);
            taken.pop();
            let mut all: Vec<_> = taken.iter().flat_map(|claims| rows(claims)).collect();
            all.sort_by(|a, b| (a.0, a.1, &a.2, a.4).cmp(&(b.0, b.1, &b.2, b.4)));
            for pair in all.windows(2) {
                let same = (pair[0].0, pair[0].1, &pair[0].2) == (pair[1].0, pair[1].1, &pair[1].2);
                prop_assert!(!same || pair[1].4 - pair[0].4 >= RETOLD, "{:?}", pair);
            }
        }

        #[test]
        fn beyond_the_limit_those_that_began_last_are_dropped_and_counted(steps in steps(), limit in 0..20_usize) {
            let (mut all, mut few) = (Vec::new(), Vec::new());
            let taken = feed(&mut Claims::default(), &steps);
            let later: Vec<_> = taken.concat();
            merge(&mut all, later.clone(), usize::MAX);
            let lost = merge(&mut few, later, limit);
            prop_assert_eq!(few.len() as u64 + lost, all.len() as u64);
            prop_assert!(few.len() <= limit);
            prop_assert!(few.is_sorted_by(|a, b| a.key() < b.key()));
            let newest = few.iter().map(|claim| claim.first).max();
            let dropped = all.iter().filter(|claim| !few.contains(claim));
            prop_assert!(limit == 0 || dropped.map(|claim| claim.first).all(|first| Some(first) >= newest));
        }
    }
}
