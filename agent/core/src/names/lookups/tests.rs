//! Tests of lookups, beside a model that keeps everything and looks through it backwards.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::names::hours::{DnsRow, HOUR, merge};
use crate::wire::dns::tests::{Draft, FIRST, wire};

const A: u16 = 1;
const PTR: u16 = 12;

const fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

const fn client(device: u32) -> Client {
    Client { device: DeviceId(device), address: None }
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn ask(lookups: &mut Lookups, client: Client, id: u16, name: &str, at: Timestamp) {
    lookups.question(1, client, &Draft::query(id, name, A).message(), at);
}

fn tell(lookups: &mut Lookups, client: Client, id: u16, name: &str, addresses: &[u8], at: Timestamp) {
    let mut draft = Draft::response(id, name, A, 0);
    for &last in addresses {
        draft = draft.a(&FIRST, [192, 0, 2, last]);
    }
    lookups.answer(1, client, &draft.message(), at);
}

fn results(lookups: &mut Lookups) -> Vec<(String, i16, u64)> {
    lookups.hours.take().iter().map(|row| (row.name.to_string(), row.rcode.0, row.count)).collect()
}

fn called(lookups: &Lookups, client: Client, last: u8, at: Timestamp) -> Option<String> {
    lookups.name(client, v4(last), at).map(|(name, _)| name.to_string())
}

#[test]
fn an_answer_names_addresses_for_the_station_that_asked_and_for_nobody_else() {
    let mut lookups = Lookups::default();
    ask(&mut lookups, client(1), 7, "A.example", at(0));
    tell(&mut lookups, client(2), 7, "a.example", &[1], at(1));
    assert_eq!(called(&lookups, client(2), 1, at(1)), None, "it did not ask");
    tell(&mut lookups, client(1), 8, "a.example", &[2], at(1));
    tell(&mut lookups, client(1), 7, "b.example", &[2], at(1));
    lookups.answer(
        2,
        client(1),
        &Draft::response(7, "a.example", A, 0).a(&FIRST, [192, 0, 2, 2]).message(),
        at(1),
    );
    lookups.answer(
        1,
        client(1),
        &Draft::response(7, "a.example", 28, 0).a(&FIRST, [192, 0, 2, 2]).message(),
        at(1),
    );
    assert_eq!(called(&lookups, client(1), 2, at(1)), None, "another id, name, flow, type");
    tell(&mut lookups, client(1), 7, "a.EXAMPLE", &[3, 4], at(10));
    assert_eq!(called(&lookups, client(1), 3, at(10)).as_deref(), Some("a.example"));
    assert_eq!(called(&lookups, client(2), 3, at(10)), None);
    let same = [3, 4].map(|last| lookups.name(client(1), v4(last), at(10)).unwrap().0);
    assert!(Arc::ptr_eq(&same[0], &same[1]), "one name in memory");
    tell(&mut lookups, client(1), 7, "a.example", &[5], at(10));
    assert_eq!(called(&lookups, client(1), 5, at(10)), None, "answered already");
    assert_eq!(results(&mut lookups), [("a.example".into(), 0, 1)]);
}

#[test]
fn what_is_not_answered_in_ten_seconds_is_counted_as_that_and_what_is_asked_again_is_counted_again() {
    let mut lookups = Lookups::default();
    for secs in [0, 5] {
        ask(&mut lookups, client(1), 7, "a.example", at(secs));
    }
    ask(&mut lookups, client(1), 8, "b.example", at(6));
    lookups.answer(1, client(1), &Draft::response(7, "a.example", A, 3).message(), at(7));
    assert_eq!(results(&mut lookups), [("a.example".into(), 3, 1)]);
    tell(&mut lookups, client(1), 8, "b.example", &[1], at(16) + Span(1));
    assert_eq!(called(&lookups, client(1), 1, at(17)), None, "too late");
    assert_eq!(results(&mut lookups), [("a.example".into(), -1, 1)]);
    lookups.expire(at(17) + Span(1));
    assert_eq!(results(&mut lookups), [("b.example".into(), -1, 1)]);
    ask(&mut lookups, client(1), 9, "c.example", at(20));
    lookups.close();
    assert_eq!(results(&mut lookups), [("c.example".into(), -1, 1)]);
}

#[test]
fn an_address_has_the_name_it_was_given_under_last_for_a_day_and_else_the_one_given_for_it() {
    let mut lookups = Lookups::default();
    let arpa = "1.2.0.192.in-addr.arpa";
    lookups.question(1, client(1), &Draft::query(1, arpa, PTR).message(), at(0));
    let pointer = Draft::response(1, arpa, PTR, 0).record(&FIRST, PTR, &wire("ptr.example"));
    lookups.answer(1, client(1), &pointer.message(), at(1));
    assert_eq!(lookups.name(client(1), v4(1), at(2)), Some(("ptr.example".into(), NameSource::Ptr)));
    for (id, name) in [(2, "a.example"), (3, "b.example")] {
        ask(&mut lookups, client(1), id, name, at(2));
        tell(&mut lookups, client(1), id, name, &[1], at(2));
        assert_eq!(lookups.name(client(1), v4(1), at(2)), Some((name.into(), NameSource::Dns)));
    }
    let day = Span::from_secs(24 * 3600);
    assert_eq!(called(&lookups, client(1), 1, at(2) + day).as_deref(), Some("b.example"));
    assert_eq!(called(&lookups, client(1), 1, at(2) + day + Span(1)), None);
}

#[test]
fn addresses_that_no_conversation_can_have_are_not_kept() {
    let mut lookups = Lookups::default();
    ask(&mut lookups, client(1), 1, "blocked.example", at(0));
    let draft = Draft::response(1, "blocked.example", A, 0)
        .a(&FIRST, [0, 0, 0, 0])
        .a(&FIRST, [127, 0, 0, 1])
        .a(&FIRST, [224, 0, 0, 251]);
    lookups.answer(1, client(1), &draft.message(), at(0));
    assert_eq!(lookups.known.len(), 0);
}

#[test]
fn the_oldest_question_of_a_station_makes_room_and_is_counted() {
    let mut lookups = Lookups::default();
    for id in 0..65 {
        ask(&mut lookups, client(1), id, &format!("n{id}.example"), at(0));
    }
    ask(&mut lookups, client(2), 0, "other.example", at(0));
    assert_eq!(results(&mut lookups), [("n0.example".into(), -1, 1)]);
    assert_eq!((lookups.questions_evicted, lookups.pending.len()), (1, 65));
    for device in 3..=128 + 3 {
        for id in 0..64 {
            ask(&mut lookups, client(device), id, "n.example", at(0));
        }
    }
    assert_eq!(lookups.pending.len(), 8192);
    assert_eq!(lookups.questions_evicted, 1 + 129 * 64 + 65 - 8192);
    let mut twice = Draft::default();
    for _ in 0..17 {
        twice = twice.question("n.example", A);
    }
    lookups.question(1, client(1), &twice.message(), at(0));
    assert_eq!(lookups.questions_unread, 1);
}

#[test]
fn the_address_given_least_recently_makes_room() {
    let mut lookups = Lookups::default();
    let mut give = |device: u32, n: u32| {
        let octets = (0x0a00_0000 + n).to_be_bytes();
        lookups.question(1, client(device), &Draft::query(1, "a.example", A).message(), at(0));
        let draft = Draft::response(1, "a.example", A, 0).a(&FIRST, octets);
        lookups.answer(1, client(device), &draft.message(), at(0));
        (lookups.addresses_evicted, lookups.known.len(), lookups.index.len())
    };
    for n in 0..1024 {
        assert_eq!(give(1, n).0, 0);
    }
    give(1, 0);
    assert_eq!(give(1, 1024), (1, 1024, 1024));
    for device in 2..=17 {
        for n in 0..1024 {
            give(device, n);
        }
    }
    assert_eq!(give(17, 0), (1 + 1024, 16_384, 16_384));
    let known =
        |device, n: u32| lookups.name(client(device), Ipv4Addr::from_bits(0x0a00_0000 + n).into(), at(0));
    assert_eq!(known(1, 0), None);
    assert!((0..1024).all(|n| known(1, n).is_none() && known(2, n).is_some() && known(17, n).is_some()));
}

#[test]
fn nothing_waits_in_the_future_when_time_goes_back() {
    let mut lookups = Lookups::default();
    ask(&mut lookups, client(1), 1, "a.example", at(90_000));
    tell(&mut lookups, client(1), 1, "a.example", &[1], at(90_000));
    ask(&mut lookups, client(1), 2, "b.example", at(90_000));
    ask(&mut lookups, client(1), 3, "c.example", at(100));
    assert_eq!(results(&mut lookups), [("a.example".into(), 0, 1), ("b.example".into(), -1, 1)]);
    assert!(called(&lookups, client(1), 1, at(80_000)).is_some());
    assert_eq!(called(&lookups, client(1), 1, at(102) + KEPT), None, "a day from when time went back");
    tell(&mut lookups, client(1), 3, "c.example", &[3], at(101));
    assert!(called(&lookups, client(1), 3, at(101)).is_some());
}

#[test]
fn what_waits_goes_on_when_the_clock_is_set() {
    let mut lookups = Lookups::default();
    ask(&mut lookups, client(1), 1, "a.example", at(100));
    tell(&mut lookups, client(1), 1, "a.example", &[1], at(100));
    ask(&mut lookups, client(1), 2, "b.example", at(100));
    let by = Span::from_secs(1_000_000);
    lookups.hours.take();
    lookups.shift(by);
    tell(&mut lookups, client(1), 2, "b.example", &[2], at(105) + by);
    assert!(called(&lookups, client(1), 2, at(106) + by).is_some());
    assert!(called(&lookups, client(1), 1, at(106) + by).is_some());
    let rows = lookups.hours.take();
    assert_eq!((rows.len(), rows[0].window), (1, (at(100) + by).floor(HOUR)));
}

/// All that was ever asked and given.
#[derive(Default)]
struct Model {
    now: Timestamp,
    asked: Vec<Asked>,
    given: Vec<Gift>,
    /// The addresses that are remembered, the one given last behind the others, and since which gift.
    kept: Vec<(Client, IpAddr, usize)>,
}

struct Asked {
    client: Client,
    what: (u64, u16, String, u16),
    at: Timestamp,
    result: Option<i16>,
}

struct Gift {
    client: Client,
    address: IpAddr,
    name: String,
    source: NameSource,
    at: Timestamp,
}

impl Model {
    fn advance(&mut self, at: Timestamp) {
        if at < self.now - LATE {
            self.expire();
            self.now = at;
            for asked in self.asked.iter_mut().filter(|asked| asked.at > at + LATE) {
                asked.result.get_or_insert(-1);
            }
            for gift in &mut self.given {
                gift.at = gift.at.min(at + LATE);
            }
        }
        self.now = self.now.max(at);
        self.expire();
    }

    fn expire(&mut self) {
        for asked in self.asked.iter_mut().filter(|asked| asked.result.is_none()) {
            if asked.at + WAIT + LATE >= self.now {
                break;
            }
            asked.result = Some(-1);
        }
    }

    fn question(&mut self, limits: &Limits, client: Client, what: (u64, u16, String, u16), at: Timestamp) {
        self.advance(at);
        let waits = |asked: &&mut Asked| asked.result.is_none();
        if self.asked.iter_mut().filter(waits).filter(|a| a.client == client).count()
            >= limits.pending_a_client
        {
            self.asked.iter_mut().filter(waits).find(|a| a.client == client).unwrap().result = Some(-1);
        } else if self.asked.iter_mut().filter(waits).count() >= limits.pending {
            self.asked.iter_mut().find(waits).unwrap().result = Some(-1);
        }
        self.asked.push(Asked { client, what, at, result: None });
    }

    fn answer(
        &mut self,
        client: Client,
        what: &(u64, u16, String, u16),
        rcode: u8,
        at: Timestamp,
    ) -> Option<String> {
        self.advance(at);
        let fits = |asked: &&mut Asked| {
            asked.result.is_none() && asked.client == client && asked.what == *what && at - asked.at <= WAIT
        };
        let asked = self.asked.iter_mut().rev().find(fits)?;
        asked.result = Some(rcode.into());
        (rcode == 0).then(|| asked.what.2.clone())
    }

    fn give(&mut self, limits: &Limits, gift: Gift) {
        let (client, address) = (gift.client, gift.address);
        let mut since = self.given.len();
        if let Some(known) = self.kept.iter().position(|kept| (kept.0, kept.1) == (client, address)) {
            since = self.kept.remove(known).2;
        } else if self.kept.iter().filter(|kept| kept.0 == client).count() >= limits.addresses_a_client {
            let oldest = self.kept.iter().position(|kept| kept.0 == client).unwrap();
            self.kept.remove(oldest);
        } else if self.kept.len() >= limits.addresses {
            self.kept.remove(0);
        }
        self.given.push(gift);
        self.kept.push((client, address, since));
    }

    fn name(&self, client: Client, address: IpAddr, at: Timestamp) -> Option<(String, NameSource)> {
        let since = self.kept.iter().find(|kept| (kept.0, kept.1) == (client, address))?.2;
        [NameSource::Dns, NameSource::Ptr].into_iter().find_map(|source| {
            let mut gifts = self.given[since..].iter().rev();
            let last = gifts.find(|g| (g.client, g.address, g.source) == (client, address, source))?;
            (at - last.at <= KEPT).then(|| (last.name.clone(), source))
        })
    }

    fn rows(&self) -> Vec<DnsRow> {
        let mut rows = Vec::new();
        let row = |asked: &Asked| DnsRow {
            window: asked.at.floor(HOUR),
            device: asked.client.device,
            name: asked.what.2.as_str().into(),
            kind: asked.what.3,
            rcode: Rcode(asked.result.unwrap()),
            count: 1,
            first: asked.at,
            last: asked.at,
        };
        merge(&mut rows, self.asked.iter().map(row).collect(), usize::MAX);
        rows
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        client: u8,
        flow: u64,
        id: u16,
        name: u8,
    },
    /// Answers the question asked so many questions ago, as if it were this client's.
    Answer {
        ago: prop::sample::Index,
        to: Option<u8>,
        rcode: u8,
        addresses: Vec<u8>,
    },
    Expire,
    Take,
    Wait(Span),
}

fn step() -> impl Strategy<Value = Step> {
    let waits = [500, -900, 3_000, 9_000, 11_500, 40_000_000, -50_000, -90_000_000];
    prop_oneof![
        4 => (0..4_u8, 0..2_u64, 0..2_u16, 0..5_u8)
            .prop_map(|(client, flow, id, name)| Step::Ask { client, flow, id, name }),
        4 => (any::<prop::sample::Index>(), prop::option::weighted(0.1, 0..4_u8),
              prop_oneof![4 => Just(0_u8), 1 => Just(3)], prop::collection::vec(0..6_u8, 0..3))
            .prop_map(|(ago, to, rcode, addresses)| Step::Answer { ago, to, rcode, addresses }),
        1 => Just(Step::Expire),
        1 => Just(Step::Take),
        3 => prop::sample::select(waits.to_vec()).prop_map(|millis| Step::Wait(Span(millis * 1_000))),
    ]
}

/// The third and fourth client have no MAC address.
fn someone(n: u8) -> Client {
    match n {
        0 | 1 => client(u32::from(n) + 1),
        n => Client { device: DeviceId::OTHER, address: Some(v4(200 + n)) },
    }
}

proptest! {
    #[test]
    fn every_question_is_counted_once_and_every_name_is_the_last_one_given(
        limits in (1..5_usize, 2..8_usize, 1..5_usize, 2..8_usize),
        steps in prop::collection::vec(step(), 0..120)
    ) {
        let (pending_a_client, pending, addresses_a_client, addresses) = limits;
        let limits = Limits { pending_a_client, pending, addresses_a_client, addresses };
        let mut lookups = Lookups { limits, ..Lookups::default() };
        let (mut model, mut rows) = (Model::default(), Vec::new());
        let mut at = at(200_000);
        for step in steps {
            // A step of the clock is one from the time that is known, also where only a sweep told it.
            if at < lookups.now - LATE {
                model.now = model.now.max(lookups.now);
            }
            match step {
                Step::Wait(span) => at = (at + span).clamped(),
                // The model knows that time passed, and does nothing then.
                Step::Expire => {
                    lookups.expire(at);
                    model.now = model.now.max(at);
                }
                Step::Take => { merge(&mut rows, lookups.hours.take(), usize::MAX); }
                Step::Ask { client, flow, id, name } => {
                    // The last of the names is one for an address.
                    let (name, kind) = match name {
                        4 => ("1.2.0.192.in-addr.arpa".to_owned(), PTR),
                        n => (format!("n{n}.example"), A),
                    };
                    let client = someone(client);
                    lookups.question(flow, client, &Draft::query(id, &name, kind).message(), at);
                    model.question(&limits, client, (flow, id, name, kind), at);
                }
                Step::Answer { ago, to, rcode, addresses } if !model.asked.is_empty() => {
                    let asked = &model.asked[model.asked.len() - 1 - ago.index(model.asked.len().min(8))];
                    let client = to.map_or(asked.client, someone);
                    let what = asked.what.clone();
                    let (flow, id, name, kind) = &what;
                    let mut draft = Draft::response(*id, name, *kind, rcode);
                    for &last in &addresses {
                        draft = match *kind {
                            PTR => draft.record(&FIRST, PTR, &wire(&format!("p{last}.example"))),
                            _ => draft.a(&FIRST, [192, 0, 2, last]),
                        };
                    }
                    lookups.answer(*flow, client, &draft.message(), at);
                    if let Some(name) = model.answer(client, &what, rcode, at) {
                        let mut given = addresses.clone();
                        if *kind == PTR {
                            given.truncate(1);
                        }
                        for (n, &last) in given.iter().enumerate() {
                            if given[..n].contains(&last) {
                                continue;
                            }
                            let (address, name, source) = match *kind {
                                PTR => (v4(1), format!("p{last}.example"), NameSource::Ptr),
                                _ => (v4(last), name.clone(), NameSource::Dns),
                            };
                            model.give(&limits, Gift { client, address, name, source, at });
                        }
                    }
                }
                Step::Answer { .. } => {}
            }
            prop_assert!(lookups.pending.len() <= limits.pending && lookups.known.len() <= limits.addresses);
            for (n, last) in (0..4).flat_map(|n| (0..6).map(move |last| (n, last))) {
                let known = lookups.name(someone(n), v4(last), at).map(|(name, source)| (name.to_string(), source));
                prop_assert_eq!(known, model.name(someone(n), v4(last), at));
            }
        }
        lookups.close();
        for asked in &mut model.asked {
            asked.result.get_or_insert(-1);
        }
        merge(&mut rows, lookups.hours.take(), usize::MAX);
        prop_assert_eq!(rows, model.rows());
        prop_assert_eq!((lookups.hours.folded, lookups.pending.len()), (0, 0));
    }
}
