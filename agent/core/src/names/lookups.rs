//! DNS lookups: who asked for what, what became of it, and so under which name a station knows an address. An answer
//! counts for the station alone that asked: what another was told, or nobody asked for, names nothing.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::NameSource;
use super::hours::{Hours, Rcode};
use super::queue::Queue;
use super::shared::Shared;
use crate::addr::is_group;
use crate::device::DeviceId;
use crate::pipeline::LATE;
use crate::time::{Span, Timestamp};
use crate::wire::dns::Message;

/// An answer comes within this time: resolvers ask again after five seconds and give up soon.
pub const WAIT: Span = Span::from_secs(10);
/// How long an address has the name that it was given under. Devices use addresses much longer than their TTL allows, but
/// after a day the address of a cloud may be somebody else's.
pub const KEPT: Span = Span::from_secs(24 * 3600);

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Questions of a station that may wait for an answer. A browser asks some dozens at once.
    pending_a_client: usize,
    /// Questions that may wait for an answer.
    pending: usize,
    /// Addresses of a station that have a name. A phone is given some hundred in a day.
    addresses_a_client: usize,
    /// Addresses that have a name.
    addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pending_a_client: 64, pending: 8192, addresses_a_client: 1024, addresses: 16_384 }
    }
}

/// The station that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Who it is.
    pub device: DeviceId,
    /// Its address where no MAC address says who it is, so that the device is [`DeviceId::OTHER`].
    pub address: Option<IpAddr>,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Pending {
    flow: u64,
    id: u16,
    kind: u16,
    name: Arc<str>,
    at: Timestamp,
}

/// A name that an address was given under, and when.
type Given = Option<(Arc<str>, Timestamp)>;

/// An address as a station knows it.
#[derive(Debug)]
struct Known {
    address: IpAddr,
    /// By asking for the name.
    asked: Given,
    /// By asking for the address.
    pointer: Given,
}

/// The questions that wait, the addresses that have names, and the questions of the hours.
#[derive(Debug, Default)]
pub struct Lookups {
    /// What was asked, and what became of it.
    pub hours: Hours,
    pending: Queue<Client, Pending>,
    known: Queue<Client, Known>,
    /// Positions in `known` with the hash of who knows which address, so that no packet pays for hashing all of them when
    /// the table grows.
    index: HashTable<(u64, u32)>,
    hasher: RandomState,
    names: Shared,
    limits: Limits,
    /// The latest that is known of.
    now: Timestamp,
    /// Questions that counted as not answered early, to make room.
    pub questions_evicted: u64,
    /// Addresses that lost their name to make room.
    pub addresses_evicted: u64,
    /// Messages that held, or claimed to hold, more questions than were read.
    pub questions_unread: u64,
}

impl Lookups {
    /// `client` asks in flow number `flow`. One that is asked again is one more.
    pub fn question(&mut self, flow: u64, client: Client, message: &Message<'_>, at: Timestamp) {
        self.advance(at);
        self.questions_unread += u64::from(message.has_more_questions());
        for question in message.questions() {
            if self.pending.len_of(client) >= self.limits.pending_a_client {
                self.questions_evicted += 1;
                self.give_up(self.pending.oldest_of(client));
            } else if self.pending.len() >= self.limits.pending {
                self.questions_evicted += 1;
                self.give_up(self.pending.oldest());
            }
            let name = self.names.share(&question.name);
            self.pending.push(client, Pending { flow, id: message.id(), kind: question.kind, name, at });
        }
    }

    /// `client` is answered in flow number `flow`. Of questions that are alike the latest is answered.
    pub fn answer(&mut self, flow: u64, client: Client, message: &Message<'_>, at: Timestamp) {
        self.advance(at);
        let rcode = Rcode(message.rcode().into());
        for (n, question) in message.questions().enumerate() {
            let answered = |pending: &Pending| {
                pending.flow == flow
                    && pending.id == message.id()
                    && pending.kind == question.kind
                    && *pending.name == *question.name
                    && at - pending.at <= WAIT
            };
            let found = self.pending.of(client).find(|(_, pending)| answered(pending)).map(|(slot, _)| slot);
            let Some(name) = self.settle(found, rcode) else { continue };
            if n == 0 && rcode == Rcode(0) {
                self.learn(client, &name, message, at);
            }
            self.names.release(&name);
        }
    }

    /// What `client` calls `address` at `at`: the name that it asked for when it was given the address last, else the one
    /// that it was given for the address.
    #[must_use]
    pub fn name(&self, client: Client, address: IpAddr, at: Timestamp) -> Option<(Arc<str>, NameSource)> {
        let (_, known) = self.known.get(self.find(client, address).1?)?;
        let named = |given: &Given, source| {
            let (name, _) = given.as_ref().filter(|(_, given)| at - *given <= KEPT)?;
            Some((Arc::clone(name), source))
        };
        named(&known.asked, NameSource::Dns).or_else(|| named(&known.pointer, NameSource::Ptr))
    }

