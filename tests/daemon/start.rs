//! How it starts, or why it does not; and an interface that goes while it is captured.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;

use super::reload::rewrite;
use super::{files, hear, outcome, tell};
use crate::support::lab::{Daemon, Lab, PATIENCE, signal, until};
use crate::support::{FRAMES, ROOT, lanscribe, number, open, sample};

/// Starts a daemon that is expected not to run: its exit status, and what it said.
fn refused(lab: &Lab, extra: &str) -> (i32, String) {
    let ended = lab.start(&lab.config(extra), &[]).wait();
    (ended.code(), ended.said)
}

/// Waits until the daemon said something.
fn says(daemon: &Daemon, words: &str) {
    until(words, PATIENCE, || daemon.process.said().contains(words).then_some(()));
}

#[test]
fn an_interface_that_is_not_there_or_not_up_is_waited_for() {
    let Some(lab) = Lab::new("an_interface_that_is_not_there_or_not_up_is_waited_for") else { return };
    let later = lab.config("capture.interface = \"later0\"");
    let daemon = lab.start(&later, &[]);
    says(&daemon, "there is no interface later0; there are: br0, ");
    says(&daemon, "waiting for it");
    let warning = || daemon.status().0["warnings"][0].as_str().unwrap_or_default().to_owned();
    let warns = |words: &str| until(words, PATIENCE, || warning().starts_with(words).then_some(()));
    warns("waiting for later0: there is no such interface; there are: br0, ");
    assert_eq!(daemon.status().1, 1, "it does not capture yet");
    let (code, said) = tell(&daemon.config, &["status"]);
    assert!(code == 1 && said.contains("DEGRADED") && said.contains("nothing yet, since"), "{said}");
    let (code, said) = tell(&daemon.config, &["flush"]);
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("not capturing yet: waiting for later0"), "{said}");
    assert_eq!(files(&lab), ["socket"], "the file is not begun");
    let (code, said) = refused(&lab, "");
    assert!(code == 75 && said.contains("another lanscribe listens there"), "{said}");

    lab.ip("tap", "link add later0 type veth peer name later1");
    says(&daemon, "later0 is switched off");
    warns("waiting for later0: later0 is switched off: `ip link set later0 up`");
    lab.ip("tap", "link set later0 up");
    lab.ip("tap", "link set later1 up");
    until("it to capture", PATIENCE, || {
        (daemon.status().0["interfaces"][0]["name"] == "later0").then_some(())
    });
    assert_eq!(tell(&daemon.config, &["flush"]).0, 0);
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    assert_eq!(ended.said.matches("waiting for it").count(), 2, "once each, not each second: {}", ended.said);
}

#[test]
fn while_an_interface_is_waited_for_signals_do_what_they_always_do() {
    let Some(lab) = Lab::new("while_an_interface_is_waited_for_signals_do_what_they_always_do") else {
        return;
    };
    let waiting = |name: &str| {
        let daemon = lab.start(&lab.config(&format!("capture.interface = \"{name}\"")), &[]);
        says(&daemon, "waiting for it");
        until("the socket", PATIENCE, || (daemon.status().1 == 1).then_some(()));
        daemon
    };
    for stop in [Signal::TERM, Signal::INT] {
        let daemon = waiting("later0");
        signal(&daemon.process.child, stop);
        let ended = daemon.wait();
        assert_eq!(ended.code(), 0, "{}", ended.said);
        assert_eq!(files(&lab), Vec::<String>::new(), "and nothing is left");
    }

    let daemon = waiting("later0");
    let said = rewrite(&daemon, "capture.interface = 5");
    assert!(said.contains("ERROR") && said.contains("stays as it was"), "{said}");
    // Another interface, file and socket, all of which count.
    let folder = lab.folder.path().join("other");
    let extra = format!(
        "capture.interface = \"later1\"\nstore.file = \"{0}/lan.db\"\ncontrol.socket = \"{0}/socket\"\n",
        folder.display()
    );
    let said = rewrite(&daemon, &lab.config(&extra));
    assert!(said.contains("capture.interface, store.file, control.socket changed"), "{said}");
    let warning = || daemon.status().0["warnings"][0].as_str().unwrap_or_default().to_owned();
    until("the other one", PATIENCE, || warning().starts_with("waiting for later1: ").then_some(()));
    assert!(!daemon.socket.exists(), "where nobody listens any more is no socket");
    let said = rewrite(&daemon, &lab.config(&extra.replace("later1", "br0")));
    assert!(said.contains("capture.interface changed"), "{said}");
    until("it to capture", PATIENCE, || (daemon.status().1 == 0).then_some(()));
    assert_eq!(rewrite(&daemon, &lab.config(&extra)).matches("can only change with a restart").count(), 1);
    assert_eq!(daemon.stop().code(), 0);
    assert!(folder.join("lan.db").exists() && !folder.join("socket").exists());
}

