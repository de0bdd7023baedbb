//! Makes one big capture out of many small ones: a day of a busy home, for measuring and soaking.
//!
//! `cargo run --release --example multiply -- --out day.pcap [CAPTURE|DIR]...`
//!
//! Every sane Ethernet capture among the inputs is written again and again, each time as another household
//! and shifted in time, until there are enough packets. The same seed and inputs give the same bytes.
//! Without inputs it takes the captures that lie beside the project, else the project's own sample.

mod layout;
mod plan;
mod random;
mod rewrite;
mod source;
mod tally;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Parser;

use plan::Settings;
use source::Source;

/// Multiply captures into one big one: the same seed and inputs give the same file.
#[derive(Parser)]
struct Args {
    /// Write at least so many packets
    #[arg(long, default_value_t = 2_000_000)]
    packets: usize,
    /// What MACs, addresses, ports and start times are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Spread the copies over so many hours
    #[arg(long, default_value_t = 24)]
    hours: u32,
    /// How many sets of devices take turns; no more than the copies of one capture are ever used
    #[arg(long, default_value_t = 2)]
    homes: usize,
    /// Also say which captures are used, and why the others are not
    #[arg(long)]
    verbose: bool,
    /// The pcap file to write
    #[arg(long)]
    out: PathBuf,
    /// Captures, and folders searched for .pcap, .pcapng and .cap
    captures: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let inputs = if args.captures.is_empty() { vec![default_input()?] } else { args.captures };

    let mut sources = Vec::new();
    for path in source::find(&inputs)? {
        match Source::read(&path) {
            Ok(source) => {
                if args.verbose {
                    eprintln!("used     {}: {}", path.display(), source.describe());
                }
                sources.push(source);
            }
            Err(reason) if args.verbose => eprintln!("left out {}: {reason}", path.display()),
            Err(_) => {}
        }
    }
    if sources.is_empty() {
        bail!("no capture among the inputs is fit for use: --verbose says why");
    }

    let settings = Settings {
        packets: args.packets,
        seed: args.seed,
        hours: args.hours.max(1),
        homes: args.homes.max(1),
    };
    let file = File::create(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let copies = plan::copies(&sources, &settings);
    let tally = write::capture(&sources, &copies, &settings, BufWriter::with_capacity(1 << 20, file))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("captures     {} in {} copies", sources.len(), copies.len());
    println!("{tally}");
    Ok(())
}

/// The captures that lie beside the project are large and never part of it; its own sample always is there.
fn default_input() -> anyhow::Result<PathBuf> {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = agent.join("../../shared/captures");
    let sample = agent.join("../tests/sample");
    match [beside, sample].into_iter().find(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder),
        None => bail!("neither ../shared/captures nor tests/sample is there: name captures or folders"),
    }
}
