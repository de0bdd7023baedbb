//! Asks the daemon at each turn, on a thread of its own: the keys never wait for an answer.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use lanscribe_core::addr::MacAddr;

use super::file::File;
use super::model::{Look, Sample, Talks};
use crate::control::{self, ClientError, Conversation, DeviceTraffic, Request, Status};

/// Between two questions about the device that was just chosen: who holds a key down asks no more often.
const HURRY: Duration = Duration::from_millis(200);

/// What the screen wants to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Want {
    /// With whom this device talks.
    pub(super) device: Option<MacAddr>,
    /// Nothing new for now.
    pub(super) paused: bool,
}

/// What it gets.
pub(super) enum Report {
    Sample(Box<Sample>),
    Talks(Talks),
}

/// Who asks, and where.
pub(super) struct Sampler {
    socket: PathBuf,
    file: File,
    interval: Duration,
    start: Instant,
    want: Want,
    /// When somebody was last asked about beside the turns.
    hurried: Instant,
}

impl Sampler {
    /// Asks at `socket` and in `file` each `interval`.
    pub(super) fn new(socket: PathBuf, file: File, interval: Duration) -> Self {
        let now = Instant::now();
        Self { socket, file, interval, start: now, want: Want::default(), hurried: now }
    }

    /// Asks until nobody listens any more.
    pub(super) fn run(mut self, wants: &Receiver<Want>, reports: &Sender<Report>) {
        loop {
            let turn = Instant::now();
            if reports.send(Report::Sample(Box::new(self.sample()))).is_err() {
                return;
            }
            if !self.wait(turn + self.interval, wants, reports) {
                return;
            }
        }
    }

    /// Waits for the next turn, and answers meanwhile about whoever is chosen; says whether anybody listens.
    fn wait(&mut self, until: Instant, wants: &Receiver<Want>, reports: &Sender<Report>) -> bool {
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let want = if self.want.paused {
                wants.recv().map_err(RecvTimeoutError::from)
            } else {
                wants.recv_timeout(rest)
            };
            let before = match want {
                Ok(want) => std::mem::replace(&mut self.want, want),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            };
            if before.device == self.want.device {
                continue;
            }
            std::thread::sleep(HURRY.saturating_sub(self.hurried.elapsed()));
            self.hurried = Instant::now();
            self.want = wants.try_iter().last().unwrap_or(self.want);
            // If there is no answer, the next turn says so.
            if let Some(device) = self.want.device
                && let Ok(talks) = self.talks(device)
                && reports.send(Report::Talks(talks)).is_err()
            {
                return false;
            }
        }
    }

    fn sample(&mut self) -> Sample {
        self.file.refresh();
        let look = self.look();
        let at = self.start.elapsed();
        let talks = self.want.device.filter(|_| look.is_ok()).and_then(|device| self.talks(device).ok());
        Sample { at, look, talks, trouble: self.file.trouble().map(str::to_owned) }
    }

    fn look(&self) -> Result<Look, String> {
        let status: Status = self.ask(&Request::Status)?;
        let traffic: Vec<DeviceTraffic> = self.ask(&Request::Traffic)?;
        let book = self.file.book(traffic.iter().map(|device| device.mac));
        Ok(Look { status, traffic, book })
    }

    fn talks(&mut self, device: MacAddr) -> Result<Talks, String> {
        let conversations: Vec<Conversation> = self.ask(&Request::Talks { device })?;
        Ok(Talks { device, list: self.file.talks(&conversations) })
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, String> {
        control::ask(&self.socket, request).map_err(|error: ClientError| error.to_string())
    }
}
