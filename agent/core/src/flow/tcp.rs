//! What the flags of a TCP connection tell: its state in Zeek's words, and the round trip of its handshake.

use crate::packet::Tcp;
use crate::time::{Span, Timestamp};

/// What was seen of a connection's opening and closing. Sides are numbered as in the flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake {
    syn: Option<(usize, u32, Timestamp)>,
    syn_ack: Option<usize>,
    /// Whether the opening was sent twice: the round trip could be that of either.
    ambiguous: bool,
    fin: [bool; 2],
    reset_by: Option<usize>,
    spoke: [bool; 2],
    rtt_us: Option<u32>,
}

impl Handshake {
    /// A segment of side `way`.
    pub(crate) fn observe(&mut self, way: usize, tcp: Tcp, at: Timestamp) {
        if tcp.opens() {
            self.ambiguous |= self.syn.is_some();
            self.syn.get_or_insert((way, tcp.seq, at));
        } else if tcp.accepts() {
            self.ambiguous |= self.syn_ack.is_some();
            self.syn_ack.get_or_insert(way);
        } else if tcp.flags & Tcp::RST == 0 {
            self.spoke[way] = true;
            if let (Some((opener, _, sent)), Some(accepter)) = (self.syn, self.syn_ack)
                && way == opener
                && accepter != opener
                && !self.ambiguous
                && self.rtt_us.is_none()
            {
                self.rtt_us = u32::try_from((at - sent).0).ok();
                // Captured out of order: what comes later does not tell it either.
                self.ambiguous |= self.rtt_us.is_none();
            }
        }
        self.fin[way] |= tcp.flags & Tcp::FIN != 0;
        if tcp.flags & Tcp::RST != 0 {
            self.reset_by.get_or_insert(way);
        }
    }

    /// The clock was set by `by`: a round trip that began before is measured all the same.
    pub(crate) fn shift(&mut self, by: Span) {
        if let Some((.., sent)) = &mut self.syn {
            *sent = *sent + by;
        }
    }

    /// Which side opened the connection, if its SYN or the answer to it was seen.
    pub(crate) fn opener(&self) -> Option<usize> {
        self.syn.map(|(way, ..)| way).or(self.syn_ack.map(|way| 1 - way))
    }

    /// Whether the connection cannot go on: reset, or closed from both sides.
    pub(crate) fn is_over(&self) -> bool {
        self.reset_by.is_some() || self.fin == [true; 2]
    }

    /// Whether `tcp` opens another connection between the same ports than the one seen so far.
    pub(crate) fn is_reused_by(&self, tcp: Tcp) -> bool {
        tcp.opens() && self.is_over() && self.syn.is_none_or(|(_, seq, _)| seq != tcp.seq)
    }

    /// Microseconds from the SYN to the ACK that ended the handshake: once from here to either side and back.
    pub(crate) fn rtt_us(&self) -> Option<u32> {
        self.rtt_us
    }

    /// Zeek's `conn_state`, with `opener` as the originator where no handshake tells.
    pub(crate) fn conn_state(&self, opener: usize) -> &'static str {
        let originator = self.opener().unwrap_or(opener);
        let responder = 1 - originator;
        let opened = self.syn.is_some();
        // An answer to the SYN, be it that the SYN-ACK itself was not captured.
        let answered = self.syn_ack.is_some() || (opened && self.spoke[responder]);
        let (fin_o, fin_r) = (self.fin[originator], self.fin[responder]);
        match (opened, answered) {
            (false, false) => "OTH",
            (true, false) => match self.reset_by {
                Some(way) if way == responder => "REJ",
                Some(_) => "RSTOS0",
                None if fin_o => "SH",
                None => "S0",
            },
            (false, true) => match self.reset_by {
                Some(way) if way == responder => "RSTRH",
                Some(_) => "OTH",
                None if fin_r && !fin_o => "SHR",
                None => "OTH",
            },
            (true, true) => match (self.reset_by, fin_o, fin_r) {
                (Some(way), ..) if way == originator => "RSTO",
                (Some(_), ..) => "RSTR",
                (None, true, true) => "SF",
                (None, true, false) => "S2",
                (None, false, true) => "S3",
                (None, false, false) => "S1",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: u8 = Tcp::SYN;
    const SYN_ACK: u8 = Tcp::SYN | Tcp::ACK;
    const ACK: u8 = Tcp::ACK;
    const FIN: u8 = Tcp::FIN | Tcp::ACK;
    const RST: u8 = Tcp::RST;

    fn after(segments: &[(usize, u8)]) -> Handshake {
        let mut handshake = Handshake::default();
        for (n, &(way, flags)) in segments.iter().enumerate() {
            handshake.observe(way, Tcp { flags, seq: 7 }, Timestamp(i64::try_from(n).unwrap() * 1_000));
        }
        handshake
    }

    #[test]
    fn every_state_of_zeek_is_told() {
        let cases: &[(&[(usize, u8)], &str)] = &[
            (&[(0, SYN)], "S0"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK)], "S1"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK), (0, FIN), (1, FIN)], "SF"),
            (&[(0, SYN), (1, RST)], "REJ"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK), (0, FIN)], "S2"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK), (1, FIN)], "S3"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK), (0, RST)], "RSTO"),
            (&[(0, SYN), (1, SYN_ACK), (0, ACK), (1, RST)], "RSTR"),
            (&[(0, SYN), (0, RST)], "RSTOS0"),
            (&[(1, SYN_ACK), (1, RST)], "RSTRH"),
            (&[(0, SYN), (0, FIN)], "SH"),
            (&[(1, SYN_ACK), (1, FIN)], "SHR"),
            (&[(0, ACK), (1, ACK), (0, FIN), (1, FIN)], "OTH"),
        ];
        for (segments, state) in cases {
            assert_eq!(after(segments).conn_state(0), *state, "{segments:?}");
            let mirrored: Vec<_> = segments.iter().map(|&(way, flags)| (1 - way, flags)).collect();
            assert_eq!(after(&mirrored).conn_state(1), *state, "mirrored {segments:?}");
        }
    }

    #[test]
    fn the_round_trip_is_that_of_one_clean_handshake() {
        assert_eq!(after(&[(0, SYN), (1, SYN_ACK), (0, ACK)]).rtt_us(), Some(2_000));
        assert_eq!(
            after(&[(0, SYN), (0, SYN), (1, SYN_ACK), (0, ACK)]).rtt_us(),
            None,
            "which SYN was answered?"
        );
        assert_eq!(after(&[(0, SYN), (1, SYN_ACK), (1, ACK)]).rtt_us(), None);
    }

    #[test]
    fn a_syn_on_a_closed_connection_is_another_one() {
        let closed = after(&[(0, SYN), (1, SYN_ACK), (0, ACK), (0, FIN), (1, FIN)]);
        assert!(closed.is_reused_by(Tcp { flags: SYN, seq: 8 }));
        assert!(!closed.is_reused_by(Tcp { flags: SYN, seq: 7 }), "a SYN that was late");
        assert!(!after(&[(0, SYN)]).is_reused_by(Tcp { flags: SYN, seq: 8 }));
    }
}
