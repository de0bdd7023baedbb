//! What records say of conversations: parts and ends, who opened them, how long the round trip took.

use lanscribe_core::flow::record::EndReason;
use lanscribe_core::pipeline::Config;
use lanscribe_core::rollup::Class;
use lanscribe_core::time::Span;

use super::{INTERNET, ROUTER, device, home, millis, rows_of, tcp, udp};
use crate::frame::{self, ACK, Datagram, FIN, Frame, Piece, SYN};
use crate::input::{Op, START, Shot, run, secs, watch};

fn up(flags: u8, seq: u32) -> Frame {
    tcp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), flags, seq)
}

fn down(flags: u8, seq: u32) -> Frame {
    tcp((ROUTER, INTERNET), (device(1), home(1)), (443, 50_000), flags, seq)
}

fn datagram() -> Frame {
    udp((device(1), home(1)), (ROUTER, INTERNET), (50_000, 443), 10)
}

#[test]
fn a_flow_is_told_in_parts_while_it_goes_on_and_is_idle_in_the_end() {
    let mut frames: Vec<_> = (0..=8).map(|n| (secs(n * 50), datagram())).collect();
    frames.push((secs(1000), udp((device(2), home(2)), (ROUTER, INTERNET), (50_000, 443), 0)));
    let told = watch(&frames);
    let parts: Vec<_> = told.flows.iter().map(|f| (f.id, f.part, f.up.packets, f.end_reason)).collect();
    assert_eq!(
        parts,
        [(0, 0, 6, EndReason::Active), (0, 1, 3, EndReason::Idle), (1, 0, 1, EndReason::Forced)]
    );
    assert_eq!((told.flows[0].start, told.flows[0].end), (START, START + secs(250)));
    assert_eq!((told.flows[1].start, told.flows[1].end), (START + secs(300), START + secs(400)));
    // Part 0 was due at 300 s, part 1 at 460 s.
    assert_eq!(told.flows[0].reported, START + secs(300));
    assert_eq!(told.flows[1].reported, START + secs(300));
}

#[test]
fn a_lone_packet_is_idle_even_where_both_time_outs_are_due_at_once() {
    // TCP waits for as long as a part lasts: to say "goes on" would promise another part.
    let told = watch(&[(Span(0), up(SYN, 1)), (secs(301), datagram())]);
    assert_eq!((told.flows[0].end_reason, told.flows[0].conn_state), (EndReason::Idle, "S0"));
}

#[test]
fn a_part_ends_with_its_own_last_packet() {
    let told = watch(&[
        (Span(0), datagram()),
        (secs(50), datagram()),
        (secs(100), datagram()),
        (secs(150), datagram()),
        (secs(200), datagram()),
        (secs(250), datagram()),
        (millis(299_900), datagram()),
        (millis(300_500), up(SYN, 1)),
        (millis(299_800), datagram()),
    ]);
    let ends: Vec<_> = told.flows.iter().filter(|f| f.id == 0).map(|f| (f.start, f.end)).collect();
    let (last, late) = (START + secs(299) + millis(900), START + secs(299) + millis(800));
    assert_eq!(ends, [(START, last), (late, late)]);
}

#[test]
fn a_port_used_again_is_another_flow() {
    let connection =
        |seq| [up(SYN, seq), down(SYN | ACK, 9), up(ACK, seq), up(FIN | ACK, seq), down(FIN | ACK, 9)];
    let frames = connection(1).into_iter().chain(connection(2));
    let told = watch(&super::in_a_row(frames));
    let flows: Vec<_> = told.flows.iter().map(|f| (f.id, f.conn_state, f.end_reason, f.rtt_us)).collect();
    assert_eq!(flows, [(0, "SF", EndReason::Ended, Some(2000)), (1, "SF", EndReason::Forced, Some(2000))]);
    assert_eq!(rows_of(&told, device(1), Class::Remote)[0].1.flows, 2);
}

#[test]
fn a_round_trip_that_was_captured_out_of_order_is_not_told() {
    let told = watch(&[
        (millis(500), up(SYN, 1)),
        (millis(600), down(SYN | ACK, 9)),
        (millis(400), up(ACK, 2)),
        (secs(5), up(ACK, 2)),
    ]);
    assert_eq!(told.flows[0].rtt_us, None, "not the 4.5 s until the next segment either");
}

#[test]
fn nobody_is_said_to_have_opened_a_tcp_connection_whose_ports_were_cut_away() {
    let mut shot = Shot::of(START, &up(ACK, 1));
    shot.bytes.truncate(14 + 20 + 3);
    let told = run(&Config::default(), &[Op::Frame(shot)]);
    assert_eq!((told.flows[0].opened_here, told.flows[0].local.1), (None, None));
}

#[test]
fn when_a_batch_is_taken_changes_nothing() {
    let shot = |after, frame: Frame| Op::Frame(Shot::of(START + after, &frame));
    let talk = |port| udp((device(1), home(1)), (ROUTER, home(254)), (port, 53), 10);
    let arp = Frame::new(ROUTER, device(1), frame::arp(false, ROUTER, home(254), home(1)));
    // The router talks, a day later it says again which address it has, and then a batch with the old talk is
    // taken: that must not count as a newer sighting.
    let day = 25 * 3600;
    let ops = vec![
        shot(Span(0), talk(50_000)),
        shot(secs(day), udp((ROUTER, INTERNET), (device(1), home(1)), (53, 50_000), 0)),
        shot(secs(day), arp),
        Op::Take,
        shot(secs(day), talk(50_001)),
    ];
    let without: Vec<_> = ops.iter().filter(|op| !matches!(op, Op::Take)).cloned().collect();
    let (live, replay) = (run(&Config::default(), &ops), run(&Config::default(), &without));
    assert_eq!(live.flows, replay.flows);
    assert_eq!(live.minutes, replay.minutes);
    assert_eq!(live.addresses, replay.addresses);
}

#[test]
fn fragments_go_with_the_first_one_for_a_minute_and_then_without_ports() {
    let piece = |first| {
        let piece = Some(Piece { id: 7, first });
        let body = frame::udp(50_000, 443, &[0; 24]);
        let datagram = Datagram { piece, ..Datagram::new(home(1).into(), INTERNET.into(), body) };
        Frame::new(device(1), ROUTER, datagram.ether())
    };
    let told = watch(&[
        (Span(0), piece(false)),
        (millis(1), piece(true)),
        (millis(2), piece(false)),
        (secs(59), piece(false)),
        (secs(61), piece(false)),
    ]);
    let flows: Vec<_> = told.flows.iter().map(|f| (f.id, f.local.1, f.up.packets)).collect();
    assert_eq!(flows, [(0, None, 1), (1, Some(50_000), 3), (2, None, 1)]);
}
