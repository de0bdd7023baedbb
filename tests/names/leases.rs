//! Who has which address and name, held against the leases of dnsmasq, which real DHCP clients ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use super::{file, lab, start, tool, written};
use crate::support::lab::done;
use crate::support::lab::{HOSTS, Lab, Listened, PATIENCE, mac, signal, until};
use crate::support::rows;
use crate::support::wire::now;

/// What a client does with what it is given; the last argument is where it says so.
const CLIENT: &str = r#"#!/bin/sh
case $1 in
  deconfig) ip -4 addr flush dev "$interface" ;;
  bound | renew) ip addr replace "$ip/24" dev "$interface" && ip route replace default via "$router" ;;
esac
echo "$1 $ip" >>"$SAID"
"#;
/// What the server does when a lease begins or ends.
const CHANGE: &str = "#!/bin/sh\necho \"$(date +%s%3N) $1 $2 $3\" >>\"$0.log\"\n";
/// Within so many milliseconds of a change nothing is asked: the server writes it down a moment later.
const MARGIN: i64 = 400;
/// The client whose name only the server knows.
const SILENT: u8 = 30;

/// The LAN of a DHCP server.
struct Leases<'l> {
    lab: &'l Lab,
    file: String,
    /// Where each change is written down.
    changes: String,
    log: String,
    script: String,
    _server: Listened,
}

/// A lease begins, or ends.
#[derive(Debug)]
struct Change {
    /// Milliseconds since 1970.
    at: i64,
    ended: bool,
    address: String,
    mac: String,
}

/// A DHCP client on a host.
struct Client {
    process: Listened,
    said: String,
}

impl<'l> Leases<'l> {
    fn new(lab: &'l Lab) -> Self {
        let changes = file(lab, "change", CHANGE);
        let script = file(lab, "client", CLIENT);
        for script in [&changes, &script] {
            done(Command::new("chmod").args(["+x", script]));
        }
        let [leases, log] = ["leases", "log"].map(|name| file(lab, name, ""));
        let settings = format!(
            "user=root\nport=0\nno-ping\nbind-interfaces\ninterface=eth0\ndhcp-authoritative\ndhcp-range=192.168.77.100,192.168.77.120,2m\n\
             dhcp-option=option:router,192.168.77.1\ndhcp-host={},given-by-server\ndhcp-leasefile={leases}\ndhcp-script={changes}\n\
             log-dhcp\nlog-facility={log}\npid-file\n",
            mac(SILENT)
        );
        let settings = file(lab, "dhcp.conf", &settings);
        let mut command = lab.command("r", "dnsmasq");
        command.arg("--keep-in-foreground");
        let server = start(command.arg(format!("--conf-file={settings}")), "udp", 67);
        Self { lab, file: leases, changes: format!("{changes}.log"), log, script, _server: server }
    }

    /// Starts a client, and waits until it has an address.
    fn client(&self, host: &str, options: &str) -> Client {
        let said = file(self.lab, &format!("said-{host}"), "");
        let udhcpc = tool("udhcpc").expect("it is there");
        let mut command = self.lab.command(host, udhcpc.to_str().expect("a plain name"));
        command
            .args(["-f", "-i", "eth0", "-t", "5", "-T", "1", "-s", &self.script])
            .args(options.split_whitespace());
        let client = Client { process: Listened::to(command.env("SAID", &said)), said };
        client.wait("bound");
        client
    }

    /// The changes, in order.
    fn changes(&self) -> Vec<Change> {
        let text = std::fs::read_to_string(&self.changes).unwrap_or_default();
        let change = |line: &str| {
            let [at, what, mac, address] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            Change {
                at: at.parse().expect("milliseconds"),
                ended: what == "del",
                address: address.to_owned(),
                mac: mac.to_owned(),
            }
        };
        text.lines().map(change).collect()
    }
}

impl Client {
    fn wait(&self, what: &str) -> String {
        until(what, PATIENCE, || {
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            let line = said.lines().rfind(|line| line.starts_with(what))?;
            Some(line.split(' ').nth(1).unwrap_or_default().to_owned())
        })
    }

    fn address(&self) -> String {
        self.wait("bound")
    }

    fn renew(&self) {
        signal(&self.process.child, Signal::USR1);
        self.wait("renew");
    }

