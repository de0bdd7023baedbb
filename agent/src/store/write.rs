//! A flush: everything of a batch in one transaction, then the hours that are over.

use std::fmt::Write as _;

use lanscribe_core::flow::naming::Hidden;
use lanscribe_core::flow::record::FlowRecord;
use lanscribe_core::learn::News;
use lanscribe_core::packet::Trouble;
use lanscribe_core::pipeline::{Batch, Event, EventKind};
use lanscribe_core::rollup::{Minute, RowKey, Usage};
use lanscribe_core::service::Evidence;
use lanscribe_core::time::Span;
use rusqlite::{Connection, OptionalExtension as _, Result, Statement};

use super::calendar::{Calendar, HOUR, hour_of};
use super::dimensions::{Dimensions, integer, text};
use super::level::Level;
use super::{Clock, Correction, Run, Store, StoreError, claims, correct, dns, roll, set_meta};
use crate::text::span_text;

/// What happens to a coverage row that is there already: a window may come in pieces. Pieces may overlap, but none
/// was watched for longer than it lasts. Of the clocks `unsynced` counts, which is the last of the alphabet.
pub(super) fn coverage_sums(level: Level) -> String {
    format!(
        "ON CONFLICT DO UPDATE SET observed_ms = min(observed_ms + excluded.observed_ms, {}),
           frames = frames + excluded.frames, bytes = bytes + excluded.bytes,
           dropped = dropped + excluded.dropped, interface_dropped = interface_dropped + excluded.interface_dropped,
           undecodable = undecodable + excluded.undecodable, undecodable_bytes = undecodable_bytes + excluded.undecodable_bytes,
           folded = folded + excluded.folded, folded_bytes = folded_bytes + excluded.folded_bytes,
           clock = max(clock, excluded.clock)",
        level.longest()
    )
}

/// What happens to a usage row that is there already.
pub(super) const USAGE_SUMS: &str = "ON CONFLICT DO UPDATE SET
    bytes_up = bytes_up + excluded.bytes_up, bytes_down = bytes_down + excluded.bytes_down,
    packets_up = packets_up + excluded.packets_up, packets_down = packets_down + excluded.packets_down,
    flows = flows + excluded.flows";

impl Store {
    /// Writes a batch: all of it or, after an error, nothing. Within `begin` and `commit` it is a part of theirs, else a
    /// transaction of its own.
    ///
    /// # Errors
    /// Whatever SQLite says; the batch is still the caller's.
    pub(crate) fn flush(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.write(batch, None, None)
    }

    /// Writes a batch after correcting the times of what was written before it, if there is anything to correct, and,
    /// in the same transaction, its number: after an error [`Store::last_flush`] of the file that was opened anew says
    /// whether it is in there.
    ///
    /// # Errors
    /// Whatever SQLite says; the batch is still the caller's.
    pub(crate) fn flush_numbered(
        &mut self,
        batch: &Batch,
        number: &str,
        correction: Option<Correction>,
    ) -> Result<(), StoreError> {
        self.write(batch, Some(number), correction)
    }

    /// The number of the last batch that was written with one.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn last_flush(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM meta WHERE key = 'flush'";
        self.db.query_row(sql, [], |row| row.get(0)).optional().map_err(|source| self.error(source))
    }

    fn write(
        &mut self,
        batch: &Batch,
        number: Option<&str>,
        correction: Option<Correction>,
    ) -> Result<(), StoreError> {
        let Self { db, calendar, open_hour, flow_base, run, .. } = self;
        let Run { dimensions, clock, next_flow, unsure, .. } = run;
        let (base, next_flow_before) = (*flow_base, *next_flow);
        let open_before = *open_hour;
        *unsure =
            (*clock == Clock::Unsynced).then(|| unsure.or_else(|| dns::first_minute(&batch.dns))).flatten();
        let unsure = *unsure;
        if let Some(Correction { since, by }) = correction {
            dimensions.correct(since.as_millis(), by.0 / 1_000);
        }
        let written = super::atomically(db, |transaction| {
            let open = match (correction, open_before) {
                (Some(correction), Some(open)) => {
                    Some(correct::apply(transaction, calendar, open, base, correction)?)
                }
                _ => open_before,
            };
            let before = (open, next_flow_before);
            let after = write_all(transaction, calendar, dimensions, *clock, *flow_base, before, batch)?;
            dns::write(transaction, dimensions, unsure, &batch.dns)?;
            if let Some(number) = number {
                set_meta(transaction, "flush", number)?;
            }
            Ok(after)
        });
        match written {
            Ok(after) => {
                (*open_hour, *next_flow) = after;
                if correction.is_some() {
                    // Rows went where it has looked already.
                    dimensions.sweep = None;
                }
                Ok(())
            }
            Err(source) => {
                dimensions.forget();
                Err(self.error(source))
            }
        }
    }
}

