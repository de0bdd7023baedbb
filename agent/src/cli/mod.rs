//! The command line: what can be asked, and how it is answered.

pub(crate) mod oui;
pub(crate) mod read;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit status of damaged input (`EX_DATAERR` of sysexits.h).
pub(crate) const DATA_ERROR: u8 = 65;

/// What was asked makes no sense: exit status 64, as for an unknown option (`EX_USAGE` of sysexits.h).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Writes down what every device on a LAN does, in one SQLite file.
#[derive(Debug, Parser)]
#[command(name = "lanscribe", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Read(read::ReadArgs),
    Oui(oui::OuiArgs),
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Read(args) => read::run(&args),
        Command::Oui(args) => oui::run(args).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lanscribe: {error:#}");
            ExitCode::from(if error.downcast_ref::<Usage>().is_some() { 64 } else { 1 })
        }
    }
}
