//! The worst packets of each reader, those that the test of the same name holds to a millisecond: through an empty pipeline and
//! through one in which every table is full.

#![allow(clippy::unwrap_used, reason = "what makes packets for tests ends them where it cannot")]

#[path = "../fuzz/entries/mod.rs"]
#[allow(dead_code, reason = "only what makes packets of QUIC is needed")]
mod entries;
#[path = "../tests/frame.rs"]
#[allow(dead_code, reason = "no bench needs all of it")]
mod frame;
#[path = "../tests/worst/full.rs"]
mod full;
#[path = "../tests/input.rs"]
#[allow(dead_code, reason = "the entries need some of it")]
mod input;
#[path = "../tests/worst/packets.rs"]
mod packets;

use divan::Bencher;

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    packets::ALL.iter().map(|(name, _)| *name)
}

/// Shows each time the last frame of another conversation, after those that lead up to it.
fn run(bencher: Bencher<'_, '_>, name: &str, start: impl Fn() -> full::Full) {
    let make = packets::ALL.iter().find(|(known, _)| *known == name).expect("one of them").1;
    let mut port = 20_000;
    bencher
        .with_inputs(|| {
            port += 1;
            let mut frames = make(port);
            let last = frames.pop().expect("a frame");
            let mut full = start();
            frames.iter().for_each(|frame| full.see(frame));
            (full, last)
        })
        .bench_local_values(|(mut full, last)| {
            full.see(&last);
            full
        });
}

#[divan::bench(args = names(), sample_count = 20, sample_size = 1)]
fn fresh(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, full::fresh);
}

#[divan::bench(args = names(), sample_count = 5, sample_size = 1)]
fn full_of_strangers(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, full::full);
}
