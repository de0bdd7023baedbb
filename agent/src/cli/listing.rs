//! An answer as rows: a table for people, JSON lines or CSV for programs, from one list of columns.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

use super::reader::Reader;
use crate::text;

/// In what form rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Json,
    Csv,
}

/// One column: its name for programs, its title for people, and how wide a terminal must be to show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// In JSON and CSV; empty if it is for people only.
    name: &'static str,
    /// In tables; empty if it is for programs only.
    title: &'static str,
    /// Narrower terminals go without it.
    least: u16,
    /// Numbers: to the right, and never cut.
    right: bool,
    /// Never cut either.
    whole: bool,
}

impl Column {
    /// A column for programs and people.
    pub(crate) const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, least: 0, right: false, whole: false }
    }
    /// For programs only.
    pub(crate) const fn raw(name: &'static str) -> Self {
        Self::new(name, "")
    }
    /// For people only.
    pub(crate) const fn shown(title: &'static str) -> Self {
        Self::new("", title)
    }
    /// A number.
    pub(crate) const fn right(mut self) -> Self {
        self.right = true;
        self
    }
    /// Something that is worth nothing when cut.
    pub(crate) const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }
    /// Only on terminals that have this many columns.
    pub(crate) const fn from(mut self, width: u16) -> Self {
        self.least = width;
        self
    }
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Flag(bool),
    /// A number that is a name, like a port.
    Number(i64),
    Count(i64),
    Bytes(i64),
    /// Milliseconds that something took.
    Took(i64),
    /// Milliseconds since 1970, to the second in tables.
    Instant(i64),
    /// The same, to the minute in tables.
    Seen(i64),
    /// Part of a whole.
    Share(f64),
    List(Vec<String>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    fn json(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Text(text) => text.into(),
            Self::Flag(flag) => flag.into(),
            Self::Number(n) | Self::Count(n) | Self::Bytes(n) | Self::Took(n) => n.into(),
            Self::Instant(at) | Self::Seen(at) => iso(at).into(),
            Self::Share(share) => ((share * 10_000.0).round() / 10_000.0).into(),
            Self::List(list) => list.into(),
        }
    }

    fn csv(self) -> String {
        match self {
            Self::List(list) => text::csv_cell(&list.join(" ")),
            Self::Text(text) => text::csv_cell(&text),
            other => match other.json() {
                Json::Null => String::new(),
                Json::String(text) => text,
                number => number.to_string(),
            },
        }
    }

    fn shown(self, clock: &Clock) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text::visible(&text),
            Self::Flag(flag) => if flag { "yes" } else { "" }.to_owned(),
            Self::Number(n) => n.to_string(),
            Self::Count(n) => text::count(n),
            Self::Bytes(n) => text::bytes(n),
            Self::Took(millis) => text::duration(millis),
            Self::Instant(at) => clock.show(at, "%H:%M:%S"),
            Self::Seen(at) => clock.show(at, "%H:%M"),
            Self::Share(share) => format!("{:.1} %", share * 100.0),
            Self::List(list) => text::visible(&list.join(", ")),
        }
    }
}

/// How tables write times: in the site's zone, and on a terminal without what is plain.
#[derive(Clone, Debug)]
struct Clock {
    zone: TimeZone,
    /// The time that dates are left out for; `None` to always write all of it.
    now: Option<Timestamp>,
}

impl Clock {
    fn show(&self, millis: i64, time: &str) -> String {
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = at.to_zoned_datetime(self.zone.clone());
        let format = match self.now.map(|now| now.to_zoned_datetime(self.zone.clone())) {
            Some(now) if now.date() == local.date() => time.to_owned(),
            Some(now) if now.year() == local.year() => format!("%m-%d {time}"),
            _ => format!("%Y-%m-%d {time}"),
        };
        local.strftime(&format).to_string()
    }
}

/// UTC with milliseconds, as long as it is one of the years that have four digits.
pub(crate) fn iso(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Rows on their way out.
pub(crate) struct Listing<'a> {
    columns: &'a [Column],
    form: Form,
    clock: Clock,
    /// The terminal's width; `None` when the output goes elsewhere, where nothing is cut.
    width: Option<u16>,
    out: Box<dyn Write>,
    rows: Vec<Vec<Value>>,
}

impl<'a> Listing<'a> {
    /// A listing on standard output in the form that was asked for.
    pub(crate) fn new(reader: &Reader, columns: &'a [Column]) -> Result<Self> {
        let (width, out) = stdout();
        let clock = Clock { zone: reader.zone.clone(), now: width.map(|_| reader.now) };
        let mut listing = Self { columns, form: reader.form, clock, width, out, rows: Vec::new() };
        if listing.form == Form::Csv {
            let names: Vec<&str> = columns.iter().map(|c| c.name).filter(|name| !name.is_empty()).collect();
            listing.record(&names)?;
        }
        Ok(listing)
    }

