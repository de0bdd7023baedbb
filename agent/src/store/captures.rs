//! Which captures were read into the file, so that none is counted twice by mistake.

use std::collections::HashMap;

use super::dimensions::integer;
use super::{Store, StoreError};

/// What is noted of a capture that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    /// As it was named on the command line.
    pub(crate) name: String,
    /// SHA-256 of its frames' times and lengths, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Milliseconds since 1970 of its first and last frame.
    pub(crate) span: Option<(i64, i64)>,
    /// Why it was not read to its end.
    pub(crate) error: Option<String>,
}

/// The captures that are in a file, by how many frames they have.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    by_frames: HashMap<u64, Vec<(String, String)>>,
    longest: u64,
}

impl Captures {
    /// Frames of the longest one: what is longer, and did not begin like one of them, is none of them.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }

    /// What is known of the one that ends with this frame, if one does.
    pub(crate) fn find(&self, frames: u64, digest: impl FnOnce() -> String) -> Option<&str> {
        let candidates = self.by_frames.get(&frames)?;
        let digest = digest();
        candidates.iter().find(|(of, _)| *of == digest).map(|(_, earlier)| earlier.as_str())
    }
}

impl Store {
    /// The captures that were read into the file so far.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub(crate) fn captures(&self) -> Result<Captures, StoreError> {
        let sql =
            "SELECT frames, digest, name || ', read on ' || datetime(read_at/1000, 'unixepoch') || ' UTC'
            FROM capture WHERE frames > 0 ORDER BY id";
        let load = || -> rusqlite::Result<Captures> {
            let mut captures = Captures::default();
            let mut statement = self.db.prepare(sql)?;
            for row in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
                let (frames, digest, earlier): (i64, String, String) = row?;
                let frames = u64::try_from(frames).unwrap_or(0);
                captures.longest = captures.longest.max(frames);
                captures.by_frames.entry(frames).or_default().push((digest, earlier));
            }
            Ok(captures)
        };
        load().map_err(|e| self.error(e))
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
