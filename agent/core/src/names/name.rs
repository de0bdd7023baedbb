//! A name of the other side of a conversation, and how it is known.

use std::ops::Deref;
use std::sync::Arc;

/// Where a name comes from, the most trusted first: what the conversation itself says, then what the station was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// The `server_name` of a TLS ClientHello over TCP (RFC 6066 section 3).
    Sni,
    /// The same in the Initial packets of QUIC (RFC 9001 section 4).
    Quic,
    /// The Host of an HTTP request (RFC 9110 section 7.2).
    Http,
    /// The name that this very station asked for when it was given the address (RFC 1035).
    Dns,
    /// The name that the address was announced under on the LAN (RFC 6762).
    Mdns,
    /// The name that this very station was given for the address (RFC 1035 section 3.5).
    Ptr,
}

impl NameSource {
    /// All of them, the most trusted first.
    pub const ALL: [Self; 6] = [Self::Sni, Self::Quic, Self::Http, Self::Dns, Self::Mdns, Self::Ptr];

    /// As it is stored.
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

/// A name and where it comes from. One pointer, for most flows and rows have none and all are moved about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<Known>);

/// What is known of a name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known {
    /// Presentation text, lower case: see [`text::domain`](crate::text::domain()).
    pub text: Arc<str>,
    /// Where it comes from.
    pub source: NameSource,
}

impl Name {
    /// The name `text`, which comes from `source`.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>, source: NameSource) -> Self {
        Self(Arc::new(Known { text: text.into(), source }))
    }
}

impl Deref for Name {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.0
    }
}
