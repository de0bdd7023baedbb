//! Packets by libpcap: from files (pcap and pcapng, gzip'ed or not, by path or from standard input), and from the rings
//! of live interfaces.

mod feed;
mod interface;
mod layout;
mod libpcap;
mod link;
mod sight;
mod source;
mod tally;
mod tap;

pub(crate) use feed::is_packed;
pub(crate) use interface::{InterfaceError, Machine, Own, link_state};
pub(crate) use layout::check as check_layout;
pub(crate) use libpcap::said;
pub(crate) use link::Links;
pub(crate) use sight::{Hints, Sight};
pub(crate) use source::{CaptureError, Source, read_all};
pub(crate) use tally::Tally;
pub(crate) use tap::{BLOCK_TIMEOUT, Tap, TapError, TapSettings};
