//! The whole screen: head, devices, whom the chosen one talks to, keys. It is drawn from the model alone.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _};

use super::ink::{FAINT, HEADING, Ink, cut, width};
use super::model::Model;
use super::{head, table};
use crate::text::visible;

/// Smaller ones have room for nothing.
const LEAST: (u16, u16) = (30, 6);
/// From this width on the talks are beside the devices, with so much of it.
const WIDE: (u16, u16) = (130, 50);
/// Lines of devices and talks from which on there is room for both, and lines that the talks get then.
const TALL: usize = 10;
const TALKS: (usize, usize) = (4, 12);

/// What is no part of the model: how it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) ink: Ink,
    /// Seconds between samples.
    pub(super) interval: u64,
    /// The first device that is shown.
    pub(super) top: usize,
}

/// Draws the model.
pub(super) fn draw(model: &Model, view: &mut View, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("too small: {} x {} at least", LEAST.0, LEAST.1);
        Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }).render(area, buffer);
        return;
    }
    if model.help {
        put(help(), area, buffer);
        return;
    }
    let (room, height) = (usize::from(area.width), usize::from(area.height));
    let most = match (room, height) {
        (_, ..10) => 1,
        (..60, 12..) => 3,
        _ => 2,
    };
    let mut above = head::lines(model, view.ink, room, most);
    // At least three lines remain for devices, whatever is wrong.
    above.truncate(height.saturating_sub(4));
    let (head, rest) = split_at(area, above.len());
    put(above, head, buffer);
    let (body, foot) = split_at(rest, usize::from(rest.height).saturating_sub(1));
    put(vec![keys(model, room)], foot, buffer);
    let (left, right) = if area.width >= WIDE.0 {
        let talks = Rect { x: body.right() - WIDE.1, width: WIDE.1, ..body };
        (Rect { width: body.width - WIDE.1 - 2, ..body }, talks)
    } else {
        let lines = usize::from(body.height);
        let talks = if lines < TALL { 0 } else { (lines / 3).clamp(TALKS.0, TALKS.1) };
        split_at(body, lines - talks)
    };
    let (room, height) = (usize::from(left.width), usize::from(left.height));
    put(table::devices(model, view.ink, view.interval, room, height, &mut view.top), left, buffer);
    put(table::talks(model, usize::from(right.width), usize::from(right.height)), right, buffer);
}

fn put(lines: Vec<Line<'_>>, area: Rect, buffer: &mut Buffer) {
    Paragraph::new(lines).render(area, buffer);
}

/// The first lines, and the rest.
fn split_at(area: Rect, lines: usize) -> (Rect, Rect) {
    let lines = u16::try_from(lines).unwrap_or(u16::MAX).min(area.height);
    (Rect { height: lines, ..area }, Rect { y: area.y + lines, height: area.height - lines, ..area })
}

/// The line of keys: what has no room is left out, what is needed least first.
fn keys(model: &Model, room: usize) -> Line<'static> {
    if model.typing {
        let typed = format!("/{}_", visible(model.filter()));
        let what = "  Enter keeps it, Esc drops it";
        // The end of what is typed is where the eye is.
        let text = if width(&typed) + width(what) <= room { typed + what } else { typed };
        return Line::raw(cut(&text, room)).style(HEADING);
    }
    let filter = match model.filter() {
        "" => "/ filter".to_owned(),
        filter => format!("/ filter: {}", cut(&visible(filter), 16)),
    };
    // With the rank by which they are kept.
    let keys = [
        (5, "↑↓ choose".to_owned()),
        (2, format!("s sort: {}", model.sort().name())),
        (4, if model.only_new() { "n new only: yes" } else { "n new only" }.to_owned()),
        (3, filter),
        (6, if model.paused { "p go on" } else { "p pause" }.to_owned()),
        (1, "? help".to_owned()),
        (0, "q quit".to_owned()),
    ];
    let mut ranks: Vec<usize> = (0..keys.len()).collect();
    ranks.sort_by_key(|n| keys[*n].0);
    let mut used = 0;
    let kept: Vec<usize> = ranks
        .into_iter()
        .take_while(|n| {
            used += width(&keys[*n].1) + 2;
            used <= room + 2
        })
        .collect();
    let shown: Vec<&str> =
        keys.iter().enumerate().filter(|(n, _)| kept.contains(n)).map(|(_, (_, key))| &**key).collect();
    Line::raw(shown.join("  ")).style(FAINT)
}

fn help() -> Vec<Line<'static>> {
    // No line is longer than the least terminal that is common, and the keys come first.
    "↑ ↓ j k    choose a device
PgUp PgDn  ten up or down
Home End   the first, the last
s          sort by rate, total or name
n          new devices only, or all
/          filter by name, vendor, MAC
p          pause, go on
q Esc      quit; any key: leave this help

UP is what a device sends, DOWN what it
receives, in bytes each second. The order
is by the mean of the last five samples.

Bars are both together, the latest on the
right. Each step is four times as much, on
one scale for all; a dot is next to nothing.

new: first seen within 24 hours. TOTAL:
since the daemon started.

TALKS: whom the chosen device talks to, in
what is open and not yet reported: five
minutes at most."
        .lines()
        .map(Line::raw)
        .collect()
}

#[cfg(test)]
mod tests;
