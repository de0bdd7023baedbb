//! What a conversation's own first bytes say: the name that its client asks for, and what is spoken.
//!
//! Most conversations are told by their first segment or datagram, without any state. The others wait here, bounded, for
//! the rest of a hello, or for the moment at which they turn to TLS.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::NameSource;
use super::opening::{self, Then};
use super::stream::Stream;
use crate::bucket::Bucket;
use crate::time::{Span, Timestamp};
use crate::wire::tls::{Alpn, ClientHello};
use crate::wire::{Reading, http, quic, quic::Initials, tls};

/// Segments of each way at whose start a hello is looked for. One way alone ends the search too: a conversation in which
/// only one side speaks does not turn to TLS.
pub const SEGMENTS: u8 = 32;
/// How long a hello that began may take, by packet time.
pub const PATIENCE: Span = Span::from_secs(10);
/// Bytes kept of a stream that says nothing yet: its true start may have been overtaken by them.
pub const OVERTAKING: usize = 4_096;

/// What may be remembered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Conversations that are still looked at.
    pub flows: usize,
    /// Those of them for which bytes wait.
    pub waiting: usize,
    /// Bytes that wait, in all.
    pub bytes: usize,
    /// Datagrams that may be decrypted at once, and each second after that: this is the dearest thing that a stranger can
    /// make us do.
    pub decryptions: (u32, u32),
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: 16_384, waiting: 4_096, bytes: 4 << 20, decryptions: (2_048, 512) }
    }
}

/// What a packet said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing, and nothing will come of this conversation any more.
    Nothing,
    /// Nothing yet: the next packet is to be shown too.
    Looking,
    /// Something.
    Found(Found),
}

/// What was found out of a conversation. A later one of the same conversation says more: its name and service count where it
/// has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name asked for. Where somebody asked for an address, that: it says no more than the flow itself.
    pub name: Option<String>,
    /// Where the name comes from, if there is one.
    pub source: NameSource,
    /// The service by what was parsed, in the words of [`crate::service`] where it has one.
    pub service: Option<&'static str>,
    /// What the client offers to speak.
    pub alpn: Alpn,
    /// The client offers to encrypt the true name; see [`ClientHello::ech`].
    pub ech: bool,
    /// There may be more to find: the next packet is to be shown too.
    pub more: bool,
}

impl Found {
    fn service(service: &'static str, more: bool) -> Self {
        let (name, alpn) = (None, Alpn::default());
        Self { name, source: NameSource::Sni, service: Some(service), alpn, ech: false, more }
    }

    fn hello(hello: ClientHello, source: NameSource, otherwise: &'static str) -> Self {
        let ClientHello { server_name: name, alpn, ech } = hello;
        Self { name, source, service: Some(alpn.service().unwrap_or(otherwise)), alpn, ech, more: false }
    }
}

/// The conversations that are still looked at, by the number of their flow.
#[derive(Debug)]
pub struct Hellos {
    talks: HashMap<u64, Hello, RandomState>,
    limits: Limits,
    waiting: usize,
    bytes: usize,
    decryptions: Bucket,
    swept: Option<Timestamp>,
    /// Conversations that lost their name for want of room or of time to decrypt.
    pub lost: u64,
}

impl Default for Hellos {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Hellos {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let decryptions = Bucket::new(limits.decryptions.0, limits.decryptions.1);
        Self { talks: HashMap::default(), limits, waiting: 0, bytes: 0, decryptions, swept: None, lost: 0 }
    }

    /// A segment with payload of side `way` (0 or 1) of a TCP connection; `seq` is the number of its first byte.
    pub fn tcp(&mut self, flow: u64, way: usize, seq: u32, payload: &[u8], at: Timestamp) -> Sight {
        let mut talk = self.take(flow, at);
        let sight = talk.tcp(way & 1, seq, payload, at);
        self.settle(flow, talk, sight, at)
    }

    /// A datagram of side `way` (0 or 1).
    pub fn udp(&mut self, flow: u64, way: usize, payload: &[u8], at: Timestamp) -> Sight {
        let initial = quic::is_initial(payload);
        if !initial && !self.talks.contains_key(&flow) {
            return first_datagram(payload);
        }
        if initial && !self.decryptions.admit(at) {
            self.forget(flow);
            self.lost += 1;
            return Sight::Found(Found::service("quic", false));
        }
        let mut talk = self.take(flow, at);
        let sight = talk.udp(way & 1, payload, at);
        self.settle(flow, talk, sight, at)
    }

