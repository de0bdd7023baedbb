//! Packets of up to 64 kB that make each reader work as hard as it can be made to, thought of or found.

use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::addr::MacAddr;

use crate::entries::sealed;
use crate::frame::{self, ACK, Datagram, Frame};

pub(crate) const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 1, 0]);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);
/// What an IPv4 packet can hold behind the header of UDP; behind that of TCP it is twelve less.
const DATAGRAM: usize = 65_535 - 28;

/// Frames of a conversation of its own, by the port of its client: the last one is the one that costs.
pub(crate) type Make = fn(u16) -> Vec<Vec<u8>>;

/// All of them, by name.
pub(crate) const ALL: &[(&str, Make)] = &[
    ("VLAN tags", tags),
    ("IPv6 extensions", extensions),
    ("router with prefixes", prefixes),
    ("DHCP options", dhcp),
    ("DHCPv6 options", dhcpv6),
    ("DNS many records", |port| dns_answer(port, records())),
    ("DNS long pointers", |port| dns_answer(port, pointers())),
    ("DNS reverse", reverse),
    ("DNS stream of questions", |port| dns_stream(port, &questions(port, b"", 0))),
    ("DNS stream of long names", |port| dns_stream(port, &questions(port, &long_name(), 0))),
    ("DNS stream of answers", dns_stream_of_answers),
    ("DNS stream of headers", |port| dns_stream(port, &[0, 12, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    ("mDNS services", services),
    ("mDNS of others", of_others),
    ("mDNS texts", texts),
    ("NetBIOS records", netbios),
    ("SSDP headers", ssdp),
    ("WS-Discovery tags", |port| wsd(port, b"<", b"")),
    ("WS-Discovery elements", |port| wsd(port, b"<Types>", b"a ")),
    ("WS-Discovery scopes", |port| wsd(port, b"<Scopes>onvif://www.onvif.org/name/", b"%ff")),
    ("LLDP broken text", |_| lldp(0xff)),
    ("LLDP spaces", |_| lldp(b' ')),
    ("CDP broken text", cdp),
    ("TLS records of a byte", |port| tls_stream(port, &one_byte_records(65_000))),
    ("TLS extensions", |port| tls_stream(port, &hello(&[0, 99, 0, 0]))),
    ("TLS names", |port| tls_stream(port, &hello(&[0, 0, 0, 9, 0, 7, 0, 0, 4, b'.', b'.', b'.', b'.']))),
    ("TLS in segments", tls_in_segments),
    ("HTTP fields", |port| http(port, &[b"upgrade:", &b"a,".repeat(60)[..], b"\r\n"].concat())),
    ("HTTP long field", |port| http(port, b"a")),
    ("QUIC pieces", quic_pieces),
    ("QUIC bad keys", |port| quic(port, &[0xc0; 4_000])),
    ("QUIC empty packets", quic_empty),
    ("unknown stream", unknown),
];

fn to_server(port: u16, at: u16, body: &[u8]) -> Vec<u8> {
    Frame::new(CLIENT, ROUTER, Datagram::new(OWN.into(), SERVER.into(), frame::udp(port, at, body)).ether())
        .ethernet()
}

fn to_client(at: u16, port: u16, body: &[u8]) -> Vec<u8> {
    Frame::new(ROUTER, CLIENT, Datagram::new(SERVER.into(), OWN.into(), frame::udp(at, port, body)).ether())
        .ethernet()
}

/// A datagram to everybody on the link.
pub(crate) fn to_all(from: (MacAddr, Ipv4Addr), ports: (u16, u16), body: &[u8]) -> Vec<u8> {
    let group = MacAddr([1, 0, 0x5e, 0, 0, 0xfb]);
    let to = IpAddr::from([224, 0, 0, 251]);
    Frame::new(from.0, group, Datagram::new(from.1.into(), to, frame::udp(ports.0, ports.1, body)).ether())
        .ethernet()
}

/// A segment of a station's connection, up or down.
pub(crate) fn segment(
    (mac, own): (MacAddr, Ipv4Addr),
    up: bool,
    ports: (u16, u16),
    seq: u32,
    body: &[u8],
) -> Vec<u8> {
    let (protocol, mut bytes) = frame::tcp(ports.0, ports.1, ACK, seq, 0);
    bytes.extend(&body[..body.len().min(DATAGRAM - 12)]);
    let (src, dst) = if up { (own, SERVER) } else { (SERVER, own) };
    let (from, to) = if up { (mac, ROUTER) } else { (ROUTER, mac) };
    Frame::new(from, to, Datagram::new(src.into(), dst.into(), (protocol, bytes)).ether()).ethernet()
}

fn up(port: u16, at: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    segment((CLIENT, OWN), true, (port, at), seq, body)
}

/// `unit` again and again, as far as there is room.
fn fill(start: &[u8], unit: &[u8], room: usize) -> Vec<u8> {
    let times = room.saturating_sub(start.len()) / unit.len();
    [start, &unit.repeat(times)].concat()
}

fn tags(_: u16) -> Vec<Vec<u8>> {
    vec![[&CLIENT.0[..], &ROUTER.0, &[0x81, 0, 0, 7].repeat(16_000)].concat()]
}

fn extensions(_: u16) -> Vec<Vec<u8>> {
    let fixed = [&[0x60, 0, 0, 0, 0xff, 0xf8, 60, 64, 0xfe, 0x80][..], &[1; 30]].concat();
    let packet = fill(&fixed, &[60, 0, 1, 4, 0, 0, 0, 0], 65_560);
    vec![Frame::new(CLIENT, ROUTER, (0x86dd, packet)).ethernet()]
}

/// A prefix of its own in each option.
fn prefixes(port: u16) -> Vec<Vec<u8>> {
    let mut body = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    for n in 0..2_040_u16 {
        body.extend([3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0, 0x20, 1]);
        body.extend([port.to_be_bytes(), n.to_be_bytes()].concat());
        body.extend([0; 10]);
    }
    let (from, to) = ("fe80::1".parse().unwrap(), "ff02::1".parse().unwrap());
    let packet = Datagram { hops: 255, ..Datagram::new(from, to, (58, body)) }.ether();
    vec![Frame::new(CLIENT, MacAddr([0x33, 0x33, 0, 0, 0, 1]), packet).ethernet()]
}

fn dhcp(port: u16) -> Vec<Vec<u8>> {
    let mut body = vec![1, 1, 6];
    body.resize(240, 0);
    body[28..34].copy_from_slice(&CLIENT.0);
    body[236..].copy_from_slice(&[99, 130, 83, 99]);
    for kind in [12, 60, 55, 61, 81].into_iter().cycle().take(128) {
        body.extend([kind, 255]);
        body.extend(port.to_be_bytes());
        body.extend([0xff; 253]);
    }
    vec![to_all((CLIENT, Ipv4Addr::UNSPECIFIED), (68, 67), &body)]
}

fn dhcpv6(port: u16) -> Vec<Vec<u8>> {
    let mut body = vec![1, 0, 0, 0];
    for _ in 0..62 {
        body.extend([0, 16, 4, 6, 0, 0, 0, 0, 4, 0]);
        body.extend(port.to_be_bytes());
        body.extend([0xff; 1_022]);
    }
    let (from, to) = ("fe80::7".parse().unwrap(), "ff02::1:2".parse().unwrap());
    let packet = Datagram::new(from, to, frame::udp(546, 547, &body)).ether();
    vec![Frame::new(CLIENT, MacAddr([0x33, 0x33, 0, 1, 0, 2]), packet).ethernet()]
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect()
}

/// As many labels as a name may have.
fn long_name() -> Vec<u8> {
    b"\x01\xf0".repeat(120)
}

/// A question and an answer to it, with what stands in the answer's section.
fn dns_answer(port: u16, (question, records): (Vec<u8>, Vec<u8>)) -> Vec<Vec<u8>> {
    let asked = [header(port, 0x100, [1, 0, 0, 0]), question.clone()].concat();
    let answer = [header(port, 0x8180, [1, u16::MAX, 0, 0]), question, records].concat();
    vec![to_server(port, 53, &asked), to_client(53, port, &answer[..answer.len().min(DATAGRAM)])]
}

fn dns_record(owner: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &[0, kind, 0, 1, 0, 0, 0, 9], &length, data].concat()
}

/// Addresses and aliases of the longest name, then as many records as there is room for.
fn records() -> (Vec<u8>, Vec<u8>) {
    let question = [&long_name()[..], &[0, 0, 1, 0, 1]].concat();
    let mut bytes = Vec::new();
    for n in 0..64 {
        bytes.extend(dns_record(&[0xc0, 12], 1, &[9, 9, 8, n]));
    }
    for _ in 0..16 {
        bytes.extend(dns_record(&[0xc0, 12], 5, &[0xc0, 12]));
    }
    (question, fill(&bytes, &dns_record(&[0xc0, 14], 16, &[]), 65_200))
}

/// Owners that are as many pointers away from their name as may be, all of them aliases of each other.
fn pointers() -> (Vec<u8>, Vec<u8>) {
    let question = [&long_name()[..], &[0, 0, 1, 0, 1]].concat();
    // Behind the header and the question: a label and a pointer, 120 times, in the data of a record.
    let start = 12 + question.len() + 11 + 10;
    let mut chain = vec![1, 0xf0, 0];
    let mut last = start;
    for n in 0..120 {
        let [high, low] = u16::try_from(last).unwrap().to_be_bytes();
        last = start + 3 + n * 4;
        chain.extend([1, 0xf0, 0xc0 | high, low]);
    }
    let [high, low] = u16::try_from(last).unwrap().to_be_bytes();
    let mut bytes = dns_record(&[1, b'x', 1, b'x', 1, b'x', 1, b'x', 1, b'x', 0], 16, &chain);
    let far = [0xc0 | high, low];
    for n in 0..16 {
        let owner: &[u8] = if n == 0 { &[0xc0, 12] } else { &far };
        bytes.extend(dns_record(owner, 5, &[1, n, far[0], far[1]]));
        bytes.extend(dns_record(
            &[1, n, far[0], far[1]],
            65,
            &[&[0, 1, 0, 0, 4, 4, 0][..], &[9; 1_024]].concat(),
        ));
    }
    for n in 0..64 {
        bytes.extend(dns_record(&far, 1, &[9, 9, 8, n]));
    }
    (question, bytes)
}

fn reverse(port: u16) -> Vec<Vec<u8>> {
    let question = [b"\x017\x011\x03168\x03192\x07in-addr\x04arpa\0", &[0, 12, 0, 1][..]].concat();
    let mut bytes = Vec::new();
    for n in 0..250 {
        let name = [&[2, n, 0xf0][..], &long_name(), &[0]].concat();
        bytes.extend(dns_record(&[0xc0, 12], 12, &name));
    }
    dns_answer(port, (question, bytes))
}

/// As many questions as a message may have, each with a name of its own that ends alike.
fn questions(number: u16, end: &[u8], flags: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in 0.. {
        let mut one = header(number, 0x100 | flags, [16, 0, 0, 0]);
        for n in 0..16_u16 {
            let name = u16::to_be_bytes(message * 16 + n + number);
            one.extend([&[3, b'n'][..], &name].concat());
            if n == 0 {
                one.extend([end, &[0]].concat());
            } else {
                one.extend([0xc0, 16]);
            }
            one.extend([0, 1, 0, 1]);
        }
        if bytes.len() + one.len() + 2 > DATAGRAM - 12 {
            break;
        }
        bytes.extend(u16::try_from(one.len()).unwrap().to_be_bytes());
        bytes.extend(one);
    }
    bytes
}

fn dns_stream(port: u16, messages: &[u8]) -> Vec<Vec<u8>> {
    let all = fill(messages, messages, DATAGRAM - 12);
    vec![up(port, 53, 1, &all)]
}

/// As many questions as are remembered, and then answers to others that are called nearly the same.
fn dns_stream_of_answers(port: u16) -> Vec<Vec<u8>> {
    let asked = questions(port, &long_name(), 0);
    let answers = questions(port.wrapping_add(7_000), &long_name(), 0x8000);
    let mut answers = answers;
    // The identifier of each message is that of the questions.
    let mut at = 0;
    while let Some(length) = answers.get(at..at + 2) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        answers[at + 2..at + 4].copy_from_slice(&port.to_be_bytes());
        at += 2 + length;
    }
    vec![up(port, 53, 1, &asked[..1_800]), segment((CLIENT, OWN), false, (53, port), 1, &answers)]
}

fn mdns(flags: u16, records: &[u8]) -> Vec<Vec<u8>> {
    let body = [header(0, 0x8400 | flags, [0, 256, 0, 0]), records.to_vec()].concat();
    vec![to_all((CLIENT, OWN), (5353, 5353), &body[..body.len().min(DATAGRAM)])]
}

/// Announcements of services that nobody knows, with names as long as may be.
fn services(port: u16) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for n in 0..=255 {
        let [high, low] = port.to_be_bytes();
        let name = [&[63, n, high, low][..], &[0xff; 60], &[63, b'_'], &[b'a'; 62], b"\x04_tcp\x05local\0"];
        bytes.extend(dns_record(&name.concat(), 33, &[0; 8]));
    }
    mdns(0, &bytes)
}

