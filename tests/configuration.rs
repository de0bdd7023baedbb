//! `lanscribe check-config`, the page about the configuration, and which database is asked when none is named.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{ROOT, lanscribe, read, said, sample};

fn check(file: &Path) -> Output {
    lanscribe().arg("check-config").arg(file).output().unwrap()
}

/// The lines of what was printed, without the first, which names the file.
fn printed(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().next().is_some_and(|line| line.ends_with(".toml: ok")), "{text}");
    text.lines().skip(1).map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn the_shipped_configuration_is_right_and_changes_nothing() {
    let output = check(&Path::new(ROOT).join("config/lanscribe.toml"));
    assert_eq!(printed(&output), ["capture.interface = \"auto\""]);
}

#[test]
fn the_file_of_each_way_to_tap_is_right_and_changes_only_what_it_must() {
    let expected: [(&str, &[&str]); 4] = [
        ("mirror-port.toml", &["capture.interface = \"eth1\"", "capture.ring = \"16MiB\""]),
        ("access-point.toml", &["capture.interface = \"wlan0\""]),
        ("bridge.toml", &["capture.interface = \"br0\"", "capture.ring = \"32MiB\""]),
        (
            "router.toml",
            &[
                "capture.interface = \"br-lan\"",
                "store.flush = \"15m\"",
                "retention.minutes = \"7d\"",
                "retention.flows = \"7d\"",
            ],
        ),
    ];
    let folder = Path::new(ROOT).join("config");
    for (name, changes) in expected {
        assert_eq!(printed(&check(&folder.join(name))), changes, "{name}");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(
            text.contains(&format!("#   sudo cp {name} /etc/lanscribe/lanscribe.toml")),
            "{name} says how to use it"
        );
    }
    let files = folder.read_dir().unwrap().count();
    assert_eq!(files, expected.len() + 1, "and there are no others but the one with every key");
}

#[test]
fn a_right_configuration_is_told_by_what_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    let text = "[labels]\nb827eb010203 = 'A \"lamp\"'\n[capture]\nring = \"16 MiB\"\nsnaplen = 2048\ninterface = [\"eth0\", \"eth1\"]\n\
                [retention]\nflows = \"2 days\"\n[privacy]\nnames = \"domain\"\n[privacy.devices]\n7e3d5a11c208 = \"nothing\"\n";
    std::fs::write(&file, text).unwrap();
    let expected = [
        "capture.interface = [\"eth0\", \"eth1\"]",
        "capture.ring = \"16MiB\"",
        "retention.flows = \"2d\"",
        "privacy.names = \"domain\"",
        "privacy.devices.\"7e:3d:5a:11:c2:08\" = \"nothing\"",
        "labels.\"b8:27:eb:01:02:03\" = \"A \\\"lamp\\\"\"",
    ];
    assert_eq!(printed(&check(&file)), expected);
}

#[test]
fn a_wrong_configuration_is_told_by_all_its_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    std::fs::write(&file, "[capture]\nring = 8\nfilter = \"port\"\n[site]\n\"a\u{202e}\\nb\" = 1\n").unwrap();
    let output = check(&file);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    let text = said(&output);
    let places = [
        "x.toml:2: capture.ring: is an integer; expected a size",
        "x.toml:3: capture.filter: ",
        "x.toml:5: site.",
    ];
    assert!(places.iter().all(|place| text.contains(place)) && text.lines().count() == 3, "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");
    let none = check(&dir.path().join("none.toml"));
    assert_eq!(none.status.code(), Some(66));
    assert!(said(&none).contains("none.toml: No such file"), "{}", said(&none));
}

#[test]
fn the_examples_of_the_page_are_right() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    let mut examples = 0;
    let mut lines = page.lines();
    while lines.by_ref().any(|line| line == "```toml") {
        let example: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, &example).unwrap();
        assert!(check(&file).status.success(), "{example}{}", said(&check(&file)));
        examples += 1;
    }
    assert!(examples >= 3, "{examples}");
}

#[test]
fn without_a_name_the_database_of_the_environment_is_asked_and_then_the_one_here() {
    let dir = tempfile::tempdir().unwrap();
    let (here, other) = (dir.path().join("lanscribe.db"), dir.path().join("other.db"));
    read(&[sample("trunk.pcap"), "--db".into(), here]);
    read(&[sample("home.pcap"), "--db".into(), other.clone()]);
    let devices = |environment: &str, arguments: &[PathBuf]| {
        let mut command = lanscribe();
        command.args(["devices", "--json", "--limit", "0"]).args(arguments).current_dir(dir.path());
        if !environment.is_empty() {
            command.env("LANSCRIBE_DB", environment);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).lines().count(), said(&output))
    };
    let named = |path: &Path| ["--db".into(), path.to_owned()];
    let (_, home, _) = devices("", &named(&other));
    let (_, trunk, _) = devices("", &[]);
    assert!(home > 0 && trunk > 0 && home != trunk, "{home} {trunk}");
    assert_eq!(devices("other.db", &[]).1, home);
    assert_eq!(devices("none.db", &named(&other)).1, home, "what is named counts more");
    let (code, _, said) = devices("none.db", &[]);
    assert_eq!(code, Some(66), "what the environment names must be there: {said}");
    assert!(said.contains("none.db: no such file"), "{said}");
}

#[test]
fn read_writes_where_it_always_did_whatever_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = lanscribe();
    command
        .args(["read", "-q"])
        .arg(sample("trunk.pcap"))
        .current_dir(dir.path())
        .env("LANSCRIBE_DB", "other.db");
    assert!(command.status().unwrap().success());
    let made: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, ["lanscribe.db"]);
}
