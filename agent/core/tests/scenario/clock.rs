//! A clock that is set while packets come: what was counted stays counted, and conversations go on.

use std::collections::BTreeMap;

use lanscribe_core::flow::record::REPORTING;
use lanscribe_core::pipeline::{Config, EventKind, Pipeline};
use lanscribe_core::rollup::Minute;
use lanscribe_core::time::{MINUTE, Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{INTERNET, ROUTER, device, home, udp};
use crate::frame::Frame;
use crate::input::{Op, START, Shot, Told, feed, law, run, secs};
use crate::traffic;

const DAY: i64 = 86_400;

fn packet() -> Frame {
    udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10)
}

fn show(pipeline: &mut Pipeline, at: Timestamp) {
    feed(pipeline, &Op::Frame(Shot::of(at, &packet())));
}

fn windows(minutes: &[Minute]) -> Vec<(Timestamp, u64, i64)> {
    let row = |minute: &Minute| {
        (minute.window, minute.coverage.captured.frames, minute.coverage.observed.0 / 1_000_000)
    };
    minutes.iter().map(row).collect()
}

#[test]
fn a_conversation_goes_on_over_a_step_of_the_clock_and_lasts_no_longer_for_it() {
    for by in [3, -3, 7_200, -7_200, 3_650 * DAY, -3_650 * DAY].map(secs) {
        let mut pipeline = Pipeline::new(Config::default());
        show(&mut pipeline, START + secs(10));
        show(&mut pipeline, START + secs(20));
        let before = pipeline.set_clock(by);
        assert_eq!(windows(&before.minutes), [(START, 2, 10)], "{by:?}");
        assert!(before.flows.is_empty(), "it goes on");
        show(&mut pipeline, START + by + secs(30));
        pipeline.finish();
        let after = pipeline.take_batch();
        let [flow] = after.flows.as_slice() else { panic!("{by:?}: {:?}", after.flows) };
        assert_eq!((flow.up.packets, flow.part), (3, 0));
        assert_eq!((flow.start, flow.end), (START + by + secs(10), START + by + secs(30)));
        assert_eq!(windows(&after.minutes), [((START + by + secs(30)).floor(MINUTE), 1, 0)]);
        let event = after.events.first().unwrap();
        assert_eq!((event.at, event.kind), (START + by + secs(20), EventKind::ClockSet { by }));
        // The address was seen at two times that nothing is known of between.
        let seen = |interval: &lanscribe_core::address_book::Interval| (interval.first, interval.last);
        assert_eq!(before.addresses.iter().map(seen).next(), Some((START + secs(10), START + secs(10))));
        let late = after.addresses.iter().map(seen).next();
        assert_eq!(late, Some((START + by + secs(30), START + by + secs(30))));
    }
}

#[test]
fn what_ends_with_the_clock_just_set_is_reported_too() {
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, START);
    let before = pipeline.set_clock(secs(DAY));
    pipeline.finish();
    let after = pipeline.take_batch();
    assert_eq!((before.minutes.len(), after.minutes.len(), after.flows.len()), (1, 0, 1));
    assert_eq!(after.flows[0].start, START + secs(DAY));
}

#[test]
fn a_step_that_was_noticed_twice_leaves_no_conversation_open_for_ever() {
    let mut pipeline = Pipeline::new(Config::default());
    show(&mut pipeline, START);
    // A packet of the new time came before word of the step.
    show(&mut pipeline, START + secs(DAY));
    pipeline.set_clock(secs(DAY));
    show(&mut pipeline, START + secs(DAY) + secs(1));
    pipeline.tick(START + secs(DAY) + secs(200));
    assert_eq!(pipeline.stats().open_flows, 0);
}

/// All that was told, pieces of a minute joined.
fn joined(told: &Told) -> BTreeMap<Timestamp, (u64, u64, String)> {
    let mut minutes = BTreeMap::new();
    // Which silent minutes were watched depends on who ticked.
    for minute in told.minutes.iter().filter(|minute| minute.coverage.captured.frames > 0) {
        let entry: &mut (u64, u64, BTreeMap<_, lanscribe_core::rollup::Usage>) =
            minutes.entry(minute.window).or_default();
        entry.0 += minute.coverage.captured.frames;
        entry.1 += minute.coverage.captured.bytes;
        for (key, usage) in &minute.rows {
            entry.2.entry(key.clone()).or_default().merge(usage);
        }
    }
    minutes
        .into_iter()
        .map(|(at, (frames, bytes, rows))| (at, (frames, bytes, format!("{rows:?}"))))
        .collect()
}

