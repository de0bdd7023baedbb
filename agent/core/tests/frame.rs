//! Frames, byte by byte, for tests and benches. Nothing here is checked for sense, so that nonsense can be
//! built too; checksums are left at zero, since nobody may rely on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lanscribe_core::addr::MacAddr;

pub(crate) const BROADCAST: MacAddr = MacAddr([0xff; 6]);

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// What stands in a link header, whatever its form, and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) src: MacAddr,
    pub(crate) dst: MacAddr,
    pub(crate) vlan: Option<u16>,
    pub(crate) ethertype: u16,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(src: MacAddr, dst: MacAddr, (ethertype, payload): (u16, Vec<u8>)) -> Self {
        Self { src, dst, vlan: None, ethertype, payload }
    }

    pub(crate) fn tagged(self, vlan: Option<u16>) -> Self {
        Self { vlan, ..self }
    }

    pub(crate) fn ethernet(&self) -> Vec<u8> {
        let mut bytes = [self.dst.0, self.src.0].concat();
        if let Some(vlan) = self.vlan {
            bytes.extend([0x81, 0x00]);
            bytes.extend(vlan.to_be_bytes());
        }
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Linux cooked capture: whether it went to a group, but not to whom.
    pub(crate) fn sll(&self) -> Vec<u8> {
        let mut bytes = vec![0, u8::from(self.dst.is_group()) * 2, 0, 1, 0, 6];
        bytes.extend(self.src.0);
        bytes.extend([0, 0]);
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    pub(crate) fn sll2(&self) -> Vec<u8> {
        let mut bytes = self.ethertype.to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 0, 0, 1, 0, 1, u8::from(self.dst.is_group()), 6]);
        bytes.extend(self.src.0);
        bytes.extend([0, 0]);
        bytes.extend(&self.payload);
        bytes
    }

    /// BSD loopback, as a big-endian machine writes it.
    pub(crate) fn null(&self) -> Vec<u8> {
        let family = if self.ethertype == 0x86dd { 28 } else { 2 };
        [&[0, 0, 0, family], &self.payload[..]].concat()
    }
}

/// Where an IP packet stands in a fragmented datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) id: u16,
    pub(crate) first: bool,
}

/// An IP packet; the version is that of its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) hops: u8,
    pub(crate) piece: Option<Piece>,
    pub(crate) protocol: u8,
    pub(crate) body: Vec<u8>,
}

impl Datagram {
    pub(crate) fn new(src: IpAddr, dst: IpAddr, (protocol, body): (u8, Vec<u8>)) -> Self {
        Self { src, dst, hops: 64, piece: None, protocol, body }
    }

    pub(crate) fn ether(&self) -> (u16, Vec<u8>) {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => (0x0800, self.v4(src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => (0x86dd, self.v6(src, dst)),
            mixed => panic!("no packet goes between {mixed:?}"),
        }
    }

    fn v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
        let (id, flags) = match self.piece {
            None => (0, 0),
            Some(Piece { id, first: true }) => (id, 0x2000_u16),
            Some(Piece { id, first: false }) => (id, 0x0010),
        };
        let mut bytes = vec![0x45, 0];
        bytes.extend(len16(20 + self.body.len()));
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([self.hops, self.protocol, 0, 0]);
        bytes.extend(src.octets());
        bytes.extend(dst.octets());
        bytes.extend(&self.body);
        bytes
    }

    fn v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
        let mut inner = Vec::new();
        let next = if let Some(Piece { id, first }) = self.piece {
            inner.extend([self.protocol, 0]);
            inner.extend(if first { 0x0001_u16 } else { 0x0080 }.to_be_bytes());
            inner.extend(u32::from(id).to_be_bytes());
            44
        } else {
            self.protocol
        };
        inner.extend(&self.body);
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend(len16(inner.len()));
        bytes.extend([next, self.hops]);
        bytes.extend(src.octets());
        bytes.extend(dst.octets());
        bytes.extend(inner);
        bytes
    }
}

fn len16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("fits an IP packet").to_be_bytes()
}

pub(crate) fn tcp(from: u16, to: u16, flags: u8, seq: u32, data: usize) -> (u8, Vec<u8>) {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend(seq.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes.resize(20 + data, 0);
    (TCP, bytes)
}

pub(crate) fn udp(from: u16, to: u16, data: &[u8]) -> (u8, Vec<u8>) {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), len16(8 + data.len()), [0, 0]].concat();
    bytes.extend(data);
    (UDP, bytes)
}

pub(crate) fn echo(v6: bool) -> (u8, Vec<u8>) {
    let (protocol, kind) = if v6 { (ICMPV6, 128) } else { (1, 8) };
    (protocol, [vec![kind, 0, 0, 0], vec![0; 28]].concat())
}

