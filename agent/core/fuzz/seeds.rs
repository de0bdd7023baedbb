//! Seeds for the fuzz targets, out of captures: `seeds OUT CAPTURE...`, where a folder stands for all captures in it. What
//! a capture holds for a reader becomes a file in the folder of its target; what the sample captures do not have is made
//! by hand.

#![allow(dead_code, reason = "of the tests' helpers and the entries only some are needed here")]

mod entries;
#[path = "../tests/frame.rs"]
mod frame;
#[path = "../tests/input.rs"]
mod input;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use entries::bytes::{put_chunk, put_short};
use entries::conversation::Segment;
use entries::run::{Step, number_of};
use lanscribe_core::decode::{ETHERTYPE_ARP, LinkType, decode};
use lanscribe_core::packet::Packet;
use lanscribe_core::wire::quic::is_initial;

/// Frames of a capture that are looked at.
const FRAMES: usize = 20_000;
/// Seeds of one target that one capture may give.
const SEEDS: usize = 60;
/// Frames of one run of the pipeline, and how many bytes of each.
const RUN: (usize, usize) = (12, 1_600);
/// Packets of a conversation.
const TALK: usize = 6;

type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn main() {
    let mut paths = env::args_os().skip(1).map(PathBuf::from);
    let out = paths.next().expect("where the seeds go");
    let mut captures = Vec::new();
    paths.for_each(|path| find(&path, &mut captures));
    captures.sort();
    let mut written = 0;
    for all in captures.iter().map(|capture| seeds_of(capture)).chain([by_hand()]) {
        for (target, seeds) in all {
            written += seeds.len();
            seeds.iter().for_each(|seed| write(&out.join(target), seed).expect("seeds can be written"));
        }
    }
    println!("{written} seeds out of {} captures", captures.len());
}

fn find(path: &Path, captures: &mut Vec<PathBuf>) {
    if let Ok(entries) = fs::read_dir(path) {
        entries.flatten().for_each(|entry| find(&entry.path(), captures));
    } else if path.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng" || kind == "cap") {
        captures.push(path.to_owned());
    }
}

/// By its content, so that none is there twice.
fn write(folder: &Path, seed: &[u8]) -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{:016x}", hasher.finish())), seed)
}

fn seeds_of(capture: &Path) -> Seeds {
    let mut seeds = Seeds::new();
    let Ok(mut file) = pcap::Capture::from_file(capture) else { return seeds };
    let dlt = file.get_datalink().0;
    let Some(link_type) = LinkType::from_dlt(dlt) else { return seeds };
    let mut run = Run::default();
    let mut talks = BTreeMap::<_, Talk>::new();
    for _ in 0..FRAMES {
        let Ok(packet) = file.next_packet() else { break };
        let stamp = packet.header.ts;
        let at = stamp.tv_sec * 1_000_000 + stamp.tv_usec;
        let number = number_of(dlt);
        if let Some(number) = number.filter(|number| *number < 8) {
            run.add(&mut seeds, at, number, packet.data);
        }
        let wire_len = packet.header.len;
        let Ok(decoded) = decode(link_type, packet.data, wire_len) else { continue };
        add(&mut seeds, "decode", [&[number.unwrap_or_default(), 0], packet.data].concat());
        messages(&mut seeds, &decoded);
        if let (Some(ip), Some(said)) = (decoded.ip, decoded.said().filter(|said| !said.is_empty()))
            && let Some((from, to)) = ip.ports
        {
            let (one, other) = ((ip.src, from), (ip.dst, to));
            let key = (ip.protocol, one.min(other), one.max(other));
            let number = u8::try_from(talks.len() % 64).unwrap_or_default();
            let talk = talks.entry(key).or_insert_with(|| Talk::new(number, one, at));
            talk.add(one, ip.tcp.map(|tcp| tcp.seq), at, said);
        }
    }
    run.end(&mut seeds);
    talks.into_values().for_each(|talk| talk.end(&mut seeds));
    seeds
}

