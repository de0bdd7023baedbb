//! What docs/running.md promises is in the program: every command is one, and every warning is one that it gives.

use std::path::Path;
use std::process::Command;

use crate::support::{ROOT, lanscribe};

fn page() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs/running.md")).unwrap()
}

/// The text of all files beneath a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| match path.is_dir() {
        true => sources(&path),
        false => std::fs::read_to_string(path).unwrap_or_default(),
    };
    entries.map(text).collect()
}

#[test]
fn every_command_of_the_page_on_running_is_understood() {
    let mut commands = 0;
    let program = lanscribe().get_program().to_owned();
    let page = page();
    let blocks = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.trim_start_matches("sudo "));
    for line in lines.filter_map(|line| line.strip_prefix("lanscribe ")) {
        // Its arguments are split as a shell does, and then the help is asked for: which the command must exist for, and
        // every option before it.
        let script = format!("set -- {line}\nexec \"$PROGRAM\" \"$@\" --help");
        let output = Command::new("sh").args(["-c", &script]).env("PROGRAM", &program).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: lanscribe "), "{line}");
        commands += 1;
    }
    assert!(commands >= 11, "only {commands} were found");
}

#[test]
fn every_warning_of_the_page_on_running_is_one_that_is_given() {
    // The sources break long lines within a text.
    let sources = sources(&Path::new(ROOT).join("agent/src"));
    let sources = sources.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = page();
    let table = page.lines().skip_while(|line| *line != "| it says | that means |").skip(2);
    let warnings: Vec<&str> =
        table.map_while(|line| line.strip_prefix("| `")).filter_map(|line| line.split('`').next()).collect();
    assert!(warnings.len() >= 10, "{warnings:?}");
    for warning in warnings {
        for part in
            warning.split("N ").map(|part| part.trim_matches([' ', '.'])).filter(|part| part.len() > 3)
        {
            let said = part.replace("the link is down", "the link is {}");
            assert!(sources.contains(said.trim()), "{warning}: {said:?} is in no source");
        }
    }
}
