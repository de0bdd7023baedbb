//! `lanscribe device`: all about one device, on one screen.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use clap::Args;

use super::args::AskArgs;
use super::identity::Identity;
use super::listing::{Column, Form, Listing, Value, small_table, stdout};
use super::names::{self, Names};
use super::reader::Reader;
use super::sums::{Filter, Key, Sum, sums};
use super::top::{Sort, ranked};
use super::who::{self, Who};
use super::windows::{By, windows};
use crate::text::{bytes, count, visible};

/// Rows of each part of the screen.
const ADDRESSES: usize = 8;
const PEERS: usize = 8;
const SERVICES: usize = 6;
const DAYS: usize = 7;
/// Peers and services that programs get.
const LISTED: usize = 20;

/// Show one device: who it is, when it is active, whom it talks to
///
/// WHEN ACTIVE has a column for each hour of the day, in the site's time, and a row for each of the last seven days on
/// which the device sent or received; each step of a bar is about four times as much, and a dot is next to nothing.
/// With --since or --until the tables are about that period, to the minute as long as minutes are kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe device camera                  by a part of its name
  lanscribe device 192.168.1.23            whoever had that address last
  lanscribe device b8:27:eb:12:34:56 --since 2026-11-20 --until 2026-11-20
  lanscribe device camera --json | jq .talks_to")]
pub(crate) struct DeviceArgs {
    /// The device: its MAC or IP address, label, name, or a part of its name that no other has
    who: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// A name that it was heard by, or an address that it had: text, evidence, first and last.
type Heard = (String, String, i64, i64);
/// What was moved with or by something, by its name for people.
type Moved = Vec<(String, String, Sum)>;

pub(crate) fn run(args: &DeviceArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let who = who::find(&reader, &names, &args.who)?;
    let filter = Filter { devices: Some(who.ids.clone()), ..Filter::default() };
    let mut peers = Vec::new();
    for (keys, sum) in ranked(&reader, &[Key::Endpoint], &filter, Sort::Total, &mut names)? {
        let peer = names.peer(keys[0])?;
        peers.push((peer.shown(), peer.kind.clone(), sum));
    }
    let services =
        ranked(&reader, &[Key::Protocol, Key::Port, Key::Direction], &filter, Sort::Total, &mut names)?
            .into_iter()
            .map(|(keys, sum)| (names.service(keys[0], keys[1]), names::direction(keys[2]).to_owned(), sum))
            .collect();
    let known = Known {
        identities: identities(&reader, &who)?,
        names: heard(
            &reader,
            &who,
            // Others are names that were given, which the label shows.
            "SELECT value, source, min(first_seen), max(last_seen) FROM (SELECT * FROM device_name WHERE source NOT IN ('config', 'label'))",
        )?,
        addresses: heard(
            &reader,
            &who,
            "SELECT address, group_concat(DISTINCT source), min(first_seen), max(last_seen) FROM device_address",
        )?,
        peers,
        services,
    };
    if reader.form == Form::Table {
        let days = days(&reader, &filter)?;
        return known.screen(&reader, &days);
    }
    known.list(&reader)
}

/// All that the screen shows.
struct Known {
    identities: Vec<Identity>,
    names: Vec<Heard>,
    addresses: Vec<Heard>,
    peers: Moved,
    services: Moved,
}

impl Known {
    /// One row for each MAC address, for programs.
    fn list(self, reader: &Reader) -> Result<()> {
        const COLUMNS: [Column; 16] = [
            Column::raw("name"),
            Column::raw("mac"),
            Column::raw("mac_random"),
            Column::raw("label"),
            Column::raw("vendor"),
            Column::raw("role"),
            Column::raw("first_seen"),
            Column::raw("last_seen"),
            Column::raw("frames_sent"),
            Column::raw("bytes_sent"),
            Column::raw("frames_received"),
            Column::raw("bytes_received"),
            Column::raw("addresses"),
            Column::raw("names"),
            Column::raw("talks_to"),
            Column::raw("services"),
        ];
        let list = |heard: Vec<Heard>| Value::List(heard.into_iter().map(|(text, ..)| text).collect());
        let top = |moved: Moved| {
            let mut names: Vec<String> = Vec::new();
            for (name, ..) in moved {
                if names.len() < LISTED && !names.contains(&name) {
                    names.push(name);
                }
            }
            Value::List(names)
        };
        let lists = [list(self.addresses), list(self.names), top(self.peers), top(self.services)];
        let mut listing = Listing::new(reader, &COLUMNS)?;
        for identity in self.identities {
            let mut values = vec![
                Value::text(identity.name),
                Value::maybe(identity.mac),
                Value::Flag(identity.random),
                Value::maybe(identity.label),
                Value::maybe(identity.vendor),
                Value::maybe(identity.role),
                Value::Seen(identity.seen.0),
                Value::Seen(identity.seen.1),
                Value::Count(identity.sent.0),
                Value::Bytes(identity.sent.1),
                Value::Count(identity.received.0),
                Value::Bytes(identity.received.1),
            ];
            values.extend(lists.clone());
            listing.row(values)?;
        }
        listing.finish()
    }

