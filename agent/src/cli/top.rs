//! `lanscribe top`: who did most in a period, or with whom, or by what service.

use std::collections::HashMap;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::args::{AskArgs, FilterArgs};
use super::identity::mac_and_more;
use super::listing::{Column, Form, Listing, Value};
use super::names::{self, Names};
use super::peers::{self, Party, Row};
use super::reader::Reader;
use super::rows_left_out;
use super::sums::{Filter, Key, Sum};
use super::windows::plan;

/// Show who, with whom, or what service moved most bytes
///
/// UP is what devices sent, DOWN what they received; a frame between two devices is in both. The period is exact to
/// the minute as long as minutes are kept (14 days, unless the configuration says otherwise); the edges of older ones
/// are rounded outwards to whole hours, and after 90 days to whole days. Without a period it is all that the file has.
///
/// An endpoint is what it is called, however many addresses it has; what has no name is its address. NAMED says where
/// the name comes from, as in `lanscribe flows`; of several sources, the most trusted one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe top --since 1d                     the devices that moved most since this time yesterday
  lanscribe top endpoints --device camera      whom the camera talks to
  lanscribe top endpoints --sort up --direction remote --since 1w
  lanscribe top services --since today --json")]
pub(crate) struct TopArgs {
    /// What is compared
    #[arg(value_enum, default_value = "devices", value_name = "WHAT")]
    what: What,
    /// Most of what comes first
    #[arg(long, value_enum, default_value = "total")]
    sort: Sort,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print at most so many rows; 0 for all
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Devices of the LAN
    Devices,
    /// Whom they talk to
    Endpoints,
    /// Protocols and ports
    Services,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Total,
    Up,
    Down,
    Flows,
}

impl Sort {
    pub(crate) fn of(self, sum: &Sum) -> i64 {
        match self {
            Self::Total => sum.bytes(),
            Self::Up => sum.bytes_up,
            Self::Down => sum.bytes_down,
            Self::Flows => sum.flows,
        }
    }
}

const SUMS: [Column; 5] = [
    Column::new("bytes_up", "UP").right(),
    Column::new("bytes_down", "DOWN").right(),
    Column::new("packets_up", "PACKETS UP").right().from(110),
    Column::new("packets_down", "PACKETS DOWN").right().from(110),
    Column::new("flows", "FLOWS").right(),
];
const SHARE: Column = Column::new("share", "SHARE").right();

pub(crate) fn run(args: &TopArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let filter = args.filter.resolve(&reader, &mut names)?;
    let (keys, first): (&[Key], &[Column]) = match args.what {
        What::Devices => (
            &[Key::Device],
            &[
                Column::new("device", "DEVICE"),
                Column::new("mac", "MAC").whole().from(110),
                Column::new("vendor", "VENDOR").from(130),
            ],
        ),
        What::Endpoints => (
            &[Key::Endpoint],
            &[
                Column::shown("PEER"),
                Column::raw("peer"),
                Column::new("name_source", "NAMED").whole(),
                Column::new("peer_kind", "KIND").whole().from(90),
                Column::new("addresses", "ADDRESSES").right().from(120),
                Column::new("country", "COUNTRY").from(130),
                Column::raw("as_org"),
            ],
        ),
        What::Services => (
            &[Key::Protocol, Key::Port],
            &[
                Column::new("service", "SERVICE"),
                Column::new("protocol", "PROTOCOL").whole(),
                Column::new("port", "PORT").right(),
            ],
        ),
    };
    let mut rows = ranked(&reader, keys, &filter, args.sort, &mut names)?;
    let whole: i64 = rows.iter().map(|row| args.sort.of(&row.sum)).sum();
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let cut = rows.len() > limit;
    rows.truncate(limit);
    let columns: Vec<Column> = first.iter().copied().chain(SUMS).chain([SHARE]).collect();
    let mut listing = Listing::new(&reader, &columns)?;
    for Row { keys, endpoints, sum } in rows {
        let mut values = match args.what {
            What::Devices => {
                let device = names.device(keys[0]);
                let mac = device.and_then(|d| d.mac.clone());
                let others = names.devices().filter(|d| d.root == keys[0] && d.id != d.root).count();
                let others = if reader.form == Form::Table { others } else { 0 };
                vec![
                    Value::text(names.device_name(keys[0])),
                    Value::maybe(mac_and_more(mac, others)),
                    Value::maybe(device.and_then(|d| d.vendor.clone())),
                ]
            }
            What::Endpoints => {
                let peer = Party::of(&endpoints, &mut names)?;
                vec![
                    Value::text(peer.shown),
                    Value::text(peer.name),
                    Value::maybe(peer.source),
                    Value::text(peer.kind),
                    if peer.addresses == 0 { Value::Null } else { Value::Count(peer.addresses) },
                    Value::maybe(peer.country),
                    Value::maybe(peer.as_org),
                ]
            }
            What::Services => {
                vec![
                    Value::maybe(names::service(keys[0], keys[1])),
                    Value::text(names.protocol(keys[0])),
                    if keys[1] == 0 { Value::Null } else { Value::Number(keys[1]) },
                ]
            }
        };
        values.extend(counts(&sum));
        #[allow(clippy::cast_precision_loss)] // one digit after the point is shown
        values.push(Value::Share(if whole == 0 { 0.0 } else { args.sort.of(&sum) as f64 / whole as f64 }));
        listing.row(values)?;
    }
    listing.finish()?;
    if cut {
        rows_left_out(limit, "smaller");
    }
    Ok(())
}

/// The values of the columns that every table of sums ends with.
fn counts(sum: &Sum) -> [Value; 5] {
    [
        Value::Bytes(sum.bytes_up),
        Value::Bytes(sum.bytes_down),
        Value::Count(sum.packets_up),
        Value::Count(sum.packets_down),
        Value::Count(sum.flows),
    ]
}

/// Sums of the reader's period by `keys`, the greatest first. Endpoints that have one name are one, as devices that were
/// merged are: of these the key is the device that the others were merged into.
pub(crate) fn ranked(
    reader: &Reader,
    keys: &[Key],
    filter: &Filter,
    sort: Sort,
    names: &mut Names<'_>,
) -> Result<Vec<Row>> {
    let mut rows = peers::rows(reader, &plan(reader)?, keys, filter, names)?;
    if keys == [Key::Device] {
        let mut places: HashMap<i64, usize> = HashMap::new();
        let mut roots: Vec<Row> = Vec::new();
        for mut row in rows {
            row.keys[0] = names.device(row.keys[0]).map_or(row.keys[0], |device| device.root);
            let place = *places.entry(row.keys[0]).or_insert(roots.len());
            match roots.get_mut(place) {
                Some(root) => root.sum.add(&row.sum),
                None => roots.push(row),
            }
        }
        rows = roots;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(sort.of(&row.sum)));
    Ok(rows)
}
