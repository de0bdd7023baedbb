//! `lanscribe status`: what it says of a daemon that is well, that is not, and that is not there.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{hear, tell};
use crate::support::lab::{Daemon, Lab, Listened, PATIENCE, python, signal, until};

/// All that `--json` has, a name before a point being that of an object or of a list's first element.
const FIELDS: &str = "bytes clock devices dropped flows_named flows_remote health interface_dropped interfaces \
    interfaces.bytes interfaces.dropped interfaces.interface_dropped interfaces.last_packet interfaces.link \
    interfaces.link_type interfaces.name interfaces.packets interfaces.received limits now open_flows \
    packets packets_per_second pid questions ring sight sight.group sight.others sight.own sight.sampled \
    sight.twice since site store store.bytes store.file store.last_write store.last_write_ms \
    store.next_write store.pending_rows store.rows store.waiting store.wal_bytes version warnings";

/// The names of all fields.
fn fields(value: &Value, before: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.push(format!("{before}{name}"));
                fields(value, &format!("{before}{name}."), names);
            }
        }
        Value::Array(list) => list.iter().take(1).for_each(|value| fields(value, before, names)),
        _ => {}
    }
}

/// The processor time of a process, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

fn warnings(daemon: &Daemon) -> String {
    daemon.status().0["warnings"].to_string()
}

