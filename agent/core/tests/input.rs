//! What a test feeds to the pipeline: frames, ticks, and moments at which a batch is taken; and what comes out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use lanscribe_core::address_book::Interval;
use lanscribe_core::decode::LinkType;
use lanscribe_core::device::{Count, DeviceChange, DeviceId};
use lanscribe_core::flow::record::FlowRecord;
use lanscribe_core::names::claim_source::ClaimSource;
use lanscribe_core::names::hours::{self, DnsRow};
use lanscribe_core::pipeline::{Batch, Config, Pipeline};
use lanscribe_core::rollup::{Class, Minute};
use lanscribe_core::stats::Stats;
use lanscribe_core::time::{Span, Timestamp};

use crate::frame::Frame;

/// A captured frame.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) at: Timestamp,
    pub(crate) interface: u16,
    pub(crate) link_type: LinkType,
    pub(crate) wire_len: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Shot {
    /// A whole Ethernet frame.
    pub(crate) fn of(at: Timestamp, frame: &Frame) -> Self {
        let bytes = frame.ethernet();
        let wire_len = u32::try_from(bytes.len()).unwrap();
        Self { at, interface: 0, link_type: LinkType::ETHERNET, wire_len, bytes }
    }
}

/// One step of a run.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Frame(Shot),
    Tick(Timestamp),
    Take,
}

/// Everything that a run wrote, batches joined.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) minutes: Vec<Minute>,
    /// In order of id, part and side.
    pub(crate) flows: Vec<FlowRecord>,
    /// Devices with their totals over the run.
    pub(crate) devices: BTreeMap<DeviceId, DeviceChange>,
    pub(crate) addresses: BTreeMap<(IpAddr, DeviceId, Timestamp), Interval>,
    /// What was asked for, and by whom.
    pub(crate) questions: Vec<DnsRow>,
    /// What devices said of themselves, and when first and last.
    pub(crate) claims: BTreeMap<(DeviceId, ClaimSource, Arc<str>), (Timestamp, Timestamp)>,
    pub(crate) stats: Stats,
}

impl Told {
    /// Joins a batch to what was told before, the way the store does.
    pub(crate) fn join(&mut self, batch: Batch) {
        self.minutes.extend(batch.minutes);
        self.flows.extend(batch.flows);
        for change in batch.devices {
            let known = self.devices.entry(change.id).or_insert_with(|| DeviceChange {
                sent: Count::default(),
                received: Count::default(),
                ..change.clone()
            });
            known.sent.merge(change.sent);
            known.received.merge(change.received);
            known.seen = change.seen;
            known.gateway = change.gateway;
        }
        hours::merge(&mut self.questions, batch.dns, usize::MAX);
        for claim in batch.claims {
            let seen = self
                .claims
                .entry((claim.device, claim.source, claim.value))
                .or_insert((claim.first, claim.last));
            *seen = (seen.0.min(claim.first), seen.1.max(claim.last));
        }
        for interval in batch.addresses {
            self.addresses.insert((interval.address, interval.device, interval.first), interval);
        }
    }

    /// All captured frames.
    pub(crate) fn captured(&self) -> Count {
        self.minutes.iter().fold(Count::default(), |mut sum, minute| {
            sum.merge(minute.coverage.captured);
            sum
        })
    }

    /// Frames and bytes, up and down, of each class in each window.
    pub(crate) fn sums(&self) -> BTreeMap<(Timestamp, Class), (Count, Count)> {
        let mut sums: BTreeMap<_, (Count, Count)> = BTreeMap::new();
        for minute in &self.minutes {
            for (key, usage) in &minute.rows {
                let sum = sums.entry((minute.window, key.class)).or_default();
                sum.0.merge(usage.up);
                sum.1.merge(usage.down);
            }
        }
        sums
    }
}

/// Does one step; returns the batch that it took.
pub(crate) fn feed(pipeline: &mut Pipeline, op: &Op) -> Option<Batch> {
    match op {
        Op::Frame(shot) => {
            pipeline.packet(shot.at, shot.interface, shot.link_type, shot.wire_len, &shot.bytes);
        }
        Op::Tick(now) => pipeline.tick(*now),
        Op::Take => return Some(pipeline.take_batch()),
    }
    None
}

/// Runs the pipeline over `ops` to the end of the capture.
pub(crate) fn run(config: &Config, ops: &[Op]) -> Told {
    let mut pipeline = Pipeline::new(config.clone());
    let mut told = Told::default();
    for op in ops {
        if let Some(batch) = feed(&mut pipeline, op) {
            told.join(batch);
        }
    }
    pipeline.finish();
    told.join(pipeline.take_batch());
    told.stats = pipeline.stats();
    told.flows.sort_by_key(|record| (record.id, record.part, record.side));
    told
}

/// Runs the pipeline over whole Ethernet frames, each `after` so many microseconds from [`START`].
pub(crate) fn watch(frames: &[(Span, Frame)]) -> Told {
    let ops: Vec<_> =
        frames.iter().map(|(after, frame)| Op::Frame(Shot::of(START + *after, frame))).collect();
    run(&Config::default(), &ops)
}

/// When every test begins: on the minute, and on the five minutes.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_100);

pub(crate) const fn secs(n: i64) -> Span {
    Span::from_secs(n)
}

/// The law of conservation, for each window and in total; says where it is broken.
pub(crate) fn law(told: &Told, ops: &[Op]) -> Result<(), String> {
    let mut fed = Count::default();
    for op in ops {
        if let Op::Frame(shot) = op {
            fed.add(shot.wire_len.into());
        }
    }
    if told.captured() != fed {
        return Err(format!("captured {:?} of {fed:?}", told.captured()));
    }
    told.minutes.iter().try_for_each(law_of)
}

/// The law within a minute, or a piece of one.
pub(crate) fn law_of(minute: &Minute) -> Result<(), String> {
    let mut accounted = minute.coverage.undecodable;
    let (mut sent, mut received) = (Count::default(), Count::default());
    for (key, usage) in &minute.rows {
        accounted.merge(usage.up);
        match key.class {
            Class::Remote => accounted.merge(usage.down),
            Class::Lan => {
                sent.merge(usage.up);
                received.merge(usage.down);
            }
            Class::Multicast | Class::Transit | Class::Link if !usage.down.is_zero() => {
                return Err(format!("{:?}: {key:?} has something down", minute.window));
            }
            Class::Multicast | Class::Transit | Class::Link => {}
        }
    }
    let coverage = &minute.coverage;
    if accounted != coverage.captured {
        return Err(format!("{:?}: rows {accounted:?}, captured {:?}", minute.window, coverage.captured));
    }
    if sent != received {
        return Err(format!("{:?}: lan up {sent:?}, down {received:?}", minute.window));
    }
    let decoded = coverage.captured.frames - coverage.undecodable.frames;
    if coverage.folded.frames > decoded {
        return Err(format!("{:?}: folded {:?} of {decoded} frames", minute.window, coverage.folded));
    }
    Ok(())
}
