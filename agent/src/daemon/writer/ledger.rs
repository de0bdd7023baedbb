//! The file through good and bad times: open, or closed for a reason and tried again after a while.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::damage::{Answer, Stuck, set_aside};
use super::upkeep::Upkeep;
use super::{Now, Parcel, Settings, WriterStatus};
use crate::daemon::lock;
use crate::group;
use crate::store::{Change, ChangeError, Run, Store, StoreError, beside};

/// How long the file is left alone after an error; twice as long each time until something was written.
const PAUSE: Duration = Duration::from_secs(1);
/// At most that long.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long SQLite waits for a lock. Not long: the file is closed and opened again soon.
const PATIENCE: Duration = Duration::from_secs(2);
/// A log of this many bytes is one that a reader holds.
const LOG_LARGE: u64 = 64 << 20;

/// The file, open or not.
#[derive(Debug)]
enum Place {
    Open(Box<Store>),
    Closed(Box<Run>),
}

/// Why and since when the file is not tried.
#[derive(Debug)]
struct Wait {
    why: String,
    since: i64,
    retry_at: Instant,
}

/// The file and what was decided about it. Each method that takes the time may close the file and open it again; an
/// error of theirs is one after which there is no way on.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// Taken only while it changes from one to the other.
    place: Option<Place>,
    wait: Option<Wait>,
    pause: Duration,
    /// What tells the numbers of this run's batches from those of any other run.
    run: String,
    upkeep: Upkeep,
    /// Events to be written once the file is open: when, of what kind, and what happened.
    notes: Vec<(i64, &'static str, String)>,
    /// The damaged file that was set aside in this run.
    aside: Option<String>,
    /// Whether a reader holds a large log.
    log_held: bool,
    /// From how many bytes on a log is large.
    log_large: u64,
    status: Arc<Mutex<WriterStatus>>,
}