/// An ARP request (or reply) by which `sender_mac` says that it has `sender` and asks for `target`.
pub(crate) fn arp(request: bool, sender_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> (u16, Vec<u8>) {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, if request { 1 } else { 2 }];
    bytes.extend(sender_mac.0);
    bytes.extend(sender.octets());
    bytes.extend([0; 6]);
    bytes.extend(target.octets());
    (0x0806, bytes)
}

/// A Router Advertisement with one on-link prefix.
pub(crate) fn router(src: Ipv6Addr, hops: u8, prefix: Ipv6Addr, length: u8) -> (u16, Vec<u8>) {
    let mut bytes = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([3, 4, length, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0]);
    bytes.extend(prefix.octets());
    let dst = IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 1_u16]);
    Datagram { hops, ..Datagram::new(src.into(), dst, (ICMPV6, bytes)) }.ether()
}

/// A Neighbor Solicitation for `target`, or an Advertisement of it, with the sender's MAC address if given.
pub(crate) fn neighbour(
    solicit: bool,
    src: Ipv6Addr,
    target: Ipv6Addr,
    mac: Option<MacAddr>,
) -> (u16, Vec<u8>) {
    let (kind, option) = if solicit { (135, 1) } else { (136, 2) };
    let mut bytes = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(target.octets());
    if let Some(mac) = mac {
        bytes.extend([option, 1]);
        bytes.extend(mac.0);
    }
    let dst = IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 1_u16]);
    Datagram { hops: 255, ..Datagram::new(src.into(), dst, (ICMPV6, bytes)) }.ether()
}

/// A DHCP acknowledgement from `server`: `client` has `address` in a network of `mask` bits.
pub(crate) fn lease(
    server: Ipv4Addr,
    client: MacAddr,
    address: Ipv4Addr,
    mask: Option<u8>,
) -> (u16, Vec<u8>) {
    let mut body = vec![0; 240];
    body[..3].copy_from_slice(&[2, 1, 6]);
    body[16..20].copy_from_slice(&address.octets());
    body[28..34].copy_from_slice(&client.0);
    body[236..].copy_from_slice(&[99, 130, 83, 99]);
    body.extend([53, 1, 5]);
    if let Some(bits) = mask {
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        body.extend([1, 4]);
        body.extend(mask.to_be_bytes());
    }
    body.push(255);
    Datagram::new(server.into(), address.into(), udp(67, 68, &body)).ether()
}

/// A machine that asks for its first lease, and says what it is called.
pub(crate) fn discover(client: MacAddr) -> Frame {
    let mut body = vec![1, 1, 6];
    body.resize(240, 0);
    body[28..34].copy_from_slice(&client.0);
    body[236..].copy_from_slice(&[99, 130, 83, 99]);
    let name = format!("thing-{}", client.0[5]);
    body.extend([53, 1, 1, 12, u8::try_from(name.len()).expect("short")]);
    body.extend(name.as_bytes());
    body.push(255);
    body.resize(300, 0);
    let datagram = Datagram::new([0, 0, 0, 0].into(), [255; 4].into(), udp(68, 67, &body));
    Frame::new(client, BROADCAST, datagram.ether())
}

/// A label of a name: its length in front.
fn label(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).expect("a label")];
    bytes.extend(text.as_bytes());
    bytes
}

/// A question for the IPv4 address of `name`, or, with an answer, what becomes of it: an address, or that there is no such
/// name.
pub(crate) fn dns(id: u16, name: &str, answer: Option<Option<Ipv4Addr>>) -> Vec<u8> {
    let (flags, answers) = match answer {
        None => (0x0100_u16, 0_u16),
        Some(None) => (0x8183, 0),
        Some(Some(_)) => (0x8180, 1),
    };
    let mut bytes: Vec<u8> = [id, flags, 1, answers, 0, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    bytes.extend(name.split('.').flat_map(label));
    bytes.extend([0, 0, 1, 0, 1]);
    if let Some(Some(address)) = answer {
        // The name is the one at byte 12.
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        bytes.extend(address.octets());
    }
    bytes
}

/// A TLS record with a ClientHello for `name` and nothing else of interest.
pub(crate) fn client_hello(name: &str) -> Vec<u8> {
    let name_length = len16(name.len());
    let server_name = [&len16(name.len() + 3)[..], &[0], &name_length, name.as_bytes()].concat();
    let extension = [&[0, 0][..], &len16(server_name.len()), &server_name].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(len16(extension.len()));
    body.extend(extension);
    let handshake = [&[1, 0][..], &len16(body.len()), &body].concat();
    [&[22, 3, 1][..], &len16(handshake.len()), &handshake].concat()
}

/// A TCP segment that says something.
pub(crate) fn said(from: u16, to: u16, seq: u32, data: &[u8]) -> (u8, Vec<u8>) {
    let (protocol, mut bytes) = tcp(from, to, ACK, seq, 0);
    bytes.extend(data);
    (protocol, bytes)
}
