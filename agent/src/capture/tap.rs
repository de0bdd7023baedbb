//! A live interface as a stream of frames: libpcap's ring, read without blocking, with 64-bit counts of what it lost.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use lanscribe_core::decode::LinkType;
use lanscribe_core::time::Timestamp;
use pcap::{Active, Capture, Inactive, PacketHeader};

use super::libpcap::{UnknownLinkType, link_type, said, seconds};
use super::source::Frame;

/// How long the kernel may fill a block of the ring before it hands it over. Each handing over is a wake-up; below
/// 100 ms these cost more than the packets do.
pub(crate) const BLOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// How an interface is opened.
#[derive(Clone, Debug)]
pub(crate) struct TapSettings {
    pub(crate) promiscuous: bool,
    /// In the language of pcap-filter(7).
    pub(crate) filter: Option<String>,
    /// Bytes of a frame that are kept for decoding.
    pub(crate) snaplen: u32,
    /// Bytes of the ring.
    pub(crate) ring: usize,
}

/// Why an interface could not be captured from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TapError {
    /// Not without the privilege.
    #[error("{0}: capturing is not allowed: run as root, as the service, or with CAP_NET_RAW ({1})")]
    NotAllowed(String, String),
    /// It cannot be opened now.
    #[error("{0}: {1}")]
    Open(String, String),
    /// The filter makes no sense on it.
    #[error("{0}: capture.filter does not fit this interface: {1}")]
    Filter(String, String),
    /// Its frames begin in a way that is not understood.
    #[error("{0}: {1}")]
    LinkType(String, UnknownLinkType),
    /// It was there, and is not any more.
    #[error("{0}: the interface disappeared")]
    Gone(String),
    /// It goes by another name, and the configuration goes by names.
    #[error("{0}: the interface is called {1} now")]
    Renamed(String, String),
    /// It hears what is sent to this machine only. To ask it again takes the privilege, which is dropped by now.
    #[error("{0}: the interface is not promiscuous any more, and has to be opened anew")]
    NotPromiscuous(String),
    /// Anything else that went wrong while capturing.
    #[error("{0}: {1}")]
    Broken(String, String),
}

/// What the kernel counted since the interface was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames that passed the filter, dropped ones included.
    pub(crate) received: u64,
    /// Those that found the ring full.
    pub(crate) dropped: u64,
    /// Those that the interface or its driver dropped, by its own count.
    pub(crate) interface_dropped: u64,
}

/// One open interface.
pub(crate) struct Tap {
    name: String,
    capture: Capture<Active>,
    link_type: LinkType,
    /// There is a filter.
    filtered: bool,
    counts: Counts,
    /// libpcap's counts when they were last read; they have 32 bits and run over.
    latest: [u32; 3],
    /// Frames that were handed over.
    captured: u64,
    /// Bytes of them on the wire.
    bytes: u64,
}

impl Tap {
    /// Opens an interface.
    ///
    /// # Errors
    /// If that is not allowed, there is none of that name, or its link type is not understood.
    pub(crate) fn open(name: &str, settings: &TapSettings) -> Result<Self, TapError> {
        let open = |e: pcap::Error| refused(name, &e);
        let inactive: Capture<Inactive> = Capture::from_device(name).map_err(open)?;
        let capture = inactive
            .promisc(settings.promiscuous)
            .snaplen(i32::try_from(settings.snaplen).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(settings.ring).unwrap_or(i32::MAX))
            .timeout(i32::try_from(BLOCK_TIMEOUT.as_millis()).unwrap_or(i32::MAX))
            .open()
            .map_err(open)?;
        let mut capture = capture.setnonblock().map_err(open)?;
        if let Some(filter) = &settings.filter {
            capture.filter(filter, true).map_err(|e| TapError::Filter(name.to_owned(), said(&e)))?;
        }
        let link_type =
            link_type(capture.get_datalink()).map_err(|e| TapError::LinkType(name.to_owned(), e))?;
        let (counts, latest) = (Counts::default(), [0; 3]);
        let (name, filtered) = (name.to_owned(), settings.filter.is_some());
        Ok(Self { name, capture, link_type, filtered, counts, latest, captured: 0, bytes: 0 })
    }

