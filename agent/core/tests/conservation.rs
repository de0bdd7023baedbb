//! The law of conservation over generated traffic, with tables so small that everything overflows: bytes may
//! lose their names, never their window, class or side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lanscribe_core::device::Count;
use lanscribe_core::flow::record::EndReason;
use lanscribe_core::packet::Trouble;
use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::{Class, Endpoint, RowLimits};
use lanscribe_core::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::input::{Op, Told, law, run};
use crate::traffic;

fn tiny() -> Config {
    Config { flows: 8, devices: 3, rows: RowLimits { endpoints: 2, rows: 8 }, ..Config::default() }
}

/// What happened at least once while a property ran: a law that nothing tempted is not proven.
#[derive(Default)]
struct Happened([AtomicU64; 20]);

/// In the order of the counters; the last ones are classes and reasons to end.
const WHAT: [&str; 20] = [
    "device refused",
    "flow evicted",
    "frame folded (stats)",
    "frame folded (coverage)",
    "undecodable frame",
    "frame with trouble below IP",
    "endpoint other",
    "row of nobody",
    "class remote",
    "class lan",
    "class multicast",
    "class transit",
    "class link",
    "ended idle",
    "ended active",
    "ended closed",
    "ended forced",
    "ended for room",
    "minute twice",
    "late frame",
];

impl Happened {
    fn add(&self, told: &Told, ops: &[Op]) {
        let minutes = || told.minutes.iter();
        let rows = || minutes().flat_map(|minute| &minute.rows);
        let count = |n: usize| n as u64;
        let class = |class| count(rows().filter(|(key, _)| key.class == class).count());
        let reason = |reason| count(told.flows.iter().filter(|flow| flow.end_reason == reason).count());
        let trouble = |trouble: &&Trouble| {
            minutes().any(|minute| !minute.coverage.troubles[**trouble as usize].is_zero())
        };
        let mut windows: Vec<_> = minutes().map(|minute| minute.window).collect();
        windows.sort_unstable();
        let times = ops.iter().filter_map(|op| if let Op::Frame(shot) = op { Some(shot.at) } else { None });
        let late = times.clone().zip(times.skip(1)).filter(|(before, after)| after < before);
        let seen = [
            told.stats.devices_refused,
            told.stats.flows_evicted,
            told.stats.frames_folded,
            minutes().map(|minute| minute.coverage.folded.frames).sum(),
            minutes().map(|minute| minute.coverage.undecodable.frames).sum(),
            count(Trouble::ALL.iter().filter(|t| !t.is_undecodable()).filter(trouble).count()),
            count(rows().filter(|(key, _)| key.endpoint == Endpoint::Other).count()),
            count(rows().filter(|(key, _)| key.device.0 == 0).count()),
            class(Class::Remote),
            class(Class::Lan),
            class(Class::Multicast),
            class(Class::Transit),
            class(Class::Link),
            reason(EndReason::Idle),
            reason(EndReason::Active),
            reason(EndReason::Ended),
            reason(EndReason::Forced),
            reason(EndReason::NoRoom),
            count(windows.windows(2).filter(|pair| pair[0] == pair[1]).count()),
            count(late.count()),
        ];
        for (counter, seen) in self.0.iter().zip(seen) {
            counter.fetch_add(seen, Ordering::Relaxed);
        }
    }

    fn all(&self) {
        for (what, counter) in WHAT.iter().zip(&self.0) {
            assert!(counter.load(Ordering::Relaxed) > 0, "no {what} in all the traffic");
        }
    }
}

fn check<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(cases) };
    if let Err(failure) = TestRunner::new(config).run(strategy, test) {
        panic!("{failure}");
    }
}

/// All captured frames by window.
fn captured(told: &Told) -> BTreeMap<Timestamp, Count> {
    let mut sums: BTreeMap<_, Count> = BTreeMap::new();
    for minute in &told.minutes {
        sums.entry(minute.window).or_default().merge(minute.coverage.captured);
    }
    sums
}

#[test]
fn every_byte_is_on_a_row_of_its_window_whatever_overflows() {
    let happened = Happened::default();
    check(400, &(traffic::wild(150), traffic::timeouts()), |(events, timeouts)| {
        let ops = traffic::play(&events);
        let told = run(&Config { timeouts, ..tiny() }, &ops);
        law(&told, &ops).map_err(TestCaseError::fail)?;
        for minute in &told.minutes {
            prop_assert!(minute.rows.len() <= 8 + 5, "{} rows", minute.rows.len());
        }
        let roomy = run(&Config { timeouts, ..Config::default() }, &ops);
        law(&roomy, &ops).map_err(TestCaseError::fail)?;
        prop_assert_eq!(captured(&told), captured(&roomy));
        happened.add(&told, &ops);
        Ok(())
    });
    happened.all();
}

#[test]
fn limits_of_eight_give_the_sums_of_every_class_that_no_limits_give() {
    // Here a class hangs on the addresses alone, so that a flow which was evicted and begins again is of the
    // same class.
    let networks = vec!["130.1.2.0/26".parse().unwrap(), "2001:db8:1:2::/64".parse().unwrap()];
    let (folded, evicted, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    check(400, &traffic::tame(150), |events| {
        let ops = traffic::play(&events);
        let fixed = |config| Config { networks: networks.clone(), learn: false, ..config };
        let (told, roomy) = (run(&fixed(tiny()), &ops), run(&fixed(Config::default()), &ops));
        law(&told, &ops).map_err(TestCaseError::fail)?;
        prop_assert_eq!(told.sums(), roomy.sums());
        prop_assert_eq!(roomy.stats.frames_folded, 0);
        folded.fetch_add(told.stats.frames_folded, Ordering::Relaxed);
        evicted.fetch_add(told.stats.flows_evicted, Ordering::Relaxed);
        refused.fetch_add(told.stats.devices_refused, Ordering::Relaxed);
        Ok(())
    });
    for counter in [folded, evicted, refused] {
        assert!(counter.load(Ordering::Relaxed) > 0);
    }
}
