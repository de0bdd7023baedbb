//! Names that stations announce for their own addresses (RFC 6762): what a peer on the LAN is called.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::time::{Span, Timestamp};

/// Addresses whose name is known; the one that was announced longest ago goes first.
pub const ADDRESSES: usize = 1_024;
/// How long a name is believed after it was announced last; responders repeat themselves far more often.
const VALID: Span = Span::from_secs(24 * 3_600);

/// The latest name of each address.
#[derive(Debug, Default)]
pub struct Announced {
    names: HashMap<IpAddr, (Arc<str>, Timestamp), RandomState>,
    /// The same addresses by when they were announced last: a packet may bring many, each of which makes another one go.
    ages: BTreeSet<(Timestamp, IpAddr)>,
    /// Addresses whose name was forgotten for want of room.
    pub forgotten: u64,
}

impl Announced {
    /// `address` was announced under `name` by whoever has it.
    pub fn observe(&mut self, address: IpAddr, name: &str, at: Timestamp) {
        if let Some((known, seen)) = self.names.get_mut(&address) {
            if at > *seen {
                self.ages.remove(&(*seen, address));
                self.ages.insert((at, address));
                *seen = at;
            }
            if **known != *name {
                *known = name.into();
            }
            return;
        }
        if self.names.len() >= ADDRESSES
            && let Some((_, oldest)) = self.ages.pop_first()
        {
            self.names.remove(&oldest);
            self.forgotten += 1;
        }
        self.names.insert(address, (name.into(), at));
        self.ages.insert((at, address));
    }

    /// What `address` is called at `at`.
    #[must_use]
    pub fn name(&self, address: IpAddr, at: Timestamp) -> Option<Arc<str>> {
        let (name, seen) = self.names.get(&address)?;
        (at - *seen <= VALID).then(|| name.clone())
    }

    /// The clock was set by `by`.
    pub(crate) fn shift(&mut self, by: Span) {
        for (_, seen) in self.names.values_mut() {
            *seen = (*seen + by).clamped();
        }
        self.ages = self.names.iter().map(|(address, (_, seen))| (*seen, *address)).collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn of_too_many_addresses_the_one_goes_that_was_announced_longest_ago(
            told in prop::collection::vec((0..1_300_u32, -5..40_i64), 3_000),
            shift in 0..3_000_usize,
        ) {
            let mut announced = Announced::default();
            // Address and time in any order: what is looked for is looked for among all of them.
            let mut model: Vec<(Timestamp, IpAddr)> = Vec::new();
            let mut at = Timestamp::from_secs(1_000);
            for (n, (address, after)) in told.into_iter().enumerate() {
                at = at + Span::from_secs(after);
                let address = IpAddr::V4(address.into());
                announced.observe(address, "x.local", at);
                if let Some(known) = model.iter_mut().find(|(_, known)| *known == address) {
                    known.0 = known.0.max(at);
                } else {
                    if model.len() >= ADDRESSES {
                        let (oldest, _) = model.iter().enumerate().min_by_key(|(_, known)| **known).unwrap();
                        model.swap_remove(oldest);
                    }
                    model.push((at, address));
                }
                if n == shift {
                    let by = Span::from_secs(-3_600);
                    announced.shift(by);
                    for (seen, _) in &mut model {
                        *seen = (*seen + by).clamped();
                    }
                }
            }
            model.sort();
            let mut known: Vec<_> = announced.names.iter().map(|(of, (_, seen))| (*seen, *of)).collect();
            known.sort();
            prop_assert_eq!(&known, &model);
            prop_assert!(announced.ages.iter().eq(&model));
        }
    }

    #[test]
    fn an_address_has_the_name_that_was_announced_last_for_a_day() {
        let mut announced = Announced::default();
        let address = IpAddr::from([192, 168, 1, 7]);
        announced.observe(address, "bulb.local", Timestamp::from_secs(5));
        announced.observe(address, "lamp.local", Timestamp::from_secs(9));
        let name = |announced: &Announced, second| announced.name(address, Timestamp::from_secs(second));
        assert_eq!(name(&announced, 10).as_deref(), Some("lamp.local"));
        assert_eq!(name(&announced, 9 + 24 * 3_600).as_deref(), Some("lamp.local"));
        assert_eq!(name(&announced, 10 + 24 * 3_600), None);
        for n in 0..u32::try_from(ADDRESSES).unwrap() {
            announced.observe(IpAddr::V4(n.into()), "x.local", Timestamp::from_secs(20));
        }
        assert_eq!((name(&announced, 21), announced.names.len(), announced.forgotten), (None, ADDRESSES, 1));
    }
}
