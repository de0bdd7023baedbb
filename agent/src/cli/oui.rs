//! `lanscribe oui`: asks the vendor registry about addresses, and writes it out for other programs.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;

use super::Usage;
use crate::vendor::{Block, Registry};

/// Ask the vendor registry
#[derive(Debug, clap::Args)]
pub(crate) struct OuiArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the vendor of each address: the address, a tab, the vendor; nothing after the tab if it has none
    Lookup(Lookup),
    /// Write the whole registry as CSV
    ///
    /// The column `macoui` is the beginning of the addresses as they are written, of 6, 7 or 9 digits:
    /// `b8:27:eb`, `c8:5c:e2:7`, `00:1b:c5:00:0`; the longest one that an address starts with counts. `macman` is
    /// the vendor. Blocks that are cut up into smaller ones have no row of their own.
    Export(Source),
}

#[derive(Debug, clap::Args)]
struct Lookup {
    /// MAC addresses, or their first six digits or more; - reads them from standard input, one a line
    #[arg(required = true, value_name = "MAC")]
    macs: Vec<String>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    source: Source,
}

/// Which registry is asked.
#[derive(Debug, clap::Args)]
struct Source {
    /// The IEEE's oui.csv or oui.txt, or a folder with its listings, in place of the latest on this machine
    #[arg(long, value_name = "PATH")]
    registry: Option<PathBuf>,

    /// The registry that is built in, even if this machine has a later one
    #[arg(long, conflicts_with = "registry")]
    embedded: bool,
}

impl Source {
    fn open(&self) -> anyhow::Result<Registry> {
        if self.embedded {
            return Ok(Registry::embedded());
        }
        Ok(Registry::open(self.registry.as_deref())?)
    }
}

/// Runs `lanscribe oui`.
pub(crate) fn run(args: OuiArgs) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match args.command {
        Command::Lookup(lookup) => print_vendors(&lookup, &mut out),
        Command::Export(source) => export(&source.open()?, &mut out),
    };
    // What was found before a mistake in the input is an answer too.
    let flushed = out.flush();
    done.and_then(|()| Ok(flushed?))
}

fn print_vendors(lookup: &Lookup, out: &mut impl Write) -> anyhow::Result<()> {
    let registry = lookup.source.open()?;
    for mac in &lookup.macs {
        if mac != "-" {
            print_vendor(&registry, mac, lookup.json, out)?;
            continue;
        }
        for (i, line) in io::stdin().lock().lines().enumerate() {
            let line = line.context("cannot read standard input")?;
            if !line.trim().is_empty() {
                print_vendor(&registry, line.trim(), lookup.json, out)
                    .with_context(|| format!("standard input, line {}", i + 1))?;
            }
        }
    }
    Ok(())
}

fn print_vendor(registry: &Registry, text: &str, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let block: Block = text.parse().map_err(|error| Usage(format!("{text:?} is {error}")))?;
    let vendor = registry.lookup_block(block);
    if json {
        let random = block.bits() == 48 && registry.is_random(block.first());
        writeln!(out, "{}", json!({ "mac": block.to_string(), "vendor": vendor, "random": random }))?;
    } else {
        writeln!(out, "{block}\t{}", vendor.unwrap_or_default())?;
    }
    Ok(())
}

fn export(registry: &Registry, out: &mut impl Write) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["macoui", "macman"])?;
    for (block, vendor) in registry.entries() {
        csv.write_record([block.to_string().as_str(), vendor])?;
    }
    Ok(csv.flush()?)
}
