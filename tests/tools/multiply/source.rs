//! Reads the captures to multiply, and says which are fit for it.
//!
//! Fit is what could have been captured in a home within an afternoon, so that many copies together look like
//! one busy network. Floods, fuzzed files and clocks gone wrong have tests of their own.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use pcap::{Capture, Linktype, Precision};

use crate::layout::{self, ICMP6, Network};

pub(crate) const SECOND: i64 = 1_000_000_000;

/// 1995-01-01T00:00:00Z, before which nobody captured what is read here.
const EARLIEST: i64 = 788_918_400 * SECOND;
/// Files merged from several sources, and those of bad clocks, jump further back than this.
const DISORDER: i64 = SECOND;
/// Longer ones would be spread so thin that a day holds only one or two copies of them.
const LONGEST: i64 = 2 * 3600 * SECOND;
/// Shorter ones add devices without traffic.
const FEWEST_PACKETS: usize = 25;
/// On average over the file, counting at least one second: above it are floods.
const MOST_PACKETS_A_SECOND: i64 = 500;
/// One home has fewer.
const MOST_STATIONS: usize = 40;
/// Fuzzed files make up a new address every few frames, and devices without traffic measure nothing.
const FEWEST_PACKETS_A_STATION: usize = 7;
/// A frame that comes again so soon was captured on two interfaces: such a file would count its traffic twice.
const REPEATED: i64 = 2_000_000;
/// Retransmissions repeat frames as well, but not so many.
const MOST_REPEATED_PERCENT: usize = 10;

/// One packet of a capture.
pub(crate) struct Packet {
    /// Nanoseconds since the capture's first packet.
    pub(crate) at: i64,
    pub(crate) wire_len: u32,
    start: usize,
    end: usize,
}

/// A capture in memory, in time order.
pub(crate) struct Source {
    pub(crate) packets: Vec<Packet>,
    bytes: Vec<u8>,
    /// Every station seen as sender or receiver of a frame.
    pub(crate) stations: BTreeSet<[u8; 6]>,
    /// Global IPv6 prefixes of which Neighbour Discovery shows that they are the link's own.
    pub(crate) on_link: HashSet<[u8; 8]>,
}

impl Source {
    /// Reads the capture, or says why it is not fit for use.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let mut file = Capture::from_file_with_precision(path, Precision::Nano)?;
        ensure!(file.get_datalink() == Linktype::ETHERNET, "its link type is not Ethernet");
        let mut source =
            Self { packets: vec![], bytes: vec![], stations: BTreeSet::new(), on_link: HashSet::new() };
        let mut latest = i64::MIN;
        loop {
            let packet = match file.next_packet() {
                Ok(packet) => packet,
                Err(pcap::Error::NoMorePackets) => break,
                Err(error) => bail!("libpcap cannot read all of it: {error}"),
            };
            // The field is named for microseconds, but holds nanoseconds when opened for them.
            let stamp = packet.header.ts;
            let at = stamp.tv_sec.saturating_mul(SECOND).saturating_add(stamp.tv_usec);
            ensure!(at >= EARLIEST && at <= now(), "a packet is from before 1995 or from the future");
            ensure!(latest.saturating_sub(at) <= DISORDER, "its packets are more than 1 s out of order");
            latest = latest.max(at);
            source.add(at, packet.header.len, packet.data);
        }
        source.packets.sort_by_key(|packet| packet.at);
        let first = source.packets.first().map_or(0, |packet| packet.at);
        for packet in &mut source.packets {
            packet.at -= first;
        }
        source.judge()?;
        Ok(source)
    }

    fn add(&mut self, at: i64, wire_len: u32, data: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        self.packets.push(Packet { at, wire_len, start, end: self.bytes.len() });
        let macs = data.chunks_exact(6).take(2).filter_map(|mac| mac.first_chunk::<6>());
        self.stations.extend(macs.filter(|mac| mac[0] & 1 == 0 && **mac != [0; 6]));
        self.learn_prefix(data);
    }

    /// An address that is asked for on the link lies in a prefix of the link.
    fn learn_prefix(&mut self, data: &[u8]) -> Option<()> {
        let Network::Ip(at) = layout::network(data) else { return None };
        let ip = layout::ip(data, at).filter(|ip| ip.is_v6 && ip.protocol == ICMP6)?;
        let transport = ip.transport?;
        let kind = *data.get(transport)?;
        if !matches!(kind, 135 | 136) {
            return None;
        }
        let prefix: &[u8; 8] = data.get(transport + 8..)?.first_chunk()?;
        if prefix[0] & 0xe0 == 0x20 {
            self.on_link.insert(*prefix);
        }
        Some(())
    }

    fn judge(&self) -> anyhow::Result<()> {
        let packets = self.packets.len();
        let seconds = (self.duration() / SECOND).max(1);
        ensure!(packets >= FEWEST_PACKETS, "it has only {packets} packets");
        ensure!(self.duration() <= LONGEST, "it lasts longer than two hours");
        let rate = i64::try_from(packets)? / seconds;
        ensure!(rate <= MOST_PACKETS_A_SECOND, "it is a flood of {rate} packets a second");
        let stations = self.stations.len();
        ensure!(stations <= MOST_STATIONS, "its {stations} stations are more than one home has");
        ensure!(packets >= stations * FEWEST_PACKETS_A_STATION, "its {stations} stations hardly send");
        let percent = self.repeated() * 100 / packets;
        ensure!(percent <= MOST_REPEATED_PERCENT, "{percent} % of its frames arrive twice");
        Ok(())
    }

    /// How many frames are the same as one shortly before.
    fn repeated(&self) -> usize {
        let is_repeated = |(index, packet): &(usize, &Packet)| {
            let before = self.packets[..*index].iter().rev();
            before
                .take_while(|earlier| packet.at - earlier.at <= REPEATED)
                .any(|earlier| self.data(earlier) == self.data(packet))
        };
        self.packets.iter().enumerate().filter(is_repeated).count()
    }

    /// Nanoseconds from the first packet to the last.
    pub(crate) fn duration(&self) -> i64 {
        self.packets.last().map_or(0, |packet| packet.at)
    }

    /// The bytes of a packet as captured, which may be fewer than were on the wire.
    pub(crate) fn data(&self, packet: &Packet) -> &[u8] {
        &self.bytes[packet.start..packet.end]
    }

    pub(crate) fn describe(&self) -> String {
        let (packets, stations) = (self.packets.len(), self.stations.len());
        format!("{packets} packets, {stations} stations, {} s", self.duration() / SECOND)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Files as named, folders with all captures below them, each folder in the order of its names.
pub(crate) fn find(inputs: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for input in inputs {
        if input.is_dir() { search(input, &mut found)? } else { found.push(input.clone()) }
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            search(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap") {
            found.push(path);
        }
    }
    Ok(())
}
