//! The request of HTTP/1 (RFC 9112): which host it is for.

use std::net::Ipv6Addr;

use super::Reading;
use crate::text;

/// Bytes of a request in which the host is looked for.
pub const LONGEST: usize = 8_192;
/// Header fields in which the host is looked for.
pub const FIELDS: usize = 64;
/// The longest method that is believed to be one: `UPDATEREDIRECTREF` is IANA's longest.
const METHOD: usize = 24;

/// What a request says of where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The host, without its port, as [`text::host`] writes it; an IPv6 address without brackets.
    pub host: Option<String>,
    /// What follows may be another protocol: a tunnel (CONNECT, RFC 9110 section 9.3.6) or TLS after an Upgrade
    /// (RFC 2817).
    pub opens: bool,
}

/// Whether the bytes begin as a request does: a method in capitals and a space, or as much of that as is there.
#[must_use]
pub fn is_request_start(bytes: &[u8]) -> bool {
    let length = bytes.iter().position(|&b| !(b.is_ascii_uppercase() || b == b'-' || b == b'_'));
    match length {
        None => !bytes.is_empty() && bytes.len() <= METHOD,
        Some(length) => (1..=METHOD).contains(&length) && bytes.get(length) == Some(&b' '),
    }
}

/// Reads the host of the request that a stream begins with.
#[must_use]
pub fn host(stream: &[u8]) -> Reading<Option<String>> {
    match request(stream) {
        Reading::Whole(request) => Reading::Whole(request.host),
        Reading::More => Reading::More,
        Reading::Not => Reading::Not,
    }
}

/// Reads the request that a stream begins with. It is `Whole` as soon as its Host field is there, or cannot come any more.
#[must_use]
pub fn request(stream: &[u8]) -> Reading<Request> {
    if !is_request_start(stream) {
        return if stream.is_empty() { Reading::More } else { Reading::Not };
    }
    let full = stream.len() >= LONGEST;
    let stream = &stream[..stream.len().min(LONGEST)];
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let parsed = head.parse(stream);
    let (Some(method), Some(target), Some(_)) = (head.method, head.path, head.version) else {
        // Not even the first line is there, or it is none.
        return if parsed == Ok(httparse::Status::Partial) && !full { Reading::More } else { Reading::Not };
    };
    let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let named = field("host").and_then(|field| name(field.value));
    if named.is_none() && !full && parsed == Ok(httparse::Status::Partial) && field("host").is_none() {
        return Reading::More;
    }
    let tls = |word: &[u8]| word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tls/"));
    let upgrades = || field("upgrade").is_some_and(|field| field.value.split(|b| b", ".contains(b)).any(tls));
    let opens = method == "CONNECT" || upgrades();
    Reading::Whole(Request { host: named.or_else(|| name(authority(method, target)?)), opens })
}

/// The authority of a target in absolute form or of CONNECT (RFC 9112 section 3.2).
fn authority<'a>(method: &str, target: &'a str) -> Option<&'a [u8]> {
    let authority = match target.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None if method == "CONNECT" => target,
        None => return None,
    };
    authority.rsplit('@').next().map(str::as_bytes)
}

/// The name in `host:port` (RFC 3986 section 3.2).
fn name(authority: &[u8]) -> Option<String> {
    let authority = authority.trim_ascii();
    if let Some(rest) = authority.strip_prefix(b"[") {
        let literal = rest.split(|&b| b == b']').next()?;
        let address: Ipv6Addr = str::from_utf8(literal).ok()?.parse().ok()?;
        return Some(address.to_string());
    }
    text::host(authority.split(|&b| b == b':').next()?)
}
