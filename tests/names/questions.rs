//! What devices ask of DNS, held against the log of dnsmasq, and what their conversations are called after that.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::{SERVER, file, flow, lab, peers, start, written};
use crate::support::lab::{Lab, Listened, PATIENCE, done, mac, signal, until};
use crate::support::rows;

/// A host, a name, a type and a result: how often.
type Counts = BTreeMap<[String; 4], i64>;

/// The resolver of the LAN, on the router.
struct Resolver {
    process: Listened,
    log: String,
    /// A `/etc/resolv.conf` that names it.
    settings: String,
}

impl Resolver {
    fn new(lab: &Lab) -> Self {
        let log = file(lab, "log", "");
        let settings = format!(
            "user=root\nno-resolv\nno-hosts\nbind-interfaces\nlisten-address=192.168.77.1\nlog-queries=extra\nlog-facility={log}\npid-file\n\
             local=/example/\nlocal-ttl=60\ncname=camera.example,store.cloud.example\ncname=store.cloud.example,edge.cdn.example\n\
             host-record=edge.cdn.example,{SERVER},2001:db8:77::7\nhost-record=other.example,{SERVER}\nhost-record=nine.example,203.0.113.9\n\
             txt-record=text.example,hello\nmx-host=mail.example,edge.cdn.example,10\n"
        );
        let settings = file(lab, "dns.conf", &settings);
        let mut command = lab.command("r", "dnsmasq");
        let process =
            start(command.args(["--keep-in-foreground", &format!("--conf-file={settings}")]), "udp", 53);
        Self {
            process,
            log,
            settings: file(lab, "resolv.conf", "nameserver 192.168.77.1\noptions attempts:1\n"),
        }
    }

