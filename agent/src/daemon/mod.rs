//! `lanscribe run`: three threads. *Capture* owns the interfaces and the pipeline, *writer* the file, and *control*,
//! which is the main one, hears signals and the socket.

mod ask;
mod capture;
mod control;
mod disk;
mod folder;
mod notice;
mod outbox;
mod privilege;
mod recent;
mod service;
mod start;
mod state;
mod timeline;
mod waiting;
pub(crate) mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use lanscribe_core::pipeline::Pipeline;
use rustix::fs::Mode;
use rustix::process::umask;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::capture::{Links, Machine, Own, Tap, TapSettings};
use crate::clock::Marks;
use crate::config::{Config, Given};
use crate::log;
use ask::Ask;
use capture::{Capture, Clock, End};
use control::Whom;
use notice::Notice;
use outbox::Outbox;
use start::{Source, Start};
use state::Daemon;
use waiting::look;
use writer::{Ended, Settings, Writer};

/// How often the machine's own addresses are looked at.
const LOOK_AROUND: Duration = Duration::from_secs(60);
/// Exit status after a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Captures until a signal says stop, as the configuration file `path` says, or the usual one, and what was `given` in
/// place of it.
///
/// # Errors
/// If it cannot begin, an interface is lost, or the file cannot be used any more.
pub(crate) fn run(path: Option<&Path>, given: &Given) -> Result<()> {
    // What is made here shows who talks to whom, and is nobody's business but the group's.
    umask(Mode::from_raw_mode(0o027));
    let source = Source { path, given };
    let mut start = Start::new(source.load()?)?;
    log::set_level(start.config.log_level);
    crate::capture::check_layout().map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut signals = Signals::new()?;
    let (names, own) = match look(&start.config)? {
        Ok(found) => found,
        Err(missing) => match runtime.block_on(start.wait(missing, &mut signals, source))? {
            Some(found) => found,
            None => return Ok(()),
        },
    };
    let settings = tap_settings(&start.config);
    let links = Links::new(&names, settings.promiscuous, Instant::now());
    let taps = names.iter().map(|name| Tap::open(name, &settings)).collect::<Result<Vec<_>, _>>()?;
    // Not before it is known that this user may capture: else nothing is made.
    start.listen()?;
    // Before any thread, and before any packet.
    privilege::give_up(&start.config.store.file, &start.config.control.socket)?;
    drop(entered);

    let Start { config, registry, recollection, socket } = start;
    let mut core = config.pipeline();
    core.networks.extend(own.networks.iter().copied());
    let mut pipeline = Pipeline::new(core);
    recollection.tell(&mut pipeline);
    let stored = recollection.last_minute();
    let settings = Settings {
        zone: config.time_zone.clone(),
        own: own.macs.clone(),
        interfaces: names.clone(),
        ..Settings::default()
    }
    .renewed(&config);
    let mut writer =
        Writer::start(&config.store.file, Settings { vendors: Some(registry), ..settings.clone() })?;
    let marks = Marks::new(config.clock.mark.as_deref());
    let synchronised = marks.say_so();
    if !synchronised {
        tracing::warn!("{}", unsure(&config));
    }
    let held_until = (!synchronised).then(|| Instant::now() + config.clock.wait);
    let outbox = Outbox::new(writer.sender.clone(), held_until);
    let clock = Clock { synchronised, marks, stored };
    let (capture, asking, progress) =
        Capture::new(taps, links, pipeline, &own, outbox, config.store.flush, clock)?;
    let daemon = Arc::new(Daemon {
        capture: asking,
        progress,
        writer: writer.sender.clone(),
        written: Box::new(writer.watch()),
        notice: Notice::new(settings, writer.sender.clone())?,
        since: Timestamp::now(),
        file: config.store.file.display().to_string(),
        ring: config.capture.ring,
        group_writes: AtomicBool::new(config.control.group_writes),
        stale: Mutex::default(),
        last_flush: Mutex::default(),
        recent: Mutex::default(),
    });
    let (ended, mut end) = oneshot::channel();
    thread::Builder::new().name("capture".to_owned()).spawn(move || ended.send(capture.run()))?;
    tracing::info!("capturing on {} into {}", names.join(", "), config.store.file.display());
    service::ready(&daemon.doing());

    let end = runtime.block_on(async {
        tokio::select! {
            end = &mut end => {
                service::stopping();
                return end;
            }
            () = start::serve(socket.as_ref(), Whom::Capturing(Arc::clone(&daemon))) => {}
            () = signals.obey(&daemon, source, &config) => {}
            () = look_around(&daemon, &names, own) => {}
            () = service::watch(&daemon) => {}
            () = writer.over() => {}
        }
        service::stopping();
        writer.hurry();
        daemon.capture.ask(Ask::Stop);
        tokio::select! {
            end = &mut end => end,
            // Whoever sits there and asks twice has no patience; a service manager may well ask twice.
            _ = signals.interrupt.recv() => std::process::exit(INTERRUPTED),
        }
    });
    // Ends the conversations, which hold the way to the writer open.
    drop(runtime);
    drop((socket, daemon));
    let Ended { lost, fatal } = writer.join();
    let of_capture = match end {
        Ok(End::Tap(error)) => Some(error.into()),
        Ok(End::Asked | End::NoWriter) => None,
        Err(_) => Some(anyhow!("the capture thread ended unexpectedly")),
    };
    let lost = lost.map(|lost| io::Error::other(lost).into());
    outcome([fatal.map(anyhow::Error::from), of_capture, lost])
}

