//! `lanscribe read`: capture files into the database.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use lanscribe_core::pipeline::Pipeline;
use lanscribe_core::stats::Stats;

use super::text;
use crate::capture::{self, CaptureError, Source};
use crate::config::Config;
use crate::store::{Capture, Store, StoreError};
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
    /// The database to write; made if it does not exist
    #[arg(long, value_name = "FILE", default_value = "lanscribe.db")]
    db: PathBuf,
    /// Count a capture once more that is in the database already
    #[arg(long)]
    again: bool,
    /// Delete what is older, counted from the last packet, than the configuration keeps
    #[arg(long)]
    retain: bool,
    /// The configuration; without it everything is at its default
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
    let registry = Registry::open(config.registry.as_deref())?;
    let mut store = Store::open(&args.db, config.time_zone.clone())?.with_vendors(registry);
    if !args.again {
        refuse_again(&sources, &store)?;
    }

    // All or nothing: who stops it half-way can read the capture again.
    store.begin()?;
    let mut pipeline = Pipeline::new(config.pipeline());
    store.remember(&mut pipeline)?;
    let progress = progress_bar(&args.files, args.quiet);
    let (mut frames, mut bytes) = (0_u64, 0_u64);
    let ends = capture::read_all(&mut sources, |frame| {
        pipeline.packet(frame.at, 0, frame.link_type, frame.wire_len, frame.bytes);
        frames += 1;
        bytes += frame.file_len();
        if frames % PROGRESS == 0 {
            progress.set_position(bytes);
        }
        if pipeline.pending() >= PENDING { store.flush(&pipeline.take_batch()) } else { Ok(()) }
    })?;
    pipeline.finish();
    store.flush(&pipeline.take_batch())?;
    progress.finish_and_clear();

    let mut last = None;
    for (source, end) in sources.iter().zip(&ends) {
        last = last.max(source.span.map(|(_, last)| last.as_millis()));
        store.note_capture(&noted(source, end), Timestamp::now().as_millisecond())?;
    }
    store.commit()?;
    if let (true, Some(last)) = (args.retain, last) {
        store.retain(last, config.retention)?;
    }
    store.close()?;
    if !args.quiet {
        report(&sources, &args.db, &pipeline.stats());
    }
    let errors: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
    for error in &errors {
        eprintln!("lanscribe: {error}");
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::DATA_ERROR) })
}

/// Refuses a capture that is in the file already, or stands twice on the command line.
fn refuse_again(sources: &[Source], store: &Store) -> Result<(), StoreError> {
    let mut seen: HashMap<&str, &Path> = HashMap::new();
    for source in sources {
        store.refuse_again(&source.path, &source.digest)?;
        if let Some(first) = seen.insert(&source.digest, &source.path) {
            return Err(StoreError::Twice(source.path.clone(), first.to_owned()));
        }
    }
    Ok(())
}

fn noted(source: &Source, end: &Result<(), CaptureError>) -> Capture {
    Capture {
        name: source.path.display().to_string(),
        digest: source.digest.clone(),
        frames: source.frames,
        bytes: source.bytes,
        span: source.span.map(|(first, last)| (first.as_millis(), last.as_millis())),
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
fn report(sources: &[Source], db: &Path, stats: &Stats) {
    let count = |n: u64| text::count(i64::try_from(n).unwrap_or(i64::MAX));
    let (frames, bytes) = sources.iter().fold((0, 0_u64), |sum, s| (sum.0 + s.frames, sum.1 + s.bytes));
    eprintln!(
        "read {} packets, {}, of {} devices into {}",
        count(frames),
        text::bytes(i64::try_from(bytes).unwrap_or(i64::MAX)),
        count(stats.devices as u64),
        db.display()
    );
    for (what, reached) in stats.limits().into_iter().filter(|(_, reached)| *reached > 0) {
        eprintln!(
            "lanscribe: a limit was reached: {} {what}; [limits] in the configuration may raise it",
            count(reached)
        );
    }
}
