//! Time that steps, jumps and is silent.

use std::time::Duration;

use lanscribe_core::pipeline::{Config, EventKind, LATE, Pipeline, SILENCE};
use lanscribe_core::rollup::Class;
use lanscribe_core::time::{MINUTE, Span, Timestamp};

use super::{INTERNET, ROUTER, device, home, millis, udp};
use crate::frame::Frame;
use crate::input::{Op, START, Shot, law, run, secs, watch};

const YEAR: i64 = 365 * 86_400;

fn packet(n: u8) -> Frame {
    udp((device(n), home(n)), (ROUTER, INTERNET), (50_000, 443), 10)
}

fn shots(times: &[Timestamp]) -> Vec<Op> {
    times.iter().map(|&at| Op::Frame(Shot::of(at, &packet(1)))).collect()
}

fn windows(ops: &[Op]) -> Vec<(i64, i64, u64)> {
    let told = run(&Config::default(), ops);
    law(&told, ops).unwrap();
    let row = |minute: &lanscribe_core::rollup::Minute| {
        let observed = minute.coverage.observed.0 / 1_000_000;
        ((minute.window - START).0 / MINUTE.0, observed, minute.coverage.captured.frames)
    };
    told.minutes.iter().map(row).collect()
}

#[test]
fn when_time_goes_back_by_an_hour_nothing_in_the_future_sticks() {
    let times = [0, 10, -3600, -3590, -3500].map(|n| START + secs(n));
    assert_eq!(windows(&shots(&times)), [(0, 10, 2), (-60, 60, 2), (-59, 40, 1)]);
    let told = run(&Config::default(), &shots(&times));
    let spans: Vec<_> = told.flows.iter().map(|flow| (flow.start, flow.end)).collect();
    assert_eq!(spans[0], (times[0], times[1]));
    assert_eq!(spans[1], (times[2], times[3]), "a flow of its own, not one that lasted minus an hour");
}

#[test]
fn a_step_back_is_an_event_that_says_from_when() {
    let mut pipeline = Pipeline::new(Config::default());
    for at in [START + secs(7), START] {
        let shot = Shot::of(at, &packet(1));
        pipeline.packet(at, 0, shot.link_type, shot.wire_len, &shot.bytes);
    }
    let events = pipeline.take_batch().events;
    assert!(events.iter().any(|event| event.kind == EventKind::ClockStepped { from: START + secs(7) }));
}

#[test]
fn a_flow_that_was_over_when_the_clock_went_back_ended_by_itself() {
    // Nothing was swept between the end of the time-out, at 65 s, and the step.
    let times = [(5, 1), (64, 2), (70, 2), (-30, 3)].map(|(n, of)| (START + secs(n), packet(of)));
    let ops = times.map(|(at, frame)| Op::Frame(Shot::of(at, &frame)));
    let told = run(&Config::default(), &ops);
    let reasons: Vec<_> = told.flows.iter().map(|flow| flow.end_reason as u8).collect();
    assert_eq!(reasons, [1, 4, 4], "idle, then what the step ended, then the end of the capture");
}

#[test]
fn a_jump_of_ninety_years_does_not_loop() {
    let times = [0, 90 * YEAR, 1, 90 * YEAR, 7000 * YEAR, i64::MAX / 1_000_000, 2].map(|n| START + secs(n));
    let ops = shots(&times);
    #[expect(clippy::disallowed_methods, reason = "it is the test that takes time, not the pipeline")]
    let began = std::time::Instant::now();
    let minutes = windows(&ops);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(minutes.len(), times.len());
    assert!(minutes.iter().all(|&(_, observed, frames)| (observed, frames) == (0, 1)));
}

#[test]
fn silent_minutes_within_five_minutes_are_covered_and_longer_gaps_are_not() {
    let covered = shots(&[START + secs(30), START + secs(30) + SILENCE]);
    let expected: Vec<_> =
        (0..6).map(|n| (n, if n % 5 == 0 { 30 } else { 60 }, u64::from(n % 5 == 0))).collect();
    assert_eq!(windows(&covered), expected);
    let unknown = shots(&[START + secs(30), START + secs(30) + SILENCE + Span(1)]);
    assert_eq!(windows(&unknown), [(0, 0, 1), (5, 0, 1)]);
    let ticked: Vec<_> = unknown[..1].iter().cloned().chain([Op::Tick(START + secs(200))]).collect();
    assert_eq!(windows(&ticked), [(0, 30, 1), (1, 60, 0), (2, 60, 0), (3, 20, 0)]);
}

#[test]
fn a_late_frame_counts_in_its_own_minute_while_that_is_open() {
    let at = |ms| START + MINUTE + millis(ms);
    assert_eq!(windows(&shots(&[at(-500), at(400), at(-600)])), [(0, 0, 2), (1, 0, 1)]);
    let beyond = windows(&shots(&[at(-500), at(400), at(-601)]));
    assert_eq!(beyond, [(0, 0, 1), (1, 0, 1), (0, 0, 1)], "more than a second late is a step back");
    let closed = windows(&shots(&[at(10), at(10) - LATE]));
    assert_eq!(closed, [(1, 0, 2)], "where the own minute never was open, in the oldest that is");
}

#[test]
fn a_late_frame_does_not_wake_a_flow_whose_time_is_over() {
    let told = watch(&[
        (secs(5), packet(1)),
        (secs(62), packet(2)),
        (millis(65_100), packet(2)),
        // 60 s of silence are over by the latest packet, though not by this one.
        (millis(64_900), packet(1)),
    ]);
    let of_one = told.flows.iter().filter(|flow| flow.local.0 == std::net::IpAddr::from(home(1)));
    assert_eq!(of_one.map(|flow| (flow.id, flow.up.packets)).collect::<Vec<_>>(), [(0, 1), (2, 1)]);
}

#[test]
fn a_step_back_within_a_minute_makes_it_twice_and_loses_nothing() {
    let ops = shots(&[START + secs(20), START + secs(10), START + secs(15)]);
    assert_eq!(windows(&ops), [(0, 0, 1), (0, 5, 2)]);
    let classes: Vec<_> = run(&Config::default(), &ops).sums().into_iter().collect();
    assert_eq!(classes.len(), 1);
    assert_eq!((classes[0].0, classes[0].1.0.frames), ((START, Class::Remote), 3));
}
