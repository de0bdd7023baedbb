//! What a device is, guessed from what it says of itself: one table of rules, the first that matches wins.
//!
//! Only what is certain: a rule names what hardly anything else says. Who says nothing of the kind has no type.

use super::claim_source::ClaimSource;

/// What a device is, and the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As `printer`.
    pub kind: &'static str,
    /// As `mdns _ipp`.
    pub rule: &'static str,
}

/// What a value must be, in whatever case.
#[derive(Clone, Copy, Debug)]
enum Test {
    /// This text.
    Is(&'static str),
    /// This text and anything after it.
    Begins(&'static str),
    /// This text somewhere in it.
    Holds(&'static str),
}

use ClaimSource as Of;
use Test::{Begins, Holds, Is};

/// Rule, source, test, kind. Models and categories come before services, for they say more.
const RULES: &[(&str, ClaimSource, Test, &str)] = &[
    ("hap category 5", Of::HapCategory, Is("5"), "light"),
    ("hap category 7", Of::HapCategory, Is("7"), "plug"),
    ("hap category 2", Of::HapCategory, Is("2"), "hub"),
    ("hap category 9", Of::HapCategory, Is("9"), "thermostat"),
    ("hap category 17", Of::HapCategory, Is("17"), "camera"),
    ("mdns model Chromecast", Of::MdnsModel, Begins("Chromecast"), "tv"),
    ("mdns _ipp", Of::MdnsService, Is("_ipp._tcp"), "printer"),
    ("dhcp vendor Android", Of::DhcpVendor, Begins("android-dhcp-"), "phone"),
    ("ssdp hue bridge", Of::SsdpType, Is("hue-bridge"), "hub"),
    ("ssdp server Sonos", Of::Ssdp, Holds("Sonos/"), "speaker"),
];

/// What the device is that makes these `claims`, by the first rule of the table that one of them matches; `None` where no
/// rule is sure.
pub fn kind_of<'a>(claims: impl IntoIterator<Item = (ClaimSource, &'a str)>) -> Option<Kind> {
    let rule_of = |(source, value): (ClaimSource, &str)| {
        RULES.iter().position(|(_, of, test, _)| *of == source && test.matches(value))
    };
    let (rule, .., kind) = RULES.get(claims.into_iter().filter_map(rule_of).min()?)?;
    Some(Kind { kind, rule })
}

impl Test {
    fn matches(self, value: &str) -> bool {
        let begins = |at: &[u8], text: &str| {
            at.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
        };
        match self {
            Is(text) => value.eq_ignore_ascii_case(text),
            Begins(text) => begins(value.as_bytes(), text),
            Holds(text) => value.as_bytes().windows(text.len()).any(|at| begins(at, text)),
        }
    }
}
