//! `lanscribe read`: capture files into the database.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use jiff::tz::TimeZone;
use lanscribe_core::pipeline::{Config, Pipeline};

use crate::capture::{Source, read_all};
use crate::store::Store;

/// Rows that wait in memory before they are written: what a flush costs is shared by many, and memory stays flat.
const PENDING: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Capture files: pcap or pcapng, gzip'ed or not; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The database to write; made if it does not exist
    #[arg(long, value_name = "FILE", default_value = "lanscribe.db")]
    db: PathBuf,
    /// Count a capture once more that is in the database already
    #[arg(long)]
    again: bool,
}

pub(crate) fn run(args: &ReadArgs) -> Result<ExitCode> {
    let mut sources = args.files.iter().map(|f| Source::open(f)).collect::<Result<Vec<_>, _>>()?;
    let mut store = Store::open(&args.db, TimeZone::system())?;
    let mut pipeline = Pipeline::new(Config::default());
    let ends = read_all(&mut sources, |frame| {
        pipeline.packet(frame.at, 0, frame.link_type, frame.wire_len, frame.bytes);
        if pipeline.pending() >= PENDING { store.flush(&pipeline.take_batch()) } else { Ok(()) }
    })?;
    pipeline.finish();
    store.flush(&pipeline.take_batch())?;
    store.close()?;
    let mut code = ExitCode::SUCCESS;
    for end in ends {
        if let Err(error) = end {
            eprintln!("lanscribe: {error}");
            code = ExitCode::from(65);
        }
    }
    Ok(code)
}
