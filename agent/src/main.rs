//! The lanscribe program.

mod cli;
mod vendor;

use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lanscribe: {error:#}");
            if error.downcast_ref::<cli::Usage>().is_some() { ExitCode::from(64) } else { ExitCode::FAILURE }
        }
    }
}
