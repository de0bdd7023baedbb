//! The ways to tap of docs/install.md, each built for real and captured with its file of config/: every station's bytes
//! are counted once and as its own, and the wrong choice is refused, or said, in the words that the page has for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::outcome;
use crate::captures::broken_windows;
use crate::live::Running;
use crate::support::home::{Home, INTERNET, ROUTER, STATIONS};
use crate::support::lab::{Daemon, PATIENCE, done, mac, until};
use crate::support::{ROOT, open, rows};

/// What each station moves to and from the internet, by TCP and by UDP, at each of its addresses there.
const BYTES: [u32; 2] = [30_000, 50_000];
/// Frames that one station sends to the other.
const ASIDE: usize = 20;

fn config(name: &str) -> PathBuf {
    Path::new(ROOT).join("config").join(name)
}

fn page() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs/install.md")).unwrap()
}

/// That something was said in words that the page on installing has too.
fn says(said: &str, words: &str) {
    assert!(said.contains(words), "{words:?} in:\n{said}");
    assert!(page().contains(words), "{words:?} is not in docs/install.md");
}

/// What the page's table says of a file: which interface it names, and which one `auto` takes.
fn documented(file: &str) -> [String; 2] {
    let page = page();
    let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("config/{file})")));
    let row = row.unwrap_or_else(|| panic!("a row for {file}"));
    let codes: Vec<_> = row.split('`').skip(1).step_by(2).collect();
    let [named, auto, ..] = codes[..] else { panic!("{row}") };
    [named.to_owned(), auto.to_owned()]
}

/// Starts a daemon as a file says, on the machine's hardware, and waits until it captures.
fn start(home: &Home, file: &str, interfaces: &[&str]) -> Daemon {
    let script = home.hardware();
    let mut daemon = home.lab.start_file(&config(file), interfaces, &["sh", "-c", &script]);
    daemon.wait_until_ready();
    daemon
}

/// The interface that a daemon captures on.
fn captured(daemon: &Daemon) -> String {
    // It answers a moment before it captures.
    until("an interface", PATIENCE, || daemon.status().0["interfaces"][0]["name"].as_str().map(str::to_owned))
}

/// Starts a daemon that is expected to refuse its interfaces: what it said.
fn refused(home: &Home, file: &str, interfaces: &[&str]) -> String {
    let ended = home.lab.start_file(&config(file), interfaces, &[]).wait();
    assert_eq!(ended.code(), 78, "{interfaces:?}: {}", ended.said);
    ended.said
}

fn status(daemon: &Daemon) -> (i32, String) {
    outcome(&daemon.command(&["status"]).output().expect("the program runs"))
}

/// The addresses of the internet that a station of this home can reach.
fn reachable(home: &Home, host: &str) -> impl Iterator<Item = &'static str> {
    let routes = done(home.lab.command(host, "ip").args(["-6", "route", "show", "default"]));
    INTERNET.into_iter().take(if routes.stdout.is_empty() { 1 } else { 2 })
}

fn call(home: &Home, host: &str, address: &str, bytes: u32) -> Command {
    home.lab.traffic(host, &format!("call {address} {bytes}"))
}

/// Bytes of the frames in a pcap file that a MAC address sent to the internet, and those that it received from there.
fn moved(path: &Path, mac: &str) -> [i64; 2] {
    let mac: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let file = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut sums) = (24, [0, 0]);
    while at < file.len() {
        let (kept, length) = (word(at + 8) as usize, word(at + 12));
        let frame = &file[at + 16..at + 16 + kept];
        at += 16 + kept;
        let ends = match &frame[12..14] {
            [0x08, 0x00] => [26..30, 30..34].map(|end| frame[end] == [203, 0, 113, 7]),
            [0x86, 0xdd] => {
                let server = [0x20, 0x01, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
                [22..38, 38..54].map(|end| frame[end] == server)
            }
            _ => continue,
        };
        match ends {
            [false, true] if frame[6..12] == mac[..] => sums[0] += i64::from(length),
            [true, false] if frame[0..6] == mac[..] => sums[1] += i64::from(length),
            _ => {}
        }
    }
    sums
}

