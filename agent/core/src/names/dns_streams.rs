//! DNS over TCP: messages with their length in front (RFC 1035 section 4.2.2), some in several segments.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::time::{Span, Timestamp};
use crate::wire::dns;

/// Bytes of one message that may wait for its rest: more than any answer that a home's resolver gives.
pub(crate) const LONGEST: usize = 8_192;
/// Directions of connections that may wait at a time.
pub(crate) const WAITING: usize = 64;
/// Questions that are read out of one segment: a client asks one in a message, and some messages at once. A message that
/// has none that can be read counts as one.
pub(crate) const QUESTIONS: usize = 128;
/// How long one waits.
const PATIENCE: Span = Span::from_secs(10);

/// The beginnings of messages whose rest has not come yet.
#[derive(Debug, Default)]
pub(crate) struct DnsStreams {
    waiting: HashMap<(u64, usize), Piece, RandomState>,
    /// Messages whose rest did not come in order or in time, or that were too long or too many.
    pub(crate) lost: u64,
}

#[derive(Debug)]
struct Piece {
    /// The sequence number of the byte after it.
    next: u32,
    bytes: Vec<u8>,
    at: Timestamp,
}

impl DnsStreams {
    /// Reads a segment of a direction of a connection, and tells each message that is whole now; `tell` answers how many
    /// questions it has. What does not follow what waits begins anew: a message nearly always begins a segment.
    pub(crate) fn read(
        &mut self,
        direction: (u64, usize),
        seq: u32,
        segment: &[u8],
        at: Timestamp,
        mut tell: impl FnMut(&[u8]) -> usize,
    ) {
        let waiting = self.waiting.remove(&direction);
        let (mut bytes, follows) = match waiting {
            Some(piece) if piece.next == seq && at <= piece.at + PATIENCE => (piece.bytes, true),
            Some(_) => {
                self.lost += 1;
                (Vec::new(), false)
            }
            None => (Vec::new(), false),
        };
        let stream = if follows {
            bytes.extend_from_slice(segment);
            &bytes[..]
        } else {
            segment
        };
        let (messages, consumed) = dns::tcp_messages(stream);
        let mut questions = 0;
        for message in messages {
            if questions < QUESTIONS {
                questions += tell(message).max(1);
            } else {
                self.lost += 1;
            }
        }
        let rest = stream.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        if rest.len() > LONGEST || !self.has_room(at) {
            self.lost += 1;
            return;
        }
        let next = seq.wrapping_add(u32::try_from(segment.len()).unwrap_or(0));
        let piece = Piece { next, bytes: rest.to_vec(), at };
        self.waiting.insert(direction, piece);
    }

    fn has_room(&mut self, at: Timestamp) -> bool {
        if self.waiting.len() >= WAITING {
            let before = self.waiting.len();
            self.waiting.retain(|_, piece| at <= piece.at + PATIENCE);
            self.lost += (before - self.waiting.len()) as u64;
        }
        self.waiting.len() < WAITING
    }

    /// The clock was set by `by`.
    pub(crate) fn shift(&mut self, by: Span) {
        for piece in self.waiting.values_mut() {
            piece.at = (piece.at + by).clamped();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = u16::try_from(length).unwrap().to_be_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(7, length));
        bytes
    }

    fn read(streams: &mut DnsStreams, seq: u32, segment: &[u8], second: i64) -> Vec<usize> {
        let mut lengths = Vec::new();
        streams.read((1, 0), seq, segment, Timestamp::from_secs(second), |bytes| {
            lengths.push(bytes.len());
            1
        });
        lengths
    }

    #[test]
    fn messages_come_whole_however_they_are_cut_into_segments() {
        let stream: Vec<u8> = [12, 300, 0, 5_000, 40].into_iter().flat_map(message).collect();
        for size in [1, 2, 3, 13, 100, 1_400, 9_000] {
            let (mut streams, mut seq) = (DnsStreams::default(), u32::MAX - 100);
            let mut lengths = Vec::new();
            for segment in stream.chunks(size) {
                lengths.extend(read(&mut streams, seq, segment, 5));
                seq = seq.wrapping_add(u32::try_from(segment.len()).unwrap());
            }
            lengths.retain(|&length| length > 0);
            assert_eq!(lengths, [12, 300, 5_000, 40], "in segments of {size}");
            assert_eq!((streams.lost, streams.waiting.len()), (0, 0));
        }
    }

    #[test]
    fn of_a_segment_with_more_questions_than_anybody_asks_at_once_the_first_are_read() {
        let many = message(0).repeat(QUESTIONS + 20);
        for (each, told) in [(0, QUESTIONS), (1, QUESTIONS), (3, QUESTIONS.div_ceil(3)), (QUESTIONS, 1)] {
            let (mut streams, mut read) = (DnsStreams::default(), 0);
            let segment = [&many[..], &[0, 9]].concat();
            streams.read((1, 0), 0, &segment, Timestamp::from_secs(1), |_| {
                read += 1;
                each
            });
            assert_eq!((read, streams.lost), (told, (QUESTIONS + 20 - told) as u64));
            assert_eq!(streams.waiting.len(), 1, "the next one has begun all the same");
        }
    }

    #[test]
    fn what_comes_late_or_out_of_order_costs_a_message_and_no_more() {
        let (mut streams, whole) = (DnsStreams::default(), message(50));
        assert_eq!(read(&mut streams, 0, &whole[..20], 0), []);
        assert_eq!(read(&mut streams, 21, &message(9), 1), [9], "a gap: it begins anew");
        assert_eq!(read(&mut streams, 100, &whole[..20], 2), []);
        assert_eq!(read(&mut streams, 120, &message(8), 13), [8], "too late for the rest");
        assert_eq!(streams.lost, 2);
        for flow in 0..WAITING as u64 + 5 {
            streams.read((flow, 0), 0, &whole[..9], Timestamp::from_secs(20), |_| panic!("whole"));
        }
        assert_eq!((streams.waiting.len(), streams.lost), (WAITING, 7));
    }
}
