//! `lanscribe usage`: how much, by minute, hour, day or month, and by what else is asked.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::args::{AskArgs, FilterArgs};
use super::listing::{Column, Listing, Value, iso};
use super::names::{self, Names};
use super::peers::{self, Party, Row};
use super::reader::Reader;
use super::rows_left_out;
use super::sums::Key;
use super::windows::{By, windows};

/// Rows of a table when nothing else was said.
const ROWS: usize = 100;

/// Show how much was sent and received, by time
///
/// One row for each window and device, newest first. UP is what the device sent, DOWN what it received; a frame
/// between two devices is in UP of one and in DOWN of the other. The period is rounded outwards to whole windows (for
/// months, to whole days); minutes are kept for 14 days, hours for 90, unless the configuration says otherwise. With
/// --per endpoint, what has one name is one row, however many addresses it has; NAMED says where the name comes from, as
/// in `lanscribe flows`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe usage --since 2w                        what each device did on each day
  lanscribe usage --by hour --device camera --since today
  lanscribe usage --by hour --device camera --per endpoint,service --since '2026-11-20 14:00'
  lanscribe usage --by month --per direction --csv > months.csv
  lanscribe usage --by minute --protocol udp/53 --since 1h")]
pub(crate) struct UsageArgs {
    /// How long a window is
    #[arg(long, value_enum, default_value = "day")]
    by: By,
    /// What else has rows of its own
    #[arg(long, value_enum, value_delimiter = ',', default_value = "device", value_name = "WHAT")]
    per: Vec<Per>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print at most so many rows, the newest; 0 for all. Tables have 100 if nothing is said, JSON and CSV all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Per {
    /// Who
    Device,
    /// With whom
    Endpoint,
    /// Protocol and port
    Service,
    /// To the internet, within the LAN, to groups
    Direction,
}

impl Per {
    fn keys(self) -> &'static [Key] {
        match self {
            Self::Device => &[Key::Device],
            Self::Endpoint => &[Key::Endpoint],
            Self::Service => &[Key::Protocol, Key::Port],
            Self::Direction => &[Key::Direction],
        }
    }

    fn columns(self) -> &'static [Column] {
        const DEVICE: &[Column] = &[Column::new("device", "DEVICE"), Column::raw("mac")];
        const ENDPOINT: &[Column] = &[
            Column::shown("PEER"),
            Column::raw("peer"),
            Column::new("name_source", "NAMED").whole(),
            Column::raw("peer_kind"),
            Column::new("addresses", "ADDRESSES").right().from(120),
            Column::raw("country"),
            Column::raw("as_org"),
        ];
        const SERVICE: &[Column] =
            &[Column::shown("SERVICE"), Column::raw("protocol"), Column::raw("port"), Column::raw("service")];
        const DIRECTION: &[Column] = &[Column::new("direction", "DIRECTION").whole()];
        match self {
            Self::Device => DEVICE,
            Self::Endpoint => ENDPOINT,
            Self::Service => SERVICE,
            Self::Direction => DIRECTION,
        }
    }
}

pub(crate) fn run(args: &UsageArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let filter = args.filter.resolve(&reader, &mut names)?;
    let mut per = args.per.clone();
    per.sort_unstable_by_key(|per| *per as u8);
    per.dedup();
    let keys: Vec<Key> = per.iter().flat_map(|per| per.keys()).copied().collect();
    let time = match args.by {
        By::Month => "MONTH",
        By::Day => "DAY",
        By::Hour | By::Minute => "TIME",
    };
    let mut columns = vec![Column::new("local", time).whole(), Column::raw("utc")];
    columns.extend(per.iter().flat_map(|per| per.columns()));
    columns.extend([
        Column::new("bytes_up", "UP").right(),
        Column::new("bytes_down", "DOWN").right(),
        Column::new("packets_up", "PACKETS UP").right().from(100),
        Column::new("packets_down", "PACKETS DOWN").right().from(100),
        Column::new("flows", "FLOWS").right(),
    ]);
    let mut listing = Listing::new(&reader, &columns)?;
    let limit = reader.limit(args.limit, ROWS);
    let mut left = limit;
    let mut cut = false;
    'windows: for window in windows(&reader, args.by)? {
        let mut rows = peers::rows(&reader, &window.parts, &keys, &filter, &mut names)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.sum.bytes()));
        for row in rows {
            if left == 0 {
                cut = true;
                break 'windows;
            }
            left -= 1;
            let mut values = vec![Value::text(&*window.local), Value::text(iso(window.start))];
            append(&mut values, &per, &row, &mut names)?;
            let sum = row.sum;
            values.extend([
                Value::Bytes(sum.bytes_up),
                Value::Bytes(sum.bytes_down),
                Value::Count(sum.packets_up),
                Value::Count(sum.packets_down),
                Value::Count(sum.flows),
            ]);
            listing.row(values)?;
        }
    }
    listing.finish()?;
    if cut {
        rows_left_out(limit, "older");
    }
    Ok(())
}

/// The values of the columns of `per` in a row.
fn append(values: &mut Vec<Value>, per: &[Per], row: &Row, names: &mut Names<'_>) -> Result<()> {
    let mut keys = row.keys.iter().copied();
    let mut next = || keys.next().unwrap_or_default();
    for per in per {
        match per {
            Per::Device => {
                let id = next();
                values.push(Value::text(names.device_name(id)));
                values.push(Value::maybe(names.device(id).and_then(|device| device.mac.clone())));
            }
            Per::Endpoint => {
                next();
                let peer = Party::of(&row.endpoints, names)?;
                values.push(Value::text(peer.shown));
                values.push(Value::text(peer.name));
                values.push(Value::maybe(peer.source));
                values.push(Value::text(peer.kind));
                values.push(if peer.addresses == 0 { Value::Null } else { Value::Count(peer.addresses) });
                values.push(Value::maybe(peer.country));
                values.push(Value::maybe(peer.as_org));
            }
            Per::Service => {
                let (protocol, port) = (next(), next());
                values.push(Value::text(names.service(protocol, port)));
                values.push(Value::text(names.protocol(protocol)));
                values.push(Value::Number(port));
                values.push(Value::maybe(names::service(protocol, port)));
            }
            Per::Direction => values.push(Value::text(names::direction(next()))),
        }
    }
    Ok(())
}
