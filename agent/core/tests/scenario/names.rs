//! What conversations are called: by what they say, by what their station was told, and never by what another one was.

use std::net::Ipv4Addr;

use lanscribe_core::addr::MacAddr;
use lanscribe_core::flow::naming::Hidden;
use lanscribe_core::flow::record::FlowRecord;
use lanscribe_core::names::NameSource;
use lanscribe_core::names::privacy::{Level, Privacy};
use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::{Class, Endpoint};
use lanscribe_core::service::Evidence;
use lanscribe_core::time::Span;

use super::{INTERNET, ROUTER, device, home, in_a_row, ip, rows_of, udp};
use crate::frame::{self, Datagram, Frame};
use crate::input::{Op, START, Shot, Told, law, run, secs, watch};

const SERVER: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

type Place = (MacAddr, Ipv4Addr);

fn packet(from: Place, to: Place, body: (u8, Vec<u8>)) -> Frame {
    Frame::new(from.0, to.0, Datagram::new(from.1.into(), to.1.into(), body).ether())
}

fn station(n: u8) -> Place {
    (device(n), home(n))
}

/// A machine on the internet.
const fn remote(address: Ipv4Addr) -> Place {
    (ROUTER, address)
}

/// The question of device `n` for `name` and its answer.
fn asks(n: u8, name: &str, answer: Option<Ipv4Addr>) -> [Frame; 2] {
    let resolver = remote(INTERNET);
    let question = frame::udp(40_000, 53, &frame::dns(9, name, None));
    let answer = frame::udp(53, 40_000, &frame::dns(9, name, Some(answer)));
    [packet(station(n), resolver, question), packet(resolver, station(n), answer)]
}

/// Device `n` says `data` to the server at `port`.
fn says(n: u8, port: u16, data: &[u8]) -> Frame {
    packet(station(n), remote(SERVER), frame::said(50_000, port, 1, data))
}

fn with_privacy(privacy: Privacy, frames: impl IntoIterator<Item = Frame>) -> Told {
    let frames = in_a_row(frames);
    let ops: Vec<_> =
        frames.iter().map(|(after, frame)| Op::Frame(Shot::of(START + *after, frame))).collect();
    let told = run(&Config { privacy, ..Config::default() }, &ops);
    law(&told, &ops).unwrap();
    told
}

fn named(told: &Told, record: impl Fn(&&FlowRecord) -> bool) -> Option<(String, NameSource)> {
    let record = told.flows.iter().find(record)?;
    record.name.as_ref().map(|name| (name.text.to_string(), name.source))
}

fn to_server(record: &&FlowRecord) -> bool {
    record.remote.0 == ip(SERVER)
}

fn called(text: &str, source: NameSource) -> Option<(String, NameSource)> {
    Some((text.to_owned(), source))
}

#[test]
fn a_flow_and_its_rows_have_the_name_that_its_hello_asks_for_on_any_port() {
    let told = watch(&in_a_row([says(1, 8443, &frame::client_hello("Cam.Example.org"))]));
    assert_eq!(named(&told, to_server), called("cam.example.org", NameSource::Sni));
    let service = told.flows[0].service.unwrap();
    assert_eq!((service.name, service.by), ("tls", Evidence::Parsed));
    let rows = rows_of(&told, device(1), Class::Remote);
    let Endpoint::Remote(address, Some(name)) = &rows[0].0.endpoint else { panic!("{rows:?}") };
    assert_eq!((*address, &*name.text), (ip(SERVER), "cam.example.org"));
}

#[test]
fn what_a_conversation_says_itself_counts_more_than_what_its_station_was_told() {
    let dns = asks(1, "cdn.example.net", Some(SERVER));
    let request = b"GET / HTTP/1.1\r\nHost: www.example.org:8080\r\n\r\n";
    let told = watch(&in_a_row(dns.into_iter().chain([says(1, 8080, request)])));
    assert_eq!(named(&told, to_server), called("www.example.org", NameSource::Http));
}

#[test]
fn an_answer_names_the_flows_of_the_station_that_asked_and_of_nobody_else() {
    let talk = |n| packet(station(n), remote(SERVER), frame::udp(50_000, 9_999, b"x"));
    let dns = asks(1, "cam.example.org", Some(SERVER));
    let told = watch(&in_a_row(dns.into_iter().chain([talk(1), talk(2)])));
    let of = |n| named(&told, |record| to_server(record) && record.local.0 == ip(home(n)));
    assert_eq!(of(1), called("cam.example.org", NameSource::Dns));
    assert_eq!(of(2), None);
}

#[test]
fn an_answer_that_nobody_asked_for_names_nothing() {
    let [_, answer] = asks(1, "evil.example.org", Some(SERVER));
    let told = watch(&in_a_row([answer, says(1, 9_999, b"x")]));
    assert_eq!(named(&told, to_server), None);
    assert_eq!(told.questions, []);
}

#[test]
fn a_conversation_at_the_port_of_dns_is_that_by_what_it_says_and_else_by_its_port() {
    let other = packet(station(1), remote(SERVER), frame::udp(50_000, 53, b"anything"));
    let told = watch(&in_a_row(asks(1, "cam.example.org", None).into_iter().chain([other])));
    let service = |to| {
        let record = told.flows.iter().find(|record| record.remote.0 == ip(to)).unwrap();
        record.service.map(|service| (service.name, service.by))
    };
    assert_eq!(service(INTERNET), Some(("domain", Evidence::Parsed)));
    assert_eq!(service(SERVER), Some(("domain", Evidence::Port)));
}