impl Ledger {
    pub(super) fn new(path: &Path, settings: Settings, status: Arc<Mutex<WriterStatus>>) -> Self {
        let mut run = Run::new(path, settings.zone.clone());
        run.set_patience(PATIENCE);
        let upkeep = Upkeep::new(settings.retention, settings.size);
        tell(&mut run, settings);
        Self {
            path: path.to_owned(),
            place: Some(Place::Closed(Box::new(run))),
            wait: None,
            pause: PAUSE,
            // The start in nanoseconds and the process: a boot has many runs, and its id is a container's too.
            run: format!("{:x}-{}", jiff::Timestamp::now().as_nanosecond(), std::process::id()),
            upkeep,
            notes: Vec::new(),
            aside: None,
            log_held: false,
            log_large: LOG_LARGE,
            status,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// When the file shall be tried again, if it cannot be used now.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.wait.as_ref().map(|wait| wait.retry_at)
    }

    /// Why it cannot be used now.
    pub(super) fn why(&self) -> Option<String> {
        self.wait.as_ref().map(|wait| wait.why.clone())
    }

    /// Makes the next try due.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(wait) = &mut self.wait {
            wait.retry_at = now;
        }
    }

    /// Opens the file if it is closed and a try is due. Returns whether it is open.
    pub(super) fn open(&mut self, now: Now) -> Result<bool, StoreError> {
        let opened = self.open_to_write(now)?;
        if opened {
            self.wait = None;
        }
        self.report(|_| ());
        Ok(opened)
    }

    /// Writes a batch. Returns whether it is in the file; if not, it shall be tried again at `retry_at`.
    pub(super) fn write(&mut self, parcel: &Parcel, now: Now) -> Result<bool, StoreError> {
        let Parcel { batch, number, clock, correction, .. } = parcel;
        let number = format!("{}:{number}", self.run);
        loop {
            let open = self.open_to_write(now)?;
            let Some(store) = self.store().filter(|_| open) else {
                self.report(|_| ());
                return Ok(false);
            };
            // After an error while committing only the file knows whether it happened.
            let written = match store.last_flush() {
                Ok(last) if last.as_deref() == Some(&number) => Ok(()),
                Ok(_) => {
                    store.run().set_clock(*clock);
                    store.flush_numbered(batch, &number, *correction)
                }
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => {
                    (self.wait, self.pause) = (None, PAUSE);
                    let (rows, took) = (batch.rows() as u64, now.instant.elapsed());
                    self.report(|status| {
                        status.last_flush = Some(now.wall.as_millisecond());
                        status.took = took;
                        status.rows += rows;
                        status.flushes += 1;
                    });
                    return Ok(true);
                }
                Err(error) => self.leave(error, now)?,
            }
        }
    }

    /// When there is more to tidy, if there is.
    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.upkeep.resume_at()
    }

    /// What may follow a batch: the file is kept small, and the log is looked after.
    pub(super) fn tidy(&mut self, now: Now) -> Result<(), StoreError> {
        let large = size(&beside(&self.path, "-wal")) > self.log_large;
        self.begin(now);
        let Some(Place::Open(store)) = &mut self.place else { return self.open(now).map(|_| ()) };
        let tidied = self
            .upkeep
            .work(store, &self.path, now)
            .and_then(|()| if large { store.empty_log().map(|emptied| !emptied) } else { Ok(false) });
        match tidied {
            Ok(held) => {
                if held && !self.log_held {
                    let bytes = size(&beside(&self.path, "-wal")) >> 20;
                    let said =
                        format!("the log beside the file has {bytes} MiB: a program reads it without end");
                    tracing::warn!("{}: {said}", self.path.display());
                    self.notes.push((now.wall.as_millisecond(), "log", said));
                }
                self.log_held = held;
                self.open(now).map(|_| ())
            }
            Err(error) => {
                self.leave(error, now)?;
                self.report(|_| ());
                Ok(())
            }
        }
    }

    /// Does what the owner asks for: the answer, and an error if there is no way on. It is not tried again.
    pub(super) fn change(
        &mut self,
        change: &Change,
        now: Now,
    ) -> (Result<String, ChangeError>, Result<(), StoreError>) {
        let unavailable = |why: String| Err(ChangeError::Unavailable(why));
        if let Err(fatal) = self.open_to_write(now) {
            return (unavailable(fatal.to_string()), Err(fatal));
        }
        let applied = self.store().map(|store| {
            let labels = store.run().labels();
            store.apply(change, &labels)
        });
        let (answer, done) = match applied {
            Some(Err(ChangeError::Store(error))) => (unavailable(error.to_string()), self.leave(error, now)),
            Some(answer) => {
                self.wait = None;
                (answer, Ok(()))
            }
            None => (unavailable(self.why().unwrap_or_default()), Ok(())),
        };
        self.report(|_| ());
        (answer, done)
    }

    /// Takes over a new configuration.
    pub(super) fn settle(&mut self, settings: Settings, now: Now) -> Result<(), StoreError> {
        self.upkeep.settle(settings.retention, settings.size);
        let settled = match &mut self.place {
            Some(Place::Open(store)) => {
                tell(store.run(), settings);
                store.settle()
            }
            Some(Place::Closed(run)) => {
                tell(run, settings);
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(error) = settled {
            self.leave(error, now)?;
        }
        self.report(|_| ());
        Ok(())
    }

    /// Leaves one complete file behind.
    pub(super) fn close(&mut self) {
        if let Some(Place::Open(store)) = self.place.take()
            && let Err(error) = store.close()
        {
            // All is in the log, and the next who opens the file finds it there.
            tracing::warn!("{error}");
        }
    }

    /// The writer is at it.
    fn begin(&self, now: Now) {
        lock(&self.status).busy_since = Some(now.instant);
    }

    fn store(&mut self) -> Option<&mut Store> {
        match &mut self.place {
            Some(Place::Open(store)) => Some(store),
            _ => None,
        }
    }

    /// Opens the file if it is closed and a try is due, with what has to be written first.
    fn open_to_write(&mut self, now: Now) -> Result<bool, StoreError> {
        self.begin(now);
        loop {
            let opened = match self.place.take() {
                Some(Place::Open(store)) if store.is_moved() => {
                    let said = "the file was moved or removed while it was written: this one begins after it";
                    tracing::warn!("{}: {said}", self.path.display());
                    self.notes.push((now.wall.as_millisecond(), "file", said.to_owned()));
                    store.suspend().open()
                }
                Some(Place::Open(store)) if self.notes.is_empty() => {
                    self.place = Some(Place::Open(store));
                    return Ok(true);
                }
                Some(Place::Open(store)) => Ok(*store),
                Some(Place::Closed(run)) => {
                    if self.wait.as_ref().is_some_and(|wait| now.instant < wait.retry_at) {
                        self.place = Some(Place::Closed(run));
                        return Ok(false);
                    }
                    run.open()
                }
                None => return Ok(false),
            };
            match opened.and_then(|store| self.note(store)) {
                Ok(store) => {
                    // SQLite gives the log to whoever has the file, but makes the first one with it.
                    for end in ["", "-wal", "-shm"] {
                        group::give(&beside(&self.path, end));
                    }
                    self.place = Some(Place::Open(Box::new(store)));
                }
                Err((run, error)) => self.answer(run, error, now)?,
            }
        }
    }

    /// Writes down what happened to the file.
    fn note(&mut self, store: Store) -> Result<Store, (Box<Run>, StoreError)> {
        while let Some((at, kind, detail)) = self.notes.first() {
            if let Err(error) = store.note_event(*at, kind, detail) {
                return Err((Box::new(store.suspend()), error));
            }
            self.notes.remove(0);
        }
        Ok(store)
    }

    /// The open file gave an error: it is closed, and dealt with.
    fn leave(&mut self, error: StoreError, now: Now) -> Result<(), StoreError> {
        match self.place.take() {
            Some(Place::Open(store)) => self.answer(Box::new(store.suspend()), error, now),
            place => {
                self.place = place;
                Err(error)
            }
        }
    }

    /// Decides what to do about an error, with the file closed.
    fn answer(&mut self, run: Box<Run>, error: StoreError, now: Now) -> Result<(), StoreError> {
        let answer = Answer::to(&error, &run);
        self.place = Some(Place::Closed(run));
        match answer {
            Answer::End => return Err(error),
            Answer::Wait => self.put_off(error.to_string(), now),
            Answer::SetAside => match set_aside(&self.path, now.wall) {
                Ok(aside) => {
                    let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let said =
                        format!("the file was damaged and is now {name}; a new one was begun ({error})");
                    tracing::error!("{}: {said}", self.path.display());
                    self.notes.push((now.wall.as_millisecond(), "file", said.clone()));
                    self.aside = Some(said);
                    // The new one is made at once.
                    self.hurry(now.instant);
                }
                Err(Stuck::Again(earlier)) => {
                    tracing::error!("{error}");
                    return Err(StoreError::DamagedAgain { path: self.path.clone(), earlier });
                }
                Err(Stuck::Io(stuck)) => {
                    self.put_off(
                        format!("{error}, and the file cannot be moved out of the way: {stuck}"),
                        now,
                    );
                }
            },
        }
        Ok(())
    }

    /// Leaves the file alone for a while.
    fn put_off(&mut self, why: String, now: Now) {
        let since = match &self.wait {
            Some(wait) => wait.since,
            None => {
                tracing::warn!("{why}; what is captured waits in memory, and the file is tried again");
                now.wall.as_millisecond()
            }
        };
        // From when the try ended, which may have taken a while itself.
        let retry_at = now.instant.max(Instant::now()) + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.wait = Some(Wait { why, since, retry_at });
    }

    /// Tells how it stands, with what `more` adds.
    fn report(&mut self, more: impl FnOnce(&mut WriterStatus)) {
        let alarms = self.aside.iter().cloned().chain(self.log_held.then(|| {
            "the log beside the file is large, since a program reads the file without end".to_owned()
        }));
        let alarms = alarms.chain(self.upkeep.alarm.clone());
        let mut status = lock(&self.status);
        more(&mut status);
        status.busy_since = None;
        status.file_bytes = size(&self.path);
        status.wal_bytes = size(&beside(&self.path, "-wal"));
        status.waiting = self.wait.as_ref().map(|wait| (wait.why.clone(), wait.since));
        status.alarms = alarms.collect();
        status.note.clone_from(&self.upkeep.note);
    }
}

/// Tells a run of the configuration.
fn tell(run: &mut Run, settings: Settings) {
    let Settings { zone: _, vendors, site, labels, own, interfaces, retention: _, size: _ } = settings;
    if let Some(vendors) = vendors {
        run.set_vendors(vendors);
    }
    run.set_site(site.as_deref());
    run.set_labels(labels);
    run.set_own(own);
    run.set_interfaces(&interfaces);
}

/// Length of a file, without opening it: see `store::lock`.
fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests;