/// Writes all of a batch; returns the hour that is open then and the number that the next flow may have.
fn write_all(
    db: &Connection,
    calendar: &Calendar,
    dimensions: &mut Dimensions,
    clock: Clock,
    flow_base: i64,
    (mut hour, next_flow): (Option<i64>, i64),
    batch: &Batch,
) -> Result<(Option<i64>, i64)> {
    dimensions.recall(db)?;
    for change in &batch.devices {
        dimensions.observe_device(db, change)?;
    }
    write_addresses(db, dimensions, batch)?;
    claims::write(db, dimensions, &batch.claims)?;
    let minutes = || batch.minutes.iter().map(|minute| minute.window.as_millis());
    // What a running capture saw before its clock was set back lies in a future that never came.
    let end = minutes().next_back().filter(|_| clock != Clock::Capture).map(|last| hour_of(last) + HOUR);
    if let (Some(open), Some(end)) = (hour, end) {
        hour = Some(roll::reopen(db, calendar, open, end - HOUR)?);
    }
    let is_future = |window| end.is_some_and(|end| window >= end);
    let mut levels = Levels::prepare(db, calendar, clock.as_str())?;
    for minute in &batch.minutes {
        let window = minute.window.as_millis();
        let open = match (hour, end) {
            (Some(open), _) => open,
            (None, Some(end)) => hour_of(window).min(end - HOUR),
            (None, None) => hour_of(window),
        };
        hour = Some(open);
        let late = window < open || is_future(window) || roll::is_rolled(db, hour_of(window))?;
        levels.minute(dimensions, minute, late)?;
    }
    drop(levels);
    let next = write_flows(db, dimensions, batch, flow_base)?.max(next_flow);
    for event in &batch.events {
        write_event(db, dimensions, event)?;
    }
    if let Some(open) = hour {
        let newest = minutes().filter(|&window| !is_future(window)).max();
        let until = newest.map_or(open, hour_of);
        hour = Some(roll::hours(db, calendar, open, until)?);
        set_meta(db, "open_hour", hour)?;
        set_meta(db, "open_day", hour.map(|h| calendar.day(h)))?;
    }
    set_meta(db, "next_flow", next)?;
    Ok((hour, next))
}

fn write_addresses(db: &Connection, dimensions: &Dimensions, batch: &Batch) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO device_address VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
         last_seen = max(last_seen, excluded.last_seen), source = excluded.source",
    )?;
    for interval in &batch.addresses {
        let device = dimensions.device(interval.device);
        let (first, last) = (interval.first.as_millis(), interval.last.as_millis());
        insert.execute((text(interval.address), first, device, last, interval.source.as_str()))?;
    }
    Ok(())
}

