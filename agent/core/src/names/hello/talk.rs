//! One conversation that is looked at: what of it waits, and what its next packet says.

use super::{Found, OVERTAKING, PATIENCE, SEGMENTS, Sight};
use crate::names::NameSource;
use crate::names::opening::{self, Then};
use crate::names::stream::Stream;
use crate::time::{Span, Timestamp};
use crate::wire::{Reading, http, quic, quic::Initials, tls};

/// A datagram that begins a conversation, and no QUIC.
pub(super) fn first_datagram(payload: &[u8]) -> Sight {
    if let Some(hello) = tls::dtls_hello(payload) {
        return Sight::Found(Found::hello(hello, NameSource::Sni, "dtls"));
    }
    match opening::udp(payload) {
        Some((service, _)) => Sight::Found(Found::service(service, false)),
        None => Sight::Nothing,
    }
}

/// One conversation that is looked at.
#[derive(Debug)]
pub(super) struct Hello {
    /// Segments or datagrams of each way.
    seen: [u8; 2],
    /// When what waits began to, or when the last packet came if nothing does.
    since: Timestamp,
    /// What was said of it last.
    told: Option<(&'static str, bool)>,
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    Nothing,
    /// Bytes of one way, with a hello that has `begun` or not.
    Tcp {
        way: usize,
        stream: Stream,
        begun: bool,
    },
    Quic {
        way: usize,
        initials: Box<Initials>,
    },
}

/// What a stretch of a TCP stream is by its first bytes.
enum Look {
    Found(Found),
    /// A hello or request that needs more bytes, with what is certain of it so far.
    Begun(Option<Found>),
    Unknown,
}

impl Hello {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { seen: [0; 2], since: at, told: None, wait: Wait::Nothing }
    }

    /// The clock was set by `by`.
    pub(super) fn shift(&mut self, by: Span) {
        self.since = self.since + by;
    }

    /// Forgets what waits.
    pub(super) fn let_go(&mut self) {
        self.wait = Wait::Nothing;
    }

    /// Memory held for what waits.
    pub(super) fn bytes(&self) -> usize {
        match &self.wait {
            Wait::Nothing => 0,
            Wait::Tcp { stream, .. } => stream.bytes(),
            Wait::Quic { initials, .. } => initials.bytes(),
        }
    }

