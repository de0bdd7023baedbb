//! What was read of a capture, and what tells it from others.

use lanscribe_core::time::Timestamp;
use sha2::{Digest, Sha256};

use super::source::Frame;

/// Counts of a capture so far, and a digest of its frames' times and lengths.
///
/// Two captures with the same frames at the same microseconds are the same, be one of them packed, converted or made
/// anonymous; and one that goes on where another ended begins with its digest. Hashing the contents as well would
/// tell nothing more, and cost a quarter of what reading costs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames: u64,
    /// Wire length of all frames.
    pub(crate) bytes: u64,
    /// Earliest and latest frame.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    hash: Sha256,
}

impl Tally {
    /// Counts a frame.
    pub(crate) fn count(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.bytes += u64::from(frame.wire_len);
        let at = frame.at;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        let mut record = [0; 12];
        record[..8].copy_from_slice(&at.0.to_le_bytes());
        record[8..].copy_from_slice(&frame.wire_len.to_le_bytes());
        self.hash.update(record);
    }

    /// SHA-256 of the frames so far, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
