//! Links that come and go, on a sysfs of files: what is told of them, how much, and when it is the end.

use std::fs;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

/// Files of a machine with an interface `eth0` that is up.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.plug("eth0", 2);
        machine
    }

    fn plug(&self, name: &str, index: u32) {
        fs::create_dir_all(self.file(name, "")).unwrap();
        let index = index.to_string();
        let files = [
            ("ifindex", &*index),
            ("carrier", "1"),
            ("operstate", "up"),
            ("mtu", "1500"),
            ("flags", "0x1103"),
        ];
        for (file, text) in files {
            self.write(name, file, text);
        }
    }

    fn write(&self, name: &str, file: &str, text: &str) {
        fs::write(self.file(name, file), format!("{text}\n")).unwrap();
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.0.path().join("sys/class/net").join(name).join(file)
    }

    /// After it was opened, and looked at once.
    fn links(&self, names: &[&str], now: Instant) -> Links {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut links = Links::at(self.0.path(), None, &names, true, now);
        let news = links.look(now);
        assert!(news.told.is_empty() && news.end.is_none(), "{news:?}");
        links
    }
}

/// What is told, in words, and what it ends with.
fn said(news: &News) -> (Vec<String>, Option<String>) {
    let told = news.told.iter().map(|(number, change)| format!("{number} {change}")).collect();
    (told, news.end.as_ref().map(ToString::to_string))
}

fn told(links: &mut Links, now: Instant) -> Vec<String> {
    let (told, end) = said(&links.look(now));
    assert_eq!(end, None);
    told
}

#[test]
fn a_link_is_down_without_carrier_or_switched_off_or_not_let_in() {
    let (machine, now) = (Machine::new(), Instant::now());
    let mut links = machine.links(&["eth0"], now);
    let later = now + Duration::from_secs(12);
    for (file, down, up) in
        [("carrier", "0", "1"), ("operstate", "dormant", "up"), ("operstate", "down", "unknown")]
    {
        machine.write("eth0", file, down);
        assert_eq!(told(&mut links, now), ["0 is down"], "{file} {down}");
        assert!(!links.is_any_up());
        assert_eq!(told(&mut links, now), [""; 0], "once is enough");
        machine.write("eth0", file, up);
        assert_eq!(told(&mut links, later), ["0 is up again after 12 s"]);
        assert!(links.is_any_up());
    }
    // Of one that is switched off the carrier cannot be read.
    fs::remove_file(machine.file("eth0", "carrier")).unwrap();
    assert_eq!(told(&mut links, now), ["0 is down"]);
}

#[test]
fn one_that_is_down_from_the_start_is_told_of() {
    let (machine, now) = (Machine::new(), Instant::now());
    machine.write("eth0", "carrier", "0");
    let mut links = Links::at(machine.0.path(), None, &["eth0".to_owned()], true, now);
    assert_eq!(told(&mut links, now), ["0 is down"]);
}

#[test]
fn there_is_something_to_watch_while_any_interface_has_a_link() {
    let (machine, now) = (Machine::new(), Instant::now());
    machine.plug("eth1", 3);
    let mut links = machine.links(&["eth0", "eth1"], now);
    machine.write("eth1", "carrier", "0");
    assert_eq!(told(&mut links, now), ["1 is down"]);
    assert!(links.is_any_up());
    machine.write("eth0", "carrier", "0");
    assert_eq!(told(&mut links, now), ["0 is down"]);
    assert!(!links.is_any_up());
    assert!(machine.links(&["any"], now).is_any_up(), "all interfaces at once have no link of their own");
}

#[test]
fn one_that_is_gone_or_made_anew_or_renamed_is_the_end() {
    /// What happens, and what is told and said of it.
    type Case = (fn(&Machine), &'static str, &'static str);
    let cases: [Case; 4] = [
        (
            |machine| fs::remove_dir_all(machine.file("eth0", "")).unwrap(),
            "0 is gone",
            "eth0: the interface disappeared",
        ),
        (|machine| machine.write("eth0", "ifindex", "7"), "0 is gone", "eth0: the interface disappeared"),
        (
            |machine| fs::rename(machine.file("eth0", ""), machine.file("lan0", "")).unwrap(),
            "0 has another name now",
            "eth0: the interface is called lan0 now",
        ),
        // While it goes away some of its files are gone already.
        (
            |machine| fs::remove_file(machine.file("eth0", "mtu")).unwrap(),
            "0 is gone",
            "eth0: the interface disappeared",
        ),
    ];
    for (change, words, end) in cases {
        let (machine, now) = (Machine::new(), Instant::now());
        let mut links = machine.links(&["eth0"], now);
        change(&machine);
        assert_eq!(said(&links.look(now)), (vec![words.to_owned()], Some(end.to_owned())));
    }
}

