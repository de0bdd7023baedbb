//! The first bytes of one direction of a TCP connection, whatever the order in which its segments were seen.

use crate::wire::pieces::Pieces;

/// Bytes that are kept.
pub const LONGEST: usize = 16_384;
/// Segments that may wait for what lies between them.
pub const PIECES: usize = 16;

/// Bytes from a certain one on. Of those that come twice the first copy counts.
#[derive(Clone, Debug)]
pub struct Stream {
    first: u32,
    pieces: Pieces,
}

impl Stream {
    /// Of the byte with the sequence number `first_seq` and those that follow it.
    #[must_use]
    pub fn new(first_seq: u32) -> Self {
        Self { first: first_seq, pieces: Pieces::default() }
    }

    /// A segment whose first byte has the number `seq`; bytes before the first of interest are passed over.
    pub fn add(&mut self, seq: u32, bytes: &[u8]) {
        let (at, bytes) = match self.distance(seq) {
            at @ 0.. => (at, bytes),
            before => {
                let before = usize::try_from(before.unsigned_abs()).unwrap_or(usize::MAX);
                (0, bytes.get(before..).unwrap_or_default())
            }
        };
        self.pieces.add(usize::try_from(at).unwrap_or(usize::MAX), bytes, LONGEST, PIECES);
    }

    /// The first byte of interest is the one with the number `seq`: what was kept before it is forgotten, or room made for
    /// what lies between.
    pub fn begin_at(&mut self, seq: u32) {
        let by = self.distance(seq);
        let far = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
        if by < 0 {
            self.pieces.begin_earlier(far, LONGEST);
        } else {
            self.pieces.begin_later(far);
        }
        self.first = seq;
    }

    /// How many bytes `seq` is behind the first of interest; sequence numbers wrap around (RFC 9293 section 3.4).
    #[must_use]
    pub fn distance(&self, seq: u32) -> i32 {
        seq.wrapping_sub(self.first).cast_signed()
    }

    /// What is there without a gap from the first byte on.
    #[must_use]
    pub fn ready(&self) -> &[u8] {
        self.pieces.ready()
    }

    /// Whether all that may be kept is there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ready().len() >= LONGEST
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.held()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    proptest! {
        #[test]
        fn a_stream_is_what_a_map_of_all_bytes_would_be(
            first in prop_oneof![Just(u32::MAX - 20), any::<u32>()],
            segments in prop::collection::vec((-30..90_i32, prop::collection::vec(any::<u8>(), 0..30)), 0..PIECES),
        ) {
            let mut stream = Stream::new(first);
            let mut model = BTreeMap::new();
            for (at, bytes) in segments {
                stream.add(first.wrapping_add_signed(at), &bytes);
                for (place, byte) in (at..).zip(bytes) {
                    model.entry(place).or_insert(byte);
                }
                let ready: Vec<u8> = (0..).map_while(|at| model.get(&at).copied()).collect();
                prop_assert_eq!(stream.ready(), ready);
            }
        }
    }

    #[test]
    fn the_first_copy_of_a_byte_counts() {
        let mut stream = Stream::new(u32::MAX);
        stream.add(1, b"cd");
        stream.add(u32::MAX, b"abXYe");
        assert_eq!(stream.ready(), b"abcde");
    }

    #[test]
    fn its_first_byte_may_turn_out_to_be_another() {
        let mut stream = Stream::new(10);
        stream.add(10, b"later");
        stream.begin_at(4);
        assert_eq!(stream.ready(), b"");
        stream.add(4, b"first,");
        assert_eq!(stream.ready(), b"first,later");
        stream.begin_at(10);
        assert_eq!(stream.ready(), b"later");
    }

    #[test]
    fn neither_bytes_nor_segments_that_wait_are_without_limit() {
        let mut stream = Stream::new(0);
        for n in 0..1_000 {
            stream.add(2 + 2 * n, b"x");
        }
        stream.add(1, b"y");
        stream.add(0, b"z");
        assert_eq!(stream.ready(), b"zyx");
        assert!(stream.bytes() < 2_048, "{}", stream.bytes());
        let mut stream = Stream::new(u32::MAX - 5);
        stream.add(u32::MAX - 5, &[1; 60_000]);
        assert!(stream.is_full() && stream.ready().len() == LONGEST && stream.bytes() < LONGEST + 1_024);
    }
}
