//! Packets from files: pcap and pcapng by libpcap, gzip'ed or not, from a path or from standard input.

mod feed;
mod layout;
mod source;
mod tally;

pub(crate) use feed::is_packed;
pub(crate) use layout::check as check_layout;
pub(crate) use source::{CaptureError, Source, read_all};
pub(crate) use tally::Tally;