fn moved(op: &Op, by: Span) -> Op {
    match op {
        Op::Frame(shot) => Op::Frame(Shot { at: shot.at + by, ..shot.clone() }),
        Op::Tick(at) => Op::Tick(*at + by),
        Op::Take => Op::Take,
    }
}

/// The run, with its clock off until the op of that number, and batches taken before others.
fn corrected(config: &Config, ops: &[Op], by: Span, until: usize, takes: &[usize]) -> Told {
    let (mut pipeline, mut told) = (Pipeline::new(config.clone()), Told::default());
    let time = |op: &Op| if let Op::Frame(shot) = op { Some(shot.at) } else { None };
    let since = ops.iter().find_map(time).unwrap_or(START).floor(MINUTE) - by;
    for (n, op) in ops.iter().enumerate() {
        if n == until {
            told.join(pipeline.correct_clock(since, by));
        }
        if n < until {
            feed(&mut pipeline, &moved(op, Span(-by.0)));
            if takes.contains(&n) {
                let mut batch = pipeline.take_batch();
                batch.shift(since, by);
                told.join(batch);
            }
        } else {
            feed(&mut pipeline, op);
        }
    }
    pipeline.finish();
    told.join(pipeline.take_batch());
    told.flows.sort_by_key(|record| (record.id, record.part, record.side));
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_run_whose_clock_was_corrected_tells_what_one_with_a_right_clock_tells(
        events in traffic::steady(120),
        timeouts in traffic::timeouts(),
        steps in prop_oneof![-40_i64..40, -1_000_000_i64..1_000_000],
        until in any::<Index>(),
        takes in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let config = Config { timeouts, ..Config::default() };
        let mut ops = traffic::play(&events);
        // A frame that is late is late no more after a step.
        ops.sort_by_key(|op| if let Op::Frame(shot) = op { shot.at } else { Timestamp::MAX });
        let takes: Vec<_> = takes.iter().map(|take| take.index(ops.len())).collect();
        let by = Span(steps * REPORTING.0);
        let until = until.index(ops.len());
        let told = corrected(&config, &ops, by, until, &takes);
        law(&told, &ops).map_err(TestCaseError::fail)?;
        // Traffic shows an address once a minute, and once more where a minute comes in two pieces, on which it may hang
        // who has it, and whose the next packet is. So rows are held against a run with a right clock that was cut there
        // too, and the frames of each minute against one that was not.
        let right = corrected(&config, &ops, Span(0), until, &takes);
        prop_assert_eq!(joined(&told), joined(&right));
        let differ = told.flows.iter().zip(&right.flows).find(|(told, right)| told != right);
        prop_assert!(differ.is_none() && told.flows.len() == right.flows.len(), "{differ:?}");
        let seen = |told: &Told| told.devices.values().map(|device| (device.id, device.seen)).collect::<Vec<_>>();
        prop_assert_eq!(seen(&told), seen(&right));
        prop_assert_eq!(&told.addresses, &right.addresses);
        let whole = run(&config, &ops);
        let frames = |told: &Told| -> Vec<_> {
            joined(told).into_iter().map(|(at, (frames, bytes, _))| (at, frames, bytes)).collect()
        };
        prop_assert_eq!(frames(&told), frames(&whole));
        prop_assert_eq!(seen(&told), seen(&whole));
    }

    #[test]
    fn whatever_the_clock_is_set_to_every_frame_is_counted_once(
        events in traffic::wild(120),
        steps in prop::collection::vec((any::<Index>(), any::<i32>()), 0..6),
    ) {
        let ops = traffic::play(&events);
        let (mut pipeline, mut told) = (Pipeline::new(Config::default()), Told::default());
        for (n, op) in ops.iter().enumerate() {
            for (_, by) in steps.iter().filter(|(place, _)| place.index(ops.len()) == n) {
                told.join(pipeline.set_clock(Span::from_secs((*by).into())));
            }
            if let Some(batch) = feed(&mut pipeline, op) {
                told.join(batch);
            }
        }
        pipeline.finish();
        told.join(pipeline.take_batch());
        law(&told, &ops).map_err(TestCaseError::fail)?;
        prop_assert_eq!(pipeline.stats().open_flows, 0);
    }
}