#[test]
fn interfaces_that_show_frames_twice_are_refused_with_advice() {
    let Some(lab) = Lab::new("interfaces_that_show_frames_twice_are_refused_with_advice") else { return };
    lab.connect();
    let (code, said) = refused(&lab, "capture.interface = [\"port-a\", \"port-b\"]");
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("are ports of the bridge br0") && said.contains("capture.interface = \"br0\""),
        "{said}"
    );

    for command in ["link add wan0 type veth peer name wan1", "link set wan0 up", "link set wan1 up"] {
        lab.ip("tap", command);
    }
    lab.ip("tap", "addr add 198.51.100.2/24 dev wan0");
    lab.ip("tap", "route add default via 198.51.100.1");
    let both = "capture.interface = [\"br0\", \"wan0\"]\n";
    lab.sysctl("tap", "net.ipv4.ip_forward=1");
    let (code, said) = refused(&lab, both);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("wan0 has the default route") && said.contains("allow_uplink = true"), "{said}");
    assert!(!lab.folder.path().join("lanscribe.db").exists(), "nothing was begun");
    let daemon = lab.daemon(&format!("{both}capture.allow_uplink = true\n"));
    assert_eq!(daemon.status().0["interfaces"].as_array().map(Vec::len), Some(2));
    assert_eq!(daemon.stop().code(), 0);
    lab.sysctl("tap", "net.ipv4.ip_forward=0");
    let daemon = lab.daemon(both);
    hear(&lab, &daemon, "a", 20);
    assert_eq!(daemon.stop().code(), 0, "and where nothing is forwarded it is nobody's business");
}

#[test]
fn without_the_privilege_it_says_which_one() {
    let Some(lab) = Lab::new("without_the_privilege_it_says_which_one") else { return };
    let bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let ended = lab.start(&lab.config(""), &bare).wait();
    assert_eq!(ended.code(), 77, "{}", ended.said);
    assert!(
        ended.said.contains("br0: capturing is not allowed") && ended.said.contains("CAP_NET_RAW"),
        "{}",
        ended.said
    );
    assert_eq!(files(&lab), Vec::<String>::new(), "nothing was made");
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let Some(lab) = Lab::new("a_file_of_somebody_else_is_refused_and_left_as_it_is") else { return };
    let db = lab.folder.path().join("lanscribe.db");
    let database = || {
        let other = Connection::open(&db).unwrap();
        other.execute_batch("CREATE TABLE photo (name TEXT); INSERT INTO photo VALUES ('me')").unwrap();
    };
    let text = || std::fs::write(&db, "my notes\n".repeat(100)).unwrap();
    let make: [(&dyn Fn(), &str); 2] =
        [(&text, "no SQLite database"), (&database, "another program's database")];
    for (make, words) in make {
        let _ = std::fs::remove_file(&db);
        make();
        let before = std::fs::read(&db).unwrap();
        let (code, said) = refused(&lab, "");
        assert_eq!(code, 65, "{said}");
        assert!(said.contains("not a file of lanscribe") && said.contains(words), "{said}");
        assert!(std::fs::read(&db).unwrap() == before, "{words}");
        assert_eq!(files(&lab), ["lanscribe.db"]);
    }
}

#[test]
fn a_file_whose_days_are_those_of_another_zone_is_refused_at_once() {
    let Some(lab) = Lab::new("a_file_whose_days_are_those_of_another_zone_is_refused_at_once") else {
        return;
    };
    assert_eq!(lab.daemon("").stop().code(), 0);
    let since = Instant::now();
    let (code, said) = refused(&lab, "site.time_zone = \"Europe/Berlin\"");
    assert_eq!(code, 78, "{said}");
    let words = "its days are those of UTC, and the configuration says Europe/Berlin";
    assert_eq!(said.matches(words).count(), 1, "said, and once: {said}");
    assert!(since.elapsed() < PATIENCE, "not at the first flush: {:?}", since.elapsed());
}

