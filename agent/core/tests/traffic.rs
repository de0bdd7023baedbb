//! Generated traffic, realistic to nasty: few addresses, MAC addresses and ports, so that everything collides
//! with everything, and times that go on, are late, jump and step back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lanscribe_core::addr::MacAddr;
use lanscribe_core::decode::LinkType;
use lanscribe_core::flow::Timeouts;
use lanscribe_core::pipeline::SILENCE;
use lanscribe_core::time::{Span, Timestamp};
use proptest::prelude::*;

use crate::frame::{self, ACK, BROADCAST, Datagram, FIN, Frame, Piece, RST, SYN};
use crate::input::{Op, START, Shot};

/// Devices on the LAN.
const DEVICES: u8 = 4;
const PORTS: [u16; 8] = [443, 53, 5353, 40_000, 50_000, 50_001, 56_700, 0];

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

fn pace(wild: bool) -> BoxedStrategy<Pace> {
    let calm = prop_oneof![
        3 => Just(Pace::On(0)),
        12 => (0..2_000_000_i64).prop_map(Pace::On),
        4 => (2_000_000..70_000_000_i64).prop_map(Pace::On),
        3 => (1..8_i64).prop_map(|n| Pace::On(n * 15_000_000)),
        6 => (0..=1_000_000_i64).prop_map(Pace::Late),
        // About when a flow is over.
        6 => (prop::sample::select(vec![2_i64, 5, 60, 300]), prop_oneof![Just(0), -900_000..900_000_i64])
            .prop_map(|(secs, off)| Pace::On(secs * 1_000_000 + off)),
        1 => (70_000_000..400_000_000_i64).prop_map(Pace::On),
    ];
    if !wild {
        return calm.boxed();
    }
    prop_oneof![
        40 => calm,
        1 => (1_000_001..7_200_000_000_i64).prop_map(Pace::Back),
        1 => (1_000_001..70_000_000_i64).prop_map(Pace::Back),
        1 => (60_000_000..100_000_000_000_i64).prop_map(Pace::Home),
        1 => Just(Pace::On(90_000_000_000)),
        1 => Just(Pace::On(90 * 365 * 86_400_000_000)),
    ]
    .boxed()
}

fn who(tame: bool) -> BoxedStrategy<Who> {
    let some = prop_oneof![2 => Just(0), 3 => 0..DEVICES];
    let device = (some, prop::bool::weighted(0.3), prop::bool::weighted(0.15))
        .prop_map(|(n, public, borrowed)| Who::Device { n, public, borrowed });
    let remote = (0..2_u8, 0..3_u8).prop_map(|(via, n)| Who::Remote { via, n });
    if tame {
        return prop_oneof![6 => device, 4 => remote].boxed();
    }
    prop_oneof![
        10 => device,
        6 => remote,
        1 => (0..2_u8).prop_map(|n| Who::Router { n }),
        2 => (0..2_u8, 0..4_u8).prop_map(|(via, n)| Who::Behind { via, n }),
    ]
    .boxed()
}

fn body() -> impl Strategy<Value = Body> {
    let flags = prop::sample::select(vec![SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0]);
    prop_oneof![
        5 => (flags, 0..3_u32).prop_map(|(flags, seq)| Body::Tcp { flags, seq }),
        5 => Just(Body::Udp),
        1 => Just(Body::Echo),
        1 => Just(Body::Gre),
        2 => (0..3_u16, any::<bool>()).prop_map(|(id, first)| Body::Piece(Piece { id, first })),
    ]
}

fn port() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0), 1 => Just(3), 1 => 0..u8::try_from(PORTS.len()).unwrap()]
}

