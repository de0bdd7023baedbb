//! What devices say of themselves, and what they are called for it.

use std::collections::BTreeMap;

use lanscribe_core::names::claims::{Claim, ClaimSource};
use proptest::prelude::*;

use super::*;
use crate::store::{Age, Budget, Change, Retention};

const START: &str = "2026-11-20T10:00:00";

fn mac(n: u8) -> MacAddr {
    MacAddr([0, 0x11, 0x32, 0, 0, n])
}

/// Said `secs` after the start.
fn claim(n: u8, source: ClaimSource, value: &str, secs: i64) -> Claim {
    let at = Timestamp(at(START).0 + secs * 1_000_000);
    Claim { device: DeviceId(n.into()), source, value: value.into(), first: at, last: at }
}

fn say(store: &mut Store, claims: Vec<Claim>) {
    store.flush(&Batch { claims, ..Batch::default() }).unwrap();
}

/// A file with so many devices.
fn with_devices(place: &Place, count: u8) -> Store {
    let mut store = place.open("UTC").with_vendors(crate::vendor::Registry::embedded());
    let devices = (1..=count).map(|n| device(n, at(START))).collect();
    store.flush(&Batch { devices, ..Batch::default() }).unwrap();
    store
}

fn change(store: &mut Store, change: &Change) -> bool {
    store.apply(change, &BTreeMap::new()).is_ok()
}

