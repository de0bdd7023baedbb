//! What a minute costs when it closes: every flow settled, rows folded and put in order.

mod mix;

use divan::Bencher;
use divan::counter::ItemsCount;
use lanscribe_core::time::{MINUTE, Span};

fn main() {
    divan::main();
}

/// The first minute of a run, counted in its flows.
#[divan::bench(args = [64, 1024, 10_000])]
fn fresh(bencher: Bencher<'_, '_>, flows: u32) {
    let frames = mix::home(flows, flows);
    bencher
        .counter(ItemsCount::new(flows))
        .with_inputs(|| {
            let mut pipeline = mix::pipeline();
            mix::feed(&mut pipeline, mix::START, 10, &frames);
            pipeline
        })
        .bench_local_values(|mut pipeline| {
            pipeline.tick(mix::START + MINUTE + Span::from_secs(2));
            pipeline
        });
}

/// Minute after minute of the same traffic, packets and all.
#[divan::bench(args = [64, 1024, 10_000])]
fn steady(bencher: Bencher<'_, '_>, flows: u32) {
    let frames = mix::home(flows, flows);
    let mut pipeline = mix::pipeline();
    let mut minute = mix::START;
    bencher.counter(ItemsCount::new(flows)).bench_local(|| {
        mix::feed(&mut pipeline, minute, 10, &frames);
        minute = minute + MINUTE;
        pipeline.tick(minute);
        pipeline.take_batch()
    });
}