fn act(tame: bool) -> BoxedStrategy<Act> {
    let ports = || (port(), port());
    let vlan = prop::option::weighted(0.1, prop::sample::select(vec![1_u16, 7]));
    let shout = prop::bool::weighted(0.05);
    let talk = (any::<bool>(), who(tame), who(tame), ports(), body(), 0..40_u8, shout, vlan).prop_map(
        |(v6, from, to, ports, body, len, shout, vlan)| Act::Talk {
            v6,
            from,
            to,
            ports,
            body,
            len,
            shout,
            vlan,
        },
    );
    let dialogue = (any::<bool>(), who(tame), who(tame), ports(), 0..3_u32, 1..9_usize, any::<bool>())
        .prop_map(|(v6, from, to, ports, seq, steps, reset)| Act::Dialogue {
            v6,
            from,
            to,
            ports,
            seq,
            steps,
            reset,
        });
    let again = (0..4_usize, any::<bool>()).prop_map(|(back, reply)| Act::Again { back, reply });
    let cast = (any::<bool>(), who(tame)).prop_map(|(v6, from)| Act::Cast { v6, from });
    let link = (0..DEVICES, prop::sample::select(vec![0x88cc, 0x0026, 0x8899, 0x8847, 0x8100]))
        .prop_map(|(n, ethertype)| Act::Link { n, ethertype });
    let bytes =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..14), prop::collection::vec(any::<u8>(), 14..80),]
            .prop_map(Act::Bytes);
    let discover = (0..DEVICES).prop_map(|n| Act::Discover { n });
    if tame {
        return prop_oneof![20 => talk, 10 => again, 5 => dialogue, 3 => cast, 2 => link, 1 => bytes, 1 => discover]
            .boxed();
    }
    let arp = (any::<bool>(), who(false), who(false)).prop_map(|(request, from, target)| Act::Arp {
        request,
        from,
        target,
    });
    let advertise = (0..2_u8, prop::sample::select(vec![255_u8, 255, 64]), 0..4_u8)
        .prop_map(|(n, hops, prefix)| Act::Advertise { n, hops, prefix });
    let neighbour = (any::<bool>(), who(false), any::<bool>())
        .prop_map(|(solicit, from, named)| Act::Neighbour { solicit, from, named });
    let lease = (0..DEVICES, any::<bool>(), prop::option::of(prop::sample::select(vec![8_u8, 24, 30])))
        .prop_map(|(to, public, mask)| Act::Lease { to, public, mask });
    prop_oneof![
        30 => talk,
        20 => again,
        8 => dialogue,
        4 => cast,
        4 => link,
        3 => bytes,
        2 => discover,
        3 => arp,
        1 => advertise,
        2 => neighbour,
        1 => lease,
        4 => Just(Act::Tick),
        2 => Just(Act::Take),
    ]
    .boxed()
}

fn tap() -> impl Strategy<Value = Tap> {
    let interface =
        prop_oneof![20 => Just(0), 2 => Just(1), 2 => Just(2), 1 => Just(3), 2 => Just(4), 1 => Just(5)];
    (interface, prop::option::weighted(0.1, 0..90_usize), prop_oneof![9 => Just(0_u32), 1 => 1..3000_u32])
        .prop_map(|(interface, snap, unseen)| Tap { interface, snap, unseen })
}

/// Time-outs from two seconds up, so that flows end and go on within a short test.
pub(crate) fn timeouts() -> impl Strategy<Value = Timeouts> {
    let span = || prop::sample::select(vec![2, 5, 60, 300]).prop_map(Span::from_secs);
    let any = (span(), span(), span(), span(), span(), span()).prop_map(
        |(active, tcp, tcp_closed, udp, icmp, other)| Timeouts { active, tcp, tcp_closed, udp, icmp, other },
    );
    prop_oneof![Just(Timeouts::default()), any]
}

/// Anything that may happen on a LAN, clocks that jump included.
pub(crate) fn wild(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = (pace(true), act(false), tap()).prop_map(|(pace, act, tap)| Event { pace, act, tap });
    prop::collection::vec(event, 1..most)
}

/// The same with a clock that only goes on (and frames up to a second late), without ticks, and without a
/// silence after which nobody knows whether the capture ran.
pub(crate) fn steady(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let acts = act(false).prop_filter("frames only", |act| !matches!(act, Act::Tick | Act::Take));
    let watched =
        |pace| if let Pace::On(span) = pace { Pace::On(span.min(SILENCE.0 - 1_000_000)) } else { pace };
    let event =
        (pace(false).prop_map(watched), acts, tap()).prop_map(|(pace, act, tap)| Event { pace, act, tap });
    prop::collection::vec(event, 1..most)
}

/// Traffic whose class hangs on its addresses alone: nobody has a local address behind a router, and nothing
/// is learnt later than the start. Ethernet only, where the MAC addresses are there.
pub(crate) fn tame(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = (pace(false), act(true)).prop_map(|(pace, act)| Event {
        pace,
        act,
        tap: Tap { interface: 0, snap: None, unseen: 0 },
    });
    prop::collection::vec(event, 1..most)
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
        Act::Link { n, ethertype } => {
            let n2 = (n + 1) % DEVICES;
            vec![Frame::new(device_mac(n), device_mac(n2), (ethertype, vec![0x42, 0x42, 3, 0, 0, 0, 0, 0]))]
        }
        Act::Again { .. } | Act::Bytes(_) | Act::Tick | Act::Take => Vec::new(),
    }
}
