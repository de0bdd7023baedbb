//! The command line: what may be asked of the program, and who answers.

pub(crate) mod oui;

use clap::Parser;

/// What was asked makes no sense: exit status 64, as for an unknown option (`EX_USAGE` of sysexits.h).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A passive capture agent that writes down what every device on a LAN does.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Oui(oui::OuiArgs),
}

/// Does what the command line asks for.
pub(crate) fn run() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Oui(args) => oui::run(args),
    }
}
