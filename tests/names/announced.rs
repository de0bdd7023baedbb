//! What a host says of itself by mDNS, held against what avahi was told to announce.

use std::collections::BTreeSet;
use std::process::Command;

use super::{file, flow, lab, peers, start, tool, written};
use crate::support::lab::{Lab, Listened, PATIENCE, done, mac, until};
use crate::support::rows;

/// A file of services in avahi's form: the instance's name, its type, its port, and its texts.
fn services(name: &str, kind: &str, port: u16, texts: &[&str]) -> String {
    let texts: String = texts.iter().map(|text| format!("<txt-record>{text}</txt-record>")).collect();
    format!(
        "<?xml version=\"1.0\" standalone='no'?>\n<!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\n<service-group>\n\
         <name>{name}</name><service><type>{kind}</type><port>{port}</port>{texts}</service></service-group>\n"
    )
}

/// An avahi-daemon on a host, which announces it under a name with these files of services. It has an `/etc` of its own,
/// since that is where it looks for them.
fn announce(lab: &Lab, host: &str, name: &str, groups: &[String]) -> Listened {
    let etc = lab.folder.path().join(format!("etc-{host}"));
    std::fs::create_dir_all(etc.join("avahi/services")).unwrap();
    for (number, group) in groups.iter().enumerate() {
        std::fs::write(etc.join(format!("avahi/services/{number}.service")), group).unwrap();
    }
    done(Command::new("sh").args([
        "-ec",
        "cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache \"$0\"",
        etc.to_str().unwrap(),
    ]));
    let with_user = |file: &str, line: &str| {
        let text = std::fs::read_to_string(etc.join(file)).unwrap();
        if !text.contains("\navahi:") {
            std::fs::write(etc.join(file), format!("{text}{line}\n")).unwrap();
        }
    };
    with_user("passwd", "avahi:x:54323:54323::/:/bin/false");
    with_user("group", "avahi:x:54323:");
    let settings = format!(
        "[server]\nhost-name={name}\nuse-ipv4=yes\nuse-ipv6=yes\nenable-dbus=no\n[publish]\npublish-hinfo=no\npublish-workstation=yes\n"
    );
    let settings = file(lab, &format!("avahi-{host}.conf"), &settings);
    let mut command = lab.command(host, "sh");
    command.args(["-ec", "mount --bind \"$0\" /etc; mount -t tmpfs none /run; exec \"$@\""]).arg(&etc);
    command.arg(tool("avahi-daemon").expect("it is there"));
    command.args(["--no-drop-root", "--no-chroot", "--no-rlimits", "--file", &settings]);
    let daemon = start(&mut command, "udp", 5353);
    until("all to be announced", PATIENCE, || {
        let said = daemon.said();
        (said.matches("successfully established").count() == groups.len()).then_some(())
    });
    daemon
}

#[test]
fn devices_are_called_and_are_what_they_announce() {
    let Some(lab) = lab("devices_are_called_and_are_what_they_announce", &["avahi-daemon"]) else { return };
    let daemon = lab.daemon("");
    lab.connect();
    let printer = [services(
        "Printer upstairs",
        "_ipp._tcp",
        631,
        &["ty=Maker LaserThing 9000", "rp=ipp/print", "note=upstairs"],
    )];
    let plug = [
        services("Plug of the fan", "_hap._tcp", 8080, &["md=SmartPlug X1", "ci=7", "id=11:22:33:44:55:66"]),
        services("fan", "_http._tcp", 80, &[]),
    ];
    let _printer = announce(&lab, "a", "office-printer", &printer);
    let _plug = announce(&lab, "b", "fan", &plug);
    // Who spoke by its name then speaks to it.
    done(&mut peers(&lab, "b", "chat 4000 192.168.77.10"));
    let db = written(daemon);
    let said = |mac: &str, source: &str| -> BTreeSet<String> {
        let sql = format!(
            "SELECT n.value FROM device_name n JOIN device d ON d.id = n.device WHERE d.mac = '{mac}' AND n.source = '{source}'"
        );
        rows(&db, &sql).concat().into_iter().collect()
    };
    let [a, b] = [mac(10), mac(20)];
    for (mac, source, values) in [
        (&a, "mdns", &["office-printer"][..]),
        (&a, "mdns-name", &["Printer upstairs", "office-printer"]),
        (&a, "mdns-model", &["Maker LaserThing 9000"]),
        (&a, "mdns-service", &["_ipp._tcp", "_workstation._tcp"]),
        (&b, "mdns", &["fan"]),
        (&b, "mdns-name", &["Plug of the fan", "fan"]),
        (&b, "mdns-model", &["SmartPlug X1"]),
        (&b, "mdns-service", &["_hap._tcp", "_http._tcp", "_workstation._tcp"]),
        (&b, "hap-category", &["7"]),
    ] {
        assert_eq!(
            said(mac, source),
            values.iter().map(|&value| value.to_owned()).collect(),
            "{mac} {source}"
        );
    }
    let types = rows(&db, "SELECT mac, type, type_rule FROM device WHERE type IS NOT NULL ORDER BY mac");
    assert_eq!(types, [[&*a, "printer", "mdns _ipp"], [&b, "plug", "hap category 7"]]);
    // What people call it, and not what the machine does.
    let names = rows(
        &db,
        "SELECT mac, name FROM devices WHERE mac IN (SELECT mac FROM device WHERE type IS NOT NULL) ORDER BY mac",
    );
    assert_eq!(names, [[&*a, "Printer upstairs"], [&b, "Plug of the fan"]]);
    let [name, source, ..] = flow(&db, &b, "udp", 4000);
    assert_eq!([&*name, &source], ["office-printer.local", "mdns"]);
}
