//! The ClientHello of TLS (RFC 8446 section 4.1.2, RFC 5246): the name of the server that is asked for, and what is to be
//! spoken with it.
//!
//! Own code, for `tls-parser` refuses a hello that was cut, allocates a list of its cipher suites and brings a parser
//! generator with it, and what is wanted are three of its extensions.

use super::Reading;
use crate::decode::be16;
use crate::text;

/// What a client says of the conversation to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The host that it wants (`server_name`, RFC 6066 section 3), as [`text::host`] writes it. With `ech` it may be
    /// only the outer name, which is that of the operator and not of the host.
    pub server_name: Option<String>,
    /// What it offers to speak.
    pub alpn: Alpn,
    /// It offers Encrypted ClientHello (RFC 9849) or its forerunner ESNI. Clients send such an extension filled with
    /// chance (GREASE) where they know no key of the server: nobody on the way can tell that from a real one.
    pub ech: bool,
}

/// The protocols offered (`application_layer_protocol_negotiation`, RFC 7301) that tell a service: a set of those that
/// IANA lists and a few in use beside them. What the server chose is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Alpn(u32);

/// What is offered and the service that it tells. The first that is offered names the service, so what may be spoken
/// instead of something else stands before it.
const PROTOCOLS: &[(&str, &str)] = &[
    ("dot", "dot"),
    ("doq", "doq"),
    ("mqtt", "mqtts"),
    ("x-amzn-mqtt-ca", "mqtts"),
    ("imap", "imaps"),
    ("pop3", "pop3s"),
    ("managesieve", "sieve"),
    ("xmpp-client", "xmpps"),
    ("xmpp-server", "xmpps-server"),
    ("ftp", "ftps"),
    ("irc", "ircs"),
    ("nntp", "nntps"),
    ("sip/2", "sips"),
    ("coap", "coaps"),
    ("co", "coaps"),
    ("stun.turn", "turns"),
    ("stun.nat-discovery", "stuns"),
    ("webrtc", "webrtc"),
    ("c-webrtc", "webrtc"),
    ("ntske/1", "ntske"),
    ("smb", "smb"),
    ("postgresql", "postgresql"),
    ("radius/1.1", "radsec"),
    ("acme-tls/1", "acme"),
    ("x-amzn-http-ca", "https"),
    ("h3", "h3"),
    ("h2", "https"),
    ("http/1.1", "https"),
    ("http/1.0", "https"),
    ("spdy/3.1", "https"),
];
const _: () = assert!(PROTOCOLS.len() <= 32, "a bit for each");

impl Alpn {
    /// Whether `protocol`, by its name in IANA's registry, was offered. One that is not looked for never was.
    #[must_use]
    pub fn offers(self, protocol: &str) -> bool {
        self.names().any(|name| name == protocol)
    }

    /// All that was offered and is looked for, in the order of the table here.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.entries().map(|&(name, _)| name)
    }

    /// The service that the offer tells.
    #[must_use]
    pub fn service(self) -> Option<&'static str> {
        self.entries().next().map(|&(_, service)| service)
    }

    fn entries(self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        PROTOCOLS.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, entry)| entry)
    }

    /// The set of one; a draft of HTTP/3 or of DNS over QUIC counts as what it became.
    fn of(protocol: &[u8]) -> Self {
        let protocol: &[u8] = match protocol {
            [b'h', b'3', b'-', ..] => b"h3",
            [b'd', b'o', b'q', b'-', ..] => b"doq",
            _ => protocol,
        };
        let place = PROTOCOLS.iter().position(|(name, _)| name.as_bytes() == protocol);
        Self(place.map_or(0, |bit| 1 << bit))
    }
}

const CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEADER: usize = 4;
/// The shortest hello: version, random, an empty session, one cipher suite, one compression method.
const SHORTEST: usize = 2 + 32 + 1 + 2 + 2 + 1 + 1;
/// The longest hello that is believed to be one.
const LONGEST: usize = 65_535;

