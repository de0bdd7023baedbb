//! The kinds of values that a key can have: how each is read, and within which limits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::names::privacy::Level as Privacy;
use lanscribe_core::time::Span;
use toml::de::DeValue;
use tracing::Level;

use super::check::{NAME, check_filter, check_interface, check_name, check_network};
use super::daemon::Interfaces;
use super::reader::{Section, is_a, quoted};
use crate::store::Size;
use crate::text::is_hidden;

/// Devices that can be named, or have a level of privacy.
const LABELS: usize = 1024;
/// Bytes of a filter: libpcap's compiler takes its time with long ones.
const FILTER: usize = 4096;
/// Interfaces that can be captured at a time; each has a ring of its own.
const INTERFACES: usize = 16;
/// Bytes of a path.
pub(super) const PATH: usize = 4095;

/// What a number may be followed by, and what it then counts.
const UNITS: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];
/// Least and most bytes that the database may be held to: below, the log beside it would be most of it.
const FILE_SIZE: (u64, u64) = (16_000_000, 1_000_000_000_000);

impl Section<'_, '_> {
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.take(key, "true or false", |v| v.as_bool().ok_or_else(|| is_a(v))).unwrap_or(default)
    }

    pub(super) fn count(&mut self, key: &'static str, default: usize, least: usize, most: usize) -> usize {
        self.take(key, &format!("a whole number from {least} to {most}"), |v| {
            let number = v.as_integer().ok_or_else(|| is_a(v))?;
            let count = usize::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| format!("{number} is out of range"))?;
            if (least..=most).contains(&count) { Ok(count) } else { Err(format!("{count} is out of range")) }
        })
        .unwrap_or(default)
    }

    /// A length of time, like "90s" or "5m".
    pub(super) fn span(&mut self, key: &'static str, default: Span, least: Span, most: Span) -> Span {
        let expected = format!(
            "a time with its unit, like \"90s\" or \"5m\", from {} to {}",
            span_text(least),
            span_text(most)
        );
        self.take(key, &expected, |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let duration: SignedDuration =
                text.parse().map_err(|_| format!("{} is no time", quoted(text)))?;
            let span = Span(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
            if (least..=most).contains(&span) { Ok(span) } else { Err(out_of_range(text)) }
        })
        .unwrap_or(default)
    }

    /// A number of days, like "14d".
    pub(super) fn days(&mut self, key: &'static str, default: u32, most: u32) -> u32 {
        self.take(key, &format!("a number of days, like \"14d\", from 1d to {most}d"), |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let no_days = || format!("{} is no number of days", quoted(text));
            let days = text.strip_suffix("days").or(text.strip_suffix('d')).ok_or_else(no_days)?;
            let days: u32 = days.trim_end().parse().map_err(|_| no_days())?;
            if (1..=most).contains(&days) { Ok(days) } else { Err(out_of_range(text)) }
        })
        .unwrap_or(default)
    }

    /// A number of bytes, like "8MiB".
    pub(super) fn size(&mut self, key: &'static str, default: usize, least: usize, most: usize) -> usize {
        let (least, most) = (least as u64, most as u64);
        let expected = format!(
            "a size with its unit (kB, KiB, MB, MiB, GB or GiB), like \"8MiB\", from {} to {}",
            size_text(least),
            size_text(most)
        );
        self.take(key, &expected, |v| {
            let bytes = size(v.as_str().ok_or_else(|| is_a(v))?, least, most)?;
            usize::try_from(bytes).map_err(|_| "is more than this machine can have".to_owned())
        })
        .unwrap_or(default)
    }

    /// How large the database may get.
    pub(super) fn file_size(&mut self, key: &'static str) -> Size {
        let (least, most) = FILE_SIZE;
        let expected = format!(
            "\"auto\", \"none\", or a size with its unit, like \"4GB\", from {} to {}",
            size_text(least),
            size_text(most)
        );
        self.take(key, &expected, |v| match v.as_str().ok_or_else(|| is_a(v))? {
            "auto" => Ok(Size::Auto),
            "none" => Ok(Size::Unlimited),
            text => size(text, least, most).map(Size::Bytes),
        })
        .unwrap_or_default()
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let text =
            self.take(key, "a text in quotes", |v| v.as_str().map(str::to_owned).ok_or_else(|| is_a(v)));
        text.filter(|text| !text.is_empty())
    }

    /// A name that the owner gives; none if it is empty.
    pub(super) fn name(&mut self, key: &'static str) -> Option<String> {
        let expected = format!("at most {NAME} characters in quotes");
        self.take(key, &expected, |v| match v.as_str().ok_or_else(|| is_a(v))?.trim() {
            "" => Ok(None),
            text => check_name(text).map(Some),
        })
        .flatten()
    }

    /// The full path of a file, of at most `most` bytes.
    pub(super) fn path(&mut self, key: &'static str, default: PathBuf, most: usize) -> PathBuf {
        let expected = format!("the full path of a file, of at most {most} bytes, like {}", shown(&default));
        self.take(key, &expected, |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let path = Path::new(text);
            let wrong = if !path.is_absolute() {
                "does not begin with /"
            } else if path.file_name().is_none() || text.ends_with(['/', '.']) {
                "names a folder"
            } else if text.len() > most {
                "is too long"
            } else if text.chars().any(is_hidden) {
                "has hidden characters"
            } else {
                return Ok(path.to_owned());
            };
            Err(format!("{} {wrong}", quoted(text)))
        })
        .unwrap_or(default)
    }

    /// An IANA time zone; none if it is empty.
    pub(super) fn time_zone(&mut self, key: &'static str) -> Option<TimeZone> {
        self.take(key, "the name of a time zone, like \"Europe/Berlin\"", |v| {
            match v.as_str().ok_or_else(|| is_a(v))? {
                "" => Ok(None),
                text => TimeZone::get(text)
                    .map(Some)
                    .map_err(|_| format!("{} is not known on this machine", quoted(text))),
            }
        })
        .flatten()
    }

    pub(super) fn networks(&mut self, key: &'static str) -> Vec<Prefix> {
        let expected = "a list of networks, like [\"192.168.1.0/24\", \"2001:db8::/64\"]";
        self.list(key, 0, expected, |text, before: &[(usize, Prefix)]| {
            let said = |what: &str| format!("{} {what}", quoted(text));
            let network: Prefix = text.parse().map_err(|e| said(&format!("is {e}, without host bits")))?;
            check_network(network).map_err(|what| said(&what))?;
            for (line, other) in before {
                if *other == network {
                    return Err(said(&format!("is in the list already (line {line})")));
                }
                if other.contains(network.address()) && other.length() <= network.length() {
                    return Err(said(&format!("lies within \"{other}\" (line {line})")));
                }
                if network.contains(other.address()) {
                    return Err(said(&format!("holds \"{other}\" (line {line}) too")));
                }
            }
            Ok(network)
        })
        .unwrap_or_default()
    }

    /// "auto", the name of an interface, or a list of names.
    pub(super) fn interfaces(&mut self, key: &'static str) -> Interfaces {
        let expected =
            "\"auto\", the name of an interface, or a list of different names, like [\"eth0\", \"wlan0\"]";
        if self.peek(key) == Some("auto") {
            self.text(key);
            return Interfaces::Auto;
        }
        let names = self.list(key, 1, expected, |text, before: &[(usize, String)]| {
            let said = |what: &str| Err(format!("{} {what}", quoted(text)));
            if text == "auto" {
                return said("stands for itself, not in a list");
            }
            if let Some((line, _)) = before.iter().find(|(_, name)| name == text) {
                return said(&format!("is in the list already (line {line})"));
            }
            if let Some((line, other)) = before.iter().find(|(_, name)| name == "any" || text == "any") {
                return said(&format!(
                    "beside \"{other}\" (line {line}): \"any\" is all of them, each frame would count twice"
                ));
            }
            if before.len() >= INTERFACES {
                return said(&format!("is one too many: at most {INTERFACES}"));
            }
            check_interface(text).map_or_else(|what| said(&what), |()| Ok(text.to_owned()))
        });
        names.map_or(Interfaces::Auto, Interfaces::Named)
    }

    /// A filter in the language of pcap-filter(7); none if it is empty.
    pub(super) fn filter(&mut self, key: &'static str) -> Option<String> {
        let expected =
            format!("a filter as in pcap-filter(7), of at most {FILTER} bytes, like \"not port 22\"");
        self.take(key, &expected, |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            if text.trim().is_empty() {
                return Ok(None);
            }
            if text.len() > FILTER {
                return Err(format!("is {} bytes long", text.len()));
            }
            check_filter(text)
                .map(|()| Some(text.to_owned()))
                .map_err(|e| format!("{}: libpcap says: {e}", quoted(text)))
        })
        .flatten()
    }

    pub(super) fn level(&mut self, key: &'static str, default: Level) -> Level {
        self.take(key, "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"", |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
            levels
                .into_iter()
                .find(|level| level_text(*level) == text)
                .ok_or_else(|| format!("{} is no level", quoted(text)))
        })
        .unwrap_or(default)
    }

    /// Names by MAC address: each key of the section is one.
    pub(super) fn labels(&mut self) -> BTreeMap<MacAddr, String> {
        let expected = format!("a name of 1 to {NAME} characters in quotes, like \"Kitchen lamp\"");
        self.by_mac(["named", "name"], &expected, check_name)
    }

    /// How much of names is written down.
    pub(super) fn privacy_level(&mut self, key: &'static str, default: Privacy) -> Privacy {
        let read = |value: &DeValue<'_>| value.as_str().ok_or_else(|| is_a(value)).and_then(privacy_level);
        self.take(key, &privacy_level_expected(), read).unwrap_or(default)
    }

    /// The same by MAC address: each key of the section is one.
    pub(super) fn privacy_levels(&mut self) -> BTreeMap<MacAddr, Privacy> {
        self.by_mac(["set", "level"], &privacy_level_expected(), privacy_level)
    }

    /// Something by MAC address, that `read` makes sense of; what was done with it, and what it is called, are `words`.
    fn by_mac<T>(
        &mut self,
        words: [&str; 2],
        expected: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> BTreeMap<MacAddr, T> {
        let [done, what] = words;
        let mut found: BTreeMap<MacAddr, (usize, T)> = BTreeMap::new();
        for (line, key, value) in self.rest() {
            let entry = mac_key(&key, &value, what).and_then(|mac| {
                let read = value.as_str().ok_or_else(|| is_a(&value)).and_then(&read);
                Ok((mac, read.map_err(|found| format!("{found}; expected {expected}"))?))
            });
            match entry {
                Err(wrong) => self.wrong(line, &key, &wrong),
                Ok((mac, _)) if found.contains_key(&mac) => {
                    let first = found[&mac].0;
                    let said = format!("is {done} already, on line {first}; expected one {what} for a MAC");
                    self.wrong(line, &key, &said);
                }
                Ok(_) if found.len() == LABELS => {
                    self.wrong(line, &key, &format!("is one too many; expected at most {LABELS} {what}s"));
                }
                Ok((mac, entry)) => {
                    found.insert(mac, (line, entry));
                }
            }
        }
        found.into_iter().map(|(mac, (_, entry))| (mac, entry)).collect()
    }
}

