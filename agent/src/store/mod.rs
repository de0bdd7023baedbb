//! The SQLite file: one writer, one transaction a flush, tables that roll up and grow old.

pub(crate) mod calendar;
mod cap;
mod captures;
mod claims;
mod correct;
mod dimensions;
mod dns;
mod error;
mod level;
mod lock;
mod naming;
mod owner;
mod remember;
mod retain;
mod roll;
mod run;
mod sweep;
mod write;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

pub(crate) use cap::{Cap, Size};
pub(crate) use captures::{Capture, Captures};
pub(crate) use correct::Correction;
pub(crate) use dimensions::integer;
pub(crate) use error::StoreError;
pub(crate) use level::Level;
pub(crate) use naming::name_source;
pub(crate) use owner::{Change, ChangeError, LABEL};
pub(crate) use remember::{Recollection, recall};
pub(crate) use retain::{Age, Budget, Retention};
pub(crate) use run::{Clock, Run};

use calendar::Calendar;
use error::OpenError;

/// `PRAGMA application_id`: "LANS".
const APPLICATION_ID: i32 = 0x4c41_4e53;
/// Tables of each version of the file, in order: a file of version n lacks those from n on.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];
/// The views of this program.
const VIEWS: &str = include_str!("views.sql");
/// How long a lock of somebody else is waited for, unless told.
const BUSY: Duration = Duration::from_secs(10);

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct Store {
    /// Before `run`, which holds the lock: fields go in this order, and the lock's descriptor must be closed last.
    db: Connection,
    calendar: Calendar,
    /// All minutes before this hour are rolled up; `None` in an empty file.
    open_hour: Option<i64>,
    /// Number of this run's flow 0.
    flow_base: i64,
    run: Run,
}

impl Store {
    /// Opens the file for a program that reads captures into it, or makes it. Where days begin is settled when it is
    /// made: by `zone`, else by the system's.
    ///
    /// # Errors
    /// If another lanscribe writes it, if it cannot be opened, is not ours, is newer than this program, or has its days
    /// in another zone than `zone`.
    pub(crate) fn open(path: &Path, zone: Option<TimeZone>) -> Result<Self, StoreError> {
        Run::new(path, zone).open().map_err(|(_, error)| error)
    }

    /// Gives the connection up, and keeps the lock and what this run knows: after an error nothing is tried on the same
    /// handle again, as a second `fsync` may succeed without having written anything.
    pub(crate) fn suspend(self) -> Run {
        let Self { db, run, .. } = self;
        drop(db);
        run
    }

    /// Uses the vendors of `registry` for devices that are new to the file.
    pub(crate) fn with_vendors(mut self, registry: crate::vendor::Registry) -> Self {
        self.run.set_vendors(registry);
        self
    }

    /// The run, to tell it what it writes for; [`Store::settle`] then writes that down.
    pub(crate) fn run(&mut self) -> &mut Run {
        &mut self.run
    }

    /// Writes down what the run was told: labels, this machine's own devices, the name of the tap.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        let Self { db, run, .. } = self;
        run.settle(db).map_err(|source| self.error(source))
    }

    /// The hour that is not yet rolled up, in milliseconds; `None` in an empty file.
    pub(crate) fn open_hour(&self) -> Option<i64> {
        self.open_hour
    }

    /// Whether the path names another file by now, or none: this one was moved or removed.
    pub(crate) fn is_moved(&self) -> bool {
        self.run.lost_file()
    }

    /// Writes an event down.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn note_event(&self, at: i64, kind: &str, detail: &str) -> Result<(), StoreError> {
        write::insert_event(&self.db, at, kind, None, detail).map_err(|source| self.error(source))
    }

    /// Moves the whole log into the file and cuts it off. Returns whether it could: not while somebody reads what is in it.
    ///
    /// # Errors
    /// Whatever else SQLite says.
    pub(crate) fn empty_log(&self) -> Result<bool, StoreError> {
        let empty = || -> rusqlite::Result<bool> {
            self.db.busy_timeout(Duration::ZERO)?;
            let emptied =
                self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            self.db.busy_timeout(self.run.patience())?;
            Ok(emptied? == 0)
        };
        match empty() {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
            done => done.map_err(|source| self.error(source)),
        }
    }

    /// From here on nothing is written for good until [`Store::commit`]: an end before that leaves the file as it was.
    ///
    /// # Errors
    /// Whatever SQLite says; that somebody else is writing, for example.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(|e| self.error(e))
    }

    /// Writes for good what was flushed since [`Store::begin`].
    ///
    /// # Errors
    /// Whatever SQLite says; then nothing of it is in the file.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        self.db.execute_batch("COMMIT").map_err(|e| self.error(e))
    }

    /// Leaves one complete file behind that anybody can read: no log beside it.
    ///
    /// # Errors
    /// If SQLite cannot write. That somebody is reading is none: the file is then complete with its log.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let leave = |db: &Connection| -> rusqlite::Result<()> {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            db.pragma_update(None, "journal_mode", "DELETE")
        };
        self.db.busy_timeout(Duration::ZERO).map_err(|e| self.error(e))?;
        match leave(&self.db) {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            done => done.map_err(|e| self.error(e)),
        }
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::of(&self.run.path, source)
    }
}

