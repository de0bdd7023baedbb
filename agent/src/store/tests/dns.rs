//! The table of questions.

use lanscribe_core::flow::naming::Hidden;
use lanscribe_core::names::hours::{DnsRow, Rcode};
use lanscribe_core::names::{Name, NameSource};

use super::*;
use crate::store::{Age, Budget, Retention};

fn asked(name: &str, kind: u16, rcode: i16, at: Timestamp, count: u64) -> DnsRow {
    DnsRow {
        window: at.floor(Span::from_secs(3600)),
        device: DeviceId(1),
        name: name.into(),
        kind,
        rcode: Rcode(rcode),
        count,
        first: at,
        last: Timestamp(at.0 + 5_000_000),
    }
}

#[test]
fn questions_add_up_by_the_hour_and_are_shown_in_words() {
    let (place, start) = (Place::new(), at("2026-11-20T10:30:00"));
    let mut store = place.open("UTC");
    let devices = vec![device(1, start)];
    let dns = vec![
        asked("a.example", 28, 0, start, 2),
        asked("a.example", 1, 3, start, 1),
        asked("b.example", 65, -1, start, 1),
        asked("c.example", 999, 23, start, 1),
        DnsRow { kind: 0, ..asked("*", 0, 2, start, 7) },
    ];
    store.flush(&Batch { devices, dns, ..Batch::default() }).unwrap();
    let before = Timestamp(start.0 - 60_000_000);
    let next = at("2026-11-20T11:00:00");
    let dns = vec![asked("a.example", 28, 0, before, 3), asked("a.example", 28, 0, next, 1)];
    store.flush(&Batch { dns, ..Batch::default() }).unwrap();
    let rows = pairs::<String, String>(
        &store,
        "SELECT name || ' ' || type || ' ' || rcode || ' ' || count, first_utc || ' ' || last_utc FROM dns_queries
         WHERE device = (SELECT name FROM devices) ORDER BY window, name, type",
    );
    let rows: Vec<String> = rows.into_iter().map(|(what, when)| format!("{what}, {when}")).collect();
    assert_eq!(
        rows,
        [
            "* * SERVFAIL 7, 2026-11-20 10:30:00 2026-11-20 10:30:05",
            "a.example A NXDOMAIN 1, 2026-11-20 10:30:00 2026-11-20 10:30:05",
            "a.example AAAA NOERROR 5, 2026-11-20 10:29:00 2026-11-20 10:30:05",
            "b.example HTTPS no answer 1, 2026-11-20 10:30:00 2026-11-20 10:30:05",
            "c.example 999 23 1, 2026-11-20 10:30:00 2026-11-20 10:30:05",
            "a.example AAAA NOERROR 1, 2026-11-20 11:00:00 2026-11-20 11:00:05",
        ]
    );
}

#[test]
fn questions_are_kept_as_long_as_hours_and_never_longer_than_400_days() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let start = at("2026-11-20T10:00:00");
    let days = |n: i64| Timestamp(start.0 + n * 86_400_000_000);
    let dns = (0..500).map(|n| asked("a.example", 1, 0, days(n), 1)).collect();
    store.flush(&Batch { devices: vec![device(1, start)], dns, ..Batch::default() }).unwrap();
    let now = Age { now: days(500).as_millis(), sure: true };
    let left = |store: &mut Store, hours: u32| {
        let retention = Retention { hours, ..Retention::default() };
        store.retain(now, retention, &mut Budget::all()).unwrap();
        ask::<i64>(store, "SELECT count(*) FROM dns_queries")
    };
    assert_eq!(left(&mut store, 1_000), 400);
    assert_eq!(left(&mut store, 90), 90);
}

