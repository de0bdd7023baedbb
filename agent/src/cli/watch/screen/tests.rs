//! The screen drawn into a buffer, at the sizes that terminals have and at those that none should.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::*;
use crate::cli::watch::keys::press;
use crate::cli::watch::model::tests::{mac, sample, silence};
use crate::cli::watch::model::{Sample, Talk, Talks};
use crate::control::Health;

const SIZES: [(u16, u16); 6] = [(80, 24), (120, 40), (160, 30), (40, 12), (30, 6), (10, 4)];

fn terminal(model: &Model, (width, height): (u16, u16), colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut view = View { ink: Ink { colour }, interval: 1, top: 0 };
    terminal.draw(|frame| draw(model, &mut view, frame.area(), frame.buffer_mut())).unwrap();
    terminal
}

/// The screen as text.
fn shown(model: &Model, size: (u16, u16)) -> String {
    let terminal = terminal(model, size, false);
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let line: String = (0..size.0).map(|x| buffer[(x, y)].symbol()).collect();
        line.trim_end().to_owned() + "\n"
    };
    (0..size.1).map(line).collect()
}

fn look(sample: &mut Sample) -> &mut crate::cli::watch::model::Look {
    sample.look.as_mut().unwrap()
}

/// Thirty devices, of which the first moves most; device 2 talks to two.
fn home() -> Model {
    let mut model = Model::default();
    let devices = |second: u64| -> Vec<(u8, u64, u64)> {
        (1..=30).map(|n| (n, second * 1_000_000 / u64::from(n), second * 1_000 / u64::from(n))).collect()
    };
    model.take(sample(0, &devices(0)));
    model.take(sample(1, &devices(1)));
    let mut last = sample(2, &devices(2));
    last.talks = Some(Talks {
        device: mac(1),
        list: vec![
            talk("cloud.example.org", "https", 1_500_000, 2_300),
            talk("a.very.long.name.that.has.no.room.anywhere.example.com", "tcp 8443", 5, 0),
        ],
    });
    model.take(last);
    model
}

fn talk(endpoint: &str, service: &str, up: u64, down: u64) -> Talk {
    let named = endpoint.starts_with(['c', 'e']).then(|| endpoint.replace("cloud.example.org", "sni"));
    Talk { endpoint: endpoint.into(), named, service: service.into(), up, down, last_seen: 1_700_000_001_000 }
}

#[test]
fn a_usual_terminal_shows_all_that_matters() {
    let text = shown(&home(), (80, 24));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "healthy  1,234 packets/s  1.0 Mbit/s  no drops  on eth0", "{text}");
    assert_eq!(lines[1], "lanscribe.db 1.2 MB, written 2m07s ago", "{text}");
    assert_eq!(
        lines[2], "      DEVICE (30)                      UP/s  DOWN/s     LAST 13 s   TOTAL   SEEN",
        "{text}"
    );
    assert_eq!(
        lines[3], "> new device 1                       1.0 MB  1.0 kB            ██  2.0 MB    2 s",
        "{text}"
    );
    // A quarter of the fastest is a step less.
    assert_eq!(
        lines[7], "  new device 5                       200 kB   200 B            ▇▇  400 kB    2 s",
        "{text}"
    );
    assert!(text.contains("TALKS OF device 1\n"), "{text}");
    assert!(text.contains("  cloud.example.org"), "{text}");
    assert!(text.contains(" sni   https         1.5 MB  2.3 kB    now\n"), "{text}");
    assert!(text.contains("…"), "{text}");
    assert!(lines[23].starts_with("↑↓ choose  s sort: rate  n new only  / filter  p pause  ? help  q quit"));
}

#[test]
fn no_size_panics_or_loses_what_is_needed() {
    let mut bad = home();
    let mut last = sample(3, &[(1, 9, 9)]);
    let status = &mut look(&mut last).status;
    status.health = Health::Degraded;
    status.warnings = vec![
            "12,345 packets found the ring full: set `capture.ring = \"16MiB\"` or more, and restart".into();
            3
        ];
    status.dropped = 12_345;
    bad.take(last);
    let mut lost = home();
    lost.take(silence(9));
    for width in (0..140).step_by(3).chain([29, 30]) {
        for height in [0, 1, 4, 5, 6, 7, 11, 12, 24, 60] {
            for model in [&Model::default(), &home(), &bad, &lost] {
                shown(model, (width, height));
            }
        }
    }
    for size in SIZES.into_iter().filter(|size| *size != (10, 4)) {
        let text = shown(&home(), size);
        assert!(
            text.contains("healthy") && text.contains("> new device 1") && text.contains("q quit"),
            "{text}"
        );
        assert!(text.contains("1.0 MB") && text.contains("1.0 kB"), "rates: {text}");
        let text = shown(&bad, size);
        assert!(text.contains("DEGRADED") && text.contains("> new device 1"), "{text}");
        assert!(size.1 < 12 || text.contains("12,345 dropped"), "{text}");
        assert!(text.contains("! 12,345 packets"), "{text}");
        let text = shown(&lost, size);
        assert!(text.contains("NO ANSWER for 0 s"), "{text}");
        assert!(text.contains("! /run/lanscribe"), "{text}");
    }
    assert_eq!(shown(&home(), (10, 4)), "too small:\n30 x 6 at\nleast\n\n");
}

