//! Makes a database as large as one gets: many devices, every level filled up to its retention, so that the time
//! which questions take can be measured before anybody has waited a year.
//!
//! `cargo run --release --example synthetic -- --out big.db --devices 300 --days 90`
//!
//! The tables and views are those of the store. What stands in the rows is made up, and levels do not add up to
//! one another; their numbers of rows, keys and distinct values are what matters here. The same seed and sizes
//! give the same rows.

mod fill;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Parser;
use rusqlite::Connection;

use fill::Size;

/// Make a database full of rows: the same seed and sizes give the same rows.
#[derive(Parser)]
struct Args {
    /// Devices on the LAN
    #[arg(long, default_value_t = 300)]
    devices: i64,
    /// Days of hours
    #[arg(long, default_value_t = 90)]
    days: i64,
    /// Days of minutes, and of flows
    #[arg(long, default_value_t = 14)]
    minute_days: i64,
    /// Days of days
    #[arg(long, default_value_t = 400)]
    day_days: i64,
    /// Rows of one device in one minute, in hundredths
    #[arg(long, default_value_t = 67)]
    minute_rows: i64,
    /// Rows of one device in one hour
    #[arg(long, default_value_t = 40)]
    hour_rows: i64,
    /// Rows of one device in one day
    #[arg(long, default_value_t = 40)]
    day_rows: i64,
    /// Flow rows of one device in a day
    #[arg(long, default_value_t = 333)]
    flows: i64,
    /// Addresses outside that the devices choose from
    #[arg(long, default_value_t = 12_000)]
    endpoints: i64,
    /// What everything is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database to make
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.out.exists() {
        bail!("{} exists already", args.out.display());
    }
    let size = Size {
        devices: args.devices.max(1),
        hour_days: args.days.max(1),
        minute_days: args.minute_days.max(1),
        day_days: args.day_days.max(1),
        minute_rows: args.minute_rows.max(0),
        hour_rows: args.hour_rows.max(0),
        day_rows: args.day_rows.max(8),
        flows: args.flows.max(1),
        endpoints: args.endpoints.max(1),
        seed: args.seed,
    };
    let began = Instant::now();
    let db = Connection::open(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    // A file that is thrown away after a crash needs no journal.
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -200000;",
    )?;
    fill::fill(&db, &size)?;
    for table in ["device", "endpoint", "usage_minute", "usage_hour", "usage_day", "flow"] {
        let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        println!("{table:<13}{rows:>11}");
    }
    println!("{} s", began.elapsed().as_secs());
    Ok(())
}