/// Reads a handshake message from its first byte (type, length of three bytes, body).
#[must_use]
pub fn client_hello(handshake: &[u8]) -> Reading<ClientHello> {
    match parse(handshake) {
        Some((hello, true)) => Reading::Whole(hello),
        Some((_, false)) => Reading::More,
        None => Reading::Not,
    }
}

/// What the start of a handshake message says so far, if the name of the server is in it: the rest may never be captured.
#[must_use]
pub fn cut_hello(handshake: &[u8]) -> Option<ClientHello> {
    parse(handshake).map(|(hello, _)| hello).filter(|hello| hello.server_name.is_some())
}

/// Reads a ClientHello from the records at the start of a TCP stream; it may be spread over several (RFC 8446
/// section 5.1).
#[must_use]
pub fn hello_in_records(stream: &[u8]) -> Reading<ClientHello> {
    with_handshake(stream, client_hello).unwrap_or(Reading::Not)
}

/// As [`cut_hello`], from records.
#[must_use]
pub fn cut_hello_in_records(stream: &[u8]) -> Option<ClientHello> {
    with_handshake(stream, cut_hello)?
}

/// Reads the ClientHello of DTLS 1.0 to 1.3 (RFC 6347, RFC 9147) from the datagram that it begins in. One that is spread
/// over several is read as far as its first part goes.
#[must_use]
pub fn dtls_hello(datagram: &[u8]) -> Option<ClientHello> {
    const RECORD: usize = 13;
    const HEADER: usize = 12;
    let (record, rest) = datagram.split_at_checked(RECORD)?;
    let ([22, 0xfe, 0xfd | 0xff, 0, 0, ..], Some(&CLIENT_HELLO)) = (record, rest.first()) else {
        return None;
    };
    let rest = &rest[..rest.len().min(usize::from(be16(record, 11)?))];
    let (header, body) = rest.split_at_checked(HEADER)?;
    // The part that begins the message; its offset is in bytes 6 to 8.
    if header[6..9] != [0, 0, 0] {
        return None;
    }
    body_of(body, usize::from(be16(header, 2)?), true).map(|(hello, _)| hello)
}

/// Gives `read` the handshake bytes in the records at the start of `stream`; `None` if there are others than a ClientHello's.
fn with_handshake<T>(stream: &[u8], read: impl Fn(&[u8]) -> T) -> Option<T> {
    const RECORD: usize = 5;
    const HANDSHAKE: u8 = 22;
    /// Content of a record, and what compression may add (RFC 5246 section 6.2.2).
    const FULL: usize = (1 << 14) + 1_024;
    // What is not there yet may still be right.
    let fits = |at: usize, right: fn(u8) -> bool| stream.get(at).copied().is_none_or(right);
    if !fits(0, |b| b == HANDSHAKE)
        || !fits(1, |b| b == 3)
        || !fits(2, |b| b <= 4)
        || !fits(RECORD, |b| b == CLIENT_HELLO)
    {
        return None;
    }
    let mut joined = Vec::new();
    let mut rest = stream;
    loop {
        let (Some((record, body)), Some(length)) = (rest.split_at_checked(RECORD), be16(rest, 3)) else {
            return Some(read(&joined));
        };
        let length = usize::from(length);
        // Records of nothing are forbidden, and would let a message have no end.
        if record[0] != HANDSHAKE || length == 0 || length > FULL {
            return None;
        }
        let content = &body[..body.len().min(length)];
        let ends_here = declared(content).is_some_and(|declared| declared <= content.len());
        if joined.is_empty() && (ends_here || body.len() <= length) {
            return Some(read(content));
        }
        joined.extend_from_slice(content);
        if body.len() <= length || declared(&joined).is_some_and(|declared| declared <= joined.len()) {
            return Some(read(&joined));
        }
        rest = &body[length..];
    }
}

