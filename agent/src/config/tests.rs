//! The file as a whole: what it may say, and all that is said of what is wrong in it.

mod properties;

use std::time::Duration;

use lanscribe_core::names::privacy;

use super::setting::{Changes, Setting};
use super::*;

const SHIPPED: &str = include_str!("../../../config/lanscribe.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("x.toml"), text.as_bytes()).map_err(|e| e.to_string())
}

/// What is said of a file that is wrong.
fn said(text: &str) -> String {
    parse(text).expect_err(text)
}

/// The shipped file with every key, or every example, taken into use.
fn uncommented(examples: bool) -> String {
    let setting = |line: &str| {
        let commented = line.strip_prefix('#')?;
        let example = commented.strip_prefix("   ");
        let taken = if examples { example } else { Some(commented).filter(|line| !line.starts_with(' ')) };
        taken.filter(|line| !line.is_empty()).map(|line| format!("{line}\n"))
    };
    let line = |line: &str| if line.starts_with('[') { Some(format!("{line}\n")) } else { setting(line) };
    SHIPPED.lines().filter_map(line).collect()
}

#[test]
fn the_shipped_file_changes_nothing_and_shows_every_default() {
    assert_eq!(parse(SHIPPED).unwrap(), Config::default());
    let shown = uncommented(false);
    assert_eq!(parse(&shown).unwrap(), Config::default());
    let (mut section, mut settings) = ("", Vec::new());
    for line in shown.lines() {
        match line.split_once(" = ") {
            Some((key, value)) => settings.push((format!("{section}.{key}"), value.to_owned())),
            None => section = line.trim_matches(['[', ']']),
        }
    }
    let known: Vec<_> =
        Config::default().settings().into_iter().map(|s| (s.key.to_owned(), s.value)).collect();
    // The keys of these are the owner's: they have examples only.
    let expected: Vec<_> =
        known.into_iter().filter(|(key, _)| !["privacy.devices", "labels"].contains(&&**key)).collect();
    assert_eq!(
        settings, expected,
        "a key was added to the code or to the file, but not to both, or elsewhere"
    );
    assert_eq!(settings.len(), 35);
}

