//! `lanscribe check-config`: whether a configuration is right, and what it says that is not usual.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::config::{Config, DEFAULT_PATH, quoted};
use crate::text::visible;

/// Check a configuration file, without starting anything
///
/// Prints what it changes, each key with its section, and which interface it names. If anything is wrong, all of it
/// is said, with line and key, and the exit status is 78.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe check-config                  the one that the daemon uses
  lanscribe check-config lanscribe.toml   any other")]
pub(crate) struct CheckConfigArgs {
    /// The configuration
    #[arg(value_name = "FILE", default_value = DEFAULT_PATH)]
    file: PathBuf,
}

/// Runs `lanscribe check-config`.
pub(crate) fn run(args: &CheckConfigArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let usual = args.file == Path::new(DEFAULT_PATH);
    if usual && matches!(args.file.try_exists(), Ok(false)) {
        writeln!(out, "there is no {DEFAULT_PATH}: everything is at its default")?;
        return Ok(out.flush()?);
    }
    let config = Config::load(Some(&args.file))?;
    writeln!(out, "{}: ok", visible(&args.file.to_string_lossy()))?;
    for line in unusual(&config) {
        writeln!(out, "  {}", visible(&line))?;
    }
    Ok(out.flush()?)
}

/// What is not at its default, and the interface, which everybody wants to know.
fn unusual(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (setting, default) in config.settings().into_iter().zip(Config::default().settings()) {
        // A line for each device: it is to be read.
        if setting.key == "labels" {
            lines.extend(
                config.labels.iter().map(|(mac, name)| format!("labels.\"{mac}\" = {}", quoted(name))),
            );
        } else if setting.key == "privacy.devices" {
            lines.extend(config.privacy_of_devices());
        } else if setting != default || setting.key == "capture.interface" {
            lines.push(format!("{} = {}", setting.key, setting.value));
        }
    }
    lines
}