/// Opens the file for questions only.
///
/// # Errors
/// If it is not there, cannot be read, is not ours, or is newer than this program.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    match path.try_exists() {
        // SQLite would only say that it cannot open it.
        Ok(true)
            if rustix::fs::access(path, rustix::fs::Access::READ_OK) == Err(rustix::io::Errno::ACCESS) =>
        {
            return Err(StoreError::Denied(path.to_owned()));
        }
        Ok(true) => {}
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(StoreError::Denied(path.to_owned()));
        }
        _ => return Err(StoreError::Missing(path.to_owned())),
    }
    let open = || -> Result<Connection, OpenError> {
        let (db, version) = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if version == 0 {
            return Err(StoreError::Foreign(path.to_owned(), " (it is empty)").into());
        }
        if usize::try_from(version).is_ok_and(|version| version < MIGRATIONS.len()) {
            show_as_ours(&db)?;
        }
        Ok(db)
    };
    open().map_err(|error| match error {
        OpenError::Ours(error) => error,
        OpenError::Sqlite(source) => StoreError::of(path, source),
    })
}

/// Lets a file that an older program wrote be asked like one of this: with what it lacks, and our views, before its own.
/// All of it is in memory, for such a file may be one that can only be read.
fn show_as_ours(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "PRAGMA temp_store = MEMORY;
         CREATE TEMP VIEW device AS SELECT *, NULL AS type, NULL AS type_rule FROM main.device;
         CREATE TEMP VIEW flow AS SELECT *, NULL AS service_parsed, NULL AS hidden FROM main.flow;",
    )?;
    db.execute_batch(&VIEWS.replace("CREATE VIEW ", "CREATE TEMP VIEW "))
}

/// What SQLite has beside the file: `x.db` with `-wal` or `-shm` behind it.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// Opens a file that is ours, or empty; returns its version, 0 if it is empty.
fn connect(path: &Path, flags: OpenFlags) -> Result<(Connection, i64), OpenError> {
    check_kind(path)?;
    // A path is a path: ":memory:" and "file:..." mean nothing else here.
    let db = Connection::open_with_flags(Path::new(".").join(path), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    check_identity(&db, path, version)?;
    Ok((db, version))
}

/// Refuses what is there and no file: a pipe would be waited for, and a folder is no I/O error.
fn check_kind(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            Err(StoreError::Foreign(path.to_owned(), " (it is no regular file)"))
        }
        _ => Ok(()),
    }
}

/// Switches to the write-ahead log, for which nobody else may be using the file: SQLite does not wait for that, so it
/// is asked again for a while.
fn switch_to_wal(db: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let since = std::time::Instant::now();
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && since.elapsed() < patience =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            switched => return switched,
        }
    }
}

/// Refuses what another program made, and what a newer one of ours did.
fn check_identity(db: &Connection, path: &Path, version: i64) -> Result<(), OpenError> {
    let id: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(StoreError::Foreign(path.to_owned(), " (another program's database)").into());
    }
    if usize::try_from(version).is_ok_and(|v| v > MIGRATIONS.len()) {
        return Err(StoreError::Newer { path: path.to_owned(), found: version }.into());
    }
    Ok(())
}

/// Brings a file of `version`, and its views, up to this program's: all of it or nothing.
fn migrate(db: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let from = usize::try_from(version).unwrap_or(0);
    // Views may change where tables do not. SQLite keeps their text as it was written.
    let stored: Vec<String> = db
        .prepare("SELECT sql || ';' FROM sqlite_schema WHERE type = 'view'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let ours: Vec<&str> =
        VIEWS.split("CREATE VIEW ").skip(1).filter_map(|view| view.split(' ').next()).collect();
    let current = stored.iter().filter(|sql| VIEWS.contains(sql.as_str())).count();
    if from == MIGRATIONS.len() && current == ours.len() {
        return Ok(());
    }
    let transaction = db.transaction()?;
    for migration in &MIGRATIONS[from..] {
        transaction.execute_batch(migration)?;
    }
    // Others than these are the owner's.
    for view in ours {
        transaction.execute_batch(&format!("DROP VIEW IF EXISTS {view}"))?;
    }
    transaction.execute_batch(VIEWS)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    set_meta(&transaction, "version", env!("CARGO_PKG_VERSION"))?;
    transaction.commit()
}

/// Does something in one transaction, or as a part of the one that is open. It writes from the start: one that only
/// reads at first could not be made to write after somebody else did.
fn atomically<T>(
    db: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    if db.is_autocommit() {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    } else {
        let savepoint = db.savepoint()?;
        let done = work(&savepoint)?;
        savepoint.commit()?;
        Ok(done)
    }
}

fn set_meta(db: &Connection, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";
    db.prepare_cached(sql)?.execute((key, value)).map(|_| ())
}

#[cfg(test)]
pub(crate) mod tests;
