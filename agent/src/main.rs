//! lanscribe: a passive capture agent that writes down what every device on a LAN does.

mod capture;
mod cli;
mod clock;
mod config;
mod control;
mod daemon;
mod group;
mod log;
mod mac_text;
mod store;
mod text;
mod vendor;

use std::process::ExitCode;

fn main() -> ExitCode {
    log::start();
    cli::run()
}
