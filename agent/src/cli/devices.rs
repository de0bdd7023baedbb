//! `lanscribe devices`: who is on the network, on a line each.

use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::args::AskArgs;
use super::identity::{Identity, mac_and_more};
use super::listing::{Column, Form, Listing, Value};
use super::names::{Names, Peer};
use super::peers::ADDRESS;
use super::reader::Reader;
use super::rows_left_out;
use super::sums::{Filter, Key, Sum, sums};
use super::windows::{Part, plan};
use crate::store::Level;
use crate::store::calendar::HOUR;
use crate::vendor::short;

/// Days with traffic that "talks to" looks back, when no period is given.
const DAYS: i64 = 30;
/// Endpoints that are named for each device.
const NAMED: usize = 3;

/// List the devices of the network
///
/// SENT and RECEIVED count every frame from and to the device, whatever is in it. With --since or --until only devices
/// that were seen then are listed, with what their rows of usage say of that period: without frames that went to many
/// at once, which nobody in particular received. NAMED says where the name comes from: label (yours), dhcp, mdns and the
/// like (what the device says of itself), vendor, or nothing where it is the MAC address. TALKS TO names whom most bytes
/// went to or came from: in the period, or else on the last 30 days of the file, each with where that name comes from, as
/// NAMED in `lanscribe flows` has it. Devices that were merged are one row, with "+1" behind the MAC address; in JSON
/// and CSV each MAC address has a row, and merged_into is the MAC address of the one that it is a part of.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe devices                        all that were ever seen, those that moved most first
  lanscribe devices --since 1d --sort seen   those of the last day, the latest first
  lanscribe devices --json | jq -r 'select(.mac_random) | .mac'
  lanscribe devices --csv > devices.csv")]
pub(crate) struct DevicesArgs {
    /// What comes first
    #[arg(long, value_enum, default_value = "bytes")]
    sort: Sort,
    /// Print at most so many rows; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Most bytes
    Bytes,
    /// Seen last
    Seen,
    /// Seen first of all: new devices are at the end
    First,
    /// By name
    Name,
}

const COLUMNS: [Column; 23] = [
    Column::raw("name"),
    Column::shown("NAME"),
    Column::new("name_source", "NAMED").whole().from(100),
    Column::raw("type"),
    Column::raw("type_rule"),
    Column::new("mac", "MAC").whole().from(120),
    Column::raw("mac_random"),
    Column::raw("label"),
    Column::raw("vendor"),
    Column::raw("role"),
    Column::shown("ADDRESS"),
    Column::raw("addresses"),
    Column::raw("frames_sent"),
    Column::new("bytes_sent", "SENT").right(),
    Column::raw("frames_received"),
    Column::new("bytes_received", "RECEIVED").right(),
    Column::raw("first_seen"),
    Column::new("last_seen", "LAST SEEN").whole(),
    Column::shown("TALKS TO").from(90),
    Column::raw("talks_to"),
    Column::raw("talks_to_named"),
    Column::raw("id"),
    Column::raw("merged_into"),
];

/// Whom each device talks to most, by its id.
type Peers = HashMap<i64, Vec<Rc<Peer>>>;
/// What each device moved, by its id.
type Totals = HashMap<i64, Sum>;
/// The device that each is a part of, where they are folded.
type Roots = HashMap<i64, i64>;

pub(crate) fn run(args: &DevicesArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let mut rows = Identity::load(&reader.db, None)?;
    let mut roots = HashMap::new();
    if reader.form == Form::Table {
        roots = rows.iter().map(|row| (row.id, row.root)).collect();
        rows = Identity::fold(rows);
    }
    let parts = if reader.period.is_open() { last_days(&reader)? } else { plan(&reader)? };
    let (peers, totals) = usage(&reader, &parts, &roots, &mut names)?;
    if !reader.period.is_open() {
        rows.retain(|row| {
            totals.contains_key(&row.id)
                || (row.seen.0 < reader.period.to() && row.seen.1 >= reader.period.from())
        });
        for row in &mut rows {
            let sum = totals.get(&row.id).copied().unwrap_or_default();
            (row.sent, row.received) = ((sum.packets_up, sum.bytes_up), (sum.packets_down, sum.bytes_down));
        }
    }
    match args.sort {
        Sort::Bytes => rows.sort_by_key(|row| std::cmp::Reverse(row.sent.1 + row.received.1)),
        Sort::Seen => rows.sort_by_key(|row| std::cmp::Reverse(row.seen.1)),
        Sort::First => rows.sort_by_key(|row| row.seen.0),
        Sort::Name => rows.sort_by_key(|row| row.name.to_lowercase()),
    }
    let cut = args.limit > 0 && rows.len() > args.limit;
    if cut {
        rows.truncate(args.limit);
    }
    let mut addresses = addresses(&reader, &roots)?;
    let mut listing = Listing::new(&reader, &COLUMNS)?;
    for row in rows {
        let source = names.device_name_source(row.id)?;
        let addresses = addresses.remove(&row.id).unwrap_or_default();
        let peers = peers.get(&row.id).cloned().unwrap_or_default();
        listing.row(vec![
            Value::text(&*row.name),
            Value::text(titled(&row)),
            Value::maybe(source),
            Value::maybe(row.kind),
            Value::maybe(row.rule),
            Value::maybe(mac_and_more(row.mac, row.others)),
            Value::Flag(row.random),
            Value::maybe(row.label),
            Value::maybe(row.vendor),
            Value::maybe(row.role),
            Value::text(latest(&addresses)),
            Value::List(addresses),
            Value::Count(row.sent.0),
            Value::Bytes(row.sent.1),
            Value::Count(row.received.0),
            Value::Bytes(row.received.1),
            Value::Seen(row.seen.0),
            Value::Seen(row.seen.1),
            Value::List(peers.iter().map(|peer| peer.with_source()).collect()),
            Value::List(peers.iter().map(|peer| peer.name.clone()).collect()),
            Value::List(
                peers.iter().map(|peer| peer.source.clone().unwrap_or_else(|| ADDRESS.to_owned())).collect(),
            ),
            Value::Number(row.id),
            Value::maybe(row.merged_into),
        ])?;
    }
    listing.finish()?;
    if cut {
        rows_left_out(args.limit, "other");
    }
    Ok(())
}

