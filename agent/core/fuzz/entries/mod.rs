//! One entry for each reader of strangers' bytes: any bytes may come, and what must hold then is asserted. The fuzz targets
//! run them on what libFuzzer thinks of, the tests of core on the corpora beside this folder.

pub(crate) mod bytes;
pub(crate) mod conversation;
pub(crate) mod run;
pub(crate) mod sealed;

use std::net::IpAddr;

use lanscribe_core::decode::decode;
use lanscribe_core::names::heard::Says;
use lanscribe_core::names::registrable::{folded, registrable};
use lanscribe_core::packet::Ip;
use lanscribe_core::text;
use lanscribe_core::wire::arp::Arp;
use lanscribe_core::wire::dhcp::{self, Ack};
use lanscribe_core::wire::dns::{self, Message};
use lanscribe_core::wire::ndp::Ndp;
use lanscribe_core::wire::tls::ClientHello;
use lanscribe_core::wire::{Reading, cdp, dhcpv6, http, lldp, llmnr, mdns, nbns, ssdp, tls, wsd};

/// What takes any bytes, and panics if something is wrong with what is made of them.
pub(crate) type Entry = fn(&[u8]);

/// All entries, by the names of their targets.
pub(crate) const ALL: &[(&str, Entry)] = &[
    ("decode", frames),
    ("neighbours", neighbours),
    ("dhcp", dhcp),
    ("dhcpv6", dhcpv6),
    ("dns", dns),
    ("mdns", mdns),
    ("nbns", nbns),
    ("ssdp", ssdp),
    ("wsd", wsd),
    ("lldp", lldp),
    ("tls", tls),
    ("quic", conversation::quic),
    ("http", http),
    ("text", texts),
    ("stream", conversation::stream),
    ("hello", conversation::hello),
    ("pipeline", run::pipeline),
];

/// The entry of that name.
pub(crate) fn of(name: &str) -> Option<Entry> {
    ALL.iter().find(|(known, _)| *known == name).map(|&(_, entry)| entry)
}

/// Values that a packet may tell of: most protocols allow about this many services or options.
const TOLD: usize = 512;

/// Holds what a reader tells against what all of them promise.
fn hear(read: impl FnOnce(&mut dyn FnMut(Says))) {
    let mut told = 0;
    read(&mut |says| {
        told += 1;
        match says {
            Says::Own(_, value) | Says::Of(_, _, value) => {
                assert!(!value.is_empty() && value.len() <= 512, "{value:?}");
                assert!(!value.chars().any(text::is_hidden), "{value:?}");
            }
            Says::Address(name, _) => domain(&name),
        }
    });
    assert!(told <= TOLD, "{told}");
}

/// Holds a domain name against what is promised of all of them.
pub(crate) fn domain(name: &str) {
    assert!(!name.is_empty() && name.len() <= text::LONGEST_DOMAIN, "{name:?}");
    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{name:?}");
}

const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 7));

/// The first two bytes choose the link type and how much of the frame was not captured.
fn frames(bytes: &[u8]) {
    let &[link_type, unseen, ref bytes @ ..] = bytes else { return };
    let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(unseen.into());
    match decode(run::link_type(link_type), bytes, wire_len) {
        Ok(packet) => {
            assert!(packet.payload.len() <= bytes.len());
            assert!(packet.said().is_none_or(|said| said.len() <= packet.payload.len()));
            assert!(packet.trouble.is_none_or(|trouble| !trouble.is_undecodable()));
        }
        Err(trouble) => assert!(trouble.is_undecodable()),
    }
}

/// The first byte chooses between ARP and Neighbor Discovery, and for that its hop limit.
fn neighbours(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    if first == 0 {
        if let Some(arp) = Arp::read(bytes) {
            assert!(bytes.starts_with(&[0, 1, 8, 0, 6, 4]), "{arp:?}");
        }
        return;
    }
    let (src, dst) = ("fe80::1".parse().unwrap(), "ff02::1".parse().unwrap());
    let ip = Ip { src, dst, protocol: 58, hop_limit: first, len: 0, ports: None, fragment: None, tcp: None };
    if let Some(Ndp::RouterAdvertisement { options }) = Ndp::read(&ip, bytes) {
        assert!(options.on_link_prefixes().count() <= bytes.len() / 8);
    }
}

