//! A TOML file read key by key, so that everything wrong with it is said at once: line, key, and what would be right.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::text::visible;

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

impl Problems {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), list: Vec::new() }
    }

    /// A file that cannot even be taken apart.
    pub(super) fn only(path: &Path, line: usize, what: &str) -> ConfigError {
        let mut problems = Self::new(path);
        problems.list.push((line, what.to_owned()));
        ConfigError::Wrong(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (line, what)) in self.list.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            // Keys and texts of the file may hold line ends, and worse.
            write!(f, "{newline}{}:{line}: {}", visible(&self.path.to_string_lossy()), visible(what))?;
        }
        Ok(())
    }
}

/// Where a key stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it is at its default.
    Default,
    /// On this line.
    Line(usize),
    /// Somewhere, with a value that makes no sense.
    Wrong,
}

/// A file that is being read.
pub(super) struct Document<'i> {
    /// Where each line begins.
    lines: Vec<usize>,
    root: DeTable<'i>,
    known: Vec<&'static str>,
    /// The keys of all sections, with their section.
    keys: Vec<(&'static str, &'static str)>,
    places: HashMap<String, Place>,
    /// Lines that are no TOML: of these, and of the file as a whole, only a part is known.
    broken: BTreeSet<usize>,
    problems: Problems,
}

impl<'i> Document<'i> {
    pub(super) fn parse(path: &Path, text: &'i str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        let mut document = Self {
            lines: std::iter::once(0).chain(ends).collect(),
            root: root.into_inner(),
            known: Vec::new(),
            keys: Vec::new(),
            places: HashMap::new(),
            broken: BTreeSet::new(),
            problems: Problems::new(path),
        };
        for error in errors {
            let line = document.line(error.span().map_or(0, |span| span.start));
            document.wrong(line, "not TOML", error.message());
            document.broken.insert(line);
        }
        document
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|&start| start <= at)
    }

    /// The table `[name]`, empty if it is not there.
    pub(super) fn section<'d>(&'d mut self, name: &'static str) -> Section<'d, 'i> {
        self.known.push(name);
        let mut table = DeTable::new();
        if let Some(value) = self.root.remove(name) {
            let line = self.line(value.span().start);
            match value.into_inner() {
                DeValue::Table(found) => table = found,
                other => {
                    self.wrong(line, name, &format!("{}, but should be a section: [{name}]", is_a(&other)));
                }
            }
        }
        Section { document: self, name, table, known: Vec::new() }
    }

    pub(super) fn wrong(&mut self, line: usize, key: &str, what: &str) {
        if !self.broken.contains(&line) {
            self.problems.list.push((line, format!("{key}: {what}")));
        }
    }

    /// Where `key` (with its section) stands; what is known of a file that is no TOML does not count.
    pub(super) fn place(&self, key: &str) -> Place {
        let whole = self.broken.is_empty();
        if whole { self.places.get(key).copied().unwrap_or(Place::Default) } else { Place::Wrong }
    }

    /// The end: what is left over was not known.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        let known = self.known.join("], [");
        for (key, _) in std::mem::take(&mut self.root) {
            let line = self.line(key.span().start);
            let section = self
                .keys
                .iter()
                .find(|(_, known)| *known == key.get_ref().as_ref())
                .map(|(section, _)| section);
            let what = match section {
                Some(section) => format!("belongs below a line [{section}]"),
                None => format!("unknown section; known are [{known}]"),
            };
            self.wrong(line, &written(key.get_ref()), &what);
        }
        self.problems.list.sort_by_key(|&(line, _)| line);
        if self.problems.list.is_empty() { Ok(()) } else { Err(ConfigError::Wrong(self.problems)) }
    }
}

