//! Tests of the DNS reader, and the small writer of messages that they, and those of lookups, are made with.

use proptest::prelude::*;

use super::*;

/// A message under construction: names are written without compression unless a pointer is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Draft(Vec<u8>);

/// Where the first question's name stands.
pub(crate) const FIRST: [u8; 2] = [192, 12];

/// A name as it is written, each label with its length.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

impl Draft {
    pub(crate) fn query(id: u16, name: &str, kind: u16) -> Self {
        Self::default().header(id, 0x0100).question(name, kind)
    }

    pub(crate) fn response(id: u16, name: &str, kind: u16, rcode: u8) -> Self {
        Self::default().header(id, 0x8180 | u16::from(rcode)).question(name, kind)
    }

    fn header(mut self, id: u16, flags: u16) -> Self {
        self.0[..2].copy_from_slice(&id.to_be_bytes());
        self.0[2..4].copy_from_slice(&flags.to_be_bytes());
        self
    }

    pub(crate) fn question(mut self, name: &str, kind: u16) -> Self {
        self.0.extend(wire(name));
        self.0.extend(kind.to_be_bytes());
        self.0.extend(INTERNET.to_be_bytes());
        self.one_more(4)
    }

    pub(crate) fn record(mut self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.0.extend(owner);
        self.0.extend(kind.to_be_bytes());
        self.0.extend(INTERNET.to_be_bytes());
        self.0.extend([0, 0, 0, 60]);
        self.0.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.0.extend(data);
        self.one_more(6)
    }

    pub(crate) fn a(self, owner: &[u8], address: [u8; 4]) -> Self {
        self.record(owner, A, &address)
    }

