//! `lanscribe dns`: what devices ask for, and who asks where nobody can see it.

use std::collections::HashMap;

use anyhow::Result;
use clap::Args;

use super::args::AskArgs;
use super::listing::{Column, Form, Listing, Value};
use super::names::Names;
use super::reader::Reader;
use super::rows_left_out;
use super::sums;
use super::who;
use crate::store::calendar::HOUR;

/// Rows of a table when nothing else was said.
const ROWS: usize = 50;

/// List what devices ask DNS for, and how often
///
/// Most frequent first: each name that a device asked for, by the type of record and what came of it. TYPE is A for IPv4
/// addresses, AAAA for IPv6, PTR for the name of an address, and so on; RESULT is NOERROR, NXDOMAIN (there is no such
/// name) and the like, or "no answer". A name that is * stands for those that were beyond the limits. Questions are counted
/// by the hour, to which the period is rounded outwards, and kept as long as hours are.
///
/// Only what is asked in the open can be counted. With --hidden the list is of devices that ask by TLS (dot), HTTPS (doh)
/// or QUIC (doq), whom, and in how many flows; it goes back as far as flows do. A resolver that nobody knows is not told
/// from any other server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe dns --device camera --since 1d   what the camera looked up since this time yesterday
  lanscribe dns --failed                     what was asked for in vain, by whom, and how often
  lanscribe dns --name example.com           who asks for it, or for anything with that in its name
  lanscribe dns --hidden                     who asks where it cannot be seen
  lanscribe dns --json | jq -r .name | sort -u")]
pub(crate) struct DnsArgs {
    /// Only this device: its MAC or IP address, label, name, or a part of its name
    #[arg(long, value_name = "WHO")]
    device: Option<String>,
    /// Only what failed: any other result than NOERROR, and no answer
    #[arg(long)]
    failed: bool,
    /// Only names with this in them
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Who asks where the questions cannot be seen, and whom
    #[arg(long, conflicts_with_all = ["failed", "name"])]
    hidden: bool,
    /// Print at most so many rows; 0 for all. Tables have 50 if nothing is said, JSON and CSV all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    ask: AskArgs,
}

const COLUMNS: [Column; 8] = [
    Column::new("device", "DEVICE"),
    Column::raw("mac"),
    Column::new("name", "NAME"),
    Column::new("type", "TYPE").whole(),
    Column::new("rcode", "RESULT").whole(),
    Column::new("count", "COUNT").right(),
    Column::new("first", "FIRST").whole().from(90),
    Column::new("last", "LAST").whole(),
];

const HIDDEN: [Column; 10] = [
    Column::new("device", "DEVICE"),
    Column::raw("mac"),
    Column::new("how", "HOW").whole(),
    Column::new("resolver", "RESOLVER"),
    Column::new("name_source", "NAMED").whole(),
    Column::new("flows", "FLOWS").right(),
    Column::new("bytes_up", "UP").right().from(100),
    Column::new("bytes_down", "DOWN").right().from(100),
    Column::new("first", "FIRST").whole().from(90),
    Column::new("last", "LAST").whole(),
];

/// Runs `lanscribe dns`.
pub(crate) fn run(args: &DnsArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let mut names = Names::new(&reader.db)?;
    let find = |who: &str| who::find(&reader, &names, who).map(|who| who.ids);
    let devices = args.device.as_deref().map(find).transpose()?;
    let mut rows = if args.hidden {
        hidden(&reader, devices.as_deref())?.into_iter().map(|row| row.values(&names)).collect()
    } else {
        questions(&reader, &mut names, args, devices.as_deref())?
    };
    let limit = reader.limit(args.limit, ROWS);
    let cut = rows.len() > limit;
    rows.truncate(limit);
    let mut listing = Listing::new(&reader, if args.hidden { &HIDDEN } else { &COLUMNS })?;
    for row in rows {
        listing.row(row)?;
    }
    listing.finish()?;
    if cut {
        rows_left_out(limit, "rarer");
    }
    Ok(())
}

/// What was asked for: how often, and first and last when.
#[derive(Clone, Copy, Debug)]
struct Asked {
    count: i64,
    first: i64,
    last: i64,
}