/// Captures a home as a file says while its stations talk to the internet and to each other. Whose the bytes are must
/// be what each station's own tcpdump says; `gateway` is what routes, if it is not the machine itself, and `aside` how
/// many of the frames from one station to the other the machine can see. Then, with `auto` it must take what the page
/// says.
fn watch(home: &Home, file: &str, gateway: Option<u8>, aside: usize) {
    let lab = &home.lab;
    let _internet = Running::start(&mut lab.traffic("r", "serve"));
    let [named, auto] = documented(file);
    let daemon = start(home, file, &[]);
    assert_eq!(captured(&daemon), named);

    let witnesses = STATIONS.map(|(host, _)| lab.witness_at(host, "eth0", &format!("{host}.pcap"), 100));
    for ((host, _), bytes) in STATIONS.into_iter().zip(BYTES) {
        for address in reachable(home, host) {
            done(&mut call(home, host, address, bytes));
        }
    }
    let paths = witnesses.map(|witness| {
        let path = witness.path.clone();
        witness.stop();
        path
    });
    let moved: Vec<_> = STATIONS.into_iter().zip(&paths).map(|((_, n), path)| moved(path, &mac(n))).collect();
    let enough = |sums: &[i64; 2], bytes: u32| sums.iter().all(|&sum| sum > 2 * i64::from(bytes));
    assert!(moved.iter().zip(BYTES).all(|(sums, bytes)| enough(sums, bytes)), "{moved:?}");
    // Now that the switch knows where everybody is.
    lab.send("a", &home.ipv4(STATIONS[1].1), ASIDE);

    // What has come lies in the ring for a moment.
    until("it to see others", PATIENCE, || {
        (daemon.status().0["sight"]["others"].as_f64() > Some(0.5)).then_some(())
    });
    let (code, said) = status(&daemon);
    assert!(code == 0 && said.contains("healthy"), "{said}");
    assert!(daemon.status().0["sight"]["twice"].as_f64() < Some(0.05), "{said}");
    let db = daemon.db.clone();
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);

    let db = open(&db);
    let servers = format!("'{}'", INTERNET.join("', '"));
    let expected: Vec<_> = STATIONS
        .into_iter()
        .zip(&moved)
        .map(|((_, n), [up, down])| vec![mac(n), "remote".to_owned(), up.to_string(), down.to_string()])
        .collect();
    let sql = format!(
        "SELECT mac, direction, sum(bytes_up), sum(bytes_down) FROM usage_by_minute
         WHERE peer IN ({servers}) GROUP BY mac, direction ORDER BY mac"
    );
    assert_eq!(rows(&db, &sql), expected, "each station's bytes once, and nobody else's");
    let gateways = rows(&db, "SELECT mac FROM devices WHERE role = 'gateway'").concat();
    assert_eq!(gateways, gateway.map(mac).into_iter().collect::<Vec<_>>());
    if gateway.is_none() {
        assert_eq!(rows(&db, "SELECT mac FROM devices WHERE role = 'self'").concat(), [mac(2)]);
    }
    let sql = "SELECT coalesce(sum(packets_up), 0), coalesce(sum(packets_down), 0) FROM usage_by_minute
               WHERE direction = 'lan' AND protocol = 'udp' AND port = 9";
    assert_eq!(rows(&db, sql), [[aside.to_string(), aside.to_string()]], "what stations say to each other");
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(&db, level), Vec::<Vec<String>>::new(), "{level}");
    }

    let daemon = start(home, "lanscribe.toml", &[]);
    assert_eq!(captured(&daemon), auto, "what auto takes");
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn at_a_mirror_port_each_station_is_counted_once() {
    let test = "at_a_mirror_port_each_station_is_counted_once";
    let Some(home) = Home::with_mirror(test, ["eth0", "eth1"], "eth0 eth1", "") else { return };
    watch(&home, "mirror-port.toml", Some(ROUTER), 0);

    // The other port is an ordinary one, and what it shows is told at once; after three minutes it is a warning.
    let daemon = start(&home, "mirror-port.toml", &["eth0"]);
    let _internet = Running::start(&mut home.lab.traffic("r", "serve"));
    for (host, bytes) in [("a", BYTES[0]), ("b", BYTES[1]), ("tap", 3_000)] {
        done(&mut call(&home, host, INTERNET[0], bytes));
    }
    home.lab.send("a", "192.168.77.255", 5);
    until("what is sent to all", PATIENCE, || {
        (daemon.status().0["sight"]["group"].as_f64() > Some(0.0)).then_some(())
    });
    says(&status(&daemon).1, "sees        0 % of what has one receiver is between other devices");
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn at_a_router_that_mirrors_as_the_page_says_each_station_is_counted_once() {
    let test = "at_a_router_that_mirrors_as_the_page_says_each_station_is_counted_once";
    let page = page();
    let block = page.split("```sh router\n").nth(1).and_then(|block| block.split("```").next()).unwrap();
    let commands: Vec<_> =
        block.lines().filter(|line| !line.starts_with("opkg ")).map(str::to_owned).collect();
    assert_eq!(commands.len(), 4, "{block}");
    let Some(home) = Home::with_mirroring_router(test, &commands) else { return };
    watch(&home, "mirror-port.toml", Some(ROUTER), 0);
}

#[test]
fn with_the_one_cable_in_the_mirror_port_auto_takes_it() {
    let test = "with_the_one_cable_in_the_mirror_port_auto_takes_it";
    let Some(home) = Home::with_mirror(test, ["wlan0", "eth0"], "eth0", "wlan0") else { return };
    let daemon = start(&home, "lanscribe.toml", &[]);
    assert_eq!(captured(&daemon), "eth0");
    let _internet = Running::start(&mut home.lab.traffic("r", "serve"));
    done(&mut call(&home, "a", INTERNET[0], BYTES[0]));
    until("it to see others", PATIENCE, || {
        (daemon.status().0["sight"]["others"].as_f64() > Some(0.9)).then_some(())
    });
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn a_mirror_of_two_ports_is_told_to_show_frames_twice() {
    let test = "a_mirror_of_two_ports_is_told_to_show_frames_twice";
    let Some(home) = Home::with_mirror(test, ["eth0", "eth1"], "eth0 eth1", "") else { return };
    home.mirror("port-a");
    let daemon = start(&home, "mirror-port.toml", &[]);
    let _internet = Running::start(&mut home.lab.traffic("r", "serve"));
    let said = until("it to notice", PATIENCE, || {
        done(&mut call(&home, "a", INTERNET[0], 200_000));
        let (code, said) = status(&daemon);
        said.contains("twice:").then_some((code, said))
    });
    assert_eq!(said.0, 1, "{}", said.1);
    says(
        &said.1,
        "frames arrive twice: mirror only one port or one direction, and capture a bridge rather than its ports",
    );
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn at_an_access_point_each_station_is_counted_once_and_not_as_the_machines_own() {
    let test = "at_an_access_point_each_station_is_counted_once_and_not_as_the_machines_own";
    let Some(home) = Home::with_access_point(test) else { return };
    watch(&home, "access-point.toml", None, 0);
    says(
        &refused(&home, "access-point.toml", &["wlan0", "eth0"]),
        "eth0 has the default route and this machine forwards: beside wlan0 each forwarded byte counts twice, with NAT \
         under two devices. Name the LAN side alone: capture.interface = \"wlan0\"",
    );
}

#[test]
fn on_a_bridge_each_station_is_counted_once_and_its_ports_are_refused() {
    let test = "on_a_bridge_each_station_is_counted_once_and_its_ports_are_refused";
    let Some(home) = Home::with_bridge(test) else { return };
    watch(&home, "bridge.toml", Some(ROUTER), 0);
    says(
        &refused(&home, "bridge.toml", &["eth0", "eth1"]),
        "eth0 and eth1 are ports of the bridge br0: together they show each frame twice. Name the bridge: \
         capture.interface = \"br0\"",
    );
    says(
        &refused(&home, "bridge.toml", &["br0", "eth1"]),
        "what br0 carries goes through eth1 too: together they show each frame twice. Name one of them: \
         capture.interface = \"br0\" shows what all its ports carry",
    );
}

#[test]
fn on_a_router_each_station_is_counted_once_and_the_providers_side_is_refused() {
    let test = "on_a_router_each_station_is_counted_once_and_the_providers_side_is_refused";
    let Some(home) = Home::with_router(test) else { return };
    watch(&home, "router.toml", None, ASIDE);
    says(
        &refused(&home, "router.toml", &["br-lan", "eth0"]),
        "eth0 has the default route and this machine forwards: beside br-lan each forwarded byte counts twice, with NAT \
         under two devices. Name the LAN side alone: capture.interface = \"br-lan\"",
    );
}

#[test]
#[ignore = "takes more than three minutes of real time: `make test-live`"]
fn a_port_without_a_mirror_says_after_three_minutes_what_the_page_says() {
    let test = "a_port_without_a_mirror_says_after_three_minutes_what_the_page_says";
    let Some(home) = Home::with_mirror(test, ["eth0", "eth1"], "eth0 eth1", "") else { return };
    let daemon = start(&home, "mirror-port.toml", &["eth0"]);
    let _internet = Running::start(&mut home.lab.traffic("r", "serve"));
    let said = until("it to notice", Duration::from_secs(230), || {
        std::thread::sleep(Duration::from_secs(2));
        home.lab.send("a", "192.168.77.255", 3);
        done(&mut call(&home, "tap", INTERNET[0], 1_000));
        let (code, said) = status(&daemon);
        said.contains("not mirrored").then_some((code, said))
    });
    assert_eq!(said.0, 1, "{}", said.1);
    says(
        &said.1,
        "sees only broadcasts and this machine: the port is not mirrored. In the switch, mirror the router's port to \
         this one (a Wi-Fi client never sees more)",
    );
    assert_eq!(daemon.stop().code(), 0);
}
