//! The thread that owns the file: batches come to it through a short queue, so that capture never waits for the disk.
//!
//! While the file cannot be written the thread keeps the one batch that it has in hand and takes no more: the queue
//! fills, and who sends merges what does not fit. So memory stays bounded however long it lasts.

mod damage;
mod ledger;
mod pulse;
mod status;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::pipeline::Batch;
use tokio::sync::oneshot;

use super::lock;
use crate::config::Config;
use crate::store::{Change, ChangeError, Clock, Correction, Retention, Size, StoreError};
use crate::vendor::Registry;
use ledger::Ledger;
pub(crate) use pulse::Pulse;
pub(crate) use status::WriterStatus;

/// Jobs that wait while another one is done. Each may be a batch at its limits.
const QUEUE: usize = 2;
/// How long the file is still tried after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);
/// Between two tries in that time.
const HURRY: Duration = Duration::from_millis(500);

/// Says that a batch is in the file, or why it will never be.
pub(crate) type Reply = oneshot::Sender<Result<(), String>>;

/// What the writer can be given to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write this.
    Batch(Box<Parcel>),
    /// A command of the owner. While the file cannot be written it waits like everything else: who asked should not.
    Change {
        /// What to change.
        change: Change,
        /// Takes the sentence that says what was done.
        reply: oneshot::Sender<Result<String, ChangeError>>,
    },
    /// The configuration was read again: all of it, whether it changed or not.
    Settings(Box<Settings>),
}

/// A batch, and what goes with it.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// What was closed since the last one.
    pub(crate) batch: Batch,
    /// Its number in this run, which no other one has.
    pub(crate) number: u64,
    /// What its times are worth.
    pub(crate) clock: Clock,
    /// What is to be done first about the times of those before it.
    pub(crate) correction: Option<Correction>,
    /// Who wants to know when it is written.
    pub(crate) done: Vec<Reply>,
}

/// What the writer takes from the configuration and the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Where days begin; settled at the start.
    pub(crate) zone: Option<TimeZone>,
    /// Whose address blocks are whose; without one, those of before.
    pub(crate) vendors: Option<Registry>,
    /// The name of this tap.
    pub(crate) site: Option<String>,
    /// What devices are called.
    pub(crate) labels: BTreeMap<MacAddr, String>,
    /// The MAC addresses of this machine.
    pub(crate) own: Vec<MacAddr>,
    /// The names of the captured interfaces, in the order of their numbers.
    pub(crate) interfaces: Vec<String>,
    /// For how long rows are kept.
    pub(crate) retention: Retention,
    /// How large the file may get.
    pub(crate) size: Size,
}

impl Settings {
    /// What the configuration says now, with what is the machine's.
    pub(super) fn renewed(&self, config: &Config) -> Self {
        Self {
            vendors: None,
            site: config.site.clone(),
            labels: config.labels.clone(),
            retention: config.retention,
            size: config.size,
            ..self.clone()
        }
    }
}

/// How it ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// What could not be written, and why.
    pub(crate) lost: Option<String>,
    /// Why it cannot go on.
    pub(crate) fatal: Option<StoreError>,
}

/// Both clocks at an instant: one to wait by, one to write down.
#[derive(Clone, Copy, Debug)]
struct Now {
    instant: Instant,
    wall: Timestamp,
}

impl Now {
    fn read() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Takes jobs, never waiting with `try_send`. Once this one and every copy of it are dropped, the writer writes what
    /// is there and ends; where the file cannot be written it notices at its next try, or at once by [`Writer::join`].
    pub(crate) sender: SyncSender<Job>,
    status: Arc<Mutex<WriterStatus>>,
    stop: Arc<Stop>,
    /// Nothing comes here: it closes when the thread ends.
    over: oneshot::Receiver<()>,
    thread: JoinHandle<Ended>,
}

