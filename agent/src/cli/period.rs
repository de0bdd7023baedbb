//! The time that a question is about, as people write it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::args::PeriodArgs;
use super::exit::Usage;

/// From and until in milliseconds since 1970; open where nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) since: Option<i64>,
    /// The first instant that is out of it.
    pub(crate) until: Option<i64>,
}

impl Period {
    /// Understands what was typed. Dates and times of day are of `zone`, what is ago counts from `now`.
    pub(crate) fn new(args: &PeriodArgs, zone: &TimeZone, now: Timestamp) -> Result<Self, Usage> {
        let since =
            args.since.as_deref().map(|t| instant("--since", t, zone, now, Edge::First)).transpose()?;
        let until =
            args.until.as_deref().map(|t| instant("--until", t, zone, now, Edge::Last)).transpose()?;
        if let (Some(from), Some(to)) = (since, until)
            && from >= to
        {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            return Err(Usage(format!(
                "the period is empty: --since {:?} is not before --until {:?}",
                text(&args.since),
                text(&args.until)
            )));
        }
        Ok(Self { since, until })
    }

    /// Whether nothing was said.
    pub(crate) fn is_open(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn from(self) -> i64 {
        self.since.unwrap_or(i64::MIN)
    }

    pub(crate) fn to(self) -> i64 {
        self.until.unwrap_or(i64::MAX)
    }
}

/// Which end of a day a date stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    First,
    Last,
}

/// The instant in milliseconds since 1970 that `text`, given as `option`, means.
///
/// # Errors
/// If it means none.
pub(crate) fn instant(
    option: &str,
    text: &str,
    zone: &TimeZone,
    now: Timestamp,
    edge: Edge,
) -> Result<i64, Usage> {
    parse(text.trim(), zone, now, edge).map(Timestamp::as_millisecond).ok_or_else(|| {
        Usage(format!(
            "{option} {text:?} is no time: give 30m, 12h, 1d or 2w (ago), today, yesterday, now, 2026-11-20, \
             '2026-11-20 14:00', or 2026-11-20T14:00:00Z"
        ))
    })
}

fn parse(text: &str, zone: &TimeZone, now: Timestamp, edge: Edge) -> Option<Timestamp> {
    let today = || zone.to_datetime(now).date();
    match text {
        "now" => return Some(now),
        "today" => return day(today(), zone, edge),
        "yesterday" => return day(today().yesterday().ok()?, zone, edge),
        _ => {}
    }
    if let Some(ago) = span(text) {
        return now.checked_sub(ago?).ok();
    }
    if text.len() == "2026-11-20".len() {
        return day(text.parse::<Date>().ok()?, zone, edge);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // Only a date with a time of day: a zone or an offset that was not understood must not be overlooked.
    let local = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok())?;
    zone.to_timestamp(local).ok()
}

/// A number and a unit. `Some(None)` if it is one, but too long for any calendar.
fn span(text: &str) -> Option<Option<SignedDuration>> {
    let unit = text.bytes().next_back()?;
    let number = text.get(..text.len() - 1)?;
    let seconds = match unit {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(number.parse::<i64>().ok().and_then(|n| n.checked_mul(seconds)).map(SignedDuration::from_secs))
}

fn day(date: Date, zone: &TimeZone, edge: Edge) -> Option<Timestamp> {
    let date = if edge == Edge::Last { date.tomorrow().ok()? } else { date };
    date.to_zoned_datetime(zone.clone()).ok().map(|midnight| midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, edge: Edge) -> Option<String> {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-20T12:30:00Z".parse().unwrap();
        parse(text, &berlin, now, edge).map(|t| t.to_string())
    }

    #[test]
    fn what_is_ago_counts_from_now() {
        assert_eq!(at("30m", Edge::First).unwrap(), "2026-11-20T12:00:00Z");
        assert_eq!(at("1d", Edge::Last).unwrap(), "2026-11-19T12:30:00Z");
        assert_eq!(at("2w", Edge::First).unwrap(), "2026-11-06T12:30:00Z");
        assert_eq!(at("now", Edge::First).unwrap(), "2026-11-20T12:30:00Z");
    }

    #[test]
    fn dates_are_days_of_the_site_and_until_includes_them() {
        assert_eq!(at("2026-11-20", Edge::First).unwrap(), "2026-11-19T23:00:00Z");
        assert_eq!(at("2026-11-20", Edge::Last).unwrap(), "2026-11-20T23:00:00Z");
        assert_eq!(at("2026-10-25", Edge::Last).unwrap(), "2026-10-25T23:00:00Z", "a day of 25 hours");
        assert_eq!(at("yesterday", Edge::First).unwrap(), "2026-11-18T23:00:00Z");
        assert_eq!(at("today", Edge::Last).unwrap(), "2026-11-20T23:00:00Z");
    }

    #[test]
    fn times_of_day_are_of_the_site_unless_they_say_otherwise() {
        assert_eq!(at("2026-11-20 14:00", Edge::Last).unwrap(), "2026-11-20T13:00:00Z");
        assert_eq!(at("2026-11-20T14:00:30", Edge::First).unwrap(), "2026-11-20T13:00:30Z");
        assert_eq!(at("2026-11-20T14:00:00Z", Edge::First).unwrap(), "2026-11-20T14:00:00Z");
        assert_eq!(at("2026-11-20T14:00:00+05:30", Edge::First).unwrap(), "2026-11-20T08:30:00Z");
        assert_eq!(
            at("2026-03-29 02:30", Edge::First).unwrap(),
            "2026-03-29T01:30:00Z",
            "an hour that was skipped"
        );
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "d",
            "1",
            "1y",
            "-1d",
            "1.5h",
            "2026-13-01",
            "2026-11-31",
            "14:00",
            "99999999999999999999d",
            "5µ",
        ] {
            assert_eq!(at(text, Edge::First), None, "{text}");
        }
        let args = PeriodArgs { since: Some("2026-11-21".into()), until: Some("2026-11-20".into()) };
        let error = Period::new(&args, &TimeZone::UTC, Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }
}