    /// The interface.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How its frames begin.
    pub(crate) fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Frames that were handed over, and their bytes on the wire.
    pub(crate) fn captured(&self) -> (u64, u64) {
        (self.captured, self.bytes)
    }

    /// Hands over what is in the ring, up to `at_once` frames and at most `most`; whatever is there beyond `most` is thrown
    /// away. Returns whether there may be more.
    ///
    /// # Errors
    /// If the interface disappeared, or libpcap says anything else.
    pub(crate) fn read(
        &mut self,
        at_once: usize,
        most: u64,
        mut handle: impl FnMut(&Frame<'_>),
    ) -> Result<bool, TapError> {
        let (link_type, mut captured, mut bytes) = (self.link_type, 0, 0);
        let read = self.capture.dispatch(Some(at_once), |packet| {
            if captured < most {
                captured += 1;
                bytes += u64::from(packet.header.len);
                let (at, wire_len) = (time(packet.header), packet.header.len);
                handle(&Frame { at, link_type, wire_len, bytes: packet.data });
            }
        });
        self.captured += captured;
        self.bytes += bytes;
        match read {
            Ok(frames) => Ok(frames >= at_once),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Asks the kernel what it counted; returns what was dropped since the last time, by ring and by interface.
    ///
    /// # Errors
    /// If libpcap cannot tell.
    pub(crate) fn count(&mut self) -> Result<(u64, u64), TapError> {
        let stat = self.capture.stats().map_err(|e| self.broken(&e))?;
        let now = [stat.received, stat.dropped, stat.if_dropped];
        let [received, dropped, interface_dropped] = std::array::from_fn(|n| risen(now[n], self.latest[n]));
        self.latest = now;
        self.counts.received += received;
        self.counts.dropped += dropped;
        self.counts.interface_dropped += interface_dropped;
        Ok((dropped, interface_dropped))
    }

    /// What the kernel had counted when it was last asked.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames that the kernel had put into the ring when it was last asked, and that were not handed over since.
    pub(crate) fn in_ring(&self) -> u64 {
        (self.counts.received - self.counts.dropped).saturating_sub(self.captured)
    }

    /// What the kernel counted and never handed over, at the end. With a filter these are frames that came before the
    /// filter was in force, which libpcap has thrown away itself: they count as never received.
    pub(crate) fn write_off(&mut self) {
        let left = self.in_ring();
        if self.filtered {
            self.counts.received -= left;
        } else if left > 0 {
            tracing::warn!("{}: {left} packets that the kernel counted never came", self.name);
        }
    }

    fn broken(&self, error: &pcap::Error) -> TapError {
        let said = said(error);
        // There is no number for it: libpcap has these words only.
        if said.contains("interface disappeared") {
            return TapError::Gone(self.name.clone());
        }
        TapError::Broken(self.name.clone(), said)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// Live time stamps are in microseconds.
fn time(header: &PacketHeader) -> Timestamp {
    #[allow(clippy::useless_conversion)] // narrower on 32-bit systems
    let micros = i64::from(header.ts.tv_usec);
    Timestamp(seconds(header).saturating_mul(1_000_000).saturating_add(micros)).clamped()
}

/// How much a count of 32 bits has risen, which may have run over. Those of the interface begin anew when a driver
/// does, and are 0 of one that is gone: that is no rise.
fn risen(now: u32, before: u32) -> u64 {
    let risen = now.wrapping_sub(before);
    if risen > u32::MAX / 2 { 0 } else { u64::from(risen) }
}

fn refused(name: &str, error: &pcap::Error) -> TapError {
    let said = said(error);
    let permission = ["permission", "not permitted", "CAP_NET_RAW"];
    if permission.iter().any(|word| said.contains(word)) {
        return TapError::NotAllowed(name.to_owned(), said);
    }
    TapError::Open(name.to_owned(), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_runs_over_rises_and_one_that_begins_anew_does_not() {
        assert_eq!(risen(7, 5), 2);
        assert_eq!(risen(3, u32::MAX - 1), 5);
        assert_eq!(risen(0, 12), 0);
        assert_eq!(risen(4, 4_000), 0);
    }
}
