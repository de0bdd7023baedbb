//! Makes a copy of a captured frame a frame of another household, in place and without changing its length.
//!
//! One 24-bit key for each capture and home is XORed into the last three octets of station MACs and of local
//! IPv6 addresses. So the vendor stays, no two become one, and what belongs together still does: an EUI-64
//! address follows its MAC, a solicited-node group its address. Private IPv4 networks are renumbered by /24.
//!
//! Changed are the Ethernet header, ARP, IP and ports, Neighbour Discovery, DHCP, and the packets that ICMP
//! errors quote. Not changed: remote addresses, what is inside tunnels, and addresses that other payloads carry
//! (DNS and mDNS answers, DHCPv6, LLDP, STP). Checksums are left as they were, hence wrong, as so often in
//! captures of machines that let the card compute them.

use std::collections::{HashMap, HashSet};

use crate::layout::{self, ICMP, ICMP6, Network, UDP};

/// One household: the devices of one capture as they are called in one home.
pub(crate) struct Household {
    pub(crate) number: usize,
    pub(crate) key: [u8; 3],
}

/// The private /24 networks given out so far, over all households, so that no two share one.
#[derive(Default)]
pub(crate) struct Networks(HashMap<(usize, [u8; 3]), [u8; 3]>);

impl Networks {
    /// 10.1.0.0/24 is the first. The last octet is kept, so that gateways and broadcasts look like it.
    fn renumber(&mut self, household: usize, network: [u8; 3]) -> [u8; 3] {
        let given_out = self.0.len();
        *self.0.entry((household, network)).or_insert_with(|| {
            let next = u16::try_from(given_out + 256).expect("10.0.0.0/8 has room for every household");
            let [high, low] = next.to_be_bytes();
            [10, high, low]
        })
    }
}

/// Rewrites the frames of one copy of one capture.
pub(crate) struct Rewriter<'a> {
    pub(crate) household: &'a Household,
    /// The global /64 prefixes that the capture shows to be on its link.
    pub(crate) on_link: &'a HashSet<[u8; 8]>,
    /// How far ephemeral ports are rotated, so that each copy opens flows of its own.
    pub(crate) port_shift: u16,
    pub(crate) networks: &'a mut Networks,
}

/// A field of N bytes, if the frame was not cut before its end.
fn field<const N: usize>(frame: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    frame.get_mut(at..)?.first_chunk_mut()
}

