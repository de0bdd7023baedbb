//! What can happen on the generated LAN, and how it is played as frames with times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::LinkType;
use lanscribe_core::time::{Span, Timestamp};

use crate::frame::{self, ACK, BROADCAST, Datagram, FIN, Frame, Piece, RST, SYN};
use crate::input::{Op, START, Shot};

/// What is asked for.
const NAMES: [&str; 4] = ["cam.example.org", "www.example.org", "iot.example.net", "time.example.com"];

/// Devices on the LAN.
pub(super) const DEVICES: u8 = 4;
pub(super) const PORTS: [u16; 8] = [443, 53, 5353, 40_000, 50_000, 50_001, 56_700, 0];

/// How time goes on before something happens, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    On(i64),
    /// Late by so much, but in order as far as anybody cares.
    Late(i64),
    /// The clock was set back.
    Back(i64),
    /// To so long after the start of the test, wherever time is now.
    Home(i64),
}

/// Somebody in a conversation: which MAC address the frame shows, and which IP address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// A device with its private (0) or public (1) address; `borrowed`: in the next one's hands.
    Device { n: u8, public: bool, borrowed: bool },
    /// A router with its own address.
    Router { n: u8 },
    /// A machine on the internet, through a router.
    Remote { via: u8, n: u8 },
    /// A machine with a local address behind a router; it may be one that has a place on this LAN too.
    Behind { via: u8, n: u8 },
}

impl Who {
    fn mac(self) -> MacAddr {
        match self {
            Self::Device { n, borrowed, .. } => device_mac((n + u8::from(borrowed)) % DEVICES),
            Self::Router { n: via } | Self::Remote { via, .. } | Self::Behind { via, .. } => {
                MacAddr([0x02, 0, 0, 0, 1, via])
            }
        }
    }

    fn v4(self) -> Ipv4Addr {
        match self {
            Self::Device { n, public: false, .. } => Ipv4Addr::new(192, 168, 1, 10 + n),
            Self::Device { n, public: true, .. } => Ipv4Addr::new(130, 1, 2, 10 + n),
            Self::Router { n } => Ipv4Addr::new(192, 168, 1, 1 + n),
            Self::Remote { n, .. } => {
                [[8, 8, 8, 8].into(), [1, 1, 1, 1].into(), [130, 1, 2, 99].into()][usize::from(n)]
            }
            Self::Behind { n: n @ 0..2, .. } => Ipv4Addr::new(192, 168, 1, 10 + n),
            Self::Behind { n, .. } => Ipv4Addr::new(10, 9, 0, n),
        }
    }

    fn v6(self) -> Ipv6Addr {
        let host = |net: [u16; 4], n: u8| Ipv6Addr::from([net[0], net[1], net[2], net[3], 0, 0, 0, n.into()]);
        const LINK: [u16; 4] = [0xfe80, 0, 0, 0];
        const SITE: [u16; 4] = [0x2001, 0xdb8, 1, 2];
        match self {
            Self::Device { n, public: false, .. } => host(LINK, 10 + n),
            Self::Device { n, public: true, .. } => host(SITE, 10 + n),
            Self::Router { n } => host(LINK, 1 + n),
            Self::Remote { n, .. } => host([0x2606, 0x4700, 0, 0], n),
            Self::Behind { n: n @ 0..2, .. } => host(SITE, 10 + n),
            Self::Behind { n, .. } => host([0xfd00, 0, 0, 9], n),
        }
    }

    fn ip(self, v6: bool) -> IpAddr {
        if v6 { self.v6().into() } else { self.v4().into() }
    }
}

fn device_mac(n: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 0, n])
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    Tcp {
        flags: u8,
        seq: u32,
    },
    Udp,
    Echo,
    /// GRE: a protocol without ports.
    Gre,
    /// A part of a UDP datagram.
    Piece(Piece),
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Nothing,
    NoSuchName,
    /// The address of a machine on the internet.
    Remote(u8),
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Talk {
        v6: bool,
        from: Who,
        to: Who,
        ports: (u8, u8),
        body: Body,
        len: u8,
        shout: bool,
        vlan: Option<u16>,
    },
    /// One of the latest packets again, or an answer to it.
    Again {
        back: usize,
        reply: bool,
    },
    /// A TCP connection, the first `steps` of it.
    Dialogue {
        v6: bool,
        from: Who,
        to: Who,
        ports: (u8, u8),
        seq: u32,
        steps: usize,
        reset: bool,
    },
    Cast {
        v6: bool,
        from: Who,
    },
    Arp {
        request: bool,
        from: Who,
        target: Who,
    },
    Advertise {
        n: u8,
        hops: u8,
        prefix: u8,
    },
    Neighbour {
        solicit: bool,
        from: Who,
        named: bool,
    },
    Lease {
        to: u8,
        public: bool,
        mask: Option<u8>,
    },
    Discover {
        n: u8,
    },
    /// A question of DNS through a router, and what becomes of it.
    Ask {
        from: Who,
        server: Who,
        port: u8,
        name: u8,
        answer: Answer,
    },
    /// A connection whose ClientHello comes in two segments; `swapped`: the second one first.
    Hello {
        from: Who,
        to: Who,
        port: u8,
        name: u8,
        cut: usize,
        swapped: bool,
    },
    /// A request of HTTP.
    Get {
        from: Who,
        to: Who,
        port: u8,
        name: u8,
    },
    /// Not IP: EtherType or LLC length.
    Link {
        n: u8,
        ethertype: u16,
    },
    /// What an attacker or a broken driver sends.
    Bytes(Vec<u8>),
    Tick,
    Take,
}

