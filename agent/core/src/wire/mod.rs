//! What others put on the wire: who has which address on the LAN (ARP, Neighbor Discovery, DHCP), and what the first
//! bytes of a conversation say (TLS, QUIC, HTTP).
//!
//! Every reader takes what was captured and answers that it is none where it is not what it claims to be.

pub mod arp;
pub mod dhcp;
pub mod http;
pub mod ndp;
pub(crate) mod pieces;
pub mod quic;
pub mod tls;

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