    fn one_more(mut self, at: usize) -> Self {
        let many = be16(&self.0, at).unwrap() + 1;
        self.0[at..at + 2].copy_from_slice(&many.to_be_bytes());
        self
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message::read(&self.0).unwrap()
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self(vec![0; HEADER])
    }
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn addresses(draft: &Draft) -> Vec<IpAddr> {
    draft.message().addresses().0
}

#[test]
fn a_query_says_what_is_asked_for() {
    let draft = Draft::query(7, "WWW.Example.org", AAAA);
    let message = draft.message();
    assert_eq!((message.id(), message.is_response(), message.opcode(), message.rcode()), (7, false, 0, 0));
    let asked = Question { name: "www.example.org".into(), kind: AAAA, class: INTERNET };
    assert_eq!(message.questions().collect::<Vec<_>>(), [asked]);
    let refused = Draft::response(7, "www.example.org", AAAA, 5);
    assert_eq!((refused.message().is_response(), refused.message().rcode()), (true, 5));
    let root = Draft::query(7, ".", 2);
    assert_eq!(root.message().questions().next().unwrap().name, ".");
}

#[test]
fn an_answer_gives_the_addresses_of_the_name_that_was_asked_and_of_no_other() {
    let draft = Draft::response(1, "a.example", A, 0)
        .a(&FIRST, [192, 0, 2, 1])
        .a(&wire("A.EXAMPLE"), [192, 0, 2, 2])
        .a(&wire("b.example"), [192, 0, 2, 3])
        .a(&FIRST, [192, 0, 2, 1])
        .record(&FIRST, A, &[192, 0, 2])
        .record(&FIRST, AAAA, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(addresses(&draft), [v4(1), v4(2), "fd00::9".parse().unwrap()]);
}

#[test]
fn aliases_are_followed_in_any_order_and_circles_end() {
    let draft = Draft::response(1, "a.example", A, 0)
        .a(&wire("c.example"), [192, 0, 2, 3])
        .record(&wire("b.example"), CNAME, &wire("c.example"))
        .record(&wire("c.example"), CNAME, &wire("a.example"))
        .record(&FIRST, CNAME, &wire("b.example"))
        .record(&wire("x.example"), CNAME, &wire("y.example"))
        .a(&wire("y.example"), [192, 0, 2, 4]);
    assert_eq!(addresses(&draft), [v4(3)]);
}

#[test]
fn a_chain_of_sixteen_aliases_leads_back_and_one_of_seventeen_does_not() {
    let chain = |length: usize| {
        let mut draft = Draft::response(1, "n0.example", A, 0);
        for n in 0..length {
            draft =
                draft.record(&wire(&format!("n{n}.example")), CNAME, &wire(&format!("n{}.example", n + 1)));
        }
        addresses(&draft.a(&wire(&format!("n{length}.example")), [192, 0, 2, 1]))
    };
    assert_eq!(chain(ALIASES), [v4(1)]);
    assert_eq!(chain(ALIASES + 1), [] as [IpAddr; 0]);
}

#[test]
fn hints_of_a_service_are_addresses_too() {
    let service = [
        &[0, 1, 0][..],
        &[0, 1, 0, 3, 2, b'h', b'3'],
        &[0, 4, 0, 8, 192, 0, 2, 1, 192, 0, 2, 2],
        &[0, 6, 0, 16, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    ]
    .concat();
    let draft = Draft::response(1, "a.example", HTTPS, 0).record(&FIRST, HTTPS, &service);
    assert_eq!(addresses(&draft), [v4(1), v4(2), "fd00::9".parse().unwrap()]);
    let alias = [&[0, 0][..], &wire("b.example")].concat();
    let draft = Draft::response(1, "a.example", HTTPS, 0).record(&FIRST, HTTPS, &alias).record(
        &wire("b.example"),
        HTTPS,
        &service[..15],
    );
    assert_eq!(addresses(&draft), [] as [IpAddr; 0], "cut in the middle of a hint");
    let draft = draft.a(&wire("b.example"), [192, 0, 2, 7]);
    assert_eq!(addresses(&draft), [v4(7)]);
}

#[test]
fn a_name_for_an_address_is_given_for_the_address_that_was_asked_for() {
    let arpa = "7.2.0.192.in-addr.arpa";
    let draft = Draft::response(1, arpa, PTR, 0)
        .record(&FIRST, CNAME, &wire("7.0-127.2.0.192.in-addr.arpa"))
        .record(&wire("7.0-127.2.0.192.in-addr.arpa"), PTR, &wire("Host.example"))
        .record(&wire("8.2.0.192.in-addr.arpa"), PTR, &wire("other.example"));
    assert_eq!(draft.message().pointers(), [(v4(7), "host.example".to_owned())]);
    let six = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa";
    let draft = Draft::response(1, six, PTR, 0).record(&FIRST, PTR, &wire("six.example"));
    assert_eq!(draft.message().pointers(), [("2001:db8::9".parse().unwrap(), "six.example".to_owned())]);
    for none in ["7.2.0.in-addr.arpa", "256.2.0.192.in-addr.arpa", "x.ip6.arpa", "7.2.0.192.example"] {
        let draft = Draft::response(1, none, PTR, 0).record(&FIRST, PTR, &wire("host.example"));
        assert_eq!(draft.message().pointers(), [], "{none}");
    }
}

#[test]
fn what_was_cut_or_damaged_behind_a_question_still_asks() {
    let draft = Draft::response(1, "a.example", A, 0).question("b.example", A).a(&FIRST, [192, 0, 2, 1]);
    let names = |bytes| Message::read(bytes).map(|m| m.questions().map(|q| q.name).collect::<Vec<_>>());
    let first = HEADER + 15;
    assert_eq!(names(&draft.0[..first - 1]), None);
    assert_eq!(names(&draft.0[..first]).unwrap(), ["a.example"]);
    assert!(Message::read(&draft.0[..first]).unwrap().has_more_questions());
    assert_eq!(names(&draft.0).unwrap(), ["a.example", "b.example"]);
    assert_eq!(addresses(&draft), [v4(1)]);
    let cut = Message::read(&draft.0[..draft.0.len() - 1]).unwrap();
    assert_eq!((cut.has_more_questions(), cut.addresses().0.len()), (false, 0));
    for nothing in [&[][..], &[0; 11], &[0; 12], &[255; 100]] {
        assert!(Message::read(nothing).is_none());
    }
}

#[test]
fn limits_hold_for_all_that_a_message_may_hold_many_of() {
    let mut draft = Draft::response(1, "a.example", A, 0);
    for n in 0..=u8::try_from(ADDRESSES).unwrap() {
        draft = draft.a(&FIRST, [192, 0, 2, n]);
    }
    assert_eq!(addresses(&draft).len(), ADDRESSES);
    let hints: Vec<_> = (0..2 * ADDRESSES).flat_map(|n| [192, 0, 2, u8::try_from(n).unwrap()]).collect();
    let length = u16::try_from(hints.len()).unwrap().to_be_bytes();
    let service = [&[0, 1, 0, 0, 4], &length[..], &hints].concat();
    let draft = Draft::response(1, "a.example", HTTPS, 0).record(&FIRST, HTTPS, &service);
    assert_eq!(addresses(&draft).len(), ADDRESSES);
    let mut draft = Draft::response(1, "7.2.0.192.in-addr.arpa", PTR, 0);
    for _ in 0..=POINTERS {
        draft = draft.record(&FIRST, PTR, &wire("host.example"));
    }
    assert_eq!(draft.message().pointers().len(), POINTERS);
    let mut draft = Draft::default();
    for _ in 0..=QUESTIONS {
        draft = draft.question("a.example", A);
    }
    assert_eq!(draft.message().questions().count(), QUESTIONS);
    assert!(draft.message().has_more_questions());
}

#[test]
fn compression_goes_back_and_comes_to_an_end() {
    let read = |bytes: &[u8], at| labels(bytes, at).map(|(name, end)| (name.to_text(), end));
    let bytes = [1, b'a', 0, 1, b'b', 192, 0, 192, 3, 192, 9, 192, 13, 0];
    assert_eq!(read(&bytes, 3), Some(("b.a".into(), 7)));
    assert_eq!(read(&bytes, 7), Some(("b.a".into(), 9)));
    assert_eq!(read(&bytes, 9), None, "it leads to itself");
    assert_eq!(read(&bytes, 11), None, "it leads ahead");
    assert_eq!(read(&[1, b'a', 192, 0], 0), None, "round and round");
    let far: Vec<u8> = [0, 0].into_iter().chain((0..128_u8).flat_map(|n| [192, 2 * n])).collect();
    assert_eq!(read(&far, 2 * JUMPS), Some((".".into(), 2 * JUMPS + 2)));
    assert_eq!(read(&far, 2 * JUMPS + 2), None, "more pointers than a name has labels");
    let longest = wire(&format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61)));
    assert_eq!(longest.len(), LONGEST);
    assert!(labels(&longest, 0).is_some());
    let longer = wire(&format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(62)));
    assert_eq!(labels(&longer, 0), None);
}