    /// The flow is over.
    pub fn forget(&mut self, flow: u64) {
        if let Some(talk) = self.talks.remove(&flow) {
            self.release(&talk);
        }
    }

    /// Memory held for what waits, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Conversations that are still looked at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.talks.len()
    }

    /// Whether no conversation is looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.talks.is_empty()
    }

    /// The clock was set by `by`: what waits has waited as long as before.
    pub fn shift(&mut self, by: Span) {
        for talk in self.talks.values_mut() {
            talk.since = talk.since + by;
        }
    }

    fn take(&mut self, flow: u64, at: Timestamp) -> Hello {
        let Some(talk) = self.talks.remove(&flow) else { return Hello::new(at) };
        self.release(&talk);
        talk
    }

    fn release(&mut self, talk: &Hello) {
        self.bytes -= talk.bytes();
        self.waiting -= usize::from(talk.bytes() > 0);
    }

    /// Keeps a conversation that has more to say, if there is room.
    fn settle(&mut self, flow: u64, mut talk: Hello, sight: Sight, at: Timestamp) -> Sight {
        if !matches!(&sight, Sight::Looking | Sight::Found(Found { more: true, .. })) {
            return sight;
        }
        if !self.has_room(&talk) {
            self.sweep(at);
        }
        if !self.has_room(&talk) {
            self.lost += u64::from(talk.has_begun());
            // Without its bytes it may still turn to TLS later.
            talk.wait = Wait::Nothing;
            if self.talks.len() >= self.limits.flows {
                return match sight {
                    Sight::Found(found) => Sight::Found(Found { more: false, ..found }),
                    _ => Sight::Nothing,
                };
            }
        }
        self.bytes += talk.bytes();
        self.waiting += usize::from(talk.bytes() > 0);
        self.talks.insert(flow, talk);
        sight
    }

    fn has_room(&self, talk: &Hello) -> bool {
        self.talks.len() < self.limits.flows
            && (talk.bytes() == 0
                || (self.waiting < self.limits.waiting && self.bytes + talk.bytes() <= self.limits.bytes))
    }

    /// Forgets those from which nothing came for too long. Only want of room brings this about, and at most once a second,
    /// so that it costs little whatever comes.
    fn sweep(&mut self, at: Timestamp) {
        if self.swept.is_some_and(|swept| (at - swept).abs() < Span::from_secs(1)) {
            return;
        }
        self.swept = Some(at);
        self.talks.retain(|_, talk| !talk.is_stale(at));
        self.bytes = self.talks.values().map(Hello::bytes).sum();
        self.waiting = self.talks.values().filter(|talk| talk.bytes() > 0).count();
    }
}

/// A datagram that begins a conversation, and no QUIC.
fn first_datagram(payload: &[u8]) -> Sight {
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
pub struct Hello {
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
    fn new(at: Timestamp) -> Self {
        Self { seen: [0; 2], since: at, told: None, wait: Wait::Nothing }
    }

    fn bytes(&self) -> usize {
        match &self.wait {
            Wait::Nothing => 0,
            Wait::Tcp { stream, .. } => stream.bytes(),
            Wait::Quic { initials, .. } => initials.bytes(),
        }
    }

    fn has_begun(&self) -> bool {
        matches!(self.wait, Wait::Tcp { begun: true, .. } | Wait::Quic { .. })
    }

    fn is_stale(&self, at: Timestamp) -> bool {
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

    fn tcp(&mut self, way: usize, seq: u32, payload: &[u8], at: Timestamp) -> Sight {
        if !self.goes_on(way, SEGMENTS, at) {
            return Sight::Nothing;
        }
        let own = look(payload);
        if let Look::Found(found) = own {
            // Nothing that waits can be worth more: what it says stands at its very start.
            self.wait = Wait::Nothing;
            return self.tell(found);
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

    fn udp(&mut self, way: usize, payload: &[u8], at: Timestamp) -> Sight {
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

#[cfg(test)]
mod tests;
