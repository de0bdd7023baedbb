//! What a conversation is called: the name that was asked for, the service, and what of both is hidden.

use crate::class::Class;
use crate::names::{Name, NameSource};
use crate::service::Service;

use super::table::{Opening, Probe};

/// What keeps names from being seen. Where several may, the last of these: the same resolvers serve all kinds of DNS, and
/// DNS over HTTPS is only guessed by who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hidden {
    /// The ClientHello offers Encrypted Client Hello (RFC 9849): its name may be that of the provider alone. Browsers
    /// offer an empty one to everybody, so that nobody can tell.
    Ech,
    /// DNS over HTTPS (RFC 8484), known by the resolver.
    Doh,
    /// DNS over TLS (RFC 7858).
    Dot,
    /// DNS over QUIC (RFC 9250).
    Doq,
}

impl Hidden {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ech => "ech",
            Self::Dot => "dot",
            Self::Doh => "doh",
            Self::Doq => "doq",
        }
    }
}

/// What the next packets of a flow are read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Nothing more.
    #[default]
    Nothing,
    /// What the first bytes say of the protocol and the server's name.
    Hello,
    /// The same, and bytes of it are kept.
    HelloKept,
    /// Questions and answers of DNS.
    Dns,
}

/// What was learnt of a flow beside its packets' sizes.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// The name that was asked for.
    pub(crate) name: Option<Name>,
    /// The same as it is on rows, where one domain may not have any number of names.
    row_name: Option<Name>,
    /// Which end is called that.
    end: usize,
    pub(crate) service: Option<Service>,
    pub(crate) hidden: Option<Hidden>,
    pub(crate) reads: Reads,
}

impl Naming {
    /// Port of DNS; nothing else is read as DNS.
    const DOMAIN: u16 = 53;

    /// That of a flow which begins.
    pub(crate) fn new(probe: &Probe, opening: &Opening) -> Self {
        let ports = opening.ends.map(|end| end.port);
        let of_two = matches!(opening.class, Class::Remote | Class::Lan | Class::Transit);
        let reads = match probe.key.protocol {
            // Some ask everybody, when nobody told them whom to ask.
            6 | 17 if ports.contains(&Some(Self::DOMAIN)) => Reads::Dns,
            6 | 17 if of_two && ports[0].is_some() => Reads::Hello,
            _ => Reads::Nothing,
        };
        Self { reads, ..Self::default() }
    }

    /// The end number `end` is called `name`, and `row_name` on rows, unless it has a name from a more trusted source.
    pub(crate) fn call(&mut self, end: usize, name: Name, row_name: Name) {
        if self.wants(name.source) {
            (self.name, self.row_name, self.end) = (Some(name), Some(row_name), end);
        }
    }

    /// Whether a name of this source would be taken.
    pub(crate) fn wants(&self, source: NameSource) -> bool {
        self.name.as_ref().is_none_or(|known| source < known.source)
    }

    /// Something hides names, beside what was known to.
    pub(crate) fn hide(&mut self, hidden: Hidden) {
        self.hidden = self.hidden.max(Some(hidden));
    }

    /// What rows call the end number `end`.
    pub(crate) fn row_name(&self, end: usize) -> Option<&Name> {
        self.row_name.as_ref().filter(|_| self.end == end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_over_tls_is_no_dns_over_https_whoever_answers() {
        for hidden in [[Hidden::Dot, Hidden::Doh], [Hidden::Doh, Hidden::Dot]] {
            let mut naming = Naming::default();
            hidden.into_iter().for_each(|hidden| naming.hide(hidden));
            assert_eq!(naming.hidden, Some(Hidden::Dot));
            naming.hide(Hidden::Ech);
            assert_eq!(naming.hidden, Some(Hidden::Dot), "which names are asked for is hidden all the same");
        }
    }
}
