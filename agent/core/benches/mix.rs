//! Realistic mixes of frames for the benches, from the same builder that the tests use.

#![allow(dead_code, reason = "no bench needs all of it")]

#[path = "../tests/frame.rs"]
mod frame;

use std::net::{IpAddr, Ipv4Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::LinkType;
use lanscribe_core::pipeline::{Config, Pipeline};
use lanscribe_core::time::{Span, Timestamp};

use frame::{ACK, BROADCAST, Datagram, Frame, SYN};

/// When the traffic begins.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_100);

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 1, 0]);

fn device(n: u32) -> (MacAddr, IpAddr) {
    let n = u8::try_from(n % 40).expect("below 40");
    (MacAddr([2, 0, 0, 0, 0, n]), Ipv4Addr::new(192, 168, 1, 10 + n).into())
}

/// `packets` frames of a home with forty devices, in `flows` conversations: most of it TLS and QUIC to the
/// internet in full frames, some DNS, mDNS and ARP.
pub(crate) fn home(packets: u32, flows: u32) -> Vec<Vec<u8>> {
    (0..packets).map(|n| one(n, n.wrapping_mul(0x9e37_79b9) % flows).ethernet()).collect()
}

fn one(n: u32, flow: u32) -> Frame {
    let (mac, local) = device(flow);
    let server: IpAddr = Ipv4Addr::from_bits(0x0900_0000 + flow / 7).into();
    let port = 49_152 + u16::try_from(flow % 16_000).expect("below 16,000");
    match n % 16 {
        0 => Frame::new(mac, BROADCAST, frame::arp(true, mac, as_v4(local), Ipv4Addr::new(192, 168, 1, 1))),
        1 => {
            let mdns = Datagram::new(local, [224, 0, 0, 251].into(), frame::udp(5353, 5353, &[0; 80]));
            Frame::new(mac, MacAddr([1, 0, 0x5e, 0, 0, 0xfb]), mdns.ether())
        }
        2 => Frame::new(mac, ROUTER, Datagram::new(local, server, frame::udp(port, 53, &[0; 40])).ether()),
        3 => Frame::new(mac, ROUTER, Datagram::new(local, server, frame::tcp(port, 443, SYN, n, 0)).ether()),
        4..8 => {
            Frame::new(mac, ROUTER, Datagram::new(local, server, frame::tcp(port, 443, ACK, n, 0)).ether())
        }
        8..12 => {
            Frame::new(ROUTER, mac, Datagram::new(server, local, frame::udp(443, port, &[0; 1200])).ether())
        }
        _ => {
            Frame::new(ROUTER, mac, Datagram::new(server, local, frame::tcp(443, port, ACK, n, 1400)).ether())
        }
    }
}

fn as_v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// A pipeline as it comes.
pub(crate) fn pipeline() -> Pipeline {
    Pipeline::new(Config::default())
}

/// Feeds the frames, `apart` microseconds from each other; returns when the last one came.
pub(crate) fn feed(pipeline: &mut Pipeline, from: Timestamp, apart: i64, frames: &[Vec<u8>]) -> Timestamp {
    let mut at = from;
    for bytes in frames {
        at = at + Span(apart);
        let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        pipeline.packet(at, 0, LinkType::ETHERNET, wire_len, bytes);
    }
    at
}
