//! The two tables: the devices, and whom the chosen one talks to.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::ink::{CHOSEN, FAINT, HEADING, Ink, cut, fill, lasted};
use super::model::{Device, HISTORY, Model};
use crate::cli::device::bar;
use crate::store::integer;
use crate::text::{bytes, visible};
use crate::vendor::short;

/// Room of a number of bytes: `99.9 kB`.
const BYTES: usize = 7;
/// Room of a time that passed: `12h34m`.
const SEEN: usize = 6;
const VENDOR: usize = 16;
/// A name is told from others by so much of it, and the longest that is made of a vendor and an address has so much.
const NAME: (usize, usize) = (16, 29);
/// From this width on there is room for vendors beside names, which most are part of.
const ROOMY: usize = 100;
/// Fewer bars tell nothing.
const BARS: usize = 8;
const SERVICE: usize = 12;
/// Room of where a name comes from: `quic`, under its title.
const NAMED: usize = 5;
/// From this width on the talks have that, and when they were.
const WORDY: usize = 80;

/// How wide each column of the devices is; 0 if it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    name: usize,
    vendor: usize,
    bars: usize,
    total: usize,
    seen: usize,
}

impl Columns {
    /// What has room beside the marks, the name and the rates.
    fn of(room: usize) -> Self {
        let mut rest = room.saturating_sub("> new ".len() + 2 * (BYTES + 1));
        let mut take = |wanted: usize| {
            let taken = if rest > NAME.0 + wanted { wanted } else { 0 };
            rest -= if taken > 0 { taken + 1 } else { 0 };
            taken
        };
        let (total, seen) = (take(BYTES), take(SEEN));
        let vendor = if room >= ROOMY { take(VENDOR) } else { 0 };
        let bars =
            if rest > NAME.0 + BARS { rest.saturating_sub(NAME.1 + 1).clamp(BARS, HISTORY) } else { 0 };
        let name = rest - if bars > 0 { bars + 1 } else { 0 };
        Self { name, vendor, bars, total, seen }
    }
}

/// The devices in so many lines, the first of which is the heading. `top` is the first device that is shown, and is
/// moved as little as it takes to show the chosen one.
pub(super) fn devices(
    model: &Model,
    ink: Ink,
    interval: u64,
    room: usize,
    height: usize,
    top: &mut usize,
) -> Vec<Line<'static>> {
    let columns = Columns::of(room);
    let mut lines = vec![heading(model, columns, interval)];
    let rows = height.saturating_sub(1);
    let shown = model.shown();
    let chosen = model.chosen_row();
    *top = first(*top, chosen.unwrap_or(0), shown.len(), rows);
    let now = model.status().map_or(0, |status| status.now);
    let peak = model.peak();
    for (n, device) in shown.enumerate().skip(*top).take(rows) {
        lines.push(row(device, chosen == Some(n), columns, ink, (peak, now)));
    }
    if lines.len() == 1 && rows > 0 && model.status().is_some() {
        lines.push(Line::styled(cut(&nobody(model), room), FAINT));
    }
    lines
}

/// The first row to show: the one before, if the chosen one can be seen with it.
fn first(before: usize, chosen: usize, all: usize, rows: usize) -> usize {
    let last = all.saturating_sub(rows);
    before.min(chosen).max((chosen + 1).saturating_sub(rows)).min(last)
}

fn nobody(model: &Model) -> String {
    match (model.known(), model.filter(), model.only_new()) {
        (0, ..) => "no device was seen yet".to_owned(),
        (_, "", true) => "no device is new since 24 hours; n shows all".to_owned(),
        (_, filter, _) => format!("no name, vendor or MAC address has {:?} in it", visible(filter)),
    }
}

fn heading(model: &Model, columns: Columns, interval: u64) -> Line<'static> {
    let (shown, known) = (model.shown().len(), model.known());
    let name =
        if shown == known { format!("DEVICE ({known})") } else { format!("DEVICE ({shown} of {known})") };
    let bars = format!("LAST {} s", columns.bars as u64 * interval);
    let cells = Cells {
        name,
        vendor: "VENDOR".to_owned(),
        up: "UP/s".to_owned(),
        down: "DOWN/s".to_owned(),
        // Above the bars on the right, where now is.
        bars: fill(&bars, columns.bars, true),
        total: "TOTAL".to_owned(),
        seen: "SEEN".to_owned(),
    };
    cells.line("  ", Span::raw("    "), columns).style(HEADING)
}

fn row(device: &Device, chosen: bool, columns: Columns, ink: Ink, (peak, now): (u64, i64)) -> Line<'static> {
    // Many names begin with it.
    let vendor = device.vendor.as_deref().map(short).filter(|vendor| !device.name.contains(&**vendor));
    let vendor = vendor.unwrap_or_default();
    let rate = |rate: Option<u64>| rate.map_or_else(|| "-".to_owned(), |rate| bytes(integer(rate)));
    let cells = Cells {
        name: device.name.clone(),
        vendor,
        up: rate(device.rate.map(|(up, _)| up)),
        down: rate(device.rate.map(|(_, down)| down)),
        bars: bars(device, peak, columns.bars),
        total: bytes(integer(device.total())),
        seen: ago(now - device.last_seen),
    };
    let new = if device.new { Span::styled("new ", ink.good()) } else { Span::raw("    ") };
    let line = cells.line(if chosen { "> " } else { "  " }, new, columns);
    if chosen { line.style(CHOSEN) } else { line }
}

