//! The man pages and the completions of shells, made of the command line itself and of the commented configuration.
//!
//! They are written by a test, so that the program carries nothing for it: into the folder that `LANSCRIBE_MANUAL`
//! names when the packages are made (`cross/manual`), else into one that is thrown away.

use std::path::Path;
use std::{env, fs};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::Cli;

/// The configuration that the package installs, and the page about it is made of.
const CONFIGURATION: &str = include_str!("../../../config/lanscribe.toml");
/// What a page's foot says.
const MANUAL: &str = "lanscribe";

/// What clap_mangen writes at the head of each piece: once is enough.
fn once(text: &str) -> String {
    let preamble = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
    format!("{preamble}{}", text.replace(preamble, ""))
}

/// A line that is shown as it stands, examples above all.
fn as_it_stands<'a>(roff: &mut Roff, indent: &str, lines: impl IntoIterator<Item = &'a str>) {
    roff.control("RS", [indent]).control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).control("RE", []);
}

/// What stands after the options: lists of examples below a heading with a colon, and paragraphs.
fn after(roff: &mut Roff, text: &str) {
    for block in text.split("\n\n") {
        let mut lines = block.lines();
        let first = lines.next().unwrap_or_default();
        if let Some(heading) = first.strip_suffix(':') {
            roff.control("SH", [heading.to_uppercase().as_str()]);
            as_it_stands(roff, "4", lines.map(str::trim_start));
        } else if let Some((heading, text)) = first.split_once(": ") {
            roff.control("SH", [heading.to_uppercase().as_str()]);
            for line in [text].into_iter().chain(lines) {
                roff.text([roman(line)]);
            }
        }
    }
}

/// The page of a command. `parent` is the one that it is a part of.
fn page(command: &Command, parent: Option<&str>) -> String {
    let man =
        Man::new(command.clone()).manual(MANUAL).source(concat!("lanscribe ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    man.render_synopsis_section(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text).unwrap();
    }
    let mut rest = Roff::new();
    if let Some(said) = command.get_after_long_help().or(command.get_after_help()) {
        after(&mut rest, &said.to_string());
    }
    rest.control("SH", ["SEE ALSO"]);
    let mut others: Vec<Inline> = Vec::new();
    if let Some(parent) = parent {
        others.extend([bold(parent), roman("(1), ")]);
    }
    others.extend([bold("lanscribe.toml"), roman("(5)")]);
    rest.text(others);
    rest.to_writer(&mut text).unwrap();
    once(&String::from_utf8(text).unwrap())
}

/// Writes the pages of a command and of all below it; says how many.
fn pages(command: &Command, parent: Option<&str>, to: &Path) -> usize {
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(to.join(format!("{name}.1")), page(command, parent)).unwrap();
    1 + command.get_subcommands().map(|sub| pages(sub, Some(name), to)).sum::<usize>()
}

/// The page of the configuration: each section, each key at its default, and what is said of it.
fn configuration() -> String {
    let mut roff = Roff::new();
    let source = concat!("lanscribe ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["lanscribe.toml", "5", "", source, MANUAL]);
    roff.control("SH", ["NAME"]).text([roman("lanscribe.toml - the configuration of lanscribe")]);
    roff.control("SH", ["SYNOPSIS"]).text([bold("/etc/lanscribe/lanscribe.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    let (mut said, mut examples, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    // A blank line at the end closes the last entry.
    for line in CONFIGURATION.lines().chain([""]) {
        let text = line.strip_prefix("# ").map(str::trim_end);
        let is_text = text.is_some_and(|text| !text.starts_with(' '));
        // An entry ends where the next one's text begins, and with its section.
        if !keys.is_empty() && (is_text || line.is_empty() || line.starts_with('[')) || line.is_empty() {
            entry(&mut roff, &mut said, &mut examples, &mut keys);
        }
        match text {
            Some(text) if text.starts_with(' ') => examples.push(text.trim_start()),
            Some(text) => said.push(text),
            None if line.starts_with('[') => {
                roff.control("SH", [line]);
            }
            None => keys.extend(line.strip_prefix('#')),
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("lanscribe"), roman("(1), "), bold("lanscribe-check-config"), roman("(1), ")])
        .text([roman("/usr/share/doc/lanscribe/configuration.md")]);
    roff.render()
}

/// Keys at their defaults, then what is said of them, then examples; without keys a paragraph. Takes all of it.
fn entry<'a>(roff: &mut Roff, said: &mut Vec<&'a str>, examples: &mut Vec<&'a str>, keys: &mut Vec<&'a str>) {
    // Examples of a key stand deeper than what is said of it.
    let indent = if keys.is_empty() { "4" } else { "11" };
    if keys.is_empty() {
        roff.control("PP", []);
    }
    for (n, key) in keys.drain(..).enumerate() {
        roff.control(if n == 0 { "TP" } else { "TQ" }, []).text([bold(key)]);
    }
    for line in said.drain(..) {
        roff.text([roman(line)]);
    }
    if !examples.is_empty() {
        as_it_stands(roff, indent, examples.drain(..));
    }
}

/// Writes what belongs to the package into a folder: `man1`, `man5` and `completions`. Says how many pages.
fn write(to: &Path) -> usize {
    for folder in ["man1", "man5", "completions"] {
        fs::create_dir_all(to.join(folder)).unwrap();
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = pages(&command, None, &to.join("man1"));
    fs::write(to.join("man5/lanscribe.toml.5"), configuration()).unwrap();
    for (shell, file) in
        [(Shell::Bash, "lanscribe.bash"), (Shell::Zsh, "_lanscribe"), (Shell::Fish, "lanscribe.fish")]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "lanscribe", &mut text);
        fs::write(to.join("completions").join(file), text).unwrap();
    }
    pages + 1
}

#[test]
fn the_manual_is_written_of_the_command_line() {
    let thrown_away = tempfile::tempdir().unwrap();
    let to = env::var_os("LANSCRIBE_MANUAL").map_or(thrown_away.path().to_owned(), Into::into);
    let pages = write(&to);
    let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
    assert!(pages >= 20, "{pages}");
    let flows = read("man1/lanscribe-flows.1");
    assert!(flows.contains(".SH EXAMPLES\n.RS 4\n.nf\nlanscribe flows"), "{flows}");
    assert!(flows.contains("\\-\\-since"), "{flows}");
    // Every section and key of the file stands on the page about it.
    let page = read("man5/lanscribe.toml.5").replace("\\-", "-");
    for line in CONFIGURATION.lines() {
        let told = line.trim_start_matches('#').trim_start();
        assert!(line.is_empty() || page.contains(told), "{line:?} is not in {page}");
    }
}
