//! What becomes of the file, with time as an argument.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::pipeline::Batch;
use rusqlite::Connection;

use super::*;
use crate::store::tests::{Place as Folder, at, batch, flow, minute, rows_of_all_classes};
use crate::store::{Clock, Retention, Size};

struct Scene {
    folder: Folder,
    ledger: Ledger,
    settings: Settings,
    began: Instant,
}

impl Scene {
    fn new() -> Self {
        Self::over(Folder::new(), Settings::default())
    }

    fn over(folder: Folder, settings: Settings) -> Self {
        let ledger = Ledger::new(&folder.path(), settings.clone(), Arc::default());
        Self { folder, ledger, settings, began: Instant::now() }
    }

    /// Another run on the same file.
    fn again(self) -> Self {
        let Self { folder, ledger, .. } = self;
        drop(ledger);
        Self::over(folder, Settings::default())
    }

    /// Seconds after the beginning, which was at ten o'clock.
    fn now(&self, seconds: u64) -> Now {
        let wall: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let after = Duration::from_secs(seconds);
        Now { instant: self.began + after, wall: wall + after }
    }

    fn write(&mut self, batch: Batch, number: u64, now: Now) -> Result<bool, StoreError> {
        let parcel = Parcel { batch, number, clock: Clock::Synced, correction: None, done: Vec::new() };
        self.ledger.write(&parcel, now)
    }

    fn status(&self) -> WriterStatus {
        lock(&self.ledger.status).clone()
    }

    /// Another program's connection.
    fn other(&self) -> Connection {
        let db = Connection::open(self.folder.path()).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        db
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.other().query_row(sql, [], |row| row.get(0)).expect(sql)
    }

    /// Overwrites all pages of the file but the first.
    fn damage(&self) {
        let mut bytes = std::fs::read(self.folder.path()).unwrap();
        bytes[4096..].fill(0xa5);
        std::fs::write(self.folder.path(), bytes).unwrap();
    }
}

/// A batch of the minute that begins so long after ten.
fn of_minute(n: i64) -> Batch {
    let start = at("2026-11-20T10:00:00") + lanscribe_core::time::Span::from_secs(60 * n);
    batch(vec![minute(start, rows_of_all_classes())])
}

const MINUTES: &str =
    "SELECT group_concat(frames, ' ') FROM (SELECT frames FROM coverage_minute ORDER BY window)";

#[test]
fn a_batch_that_is_in_the_file_already_is_not_written_again() {
    let mut scene = Scene::new();
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    let once: String = scene.ask(MINUTES);
    // The commit gave an error and happened.
    let number = format!("{}:2", scene.ledger.run);
    scene.other().execute("UPDATE meta SET value = ?1 WHERE key = 'flush'", [number]).unwrap();
    let error = StoreError::Busy(scene.folder.path());
    scene.ledger.leave(error, scene.now(1)).unwrap();
    assert!(!scene.write(of_minute(0), 2, scene.now(1)).unwrap(), "not at once");
    assert!(scene.write(of_minute(0), 2, scene.now(10)).unwrap());
    assert_eq!(scene.ask::<String>(MINUTES), once);
    assert!(scene.write(of_minute(0), 3, scene.now(11)).unwrap());
    assert_ne!(scene.ask::<String>(MINUTES), once, "another number is another batch");
    assert_eq!(scene.ask::<i64>("SELECT value = 3 OR value LIKE '%:3' FROM meta WHERE key = 'flush'"), 1);
}

