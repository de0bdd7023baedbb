//! The first law: what is captured live, and what is read of a capture of the same frames, are the same rows.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use rustix::process::Signal;

use super::{Running, bytes, frames};
use crate::support::lab::{Lab, MIRROR, signal, until};
use crate::support::{FRAMES, number, open, read, rows, said};

/// Short enough that conversations end by silence, and are reported in parts, while others go on.
const TIMEOUTS: &str = "flow.active = \"3s\"\nflow.tcp = \"3s\"\nflow.tcp_closed = \"1s\"\nflow.udp = \"2s\"\nflow.icmp = \"1s\"\nflow.other = \"1s\"\n";
/// For how long there is traffic.
const SECONDS: u64 = 20;

/// What must be the same. Endpoints are numbered in the order in which they are written, which hangs on when that is
/// done, so they go by what they are; the number of the interface is not in a capture file.
const ROWS: [(&str, &str); 9] = [
    ("device", "SELECT * FROM device ORDER BY id"),
    ("device_address", "SELECT * FROM device_address ORDER BY 1, 2, 3"),
    ("endpoint", "SELECT kind, address, name, name_source, device, country, asn, last_day FROM endpoint ORDER BY 1, 2, 3, 5"),
    ("usage_minute", "SELECT u.window, u.device, e.kind, e.address, e.device, u.protocol, u.port, u.direction, u.bytes_up, u.bytes_down,
        u.packets_up, u.packets_down, u.flows FROM usage_minute u JOIN endpoint e ON e.id = u.endpoint ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"),
    ("usage_hour", "SELECT u.window, u.device, e.kind, e.address, e.device, u.protocol, u.port, u.direction, u.bytes_up, u.bytes_down,
        u.packets_up, u.packets_down, u.flows FROM usage_hour u JOIN endpoint e ON e.id = u.endpoint ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"),
    ("usage_day", "SELECT u.window, u.device, e.kind, e.address, e.device, u.protocol, u.port, u.direction, u.bytes_up, u.bytes_down,
        u.packets_up, u.packets_down, u.flows FROM usage_day u JOIN endpoint e ON e.id = u.endpoint ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"),
    ("usage_by_day", "SELECT * FROM usage_by_day ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
    ("flow", "SELECT f.id, f.part, f.side, f.reported, f.device, f.start, f.end, f.vlan, f.local_address, f.local_port, e.kind, e.address,
        e.device, f.remote_address, f.remote_port, f.protocol, f.direction, f.opened_by, f.bytes_up, f.bytes_down, f.ip_bytes_up,
        f.ip_bytes_down, f.packets_up, f.packets_down, f.tcp_flags_up, f.tcp_flags_down, f.conn_state, f.end_reason, f.service, f.name,
        f.name_source, f.rtt_us FROM flow f JOIN endpoint e ON e.id = f.endpoint ORDER BY 1, 2, 3"),
    ("local_network", "SELECT * FROM local_network ORDER BY 1"),
];

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("long before that")
}

/// The first difference between two lists of rows, in words.
fn difference(live: &[Vec<String>], replayed: &[Vec<String>]) -> Option<String> {
    if live == replayed {
        return None;
    }
    let lacking = |of: &[Vec<String>], than: &[Vec<String>]| {
        let rows: Vec<_> = of.iter().filter(|row| !than.contains(row)).map(|row| row.join("|")).collect();
        format!(
            "{} rows, as\n    {}",
            rows.len(),
            rows.iter().take(5).cloned().collect::<Vec<_>>().join("\n    ")
        )
    };
    Some(format!(
        "{} rows live, {} replayed\n  only live: {}\n  only replayed: {}",
        live.len(),
        replayed.len(),
        lacking(live, replayed),
        lacking(replayed, live)
    ))
}

fn assert_same(live: &Connection, replayed: &Connection) {
    let differences: Vec<_> = ROWS
        .iter()
        .filter_map(|(table, sql)| {
            Some(format!("{table}: {}", difference(&rows(live, sql), &rows(replayed, sql))?))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Cuts a pcap file after its first `frames`.
fn cut(path: &Path, end: usize) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("it is there");
    file.set_len(end as u64).expect("it is cut");
}

#[test]
fn what_is_captured_live_is_what_a_capture_of_the_same_frames_gives() {
    let Some(lab) = Lab::new("what_is_captured_live_is_what_a_capture_of_the_same_frames_gives") else {
        return;
    };
    // Else each of the two who listen would stamp the frames by itself.
    let _stamps = Running::start(&mut lab.traffic("a", "stamp"));
    let _servers = ["r", "b"].map(|host| Running::start(&mut lab.traffic(host, "serve")));
    // A minute ends within the traffic.
    until("the end of the minute to be near", Duration::from_secs(60), || {
        (44..50).contains(&(now() / 1_000 % 60)).then_some(())
    });
    let witness = lab.witness(MIRROR, "witness.pcap", 2048);
    let daemon = lab.daemon(&format!("{TIMEOUTS}capture.interface = \"{MIRROR}\"\nstore.flush = \"10s\"\n"));
    lab.connect();
    let mut mix = lab.traffic("a", &format!("mix {SECONDS}")).spawn().expect("it starts");
    // The daemon looks at the clock once a second, and where that falls among the blocks that the kernel hands over
    // hardly changes by itself. So it is held up until just after a full second: then it looks at the clock just after
    // the minute's end, while frames of before are still in their block.
    let end_of_minute = (now() / 60_000 + 1) * 60_000;
    for (before, sign) in [(3_100, Signal::STOP), (1_980, Signal::CONT)] {
        std::thread::sleep(Duration::from_millis((end_of_minute - before).saturating_sub(now())));
        signal(&daemon.process.child, sign);
    }
    assert!(mix.wait().expect("it is a child").success());
    // Before anything that is open then could end by silence: time is told to pass on a silent LAN too.
    let (config, db) = (daemon.config.clone(), daemon.db.clone());
    let ended = daemon.stop();
    lab.disconnect();
    let (path, count) = (witness.path.clone(), witness.stop());
    assert_eq!(ended.code(), 0, "{}", ended.said);

    // What came after the end was asked for is none of the daemon's.
    let seen = frames(&path);
    assert_eq!(seen.len() as u64, count);
    let live = open(&db);
    let captured = usize::try_from(number(&live, FRAMES)).unwrap();
    assert!(captured <= seen.len() && seen.len() - captured < 500, "{captured} of {}", seen.len());
    let seen = &seen[..captured];
    cut(&path, seen.last().expect("there was traffic").end);
    assert_eq!(number(&live, "SELECT sum(bytes) FROM coverage_by_day").unsigned_abs(), bytes(seen));
    assert!(captured >= 20_000, "{captured}");

    let replayed = lab.folder.path().join("replayed.db");
    let output = read(&[path.as_path(), Path::new("--db"), &replayed, Path::new("--config"), &config]);
    assert!(output.status.success(), "{}", said(&output));
    let replayed = open(&replayed);
    assert_eq!(number(&replayed, FRAMES), number(&live, FRAMES));

    // The traffic is what it should be.
    for (what, least, sql) in [
        ("flows", 200, "SELECT count(DISTINCT id) FROM flow"),
        ("flows ended by silence", 50, "SELECT count(*) FROM flow WHERE end_reason = 1"),
        ("parts of flows that went on", 20, "SELECT count(*) FROM flow WHERE end_reason = 2"),
        ("connections that were closed", 50, "SELECT count(*) FROM flow WHERE end_reason = 3"),
        (
            "connections that were reset",
            10,
            "SELECT count(*) FROM flow WHERE conn_state IN ('RSTO', 'RSTR', 'REJ')",
        ),
        ("flows of IPv6", 50, "SELECT count(*) FROM flow WHERE local_address LIKE '%:%'"),
        ("flows of ICMP", 10, "SELECT count(*) FROM flow WHERE protocol = 1"),
        ("flows of ICMPv6", 10, "SELECT count(*) FROM flow WHERE protocol = 58"),
        ("flows to groups", 3, "SELECT count(*) FROM flow WHERE direction = 2"),
        ("rows of ARP", 2, "SELECT count(*) FROM usage_minute WHERE protocol = 2054"),
        ("minutes", 2, "SELECT count(*) FROM coverage_minute WHERE frames > 0"),
    ] {
        assert!(number(&live, sql) >= least, "{what}: {}", number(&live, sql));
    }
    // Once a limit is reached nothing is promised.
    assert_eq!(rows(&live, "SELECT detail FROM event WHERE kind = 'limit'"), Vec::<Vec<String>>::new());
    assert_same(&live, &replayed);
}