/// One of each message that no sample capture holds.
fn by_hand() -> Seeds {
    let mut seeds = Seeds::new();
    let options: [(u16, &[u8]); 6] = [
        (1, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 7]),
        (6, &[0, 23, 0, 24, 0, 39]),
        (16, b"\0\0\x01\x37\0\x05maker"),
        (17, &[0, 0, 1, 55]),
        (39, b"\0\x04lamp\x04home\0"),
        (112, b"https://lamp.example/mud"),
    ];
    let mut message = vec![1, 9, 9, 9];
    for (kind, body) in options {
        put_short(&mut message, kind);
        put_chunk(&mut message, body);
        add(&mut seeds, "dhcpv6", message.clone());
    }

    let elements: [(u8, &[u8]); 5] = [
        (1, &[4, 2, 0, 0, 0, 0, 7]),
        (5, b"switch"),
        (6, b"eight ports"),
        (127, b"\0\0\x5e\x01https://switch.example/mud"),
        (0, b""),
    ];
    let mut frame = Vec::new();
    for (kind, body) in elements {
        frame.extend([kind << 1, u8::try_from(body.len()).unwrap_or_default()]);
        frame.extend(body);
        add(&mut seeds, "lldp", frame.clone());
    }
    let mut frame = vec![0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0, 2, 180, 0, 0];
    for (kind, body) in [(1, &b"switch"[..]), (6, b"cisco of old")] {
        put_short(&mut frame, kind);
        put_short(&mut frame, u16::try_from(body.len() + 4).unwrap_or_default());
        frame.extend(body);
        add(&mut seeds, "lldp", frame.clone());
    }

    for (action, of) in [("Hello", ""), ("ProbeMatches", "wsdp:Device tds:NetworkVideoTransmitter"), ("Probe", "a:b")] {
        let scopes = "onvif://www.onvif.org/name/Front%20Door onvif://www.onvif.org/hardware/C-1 x:y";
        let body = format!("<d:Types>{of}</d:Types><d:Scopes a=\"b\">{scopes}</d:Scopes><d:XAddrs/>");
        let text = format!("<?xml?><s:Envelope><a:Action>urn:d/{action}</a:Action>{body}</s:Envelope>");
        add(&mut seeds, "wsd", text.into_bytes());
    }

    // The name of a machine, as NetBIOS writes it: LAMP, blanks, the suffix of a workstation.
    let name = [&[32][..], b"EMEBENFACACACACACACACACACACACAAA", &[0]].concat();
    let entry = [0, 0, 192, 168, 1, 7];
    for (flags, counts) in [(0x2910_u16, [1, 0, 0, 1]), (0x8500, [0, 1, 0, 0]), (0x4810, [1, 0, 0, 1])] {
        let mut message = vec![0, 9];
        put_short(&mut message, flags);
        counts.iter().for_each(|&count| put_short(&mut message, count));
        if counts[0] == 1 {
            message.extend([&name[..], &[0, 32, 0, 1]].concat());
        }
        message.extend([&name[..], &[0, 32, 0, 1, 0, 0, 0, 9, 0, 6], &entry].concat());
        add(&mut seeds, "nbns", message);
    }
    let datagram = [&[0x11, 2, 0, 1, 192, 168, 1, 7, 0, 138, 0, 80, 0, 0][..], &name, &name, b"\xffSMB"];
    add(&mut seeds, "nbns", datagram.concat());
    let answer = [&[0, 9, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4][..], b"lamp", &[0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4], &entry[2..]];
    add(&mut seeds, "nbns", answer.concat());

    for text in ["caf\u{e9} \u{202e}\u{1f4a1}\n bulb", "www.example.co.uk", "a.b.s3.amazonaws.com", "nas.lan", "..."] {
        add(&mut seeds, "text", text.as_bytes().to_vec());
    }
    for request in [
        "GET /x HTTP/1.1\r\nHost: lamp.example:80\r\n\r\n",
        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nUpgrade: h2c, TLS/1.2\r\nHost: a\r\n\r\n",
        "GET http://u@lamp.example/ HTTP/1.0\r\n\r\n",
    ] {
        add(&mut seeds, "http", request.as_bytes().to_vec());
    }
    seeds
}

fn add(seeds: &mut Seeds, target: &'static str, seed: Vec<u8>) {
    let known = seeds.entry(target).or_default();
    if known.len() < SEEDS && !known.contains(&seed) {
        known.push(seed);
    }
}