impl Rewriter<'_> {
    pub(crate) fn frame(&mut self, frame: &mut [u8]) {
        self.mac_at(frame, 0);
        self.mac_at(frame, 6);
        match layout::network(frame) {
            Network::Arp(at) => self.arp(frame, at),
            Network::Ip(at) => self.ip(frame, at, true),
            Network::Other => {}
        }
    }

    fn arp(&mut self, frame: &mut [u8], at: usize) {
        // Ethernet and IPv4 (RFC 826); anything else that speaks ARP is left alone.
        if frame.get(at..at + 6) != Some(&[0, 1, 8, 0, 6, 4]) {
            return;
        }
        self.mac_at(frame, at + 8);
        self.v4_at(frame, at + 14);
        self.mac_at(frame, at + 18);
        self.v4_at(frame, at + 24);
    }

    /// An ICMP error quotes the packet it is about; a quoted packet is rewritten without looking into it again.
    fn ip(&mut self, frame: &mut [u8], at: usize, is_outermost: bool) {
        let Some(ip) = layout::ip(frame, at) else { return };
        let (source, destination) = ip.addresses_at();
        for address in [source, destination] {
            if ip.is_v6 { self.v6_at(frame, address) } else { self.v4_at(frame, address) }
        }
        let Some(transport) = ip.transport else { return };
        if let Some((source, destination)) = ip.ports(frame) {
            if let Some(bytes) = field(frame, transport) {
                *bytes = self.port(source, destination).to_be_bytes();
            }
            if let Some(bytes) = field(frame, transport + 2) {
                *bytes = self.port(destination, source).to_be_bytes();
            }
            if ip.protocol == UDP && matches!((source, destination), (67 | 68, 67 | 68)) {
                self.dhcp(frame, transport + 8);
            }
        }
        match (ip.protocol, frame.get(transport).copied()) {
            (ICMP, Some(kind)) if is_outermost && !ip.is_v6 && matches!(kind, 3 | 4 | 5 | 11 | 12) => {
                if kind == 5 {
                    self.v4_at(frame, transport + 4);
                }
                self.ip(frame, transport + 8, false);
            }
            (ICMP6, Some(1..=4)) if is_outermost => self.ip(frame, transport + 8, false),
            (ICMP6, Some(kind)) if is_outermost => self.neighbour(frame, kind, transport),
            _ => {}
        }
    }

    fn neighbour(&mut self, frame: &mut [u8], kind: u8, at: usize) {
        let Some((targets, mut option)) = layout::neighbour(kind, at) else { return };
        for target in targets {
            self.v6_at(frame, at + target);
        }
        while let Some([kind, units]) = field(frame, option).copied() {
            // A length of 0 would never end (RFC 4861, section 4.6).
            if units == 0 {
                return;
            }
            let end = option + usize::from(units) * 8;
            match kind {
                1 | 2 => self.mac_at(frame, option + 2),
                25 => (option + 8..end).step_by(16).for_each(|server| self.v6_at(frame, server)),
                _ => {}
            }
            option = end;
        }
    }

    /// BOOTP fields and the DHCP options that name addresses of the site (RFC 2131, 2132).
    fn dhcp(&mut self, frame: &mut [u8], at: usize) {
        for address in [12, 16, 20, 24] {
            self.v4_at(frame, at + address);
        }
        if frame.get(at + 1..at + 3) == Some(&[1, 6]) {
            self.mac_at(frame, at + 28);
        }
        let mut option = at + 240;
        while let Some([code, length]) = field(frame, option).copied() {
            // Pad and end are the two options without a length.
            match code {
                0 => {
                    option += 1;
                    continue;
                }
                255 => return,
                _ => {}
            }
            let end = option + 2 + usize::from(length);
            match (code, frame.get(option + 2)) {
                (3 | 6 | 28 | 50 | 54, _) => {
                    (option + 2..end).step_by(4).for_each(|address| self.v4_at(frame, address));
                }
                (61, Some(1)) if length == 7 => self.mac_at(frame, option + 3),
                _ => {}
            }
            option = end;
        }
    }

    fn mac_at(&self, frame: &mut [u8], at: usize) {
        if let Some(mac) = field(frame, at) {
            *mac = self.household.mac(*mac);
        }
    }

    fn v4_at(&mut self, frame: &mut [u8], at: usize) {
        if let Some(address) = field(frame, at) {
            *address = self.v4(*address);
        }
    }

    fn v6_at(&self, frame: &mut [u8], at: usize) {
        if let Some(address) = field(frame, at) {
            *address = self.v6(*address);
        }
    }

    pub(crate) fn v4(&mut self, [a, b, c, d]: [u8; 4]) -> [u8; 4] {
        match (a, b) {
            (10, _) | (172, 16..=31) | (192, 168) => {
                let [a, b, c] = self.networks.renumber(self.household.number, [a, b, c]);
                [a, b, c, d]
            }
            // RFC 3927 keeps the first and the last 256 addresses for itself; the rest is rotated.
            (169, 254) if (1..=254).contains(&c) => {
                let rotated = (u16::from(c - 1) + u16::from(self.household.key[0])) % 254;
                [a, b, u8::try_from(rotated + 1).unwrap_or(c), d]
            }
            _ => [a, b, c, d],
        }
    }

    pub(crate) fn v6(&self, mut address: [u8; 16]) -> [u8; 16] {
        const SOLICITED_NODE: [u8; 13] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        let is_link_local = address[0] == 0xfe && address[1] & 0xc0 == 0x80;
        let is_unique_local = address[0] & 0xfe == 0xfc;
        let is_on_link = address.first_chunk().is_some_and(|prefix| self.on_link.contains(prefix));
        if is_link_local || is_unique_local || is_on_link || address.starts_with(&SOLICITED_NODE) {
            self.household.change(&mut address[13..]);
        }
        address
    }

    /// Rotates ephemeral ports among themselves: those of IANA always, those of Linux (from 32768) only where
    /// the other side has a service port, as cameras listen there. 49152 to 49167 stay: UPnP listens on them.
    pub(crate) fn port(&self, port: u16, other: u16) -> u16 {
        let (first, count) = match (port, other) {
            (49_168.., _) => (49_168, 16_368),
            (32_768..=49_151, 0..=32_767) => (32_768, 16_384),
            _ => return port,
        };
        first + (port - first + self.port_shift % count) % count
    }
}

impl Household {
    /// Stations change, groups and the zero address do not, but for the group of a changed IPv6 address.
    pub(crate) fn mac(&self, mut mac: [u8; 6]) -> [u8; 6] {
        let is_station = mac[0] & 1 == 0 && mac != [0; 6];
        if is_station || mac.starts_with(&[0x33, 0x33, 0xff]) {
            self.change(&mut mac[3..]);
        }
        mac
    }

    fn change(&self, octets: &mut [u8]) {
        for (octet, key) in octets.iter_mut().zip(self.key) {
            *octet ^= key;
        }
    }
}
