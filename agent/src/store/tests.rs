//! The store by itself: batches made by hand go in, and what stands in the file is looked at. Time is an argument.

mod addresses;
mod ageing;
mod cap;
mod claims;
mod clock;
mod dns;
mod files;
mod names;
mod owner;
mod rolling;
mod runs;
mod sweep;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use jiff::tz::TimeZone;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::device::{Count, DeviceChange, DeviceId};
use lanscribe_core::flow::Counter;
use lanscribe_core::flow::record::{EndReason, FlowRecord};
use lanscribe_core::packet::Trouble;
use lanscribe_core::pipeline::Batch;
use lanscribe_core::rollup::{Class, Coverage, Endpoint, Minute, RowKey, Usage};
use lanscribe_core::service::Service;
use lanscribe_core::time::{Span, Timestamp};
use rusqlite::types::FromSql;

use super::Store;

/// A file in a folder of its own.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("x.db")
    }

    pub(crate) fn open(&self, zone: &str) -> Store {
        Store::open(&self.path(), Some(TimeZone::get(zone).unwrap())).unwrap()
    }
}

/// The instant, as text in UTC without its `Z`.
pub(crate) fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = format!("{text}Z").parse().unwrap();
    Timestamp(at.as_microsecond())
}

pub(crate) fn ms(text: &str) -> i64 {
    at(text).as_millis()
}

/// The one value that a query gives.
pub(crate) fn ask<T: FromSql>(store: &Store, sql: &str) -> T {
    store.db.query_row(sql, [], |row| row.get(0)).expect(sql)
}

/// All rows of two columns.
pub(crate) fn pairs<A: FromSql, B: FromSql>(store: &Store, sql: &str) -> Vec<(A, B)> {
    let mut statement = store.db.prepare(sql).expect(sql);
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect(sql);
    rows.collect::<Result<_, _>>().expect(sql)
}

fn count(frames: u64, bytes: u64) -> Count {
    Count { frames, bytes }
}

pub(crate) fn remote(n: u32) -> Endpoint {
    Endpoint::Remote(IpAddr::V4(Ipv4Addr::from(0x0800_0000 + n)), None)
}

/// A row of device 1 with an address outside, `bytes` up and twice as many down.
fn row(endpoint: Endpoint, port: u16, bytes: u64) -> (RowKey, Usage) {
    let key = RowKey { device: DeviceId(1), endpoint, protocol: 6, port, class: Class::Remote };
    (key, Usage { up: count(1, bytes), down: count(2, 2 * bytes), flows: 1 })
}

/// A row of each class, both sides of the conversation within the LAN, 100 bytes a frame.
pub(crate) fn rows_of_all_classes() -> Vec<(RowKey, Usage)> {
    let key = |device: u32, endpoint, protocol, class| RowKey {
        device: DeviceId(device),
        endpoint,
        protocol,
        port: 53,
        class,
    };
    let usage =
        |up: u64, down: u64| Usage { up: count(up, 100 * up), down: count(down, 100 * down), flows: 1 };
    let group = Endpoint::Group(IpAddr::V4(Ipv4Addr::BROADCAST));
    vec![
        (key(1, Endpoint::Device(DeviceId(2)), 17, Class::Lan), usage(3, 5)),
        (key(1, remote(1), 17, Class::Remote), usage(7, 11)),
        (key(1, group, 17, Class::Multicast), usage(2, 0)),
        (key(2, Endpoint::Device(DeviceId(1)), 17, Class::Lan), usage(5, 3)),
        (key(2, remote(2), 17, Class::Transit), usage(4, 0)),
        (key(2, Endpoint::None, 2054, Class::Link), usage(1, 0)),
    ]
}