/// Of many hosts the sender is one, and the services are of the others.
fn of_others(port: u16) -> Vec<Vec<u8>> {
    let long =
        |n: u8| [&[62, n][..], &[b'h'; 61], &[62], &[b'h'; 62], &[62], &[b'h'; 62], b"\x05local\0"].concat();
    let mut bytes = dns_record(b"\x01o\x05local\0", 1, &OWN.octets());
    let [high, low] = port.to_be_bytes();
    for n in 0..31 {
        bytes.extend(dns_record(&long(n), 1, &[10, n, high, low]));
    }
    for n in 32..250_u8 {
        let service = [&[10, n][..], &[b's'; 9], b"\x04_hap\x04_tcp\x05local\0"].concat();
        // The host by a pointer to the first of the long ones.
        bytes.extend(dns_record(&service, 33, &[0, 0, 0, 0, 0, 1, 0xc0, 12 + 9 + 14]));
    }
    mdns(0, &bytes)
}

/// Services that have their names in long texts.
fn texts(_: u16) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for n in 0..47_u8 {
        let owner = [&[10, n][..], &[b's'; 9], b"\x04_hap\x04_tcp\x05local\0"].concat();
        bytes.extend(dns_record(&owner, 16, &[&[255][..], &[b'm'; 255]].concat().repeat(5)));
    }
    mdns(0, &bytes)
}

