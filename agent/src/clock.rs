//! What the machine's clock is worth.

use std::path::Path;

use crate::store::Clock;

/// Files that are there once the clock was set from the network: ours, and that of systemd-timesyncd.
const MARKS: [&str; 2] = ["/run/lanscribe/synchronized", "/run/systemd/timesync/synchronized"];

/// Synchronised, or not as long as nobody says so.
pub(crate) fn state() -> Clock {
    if MARKS.iter().any(|mark| Path::new(mark).exists()) { Clock::Synced } else { Clock::Unsynced }
}
