//! The size cap: what goes when there is too much, what stays whatever there is, and that all that stays adds up.

use super::super::{Age, Budget, Cap, Retention, beside};
use super::*;

const KEPT: Retention = Retention { minutes: 14, flows: 14, hours: 90, days: 400 };
const DAY: i64 = 86_400_000;

/// A site that is watched around the clock: two minutes stand for each hour, as if each lasted for half of it.
struct Site {
    place: Place,
    store: Store,
    start: Timestamp,
    days: i64,
}

impl Site {
    fn new() -> Self {
        let place = Place::new();
        let store = place.open("UTC");
        // Nobody pulls the plug here, and a disk that is waited for makes a year long.
        store.db.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { place, store, start: at("2026-01-01T00:00:00"), days: 0 }
    }

    /// A day, with so many endpoints in each minute and so many flows.
    fn add_day(&mut self, endpoints: u32, flows: u64) {
        let start = self.start + Span::from_secs(86_400 * self.days);
        self.add(start, 24, endpoints, flows);
        self.days += 1;
    }

    fn add(&mut self, start: Timestamp, hours: i64, endpoints: u32, flows: u64) {
        let minutes = (0..2 * hours).map(|n| {
            let rows = rows_of_all_classes().into_iter();
            let rows = rows.chain((10..endpoints).map(|n| row(remote(n), 443, 100)));
            let mut minute = minute(start + Span::from_secs(1_800 * n), rows.collect());
            minute.coverage.observed = Span::from_secs(1_800);
            minute
        });
        let first = u64::try_from(ask::<i64>(&self.store, "SELECT count(*) FROM flow")).unwrap() + 1_000_000;
        let first = first + u64::try_from(self.days).unwrap() * 10_000;
        let each = |n: u64| {
            start
                + Span::from_secs(
                    3_600 * hours * i64::try_from(n * 97 % flows).unwrap() / i64::try_from(flows).unwrap(),
                )
        };
        let flows = (0..flows).map(|n| flow(first + n, each(n))).collect();
        self.store.flush(&Batch { flows, ..batch(minutes.collect()) }).unwrap();
    }

    /// The end of what was written.
    fn now(&self) -> i64 {
        (self.start + Span::from_secs(86_400 * self.days)).as_millis() - 1_800_000
    }

    fn cap(&self, limit: u64) -> Cap {
        let age = Age { now: self.now(), sure: true };
        Cap { limit, retention: KEPT, age, at: self.now() }
    }

    /// Holds the file to it until there is no more to do. Returns whether it is as small as that, and how often it was
    /// asked.
    fn shorten(&mut self, cap: Cap) -> (bool, u32) {
        for asked in 1.. {
            let mut budget = Budget::step();
            let fits = self.store.shorten(cap, &mut budget).unwrap();
            if !budget.is_spent() {
                return (fits, asked);
            }
            assert!(asked < 1_000, "it never ends");
        }
        unreachable!()
    }

    /// Bytes of the file and of the log beside it.
    fn bytes(&self) -> u64 {
        let path = self.place.path();
        [path.clone(), beside(&path, "-wal")].iter().map(|p| p.metadata().map_or(0, |m| m.len())).sum()
    }

    /// Bytes of the file once the log is empty.
    fn settled(&self) -> u64 {
        assert!(self.store.empty_log().unwrap());
        self.bytes()
    }

    /// Days that each level goes back: flows, minutes, hours, days with peers.
    fn reach(&self) -> [i64; 4] {
        [
            "reported) FROM flow",
            "window) FROM usage_minute",
            "window) FROM usage_hour",
            "window) FROM usage_day WHERE endpoint > 1",
        ]
        .map(|of| (self.now() + 1_800_000 - ask::<i64>(&self.store, &format!("SELECT min({of}"))) / DAY)
    }

    /// All that was ever written, by its days.
    fn total(&self) -> (i64, i64) {
        pairs(&self.store, "SELECT sum(frames), sum(bytes) FROM coverage_by_day")[0]
    }
}