/// The MAC address that a key is, of a device that has a `what`.
fn mac_key(key: &str, value: &DeValue<'_>, what: &str) -> Result<MacAddr, String> {
    if value.is_table() {
        // 0200.0000.0001 without quotes is a table in a table.
        return Err(format!(
            "is a table; expected a MAC address, with dots or colons only in quotes, and a {what}"
        ));
    }
    let mac: MacAddr = key.parse().map_err(|e| format!("is {e}"))?;
    if !mac.is_station() {
        return Err("is an address that no device has; expected the MAC of one".to_owned());
    }
    Ok(mac)
}

/// The levels of privacy as they are written in the file.
const PRIVACY_LEVELS: [(&str, Privacy); 3] =
    [("full", Privacy::Full), ("domain", Privacy::Domain), ("nothing", Privacy::Nothing)];

fn privacy_level(text: &str) -> Result<Privacy, String> {
    let found = PRIVACY_LEVELS.iter().find(|(name, _)| *name == text);
    found.map(|(_, level)| *level).ok_or_else(|| format!("{} is no level", quoted(text)))
}

fn privacy_level_expected() -> String {
    let [first, second, third] = PRIVACY_LEVELS.map(|(name, _)| name);
    format!("\"{first}\", \"{second}\" or \"{third}\"")
}

