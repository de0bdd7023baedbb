//! Domains with any number of names: of those with a name for each user, picture or question, rows get one.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::Name;
use super::registrable::folded;
use crate::device::DeviceId;
use crate::pipeline::LATE;
use crate::time::{Span, Timestamp};

/// Names under one domain that a device has on rows of a day.
pub const NAMES: usize = 256;
/// Names of all devices that are remembered for that.
pub const REMEMBERED: usize = 32_768;

const DAY: Span = Span::from_secs(86_400);
/// What a name folds to whose domain has no room either.
const STAR: &str = "*";

type Names = HashSet<Arc<str>, RandomState>;

/// The names that each device has on the rows of a day of UTC, by domain.
#[derive(Debug, Default)]
pub struct Crowds {
    day: Timestamp,
    /// Of a device and a domain.
    names: HashMap<(DeviceId, Arc<str>), Names, RandomState>,
    remembered: usize,
    /// Names that rows did not get.
    pub folded: u64,
}

impl Crowds {
    /// What rows of `device` call `name`: itself, or `*.domain` when the domain has enough names that day. In usage alone:
    /// flow records have all names.
    pub fn row_name(&mut self, device: DeviceId, name: &Name, at: Timestamp) -> Name {
        let day = at.floor(DAY);
        if day > self.day || at < self.day - LATE {
            self.names.clear();
            (self.day, self.remembered) = (day, 0);
        }
        let key = (device, Arc::<str>::from(folded(&name.text)));
        let known = self.names.get(&key);
        if known.is_some_and(|names| names.contains(&name.text)) {
            return name.clone();
        }
        if known.is_none_or(|names| names.len() < NAMES) && self.remembered < REMEMBERED {
            self.names.entry(key).or_default().insert(name.text.clone());
            self.remembered += 1;
            return name.clone();
        }
        self.folded += 1;
        // Domains are made up as easily as names.
        Name::new(if known.is_some() { key.1 } else { STAR.into() }, name.source)
    }

    /// The clock was set: what comes is of another day, as it may be.
    pub(crate) fn step_back(&mut self, at: Timestamp) {
        self.day = self.day.min(at.floor(DAY));
    }
}

#[cfg(test)]
mod tests {
    use super::super::NameSource;
    use super::*;

    fn name(text: String) -> Name {
        Name::new(text, NameSource::Sni)
    }

    #[test]
    fn the_257th_name_of_a_domain_is_the_domains_own_until_the_day_is_over() {
        let (mut crowds, at) = (Crowds::default(), Timestamp::from_secs(86_400));
        let mut row = |device, n: usize, at| {
            let row = crowds.row_name(DeviceId(device), &name(format!("u{n}.cdn.example.org")), at);
            row.text.to_string()
        };
        for n in 0..NAMES {
            assert_eq!(row(1, n, at), format!("u{n}.cdn.example.org"));
        }
        assert_eq!(row(1, NAMES, at), "*.example.org");
        assert_eq!(row(1, 7, at), "u7.cdn.example.org", "it has rows already");
        assert_eq!(row(2, NAMES, at), "u256.cdn.example.org", "another device");
        let next = Timestamp::from_secs(2 * 86_400);
        assert_eq!(row(1, 999, next), "u999.cdn.example.org");
        for n in 0..NAMES {
            row(1, n, next);
        }
        assert_eq!(row(1, 500, next - Span::from_secs(1)), "*.example.org", "a late frame is of the new day");
        assert_eq!(row(1, 501, at), "u501.cdn.example.org", "the clock went back");
        assert_eq!(crowds.folded, 3);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut crowds = Crowds::default();
        for n in 0..REMEMBERED + 10 {
            crowds.row_name(DeviceId(1), &name(format!("a.d{n}.org")), Timestamp(0));
        }
        assert_eq!((crowds.remembered, crowds.folded), (REMEMBERED, 10));
        assert_eq!(
            crowds.names.len(),
            REMEMBERED,
            "domains without a name are no more remembered than names"
        );
    }

    #[test]
    fn a_domain_that_comes_when_all_room_is_taken_has_no_rows_of_its_own() {
        let mut crowds = Crowds::default();
        for n in 0..REMEMBERED {
            crowds.row_name(DeviceId(1), &name(format!("a.d{n}.org")), Timestamp(0));
        }
        let mut row =
            |text: &str| crowds.row_name(DeviceId(1), &name(text.into()), Timestamp(0)).text.to_string();
        assert_eq!(row("a.new.org"), "*");
        assert_eq!(row("b.d7.org"), "*.d7.org", "one that has rows already");
        assert_eq!(row("a.d7.org"), "a.d7.org");
    }
}
