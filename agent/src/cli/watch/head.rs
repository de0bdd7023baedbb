//! The head of the screen: how the daemon goes, and what should be done if anything should.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::ink::{HEADING, Ink, cut, lasted, width, wrap};
use super::model::Model;
use crate::control::{Health, Interface, Status};
use crate::store::integer;
use crate::text::{bytes, count, visible};

/// Between two parts.
const GAP: &str = "  ";
/// Things to look after that have room.
const WARNINGS: usize = 2;

/// The lines of the head: at most `most` of figures, and at most as many for each warning.
pub(super) fn lines(model: &Model, ink: Ink, room: usize, most: usize) -> Vec<Line<'static>> {
    let mut lines = pack(parts(model, ink), room, most);
    for warning in warnings(model).into_iter().take(WARNINGS) {
        let text = wrap(&format!("! {warning}"), room, most);
        lines.extend(text.into_iter().map(|line| Line::styled(line, ink.bad())));
    }
    lines
}

/// What there is to say, the most important first.
fn parts(model: &Model, ink: Ink) -> Vec<Span<'static>> {
    let mut parts = vec![state(model, ink)];
    if model.paused {
        parts.push(Span::styled("PAUSED", HEADING));
    }
    if let Some(ago) = model.restarted() {
        parts.push(Span::styled(format!("started anew {} ago", lasted(millis(ago))), ink.bad()));
    }
    let Some(status) = model.status() else { return parts };
    let dropped = status.dropped.saturating_add(status.interface_dropped);
    if dropped > 0 {
        parts.push(Span::styled(format!("{} dropped", count(integer(dropped))), ink.bad()));
    }
    if model.lost().is_none() {
        parts.push(Span::raw(format!("{} packets/s", count(integer(status.packets_per_second)))));
        parts.push(Span::raw(model.bits().map_or_else(|| "- bit/s".to_owned(), bits)));
    }
    if dropped == 0 {
        parts.push(Span::raw("no drops"));
    }
    parts.push(interfaces(&status.interfaces, ink));
    parts.push(Span::raw(file(status)));
    parts
}

fn state(model: &Model, ink: Ink) -> Span<'static> {
    if let Some((since, _)) = model.lost() {
        return Span::styled(format!("NO ANSWER for {}, trying on", lasted(millis(since))), ink.bad());
    }
    match model.status().map(|status| (status.health, status.warnings.len())) {
        None => Span::raw("asking"),
        Some((Health::Healthy, _)) => Span::styled("healthy", ink.good().patch(HEADING)),
        Some((Health::Degraded, 0 | 1)) => Span::styled("DEGRADED", ink.bad()),
        Some((Health::Degraded, n)) => Span::styled(format!("DEGRADED ({n} warnings)"), ink.bad()),
        Some((Health::Down, _)) => Span::styled("DOWN", ink.bad()),
    }
}

fn interfaces(interfaces: &[Interface], ink: Ink) -> Span<'static> {
    let down = interfaces.iter().any(|interface| interface.link != "up");
    let names: Vec<String> = interfaces
        .iter()
        .map(|interface| match &*interface.link {
            "up" => visible(&interface.name),
            link => format!("{} ({})", visible(&interface.name), visible(link)),
        })
        .collect();
    Span::styled(format!("on {}", names.join(", ")), if down { ink.bad() } else { Style::new() })
}

/// The file by its name: where it lies has no room.
fn file(status: &Status) -> String {
    let store = &status.store;
    let name = store.file.rsplit('/').next().unwrap_or_default();
    let written = match store.last_write {
        Some(last) => format!("written {} ago", lasted(status.now - last)),
        None => "not yet written".to_owned(),
    };
    format!("{} {}, {written}", visible(name), bytes(integer(store.bytes.saturating_add(store.wal_bytes))))
}

/// What is wrong, the most urgent first.
fn warnings(model: &Model) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    match model.lost() {
        Some((_, why)) => warnings.push(visible(why)),
        None => warnings.extend(model.status().and_then(|s| s.warnings.first()).map(|w| visible(w))),
    }
    warnings.extend(model.trouble().map(|why| format!("no names: {}", visible(why))));
    warnings
}

/// As many parts as have room in lines of that width: those that have none are left out, not cut.
fn pack(parts: Vec<Span<'static>>, room: usize, most: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    for (n, part) in parts.into_iter().enumerate() {
        let needed = width(&part.content);
        let last = lines.last_mut().expect("there is at least one");
        if n == 0 {
            last.push_span(Span::styled(cut(&part.content, room), part.style));
        } else if last.width() + GAP.len() + needed <= room {
            last.push_span(GAP);
            last.push_span(part);
        } else if lines.len() < most && needed <= room {
            lines.push(Line::from(part));
        }
    }
    lines
}

/// Bits a second in decimal units.
fn bits(rate: u64) -> String {
    bytes(integer(rate)).replace('B', "bit") + "/s"
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_decimal_units() {
        assert_eq!([0, 999, 12_345_678].map(bits), ["0 bit/s", "999 bit/s", "12.3 Mbit/s"]);
    }

    #[test]
    fn parts_without_room_are_left_out_whole() {
        let parts = ["state", "one", "two", "a very long part", "six"].map(Span::raw).to_vec();
        let text: Vec<String> = pack(parts, 10, 2).iter().map(ToString::to_string).collect();
        assert_eq!(text, ["state  one", "two  six"]);
    }
}