/// What the lock holds is whole at any time, also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first error is what the run ends with, and whoever started it says that one; others are said here.
fn outcome(errors: [Option<anyhow::Error>; 3]) -> Result<()> {
    let mut errors = errors.into_iter().flatten();
    let Some(first) = errors.next() else { return Ok(()) };
    for error in errors {
        tracing::error!("{error:#}");
    }
    Err(first)
}

/// What is said of a clock that nobody says is right.
fn unsure(config: &Config) -> String {
    let wait = jiff::SignedDuration::try_from(config.clock.wait).unwrap_or_default();
    format!(
        "the clock is not known to be set from the network yet: what is captured waits for that, at most {wait:#}"
    )
}

/// Notices what changes beside the LAN: that the machine was given another address.
async fn look_around(daemon: &Daemon, names: &[String], mut own: Own) {
    let mut doing = daemon.doing();
    loop {
        tokio::time::sleep(LOOK_AROUND).await;
        daemon.note_counts();
        let now = daemon.doing();
        if now != doing {
            service::doing(&now);
            doing = now;
        }
        // What cannot be read now can be later.
        if let Ok(now) = Machine::read().map(|machine| machine.own(names))
            && now != own
        {
            tell_own(daemon, &now);
            own = now;
        }
    }
}

/// Tells all who go by what is this machine's own.
fn tell_own(daemon: &Daemon, own: &Own) {
    if daemon.notice.settings().own != own.macs {
        daemon.notice.change(|settings| settings.own.clone_from(&own.macs));
    }
    daemon.capture.ask(Ask::Own(own.clone()));
}

fn tap_settings(config: &Config) -> TapSettings {
    let capture = &config.capture;
    TapSettings {
        promiscuous: capture.promiscuous,
        filter: capture.filter.clone(),
        snaplen: capture.snaplen,
        ring: capture.ring,
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Reads the configuration again at each SIGHUP, until a signal says stop.
    async fn obey(&mut self, daemon: &Daemon, source: Source<'_>, started: &Config) {
        let mut current = started.clone();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    service::reloading();
                    match source.load() {
                        Ok(new) => {
                            let taken = current.changes(&new).taken;
                            let waiting = started.changes(&new).need_restart;
                            daemon.reload(&new, &taken, waiting);
                            current = new;
                        }
                        Err(error) => tracing::error!("the configuration stays as it was:\n{error}"),
                    }
                    service::ready(&daemon.doing());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use writer::Job;

    #[test]
    fn what_the_machine_was_given_while_it_runs_reaches_the_capture_and_the_writer() {
        let (sender, jobs) = sync_channel(2);
        let (capture, asks, _woken) = ask::Asking::new().unwrap();
        let daemon = Daemon {
            capture,
            progress: Arc::default(),
            writer: sender.clone(),
            written: Box::new(writer::WriterStatus::default),
            notice: Notice::new(Settings::default(), sender).unwrap(),
            since: Timestamp::now(),
            file: String::new(),
            ring: 0,
            group_writes: AtomicBool::new(false),
            stale: Mutex::default(),
            last_flush: Mutex::default(),
            recent: Mutex::default(),
        };
        let mut own = Own { macs: vec!["02:00:00:00:00:01".parse().unwrap()], ..Own::default() };
        tell_own(&daemon, &own);
        let Ok(Job::Settings(settings)) = jobs.recv_timeout(Duration::from_secs(10)) else { panic!("told") };
        assert_eq!(settings.own, own.macs);
        own.networks.push("2001:db8::/64".parse().unwrap());
        tell_own(&daemon, &own);
        drop(daemon);
        let asked: Vec<Own> =
            asks.iter().filter_map(|ask| if let Ask::Own(own) = ask { Some(own) } else { None }).collect();
        assert_eq!((asked.len(), &asked[1]), (2, &own));
        assert!(jobs.recv_timeout(Duration::from_secs(10)).is_err(), "a network is no news to the writer");
    }

    #[test]
    fn a_run_ends_with_the_first_of_its_errors() {
        let error = |text: &str| Some(anyhow!("{text}"));
        assert!(outcome([None, None, None]).is_ok());
        assert_eq!(outcome([None, error("gone"), error("lost")]).unwrap_err().to_string(), "gone");
    }
}
