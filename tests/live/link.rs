//! A link that goes down and comes back, or is not what it was: what is said of it, and what it costs.

use std::time::Duration;

use rusqlite::Connection;

use crate::support::lab::{Daemon, Lab, PATIENCE, python, until};
use crate::support::wire::{TAP, Wire, assert_whole, captured, cpu, now, wake_ups};
use crate::support::{number, open, rows};

const SETTINGS: &str = "capture.interface = \"tap0\"\nflow.udp = \"1s\"\n";

/// What the file says of the links, in order.
fn told(db: &Connection) -> Vec<String> {
    rows(db, "SELECT detail FROM event WHERE kind = 'link' ORDER BY id").concat()
}

/// Waits until the daemon's log has this so often.
fn hear(daemon: &Daemon, words: &str, times: usize) {
    until(words, PATIENCE, || (daemon.process.said().matches(words).count() >= times).then_some(()));
}

fn observed(db: &Connection) -> i64 {
    number(db, "SELECT coalesce(sum(observed_ms), 0) FROM coverage_by_day")
}

#[test]
fn a_gap_without_a_link_is_an_event_and_is_not_observed() {
    let Some(lab) = Lab::new("a_gap_without_a_link_is_an_event_and_is_not_observed") else { return };
    let mut wire = Wire::lay(&lab);
    let began = now();
    let daemon = lab.daemon(SETTINGS);
    wire.send(10);
    wire.down(true);
    hear(&daemon, "tap0 is down", 1);
    let (status, code) = daemon.status();
    assert_eq!((code, status["interfaces"][0]["link"].as_str()), (1, Some("down")));
    std::thread::sleep(Duration::from_secs(3));
    wire.up(true);
    hear(&daemon, "tap0 is up again after 3", 1);
    wire.send(10);
    // Wi-Fi that has lost its network, or a port that lets nobody in: there is a carrier, and no link.
    for command in ["mode dormant", "down", "up"] {
        wire.set(true, command);
    }
    hear(&daemon, "tap0 is down", 2);
    std::thread::sleep(Duration::from_secs(2));
    wire.set(true, "mode default");
    wire.down(true);
    wire.up(true);
    hear(&daemon, "tap0 is up again", 2);
    wire.send(10);
    // The other end is gone.
    wire.down(false);
    hear(&daemon, "tap0 is down", 3);
    std::thread::sleep(Duration::from_secs(1));
    let path = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let lasted = now() - began;
    let db = open(&path);
    let details = told(&db);
    assert_eq!(details.len(), 5, "{details:?}");
    assert!(
        details[0] == "tap0 is down" && details[1].starts_with("tap0 is up again after 3"),
        "{details:?}"
    );
    assert_eq!(captured(&db).into_keys().collect::<Vec<_>>(), wire.sent.iter().copied().collect::<Vec<_>>());
    assert_whole(&db);
    let watched = observed(&db);
    // Six seconds without a link; what came before the first frame counts a little, and so does the start.
    assert!(watched <= lasted - 6_000 + 1_500, "{watched} of {lasted}");
    assert!(watched > 0, "{watched}");
}

#[test]
fn frames_become_longer_when_the_mtu_does_and_are_captured_whole() {
    let Some(lab) = Lab::new("frames_become_longer_when_the_mtu_does_and_are_captured_whole") else { return };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(SETTINGS);
    wire.send_long(1_500);
    for near in [true, false] {
        wire.set(near, "mtu 9000");
    }
    hear(&daemon, "tap0 has an MTU of 9000 now, and had one of 1500", 1);
    wire.send_long(9_014);
    wire.send_long(60);
    let path = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let db = open(&path);
    assert_eq!(told(&db), ["tap0 has an MTU of 9000 now, and had one of 1500"]);
    let bytes = rows(&db, "SELECT bytes_up FROM flow ORDER BY local_port");
    assert_eq!(bytes, [["1500"], ["9014"], ["60"]]);
    assert_whole(&db);
}

/// Takes the wish for all frames from the daemon's socket, as nobody should.
const TAKE: &str = "import ctypes, os, socket, struct, sys
pid = int(sys.argv[1])
inodes = {line.split()[8] for line in list(open(f'/proc/{pid}/net/packet'))[1:]}
target = os.pidfd_open(pid)
for fd in os.listdir(f'/proc/{pid}/fd'):
    link = os.readlink(f'/proc/{pid}/fd/{fd}')
    if link.startswith('socket:') and link[8:-1] in inodes:
        copy = ctypes.CDLL(None).syscall(438, target, int(fd), 0)
        assert copy >= 0
        s = socket.socket(fileno=copy)
        request = struct.pack('iHH8s', socket.if_nametoindex('tap0'), 1, 0, bytes(8))
        s.setsockopt(263, 2, request)  # SOL_PACKET, PACKET_DROP_MEMBERSHIP of PACKET_MR_PROMISC
";

