//! The model by itself: samples come with their time, and keys change what is chosen.

use super::*;
use crate::cli::watch::keys::press;
use crate::control::{Health, Interface, StoreStatus};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// 2023-11-14 22:13:20 UTC.
const NOW: i64 = 1_700_000_000_000;

/// A device of the tests by its number.
pub(crate) fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

/// A daemon that runs for an hour and is well.
pub(crate) fn status(second: u64) -> Status {
    Status {
        health: Health::Healthy,
        pid: 7,
        since: NOW - 3_600_000,
        now: NOW + i64::try_from(second).unwrap() * 1_000,
        interfaces: vec![Interface { name: "eth0".into(), link: "up".into(), ..Interface::default() }],
        packets_per_second: 1_234,
        bytes: 1_000_000 + second * 125_000,
        store: StoreStatus {
            file: "/var/lib/lanscribe/lanscribe.db".into(),
            bytes: 1_200_000,
            last_write: Some(NOW - 125_000),
            ..StoreStatus::default()
        },
        ..Status::default()
    }
}

/// An answer after so many seconds: devices by number with the bytes that they sent and received in all. An even
/// number is known for a year, an odd one is not in the file yet.
pub(crate) fn sample(second: u64, devices: &[(u8, u64, u64)]) -> Sample {
    let traffic = devices.iter().map(|&(n, bytes_sent, bytes_received)| DeviceTraffic {
        mac: mac(n),
        frames_sent: 1,
        bytes_sent,
        frames_received: 1,
        bytes_received,
        last_seen: NOW,
    });
    let known = |&(n, ..): &(u8, u64, u64)| {
        let first = if n % 2 == 0 { First::At(NOW - 365 * 86_400_000) } else { First::JustNow };
        (mac(n), Known { name: format!("device {n}"), vendor: Some("Espressif Inc.".into()), first })
    };
    Sample {
        at: Duration::from_secs(second),
        look: Ok(Look {
            status: status(second),
            traffic: traffic.collect(),
            book: devices.iter().map(known).collect(),
        }),
        talks: None,
        trouble: None,
    }
}

/// No answer after so many seconds.
pub(crate) fn silence(second: u64) -> Sample {
    let look = Err("/run/lanscribe/control.sock: the daemon does not run".to_owned());
    Sample { at: Duration::from_secs(second), look, talks: None, trouble: None }
}

fn names(model: &Model) -> Vec<&str> {
    model.shown().map(|device| device.name.trim_start_matches("device ")).collect()
}

fn rate(model: &Model, n: u8) -> Option<(u64, u64)> {
    model.shown().find(|device| device.mac == mac(n)).unwrap().rate
}

fn key(model: &mut Model, code: KeyCode) -> bool {
    press(model, KeyEvent::new(code, KeyModifiers::NONE))
}

fn keys(model: &mut Model, text: &str) {
    for c in text.chars() {
        assert!(key(model, KeyCode::Char(c)));
    }
}

#[test]
fn rates_are_differences_by_the_time_that_passed() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 1_000, 0)]));
    assert_eq!((rate(&model, 2), model.bits()), (None, None));
    model.take(sample(2, &[(2, 5_000, 300)]));
    assert_eq!(rate(&model, 2), Some((2_000, 150)));
    assert_eq!(model.bits(), Some(1_000_000));
    // All of what a device moved that was not there before is of this turn.
    model.take(sample(3, &[(2, 5_000, 300), (4, 700, 0)]));
    assert_eq!((rate(&model, 2), rate(&model, 4)), (Some((0, 0)), Some((700, 0))));
    // Forgotten by the daemon, and come again.
    model.take(sample(4, &[(2, 90, 5), (4, 700, 0)]));
    assert_eq!(rate(&model, 2), Some((90, 5)));
    model.take(sample(5, &[(4, 700, 0)]));
    assert_eq!(names(&model), ["4"]);
}

#[test]
fn a_restart_makes_no_rate_and_is_told() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 1_000, 0)]));
    model.take(sample(1, &[(2, 2_000, 0)]));
    assert_eq!(model.restarted(), None);
    model.take(silence(2));
    assert_eq!((rate(&model, 2), model.bits()), (None, None));
    model.take(silence(5));
    assert_eq!(model.lost().map(|(since, _)| since.as_secs()), Some(3));
    let again = |second, bytes| {
        let mut sample = sample(second, &[(2, bytes, 0)]);
        sample.look.as_mut().unwrap().status.since = NOW;
        sample
    };
    // More than before, in a run of which the beginning was not seen.
    model.take(again(6, 1_000_000));
    assert_eq!(model.lost(), None);
    assert_eq!((rate(&model, 2), model.bits()), (None, None));
    assert_eq!(model.restarted(), Some(Duration::ZERO));
    model.take(again(7, 1_000_500));
    assert_eq!(rate(&model, 2), Some((500, 0)));
    assert_eq!(model.shown().next().unwrap().history, [1_000, 500]);
    model.take(again(90, 1_000_500));
    assert_eq!(model.restarted(), None);
}

#[test]
fn the_order_is_by_the_mean_of_the_last_samples_and_does_not_jump() {
    let mut model = Model::default();
    let (mut steady, mut bursts) = (0, 0);
    for second in 0..30 {
        steady += 1_000;
        // Once in five seconds it is the faster one by far, but on the whole it is not.
        bursts += if second % 5 == 0 { 4_000 } else { 0 };
        model.take(sample(second, &[(2, steady, 0), (4, bursts, 0)]));
        if second > 5 {
            assert_eq!(names(&model), ["2", "4"], "after {second} s");
        }
    }
    // Who stays faster comes first.
    for second in 30..35 {
        bursts += 4_000;
        model.take(sample(second, &[(2, steady, 0), (4, bursts, 0)]));
    }
    assert_eq!(names(&model), ["4", "2"]);
}

