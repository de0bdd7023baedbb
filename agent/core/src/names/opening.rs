//! Protocols that their first bytes give away. Only what is certain stands here; the rest goes by its port.

use crate::decode::be16;

/// Whether what begins like this may turn into TLS later on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays what it is.
    Stays,
    /// It has a way to start TLS, or is only the other side's answer.
    MayTurn,
}
use Then::{MayTurn, Stays};

/// Place, bytes, service and what may come of it, for TCP.
const TCP: &[(usize, &[u8], &str, Then)] = &[
    (0, b"SSH-", "ssh", Stays),
    (0, b"RFB 00", "vnc", Stays),
    (0, b"\x13BitTorrent protocol", "bittorrent", Stays),
    (0, b"PRI * HTTP/2.0\r\n", "http", Stays),
    (0, b"HTTP/1.", "http", MayTurn),
    (0, b"RTSP/1.", "rtsp", Stays),
    (0, b"SIP/2.0 ", "sip", Stays),
    (0, b"* OK ", "imap", MayTurn),
    (0, b"+OK ", "pop3", MayTurn),
    (0, b"EHLO ", "smtp", MayTurn),
    (0, b"<?xml version='1.0'?><stream:stream", "xmpp", MayTurn),
    (0, b"<?xml version=\"1.0\"?><stream:stream", "xmpp", MayTurn),
    (0, b"<stream:stream", "xmpp", MayTurn),
    (0, b"AMQP\0", "amqp", MayTurn),
    (0, b"AMQP\x03", "amqp", MayTurn),
    (0, b"\0\0\0\x08\x04\xd2\x16\x2f", "postgresql", MayTurn),
    (4, b"\xffSMB", "smb", Stays),
    (4, b"\xfeSMB", "smb", Stays),
    (11, b"Cookie: mstshash=", "rdp", MayTurn),
];

/// The same for UDP.
const UDP: &[(usize, &[u8], &str, Then)] = &[
    (0, b"M-SEARCH * HTTP/1.1\r\n", "ssdp", Stays),
    (0, b"NOTIFY * HTTP/1.1\r\n", "ssdp", Stays),
    (0, b"SIP/2.0 ", "sip", Stays),
    (0, b"d1:ad2:id20:", "bittorrent", Stays),
    (0, b"d1:rd2:id20:", "bittorrent", Stays),
];

/// What a TCP connection is by a segment of it.
#[must_use]
pub(crate) fn tcp(bytes: &[u8]) -> Option<(&'static str, Then)> {
    let by_rule = || match first_line(bytes) {
        Some(line) if line.ends_with(b" RTSP/1.0") => Some(("rtsp", Stays)),
        Some(line) if line.ends_with(b" SIP/2.0") => Some(("sip", Stays)),
        _ if is_mqtt(bytes) => Some(("mqtt", Stays)),
        _ => is_tls(bytes),
    };
    listed(TCP, bytes).or_else(by_rule)
}

/// What a conversation over UDP is by its first datagram.
#[must_use]
pub(crate) fn udp(bytes: &[u8]) -> Option<(&'static str, Then)> {
    let by_rule = || match first_line(bytes) {
        Some(line) if line.ends_with(b" SIP/2.0") => Some(("sip", Stays)),
        _ if is_stun(bytes) => Some(("stun", Stays)),
        _ if is_wireguard(bytes) => Some(("wireguard", Stays)),
        _ if is_dtls(bytes) => Some(("dtls", Stays)),
        _ => None,
    };
    listed(UDP, bytes).or_else(by_rule)
}

