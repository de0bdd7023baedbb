//! lanscribe: a passive capture agent that writes down what every device on a LAN does.

mod capture;
mod cli;
mod config;
// What runs it comes with the command that does.
#[allow(dead_code)]
mod daemon;
mod store;
mod vendor;

use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .without_time()
        .with_target(false)
        .init();
    cli::run()
}
