//! Batches that were not written in time and became one, in whatever groups: the law holds for what they held,
//! within whatever limits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lanscribe_core::device::Count;
use lanscribe_core::pipeline::{Batch, BatchLimits, Config, EventKind, Lost, Pipeline};
use lanscribe_core::rollup::{Class, Coverage, RowKey, Usage};
use lanscribe_core::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestCaseResult, TestRunner};

use crate::input::{Op, Told, feed, law_of, run};
use crate::traffic;

/// The batches of a run of which one is taken each `every` steps, with drops each time.
fn batches(config: &Config, ops: &[Op], every: usize) -> Vec<Batch> {
    let mut pipeline = Pipeline::new(config.clone());
    let mut batches = Vec::new();
    for steps in ops.chunks(every) {
        batches.extend(steps.iter().filter_map(|op| feed(&mut pipeline, op)));
        pipeline.dropped(2, 3);
        batches.push(pipeline.take_batch());
    }
    pipeline.finish();
    batches.push(pipeline.take_batch());
    batches
}

/// Merges neighbours, picked by `order`, until one is left; `check` looks at each step.
fn merged(
    mut batches: Vec<Batch>,
    order: &[Index],
    limits: &BatchLimits,
    check: impl Fn(&Batch) -> TestCaseResult,
) -> Result<(Batch, Lost), TestCaseError> {
    let mut lost = Lost::default();
    for index in order.iter().cycle() {
        if batches.len() == 1 {
            break;
        }
        let at = index.index(batches.len() - 1);
        let later = batches.remove(at + 1);
        let more = batches[at].merge(later, limits);
        check(&batches[at])?;
        lost.flows += more.flows;
        lost.folded += more.folded;
        lost.minutes += more.minutes;
        lost.addresses += more.addresses;
        lost.nameless += more.nameless;
        lost.questions += more.questions;
        lost.claims += more.claims;
        lost.events += more.events;
    }
    Ok((batches.remove(0), lost))
}

fn joined(batches: impl IntoIterator<Item = Batch>) -> Told {
    let mut told = Told::default();
    batches.into_iter().for_each(|batch| told.join(batch));
    told
}

fn add_usage(sum: &mut (Count, Count, u64), usage: &Usage) {
    sum.0.merge(usage.up);
    sum.1.merge(usage.down);
    sum.2 += usage.flows;
}

/// What a row says, added up by what `by` makes of its key.
fn usage<K: Ord>(told: &Told, by: impl Fn(&RowKey) -> K) -> BTreeMap<(Timestamp, K), (Count, Count, u64)> {
    let mut sums = BTreeMap::new();
    for minute in &told.minutes {
        for (key, usage) in &minute.rows {
            add_usage(sums.entry((minute.window, by(key))).or_default(), usage);
        }
    }
    sums
}

/// What coverage says of each window, but for time watched and names lost.
type Covered = (Count, Count, u64, u64, Vec<Count>);

fn coverage(told: &Told) -> BTreeMap<Timestamp, Covered> {
    let mut sums: BTreeMap<_, Covered> = BTreeMap::new();
    for minute in &told.minutes {
        let sum = sums.entry(minute.window).or_default();
        let Coverage { captured, undecodable, dropped, interface_dropped, troubles, .. } = &minute.coverage;
        sum.0.merge(*captured);
        sum.1.merge(*undecodable);
        sum.2 += dropped;
        sum.3 += interface_dropped;
        sum.4.resize(troubles.len(), Count::default());
        sum.4.iter_mut().zip(troubles).for_each(|(sum, count)| sum.merge(*count));
    }
    sums
}

/// How often each limit was reached.
fn limits_told<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> BTreeMap<&'static str, u64> {
    let mut told = BTreeMap::new();
    for event in batches.into_iter().flat_map(|batch| &batch.events) {
        if let EventKind::Limit { what, count } = event.kind {
            *told.entry(what).or_default() += count;
        }
    }
    told
}

/// How many questions are in rows.
fn asked(told: &Told) -> u64 {
    told.questions.iter().map(|row| row.count).sum()
}

fn folded(told: &Told) -> u64 {
    told.minutes.iter().map(|minute| minute.coverage.folded.frames).sum()
}

fn order() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn batches_merged_in_any_grouping_say_what_they_said(
        events in traffic::wild(150),
        timeouts in traffic::timeouts(),
        every in 1..20_usize,
        order in order(),
    ) {
        let config = Config { timeouts, ..Config::default() };
        let apart = batches(&config, &traffic::play(&events), every);
        let limits = limits_told(&apart);
        let (batch, lost) = merged(apart.clone(), &order, &BatchLimits::default(), |_| Ok(()))?;
        prop_assert_eq!(lost, Lost::default());
        prop_assert_eq!(limits_told([&batch]), limits);
        let no_limit = |event: &&_| !matches!(event, EventKind::Limit { .. });
        let kinds = |batch: &Batch| -> Vec<_> {
            batch.events.iter().map(|event| event.kind).collect::<Vec<_>>().iter().filter(no_limit).copied().collect()
        };
        prop_assert_eq!(kinds(&batch), apart.iter().flat_map(kinds).collect::<Vec<_>>());
        prop_assert!(batch.devices.is_sorted_by(|a, b| a.id < b.id));
        for minute in &batch.minutes {
            prop_assert!(minute.rows.is_sorted_by(|a, b| a.0 < b.0), "rows of {:?}", minute.window);
        }
        let (apart, together) = (joined(apart), joined([batch]));
        prop_assert_eq!(usage(&together, RowKey::clone), usage(&apart, RowKey::clone));
        prop_assert_eq!(coverage(&together), coverage(&apart));
        prop_assert_eq!(folded(&together), folded(&apart));
        prop_assert_eq!(together.flows, apart.flows);
        prop_assert_eq!(together.devices, apart.devices);
        prop_assert_eq!(together.addresses, apart.addresses);
    }
}

