//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::Model;

/// Rows that a page key goes.
const PAGE: isize = 10;
/// Longest text to filter by: no name has more.
const LONGEST_FILTER: usize = 64;

/// Does what a key asks for; says whether to go on.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return key.code != KeyCode::Char('c');
    }
    if model.typing {
        type_filter(model, key.code);
        return true;
    }
    if model.help {
        // Whatever comes next was not meant for what is hidden.
        model.help = false;
        return true;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Down | KeyCode::Char('j') => model.step(1),
        KeyCode::Up | KeyCode::Char('k') => model.step(-1),
        KeyCode::PageDown => model.step(PAGE),
        KeyCode::PageUp => model.step(-PAGE),
        KeyCode::Home => model.step(isize::MIN),
        KeyCode::End => model.step(isize::MAX),
        KeyCode::Char('s') => model.sort_next(),
        KeyCode::Char('n') => model.toggle_new(),
        KeyCode::Char('p') => model.paused = !model.paused,
        KeyCode::Char('/') => model.typing = true,
        KeyCode::Char('?' | 'h') => model.help = true,
        _ => {}
    }
    true
}

fn type_filter(model: &mut Model, code: KeyCode) {
    let mut filter = model.filter().to_owned();
    match code {
        KeyCode::Enter => {
            model.typing = false;
            return;
        }
        KeyCode::Esc => {
            model.typing = false;
            filter.clear();
        }
        KeyCode::Backspace => {
            filter.pop();
        }
        KeyCode::Char(c) if filter.chars().count() < LONGEST_FILTER => filter.push(c),
        // Who looks for somebody may want to walk among those that were found.
        KeyCode::Down => return model.step(1),
        KeyCode::Up => return model.step(-1),
        _ => return,
    }
    model.filter_by(filter);
}
