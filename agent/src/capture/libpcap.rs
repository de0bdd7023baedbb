//! What files and interfaces share of libpcap: what it says, and link types that are not understood.

use std::collections::BTreeSet;

use lanscribe_core::decode::LinkType;
use pcap::{Linktype, PacketHeader};

/// What libpcap said, without its name before it.
pub(crate) fn said(error: &pcap::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("libpcap error: ").unwrap_or(&text).to_owned()
}

/// The seconds of a packet's time. Where the field has 32 bits, as on 32-bit systems, it is read as files and the kernel
/// mean it, without a sign: until 2106, not until 2038.
pub(super) fn seconds(header: &PacketHeader) -> i64 {
    #[allow(clippy::useless_conversion)] // narrower on 32-bit systems
    let seconds = i64::from(header.ts.tv_sec);
    if cfg!(target_pointer_width = "32") { seconds & i64::from(u32::MAX) } else { seconds }
}

/// A link type that is not understood: its frames begin in a way that nobody here can read.
#[derive(Debug, thiserror::Error)]
#[error("link type {name} is not supported; supported are {known}")]
pub(crate) struct UnknownLinkType {
    /// libpcap's name of it.
    name: String,
    /// The names of those that are understood.
    known: String,
}

/// What libpcap's number means to the decoder.
///
/// # Errors
/// If it means nothing.
pub(super) fn link_type(dlt: Linktype) -> Result<LinkType, UnknownLinkType> {
    LinkType::from_dlt(dlt.0).ok_or_else(|| UnknownLinkType {
        name: dlt.get_name().unwrap_or_else(|_| dlt.0.to_string()),
        known: LinkType::names().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "),
    })
}