    /// Gives its address back, and ends.
    fn release(self) {
        let before = std::fs::read_to_string(&self.said).unwrap_or_default().matches("deconfig").count();
        signal(&self.process.child, Signal::USR2);
        until("the release", PATIENCE, || {
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            (said.matches("deconfig").count() > before).then_some(())
        });
    }
}

/// Says something on a host, and lets the time pass in which nothing may be asked.
fn talk(lab: &Lab, hosts: &[&str]) {
    std::thread::sleep(Duration::from_millis(MARGIN.unsigned_abs()));
    for host in hosts {
        lab.send(host, "192.168.77.1", 3);
    }
    std::thread::sleep(Duration::from_millis(2 * MARGIN.unsigned_abs()));
}

/// Who had which address at an instant, by the server's word.
fn leased(changes: &[Change], at: i64) -> BTreeMap<&str, &str> {
    let mut leased = BTreeMap::new();
    for change in changes.iter().take_while(|change| change.at <= at) {
        if change.ended {
            leased.remove(change.address.as_str())
        } else {
            leased.insert(change.address.as_str(), change.mac.as_str())
        };
    }
    leased
}

/// What devices said of themselves, from one source.
fn said(db: &Connection, source: &str) -> BTreeSet<(String, String)> {
    let sql = format!(
        "SELECT d.mac, n.value FROM device_name n JOIN device d ON d.id = n.device WHERE n.source = '{source}'"
    );
    rows(db, &sql).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

#[test]
fn names_and_addresses_are_those_of_the_leases() {
    let Some(lab) = lab("names_and_addresses_are_those_of_the_leases", &["dnsmasq", "udhcpc"]) else {
        return;
    };
    let leases = Leases::new(&lab);
    for (host, _) in &HOSTS[1..] {
        lab.ip(host, "-4 addr flush dev eth0");
    }
    lab.add_namespace("c");
    lab.add_cable(("tap", "port-c"), ("c", "eth0"), &mac(SILENT));
    let daemon = lab.daemon("");
    lab.connect();
    lab.ip("tap", "link set port-c master br0");
    // What the lease file said, now and then.
    let mut snapshots = BTreeSet::new();
    let mut note = || {
        for line in std::fs::read_to_string(&leases.file).unwrap().lines() {
            let [_, mac, address, name, client] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            snapshots.insert([mac, address, name, client].map(str::to_owned));
        }
    };
    let begin = now();
    let camera = leases.client("a", "-x hostname:Kitchen-Camera -V maker-of-cameras -r 192.168.77.105");
    let lamp = leases.client("b", "-x hostname:lamp -O 42 -O 43");
    let silent = leases.client("c", "");
    assert_eq!(camera.address(), "192.168.77.105", "it was asked for, and is free");
    talk(&lab, &["a", "b", "c"]);
    note();
    camera.renew();
    talk(&lab, &["a", "c"]);
    note();
    // The camera goes, and the lamp gets its address; another one comes to where the lamp was.
    let of_lamp = lamp.address();
    camera.release();
    talk(&lab, &["b"]);
    lamp.release();
    let lamp = leases.client("b", "-x hostname:lamp -F lamp.home.example -O 42 -O 43 -r 192.168.77.105");
    assert_eq!(lamp.address(), "192.168.77.105");
    talk(&lab, &["b", "c"]);
    note();
    silent.renew();
    let camera = leases.client("a", &format!("-x hostname:garden-camera -V maker-of-cameras -r {of_lamp}"));
    assert_eq!(camera.address(), of_lamp);
    talk(&lab, &["a", "b", "c"]);
    note();
    let end = now();
    let db = written(daemon);

    // Names and client identifiers are those of the lease file.
    let of_file = |column: usize, text: fn(&str) -> String| {
        let pairs = snapshots.iter().map(|row| (row[0].clone(), text(&row[column])));
        pairs.filter(|(_, value)| value != "*").collect::<BTreeSet<_>>()
    };
    let names = of_file(2, str::to_owned);
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(said(&db, "dhcp"), names);
    assert_eq!(said(&db, "dhcp-client-id"), of_file(3, |id| id.replace(':', "")));
    // The rest is in the server's log.
    let log = std::fs::read_to_string(&leases.log).unwrap();
    assert_eq!(
        said(&db, "dhcp-vendor")
            .into_iter()
            .filter(|(mac, _)| *mac == self::mac(10))
            .map(|(_, vendor)| vendor)
            .collect::<Vec<_>>(),
        ["maker-of-cameras"]
    );
    assert!(log.contains("vendor class: maker-of-cameras"), "{log}");
    assert_eq!(said(&db, "dhcp-fingerprint"), fingerprints(&log));
    assert!(log.contains("client provides name: lamp.home.example"), "{log}");
    // The server answers with what it calls it itself.
    let qualified = ["lamp", "lamp.home.example"].map(|name| (mac(20), name.to_owned()));
    assert_eq!(said(&db, "dhcp-fqdn"), qualified.into());
    // The last word counts for how a device is called.
    let called = rows(
        &db,
        "SELECT mac, name FROM devices WHERE mac IN (SELECT d.mac FROM device_name n JOIN device d ON d.id = n.device) ORDER BY mac",
    );
    assert_eq!(
        called,
        [
            [mac(10), "garden-camera".to_owned()],
            [mac(20), "lamp".into()],
            [mac(SILENT), "given-by-server".into()]
        ]
    );

    assert_history(&db, &leases.changes(), begin, end);
}

/// Asks at each instant who had which address, and sees that it is who had the lease.
fn assert_history(db: &Connection, changes: &[Change], begin: i64, end: i64) {
    assert_eq!(changes.iter().filter(|change| change.ended).count(), 2, "{changes:?}");
    assert_eq!(changes.len(), 7, "{changes:?}");
    let mut answers = BTreeSet::new();
    for at in (begin..end).step_by(50) {
        if changes.iter().any(|change| (change.at - at).abs() < MARGIN) {
            continue;
        }
        let leased = leased(changes, at);
        for address in changes.iter().map(|change| &change.address).collect::<BTreeSet<_>>() {
            // Who was seen with it before and after, or at last.
            let sql = format!(
                "SELECT d.mac, a.last_seen >= {at} FROM device_address a JOIN device d ON d.id = a.device
                 WHERE a.address = '{address}' AND a.first_seen <= {at} ORDER BY a.first_seen DESC"
            );
            let seen = rows(db, &sql);
            let holder = leased.get(&**address).copied();
            // Nobody else has it then. Who gave it back is not seen with it any more.
            let now: Vec<_> = seen.iter().filter(|row| row[1] == "1").map(|row| &*row[0]).collect();
            assert!(now.iter().all(|mac| Some(*mac) == holder), "{address} at {at}: {now:?}, not {holder:?}");
            if let Some(holder) = holder {
                assert_eq!(seen.first().map(|row| &*row[0]), Some(holder), "{address} at {at}");
                answers.insert((address, holder.to_owned()));
            }
        }
    }
    assert_eq!(answers.len(), 5, "{answers:?}");
}

/// What each client asked for, by the server's log: options by number and name.
fn fingerprints(log: &str) -> BTreeSet<(String, String)> {
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    // Each line has the number of its conversation; those with one number come in order.
    for line in log.lines() {
        let Some((_, rest)) = line.split_once("dnsmasq-dhcp[") else { continue };
        let words: Vec<_> = rest.split_whitespace().skip(1).collect();
        let [number, what, ..] = words[..] else { continue };
        if what == "requested" {
            let options = words[3..].iter().filter_map(|word| word.split(':').next());
            asked.entry(number).or_default().extend(options);
        } else if what.starts_with("DHCPDISCOVER") || what.starts_with("DHCPREQUEST") {
            let who = words.iter().find(|word| word.matches(':').count() == 5);
            // The options of a message come before the line that names it, or after it.
            found.insert((number, who.copied().unwrap_or_default()));
        }
    }
    let fingerprint = |(number, mac): (&str, &str)| {
        let once: Vec<_> = asked.get(number)?.clone();
        // A conversation asks the same again with each of its messages.
        let first = once.first()?;
        let length = once[1..].iter().position(|option| option == first).map_or(once.len(), |at| at + 1);
        Some((mac.to_owned(), once[..length].join(",")))
    };
    found.into_iter().filter_map(fingerprint).collect()
}
