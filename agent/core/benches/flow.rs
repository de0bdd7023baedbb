//! How long a packet takes from the wire into its flow: when every flow is new, when all are known, and when
//! the table is full and an attacker goes on.

mod mix;

use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Nothing is known yet: devices, flows and windows begin.
#[divan::bench]
fn fresh(bencher: Bencher<'_, '_>) {
    let frames = mix::home(4096, 4096);
    bencher.counter(ItemsCount::new(frames.len())).with_inputs(mix::pipeline).bench_local_values(
        |mut pipeline| {
            mix::feed(&mut pipeline, mix::START, 100, &frames);
            pipeline
        },
    );
}

/// Every flow is known, within a minute.
#[divan::bench(args = [64, 1024, 10_000])]
fn steady(bencher: Bencher<'_, '_>, flows: u32) {
    let frames = mix::home(65_536, flows);
    let mut pipeline = mix::pipeline();
    let mut now = mix::feed(&mut pipeline, mix::START, 10, &frames);
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        now = mix::feed(&mut pipeline, now, 1, &frames);
    });
}

/// A scan: each packet another flow, and the table full.
#[divan::bench]
fn full(bencher: Bencher<'_, '_>) {
    let frames = mix::home(65_536, 60_000);
    let mut pipeline = mix::pipeline();
    let mut now = mix::feed(&mut pipeline, mix::START, 10, &frames);
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        now = mix::feed(&mut pipeline, now, 10, &frames);
        pipeline.take_batch()
    });
}