#[test]
fn while_the_file_cannot_be_written_the_tries_get_rarer_up_to_a_minute() {
    let mut scene = Scene::new();
    scene.ledger.open(scene.now(0)).unwrap();
    let other = scene.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut pauses, mut second) = (Vec::new(), 0);
    for _ in 0..8 {
        // What SQLite waits itself is no part of this test.
        if let Some(Place::Closed(run)) = &mut scene.ledger.place {
            run.set_patience(Duration::ZERO);
        }
        second += 100;
        let now = scene.now(second);
        assert!(!scene.write(of_minute(0), 1, now).unwrap());
        pauses.push((scene.ledger.retry_at().unwrap() - now.instant).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let (why, since) = scene.status().waiting.unwrap();
    assert!(why.contains("in use by another program"), "{why}");
    assert_eq!(since, scene.now(100).wall.as_millisecond(), "since the first time");
    other.execute_batch("COMMIT").unwrap();
    assert!(scene.write(of_minute(0), 1, scene.now(second + 60)).unwrap());
    assert_eq!((scene.status().waiting, scene.ledger.pause), (None, PAUSE));
}

#[test]
fn a_damaged_file_is_set_aside_and_a_fresh_one_says_so() {
    let mut scene = Scene::new();
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    scene.ledger.close();
    scene.damage();
    // Another run: what was written before it is set aside.
    let mut scene = scene.again();
    assert!(scene.write(of_minute(1), 1, scene.now(60)).unwrap());
    let aside = "x.db.corrupt-20261120T100100Z";
    assert!(scene.folder.dir.path().join(aside).exists());
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM coverage_minute"), 1);
    let said: String = scene.ask("SELECT detail FROM events WHERE kind = 'file'");
    assert!(said.contains(aside), "{said}");
    assert_eq!(scene.status().alarms, [said]);
    assert_eq!(scene.status().waiting, None);
    // Damaged once more within a day.
    scene.ledger.close();
    scene.damage();
    let mut scene = scene.again();
    let fatal = scene.write(of_minute(2), 1, scene.now(3_600)).unwrap_err();
    assert!(
        matches!(&fatal, StoreError::DamagedAgain { earlier, .. } if earlier.ends_with(aside)),
        "{fatal}"
    );
    assert_eq!(crate::cli::exit::code(&fatal.into()), 65);
    assert!(scene.folder.path().exists(), "and is left as it is");
    // A day after the first it is an accident again.
    let mut scene = scene.again();
    assert!(scene.write(of_minute(2), 1, scene.now(86_460)).unwrap());
}

#[test]
fn a_file_that_lost_its_head_while_it_was_written_is_damaged_and_not_somebody_elses() {
    let mut scene = Scene::new();
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    let store = scene.ledger.store().unwrap();
    assert!(store.empty_log().unwrap());
    let bytes = vec![0; std::fs::metadata(scene.folder.path()).unwrap().len().try_into().unwrap()];
    scene.ledger.leave(StoreError::Busy(scene.folder.path()), scene.now(1)).unwrap();
    std::fs::write(scene.folder.path(), bytes).unwrap();
    assert!(scene.write(of_minute(1), 2, scene.now(10)).unwrap());
    // The devices of the first batch are none of the second one's news.
    assert!(scene.write(Batch { devices: vec![], ..of_minute(2) }, 3, scene.now(11)).unwrap());
    assert_eq!(scene.ask::<i64>("SELECT count(DISTINCT device) FROM usage_by_minute"), 2);
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM usage_minute WHERE device = 0"), 0);
}

#[test]
fn a_file_that_is_not_ours_ends_it_and_is_left_alone() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "a letter, and no database at all\n".repeat(300)).unwrap();
    let mut scene = Scene::over(folder, Settings::default());
    assert!(matches!(scene.ledger.open(scene.now(0)), Err(StoreError::Foreign(..))));
    assert!(std::fs::read_to_string(scene.folder.path()).unwrap().starts_with("a letter"));
    assert_eq!(std::fs::read_dir(scene.folder.dir.path()).unwrap().count(), 1);
    let folder = Folder::new();
    folder.open("UTC").close().unwrap();
    let zone = Some(TimeZone::get("Asia/Kolkata").unwrap());
    let mut scene = Scene::over(folder, Settings { zone, ..Settings::default() });
    assert!(matches!(scene.ledger.open(scene.now(0)), Err(StoreError::Zone { .. })));
    scene.other().pragma_update(None, "user_version", 99).unwrap();
    let mut scene = scene.again();
    assert!(matches!(scene.ledger.open(scene.now(0)), Err(StoreError::Newer { .. })));
}