    /// Adds a row: a value for each column.
    pub(crate) fn row(&mut self, values: Vec<Value>) -> Result<()> {
        debug_assert_eq!(values.len(), self.columns.len());
        let named = self
            .columns
            .iter()
            .zip(values)
            .filter(|(column, _)| self.form == Form::Table || !column.name.is_empty());
        match self.form {
            Form::Table => {
                let row = named.map(|(_, value)| value).collect();
                self.rows.push(row);
            }
            Form::Json => {
                let object: Map<String, Json> =
                    named.map(|(c, value)| (c.name.to_owned(), value.json())).collect();
                writeln!(self.out, "{}", text::json_line(&object.into()))?;
            }
            Form::Csv => {
                let cells: Vec<String> = named.map(|(_, value)| value.csv()).collect();
                self.record(&cells)?;
            }
        }
        Ok(())
    }

    /// Prints what is still to be printed.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.form == Form::Table {
            let rows = std::mem::take(&mut self.rows);
            writeln!(self.out, "{}", table(self.columns, rows, self.width, &self.clock))?;
        }
        Ok(self.out.flush()?)
    }

    fn record(&mut self, cells: &[impl AsRef<[u8]>]) -> Result<()> {
        let mut csv = csv::Writer::from_writer(&mut self.out);
        csv.write_record(cells)?;
        csv.flush()?;
        Ok(())
    }
}

/// Standard output, and how wide it is if it is a terminal.
pub(crate) fn stdout() -> (Option<u16>, Box<dyn Write>) {
    let stdout = io::stdout();
    let width = if stdout.is_terminal() { Table::new().width() } else { None };
    (width, Box::new(io::BufWriter::new(stdout.lock())))
}

/// A table as text, for a part of a screen.
pub(crate) fn small_table(
    reader: &Reader,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
    width: Option<u16>,
) -> String {
    let clock = Clock { zone: reader.zone.clone(), now: width.map(|_| reader.now) };
    table(columns, rows, width, &clock)
}

fn table(columns: &[Column], rows: Vec<Vec<Value>>, width: Option<u16>, clock: &Clock) -> String {
    let visible = |c: &Column| !c.title.is_empty() && width.is_none_or(|width| width >= c.least);
    let kept: Vec<&Column> = columns.iter().filter(|c| visible(c)).collect();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_truncation_indicator("…");
    // Words are not kept together: a cell is one line, cut where it must be.
    table.set_delimiter('\u{1f}');
    table.set_header(kept.iter().map(|c| c.title));
    for row in rows {
        let cells = columns.iter().zip(row).filter(|(c, _)| visible(c)).map(|(_, value)| value.shown(clock));
        let mut row = comfy_table::Row::from(cells.collect::<Vec<_>>());
        row.max_height(1);
        table.add_row(row);
    }
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for (i, column) in kept.iter().enumerate() {
        let last = i + 1 == kept.len();
        if let Some(shape) = table.column_mut(i) {
            shape.set_padding((0, if last { 0 } else { 2 }));
            if column.right {
                shape.set_cell_alignment(CellAlignment::Right);
            }
            if width.is_some() {
                // Without a lower boundary a column may be squeezed to nothing.
                shape.set_constraint(if column.right || column.whole {
                    ColumnConstraint::ContentWidth
                } else {
                    ColumnConstraint::LowerBoundary(Width::Fixed(8))
                });
            }
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column::new("name", "NAME"), Column::new("sent", "SENT").right(), Column::shown("NOTE").from(40)];

    fn rows() -> Vec<Vec<Value>> {
        let row = |name: &str, sent| vec![Value::text(name), Value::Bytes(sent), Value::text("n")];
        vec![row("a bulb with a long name", 1_500), row("x\u{1b}[2J", 7)]
    }

    fn clock(now: Option<&str>) -> Clock {
        Clock { zone: TimeZone::UTC, now: now.map(|t| t.parse().unwrap()) }
    }

    #[test]
    fn a_table_elsewhere_is_whole_and_on_a_terminal_fits() {
        assert_eq!(
            table(COLUMNS, rows(), None, &clock(None)),
            "NAME                       SENT  NOTE\na bulb with a long name  1.5 kB  n\nx\\u{1b}[2J                  7 B  n"
        );
        let narrow = table(COLUMNS, rows(), Some(24), &clock(None));
        assert_eq!(
            narrow,
            "NAME                SENT\na bulb with a…    1.5 kB\nx\\u{1b}[2J           7 B"
                .replace("a bulb with a…  ", "a bulb with a l…"),
            "{narrow}"
        );
    }

    #[test]
    fn times_leave_out_what_is_plain() {
        let at = 1_700_000_000_000; // 2023-11-14 22:13:20
        let show = |now| clock(now).show(at, "%H:%M");
        assert_eq!(show(None), "2023-11-14 22:13");
        assert_eq!(show(Some("2023-11-14T23:00:00Z")), "22:13");
        assert_eq!(show(Some("2023-12-01T00:00:00Z")), "11-14 22:13");
        assert_eq!(show(Some("2024-01-01T00:00:00Z")), "2023-11-14 22:13");
        assert_eq!(iso(at), "2023-11-14T22:13:20.000Z");
    }
}
