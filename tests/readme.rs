//! What README.md tells people to type works, and prints what stands there.
//!
//! Blocks `sh` are run line by line and must succeed; in blocks `console` the lines after `$ ` are commands, and what
//! they print is compared. `BLESS=1 cargo test readme` writes that anew. `make` is left to whoever runs all of it.

use std::path::Path;
use std::process::Command;

use crate::support::{ROOT, lanscribe, read, said, sample};

/// Runs a line in a folder that holds a capture and a database, with the program on the path.
fn run(dir: &Path, line: &str) -> String {
    let program = Path::new(lanscribe().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(dir)
        .env("PATH", path)
        .env("TZ", "UTC")
        .env("NO_COLOR", "1")
        .env_remove("LANSCRIBE_DB");
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}\n{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_is_true() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(sample("trunk.pcap"), dir.path().join("capture.pcap")).unwrap();
    read(&[sample("home.pcap"), "--db".into(), dir.path().join("lanscribe.db")]);
    let page = Path::new(ROOT).join("README.md");
    let before = std::fs::read_to_string(&page).unwrap();
    let (mut after, mut fence, mut commands) = (String::new(), "", 0);
    // First the answers, from the sample alone; what `sh` blocks read comes after them.
    for line in before.lines() {
        match (fence, line) {
            ("", "```console") => fence = "console",
            (_, "```") => fence = "",
            ("console", line) if !line.starts_with("$ ") => continue,
            _ => {}
        }
        after += &format!("{line}\n");
        if let ("console", Some(command)) = (fence, line.strip_prefix("$ ")) {
            after += &run(dir.path(), command);
            commands += 1;
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&page, &after).unwrap();
    } else {
        assert_eq!(after, before, "run again with BLESS=1 if this is right");
    }
    let mut lines = before.lines();
    while lines.by_ref().any(|line| line == "```sh") {
        for line in lines.by_ref().take_while(|line| *line != "```") {
            let outside = line.starts_with("make ")
                || line.starts_with("export ")
                || (line.starts_with("sqlite3") && !has_sqlite3());
            if !outside {
                run(dir.path(), line);
                commands += 1;
            }
        }
    }
    assert!(commands >= 3, "{commands}");
}

fn has_sqlite3() -> bool {
    Command::new("sqlite3").arg("-version").output().is_ok()
}