fn netbios(_: u16) -> Vec<Vec<u8>> {
    let owner = [&[32][..], &[b'C'; 32], &long_name()[..200], &[0]].concat();
    let record = dns_record(&owner, 32, &[0; 6].repeat(3)).into_iter().collect::<Vec<_>>();
    let body = fill(&header(1, 0x8500, [0, 256, 0, 0]), &record, DATAGRAM);
    vec![to_all((CLIENT, OWN), (137, 137), &body)]
}

fn ssdp(_: u16) -> Vec<Vec<u8>> {
    let line = [b"SERVER:", &[0xff; 118][..], b"\r\n"].concat();
    vec![to_all((CLIENT, OWN), (1900, 1900), &fill(b"NOTIFY * HTTP/1.1\r\n", &line, DATAGRAM))]
}

fn wsd(port: u16, start: &[u8], unit: &[u8]) -> Vec<Vec<u8>> {
    let action = b"<a:Action>x/Hello</a:Action>";
    let unit = if unit.is_empty() { start } else { unit };
    vec![to_all((CLIENT, OWN), (port, 3702), &fill(&[action, start].concat(), unit, DATAGRAM))]
}

fn lldp(byte: u8) -> Vec<Vec<u8>> {
    let element = [&[5 << 1 | 1, 0xff][..], &[byte; 511]].concat();
    let payload = fill(&[], &element, 65_500);
    vec![Frame::new(CLIENT, MacAddr([1, 0x80, 0xc2, 0, 0, 0x0e]), (0x88cc, payload)).ethernet()]
}