/// A row in words.
struct Cells {
    name: String,
    vendor: String,
    up: String,
    down: String,
    bars: String,
    total: String,
    seen: String,
}

impl Cells {
    fn line(self, mark: &'static str, new: Span<'static>, columns: Columns) -> Line<'static> {
        let mut spans = vec![Span::raw(mark), new, Span::raw(fill(&self.name, columns.name, false))];
        let mut cell = |text: &str, room: usize, right: bool| {
            if room > 0 {
                spans.push(Span::raw(format!(" {}", fill(text, room, right))));
            }
        };
        cell(&self.vendor, columns.vendor, false);
        cell(&self.up, BYTES, true);
        cell(&self.down, BYTES, true);
        cell(&self.bars, columns.bars, true);
        cell(&self.total, columns.total, true);
        cell(&self.seen, columns.seen, true);
        Line::from(spans)
    }
}

/// The last samples as bars, the latest on the right.
fn bars(device: &Device, peak: u64, room: usize) -> String {
    let skip = device.history.len().saturating_sub(room);
    device.history.iter().skip(skip).map(|rate| bar(integer(*rate), integer(peak))).collect()
}

/// Whom the chosen device talks to, in so many lines.
pub(super) fn talks(model: &Model, room: usize, height: usize) -> Vec<Line<'static>> {
    let Some(device) = model.chosen() else { return Vec::new() };
    let wordy = room >= WORDY;
    let more = if wordy { SEEN + 1 + NAMED + 1 } else { 0 };
    let endpoint = room.saturating_sub(2 + SERVICE + 2 * BYTES + 3 + more);
    let line = |cells: [&str; 6]| {
        let [name, named, service, up, down, last] = cells;
        let named = if wordy { format!("{} ", fill(named, NAMED, false)) } else { String::new() };
        let mut line = format!(
            "  {} {named}{} {} {}",
            fill(name, endpoint, false),
            fill(service, SERVICE, false),
            fill(up, BYTES, true),
            fill(down, BYTES, true)
        );
        if wordy {
            line += &format!(" {}", fill(last, SEEN, true));
        }
        cut(&line, room)
    };
    let title = format!("TALKS OF {}", device.name);
    let mut lines = vec![
        Line::styled(cut(&title, room), HEADING),
        Line::styled(line(["TO", "NAMED", "BY", "UP", "DOWN", "SEEN"]), HEADING),
    ];
    let now = model.status().map_or(0, |status| status.now);
    match model.talks() {
        None => lines.push(Line::styled("  asking", FAINT)),
        Some([]) => lines.push(Line::styled(cut("  nobody in the last minutes", room), FAINT)),
        Some(talks) => lines.extend(talks.iter().map(|talk| {
            Line::styled(
                line([
                    &visible(&talk.endpoint),
                    &visible(talk.named.as_deref().unwrap_or_default()),
                    &visible(&talk.service),
                    &bytes(integer(talk.up)),
                    &bytes(integer(talk.down)),
                    &ago(now - talk.last_seen),
                ]),
                Style::new(),
            )
        })),
    }
    lines.truncate(height);
    lines
}

/// How long ago something was: `now`, `12 s`, `3h12m`.
fn ago(millis: i64) -> String {
    if millis < 2_000 { "now".to_owned() } else { lasted(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_take_all_the_room_and_never_more() {
        for room in 0..300 {
            let c = Columns::of(room);
            let used: usize =
                [c.vendor, c.bars, c.total, c.seen].into_iter().filter(|n| *n > 0).map(|n| n + 1).sum();
            let all = "> new ".len() + c.name + 2 * (BYTES + 1) + used;
            assert!(room < 22 || all == room, "{room}: {c:?} {all}");
            assert!(room < 38 || c.name >= NAME.0, "{room}: {c:?}");
        }
        assert_eq!(Columns::of(80), Columns { name: 29, vendor: 0, bars: 13, total: 7, seen: 6 });
    }

    #[test]
    fn the_first_row_moves_as_little_as_it_must() {
        assert_eq!(first(0, 0, 100, 10), 0);
        assert_eq!(first(0, 9, 100, 10), 0);
        assert_eq!(first(0, 10, 100, 10), 1);
        assert_eq!(first(5, 7, 100, 10), 5);
        assert_eq!(first(5, 3, 100, 10), 3);
        assert_eq!(first(95, 99, 100, 10), 90);
        assert_eq!(first(50, 2, 5, 10), 0);
        assert_eq!(first(3, 4, 5, 0), 5);
    }

    #[test]
    fn what_was_just_now_needs_no_number() {
        assert_eq!([-5, 1_999, 2_000, 245_000].map(ago), ["now", "now", "2 s", "4m05s"]);
    }
}