/// How a frame was captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// 0 and 1 are Ethernet, then SLL, SLL2, raw IP, NULL: one form an interface, as in the field.
    pub(crate) interface: u16,
    pub(crate) snap: Option<usize>,
    /// How much longer the frame was than what is there.
    pub(crate) unseen: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) pace: Pace,
    pub(crate) act: Act,
    pub(crate) tap: Tap,
}

/// The events as steps of a run.
pub(crate) fn play(events: &[Event]) -> Vec<Op> {
    let (mut now, mut ops, mut talks) = (START, Vec::new(), Vec::new());
    for Event { pace, act, tap } in events {
        let at = match *pace {
            Pace::On(span) => now + Span(span),
            Pace::Late(span) | Pace::Back(span) => now - Span(span),
            Pace::Home(span) => START + Span(span),
        }
        .clamped();
        // Late frames leave time where it is.
        now = if matches!(pace, Pace::Late(_)) { now.max(at) } else { at };
        let act = match act {
            Act::Again { back, reply } => &said_again(&talks, *back, *reply),
            act => act,
        };
        if let Act::Talk { .. } = act {
            talks.push(act.clone());
        }
        match act {
            Act::Tick => ops.push(Op::Tick(at)),
            Act::Take => ops.push(Op::Take),
            Act::Bytes(bytes) => ops.push(Op::Frame(tap.catch(at, bytes.clone()))),
            act => {
                let mut at = at;
                for frame in frames(act) {
                    ops.push(Op::Frame(tap.catch(at, tap.form(&frame))));
                    at = at + Span(700);
                    now = now.max(at);
                }
            }
        }
    }
    ops
}

fn said_again(talks: &[Act], back: usize, reply: bool) -> Act {
    let said = talks.iter().rev().cycle().take(talks.len() * 2).nth(back).cloned();
    match said.unwrap_or(Act::Discover { n: 0 }) {
        // What follows the first fragment of a datagram is another one of it.
        Act::Talk { v6, from, to, ports, body: Body::Piece(Piece { id, .. }), len, shout, vlan } => {
            let body = Body::Piece(Piece { id, first: false });
            Act::Talk { v6, from, to, ports, body, len, shout, vlan }
        }
        Act::Talk { v6, from, to, ports, body, len, shout, vlan } if reply => {
            Act::Talk { v6, from: to, to: from, ports: (ports.1, ports.0), body, len, shout, vlan }
        }
        act => act,
    }
}

impl Tap {
    fn form(self, frame: &Frame) -> Vec<u8> {
        match self.interface {
            0 | 1 => frame.ethernet(),
            2 => frame.sll(),
            3 => frame.sll2(),
            4 => frame.payload.clone(),
            _ => frame.null(),
        }
    }

    fn catch(self, at: Timestamp, mut bytes: Vec<u8>) -> Shot {
        let wire_len = u32::try_from(bytes.len()).unwrap() + self.unseen;
        bytes.truncate(self.snap.unwrap_or(usize::MAX));
        let dlt = [1, 1, 113, 276, 101, 0][usize::from(self.interface)];
        let link_type = LinkType::from_dlt(dlt).unwrap();
        Shot { at, interface: self.interface, link_type, wire_len, bytes }
    }
}