fn cdp(_: u16) -> Vec<Vec<u8>> {
    let start = [0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0, 2, 180, 0, 0];
    let payload = fill(&start, &[&[0, 1, 1, 4][..], &[0xff; 256]].concat(), 1_500);
    let length = u16::try_from(payload.len()).unwrap();
    vec![Frame::new(CLIENT, MacAddr([1, 0, 0xc, 0xcc, 0xcc, 0xcc]), (length, payload)).ethernet()]
}

fn tls_stream(port: u16, stream: &[u8]) -> Vec<Vec<u8>> {
    vec![up(port, 443, 1, stream)]
}

/// A ClientHello that promises more than it has, in records of a byte each.
fn one_byte_records(room: usize) -> Vec<u8> {
    handshake(&[0, 99, 0, 0]).iter().flat_map(|&byte| [22, 3, 1, 0, 1, byte]).take(room).collect()
}

/// A ClientHello of the extension `unit` again and again, cut.
fn handshake(unit: &[u8]) -> Vec<u8> {
    let start = [&[1, 0, 0xff, 0, 3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0xfe, 0]];
    fill(&start.concat(), unit, 65_000)
}

/// The same in records as long as may be.
fn hello(unit: &[u8]) -> Vec<u8> {
    let record =
        |part: &[u8]| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    handshake(unit).chunks(1 << 14).flat_map(record).collect()
}

