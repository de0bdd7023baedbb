//! The command line: what can be asked, and how it is answered.

pub(crate) mod read;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Writes down what every device on a LAN does, in one SQLite file.
#[derive(Debug, Parser)]
#[command(name = "lanscribe", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read capture files into the database
    Read(read::ReadArgs),
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Read(args) => read::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lanscribe: {error:#}");
            ExitCode::from(1)
        }
    }
}
