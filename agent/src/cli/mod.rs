//! The command line: what can be asked, and how it is answered.

mod args;
mod change;
mod check_config;
mod coverage;
mod device;
mod devices;
mod dns;
pub(crate) mod exit;
mod flows;
mod identity;
mod listing;
#[cfg(test)]
mod manual;
mod names;
pub(crate) mod oui;
mod peers;
mod period;
mod place;
pub(crate) mod read;
mod reader;
mod run;
mod status;
mod sums;
mod top;
mod usage;
mod watch;
mod who;
mod windows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use exit::{DATA_ERROR, Usage};

use crate::text;

/// Writes down what every device on a LAN does, in one SQLite file
///
/// It listens on the LAN, or reads captures, and keeps, for each device, who it is, whom it talked to, when, and how
/// much. No payload is kept. The file is plain SQLite: its views are for you, and the commands below ask the usual
/// questions.
#[derive(Debug, Parser)]
#[command(
    name = "lanscribe",
    version,
    max_term_width = 100,
    after_help = "First steps:
  lanscribe read capture.pcap      put a capture into lanscribe.db
  lanscribe devices                who is there
  lanscribe device camera          one device on one screen
  lanscribe top endpoints          whom they all talk to
  lanscribe flows --since 1h       what happened just now
  lanscribe dns --failed           what was asked for in vain
  sqlite3 lanscribe.db .schema     ask anything else

On a LAN:
  sudo lanscribe run               capture until told to stop
  lanscribe status                 how that goes
  lanscribe watch                  who talks right now

Exit status: 0 success, 64 wrong usage, 65 damaged or foreign data, 66 nothing of that name, 78 wrong
configuration; others as in sysexits.h."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Read(read::ReadArgs),
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Watch(watch::WatchArgs),
    Devices(devices::DevicesArgs),
    Device(device::DeviceArgs),
    Flows(flows::FlowsArgs),
    Dns(dns::DnsArgs),
    Usage(usage::UsageArgs),
    Top(top::TopArgs),
    Coverage(coverage::CoverageArgs),
    Oui(oui::OuiArgs),
    Label(change::LabelArgs),
    Mark(change::MarkArgs),
    Merge(change::MergeArgs),
    Unmerge(change::UnmergeArgs),
    Flush(change::FlushArgs),
    CheckConfig(check_config::CheckConfigArgs),
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::after_clap(&error),
    };
    let done = match cli.command {
        Command::Read(args) => read::run(&args),
        Command::Run(args) => run::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Status(args) => status::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Devices(args) => devices::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Device(args) => device::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Flows(args) => flows::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Dns(args) => dns::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Usage(args) => usage::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Top(args) => top::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Coverage(args) => coverage::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Oui(args) => oui::run(args).map(|()| ExitCode::SUCCESS),
        Command::Label(args) => change::label(&args).map(|()| ExitCode::SUCCESS),
        Command::Mark(args) => change::mark(&args).map(|()| ExitCode::SUCCESS),
        Command::Merge(args) => change::merge(&args).map(|()| ExitCode::SUCCESS),
        Command::Unmerge(args) => change::unmerge(&args).map(|()| ExitCode::SUCCESS),
        Command::Flush(args) => change::flush(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig(args) => check_config::run(&args).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) if exit::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(exit::said(&error));
            ExitCode::from(exit::code(&error))
        }
    }
}

/// Says something beside the answer. Names of files may hold anything, so it is made visible line by line.
fn say(what: impl std::fmt::Display) {
    for (n, line) in what.to_string().lines().enumerate() {
        eprintln!("{}{}", if n == 0 { "lanscribe: " } else { "" }, text::visible(line));
    }
}

/// Says that there is more than was printed.
fn rows_left_out(limit: usize, which: &str) {
    let rows = if limit == 1 { "row" } else { "rows" };
    say(format_args!("{limit} {rows}; {which} ones were left out, --limit 0 prints all"));
}