#[test]
fn status_is_eleven_lines_and_a_number_that_says_whether_all_is_well() {
    let Some(lab) = Lab::new("status_is_eleven_lines_and_a_number_that_says_whether_all_is_well") else {
        return;
    };
    let daemon = lab.daemon("site.name = \"desk 12\"\nstore.flush = \"1h\"\n");
    lab.connect();
    hear(&lab, &daemon, "a", 40);
    let packets = hear(&lab, &daemon, "b", 40);
    lab.disconnect();
    let (code, text) = tell(&daemon.config, &["status"]);
    assert_eq!(code, 0, "{text}");
    let titles: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        titles,
        [
            "lanscribe",
            "capturing",
            "packets",
            "drops",
            "devices",
            "names",
            "sees",
            "file",
            "last",
            "clock",
            "warnings"
        ],
        "{text}"
    );
    for words in ["healthy, desk 12", "br0 (link up)", "none yet", "of all, 100 % goes to many", "next in "] {
        assert!(text.contains(words), "{words:?} in:\n{text}");
    }
    let (status, code) = daemon.status();
    assert_eq!((code, &status["health"]), (0, &Value::from("healthy")), "{status:#}");
    let mut names = Vec::new();
    fields(&status, "", &mut names);
    names.sort();
    assert_eq!(names, FIELDS.split_whitespace().collect::<Vec<_>>(), "{status:#}");
    assert!(status["packets"].as_u64() >= Some(packets));
    assert_eq!(status["interfaces"][0]["received"], status["packets"]);
    assert_eq!((&status["dropped"], &status["site"]), (&Value::from(0), &Value::from("desk 12")));
    assert!(status["devices"].as_u64() >= Some(2), "{status:#}");

    // When it is gone, what it would have said is asked for in vain, and said to be.
    let (config, folder) = (daemon.config.clone(), lab.folder.path().to_owned());
    assert_eq!(daemon.stop().code(), 0);
    let (code, text) = tell(&config, &["status"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("is down") && text.contains("sudo lanscribe run"), "{text}");
    assert!(text.contains(&*folder.join("lanscribe.db").to_string_lossy()), "{text}");
    let (code, text) = tell(&config, &["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &status["health"]), (3, &Value::from("down")));
}

#[test]
fn a_link_that_goes_down_is_said_and_costs_nothing_and_one_that_comes_back_is_captured() {
    let Some(lab) =
        Lab::new("a_link_that_goes_down_is_said_and_costs_nothing_and_one_that_comes_back_is_captured")
    else {
        return;
    };
    let daemon = lab.daemon("");
    lab.connect();
    hear(&lab, &daemon, "a", 20);
    assert_eq!(daemon.status().1, 0);
    lab.ip("tap", "link set br0 down");
    let (code, text) = tell(&daemon.config, &["status"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("DEGRADED") && text.contains("br0: the link is down"), "{text}");
    // Down for a while: it must neither end nor turn in circles.
    let before = ticks(daemon.pid());
    std::thread::sleep(Duration::from_secs(3));
    let ticks = ticks(daemon.pid()) - before;
    assert!(ticks < 15, "{ticks} of 300 hundredths of a second");
    lab.ip("tap", "link set br0 up");
    until("the link", PATIENCE, || (daemon.status().1 == 0).then_some(()));
    assert!(!warnings(&daemon).contains("link"));
    until("the bridge to forward again", PATIENCE, || {
        let before = daemon.status().0["packets"].as_u64();
        lab.send("b", "192.168.77.255", 5);
        std::thread::sleep(Duration::from_millis(400));
        (daemon.status().0["packets"].as_u64() > before).then_some(())
    });
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn a_mirror_that_shows_each_frame_twice_is_noticed() {
    const PAIRS: &str = "import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
for n in range(300):
    frame = bytes.fromhex('5254007700145254007700aa88b5') + n.to_bytes(4, 'big') + bytes(60)
    s.send(frame)
    s.send(frame)
    time.sleep(0.015)";
    let Some(lab) = Lab::new("a_mirror_that_shows_each_frame_twice_is_noticed") else { return };
    let daemon = lab.daemon("");
    lab.connect();
    let sent = lab.command("a", python()).args(["-c", PAIRS]).output().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    until("it to notice", PATIENCE, || warnings(&daemon).contains("frames arrive twice").then_some(()));
    let (code, text) = tell(&daemon.config, &["status"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("mirror only one port or one direction"), "{text}");
    assert!(text.contains(" came twice"), "{text}");
}

#[test]
#[ignore = "takes more than three minutes of real time: `make test-live`"]
fn a_port_that_is_not_mirrored_is_noticed_after_three_minutes() {
    const SLOWLY: &str = "import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for n in range(400):
    s.sendto(n.to_bytes(50, 'big'), ('192.168.77.255', 9))
    time.sleep(0.5)";
    let Some(lab) = Lab::new("a_port_that_is_not_mirrored_is_noticed_after_three_minutes") else { return };
    let daemon = lab.daemon("");
    lab.connect();
    let mut sender = lab.command("a", python());
    let _sender = Listened::to(sender.args(["-c", SLOWLY]));
    let since = std::time::Instant::now();
    until("it to notice", Duration::from_secs(230), || {
        std::thread::sleep(Duration::from_secs(1));
        warnings(&daemon).contains("the port is not mirrored").then_some(())
    });
    assert!(since.elapsed() > Duration::from_secs(170), "not before it can know: {:?}", since.elapsed());
    assert_eq!(daemon.status().1, 1);
    let (_, text) = tell(&daemon.config, &["status"]);
    assert!(text.contains("In the switch, mirror the router's port to this one"), "{text}");
}

#[test]
fn a_daemon_that_was_killed_is_down_and_its_socket_is_no_hindrance() {
    let Some(lab) = Lab::new("a_daemon_that_was_killed_is_down_and_its_socket_is_no_hindrance") else {
        return;
    };
    let daemon = lab.daemon("");
    let (config, socket) = (daemon.config.clone(), daemon.socket.clone());
    daemon.kill();
    assert!(socket.exists(), "as it was left");
    let (code, text) = tell(&config, &["status"]);
    assert_eq!(code, 3, "{text}");
    let daemon = lab.daemon("");
    assert_eq!(daemon.status().1, 0);
    signal(&daemon.process.child, Signal::INT);
    assert_eq!(daemon.wait().code(), 0, "Ctrl-C is a stop like any other");
    assert!(!socket.exists());
}
