//! The part of a name that somebody registered: what remains when the rest would be too much, or too private.

use psl::{List, Psl, Type};

/// The registered domain of a name: one label more than the public suffix that it ends in. `None` for a public suffix
/// itself, for the root, and for a name that was cut, whose end is not known.
///
/// Of the list only the part counts that registries made (ICANN's): `amazonaws.com` for `foo.s3.amazonaws.com` and
/// `github.io` for `x.github.io`. The private part makes each customer of a cloud a domain of its own, so that a thousand
/// buckets would never fold into one, and names the customer where the owner asked for as little as there is to say.
/// A name under no suffix of the list has its last two labels, as the list's own rule has it: `nas.lan`.
#[must_use]
pub fn registrable(name: &str) -> Option<&str> {
    let suffix = public_suffix(name)?;
    let before = name.get(..name.len().checked_sub(suffix.len() + 1)?)?;
    let label = before.rsplit('.').next().filter(|label| !label.is_empty())?;
    name.get(before.len() - label.len()..)
}

/// `*.` and the registered domain, or `*` where there is none.
#[must_use]
pub fn folded(name: &str) -> String {
    registrable(name).map_or_else(|| "*".to_owned(), |domain| format!("*.{domain}"))
}

/// The registered domain, if there is a registry that could have sold it: `nas.local` and `192.168.1.5` have none.
#[must_use]
pub fn registered(name: &str) -> Option<&str> {
    List.suffix(name.as_bytes()).filter(|suffix| suffix.is_known())?;
    registrable(name)
}

fn public_suffix(name: &str) -> Option<&str> {
    let mut rest = name;
    loop {
        let suffix = List.suffix(rest.as_bytes())?;
        let start = rest.len().checked_sub(suffix.as_bytes().len())?;
        let text = rest.get(start..).filter(|text| !text.is_empty())?;
        if suffix.typ() != Some(Type::Private) {
            return Some(text);
        }
        // The longest rule was a private one: what a registry made is among its parents.
        rest = text.split_once('.')?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_domain_is_what_a_registry_sold_and_not_what_a_cloud_handed_on() {
        for (name, domain) in [
            ("www.example.com", "example.com"),
            ("example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("foo.s3.amazonaws.com", "amazonaws.com"),
            ("s3.amazonaws.com", "amazonaws.com"),
            ("x.y.eu-west-1.compute.amazonaws.com", "amazonaws.com"),
            ("x.github.io", "github.io"),
            ("github.io", "github.io"),
            ("me.blogspot.co.uk", "blogspot.co.uk"),
            ("nas.lan", "nas.lan"),
            ("a.b.nas.lan", "nas.lan"),
            ("x.www.ck", "www.ck"),
            ("a.b.c.kawasaki.jp", "b.c.kawasaki.jp"),
            ("a\\046b.c\\255.example.org", "example.org"),
        ] {
            assert_eq!(registrable(name), Some(domain), "{name}");
            assert_eq!(folded(name), format!("*.{domain}"));
        }
    }

    #[test]
    fn where_nothing_is_registered_a_name_folds_to_a_star() {
        for name in ["com", "co.uk", ".", "", "..", "localhost", "www.example\\...", "\\...", ".com"] {
            assert_eq!(registrable(name), None, "{name}");
            assert_eq!(folded(name), "*");
        }
    }
}
