//! Captures made by hand: frames of Ethernet, ARP, UDP and TCP over IPv4, written as a pcap file.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A station: its MAC address and its IPv4 address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Station {
    pub(crate) mac: [u8; 6],
    pub(crate) address: Ipv4Addr,
}

impl Station {
    /// A station with the locally administered address 02:00:00:00:00:`number`.
    pub(crate) fn new(number: u8, address: [u8; 4]) -> Self {
        Self { mac: [2, 0, 0, 0, 0, number], address: address.into() }
    }

    /// What is reached through this station: its MAC address with another IP address.
    pub(crate) fn beyond(self, address: [u8; 4]) -> Self {
        Self { address: address.into(), ..self }
    }
}

/// Flags of TCP.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;

/// A capture in the making. Times are microseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames(Vec<(i64, Vec<u8>)>);

impl Frames {
    /// Adds a frame as it is.
    pub(crate) fn raw(&mut self, at: i64, frame: Vec<u8>) -> &mut Self {
        self.0.push((at, frame));
        self
    }

    /// Adds an ARP request of `from` for the address of `to`.
    pub(crate) fn arp(&mut self, at: i64, from: Station, to: Station) -> &mut Self {
        let mut frame = ethernet([0xff; 6], from.mac, 0x0806);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(from.mac);
        frame.extend(from.address.octets());
        frame.extend([0; 6]);
        frame.extend(to.address.octets());
        self.raw(at, frame)
    }

    /// Adds a UDP packet with a payload of `length` zeroes.
    pub(crate) fn udp(
        &mut self,
        at: i64,
        from: (Station, u16),
        to: (Station, u16),
        length: u16,
    ) -> &mut Self {
        self.said(at, from, to, &vec![0; length.into()])
    }

    /// Adds a UDP packet that says this.
    pub(crate) fn said(
        &mut self,
        at: i64,
        from: (Station, u16),
        to: (Station, u16),
        payload: &[u8],
    ) -> &mut Self {
        let length = u16::try_from(8 + payload.len()).expect("a packet fits its length field");
        let mut segment = Vec::new();
        for field in [from.1, to.1, length, 0] {
            segment.extend(field.to_be_bytes());
        }
        segment.extend(payload);
        self.ip(at, from.0, to.0, 17, &segment)
    }

    /// Adds a TCP segment with these flags and a payload of `length` zeroes.
    pub(crate) fn tcp(
        &mut self,
        at: i64,
        from: (Station, u16),
        to: (Station, u16),
        flags: u8,
        length: u16,
    ) -> &mut Self {
        let mut segment = Vec::new();
        segment.extend(from.1.to_be_bytes());
        segment.extend(to.1.to_be_bytes());
        segment.extend([0; 8]); // sequence numbers, which nothing here depends on
        segment.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.resize(20 + usize::from(length), 0);
        self.ip(at, from.0, to.0, 6, &segment)
    }

    /// Adds a whole connection that `client` opens at `at`: handshake, a request, answers, the end; a millisecond
    /// from one to the next.
    pub(crate) fn connection(
        &mut self,
        at: i64,
        client: (Station, u16),
        server: (Station, u16),
        request: u16,
        answers: &[u16],
    ) -> &mut Self {
        let mut at = at;
        let mut next = || {
            at += 1_000;
            at
        };
        self.tcp(next(), client, server, SYN, 0);
        self.tcp(next(), server, client, SYN | ACK, 0);
        self.tcp(next(), client, server, ACK, 0);
        self.tcp(next(), client, server, ACK, request);
        for answer in answers {
            self.tcp(next(), server, client, ACK, *answer);
        }
        self.tcp(next(), client, server, FIN | ACK, 0);
        self.tcp(next(), server, client, FIN | ACK, 0);
        self.tcp(next(), client, server, ACK, 0)
    }

    fn ip(&mut self, at: i64, from: Station, to: Station, protocol: u8, segment: &[u8]) -> &mut Self {
        let total = u16::try_from(20 + segment.len()).expect("a packet fits its length field");
        let group = to.address.is_multicast().then(|| {
            let [_, b, c, d] = to.address.octets();
            [1, 0, 0x5e, b & 0x7f, c, d]
        });
        let mut frame = ethernet(group.unwrap_or(to.mac), from.mac, 0x0800);
        let header = frame.len();
        frame.extend([0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from.address.octets());
        frame.extend(to.address.octets());
        let sum: u32 =
            frame[header..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice it fits");
        frame[header + 10..header + 12].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(segment);
        self.raw(at, frame)
    }

    /// The bytes of a pcap file with these frames, in order of time.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut frames: Vec<_> = self.0.iter().collect();
        frames.sort_by_key(|(at, _)| *at);
        let mut file = Vec::new();
        file.extend(0xa1b2_c3d4_u32.to_le_bytes());
        file.extend([2, 0, 4, 0]);
        file.extend([0; 8]);
        file.extend(65_535_u32.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        for (at, frame) in frames {
            let length = u32::try_from(frame.len()).expect("a frame is short");
            let seconds = u32::try_from(at.div_euclid(1_000_000)).expect("a time that pcap knows");
            let micros = u32::try_from(at.rem_euclid(1_000_000)).expect("less than a second");
            for field in [seconds, micros, length, length] {
                file.extend(field.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }

    /// Writes the capture to a folder.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.pcap()).expect("the capture is written");
        path
    }
}

fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    frame.extend(to);
    frame.extend(from);
    frame.extend(kind.to_be_bytes());
    frame
}
