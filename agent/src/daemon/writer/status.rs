//! How the writer stands, for who asks.

use std::time::{Duration, Instant};

use rustix::process::Pid;

/// A copy of what the writer says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriterStatus {
    /// The writer's own thread, once it runs.
    pub(crate) thread: Option<Pid>,
    /// When the last batch was written, in milliseconds since 1970.
    pub(crate) last_flush: Option<i64>,
    /// How long that took.
    pub(crate) took: Duration,
    /// Rows that this run wrote.
    pub(crate) rows: u64,
    /// Batches that this run wrote.
    pub(crate) flushes: u64,
    /// Length of the file.
    pub(crate) file_bytes: u64,
    /// Length of the log beside it.
    pub(crate) wal_bytes: u64,
    /// Why the file cannot be written at the moment, and since when, in milliseconds since 1970.
    pub(crate) waiting: Option<(String, i64)>,
    /// What the owner should know of.
    pub(crate) alarms: Vec<String>,
    /// What needs no hurry.
    pub(crate) note: Option<String>,
    /// Since when the writer has been at one call of the store: a disk that answers nothing shows here only.
    pub(crate) busy_since: Option<Instant>,
}