    /// Time passed, up to `now`: what was not answered in time is counted. It may be said at any time, or never, for
    /// each message does the same first.
    pub fn expire(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        while let Some(oldest) = self.overdue() {
            self.give_up(Some(oldest));
        }
    }

    /// It is over: nothing is waited for any more.
    pub fn close(&mut self) {
        while let Some(oldest) = self.pending.oldest() {
            self.give_up(Some(oldest));
        }
    }

    /// Time went back to `at`: what was asked later than that is not answered any more, and names that were given later
    /// are as if given now.
    pub fn step_back(&mut self, at: Timestamp) {
        self.expire(self.now);
        self.now = at;
        let limit = at + LATE;
        let beyond = self.pending.iter().filter(|(_, pending)| pending.at > limit);
        for slot in beyond.map(|(slot, _)| slot).collect::<Vec<_>>() {
            self.give_up(Some(slot));
        }
        for (_, given) in self.known.values_mut().flat_map(Known::given) {
            *given = (*given).min(limit);
        }
    }

    /// The clock was set by `by`: what waits and what is known goes on in the new time.
    pub fn shift(&mut self, by: Span) {
        let asked = self.pending.values_mut().map(|pending| &mut pending.at);
        let given = self.known.values_mut().flat_map(Known::given).map(|(_, given)| given);
        for at in asked.chain(given).chain([&mut self.now]) {
            *at = (*at + by).clamped();
        }
        self.hours.forget();
    }

    fn advance(&mut self, at: Timestamp) {
        if at < self.now - LATE {
            self.step_back(at);
        }
        self.expire(at);
    }

    /// The oldest question if its answer, which may be late as any frame, cannot come any more.
    fn overdue(&self) -> Option<u32> {
        let oldest = self.pending.oldest()?;
        let (_, pending) = self.pending.get(oldest)?;
        (pending.at + WAIT + LATE < self.now).then_some(oldest)
    }

    fn give_up(&mut self, slot: Option<u32>) {
        if let Some(name) = self.settle(slot, Rcode::NO_ANSWER) {
            self.names.release(&name);
        }
    }

    /// Counts a question, which waits no more, and returns its name.
    fn settle(&mut self, slot: Option<u32>, rcode: Rcode) -> Option<Arc<str>> {
        let (client, Pending { kind, name, at, .. }) = self.pending.remove(slot?)?;
        self.hours.count(client.device, &name, kind, rcode, at);
        Some(name)
    }

    fn learn(&mut self, client: Client, name: &Arc<str>, message: &Message<'_>, at: Timestamp) {
        let useful =
            |address: &IpAddr| !address.is_unspecified() && !address.is_loopback() && !is_group(*address);
        for address in message.addresses().0.into_iter().filter(useful) {
            if let Some(known) = self.know(client, address)
                && let Some((old, _)) = known.asked.replace((Arc::clone(name), at))
            {
                self.names.release(&old);
            }
        }
        // Of several names for one address there is no telling which is meant: the first.
        if let Some((address, name)) = message.pointers().into_iter().next().filter(|(of, _)| useful(of)) {
            let name = self.names.share(&name);
            if let Some(known) = self.know(client, address)
                && let Some((old, _)) = known.pointer.replace((name, at))
            {
                self.names.release(&old);
            }
        }
    }

    /// The hash of who knows which address, and where that is in `known`.
    fn find(&self, client: Client, address: IpAddr) -> (u64, Option<u32>) {
        let hash = self.hasher.hash_one((client, address));
        let is =
            |slot| self.known.get(slot).is_some_and(|(who, known)| who == client && known.address == address);
        let found = self.index.find(hash, |&(other, slot)| other == hash && is(slot));
        (hash, found.map(|&(_, slot)| slot))
    }

    /// What `client` knows of `address`, which it was given just now.
    fn know(&mut self, client: Client, address: IpAddr) -> Option<&mut Known> {
        let (hash, found) = self.find(client, address);
        let slot = if let Some(slot) = found {
            self.known.renew(slot);
            slot
        } else {
            if self.known.len_of(client) >= self.limits.addresses_a_client {
                self.forget(self.known.oldest_of(client));
            } else if self.known.len() >= self.limits.addresses {
                self.forget(self.known.oldest());
            }
            let slot = self.known.push(client, Known { address, asked: None, pointer: None });
            self.index.insert_unique(hash, (hash, slot), |(hash, _)| *hash);
            slot
        };
        self.known.get_mut(slot)
    }

    fn forget(&mut self, slot: Option<u32>) {
        let Some(slot) = slot else { return };
        let Some((client, known)) = self.known.remove(slot) else { return };
        self.addresses_evicted += 1;
        let hash = self.hasher.hash_one((client, known.address));
        if let Ok(entry) = self.index.find_entry(hash, |&(_, other)| other == slot) {
            entry.remove();
        }
        for (name, _) in [known.asked, known.pointer].into_iter().flatten() {
            self.names.release(&name);
        }
    }
}

impl Known {
    fn given(&mut self) -> impl Iterator<Item = &mut (Arc<str>, Timestamp)> {
        [&mut self.asked, &mut self.pointer].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
