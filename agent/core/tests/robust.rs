//! What strangers send: any bytes under any link type, and valid frames cut at every length.

use lanscribe_core::decode::{LinkType, decode};
use lanscribe_core::pipeline::Config;
use proptest::prelude::*;

use crate::frame::{self, ACK, BROADCAST, Datagram, Frame, Piece, SYN};
use crate::input::{Op, START, Shot, law, run};
use lanscribe_core::addr::MacAddr;
use std::net::IpAddr;
use std::time::Duration;

/// Every link type that is understood.
fn link_types() -> Vec<LinkType> {
    (0..=400).filter_map(LinkType::from_dlt).collect()
}

/// Valid starts, so that random bytes get deep.
fn start() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => Just([&[2; 12], &[0x08, 0x00, 0x45, 0][..]].concat()),
        1 => Just([&[2; 12], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 0, 64][..]].concat()),
        1 => Just([&[2; 12], &[0x81, 0, 0, 7, 0x88, 0x64, 0x11, 0, 0, 1, 0, 40, 0, 0x21][..]].concat()),
        1 => Just([&[2; 12], &[0x88, 0x47, 0, 0, 0x11, 0, 0, 0, 0x11, 0][..]].concat()),
        // Extension headers of eight bytes.
        2 => prop::collection::vec(prop::sample::select(vec![0_u8, 43, 44, 51, 60, 17]), 0..6).prop_map(|kinds| {
            let mut bytes = [&[2; 12], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 60, 64][..], &[0xfe; 32]].concat();
            kinds.iter().for_each(|&kind| bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]));
            bytes
        }),
        1 => Just(vec![0x45, 0]),
        1 => Just(vec![0x60, 0, 0, 0, 0, 40, 44, 64]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_whatever_make_decoding_panic_or_invent(
        start in start(),
        rest in prop_oneof![1 => Just(Vec::new()), 4 => prop::collection::vec(any::<u8>(), 0..200)],
        wire_len in any::<u32>(),
    ) {
        let bytes = [start, rest].concat();
        for link_type in link_types() {
            match decode(link_type, &bytes, wire_len) {
                Ok(packet) => {
                    prop_assert!(packet.payload.len() <= bytes.len());
                    prop_assert!(packet.trouble.is_none_or(|trouble| !trouble.is_undecodable()));
                }
                Err(trouble) => prop_assert!(trouble.is_undecodable()),
            }
        }
    }

    #[test]
    fn any_bytes_keep_the_law(
        frames in prop::collection::vec((start(), prop::collection::vec(any::<u8>(), 0..80), 0..3000_u32), 1..20),
    ) {
        let mut ops = Vec::new();
        for (interface, link_type) in (0..).zip(link_types()) {
            for (start, rest, unseen) in &frames {
                let bytes = [&start[..], rest].concat();
                let wire_len = u32::try_from(bytes.len()).unwrap() + unseen;
                ops.push(Op::Frame(Shot { at: START, interface, link_type, wire_len, bytes }));
            }
        }
        law(&run(&Config::default(), &ops), &ops).map_err(TestCaseError::fail)?;
    }
}

/// One frame of each kind that is understood.
fn samples() -> Vec<Frame> {
    let (a, b) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
    let (v4, r4): (IpAddr, IpAddr) = ([192, 168, 1, 1].into(), [8, 8, 8, 8].into());
    let (v6, r6): (IpAddr, IpAddr) = ("fe80::1".parse().unwrap(), "2606:4700::1".parse().unwrap());
    let frame = |datagram: Datagram| Frame::new(a, b, datagram.ether());
    let piece = |first| Some(Piece { id: 7, first });
    let udp = || frame::udp(50_000, 53, b"question");
    let ll = "fe80::2".parse().unwrap();
    vec![
        frame(Datagram::new(v4, r4, frame::tcp(50_000, 443, SYN, 1, 0))),
        frame(Datagram::new(v6, r6, frame::tcp(50_000, 443, ACK, 1, 30))),
        frame(Datagram { piece: piece(true), ..Datagram::new(v4, r4, udp()) }),
        frame(Datagram { piece: piece(false), ..Datagram::new(v4, r4, udp()) }),
        frame(Datagram { piece: piece(true), ..Datagram::new(v6, r6, udp()) }),
        frame(Datagram { piece: piece(false), ..Datagram::new(v6, r6, udp()) }),
        frame(Datagram::new(v4, r4, frame::echo(false))).tagged(Some(7)),
        Frame::new(a, BROADCAST, frame::arp(true, a, [192, 168, 1, 1].into(), [192, 168, 1, 2].into())),
        Frame::new(a, b, frame::lease([192, 168, 1, 2].into(), a, [130, 1, 2, 3].into(), Some(24))),
        Frame::new(
            a,
            MacAddr([0x33, 0x33, 0, 0, 0, 1]),
            frame::router(ll, 255, "2001:db8::".parse().unwrap(), 64),
        ),
        Frame::new(a, MacAddr([0x33, 0x33, 0, 0, 0, 1]), frame::neighbour(true, ll, ll, Some(a))),
        Frame::new(a, BROADCAST, (0x0026, vec![0x42, 0x42, 3, 0, 0, 0])),
        Frame::new(
            a,
            b,
            (
                0x8864,
                [&[0x11, 0, 0, 1, 0, 30, 0, 0x21][..], &Datagram::new(v4, r4, udp()).ether().1].concat(),
            ),
        ),
        Frame::new(a, b, (0x8847, [&[0, 1, 1, 64][..], &Datagram::new(v4, r4, udp()).ether().1].concat())),
    ]
}