#[test]
fn the_examples_of_the_shipped_file_are_settings_too() {
    let config = parse(&uncommented(true)).unwrap();
    assert_eq!(config.site.as_deref(), Some("Lab 3, desk 12"));
    assert_eq!(config.capture.interfaces, Interfaces::Named(vec!["eth0".into(), "wlan0".into()]));
    assert_eq!(config.networks.len(), 2);
    let labels: Vec<_> = config.labels.iter().map(|(mac, name)| (mac.to_string(), name.as_str())).collect();
    assert_eq!(
        labels,
        [("24:0a:c4:8f:10:a2".to_owned(), "Bulb, hall"), ("b8:27:eb:3b:d6:72".to_owned(), "Kitchen speaker")]
    );
    let levels: Vec<_> = config.privacy.of_device.into_values().collect();
    assert_eq!(levels, [privacy::Level::Domain, privacy::Level::Nothing]);
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_line_and_key() {
    let said = said(
        "[lan]\nnetworks = [\"10.0.0.1/8\", \"fd00::/8\"]\nlern = true\n[flow]\ntcp = 300\nudp = \"5 parsecs\"\nicmp = \"3 days\"\n\
         [limits]\nflows = 1\n[retention]\nminutes = \"2 h\"\n[site]\ntime_zone = \"Mars/Olympus\"\n[nonsense]\n",
    );
    let lines: Vec<_> = said.lines().map(|l| l.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    let expected = [
        "x.toml:2: lan.networks",
        "x.toml:3: lan.lern",
        "x.toml:5: flow.tcp",
        "x.toml:6: flow.udp",
        "x.toml:7: flow.icmp",
        "x.toml:9: limits.flows",
        "x.toml:11: retention.minutes",
        "x.toml:13: site.time_zone",
        "x.toml:14: nonsense",
    ];
    assert_eq!(lines, expected, "{said}");
    assert!(said.contains("learn"), "an unknown key comes with those that are known: {said}");
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    for (bytes, start) in [
        (b"[lan]\nlearn = maybe\n".to_vec(), "x.toml:2: not TOML: "),
        (b"[lan]\n\nlearn = \"\xff\"\n".to_vec(), "x.toml:3: not TOML: not UTF-8"),
        (vec![b'\n'; LONGEST + 1], "x.toml:1: file: is too long; expected at most 1 MiB"),
    ] {
        let said = Config::parse(Path::new("x.toml"), &bytes).unwrap_err().to_string();
        assert!(said.starts_with(start) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(Config::parse(Path::new("x.toml"), &vec![b'\n'; LONGEST]).unwrap(), Config::default());
}

#[test]
fn every_kind_of_value_is_understood() {
    let config = parse(
        "[site]\nname = ' Roof '\n[capture]\ninterface = [\"br0\"]\nfilter = \"not port 22\"\nsnaplen = 0x60\nring = \"1500 kB\"\n\
         [store]\nfile = \"/srv/x.db\"\nflush = \"1m 30s\"\n[log]\nlevel = \"trace\"\n[control]\ngroup_writes = true\n\
         [labels]\n\"B8:27:EB:01:02:03\" = \" A \"\nb827eb010204 = \"A\"\nb8-27-eb-01-02-05 = \"\u{1f4a1}\"\n\"b827.eb01.0206\" = 'C'\n",
    )
    .unwrap();
    assert_eq!(config.site.as_deref(), Some("Roof"));
    assert_eq!(config.capture.interfaces, Interfaces::Named(vec!["br0".into()]));
    assert_eq!((config.capture.snaplen, config.capture.ring), (96, 1_500_000));
    assert_eq!(config.capture.filter.as_deref(), Some("not port 22"));
    assert_eq!(config.store, StoreConfig { file: "/srv/x.db".into(), flush: Duration::from_secs(90) });
    assert_eq!((config.log_level, config.control.group_writes), (Level::TRACE, true));
    assert_eq!(config.labels.into_values().collect::<Vec<_>>(), ["A", "A", "\u{1f4a1}", "C"]);
}

#[test]
fn each_limit_is_where_it_is_said_to_be() {
    let long = |n: usize| format!("\"/{}\"", "a".repeat(n - 1));
    let name = |n| format!("\"{}\"", "\u{e4}".repeat(n));
    let filter = |n: usize| format!("\"arp{}\"", " ".repeat(n - 3));
    let names = |n| format!("{:?}", (0..n).map(|i| format!("eth{i}")).collect::<Vec<_>>());
    let text = |text: &str| format!("\"{text}\"");
    for (key, right, wrong) in [
        ("capture.snaplen", ["96".to_owned(), "262144".into()], ["95".to_owned(), "262145".into()]),
        ("capture.ring", [text("1MiB"), text("1GiB")], [text("1023KiB"), text("1025MiB")]),
        ("store.flush", [text("10s"), text("1h")], [text("9999ms"), text("60m 1ms")]),
        ("clock.wait", [text("1s"), text("1h")], [text("999ms"), text("60m 1ms")]),
        ("store.file", [long(2), long(4095)], [long(1), long(4096)]),
        ("control.socket", [long(2), long(107)], [text("x"), long(108)]),
        ("site.name", [text("  "), name(64)], [text("a\\u202eb"), name(65)]),
        ("capture.filter", [text(" "), filter(4096)], [text("tcp prot"), filter(4097)]),
        ("capture.interface", [text("a"), text("abcdefghijklmno")], [text(""), text("abcdefghijklmnop")]),
        ("capture.interface", [names(1), names(16)], [names(0), names(17)]),
        ("flow.active", [text("1s"), text("24h")], [text("999ms"), text("24h 1ms")]),
        ("limits.flows", ["8".into(), "1048576".into()], ["7".into(), "1048577".into()]),
        ("limits.devices", ["8".into(), "65536".into()], ["7".into(), "65537".into()]),
        ("limits.endpoints_per_minute", ["2".into(), "8192".into()], ["1".into(), "16385".into()]),
        ("limits.rows_per_minute", ["64".into(), "1048576".into()], ["7".into(), "1048577".into()]),
        ("retention.days", [text("90d"), text("36500 days")], [text("0d"), text("36501d")]),
        ("retention.size", [text("16MB"), text("1000 GB")], [text("15999kB"), text("1001GB")]),
        ("retention.size", [text("auto"), text("none")], [text(""), text("1TB")]),
        ("labels.b827eb010203", [text("x"), name(64)], [text(" "), name(65)]),
        (
            "lan.networks",
            ["[\"10.0.0.0/8\"]".into(), "[\"2000::/16\"]".into()],
            ["[\"8.0.0.0/7\"]".into(), "[\"2000::/15\"]".into()],
        ),
    ] {
        let (section, key) = key.split_once('.').unwrap();
        let with = |value: &str| parse(&format!("[{section}]\n{key} = {value}\n"));
        for value in right {
            assert!(with(&value).is_ok(), "{section}.{key} = {value}: {:?}", with(&value));
        }
        for value in wrong {
            let said = with(&value).expect_err(&value);
            assert!(
                said.starts_with(&format!("x.toml:2: {section}.{key}: ")) && said.contains("expected"),
                "{said}"
            );
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}

#[test]
fn a_filter_that_libpcap_refuses_comes_with_what_it_says() {
    let said = said("[capture]\nfilter = \"port 22 ad port 23\"\n");
    assert!(said.contains("libpcap says: ") && said.contains("syntax error"), "{said}");
    assert!(parse("[capture]\nfilter = \"arp and ip\"\n").is_err(), "it would let nothing through");
}

#[test]
fn each_wrong_item_of_a_list_is_said_on_its_own_line() {
    let said = said(
        "[capture]\ninterface = [\n\"eth0\",\n\"eth 1\",\n7,\n\"auto\",\n\"eth0\",\n\"any\",\n]\n\
         [lan]\nnetworks = [\n\"10.0.0.0/8\",\n\"10.1.0.0/16\",\n\"10.0.0.0/8\",\n\"224.0.0.0/8\",\n\"::/0\",\n\"0.0.0.0/1\",\n\"fc00::/6\",\n\"::1/128\"]\n",
    );
    for (line, key, what) in [
        (4, "capture.interface", "\"eth 1\" is no name of an interface"),
        (5, "capture.interface", "is an integer"),
        (6, "capture.interface", "\"auto\" stands for itself"),
        (7, "capture.interface", "\"eth0\" is in the list already (line 3)"),
        (8, "capture.interface", "\"any\" beside \"eth0\" (line 3)"),
        (13, "lan.networks", "\"10.1.0.0/16\" lies within \"10.0.0.0/8\" (line 12)"),
        (14, "lan.networks", "\"10.0.0.0/8\" is in the list already (line 12)"),
        (15, "lan.networks", "has addresses that are multicast"),
        (16, "lan.networks", "would make the whole internet local"),
        (17, "lan.networks", "has addresses that are loopback"),
        (18, "lan.networks", "has addresses that are multicast"),
        (19, "lan.networks", "has addresses that are loopback"),
    ] {
        let found = said.lines().find(|l| l.starts_with(&format!("x.toml:{line}: {key}: ")));
        assert!(found.is_some_and(|l| l.contains(what)), "{line} {what}\n{said}");
    }
    assert_eq!(said.lines().count(), 12, "{said}");
    assert!(
        parse("[lan]\nnetworks = [\"10.1.0.0/16\", \"10.0.0.0/8\"]\n")
            .unwrap_err()
            .contains("holds \"10.1.0.0/16\" (line 2) too")
    );
}

#[test]
fn a_label_is_for_one_device_and_each_device_has_one() {
    let said = said(
        "[labels]\nb827eb010203 = \"A\"\n\"B8-27-EB-01-02-03\" = \"B\"\nff-ff-ff-ff-ff-ff = \"C\"\nlamp = \"D\"\nb827.eb01.0204 = \"E\"\n\
         b827eb010205 = 5\n00-00-00-00-00-00 = \"F\"\n\"b8:27:eb:01:02:06\" = \"a\\nb\"\n",
    );
    for (line, what) in [
        (3, "labels.B8-27-EB-01-02-03: is named already, on line 2"),
        (4, "labels.ff-ff-ff-ff-ff-ff: is an address that no device has"),
        (5, "labels.lamp: is not a MAC address"),
        (6, "labels.b827: is a table; expected a MAC address, with dots or colons only in quotes"),
        (7, "labels.b827eb010205: is an integer; expected a name"),
        (8, "labels.00-00-00-00-00-00: is an address that no device has"),
        (9, "labels.\"b8:27:eb:01:02:06\": \"a\\U0000000ab\" has hidden characters"),
    ] {
        assert!(said.contains(&format!("x.toml:{line}: {what}")), "{what}\n{said}");
    }
    assert_eq!(said.lines().count(), 7, "{said}");
    let many = |n: u32| (0..n).fold("[labels]\n".to_owned(), |text, i| text + &format!("{i:012x} = \"x\"\n"));
    let without_zero = |n| many(n).replacen("000000000000 = \"x\"\n", "", 1);
    assert_eq!(parse(&without_zero(1025)).unwrap().labels.len(), 1024);
    let said = parse(&without_zero(1026)).unwrap_err();
    assert!(
        said.starts_with("x.toml:1026: labels.000000000401: is one too many; expected at most 1024"),
        "{said}"
    );
}

#[test]
fn a_level_of_privacy_is_for_all_devices_or_for_one() {
    let config = parse(
        "[privacy]\nnames = \"domain\"\n[privacy.devices]\nb827eb010203 = \"full\"\n\"7e:3d:5a:11:c2:08\" = \"nothing\"\n",
    )
    .unwrap();
    let level = |mac: &str| config.pipeline().privacy.level(mac.parse().ok());
    assert_eq!(
        ["b8:27:eb:01:02:03", "7e:3d:5a:11:c2:08", "b8:27:eb:01:02:04"].map(level),
        [privacy::Level::Full, privacy::Level::Nothing, privacy::Level::Domain]
    );
    let said = said(
        "[privacy]\nnames = \"some\"\ndevice_names = 1\nhosts = 2\n[privacy.devices]\nb827eb010203 = \"full\"\n\
         \"B8-27-EB-01-02-03\" = \"nothing\"\nlamp = \"full\"\nb827eb010204 = \"none\"\nb827eb010205 = 5\n",
    );
    let levels = "expected \"full\", \"domain\" or \"nothing\"";
    for (line, what) in [
        (2, format!("privacy.names: \"some\" is no level; {levels}")),
        (3, "privacy.device_names: is an integer; expected true or false".to_owned()),
        (4, "privacy.hosts: unknown key; known are names, device_names, devices".to_owned()),
        (7, "privacy.devices.B8-27-EB-01-02-03: is set already, on line 6; expected one level".to_owned()),
        (8, "privacy.devices.lamp: is not a MAC address".to_owned()),
        (9, format!("privacy.devices.b827eb010204: \"none\" is no level; {levels}")),
        (10, format!("privacy.devices.b827eb010205: is an integer; {levels}")),
    ] {
        assert!(said.contains(&format!("x.toml:{line}: {what}")), "{what}\n{said}");
    }
    assert_eq!(said.lines().count(), 7, "{said}");
    let other = parse("[privacy]\ndevices = \"full\"\n").unwrap_err();
    assert!(other.contains("x.toml:2: privacy.devices: is a string, but should be a section"), "{other}");
    let many =
        (1..=1025).fold("[privacy.devices]\n".to_owned(), |text, n| text + &format!("{n:012x} = \"full\"\n"));
    let said = parse(&many).unwrap_err();
    assert!(
        said.starts_with(
            "x.toml:1026: privacy.devices.000000000401: is one too many; expected at most 1024 levels"
        ),
        "{said}"
    );
}

#[test]
fn settings_that_rule_each_other_out_are_refused_with_both_places() {
    for (text, expected) in [
        (
            "[flow]\ntcp_closed = \"10m\"\ntcp = \"2m\"\n",
            "x.toml:3: flow.tcp: \"2m\" does not go with flow.tcp_closed = \"10m\" (line 2); expected tcp_closed to be at most tcp",
        ),
        (
            "[flow]\ntcp = \"2s\"\n",
            "x.toml:2: flow.tcp: \"2s\" does not go with flow.tcp_closed = \"5s\" (its default); expected tcp_closed to be at most tcp",
        ),
        (
            "[retention]\nhours = \"7d\"\n",
            "x.toml:2: retention.hours: \"7d\" does not go with retention.minutes = \"14d\" (its default); expected hours ",
        ),
        (
            "[retention]\nhours = \"30d\"\ndays = \"29d\"\n",
            "x.toml:3: retention.days: \"29d\" does not go with retention.hours = \"30d\" (line 2); expected days ",
        ),
        (
            "[limits]\nrows_per_minute = 8\n",
            "x.toml:2: limits.rows_per_minute: 8 does not go with limits.endpoints_per_minute = 64 (its default); expected ",
        ),
        (
            "[store]\nfile = \"/x\"\n[control]\nsocket = \"/x\"\n",
            "x.toml:4: control.socket: \"/x\" does not go with store.file = \"/x\" (line 2); expected two paths",
        ),
    ] {
        let said = parse(text).expect_err(text);
        assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
    }
    for equal in
        ["[flow]\ntcp = \"5s\"\n", "[retention]\nhours = \"14d\"\n", "[limits]\nrows_per_minute = 64\n"]
    {
        assert_eq!(parse(equal).err(), None);
    }
    // What makes no sense by itself is not also compared, nor is a part of a file.
    assert_eq!(said("[flow]\ntcp_closed = \"10m\"\ntcp = \"2 parsecs\"\n").lines().count(), 1);
    assert_eq!(said("[retention]\nhours = \"7d\"\nminutes \"3d\"\n").lines().count(), 1);
}

#[test]
fn a_file_that_was_named_must_be_there_and_the_usual_one_need_not() {
    let dir = tempfile::tempdir().unwrap();
    let (none, file) = (dir.path().join("none.toml"), dir.path().join("x.toml"));
    std::fs::write(&file, "[site]\nname = \"Roof\"\n").unwrap();
    assert!(
        matches!(Config::load_or(Some(&none), &file), Err(ConfigError::Unreadable(path, _)) if path == none)
    );
    assert_eq!(Config::load_or(None, &none).unwrap(), Config::default());
    assert_eq!(Config::load_or(None, &file).unwrap().site.as_deref(), Some("Roof"));
    assert_eq!(Config::load_or(Some(&file), &none).unwrap().site.as_deref(), Some("Roof"));
    assert!(Config::load_or(None, dir.path()).is_err(), "it is there, and cannot be read");
}

/// Another value than the default for every key, in the order of the file.
const OTHERS: [(&str, &str); 37] = [
    ("site.name", "\"Roof\""),
    ("site.time_zone", "\"Asia/Tokyo\""),
    ("capture.interface", "\"eth0\""),
    ("capture.promiscuous", "false"),
    ("capture.filter", "\"not port 22\""),
    ("capture.snaplen", "256"),
    ("capture.ring", "\"2MiB\""),
    ("capture.allow_uplink", "true"),
    ("lan.networks", "[\"198.51.100.0/24\"]"),
    ("lan.learn", "false"),
    ("flow.active", "\"2m\""),
    ("flow.tcp", "\"2m\""),
    ("flow.tcp_closed", "\"2s\""),
    ("flow.udp", "\"2m\""),
    ("flow.icmp", "\"2m\""),
    ("flow.other", "\"2m\""),
    ("limits.flows", "100"),
    ("limits.devices", "100"),
    ("limits.endpoints_per_minute", "100"),
    ("limits.rows_per_minute", "100"),
    ("store.file", "\"/srv/x.db\""),
    ("store.flush", "\"1m\""),
    ("retention.minutes", "\"7d\""),
    ("retention.flows", "\"7d\""),
    ("retention.hours", "\"60d\""),
    ("retention.days", "\"600d\""),
    ("retention.size", "\"4GB\""),
    ("clock.wait", "\"5m\""),
    ("clock.mark", "\"/srv/mark\""),
    ("control.socket", "\"/srv/x.sock\""),
    ("control.group_writes", "true"),
    ("privacy.names", "\"domain\""),
    ("privacy.device_names", "false"),
    ("privacy.devices", "{ \"7e:3d:5a:11:c2:08\" = \"nothing\", \"b8:27:eb:01:02:03\" = \"full\" }"),
    ("labels", "{ \"b8:27:eb:01:02:03\" = \"A\" }"),
    ("vendor.registry", "\"builtin\""),
    ("log.level", "\"debug\""),
];

#[test]
fn every_change_is_found_and_said_to_be_taken_or_to_need_a_restart() {
    let (default, mut taken) = (Config::default(), Vec::<&str>::new());
    for (key, value) in OTHERS {
        let text = match key.split_once('.') {
            Some((section, key)) => format!("[{section}]\n{key} = {value}\n"),
            None => format!("{key} = {value}\n"),
        };
        let new = parse(&text).unwrap();
        let setting = new.settings().into_iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(setting.value, value, "{key} is shown as it was written");
        let changes = default.changes(&new);
        taken.extend(&changes.taken);
        assert_eq!([changes.taken, changes.need_restart].concat(), [key]);
        assert_eq!(new.changes(&new), Changes::default());
    }
    let keys: Vec<_> = default.settings().iter().map(|setting| setting.key).collect();
    assert_eq!(OTHERS.map(|(key, _)| key).to_vec(), keys, "a key has no other value here");
    let reloaded = [
        "site.name",
        "store.flush",
        "retention.minutes",
        "retention.flows",
        "retention.hours",
        "retention.days",
        "retention.size",
        "control.group_writes",
        "labels",
        "log.level",
    ];
    assert_eq!(taken, reloaded);
}

#[test]
fn the_page_has_every_key_with_its_default_its_range_and_whether_it_is_reloaded() {
    let page = include_str!("../../../docs/configuration.md");
    let section = |name: &str| page.split("\n## ").find(|part| part.starts_with(&format!("[{name}]\n")));
    for Setting { key, value } in Config::default().settings() {
        let Some((name, key)) = key.split_once('.') else {
            assert!(section(key).is_some_and(|text| text.contains("On SIGHUP: taken.")), "{key}");
            continue;
        };
        let text = section(name).unwrap_or_else(|| panic!("[{name}] has no section"));
        let row = text.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let cells: Vec<_> = row.unwrap_or_else(|| panic!("{name}.{key} has no row")).split(" | ").collect();
        assert_eq!(cells[1], format!("`{value}`"), "{name}.{key}");
        // What is wrong is said with the range.
        let said = said(&format!("[{name}]\n{key} = 2020-01-01\n"));
        if let Some((_, range)) = said.split_once(" from ") {
            assert_eq!(cells[2], range, "{name}.{key}");
        }
        let on_hup = if setting::TAKEN.contains(&&*format!("{name}.{key}")) { "taken" } else { "restart" };
        assert_eq!(cells[3], on_hup, "{name}.{key}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, 36, "a key that there is not has a row");
}
