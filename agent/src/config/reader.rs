//! A TOML file read key by key, so that everything wrong with it is said at once: line, key, and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use lanscribe_core::addr::Prefix;
use lanscribe_core::time::Span;
use toml::de::{DeTable, DeValue};

/// Why a configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// Something in it is wrong; one line a mistake.
    #[error("{0}")]
    Wrong(Problems),
}

/// Everything that is wrong with a file, in order of lines.
#[derive(Debug)]
pub(crate) struct Problems {
    path: PathBuf,
    list: Vec<(usize, String)>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (line, what)) in self.list.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{line}: {what}", self.path.display())?;
        }
        Ok(())
    }
}

/// A file that is being read.
pub(super) struct Document<'i> {
    text: &'i str,
    root: DeTable<'i>,
    known: Vec<&'static str>,
    problems: Problems,
}

impl<'i> Document<'i> {
    pub(super) fn parse(path: &Path, text: &'i str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut problems = Problems { path: path.to_owned(), list: Vec::new() };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            problems.list.push((line(text, at), format!("not TOML: {}", error.message())));
        }
        Self { text, root: root.into_inner(), known: Vec::new(), problems }
    }

    /// The table `[name]`, empty if it is not there.
    pub(super) fn section<'d>(&'d mut self, name: &'static str) -> Section<'d, 'i> {
        self.known.push(name);
        let mut table = DeTable::new();
        if let Some(value) = self.root.remove(name) {
            let at = line(self.text, value.span().start);
            match value.into_inner() {
                DeValue::Table(found) => table = found,
                other => self.wrong(
                    at,
                    name,
                    &format!("is a {}, but should be a section: [{name}]", other.type_str()),
                ),
            }
        }
        Section { document: self, name, table, known: Vec::new() }
    }

    fn wrong(&mut self, line: usize, key: &str, what: &str) {
        self.problems.list.push((line, format!("{key}: {what}")));
    }

    /// The end: what is left over was not known.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        let left: Vec<_> = self
            .root
            .keys()
            .map(|key| (line(self.text, key.span().start), key.get_ref().to_string()))
            .collect();
        for (at, key) in left {
            let known = self.known.join("], [");
            self.wrong(at, &key, &format!("unknown section; known are [{known}]"));
        }
        self.problems.list.sort();
        if self.problems.list.is_empty() { Ok(()) } else { Err(ConfigError::Wrong(self.problems)) }
    }
}

fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}

/// A table of the file; each key is taken once.
pub(super) struct Section<'d, 'i> {
    document: &'d mut Document<'i>,
    name: &'static str,
    table: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'i> Section<'_, 'i> {
    /// Takes `key` and has `read` make sense of it; `expected` says what would be right.
    fn take<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(found) => {
                let at = line(self.document.text, value.span().start);
                self.document.wrong(
                    at,
                    &format!("{}.{key}", self.name),
                    &format!("{found}; expected {expected}"),
                );
                None
            }
        }
    }

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
        let show = |span: Span| format!("{:#}", SignedDuration::from_micros(span.0));
        let expected =
            format!("a time with its unit, like \"90s\" or \"5m\", from {} to {}", show(least), show(most));
        self.take(key, &expected, |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let duration: SignedDuration = text.parse().map_err(|_| format!("\"{text}\" is no time"))?;
            let span = Span(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
            if (least..=most).contains(&span) { Ok(span) } else { Err(format!("\"{text}\" is out of range")) }
        })
        .unwrap_or(default)
    }

    /// A number of days, like "14d".
    pub(super) fn days(&mut self, key: &'static str, default: u32, most: u32) -> u32 {
        self.take(key, &format!("a number of days, like \"14d\", from 1d to {most}d"), |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            let days = text
                .strip_suffix("days")
                .or(text.strip_suffix('d'))
                .ok_or_else(|| format!("\"{text}\" is no number of days"))?;
            let days: u32 =
                days.trim_end().parse().map_err(|_| format!("\"{text}\" is no number of days"))?;
            if (1..=most).contains(&days) { Ok(days) } else { Err(format!("\"{text}\" is out of range")) }
        })
        .unwrap_or(default)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let text =
            self.take(key, "a text in quotes", |v| v.as_str().map(str::to_owned).ok_or_else(|| is_a(v)));
        text.filter(|text| !text.is_empty())
    }

    pub(super) fn time_zone(&mut self, key: &'static str) -> Option<TimeZone> {
        self.take(key, "the name of a time zone, like \"Europe/Berlin\"", |v| {
            let text = v.as_str().ok_or_else(|| is_a(v))?;
            TimeZone::get(text).map_err(|_| format!("\"{text}\" is not known on this machine"))
        })
    }

    pub(super) fn networks(&mut self, key: &'static str) -> Vec<Prefix> {
        self.take(key, "a list of networks, like [\"192.168.1.0/24\", \"2001:db8::/64\"]", |v| {
            let list = v.as_array().ok_or_else(|| is_a(v))?;
            let network = |v: &DeValue<'_>| {
                let text = v.as_str().ok_or_else(|| is_a(v))?;
                match text.parse::<Prefix>() {
                    Ok(network) if network.length() == 0 => {
                        Err(format!("\"{text}\" would make the whole internet local"))
                    }
                    network => network.map_err(|e| format!("\"{text}\" is {e}, without host bits")),
                }
            };
            list.iter().map(|v| network(v.get_ref())).collect()
        })
        .unwrap_or_default()
    }

    /// The end of the section: what is left over was not known.
    pub(super) fn done(self) {
        let known = self.known.join(", ");
        for key in self.table.keys() {
            let at = line(self.document.text, key.span().start);
            let name = format!("{}.{}", self.name, key.get_ref());
            self.document.wrong(at, &name, &format!("unknown key; known are {known}"));
        }
    }
}

fn is_a(value: &DeValue<'_>) -> String {
    format!("is a {}", value.type_str())
}