/// A table of the file; each key is taken once.
pub(super) struct Section<'d, 'i> {
    document: &'d mut Document<'i>,
    name: &'static str,
    table: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'i> Section<'_, 'i> {
    /// Takes `key` out, with its line.
    fn find(&mut self, key: &'static str) -> Option<(usize, DeValue<'i>)> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let line = self.document.line(value.span().start);
        self.document.places.insert(format!("{}.{key}", self.name), Place::Line(line));
        Some((line, value.into_inner()))
    }

    /// What `key` is, if it is a text.
    pub(super) fn peek(&self, key: &str) -> Option<&str> {
        self.table.get(key)?.get_ref().as_str()
    }

    /// The table `[name]` within this one, whose key is what stands after the dot; empty if it is not there.
    pub(super) fn inner<'s>(&'s mut self, name: &'static str) -> Section<'s, 'i> {
        let key = name.rsplit('.').next().unwrap_or(name);
        let mut table = DeTable::new();
        if let Some((line, value)) = self.find(key) {
            match value {
                DeValue::Table(found) => table = found,
                other => {
                    self.wrong(line, key, &format!("{}, but should be a section: [{name}]", is_a(&other)));
                }
            }
        }
        Section { document: self.document, name, table, known: Vec::new() }
    }

    /// Takes `key` and has `read` make sense of it; `expected` says what would be right.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        let (line, value) = self.find(key)?;
        read(&value).map_err(|found| self.wrong(line, key, &format!("{found}; expected {expected}"))).ok()
    }

    /// Takes a list of at least `least` texts, or one text, and has `read` make sense of each, given those before it
    /// with their lines. `None` if it is not there, or not right in all.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        least: usize,
        expected: &str,
        read: impl Fn(&str, &[(usize, T)]) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (line, value) = self.find(key)?;
        let items: Vec<(usize, &DeValue<'i>)> = match &value {
            DeValue::Array(items) => {
                items.iter().map(|item| (self.document.line(item.span().start), item.get_ref())).collect()
            }
            one => vec![(line, one)],
        };
        let (mut list, mut all_right) = (Vec::new(), items.len() >= least);
        if !all_right {
            self.wrong(line, key, &format!("is too short a list; expected {expected}"));
        }
        for (line, item) in items {
            match item.as_str().ok_or_else(|| is_a(item)).and_then(|text| read(text, &list)) {
                Ok(read) => list.push((line, read)),
                Err(found) => {
                    all_right = false;
                    self.wrong(line, key, &format!("{found}; expected {expected}"));
                }
            }
        }
        all_right.then(|| list.into_iter().map(|(_, item)| item).collect())
    }

    /// Takes all that is left, in order of lines: for a section whose keys are the owner's.
    pub(super) fn rest(&mut self) -> Vec<(usize, String, DeValue<'i>)> {
        let mut rest: Vec<_> = std::mem::take(&mut self.table).into_iter().collect();
        rest.sort_by_key(|(key, _)| key.span().start);
        let named = |(key, value): (toml::Spanned<std::borrow::Cow<'i, str>>, toml::Spanned<DeValue<'i>>)| {
            (self.document.line(key.span().start), key.into_inner().into_owned(), value.into_inner())
        };
        rest.into_iter().map(named).collect()
    }

    /// Notes that the value of `key` makes no sense.
    pub(super) fn wrong(&mut self, line: usize, key: &str, what: &str) {
        let key = format!("{}.{}", self.name, written(key));
        self.document.wrong(line, &key, what);
        self.document.places.insert(key, Place::Wrong);
    }

    /// The end of the section: what is left over was not known.
    pub(super) fn done(mut self) {
        let known = self.known.join(", ");
        self.document.keys.extend(self.known.iter().map(|key| (self.name, *key)));
        for (line, key, _) in self.rest() {
            self.wrong(line, &key, &format!("unknown key; known are {known}"));
        }
    }
}

/// A key as it is written in the file: in quotes if need be.
pub(super) fn written(key: &str) -> String {
    let is_bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// A text in quotes, as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if crate::text::is_hidden(c) => out += &format!("\\U{:08x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What somebody gave in place of what was expected.
pub(super) fn is_a(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("is {article} {kind}")
}
