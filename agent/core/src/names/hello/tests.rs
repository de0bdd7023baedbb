//! Hellos whole, cut, late, in any order and in floods: what each conversation must be found to say.

use proptest::prelude::*;

use super::*;
use crate::wire::quic::sample::{crypto, first};
use crate::wire::tls::sample::{extension, handshake, long, protocols, records, server_name};

const T: Timestamp = Timestamp::from_secs(1_000);

fn stream(name: &str) -> Vec<u8> {
    records(&long(name), 16_384)
}

fn name(sight: Sight) -> (Option<String>, NameSource, bool) {
    let Sight::Found(found) = sight else { panic!("{sight:?}") };
    (found.name, found.source, found.more)
}

fn service(sight: Sight) -> (Option<&'static str>, bool) {
    let Sight::Found(found) = sight else { panic!("{sight:?}") };
    assert_eq!(found.name, None);
    (found.service, found.more)
}

/// Shows segments of one way and says the last thing found.
fn shown(hellos: &mut Hellos, way: usize, segments: &[(u32, &[u8])]) -> Option<Found> {
    let mut found = None;
    for &(seq, bytes) in segments {
        match hellos.tcp(1, way, seq, bytes, T) {
            Sight::Found(one) => found = Some(one),
            Sight::Looking => {}
            Sight::Nothing => break,
        }
        if found.as_ref().is_some_and(|found| !found.more) {
            break;
        }
    }
    found
}

#[test]
fn a_hello_in_one_segment_leaves_no_state() {
    let mut hellos = Hellos::default();
    let hello =
        records(&handshake(&[server_name(b"a.example"), protocols(&["h2"]), extension(0xfe0d, &[])]), 9_999);
    let Sight::Found(found) = hellos.tcp(1, 1, 7, &hello, T) else { panic!() };
    assert_eq!((found.name.as_deref(), found.service), (Some("a.example"), Some("https")));
    assert!(found.ech && !found.more && found.alpn.offers("h2"));
    assert!(hellos.is_empty() && hellos.bytes() == 0);
}

#[test]
fn a_hello_that_was_overtaken_sent_again_or_wraps_around_is_read() {
    let hello = stream("a.example");
    let (start, end) = hello.split_at(1_460);
    for base in [1_u32, u32::MAX - 700] {
        let behind = base.wrapping_add(1_460);
        for segments in [
            &[(base, start), (behind, end)][..],
            &[(behind, end), (base, start)],
            &[(base, start), (base, start), (behind.wrapping_sub(9), &hello[1_451..])],
        ] {
            let mut hellos = Hellos::default();
            let found = shown(&mut hellos, 0, segments).unwrap();
            assert_eq!((found.name.as_deref(), found.more), (Some("a.example"), false));
            assert!(hellos.is_empty() && hellos.bytes() == 0 && hellos.waiting == 0);
        }
    }
}

#[test]
fn the_middle_of_a_hello_is_not_taken_for_another_protocol() {
    let middle = b"\x17\x03\x03\x03\x03HTTP/1.1 200 OK";
    let hello = records(&handshake(&[extension(51, middle), server_name(b"a.example")]), 9_999);
    let at = hello.windows(5).position(|five| five == &middle[..5]).unwrap();
    for cut in [at, at + 5] {
        let mut hellos = Hellos::default();
        let behind = u32::try_from(cut).unwrap();
        let found = shown(&mut hellos, 0, &[(0, &hello[..cut]), (behind, &hello[cut..])]).unwrap();
        assert_eq!(found.name.as_deref(), Some("a.example"));
    }
}

#[test]
fn an_answer_does_not_end_the_wait_for_a_hello_and_ends_that_for_its_start() {
    let hello = stream("a.example");
    let mut hellos = Hellos::default();
    hellos.tcp(1, 0, 0, &hello[..900], T);
    assert_eq!(hellos.tcp(1, 1, 0, b"\x16\x03\x03\0\x40\x02", T), Sight::Looking, "told already");
    assert_eq!(name(hellos.tcp(1, 0, 900, &hello[900..], T)).0.as_deref(), Some("a.example"));
    hellos.tcp(1, 0, 0, b"\x05\x01\0", T);
    assert!(hellos.bytes() > 0);
    hellos.tcp(1, 1, 0, b"\x05\0", T);
    assert!(hellos.bytes() < 1_200, "only what the last one to speak said");
}

