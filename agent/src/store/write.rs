//! A flush: everything of a batch in one transaction, then the hours that are over.

use lanscribe_core::flow::record::FlowRecord;
use lanscribe_core::learn::News;
use lanscribe_core::packet::Trouble;
use lanscribe_core::pipeline::{Batch, Event, EventKind};
use lanscribe_core::rollup::{Minute, RowKey, Usage};
use rusqlite::{Connection, Result};

use super::calendar::{Calendar, HOUR};
use super::dimensions::{Dimensions, integer, text};
use super::{Store, StoreError, roll, set_meta};

macro_rules! coverage_upsert {
    () => {
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO UPDATE SET
          observed_ms = observed_ms + excluded.observed_ms, frames = frames + excluded.frames, bytes = bytes + excluded.bytes,
          dropped = dropped + excluded.dropped, interface_dropped = interface_dropped + excluded.interface_dropped,
          undecodable = undecodable + excluded.undecodable, undecodable_bytes = undecodable_bytes + excluded.undecodable_bytes,
          folded = folded + excluded.folded, folded_bytes = folded_bytes + excluded.folded_bytes"
    };
}

macro_rules! usage_upsert {
    () => {
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO UPDATE SET
          bytes_up = bytes_up + excluded.bytes_up, bytes_down = bytes_down + excluded.bytes_down,
          packets_up = packets_up + excluded.packets_up, packets_down = packets_down + excluded.packets_down,
          flows = flows + excluded.flows"
    };
}

