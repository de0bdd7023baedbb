//! What the capture thread can be asked, and what others know of it without asking.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::device::Traffic;
use lanscribe_core::stats::Stats;
use lanscribe_core::talk::{Peer, Talk};
use lanscribe_core::time::{Span, Timestamp};
use tokio::sync::oneshot;

use super::writer::Reply;
use crate::capture::{Hints, Own};
use crate::control::{Conversation, DeviceTraffic};

/// What the capture thread can be asked for.
pub(super) enum Ask {
    /// To hand over now what is closed.
    Flush(Reply),
    /// What each device moved.
    Traffic(oneshot::Sender<Vec<DeviceTraffic>>),
    /// What a device talks to.
    Talks(MacAddr, oneshot::Sender<Vec<Conversation>>),
    /// To take this for the machine's own from now on.
    Own(Own),
    /// To flush this often from now on.
    FlushEvery(Duration),
    /// To end.
    Stop,
}

/// What others know of the capture thread, renewed once a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Until when the thread looks at the clock again, whatever comes.
    pub(super) next_turn: Option<Instant>,
    pub(super) taps: Vec<TapProgress>,
    pub(super) stats: Stats,
    /// Frames of the last second.
    pub(super) packets_per_second: u64,
    pub(super) hints: Option<Hints>,
    /// Rows that wait to be written.
    pub(super) pending: usize,
    /// When the next flush is due.
    pub(super) flush_due: Option<Instant>,
    /// Whether the clock is known to be right.
    pub(super) synchronised: bool,
    /// Rows are held back for that until then.
    pub(super) held_until: Option<Instant>,
}

/// One interface's part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct TapProgress {
    pub(super) name: String,
    pub(super) link_type: &'static str,
    pub(super) captured: u64,
    pub(super) bytes: u64,
    pub(super) received: u64,
    pub(super) dropped: u64,
    pub(super) interface_dropped: u64,
    pub(super) last_frame: Option<Timestamp>,
    /// It hears less than it was asked for: not what is sent to others.
    pub(super) narrow: bool,
}

/// How others reach the capture thread.
pub(super) struct Asking {
    asks: mpsc::Sender<Ask>,
    wake: io::PipeWriter,
}

impl Asking {
    /// The two ends: one that asks, and for the thread what was asked, with what it is woken by.
    ///
    /// # Errors
    /// If there can be no pipe.
    pub(super) fn new() -> io::Result<(Self, mpsc::Receiver<Ask>, io::PipeReader)> {
        let (woken, wake) = io::pipe()?;
        let (sender, asks) = mpsc::channel();
        Ok((Self { asks: sender, wake }, asks, woken))
    }

    /// Asks, and wakes the thread. Whoever waits for an answer sees the thread's end as none.
    pub(super) fn ask(&self, ask: Ask) {
        if self.asks.send(ask).is_ok() {
            let _ = (&self.wake).write(&[0]);
        }
    }
}

/// As the answer has it, by the wall clock, from which `ahead` is what time is counted in.
pub(super) fn device_traffic(traffic: Traffic, ahead: Span) -> DeviceTraffic {
    DeviceTraffic {
        mac: traffic.mac,
        frames_sent: traffic.sent.frames,
        bytes_sent: traffic.sent.bytes,
        frames_received: traffic.received.frames,
        bytes_received: traffic.received.bytes,
        last_seen: (traffic.last - ahead).as_millis(),
    }
}

/// As the answer has it, with times like those of [`device_traffic`].
pub(super) fn conversation(talk: &Talk, ahead: Span) -> Conversation {
    Conversation {
        endpoint: match talk.peer {
            Peer::None => String::new(),
            Peer::Device(mac) => mac.to_string(),
            Peer::Address(address) => address.to_string(),
        },
        name: talk.name.as_ref().map(|name| name.text.to_string()),
        name_source: talk.name.as_ref().map(|name| name.source.as_str().to_owned()),
        protocol: talk.protocol,
        port: talk.port,
        bytes_up: talk.up.bytes,
        bytes_down: talk.down.bytes,
        last_seen: (talk.last - ahead).as_millis(),
    }
}