    /// Whether a name is lost if this is given up.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.wait, Wait::Tcp { begun: true, .. } | Wait::Quic { .. })
    }

    /// Whether too much time went by.
    pub(super) fn is_stale(&self, at: Timestamp) -> bool {
        at - self.since > PATIENCE
    }

    /// Says it, unless it was said before.
    fn tell(&mut self, found: Found) -> Sight {
        let telling = found.service.map(|service| (service, found.name.is_some()));
        if found.more && self.told == telling {
            return Sight::Looking;
        }
        self.told = telling;
        Sight::Found(found)
    }

    /// Counts a packet and forgets what waited for too long; `false` if it is to be looked at no longer.
    fn goes_on(&mut self, way: usize, most: u8, at: Timestamp) -> bool {
        let seen = &mut self.seen[way];
        *seen = seen.saturating_add(1);
        if *seen > most || (self.has_begun() && self.is_stale(at)) {
            return false;
        }
        if self.is_stale(at) {
            self.wait = Wait::Nothing;
        }
        if matches!(self.wait, Wait::Nothing) {
            self.since = at;
        }
        true
    }

    /// A segment with payload.
    pub(super) fn tcp(&mut self, way: usize, seq: u32, payload: &[u8], at: Timestamp) -> Sight {
        if !self.goes_on(way, SEGMENTS, at) {
            return Sight::Nothing;
        }
        let own = look(payload);
        let begun = match self.wait {
            Wait::Tcp { way, begun: true, .. } => Some(way),
            _ => None,
        };
        match own {
            // The middle of a hello may look like the start of something else, but not like a name.
            Look::Found(found) if found.name.is_some() || begun != Some(way) => {
                // What began on the other way is worth more than an answer to it.
                if begun.is_none() || !found.more {
                    self.wait = Wait::Nothing;
                }
                return self.tell(found);
            }
            _ => {}
        }
        let begins = matches!(own, Look::Begun(_));
        match &mut self.wait {
            Wait::Tcp { way: waits, stream, begun } if *waits == way => {
                let earlier = stream.distance(seq) < 0;
                // Before a hello that has begun comes only what was sent again, or a truer start of it.
                if earlier && (begins || !*begun) {
                    stream.begin_at(seq);
                }
                stream.add(seq, payload);
                let mut joined = look(stream.ready());
                if begins && matches!(joined, Look::Unknown) {
                    stream.begin_at(seq);
                    joined = look(stream.ready());
                }
                self.joined(joined)
            }
            // The other side speaks: either it waits for the rest as we do, or there was no hello.
            Wait::Tcp { begun: true, .. } => Sight::Looking,
            _ => {
                let mut stream = Stream::new(seq);
                stream.add(seq, payload);
                self.since = at;
                self.wait = Wait::Tcp { way, stream, begun: begins };
                self.joined(own)
            }
        }
    }

    /// What the stream that waits is, now that a segment was added.
    fn joined(&mut self, look: Look) -> Sight {
        let Wait::Tcp { stream, begun, .. } = &mut self.wait else { return Sight::Looking };
        match look {
            Look::Found(found) => {
                self.wait = Wait::Nothing;
                self.tell(found)
            }
            Look::Begun(_) if stream.is_full() => Sight::Nothing,
            Look::Begun(so_far) => {
                *begun = true;
                so_far.map_or(Sight::Looking, |found| self.tell(found))
            }
            Look::Unknown => {
                *begun = false;
                if stream.bytes() > OVERTAKING {
                    self.wait = Wait::Nothing;
                }
                Sight::Looking
            }
        }
    }

    /// A datagram of a conversation in which an Initial was seen, or the Initial itself.
    pub(super) fn udp(&mut self, way: usize, payload: &[u8], at: Timestamp) -> Sight {
        if !self.goes_on(way, quic::DATAGRAMS, at) {
            return Sight::Nothing;
        }
        let reading = match &mut self.wait {
            Wait::Quic { way: client, initials } if *client == way => initials.read(payload),
            Wait::Quic { .. } => return Sight::Looking,
            _ => {
                let mut initials = Box::new(Initials::new());
                let reading = initials.read(payload);
                // Else it is the server's, or the client's first one was missed.
                if initials.is_sure() {
                    self.wait = Wait::Quic { way, initials };
                }
                reading
            }
        };
        let more = match (reading, &self.wait) {
            (Reading::Whole(hello), _) => return self.tell(Found::hello(hello, NameSource::Quic, "quic")),
            (Reading::Not, Wait::Quic { .. }) => return Sight::Nothing,
            (_, Wait::Quic { initials, .. }) => initials.cut_hello(),
            _ => None,
        };
        self.tell(Found { more: true, ..Found::hello(more.unwrap_or_default(), NameSource::Quic, "quic") })
    }
}

fn look(bytes: &[u8]) -> Look {
    /// From here on a record's header and the type of its message are there: no other protocol begins so.
    const CERTAIN: usize = 6;
    match tls::hello_in_records(bytes) {
        Reading::Whole(hello) => return Look::Found(Found::hello(hello, NameSource::Sni, "tls")),
        Reading::More if bytes.len() >= CERTAIN => {
            let hello = tls::cut_hello_in_records(bytes).unwrap_or_default();
            return Look::Begun(Some(Found { more: true, ..Found::hello(hello, NameSource::Sni, "tls") }));
        }
        Reading::More | Reading::Not => {}
    }
    match http::request(bytes) {
        Reading::Whole(request) => {
            let service = Found::service("http", request.opens);
            return Look::Found(Found { name: request.host, source: NameSource::Http, ..service });
        }
        Reading::More if bytes.contains(&b' ') => return Look::Begun(None),
        Reading::More | Reading::Not => {}
    }
    match opening::tcp(bytes) {
        Some((service, then)) => Look::Found(Found::service(service, then == Then::MayTurn)),
        None => Look::Unknown,
    }
}