#[test]
fn a_file_that_another_lanscribe_writes_is_waited_for() {
    let folder = Folder::new();
    let reading = folder.open("UTC");
    let mut scene = Scene::over(folder, Settings::default());
    assert!(!scene.ledger.open(scene.now(0)).unwrap());
    let why = scene.ledger.why().unwrap();
    assert!(why.contains("another lanscribe"), "{why}");
    reading.close().unwrap();
    assert!(!scene.ledger.open(scene.now(0)).unwrap(), "not yet");
    assert!(scene.ledger.open(scene.now(5)).unwrap());
    assert_eq!(scene.status().waiting, None);
}

#[test]
fn a_file_that_was_moved_away_is_followed_by_a_new_one() {
    let mut scene = Scene::new();
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    std::fs::rename(scene.folder.path(), scene.folder.dir.path().join("copy.db")).unwrap();
    assert!(scene.write(of_minute(1), 2, scene.now(60)).unwrap());
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM coverage_minute"), 1);
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM events WHERE kind = 'file'"), 1);
}

#[test]
fn old_rows_go_when_an_hour_is_over_but_only_after_so_much_was_watched() {
    const DAY: i64 = 24 * 60;
    let retention = Retention { minutes: 1, ..Retention::default() };
    let minutes = |scene: &Scene| scene.ask::<i64>("SELECT count(*) FROM coverage_minute");
    let mut scene = Scene::over(Folder::new(), Settings { retention, ..Settings::default() });
    for (number, n) in [(1, 0), (2, 3 * DAY)] {
        let now = scene.now(u64::try_from(n).unwrap() * 60);
        assert!(scene.write(of_minute(n), number, now).unwrap());
        scene.ledger.tidy(now).unwrap();
    }
    assert_eq!(minutes(&scene), 2, "the clock says three days, but two minutes were watched");
    // In the same hour nothing is looked for again; an hour later it is, even if no hour of the file is over.
    let old = "INSERT INTO coverage_minute SELECT 60000, utc, local, 0, clock, 0, 0, 0, 0, 0, 0, 0, 0 FROM coverage_minute LIMIT 1";
    scene.other().execute(old, []).unwrap();
    scene.other().execute("UPDATE coverage_day SET observed_ms = 86400000", []).unwrap();
    for (number, passed, left) in [(3, 1, 4), (4, 60, 3)] {
        let now = scene.now(60 * u64::try_from(3 * DAY + passed).unwrap());
        assert!(scene.write(of_minute(3 * DAY + 1), number, now).unwrap());
        scene.ledger.tidy(now).unwrap();
        assert_eq!(minutes(&scene), left, "{passed}");
    }
}

#[test]
fn a_jump_of_the_clock_by_thirty_years_deletes_nothing() {
    let retention = Retention { minutes: 1, ..Retention::default() };
    let mut scene = Scene::over(Folder::new(), Settings { retention, ..Settings::default() });
    for (number, n) in [(1, 0), (2, 30 * 365 * 24 * 60)] {
        assert!(scene.write(of_minute(n), number, scene.now(60)).unwrap());
        scene.ledger.tidy(scene.now(60)).unwrap();
    }
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM coverage_minute"), 2);
}

