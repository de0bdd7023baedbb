//! Decides which capture is copied when, as whose devices: everything random is drawn here, before a packet moves.

use std::collections::HashSet;

use crate::random::Random;
use crate::rewrite::Household;
use crate::source::{SECOND, Source};

/// 2026-01-05T00:00:00Z, a Monday: fixed, so that the file does not depend on the day it was made.
const BASE: i64 = 1_767_571_200 * SECOND;

pub(crate) struct Settings {
    pub(crate) packets: usize,
    pub(crate) seed: u64,
    pub(crate) hours: u32,
    pub(crate) homes: usize,
}

/// One copy of one capture.
pub(crate) struct Copy {
    pub(crate) source: usize,
    /// Index among [`households`].
    pub(crate) household: usize,
    /// Time of its first packet, in nanoseconds since 1970.
    pub(crate) start: i64,
    pub(crate) port_shift: u16,
}

/// Round after round of all captures, until there are enough packets. The rounds divide the time evenly and
/// each copy starts somewhere within its round, early enough to end in it if it can: so no household meets
/// itself, the number of devices at any time stays about the same, and nothing is left over at the end.
pub(crate) fn copies(sources: &[Source], settings: &Settings) -> Vec<Copy> {
    let mut random = Random::new(settings.seed, 1);
    let in_a_round = sources.iter().map(|source| source.packets.len()).sum::<usize>().max(1);
    let rounds = settings.packets.div_ceil(in_a_round).max(1);
    let span = i64::from(settings.hours) * 3600 * SECOND;
    let round_length = span / i64::try_from(rounds).unwrap_or(i64::MAX);

    let mut copies = Vec::new();
    let mut packets = 0;
    let mut round_start = 0;
    for round in 0..rounds {
        for source in shuffled(sources.len(), &mut random) {
            if packets >= settings.packets {
                break;
            }
            packets += sources[source].packets.len();
            let duration = sources[source].duration();
            let slack = round_length.saturating_sub(duration).max(0);
            let delay = random.below(slack.unsigned_abs()).cast_signed();
            let latest = (span - duration).max(0);
            copies.push(Copy {
                source,
                household: round % settings.homes * sources.len() + source,
                // Whole microseconds, as most captures have them.
                start: BASE + (round_start + delay).min(latest) / 1000 * 1000,
                port_shift: u16::try_from(random.below(1 << 16)).unwrap_or(0),
            });
        }
        round_start += round_length;
    }
    copies
}

fn shuffled(count: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_cached_key(|_| random.next());
    order
}

/// All captures of the first home, then of the second, and so on. A key is drawn again while it would give a
/// MAC that another household has: the chance is small, but two devices would become one.
pub(crate) fn households(sources: &[Source], settings: &Settings) -> Vec<Household> {
    let mut random = Random::new(settings.seed, 2);
    let mut taken = HashSet::from([[0; 6]]);
    let every_home = (0..settings.homes).flat_map(|_| sources);
    every_home
        .enumerate()
        .map(|(number, source)| {
            loop {
                let [.., a, b, c] = random.next().to_be_bytes();
                let household = Household { number, key: [a, b, c] };
                let macs: Vec<_> = source.stations.iter().map(|mac| household.mac(*mac)).collect();
                if macs.iter().all(|mac| !taken.contains(mac)) {
                    taken.extend(macs);
                    return household;
                }
            }
        })
        .collect()
}