#[test]
fn messages_over_tcp_follow_each_other_with_their_lengths() {
    let stream = [0, 3, b'a', b'b', b'c', 0, 0, 0, 1, b'd', 0, 2, b'e'];
    let (messages, consumed) = tcp_messages(&stream);
    assert_eq!(messages.collect::<Vec<_>>(), [&b"abc"[..], b"", b"d"]);
    assert_eq!(consumed, 10);
    assert_eq!(tcp_messages(&stream[..1]).1, 0);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_none_give_more_than_the_limits(
        mut bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(12), Just(192), any::<u8>()], 0..400),
        counts in any::<[u8; 2]>()
    ) {
        for (at, count) in [5, 7].into_iter().zip(counts) {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = count;
            }
        }
        if let Some(message) = Message::read(&bytes) {
            prop_assert!((1..=QUESTIONS).contains(&message.questions().count()));
            prop_assert!(message.questions().all(|q| q.name.len() <= text::LONGEST_DOMAIN && q.class < 0x8000));
            prop_assert!(message.addresses().0.len() <= ADDRESSES);
            prop_assert!(message.pointers().len() <= POINTERS);
        }
        let (messages, consumed) = tcp_messages(&bytes);
        prop_assert_eq!(messages.map(|message| message.len() + 2).sum::<usize>(), consumed);
    }

    #[test]
    fn a_name_that_is_written_with_compression_is_read_as_it_was(
        labels_of in prop::collection::vec("[a-z0-9_-]{1,12}", 1..8), cut in any::<prop::sample::Index>()
    ) {
        let cut = cut.index(labels_of.len());
        let tail = wire(&labels_of[cut..].join("."));
        let mut bytes = tail.clone();
        let head = wire(&labels_of[..cut].join("."));
        bytes.extend(&head[..head.len() - 1]);
        bytes.extend([192, 0]);
        let (name, end) = labels(&bytes, tail.len()).unwrap();
        prop_assert_eq!(name.to_text(), labels_of.join("."));
        prop_assert_eq!(end, bytes.len());
        prop_assert_eq!(skip(&bytes, tail.len()), Some(end));
    }
}
