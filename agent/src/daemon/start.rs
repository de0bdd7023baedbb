//! What comes before the first packet: the configuration, what the file knows, the socket, and maybe a long wait for
//! an interface.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Signals;
use super::control::{Socket, Whom};
use super::folder;
use super::service;
use super::waiting::{Found, Waiting, look};
use crate::capture::InterfaceError;
use crate::config::{Config, ConfigError, Given};
use crate::log;
use crate::store::{self, Recollection, StoreError};
use crate::vendor::Registry;

/// Where the configuration is read, at the start and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// The file that was named, if one was.
    pub(super) path: Option<&'a Path>,
    /// What the command line says in place of it.
    pub(super) given: &'a Given,
}

impl Source<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// If it is wrong.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        Ok(self.given.over(Config::load_or_default(self.path)?))
    }
}

/// All that a run begins with.
pub(super) struct Start {
    pub(super) config: Config,
    pub(super) registry: Registry,
    pub(super) recollection: Recollection,
    /// Once it listens.
    pub(super) socket: Option<Socket>,
}

impl Start {
    /// Reads what the configuration names. Nothing is made yet.
    ///
    /// # Errors
    /// If something cannot be read, or is not what it should be.
    pub(super) fn new(config: Config) -> Result<Self> {
        let registry = Registry::open(config.registry.as_deref())?;
        let recollection = store::recall(&config.store.file)?;
        Ok(Self { config, registry, recollection, socket: None })
    }

    /// Makes the folder of the file if it is missing, and listens on the socket, if it does not yet.
    ///
    /// # Errors
    /// If there can be no such folder or socket, or somebody listens there already.
    pub(super) fn listen(&mut self) -> Result<()> {
        let Config { store, control, .. } = &self.config;
        let folder = store.file.parent().unwrap_or(Path::new("/"));
        folder::make(folder).map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
        if self.socket.is_none() {
            let said = || format!("control.socket: {}", control.socket.display());
            self.socket = Some(Socket::listen(&control.socket).with_context(said)?);
        }
        Ok(())
    }

    /// Waits for an interface, and answers meanwhile. A SIGHUP has the configuration read again; `None` if a signal
    /// said stop.
    ///
    /// # Errors
    /// If there can be no socket, or waiting does not help any more.
    pub(super) async fn wait(
        &mut self,
        mut missing: InterfaceError,
        signals: &mut Signals,
        source: Source<'_>,
    ) -> Result<Option<Found>> {
        self.listen()?;
        loop {
            let waiting = Arc::new(Waiting::new(&self.config, &missing));
            service::ready(&waiting.what());
            tokio::select! {
                found = waiting.over() => return found.map(Some),
                () = serve(self.socket.as_ref(), Whom::Waiting(Arc::clone(&waiting))) => {}
                () = service::live() => {}
                _ = signals.terminate.recv() => return Ok(None),
                _ = signals.interrupt.recv() => return Ok(None),
                _ = signals.hang_up.recv() => service::reloading(),
            }
            match self.reload(source) {
                Ok(Ok(found)) => return Ok(Some(found)),
                Ok(Err(now)) => missing = now,
                Err(error) => tracing::error!("the configuration stays as it was:\n{error:#}"),
            }
        }
    }

    /// Begins with a new configuration, if it is one to begin with, and looks again.
    fn reload(&mut self, source: Source<'_>) -> Result<Result<Found, InterfaceError>> {
        let mut new = Self::new(source.load()?)?;
        let found = look(&new.config)?;
        let same = self.config.control.socket == new.config.control.socket;
        if same {
            new.socket = self.socket.take();
        }
        if let Err(error) = new.listen() {
            if same {
                self.socket = new.socket;
            }
            return Err(error);
        }
        let changes = self.config.changes(&new.config);
        let changed: Vec<&str> = changes.taken.into_iter().chain(changes.need_restart).collect();
        match changed.as_slice() {
            [] => tracing::info!("configuration read again: nothing changed"),
            changed => tracing::info!("configuration read again: {} changed", changed.join(", ")),
        }
        log::set_level(new.config.log_level);
        *self = new;
        Ok(found)
    }
}

/// Answers for ever, if there is a socket.
pub(super) async fn serve(socket: Option<&Socket>, whom: Whom) {
    match socket {
        Some(socket) => socket.serve(whom).await,
        None => std::future::pending().await,
    }
}
