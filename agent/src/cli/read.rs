//! `lanscribe read`: capture files into the database.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::stats::Stats;
use signal_hook::consts::SIGINT;

use super::args::READ_DB;
use crate::capture::{self, CaptureError, Source, Tally};
use crate::config::Config;
use crate::store::{Age, Budget, Capture, Captures, Store, StoreError, integer};
use crate::text;
use crate::vendor::Registry;

/// Rows that wait in memory before they are written: many share what a flush costs, and memory stays flat.
const PENDING: usize = 20_000;
/// Frames between two looks at the progress bar.
const PROGRESS: u64 = 1 << 14;

/// Read capture files into the database
///
/// Reads pcap and pcapng files, gzip'ed or not, and adds what the devices in them did to the database. Several files
/// are read in order of time, as one capture. A damaged file is read as far as it goes, and the exit status is 65.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe read capture.pcap                 into lanscribe.db, which is made if need be
  lanscribe read monday.pcap.gz tuesday.pcap  two files, in order of time
  tcpdump -i eth0 -w - | lanscribe read -     what another program captures, until it ends

Then ask:
  lanscribe devices
  sqlite3 lanscribe.db 'SELECT * FROM devices'")]
pub(crate) struct ReadArgs {
    /// Capture files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The database to write; made if it does not exist. Never the daemon's, unless it is named
    #[arg(long, value_name = "FILE", default_value = READ_DB)]
    db: PathBuf,
    /// Count a capture once more that is in the database already
    #[arg(long)]
    again: bool,
    /// Delete what is older, counted from the last packet, than the configuration keeps
    #[arg(long)]
    retain: bool,
    /// The configuration; without it everything is at its default, whatever the daemon's says
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: &ReadArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    capture::check_layout().map_err(anyhow::Error::msg)?;
    let mut sources = args.files.iter().map(|f| Source::open(f)).collect::<Result<Vec<_>, _>>()?;
    let streams = args.files.iter().any(|path| !path.is_file());
    if streams {
        end_with_the_stream()?;
    }
    let registry = Registry::open(config.registry.as_deref())?;
    let mut store = Store::open(&args.db, config.time_zone.clone())?.with_vendors(registry);
    let known = if args.again { Captures::default() } else { store.captures()? };

    // All or nothing: who stops it half-way can read the capture again. A stream cannot be read again, so it is kept
    // as it comes, from where it can no longer turn out to be a capture that is in the file.
    store.begin()?;
    let mut whole = true;
    let mut pipeline = Pipeline::new(config.pipeline());
    store.remember(&mut pipeline)?;
    let progress = progress_bar(&args.files, args.quiet);
    let mut tallies = vec![Tally::default(); sources.len()];
    let (mut frames, mut bytes) = (0_u64, 0_u64);
    let ends = capture::read_all(&mut sources, |n, frame| {
        let tally = &mut tallies[n];
        tally.count(frame);
        if let Some(earlier) = known.find(tally.frames, || tally.digest()) {
            return Err(StoreError::Again(args.files[n].clone(), earlier.to_owned()));
        }
        pipeline.packet(frame.at, 0, frame.link_type, frame.wire_len, frame.bytes);
        frames += 1;
        bytes += frame.file_len();
        if frames % PROGRESS == 0 {
            progress.set_position(bytes);
        }
        if pipeline.pending() < PENDING {
            return Ok(());
        }
        if whole && streams && tallies.iter().all(|tally| tally.frames > known.longest()) {
            store.commit()?;
            whole = false;
        }
        store.flush(&pipeline.take_batch())
    })?;
    refuse_twice(&args.files, &tallies, args.again)?;
    pipeline.finish();
    store.flush(&pipeline.take_batch())?;
    progress.finish_and_clear();

    for ((path, tally), end) in args.files.iter().zip(&tallies).zip(&ends) {
        store.note_capture(&noted(path, tally, end), Timestamp::now().as_millisecond())?;
    }
    if whole {
        store.commit()?;
    }
    let last = tallies.iter().filter_map(|tally| tally.span).map(|(_, last)| last.as_millis()).max();
    if let (true, Some(last)) = (args.retain, last) {
        store.retain(Age { now: last, sure: true }, config.retention, &mut Budget::all())?;
    }
    store.close()?;
    if !args.quiet {
        report(&tallies, &args.db, &pipeline.stats());
    }
    let errors: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
    for error in &errors {
        super::say(error);
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::DATA_ERROR) })
}

/// Leaves it to the program that captures to end on Ctrl-C, which both get: then the stream ends, and what came is
/// kept. A second Ctrl-C ends this one too.
fn end_with_the_stream() -> Result<()> {
    const INTERRUPTED: i32 = 130;
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&asked))?;
    signal_hook::flag::register(SIGINT, asked)?;
    Ok(())
}

/// Refuses a capture that stands twice on the command line.
fn refuse_twice(files: &[PathBuf], tallies: &[Tally], again: bool) -> Result<(), StoreError> {
    let mut seen: HashMap<String, &Path> = HashMap::new();
    for (path, tally) in files.iter().zip(tallies).filter(|(_, tally)| tally.frames > 0 && !again) {
        if let Some(first) = seen.insert(tally.digest(), path) {
            return Err(StoreError::Twice(path.clone(), first.to_owned()));
        }
    }
    Ok(())
}

fn noted(path: &Path, tally: &Tally, end: &Result<(), CaptureError>) -> Capture {
    Capture {
        name: path.display().to_string(),
        digest: tally.digest(),
        frames: tally.frames,
        bytes: tally.bytes,
        span: tally.span.map(|(first, last)| (first.as_millis(), last.as_millis())),
        error: end.as_ref().err().map(ToString::to_string),
    }
}

fn progress_bar(files: &[PathBuf], quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = |path: &PathBuf| {
        path.metadata().ok().filter(|m| m.is_file() && !capture::is_packed(path)).map(|m| m.len())
    };
    // What is packed or comes through a pipe has no length that could be known.
    let (bar, template) = match files.iter().map(length).sum::<Option<u64>>() {
        Some(length) => (
            ProgressBar::new(length),
            "reading {bar:30} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "reading {spinner} {decimal_bytes}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What was read, and every limit that was reached.
fn report(tallies: &[Tally], db: &Path, stats: &Stats) {
    let count = |n: u64| text::count(integer(n));
    let (frames, bytes) = tallies.iter().fold((0, 0_u64), |sum, t| (sum.0 + t.frames, sum.1 + t.bytes));
    let bytes = text::bytes(integer(bytes));
    let devices = count(stats.devices as u64);
    super::say(format_args!(
        "read {} packets, {bytes}, of {devices} devices into {}",
        count(frames),
        db.display()
    ));
    for (what, reached) in stats.limits().into_iter().filter(|(_, reached)| *reached > 0) {
        super::say(format_args!("a limit was reached: {} {what}", count(reached)));
    }
}