fn dhcp(bytes: &[u8]) {
    let _ = Ack::read(bytes);
    hear(|mut tell| dhcp::read(bytes, &mut tell));
}

fn dhcpv6(bytes: &[u8]) {
    hear(|mut tell| dhcpv6::read(bytes, &mut tell));
}

/// A message, and the same bytes as a stream of messages.
fn dns(bytes: &[u8]) {
    message(bytes);
    let (messages, used) = dns::tcp_messages(bytes);
    let mut sum = 0;
    for bytes in messages {
        sum += 2 + bytes.len();
        message(bytes);
    }
    assert!(sum == used && used <= bytes.len());
}

fn message(bytes: &[u8]) {
    let Some(message) = Message::read(bytes) else { return };
    let mut questions = 0;
    for question in message.questions() {
        questions += 1;
        domain(&question.name);
    }
    assert!((1..=dns::QUESTIONS).contains(&questions));
    assert!(message.opcode() < 16 && message.rcode() < 16);
    let _ = (message.id(), message.is_response(), message.has_more_questions());
    assert!(message.addresses().0.len() <= dns::ADDRESSES);
    let pointers = message.pointers();
    assert!(pointers.len() <= dns::POINTERS);
    pointers.iter().for_each(|(_, name)| domain(name));
}

fn mdns(bytes: &[u8]) {
    hear(|mut tell| mdns::read(bytes, FROM, &mut tell));
}

/// NetBIOS names, its datagrams, and LLMNR.
fn nbns(bytes: &[u8]) {
    hear(|mut tell| nbns::read(bytes, FROM, &mut tell));
    hear(|mut tell| nbns::read_datagram(bytes, FROM, &mut tell));
    hear(|mut tell| llmnr::read(bytes, FROM, &mut tell));
}

fn ssdp(bytes: &[u8]) {
    hear(|mut tell| ssdp::read(bytes, &mut tell));
}

fn wsd(bytes: &[u8]) {
    hear(|mut tell| wsd::read(bytes, &mut tell));
}

/// LLDP and CDP.
fn lldp(bytes: &[u8]) {
    hear(|mut tell| lldp::read(bytes, &mut tell));
    hear(|mut tell| cdp::read(bytes, &mut tell));
}

fn tls(bytes: &[u8]) {
    for reading in [tls::client_hello(bytes), tls::hello_in_records(bytes)] {
        if let Reading::Whole(read) = reading {
            hello(&read);
        }
    }
    let cut = [tls::cut_hello(bytes), tls::cut_hello_in_records(bytes)];
    for read in cut.into_iter().flatten() {
        assert!(read.server_name.is_some());
        hello(&read);
    }
    tls::dtls_hello(bytes).iter().for_each(hello);
}

pub(crate) fn hello(hello: &ClientHello) {
    if let Some(name) = &hello.server_name {
        domain(name);
    }
    let _ = (hello.alpn.service(), hello.alpn.names().count());
}

fn http(bytes: &[u8]) {
    let begins = http::is_request_start(bytes);
    match http::request(bytes) {
        Reading::Whole(request) => {
            assert!(begins);
            if let Some(host) = &request.host {
                domain(host);
            }
            assert_eq!(http::host(bytes), Reading::Whole(request.host));
        }
        Reading::More => assert!(bytes.len() < http::LONGEST && (begins || bytes.is_empty())),
        Reading::Not => {}
    }
}

/// What makes text of bytes, and what is made of names.
fn texts(bytes: &[u8]) {
    if let Some(clean) = text::free(bytes) {
        assert!((1..=text::LONGEST).contains(&clean.chars().count()), "{clean:?}");
        assert!(!clean.chars().any(text::is_hidden), "{clean:?}");
        assert_eq!(text::free(clean.as_bytes()), Some(clean), "clean text stays");
    }
    if let Some(host) = text::host(bytes) {
        domain(&host);
        rules(&host);
    }
    let name = text::domain(bytes.split(|&byte| byte == b'.'));
    domain(&name);
    rules(&name);
}

/// What the list of public suffixes makes of a name is a part of it.
fn rules(name: &str) {
    if let Some(part) = registrable(name) {
        assert!(name.ends_with(part), "{part:?} of {name:?}");
    }
    assert!(!folded(name).is_empty());
}
