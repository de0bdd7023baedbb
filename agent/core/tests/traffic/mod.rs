//! Generated traffic, realistic to nasty: few addresses, MAC addresses and ports, so that everything collides
//! with everything, and times that go on, are late, jump and step back.

mod scene;

use lanscribe_core::flow::Timeouts;
use lanscribe_core::pipeline::SILENCE;
use lanscribe_core::time::Span;
use proptest::prelude::*;

use crate::frame::{ACK, FIN, Piece, RST, SYN};
pub(crate) use scene::play;
use scene::{Act, Answer, Body, DEVICES, Event, PORTS, Pace, Tap, Who};

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
    let answer =
        prop_oneof![Just(Answer::Nothing), Just(Answer::NoSuchName), (0..3_u8).prop_map(Answer::Remote)];
    let ask = (who(false), who(false), 0..2_u8, 0..4_u8, answer)
        .prop_map(|(from, server, port, name, answer)| Act::Ask { from, server, port, name, answer });
    let hello = (who(false), who(false), 0..2_u8, 0..4_u8, 1..90_usize, any::<bool>())
        .prop_map(|(from, to, port, name, cut, swapped)| Act::Hello { from, to, port, name, cut, swapped });
    let get = (who(false), who(false), 0..2_u8, 0..4_u8).prop_map(|(from, to, port, name)| Act::Get {
        from,
        to,
        port,
        name,
    });
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
        8 => ask,
        4 => hello,
        2 => get,
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
    let acts = act(false).prop_map(|act| match act {
        Act::Tick | Act::Take => Act::Discover { n: 0 },
        act => act,
    });
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