/// The last of as many segments as are looked at, each of which makes all that waits be read again.
fn tls_in_segments(port: u16) -> Vec<Vec<u8>> {
    let stream = one_byte_records(16_300);
    let pieces = stream.chunks(stream.len().div_ceil(31));
    let mut at = 1;
    let mut frames = Vec::new();
    for piece in pieces {
        frames.push(up(port, 443, at, piece));
        at += u32::try_from(piece.len()).unwrap();
    }
    frames
}

fn http(port: u16, unit: &[u8]) -> Vec<Vec<u8>> {
    vec![up(port, 80, 1, &fill(b"GET / HTTP/1.1\r\n", unit, 65_000))]
}

fn quic(port: u16, packet: &[u8]) -> Vec<Vec<u8>> {
    // Long packets that any key may be tried on: version 1, identifier of eight bytes, no token.
    let mut one = vec![0xc0, 0, 0, 0, 1, 8];
    one.extend([&port.to_be_bytes()[..], &[9; 6], &[0, 0]].concat());
    one.extend((u16::try_from(packet.len()).unwrap() | 0x4000).to_be_bytes());
    one.extend(packet);
    vec![to_server(port, 443, &one.repeat(16))]
}

/// Four packets full of bytes of a handshake that wait for each other.
fn quic_pieces(port: u16) -> Vec<Vec<u8>> {
    let identifier = [&port.to_be_bytes()[..], b"ident"].concat();
    let mut datagram = Vec::new();
    for packet in 0..4_u16 {
        let mut frames = Vec::new();
        for n in 0..800_u16 {
            // Every other byte, the last one first.
            let at = 16_382 - 2 * (n + packet * 16);
            frames.extend([&[6][..], &(at | 0x4000).to_be_bytes(), &[1, 7]].concat());
        }
        datagram.extend(sealed::initial(&identifier, &frames));
    }
    let first = sealed::initial(&identifier, &sealed::crypto(0, &handshake(&[0, 99, 0, 0])[..1_000]));
    vec![to_server(port, 443, &first), to_server(port, 443, &datagram)]
}

/// Handshake packets without anything in them, which cost no try.
fn quic_empty(port: u16) -> Vec<Vec<u8>> {
    let start = [0xc0, 0, 0, 0, 1, 0, 0, 0, 0];
    vec![to_server(port, 443, &fill(&start, &[0xe0, 0, 0, 0, 1, 0, 0, 0], DATAGRAM))]
}

/// What might be anything, and waits.
fn unknown(port: u16) -> Vec<Vec<u8>> {
    vec![up(port, 4_444, 1, &[b'U'; 3_000]), up(port, 4_444, 3_001, &[b'U'; 65_000])]
}