/// The statements that write minutes, and late ones to hours and days as well.
struct Levels<'t> {
    db: &'t Connection,
    calendar: &'t Calendar,
    clock: &'t str,
    /// For minute, hour and day.
    coverage: [rusqlite::CachedStatement<'t>; 3],
    usage: [rusqlite::CachedStatement<'t>; 3],
}

impl<'t> Levels<'t> {
    const ALL: [Level; 3] = [Level::Minute, Level::Hour, Level::Day];

    fn prepare(db: &'t Connection, calendar: &'t Calendar, clock: &'t str) -> Result<Self> {
        let prepare = |table: &str, columns: usize, sums: &dyn Fn(Level) -> String| {
            let values = vec!["?"; columns].join(", ");
            let [minute, hour, day] = Self::ALL.map(|level| {
                db.prepare_cached(&format!(
                    "INSERT INTO {table}_{} VALUES ({values}) {}",
                    level.name(),
                    sums(level)
                ))
            });
            Ok::<_, rusqlite::Error>([minute?, hour?, day?])
        };
        let coverage = prepare("coverage", 13, &coverage_sums)?;
        let usage = prepare("usage", 11, &|_| USAGE_SUMS.to_owned())?;
        Ok(Self { db, calendar, clock, coverage, usage })
    }

    /// Writes a closed minute. If it is `late`, its hour was rolled already: then it is added to hour and day too.
    fn minute(&mut self, dimensions: &mut Dimensions, minute: &Minute, late: bool) -> Result<()> {
        let window = minute.window.as_millis();
        let hour = hour_of(window);
        let windows = [window, hour, if late { self.calendar.day(window) } else { 0 }];
        let levels = if late { 3 } else { 1 };
        for ((level, &window), statement) in
            Self::ALL.iter().zip(&windows).zip(&mut self.coverage).take(levels)
        {
            write_coverage(statement, self.calendar, *level, window, self.clock, minute)?;
        }
        for (trouble, count) in
            Trouble::ALL.iter().zip(&minute.coverage.troubles).filter(|(_, count)| !count.is_zero())
        {
            let sql = "INSERT INTO skip VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
                frames = frames + excluded.frames, bytes = bytes + excluded.bytes";
            let row = (hour, trouble.as_str(), integer(count.frames), integer(count.bytes));
            self.db.prepare_cached(sql)?.execute(row)?;
        }
        for (key, usage) in &minute.rows {
            let row = usage_row(self.db, dimensions, window, key, usage)?;
            for (&window, statement) in windows.iter().zip(&mut self.usage).take(levels) {
                let mut row = row;
                row[0] = window;
                statement.execute(row)?;
            }
        }
        Ok(())
    }
}

fn write_coverage(
    statement: &mut Statement<'_>,
    calendar: &Calendar,
    level: Level,
    window: i64,
    clock: &str,
    minute: &Minute,
) -> Result<()> {
    let texts = calendar.texts(level, window);
    let coverage = &minute.coverage;
    statement
        .execute(rusqlite::params![
            window,
            texts.utc,
            texts.local,
            coverage.observed.0 / 1_000,
            clock,
            integer(coverage.captured.frames),
            integer(coverage.captured.bytes),
            integer(coverage.dropped),
            integer(coverage.interface_dropped),
            integer(coverage.undecodable.frames),
            integer(coverage.undecodable.bytes),
            integer(coverage.folded.frames),
            integer(coverage.folded.bytes),
        ])
        .map(|_| ())
}

fn usage_row(
    db: &Connection,
    dimensions: &mut Dimensions,
    window: i64,
    key: &RowKey,
    usage: &Usage,
) -> Result<[i64; 11]> {
    Ok([
        window,
        dimensions.device(key.device),
        dimensions.endpoint(db, &key.endpoint, window)?,
        key.protocol.into(),
        key.port.into(),
        i64::from(key.class as u8),
        integer(usage.up.bytes),
        integer(usage.down.bytes),
        integer(usage.up.frames),
        integer(usage.down.frames),
        integer(usage.flows),
    ])
}

/// Writes the flow records in the order of their key; returns the number that the next flow may have.
fn write_flows(db: &Connection, dimensions: &mut Dimensions, batch: &Batch, base: i64) -> Result<i64> {
    let mut insert = db.prepare_cached(
        "INSERT INTO flow (reported, device, id, part, side, start, end, interface, vlan, local_address, local_port,
           endpoint, remote_address, remote_port, protocol, direction, opened_by, bytes_up, bytes_down, ip_bytes_up,
           ip_bytes_down, packets_up, packets_down, tcp_flags_up, tcp_flags_down, conn_state, end_reason, service, service_parsed, name,
           name_source, hidden, rtt_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
           ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)",
    )?;
    let mut records: Vec<&FlowRecord> = batch.flows.iter().collect();
    records.sort_unstable_by_key(|r| (r.reported, dimensions.device(r.device), r.id, r.part, r.side));
    // One room for the text of each address: there are as many flows as there are of nothing else.
    let (mut local, mut remote) = (String::new(), String::new());
    for record in &records {
        for (text, address) in [(&mut local, record.local.0), (&mut remote, record.remote.0)] {
            text.clear();
            let _ = write!(text, "{address}");
        }
        let endpoint = dimensions.endpoint(db, &record.endpoint, record.end.as_millis())?;
        let interface = dimensions.interface(db, record.interface)?;
        insert.execute(rusqlite::params![
            record.reported.as_millis(),
            dimensions.device(record.device),
            base + integer(record.id),
            record.part,
            record.side,
            record.start.as_millis(),
            record.end.as_millis(),
            interface,
            record.vlan,
            local,
            record.local.1,
            endpoint,
            remote,
            record.remote.1,
            record.protocol,
            record.class as u8,
            record.opened_here.map(|here| if here { "device" } else { "peer" }),
            integer(record.up.bytes),
            integer(record.down.bytes),
            integer(record.up.ip_bytes),
            integer(record.down.ip_bytes),
            integer(record.up.packets),
            integer(record.down.packets),
            record.tcp_flags.map(|flags| flags.0),
            record.tcp_flags.map(|flags| flags.1),
            record.conn_state,
            record.end_reason as u8,
            record.service.map(|service| service.name),
            record.service.map(|service| service.by == Evidence::Parsed),
            record.name.as_ref().map(|name| &*name.text),
            record.name.as_ref().map(|name| name.source.as_str()),
            record.hidden.map(Hidden::as_str),
            record.rtt_us,
        ])?;
    }
    Ok(records.iter().map(|r| base + integer(r.id) + 1).max().unwrap_or(base))
}

