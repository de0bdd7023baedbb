//! How long the first bytes of a conversation take to read: a common hello, and the worst packets of 64 kB that could be
//! thought of, each of which must stay below a millisecond on the slowest machine.

use divan::{Bencher, black_box};
use lanscribe_core::names::hello::Hellos;
use lanscribe_core::time::Timestamp;
use lanscribe_core::wire::{http, quic::Initials, tls};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};

fn main() {
    divan::main();
}

const FULL: usize = 65_000;

fn record(length: usize, body: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()[..], body].concat()
}

/// A handshake message whose extensions are `one` again and again, up to `size` bytes.
fn handshake(one: &[u8], size: usize) -> Vec<u8> {
    let length = u16::try_from(size - 4).unwrap_or(u16::MAX).to_be_bytes();
    let extensions = u16::try_from(size - 47).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = [&[1, 0], &length[..], &[3, 3], &[7; 32], &[0, 0, 2, 19, 1, 1, 0], &extensions].concat();
    while bytes.len() + one.len() <= size {
        bytes.extend(one);
    }
    bytes.resize(size, 0);
    bytes
}

const NAME: &[u8] = b"\0\0\0\x0e\0\x0c\0\0\x09a.example";

#[divan::bench]
fn common_hello(bencher: Bencher<'_, '_>) {
    let mut hello = handshake(b"\x0a\x0a\0\0", 600);
    hello[47..47 + NAME.len()].copy_from_slice(NAME);
    let stream = record(600, &hello);
    let mut hellos = Hellos::default();
    bencher.bench_local(|| black_box(hellos.tcp(1, 0, 0, black_box(&stream), Timestamp(0))));
}

/// Extensions that say nothing, that could be the name and are not, or that offer much.
#[divan::bench(args = [&b"\x0a\x0a\0\0"[..], b"\0\0\0\x02\0\0", b"\0\x10\0\x06\0\x04\x01a\x01b", NAME])]
fn endless_hello(bencher: Bencher<'_, '_>, extension: &[u8]) {
    let hello = handshake(extension, FULL);
    bencher.bench_local(|| black_box(tls::client_hello(black_box(&hello))));
}

#[divan::bench(args = [&b"\x01"[..], b"\0"])]
fn one_endless_list(bencher: Bencher<'_, '_>, entry: &[u8]) {
    let kind = if entry == b"\0" { 16 } else { 0 };
    let list = entry.repeat(FULL - 100);
    let hello = handshake(&[&[0, kind, 0xff, 0, 0xfe, 0xf0], &list[..]].concat(), FULL);
    bencher.bench_local(|| black_box(tls::cut_hello(black_box(&hello))));
}

#[divan::bench]
fn records_of_one_byte(bencher: Bencher<'_, '_>) {
    let hello = handshake(b"\x0a\x0a\0\0", FULL);
    let stream: Vec<u8> = hello.iter().take(FULL / 6).flat_map(|&b| record(1, &[b])).collect();
    bencher.bench_local(|| black_box(tls::hello_in_records(black_box(&stream))));
}

#[divan::bench(args = [&b"A:\r\n"[..], b"A: b\n", b"aaaaaaaa", b"A:  \t\t  \t\r\n "])]
fn endless_request(bencher: Bencher<'_, '_>, part: &[u8]) {
    let request = [&b"GET / HTTP/1.1\r\n"[..], &part.repeat(FULL / part.len())].concat();
    bencher.bench_local(|| black_box(http::host(black_box(&request))));
}

/// A conversation that waits with all that may wait of it, and is shown 64 kB more of nothing.
#[divan::bench]
fn waiting_stream(bencher: Bencher<'_, '_>) {
    let hello = handshake(b"\x0a\x0a\0\0", FULL);
    let stream: Vec<u8> = hello.iter().take(FULL / 6).flat_map(|&b| record(1, &[b])).collect();
    bencher
        .with_inputs(|| {
            let mut hellos = Hellos::default();
            for n in 0..15 {
                let at = 400 + 1_000 * n;
                hellos.tcp(1, 0, u32::try_from(at).unwrap_or(u32::MAX), &stream[at..at + 990], Timestamp(0));
            }
            hellos
        })
        .bench_local_refs(|hellos| black_box(hellos.tcp(1, 0, 0, &stream, Timestamp(0))));
}

// The identifier of RFC 9001's example, and the keys that follow from it (section A.1).
const IDENTIFIER: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const KEY: u128 = 0x1f36_9613_dd76_d546_7730_efcb_e3b1_a22d;
const IV: u128 = 0xfa04_4b2f_42a3_fd3b_46fb_255c;
const HEADER_KEY: u128 = 0x9f50_449e_04a0_e810_283a_1e99_33ad_edd2;

fn initial(frames: &[u8]) -> Vec<u8> {
    let length = u16::try_from(frames.len() + 17).unwrap_or(u16::MAX) | 0x4000;
    let mut packet = [&[0xc0, 0, 0, 0, 1, 8], &IDENTIFIER[..], &[0, 0], &length.to_be_bytes(), &[0]].concat();
    let number_at = packet.len() - 1;
    let mut sealed = frames.to_vec();
    let key = LessSafeKey::new(
        UnboundKey::new(&AES_128_GCM, &KEY.to_be_bytes()).expect("keys and sizes are right"),
    );
    let nonce = Nonce::try_assume_unique_for_key(&IV.to_be_bytes()[4..]).expect("keys and sizes are right");
    key.seal_in_place_append_tag(nonce, Aad::from(&packet), &mut sealed).expect("keys and sizes are right");
    packet.extend(sealed);
    let mask = quic::HeaderProtectionKey::new(&quic::AES_128, &HEADER_KEY.to_be_bytes())
        .expect("keys and sizes are right");
    let mask = mask.new_mask(&packet[number_at + 4..number_at + 20]).expect("keys and sizes are right");
    packet[0] ^= mask[0] & 0x0f;
    packet[number_at] ^= mask[1];
    packet
}

/// Initials of up to 4 kB in one datagram: frames of a byte each in order, with gaps, from behind, or acknowledgements
/// without end; and such that no key opens, which have all tries spent on them.
#[divan::bench(args = ["in order", "with gaps", "from behind", "acknowledgements", "of another key"])]
fn worst_datagram(bencher: Bencher<'_, '_>, what: &str) {
    let frames: Vec<Vec<u8>> = (0..4)
        .map(|n| match what {
            "acknowledgements" => [&[2, 0, 0, 0x4f, 0xa0][..], &[0; 4_040]].concat(),
            _ => (0..650_u16)
                .map(|k| n * 650 + k)
                .map(|k| match what {
                    "with gaps" => 2 * k,
                    "from behind" => 4_000 - k,
                    _ => k,
                })
                .flat_map(|at| [&[6], &(at | 0x4000).to_be_bytes()[..], &[1, 9]].concat())
                .collect(),
        })
        .collect();
    let mut datagram: Vec<u8> = frames.iter().flat_map(|frames| initial(frames)).collect();
    if what == "of another key" {
        datagram = (0..4)
            .flat_map(|n| {
                let mut one = initial(&[0; 4_040]);
                one[8] = n;
                one
            })
            .collect();
    }
    datagram.resize(FULL, 0xc0);
    let before = initial(&[0; 40]);
    bencher
        .with_inputs(|| {
            let mut initials = Initials::new();
            let _ = initials.read(&before);
            initials
        })
        .bench_local_refs(|initials| black_box(initials.read(black_box(&datagram))));
}