#[test]
fn who_is_chosen_stays_chosen_whatever_the_order() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 900, 0), (4, 800, 0), (6, 700, 0)]));
    assert_eq!(model.chosen_row(), Some(0));
    key(&mut model, KeyCode::Down);
    assert_eq!(model.chosen().unwrap().mac, mac(4));
    model.take(sample(1, &[(2, 900, 0), (4, 800, 0), (6, 7_000, 0)]));
    assert_eq!((names(&model), model.chosen_row()), (vec!["6", "2", "4"], Some(2)));
    assert_eq!(model.chosen().unwrap().mac, mac(4));
    // At the ends it stops, and who went away leaves the choice to the first.
    key(&mut model, KeyCode::PageDown);
    assert_eq!(model.chosen_row(), Some(2));
    key(&mut model, KeyCode::Home);
    key(&mut model, KeyCode::Up);
    assert_eq!(model.chosen_row(), Some(0));
    key(&mut model, KeyCode::End);
    model.take(sample(2, &[(2, 900, 0), (6, 7_000, 0)]));
    assert_eq!(model.chosen_row(), Some(0));
}

#[test]
fn it_is_sorted_by_rate_total_and_name() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 500, 0), (4, 90_000, 0), (6, 100, 0)]));
    model.take(sample(1, &[(2, 600, 0), (4, 90_000, 0), (6, 5_000, 0)]));
    assert_eq!(names(&model), ["6", "2", "4"]);
    keys(&mut model, "s");
    assert_eq!(names(&model), ["4", "6", "2"]);
    keys(&mut model, "s");
    assert_eq!(names(&model), ["2", "4", "6"]);
    keys(&mut model, "s");
    assert_eq!(model.sort(), Sort::Rate);
}

#[test]
fn new_is_who_came_within_a_day_or_is_not_in_the_file_yet() {
    let mut model = Model::default();
    let mut with = sample(0, &[(1, 9, 0), (2, 8, 0), (4, 7, 0), (6, 6, 0)]);
    let book = &mut with.look.as_mut().unwrap().book;
    book.get_mut(&mac(2)).unwrap().first = First::At(NOW - 86_399_999);
    book.get_mut(&mac(4)).unwrap().first = First::At(NOW - 86_400_000);
    book.get_mut(&mac(6)).unwrap().first = First::Unknown;
    model.take(with);
    assert_eq!(model.shown().map(|device| device.new).collect::<Vec<_>>(), [true, true, false, false]);
    keys(&mut model, "n");
    assert_eq!(names(&model), ["1", "2"]);
    keys(&mut model, "n");
    assert_eq!(names(&model).len(), 4);
}

#[test]
fn the_filter_looks_at_name_vendor_and_address_and_can_be_dropped() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 9, 0), (4, 8, 0)]));
    keys(&mut model, "/DEVICE 4");
    assert_eq!(names(&model), ["4"]);
    // A letter is typed, and no key, until Enter.
    keys(&mut model, "q");
    assert_eq!((names(&model).len(), model.known()), (0, 2));
    assert!(model.chosen().is_none());
    key(&mut model, KeyCode::Backspace);
    key(&mut model, KeyCode::Enter);
    assert_eq!((names(&model), model.typing), (vec!["4"], false));
    for text in ["espressif", "02:00:00"] {
        model.filter_by(text.to_owned());
        assert_eq!(names(&model).len(), 2, "{text}");
    }
    keys(&mut model, "/x");
    assert!(key(&mut model, KeyCode::Esc), "Esc only drops the filter");
    assert_eq!((names(&model).len(), model.filter()), (2, ""));
    for _ in 0..1_000 {
        model.typing = true;
        keys(&mut model, "x");
    }
    assert_eq!(model.filter().len(), 64);
}

#[test]
fn a_pause_keeps_the_picture_and_is_one_long_sample_afterwards() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 0, 0)]));
    model.take(sample(1, &[(2, 100, 0)]));
    keys(&mut model, "p");
    model.take(sample(2, &[(2, 100_000, 0)]));
    assert_eq!(rate(&model, 2), Some((100, 0)));
    keys(&mut model, "p");
    model.take(sample(11, &[(2, 1_100, 0)]));
    assert_eq!(rate(&model, 2), Some((100, 0)));
}

#[test]
fn talks_are_those_of_the_chosen_device_only() {
    let mut model = Model::default();
    model.take(sample(0, &[(2, 9, 0), (4, 8, 0)]));
    model.take_talks(Talks { device: mac(4), list: Vec::new() });
    assert_eq!(model.talks(), None);
    key(&mut model, KeyCode::Down);
    assert_eq!(model.talks(), Some(&[][..]));
}

#[test]
fn history_is_bounded_and_quitting_has_three_keys() {
    let mut model = Model::default();
    for second in 0..200 {
        model.take(sample(second, &[(2, second * 10, 0)]));
    }
    let device = model.shown().next().unwrap();
    assert_eq!((device.history.len(), model.peak()), (HISTORY, 10));
    assert!(!key(&mut model, KeyCode::Char('q')));
    assert!(!key(&mut model, KeyCode::Esc));
    assert!(!press(&mut model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    // What leaves the help is no order to quit.
    keys(&mut model, "?");
    assert!(key(&mut model, KeyCode::Char('q')));
    assert!(!model.help);
    model.typing = true;
    assert!(!press(&mut model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}
