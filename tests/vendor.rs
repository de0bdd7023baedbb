//! The vendor registry, asked through the program: all of it against a plain reading of the table, and the
//! stations of real captures against what Wireshark calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::skip;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vendor/oui.table");
const TRUTH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/captures/truth");

fn lanscribe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lanscribe"))
}

fn oui(args: &[&str]) -> Output {
    lanscribe().arg("oui").args(args).stdin(Stdio::null()).output().expect("the program starts")
}

/// The built-in vendor of each address, asked in one go.
fn vendors(macs: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let input = tempfile::NamedTempFile::new().expect("a scratch file");
    fs::write(input.path(), macs.map(|mac| mac + "\n").collect::<String>()).expect("a scratch file");
    let stdin = File::open(input.path()).expect("the scratch file");
    let output =
        lanscribe().args(["oui", "lookup", "--embedded", "-"]).stdin(stdin).output().expect("it starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let pair = |line: &str| line.split_once('\t').map(|(mac, vendor)| (mac.to_owned(), vendor.to_owned()));
    text.lines().map(|line| pair(line).expect("a tab in every line")).collect()
}

/// The table, read from end to end without the program's help: the names by (bits, number).
fn plain_reading() -> BTreeMap<(u32, u64), String> {
    let bytes = fs::read(TABLE).expect("the table");
    let mut rest = bytes.as_slice();
    let mut take = |n: usize| {
        let (taken, left) = rest.split_at(n);
        rest = left;
        taken
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n * 256 + u64::from(*b));
    assert_eq!(take(8), b"lanoui\0\x01");
    take(12);
    let counts = [number(take(4)), number(take(4)), number(take(4))];
    let length = number(take(4));
    let mut places = BTreeMap::new();
    for (count, (bits, size)) in counts.into_iter().zip([(24, 3), (28, 4), (36, 5)]) {
        for _ in 0..count {
            places.insert((bits, number(take(size))), number(take(3)));
        }
    }
    assert_eq!(places.len() as u64, counts.iter().sum::<u64>(), "no block twice");
    assert_eq!(rest.len() as u64, length);
    let name = |place: u64| {
        let at = usize::try_from(place).expect("a place");
        let end = at + 1 + usize::from(rest[at]);
        String::from_utf8(rest[at + 1..end].to_vec()).expect("UTF-8")
    };
    places.into_iter().map(|(block, place)| (block, name(place))).collect()
}

fn mac_text(mac: u64) -> String {
    let octets = mac.to_be_bytes();
    octets[2..].iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

#[test]
fn every_block_of_the_registry_is_found_at_both_ends_and_not_beyond() {
    let registry = plain_reading();
    let macs: BTreeSet<u64> = registry
        .keys()
        .flat_map(|(bits, number)| {
            let first = number << (48 - bits);
            let last = first | ((1 << (48 - bits)) - 1);
            [first.saturating_sub(1), first, last, (last + 1) % (1 << 48)]
        })
        .collect();
    let expected = |mac: u64| {
        let group = mac >> 40 & 1 == 1;
        if group || mac == 0 {
            return "";
        }
        let smallest = [36, 28, 24].iter().find_map(|bits| registry.get(&(*bits, mac >> (48 - bits))));
        smallest.map_or("", String::as_str)
    };
    let found = vendors(macs.iter().map(|mac| mac_text(*mac)));
    assert_eq!(found.len(), macs.len());
    for mac in macs {
        assert_eq!(found[&mac_text(mac)], expected(mac), "{}", mac_text(mac));
    }
}

#[test]
fn the_export_has_a_row_for_every_block() {
    let output = oui(&["export", "--embedded"]);
    assert!(output.status.success());
    let mut csv = csv::Reader::from_reader(output.stdout.as_slice());
    assert_eq!(csv.headers().unwrap(), vec!["macoui", "macman"]);
    let exported: BTreeMap<String, String> = csv.deserialize().map(Result::unwrap).collect();
    let expected: BTreeMap<String, String> = plain_reading()
        .into_iter()
        .map(|((bits, number), name)| {
            // The beginning of an address's text: its digits, and a colon after each second one.
            let digits = usize::try_from(bits / 4).unwrap();
            (mac_text(number << (48 - bits))[..digits + (digits - 1) / 2].to_owned(), name)
        })
        .collect();
    assert_eq!(exported.len(), expected.len());
    assert!(exported == expected);
}

#[test]
fn an_answer_is_a_line_for_people_or_json() {
    let output =
        oui(&["lookup", "--embedded", "B8-27-EB-01-02-03", "b8:27:eb", "ba:27:eb:00:00:01", "70b3d5f2f"]);
    let lines = "b8:27:eb:01:02:03\tRaspberry Pi Foundation\nb8:27:eb\tRaspberry Pi Foundation\n\
        ba:27:eb:00:00:01\t\n70:b3:d5:f2:f\tTELEPLATFORMS\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), lines);
    let output = oui(&["lookup", "--embedded", "--json", "b827.eb01.0203", "ba:27:eb:00:00:01"]);
    let lines = "{\"mac\":\"b8:27:eb:01:02:03\",\"vendor\":\"Raspberry Pi Foundation\",\"random\":false}\n\
        {\"mac\":\"ba:27:eb:00:00:01\",\"vendor\":null,\"random\":true}\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), lines);
}

#[test]
fn what_is_no_address_is_a_usage_error() {
    for text in ["b8:27:eb:01:02:0g", "b8:27", "", "192.168.1.1"] {
        let output = oui(&["lookup", "--embedded", "b8:27:eb", text]);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert_eq!(output.stdout, b"b8:27:eb\tRaspberry Pi Foundation\n", "{text}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(&format!("{text:?} is not a MAC address")), "{message}");
    }
}

#[test]
fn a_named_registry_is_used_and_its_broken_lines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oui.csv");
    let path = file.to_str().unwrap();
    fs::write(&file, "Registry,Assignment,Organization Name\nMA-L,B827EB,\"A, B\"\nMA-L,?,X\n").unwrap();
    let output = oui(&["lookup", "--registry", path, "b8:27:eb:01:02:03", "00:00:0c:00:00:01"]);
    assert_eq!(output.stdout, b"b8:27:eb:01:02:03\tA, B\n00:00:0c:00:00:01\t\n");
    let warning = String::from_utf8_lossy(&output.stderr);
    assert!(warning.contains("oui.csv") && warning.contains("skipped"), "{warning}");
    fs::write(&file, "").unwrap();
    let output = oui(&["lookup", "--registry", path, "b8:27:eb:01:02:03"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("oui.csv names no vendor"), "{output:?}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = lanscribe()
        .args(["oui", "export", "--embedded"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "macoui,macman\n");
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(child.wait().unwrap().success() && message.is_empty(), "{message}");
}

const ZERO: &str = "an address of zeros is nobody's";
const NOTE: &str = "a note of Wireshark's own in place of the registry's name";
const ABBREVIATED: &str = "Wireshark's own abbreviation";
const BITS: &str = "Wireshark's field knows the first 24 bits only";
const RENAMED: &str = "renamed in the registry since";
const LATER: &str = "assigned later than Wireshark's list";
const PROGRAM: &str = "made up by a program, which Wireshark does not name";
const TUNNEL: &str = "the truth gives the name of another address in the frame";

/// Where Wireshark and we differ, and why: the beginning of the address, ours, theirs.
const DIFFERENCES: [(&str, &str, &str, &str); 14] = [
    ("00:00:00:00:00:00", "", "Officially Xerox, but 0:0:0:0:0:0 is more common", ZERO),
    ("00:00:00", "XEROX CORPORATION", "Officially Xerox, but 0:0:0:0:0:0 is more common", NOTE),
    ("00:60:94", "IBM Corp", "AMD PCNET PCI", NOTE),
    ("00:e0:b8", "GATEWAY 2000", "AMD PCNet", NOTE),
    ("aa:00:04", "DIGITAL EQUIPMENT CORPORATION", "DEC", ABBREVIATED),
    ("00:50:c2:79:3", "Enertex Bayern GmbH", "IEEE Registration Authority", BITS),
    ("10:13:31", "Vantiva Technologies Belgium", "Technicolor Delivery Technologies Belgium NV", RENAMED),
    ("20:b0:01", "Vantiva Technologies Belgium", "Technicolor Delivery Technologies Belgium NV", RENAMED),
    ("a4:91:b1", "Vantiva Technologies Belgium", "Technicolor Delivery Technologies Belgium NV", RENAMED),
    ("a8:9c:6c", "Ubiquiti Inc", "", LATER),
    ("42:01:0a", "Google Cloud", "", PROGRAM),
    ("52:54:00:12:35", "VirtualBox", "Realtek (UpTech? also reported)", PROGRAM),
    ("52:54:00", "QEMU", "Realtek (UpTech? also reported)", PROGRAM),
    ("36:dc:85:1e:b3:40", "", "Xensource, Inc.", TUNNEL),
];

/// Why the names differ; `None` if nobody knows.
fn cause(mac: &str, ours: &str, theirs: &str) -> Option<&'static str> {
    let first_word = |name: &str| {
        let words = name.to_lowercase();
        words.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).map(str::to_owned)
    };
    if first_word(ours).is_some_and(|word| Some(word) == first_word(theirs)) {
        return Some("another form of the same name");
    }
    let known =
        |(start, a, b, _): &&(&str, &str, &str, &str)| mac.starts_with(start) && (*a, *b) == (ours, theirs);
    DIFFERENCES.iter().find(known).map(|(_, _, _, cause)| *cause)
}

#[test]
fn stations_of_real_captures_are_called_what_wireshark_calls_them() {
    if !Path::new(TRUTH).is_dir() {
        skip("stations_of_real_captures_are_called_what_wireshark_calls_them", "needs ../shared/captures");
        return;
    }
    // Wireshark's name of each address. Only its Ethernet header says one; cooked and wireless headers do not.
    let mut theirs: BTreeSet<(String, String)> = BTreeSet::new();
    for file in fs::read_dir(TRUTH).unwrap() {
        let text = fs::read(file.unwrap().path()).unwrap();
        let truth: serde_json::Value = serde_json::from_slice(&text).unwrap();
        if truth["link_protocols"].get("eth").is_none() {
            continue;
        }
        for side in ["src_mac", "dst_mac"] {
            for (mac, station) in truth[side].as_object().into_iter().flatten() {
                theirs.insert((mac.clone(), station["vendor"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    let ours = vendors(theirs.iter().map(|(mac, _)| mac.clone()));
    let mut causes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut equal, mut unexplained) = (0, Vec::new());
    for (mac, theirs) in &theirs {
        let ours = &ours[mac];
        let difference = format!("{mac}: {ours:?}, Wireshark {theirs:?}");
        match cause(mac, ours, theirs) {
            _ if ours == theirs => equal += 1,
            Some(cause) => causes.entry(cause).or_default().push(difference),
            None => unexplained.push(difference),
        }
    }
    eprintln!("{} addresses, {equal} called the same", theirs.len());
    for (cause, differences) in causes {
        eprintln!("{cause}: {}\n  {}", differences.len(), differences.join("\n  "));
    }
    assert!(equal > 0, "the captures hold no address");
    assert!(unexplained.is_empty(), "of unknown cause:\n  {}", unexplained.join("\n  "));
}
