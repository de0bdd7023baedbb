//! `lanscribe device`: all about one device, on one screen.

mod days;
mod screen;

use anyhow::Result;
use clap::Args;
use lanscribe_core::names::claim_source::ClaimSource;

use super::args::AskArgs;
use super::dns::{self, Hidden};
use super::identity::Identity;
use super::listing::{Column, Form, Listing, Value};
use super::names::{self, Names};
use super::peers::{ADDRESS, Party, Row};
use super::reader::Reader;
use super::sums::{Filter, Key, Sum};
use super::top::{Sort, ranked};
use super::who::{self, Who};

pub(crate) use days::bar;

/// Peers and services that programs get.
const LISTED: usize = 20;

/// Show one device: who it is, when it is active, whom it talks to
///
/// WHEN ACTIVE has a column for each hour of the day, in the site's time, and a row for each of the last seven days on
/// which the device sent or received; each step of a bar is about four times as much, and a dot is next to nothing.
/// With --since or --until the tables are about that period, to the minute as long as minutes are kept.
///
/// NAMED says where the name comes from: label (yours), dhcp, mdns and the like (what the device says of itself), or
/// vendor; of whom it talks to, the same for devices of the LAN, and for others as in `lanscribe flows`. SAYS OF ITSELF
/// are names and what else it tells the LAN. HIDDEN DNS are resolvers that it asks by TLS (dot), HTTPS (doh) or QUIC
/// (doq). MAYBE THE SAME are devices that say the same of themselves; `lanscribe merge` makes them one, if you know that
/// they are.
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

/// What it says of itself, or an address that it had: text, evidence, first and last.
type Heard = (String, String, i64, i64);
/// What was moved with or by something, by its name for people, with where that comes from and what it is.
type Moved = Vec<(String, Option<String>, String, Sum)>;
/// Another device that may be the same: its name, MAC address, and why.
type Alike = (String, String, String);

pub(crate) fn run(args: &DeviceArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let who = who::find(&reader, &names, &args.who)?;
    let filter = Filter { devices: Some(who.ids.clone()), ..Filter::default() };
    let mut peers = Vec::new();
    for row in ranked(&reader, &[Key::Endpoint], &filter, Sort::Total, &mut names)? {
        let peer = Party::of(&row.endpoints, &mut names)?;
        peers.push((peer.shown, peer.source, peer.kind, row.sum));
    }
    let services =
        ranked(&reader, &[Key::Protocol, Key::Port, Key::Direction], &filter, Sort::Total, &mut names)?
            .into_iter()
            .map(|Row { keys, sum, .. }| {
                let direction = names::direction(keys[2]).to_owned();
                (names.service(keys[0], keys[1]), None, direction, sum)
            })
            .collect();
    let mut said = heard(
        &reader,
        &who,
        // Others are names that were given, which the label shows.
        "SELECT value, group_concat(DISTINCT source), min(first_seen), max(last_seen) FROM (SELECT * FROM device_name WHERE source NOT IN ('config', 'label') ORDER BY source)",
    )?;
    // What it is called by comes first, in the order of trust.
    said.sort_by_key(|(_, sources, ..)| rank(sources));
    let identities = identities(&reader, &who)?;
    let known = Known {
        alike: alike(&reader, &identities)?,
        source: names.device_name_source(who.ids.first().copied().unwrap_or(0))?,
        identities,
        said,
        hidden: dns::hidden(&reader, Some(&who.ids))?,
        addresses: heard(
            &reader,
            &who,
            "SELECT address, group_concat(DISTINCT source), min(first_seen), max(last_seen) FROM device_address",
        )?,
        peers,
        services,
    };
    if reader.form == Form::Table {
        let days = days::days(&reader, &filter)?;
        return known.screen(&reader, &days);
    }
    known.list(&reader)
}