    /// A program on a host that asks this resolver for names.
    fn asking(&self, lab: &Lab, host: &str, program: &str) -> Command {
        let mut command = lab.command(host, "sh");
        // What is mounted goes with the program: it is in a place of its own.
        command.args(["-ec", "mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"", &self.settings, program]);
        command
    }

    /// What it was asked, by its log.
    fn counts(&self) -> Counts {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().filter_map(|line| line.split_once("]: ")).map(|(_, rest)| rest);
        let lines: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
        let mut counts = Counts::new();
        for (at, line) in lines.iter().enumerate() {
            let [number, who, what, name, "from", _] = line[..] else { continue };
            let Some(kind) = what.strip_prefix("query[").and_then(|kind| kind.strip_suffix(']')) else {
                continue;
            };
            // The lines of one question have its number, until another one has it.
            let own = lines[at + 1..]
                .iter()
                .take_while(|line| line.get(2).is_none_or(|what| !what.starts_with("query[")));
            let is = |result: &str| {
                own.clone().any(|line| line.first() == Some(&number) && line.contains(&result))
            };
            let result =
                [("NXDOMAIN", "NXDOMAIN"), ("REFUSED", "REFUSED")].into_iter().find(|(word, _)| is(word));
            let host = if who.starts_with("192.168.77.10/") { mac(10) } else { mac(20) };
            // The log gives some types by number alone.
            let kind = kind.strip_prefix("type=").unwrap_or(kind);
            let key = [&*host, &name.to_lowercase(), kind, result.map_or("NOERROR", |(_, result)| result)];
            *counts.entry(key.map(str::to_owned)).or_default() += 1;
        }
        counts
    }
}

/// Asks by `kdig` on a host, with what it is to be asked in `words`. Nothing is asked twice by itself.
fn ask(resolver: &Resolver, lab: &Lab, host: &str, words: &str) {
    let mut command = resolver.asking(lab, host, "kdig");
    done(command.args(["+retry=0", "+timeout=5"]).args(words.split_whitespace()));
}

/// Looks a name up as most programs do.
fn look_up(resolver: &Resolver, lab: &Lab, host: &str, how: &str, name: &str) {
    done(resolver.asking(lab, host, "getent").args([how, name]));
}

#[test]
fn questions_are_those_in_the_log_of_the_resolver() {
    let Some(lab) = lab("questions_are_those_in_the_log_of_the_resolver", &["dnsmasq", "kdig", "getent"])
    else {
        return;
    };
    let resolver = Resolver::new(&lab);
    let daemon = lab.daemon("");
    lab.connect();
    for host in ["a", "b"] {
        look_up(&resolver, &lab, host, "ahostsv4", "camera.example");
    }
    look_up(&resolver, &lab, "a", "ahosts", "other.example");
    for words in [
        "camera.example A",
        "CAMERA.Example A",
        "camera.example A",
        "edge.cdn.example AAAA",
        "text.example TXT",
        "mail.example MX",
        "other.example AAAA",
        "other.example HTTPS",
        "missing.example A",
        "missing.example A",
        "+tcp gone.example A",
        "+tcp camera.example A",
        "a.b.c.missing.example SRV",
        "www.elsewhere.test A",
        "-x 203.0.113.9",
        "+edns=0 +dnssec text.example A",
    ] {
        ask(&resolver, &lab, "a", words);
    }
    ask(&resolver, &lab, "b", "missing.example A");
    ask(&resolver, &lab, "b", "missing.example AAAA");
    // It takes no questions any more, and so nobody gets an answer.
    let mut expected = until("the log", PATIENCE, || {
        let counts = resolver.counts();
        (counts.values().sum::<i64>() >= 22).then_some(counts)
    });
    signal(&resolver.process.child, Signal::STOP);
    for host in ["a", "b", "a"] {
        let mut command = resolver.asking(&lab, host, "kdig");
        let _ = command.args(["+retry=0", "+timeout=1", "silent.example", "A"]).output().unwrap();
    }
    for (host, times) in [(mac(10), 2), (mac(20), 1)] {
        expected.insert([host, "silent.example".into(), "A".into(), "no answer".into()], times);
    }
    let db = written(daemon);
    let asked = rows(&db, "SELECT mac, name, type, rcode, sum(count) FROM dns_queries GROUP BY 1, 2, 3, 4");
    let asked: Counts = asked
        .into_iter()
        .map(|row| {
            (<[String; 4]>::try_from(row[..4].to_vec()).expect("four"), row[4].parse().expect("a number"))
        })
        .collect();
    assert_eq!(asked, expected);
    for result in ["NOERROR", "NXDOMAIN", "REFUSED", "no answer"] {
        assert!(asked.keys().any(|key| key[3] == result), "{result}: {asked:?}");
    }
}

#[test]
fn a_conversation_is_called_what_its_own_device_asked_for() {
    let Some(lab) =
        lab("a_conversation_is_called_what_its_own_device_asked_for", &["dnsmasq", "kdig", "getent"])
    else {
        return;
    };
    let resolver = Resolver::new(&lab);
    let daemon = lab.daemon("");
    lab.connect();
    let chat = |host: &str, port: u16, address: &str| {
        done(&mut peers(&lab, host, &format!("chat {port} {address}")));
    };
    chat("a", 4000, SERVER);
    look_up(&resolver, &lab, "a", "ahosts", "camera.example");
    chat("a", 4001, SERVER);
    chat("a", 4002, "2001:db8:77::7");
    // The other one was told nothing yet, and then something else.
    chat("b", 4001, SERVER);
    look_up(&resolver, &lab, "b", "ahostsv4", "other.example");
    chat("b", 4002, SERVER);
    chat("a", 4003, SERVER);
    chat("a", 4000, SERVER);
    // An address that was looked up has the name that was told; one that was asked for later, that.
    chat("a", 4004, "203.0.113.9");
    ask(&resolver, &lab, "a", "-x 203.0.113.9");
    chat("a", 4005, "203.0.113.9");
    ask(&resolver, &lab, "a", "nine.example A");
    chat("a", 4006, "203.0.113.9");
    ask(&resolver, &lab, "a", "other.example A");
    chat("a", 4007, SERVER);
    // Time for the last ones to come.
    std::thread::sleep(Duration::from_millis(100));
    let db = written(daemon);
    for (host, port, name, source) in [
        (10, 4000, "NULL", "NULL"),
        (10, 4001, "camera.example", "dns"),
        (10, 4002, "camera.example", "dns"),
        (20, 4001, "NULL", "NULL"),
        (20, 4002, "other.example", "dns"),
        (10, 4003, "camera.example", "dns"),
        (10, 4004, "NULL", "NULL"),
        (10, 4005, "nine.example", "ptr"),
        (10, 4006, "nine.example", "dns"),
        (10, 4007, "other.example", "dns"),
    ] {
        let [of_file, source_of_file, ..] = flow(&db, &mac(host), "udp", port);
        assert_eq!([&*of_file, &source_of_file], [name, source], "host {host}, port {port}");
    }
    // The questions themselves are DNS, by what they are and not by their port alone.
    let services = "SELECT DISTINCT service, CASE service_parsed WHEN 1 THEN 'parsed' WHEN 0 THEN 'port' END FROM flow WHERE remote_port = 53";
    assert_eq!(rows(&db, services), [["domain", "parsed"]]);
}