#[test]
fn who_is_not_promiscuous_any_more_writes_everything_and_wants_to_be_started_anew() {
    let Some(lab) =
        Lab::new("who_is_not_promiscuous_any_more_writes_everything_and_wants_to_be_started_anew")
    else {
        return;
    };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(SETTINGS);
    wire.send(20);
    let path = daemon.db.clone();
    let taken = lab.command("tap", python()).args(["-c", TAKE, &daemon.pid().to_string()]).output().unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let ended = daemon.wait();
    assert_eq!(ended.code(), 75, "{}", ended.said);
    assert!(ended.said.contains("tap0: the interface is not promiscuous any more"), "{}", ended.said);
    let db = open(&path);
    assert_eq!(told(&db), ["tap0 is not promiscuous any more"]);
    assert_eq!(captured(&db).len(), 20);

    // Who does not want it does not miss it.
    let daemon = lab.daemon(&format!("{SETTINGS}capture.promiscuous = false\n"));
    assert_eq!(daemon.status().1, 0);
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(told(&open(&path)).len(), 1);
}

#[test]
fn an_interface_with_another_name_or_made_anew_is_not_the_one_that_was_captured() {
    let Some(lab) = Lab::new("an_interface_with_another_name_or_made_anew_is_not_the_one_that_was_captured")
    else {
        return;
    };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(SETTINGS);
    let path = daemon.db.clone();
    wire.send(20);
    // Older kernels rename what is switched off only.
    wire.down(true);
    wire.set(true, "name lan0");
    let ended = daemon.wait();
    assert_eq!(ended.code(), 75, "{}", ended.said);
    assert!(ended.said.contains("tap0: the interface is called lan0 now"), "{}", ended.said);
    lab.ip("tap", "link set lan0 name tap0");
    wire.up(true);

    // All between two looks.
    let daemon = lab.daemon(SETTINGS);
    wire.send(20);
    let batch = lab.folder.path().join("batch");
    let far = lab.namespace("a");
    let commands =
        format!("link del {TAP}\nlink add {TAP} type veth peer name wire netns {far}\nlink set {TAP} up\n");
    std::fs::write(&batch, commands).unwrap();
    lab.ip("tap", &format!("-batch {}", batch.display()));
    let ended = daemon.wait();
    assert_eq!(ended.code(), 75, "{}", ended.said);
    assert!(ended.said.contains("tap0: the interface disappeared"), "{}", ended.said);
    let db = open(&path);
    let details = told(&db);
    assert!(details.contains(&"tap0 has another name now".to_owned()), "{details:?}");
    assert!(details.contains(&"tap0 is gone".to_owned()), "{details:?}");
    assert_eq!(captured(&db).into_keys().collect::<Vec<_>>(), wire.sent.iter().copied().collect::<Vec<_>>());
    assert_whole(&db);
}

/// Wake-ups a second and processor time of some seconds.
fn cost(daemon: &Daemon, seconds: u64) -> (u64, Duration) {
    let (wakes, time) = (wake_ups(daemon.pid()), cpu(daemon.pid()));
    std::thread::sleep(Duration::from_secs(seconds));
    let wakes = (wake_ups(daemon.pid()) - wakes).div_ceil(seconds);
    (wakes, cpu(daemon.pid()) - time)
}

/// Holds a daemon without a link against an idle one, `seconds` long each.
fn pull_and_wait(test: &str, seconds: u64) {
    let Some(lab) = Lab::new(test) else { return };
    let wire = Wire::lay(&lab);
    let daemon = lab.daemon(SETTINGS);
    let settle = || std::thread::sleep(Duration::from_secs(1));
    settle();
    let idle = cost(&daemon, seconds);
    // Who turns in circles does not sleep, so is not woken; that is seen in the time.
    let busy = Duration::from_millis(5 * seconds);
    assert!(idle.0 <= 3 && idle.1 < busy, "{idle:?}");
    for near in [true, false] {
        wire.down(near);
        hear(&daemon, "tap0 is down", if near { 1 } else { 2 });
        settle();
        let down = cost(&daemon, seconds);
        eprintln!("near {near}, {seconds} s: idle {idle:?} without a link {down:?} (wake-ups/s, CPU)");
        // One in five seconds by itself; the control thread's are some.
        assert!(down.0 <= idle.0 + 1 && down.0 <= 4, "{down:?} beside {idle:?}");
        assert!(down.1 <= 2 * idle.1 + Duration::from_micros(500 * seconds), "{down:?} beside {idle:?}");
        wire.up(near);
        hear(&daemon, "tap0 is up again", if near { 1 } else { 2 });
    }
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn an_interface_without_a_link_costs_what_an_idle_one_does() {
    pull_and_wait("an_interface_without_a_link_costs_what_an_idle_one_does", 2);
}

#[test]
#[ignore = "three minutes; make test-live"]
fn an_interface_without_a_link_for_a_minute_costs_what_an_idle_one_does() {
    pull_and_wait("an_interface_without_a_link_for_a_minute_costs_what_an_idle_one_does", 60);
}
