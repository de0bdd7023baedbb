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
    let in_method = |b: &u8| b.is_ascii_uppercase() || *b == b'-' || *b == b'_';
    let length = bytes.iter().take(METHOD + 1).take_while(|b| in_method(b)).count();
    (1..=METHOD).contains(&length) && bytes.get(length).is_none_or(|&b| b == b' ')
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
        Some((scheme, rest)) if !scheme.starts_with('/') => rest.split(['/', '?', '#']).next()?,
        _ if method == "CONNECT" => target,
        _ => return None,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(request: &[u8]) -> Option<String> {
        let Reading::Whole(host) = host(request) else { panic!("{:?}", request.escape_ascii().to_string()) };
        host
    }

    #[test]
    fn the_host_is_read_without_its_port() {
        assert_eq!(
            whole(b"GET / HTTP/1.1\r\nhost:  Bulb.Example:8080 \r\n\r\n").as_deref(),
            Some("bulb.example")
        );
        assert_eq!(
            whole(b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n").as_deref(),
            Some("239.255.255.250")
        );
        assert_eq!(
            whole(b"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n").as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(
            whole(b"GET / HTTP/1.1\r\nHost: a\x1b[2Jb\r\nHost: c\r\n\r\n"),
            None,
            "no field may hold an escape"
        );
    }

    #[test]
    fn where_there_is_no_host_the_target_may_name_it() {
        assert_eq!(whole(b"CONNECT mail.example:443 HTTP/1.1\r\n\r\n").as_deref(), Some("mail.example"));
        assert_eq!(
            whole(b"GET http://u:p@www.example:81/x?y HTTP/1.0\r\n\r\n").as_deref(),
            Some("www.example")
        );
        assert_eq!(
            whole(b"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n").as_deref(),
            Some("b.example")
        );
        assert_eq!(whole(b"GET /a://b HTTP/1.0\r\n\r\n"), None);
    }

    #[test]
    fn a_request_is_whole_once_its_host_is_there() {
        let request = b"M-SEARCH /x HTTP/1.1\r\nAccept: y\r\nHost: cam.example\r\nUser-Agent: z\r\n\r\n";
        let there = request.windows(2).enumerate().filter(|(_, two)| two == b"\r\n").nth(2).unwrap().0 + 2;
        for cut in 0..request.len() {
            let reading = host(&request[..cut]);
            match reading {
                Reading::More => assert!(cut < there, "{cut}"),
                Reading::Whole(host) => {
                    assert!(cut >= there && host.as_deref() == Some("cam.example"), "{cut}");
                }
                Reading::Not => panic!("{cut}"),
            }
        }
    }

    #[test]
    fn what_opens_another_protocol_is_told() {
        let opens =
            |request: &[u8]| matches!(super::request(request), Reading::Whole(Request { opens: true, .. }));
        assert!(opens(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert!(opens(
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x, TLS/1.2\r\n\r\n"
        ));
        assert!(!opens(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"));
    }

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        for bytes in [
            &b"\x16\x03\x01"[..],
            b"220 mail ESMTP\r\n",
            b"* OK ready\r\n",
            b"get / ",
            b"EHLO me\r\n",
            b" GET",
            b"AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            b"GET / RTSP/1.0\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert_eq!(host(bytes), Reading::Not, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_request_without_end_or_with_too_many_fields_is_given_up() {
        let endless = [&b"GET /"[..], &[b'a'; LONGEST]].concat();
        assert_eq!(host(&endless[..LONGEST - 1]), Reading::More);
        assert_eq!(host(&endless), Reading::Not);
        let fields = [&b"GET / HTTP/1.1\r\n"[..], &b"A: b\r\n".repeat(FIELDS + 1)].concat();
        assert_eq!(host(&fields), Reading::Whole(None));
        let long = [&b"GET / HTTP/1.1\r\nA: "[..], &[b'a'; LONGEST]].concat();
        assert_eq!(host(&long), Reading::Whole(None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in "(GET|CONNECT|M-SEARCH) [ -~]{0,20} HTTP/1\\.[01]\r\n([ -~\r\n]{0,200})", cut in 0..300_usize) {
            let bytes = &bytes.as_bytes()[..cut.min(bytes.len())];
            prop_assert_eq!(host(bytes) == Reading::Not, request(bytes) == Reading::Not);
        }
    }
}