#[test]
fn a_question_counts_by_what_became_of_it() {
    let [question, _] = asks(2, "gone.example.org", None);
    let frames = asks(1, "no.example.org", None).into_iter().chain([question]);
    let told = watch(&in_a_row(frames));
    let rows: Vec<_> = told.questions.iter().map(|row| (&*row.name, row.rcode.0, row.count)).collect();
    assert_eq!(rows, [("no.example.org", 3, 1), ("gone.example.org", -1, 1)]);
}

#[test]
fn a_server_of_the_house_is_asked_for_by_its_name_and_its_client_is_not_called_that() {
    let client = remote(SERVER);
    let hello = frame::said(50_000, 443, 1, &frame::client_hello("home.example.org"));
    let told = watch(&in_a_row([packet(client, station(1), hello)]));
    assert_eq!(named(&told, |_| true), called("home.example.org", NameSource::Sni));
    let rows = rows_of(&told, device(1), Class::Remote);
    assert_eq!(rows[0].0.endpoint, Endpoint::Remote(ip(SERVER), None));
}

#[test]
fn a_hello_in_two_segments_that_come_in_the_wrong_order_has_its_name() {
    let hello = frame::client_hello("cam.example.org");
    let (first, second) = hello.split_at(60);
    let segment = |seq, data: &[u8]| packet(station(1), remote(SERVER), frame::said(50_000, 443, seq, data));
    let told = watch(&in_a_row([segment(61, second), segment(1, first)]));
    assert_eq!(named(&told, to_server), called("cam.example.org", NameSource::Sni));
}

#[test]
fn dns_that_cannot_be_read_is_said_so() {
    let hello = frame::client_hello("dns.google");
    let dot = packet(station(2), remote(SERVER), frame::said(50_000, 853, 1, b"\x16\x03\x01"));
    let told = watch(&in_a_row([says(1, 443, &hello), dot]));
    let hidden: Vec<_> = told.flows.iter().map(|record| record.hidden).collect();
    assert_eq!(hidden, [Some(Hidden::Doh), Some(Hidden::Dot)]);
}

#[test]
fn what_the_owner_does_not_want_to_be_known_is_nowhere() {
    let frames = || {
        let hello = frame::client_hello("eu.cam.example.org");
        let of = |n| asks(n, "eu.cam.example.org", Some(SERVER)).into_iter().chain([says(n, 443, &hello)]);
        of(1).chain(of(2)).chain([frame::discover(device(1))])
    };
    let of_device = [(device(2), Level::Nothing)].into();
    let told = with_privacy(Privacy { names: Level::Domain, of_device, device_names: false }, frames());
    let of = |n| named(&told, |record| to_server(record) && record.local.0 == ip(home(n)));
    assert_eq!((of(1), of(2)), (called("example.org", NameSource::Sni), None));
    let asked: Vec<_> = told.questions.iter().map(|row| &*row.name).collect();
    assert_eq!(asked, ["example.org"]);
    assert!(told.claims.is_empty());
    assert!(!with_privacy(Privacy::default(), frames()).claims.is_empty());
    let text = format!("{told:?}");
    assert!(!text.contains("cam."), "{text}");
}

#[test]
fn what_others_ask_a_device_for_is_kept_as_its_owner_wants_and_not_as_the_routers_is() {
    let asked = || {
        let hello = frame::said(50_000, 443, 1, &frame::client_hello("diary.example.org"));
        [packet(remote(SERVER), station(1), hello)]
    };
    let name = |mac, level| {
        let of_device = [(mac, level)].into();
        named(&with_privacy(Privacy { of_device, ..Privacy::default() }, asked()), |_| true)
    };
    assert_eq!(name(device(1), Level::Nothing), None);
    assert_eq!(name(ROUTER, Level::Nothing), called("diary.example.org", NameSource::Sni));
}

#[test]
fn a_device_has_its_own_level_however_many_others_come_with_it() {
    let others = (10..90).map(|n| udp(station(n), remote(INTERNET), (5_000, 5_001), 1));
    let hello = frame::client_hello("diary.example.org");
    let frames = others.chain(asks(1, "diary.example.org", Some(SERVER))).chain([says(1, 443, &hello)]);
    let of_device = [(device(1), Level::Nothing)].into();
    let told = with_privacy(Privacy { of_device, ..Privacy::default() }, frames);
    let text = format!("{told:?}");
    assert!(!text.contains("diary"), "{text}");
}

#[test]
fn a_name_learnt_in_a_flow_counts_from_the_window_on_that_is_open_then() {
    let talk = says(1, 443, b"");
    let hello = says(1, 443, &frame::client_hello("cam.example.org"));
    let told = watch(&[(Span(0), talk), (secs(70), hello)]);
    let rows = rows_of(&told, device(1), Class::Remote);
    let names: Vec<_> =
        rows.iter().map(|(key, _)| matches!(key.endpoint, Endpoint::Remote(_, Some(_)))).collect();
    assert_eq!(names, [false, true]);
}

#[test]
fn an_answer_of_a_router_on_the_lan_names_flows_as_any_other() {
    let router = (ROUTER, home(254));
    let question = frame::udp(40_000, 53, &frame::dns(1, "nas.lan", None));
    let answer = frame::udp(53, 40_000, &frame::dns(1, "nas.lan", Some(Some(home(2)))));
    let talk = packet(station(1), station(2), frame::udp(50_000, 9_999, b"x"));
    let told =
        watch(&in_a_row([packet(station(1), router, question), packet(router, station(1), answer), talk]));
    let names =
        told.flows.iter().filter(|record| record.remote.1 == Some(9_999)).map(|record| record.name.clone());
    assert!(names.flatten().any(|name| &*name.text == "nas.lan"));
}
