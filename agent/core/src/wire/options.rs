//! How the bodies of options become text: hexadecimal, lists of numbers, labels, URLs.

use std::fmt::Write;

use crate::text;

/// Bytes of an identifier that are kept; real ones have 7 to 20.
const IDENTIFIER: usize = 32;
/// Numbers of a list that are kept; real ones have up to 40.
const NUMBERS: usize = 64;
/// Bytes of a URL; a longer one is none.
const URL: usize = 255;

/// An identifier as hexadecimal digits; `None` if it is empty.
pub(super) fn hex(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    for byte in bytes.iter().take(IDENTIFIER) {
        write!(text, "{byte:02x}").ok()?;
    }
    (!text.is_empty()).then_some(text)
}

/// Numbers with commas between, as lists of fingerprints have them; `None` if there are none.
pub(super) fn numbers(list: impl Iterator<Item = u16>) -> Option<String> {
    let mut text = String::new();
    for number in list.take(NUMBERS) {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{number}").ok()?;
    }
    (!text.is_empty()).then_some(text)
}

/// A domain name in wire format without compression (RFC 1035 section 3.1); partial names may end without a root.
pub(super) fn labels(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes.get(..bytes.len().min(text::LONGEST_DOMAIN + 2))?;
    let name = text::domain(std::iter::from_fn(|| {
        let (&length, behind) = rest.split_first()?;
        let label = behind.get(..length.into()).filter(|_| (1..=63).contains(&length))?;
        rest = behind.get(length.into()..)?;
        Some(label)
    }));
    (name != ".").then_some(name)
}

/// A URL of the web in printable ASCII without spaces (RFC 8520 section 10: it is https), or nothing.
pub(super) fn url(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= URL)?;
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_web && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_the_web_that_any_terminal_can_show() {
        assert_eq!(url(b"https://example.com/a?b\0").as_deref(), Some("https://example.com/a?b"));
        for odd in [
            &b"https://a b"[..],
            b"https://a\x1b[2J",
            b"https://\xc3\xa9",
            b"https://\xff",
            b"file:///x",
            b"",
        ] {
            assert_eq!(url(odd), None, "{odd:?}");
        }
        let long = |length: usize| url(format!("https://{}", "x".repeat(length - 8)).as_bytes());
        assert!(long(URL).is_some() && long(URL + 1).is_none());
    }

    #[test]
    fn identifiers_lists_and_labels_are_text_or_nothing() {
        assert_eq!((hex(&[0, 255]).as_deref(), hex(&[])), (Some("00ff"), None));
        assert_eq!(hex(&[7; 40]).unwrap().len(), 2 * IDENTIFIER);
        assert_eq!(
            (numbers([1, 121].into_iter()).as_deref(), numbers([].into_iter())),
            (Some("1,121"), None)
        );
        assert_eq!(numbers(0..1_000).unwrap().split(',').count(), NUMBERS);
        assert_eq!(labels(b"\x02PC\x04home\0rest").as_deref(), Some("pc.home"));
        assert_eq!((labels(b"\0"), labels(b""), labels(b"\x05PC")), (None, None, None));
    }
}
