//! `lanscribe coverage`: when was watched, and what was missed.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::args::AskArgs;
use super::listing::{Column, Listing, Value, iso};
use super::reader::Reader;
use super::rows_left_out;
use super::windows::{By, length, windows};

/// What a clock can be worth; a window is worth what the worst of it is.
const CLOCKS: [&str; 4] = ["capture", "synced", "stepped", "unsynced"];
/// Rows of a table when nothing else was said.
const ROWS: usize = 100;

/// Show when the network was watched, and what was missed
///
/// One row for each day in which the program ran (or read a capture), newest first. OBSERVED is the time that was
/// watched, GAP the time without any row before it: nothing was running then. DROPPED are frames that came too fast,
/// UNDECODABLE those without a readable header, FOLDED those that were counted without their device or endpoint
/// because a limit was reached. The period is rounded outwards to whole windows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe coverage                           all days
  lanscribe coverage --by hour --since yesterday
  lanscribe coverage --by minute --since 2h    where exactly it stopped
  lanscribe coverage --csv > coverage.csv")]
pub(crate) struct CoverageArgs {
    /// How long a window is
    #[arg(long, value_enum, default_value = "day")]
    by: Windows,
    /// Print at most so many rows, the newest; 0 for all. Tables have 100 if nothing is said, JSON and CSV all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Windows {
    Minute,
    Hour,
    Day,
}

const COLUMNS: [Column; 15] = [
    Column::new("local", "TIME").whole(),
    Column::raw("utc"),
    Column::new("observed_ms", "OBSERVED").right(),
    Column::shown("OF").right(),
    Column::raw("window_ms"),
    Column::new("gap_before_ms", "GAP BEFORE").right().from(90),
    Column::new("clock", "CLOCK").whole().from(120),
    Column::new("frames", "FRAMES").right(),
    Column::new("bytes", "BYTES").right(),
    Column::new("dropped", "DROPPED").right(),
    Column::raw("interface_dropped"),
    Column::new("undecodable", "UNDECODABLE").right().from(100),
    Column::raw("undecodable_bytes"),
    Column::new("folded", "FOLDED").right().from(110),
    Column::raw("folded_bytes"),
];

pub(crate) fn run(args: &CoverageArgs) -> Result<()> {
    let reader = Reader::open(&args.ask)?;
    let by = match args.by {
        Windows::Minute => By::Minute,
        Windows::Hour => By::Hour,
        Windows::Day => By::Day,
    };
    let limit = reader.limit(args.limit, ROWS);
    let windows = windows(&reader, by)?;
    let mut listing = Listing::new(&reader, &COLUMNS)?;
    for (i, window) in windows.iter().enumerate().take(limit) {
        let mut counts = [0_i64; 9];
        let mut clock = 0_u8;
        for part in &window.parts {
            let sql = format!(
                "SELECT sum(observed_ms), sum(frames), sum(bytes), sum(dropped), sum(interface_dropped), sum(undecodable),
                   sum(undecodable_bytes), sum(folded), sum(folded_bytes),
                   max(CASE clock WHEN 'unsynced' THEN 3 WHEN 'stepped' THEN 2 WHEN 'synced' THEN 1 ELSE 0 END)
                 FROM coverage_{} WHERE window >= ?1 AND window < ?2 HAVING count(*) > 0",
                part.level.name()
            );
            let mut statement = reader.db.prepare_cached(&sql)?;
            let mut rows = statement.query((part.from, part.to))?;
            while let Some(row) = rows.next()? {
                for (i, count) in counts.iter_mut().enumerate() {
                    *count += row.get::<_, i64>(i)?;
                }
                clock = clock.max(row.get(9)?);
            }
        }
        let whole = length(&reader, by, window.start);
        let before = windows.get(i + 1).map(|earlier| earlier.start + length(&reader, by, earlier.start));
        let gap = before.map(|end| window.start - end).filter(|gap| *gap > 0);
        let [
            observed,
            frames,
            bytes,
            dropped,
            interface_dropped,
            undecodable,
            undecodable_bytes,
            folded,
            folded_bytes,
        ] = counts;
        #[allow(clippy::cast_precision_loss)] // one digit after the point is shown
        let share = observed as f64 / whole as f64;
        listing.row(vec![
            Value::text(&*window.local),
            Value::text(iso(window.start)),
            Value::Took(observed),
            Value::Share(share),
            Value::Took(whole),
            gap.map_or(Value::Null, Value::Took),
            Value::maybe(CLOCKS.get(usize::from(clock)).copied()),
            Value::Count(frames),
            Value::Bytes(bytes),
            Value::Count(dropped),
            Value::Count(interface_dropped),
            Value::Count(undecodable),
            Value::Bytes(undecodable_bytes),
            Value::Count(folded),
            Value::Bytes(folded_bytes),
        ])?;
    }
    listing.finish()?;
    if windows.len() > limit {
        rows_left_out(limit, "older");
    }
    Ok(())
}