fn listed(table: &[(usize, &[u8], &'static str, Then)], bytes: &[u8]) -> Option<(&'static str, Then)> {
    let fits = |at: usize, start: &[u8]| bytes.get(at..).is_some_and(|bytes| bytes.starts_with(start));
    table.iter().find(|&&(at, start, ..)| fits(at, start)).map(|&(.., service, then)| (service, then))
}

/// The first line, if it is one that a request could begin with: RTSP and SIP write theirs as HTTP does.
fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 512;
    bytes.first().filter(|b| b.is_ascii_uppercase())?;
    let start = &bytes[..bytes.len().min(LONGEST)];
    start.iter().position(|&b| b == b'\r').map(|end| &start[..end])
}

/// A CONNECT packet of MQTT 3.1 to 5 (MQTT 5.0 section 3.1).
fn is_mqtt(bytes: &[u8]) -> bool {
    let [0x10, rest @ ..] = bytes else { return false };
    // The length has one to four bytes, of which all but the last have the highest bit.
    let length = rest.iter().take(4).position(|b| b & 0x80 == 0);
    length.is_some_and(|last| {
        let name = &rest[last + 1..];
        name.starts_with(b"\0\x04MQTT") || name.starts_with(b"\0\x06MQIsdp")
    })
}

/// A record of TLS that is no ClientHello: the start of an answer, or the middle of a conversation (RFC 8446 section 5.1).
fn is_tls(bytes: &[u8]) -> Option<(&'static str, Then)> {
    const FULL: u16 = (1 << 14) + 2_048;
    let (&[kind, 3, 1..=4, _, _], length) = (bytes.first_chunk::<5>()?, be16(bytes, 3)?) else { return None };
    match (kind, bytes.get(5)) {
        // The client's hello is still to come, or was seen out of order.
        (22, Some(2)) if (40..=FULL).contains(&length) => Some(("tls", MayTurn)),
        (23, _) if (17..=FULL).contains(&length) => Some(("tls", Stays)),
        _ => None,
    }
}

/// The magic cookie, a length in words, and the two zero bits in front (RFC 8489 section 5).
fn is_stun(bytes: &[u8]) -> bool {
    const HEADER: usize = 20;
    bytes.first().is_some_and(|first| first & 0xc0 == 0)
        && bytes.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42])
        && be16(bytes, 2).is_some_and(|length| length % 4 == 0 && bytes.len() >= HEADER)
}

/// An initiation or its response, by type, three bytes that are zero, and length (the protocol's paper, section 5.4).
fn is_wireguard(bytes: &[u8]) -> bool {
    matches!((bytes.first_chunk(), bytes.len()), (Some([1, 0, 0, 0]), 148) | (Some([2, 0, 0, 0]), 92))
}

/// A handshake record of DTLS (RFC 9147 section 5, RFC 6347 section 4.1) in epoch 0.
fn is_dtls(bytes: &[u8]) -> bool {
    const RECORD: usize = 13;
    matches!(bytes.first_chunk(), Some([22, 0xfe, 0xfd | 0xff, 0, 0]))
        && be16(bytes, 11).is_some_and(|length| usize::from(length) <= bytes.len() - RECORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(tcp_bytes: &[u8]) -> Option<&'static str> {
        tcp(tcp_bytes).map(|(service, _)| service)
    }

    #[test]
    fn banners_and_first_lines_name_the_service() {
        assert_eq!(tcp(b"SSH-2.0-dropbear\r\n"), Some(("ssh", Stays)));
        assert_eq!(tcp(b"* OK [CAPABILITY STARTTLS] ready\r\n"), Some(("imap", MayTurn)));
        assert_eq!(service(b"DESCRIBE rtsp://10.0.0.9/live RTSP/1.0\r\nCSeq: 1\r\n\r\n"), Some("rtsp"));
        assert_eq!(service(b"\0\0\0\x45\xffSMB\x72"), Some("smb"));
        assert_eq!(service(b"\x10\x12\0\x04MQTT\x04\x02"), Some("mqtt"));
        assert_eq!(service(b"\x10\x80\x01\0\x06MQIsdp\x03"), Some("mqtt"));
        assert_eq!(service(b"\x17\x03\x03\x00\x20abc"), Some("tls"));
        assert_eq!(udp(b"M-SEARCH * HTTP/1.1\r\nHOST: x\r\n"), Some(("ssdp", Stays)));
        assert_eq!(udp(b"OPTIONS sip:a@b SIP/2.0\r\n"), Some(("sip", Stays)));
        assert_eq!(udp(b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl"), Some(("stun", Stays)));
        let mut initiation = [7; 148];
        initiation[..4].copy_from_slice(&[1, 0, 0, 0]);
        assert_eq!(udp(&initiation), Some(("wireguard", Stays)));
    }

    #[test]
    fn what_only_resembles_them_is_left_to_its_port() {
        let mut short = [7; 147];
        short[..4].copy_from_slice(&[1, 0, 0, 0]);
        for bytes in [
            &b""[..],
            b"S",
            b"SSH",
            b"220 ftp or mail",
            b"\x10\xff\xff\xff\xff\0\x04MQTT",
            b"\x16\xfe\xfd\0\0",
        ] {
            assert_eq!((service(bytes), udp(bytes)), (None, None), "{bytes:?}");
        }
        assert_eq!(udp(&short), None);
        assert_eq!(udp(b"\0\x01\0\x03\x21\x12\xa4\x42abcdefghijklmno"), None, "STUN counts in words");
        assert_eq!(service(b"GET / RTSP/1.0 HTTP/9\r\n"), None);
        assert_eq!(service(b"\x17\x03\x03\xff\xff"), None, "no record is that long");
    }
}
