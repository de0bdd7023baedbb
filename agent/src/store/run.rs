//! What a run knows beside its file, and its right to write it: both outlive a connection that failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lanscribe_core::addr::MacAddr;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::calendar::{self, Calendar};
use super::dimensions::Dimensions;
use super::lock::{self, Lock};
use super::{OpenError, Store, StoreError, connect, migrate, naming, set_meta, switch_to_wal};

/// What the clock of the windows being written is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Times are those of a capture file.
    #[default]
    Capture,
    /// The machine's clock, which agrees with others.
    Synced,
    /// The machine's clock, and nobody said yet that it is right.
    Unsynced,
}

impl Clock {
    /// That of this machine, of which somebody says that it is right, or nobody does.
    pub(crate) const fn of_machine(synchronised: bool) -> Self {
        if synchronised { Self::Synced } else { Self::Unsynced }
    }

    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Synced => "synced",
            Self::Unsynced => "unsynced",
        }
    }
}

/// A run without its file: before it was opened, and after a connection was given up.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) path: PathBuf,
    /// Where days begin: as configured, then as the file says.
    zone: Option<TimeZone>,
    /// How long a lock of SQLite is waited for.
    patience: Duration,
    /// The name of this tap; the outer `None` leaves what the file says.
    site: Option<Option<String>>,
    pub(super) dimensions: Dimensions,
    pub(super) clock: Clock,
    /// Number of this run's flow 0, from the first file that was opened.
    flow_base: Option<i64>,
    /// Since when, if it is, the clock of this run is one that nobody vouches for: the minute of the first question.
    pub(super) unsure: Option<i64>,
    pub(super) next_flow: i64,
    /// Days before it have neither peers nor ports any more.
    pub(super) folded: i64,
    /// The file is being made smaller, and is not as small as it should be yet.
    pub(super) shortening: bool,
    /// The file that was opened and found to be ours.
    ours: Option<(u64, u64)>,
    lock: Option<Lock>,
}

impl Run {
    /// A run that will write `path`. Where days begin is settled when the file is made: by `zone`, else by the system's.
    pub(crate) fn new(path: &Path, zone: Option<TimeZone>) -> Self {
        Self {
            path: path.to_owned(),
            zone,
            patience: super::BUSY,
            site: None,
            dimensions: Dimensions::default(),
            clock: Clock::default(),
            flow_base: None,
            unsure: None,
            next_flow: 0,
            folded: i64::MIN,
            shortening: false,
            ours: None,
            lock: None,
        }
    }

    /// How long a lock of another program is waited for, 10 s unless told.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Uses the vendors of `registry` for devices that are new to the file.
    pub(crate) fn set_vendors(&mut self, registry: crate::vendor::Registry) {
        self.dimensions.registry = Some(registry);
    }

    /// Interface number n of a flow record is the n-th of these names; without names it is stored as it is.
    pub(crate) fn set_interfaces(&mut self, names: &[String]) {
        self.dimensions.set_interfaces(names);
    }

    /// What the clock of the windows to come is worth.
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The MAC addresses of this machine: devices with these have the role `self`.
    pub(crate) fn set_own(&mut self, own: Vec<MacAddr>) {
        self.dimensions.own = own;
    }

    /// The name of this tap.
    pub(crate) fn set_site(&mut self, site: Option<&str>) {
        self.site = Some(site.map(str::to_owned));
    }

    /// The labels of the configuration: devices have them now, or when they come. One that it no longer names gets back
    /// what it was called before; as long as this was not called, the file is left as it is.
    pub(crate) fn set_labels(&mut self, labels: BTreeMap<MacAddr, String>) {
        self.dimensions.labels = Some(labels);
    }

    /// The labels of the configuration.
    pub(crate) fn labels(&self) -> BTreeMap<MacAddr, String> {
        self.dimensions.labels.clone().unwrap_or_default()
    }

    /// Whether what the path names now was opened by this run and was ours: what is wrong with it came later.
    pub(crate) fn knows_file(&self) -> bool {
        self.ours.is_some() && self.ours == lock::identity(&self.path)
    }

