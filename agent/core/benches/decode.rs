//! How long a frame takes to read.

mod mix;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lanscribe_core::decode::{LinkType, decode};

fn main() {
    divan::main();
}

#[divan::bench]
fn home(bencher: Bencher<'_, '_>) {
    let frames = mix::home(4096, 512);
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        for bytes in &frames {
            let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let _ = black_box(decode(LinkType::ETHERNET, black_box(bytes), wire_len));
        }
    });
}

/// The worst that one frame can be: 64 kB of extension headers.
#[divan::bench]
fn extension_headers(bencher: Bencher<'_, '_>) {
    let mut bytes = [&[2; 12], &[0x86, 0xdd, 0x60, 0, 0, 0, 0xff, 0xf8, 60, 64][..], &[0xfe; 32]].concat();
    for _ in 0..0xfff8 / 8 {
        bytes.extend([60, 0, 1, 4, 0, 0, 0, 0]);
    }
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| black_box(decode(LinkType::ETHERNET, black_box(&bytes), 65_590).is_ok()));
}