#[test]
fn a_damaged_file_is_set_aside_at_the_start_and_a_fresh_one_begun() {
    let Some(lab) = Lab::new("a_damaged_file_is_set_aside_at_the_start_and_a_fresh_one_begun") else {
        return;
    };
    let daemon = lab.daemon("");
    let db = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let mut bytes = std::fs::read(&db).unwrap();
    // The first page says whose file it is; all others are gone.
    bytes[4_096..].fill(0xff);
    std::fs::write(&db, bytes).unwrap();
    let daemon = lab.daemon("");
    lab.connect();
    hear(&lab, &daemon, "a", 20);
    let (status, code) = daemon.status();
    assert_eq!(code, 1, "{status:#}");
    assert!(status["warnings"].to_string().contains("corrupt-"), "{status:#}");
    assert_eq!(daemon.stop().code(), 0);
    let names = files(&lab);
    assert!(names.len() == 2 && names[1].starts_with("lanscribe.db.corrupt-"), "{names:?}");
    assert!(number(&open(&db), FRAMES) >= 20);
}

#[test]
fn a_file_has_one_writer_and_the_next_one_waits_for_it() {
    let Some(lab) = Lab::new("a_file_has_one_writer_and_the_next_one_waits_for_it") else { return };
    let first = lab.daemon("");
    lab.connect();
    let db = first.db.clone();
    hear(&lab, &first, "a", 20);

    let read =
        lanscribe().args(["read", "-q"]).arg(sample("trunk.pcap")).arg("--db").arg(&db).output().unwrap();
    let (code, said) = outcome(&read);
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("in use by another lanscribe, which writes it"), "{said}");
    let (code, said) = refused(&lab, "");
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("control.socket") && said.contains("another lanscribe listens there"), "{said}");
    assert_eq!(first.status().1, 0, "and the first one hears nothing of it");

    // With a socket of its own it may wait, as one does that starts while a capture is read into the file.
    let socket = lab.folder.path().join("socket2");
    let second = lab.daemon(&format!("control.socket = \"{}\"", socket.display()));
    until("it to say so", PATIENCE, || {
        let (status, code) = second.status();
        let why = status["store"]["waiting"]["why"].as_str()?;
        (code == 1 && why.contains("in use by another lanscribe")).then_some(())
    });
    hear(&lab, &second, "b", 30);
    assert_eq!(first.stop().code(), 0);
    until("the file to be its own", Duration::from_secs(40), || (second.status().1 == 0).then_some(()));
    assert_eq!(second.stop().code(), 0);
    // 20 that one heard alone, and 30 that both did.
    assert!(number(&open(&db), FRAMES) >= 20 + 2 * 30);
    assert_eq!(
        number(&open(&db), "SELECT sum(packets_up) FROM flow WHERE local_port > 0 AND remote_port = 9"),
        80
    );
}

#[test]
fn an_interface_that_disappears_ends_the_run_with_all_that_it_showed() {
    let Some(lab) = Lab::new("an_interface_that_disappears_ends_the_run_with_all_that_it_showed") else {
        return;
    };
    lab.connect();
    let daemon = lab.daemon("");
    lab.send("a", "192.168.77.255", 500);
    lab.ip("tap", "link del br0");
    let db = daemon.db.clone();
    let ended = daemon.wait();
    assert_eq!(ended.code(), 75, "{}", ended.said);
    assert!(ended.said.contains("br0: the interface disappeared"), "{}", ended.said);
    assert_eq!(files(&lab), ["lanscribe.db"]);
    let sent = "SELECT sum(packets_up) FROM usage_by_minute WHERE port = 9";
    assert_eq!(number(&open(&db), sent), 500);
    let lost = "SELECT sum(dropped + interface_dropped) FROM coverage_minute";
    assert_eq!(number(&open(&db), lost), 0);
}

#[test]
fn a_configuration_that_is_wrong_is_refused_with_all_that_is() {
    let Some(lab) = Lab::new("a_configuration_that_is_wrong_is_refused_with_all_that_is") else { return };
    let wrong =
        "capture.ring = \"1\"\nstore.flush = \"fast\"\nlan.networks = [\"10.0.0.0/33\"]\nlimit.flows = 10\n";
    let (code, said) = refused(&lab, wrong);
    assert_eq!(code, 78, "{said}");
    for mistake in ["capture.ring", "store.flush", "10.0.0.0/33", "limit"] {
        assert!(said.contains(mistake), "{mistake:?} in:\n{said}");
    }
    assert_eq!(files(&lab), Vec::<String>::new(), "nothing was begun");
    let shipped = Path::new(ROOT).join("config/lanscribe.toml");
    let (code, said) = outcome(&lanscribe().arg("check-config").arg(shipped).output().unwrap());
    assert_eq!(code, 0, "{said}");
    let (code, said) =
        outcome(&lanscribe().arg("check-config").arg(lab.folder.path().join("0.toml")).output().unwrap());
    assert_eq!(code, 78, "{said}");
}
