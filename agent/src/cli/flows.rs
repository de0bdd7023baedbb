//! `lanscribe flows`: conversations one by one.

use anyhow::Result;
use clap::Args;
use rusqlite::Row;

use super::args::{AskArgs, FilterArgs};
use super::listing::{Column, Listing, Value};
use super::names::{self, Names};
use super::reader::Reader;
use super::rows_left_out;
use crate::store::calendar::{HOUR, MINUTE};

/// Rows of a table when nothing else was said.
const ROWS: usize = 50;
/// Flows are filed by the five minutes in which they were due.
const FILED: i64 = 5 * MINUTE;
/// A flow, or a part of one, is filed at most this long after it began: time-outs are much shorter.
const LATEST: i64 = 24 * HOUR;

/// List flows: who talked to whom, when, and how much
///
/// Newest first, by the five minutes in which they ended. A long flow has a row for each part of at most five minutes,
/// whose counts add up; a flow between two devices has a row for each of them. A flow is listed if any of it lies in
/// the period. Flows are kept for 14 days, unless the configuration says otherwise.
///
/// NAMED says where the name of PEER comes from, the most trusted first: sni, quic and http were said in the flow itself
/// (TLS, QUIC, HTTP); dns is what this very device asked for when it was given the address; mdns was announced on the LAN;
/// ptr is what DNS said of the address. A peer without a name is its address. Of a device of the LAN it is where that one's
/// name comes from, as in `lanscribe devices`. Behind it stands what hides names: ech (the name may be that of the provider
/// alone), dot, doh, doq (DNS that cannot be read). A SERVICE with a question mark is what the port stands for, no more.
///
/// STATE is what Zeek calls conn_state: SF is a whole connection, S0 one without an answer, REJ one that was refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe flows --since 1h                       what happened in the last hour
  lanscribe flows --device camera --limit 20       the last things that the camera did
  lanscribe flows --device 192.168.1.23 --protocol domain --since today
  lanscribe flows --direction remote --since yesterday --until yesterday --csv > flows.csv")]
pub(crate) struct FlowsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Print at most so many rows, the newest; 0 for all. Tables have 50 if nothing is said, JSON and CSV all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    ask: AskArgs,
}

const COLUMNS: [Column; 38] = [
    Column::new("start", "START").whole(),
    Column::raw("end"),
    Column::new("duration_ms", "TOOK").right().from(90),
    Column::new("device", "DEVICE"),
    Column::raw("mac"),
    Column::shown("PEER"),
    Column::shown("NAMED"),
    Column::raw("peer"),
    Column::raw("peer_kind"),
    Column::shown("SERVICE"),
    Column::raw("protocol"),
    Column::new("direction", "DIRECTION").whole().from(110),
    Column::raw("service"),
    Column::raw("service_source"),
    Column::new("opened_by", "OPENED BY").whole().from(140),
    Column::new("conn_state", "STATE").whole().from(100),
    Column::new("bytes_up", "UP").right(),
    Column::new("bytes_down", "DOWN").right(),
    Column::raw("packets_up"),
    Column::raw("packets_down"),
    Column::raw("ip_bytes_up"),
    Column::raw("ip_bytes_down"),
    Column::shown("FROM").from(160),
    Column::shown("TO").from(160),
    Column::raw("local_address"),
    Column::raw("local_port"),
    Column::raw("remote_address"),
    Column::raw("remote_port"),
    Column::raw("name"),
    Column::raw("name_source"),
    Column::raw("hidden"),
    Column::raw("country"),
    Column::raw("as_org"),
    Column::raw("end_reason"),
    Column::raw("rtt_us"),
    Column::raw("vlan"),
    Column::raw("id"),
    Column::raw("part"),
];