/// Which level of usage and coverage a statement writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Minute,
    Hour,
    Day,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl Store {
    /// Writes a batch: all of it or, after an error, nothing.
    ///
    /// # Errors
    /// Whatever SQLite says; the batch is still the caller's.
    pub(crate) fn flush(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let flushed = self.write(batch);
        match flushed {
            Ok(()) => self.dimensions.keep(),
            Err(_) => self.dimensions.forget(),
        }
        flushed.map_err(|source| self.error(source))
    }

    fn write(&mut self, batch: &Batch) -> Result<()> {
        let Self { db, calendar, dimensions, clock, open_hour, flow_base, next_flow, .. } = self;
        let transaction = db.transaction()?;
        for change in &batch.devices {
            dimensions.observe_device(&transaction, change)?;
        }
        write_addresses(&transaction, dimensions, batch)?;
        let mut hour = *open_hour;
        for minute in &batch.minutes {
            let window = minute.window.as_millis();
            let open = *hour.get_or_insert(window - window.rem_euclid(HOUR));
            write_minute(&transaction, calendar, dimensions, clock, minute, window < open)?;
        }
        let mut next = *next_flow;
        for record in &batch.flows {
            write_flow(&transaction, dimensions, record, *flow_base)?;
            next = next.max(*flow_base + integer(record.id) + 1);
        }
        for event in &batch.events {
            write_event(&transaction, dimensions, event)?;
        }
        if let (Some(open), Some(newest)) = (hour, batch.minutes.iter().map(|m| m.window.as_millis()).max()) {
            hour = Some(roll::hours(&transaction, calendar, open, newest - newest.rem_euclid(HOUR))?);
            set_meta(&transaction, "open_hour", hour)?;
            set_meta(&transaction, "open_day", hour.map(|h| calendar.day(h)))?;
        }
        set_meta(&transaction, "next_flow", next)?;
        transaction.commit()?;
        (*open_hour, *next_flow) = (hour, next);
        Ok(())
    }
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

/// Writes a closed minute. One that is `late` for its hour, which was rolled already, is added to hour and day too.
fn write_minute(
    db: &Connection,
    calendar: &Calendar,
    dimensions: &mut Dimensions,
    clock: &str,
    minute: &Minute,
    late: bool,
) -> Result<()> {
    let window = minute.window.as_millis();
    let (hour, day) = (window - window.rem_euclid(HOUR), calendar.day(window));
    write_coverage(db, calendar, Level::Minute, window, clock, minute)?;
    if late {
        write_coverage(db, calendar, Level::Hour, hour, clock, minute)?;
        write_coverage(db, calendar, Level::Day, day, clock, minute)?;
    }
    for (trouble, count) in
        Trouble::ALL.iter().zip(&minute.coverage.troubles).filter(|(_, count)| !count.is_zero())
    {
        let sql = "INSERT INTO skip VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
            frames = frames + excluded.frames, bytes = bytes + excluded.bytes";
        db.prepare_cached(sql)?.execute((
            hour,
            trouble.as_str(),
            integer(count.frames),
            integer(count.bytes),
        ))?;
    }
    for (key, usage) in &minute.rows {
        write_usage(db, dimensions, Level::Minute, window, key, usage)?;
        if late {
            write_usage(db, dimensions, Level::Hour, hour, key, usage)?;
            write_usage(db, dimensions, Level::Day, day, key, usage)?;
        }
    }
    Ok(())
}

fn write_coverage(
    db: &Connection,
    calendar: &Calendar,
    level: Level,
    window: i64,
    clock: &str,
    minute: &Minute,
) -> Result<()> {
    let texts = if level == Level::Day { calendar.day_texts(window) } else { calendar.minute(window) };
    let coverage = &minute.coverage;
    let sql = match level {
        Level::Minute => concat!("INSERT INTO coverage_minute", coverage_upsert!()),
        Level::Hour => concat!("INSERT INTO coverage_hour", coverage_upsert!()),
        Level::Day => concat!("INSERT INTO coverage_day", coverage_upsert!()),
    };
    db.prepare_cached(sql)?
        .execute(rusqlite::params![
            window,
            texts.utc,
            texts.local,
            coverage.observed.0 / 1_000,
            clock,
            integer(coverage.captured.frames),
            integer(coverage.captured.bytes),
            0,
            0,
            integer(coverage.undecodable.frames),
            integer(coverage.undecodable.bytes),
            integer(coverage.folded.frames),
            integer(coverage.folded.bytes),
        ])
        .map(|_| ())
}

fn write_usage(
    db: &Connection,
    dimensions: &mut Dimensions,
    level: Level,
    window: i64,
    key: &RowKey,
    usage: &Usage,
) -> Result<()> {
    let endpoint = dimensions.endpoint(db, key.endpoint, window)?;
    let sql = match level {
        Level::Minute => concat!("INSERT INTO usage_minute", usage_upsert!()),
        Level::Hour => concat!("INSERT INTO usage_hour", usage_upsert!()),
        Level::Day => concat!("INSERT INTO usage_day", usage_upsert!()),
    };
    db.prepare_cached(sql)?
        .execute([
            window,
            dimensions.device(key.device),
            endpoint,
            key.protocol.into(),
            key.port.into(),
            i64::from(key.class as u8),
            integer(usage.up.bytes),
            integer(usage.down.bytes),
            integer(usage.up.frames),
            integer(usage.down.frames),
            integer(usage.flows),
        ])
        .map(|_| ())
}

fn write_flow(db: &Connection, dimensions: &mut Dimensions, record: &FlowRecord, base: i64) -> Result<()> {
    let endpoint = dimensions.endpoint(db, record.endpoint, record.end.as_millis())?;
    let sql = "INSERT INTO flow (reported, device, id, part, side, start, end, interface, vlan, local_address, local_port,
          endpoint, remote_address, remote_port, protocol, direction, opened_by, bytes_up, bytes_down, ip_bytes_up,
          ip_bytes_down, packets_up, packets_down, tcp_flags_up, tcp_flags_down, conn_state, end_reason, service, rtt_us)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
          ?24, ?25, ?26, ?27, ?28, ?29)";
    db.prepare_cached(sql)?
        .execute(rusqlite::params![
            record.reported.as_millis(),
            dimensions.device(record.device),
            base + integer(record.id),
            record.part,
            record.side,
            record.start.as_millis(),
            record.end.as_millis(),
            record.interface,
            record.vlan,
            text(record.local.0),
            record.local.1,
            endpoint,
            text(record.remote.0),
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
            record.service,
            record.rtt_us,
        ])
        .map(|_| ())
}

fn write_event(db: &Connection, dimensions: &Dimensions, event: &Event) -> Result<()> {
    let at = event.at.as_millis();
    let (kind, device, detail) = match event.kind {
        EventKind::ClockStepped { from } => {
            ("clock", None, format!("time went back by {} ms", from.as_millis() - at))
        }
        EventKind::Learnt(News::Gateway { device, address }) => {
            ("gateway", Some(dimensions.device(device)), format!("sends for others, first for {address}"))
        }
        EventKind::Learnt(News::Network(learnt)) => {
            let sql = "INSERT INTO local_network VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)";
            db.prepare_cached(sql)?.execute((learnt.prefix.to_string(), learnt.source.as_str(), at))?;
            ("network", None, format!("{} is of this LAN, says {}", learnt.prefix, learnt.source.as_str()))
        }
    };
    let sql = "INSERT INTO event (time, kind, device, detail) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute((at, kind, device, detail)).map(|_| ())
}
