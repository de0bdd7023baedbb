//! lanscribe: a passive capture agent that writes down what every device on a LAN does.

mod capture;
mod cli;
mod config;
mod store;
mod vendor;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