/// What single packets hold.
fn messages(seeds: &mut Seeds, packet: &Packet<'_>) {
    let Some(ip) = packet.ip else {
        if packet.ethertype == ETHERTYPE_ARP {
            add(seeds, "neighbours", [&[0], packet.payload].concat());
        } else if packet.ethertype == 0x88cc || packet.ethertype == 256 + 0xaa {
            add(seeds, "lldp", packet.payload.to_vec());
        }
        return;
    };
    if ip.protocol == 58 {
        add(seeds, "neighbours", [&[ip.hop_limit.max(1)], packet.payload].concat());
    }
    let (Some(said), Some((from, to))) = (packet.said().filter(|said| !said.is_empty()), ip.ports) else {
        return;
    };
    let port = |port| from == port || to == port;
    if ip.tcp.is_some() {
        if port(53) {
            add(seeds, "dns", said.to_vec());
        } else if said.starts_with(&[22, 3]) {
            add(seeds, "tls", said.to_vec());
            // The handshake alone, as QUIC bears it.
            let mut sealed = vec![2];
            put_chunk(&mut sealed, said.get(5..).unwrap_or_default());
            put_short(&mut sealed, 0);
            add(seeds, "quic", sealed);
        } else if lanscribe_core::wire::http::is_request_start(said) {
            add(seeds, "http", said.to_vec());
        }
        return;
    }
    let target = match () {
        () if port(53) => "dns",
        () if port(67) => "dhcp",
        () if port(546) || port(547) => "dhcpv6",
        () if port(5353) => "mdns",
        () if port(137) || port(138) || port(5355) => "nbns",
        () if port(1900) => "ssdp",
        () if port(3702) => "wsd",
        () if said.starts_with(&[22, 0xfe]) => "tls",
        () if is_initial(said) => {
            let mut datagram = vec![0];
            put_chunk(&mut datagram, said);
            return add(seeds, "quic", datagram);
        }
        () => return,
    };
    add(seeds, target, said.to_vec());
    if target == "mdns" || target == "ssdp" {
        add(seeds, "text", said.iter().copied().take(300).collect());
    }
}

/// Frames that follow each other.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    frames: usize,
    last: i64,
}

impl Run {
    fn add(&mut self, seeds: &mut Seeds, at: i64, link_type: u8, frame: &[u8]) {
        if self.bytes.is_empty() {
            // Every second one with little room.
            self.bytes.push(u8::from(seeds.get("pipeline").map_or(0, Vec::len) % 2 == 1));
            self.last = at;
        }
        let bytes = &frame[..frame.len().min(RUN.1)];
        Step::Frame { after: at - self.last, interface: 0, link_type, unseen: 0, bytes }.write(&mut self.bytes);
        (self.last, self.frames) = (at, self.frames + 1);
        if self.frames == RUN.0 {
            self.end(seeds);
        }
    }

    fn end(&mut self, seeds: &mut Seeds) {
        if self.frames > 2 {
            Step::Take.write(&mut self.bytes);
            Step::Tick(30_000_000).write(&mut self.bytes);
            add(seeds, "pipeline", std::mem::take(&mut self.bytes));
        }
        *self = Self::default();
    }
}

/// The first packets of a conversation.
struct Talk {
    number: u8,
    client: (std::net::IpAddr, u16),
    first: Option<u32>,
    last: i64,
    packets: usize,
    hello: Vec<u8>,
    stream: Vec<u8>,
}

impl Talk {
    fn new(number: u8, client: (std::net::IpAddr, u16), at: i64) -> Self {
        let (hello, stream) = (vec![0], Vec::new());
        Self { number, client, first: None, last: at, packets: 0, hello, stream }
    }

    fn add(&mut self, from: (std::net::IpAddr, u16), seq: Option<u32>, at: i64, said: &[u8]) {
        self.packets += 1;
        if self.packets > TALK {
            return;
        }
        let bytes = &said[..said.len().min(1_500)];
        let (way, number) = (usize::from(from != self.client), seq.unwrap_or_default());
        let first = *self.first.get_or_insert(number);
        let behind = u16::try_from(number.wrapping_sub(first)).unwrap_or_default();
        let after = at - self.last;
        let segment =
            Segment { udp: seq.is_none(), way, flow: self.number, seq: 0x1000 | behind, after, bytes };
        segment.write(&mut self.hello);
        self.last = at;
        if way == 0 && seq.is_some() {
            self.stream.push(0);
            put_short(&mut self.stream, 0x100 + behind % 0x4000);
            put_chunk(&mut self.stream, bytes);
        }
    }

    fn end(self, seeds: &mut Seeds) {
        add(seeds, "hello", self.hello);
        if !self.stream.is_empty() {
            add(seeds, "stream", self.stream);
        }
    }
}
