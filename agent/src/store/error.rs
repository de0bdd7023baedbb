//! Why the file could not be used, in words that say what would help.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::MIGRATIONS;

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is none.
    #[error("{path}: no such file; `lanscribe read CAPTURE --db {path}` makes one", path = .0.display())]
    Missing(PathBuf),
    /// It is somewhere where only others may look.
    #[error("{path}: permission denied; {who}", path = .0.display(), who = crate::group::who_may(.0, "read it"))]
    Denied(PathBuf),
    /// It is something else.
    #[error("{path}: not a file of lanscribe{}; name another one with --db", .1, path = .0.display())]
    Foreign(PathBuf, &'static str),
    /// A newer program wrote it.
    #[error(
        "{path}: made by a newer lanscribe (file version {found}, this program knows up to {known}); \
         upgrade lanscribe, or name another file with --db", path = .path.display(), known = MIGRATIONS.len()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// Its days begin elsewhere.
    #[error("{path}: its days are those of {found}, and the configuration says {wanted}: name another file with --db, or \
             leave site.time_zone at {found}", path = .path.display())]
    Zone {
        /// The file.
        path: PathBuf,
        /// The zone of the file.
        found: String,
        /// The zone of the configuration.
        wanted: String,
    },
    /// A capture that is in the file already.
    #[error("{}: all or the beginning of it is in the database already, as {}; give --again to count that once more", .0.display(), .1)]
    Again(PathBuf, String),
    /// One capture named twice.
    #[error("{}: the same capture as {}; give --again to count it twice", .0.display(), .1.display())]
    Twice(PathBuf, PathBuf),
    /// Somebody else is using it.
    #[error("{path}: in use by another program, which writes it or reads it within a transaction", path = .0.display())]
    Busy(PathBuf),
    /// One lanscribe writes a file at a time.
    #[error("{path}: in use by another lanscribe, which writes it", path = .0.display())]
    Locked(PathBuf),
    /// The file cannot be opened or made, or moved out of the way.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its folder is missing and cannot be made.
    #[error("{folder}: the folder of the database cannot be made: {source}; make it, or name another file with --db or \
             store.file", folder = .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The daemon keeps no privilege that would let it write what belongs to others.
    #[error(
        "{path}: may not be written: it belongs to {whose}, and the daemon runs as {who} without any privilege; give it to \
         {who} (`sudo chown {who}`), or name another file with --db or store.file", path = .path.display()
    )]
    Foreigner {
        /// The file, or its folder.
        path: PathBuf,
        /// Whose it is.
        whose: String,
        /// Who runs the daemon.
        who: String,
    },
    /// It was damaged a second time.
    #[error(
        "{path}: damaged again within a day, as {earlier} was: is the card or disk failing? Move {earlier} elsewhere \
         to begin a new file once more", path = .path.display(), earlier = .earlier.display()
    )]
    DamagedAgain {
        /// The file.
        path: PathBuf,
        /// The one that was set aside.
        earlier: PathBuf,
    },
    /// Anything that SQLite or the system said.
    #[error("{path}: {source}", path = .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// What SQLite said about the file, in words of our own where there are better ones.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign(path.to_owned(), " (it is no SQLite database)"),
            Some(ErrorCode::DatabaseBusy) => Self::Busy(path.to_owned()),
            _ => Self::Sqlite { path: path.to_owned(), source },
        }
    }
}

/// Either an error with all it needs, or one of SQLite that still lacks the path.
pub(super) enum OpenError {
    Ours(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Ours(error)
    }
}
