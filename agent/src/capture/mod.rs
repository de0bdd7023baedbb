//! Packets from files: pcap and pcapng by libpcap, gzip'ed or not, from a path or from standard input.

mod feed;
mod source;

pub(crate) use feed::{is_packed, sha256};
pub(crate) use source::{CaptureError, Source, read_all};
