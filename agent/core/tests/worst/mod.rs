//! No packet of 64 kB may take more than a millisecond, whatever it holds and whatever came before it.

mod full;
mod packets;

use std::time::{Duration, Instant};

use full::Full;

/// How often each is tried: the best counts, for other programs run too.
const TRIES: u16 = 7;

/// How long the last of the frames takes.
fn measure(full: &mut Full, frames: &[Vec<u8>]) -> Duration {
    let (last, before) = frames.split_last().unwrap();
    before.iter().for_each(|frame| full.see(frame));
    #[expect(clippy::disallowed_methods, reason = "it is the test that takes time")]
    let began = Instant::now();
    full.see(last);
    began.elapsed()
}

#[test]
fn no_packet_takes_long_in_a_fresh_or_a_full_pipeline() {
    // Not optimised and with all checks it is about thirty times slower.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 60 } else { 1 });
    let mut full = full::full();
    let mut slow = Vec::new();
    println!("{:28} {:>6} {:>9} {:>9}", "", "bytes", "fresh", "full");
    // Each is a conversation of its own.
    for ((name, make), port) in packets::ALL.iter().zip((20_000..).step_by(100)) {
        let length = make(1).last().unwrap().len();
        let fresh = (0..TRIES).map(|n| measure(&mut full::fresh(), &make(port + n))).min().unwrap();
        let full = (0..TRIES).map(|n| measure(&mut full, &make(port + n))).min().unwrap();
        let micros = |took: Duration| took.as_nanos() / 1_000;
        println!("{name:28} {length:6} {:6} us {:6} us", micros(fresh), micros(full));
        if fresh.max(full) > bound {
            slow.push(name);
        }
        assert!(length <= 65_600, "{name}");
    }
    assert!(slow.is_empty(), "more than {bound:?}: {slow:?}");
}

#[test]
fn the_full_pipeline_is_full() {
    let full = full::full();
    let stats = full.pipeline.stats();
    // Room is made for many flows at once.
    assert!(stats.devices == 4_096 && stats.open_flows > 14_000, "{stats:?}");
    assert!(stats.flows_evicted > 0 && stats.hellos_lost > 0 && stats.lookups_forgotten > 0, "{stats:?}");
    assert!(stats.questions_cut > 0 && stats.questions_folded > 0, "{stats:?}");
}
