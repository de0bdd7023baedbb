//! Windows as people name them: UTC and local text, and the site's civil days of 23, 24 or 25 hours.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::level::Level;

/// Milliseconds of the windows of fixed length.
pub(crate) const MINUTE: i64 = 60_000;
/// An hour in UTC.
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The start of the hour of UTC that an instant is in.
pub(crate) const fn hour_of(millis: i64) -> i64 {
    millis - millis.rem_euclid(HOUR)
}

/// Stands for the zone of a system that does not tell its name.
const SYSTEM: &str = "system";

/// A zone's IANA name.
pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or(SYSTEM).to_owned()
}

/// How instants are written.
const MINUTES: &str = "%Y-%m-%d %H:%M";

/// Turns milliseconds since 1970 into what stands in the file.
#[derive(Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
}

/// A window's text columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) utc: String,
    pub(crate) local: String,
}

impl Calendar {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// For the zone that a file was made with.
    pub(crate) fn named(name: &str) -> Self {
        let zone = if name == SYSTEM {
            TimeZone::system()
        } else {
            TimeZone::get(name).unwrap_or_else(|_| TimeZone::system())
        };
        Self { zone }
    }

    /// The site's zone.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The name under which a file keeps the zone.
    pub(crate) fn zone_name(&self) -> String {
        zone_name(&self.zone)
    }

    /// The start of the civil day that holds the instant: the first instant of it, where midnight is skipped.
    pub(crate) fn day(&self, millis: i64) -> i64 {
        let start = instant(millis).to_zoned_datetime(self.zone.clone()).start_of_day();
        start.map_or(millis - millis.rem_euclid(24 * HOUR), |day| day.timestamp().as_millisecond())
    }

    /// A window's texts: `2026-11-19 23:00` in UTC, and `2026-11-20 00:00` in local time; a day's local text is `2026-11-20`.
    pub(super) fn texts(&self, level: Level, window: i64) -> Texts {
        let at = instant(window);
        let local = at.to_zoned_datetime(self.zone.clone());
        let format = if level == Level::Day { "%Y-%m-%d" } else { MINUTES };
        Texts { utc: at.strftime(MINUTES).to_string(), local: local.strftime(format).to_string() }
    }
}

fn instant(millis: i64) -> Timestamp {
    // Core clamps to years that every calendar knows.
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn days_are_civil_days_of_23_24_and_25_hours() {
        let berlin = Calendar::new(TimeZone::get("Europe/Berlin").unwrap());
        let length = |day: &str| {
            let start = berlin.day(ms(day));
            berlin.day(start + 30 * HOUR) - start
        };
        assert_eq!(length("2026-03-29T12:00:00Z"), 23 * HOUR);
        assert_eq!(length("2026-06-15T12:00:00Z"), 24 * HOUR);
        assert_eq!(length("2026-10-25T12:00:00Z"), 25 * HOUR);
        assert_eq!(berlin.day(ms("2026-11-20T22:59:59Z")), ms("2026-11-19T23:00:00Z"));
        let texts = berlin.texts(Level::Day, ms("2026-11-19T23:00:00Z"));
        assert_eq!((&*texts.utc, &*texts.local), ("2026-11-19 23:00", "2026-11-20"));
    }

    #[test]
    fn a_day_can_begin_within_an_hour_of_utc() {
        let kolkata = Calendar::new(TimeZone::get("Asia/Kolkata").unwrap());
        assert_eq!(kolkata.day(ms("2026-11-20T18:29:00Z")), ms("2026-11-19T18:30:00Z"));
        assert_eq!(kolkata.day(ms("2026-11-20T18:30:00Z")), ms("2026-11-20T18:30:00Z"));
        assert_eq!(kolkata.texts(Level::Minute, ms("2026-11-20T18:30:00Z")).local, "2026-11-21 00:00");
    }

    #[test]
    fn the_last_instant_that_core_lets_through_has_texts() {
        let utc = Calendar::new(TimeZone::UTC);
        let last = lanscribe_core::time::Timestamp::MAX.as_millis();
        assert_eq!(utc.texts(Level::Minute, last).utc, "9999-01-01 00:00");
        assert_eq!(utc.day(last), last);
    }
}
