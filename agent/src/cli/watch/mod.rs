//! `lanscribe watch`: the network as it is now, on a screen that lives.

mod file;
mod head;
mod ink;
mod keys;
mod model;
mod sampler;
mod screen;
mod table;

use std::io::{self, IsTerminal as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::file::File;
use self::ink::Ink;
use self::model::Model;
use self::sampler::{Report, Sampler, Want};
use self::screen::View;
use super::exit::Usage;
use super::place::PlaceArgs;
use crate::control::{self, Request, Status};

/// How long a key is waited for before samples and signals are looked at.
const TURN: Duration = Duration::from_millis(100);
/// A shell says so of a program that a signal ended: 128 and its number.
const SIGNALLED: usize = 128;

/// Watch the network live: who sends and receives how much, and with whom
///
/// Asks the daemon each second. Devices are in the order of what they move just now, and of the chosen one it is shown
/// whom it talks to. Bars show the last samples of both directions together on one scale for all devices; each step is
/// four times as much, and a dot is next to nothing. `?` says which keys there are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe watch
  lanscribe watch --interval 5       on a slow line, or to see slower changes

Without a terminal `lanscribe status` and `lanscribe devices` say as much. NO_COLOR=1 takes the colours away.")]
pub(crate) struct WatchArgs {
    /// Seconds between samples, 1 to 60
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,
    #[command(flatten)]
    daemon: PlaceArgs,
}

pub(crate) fn run(args: &WatchArgs) -> Result<ExitCode> {
    let terminal = io::stdin().is_terminal() && stdout().is_terminal();
    if !terminal || std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
        bail!(Usage(
            "watch needs a terminal that it can draw on, and this is none: ask `lanscribe status` and `lanscribe devices` instead"
                .to_owned()
        ));
    }
    let place = args.daemon.place()?;
    // Who cannot ask is told so in the usual way, not on a screen of its own.
    control::ask::<Status>(&place.socket, &Request::Status)?;
    let signal = Arc::new(AtomicUsize::new(0));
    // A terminal that hung up ends the program as usual: it cannot be put right, and reading from it never ends.
    for number in [SIGTERM, SIGINT] {
        signal_hook::flag::register_usize(number, Arc::clone(&signal), usize::try_from(number)?)?;
    }
    let (wants, wanted) = mpsc::channel();
    let (sender, reports) = mpsc::channel();
    let sampler = Sampler::new(place.socket, File::new(&place.file), Duration::from_secs(args.interval));
    let mut screen = Screen::open()?;
    thread::Builder::new().name("sampler".to_owned()).spawn(move || sampler.run(&wanted, &sender))?;

    let mut model = Model::default();
    let mut view = View { ink: Ink::of_environment(), interval: args.interval, top: 0 };
    let mut want = Want::default();
    let mut stale = true;
    loop {
        if stale {
            screen.0.draw(|frame| screen::draw(&model, &mut view, frame.area(), frame.buffer_mut()))?;
            stale = false;
        }
        match signal.load(Ordering::Relaxed) {
            0 => {}
            number => return Ok(ExitCode::from(u8::try_from(SIGNALLED + number)?)),
        }
        if event::poll(TURN)? {
            stale = true;
            if let Event::Key(key) = event::read()?
                && !keys::press(&mut model, key)
            {
                return Ok(ExitCode::SUCCESS);
            }
        }
        loop {
            match reports.try_recv() {
                Ok(Report::Sample(sample)) => model.take(*sample),
                Ok(Report::Talks(talks)) => model.take_talks(talks),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => bail!("the thread that asks the daemon has ended"),
            }
            stale = true;
        }
        let now = Want { device: model.chosen().map(|device| device.mac), paused: model.paused };
        if now != want {
            want = now;
            // That it has ended is found at the next turn.
            let _ = wants.send(now);
        }
    }
}

/// The terminal while it is ours. It is given back on every way out: dropped here, by the hook where a panic ends the
/// program at once, and signals only say that it is time to go.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        // What ratatui's own hook leaves out. It is called by that one, which is put before it.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let _ = execute!(stdout(), Show);
            hook(info);
        }));
        // Half of it may have been done.
        ratatui::try_init().map(Self).inspect_err(|_| drop(ratatui::try_restore()))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone, and then nothing is left to be put right.
        let _ = ratatui::try_restore();
        let _ = execute!(stdout(), Show);
    }
}