#[test]
fn valid_frames_cut_at_every_length_keep_the_law() {
    type Form = fn(&Frame) -> Vec<u8>;
    let forms: [(i32, Form); 5] = [
        (1, Frame::ethernet),
        (113, Frame::sll),
        (276, Frame::sll2),
        (101, |frame| frame.payload.clone()),
        (0, Frame::null),
    ];
    let mut ops = Vec::new();
    for (interface, (dlt, form)) in (0..).zip(forms) {
        for whole in samples().iter().map(form) {
            for cut in 0..=whole.len() {
                let (link_type, wire_len) =
                    (LinkType::from_dlt(dlt).unwrap(), u32::try_from(whole.len()).unwrap());
                let shot = Shot { at: START, interface, link_type, wire_len, bytes: whole[..cut].to_vec() };
                let alone = [Op::Frame(shot.clone())];
                law(&run(&Config::default(), &alone), &alone).unwrap();
                ops.push(Op::Frame(shot));
            }
        }
    }
    law(&run(&Config::default(), &ops), &ops).unwrap();
}

#[test]
fn a_chain_of_extension_headers_that_ends_between_two_is_not_read_beyond() {
    // Every kind, promised by the one before or by the fixed header, and then nothing: with the bytes at the
    // very end of their allocation, so that reading on would be noticed.
    for before in [0_u8, 43, 44, 51, 60] {
        for promised in [0_u8, 43, 44, 51, 60] {
            let mut bytes =
                [&[2; 12], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, before, 64][..], &[0xfe; 32]].concat();
            let length = if before == 51 { 2 } else { 0 };
            bytes.extend([promised, length, 0, 0, 0, 0, 0, 0]);
            bytes.resize(bytes.len() + usize::from(length) * 4, 0);
            let bytes = bytes.into_boxed_slice();
            let packet = decode(LinkType::ETHERNET, &bytes, 200).unwrap();
            assert_eq!(packet.ip.unwrap().protocol, promised, "{before} then {promised}");
            assert_eq!(packet.ip.unwrap().fragment, None);
            assert!(packet.trouble.is_some());
        }
    }
}

#[test]
fn sixty_four_kilobytes_of_extension_headers_are_walked_in_no_time() {
    // Destination options of eight bytes, one after the other, to the end.
    let mut bytes = [&[2; 12], &[0x86, 0xdd, 0x60, 0, 0, 0, 0xff, 0xf8, 60, 64][..], &[0xfe; 32]].concat();
    for _ in 0..0xfff8 / 8 {
        bytes.extend([60, 0, 1, 4, 0, 0, 0, 0]);
    }
    let wire_len = u32::try_from(bytes.len()).unwrap();
    let took = (0..5)
        .map(|_| {
            #[expect(clippy::disallowed_methods, reason = "it is the test that takes time")]
            let began = std::time::Instant::now();
            let packet = decode(LinkType::ETHERNET, &bytes, wire_len);
            assert!(packet.is_ok());
            began.elapsed()
        })
        .min()
        .unwrap();
    let bound = if cfg!(debug_assertions) { Duration::from_millis(50) } else { Duration::from_millis(1) };
    assert!(took < bound, "{took:?}");
}