/// All names in order of devices.
fn names(store: &Store) -> Vec<String> {
    pairs::<String, i64>(store, "SELECT name, id FROM devices ORDER BY id")
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_best_source_names_a_device_and_of_one_source_the_latest() {
    let place = Place::new();
    let mut store = with_devices(&place, 1);
    let mut called = |claims: Vec<Claim>| {
        say(&mut store, claims);
        names(&store).concat()
    };
    use ClaimSource as Of;
    assert_eq!(called(vec![claim(1, Of::DhcpVendor, "udhcp 1.30", 9)]), "Synology 00:00:01", "is no name");
    assert_eq!(called(vec![claim(1, Of::Nbns, "DISKSTATION", 9)]), "DISKSTATION");
    assert_eq!(called(vec![claim(1, Of::Dhcp, "disk", 1)]), "disk");
    assert_eq!(called(vec![claim(1, Of::Dhcp, "older", 0)]), "disk");
    assert_eq!(called(vec![claim(1, Of::Dhcp, "newer", 2)]), "newer");
    assert_eq!(called(vec![claim(1, Of::Nbns, "LATEST", 10)]), "newer");
    assert_eq!(called(vec![claim(1, Of::MdnsName, "Living room", 0)]), "Living room");
    let long = "x".repeat(200);
    assert_eq!(called(vec![claim(1, Of::MdnsName, &long, 1)]), "x".repeat(64));
}

#[test]
fn what_is_no_name_is_kept_and_names_nobody() {
    let place = Place::new();
    let mut store = with_devices(&place, 1);
    let no_names = [
        "localhost",
        "Unknown",
        "(none)",
        "192.168.1.7",
        "fe80::1",
        "12345",
        "00:11:32:00:00:01",
        "001132000001",
        "5f9ef5a2-0c0b-4d0a-9f8e-3a2b1c0d9e8f",
    ];
    say(&mut store, no_names.iter().map(|value| claim(1, ClaimSource::Mdns, value, 0)).collect());
    assert_eq!(names(&store), ["Synology 00:00:01"]);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device_names"), 9);
    for name in ["iPhone", "android-1a2b3c4d5e6f", "espressif", "Küche", "ab:cd"] {
        say(&mut store, vec![claim(1, ClaimSource::Dhcp, name, 0)]);
        assert_eq!(names(&store), [name]);
        store.db.execute_batch("DELETE FROM device_name WHERE source = 'dhcp'").unwrap();
    }
}

#[test]
fn who_calls_itself_like_another_has_its_address_behind_it() {
    let place = Place::new();
    let mut store = with_devices(&place, 4);
    let label = |n, name: Option<&str>| Change::Label { device: mac(n), name: name.map(str::to_owned) };
    let bulb = |n| claim(n, ClaimSource::Dhcp, "bulb", 0);
    // The later device was heard first.
    say(&mut store, vec![bulb(3)]);
    say(&mut store, vec![bulb(2)]);
    assert_eq!(names(&store)[1..3], ["bulb", "bulb (00:00:03)"]);
    assert!(change(&mut store, &label(4, Some("bulb"))));
    assert_eq!(names(&store)[1..], ["bulb (00:00:02)", "bulb (00:00:03)", "bulb"], "nobody is like a label");
    assert!(change(&mut store, &label(4, None)));
    assert_eq!(names(&store)[1..], ["bulb", "bulb (00:00:03)", "Synology 00:00:04"]);
    say(&mut store, vec![claim(2, ClaimSource::Dhcp, "lamp", 1)]);
    assert_eq!(names(&store)[1..3], ["lamp", "bulb"]);
    // Nobody takes the name that this program gives to another.
    let like = ["Synology 00:00:01", "bulb (00:00:03)", "other"];
    for value in like {
        say(&mut store, vec![claim(4, ClaimSource::MdnsName, value, 1)]);
        let all = names(&store);
        assert!(all[3].ends_with(" (00:00:04)"), "{all:?}");
        store.db.execute_batch("DELETE FROM device_name WHERE source = 'mdns-name'").unwrap();
    }
    // Two that end alike.
    let twin = DeviceChange { mac: Some(MacAddr([0xb8, 0x27, 0xeb, 0, 0, 3])), ..device(5, at(START)) };
    store.flush(&Batch { devices: vec![twin], claims: vec![bulb(5)], ..Batch::default() }).unwrap();
    assert_eq!(names(&store)[4], "bulb (b8:27:eb:00:00:03)");
}

/// What happens to one of a few devices.
#[derive(Clone, Debug)]
enum Step {
    Says(u8, ClaimSource, &'static str, i64),
    Labelled(u8, Option<&'static str>),
    Merged(u8, u8),
    Unmerged(u8),
}

const DEVICES: u8 = 5;
const SOURCES: [ClaimSource; 3] = [ClaimSource::MdnsName, ClaimSource::Dhcp, ClaimSource::Nbns];

/// What should be known of a device.
#[derive(Clone, Debug, Default)]
struct Model {
    label: Option<&'static str>,
    /// By source and value when it was said last.
    said: BTreeMap<(ClaimSource, &'static str), i64>,
    into: Option<usize>,
}

/// The names by the rule as it is documented, thought through from the start.
fn model_names(devices: &[Model]) -> Vec<String> {
    let root = |n: usize| devices[n].into.unwrap_or(n);
    let members = |r: usize| (0..devices.len()).filter(move |&n| root(n) == r);
    let label = |r: usize| devices[r].label.or_else(|| members(r).find_map(|n| devices[n].label));
    let wanted = |r: usize| {
        let said = members(r).flat_map(|n| devices[n].said.iter());
        let best = said.min_by_key(|((source, value), last)| (source.rank(), -**last, *value));
        best.map(|((_, value), _)| *value)
    };
    let is_taken = |r: usize, name: &str| {
        (0..devices.len()).filter(|&n| root(n) == n && n != r).any(|other| match label(other) {
            Some(label) => label == name,
            None => other < r && wanted(other) == Some(name),
        })
    };
    let name = |n: usize| {
        let r = root(n);
        let octets = format!("00:00:{:02x}", r + 1);
        match (label(r), wanted(r)) {
            (Some(label), _) => label.to_owned(),
            (None, Some(claim)) if is_taken(r, claim) => format!("{claim} ({octets})"),
            (None, Some(claim)) => claim.to_owned(),
            (None, None) => format!("Synology {octets}"),
        }
    };
    (0..devices.len()).map(name).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 1..=DEVICES;
    let text = prop::sample::select(vec!["bulb", "lamp", "bulb (kitchen"]);
    let source = prop::sample::select(SOURCES.to_vec());
    let step = prop_oneof![
        5 => (device.clone(), source, text.clone(), 0_i64..4).prop_map(|(n, of, text, at)| Step::Says(n, of, text, at)),
        2 => (device.clone(), prop::option::of(text)).prop_map(|(n, label)| Step::Labelled(n, label)),
        2 => (device.clone(), device.clone()).prop_map(|(n, into)| Step::Merged(n, into)),
        2 => device.prop_map(Step::Unmerged),
    ];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn names_hang_on_what_is_known_and_not_on_how_it_came(steps in steps()) {
        let place = Place::new();
        let mut store = with_devices(&place, DEVICES);
        store.db.execute_batch("PRAGMA synchronous = OFF").unwrap();
        let mut model = vec![Model::default(); DEVICES.into()];
        let at = |n: u8| usize::from(n) - 1;
        for step in &steps {
            match *step {
                Step::Says(n, source, value, secs) => {
                    say(&mut store, vec![claim(n, source, value, secs)]);
                    let last = model[at(n)].said.entry((source, value)).or_insert(secs);
                    *last = secs.max(*last);
                }
                Step::Labelled(n, label) => {
                    let done = change(&mut store, &Change::Label { device: mac(n), name: label.map(str::to_owned) });
                    let root = model[at(n)].into.unwrap_or(at(n));
                    match label {
                        Some(_) => model[root].label = label,
                        None => (0..model.len()).filter(|&m| model[m].into.unwrap_or(m) == root).collect::<Vec<_>>()
                            .into_iter().for_each(|m| model[m].label = None),
                    }
                    prop_assert!(done || label.is_none());
                }
                Step::Merged(n, into) => {
                    if change(&mut store, &Change::Merge { device: mac(n), into: mac(into) }) {
                        model[at(n)].into = Some(model[at(into)].into.unwrap_or(at(into)));
                    }
                }
                Step::Unmerged(n) => {
                    if change(&mut store, &Change::Unmerge { device: mac(n) }) {
                        model[at(n)].into = None;
                    }
                }
            }
            prop_assert_eq!(names(&store), model_names(&model), "after {:?}", step);
        }
    }
}

#[test]
fn a_device_has_at_most_so_many_values_and_what_was_not_heard_for_longest_goes() {
    let place = Place::new();
    let mut store = with_devices(&place, 2);
    store.run().set_labels([(mac(1), "mine".to_owned())].into());
    store.settle().unwrap();
    say(&mut store, vec![claim(1, ClaimSource::Dhcp, "steady", 500)]);
    for n in 0..100 {
        say(&mut store, vec![claim(1, ClaimSource::Mdns, &format!("x{n:02}"), n)]);
    }
    let kept = "SELECT count(*), min(value) FROM device_name WHERE source = 'mdns'";
    assert_eq!(pairs::<i64, String>(&store, kept), [(32, "x68".to_owned())]);
    let many = |source, from: i64| (0..40).map(move |n| claim(1, source, &format!("y{n:02}"), from + n));
    say(&mut store, many(ClaimSource::MdnsService, 1_000).chain(many(ClaimSource::Ssdp, 2_000)).collect());
    let left = pairs::<String, i64>(
        &store,
        "SELECT source, count(*) FROM device_name WHERE device = 1 GROUP BY source ORDER BY source",
    );
    assert_eq!(
        left,
        [("config".to_owned(), 1), ("mdns-service".to_owned(), 32), ("ssdp".to_owned(), 32)],
        "64 in all, and what its owner calls it is none of them"
    );
}

#[test]
fn what_a_device_is_follows_from_all_that_it_said() {
    let place = Place::new();
    let mut store = with_devices(&place, 1);
    let kind = |store: &Store| {
        pairs::<Option<String>, Option<String>>(store, "SELECT type, type_rule FROM devices").remove(0)
    };
    assert_eq!(kind(&store), (None, None));
    say(&mut store, vec![claim(1, ClaimSource::MdnsService, "_ipp._tcp", 0)]);
    say(&mut store, vec![claim(1, ClaimSource::Dhcp, "hp", 1)]);
    let (is, rule) = kind(&store);
    assert_eq!(is.as_deref(), Some("printer"));
    assert!(rule.is_some());
}

#[test]
fn what_nobody_said_for_long_goes_with_the_name_and_who_goes_leaves_its_name_to_others() {
    let place = Place::new();
    let mut store = with_devices(&place, 3);
    let claims = (1..=3).map(|n| claim(n, ClaimSource::Dhcp, "bulb", 0));
    say(&mut store, claims.chain([claim(3, ClaimSource::MdnsService, "_ipp._tcp", 0)]).collect());
    assert_eq!(names(&store), ["bulb", "bulb (00:00:02)", "bulb (00:00:03)"]);
    // Another run: it knows device 2 only.
    let mut store = {
        drop(store);
        place.open("UTC").with_vendors(crate::vendor::Registry::embedded())
    };
    let sweep = |store: &mut Store, days: i64| {
        let now = ms(START) + days * 86_400_000;
        store.sweep(Age { now, sure: true }, now, Retention::default(), &mut Budget::all()).unwrap();
    };
    let seen = at("2026-12-24T10:00:00");
    let known = |n: u32, number: u8| DeviceChange { id: DeviceId(n), ..device(number, seen) };
    let again = Claim { device: DeviceId(1), ..claim(2, ClaimSource::Dhcp, "bulb", 34 * 86_400) };
    store
        .flush(&Batch { devices: vec![known(1, 2), known(2, 3)], claims: vec![again], ..Batch::default() })
        .unwrap();
    sweep(&mut store, 40);
    assert_eq!(names(&store), ["bulb", "bulb (00:00:03)"], "the first one is gone, and its claims");
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device_name"), 3);
    sweep(&mut store, 399);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device_name"), 3);
    assert_eq!(
        ask::<Option<String>>(&store, "SELECT type FROM device WHERE id = 3").as_deref(),
        Some("printer")
    );
    sweep(&mut store, 401);
    assert_eq!(names(&store), ["bulb", "Synology 00:00:03"]);
    assert_eq!(ask::<Option<String>>(&store, "SELECT type FROM device WHERE id = 3"), None);
}

#[test]
fn devices_that_say_the_same_are_pointed_out_unless_they_are_merged_or_it_says_nothing() {
    let place = Place::new();
    let mut store = with_devices(&place, 1);
    let random = |n: u8, days: i64| DeviceChange {
        mac: Some(MacAddr([0x02, 0, 0, 0, 0, n])),
        ..device(n, Timestamp(at(START).0 + days * 86_400_000_000))
    };
    use ClaimSource as Of;
    let mut claims = Vec::new();
    for n in [2, 3, 4] {
        claims.push(claim(n, Of::Dhcp, "annas-phone", i64::from(n) * 86_400));
        claims.push(claim(n, Of::Duid, "000100aa", i64::from(n) * 86_400));
    }
    claims.extend([5, 6].map(|n| claim(n, Of::Dhcp, "iPhone", 0)));
    claims.extend([5, 6].map(|n| claim(n, Of::MdnsService, "_ipp._tcp", 0)));
    claims.extend([1, 6].map(|n| claim(n, Of::Mdns, "shared", 0)));
    let devices = (2..=6).map(|n| random(n, n.into())).collect();
    let interval = |n: u32, from: i64, to: i64| lanscribe_core::address_book::Interval {
        address: IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)),
        device: DeviceId(n),
        first: Timestamp(at(START).0 + from * 1_000_000),
        last: Timestamp(at(START).0 + to * 1_000_000),
        source: lanscribe_core::lan::Source::Dhcp,
    };
    let addresses = vec![interval(2, 0, 100), interval(3, 50, 150), interval(4, 200, 250)];
    store.flush(&Batch { devices, claims, addresses, ..Batch::default() }).unwrap();
    let found = |store: &Store| {
        pairs::<String, i64>(
            store,
            "SELECT substr(mac, 16) || substr(other_mac, 16) || (reason LIKE '%dhcp annas-phone%' AND reason LIKE '%duid 000100aa%'),
               at_the_same_time FROM maybe_same_device ORDER BY 1",
        )
    };
    let both = |of: &str, same: i64| (of.to_owned(), same);
    assert_eq!(found(&store), [both("03021", 1), both("04031", 0), both("06010", 0)]);
    let merge = |device: u8, into: u8| Change::Merge {
        device: MacAddr([0x02, 0, 0, 0, 0, device]),
        into: MacAddr([0x02, 0, 0, 0, 0, into]),
    };
    assert!(change(&mut store, &merge(3, 2)) && change(&mut store, &merge(4, 2)));
    assert_eq!(found(&store), [both("06010", 0)]);
    let unmerge = Change::Unmerge { device: MacAddr([0x02, 0, 0, 0, 0, 4]) };
    assert!(change(&mut store, &unmerge));
    assert_eq!(found(&store), [both("04031", 0), both("06010", 0)]);
}

#[test]
fn nobody_said_anything_later_than_the_clock_that_was_set_back() {
    use lanscribe_core::pipeline::{Event, EventKind};
    let place = Place::new();
    let mut store = with_devices(&place, 1);
    let ahead = 10 * 365 * 86_400;
    say(&mut store, vec![claim(1, ClaimSource::Dhcp, "disk", ahead)]);
    let now = Timestamp(at(START).0 + 60_000_000);
    let event = Event { at: now, kind: EventKind::ClockSet { by: Span::from_secs(-ahead) } };
    store.flush(&Batch { events: vec![event], ..Batch::default() }).unwrap();
    let seen = pairs::<i64, i64>(&store, "SELECT first_seen, last_seen FROM device_name");
    assert_eq!(seen, [(now.as_millis(), now.as_millis())]);
}