/// The name with what it leaves out: the part that a device plays, what it is, and who made it.
fn titled(row: &Identity) -> String {
    let vendor = row.vendor.as_deref().map(short).filter(|vendor| !row.name.contains(&**vendor));
    let notes: Vec<String> = row.role.iter().chain(&row.kind).cloned().chain(vendor).collect();
    if notes.is_empty() { row.name.clone() } else { format!("{} ({})", row.name, notes.join(", ")) }
}

/// The latest IPv4 address, else the first that there is, and how many more.
fn latest(addresses: &[String]) -> String {
    match addresses {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    }
}

fn root(roots: &Roots, device: i64) -> i64 {
    roots.get(&device).copied().unwrap_or(device)
}

/// Each device's addresses in the period: IPv4 first, link-local ones last, and the latest before older ones.
fn addresses(reader: &Reader, roots: &Roots) -> Result<HashMap<i64, Vec<String>>> {
    let sql = "SELECT device, address FROM device_address WHERE last_seen >= ?1 AND first_seen < ?2 GROUP BY device, address
        ORDER BY address LIKE '%:%', address LIKE 'fe80:%', max(last_seen) DESC, address";
    let mut statement = reader.db.prepare(sql)?;
    let mut rows = statement.query((reader.period.from(), reader.period.to()))?;
    let mut addresses: HashMap<i64, Vec<String>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let device = row.get(0)?;
        let known = addresses.entry(root(roots, device)).or_default();
        let address = row.get(1)?;
        if !known.contains(&address) {
            known.push(address);
        }
    }
    Ok(addresses)
}

/// The last days that have rows, and the hour that is open.
fn last_days(reader: &Reader) -> Result<Vec<Part>> {
    let sql = "SELECT min(window) FROM (SELECT window FROM coverage_day ORDER BY window DESC LIMIT ?1)";
    let first: Option<i64> = reader.db.query_row(sql, [DAYS], |row| row.get(0))?;
    let Some(open) = reader.open_hour else { return Ok(Vec::new()) };
    let days = first.map(|from| Part { level: Level::Day, from, to: open });
    Ok(days.into_iter().chain([Part { level: Level::Minute, from: open, to: open + HOUR }]).collect())
}

/// Whom each device talks to most, and what it moved in all.
fn usage(reader: &Reader, parts: &[Part], roots: &Roots, names: &mut Names<'_>) -> Result<(Peers, Totals)> {
    let mut pairs: HashMap<(i64, i64), i64> = HashMap::new();
    let mut totals: Totals = HashMap::new();
    sums(reader, parts, &[Key::Device, Key::Endpoint], &Filter::default(), |keys, sum| {
        let device = root(roots, keys[0]);
        *pairs.entry((device, keys[1])).or_default() += sum.bytes();
        totals.entry(device).or_default().add(sum);
    })?;
    let mut named: HashMap<i64, HashMap<i64, i64>> = HashMap::new();
    for ((device, endpoint), bytes) in pairs {
        if names.peer(endpoint)?.is_somebody() {
            let endpoint = names.first_called(endpoint)?;
            *named.entry(device).or_default().entry(endpoint).or_default() += bytes;
        }
    }
    let mut most = HashMap::new();
    for (device, peers) in named {
        let mut all = Vec::with_capacity(peers.len());
        for (endpoint, bytes) in peers {
            all.push((bytes, names.peer(endpoint)?));
        }
        all.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
        most.insert(device, all.into_iter().take(NAMED).map(|(_, peer)| peer).collect());
    }
    Ok((most, totals))
}