impl Writer {
    /// Starts the thread. It opens the file, or makes it, and tries again while it cannot.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn start(path: &Path, settings: Settings) -> io::Result<Self> {
        Self::start_with(path, settings, GRACE)
    }

    fn start_with(path: &Path, settings: Settings, grace: Duration) -> io::Result<Self> {
        let (sender, jobs) = sync_channel(QUEUE);
        let status = Arc::new(Mutex::new(WriterStatus::default()));
        let stop = Arc::new(Stop::default());
        let ledger = Ledger::new(path, settings, Arc::clone(&status));
        let work = Work { ledger, jobs, stop: Arc::clone(&stop), grace, deadline: None };
        let (running, over) = oneshot::channel();
        let told = Arc::clone(&status);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
            let _running = running;
            lock(&told).thread = Some(rustix::thread::gettid());
            work.run()
        })?;
        Ok(Self { sender, status, stop, over, thread })
    }

    /// How it stands.
    #[cfg(test)]
    fn status(&self) -> WriterStatus {
        lock(&self.status).clone()
    }

    /// Looks at the status from another thread.
    pub(crate) fn watch(&self) -> impl Fn() -> WriterStatus + Send + Sync + use<> {
        let status = Arc::clone(&self.status);
        move || lock(&status).clone()
    }

    /// Comes back when the thread has ended, which it does by itself only when it cannot go on. It may be that nothing
    /// is written for long, and who sends would notice only then.
    pub(crate) async fn over(&mut self) {
        let _ = (&mut self.over).await;
    }

    /// The same, for who does not wait.
    #[cfg(test)]
    fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// The end comes soon: if the file cannot be written, it is tried for [`GRACE`] more and not longer.
    pub(crate) fn hurry(&self) {
        self.stop.ask();
    }

    /// Drops the sender and waits for the end. Copies of the sender must be dropped before, or it never comes. While the
    /// file cannot be written it takes at most [`GRACE`], and what SQLite waits for a lock.
    pub(crate) fn join(self) -> Ended {
        let Self { sender, stop, thread, .. } = self;
        drop(sender);
        stop.ask();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Whether the end was asked for; wakes the thread from waiting for the file.
#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn ask(&self) {
        *lock(&self.asked) = true;
        self.changed.notify_all();
    }

    /// Waits until then, or until the end is asked for. Returns whether it is.
    fn wait(&self, time: Duration) -> bool {
        let asked = lock(&self.asked);
        let waited = self.changed.wait_timeout_while(asked, time, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What the thread has.
struct Work {
    ledger: Ledger,
    jobs: Receiver<Job>,
    stop: Arc<Stop>,
    /// How long the file is tried after the end was asked for.
    grace: Duration,
    /// Once the end was asked for while the file could not be written: until when it is tried.
    deadline: Option<Instant>,
}

impl Work {
    fn run(mut self) -> Ended {
        let ended = self.work().unwrap_or_else(|ended| ended);
        self.ledger.close();
        ended
    }

    /// Does all jobs until nobody can send any more; ends before that with an error.
    fn work(&mut self) -> Result<Ended, Ended> {
        if let Err(fatal) = self.ledger.open(Now::read()) {
            return Err(self.give_up(None, Some(fatal), "the file cannot be used"));
        }
        loop {
            let retry_at = self.ledger.retry_at();
            let job = match retry_at.or(self.ledger.resume_at()) {
                // Nothing is amiss, and nothing left to do: nothing wakes the thread but a job.
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let done = match job {
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::default()),
                Err(RecvTimeoutError::Timeout) if retry_at.is_none() => self.ledger.tidy(Now::read()),
                Err(RecvTimeoutError::Timeout) => self.ledger.open(Now::read()).map(|_| ()),
                Ok(Job::Batch(parcel)) => {
                    self.write(*parcel)?;
                    self.ledger.tidy(Now::read())
                }
                // Who asked was told by now that it could not be done.
                Ok(Job::Change { reply, .. }) if reply.is_closed() => Ok(()),
                Ok(Job::Change { change, reply }) => {
                    let (answer, done) = self.ledger.change(&change, Now::read());
                    // Who asked may have gone.
                    let _ = reply.send(answer);
                    done
                }
                Ok(Job::Settings(settings)) => self.ledger.settle(*settings, Now::read()),
            };
            if let Err(fatal) = done {
                return Err(self.give_up(None, Some(fatal), "the file cannot be used"));
            }
        }
    }

    /// Writes a batch, however long it takes.
    fn write(&mut self, hand: Parcel) -> Result<(), Ended> {
        loop {
            match self.ledger.write(&hand, Now::read()) {
                Ok(true) => {
                    for reply in hand.done {
                        let _ = reply.send(Ok(()));
                    }
                    return Ok(());
                }
                Err(fatal) => return Err(self.give_up(Some(hand), Some(fatal), "the file cannot be used")),
                Ok(false) => {}
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                let why = self.ledger.why().unwrap_or_default();
                return Err(self.give_up(Some(hand), None, &why));
            }
            let retry_at = self.ledger.retry_at().unwrap_or(now);
            if self.deadline.is_some() {
                std::thread::sleep(HURRY);
                self.ledger.hurry(Instant::now());
            } else if self.stop.wait(retry_at.saturating_duration_since(now)) {
                let now = Instant::now();
                self.deadline = Some(now + self.grace);
                self.ledger.hurry(now);
            }
        }
    }

    /// Nothing more will be written: tells everybody who waits, and counts what is lost.
    fn give_up(&mut self, hand: Option<Parcel>, fatal: Option<StoreError>, why: &str) -> Ended {
        let why = fatal.as_ref().map_or_else(|| why.to_owned(), ToString::to_string);
        let mut minutes = BTreeSet::new();
        let mut lose = |hand: Parcel| {
            minutes.extend(hand.batch.minutes.iter().map(|minute| minute.window.as_millis()));
            for reply in hand.done {
                let _ = reply.send(Err(why.clone()));
            }
        };
        hand.into_iter().for_each(&mut lose);
        for job in self.jobs.try_iter() {
            match job {
                Job::Batch(parcel) => lose(*parcel),
                Job::Change { reply, .. } => {
                    let _ = reply.send(Err(ChangeError::Unavailable(why.clone())));
                }
                Job::Settings(_) => {}
            }
        }
        Ended { lost: loss(&minutes, self.ledger.path(), &why), fatal }
    }
}

/// `12 minutes from 10:00 to 10:12 could not be written`, if there are any.
fn loss(minutes: &BTreeSet<i64>, path: &Path, why: &str) -> Option<String> {
    let text = |millis: i64| {
        Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
    };
    let (first, last) = (minutes.first()?, minutes.last()?);
    let count = match minutes.len() {
        1 => "1 minute".to_owned(),
        count => format!("{count} minutes"),
    };
    let span = format!("from {} to {}", text(*first), text(last + 60_000));
    Some(format!("{}: {count} {span} are lost, as they could not be written: {why}", path.display()))
}

#[cfg(test)]
mod tests;