/// In each window that a level still has, everything is accounted for.
fn assert_windows(store: &Store) {
    for level in ["minute", "hour", "day"] {
        for unit in ["packets", "bytes"] {
            let (captured, lost) =
                if unit == "bytes" { ("bytes", "undecodable_bytes") } else { ("frames", "undecodable") };
            let wrong: i64 = ask(
                store,
                &format!(
                    "SELECT count(*) FROM coverage_{level} c LEFT JOIN (SELECT window,
                       sum({unit}_up) + sum(CASE direction WHEN 0 THEN {unit}_down ELSE 0 END) AS accounted,
                       sum(CASE direction WHEN 1 THEN {unit}_up - {unit}_down ELSE 0 END) AS within
                     FROM usage_{level} GROUP BY window) u ON u.window = c.window
                     WHERE coalesce(accounted, 0) + {lost} <> {captured} OR within <> 0"
                ),
            );
            assert_eq!(wrong, 0, "{level} {unit}");
        }
        let bare = format!(
            "SELECT count(*) FROM usage_{level} WHERE window NOT IN (SELECT window FROM coverage_{level})"
        );
        assert_eq!(ask::<i64>(store, &bare), 0, "{level}");
    }
    let uncounted = "SELECT count(*) FROM skip WHERE window NOT IN (SELECT window FROM coverage_hour)
        AND window < (SELECT value FROM meta WHERE key = 'open_hour')";
    assert_eq!(ask::<i64>(store, uncounted), 0);
}

#[test]
fn a_year_stays_below_the_cap_day_by_day_and_all_levels_keep_the_same_share() {
    const LIMIT: u64 = 2_000_000;
    let mut site = Site::new();
    let mut frames = 0;
    let first_seen: i64 = {
        site.add_day(20, 300);
        ask(&site.store, "SELECT min(first_seen) FROM device WHERE id > 0")
    };
    site.store.db.execute("UPDATE device SET label = 'Disk' WHERE mac LIKE '%01'", []).unwrap();
    for day in 1..365 {
        site.add_day(20, 300);
        let cap = site.cap(LIMIT);
        site.store.retain(cap.age, KEPT, &mut Budget::all()).unwrap();
        let (fits, asked) = site.shorten(cap);
        assert!(fits && site.bytes() <= LIMIT, "day {day}: {} bytes", site.bytes());
        assert!(asked < 4, "day {day}: {asked} times");
        frames = frames.max(site.total().0);
        if day % 60 == 0 {
            assert_windows(&site.store);
        }
    }
    assert_windows(&site.store);
    assert_eq!(site.total().0, frames, "days keep their sums");
    assert_eq!(frames, 365 * 48 * ask::<i64>(&site.store, "SELECT min(frames) FROM coverage_minute"));
    let [flows, minutes, hours, days] = site.reach();
    // Of 14, 14, 90 and 365 days; a day more or less is one that is only there in part.
    let share = |days: i64, of: i64| 100 * days / of;
    for (reach, of) in [(flows, 14), (minutes, 14), (days, 400)] {
        assert!((share(reach, of) - share(hours, 90)).abs() <= 12, "{:?}", site.reach());
    }
    assert!(hours < 80 && flows >= 2, "{:?}", site.reach());
    let (label, seen) =
        pairs::<String, i64>(&site.store, "SELECT label, first_seen FROM device WHERE label IS NOT NULL")[0]
            .clone();
    assert_eq!((&*label, seen), ("Disk", first_seen));
    let events = pairs::<i64, String>(
        &site.store,
        "SELECT time / 86400000, detail FROM event WHERE kind = 'retention'",
    );
    assert!(events.len() > 30, "{}", events.len());
    for name in ["flows", "minutes", "hours", "days with peers"] {
        let mut days: Vec<i64> = events
            .iter()
            .filter(|(_, said)| said.starts_with(&format!("{name} are kept")))
            .map(|(day, _)| *day)
            .collect();
        let all = days.len();
        days.dedup();
        assert!(all > 0 && days.len() == all, "{name}: {events:?}");
    }
    let says = site.store.shortened(site.cap(LIMIT)).unwrap().unwrap();
    assert!(
        says.contains("below 2.0 MB") && says.contains("hours for ") && says.contains("instead of 90 days"),
        "{says}"
    );
    assert_eq!(site.store.shortened(site.cap(100_000_000)).unwrap(), None);
}

#[test]
fn at_the_floors_nothing_more_goes_however_large_the_file_is() {
    let mut site = Site::new();
    for _ in 0..60 {
        site.add_day(30, 200);
    }
    let before = site.total();
    assert!(!site.shorten(site.cap(100_000)).0);
    let levels = "SELECT (SELECT count(*) FROM flow) || ' ' || (SELECT count(*) FROM usage_minute) || ' ' ||
        (SELECT count(*) FROM usage_hour) || ' ' || (SELECT count(*) FROM usage_day)";
    let left: String = ask(&site.store, levels);
    // The day that is open is none yet.
    assert_eq!(site.reach(), [1, 0, 7, 31]);
    assert_eq!(
        ask::<i64>(&site.store, "SELECT count(DISTINCT window) FROM usage_minute"),
        2,
        "the hour that is open"
    );
    assert_eq!(site.total(), before);
    assert_windows(&site.store);
    assert!(!site.shorten(site.cap(100_000)).0);
    assert_eq!(ask::<String>(&site.store, levels), left);
    // What is configured to be kept for a shorter time is no floor.
    let short = Retention { minutes: 1, flows: 1, hours: 2, days: 3 };
    site.store.retain(Age { now: site.now(), sure: true }, short, &mut Budget::all()).unwrap();
    assert!(!site.shorten(Cap { retention: short, ..site.cap(50_000) }).0);
    assert_eq!(site.reach()[2..], [2, 3]);
    // With more room it is well again.
    assert!(site.shorten(site.cap(10_000_000)).0);
}

