//! What the configuration says is really so in a daemon that runs: the filter, the snap length, what is this machine's
//! own, for how long rows are kept; and what it says of itself under traffic and at a bad end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::hear;
use crate::captures::broken_windows;
use crate::support::frames::{Frames, Station};
use crate::support::lab::{Lab, PATIENCE, done, python, signal, until};
use crate::support::wire::{Wire, assert_whole, captured, now};
use crate::support::{FRAMES, number, open, read, rows, said};

/// Conversations are over soon with so little room.
const ON_WIRE: &str = "capture.interface = \"tap0\"\nlimits.flows = 64\n";

#[test]
fn the_filter_decides_what_is_counted_at_all() {
    let Some(lab) = Lab::new("the_filter_decides_what_is_counted_at_all") else { return };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(&format!("{ON_WIRE}capture.filter = \"udp and greater 1000\"\n"));
    wire.send_long(1_000);
    wire.send_long(999);
    wire.send_long(1_400);
    let path = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let db = open(&path);
    assert_eq!(captured(&db).into_keys().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(number(&db, FRAMES), 2);
    assert_eq!(number(&db, "SELECT sum(bytes) FROM coverage_minute"), 2_400);
    assert_whole(&db);
}

/// A datagram of IPv6 whose ports stand behind the hundredth byte of its frame.
const DEEP: &str = "import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('wire', 0))
options = bytes([17, 7, 1, 60]) + bytes(60)  # UDP after 64 bytes that mean nothing
datagram = struct.pack('!HHHH', 40000, 9, 508, 0) + bytes(500)
addresses = socket.inet_pton(socket.AF_INET6, 'fe80::1') + socket.inet_pton(socket.AF_INET6, 'fe80::2')
ip = struct.pack('!IHBB', 6 << 28, len(options + datagram), 0, 64) + addresses
s.send(bytes.fromhex('52540077000152540077000a86dd') + ip + options + datagram)";

#[test]
fn the_snap_length_is_what_is_looked_at_and_all_of_a_frame_is_counted() {
    let Some(lab) = Lab::new("the_snap_length_is_what_is_looked_at_and_all_of_a_frame_is_counted") else {
        return;
    };
    let _wire = Wire::lay(&lab);
    let folder = lab.folder.path().display();
    let daemons = [96, 128].map(|snaplen| {
        let place =
            format!("store.file = \"{folder}/{snaplen}.db\"\ncontrol.socket = \"{folder}/{snaplen}\"\n");
        lab.daemon(&format!("{ON_WIRE}{place}capture.snaplen = {snaplen}\n"))
    });
    done(lab.command("a", python()).args(["-c", DEEP]));
    let ports = daemons.map(|daemon| {
        let path = daemon.db.clone();
        assert_eq!(daemon.stop().code(), 0);
        let db = open(&path);
        let frame = 14 + 40 + 64 + 508;
        assert_eq!(number(&db, "SELECT sum(bytes) FROM coverage_minute"), frame);
        assert_whole(&db);
        rows(&db, "SELECT DISTINCT local_port + remote_port FROM flow").concat()
    });
    assert_ne!(ports[0], ports[1]);
    assert_eq!(ports[1], ["40009"]);
}

/// A datagram from an address of the machine's own network, which is a public one.
const NEIGHBOUR: &str = "import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('wire', 0))
addresses = socket.inet_aton('198.51.100.7') + socket.inet_aton('203.0.113.9')
ip = struct.pack('!BBHHHBBH', 0x45, 0, 128, 1, 0, 64, 17, 0) + addresses
s.send(bytes.fromhex('52540077000152540077000a0800') + ip + struct.pack('!HHHH', 5000, 443, 108, 0) + bytes(100))";

#[test]
fn what_is_the_machines_own_is_known_from_the_first_packet_on() {
    let Some(lab) = Lab::new("what_is_the_machines_own_is_known_from_the_first_packet_on") else { return };
    let wire = Wire::lay(&lab);
    let daemon = |name: &str| {
        let folder = lab.folder.path().display();
        let place = format!("store.file = \"{folder}/{name}.db\"\ncontrol.socket = \"{folder}/{name}\"\n");
        lab.daemon(&format!("{ON_WIRE}{place}"))
    };
    let direction = "SELECT DISTINCT direction FROM usage_by_minute WHERE port = 443";
    for (address, expected) in [(None, "transit"), (Some("198.51.100.2/24"), "remote")] {
        if let Some(address) = address {
            lab.ip("tap", &format!("addr add {address} dev tap0"));
        }
        let daemon = daemon(expected);
        done(lab.command("a", python()).args(["-c", NEIGHBOUR]));
        if address.is_some() {
            // The machine says something itself.
            lab.send("tap", "198.51.100.255", 3);
        }
        let path = daemon.db.clone();
        assert_eq!(daemon.stop().code(), 0);
        let db = open(&path);
        assert_eq!(rows(&db, direction).concat(), [expected], "{address:?}");
        if address.is_some() {
            let show = lab.command("tap", "cat").arg("/sys/class/net/tap0/address").output().unwrap();
            let mac = String::from_utf8_lossy(&show.stdout).trim().to_owned();
            assert_eq!(
                rows(&db, "SELECT mac FROM device WHERE role = 'self' AND frames_sent > 0").concat(),
                [mac]
            );
        }
    }
    drop(wire);
}

#[test]
fn status_under_traffic_tells_of_what_waits_how_fast_it_comes_and_when_it_last_did() {
    let Some(lab) =
        Lab::new("status_under_traffic_tells_of_what_waits_how_fast_it_comes_and_when_it_last_did")
    else {
        return;
    };
    let mut wire = Wire::lay(&lab);
    let daemon = lab.daemon(&format!("{ON_WIRE}store.flush = \"1h\"\n"));
    until("figures", PATIENCE, || {
        wire.send(100);
        std::thread::sleep(Duration::from_millis(100));
        let (status, _) = daemon.status();
        let pending = status["store"]["pending_rows"].as_u64().unwrap();
        let rate = status["packets_per_second"].as_u64().unwrap();
        let last = status["interfaces"][0]["last_packet"].as_i64().unwrap_or(0);
        // A thousand a second are sent at best.
        let sent = wire.sent.len() as u64;
        assert!(pending <= sent + 10 && rate <= 2_000, "{status:#}");
        (pending > 100 && rate > 10 && (now() - last).abs() < 3_000).then_some(())
    });
    until("the rate to go down", PATIENCE, || {
        (daemon.status().0["packets_per_second"].as_u64() == Some(0)).then_some(())
    });
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
#[ignore = "a dozen seconds; make test-live"]
fn minutes_that_are_lost_at_the_end_are_counted_and_the_exit_status_says_so() {
    let Some(lab) = Lab::new("minutes_that_are_lost_at_the_end_are_counted_and_the_exit_status_says_so")
    else {
        return;
    };
    lab.connect();
    let daemon = lab.daemon("");
    hear(&lab, &daemon, "a", 30);
    let db = until("the file", PATIENCE, || daemon.db.exists().then(|| daemon.db()));
    until("its tables", PATIENCE, || db.execute_batch("SELECT 1 FROM coverage_minute").ok());
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let since = Instant::now();
    signal(&daemon.process.child, Signal::TERM);
    let ended = daemon.wait();
    assert_eq!(ended.code(), 74, "{}", ended.said);
    assert!(
        ended.said.contains("are lost, as they could not be written") && ended.said.contains("in use by")
    );
    assert!((9..25).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(number(&db, FRAMES), 0);
}

#[test]
fn a_daemon_that_writes_deletes_what_is_too_old() {
    const DAY: i64 = 86_400_000;
    let Some(lab) = Lab::new("a_daemon_that_writes_deletes_what_is_too_old") else { return };
    // Three weeks ago, and two hours later, so that the hour is over.
    let old = now() - now().rem_euclid(DAY) - 21 * DAY + 10 * 3_600_000;
    let (home, away) = (Station::new(1, [10, 0, 0, 1]), Station::new(2, [10, 0, 0, 2]).beyond([8, 8, 8, 8]));
    let mut frames = Frames::default();
    for at in [old, old + 2 * 3_600_000] {
        frames.udp(1_000 * at, (home, 5_000), (away, 53), 100);
    }
    let capture = frames.write(lab.folder.path(), "old.pcap");
    let path = lab.folder.path().join("lanscribe.db");
    let output = read(&[capture, "--db".into(), path.clone()]);
    assert!(output.status.success(), "{}", said(&output));
    // All the days since were watched: so they count whatever the clock is worth.
    let db = open(&path);
    for n in 0..=20 {
        let day = old - old.rem_euclid(DAY) + n * DAY;
        let sql = format!(
            "INSERT INTO coverage_day VALUES ({day}, '', '', {DAY}, 'unsynced', 0, 0, 0, 0, 0, 0, 0, 0)
             ON CONFLICT DO UPDATE SET observed_ms = {DAY}"
        );
        db.execute_batch(&sql).unwrap();
    }
    drop(db);
    let count = |table: &str, column: &str| {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} < {}", old + DAY);
        number(&open(&path), &sql)
    };
    assert!(count("usage_minute", "window") == 2 && count("flow", "reported") == 2);
    let run = |days: u32| {
        let daemon = lab.daemon(&format!("retention.flows = \"{days}d\"\n"));
        lab.connect();
        hear(&lab, &daemon, "a", 20);
        lab.disconnect();
        assert_eq!(daemon.stop().code(), 0);
    };
    run(90);
    assert_eq!(
        [count("usage_minute", "window"), count("coverage_minute", "window"), count("flow", "reported")],
        [0, 0, 2],
        "minutes go after a fortnight, conversations as the configuration says"
    );
    assert!(count("usage_hour", "window") > 0 && count("usage_day", "window") > 0);
    run(14);
    assert_eq!(count("flow", "reported"), 0);
    for level in ["hour", "day"] {
        assert_eq!(broken_windows(&open(&path), level), Vec::<Vec<String>>::new(), "{level}");
    }
}