#[test]
fn a_reader_that_holds_a_large_log_is_told_of_once() {
    let mut scene = Scene::new();
    scene.ledger.log_large = 64 << 10;
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    let reader = scene.other();
    reader.execute_batch("BEGIN; SELECT count(*) FROM flow").unwrap();
    for n in 1..20 {
        let number = u64::try_from(n).unwrap() + 1;
        assert!(scene.write(of_minute(n), number, scene.now(0)).unwrap());
        scene.ledger.tidy(scene.now(0)).unwrap();
    }
    assert_eq!(scene.status().alarms.len(), 1);
    assert!(scene.status().wal_bytes > 64 << 10);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(scene.ask::<i64>("SELECT count(*) FROM events WHERE kind = 'log'"), 1);
    assert!(scene.write(of_minute(20), 21, scene.now(0)).unwrap());
    scene.ledger.tidy(scene.now(0)).unwrap();
    assert_eq!((scene.status().alarms.len(), scene.status().wal_bytes), (0, 0));
}

#[test]
fn the_owners_changes_are_made_or_said_to_be_impossible_now() {
    let device = MacAddr([0, 0x11, 0x32, 0, 0, 1]);
    let label = |name: &str| Change::Label { device, name: Some(name.to_owned()) };
    let mut scene = Scene::new();
    assert!(scene.write(of_minute(0), 1, scene.now(0)).unwrap());
    let (answer, _) = scene.ledger.change(&label("disk"), scene.now(1));
    assert_eq!(answer.unwrap(), "00:11:32:00:00:01 is now called \"disk\"");
    let other = scene.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let (answer, done) = scene.ledger.change(&label("box"), scene.now(2));
        assert!(matches!(answer, Err(ChangeError::Unavailable(why)) if why.contains("in use")));
        done.unwrap();
    }
    other.execute_batch("COMMIT").unwrap();
    let labels = BTreeMap::from([(device, "nas".to_owned())]);
    scene.ledger.settle(Settings { labels, ..Settings::default() }, scene.now(3)).unwrap();
    assert!(scene.ledger.open(scene.now(20)).unwrap());
    assert_eq!(scene.ask::<String>("SELECT name FROM devices WHERE mac LIKE '%01'"), "nas");
    let (answer, _) = scene.ledger.change(&label("box"), scene.now(20));
    assert!(matches!(answer, Err(ChangeError::Refused(why)) if why.contains("configuration")));
}

/// Writes so many days to the file, each hour of which was watched, and as many flows a day; the clock is at their end.
fn fill(scene: &mut Scene, days: i64, flows: u64) -> u64 {
    for day in 0..days {
        let start = at("2026-11-20T10:00:00") + lanscribe_core::time::Span::from_secs(86_400 * day);
        let minutes = (0..24).map(|hour| {
            let rows = (0..20).flat_map(|_| rows_of_all_classes()).collect();
            let mut minute = minute(start + lanscribe_core::time::Span::from_secs(3_600 * hour), rows);
            minute.coverage.observed = lanscribe_core::time::Span::from_secs(3_600);
            minute
        });
        let minutes: Vec<_> = minutes.collect();
        let number = u64::try_from(day).unwrap();
        let flows = (0..flows).map(|n| flow(number * flows + n, start)).collect();
        let now = scene.now(number * 86_400);
        assert!(scene.write(Batch { flows, ..batch(minutes) }, number, now).unwrap());
    }
    let end = u64::try_from(days).unwrap() * 86_400 - 3_600;
    // The end of the last hour, as far as the file is concerned.
    scene.ledger.settle(scene.settings.clone(), scene.now(end)).unwrap();
    end
}

/// Tidies until there is no more to do. Returns how often that was.
fn tidy(scene: &mut Scene, second: u64) -> u32 {
    for times in 1.. {
        scene.ledger.tidy(scene.now(second)).unwrap();
        match scene.ledger.resume_at() {
            None => return times,
            Some(at) => assert_eq!(at, scene.now(second).instant + Duration::from_secs(1)),
        }
        assert!(times < 100, "it never ends");
    }
    unreachable!()
}

