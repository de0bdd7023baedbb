//! What docs/install.md promises is so: commands are run or understood, what it quotes is what the program says, and the
//! links lead somewhere. What the layouts of the page show is tested in daemon/layouts.rs.
//!
//! A block `sh` is for lanscribe and sqlite3, and is run here. A block `sh machine` needs a machine of one's own, with
//! apt, systemd and cables: here it must only be made of what one has there. A block `sh router` is for another machine.

use std::path::Path;
use std::process::Command;

use crate::support::{ROOT, lanscribe, place, read, said, sample};

/// What stands on the page for the file that the daemon writes.
const FILE: &str = "/var/lib/lanscribe/lanscribe.db";
/// Commands about the daemon, of which there is none here.
const DAEMON: [&str; 4] = ["status", "watch", "flush", "label"];
/// What the blocks for a machine begin with. `lanscribe` beside them is understood by the same test as everywhere.
const OWNERS: [&str; 10] =
    ["dpkg", "apt", "adduser", "newgrp", "cp", "nmcli", "systemctl", "journalctl", "install", "lanscribe"];

fn page() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs/install.md")).unwrap()
}

/// The commands of all blocks of a kind, `sudo` aside. Those within a list are indented.
fn commands(page: &str, kind: &str) -> Vec<String> {
    let (mut commands, mut within) = (Vec::new(), None);
    for line in page.lines().map(str::trim) {
        match (within, line.strip_prefix("```")) {
            (None, Some(start)) => within = Some(start == kind),
            (Some(_), Some(_)) => within = None,
            (Some(true), None) => commands.push(line.trim_start_matches("sudo ").to_owned()),
            _ => {}
        }
    }
    commands
}

/// Runs a line of shell with the program on the path, and a database where the environment says.
fn shell(line: &str, db: &Path) -> (bool, String) {
    let program = Path::new(lanscribe().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("PATH", path)
        .env("TZ", "UTC")
        .env("NO_COLOR", "1")
        .env("LANSCRIBE_DB", db);
    let output = command.current_dir(db.parent().unwrap()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
}

/// Whether the program has this command and its options: the help is asked for after them.
fn is_understood(line: &str, db: &Path) {
    let (understood, text) = shell(&format!("{line} --help"), db);
    assert!(understood && text.contains("Usage: lanscribe "), "{line}: {text}");
}

#[test]
fn every_command_of_the_page_on_installing_works_or_is_understood() {
    let (dir, db) = place();
    read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    let page = page();
    let here = commands(&page, "sh");
    assert!(here.len() >= 9, "{here:?}");
    for line in here {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("lanscribe"), Some(what)) if DAEMON.contains(&what) => is_understood(&line, &db),
            (Some("sqlite3"), _) if Command::new("sqlite3").arg("-version").output().is_err() => {}
            (Some("lanscribe" | "sqlite3"), _) => {
                // Nothing of the sample is of the last hour or day.
                let line = line.replace(" --since 1h", "").replace(" --since 1d", "");
                let (worked, text) = shell(&line.replace(FILE, &db.display().to_string()), &db);
                assert!(worked && (text.lines().count() > 1 || line.contains("VACUUM")), "{line}: {text}");
            }
            _ => panic!("{line}: neither lanscribe nor sqlite3"),
        }
    }
    let copy = dir.path().join("lanscribe-copy.db");
    let (worked, text) = shell("lanscribe devices --db lanscribe-copy.db", &db);
    assert!(worked && copy.exists() && text.contains("Axis"), "{text}");
}

#[test]
fn what_the_page_has_owners_type_on_their_machine_is_whole_and_of_known_programs() {
    let (_dir, db) = place();
    let page = page();
    let machine = commands(&page, "sh machine");
    assert!(machine.len() >= 15, "{machine:?}");
    for line in &machine {
        let program = line.split(' ').next().unwrap_or_default();
        assert!(OWNERS.contains(&program), "{line}");
        let (parsed, text) = shell(&format!("sh -nc \"$(cat <<'END'\n{line}\nEND\n)\""), &db);
        assert!(parsed, "{line}: {text}");
        if program == "lanscribe" {
            is_understood(line, &db);
        }
    }
    // A package, a user's group and a service are what the other pages call them.
    for line in ["adduser $USER lanscribe", "systemctl restart lanscribe", "apt purge lanscribe"] {
        assert!(machine.iter().any(|command| command == line), "{line}");
    }
    let files: Vec<_> = page.matches("](../config/").collect();
    assert!(files.len() >= 4);
}

#[test]
fn every_link_of_the_page_on_installing_leads_somewhere() {
    let page = page();
    let anchor = |heading: &str| heading.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
    let anchors: Vec<_> = page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let links: Vec<_> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => {
                assert!(anchors.iter().any(|anchor| anchor == heading), "#{heading}: {anchors:?}");
            }
            None => assert!(Path::new(ROOT).join("docs").join(link).exists(), "{link}"),
        }
    }
}

/// The texts in quotation marks of all sources beneath a folder; lines that a text is broken into are one.
fn texts(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            self::texts(&path, texts);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source =
                std::fs::read_to_string(&path).unwrap().replace("\\\"", "\u{1}").replace("\\\n", " ");
            let quoted = source.split('"').map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
            texts.extend(quoted.map(|text| text.replace('\u{1}', "\"")));
        }
    }
}

/// Whether a text, with anything in place of what stands in it in braces, has this in it, to its end or not.
fn says(text: &str, quote: &str) -> bool {
    if text.contains(quote) {
        return true;
    }
    let fixed: Vec<&str> =
        text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
    // What is fixed must be the larger part of it: of a brace alone anything could come.
    let mut found = 0;
    let mut rest = quote;
    for part in fixed.iter().filter(|part| part.len() > 1) {
        match rest.find(part) {
            Some(at) => (found, rest) = (found + part.len(), &rest[at + part.len()..]),
            // Cut short within this part.
            None => {
                let cut = (1..part.len()).rev().filter(|&at| part.is_char_boundary(at));
                let ends = cut.map(|at| &part[..at]).find(|start| rest.ends_with(start));
                found += ends.map_or(0, str::len);
                break;
            }
        }
    }
    found * 2 > quote.len()
}

#[test]
fn all_that_the_page_on_installing_quotes_is_what_the_program_says() {
    let mut sources = Vec::new();
    texts(&Path::new(ROOT).join("agent/src"), &mut sources);
    let page = page();
    let table = page.lines().skip_while(|line| *line != "| it says | because | what to do |").skip(2);
    let rows: Vec<_> = table.map_while(|line| line.strip_prefix("| `")).collect();
    assert!(rows.len() >= 20, "{rows:?}");
    for row in rows {
        let quote = row.split("` |").next().unwrap();
        assert!(sources.iter().any(|text| says(text, quote)), "nothing says {quote:?}");
    }
    assert!(
        !sources.iter().any(|text| says(text, "the port is not plugged in")),
        "and only what is said is found"
    );
    assert!(!sources.iter().any(|text| says(text, "eth0 and eth1 are the ports of a bridge")));
}