#[test]
fn devices_that_hide_their_questions_are_listed_with_whom_they_ask() {
    let (place, start) = (Place::new(), at("2026-11-20T10:00:00"));
    let mut store = place.open("UTC");
    let name = Name::new("dns.example", NameSource::Sni);
    let hides = |id: u64, part: u32, hidden, name: Option<&Name>| FlowRecord {
        hidden,
        part,
        name: name.cloned(),
        ..flow(id, Timestamp(start.0 + 1_000_000 * i64::from(part)))
    };
    let flows = vec![
        hides(0, 0, Some(Hidden::Doh), Some(&name)),
        hides(0, 1, Some(Hidden::Doh), Some(&name)),
        hides(1, 0, Some(Hidden::Doh), Some(&name)),
        hides(2, 0, Some(Hidden::Dot), None),
        hides(3, 0, Some(Hidden::Ech), Some(&name)),
        hides(4, 0, None, Some(&name)),
        FlowRecord { opened_here: Some(false), ..hides(5, 0, Some(Hidden::Dot), None) },
    ];
    store.flush(&Batch { flows, ..batch(vec![]) }).unwrap();
    let rows = pairs::<String, i64>(
        &store,
        "SELECT mac || ' ' || how || ' ' || resolver || ' ' || flows || ' ' || last_utc, bytes_up FROM hidden_dns ORDER BY how",
    );
    assert_eq!(
        rows,
        [
            ("00:11:32:00:00:01 doh dns.example 2 2026-11-20 10:00:01".to_owned(), 300),
            ("00:11:32:00:00:01 dot 8.8.8.8 1 2026-11-20 10:00:00".to_owned(), 100),
        ]
    );
    let zeek = pairs::<String, Option<String>>(&store, "SELECT uid, server_name FROM conn ORDER BY uid");
    assert_eq!(zeek.len(), 6);
    assert_eq!(zeek[0], ("F0".to_owned(), Some("dns.example".to_owned())));
}

#[test]
fn one_address_under_several_names_is_several_peers_and_the_sums_stay() {
    let (place, start) = (Place::new(), at("2026-11-20T10:00:00"));
    for order in [[NameSource::Dns, NameSource::Sni], [NameSource::Sni, NameSource::Dns]] {
        let mut store = Place::open(&place, "UTC");
        let named = |n: u32, text: &str, source| match remote(n) {
            Endpoint::Remote(address, _) => Endpoint::Remote(address, Some(Name::new(text, source))),
            other => other,
        };
        let rows = vec![
            row(named(1, "a.example", order[0]), 443, 10),
            row(named(1, "a.example", order[1]), 443, 20),
            row(named(1, "b.example", NameSource::Ptr), 443, 30),
            row(named(2, "a.example", NameSource::Quic), 443, 40),
            row(remote(1), 443, 50),
        ];
        // In the open hour, and once it is rolled.
        store.flush(&batch(vec![minute(start, rows)])).unwrap();
        for _ in 0..2 {
            assert_law(&store);
            let peers = pairs::<String, i64>(
                &store,
                "SELECT peer || ' ' || coalesce(name_source, '-') || ' ' || addresses, bytes_up FROM device_endpoints ORDER BY 1",
            );
            let peers: Vec<String> = peers.iter().map(|(peer, bytes)| format!("{peer} {bytes}")).collect();
            assert_eq!(peers, ["8.0.0.1 - 1 50", "a.example sni 2 70", "b.example ptr 1 30"],);
            store.flush(&batch(vec![minute(at("2026-11-20T12:00:00"), vec![])])).unwrap();
        }
        let known = pairs::<String, String>(
            &store,
            "SELECT name || ' ' || address, name_source FROM endpoints WHERE name IS NOT NULL ORDER BY 1",
        );
        let known: Vec<String> = known.iter().map(|(name, source)| format!("{name} {source}")).collect();
        assert_eq!(known, ["a.example 8.0.0.1 sni", "a.example 8.0.0.2 quic", "b.example 8.0.0.1 ptr"]);
        drop(store);
        std::fs::remove_file(place.path()).unwrap();
    }
}
