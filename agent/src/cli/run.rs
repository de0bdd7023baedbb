//! `lanscribe run`: the daemon.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Usage;
use crate::config::Given;
use crate::daemon;

/// Capture on the LAN until told to stop
///
/// Captures on the interfaces of the configuration and writes what the devices do into the database, every five minutes.
/// SIGTERM and Ctrl-C end it after the last write, SIGHUP reads the configuration again. It needs CAP_NET_RAW.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo lanscribe run                          as /etc/lanscribe/lanscribe.toml says, or by the defaults
  sudo lanscribe run --config ./my.toml       as another file says
  sudo lanscribe run --db ./lan.db --socket ./lan.sock        to try it in a folder of your own
  sudo lanscribe run --interface eth1         on another interface than it chooses
  lanscribe status                            how it goes
  systemctl status lanscribe                  if it runs as a service

Exit status: 75 if an interface disappeared (the service is then started again), 77 without the privilege, 78 if the
configuration is wrong.")]
pub(crate) struct RunArgs {
    /// The configuration; /etc/lanscribe/lanscribe.toml if that exists, else everything is at its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The interface to capture on, in place of the configuration's; may be given several times
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// The database to write, in place of the configuration's
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// The socket to listen on, in place of the configuration's
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let RunArgs { config, interface, db, socket } = args;
    let given = Given::new(interface, db.as_deref(), socket.as_deref()).map_err(Usage)?;
    daemon::run(config.as_deref(), &given)
}
