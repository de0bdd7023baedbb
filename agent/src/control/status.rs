//! How the daemon goes, as it says on the socket, and what to make of it.

use serde::{Deserialize, Serialize};

/// Everything that `lanscribe status` shows. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) health: Health,
    /// What the owner should know or do, the most urgent first.
    pub(crate) warnings: Vec<String>,
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) site: Option<String>,
    pub(crate) since: i64,
    pub(crate) now: i64,
    pub(crate) interfaces: Vec<Interface>,
    /// Frames that were captured, and their bytes on the wire.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Frames of the last second or so.
    pub(crate) packets_per_second: u64,
    /// Frames that found the ring full, and those that the interface dropped.
    pub(crate) dropped: u64,
    pub(crate) interface_dropped: u64,
    /// Bytes of the ring of each interface.
    pub(crate) ring: u64,
    pub(crate) devices: usize,
    pub(crate) open_flows: usize,
    /// Flows between two since the start, and those of them that have a name.
    #[serde(default)]
    pub(crate) flows_of_two: u64,
    #[serde(default)]
    pub(crate) flows_named: u64,
    /// Questions of DNS since the start.
    #[serde(default)]
    pub(crate) questions: u64,
    pub(crate) limits: Vec<Limit>,
    pub(crate) sight: Sight,
    pub(crate) clock: String,
    pub(crate) store: StoreStatus,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// It captures and writes.
    Healthy,
    /// It captures or writes less than it should: the warnings say what.
    Degraded,
    /// It does not run.
    #[default]
    Down,
}

/// An interface that is captured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) link_type: String,
    /// `up`, `down`, or `gone`.
    pub(crate) link: String,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Frames that the kernel counted, dropped ones included.
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    pub(crate) interface_dropped: u64,
    /// When its last frame came.
    pub(crate) last_packet: Option<i64>,
}

/// A limit that was reached since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) what: String,
    pub(crate) count: u64,
}

/// What the tap sees, by a sample of the last minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sight {
    pub(crate) sampled: u64,
    /// The share (0 to 1) of frames to one receiver that are between others; and of all, the share from or to this
    /// machine, and to groups.
    pub(crate) others: f64,
    pub(crate) own: f64,
    pub(crate) group: f64,
    /// The share of frames that came a second time within 2 ms.
    pub(crate) twice: f64,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreStatus {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// The log beside it.
    pub(crate) wal_bytes: u64,
    pub(crate) last_write: Option<i64>,
    pub(crate) rows: u64,
    pub(crate) last_write_ms: u64,
    /// When the next one is due.
    pub(crate) next_write: Option<i64>,
    /// Why nothing can be written at present.
    pub(crate) waiting: Option<Waiting>,
    /// Rows that wait in memory.
    pub(crate) pending_rows: usize,
}

/// What is waited for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) why: String,
    pub(crate) since: i64,
}
