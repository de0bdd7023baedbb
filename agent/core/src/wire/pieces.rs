//! Bytes that come in pieces, in any order and more than once: a stretch of a stream from its first byte on, bounded.

use std::ops::Range;

/// Memory is asked for in steps of this many bytes.
const STEP: usize = 1_024;

/// What there is of a stretch of bytes. Of a byte that comes twice the first copy counts: a later one cannot change
/// what was already read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    /// Bytes by their place; what is in no range of `have` is not there yet.
    bytes: Vec<u8>,
    /// In order, without overlap, none touching the next.
    have: Vec<Range<usize>>,
}

impl Pieces {
    /// Takes the bytes that belong at `at` and later, as far as they lie below `limit`. A piece that would leave more
    /// than `most` waiting for what lies before them is left out.
    pub(crate) fn add(&mut self, at: usize, bytes: &[u8], limit: usize, most: usize) {
        let end = at.saturating_add(bytes.len()).min(limit);
        if at >= end {
            return;
        }
        // Those that it overlaps or touches become one with it.
        let first = self.have.partition_point(|had| had.end < at);
        let after = self.have.partition_point(|had| had.start <= end);
        let waiting = self.have.len() - usize::from(self.have.first().is_some_and(|had| had.start == 0));
        if first == after && at > 0 && waiting >= most {
            return;
        }
        if self.bytes.len() < end {
            // In steps: a byte at a time must not move all of them each time.
            let room = end.next_multiple_of(STEP).min(limit);
            self.bytes.reserve_exact(room - self.bytes.len());
            self.bytes.resize(end, 0);
        }
        let mut next = at;
        let mut joined = at..end;
        for had in self.have.drain(first..after) {
            copy(&mut self.bytes, next..had.start.min(end), at, bytes);
            next = next.max(had.end);
            joined = joined.start.min(had.start)..joined.end.max(had.end);
        }
        copy(&mut self.bytes, next..end, at, bytes);
        self.have.insert(first, joined);
    }

    /// The first byte is another one than was thought: it lies `by` bytes earlier. What no longer lies below `limit`
    /// is forgotten.
    pub(crate) fn begin_earlier(&mut self, by: usize, limit: usize) {
        let old = std::mem::take(self);
        for had in old.have {
            let most = usize::MAX;
            self.add(had.start.saturating_add(by), old.bytes.get(had).unwrap_or_default(), limit, most);
        }
    }

    /// The first byte is another one than was thought: it lies `by` bytes later. What lies before is forgotten.
    pub(crate) fn begin_later(&mut self, by: usize) {
        self.bytes.drain(..by.min(self.bytes.len()));
        self.have.retain_mut(|had| {
            *had = had.start.saturating_sub(by)..had.end.saturating_sub(by);
            had.start < had.end
        });
    }

    /// All that is there without a gap, from the first byte on.
    pub(crate) fn ready(&self) -> &[u8] {
        match self.have.first() {
            Some(first) if first.start == 0 => self.bytes.get(..first.end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Memory held, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.have.capacity() * size_of::<Range<usize>>()
    }
}

/// Fills `place` with what stands there of the bytes that belong at `at` and later.
fn copy(into: &mut [u8], place: Range<usize>, at: usize, bytes: &[u8]) {
    if place.start < place.end
        && let Some(new) = bytes.get(place.start - at..place.end - at)
        && let Some(old) = into.get_mut(place)
    {
        old.copy_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    const LIMIT: usize = 64;

    fn ready(map: &BTreeMap<usize, u8>) -> Vec<u8> {
        (0..).map_while(|at| map.get(&at).copied()).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_what_a_map_of_single_bytes_would_be(
            adds in prop::collection::vec((0..80_usize, prop::collection::vec(any::<u8>(), 0..20)), 0..40),
            moves in prop::collection::vec((0..40_usize, 0..12_usize, any::<bool>()), 0..4),
        ) {
            let mut pieces = Pieces::default();
            let mut model = BTreeMap::new();
            for (n, (at, bytes)) in adds.iter().enumerate() {
                pieces.add(*at, bytes, LIMIT, usize::MAX);
                for (place, &byte) in (*at..LIMIT).zip(bytes) {
                    model.entry(place).or_insert(byte);
                }
                for &(_, by, earlier) in moves.iter().filter(|&&(when, ..)| when == n) {
                    if earlier {
                        pieces.begin_earlier(by, LIMIT);
                        model = model.into_iter().map(|(at, b)| (at + by, b)).filter(|e| e.0 < LIMIT).collect();
                    } else {
                        pieces.begin_later(by);
                        model = model.into_iter().filter(|e| e.0 >= by).map(|(at, b)| (at - by, b)).collect();
                    }
                }
                prop_assert_eq!(pieces.ready(), ready(&model));
                prop_assert!(pieces.have.windows(2).all(|two| two[0].end < two[1].start));
            }
        }
    }

    #[test]
    fn no_more_pieces_wait_than_may() {
        let mut pieces = Pieces::default();
        for at in (2..64).step_by(2) {
            pieces.add(at, b"x", LIMIT, 3);
        }
        assert_eq!(pieces.have, [2..3, 4..5, 6..7]);
        pieces.add(0, b"a", LIMIT, 3);
        assert_eq!(pieces.ready(), b"a", "the first piece waits for nothing");
        pieces.add(1, b"bcdefg", LIMIT, 3);
        assert_eq!(pieces.ready(), b"abxdxfx", "nor does one that fills gaps");
    }

    #[test]
    fn what_lies_beyond_the_limit_is_not_kept() {
        let mut pieces = Pieces::default();
        pieces.add(60, b"abcdefgh", LIMIT, 3);
        pieces.add(LIMIT, b"x", LIMIT, 3);
        pieces.add(usize::MAX, b"x", LIMIT, 3);
        pieces.add(0, &[1; 60], LIMIT, 3);
        assert_eq!(pieces.ready().len(), LIMIT);
    }
}
