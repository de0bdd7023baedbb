//! What holds of any file, and of any configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use lanscribe_core::names::privacy;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::select;

use super::{OTHERS, parse};
use crate::config::*;

/// The configuration that its settings make, written as a file.
fn written(config: &Config) -> String {
    let line = |(section, key): (&str, &str), value: &str| format!("[{section}]\n{key} = {value}\n");
    let mut sections: Vec<&str> = Vec::new();
    let mut text = String::new();
    for setting in config.settings() {
        match setting.key.split_once('.') {
            None => text.insert_str(0, &format!("{} = {}\n", setting.key, setting.value)),
            Some((section, key)) if sections.contains(&section) => {
                text += &format!("{key} = {}\n", setting.value);
            }
            Some(at) => {
                sections.push(at.0);
                text += &line(at, &setting.value);
            }
        }
    }
    text
}

/// A file that is nearly right: keys that there are and some that there are not, with values of all kinds.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&str> = OTHERS.iter().map(|(key, _)| *key).collect();
    let odd =
        ["\"\"", "\"a\\nb: c\"", "a.b", "lan.lern", "labels.b827eb010203", "labels.\"\\u001b\"", "\u{e9}"];
    let key = || prop_oneof![3 => select(known.clone()), 1 => select(odd.to_vec())];
    let others = [
        "-1",
        "0x10",
        "1e9",
        "2020-01-01",
        "[]",
        "{}",
        "[1, \"a\"]",
        "\"\\u0000\"",
        "\"99999999999999999999GiB\"",
        "\"/\"",
        "\"tcp tcp\"",
        "'''\n\n'''",
        "\"\\u202e\"",
        "9223372036854775808",
        "[[\"auto\"]]",
        "\"1d 1h\"",
    ];
    let value = prop_oneof![select(OTHERS.map(|(_, value)| value).to_vec()), select(others.to_vec())];
    let line = prop_oneof![
        20 => (key(), value).prop_map(|(key, value)| {
            // A word in a filter is the name of a host, and libpcap would go and ask for its address.
            let is_word = key == "capture.filter" && OTHERS.iter().any(|(_, other)| *other == value);
            format!("{key} = {}\n", if is_word { "\"tcp tcp\"" } else { value })
        }),
        // libpcap repeats the name of a port.
        1 => Just("capture.filter = \"tcp port \\\\\\u202ea\"\n".to_owned()),
        2 => key().prop_map(|key| format!("[{key}]\n")),
        1 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
    ];
    vec(line, 0..40).prop_map(|lines| lines.concat().into_bytes())
}

/// Whether `line` is `x.toml:12: key: what`, and shows all that it has.
fn is_problem(line: &str) -> bool {
    let Some((place, what)) = line.split_once(": ") else { return false };
    let number = place.strip_prefix("x.toml:").and_then(|n| n.parse::<usize>().ok());
    let is_said = what.split_once(": ").is_some_and(|(key, what)| !key.is_empty() && !what.is_empty());
    number.is_some_and(|n| n > 0) && is_said && !line.chars().any(crate::text::is_hidden)
}

proptest! {
    #[test]
    fn whatever_a_file_has_each_mistake_is_said_on_a_line_of_its_own(
        bytes in prop_oneof![4 => nearly_right(), 1 => vec(any::<u8>(), 0..200)],
    ) {
        if let Err(error) = Config::parse(Path::new("x.toml"), &bytes) {
            let said = error.to_string();
            assert!(!said.is_empty() && said.lines().all(is_problem), "{said}");
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
            let last = said.lines().filter_map(|l| l.split(':').nth(1)?.parse::<usize>().ok()).max();
            assert!(last <= Some(lines), "{said}");
        }
    }

    #[test]
    fn settings_written_to_a_file_are_the_same_configuration(config in any_config()) {
        let text = written(&config);
        assert_eq!(parse(&text).as_ref(), Ok(&config), "{text}");
    }
}

fn any_config() -> impl Strategy<Value = Config> {
    let name = || "[ -~\u{a1}-\u{a5}\u{4e00}-\u{4e09}]{0,62}[!-~]".prop_map(|name| name.trim().to_owned());
    let mac = || any::<[u8; 5]>().prop_map(|[a, b, c, d, e]| MacAddr([2, a, b, c, d, e]));
    let interfaces = prop_oneof![
        Just(Interfaces::Auto),
        btree_set("[a-z][a-z0-9.@_-]{0,3}x", 1..4)
            .prop_map(|names: BTreeSet<_>| Interfaces::Named(names.into_iter().collect())),
    ];
    let ring = prop_oneof![
        (1_usize << 10..1 << 20).prop_map(|kibi| kibi << 10),
        (1_049_usize..1_073_741).prop_map(|kilo| kilo * 1_000)
    ];
    let level = || select(vec![privacy::Level::Nothing, privacy::Level::Domain, privacy::Level::Full]);
    let zone = select(vec!["UTC", "Asia/Tokyo", "Europe/Berlin"]);
    (
        (prop::option::of(name()), zone, btree_map(mac(), name(), 0..5)),
        (interfaces, ring, 96_u32..262_145, 10_000_u64..3_600_001, 5_000_i64..86_400_001),
        (any::<bool>(), 14_u32..90, 8_usize..1000, "/[!-~]{1,40}x"),
        (level(), any::<bool>(), btree_map(mac(), level(), 0..5))
            .prop_map(|(names, device_names, of_device)| Privacy { names, of_device, device_names }),
    )
        .prop_map(|(site, capture, rest, privacy)| {
            let (site, zone, labels) = site;
            let (interfaces, ring, snaplen, flush, tcp) = capture;
            let (yes, minutes, flows, path) = rest;
            let mut config = Config { site, labels, flows, ..Config::default() };
            config.time_zone = TimeZone::get(zone).ok();
            config.capture = Capture { interfaces, ring, snaplen, promiscuous: !yes, ..config.capture };
            config.timeouts.tcp = Span(tcp * 1_000);
            config.retention.minutes = minutes;
            config.size = match minutes % 3 {
                0 => Size::Auto,
                1 => Size::Unlimited,
                _ => Size::Bytes(ring as u64 * 20),
            };
            config.store = StoreConfig { file: path.clone().into(), flush: Duration::from_millis(flush) };
            config.control.group_writes = yes;
            config.privacy = privacy;
            config.registry = Some(path.into()).filter(|_| yes);
            config
        })
}
