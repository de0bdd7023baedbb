//! Which capture files were read into the file, so that none is counted twice by mistake.

use std::path::Path;

use rusqlite::OptionalExtension;

use super::dimensions::integer;
use super::{Store, StoreError};

/// What is noted of a capture that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    /// As it was named on the command line.
    pub(crate) name: String,
    /// SHA-256 of how it begins, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Milliseconds since 1970 of its first and last frame.
    pub(crate) span: Option<(i64, i64)>,
    /// Why it was not read to its end.
    pub(crate) error: Option<String>,
}

impl Store {
    /// Refuses a capture that is in the file already.
    ///
    /// # Errors
    /// [`StoreError::Again`], or whatever SQLite says.
    pub(crate) fn refuse_again(&self, path: &Path, digest: &str) -> Result<(), StoreError> {
        let sql = "SELECT name || ', read on ' || datetime(read_at/1000, 'unixepoch') || ' UTC' FROM capture WHERE digest = ?1 ORDER BY id LIMIT 1";
        let earlier =
            self.db.query_row(sql, [digest], |row| row.get(0)).optional().map_err(|e| self.error(e))?;
        earlier.map_or(Ok(()), |earlier| Err(StoreError::Again(path.to_owned(), earlier)))
    }

    /// Notes that a capture was read at `now` (milliseconds since 1970).
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn note_capture(&self, capture: &Capture, now: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO capture (name, digest, frames, bytes, first, last, read_at, error)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (first, last) = capture.span.unzip();
        let (frames, bytes) = (integer(capture.frames), integer(capture.bytes));
        self.db
            .execute(sql, (&capture.name, &capture.digest, frames, bytes, first, last, now, &capture.error))
            .map_err(|e| self.error(e))?;
        Ok(())
    }
}