    /// Whether the path names something else than the file that this run holds.
    pub(super) fn lost_file(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| !lock.is_of(&self.path))
    }

    /// Opens the file, or makes it, and goes on where this run stood: rows of devices that it knows are found, or made
    /// again if it is another file. After an error the run is given back.
    ///
    /// # Errors
    /// If another lanscribe writes it, if it cannot be opened, is not ours, is newer than this program, or has its days
    /// in another zone.
    pub(crate) fn open(mut self) -> Result<Store, (Box<Self>, StoreError)> {
        match self.connect() {
            Ok((db, calendar, open_hour)) => {
                self.zone = Some(calendar.zone().clone());
                self.ours = lock::identity(&self.path);
                let flow_base = self.flow_base.unwrap_or(0);
                Ok(Store { db, calendar, open_hour, flow_base, run: self })
            }
            Err(OpenError::Ours(error)) => Err((Box::new(self), error)),
            Err(OpenError::Sqlite(source)) => {
                let error = StoreError::of(&self.path, source);
                Err((Box::new(self), error))
            }
        }
    }

    fn connect(&mut self) -> Result<(Connection, Calendar, Option<i64>), OpenError> {
        super::check_kind(&self.path)?;
        if self.lock.is_none() || self.lost_file() {
            // The old one first: it may be of the same file under another name.
            self.lock = None;
            self.lock = Some(Lock::take(&self.path)?);
        }
        let (mut db, version) =
            connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        if self.lost_file() {
            // It was moved between locking and opening.
            return Err(StoreError::Locked(self.path.clone()).into());
        }
        db.busy_timeout(self.patience)?;
        if version == 0 {
            // Must come before the first table.
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        switch_to_wal(&db, self.patience)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // A log that grew while somebody read for long gets smaller again.
        db.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        db.set_prepared_statement_cache_capacity(128);
        migrate(&mut db, version)?;
        let meta = |key: &str| {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            db.query_row(sql, [key], |row| row.get::<_, i64>(0)).optional()
        };
        let (open_hour, next_flow) = (meta("open_hour")?, meta("next_flow")?.unwrap_or(0));
        let calendar = self.calendar(&db)?;
        set_meta(&db, "time_zone", calendar.zone_name())?;
        // Numbers of this run stay what they are, also in another file.
        if self.flow_base.is_none() {
            (self.flow_base, self.next_flow) = (Some(next_flow), next_flow);
        }
        self.dimensions.forget();
        (self.folded, self.shortening) = (i64::MIN, false);
        self.settle(&mut db)?;
        Ok((db, calendar, open_hour))
    }

    /// The zone of the file, which must be the configured one.
    fn calendar(&self, db: &Connection) -> Result<Calendar, OpenError> {
        let settled =
            db.query_row("SELECT value FROM meta WHERE key = 'time_zone'", [], |row| row.get::<_, String>(0));
        Ok(match (settled.optional()?, &self.zone) {
            (None, zone) => Calendar::new(zone.clone().unwrap_or_else(TimeZone::system)),
            (Some(found), Some(wanted)) if found != calendar::zone_name(wanted) => {
                let wanted = calendar::zone_name(wanted);
                return Err(StoreError::Zone { path: self.path.clone(), found, wanted }.into());
            }
            (Some(found), _) => Calendar::named(&found),
        })
    }

    /// Writes down what was set: labels, this machine's own devices, the name of the tap.
    pub(super) fn settle(&self, db: &mut Connection) -> rusqlite::Result<()> {
        let Dimensions { labels, own, .. } = &self.dimensions;
        if labels.is_none() && own.is_empty() && self.site.is_none() {
            return Ok(());
        }
        super::atomically(db, |db| {
            if let Some(labels) = labels {
                naming::configure(db, labels, Timestamp::now().as_millisecond())?;
            }
            let sql = "UPDATE device SET role = 'self' WHERE mac = ?1 AND role IS NOT 'self'";
            for mac in own {
                db.prepare_cached(sql)?.execute([mac.to_string()])?;
            }
            match &self.site {
                Some(Some(name)) => set_meta(db, "site", name),
                Some(None) => db.execute("DELETE FROM meta WHERE key = 'site'", []).map(|_| ()),
                None => Ok(()),
            }
        })
    }
}

/// Bytes that the log beside the file may keep once all of it is in the file.
const LOG_KEPT: i64 = 16 << 20;
