//! Which rows of which level answer a question about a period: days where they suffice, hours at their edges, minutes
//! at theirs. Nothing is summed from minutes that stands in a day.

use anyhow::Result;
use rusqlite::Connection;

use super::period::Period;
use super::reader::Reader;
use crate::store::Level;
use crate::store::calendar::{Calendar, HOUR, MINUTE, hour_of};

/// Rows of one level whose windows start in `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) level: Level,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What one row of an answer by time is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    Minute,
    Hour,
    Day,
    Month,
}

/// A window of an answer: its start, its name in local time, and where its rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: i64,
    pub(crate) local: String,
    pub(crate) parts: Vec<Part>,
}

/// What is known of how far back each level goes.
#[derive(Debug)]
struct Reach<'a> {
    calendar: &'a Calendar,
    /// All before it is rolled up.
    open: i64,
    /// Where minutes begin, if older ones were deleted.
    minutes: Option<i64>,
    /// Where hours begin, if older ones were deleted.
    hours: Option<i64>,
}

/// The parts that together hold the period, exactly to the minute; where minutes were deleted already its edges are
/// rounded outwards to whole hours, and where hours were, to whole days.
pub(crate) fn plan(reader: &Reader) -> Result<Vec<Part>> {
    Ok(match Reach::of(reader)? {
        Some(reach) => reach.plan(reader.period),
        None => Vec::new(),
    })
}

impl<'a> Reach<'a> {
    fn of(reader: &'a Reader) -> Result<Option<Self>> {
        let Some(open) = reader.open_hour else { return Ok(None) };
        let first = |level: Level| -> rusqlite::Result<Option<i64>> {
            let sql = format!("SELECT min(window) FROM coverage_{}", level.name());
            reader.db.query_row(&sql, [], |row| row.get(0))
        };
        let (minute, hour, day) = (first(Level::Minute)?, first(Level::Hour)?, first(Level::Day)?);
        // A level begins late for one of two reasons: older rows were deleted, or nothing was seen before.
        let minutes = minute.unwrap_or(open);
        let hours = hour.unwrap_or(open);
        Ok(Some(Self {
            calendar: &reader.calendar,
            open,
            minutes: hour.is_some_and(|hour| hour < hour_of(minutes)).then_some(minutes),
            hours: day.is_some_and(|day| day < reader.calendar.day(hours)).then_some(hours),
        }))
    }

    fn plan(&self, period: Period) -> Vec<Part> {
        let from = period.since.map_or(i64::MIN, |at| self.round_down(at));
        let to = period.until.map_or(i64::MAX, |at| self.round_up(at));
        let mut parts = Vec::new();
        let closed = to.min(self.open);
        if from < closed {
            // The day that is open has a row already: of all its hours that are closed.
            let first = if from == i64::MIN { from } else { self.next_day(from) };
            let last = if to >= self.open { self.open } else { self.calendar.day(closed) };
            if first < last {
                edge(&mut parts, from, first);
                parts.push(Part { level: Level::Day, from: first, to: last });
                edge(&mut parts, last, closed);
            } else {
                edge(&mut parts, from, closed);
            }
        }
        if to > self.open {
            let end = self.open + HOUR;
            parts.push(Part { level: Level::Minute, from: from.max(self.open), to: to.min(end) });
            // A clock that was ahead may have left days that are not yet.
            if to > end {
                parts.push(Part { level: Level::Day, from: self.next_day(from.max(end)), to });
            }
        }
        parts.retain(|part| part.from < part.to);
        parts
    }

    fn round_down(&self, at: i64) -> i64 {
        let day = self.calendar.day(at);
        if self.hours.is_some_and(|first| at < first) {
            return day;
        }
        if self.minutes.is_some_and(|first| at < first) {
            // In zones off by half an hour days begin within hours, and those minutes are gone.
            return if day.rem_euclid(HOUR) == 0 { hour_of(at) } else { day };
        }
        at - at.rem_euclid(MINUTE)
    }

    fn round_up(&self, at: i64) -> i64 {
        let down = self.round_down(at);
        if down == at {
            return at;
        }
        if down == self.calendar.day(at) && self.minutes.or(self.hours).is_some_and(|first| at < first) {
            return self.next_day(at);
        }
        let step = if self.minutes.is_some_and(|first| at < first) { HOUR } else { MINUTE };
        at - at.rem_euclid(step) + step
    }

    /// The first midnight that is not before `at`.
    fn next_day(&self, at: i64) -> i64 {
        next_day(self.calendar, at)
    }
}

fn next_day(calendar: &Calendar, at: i64) -> i64 {
    let start = calendar.day(at);
    // A day has at most 25 hours, and none begins within 36 hours of another but the next.
    if start == at { at } else { calendar.day(start + 36 * HOUR) }
}

/// Hours, and minutes where they do not fit.
fn edge(parts: &mut Vec<Part>, from: i64, to: i64) {
    if from >= to {
        return;
    }
    let first = from.saturating_add(HOUR - 1).div_euclid(HOUR) * HOUR;
    let last = to.div_euclid(HOUR) * HOUR;
    if first < last {
        parts.push(Part { level: Level::Minute, from, to: first });
        parts.push(Part { level: Level::Hour, from: first, to: last });
        parts.push(Part { level: Level::Minute, from: last, to });
    } else {
        parts.push(Part { level: Level::Minute, from, to });
    }
}

