//! What others put on the wire: who has which address on the LAN (ARP, Neighbor Discovery, DHCP), and what the first
//! bytes of a conversation say (TLS, QUIC, HTTP).
//!
//! Every reader takes what was captured and answers that it is none where it is not what it claims to be.

pub mod arp;
pub mod cdp;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
pub mod http;
pub mod lldp;
pub mod llmnr;
pub mod mdns;
pub mod nbns;
pub mod ndp;
mod options;
pub(crate) mod pieces;
pub mod quic;
mod records;
pub mod ssdp;
pub mod tls;
pub mod wsd;

/// What bytes from the start of a message are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The message is there.
    Whole(T),
    /// It may become one with more bytes.
    More,
    /// It is none, whatever comes.
    Not,
}
