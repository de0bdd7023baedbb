//! What an error of the store means for the daemon, and how a damaged file is moved out of the way.

use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::ErrorCode;

use crate::store::{Run, StoreError, beside};

/// Within this time a second damage is not taken for an accident.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may pass: keep what is there and try again.
    Wait,
    /// The file is damaged: a fresh one.
    SetAside,
    /// Nothing that time mends.
    End,
}

impl Answer {
    /// What to do after `error`; `run` is closed.
    pub(super) fn to(error: &StoreError, run: &Run) -> Self {
        match error {
            StoreError::Busy(_) | StoreError::Locked(_) | StoreError::Io { .. } => Self::Wait,
            // It was a database of ours before.
            StoreError::Foreign(..) if run.knows_file() => Self::SetAside,
            StoreError::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt) => Self::SetAside,
                Some(
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::OutOfMemory,
                ) => Self::Wait,
                _ => Self::End,
            },
            _ => Self::End,
        }
    }
}

/// Why a damaged file is still in its place.
#[derive(Debug)]
pub(super) enum Stuck {
    /// Another one was set aside less than a day ago: this one.
    Again(PathBuf),
    /// The system said no.
    Io(io::Error),
}

impl From<io::Error> for Stuck {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Renames the file `NAME` and what lies beside it to `NAME.corrupt-20261120T100000Z`, from where it can be opened and
/// searched. Returns the new name. What the folder says of earlier ones also holds for earlier runs.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, Stuck> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = name.to_owned();
    prefix.push(".corrupt-");
    for entry in folder.read_dir()? {
        let entry = entry?.file_name();
        let at = entry.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes()).and_then(stamp);
        if at.is_some_and(|at| now.duration_since(at).abs() < AGAIN) {
            return Err(Stuck::Again(folder.join(entry)));
        }
    }
    prefix.push(now.strftime("%Y%m%dT%H%M%SZ").to_string());
    let aside = folder.join(prefix);
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match std::fs::rename(beside(path, end), beside(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(aside)
}

/// The time in the name of a file that was set aside.
fn stamp(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.get(..16)?;
    let text = text.strip_suffix('Z')?;
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_moved_with_its_log_and_a_second_one_within_a_day_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for end in ["", "-wal", "-shm"] {
            std::fs::write(beside(&path, end), format!("old{end}")).unwrap();
        }
        // What only looks like one is none.
        std::fs::write(dir.path().join("x.db.corrupt-yesterday"), "").unwrap();
        std::fs::write(dir.path().join("y.db.corrupt-20261120T090000Z"), "").unwrap();
        let aside = set_aside(&path, at("2026-11-20T10:00:00Z")).unwrap();
        assert_eq!(aside, dir.path().join("x.db.corrupt-20261120T100000Z"));
        for end in ["", "-wal", "-shm"] {
            assert!(!beside(&path, end).exists());
            assert_eq!(std::fs::read_to_string(beside(&aside, end)).unwrap(), format!("old{end}"));
        }
        std::fs::write(&path, "new").unwrap();
        for soon in ["2026-11-20T10:00:00Z", "2026-11-21T09:59:59Z", "2026-11-19T10:00:01Z"] {
            assert!(matches!(set_aside(&path, at(soon)), Err(Stuck::Again(earlier)) if earlier == aside));
        }
        assert!(set_aside(&path, at("2026-11-21T10:00:00Z")).is_ok());
    }
}