/// The length that a handshake message has by its own word, header included.
fn declared(handshake: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*handshake.first_chunk()?) & 0x00ff_ffff;
    Some(HANDSHAKE_HEADER + usize::try_from(length).ok()?)
}

/// What is there of a ClientHello, and whether that is all of it.
fn parse(handshake: &[u8]) -> Option<(ClientHello, bool)> {
    if handshake.first().is_some_and(|&kind| kind != CLIENT_HELLO) {
        return None;
    }
    let Some(declared) = declared(handshake) else { return Some((ClientHello::default(), false)) };
    body_of(&handshake[HANDSHAKE_HEADER..], declared - HANDSHAKE_HEADER, false)
}

/// Reads the message's body, of `length` bytes by its header's word.
fn body_of(body: &[u8], length: usize, datagrams: bool) -> Option<(ClientHello, bool)> {
    if !(SHORTEST..=LONGEST).contains(&length) {
        return None;
    }
    let whole = body.len() >= length;
    let mut rest = Rest(&body[..body.len().min(length)]);
    let mut hello = ClientHello::default();
    match read(&mut rest, &mut hello, datagrams) {
        Ok(()) => Some((hello, whole)),
        // The bytes ended before the message: that is what a cut one looks like. A whole one that is broken behind the
        // name has its name all the same.
        Err(Bad::Short) if !whole || hello.server_name.is_some() => Some((hello, whole)),
        Err(_) => None,
    }
}

enum Bad {
    /// The bytes end before what they announce.
    Short,
    /// They are no ClientHello.
    Wrong,
}

fn read(rest: &mut Rest<'_>, hello: &mut ClientHello, datagrams: bool) -> Result<(), Bad> {
    const SERVER_NAME: u16 = 0;
    const PROTOCOL_NEGOTIATION: u16 = 16;
    const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

    let sure = |right: bool| if right { Ok(()) } else { Err(Bad::Wrong) };
    let version = rest.take(2)?;
    sure(version[0] == if datagrams { 0xfe } else { 3 })?;
    rest.take(32)?;
    let session = rest.byte()?;
    sure(session <= 32)?;
    rest.take(session.into())?;
    if datagrams {
        let cookie = rest.byte()?;
        rest.take(cookie.into())?;
    }
    let suites = rest.number()?;
    sure(suites >= 2 && suites % 2 == 0)?;
    rest.take(suites.into())?;
    let compressions = rest.byte()?;
    sure(compressions >= 1)?;
    rest.take(compressions.into())?;
    if rest.0.is_empty() {
        // No extensions before TLS 1.2, or none of them captured.
        return Ok(());
    }
    rest.number()?;
    let mut negotiated = false;
    while !rest.0.is_empty() {
        let (kind, length) = (rest.number()?, rest.number()?);
        // An extension that is cut may hold enough: a name needs only itself.
        let there = &rest.0[..rest.0.len().min(length.into())];
        match kind {
            SERVER_NAME if hello.server_name.is_none() => hello.server_name = server_name(there),
            PROTOCOL_NEGOTIATION if !negotiated => {
                hello.alpn = protocols(there);
                negotiated = true;
            }
            ENCRYPTED_CLIENT_HELLO | ENCRYPTED_SERVER_NAME => hello.ech = true,
            _ => {}
        }
        rest.take(length.into())?;
    }
    Ok(())
}

/// The first entry of type `host_name` (0).
fn server_name(extension: &[u8]) -> Option<String> {
    let mut list = Rest(extension);
    list.number().ok()?;
    loop {
        let (kind, length) = (list.byte().ok()?, list.number().ok()?);
        let name = list.take(length.into()).ok()?;
        if kind == 0 {
            return text::host(name);
        }
    }
}

fn protocols(extension: &[u8]) -> Alpn {
    /// Protocols that are looked at: clients offer two or three.
    const OFFERS: usize = 32;
    let mut list = Rest(extension);
    let mut found = Alpn::default();
    if list.number().is_err() {
        return found;
    }
    for _ in 0..OFFERS {
        let Ok(protocol) = list.byte().and_then(|length| list.take(length.into())) else { break };
        found.0 |= Alpn::of(protocol).0;
    }
    found
}

/// Bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Bad::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Bad> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Result<u16, Bad> {
        be16(self.take(2)?, 0).ok_or(Bad::Short)
    }
}

/// ClientHellos for the tests of all that read them.
#[cfg(test)]
pub(crate) mod sample {
    /// An extension: kind, length, body.
    pub(crate) fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes(), &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    /// The extension that names the server.
    pub(crate) fn server_name(name: &[u8]) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap();
        extension(0, &[&(length + 3).to_be_bytes()[..], &[0], &length.to_be_bytes(), name].concat())
    }

    /// The extension that offers protocols.
    pub(crate) fn protocols(offers: &[&str]) -> Vec<u8> {
        let list: Vec<u8> =
            offers.iter().flat_map(|o| [&[u8::try_from(o.len()).unwrap()], o.as_bytes()].concat()).collect();
        extension(16, &[&u16::try_from(list.len()).unwrap().to_be_bytes(), &list[..]].concat())
    }

    /// Version, random, session, cipher suites, compression and extensions; for DTLS a cookie too.
    pub(crate) fn body(version: u8, cookie: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
        let extensions = extensions.concat();
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        [
            &[version, 3],
            &[7; 32][..],
            &[2, 1, 1],
            cookie,
            &[0, 4, 0x13, 1, 0x13, 2, 1, 0],
            &length,
            &extensions,
        ]
        .concat()
    }

    /// The handshake message with these extensions.
    pub(crate) fn handshake(extensions: &[Vec<u8>]) -> Vec<u8> {
        let body = body(3, &[], extensions);
        [&[1, 0], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    /// The message in records of at most `size` bytes.
    pub(crate) fn records(handshake: &[u8], size: usize) -> Vec<u8> {
        let record =
            |part: &[u8]| [&[22, 3, 1], &u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
        handshake.chunks(size).flat_map(record).collect()
    }

    /// A hello for `name` as long as one with a post-quantum key share, which stands before the name.
    pub(crate) fn long(name: &str) -> Vec<u8> {
        handshake(&[
            extension(51, &[0xab; 1_700]),
            server_name(name.as_bytes()),
            protocols(&["h2", "http/1.1"]),
        ])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sample::{body, extension, handshake, long, protocols, records, server_name};
    use super::*;

    fn whole(reading: Reading<ClientHello>) -> ClientHello {
        let Reading::Whole(hello) = reading else { panic!("{reading:?}") };
        hello
    }

    #[test]
    fn name_offers_and_encryption_are_read() {
        let hello = whole(client_hello(&handshake(&[
            extension(0x0a0a, &[]),
            protocols(&["h2", "http/1.1", "unheard-of"]),
            extension(0xfe0d, &[1; 40]),
            server_name(b"Bulb.Example.ORG"),
        ])));
        assert_eq!(hello.server_name.as_deref(), Some("bulb.example.org"));
        assert_eq!(hello.alpn.names().collect::<Vec<_>>(), ["h2", "http/1.1"]);
        assert_eq!(hello.alpn.service(), Some("https"));
        assert!(hello.ech && hello.alpn.offers("h2") && !hello.alpn.offers("h3"));
    }

    #[test]
    fn a_hello_without_a_name_is_one() {
        let hello = whole(client_hello(&handshake(&[protocols(&["dot"])])));
        assert_eq!((hello.server_name, hello.alpn.service(), hello.ech), (None, Some("dot"), false));
        let bare = body(3, &[], &[]);
        let bare = [&[1, 0, 0, u8::try_from(bare.len() - 2).unwrap()], &bare[..bare.len() - 2]].concat();
        assert_eq!(whole(client_hello(&bare)), ClientHello::default());
    }

    #[test]
    fn drafts_count_as_what_they_became() {
        let offer =
            |protocol: &str| whole(client_hello(&handshake(&[protocols(&[protocol])]))).alpn.service();
        assert_eq!([offer("h3-29"), offer("doq-i00"), offer("h3x")], [Some("h3"), Some("doq"), None]);
    }

    #[test]
    fn no_protocol_stands_in_the_table_twice() {
        for (n, (name, _)) in PROTOCOLS.iter().enumerate() {
            assert_eq!(Alpn::of(name.as_bytes()), Alpn(1 << n), "{name}");
        }
    }

    #[test]
    fn what_is_no_hello_is_told_by_its_first_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            b"\x16\x02",
            b"\x17\x03\x03",
            b"\x16\x03\x01\x02\x00\x02",
            b"\x16\x03\x05",
        ] {
            assert_eq!(hello_in_records(bytes), Reading::Not, "{bytes:?}");
        }
        for bytes in [&b"\x16"[..], b"\x16\x03\x01\x02", b"\x16\x03\x01\x02\x00\x01"] {
            assert_eq!(hello_in_records(bytes), Reading::More, "{bytes:?}");
        }
        assert_eq!(client_hello(&[1, 0, 0, 9]), Reading::Not, "too short to be one");
        let mut odd = handshake(&[]);
        odd[4 + 34] = 33;
        assert_eq!(client_hello(&odd), Reading::Not, "no session is that long");
        assert_eq!(hello_in_records(b"\x16\x03\x01\0\0\x01"), Reading::Not, "a record of nothing");
    }

    #[test]
    fn of_a_cut_hello_the_name_is_kept() {
        let hello = handshake(&[server_name(b"cam.example"), extension(51, &[0; 900]), protocols(&["h2"])]);
        let cut = &hello[..200];
        assert_eq!(client_hello(cut), Reading::More);
        assert_eq!(cut_hello(cut).unwrap().server_name.as_deref(), Some("cam.example"));
        assert_eq!(cut_hello_in_records(&records(&hello, 150)[..170]).unwrap(), cut_hello(cut).unwrap());
        assert_eq!(cut_hello(&long("cam.example")[..200]), None, "the name comes later");
    }

    #[test]
    fn a_datagram_of_dtls_has_its_hello_read() {
        let body = body(0xfe, &[3, 9, 9, 9], &[server_name(b"turn.example"), protocols(&["webrtc"])]);
        let length = u8::try_from(body.len()).unwrap();
        let message = [&[1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length], &body[..]].concat();
        let record = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12], &message[..]].concat();
        let hello = dtls_hello(&record).unwrap();
        assert_eq!(
            (hello.server_name.as_deref(), hello.alpn.service()),
            (Some("turn.example"), Some("webrtc"))
        );
        assert_eq!(dtls_hello(&record[..20]), None);
    }

    proptest! {
        #[test]
        fn a_hello_is_the_same_in_records_of_any_size_and_never_wrong_before_its_end(size in 1..2_000_usize) {
            let hello = long("pq.example.net");
            let stream = records(&hello, size);
            prop_assert_eq!(hello_in_records(&stream), client_hello(&hello));
            for cut in (0..stream.len()).step_by(37) {
                prop_assert_eq!(hello_in_records(&stream[..cut]), Reading::More);
            }
        }

        #[test]
        fn nothing_read_from_a_spoilt_hello_panics(
            at in 0..1_900_usize, bytes in prop::collection::vec(any::<u8>(), 1..40), cut in 0..2_000_usize,
        ) {
            let mut hello = long("pq.example.net");
            let at = at.min(hello.len() - 1);
            for (old, new) in hello[at..].iter_mut().zip(&bytes) {
                *old = *new;
            }
            hello.truncate(cut);
            let _ = (client_hello(&hello), cut_hello(&hello), hello_in_records(&records(&hello, 100)), dtls_hello(&hello));
        }
    }
}
