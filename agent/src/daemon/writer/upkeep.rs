//! What keeps the file small and fast without anybody's help: old rows go, it stays below its size, and once a day what
//! nothing refers to any more is swept out. All of it is done a little at a time, between batches.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Now;
use crate::daemon::disk;
use crate::store::{Age, Budget, Cap, Retention, Size, Store, StoreError, beside, integer};
use crate::text;

/// Old rows are looked for so often, also while no hour is over: minutes that a wrong clock puts before the hour that
/// is open end none.
const HOUR: Duration = Duration::from_secs(3_600);
/// Between two pieces of what is to be done, for others who use the disk.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is written down that the file cannot be made small enough.
const DAY: Duration = Duration::from_secs(86_400);

/// What is due, and how it stands.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) retention: Retention,
    pub(super) size: Size,
    /// The hour that was open when old rows were last deleted, and when that was.
    retained: Option<(i64, Instant)>,
    /// When to go on, if there is more to do.
    resume_at: Option<Instant>,
    /// What the owner may like to know: that the size keeps levels short.
    pub(super) note: Option<String>,
    /// What the owner should know: that the file is larger than it should be.
    pub(super) alarm: Option<String>,
    /// When that was last written down.
    alarmed: Option<Instant>,
}

impl Upkeep {
    pub(super) fn new(retention: Retention, size: Size) -> Self {
        Self { retention, size, retained: None, resume_at: None, note: None, alarm: None, alarmed: None }
    }

    /// Takes over what is configured now.
    pub(super) fn settle(&mut self, retention: Retention, size: Size) {
        if (self.retention, self.size) != (retention, size) {
            (self.retention, self.size) = (retention, size);
            self.retained = None;
        }
    }

    /// When there is more to do, if there is.
    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Does some of what is due; the rest when it is resumed.
    pub(super) fn work(&mut self, store: &mut Store, path: &Path, now: Now) -> Result<(), StoreError> {
        self.resume_at = None;
        let Some(hour) = store.open_hour() else { return Ok(()) };
        let at = now.wall.as_millisecond();
        // One wrong answer of a time server, or a hand that sets the clock to another year, must not cost the history:
        // however sure the clock is, rows age by what was watched.
        let age = Age { now: hour, sure: false };
        let mut budget = Budget::step();
        let mut look = false;
        if self.retained.is_none_or(|(last, since)| last != hour || now.instant.duration_since(since) >= HOUR)
        {
            store.retain(age, self.retention, &mut budget)?;
            look = true;
        }
        if !budget.is_spent() {
            if look {
                self.retained = Some((hour, now.instant));
            }
            self.shorten(store, path, age, now, look, &mut budget)?;
        }
        if !budget.is_spent() {
            store.sweep(age, at, self.retention, &mut budget)?;
        }
        self.resume_at = budget.is_spent().then(|| now.instant + PAUSE);
        Ok(())
    }

    /// Holds the file to its size; says how that stands when it changes, and when `look` asks for it.
    fn shorten(
        &mut self,
        store: &mut Store,
        path: &Path,
        age: Age,
        now: Now,
        look: bool,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        let taken =
            [path.to_owned(), beside(path, "-wal")].map(|path| path.metadata().map_or(0, |m| m.len()));
        let Some(limit) = disk::limit(path, self.size, taken.iter().sum()) else {
            (self.note, self.alarm) = (None, None);
            return Ok(());
        };
        let cap = Cap { limit, retention: self.retention, age, at: now.wall.as_millisecond() };
        let before = budget.left();
        let fits = store.shorten(cap, budget)?;
        if look || budget.left() < before {
            self.note = store.shortened(cap)?;
        }
        if fits {
            self.alarm = None;
        } else if !budget.is_spent() {
            let said = format!(
                "the file may take {} and is larger, though all is gone that is not kept in any case (a day of flows, 7 \
                 days of hours, 30 of days with peers): set retention.size, or make room on the disk",
                text::bytes(integer(limit))
            );
            if self.alarmed.is_none_or(|since| now.instant.duration_since(since) >= DAY) {
                tracing::warn!("{}: {said}", path.display());
                store.note_event(cap.at, "retention", &said)?;
                self.alarmed = Some(now.instant);
            }
            self.alarm = Some(said);
        }
        Ok(())
    }
}
