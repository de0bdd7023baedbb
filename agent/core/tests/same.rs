//! The pipeline beside the plain model: the same rows, whenever time was told to go on and batches were taken.

use std::collections::BTreeMap;

use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::{Endpoint, Minute, RowKey, Usage};
use lanscribe_core::service::Evidence;
use lanscribe_core::time::{Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;

use crate::input::{Op, Told, run};
use crate::{model, traffic};

/// The first thing that the two tell differently: a whole run would be too long to read.
fn alike(told: &Told, expected: &Told) -> TestCaseResult {
    for n in 0..told.flows.len().max(expected.flows.len()) {
        prop_assert_eq!(told.flows.get(n), expected.flows.get(n), "flow record {}", n);
    }
    let frames = |told: &Told| -> Vec<_> {
        told.minutes.iter().map(|minute| (minute.window, minute.coverage.captured.frames)).collect()
    };
    prop_assert_eq!(frames(told), frames(expected));
    for n in 0..told.minutes.len().max(expected.minutes.len()) {
        let (told, expected) = (told.minutes.get(n), expected.minutes.get(n));
        let rows = told.into_iter().chain(expected).map(|minute| minute.rows.len()).max().unwrap_or(0);
        for row in 0..rows {
            let of = |minute: Option<&Minute>| minute.and_then(|minute| minute.rows.get(row).cloned());
            prop_assert_eq!(of(told), of(expected), "row {} of minute {}", row, n);
        }
        prop_assert_eq!(told, expected, "minute {}", n);
    }
    prop_assert_eq!(&told.devices, &expected.devices);
    prop_assert_eq!(&told.addresses, &expected.addresses);
    prop_assert_eq!(&told.questions, &expected.questions);
    prop_assert_eq!(&told.claims, &expected.claims);
    Ok(())
}

/// The run with ticks and batches in between. A tick comes as late as it may: never after a frame that is still
/// on its way, since the one who ticks holds back by as much as frames are late.
fn with_pauses(ops: &[Op], pauses: &[(Index, i64, bool)]) -> Vec<Op> {
    let time = |op: &Op| if let Op::Frame(shot) = op { shot.at } else { Timestamp::MAX };
    let mut live = Vec::new();
    for (place, op) in ops.iter().enumerate() {
        for &(_, percent, take) in pauses.iter().filter(|(index, ..)| index.index(ops.len()) == place) {
            let before = ops[..place].iter().map(time).max();
            let next = ops[place..].iter().map(time).min();
            if let (Some(before), Some(next)) = (before, next) {
                live.push(Op::Tick(before + Span((next - before).0 * percent / 100)));
            }
            live.extend(take.then_some(Op::Take));
        }
        live.push(op.clone());
    }
    live
}

/// What must be the same: rows. Which silent minutes were watched depends on who ticked.
fn written(mut told: Told) -> Told {
    told.minutes.retain(|minute| minute.coverage.captured.frames > 0);
    for minute in &mut told.minutes {
        minute.coverage.observed = Span(0);
    }
    told
}

/// Takes out of both what the plain model knows nothing of, and what changes no sum: names, and services that were parsed.
fn nameless(told: &mut Told, expected: &mut Told) {
    for (record, expected) in told.flows.iter_mut().zip(&mut expected.flows) {
        if record.service.is_some_and(|service| service.by == Evidence::Parsed) {
            (record.service, expected.service) = (None, None);
        }
    }
    for told in [told, expected] {
        for record in &mut told.flows {
            (record.name, record.hidden) = (None, None);
            record.endpoint = without_name(&record.endpoint);
        }
        for minute in &mut told.minutes {
            let mut rows: BTreeMap<RowKey, Usage> = BTreeMap::new();
            for (key, usage) in minute.rows.drain(..) {
                let endpoint = without_name(&key.endpoint);
                rows.entry(RowKey { endpoint, ..key }).or_default().merge(&usage);
            }
            minute.rows = rows.into_iter().collect();
        }
        told.questions.clear();
        told.claims.clear();
    }
}

fn without_name(endpoint: &Endpoint) -> Endpoint {
    match endpoint {
        Endpoint::Remote(address, _) => Endpoint::Remote(*address, None),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1200))]

    #[test]
    fn the_pipeline_writes_what_the_plain_model_writes(
        events in traffic::wild(150),
        timeouts in traffic::timeouts(),
    ) {
        let (config, ops) = (Config { timeouts, ..Config::default() }, traffic::play(&events));
        let (mut told, mut expected) = (run(&config, &ops), model::run(&config, &ops));
        nameless(&mut told, &mut expected);
        alike(&told, &expected)?;
    }

    #[test]
    fn a_live_run_writes_what_a_replay_writes(
        events in traffic::steady(150),
        timeouts in traffic::timeouts(),
        pauses in prop::collection::vec((any::<Index>(), 0..=100_i64, any::<bool>()), 0..20),
    ) {
        let (config, replay) = (Config { timeouts, ..Config::default() }, traffic::play(&events));
        let live = with_pauses(&replay, &pauses);
        let (live, replay) = (written(run(&config, &live)), written(run(&config, &replay)));
        alike(&live, &replay)?;
    }
}
