//! The time before there is anything to capture on: an interface that is not there yet, or not switched on.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use super::{lock, service};
use crate::capture::{InterfaceError, Machine, Own};
use crate::clock::Marks;
use crate::config::{Config, Interfaces};
use crate::control::{Health, Status, StoreStatus};
use crate::store::Clock;

/// How often an interface that is not there yet is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The interfaces to capture on, and what belongs to this machine.
pub(super) type Found = (Vec<String>, Own);

/// Looks for the interfaces of the configuration: there and switched on, or what is to be waited for.
///
/// # Errors
/// If waiting does not help.
pub(super) fn look(config: &Config) -> Result<Result<Found, InterfaceError>> {
    let machine = Machine::read()?;
    let names = match &config.capture.interfaces {
        Interfaces::Named(names) => Ok(names.clone()),
        Interfaces::Auto => machine.choose().map(|name| vec![name]),
    };
    let checked = names.and_then(|names| {
        machine.check(&names, config.capture.allow_uplink)?;
        machine.check_on(&names)?;
        Ok(names)
    });
    match checked {
        Ok(names) => {
            let own = machine.own(&names);
            Ok(Ok((names, own)))
        }
        Err(error) if error.may_pass() => Ok(Err(error)),
        Err(error) => Err(error.into()),
    }
}

/// A daemon that waits for an interface.
pub(super) struct Waiting {
    config: Config,
    since: Timestamp,
    /// What for, in words.
    what: Mutex<String>,
}

impl Waiting {
    /// Waits for what a look found missing.
    pub(super) fn new(config: &Config, missing: &InterfaceError) -> Self {
        Self { config: config.clone(), since: Timestamp::now(), what: Mutex::new(missing.waited_for()) }
    }

    /// Looks until there is something to capture on.
    ///
    /// # Errors
    /// If waiting does not help any more.
    pub(super) async fn over(&self) -> Result<Found> {
        let mut told = None;
        loop {
            match look(&self.config)? {
                Ok(found) => return Ok(found),
                Err(missing) => {
                    // Others may come and go meanwhile.
                    let kind = std::mem::discriminant(&missing);
                    if told.replace(kind) != Some(kind) {
                        tracing::warn!("{missing}; waiting for it");
                    }
                    let what = missing.waited_for();
                    if std::mem::replace(&mut *lock(&self.what), what.clone()) != what {
                        service::doing(&what);
                    }
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What is waited for.
    pub(super) fn what(&self) -> String {
        lock(&self.what).clone()
    }

    /// How it goes: it does not, yet.
    pub(super) fn status(&self) -> Status {
        let file = &self.config.store.file;
        let synchronised = Marks::new(self.config.clock.mark.as_deref()).say_so();
        Status {
            health: Health::Degraded,
            warnings: vec![self.what()],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            site: self.config.site.clone(),
            since: self.since.as_millisecond(),
            now: Timestamp::now().as_millisecond(),
            ring: self.config.capture.ring as u64,
            clock: Clock::of_machine(synchronised).as_str().to_owned(),
            store: StoreStatus {
                file: file.display().to_string(),
                bytes: file.metadata().map_or(0, |metadata| metadata.len()),
                ..StoreStatus::default()
            },
            ..Status::default()
        }
    }
}
