//! What a conversation's own first bytes say: the name that its client asks for, and what is spoken.
//!
//! Most conversations are told by their first segment or datagram, without any state. The others wait here, bounded, for
//! the rest of a hello, or for the moment at which they turn to TLS.

mod talk;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use self::talk::Hello;
use super::NameSource;
use crate::bucket::Bucket;
use crate::time::{Span, Timestamp};
use crate::wire::quic;
use crate::wire::tls::{Alpn, ClientHello};

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
            return talk::first_datagram(payload);
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
            talk.shift(by);
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
            talk.let_go();
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

#[cfg(test)]
mod tests;