#[test]
fn of_what_says_nothing_little_is_kept() {
    let mut hellos = Hellos::default();
    for n in 0..u32::from(SEGMENTS) {
        assert_eq!(hellos.tcp(1, 0, n * 1_400, &[5; 1_400], T), Sight::Looking);
        assert!(hellos.bytes() <= OVERTAKING, "{}", hellos.bytes());
    }
}

#[test]
fn a_hello_is_found_behind_what_was_said_before_it() {
    type Dialog<'a> = (&'a [(usize, &'a [u8])], Option<&'a str>);
    let dialogs: [Dialog<'_>; 4] = [
        (
            &[
                (1, b"220 mail ready\r\n"),
                (0, b"EHLO me\r\n"),
                (1, b"250 STARTTLS\r\n"),
                (0, b"STARTTLS\r\n"),
                (1, b"220 go\r\n"),
            ],
            Some("smtp"),
        ),
        (&[(1, b"* OK ready\r\n"), (0, b"a STARTTLS\r\n"), (1, b"a OK\r\n")], Some("imap")),
        (&[(0, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), (1, b"S")], Some("postgresql")),
        (&[(0, b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n")], None),
    ];
    for (dialog, before) in dialogs {
        let mut hellos = Hellos::default();
        let (mut seq, mut told) = ([100_u32; 2], None);
        for &(way, bytes) in dialog {
            match hellos.tcp(1, way, seq[way], bytes, T) {
                Sight::Found(found) => told = found.service,
                Sight::Looking => {}
                Sight::Nothing => panic!("given up"),
            }
            seq[way] += u32::try_from(bytes.len()).unwrap();
        }
        assert_eq!(told, before);
        let hello = stream("a.example");
        let (start, end) = hello.split_at(900);
        let found = shown(&mut hellos, 0, &[(seq[0], start), (seq[0] + 900, end)]).unwrap();
        assert_eq!((found.name.as_deref(), found.source), (Some("a.example"), NameSource::Sni));
    }
}

#[test]
fn a_tunnel_is_named_by_its_request_and_then_by_the_hello_in_it() {
    let mut hellos = Hellos::default();
    let request = b"CONNECT proxied.example:443 HTTP/1.1\r\n\r\n";
    assert_eq!(
        name(hellos.tcp(1, 0, 1, request, T)),
        (Some("proxied.example".into()), NameSource::Http, true)
    );
    assert_eq!(service(hellos.tcp(1, 1, 1, b"HTTP/1.1 200 OK\r\n\r\n", T)), (Some("http"), true));
    let sight = hellos.tcp(1, 0, 41, &stream("inner.example"), T);
    assert_eq!(name(sight), (Some("inner.example".into()), NameSource::Sni, false));
}

#[test]
fn a_request_names_the_conversation_once() {
    let mut hellos = Hellos::default();
    let (start, end) = (b"GET / HTTP/1.1\r\nHo", b"st: cam.example\r\n\r\n");
    assert_eq!(hellos.tcp(1, 0, 1, start, T), Sight::Looking);
    assert_eq!(name(hellos.tcp(1, 0, 19, end, T)), (Some("cam.example".into()), NameSource::Http, false));
    assert_eq!(
        service(hellos.tcp(2, 1, 1, b"HTTP/1.1 200 OK\r\n", T)),
        (Some("http"), true),
        "the next request tells"
    );
    assert_eq!(hellos.tcp(2, 1, 18, b"HTTP/1.1 200 OK\r\n", T), Sight::Looking, "said already");
}

#[test]
fn what_never_turns_to_tls_is_looked_at_once() {
    let mut hellos = Hellos::default();
    assert_eq!(service(hellos.tcp(1, 0, 1, b"SSH-2.0-x\r\n", T)), (Some("ssh"), false));
    assert_eq!(service(hellos.tcp(1, 0, 1, b"\x17\x03\x03\x00\x30....", T)), (Some("tls"), false));
    assert_eq!(hellos.udp(1, 0, b"whatever", T), Sight::Nothing);
    assert_eq!(
        service(hellos.udp(1, 0, b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl", T)),
        (Some("stun"), false)
    );
    assert!(hellos.is_empty());
}

#[test]
fn the_name_of_a_hello_whose_rest_never_comes_is_kept() {
    let mut hellos = Hellos::default();
    let hello = records(
        &handshake(&[server_name(b"a.example"), extension(51, &[0; 1_500]), protocols(&["h2"])]),
        9_999,
    );
    assert_eq!(
        name(hellos.tcp(1, 0, 0, &hello[..500], T)),
        (Some("a.example".into()), NameSource::Sni, true)
    );
    assert_eq!(hellos.tcp(1, 0, 1_460, b"behind a gap", T), Sight::Looking);
    let Sight::Found(found) = hellos.tcp(1, 0, 500, &hello[500..], T) else { panic!() };
    assert!(found.alpn.offers("h2") && !found.more, "and completed if it comes after all");
}

#[test]
fn patience_ends_by_packet_time_and_the_search_by_segments() {
    let hello = stream("a.example");
    let mut hellos = Hellos::default();
    assert_eq!(service(hellos.tcp(1, 0, 0, &hello[..900], T)), (Some("tls"), true));
    hellos.shift(Span::from_secs(60));
    assert!(matches!(
        hellos.tcp(1, 0, 900, &hello[900..], T + PATIENCE + Span::from_secs(60)),
        Sight::Found(_)
    ));
    hellos.tcp(1, 0, 0, &hello[..900], T);
    assert_eq!(hellos.tcp(1, 0, 900, &hello[900..], T + PATIENCE + Span(1)), Sight::Nothing);
    for n in 0..SEGMENTS {
        assert_eq!(
            hellos.tcp(2, 0, u32::from(n), b"\x01", T + Span::from_secs(60 * i64::from(n))),
            Sight::Looking
        );
    }
    assert_eq!(hellos.tcp(2, 0, 99, &hello, T), Sight::Nothing);
    assert!(hellos.is_empty() && hellos.bytes() == 0);
}

#[test]
fn a_quic_hello_over_several_datagrams_is_read_whoever_was_seen_first() {
    let hello = long("q.example");
    let (start, end) = hello.split_at(1_000);
    let mut hellos = Hellos::default();
    let servers = quic::sample::initial(1, b"hidden from us", b"", b"", &[0; 1_000]);
    assert_eq!(service(hellos.udp(1, 1, &servers, T)), (Some("quic"), true));
    assert_eq!(hellos.udp(1, 0, &first(&crypto(1_000, end)), T), Sight::Looking);
    assert_eq!(hellos.udp(1, 1, &servers, T), Sight::Looking);
    assert_eq!(hellos.udp(1, 0, b"of another key", T), Sight::Looking);
    let sight = hellos.udp(1, 0, &first(&crypto(0, start)), T);
    assert_eq!(name(sight), (Some("q.example".into()), NameSource::Quic, false));
    assert!(hellos.is_empty() && hellos.bytes() == 0);
}

#[test]
fn under_a_flood_memory_is_bounded_and_what_is_lost_is_counted() {
    let limits = Limits { flows: 64, waiting: 16, bytes: 40_000, decryptions: (8, 1) };
    let mut hellos = Hellos::new(limits);
    let hello = records(&handshake(&[extension(51, &[0; 12_000])]), 16_384);
    for flow in 0..1_000 {
        hellos.tcp(flow, 0, 0, &hello[..9_000], T);
        assert!(
            hellos.bytes() <= limits.bytes
                && hellos.waiting <= limits.waiting
                && hellos.len() <= limits.flows
        );
    }
    assert_eq!((hellos.len(), hellos.lost), (64, 1_000 - 4));
    assert_eq!(hellos.tcp(5_000, 0, 0, b"unheard of", T), Sight::Nothing, "no room even to look");
    for flow in 2_000..2_020 {
        hellos.udp(flow, 0, &first(&[1]), T);
    }
    assert_eq!(hellos.lost, 1_000 - 4 + 20, "four lost to room already, of those that could be decrypted");
    // Those that wait give up in time, and others find room.
    let later = T + PATIENCE + Span::from_secs(1);
    assert!(matches!(hellos.tcp(9_000, 0, 0, &hello[..900], later), Sight::Found(Found { more: true, .. })));
    assert_eq!((hellos.len(), hellos.waiting), (1, 1));
    hellos.forget(9_000);
    assert!(hellos.is_empty() && hellos.bytes() == 0 && hellos.waiting == 0);
}

#[test]
fn decryptions_have_a_rate_beyond_which_a_conversation_goes_without_its_name() {
    let mut hellos = Hellos::new(Limits { decryptions: (2, 1), ..Limits::default() });
    let datagram = first(&crypto(0, &long("q.example")));
    let mut ask = |flow, at| name(hellos.udp(flow, 0, &datagram, at)).0;
    assert_eq!([ask(1, T), ask(2, T), ask(3, T)], [Some("q.example".into()), Some("q.example".into()), None]);
    assert_eq!(ask(4, T + Span::from_secs(1)).as_deref(), Some("q.example"));
    assert_eq!(hellos.lost, 1);
}

proptest! {
    #[test]
    fn a_hello_cut_into_segments_in_any_order_gives_what_the_whole_one_gives(
        cuts in prop::collection::btree_set(1..1_880_usize, 0..14),
        order in Just((0..15_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0..15_usize, 0..8),
        first in any::<u32>(), size in prop_oneof![Just(16_384), 60..400_usize], way in 0..2_usize,
    ) {
        let hello = records(&long("a.example"), size);
        let mut bounds: Vec<_> = cuts.into_iter().filter(|&cut| cut < hello.len()).collect();
        bounds.extend([0, hello.len()]);
        bounds.sort_unstable();
        let mut segments = Vec::new();
        for n in order.into_iter().enumerate().flat_map(|(k, n)| [Some(n), again.get(k).copied()]).flatten() {
            if let Some(&[start, end]) = bounds.get(n..n + 2) {
                segments.push((first.wrapping_add(u32::try_from(start).unwrap()), &hello[start..end]));
            }
        }
        let Sight::Found(whole) = Hellos::default().tcp(1, way, first, &hello, T) else { panic!() };
        let mut hellos = Hellos::default();
        prop_assert_eq!(shown(&mut hellos, way, &segments), Some(whole));
        prop_assert_eq!((hellos.bytes(), hellos.waiting), (0, 0));
    }

    #[test]
    fn whatever_comes_the_books_are_right(
        packets in prop::collection::vec(
            (0..12_u64, 0..2_usize, 0..3_000_u32, 0..6_usize, 1..2_000_usize, 0..4_i64), 0..120,
        ),
    ) {
        let limits = Limits { flows: 8, waiting: 4, bytes: 6_000, decryptions: (20, 5) };
        let mut hellos = Hellos::new(limits);
        let hello = stream("a.example");
        let quic = first(&crypto(0, &long("a.example")[..900]));
        let mut at = T;
        for (flow, way, seq, what, cut, secs) in packets {
            at = at + Span::from_secs(secs);
            let bytes = [&hello[..], &hello[5..], b"* OK \r\n", b"GET / HTTP/1.1\r\nA: b", b"\x05\x01\0", &quic][what];
            let bytes = &bytes[..cut.min(bytes.len())];
            if what == 5 || flow > 9 {
                hellos.udp(flow + 100, way, bytes, at);
            } else {
                hellos.tcp(flow, way, seq, bytes, at);
            }
            if secs == 3 {
                hellos.forget(flow);
            }
            prop_assert!(hellos.len() <= limits.flows && hellos.bytes() <= limits.bytes);
            prop_assert_eq!(hellos.bytes(), hellos.talks.values().map(Hello::bytes).sum::<usize>());
            prop_assert_eq!(hellos.waiting, hellos.talks.values().filter(|talk| talk.bytes() > 0).count());
            prop_assert!(hellos.waiting <= limits.waiting);
        }
    }
}
