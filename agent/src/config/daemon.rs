//! What only the daemon needs to know: where it listens, where it writes, and where it is asked.

use std::path::PathBuf;
use std::time::Duration;

use lanscribe_core::time::Span;

use super::reader::Document;
use super::value::PATH;

/// Least and most bytes of a frame that are kept while it is looked at: the headers, and what libpcap takes at most.
const SNAPLEN: (usize, usize) = (96, 262_144);
/// Least and most bytes of a ring: libpcap fills blocks of 256 KiB, of which it needs some.
const RING: (usize, usize) = (1 << 20, 1 << 30);
/// Shortest and longest time between two writes: a card wears out, and what is not written can be lost.
const FLUSH: (Span, Span) = (Span::from_secs(10), Span::from_secs(3600));
/// Shortest and longest time for which rows wait for the clock: they wait in memory, and are lost with the power.
const WAIT: (Span, Span) = (Span::from_secs(1), Span::from_secs(3600));
/// Bytes of a socket's path: sun_path, less the zero at its end.
const SOCKET: usize = 107;

/// Which interfaces are captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interfaces {
    /// The one that fits the machine best.
    Auto,
    /// These, without repetition.
    Named(Vec<String>),
}

/// Where packets come from, `[capture]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    pub(crate) interfaces: Interfaces,
    pub(crate) promiscuous: bool,
    /// A filter that libpcap understands; `None` lets everything through.
    pub(crate) filter: Option<String>,
    /// Bytes of a frame that are looked at.
    pub(crate) snaplen: u32,
    /// Bytes of kernel memory for each interface.
    pub(crate) ring: usize,
    /// Whether the interface of the default route may be captured beside others on a machine that forwards.
    pub(crate) allow_uplink: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            interfaces: Interfaces::Auto,
            promiscuous: true,
            filter: None,
            snaplen: 2048,
            ring: 8 << 20,
            allow_uplink: false,
        }
    }
}

impl Capture {
    pub(super) fn read(file: &mut Document<'_>) -> Self {
        let default = Self::default();
        let mut section = file.section("capture");
        let capture = Self {
            interfaces: section.interfaces("interface"),
            promiscuous: section.flag("promiscuous", default.promiscuous),
            filter: section.filter("filter"),
            snaplen: u32::try_from(section.count("snaplen", default.snaplen as usize, SNAPLEN.0, SNAPLEN.1))
                .unwrap_or(default.snaplen),
            ring: section.size("ring", default.ring, RING.0, RING.1),
            allow_uplink: section.flag("allow_uplink", default.allow_uplink),
        };
        section.done();
        capture
    }
}

/// Where rows go, `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreConfig {
    pub(crate) file: PathBuf,
    /// Time between two writes.
    pub(crate) flush: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { file: "/var/lib/lanscribe/lanscribe.db".into(), flush: Duration::from_secs(300) }
    }
}

impl StoreConfig {
    pub(super) fn read(file: &mut Document<'_>) -> Self {
        let default = Self::default();
        let mut section = file.section("store");
        let flush = section.span("flush", span(default.flush), FLUSH.0, FLUSH.1);
        let store = Self { file: section.path("file", default.file, PATH), flush: duration(flush) };
        section.done();
        store
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.0).unwrap_or(0))
}

/// Core's form of a length of time.
pub(super) fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// How it is known that the clock is right, `[clock]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClockConfig {
    /// A file that is there once the clock was set from the network; `None` stands for the usual ones.
    pub(crate) mark: Option<PathBuf>,
    /// How long rows wait for that.
    pub(crate) wait: Duration,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { mark: None, wait: Duration::from_secs(900) }
    }
}

impl ClockConfig {
    pub(super) fn read(file: &mut Document<'_>) -> Self {
        let mut section = file.section("clock");
        let wait = section.span("wait", span(Self::default().wait), WAIT.0, WAIT.1);
        let clock = Self { mark: section.text("mark").map(PathBuf::from), wait: duration(wait) };
        section.done();
        clock
    }
}

/// Where the running daemon is asked and told, `[control]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) socket: PathBuf,
    /// Whether the socket's group may change something: labels, marks, merges.
    pub(crate) group_writes: bool,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: "/run/lanscribe/control.sock".into(), group_writes: false }
    }
}

impl Control {
    pub(super) fn read(file: &mut Document<'_>) -> Self {
        let default = Self::default();
        let mut section = file.section("control");
        let control = Self {
            socket: section.path("socket", default.socket, SOCKET),
            group_writes: section.flag("group_writes", default.group_writes),
        };
        section.done();
        control
    }
}