fn write_event(db: &Connection, dimensions: &mut Dimensions, event: &Event) -> Result<()> {
    let at = event.at.as_millis();
    if let EventKind::ClockSet { by } = event.kind
        && by < Span(0)
    {
        dimensions.set_back(db, at)?;
    }
    let (kind, device, detail) = match event.kind {
        EventKind::ClockStepped { from } => {
            ("clock", None, format!("time went back by {} ms", from.as_millis() - at))
        }
        EventKind::ClockSet { by } => ("clock", None, format!("the clock was set {}", span_text(by))),
        EventKind::ClockCorrected { by } => {
            let detail = format!("the clock is right: what this run saw before was moved {}", span_text(by));
            ("clock", None, detail)
        }
        EventKind::Tap { interface, change } => {
            ("link", None, format!("{} {change}", dimensions.interface_name(interface)))
        }
        EventKind::Limit { what, count } => ("limit", None, format!("{count} {what}")),
        EventKind::Learnt(News::Gateway { device, address }) => {
            ("gateway", Some(dimensions.device(device)), format!("sends for others, first for {address}"))
        }
        EventKind::Learnt(News::Network(learnt)) => {
            let sql = "INSERT INTO local_network VALUES (?1, ?2, ?3, ?3)
                ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)";
            db.prepare_cached(sql)?.execute((learnt.prefix.to_string(), learnt.source.as_str(), at))?;
            ("network", None, format!("{} is of this LAN, says {}", learnt.prefix, learnt.source.as_str()))
        }
    };
    insert_event(db, at, kind, device, &detail)
}

/// Writes down that something happened at `at`, in milliseconds.
pub(super) fn insert_event(
    db: &Connection,
    at: i64,
    kind: &str,
    device: Option<i64>,
    detail: &str,
) -> Result<()> {
    let sql = "INSERT INTO event (time, kind, device, detail) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute((at, kind, device, detail)).map(|_| ())
}
