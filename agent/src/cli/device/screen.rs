//! One device as people see it: part after part, each cut where it would be longer than a screen.

use std::io::Write;

use anyhow::Result;

use super::days::{self, DAYS, Day};
use super::{Alike, Heard, Known};
use crate::cli::dns::Hidden;
use crate::cli::listing::{Column, Value, small_table, stdout};
use crate::cli::reader::Reader;
use crate::cli::sums::Sum;
use crate::text::{bytes, count, visible};

/// Rows of each part.
const ADDRESSES: usize = 8;
const SAID: usize = 8;
const PEERS: usize = 8;
const SERVICES: usize = 6;
const HIDDEN: usize = 4;
const ALIKE: usize = 4;

impl Known {
    /// The screen, for people.
    pub(super) fn screen(&self, reader: &Reader, days: &[Day]) -> Result<()> {
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
            if let (None, Some(source)) = (&identity.merged_into, &self.source) {
                line("named", source)?;
            }
            line("vendor", identity.vendor.as_deref().unwrap_or_default())?;
            line("role", identity.role.as_deref().unwrap_or_default())?;
            if let (Some(kind), Some(rule)) = (&identity.kind, &identity.rule) {
                line("type", &format!("{kind} (by {rule})"))?;
            }
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
        let columns = [Column::shown("  SAYS OF ITSELF"), columns[1], columns[2], columns[3]];
        part(&columns, self.said.iter().take(SAID).map(row).collect(), self.said.len())?;
        let columns = [
            Column::shown("  WHEN ACTIVE").whole(),
            Column::shown("0     6     12    18    ").whole(),
            Column::shown("UP").right(),
            Column::shown("DOWN").right(),
        ];
        part(&columns, days::rows(days), days.len().min(DAYS))?;
        let columns = |first, second, named: &[Column]| {
            let mut columns = vec![Column::shown(first)];
            columns.extend(named);
            columns.extend([
                Column::shown(second).whole(),
                Column::shown("UP").right(),
                Column::shown("DOWN").right(),
                Column::shown("FLOWS").right(),
            ]);
            columns
        };
        let row = |moved: &(String, Option<String>, String, Sum), named: bool| {
            let (name, source, kind, sum) = moved;
            let mut row = vec![Value::text(format!("  {name}"))];
            row.extend(named.then(|| Value::maybe(source.clone())));
            row.extend([
                Value::text(&**kind),
                Value::Bytes(sum.bytes_up),
                Value::Bytes(sum.bytes_down),
                Value::Count(sum.flows),
            ]);
            row
        };
        part(
            &columns("  TALKS TO", "KIND", &[Column::shown("NAMED").whole()]),
            self.peers.iter().take(PEERS).map(|peer| row(peer, true)).collect(),
            self.peers.len(),
        )?;
        part(
            &columns("  BY", "DIRECTION", &[]),
            self.services.iter().take(SERVICES).map(|service| row(service, false)).collect(),
            self.services.len(),
        )?;
        let columns = [
            Column::shown("  HIDDEN DNS"),
            Column::shown("NAMED").whole(),
            Column::shown("HOW").whole(),
            Column::shown("FLOWS").right(),
            Column::shown("LAST").whole(),
        ];
        let row = |hidden: &Hidden| {
            vec![
                Value::text(format!("  {}", hidden.resolver)),
                Value::maybe(hidden.source.clone()),
                Value::text(&*hidden.how),
                Value::Count(hidden.flows),
                Value::Seen(hidden.last),
            ]
        };
        part(&columns, self.hidden.iter().take(HIDDEN).map(row).collect(), self.hidden.len())?;
        let columns =
            [Column::shown("  MAYBE THE SAME"), Column::shown("MAC").whole(), Column::shown("BOTH SAY")];
        let row = |(name, mac, why): &Alike| {
            vec![Value::text(format!("  {name}")), Value::text(&**mac), Value::text(&**why)]
        };
        part(&columns, self.alike.iter().take(ALIKE).map(row).collect(), self.alike.len())?;
        Ok(out.flush()?)
    }
}