pub(crate) fn run(args: &FlowsArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let filter = args.filter.resolve(&reader, &mut names)?;
    let limit = reader.limit(args.limit, ROWS);
    let mut listing = Listing::new(&reader, &COLUMNS)?;
    let sql = format!(
        "SELECT start, end, device, endpoint, protocol, direction, opened_by, conn_state, bytes_up, bytes_down, packets_up,
           packets_down, ip_bytes_up, ip_bytes_down, local_address, local_port, remote_address, remote_port, name,
           name_source, end_reason, rtt_us, vlan, id, part, service,
           CASE service_parsed WHEN 1 THEN 'parsed' WHEN 0 THEN 'port' END AS service_source, hidden
         FROM flow f WHERE f.reported = ?1 AND f.start < ?2 AND f.end >= ?3{}
         ORDER BY start DESC, id DESC, part DESC, side",
        filter.conditions("f", &["local_port", "remote_port"])
    );
    let mut statement = reader.db.prepare(&sql)?;
    let (from, to) = (reader.period.from(), reader.period.to());
    let mut left = limit;
    let mut cut = false;
    // One five-minute window after the other: the key is then used whatever is asked, and nothing is sorted as a whole.
    let mut filed = to.saturating_add(LATEST);
    'windows: while let Some(window) = filed_before(&reader, filed)? {
        if window < from.saturating_sub(FILED) {
            break;
        }
        filed = window;
        let mut rows = statement.query((window, to, from))?;
        while let Some(row) = rows.next()? {
            if left == 0 {
                cut = true;
                break 'windows;
            }
            left -= 1;
            listing.row(values(row, &mut names)?)?;
        }
    }
    listing.finish()?;
    if cut {
        rows_left_out(limit, "older");
    }
    Ok(())
}

/// The newest window before `limit` in which flows were filed.
fn filed_before(reader: &Reader, limit: i64) -> Result<Option<i64>> {
    let mut statement = reader.db.prepare_cached("SELECT max(reported) FROM flow WHERE reported < ?1")?;
    Ok(statement.query_row([limit], |row| row.get(0))?)
}

fn values(row: &Row<'_>, names: &mut Names<'_>) -> Result<Vec<Value>> {
    let integer = |column: &str| row.get::<_, i64>(column);
    let maybe =
        |column: &str| row.get::<_, Option<i64>>(column).map(|n| n.map_or(Value::Null, Value::Number));
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let (start, end, device, protocol) =
        (integer("start")?, integer("end")?, integer("device")?, integer("protocol")?);
    let peer = names.peer(integer("endpoint")?)?;
    let (name, source, hidden) = (text("name")?, text("name_source")?, text("hidden")?);
    // A device of the LAN is called as everywhere else, and by its owner's label if it has one.
    let (shown_name, named) = match &name {
        Some(name) if peer.kind != "device" || peer.address.is_some() => (name.clone(), source.clone()),
        _ => (peer.shown(), peer.source.clone()),
    };
    let named: Vec<String> = named.into_iter().chain(hidden.clone()).collect();
    let (local, remote) =
        (text("local_address")?.unwrap_or_default(), text("remote_address")?.unwrap_or_default());
    let (local_port, remote_port): (Option<i64>, Option<i64>) =
        (row.get("local_port")?, row.get("remote_port")?);
    let (service, evidence) = (text("service")?, text("service_source")?);
    let by_port = evidence.as_deref() == Some("port");
    let shown = service.as_ref().map(|name| if by_port { format!("{name}?") } else { name.clone() });
    let shown = shown.unwrap_or_else(|| {
        // The side that was called has the port that says something.
        let called = if text("opened_by").ok().flatten().as_deref() == Some("peer") {
            local_port
        } else {
            remote_port
        };
        names.service(protocol, called.unwrap_or(0))
    });
    Ok(vec![
        Value::Instant(start),
        Value::Instant(end),
        Value::Took(end - start),
        Value::text(names.device_name(device)),
        Value::maybe(names.device(device).and_then(|device| device.mac.clone())),
        Value::text(shown_name),
        Value::text(named.join(" ")),
        Value::text(&*peer.name),
        Value::text(&*peer.kind),
        Value::text(shown),
        Value::text(names.protocol(protocol)),
        Value::text(names::direction(integer("direction")?)),
        Value::maybe(service),
        Value::maybe(evidence),
        Value::maybe(text("opened_by")?),
        Value::maybe(text("conn_state")?),
        Value::Bytes(integer("bytes_up")?),
        Value::Bytes(integer("bytes_down")?),
        Value::Count(integer("packets_up")?),
        Value::Count(integer("packets_down")?),
        Value::Bytes(integer("ip_bytes_up")?),
        Value::Bytes(integer("ip_bytes_down")?),
        Value::text(with_port(&local, local_port)),
        Value::text(with_port(&remote, remote_port)),
        Value::text(local),
        maybe("local_port")?,
        Value::text(remote),
        maybe("remote_port")?,
        Value::maybe(name),
        Value::maybe(source),
        Value::maybe(hidden),
        Value::maybe(peer.country.clone()),
        Value::maybe(peer.as_org.clone()),
        maybe("end_reason")?,
        maybe("rtt_us")?,
        maybe("vlan")?,
        maybe("id")?,
        maybe("part")?,
    ])
}

fn with_port(address: &str, port: Option<i64>) -> String {
    match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_owned(),
    }
}