#[test]
fn who_is_not_promiscuous_any_more_is_so_for_a_while_before_it_is_the_end() {
    let (machine, now) = (Machine::new(), Instant::now());
    let mut links = machine.links(&["eth0"], now);
    links.socket = listen().ok();
    assert!(!links.is_due());
    machine.write("eth0", "flags", "0x1003");
    for millis in [0, 499] {
        assert_eq!(told(&mut links, now + Duration::from_millis(millis)), [""; 0]);
        assert!(links.is_due());
    }
    machine.write("eth0", "flags", "0x1103");
    let later = now + DOUBT;
    assert_eq!(told(&mut links, later), [""; 0]);
    assert!(!links.is_due());
    machine.write("eth0", "flags", "0x1003");
    assert_eq!(told(&mut links, later), [""; 0]);
    let end = "eth0: the interface is not promiscuous any more, and has to be opened anew".to_owned();
    let news = links.look(later + DOUBT);
    assert_eq!(said(&news), (vec!["0 is not promiscuous any more".to_owned()], Some(end)));
}

#[test]
fn who_was_never_promiscuous_cannot_lose_it_and_is_narrow_if_it_was_asked_for() {
    let (machine, now) = (Machine::new(), Instant::now());
    machine.write("eth0", "flags", "0x1003");
    for asked in [true, false] {
        let mut links = Links::at(machine.0.path(), None, &["eth0".to_owned()], asked, now);
        assert_eq!(told(&mut links, now), [""; 0]);
        assert_eq!(links.is_narrow(0), asked);
        assert!(!links.is_narrow(1));
    }
    machine.write("eth0", "flags", "0x1103");
    assert!(!machine.links(&["eth0"], now).is_narrow(0));
}

#[test]
fn another_mtu_is_told_of_and_no_more() {
    let (machine, now) = (Machine::new(), Instant::now());
    let mut links = machine.links(&["eth0"], now);
    machine.write("eth0", "mtu", "9000");
    assert_eq!(told(&mut links, now), ["0 has an MTU of 9000 now, and had one of 1500"]);
}

#[test]
fn a_loose_cable_is_told_of_so_often_and_the_rest_in_one() {
    let (machine, now) = (Machine::new(), Instant::now());
    let mut links = machine.links(&["eth0"], now);
    let mut listed = 0;
    for n in 0..200 {
        machine.write("eth0", "carrier", if n % 2 == 0 { "0" } else { "1" });
        listed += told(&mut links, now).len();
    }
    assert_eq!(listed, 40);
    assert_eq!(links.left_out(now, false), []);
    let hour = now + HOUR;
    assert_eq!(links.left_out(hour, false), [(0, TapChange::Unlisted { count: 160 })]);
    machine.write("eth0", "carrier", "0");
    assert_eq!(told(&mut links, hour), ["0 is down"], "a new hour");
    for n in 0..60 {
        machine.write("eth0", "carrier", if n % 2 == 0 { "1" } else { "0" });
        told(&mut links, hour);
    }
    assert_eq!(
        links.left_out(hour, true),
        [(0, TapChange::Unlisted { count: 21 })],
        "the end is the last chance"
    );
    assert_eq!(links.left_out(hour, true), []);
}

#[test]
fn after_news_it_rests_and_without_a_socket_it_says_so() {
    let (machine, now) = (Machine::new(), Instant::now());
    assert!(machine.links(&["eth0"], now).is_due());
    let mut links = Links::at(machine.0.path(), Some(listen().unwrap()), &[], true, now);
    assert!(!links.is_due() && links.fd(now).is_some() && links.rests_until(now).is_none());
    links.hear(now);
    assert!(links.fd(now).is_none());
    assert_eq!(links.rests_until(now), Some(now + REST));
    let fd = links.fd(now + REST).expect("it has rested");
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let none = Timespec::default();
    // Something may have happened on this machine since.
    assert!(poll(&mut fds, Some(&none)).is_ok());
    assert!(links.rests_until(now + REST).is_none());
}
