//! Merges the copies by time and writes them as one capture, one packet at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::plan::{self, Copy, Settings};
use crate::rewrite::{Networks, Rewriter};
use crate::source::{SECOND, Source};
use crate::tally::Tally;

/// Classic pcap in nanoseconds, little-endian, version 2.4, with room for any frame, link type Ethernet.
const FILE_HEADER: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1];

/// Writes the copies in order of time; packets of the same nanosecond in order of the copies.
pub(crate) fn capture(
    sources: &[Source],
    copies: &[Copy],
    settings: &Settings,
    mut out: impl Write,
) -> io::Result<Tally> {
    let households = plan::households(sources, settings);
    let mut networks = Networks::default();
    let mut tally = Tally::default();
    let mut frame = Vec::new();
    // One entry for each copy, with the time of its next packet, is all that is ever held.
    let mut next: BinaryHeap<_> =
        copies.iter().enumerate().map(|(number, copy)| Reverse((copy.start, number, 0))).collect();

    words(&mut out, FILE_HEADER)?;
    while let Some(Reverse((at, number, index))) = next.pop() {
        let copy = &copies[number];
        let source = &sources[copy.source];
        let packet = &source.packets[index];
        if let Some(following) = source.packets.get(index + 1) {
            next.push(Reverse((copy.start + following.at, number, index + 1)));
        }

        frame.clear();
        frame.extend_from_slice(source.data(packet));
        let mut rewriter = Rewriter {
            household: &households[copy.household],
            on_link: &source.on_link,
            port_shift: copy.port_shift,
            networks: &mut networks,
        };
        rewriter.frame(&mut frame);
        write_packet(&mut out, at, packet.wire_len, &frame)?;
        tally.count(at, packet.wire_len, &frame);
    }
    out.flush()?;
    Ok(tally)
}

pub(crate) fn write_packet(out: &mut impl Write, at: i64, wire_len: u32, data: &[u8]) -> io::Result<()> {
    let word = |number: i64| u32::try_from(number).map_err(io::Error::other);
    let captured = u32::try_from(data.len()).map_err(io::Error::other)?;
    words(out, [word(at / SECOND)?, word(at % SECOND)?, captured, wire_len])?;
    out.write_all(data)
}

pub(crate) fn words<const N: usize>(out: &mut impl Write, words: [u32; N]) -> io::Result<()> {
    words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}

#[cfg(test)]
pub(crate) fn write_file_header(out: &mut impl Write) -> io::Result<()> {
    words(out, FILE_HEADER)
}