    /// The screen, for people.
    fn screen(&self, reader: &Reader, days: &[Day]) -> Result<()> {
        let (width, mut out) = stdout();
        let time = |at: i64| reader.local(at, "%Y-%m-%d %H:%M");
        for identity in &self.identities {
            match &identity.merged_into {
                None => writeln!(out, "{}", visible(&identity.name))?,
                Some(_) => writeln!(out, "and, merged into it:")?,
            }
            let mut line = |title: &str, text: &str| match text {
                "" => Ok(()),
                text => writeln!(out, "  {title:<9} {}", visible(text)),
            };
            let random = if identity.random { " (random: the device makes it up)" } else { "" };
            line("label", identity.label.as_deref().unwrap_or_default())?;
            line("MAC", &format!("{}{random}", identity.mac.as_deref().unwrap_or_default()))?;
            line("vendor", identity.vendor.as_deref().unwrap_or_default())?;
            line("role", identity.role.as_deref().unwrap_or_default())?;
            line("seen", &format!("{} to {}", time(identity.seen.0), time(identity.seen.1)))?;
            let moved = |(frames, sum): (i64, i64)| format!("{} in {} frames", bytes(sum), count(frames));
            line("sent", &moved(identity.sent))?;
            line("received", &moved(identity.received))?;
        }
        let columns = [
            Column::shown("  ADDRESS"),
            Column::shown("FROM").whole(),
            Column::shown("TO").whole(),
            Column::shown("BY"),
        ];
        let row = |(text, by, first, last): &Heard| {
            vec![
                Value::text(format!("  {text}")),
                Value::Seen(*first),
                Value::Seen(*last),
                Value::text(by.replace(',', ", ")),
            ]
        };
        let mut part = |columns: &[Column], rows: Vec<Vec<Value>>, whole: usize| -> Result<()> {
            let shown = rows.len();
            if shown > 0 {
                writeln!(out, "\n{}", small_table(reader, columns, rows, width))?;
            }
            if whole > shown {
                writeln!(out, "  and {} more", whole - shown)?;
            }
            Ok(())
        };
        part(&columns, self.addresses.iter().take(ADDRESSES).map(row).collect(), self.addresses.len())?;
        if !self.names.is_empty() {
            let columns = [Column::shown("  NAME"), columns[1], columns[2], columns[3]];
            part(&columns, self.names.iter().take(ADDRESSES).map(row).collect(), self.names.len())?;
        }
        let columns = [
            Column::shown("  WHEN ACTIVE").whole(),
            Column::shown("0     6     12    18    ").whole(),
            Column::shown("UP").right(),
            Column::shown("DOWN").right(),
        ];
        part(&columns, rows_of_days(days), days.len().min(DAYS))?;
        let columns = |first, second| {
            [
                Column::shown(first),
                Column::shown(second).whole(),
                Column::shown("UP").right(),
                Column::shown("DOWN").right(),
                Column::shown("FLOWS").right(),
            ]
        };
        let row = |(name, kind, sum): &(String, String, Sum)| {
            vec![
                Value::text(format!("  {name}")),
                Value::text(&**kind),
                Value::Bytes(sum.bytes_up),
                Value::Bytes(sum.bytes_down),
                Value::Count(sum.flows),
            ]
        };
        part(
            &columns("  TALKS TO", "KIND"),
            self.peers.iter().take(PEERS).map(row).collect(),
            self.peers.len(),
        )?;
        part(
            &columns("  BY", "DIRECTION"),
            self.services.iter().take(SERVICES).map(row).collect(),
            self.services.len(),
        )?;
        Ok(out.flush()?)
    }
}

fn identities(reader: &Reader, who: &Who) -> Result<Vec<Identity>> {
    let mut identities = Vec::new();
    for id in &who.ids {
        identities.extend(Identity::load(&reader.db, Some(*id))?);
    }
    // The one that the others were merged into is the device that they all are.
    identities.sort_by_key(|identity| {
        (identity.id != identity.root, std::cmp::Reverse(identity.seen.1), identity.id)
    });
    Ok(identities)
}

/// Names or addresses of the period, the latest first.
fn heard(reader: &Reader, who: &Who, select: &str) -> Result<Vec<Heard>> {
    let ids: Vec<String> = who.ids.iter().map(i64::to_string).collect();
    let sql = format!(
        "{select} WHERE device IN ({}) AND last_seen >= ?1 AND first_seen < ?2 GROUP BY 1 ORDER BY 4 DESC, 1",
        ids.join(",")
    );
    let mut statement = reader.db.prepare(&sql)?;
    let period = (reader.period.from(), reader.period.to());
    let rows = statement.query_map(period, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What was moved in each hour of a day.
struct Day {
    local: String,
    hours: [i64; 24],
    sum: Sum,
}

/// The last days of the period on which the device did anything.
fn days(reader: &Reader, filter: &Filter) -> Result<Vec<Day>> {
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for window in windows(reader, By::Hour)? {
        let (local, hour) = window.local.split_at_checked(10).unwrap_or((&window.local, ""));
        if days.len() == DAYS && !days.contains_key(local) {
            break;
        }
        let mut total = Sum::default();
        sums(reader, &window.parts, &[], filter, |_, sum| total.add(sum))?;
        if total == Sum::default() {
            continue;
        }
        let day = days.entry(local.to_owned()).or_insert_with(|| Day {
            local: local.to_owned(),
            hours: [0; 24],
            sum: Sum::default(),
        });
        day.sum.add(&total);
        let hour: Option<usize> = hour.get(1..3).and_then(|digits| digits.parse().ok());
        // In zones off by half an hour a window is filed under the hour in which it starts.
        if let Some(bytes) = hour.and_then(|hour| day.hours.get_mut(hour)) {
            *bytes += total.bytes();
        }
    }
    Ok(days.into_values().collect())
}

fn rows_of_days(days: &[Day]) -> Vec<Vec<Value>> {
    let most = days.iter().flat_map(|day| day.hours).max().unwrap_or(0);
    days.iter()
        .map(|day| {
            let bars: String = day.hours.iter().map(|bytes| bar(*bytes, most)).collect();
            vec![
                Value::text(format!("  {}", day.local)),
                Value::text(bars),
                Value::Bytes(day.sum.bytes_up),
                Value::Bytes(day.sum.bytes_down),
            ]
        })
        .collect()
}

/// Eight steps, each a quarter of the next: a night of keep-alives shows beside an evening of video.
pub(crate) fn bar(bytes: i64, most: i64) -> char {
    const STEPS: [char; 8] = ['█', '▇', '▆', '▅', '▄', '▃', '▂', '▁'];
    if bytes <= 0 {
        return ' ';
    }
    let mut least = most;
    for step in STEPS {
        least /= 4;
        if bytes > least {
            return step;
        }
    }
    '·'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_by_fours_and_silence_shows_nothing() {
        let most = 1_000_000;
        let shown: String =
            [0, 1, 60, 1_000, 10_000, 250_000, 250_001, most].map(|n| bar(n, most)).into_iter().collect();
        assert_eq!(shown, " ·▁▄▅▇██");
    }

    #[test]
    fn a_day_has_a_column_for_each_hour() {
        let mut hours = [0; 24];
        hours[23] = 5;
        let day = Day { local: "2026-11-20".into(), hours, sum: Sum { bytes_up: 5, ..Sum::default() } };
        let Value::Text(bars) = &rows_of_days(&[day])[0][1] else { panic!() };
        assert_eq!(bars.chars().count(), 24);
        assert!(bars.ends_with('█'));
    }
}