fn questions(
    reader: &Reader,
    names: &mut Names<'_>,
    args: &DnsArgs,
    devices: Option<&[i64]>,
) -> Result<Vec<Vec<Value>>> {
    // Coverage has the hours one by one, so that those of a device are looked up in the key; a clock that nobody vouches
    // for can begin one within its hour.
    let sql = format!(
        "SELECT device, name, type, rcode, sum(count), min(first), max(last) FROM dns_hour
         WHERE window >= ?1 AND window < ?2{}{} GROUP BY 1, 2, 3, 4",
        sums::of_devices("device", devices),
        if args.failed { " AND rcode <> 0" } else { "" },
    );
    let from = reader.period.since.map_or(i64::MIN, |since| since.div_euclid(HOUR) * HOUR);
    let mut statement = reader.db.prepare(&sql)?;
    let mut found = statement.query((from, reader.period.to()))?;
    let wanted = args.name.as_deref().map(str::to_lowercase).unwrap_or_default();
    // Those that were merged are one to people, whatever the file has.
    let mut asked: HashMap<(i64, String, i64, i64), Asked> = HashMap::new();
    while let Some(row) = found.next()? {
        let (device, name): (i64, String) = (row.get(0)?, row.get(1)?);
        if !name.to_lowercase().contains(&wanted) {
            continue;
        }
        let device = match (reader.form, names.device(device)) {
            (Form::Table, Some(device)) => device.root,
            _ => device,
        };
        let more = Asked { count: row.get(4)?, first: row.get(5)?, last: row.get(6)? };
        asked
            .entry((device, name, row.get(2)?, row.get(3)?))
            .and_modify(|known| {
                known.count += more.count;
                known.first = known.first.min(more.first);
                known.last = known.last.max(more.last);
            })
            .or_insert(more);
    }
    let mut asked: Vec<_> = asked.into_iter().collect();
    asked.sort_unstable_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
    let values = |((device, name, kind, rcode), asked): ((i64, String, i64, i64), Asked)| {
        vec![
            Value::text(names.device_name(device)),
            Value::maybe(names.device(device).and_then(|device| device.mac.clone())),
            Value::text(name),
            Value::text(word(TYPES, kind)),
            Value::text(word(RESULTS, rcode)),
            Value::Count(asked.count),
            Value::Seen(asked.first),
            Value::Seen(asked.last),
        ]
    };
    Ok(asked.into_iter().map(values).collect())
}

/// Flows of a device in which DNS cannot be read, by who answers.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    device: i64,
    pub(super) how: String,
    pub(super) resolver: String,
    pub(super) source: Option<String>,
    pub(super) flows: i64,
    up: i64,
    down: i64,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Hidden {
    fn values(self, names: &Names<'_>) -> Vec<Value> {
        vec![
            Value::text(names.device_name(self.device)),
            Value::maybe(names.device(self.device).and_then(|device| device.mac.clone())),
            Value::text(self.how),
            Value::text(self.resolver),
            Value::maybe(self.source),
            Value::Count(self.flows),
            Value::Bytes(self.up),
            Value::Bytes(self.down),
            Value::Seen(self.first),
            Value::Seen(self.last),
        ]
    }
}

/// Who asks where it cannot be seen in the reader's period, those with most flows first.
pub(super) fn hidden(reader: &Reader, devices: Option<&[i64]>) -> Result<Vec<Hidden>> {
    // By device, each window is looked up in the key.
    let sql = format!(
        "SELECT f.device, f.hidden, coalesce(f.name, f.remote_address), min(f.name_source), count(DISTINCT f.id),
           sum(f.bytes_up), sum(f.bytes_down), min(f.start), max(f.end)
         FROM device d CROSS JOIN flow f ON f.device = d.id
         WHERE f.hidden IN ('dot', 'doh', 'doq') AND f.opened_by IS NOT 'peer' AND f.start < ?2 AND f.end >= ?1{}
         GROUP BY 1, 2, 3 ORDER BY 5 DESC, 6 + 7 DESC, 1, 2, 3",
        sums::of_devices("d.id", devices)
    );
    let mut statement = reader.db.prepare(&sql)?;
    let rows = statement.query_map((reader.period.from(), reader.period.to()), |row| {
        Ok(Hidden {
            device: row.get(0)?,
            how: row.get(1)?,
            resolver: row.get(2)?,
            source: row.get(3)?,
            flows: row.get(4)?,
            up: row.get(5)?,
            down: row.get(6)?,
            first: row.get(7)?,
            last: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Types of records by their numbers, as in the view `dns_queries` (IANA, DNS parameters).
const TYPES: &[(i64, &str)] = &[
    (0, "*"),
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (43, "DS"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (255, "ANY"),
    (257, "CAA"),
];

/// Results by their numbers, as there.
const RESULTS: &[(i64, &str)] = &[
    (-1, "no answer"),
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
];

fn word(words: &[(i64, &str)], number: i64) -> String {
    let known = words.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| number.to_string(), |(_, word)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_words_that_the_view_has() {
        let views = include_str!("../store/views.sql");
        let view = views.split("CREATE VIEW dns_queries ").nth(1).unwrap().split(';').next().unwrap();
        for (column, words) in [("type", TYPES), ("rcode", RESULTS)] {
            let case =
                view.split(&format!("CASE n.{column} ")).nth(1).unwrap().split(" ELSE").next().unwrap();
            let ours: Vec<String> =
                words.iter().map(|(number, word)| format!("WHEN {number} THEN '{word}'")).collect();
            assert_eq!(case.split_whitespace().collect::<Vec<_>>().join(" "), ours.join(" "));
        }
        assert_eq!([word(TYPES, 65), word(TYPES, 99), word(RESULTS, -1)], ["HTTPS", "99", "no answer"]);
    }
}
