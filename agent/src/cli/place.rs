//! Where the daemon listens and what it writes, for the commands that ask it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::exit::NotFound;
use super::reader::Reader;
use crate::config::{Config, ConfigError};
use crate::control::{self, ClientError, Request, Status};

/// Which daemon is meant.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The daemon's configuration; /etc/lanscribe/lanscribe.toml if that exists, else everything is at its default
    #[arg(long, value_name = "FILE", help_heading = "Which daemon")]
    config: Option<PathBuf>,
    /// Its socket, if another than the configuration says
    #[arg(long, value_name = "PATH", help_heading = "Which daemon")]
    socket: Option<PathBuf>,
    /// The database, if another than the configuration says
    #[arg(long, value_name = "FILE", help_heading = "Which daemon")]
    db: Option<PathBuf>,
}

/// A daemon and its file.
pub(crate) struct Place {
    pub(crate) config: Config,
    pub(crate) socket: PathBuf,
    pub(crate) file: PathBuf,
    /// The file was named, and the daemon may write another one.
    file_given: bool,
}

impl PlaceArgs {
    /// Reads the configuration and what was said beside it.
    ///
    /// # Errors
    /// If the configuration is wrong.
    pub(crate) fn place(&self) -> Result<Place> {
        let config = match Config::load_or_default(self.config.as_deref()) {
            // A daemon that was started before somebody broke the file can still be asked.
            Err(error @ ConfigError::Wrong(_)) if self.config.is_none() => {
                super::say(error);
                super::say("the usual socket is asked all the same");
                Config::default()
            }
            config => config?,
        };
        let socket = self.socket.clone().unwrap_or_else(|| config.control.socket.clone());
        let file = self.db.clone().unwrap_or_else(|| config.store.file.clone());
        Ok(Place { config, socket, file, file_given: self.db.is_some() })
    }
}

impl Place {
    /// Asks the daemon, if it runs and writes this file; `None` if it does not.
    ///
    /// # Errors
    /// If it runs, and there is no answer or the answer is no.
    pub(crate) fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<Option<T>, ClientError> {
        if self.file_given && !self.is_written_by_daemon()? {
            return Ok(None);
        }
        match control::ask(&self.socket, request) {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::NotRunning(..)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the file to find somebody in it.
    ///
    /// # Errors
    /// If there is none, which a daemon that runs elsewhere is a reason for, or it cannot be read.
    pub(crate) fn look(&self) -> Result<Reader> {
        if matches!(self.file.try_exists(), Ok(false)) {
            return Err(NotFound(format!(
                "{}: there is no such database; `lanscribe run` makes it, and --config, --db and --socket say which daemon is \
                 meant, if it is not the usual one",
                self.file.display()
            ))
            .into());
        }
        Reader::look(&self.file)
    }

    fn is_written_by_daemon(&self) -> Result<bool, ClientError> {
        let real = |path: &Path| path.canonicalize().ok();
        match control::ask::<Status>(&self.socket, &Request::Status) {
            Ok(status) => {
                Ok(real(&self.file).is_some() && real(&self.file) == real(Path::new(&status.store.file)))
            }
            Err(ClientError::NotRunning(..)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
