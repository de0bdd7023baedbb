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
fn a_label_of_the_configuration_is_given_now_or_when_the_device_comes_and_stays() {
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
    assert_eq!(names(&store), ["box", "disk 2"]);
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