#[test]
fn a_wrong_clock_makes_no_row_older_whichever_way_it_went() {
    let mut left = Vec::new();
    for hour in [None, Some("2036-06-01T11:00:00"), Some("2026-01-01T00:00:00")] {
        let mut site = Site::new();
        for _ in 0..40 {
            site.add_day(30, 200);
        }
        let limit = site.settled() * 6 / 10;
        if hour.is_some() {
            // The clock jumped ten years ahead for two hours, and back.
            site.add(at("2036-06-01T10:00:00"), 2, 30, 50);
        }
        // The hour that is open may be one of these, or of long before all that is there, or the last.
        let now = hour.map_or(site.now(), ms);
        let (before, cap) = (site.total(), Cap { age: Age { now, sure: false }, ..site.cap(limit) });
        assert!(site.shorten(cap).0);
        let [flows, minutes, hours, _] = site.reach();
        assert!(flows >= 3 && minutes >= 3 && hours >= 20, "{hour:?}: {:?}", site.reach());
        left.push((flows, hours));
        assert_eq!(site.total(), before);
        assert_windows(&site.store);
        // Even the smallest file keeps the latest of what is real, but for the two hours that are newer.
        site.shorten(Cap { limit: 50_000, ..cap });
        let [flows, _, hours, _] = site.reach();
        assert!((0..=2).contains(&flows) && (6..=8).contains(&hours), "{hour:?}: {:?}", site.reach());
    }
    assert!(
        left.iter().all(|&(flows, hours)| (flows - left[0].0).abs() < 2 && (hours - left[0].1).abs() < 3),
        "{left:?}"
    );
}

#[test]
fn a_little_goes_at_a_time_and_between_two_times_all_adds_up() {
    let mut site = Site::new();
    for _ in 0..12 {
        site.add_day(200, 1_000);
    }
    let cap = site.cap(site.settled() / 2);
    let rows = |site: &Site| -> i64 {
        ["flow", "usage_minute", "usage_hour"]
            .iter()
            .map(|t| ask::<i64>(&site.store, &format!("SELECT count(*) FROM {t}")))
            .sum()
    };
    let (mut left, mut steps) = (rows(&site), 0);
    loop {
        let mut budget = Budget::of(1);
        site.store.shorten(cap, &mut budget).unwrap();
        let now = rows(&site);
        assert!(left - now <= 20_400, "{}", left - now);
        (left, steps) = (now, steps + 1);
        if steps % 4 == 1 {
            assert_windows(&site.store);
        }
        if !budget.is_spent() {
            break;
        }
        // A flush comes in between.
        if steps == 3 {
            site.add_day(20, 10);
        }
    }
    assert!(steps > 10, "{steps}");
    let said = "SELECT count(*), count(DISTINCT substr(detail, 1, 5)) FROM event WHERE kind = 'retention'";
    let (events, levels) = pairs::<i64, i64>(&site.store, said)[0];
    assert!(events == levels && levels > 2, "{events} of {levels} levels, within a day");
    assert!(site.bytes() <= cap.limit, "{}", site.bytes());
}

#[test]
fn while_somebody_reads_the_file_is_not_made_smaller_and_nothing_more_than_needed_goes() {
    let mut site = Site::new();
    for _ in 0..30 {
        site.add_day(100, 500);
    }
    let cap = site.cap(site.settled() * 3 / 4);
    let reader = rusqlite::Connection::open(site.place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM flow").unwrap();
    let reach = {
        site.shorten(cap);
        site.reach()
    };
    assert!(site.bytes() > cap.limit, "the log has it all");
    for _ in 0..5 {
        site.shorten(cap);
    }
    assert_eq!(site.reach(), reach);
    reader.execute_batch("COMMIT").unwrap();
    assert!(site.shorten(cap).0 && site.bytes() <= cap.limit, "{}", site.bytes());
    assert_eq!(site.reach(), reach);
}
