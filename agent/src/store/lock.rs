//! One lanscribe writes a file at a time: two would give the same numbers to different flows.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::StoreError;

/// The right to write a file: an exclusive `flock` on the file itself, so that nothing is left behind by a program
/// that died. SQLite's own locks are of another kind (POSIX) and do not meet this one; readers never ask for it.
///
/// POSIX locks have a trap: closing *any* descriptor of a file drops all of them that the process has on it. So this
/// one must stay open until SQLite's connection to the file is closed.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, or says that somebody has it. The file is made if there is none.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Whether this is the lock of what `path` names now: somebody may have moved the file away.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.file.metadata().is_ok_and(|metadata| identity(path) == Some((metadata.dev(), metadata.ino())))
    }
}

/// What tells the file behind `path` from any other one.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
