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
/// Values of one source for one device that are taken at once; after them one a [`MINUTE`].
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
    /// New values that were not kept for want of room, or because they came too fast.
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
        let in_haste = count >= AT_ONCE && of_source().any(|said| (at - said.first).abs() < MINUTE);
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