/// The windows of the period in which something was watched, newest first. The period is rounded outwards to whole
/// windows; for months, to whole days.
pub(crate) fn windows(reader: &Reader, by: By) -> Result<Vec<Window>> {
    let Some(open) = reader.open_hour else { return Ok(Vec::new()) };
    let calendar = &reader.calendar;
    let level = match by {
        By::Minute => Level::Minute,
        By::Hour => Level::Hour,
        By::Day | By::Month => Level::Day,
    };
    let start = |at: i64| match level {
        Level::Minute => at - at.rem_euclid(MINUTE),
        Level::Hour => hour_of(at),
        Level::Day => calendar.day(at),
    };
    let length = |start: i64| match level {
        Level::Minute => MINUTE,
        Level::Hour => HOUR,
        Level::Day => next_day(calendar, start + 1) - start,
    };
    let from = reader.period.since.map_or(i64::MIN, start);
    let to = reader.period.until.map_or(i64::MAX, |at| match start(at) {
        start if start == at => at,
        start => start + length(start),
    });
    let mut windows: Vec<Window> = Vec::new();
    if level != Level::Minute {
        for minute in list(&reader.db, Level::Minute, from.max(open), to.min(open + HOUR))? {
            let at = start(minute.start);
            let part = minute.parts[0];
            match windows.last_mut() {
                Some(window) if window.start == at => window.parts[0].from = part.from,
                _ => {
                    let format = if level == Level::Day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
                    windows.push(Window { start: at, local: reader.local(at, format), parts: vec![part] });
                }
            }
        }
    }
    for closed in list(&reader.db, level, from, to)? {
        match windows.iter_mut().find(|open| open.start == closed.start) {
            Some(open) => open.parts.extend(closed.parts),
            None => windows.push(closed),
        }
    }
    windows.sort_unstable_by_key(|window| std::cmp::Reverse(window.start));
    if by == By::Month {
        let mut months: Vec<Window> = Vec::new();
        for day in windows {
            let month = day.local.get(..7).unwrap_or(&day.local).to_owned();
            match months.last_mut() {
                Some(last) if last.local == month => {
                    last.start = day.start;
                    last.parts.extend(day.parts);
                }
                _ => months.push(Window { local: month, ..day }),
            }
        }
        return Ok(months);
    }
    Ok(windows)
}

/// How long a window is.
pub(crate) fn length(reader: &Reader, by: By, start: i64) -> i64 {
    match by {
        By::Minute => MINUTE,
        By::Hour => HOUR,
        By::Day | By::Month => next_day(&reader.calendar, start + 1) - start,
    }
}

/// The windows of a level, newest first.
fn list(db: &Connection, level: Level, from: i64, to: i64) -> Result<Vec<Window>> {
    let sql = format!(
        "SELECT window, local FROM coverage_{} WHERE window >= ?1 AND window < ?2 ORDER BY window DESC",
        level.name()
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map((from, to), |row| {
        let start = row.get(0)?;
        Ok(Window { start, local: row.get(1)?, parts: vec![Part { level, from: start, to: start + 1 }] })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn planned(
        since: Option<&str>,
        until: Option<&str>,
        minutes: Option<&str>,
        hours: Option<&str>,
    ) -> Vec<String> {
        let calendar = Calendar::new(TimeZone::get("Europe/Berlin").unwrap());
        let (minutes, hours) = (minutes.map(ms), hours.map(ms));
        let reach = Reach { calendar: &calendar, open: ms("2026-11-20T15:00:00Z"), minutes, hours };
        let parts = reach.plan(Period { since: since.map(ms), until: until.map(ms) });
        let show = |at: i64| match at {
            i64::MIN | i64::MAX => "*".to_owned(),
            _ => Timestamp::from_millisecond(at).unwrap().strftime("%d.%H:%M").to_string(),
        };
        parts.iter().map(|p| format!("{} {}-{}", p.level.name(), show(p.from), show(p.to))).collect()
    }

    #[test]
    fn everything_is_days_and_the_open_hour() {
        assert_eq!(
            planned(None, None, None, None),
            ["day *-20.15:00", "minute 20.15:00-20.16:00", "day 20.23:00-*"]
        );
    }

    #[test]
    fn a_ragged_period_has_minutes_hours_and_days() {
        assert_eq!(
            planned(Some("2026-11-17T10:20:30Z"), Some("2026-11-20T12:30:00Z"), None, None),
            [
                "minute 17.10:20-17.11:00",
                "hour 17.11:00-17.23:00",
                "day 17.23:00-19.23:00",
                "hour 19.23:00-20.12:00",
                "minute 20.12:00-20.12:30"
            ]
        );
        assert_eq!(
            planned(Some("2026-11-20T14:20:00Z"), None, None, None),
            ["minute 20.14:20-20.15:00", "minute 20.15:00-20.16:00", "day 20.23:00-*"]
        );
    }

    #[test]
    fn where_minutes_or_hours_are_gone_edges_are_rounded_outwards() {
        let minutes = Some("2026-11-15T00:00:00Z");
        assert_eq!(
            planned(Some("2026-11-10T10:20:30Z"), Some("2026-11-10T12:10:00Z"), minutes, None),
            ["hour 10.10:00-10.13:00"]
        );
        assert_eq!(
            planned(
                Some("2026-11-08T10:20:30Z"),
                Some("2026-11-09T12:10:00Z"),
                minutes,
                Some("2026-11-12T00:00:00Z")
            ),
            ["day 07.23:00-09.23:00"]
        );
    }
}
