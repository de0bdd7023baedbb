//! Time without a link is not observed, whatever else goes on.

use std::collections::BTreeMap;

use lanscribe_core::pipeline::{Config, EventKind, Pipeline};
use lanscribe_core::tap::TapChange;
use lanscribe_core::time::{MINUTE, Span, Timestamp};
use proptest::prelude::*;

use super::{INTERNET, ROUTER, device, home, millis, udp};
use crate::input::{Op, START, Shot, feed, secs};

fn show(pipeline: &mut Pipeline, at: Timestamp) {
    let frame = udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10);
    feed(pipeline, &Op::Frame(Shot::of(at, &frame)));
}

/// Minutes from the start, seconds that were observed in them, and frames.
fn minutes(pipeline: &mut Pipeline) -> Vec<(i64, i64, u64)> {
    pipeline.finish();
    let minutes = pipeline.take_batch().minutes;
    let row = |minute: &lanscribe_core::rollup::Minute| {
        let coverage = &minute.coverage;
        ((minute.window - START).0 / MINUTE.0, coverage.observed.0 / 1_000_000, coverage.captured.frames)
    };
    minutes.iter().map(row).collect()
}

#[test]
fn what_was_not_watched_is_not_observed_across_minutes_and_hours() {
    let mut pipeline = Pipeline::new(Config::default());
    // START is a quarter past, so an hour ends ten minutes after this.
    let at = |n: i64| START + Span(35 * MINUTE.0) + secs(n);
    show(&mut pipeline, at(0));
    pipeline.watch(at(30), false);
    for n in 1..=10 {
        pipeline.tick(at(60 * n));
    }
    pipeline.watch(at(615), true);
    show(&mut pipeline, at(640));
    pipeline.watch(at(641), false);
    pipeline.watch(at(651), true);
    pipeline.tick(at(720));
    let expected: Vec<_> = (35..=47)
        .map(|n| match n {
            35 => (n, 30, 1),
            45 => (n, 60 - 15 - 10, 1),
            46 => (n, 60, 0),
            _ => (n, 0, 0),
        })
        .collect();
    assert_eq!(minutes(&mut pipeline), expected);
}

#[test]
fn a_run_that_begins_without_a_link_observes_nothing_until_there_is_one() {
    let mut pipeline = Pipeline::new(Config::default());
    pipeline.watch(START, false);
    pipeline.tick(START);
    pipeline.tick(START + secs(100));
    pipeline.watch(START + secs(110), true);
    pipeline.tick(START + secs(120));
    pipeline.tick(START + secs(150));
    assert_eq!(minutes(&mut pipeline), [(0, 0, 0), (1, 10, 0), (2, 30, 0)]);
}

#[test]
fn frames_that_come_late_out_of_a_gap_count_and_change_nothing_of_it() {
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, START + secs(10));
    // Noticed before the ring's last block was read.
    pipeline.watch(START + secs(20), false);
    show(&mut pipeline, START + millis(19_900));
    pipeline.tick(START + secs(50));
    assert_eq!(minutes(&mut pipeline), [(0, 10, 2)]);
}

#[test]
fn a_gap_that_is_told_of_before_its_minute_is_open_counts_in_it() {
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, START + secs(59));
    pipeline.watch(START + secs(61), false);
    pipeline.watch(START + secs(71), true);
    show(&mut pipeline, START + secs(90));
    assert_eq!(minutes(&mut pipeline), [(0, 1, 1), (1, 20, 1)]);
}

#[test]
fn a_clock_that_goes_back_or_far_ahead_in_a_gap_makes_no_nonsense_of_it() {
    for jump in [-86_400, 90 * 365 * 86_400] {
        let mut pipeline = Pipeline::new(Config::default());
        show(&mut pipeline, START);
        pipeline.watch(START + secs(10), false);
        pipeline.tick(START + secs(30));
        let there = START + secs(jump);
        show(&mut pipeline, there);
        pipeline.tick(there + secs(20));
        pipeline.watch(there + secs(30), true);
        pipeline.tick(there + secs(50));
        assert_eq!(minutes(&mut pipeline), [(0, 10, 1), (jump.div_euclid(60), 20, 1)], "{jump}");
    }
}

#[test]
fn what_happens_to_an_interface_is_an_event() {
    let mut pipeline = Pipeline::new(Config::default());
    pipeline.tap_changed(START, 1, TapChange::Down);
    let [event] = pipeline.take_batch().events[..] else { panic!("one event") };
    assert_eq!((event.at, event.kind), (START, EventKind::Tap { interface: 1, change: TapChange::Down }));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Frame,
    Tick,
    Watch(bool),
    Take,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A clock that only goes on, with silences that count as watched.
    #[test]
    fn observed_is_what_passed_without_the_gaps_and_nothing_else_changes(
        steps in prop::collection::vec(
            (0..280_000_i64, prop_oneof![
                2 => Just(Step::Frame), 2 => Just(Step::Tick), 3 => any::<bool>().prop_map(Step::Watch), 1 => Just(Step::Take),
            ]),
            2..60,
        ),
    ) {
        let (mut watching, mut plain) = (Pipeline::new(Config::default()), Pipeline::new(Config::default()));
        let (mut seen, mut bare) = (Vec::new(), Vec::new());
        let (mut now, mut gaps, mut since): (Timestamp, Vec<(Timestamp, Timestamp)>, Option<Timestamp>) =
            (START, Vec::new(), None);
        let mut span = None;
        let mut last = START;
        for (pause, step) in steps {
            // What is told is told within the time that counts as watched.
            now = now + millis(pause.min(290_000 - (now - last).0 / 1_000).max(0));
            match step {
                Step::Watch(watched) => {
                    watching.watch(now, watched);
                    match (watched, since) {
                        (false, None) => since = Some(now),
                        (true, Some(from)) => {
                            gaps.push((from, now));
                            since = None;
                        }
                        _ => {}
                    }
                    continue;
                }
                Step::Frame => [&mut watching, &mut plain].into_iter().for_each(|p| show(p, now)),
                Step::Tick => [&mut watching, &mut plain].into_iter().for_each(|p| p.tick(now)),
                Step::Take => {
                    seen.extend(watching.take_batch().minutes);
                    bare.extend(plain.take_batch().minutes);
                    continue;
                }
            }
            last = now;
            span = Some((span.map_or(now, |(from, _)| from), now));
        }
        for (pipeline, minutes) in [(&mut watching, &mut seen), (&mut plain, &mut bare)] {
            pipeline.finish();
            minutes.extend(pipeline.take_batch().minutes);
        }
        gaps.extend(since.map(|since| (since, Timestamp::MAX)));
        let Some((from, until)) = span else { return Ok(()) };
        let mut expected = BTreeMap::new();
        let mut start = from.floor(MINUTE);
        while start <= until {
            let (first, end) = (start.max(from), until.min(start + MINUTE));
            let lost: i64 = gaps.iter().map(|gap| (gap.1.min(end) - gap.0.max(first)).0.max(0)).sum();
            expected.insert(start, Span((end - first).0 - lost));
            start = start + MINUTE;
        }
        let observed: BTreeMap<_, _> = seen.iter().map(|m| (m.window, m.coverage.observed)).collect();
        prop_assert_eq!(&observed, &expected);
        for minute in seen.iter_mut().chain(&mut bare) {
            minute.coverage.observed = Span(0);
        }
        prop_assert_eq!(seen, bare);
    }
}