/// What happened at least once while the property below ran: limits that nothing reached prove nothing.
#[derive(Default)]
struct Reached([AtomicU64; 9]);

impl Reached {
    fn add(&self, lost: &Lost, batch: &Batch) {
        // A row that has no protocol any more was folded twice.
        let bare = batch.minutes.iter().flat_map(|minute| &minute.rows);
        let bare =
            bare.filter(|(key, _)| key.protocol == u16::MAX && key.class != Class::Link).count() as u64;
        let seen = [
            lost.flows,
            lost.folded,
            lost.minutes,
            lost.addresses,
            lost.nameless,
            lost.questions,
            lost.claims,
            lost.events,
            bare,
        ];
        for (counter, seen) in self.0.iter().zip(seen) {
            counter.fetch_add(seen, Ordering::Relaxed);
        }
    }
}

#[test]
fn batches_merged_within_limits_lose_names_and_detail_and_never_a_sum() {
    let limits =
        (0..30_usize, 0..40_usize, prop_oneof![2 => Just(10_000_usize), 1 => 0..8_usize], 0..8_usize)
            .prop_map(|(flows, rows, minutes, few)| BatchLimits {
                flows,
                rows,
                minutes,
                addresses: few,
                dns: few,
                claims: few,
                events: few,
            });
    let strategy = (traffic::wild(150), traffic::timeouts(), 1..20_usize, order(), limits);
    let reached = Reached::default();
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(600) };
    let outcome = TestRunner::new(config).run(&strategy, |(events, timeouts, every, order, limits)| {
        let config = Config { timeouts, ..Config::default() };
        let apart = batches(&config, &traffic::play(&events), every);
        let alone = apart.len() == 1;
        let told_apart = limits_told(&apart);
        let (batch, lost) = merged(apart.clone(), &order, &limits, |batch| bounded(batch, &limits))?;
        reached.add(&lost, &batch);

        // Every loss is told, once, beside what the pipeline told itself.
        let own = [
            ("flow records dropped", lost.flows),
            ("frames kept only as 'other'", lost.folded),
            ("minutes dropped before they could be written", lost.minutes),
            ("address sightings not kept", lost.addresses),
            ("questions kept without their name", lost.nameless),
            ("questions dropped", lost.questions),
            ("names of devices not kept", lost.claims),
            ("events dropped", lost.events),
        ];
        let mut expected = told_apart;
        for (what, count) in own.into_iter().filter(|(_, count)| *count > 0) {
            *expected.entry(what).or_default() += count;
        }
        prop_assert_eq!(limits_told([&batch]), expected);

        for minute in &batch.minutes {
            law_of(minute).map_err(TestCaseError::fail)?;
        }
        let flows = batch.flows.len() as u64;
        let (apart, together) = (joined(apart), joined([batch]));
        prop_assert_eq!(flows + lost.flows, apart.flows.len() as u64);
        prop_assert_eq!(asked(&together) + lost.questions, asked(&apart));
        prop_assert_eq!(&together.devices, &apart.devices);
        if lost.minutes == 0 && !alone {
            prop_assert_eq!(usage(&together, |key| key.class), usage(&apart, |key| key.class));
            prop_assert_eq!(coverage(&together), coverage(&apart));
            prop_assert_eq!(folded(&together), folded(&apart) + lost.folded);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let what = [
        "flows",
        "folded",
        "minutes",
        "addresses",
        "nameless",
        "questions",
        "claims",
        "events",
        "only a class",
    ];
    for (counter, what) in reached.0.iter().zip(what) {
        assert!(counter.load(Ordering::Relaxed) > 0, "{what}: never reached");
    }
}

/// Nothing is more than its limit, and no limit is told twice.
fn bounded(batch: &Batch, limits: &BatchLimits) -> TestCaseResult {
    prop_assert!(batch.flows.len() <= limits.flows);
    prop_assert!(batch.addresses.len() <= limits.addresses);
    prop_assert!(batch.dns.len() <= limits.dns);
    prop_assert!(batch.claims.len() <= limits.claims);
    prop_assert!(batch.minutes.len() <= limits.minutes);
    let rows: usize = batch.minutes.iter().map(|minute| minute.rows.len()).sum();
    prop_assert!(rows <= limits.rows.max(5 * batch.minutes.len()), "{} rows", rows);
    let kinds = limits_told([batch]).len();
    let told = batch.events.iter().filter(|event| matches!(event.kind, EventKind::Limit { .. })).count();
    prop_assert_eq!(kinds, told);
    prop_assert!(batch.events.len() - told <= limits.events);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn of_too_many_minutes_the_latest_are_left_as_they_were(
        events in traffic::steady(150),
        every in 1..20_usize,
        minutes in 1..8_usize,
    ) {
        let ops = traffic::play(&events);
        let all = run(&Config::default(), &ops).minutes;
        let limits = BatchLimits { minutes, ..BatchLimits::default() };
        let mut batch = Batch::default();
        let mut lost = 0;
        for mut later in batches(&Config::default(), &ops, every) {
            for minute in &mut later.minutes {
                (minute.coverage.dropped, minute.coverage.interface_dropped) = (0, 0);
            }
            lost += batch.merge(later, &limits).minutes;
        }
        let left = all.len().min(minutes);
        prop_assert_eq!(lost, (all.len() - left) as u64);
        prop_assert_eq!(&batch.minutes, &all[all.len() - left..]);
    }
}
