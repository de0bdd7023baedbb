//! A pipeline in which every table is as full as strangers can make it.

use std::net::Ipv4Addr;

use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::LinkType;
use lanscribe_core::pipeline::{Config, Pipeline};
use lanscribe_core::time::{Span, Timestamp};

use super::packets::{CLIENT, OWN, segment, to_all};

/// When its devices begin to come, one a second.
const START: Timestamp = Timestamp::from_secs(1_700_000_100);
const DEVICES: u16 = 4_096;

pub(crate) struct Full {
    pub(crate) pipeline: Pipeline,
    pub(crate) now: Timestamp,
}

impl Full {
    /// Shows it a frame.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        let wire_len = u32::try_from(bytes.len()).unwrap();
        self.pipeline.packet(self.now, 0, LinkType::ETHERNET, wire_len, bytes);
    }
}

/// The first one is the one whose packets are measured.
fn station(n: u16) -> (MacAddr, Ipv4Addr) {
    if n == 0 {
        return (CLIENT, OWN);
    }
    let [high, low] = n.to_be_bytes();
    (MacAddr([2, 0, 0, 1, high, low]), Ipv4Addr::new(10, 1, high, low))
}

/// As it comes, without anything in it.
pub(crate) fn fresh() -> Full {
    Full { pipeline: Pipeline::new(Config::default()), now: START }
}

/// Full of devices and what they say of themselves, of questions and answers, of flows and what they begin with.
pub(crate) fn full() -> Full {
    let mut full = fresh();
    for n in 0..DEVICES {
        full.now = full.now + Span::from_secs(1);
        full.see(&discover(n));
        if n % 60 == 0 {
            full.pipeline.take_batch();
        }
    }
    // The rest in less than a second, so that nothing of it is over.
    let second = full.now.floor(Span::from_secs(60)) + Span::from_secs(61);
    full.now = second;
    for n in 0..64 {
        let mut seq = [1, 1];
        for round in 0..16_u16 {
            let name = [&[4, b'r'][..], &round.to_be_bytes(), b"x\x04full\x03lan\0\0\x01\0\x01"].concat();
            let asked = [&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &name[..]].concat();
            let mut answer = [&[0, 9, 0x81, 0x80, 0, 1, 0, 64, 0, 0, 0, 0], &name[..]].concat();
            for address in 0..64 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 9, 1]);
                answer.extend((round * 64 + address).to_be_bytes());
            }
            for (way, message) in [asked, answer].iter().enumerate() {
                let stream = [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat();
                let ports = if way == 0 { (5_000, 53) } else { (53, 5_000) };
                full.see(&segment(station(n), way == 0, ports, seq[way], &stream));
                seq[way] += u32::try_from(stream.len()).unwrap();
            }
        }
    }
    for n in 0..128 {
        for question in 0..192_u16 {
            let name = [&[4, b'q'][..], &question.to_be_bytes(), b"x\x04full\x03lan\0\0\x01\0\x01"].concat();
            let asked = [&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &name[..]].concat();
            let stream = [&u16::try_from(asked.len()).unwrap().to_be_bytes()[..], &asked].concat();
            full.see(&segment(station(n), true, (5_001, 53), 1 + u32::from(question) * 100, &stream));
        }
    }
    for n in 0..64 {
        full.see(&segment(station(n), true, (5_002, 53), 1, &[&[0xff, 0xff][..], &[0; 1_000]].concat()));
        let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 32, 0, 0, 0, 0];
        for address in 0..32 {
            message
                .extend([1, b'h', 5, b'l', b'o', b'c', b'a', b'l', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 9]);
            message.extend([u8::try_from(n).unwrap(), address]);
        }
        full.see(&to_all(station(n), (5353, 5353), &message));
    }
    // Requests whose host does not come, one to a flow, and more flows than there is room for.
    let begun = [b"GET /", &[b'x'; 1_000][..]].concat();
    for n in 0..17_000_u16 {
        full.now = second + Span(i64::from(n) * 10);
        full.see(&segment(station(n % DEVICES), true, (10_000 + n / DEVICES, 4_444), 1, &begun));
    }
    full
}

/// Four things that a device says of itself.
fn discover(n: u16) -> Vec<u8> {
    let (mac, _) = station(n);
    let mut body = vec![1, 1, 6];
    body.resize(240, 0);
    body[28..34].copy_from_slice(&mac.0);
    body[236..].copy_from_slice(&[99, 130, 83, 99]);
    for kind in [12, 60, 61, 55] {
        body.extend([kind, 6, b'a', b'b', b'c']);
        body.extend(&mac.0[3..]);
    }
    to_all((mac, Ipv4Addr::UNSPECIFIED), (68, 67), &body)
}
