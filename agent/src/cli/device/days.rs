//! When a device is active: a row for each day, a bar for each hour.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::cli::listing::Value;
use crate::cli::reader::Reader;
use crate::cli::sums::{Filter, Sum, sums};
use crate::cli::windows::{By, windows};

/// Days that are shown.
pub(super) const DAYS: usize = 7;

/// What was moved in each hour of a day.
pub(super) struct Day {
    local: String,
    hours: [i64; 24],
    sum: Sum,
}

/// The last days of the period on which the device did anything.
pub(super) fn days(reader: &Reader, filter: &Filter) -> Result<Vec<Day>> {
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for window in windows(reader, By::Hour)? {
        let (local, hour) = window.local.split_at_checked(10).unwrap_or((&window.local, ""));
        if days.len() == DAYS && !days.contains_key(local) {
            break;
        }
        let mut total = Sum::default();
        sums(reader, &window.parts, &[], filter, |_, sum| total.add(sum))?;
        if total == Sum::default() {
            continue;
        }
        let day = days.entry(local.to_owned()).or_insert_with(|| Day {
            local: local.to_owned(),
            hours: [0; 24],
            sum: Sum::default(),
        });
        day.sum.add(&total);
        let hour: Option<usize> = hour.get(1..3).and_then(|digits| digits.parse().ok());
        // In zones off by half an hour a window is filed under the hour in which it starts.
        if let Some(bytes) = hour.and_then(|hour| day.hours.get_mut(hour)) {
            *bytes += total.bytes();
        }
    }
    Ok(days.into_values().collect())
}

pub(super) fn rows(days: &[Day]) -> Vec<Vec<Value>> {
    let most = days.iter().flat_map(|day| day.hours).max().unwrap_or(0);
    days.iter()
        .map(|day| {
            let bars: String = day.hours.iter().map(|bytes| bar(*bytes, most)).collect();
            vec![
                Value::text(format!("  {}", day.local)),
                Value::text(bars),
                Value::Bytes(day.sum.bytes_up),
                Value::Bytes(day.sum.bytes_down),
            ]
        })
        .collect()
}

/// Eight steps, each a quarter of the next: a night of keep-alives shows beside an evening of video.
pub(crate) fn bar(bytes: i64, most: i64) -> char {
    const STEPS: [char; 8] = ['█', '▇', '▆', '▅', '▄', '▃', '▂', '▁'];
    if bytes <= 0 {
        return ' ';
    }
    let mut least = most;
    for step in STEPS {
        least /= 4;
        if bytes > least {
            return step;
        }
    }
    '·'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_by_fours_and_silence_shows_nothing() {
        let most = 1_000_000;
        let shown: String =
            [0, 1, 60, 1_000, 10_000, 250_000, 250_001, most].map(|n| bar(n, most)).into_iter().collect();
        assert_eq!(shown, " ·▁▄▅▇██");
    }

    #[test]
    fn a_day_has_a_column_for_each_hour() {
        let mut hours = [0; 24];
        hours[23] = 5;
        let day = Day { local: "2026-11-20".into(), hours, sum: Sum { bytes_up: 5, ..Sum::default() } };
        let Value::Text(bars) = &rows(&[day])[0][1] else { panic!() };
        assert_eq!(bars.chars().count(), 24);
        assert!(bars.ends_with('█'));
    }
}
