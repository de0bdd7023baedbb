//! Scenes of a LAN, one by one, with the numbers written out.

mod clock;
mod flows;
mod gaps;
mod limits;
mod live;
mod names;
mod time;
mod whose;

use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::rollup::{Class, RowKey, Usage};
use lanscribe_core::time::Span;

use crate::frame::{self, Datagram, Frame};
use crate::input::Told;

/// The router of the house, and where it leads.
const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 1, 0]);
const INTERNET: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

const fn device(n: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0, n])
}

const fn home(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 1, n)
}

/// A UDP packet with `len` bytes of data from one MAC and IP address to another.
fn udp(from: (MacAddr, Ipv4Addr), to: (MacAddr, Ipv4Addr), ports: (u16, u16), len: usize) -> Frame {
    let body = frame::udp(ports.0, ports.1, &vec![0; len]);
    Frame::new(from.0, to.0, Datagram::new(from.1.into(), to.1.into(), body).ether())
}

fn tcp(from: (MacAddr, Ipv4Addr), to: (MacAddr, Ipv4Addr), ports: (u16, u16), flags: u8, seq: u32) -> Frame {
    let body = frame::tcp(ports.0, ports.1, flags, seq, 0);
    Frame::new(from.0, to.0, Datagram::new(from.1.into(), to.1.into(), body).ether())
}

/// Link, IP and UDP header.
const HEADERS: u64 = 14 + 20 + 8;

const fn millis(n: i64) -> Span {
    Span(n * 1_000)
}

/// Frames one millisecond apart.
fn in_a_row(frames: impl IntoIterator<Item = Frame>) -> Vec<(Span, Frame)> {
    (0..).map(millis).zip(frames).collect()
}

/// The rows of class `class` in all minutes that belong to `mac`.
fn rows_of(told: &Told, mac: MacAddr, class: Class) -> Vec<(RowKey, Usage)> {
    let id = told.devices.values().find(|device| device.mac == Some(mac)).map(|device| device.id);
    let rows = told.minutes.iter().flat_map(|minute| &minute.rows);
    rows.filter(|(key, _)| Some(key.device) == id && key.class == class).cloned().collect()
}

/// Bytes up and down of these rows.
fn bytes(rows: &[(RowKey, Usage)]) -> (u64, u64) {
    rows.iter().fold((0, 0), |sum, (_, usage)| (sum.0 + usage.up.bytes, sum.1 + usage.down.bytes))
}

/// All classes that there are rows of.
fn classes(told: &Told) -> Vec<Class> {
    let mut classes: Vec<_> = told.sums().into_keys().map(|(_, class)| class).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

fn ip(address: Ipv4Addr) -> IpAddr {
    address.into()
}