#[test]
fn wide_terminals_have_the_talks_beside_and_vendors() {
    let text = shown(&home(), (160, 30));
    let line = text.lines().nth(1).unwrap();
    assert!(
        line.contains("DEVICE") && line.contains("VENDOR") && line.contains("TALKS OF device 1"),
        "{text}"
    );
    assert!(text.contains("device 27"), "{text}");
    assert!(shown(&home(), (120, 40)).contains("Espressif"));
    assert!(!shown(&home(), (80, 24)).contains("Espressif"));
    // A name that begins with the vendor says it already.
    let mut model = Model::default();
    let mut with = sample(0, &[(1, 9, 9)]);
    look(&mut with).book.get_mut(&mac(1)).unwrap().name = "Espressif 00:00:01".into();
    model.take(with);
    assert_eq!(shown(&model, (120, 40)).matches("Espressif").count(), 2, "in the table and above the talks");
}

#[test]
fn the_chosen_device_is_always_in_sight() {
    let mut model = home();
    let mut view = View { ink: Ink { colour: false }, interval: 1, top: 0 };
    for (code, row) in [(KeyCode::End, 29), (KeyCode::PageUp, 19), (KeyCode::Home, 0)] {
        press(&mut model, KeyEvent::new(code, KeyModifiers::NONE));
        for (width, height) in [(80, 24), (30, 6)] {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            draw(&model, &mut view, area, &mut buffer);
            assert_eq!(model.chosen_row(), Some(row));
            let marks = (0..height).filter(|y| buffer[(0, *y)].symbol() == ">").count();
            assert_eq!(marks, 1, "{code:?} at {height} lines");
        }
    }
}

#[test]
fn that_there_is_no_answer_and_that_it_is_back_are_told() {
    let mut model = home();
    model.take(silence(5));
    model.take(silence(9));
    let text = shown(&model, (80, 24));
    assert!(text.starts_with("NO ANSWER for 4 s, trying on  no drops  on eth0"), "{text}");
    assert!(text.contains("! /run/lanscribe/control.sock: the daemon does not run"), "{text}");
    assert!(text.contains("> new device 1                            -       -"), "{text}");
    let mut back = sample(12, &[(1, 5, 5)]);
    look(&mut back).status.pid = 8;
    model.take(back);
    let text = shown(&model, (80, 24));
    assert!(text.starts_with("healthy  started anew 0 s ago  1,234 packets/s"), "{text}");
    assert!(!text.contains("does not run"), "{text}");
}

#[test]
fn help_filter_pause_and_emptiness_are_said_in_words() {
    let mut model = home();
    let mut key = |c| press(&mut model, KeyEvent::new(c, KeyModifiers::NONE));
    key(KeyCode::Char('p'));
    key(KeyCode::Char('/'));
    for c in "camera".chars() {
        key(KeyCode::Char(c));
    }
    let text = shown(&model, (80, 24));
    assert!(text.contains("\n/camera_  Enter keeps it, Esc drops it\n"), "{text}");
    assert!(text.starts_with("healthy  PAUSED"), "{text}");
    assert!(text.contains("DEVICE (0 of 30)"), "{text}");
    assert!(text.contains("no name, vendor or MAC address has \"camera\" in it"), "{text}");
    press(&mut model, KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    assert!(shown(&model, (80, 24)).contains("/ filter: camera"));
    press(&mut model, KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE));
    for size in [(80, 24), (44, 24)] {
        let text = shown(&model, size);
        assert!(text.contains("four times as much, on\n") && text.contains("minutes at most.\n"), "{text}");
    }
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let evil = "evil\u{1b}[2J\u{202e}name";
    let mut model = Model::default();
    let mut with = sample(0, &[(1, 9, 9)]);
    let look = look(&mut with);
    let known = look.book.get_mut(&mac(1)).unwrap();
    (known.name, known.vendor) = (evil.into(), Some(format!("d{evil}")));
    look.status.interfaces[0].name = evil.into();
    look.status.warnings = vec![evil.into()];
    look.status.store.file = evil.into();
    with.talks = Some(Talks { device: mac(1), list: vec![talk(evil, evil, 1, 1)] });
    with.trouble = Some(evil.into());
    model.take(with);
    let text = shown(&model, (160, 40));
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert_eq!(text.matches("evil\\u{1b}").count(), 9, "{text}");
}

#[test]
fn without_colour_there_is_none() {
    let used = |colour| {
        let mut model = home();
        model.take(silence(4));
        let terminal = terminal(&model, (80, 24), colour);
        terminal
            .backend()
            .buffer()
            .content()
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(used(true));
    assert!(!used(false));
}
