//! What devices are called.

use super::*;

/// Every name by its MAC address.
fn names(store: &Store) -> Vec<String> {
    pairs::<String, String>(store, "SELECT name, mac FROM devices ORDER BY mac")
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_label_of_the_configuration_is_given_now_or_when_the_device_comes_and_goes_with_it() {
    let place = Place::new();
    let mut store = place.open("UTC").with_vendors(crate::vendor::Registry::embedded());
    let start = at("2026-11-20T10:00:00");
    store.flush(&Batch { devices: vec![device(1, start)], ..Batch::default() }).unwrap();
    assert_eq!(names(&store), ["Synology 00:00:01"]);
    let labels = [1, 2].map(|n| (MacAddr([0, 0x11, 0x32, 0, 0, n]), format!("disk {n}")));
    store.run().set_labels(labels.into());
    store.settle().unwrap();
    assert_eq!(names(&store), ["disk 1"]);
    store.flush(&batch(vec![minute(start, rows_of_all_classes())])).unwrap();
    assert_eq!(names(&store), ["disk 1", "disk 2"]);
    let mut run = store.suspend();
    run.set_labels([(MacAddr([0, 0x11, 0x32, 0, 0, 1]), "box".to_owned())].into());
    let store = run.open().unwrap();
    assert_eq!(names(&store), ["box", "Synology 00:00:02"]);
    // Who knows no configuration changes nothing.
    let path = place.path();
    drop(store);
    let store = Store::open(&path, None).unwrap();
    assert_eq!(names(&store), ["box", "Synology 00:00:02"]);
    let kept = "SELECT source, value FROM device_name";
    assert_eq!(pairs::<String, String>(&store, kept), [("config".to_owned(), "box".to_owned())]);
}

#[test]
fn a_device_that_the_configuration_no_longer_names_is_called_what_its_owner_called_it() {
    let place = Place::new();
    let mut store = place.open("UTC").with_vendors(crate::vendor::Registry::embedded());
    let start = at("2026-11-20T10:00:00");
    let devices = vec![device(1, start), device(2, start)];
    store.flush(&Batch { devices, ..Batch::default() }).unwrap();
    let mac = |n| MacAddr([0, 0x11, 0x32, 0, 0, n]);
    let label = |n, name: &str| super::super::Change::Label { device: mac(n), name: Some(name.to_owned()) };
    store.apply(&label(1, "mine"), &std::collections::BTreeMap::new()).unwrap();
    let configure = |store: &mut Store, labels: &[(u8, &str)]| {
        store.run().set_labels(labels.iter().map(|&(n, name)| (mac(n), name.to_owned())).collect());
        store.settle().unwrap();
    };
    let labels = |store: &Store| {
        pairs::<String, Option<String>>(store, "SELECT name, label FROM devices ORDER BY mac")
    };
    let both = |text: &str| (text.to_owned(), Some(text.to_owned()));
    for _ in 0..2 {
        configure(&mut store, &[(1, "From config"), (2, "Disk")]);
        assert_eq!(labels(&store), [both("From config"), both("Disk")]);
    }
    configure(&mut store, &[(1, "Other"), (2, "Disk")]);
    assert_eq!(labels(&store), [both("Other"), both("Disk")]);
    configure(&mut store, &[]);
    assert_eq!(labels(&store), [both("mine"), ("Synology 00:00:02".to_owned(), None)]);
    let events = "SELECT detail, device FROM (SELECT * FROM event WHERE kind = 'label' ORDER BY id)";
    assert_eq!(
        pairs::<String, i64>(&store, events)[1..],
        [
            ("called \"From config\" by the configuration".to_owned(), 1),
            ("called \"Disk\" by the configuration".to_owned(), 2),
            ("called \"Other\" by the configuration".to_owned(), 1),
            ("no longer called \"Other\" by the configuration, but \"mine\" again".to_owned(), 1),
            ("no longer called \"Disk\" by the configuration, but \"Synology 00:00:02\" again".to_owned(), 2),
        ]
    );
    // What is changed while nobody reads the configuration is not taken for its word.
    configure(&mut store, &[(1, "From config")]);
    store.apply(&label(1, "new"), &std::collections::BTreeMap::new()).unwrap();
    configure(&mut store, &[]);
    assert_eq!(labels(&store)[0], both("new"));
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM device_name"), 0);
    // Of merged devices the configuration names any.
    store
        .apply(
            &super::super::Change::Merge { device: mac(2), into: mac(1) },
            &std::collections::BTreeMap::new(),
        )
        .unwrap();
    configure(&mut store, &[(2, "Disk")]);
    assert_eq!(labels(&store), [("Disk".to_owned(), Some("new".to_owned())), both("Disk")]);
    configure(&mut store, &[]);
    assert_eq!(labels(&store), [both("new"), ("new".to_owned(), None)]);
}

#[test]
fn a_name_that_was_heard_comes_before_the_vendor_and_after_the_label() {
    let place = Place::new();
    let mut store = place.open("UTC").with_vendors(crate::vendor::Registry::embedded());
    let start = at("2026-11-20T10:00:00");
    store.flush(&Batch { devices: vec![device(1, start)], ..Batch::default() }).unwrap();
    let refresh = |store: &Store| super::super::naming::refresh(&store.db, 1).unwrap();
    store
        .db
        .execute_batch(
            "INSERT INTO device_name VALUES (1, 'mdns', 'nas', 1, 5), (1, 'dhcp', 'diskstation', 1, 9)",
        )
        .unwrap();
    assert_eq!(refresh(&store), "diskstation");
    store.db.execute_batch("UPDATE device SET label = 'disk'").unwrap();
    assert_eq!(refresh(&store), "disk");
    store.db.execute_batch("UPDATE device SET label = NULL; DELETE FROM device_name").unwrap();
    assert_eq!(refresh(&store), "Synology 00:00:01");
    assert_eq!(names(&store), ["Synology 00:00:01"]);
}

#[test]
fn this_machines_own_devices_have_the_role_self_whatever_they_do() {
    let place = Place::new();
    let mut store = place.open("UTC");
    let start = at("2026-11-20T10:00:00");
    store.flush(&Batch { devices: vec![device(1, start)], ..Batch::default() }).unwrap();
    store.run().set_own([1, 2].map(|n| MacAddr([0, 0x11, 0x32, 0, 0, n])).to_vec());
    store.settle().unwrap();
    let routing = |n| DeviceChange { gateway: true, ..device(n, start) };
    store.flush(&Batch { devices: vec![routing(1), routing(2), routing(3)], ..Batch::default() }).unwrap();
    let roles = pairs::<i64, String>(&store, "SELECT id, role FROM device WHERE id > 0 ORDER BY mac");
    let roles: Vec<&str> = roles.iter().map(|(_, role)| role.as_str()).collect();
    assert_eq!(roles, ["self", "self", "gateway"]);
}

#[test]
fn a_service_that_is_called_as_its_host_does_not_change_what_a_device_is_called() {
    use lanscribe_core::names::claims::{Claim, ClaimSource};
    let place = Place::new();
    let mut store = place.open("UTC");
    let start = at("2026-11-20T10:00:00");
    let says = |source, value: &str, after: i64| {
        let heard = start + Span::from_secs(after);
        Claim { device: device(1, start).id, source, value: value.into(), first: heard, last: heard }
    };
    let first = [
        says(ClaimSource::Mdns, "fan-12ab", 0),
        says(ClaimSource::MdnsName, "Fan upstairs", 0),
        says(ClaimSource::MdnsName, "Fan-12AB", 5),
    ];
    let batch = |claims| Batch { devices: vec![device(1, start)], claims, ..Batch::default() };
    store.flush(&batch(first.to_vec())).unwrap();
    assert_eq!(names(&store), ["Fan upstairs"]);
    // Another name that people chose is one.
    store.flush(&batch(vec![says(ClaimSource::MdnsName, "Fan of the loft", 10)])).unwrap();
    assert_eq!(names(&store), ["Fan of the loft"]);
}
