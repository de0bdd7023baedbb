//! How text is laid on the screen: cut to its room, and in few colours, which are the terminal's own.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use crate::text::duration;

/// Which styles there are. Only green and red are used, which are read on dark and on light; nothing is told by colour
/// alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    /// Whether there is any colour.
    pub(super) colour: bool,
}

impl Ink {
    /// As the environment says: <https://no-color.org>.
    pub(super) fn of_environment() -> Self {
        Self { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// What is as it should be, or new.
    pub(super) fn good(self) -> Style {
        if self.colour { Style::new().fg(Color::Green) } else { Style::new() }
    }

    /// What wants to be looked after.
    pub(super) fn bad(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour { style.fg(Color::Red) } else { style }
    }
}

/// Headings.
pub(super) const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);
/// What matters less.
pub(super) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
/// What is chosen.
pub(super) const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// The width of a text in columns of the terminal.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, or as much of it as has room, with an ellipsis.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let fits = |end: &usize| text.get(..*end).is_some_and(|start| width(start) < room);
    let end = text.char_indices().map(|(at, _)| at).take_while(fits).last().unwrap_or(0);
    format!("{}…", &text[..end])
}

/// The text on the left of its room, or on the right.
pub(super) fn fill(text: &str, room: usize, right: bool) -> String {
    let text = cut(text, room);
    let space = " ".repeat(room - width(&text).min(room));
    if right { space + &text } else { text + &space }
}

/// A length of time, in whole seconds at the finest: `12 s`, `3h12m`.
pub(super) fn lasted(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    if seconds < 60 { format!("{seconds} s") } else { duration(seconds * 1_000) }
}

/// The words in lines of this width, the last of which ends in an ellipsis if there are more.
pub(super) fn wrap(text: &str, room: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < most {
        if lines.len() + 1 == most || width(rest) <= room {
            lines.push(cut(rest, room));
            break;
        }
        // The last space at which the line still fits; a word that is longer than a line is broken.
        let fits = |end: &usize| width(&rest[..*end]) <= room;
        let space = rest.match_indices(' ').map(|(at, _)| at).take_while(fits).last();
        let end = space.or_else(|| rest.char_indices().map(|(at, _)| at).take_while(fits).last());
        let (line, more) = rest.split_at(end.filter(|end| *end > 0).unwrap_or(rest.len()));
        lines.push(cut(line, room));
        rest = more.trim_start();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_has_the_width_it_was_given() {
        assert_eq!(cut("camera", 6), "camera");
        assert_eq!(cut("camera", 5), "came…");
        assert_eq!(cut("camera", 1), "…");
        assert_eq!(cut("camera", 0), "");
        assert_eq!(cut("客厅摄像头", 5), "客厅…");
        assert_eq!(cut("客厅摄像头", 4), "客…");
        assert_eq!(fill("客", 4, true), "  客");
        assert_eq!(fill("ab", 4, false), "ab  ");
        assert_eq!(fill("abcdef", 4, true), "abc…");
    }

    #[test]
    fn words_are_wrapped_and_none_is_lost_without_a_sign() {
        assert_eq!(wrap("raise the ring and restart", 10, 9), ["raise the", "ring and", "restart"]);
        assert_eq!(wrap("raise the ring and restart", 10, 2), ["raise the", "ring and …"]);
        assert_eq!(wrap("supercalifragilistic", 8, 9), ["supercal", "ifragili", "stic"]);
        assert_eq!(wrap("", 8, 3), Vec::<String>::new());
        for room in 0..12 {
            let _ = wrap("客厅摄像头 is a camera", room, 4);
        }
    }
}
