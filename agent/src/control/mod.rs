//! What is said on the control socket: one line of JSON asks, one answers, and the connection is over.
//!
//! `{"request":"status"}` or just `status`; see docs/running.md. The daemon's side is `daemon/control.rs`.

mod client;
mod status;

use lanscribe_core::addr::MacAddr;
use serde::{Deserialize, Serialize};

pub(crate) use client::{ClientError, ask};
pub(crate) use status::{Health, Interface, Limit, Sight, Status, StoreStatus, Waiting};

use crate::store::Change;

/// Longest line that asks, its end included.
pub(crate) const REQUEST_BYTES: usize = 512;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub(crate) enum Request {
    /// How it goes: answered by a [`Status`].
    Status,
    /// Write what is complete now, not at the next turn: answered by [`Flushed`].
    Flush,
    /// What each device moved since the start: answered by a list of [`DeviceTraffic`].
    Traffic,
    /// What a device talks to just now: answered by a list of [`Conversation`].
    Talks {
        /// Whose conversations.
        #[serde(with = "crate::mac_text")]
        device: MacAddr,
    },
    /// Something that the owner decides.
    #[serde(untagged)]
    Change(Change),
}

impl Request {
    /// Understands a line: JSON, or just the word of a request that needs nothing else.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let json = if line.starts_with('{') {
            line.to_owned()
        } else {
            serde_json::json!({ "request": line }).to_string()
        };
        serde_json::from_str(&json).map_err(|_| {
            let known = "status, flush, traffic, talks, label, mark, merge, unmerge";
            format!(
                "not understood; requests are {known}, as one line of JSON like {{\"request\":\"status\"}}"
            )
        })
    }

    /// Whether it changes what is kept, for which more is needed than to be in the group.
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::Change(_))
    }
}

/// The answer: `{"ok": ...}` or `{"error": "...", "why": "..."}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// It was done.
    Ok {
        /// What was asked for.
        ok: serde_json::Value,
    },
    /// It was not.
    Error {
        /// Why not, in words for the owner.
        error: String,
        /// The same for programs.
        why: Why,
    },
}

impl Answer {
    /// That it was not done.
    pub(crate) fn error(why: Why, error: impl Into<String>) -> Self {
        Self::Error { error: error.into(), why }
    }
}

/// Of what kind a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Why {
    /// It cannot be done just now.
    Later,
    /// Who asks may not.
    Forbidden,
    /// There is no such device.
    Unknown,
    /// It makes no sense, or is decided elsewhere.
    Wrong,
}

/// What a flush wrote: rows of all kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flushed {
    pub(crate) rows: u64,
}

/// What a device moved since the daemon started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceTraffic {
    #[serde(with = "crate::mac_text")]
    pub(crate) mac: MacAddr,
    pub(crate) frames_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) frames_received: u64,
    pub(crate) bytes_received: u64,
    /// Milliseconds since 1970.
    pub(crate) last_seen: i64,
}

/// What a device talks to just now, and what went each way since it was last reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conversation {
    /// An IP address, or the MAC address of another device.
    pub(crate) endpoint: String,
    /// What that is called for this device, and where that comes from.
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) name_source: Option<String>,
    pub(crate) protocol: u16,
    /// Of the service, 0 if none.
    pub(crate) port: u16,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    /// Milliseconds since 1970.
    pub(crate) last_seen: i64,
}
