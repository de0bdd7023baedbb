//! Resolvers that devices ask in ways nobody else can read: by name and by address, from their operators' own pages.
//!
//! A flow to one of them that is TLS or QUIC is DNS in all likelihood: nothing else is served there. The list is short on
//! purpose; a resolver that is missing shows under its own name, as any other server.

use std::net::IpAddr;

/// Names under which DNS over HTTPS is served, and nothing else. One that begins with a dot is any name below it.
const NAMES: &[&str] = &[
    "dns.google",
    "dns.google.com",
    "dns64.dns.google",
    "cloudflare-dns.com",
    ".cloudflare-dns.com",
    "one.one.one.one",
    "dns.quad9.net",
    "dns9.quad9.net",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "doh.opendns.com",
    "doh.familyshield.opendns.com",
    "doh.umbrella.com",
    "dns.nextdns.io",
    ".dns.nextdns.io",
    "doh3.dns.nextdns.io",
    "dns.adguard.com",
    "dns.adguard-dns.com",
    "family.adguard-dns.com",
    "unfiltered.adguard-dns.com",
    "d.adguard-dns.com",
    ".d.adguard-dns.com",
    "doh.cleanbrowsing.org",
    "doh.dns.apple.com",
    "doh.xfinity.com",
    "dns.mullvad.net",
    ".dns.mullvad.net",
    "freedns.controld.com",
    "dns.controld.com",
    "dns.alidns.com",
    "doh.pub",
    "dns0.eu",
    "doh.dns.sb",
    "doh.libredns.gr",
    "doh.applied-privacy.net",
    "dns.digitale-gesellschaft.ch",
    "doh.ffmuc.net",
    "dns.switch.ch",
    "wikimedia-dns.org",
];

/// Addresses of public resolvers.
const V4: &[[u8; 4]] = &[
    [1, 0, 0, 1],
    [1, 0, 0, 2],
    [1, 0, 0, 3],
    [1, 1, 1, 1],
    [1, 1, 1, 2],
    [1, 1, 1, 3],
    [8, 8, 4, 4],
    [8, 8, 8, 8],
    [9, 9, 9, 9],
    [9, 9, 9, 10],
    [9, 9, 9, 11],
    [149, 112, 112, 112],
    [45, 90, 28, 0],
    [45, 90, 30, 0],
    [94, 140, 14, 14],
    [94, 140, 15, 15],
    [185, 228, 168, 9],
    [208, 67, 220, 220],
    [208, 67, 222, 222],
    [223, 5, 5, 5],
    [223, 6, 6, 6],
];
const V6: &[[u16; 8]] = &[
    [0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1001],
    [0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111],
    [0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844],
    [0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888],
    [0x2620, 0xfe, 0, 0, 0, 0, 0, 0x9],
    [0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe],
];

/// Whether DNS over HTTPS is served under this name.
#[must_use]
pub fn is_known_name(name: &str) -> bool {
    NAMES.iter().any(|known| match known.strip_prefix('.') {
        Some(above) => name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.')),
        None => name == *known,
    })
}

/// Whether a public resolver has this address.
#[must_use]
pub fn is_known_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => V4.contains(&address.octets()),
        IpAddr::V6(address) => V6.contains(&address.segments()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_known_by_name_and_by_address() {
        assert!(is_known_name("dns.google") && is_known_name("mozilla.cloudflare-dns.com"));
        assert!(is_known_name("ab12cd.dns.nextdns.io") && !is_known_name("xdns.nextdns.io"));
        assert!(!is_known_name("www.google.com"));
        assert!(
            is_known_address("1.1.1.1".parse().unwrap()) && !is_known_address("1.1.1.4".parse().unwrap())
        );
        assert!(is_known_address("2606:4700:4700::1111".parse().unwrap()));
    }
}