/// All that the screen shows.
pub(super) struct Known {
    identities: Vec<Identity>,
    /// Where its name comes from.
    source: Option<String>,
    said: Vec<Heard>,
    hidden: Vec<Hidden>,
    alike: Vec<Alike>,
    addresses: Vec<Heard>,
    peers: Moved,
    services: Moved,
}

impl Known {
    /// One row for each MAC address, for programs.
    fn list(self, reader: &Reader) -> Result<()> {
        const COLUMNS: [Column; 23] = [
            Column::raw("name"),
            Column::raw("name_source"),
            Column::raw("mac"),
            Column::raw("mac_random"),
            Column::raw("label"),
            Column::raw("vendor"),
            Column::raw("role"),
            Column::raw("type"),
            Column::raw("type_rule"),
            Column::raw("first_seen"),
            Column::raw("last_seen"),
            Column::raw("frames_sent"),
            Column::raw("bytes_sent"),
            Column::raw("frames_received"),
            Column::raw("bytes_received"),
            Column::raw("addresses"),
            Column::raw("names"),
            Column::raw("says"),
            Column::raw("talks_to"),
            Column::raw("talks_to_named"),
            Column::raw("services"),
            Column::raw("hidden_dns"),
            Column::raw("maybe_same"),
        ];
        let top = |moved: Moved| {
            let mut names: Vec<(String, String)> = Vec::new();
            for (name, source, ..) in moved {
                if names.len() < LISTED && !names.iter().any(|(known, _)| *known == name) {
                    names.push((name, source.unwrap_or_else(|| ADDRESS.to_owned())));
                }
            }
            let (names, sources) = names.into_iter().unzip();
            [Value::List(names), Value::List(sources)]
        };
        let is_name = |heard: &&Heard| rank(&heard.1) < UNRANKED;
        let names = self.said.iter().filter(is_name).map(|(text, ..)| text.clone()).collect();
        let says = self.said.iter().map(|(text, source, ..)| format!("{source}: {text}")).collect();
        let [talks_to, talks_to_named] = top(self.peers);
        let [services, _] = top(self.services);
        let hidden = self.hidden.iter().map(|hidden| format!("{} {}", hidden.how, hidden.resolver)).collect();
        let lists = [
            Value::List(self.addresses.into_iter().map(|(text, ..)| text).collect()),
            Value::List(names),
            Value::List(says),
            talks_to,
            talks_to_named,
            services,
            Value::List(hidden),
            Value::List(self.alike.into_iter().map(|(_, mac, _)| mac).collect()),
        ];
        let mut listing = Listing::new(reader, &COLUMNS)?;
        for identity in self.identities {
            let mut values = vec![
                Value::text(identity.name),
                Value::maybe(self.source.clone()),
                Value::maybe(identity.mac),
                Value::Flag(identity.random),
                Value::maybe(identity.label),
                Value::maybe(identity.vendor),
                Value::maybe(identity.role),
                Value::maybe(identity.kind),
                Value::maybe(identity.rule),
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
}

/// Behind all sources that a device may be called by.
const UNRANKED: u8 = u8::MAX;

/// The place of the best of `sources`, with commas, among those that a device may be called by.
fn rank(sources: &str) -> u8 {
    sources.split(',').filter_map(|source| ClaimSource::parse(source)?.rank()).min().unwrap_or(UNRANKED)
}

/// Other devices that may be the same as one of these, and why.
fn alike(reader: &Reader, identities: &[Identity]) -> Result<Vec<Alike>> {
    let sql = "SELECT other, other_mac, reason FROM maybe_same_device WHERE mac = ?1
        UNION SELECT device, mac, reason FROM maybe_same_device WHERE other_mac = ?1 ORDER BY 1, 2";
    let mut statement = reader.db.prepare(sql)?;
    let mut alike: Vec<Alike> = Vec::new();
    for identity in identities {
        let rows = statement.query_map([&identity.mac], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for row in rows {
            let row: Alike = row?;
            if !alike.iter().any(|(_, mac, _)| *mac == row.1) {
                alike.push(row);
            }
        }
    }
    Ok(alike)
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
