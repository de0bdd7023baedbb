//! What the commands that ask share: the file, the period, the form of the answer.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::names::{Direction, Names};
use super::reader::Reader;
use super::sums::Filter;
use super::who;
use crate::config::{Config, ConfigError, StoreConfig};

/// What `lanscribe read` writes, in the current folder, if no other file is named.
pub(crate) const READ_DB: &str = "lanscribe.db";
/// Names the database that is asked where there is no `--db`.
const ENVIRONMENT: &str = "LANSCRIBE_DB";

/// Which file is asked, about when, and how the answer is printed.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The database to ask [default: $LANSCRIBE_DB, else lanscribe.db in this folder, else the daemon's]
    #[arg(long, value_name = "FILE", help_heading = "File and form")]
    pub(crate) db: Option<PathBuf>,
    /// Print one JSON object a line: integers as they are, times in UTC
    #[arg(long, conflicts_with = "csv", help_heading = "File and form")]
    pub(crate) json: bool,
    /// Print CSV with a header: integers as they are, times in UTC
    #[arg(long, help_heading = "File and form")]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) period: PeriodArgs,
}

/// From when to when.
#[derive(Debug, Default, Args)]
pub(crate) struct PeriodArgs {
    /// From when on: 30m, 12h, 1d or 2w ago; today, yesterday; 2026-11-20, '2026-11-20 14:00'; or RFC 3339
    ///
    /// Dates and times of day are in the time zone of the file (the one it was recorded in). What is "ago" counts
    /// from now, and a day ago is 24 hours ago.
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(crate) since: Option<String>,
    /// Until when, in the same forms; a date means to the end of that day
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub(crate) until: Option<String>,
}

/// Which rows count.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only this device: its MAC or IP address, label, name, or a part of its name
    #[arg(long, value_name = "WHO")]
    device: Option<String>,
    /// Only this: a protocol (tcp), a service (https), a port (8883), or both (tcp/8883)
    #[arg(long, value_name = "WHICH")]
    protocol: Option<String>,
    /// Only this way
    #[arg(long, value_enum)]
    direction: Option<Direction>,
}

impl FilterArgs {
    /// Finds what is meant in the file.
    ///
    /// # Errors
    /// If nobody, or more than one, is meant, or the protocol is not known.
    pub(crate) fn resolve(&self, reader: &Reader, names: &mut Names) -> Result<Filter> {
        let find = |who: &str| who::find(reader, names, who).map(|who| who.ids);
        Ok(Filter {
            devices: self.device.as_deref().map(find).transpose()?,
            services: self
                .protocol
                .as_deref()
                .map(|text| names.services(text))
                .transpose()?
                .unwrap_or_default(),
            direction: self.direction.map(Direction::number),
        })
    }
}

/// Which database is asked: the one that was given, else that of the environment, else the one that `lanscribe read`
/// made in this folder, else the daemon's. If there is none, the one in this folder is the one that is missed.
pub(crate) fn db_path(given: Option<&Path>) -> PathBuf {
    let environment = std::env::var_os(ENVIRONMENT).filter(|path| !path.is_empty()).map(PathBuf::from);
    choose(given.map(Path::to_owned).or(environment), Path::new(READ_DB), daemon_db)
}

fn choose(named: Option<PathBuf>, here: &Path, daemon: impl FnOnce() -> PathBuf) -> PathBuf {
    // Whether it is there cannot always be told: then its own error says why.
    let is_there = |path: &Path| !matches!(path.try_exists(), Ok(false));
    if let Some(named) = named {
        return named;
    }
    if is_there(here) {
        let daemon = daemon();
        if is_there(&daemon) {
            let (here, daemon) = (here.display(), daemon.display());
            super::say(format_args!(
                "asking {here} of this folder, not the daemon's: for that, --db {daemon}"
            ));
        }
        return here.to_owned();
    }
    Some(daemon()).filter(|path| is_there(path)).unwrap_or_else(|| here.to_owned())
}

/// The file that the daemon writes, as it is configured on this machine.
fn daemon_db() -> PathBuf {
    match Config::load_or_default(None) {
        Ok(config) => config.store.file,
        Err(error) => {
            // Who may not read the configuration may still ask; who can mend it should know.
            if let ConfigError::Wrong(_) = error {
                super::say(error);
            }
            StoreConfig::default().file
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_named_one_else_the_one_here_else_the_daemons() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let (named, here, daemon) = (file("named.db"), file("here.db"), file("daemon.db"));
        let choose = |named: Option<&PathBuf>| choose(named.cloned(), &here, || daemon.clone());
        assert_eq!(choose(None), here, "none is there: this one can be made");
        std::fs::write(&daemon, "").unwrap();
        assert_eq!(choose(None), daemon);
        std::fs::write(&here, "").unwrap();
        assert_eq!(choose(None), here);
        assert_eq!(choose(Some(&named)), named, "whether it is there or not");
    }

    #[test]
    fn a_database_that_may_not_be_looked_for_is_not_taken_for_missing() {
        let dir = tempfile::tempdir().unwrap();
        // As good as a folder that is not ours, also for root: its path cannot be looked at.
        let hidden = dir.path().join("x".repeat(300));
        assert_eq!(choose(None, &dir.path().join("here.db"), || hidden.clone()), hidden);
    }
}