/// A minute of which all was decoded but one frame of 60 bytes.
pub(crate) fn minute(window: Timestamp, rows: Vec<(RowKey, Usage)>) -> Minute {
    let mut captured = count(1, 60);
    for (key, usage) in &rows {
        captured.merge(usage.accounted(key.class));
    }
    let mut troubles = vec![Count::default(); Trouble::ALL.len()];
    troubles[Trouble::LinkHeaderCut as usize] = count(1, 60);
    let coverage = Coverage {
        observed: Span::from_secs(60),
        captured,
        undecodable: count(1, 60),
        troubles,
        ..Coverage::default()
    };
    Minute { window, coverage, rows }
}

pub(crate) fn device(n: u8, seen: Timestamp) -> DeviceChange {
    DeviceChange {
        id: DeviceId(n.into()),
        mac: Some(MacAddr([0, 0x11, 0x32, 0, 0, n])),
        gateway: false,
        seen: (seen, seen),
        sent: count(1, 100),
        received: count(1, 200),
    }
}

/// A batch of these minutes, with two devices.
pub(crate) fn batch(minutes: Vec<Minute>) -> Batch {
    let seen = minutes.first().map_or(Timestamp(0), |m| m.window);
    Batch { devices: vec![device(1, seen), device(2, seen)], minutes, ..Batch::default() }
}

pub(crate) fn flow(id: u64, start: Timestamp) -> FlowRecord {
    let local = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 2));
    let counter = Counter { packets: 1, bytes: 100, ip_bytes: 86 };
    FlowRecord {
        reported: start.floor(Span::from_secs(300)),
        device: DeviceId(1),
        id,
        part: 0,
        side: 0,
        start,
        end: start,
        interface: 0,
        vlan: None,
        local: (local, Some(40_000)),
        remote: (IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), Some(443)),
        endpoint: remote(1),
        protocol: 6,
        class: Class::Remote,
        opened_here: Some(true),
        up: counter,
        down: counter,
        tcp_flags: Some((2, 18)),
        conn_state: "S1",
        end_reason: EndReason::Idle,
        service: Service::by_port(6, 443),
        name: None,
        hidden: None,
        rtt_us: None,
    }
}

/// Frames and bytes up and down in a view, all of them.
pub(crate) fn sums(store: &Store, view: &str) -> [i64; 4] {
    ["packets_up", "packets_down", "bytes_up", "bytes_down"]
        .map(|column| ask(store, &format!("SELECT coalesce(sum({column}), 0) FROM {view}")))
}

const LEVELS: [&str; 3] = ["usage_by_minute", "usage_by_hour", "usage_by_day"];

/// All levels hold the same, and what was captured is accounted for at each of them.
pub(crate) fn assert_law(store: &Store) {
    let captured: (i64, i64) = pairs(store, "SELECT sum(frames), sum(bytes) FROM coverage_by_day")[0];
    let lost: (i64, i64) =
        pairs(store, "SELECT sum(undecodable), sum(undecodable_bytes) FROM coverage_by_day")[0];
    for view in LEVELS.into_iter().chain(["usage_by_month"]) {
        assert_eq!(sums(store, view), sums(store, LEVELS[0]), "{view}");
        let accounted = |unit: &str| -> i64 {
            ask(
                store,
                &format!(
                    "SELECT sum({unit}_up) + sum(CASE direction WHEN 'remote' THEN {unit}_down ELSE 0 END) FROM {view}"
                ),
            )
        };
        assert_eq!(accounted("packets") + lost.0, captured.0, "{view}");
        assert_eq!(accounted("bytes") + lost.1, captured.1, "{view}");
        let within: i64 = ask(
            store,
            &format!("SELECT coalesce(sum(bytes_up - bytes_down), 0) FROM {view} WHERE direction = 'lan'"),
        );
        assert_eq!(within, 0, "{view}");
    }
    let bytes = pairs::<i64, i64>(store, "SELECT sum(bytes_up), sum(bytes_down) FROM device_endpoints")[0];
    let [.., up, down] = sums(store, LEVELS[0]);
    assert_eq!(bytes, (up, down), "device_endpoints");
}