fn frames(act: &Act) -> Vec<Frame> {
    let between = |from: Who, to: Who, ether| Frame::new(from.mac(), to.mac(), ether);
    let everybody = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    match *act {
        Act::Talk { v6, from, to, ports, body, len, shout, vlan } => {
            let (sport, dport) = (PORTS[usize::from(ports.0)], PORTS[usize::from(ports.1)]);
            let data = vec![0; len.into()];
            let transport = match body {
                Body::Tcp { flags, seq } => frame::tcp(sport, dport, flags, seq, len.into()),
                Body::Udp | Body::Piece(_) => frame::udp(sport, dport, &data),
                Body::Echo => frame::echo(v6),
                Body::Gre => (47, data),
            };
            let mut datagram = Datagram::new(from.ip(v6), to.ip(v6), transport);
            if let Body::Piece(piece) = body {
                datagram.piece = Some(piece);
            }
            let dst = if shout { BROADCAST } else { to.mac() };
            vec![Frame::new(from.mac(), dst, datagram.ether()).tagged(vlan)]
        }
        Act::Dialogue { v6, from, to, ports, seq, steps, reset } => {
            let (sport, dport) = (PORTS[usize::from(ports.0)], PORTS[usize::from(ports.1)]);
            let end = if reset { RST } else { FIN | ACK };
            let script = [
                (0, SYN),
                (1, SYN | ACK),
                (0, ACK),
                (0, ACK),
                (1, ACK),
                (1, ACK),
                (0, end),
                (1, FIN | ACK),
                (0, ACK),
            ];
            let segment = |&(way, flags): &(u8, u8)| {
                let (a, b, p, q) = if way == 0 { (from, to, sport, dport) } else { (to, from, dport, sport) };
                let datagram = Datagram::new(a.ip(v6), b.ip(v6), frame::tcp(p, q, flags, seq, 9));
                between(a, b, datagram.ether())
            };
            script.iter().take(steps).map(segment).collect()
        }
        Act::Cast { v6, from } => {
            let group = if v6 { "ff02::fb".parse().unwrap() } else { IpAddr::from([224, 0, 0, 251]) };
            let datagram = Datagram::new(from.ip(v6), group, frame::udp(5353, 5353, b"?"));
            vec![Frame::new(from.mac(), everybody, datagram.ether())]
        }
        Act::Arp { request, from, target } => {
            let dst = if request { BROADCAST } else { target.mac() };
            vec![Frame::new(from.mac(), dst, frame::arp(request, from.mac(), from.v4(), target.v4()))]
        }
        Act::Advertise { n, hops, prefix } => {
            let router = Who::Router { n };
            let (prefix, length) =
                [("2001:db8:1:2::", 64), ("2000::", 3), ("2606:4700::", 48), ("fd00:0:0:9::", 64)]
                    [usize::from(prefix)];
            let ether = frame::router(router.v6(), hops, prefix.parse().unwrap(), length);
            vec![Frame::new(router.mac(), everybody, ether)]
        }
        Act::Neighbour { solicit, from, named } => {
            let mac = named.then(|| from.mac());
            vec![Frame::new(from.mac(), everybody, frame::neighbour(solicit, from.v6(), from.v6(), mac))]
        }
        Act::Lease { to, public, mask } => {
            let (server, client) = (Who::Router { n: 0 }, Who::Device { n: to, public, borrowed: false });
            vec![between(server, client, frame::lease(server.v4(), client.mac(), client.v4(), mask))]
        }
        Act::Discover { n } => vec![frame::discover(device_mac(n))],
        Act::Ask { from, server, port, name, answer } => {
            let (port, name) = (40_000 + u16::from(port), NAMES[usize::from(name)]);
            let message = |from: Who, to: Who, ports: (u16, u16), bytes: &[u8]| {
                let body = frame::udp(ports.0, ports.1, bytes);
                between(from, to, Datagram::new(from.ip(false), to.ip(false), body).ether())
            };
            let told = match answer {
                Answer::Nothing => None,
                Answer::NoSuchName => Some(None),
                Answer::Remote(n) => Some(Some(Who::Remote { via: 0, n }.v4())),
            };
            let mut frames = vec![message(from, server, (port, 53), &frame::dns(7, name, None))];
            if told.is_some() {
                frames.push(message(server, from, (53, port), &frame::dns(7, name, told)));
            }
            frames
        }
        Act::Hello { from, to, port, name, cut, swapped } => {
            let hello = frame::client_hello(NAMES[usize::from(name)]);
            let (first, second) = hello.split_at(cut.min(hello.len()));
            let segment = |seq, data: &[u8]| {
                let body = frame::said(50_000 + u16::from(port), 443, seq, data);
                between(from, to, Datagram::new(from.ip(false), to.ip(false), body).ether())
            };
            let mut frames =
                vec![segment(1, first), segment(1 + u32::try_from(cut.min(hello.len())).unwrap(), second)];
            if swapped {
                frames.reverse();
            }
            frames
        }
        Act::Get { from, to, port, name } => {
            let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", NAMES[usize::from(name)]);
            let body = frame::said(50_000 + u16::from(port), 8080, 1, request.as_bytes());
            vec![between(from, to, Datagram::new(from.ip(false), to.ip(false), body).ether())]
        }
        Act::Link { n, ethertype } => {
            let n2 = (n + 1) % DEVICES;
            vec![Frame::new(device_mac(n), device_mac(n2), (ethertype, vec![0x42, 0x42, 3, 0, 0, 0, 0, 0]))]
        }
        Act::Again { .. } | Act::Bytes(_) | Act::Tick | Act::Take => Vec::new(),
    }
}
