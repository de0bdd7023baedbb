//! How much of what devices talk to is written down: the owner decides, for all of them or for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::registrable::registered;
use crate::addr::MacAddr;

/// How much of a name is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing: whom a device talks to has addresses only, and its questions are not counted.
    Nothing,
    /// The registrable domain: `example.org` of `cam.eu.example.org`.
    Domain,
    /// All of it.
    #[default]
    Full,
}

impl Level {
    /// What is kept of `name`.
    #[must_use]
    pub fn of(self, name: &str) -> Option<Arc<str>> {
        match self {
            Self::Nothing => None,
            Self::Domain => registered(name).map(Arc::from),
            Self::Full => Some(name.into()),
        }
    }
}

/// What the owner decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Of names that devices talk to and ask for.
    pub names: Level,
    /// The same for single devices.
    pub of_device: BTreeMap<MacAddr, Level>,
    /// Whether what devices say of themselves is kept.
    pub device_names: bool,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { names: Level::Full, of_device: BTreeMap::new(), device_names: true }
    }
}

impl Privacy {
    /// Whether nothing of names is left out.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.names == Level::Full && self.of_device.values().all(|level| *level == Level::Full)
    }

    /// How much is kept of what the device with this address talks to.
    #[must_use]
    pub fn level(&self, mac: Option<MacAddr>) -> Level {
        mac.and_then(|mac| self.of_device.get(&mac)).copied().unwrap_or(self.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_may_have_a_level_of_its_own() {
        let (bulb, phone) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let of_device = BTreeMap::from([(phone, Level::Nothing)]);
        let privacy = Privacy { names: Level::Domain, of_device, ..Privacy::default() };
        let kept = |mac| privacy.level(mac).of("cam.eu.example.co.uk");
        assert_eq!(kept(Some(bulb)).as_deref(), Some("example.co.uk"));
        assert_eq!(kept(None).as_deref(), Some("example.co.uk"));
        assert_eq!(kept(Some(phone)), None);
        for name in ["nas.local", "marias-phone.lan", "192.168.1.5", "diary"] {
            assert_eq!(privacy.level(None).of(name), None, "{name} has no registered domain");
        }
        assert_eq!(Level::Full.of("cam.example.org").as_deref(), Some("cam.example.org"));
    }
}
