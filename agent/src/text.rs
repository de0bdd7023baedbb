//! How things are written for people, and how nothing from the network can play with their terminal.

use std::fmt::Write as _;

use jiff::SignedDuration;
pub(crate) use lanscribe_core::text::is_hidden;
use lanscribe_core::time::Span;

/// The text with hidden characters written out: `\u{202e}`. What is learnt is clean already; this is the second fence.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A cell of CSV that no spreadsheet takes for a formula.
pub(crate) fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let shown = visible(text);
    if formula { format!("'{shown}") } else { shown }
}

/// JSON in which hidden characters are written as escapes: the same value, and safe to print.
pub(crate) fn json_line(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    line
}

/// Bytes in decimal units, with at most four digits: `999 B`, `1.2 kB`, `345 MB`.
#[allow(clippy::cast_precision_loss)] // three digits are shown
pub(crate) fn bytes(count: i64) -> String {
    if count < 1_000 {
        return format!("{count} B");
    }
    let (mut value, mut units) = (count as f64, ["kB", "MB", "GB", "TB", "PB", "EB"].iter());
    loop {
        value /= 1_000.0;
        let unit = units.next().unwrap_or(&"EB");
        // What would round to 100.0 or 1000 goes on.
        if value < 99.95 {
            return format!("{value:.1} {unit}");
        }
        if value < 999.5 {
            return format!("{value:.0} {unit}");
        }
    }
}

/// A count with commas: `1,234,567`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        grouped.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length of time: `250 ms`, `12.3 s`, `4m05s`, `3h12m`, `2d03h`.
pub(crate) fn duration(millis: i64) -> String {
    let seconds = millis / 1_000;
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", seconds, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `forward by 3h 20m`: what a clock was set by.
pub(crate) fn span_text(by: Span) -> String {
    let way = if by < Span(0) { "back" } else { "forward" };
    format!("{way} by {:#}", SignedDuration::from_millis(by.abs().0 / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_written_out() {
        assert_eq!(visible("caf\u{e9}\u{202e}gpj.exe\u{1b}[2J"), "caf\u{e9}\\u{202e}gpj.exe\\u{1b}[2J");
        assert_eq!(visible("a\nb\u{2028}\u{feff}\u{e0041}"), "a\\u{a}b\\u{2028}\\u{feff}\\u{e0041}");
    }

    #[test]
    fn csv_cells_are_no_formulas() {
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        for text in ["+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert!(csv_cell(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(csv_cell("bulb=1"), "bulb=1");
        assert_eq!(csv_cell("\tx"), "'\\u{9}x");
    }

    #[test]
    fn json_keeps_the_value_and_shows_what_was_hidden() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{9b}\u{e0041}\n" });
        let line = json_line(&value);
        assert_eq!(line, r#"{"name":"a\u202eb\u009b\udb40\udc41\n"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn bytes_have_decimal_units_and_never_a_thousand_of_them() {
        let shown = |n| bytes(n);
        assert_eq!(
            [0, 999, 1_000, 1_249, 99_949, 99_950, 999_499, 999_500, 1_500_000_000].map(shown),
            ["0 B", "999 B", "1.0 kB", "1.2 kB", "99.9 kB", "100 kB", "999 kB", "1.0 MB", "1.5 GB"]
        );
        assert_eq!(bytes(i64::MAX), "9.2 EB");
    }

    #[test]
    fn counts_and_durations_are_short() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(-1_000), "-1,000");
        assert_eq!(
            [0, 250, 12_345, 245_000, 11_520_000, 183_600_000].map(duration),
            ["0 ms", "250 ms", "12.3 s", "4m05s", "3h12m", "2d03h"]
        );
    }
}
