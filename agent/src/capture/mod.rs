//! Packets from files: pcap and pcapng by libpcap, gzip'ed or not, from a path or from standard input. And what live
//! capture has to know beforehand: the machine's interfaces, and whether the place of the tap is a good one.

mod feed;
#[cfg_attr(not(test), expect(dead_code, reason = "live capture uses it"))]
pub(crate) mod interface;
mod layout;
#[cfg_attr(not(test), expect(dead_code, reason = "live capture uses it"))]
pub(crate) mod sight;
mod source;
mod tally;

pub(crate) use feed::is_packed;
pub(crate) use layout::check as check_layout;
pub(crate) use source::{CaptureError, Source, read_all};
pub(crate) use tally::Tally;
