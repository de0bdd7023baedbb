//! What is read over several packets: a stream in any order, the Initials of a QUIC client, the hello of any conversation.

use lanscribe_core::names::hello::{Hellos, Limits, Sight};
use lanscribe_core::names::stream::{self, Stream};
use lanscribe_core::time::{Span, Timestamp};
use lanscribe_core::wire::quic::{DATAGRAMS, Initials, is_initial};
use lanscribe_core::wire::{Reading, quic};

use super::bytes::{Input, put_chunk, put_micros, put_short};
use super::sealed;

/// Memory beside the bytes themselves that a reader may hold: the record of its pieces.
const OVERHEAD: usize = 8 << 10;

/// Segments: a byte of flags, a sequence number, a chunk.
pub(crate) fn stream(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut stream = Stream::new(0xffff_ff00);
    while let (Some(flags), Some(low)) = (input.byte(), input.short()) {
        // Mostly near the start, around which the numbers wrap.
        let seq = 0xffff_ff00_u32.wrapping_add(low.into()).wrapping_add(u32::from(flags >> 4) << 28);
        let before = stream.ready().to_vec();
        if flags & 1 == 0 {
            let Some(chunk) = input.chunk() else { return };
            stream.add(seq, chunk);
            assert!(stream.ready().starts_with(&before), "what was read stays");
        } else {
            stream.begin_at(seq);
            assert_eq!(stream.distance(seq), 0);
        }
        assert!(stream.ready().len() <= stream::LONGEST);
        assert!(stream.bytes() <= stream::LONGEST + OVERHEAD, "{}", stream.bytes());
    }
}

/// Datagrams of a client: each a row of packets that are taken as they are or protected first.
pub(crate) fn quic(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut initials = Initials::new();
    let mut read = 0;
    while let Some(datagram) = datagram(&mut input) {
        // What is no Initial counts only where the client is known.
        let counts = initials.is_sure() || is_initial(&datagram);
        read += u32::from(counts);
        let reading = initials.read(&datagram);
        if let Reading::Whole(hello) = &reading {
            super::hello(hello);
        }
        assert!((counts && read <= DATAGRAMS.into()) || reading == Reading::Not);
        assert!(initials.bytes() <= quic::HANDSHAKE + OVERHEAD, "{}", initials.bytes());
    }
    if let Some(hello) = initials.cut_hello() {
        super::hello(&hello);
    }
}

/// Packets up to one whose first bit says that it is the last of its datagram.
fn datagram(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let mut datagram = Vec::new();
    loop {
        let flags = input.byte()?;
        let chunk = input.chunk()?;
        match flags >> 1 & 3 {
            0 => datagram.extend(chunk),
            // A part of the handshake at the place that comes first, in the one frame that bears such.
            1 => {
                let at = usize::from(input.short()?);
                let chunk = &chunk[..chunk.len().min(LONGEST)];
                datagram.extend(sealed::initial(b"identity", &sealed::crypto(at, chunk)));
            }
            kind => {
                let identifier: &[u8] = if kind == 2 { b"identity" } else { b"other" };
                datagram.extend(sealed::initial(identifier, &chunk[..chunk.len().min(LONGEST)]));
            }
        }
        if flags & 1 == 0 || datagram.len() > 65_535 {
            return Some(datagram);
        }
    }
}

/// Longer packets than that are not made; none that long is decrypted.
const LONGEST: usize = 8_192;

/// A packet with payload, as [`hello`] reads it.
pub(crate) struct Segment<'a> {
    pub(crate) udp: bool,
    pub(crate) way: usize,
    pub(crate) flow: u8,
    /// For TCP: how far behind the flow's first one.
    pub(crate) seq: u16,
    pub(crate) after: i64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    pub(crate) fn read(input: &mut Input<'a>) -> Option<Self> {
        let flags = input.byte()?;
        let (udp, way, flow) = (flags & 1 != 0, usize::from(flags >> 1 & 1), flags >> 2);
        Some(Self { udp, way, flow, seq: input.short()?, after: input.micros()?, bytes: input.chunk()? })
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(self.udp) | u8::from(self.way == 1) << 1 | self.flow << 2);
        put_short(to, self.seq);
        put_micros(to, self.after);
        put_chunk(to, self.bytes);
    }
}

/// Segments and datagrams of up to 64 conversations. The first byte chooses how much may be remembered.
pub(crate) fn hello(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Some(first) = input.byte() else { return };
    let limits = match first & 3 {
        0 => Limits::default(),
        _ => Limits { flows: 6, waiting: 3, bytes: 20_000, decryptions: (4, 1) },
    };
    let mut hellos = Hellos::new(limits);
    let mut at = Timestamp::from_secs(1_700_000_000);
    while let Some(Segment { udp, way, flow, seq, after, bytes }) = Segment::read(&mut input) {
        at = (at + Span(after)).clamped();
        let sight = if udp {
            hellos.udp(flow.into(), way, bytes, at)
        } else {
            hellos.tcp(flow.into(), way, 0xffff_f000_u32.wrapping_add(seq.into()), bytes, at)
        };
        if let Sight::Found(found) = &sight {
            if let Some(name) = &found.name {
                super::domain(name);
            }
            assert!(found.name.is_some() || found.service.is_some(), "something");
        }
        assert!(hellos.len() <= limits.flows && hellos.bytes() <= limits.bytes);
        if flow == 63 {
            hellos.shift(Span(after));
            at = (at + Span(after)).clamped();
        }
        if sight == Sight::Nothing && flow % 2 == 0 {
            hellos.forget(flow.into());
        }
    }
    (0..64).for_each(|flow| hellos.forget(flow));
    assert!(hellos.is_empty() && hellos.bytes() == 0, "nothing is left of what is over");
}
