//! Capture files as a stream of frames, several of them merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use lanscribe_core::decode::LinkType;
use lanscribe_core::time::Timestamp;
use pcap::{Capture, Offline, PacketHeader, Precision};

use super::feed::Feed;
use super::libpcap::{UnknownLinkType, link_type, said, seconds};

/// Why a capture could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// It could not be opened at all.
    #[error("{}: {}", .0.display(), .1)]
    Open(PathBuf, std::io::Error),
    /// libpcap does not know what it is.
    #[error("{}: not a capture that can be read: {} (expected pcap or pcapng, maybe gzip'ed)", .0.display(), .1)]
    Format(PathBuf, String),
    /// Its frames begin in a way that is not understood.
    #[error("{}: {}", .0.display(), .1)]
    LinkType(PathBuf, UnknownLinkType),
    /// It broke off.
    #[error("{}: read up to packet {after}, then: {reason}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Packets that were read before.
        after: u64,
        /// What libpcap, or the unpacking, said.
        reason: String,
    },
}

/// A captured frame, borrowed from libpcap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) at: Timestamp,
    pub(crate) link_type: LinkType,
    pub(crate) wire_len: u32,
    pub(crate) bytes: &'a [u8],
}

impl Frame<'_> {
    /// Bytes that the frame took in its file, nearly: what a pcap record has.
    pub(crate) fn file_len(&self) -> u64 {
        16 + self.bytes.len() as u64
    }
}

/// One open capture file.
pub(crate) struct Source {
    path: PathBuf,
    capture: Capture<Offline>,
    link_type: LinkType,
    feed: Feed,
    /// Frames that were read so far.
    frames: u64,
}

impl Source {
    /// Opens a capture file; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be opened, is no capture, or has a link type that is not understood.
    pub(crate) fn open(path: &Path) -> Result<Self, CaptureError> {
        let open = |e| CaptureError::Open(path.to_owned(), e);
        let feed = Feed::open(path).map_err(open)?;
        let capture = Capture::from_file_with_precision(&feed.path, Precision::Nano).map_err(|e| {
            let reason = feed.failure().map_or_else(|| plain(&e, &feed.path), ToString::to_string);
            CaptureError::Format(path.to_owned(), reason)
        })?;
        let link_type =
            link_type(capture.get_datalink()).map_err(|e| CaptureError::LinkType(path.to_owned(), e))?;
        Ok(Self { path: path.to_owned(), capture, link_type, feed, frames: 0 })
    }

    /// The end of the file, or why it came early.
    fn ended(&self, error: &pcap::Error) -> Result<(), CaptureError> {
        let broken = |reason| CaptureError::Broken { path: self.path.clone(), after: self.frames, reason };
        match (error, self.feed.failure()) {
            (_, Some(io)) => Err(broken(format!("the file is damaged: {io}"))),
            (pcap::Error::NoMorePackets, None) => Ok(()),
            (error, None) => Err(broken(plain(error, &self.feed.path))),
        }
    }
}

/// What libpcap said, without the name under which it knew the file.
fn plain(error: &pcap::Error, path: &str) -> String {
    let text = said(error);
    text.strip_prefix(path).map_or(&*text, |rest| rest.trim_start_matches([':', ' '])).to_owned()
}

/// Time stamps are read in nanoseconds, which libpcap leaves in the field for microseconds.
fn time(header: &PacketHeader) -> Timestamp {
    #[allow(clippy::useless_conversion)] // narrower on 32-bit systems
    let nanos = i64::from(header.ts.tv_usec);
    Timestamp(seconds(header).saturating_mul(1_000_000).saturating_add(nanos.div_euclid(1_000))).clamped()
}

/// Hands every frame of all sources to `handle`, with the number of its source, in order of time, as mergecap would.
/// Files that follow one another, like those of a rotating capture, and files that overlap are alike.
///
/// Returns, for each source, whether it was read to its end.
pub(crate) fn read_all<E>(
    sources: &mut [Source],
    mut handle: impl FnMut(usize, &Frame<'_>) -> Result<(), E>,
) -> Result<Vec<Result<(), CaptureError>>, E> {
    if let [source] = sources {
        return Ok(vec![read_one(source, &mut handle)?]);
    }
    let mut ends: Vec<_> = sources.iter().map(|_| Ok(())).collect();
    let mut buffers: Vec<(u32, Vec<u8>)> = sources.iter().map(|_| (0, Vec::new())).collect();
    let mut next = BinaryHeap::new();
    for (n, source) in sources.iter_mut().enumerate() {
        match pull(source, &mut buffers[n]) {
            Ok(at) => next.push(Reverse((at, n))),
            Err(error) => ends[n] = source.ended(&error),
        }
    }
    while let Some(Reverse((at, n))) = next.pop() {
        let (wire_len, bytes) = &buffers[n];
        handle(n, &Frame { at, link_type: sources[n].link_type, wire_len: *wire_len, bytes })?;
        sources[n].frames += 1;
        match pull(&mut sources[n], &mut buffers[n]) {
            Ok(at) => next.push(Reverse((at, n))),
            Err(error) => ends[n] = sources[n].ended(&error),
        }
    }
    Ok(ends)
}

/// Frames that are handed over by one call into libpcap, which costs half of asking for each.
const AT_ONCE: usize = 4096;

fn read_one<E>(
    source: &mut Source,
    handle: &mut impl FnMut(usize, &Frame<'_>) -> Result<(), E>,
) -> Result<Result<(), CaptureError>, E> {
    let link_type = source.link_type;
    loop {
        let (mut frames, mut failed) = (0, None);
        let read = source.capture.for_each(Some(AT_ONCE), |packet| {
            if failed.is_none() {
                let (at, wire_len) = (time(packet.header), packet.header.len);
                failed = handle(0, &Frame { at, link_type, wire_len, bytes: packet.data }).err();
                frames += 1;
            }
        });
        source.frames += frames;
        match (failed, read) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => return Ok(source.ended(&error)),
            (None, Ok(())) if frames < AT_ONCE as u64 => return Ok(source.ended(&pcap::Error::NoMorePackets)),
            (None, Ok(())) => {}
        }
    }
}

/// Copies the next frame of a source into its buffer, which is used again and again.
fn pull(source: &mut Source, buffer: &mut (u32, Vec<u8>)) -> Result<Timestamp, pcap::Error> {
    let packet = source.capture.next_packet()?;
    buffer.0 = packet.header.len;
    buffer.1.clear();
    buffer.1.extend_from_slice(packet.data);
    Ok(time(packet.header))
}