/// A level of privacy as it is written in the file.
pub(super) fn privacy_level_text(level: Privacy) -> &'static str {
    PRIVACY_LEVELS.iter().find(|(_, known)| *known == level).map_or("full", |(name, _)| name)
}

fn out_of_range(text: &str) -> String {
    format!("{} is out of range", quoted(text))
}

/// A length of time as it is written in the file.
pub(super) fn span_text(span: Span) -> String {
    format!("{:#}", SignedDuration::from_micros(span.0))
}

/// The bytes of a size with its unit.
fn size(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let no_size = || format!("{} is no size", quoted(text));
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), unit)))
        .ok_or_else(no_size)?;
    let number: u64 = number.parse().map_err(|_| no_size())?;
    let bytes = number.saturating_mul(*unit);
    if (least..=most).contains(&bytes) { Ok(bytes) } else { Err(out_of_range(text)) }
}

/// How large the database may get, as it is written in the file.
pub(super) fn file_size_text(size: Size) -> String {
    match size {
        Size::Auto => "auto".to_owned(),
        Size::Unlimited => "none".to_owned(),
        Size::Bytes(bytes) => size_text(bytes),
    }
}

/// A size as it is written in the file, in the largest unit in which it is whole.
pub(super) fn size_text(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A level as it is written in the file.
pub(super) fn level_text(level: Level) -> String {
    level.as_str().to_ascii_lowercase()
}

/// A path in quotes.
pub(super) fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