#[test]
fn the_file_is_held_to_its_size_a_little_at_a_time_and_says_so() {
    let settings = Settings { size: Size::Unlimited, ..Settings::default() };
    let mut scene = Scene::over(Folder::new(), settings.clone());
    let end = fill(&mut scene, 12, 15_000);
    tidy(&mut scene, end);
    let flows = |scene: &Scene| scene.ask::<i64>("SELECT count(*) FROM flow");
    assert_eq!((flows(&scene), scene.status().note), (180_000, None));
    let bytes = |scene: &Scene| scene.status().file_bytes + scene.status().wal_bytes;
    let limit = bytes(&scene) / 3;
    // It is configured while it runs, and taken up in the same hour.
    let smaller = Settings { size: Size::Bytes(limit), ..settings.clone() };
    scene.ledger.settle(smaller, scene.now(end)).unwrap();
    scene.ledger.tidy(scene.now(end)).unwrap();
    let first = flows(&scene);
    assert!((120_000..180_000).contains(&first), "{first} after the first time");
    assert!(scene.ledger.resume_at().is_some());
    // What is to be written has its turn.
    let number = 100;
    assert!(scene.write(of_minute(12 * 24 * 60 - 30), number, scene.now(end)).unwrap());
    assert!(tidy(&mut scene, end) > 1);
    assert!(bytes(&scene) <= limit, "{} of {limit}", bytes(&scene));
    let note = scene.status().note.unwrap();
    assert!(note.contains("to keep the file below") && note.contains("flows for"), "{note}");
    assert_eq!(scene.status().alarms, Vec::<String>::new());
    let events = "SELECT count(*) FROM events WHERE kind = 'retention' AND detail LIKE 'flows are kept from 2026-11-%'";
    assert_eq!(scene.ask::<i64>(events), 1);
    // Where even the least is too much, the owner has to decide.
    let tiny = Settings { size: Size::Bytes(50_000), ..settings.clone() };
    scene.ledger.settle(tiny, scene.now(end)).unwrap();
    tidy(&mut scene, end);
    let alarms = scene.status().alarms;
    assert!(alarms.len() == 1 && alarms[0].contains("retention.size"), "{alarms:?}");
    let left = flows(&scene);
    assert!(left >= 15_000, "a day is kept: {left}");
    for hour in 1..30 {
        tidy(&mut scene, end + 3_600 * hour);
    }
    assert_eq!(flows(&scene), left);
    let events =
        "SELECT count(*) FROM events WHERE kind = 'retention' AND detail LIKE '%make room on the disk'";
    assert_eq!(scene.ask::<i64>(events), 2, "once a day");
    let room = Settings { size: Size::Unlimited, ..settings };
    scene.ledger.settle(room, scene.now(end)).unwrap();
    tidy(&mut scene, end);
    assert_eq!((scene.status().alarms.len(), scene.status().note), (0, None));
}

#[test]
fn what_nothing_refers_to_is_swept_out_once_a_day() {
    let mut scene = Scene::new();
    let unused = "SELECT count(*) FROM endpoint WHERE address LIKE '9.9.9.%'";
    let add = |scene: &Scene, n: i64| {
        let sql = "INSERT INTO endpoint (kind, address, last_day) VALUES ('remote', '9.9.9.' || ?1, 20000)";
        scene.other().execute(sql, [n]).unwrap();
    };
    for (number, second, left) in [(0, 0, 0), (1, 3_600, 1), (2, 80_000, 2), (3, 86_400, 0)] {
        assert!(scene.write(of_minute(0), number, scene.now(second)).unwrap());
        add(&scene, i64::try_from(number).unwrap());
        tidy(&mut scene, second);
        assert_eq!(scene.ask::<i64>(unused), left, "{second}");
    }
    // Another run on the same day does not do it again.
    scene.ledger.close();
    let mut scene = scene.again();
    assert!(scene.write(of_minute(1), 4, scene.now(90_000)).unwrap());
    add(&scene, 4);
    tidy(&mut scene, 90_000);
    assert_eq!(scene.ask::<i64>(unused), 1);
}
