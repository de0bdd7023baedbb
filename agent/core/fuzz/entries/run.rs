//! The pipeline as a whole: frames of any link type with times, ticks, batches taken, steps of the clock and whatever else
//! the edge may do, in any order. At the end the law of conservation must hold, and every name be clean.

use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::decode::LinkType;
use lanscribe_core::device::Count;
use lanscribe_core::names::privacy::{Level, Privacy};
use lanscribe_core::pipeline::{Batch, Config, Pipeline};
use lanscribe_core::rollup::RowLimits;
use lanscribe_core::tap::TapChange;
use lanscribe_core::text;
use lanscribe_core::time::{Span, Timestamp};

use super::bytes::{Input, put_chunk, put_micros};
use crate::input::{Told, law_of};

/// Every link type that is understood, by libpcap's numbers, Ethernet first; each name once.
const LINK_TYPES: [i32; 11] = [1, 113, 276, 101, 0, 9, 51, 104, 50, 108, 228];

/// One of the link types.
pub(crate) fn link_type(number: u8) -> LinkType {
    LinkType::from_dlt(LINK_TYPES[usize::from(number) % LINK_TYPES.len()]).unwrap()
}

/// The number by which [`link_type`] knows the one of libpcap's number `dlt`.
pub(crate) fn number_of(dlt: i32) -> Option<u8> {
    LINK_TYPES.iter().position(|known| *known == dlt).and_then(|number| u8::try_from(number).ok())
}

/// One step of a run.
pub(crate) enum Step<'a> {
    /// After so many microseconds a frame, of which so many bytes were not captured.
    Frame {
        after: i64,
        interface: u16,
        link_type: u8,
        unseen: u8,
        bytes: &'a [u8],
    },
    Tick(i64),
    Take,
    /// The clock is set by so much, or it is found out that it was off by that.
    Clock {
        by: i64,
        corrected: bool,
    },
    Dropped(u8),
    Watch {
        after: i64,
        watched: bool,
    },
    Tap(u8),
    Network([u8; 4]),
}

impl<'a> Step<'a> {
    pub(crate) fn read(input: &mut Input<'a>) -> Option<Self> {
        let first = input.byte()?;
        let high = first >> 4;
        Some(match first & 15 {
            0..=8 => {
                // Of each sixteen numbers, those that stand for a frame choose the rest of the link types.
                let link_type = if high == 15 { 2 + (first & 15) } else { high & 7 };
                let (interface, after) = (u16::from(high >> 3), input.micros()?);
                Self::Frame { after, interface, link_type, unseen: input.byte()?, bytes: input.chunk()? }
            }
            9 => Self::Tick(input.micros()?),
            10 => Self::Take,
            11 => Self::Clock { by: input.micros()?, corrected: high & 1 != 0 },
            12 => Self::Dropped(input.byte()?),
            13 => Self::Watch { after: input.micros()?, watched: high & 1 != 0 },
            14 => Self::Tap(high),
            _ => Self::Network([input.byte()?, input.byte()?, input.byte()?, input.byte()?]),
        })
    }

    /// Writes a frame of link types up to 7, or a batch that is taken.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        match *self {
            Self::Frame { after, interface, link_type, unseen, bytes } => {
                to.push((link_type & 7) << 4 | u8::from(interface != 0) << 7);
                put_micros(to, after);
                to.push(unseen);
                put_chunk(to, bytes);
            }
            Self::Tick(after) => {
                to.push(9);
                put_micros(to, after);
            }
            _ => to.push(10),
        }
    }
}

/// The first byte decides on the configuration.
fn config(first: u8) -> Config {
    let names = [Level::Full, Level::Full, Level::Domain, Level::Nothing][usize::from(first >> 4 & 3)];
    let privacy = Privacy { names, device_names: first & 0x40 == 0, ..Privacy::default() };
    let config = Config { learn: first & 0x80 == 0, privacy, ..Config::default() };
    match first & 3 {
        0 => config,
        // So little room that everything overflows.
        _ => Config { flows: 8, devices: 6, rows: RowLimits { endpoints: 2, rows: 6 }, ..config },
    }
}

struct Run {
    pipeline: Pipeline,
    now: Timestamp,
    began: Timestamp,
    fed: Count,
    told: Told,
}

impl Run {
    fn step(&mut self, step: &Step<'_>) {
        let later = |after: i64| (self.now + Span(after)).clamped();
        match *step {
            Step::Frame { after, interface, link_type: number, unseen, bytes } => {
                self.now = later(after);
                let wire_len = u32::try_from(bytes.len() + usize::from(unseen)).unwrap();
                self.fed.add(wire_len.into());
                self.pipeline.packet(self.now, interface, link_type(number), wire_len, bytes);
            }
            Step::Tick(after) => {
                self.now = later(after);
                self.pipeline.tick(self.now);
            }
            Step::Take => {
                let batch = self.pipeline.take_batch();
                self.join(batch);
            }
            Step::Clock { by, corrected } => {
                let batch = if corrected {
                    self.pipeline.correct_clock(self.began, Span(by))
                } else {
                    self.pipeline.set_clock(Span(by))
                };
                self.now = later(by);
                self.join(batch);
            }
            Step::Dropped(many) => self.pipeline.dropped(many.into(), (many / 2).into()),
            Step::Watch { after, watched } => self.pipeline.watch(later(after), watched),
            Step::Tap(what) => {
                let change = if what & 1 == 0 { TapChange::Down } else { TapChange::Up { after: Span(1) } };
                self.pipeline.tap_changed(self.now, what.into(), change);
            }
            Step::Network(octets) => {
                if let Some(prefix) = Prefix::new(octets.into(), octets[3] % 33) {
                    self.pipeline.add_network(prefix);
                }
            }
        }
    }

    fn join(&mut self, batch: Batch) {
        for row in &batch.dns {
            super::domain(&row.name);
        }
        for claim in &batch.claims {
            assert!(!claim.value.is_empty() && !claim.value.chars().any(text::is_hidden), "{claim:?}");
        }
        for name in batch.flows.iter().filter_map(|record| record.name.as_ref()) {
            super::domain(&name.text);
        }
        self.told.join(batch);
    }
}

/// Steps to the end of the input, then the law.
pub(crate) fn pipeline(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Some(first) = input.byte() else { return };
    let config = config(first);
    let (flows, devices) = (config.flows, config.devices);
    let mut run = Run {
        pipeline: Pipeline::new(config),
        now: crate::input::START,
        began: crate::input::START,
        fed: Count::default(),
        told: Told::default(),
    };
    while let Some(step) = Step::read(&mut input) {
        run.step(&step);
        let stats = run.pipeline.stats();
        assert!(stats.open_flows <= flows && stats.devices <= devices, "{stats:?}");
    }
    let _ = run.pipeline.talks(MacAddr([2, 0, 0, 0, 0, 1]), 8);
    run.pipeline.finish();
    let batch = run.pipeline.take_batch();
    run.join(batch);
    assert_eq!(run.told.captured(), run.fed, "captured is what was fed");
    for minute in &run.told.minutes {
        law_of(minute).unwrap_or_else(|broken| panic!("{broken}"));
    }
}
