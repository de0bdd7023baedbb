//! Names: what a device is called, and what it talks to.

pub mod hello;
pub mod opening;
pub mod stream;

/// Where a name comes from, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// The ClientHello of the conversation itself.
    Sni,
    /// The same, out of QUIC's Initial packets.
    Quic,
    /// The Host of an HTTP request.
    Http,
    /// The answer that the device was given last for the address.
    Dns,
    /// Multicast DNS.
    Mdns,
    /// An answer to a question for the name of an address.
    Ptr,
}

impl NameSource {
    /// The source as stored in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Ptr => "ptr",
        }
    }
}
