//! What the owner may change, and that it can be taken back.

use std::collections::BTreeMap;

use super::super::Change;
use super::*;

fn mac(n: u8) -> MacAddr {
    MacAddr([0, 0x11, 0x32, 0, 0, n])
}

/// A file with four devices, two of which end alike: one vendor has many blocks.
fn four(place: &Place) -> Store {
    let mut store = place.open("UTC").with_vendors(crate::vendor::Registry::embedded());
    let start = at("2026-11-20T10:00:00");
    let mut devices: Vec<_> = (1..=4).map(|n| device(n, start)).collect();
    devices[3].mac = Some(MacAddr([0x90, 9, 0xd0, 0, 0, 1]));
    store.flush(&Batch { devices, ..batch(vec![minute(start, rows_of_all_classes())]) }).unwrap();
    store
}

fn names(store: &Store) -> Vec<(String, Option<String>)> {
    pairs(store, "SELECT name, label FROM device WHERE id > 0 ORDER BY id")
}

fn apply(store: &mut Store, change: &Change) -> Result<String, String> {
    let done =
        store.apply_at(change, &BTreeMap::from([(mac(3), "printer".to_owned())]), ms("2026-11-20T12:00:00"));
    done.map_err(|error| error.to_string())
}

fn label(n: u8, name: &str) -> Change {
    Change::Label { device: mac(n), name: Some(name.to_owned()) }
}

fn merge(n: u8, into: u8) -> Change {
    Change::Merge { device: mac(n), into: mac(into) }
}

fn unmerge(n: u8) -> Change {
    Change::Unmerge { device: mac(n) }
}

#[test]
fn requests_are_read_as_the_control_socket_has_them() {
    let read = |text: &str| serde_json::from_str::<Change>(text).map_err(|e| e.to_string());
    let full = Change::Mark { text: "lunch".into(), device: Some(mac(1)), start: 5, end: Some(6) };
    for (text, change) in [
        (r#"{"request":"label","device":"00:11:32:00:00:01","name":"disk"}"#, label(1, "disk")),
        (r#"{"request":"label","device":"0011.3200.0001"}"#, Change::Label { device: mac(1), name: None }),
        (r#"{"request":"mark","text":"lunch","device":"00:11:32:00:00:01","start":5,"end":6}"#, full),
        (
            r#"{"request":"mark","text":"x","start":5}"#,
            Change::Mark { text: "x".into(), device: None, start: 5, end: None },
        ),
        (r#"{"request":"merge","device":"00:11:32:00:00:01","into":"00:11:32:00:00:02"}"#, merge(1, 2)),
        (r#"{"request":"unmerge","device":"00:11:32:00:00:01"}"#, unmerge(1)),
    ] {
        assert_eq!(read(text).as_ref(), Ok(&change), "{text}");
        assert_eq!(read(&serde_json::to_string(&change).unwrap()), Ok(change));
    }
    assert!(read(r#"{"request":"label","device":"disk"}"#).unwrap_err().contains("not a MAC address"));
    assert!(
        read(r#"{"request":"unmerge","device":"001132000001","into":"x"}"#).unwrap_err().contains("into")
    );
}

#[test]
fn a_label_is_given_and_taken_away() {
    let place = Place::new();
    let mut store = four(&place);
    let before = names(&store);
    assert_eq!(
        apply(&mut store, &label(1, " the disk ")).unwrap(),
        "00:11:32:00:00:01 is now called \"the disk\""
    );
    assert_eq!(names(&store)[0], ("the disk".to_owned(), Some("the disk".to_owned())));
    let none = Change::Label { device: mac(1), name: None };
    assert_eq!(apply(&mut store, &none).unwrap(), "00:11:32:00:00:01 is now called \"Synology 00:00:01\"");
    assert_eq!(names(&store), before);
    assert_eq!(apply(&mut store, &none).unwrap_err(), "00:11:32:00:00:01 has no label");
    let events = "SELECT detail, device FROM event WHERE kind = 'label' AND time = 1795176000000 ORDER BY id";
    assert_eq!(
        pairs::<String, i64>(&store, events),
        [("called \"the disk\"".to_owned(), 1), ("label taken away".to_owned(), 1)]
    );
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let place = Place::new();
    let mut store = four(&place);
    let before = names(&store);
    let long = "\u{e9}".repeat(65);
    let mark = |text: &str, start, end| Change::Mark { text: text.into(), device: None, start, end };
    for (change, said) in [
        (
            label(9, "x"),
            "no such device in the file; one that was just seen is written there within minutes, or at once by `lanscribe flush`",
        ),
        (label(1, "  "), "1 to 64 characters, and this one 0"),
        (label(1, &long), "1 to 64 characters, and this one 65"),
        (label(1, "a\u{202e}b"), "\\u{202e}"),
        (label(3, "x"), "called \"printer\" by the configuration: change it there, under [labels]"),
        (Change::Label { device: mac(3), name: None }, "by the configuration"),
        (merge(1, 1), "named twice"),
        (merge(1, 9), "00:11:32:00:00:09: no such device"),
        (unmerge(1), "merged into no other device"),
        (mark("", 1, None), "1 to 200 characters"),
        (mark(&"x".repeat(201), 1, None), "and this one 201"),
        (mark("lunch", 2_000, Some(1_000)), "from 1970-01-01 00:00:02 UTC at 1970-01-01 00:00:01 UTC"),
        (mark("lunch", i64::MAX, None), "is no time"),
    ] {
        let refused = apply(&mut store, &change).unwrap_err();
        assert!(refused.contains(said), "{change:?}: {refused}");
    }
    assert_eq!(names(&store), before);
    assert_eq!(ask::<i64>(&store, "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM mark)"), 0);
    assert!(apply(&mut store, &label(1, &long[2..])).is_ok(), "64 characters are enough for anybody");
    let mut code =
        |change: &Change| crate::cli::exit::code(&store.apply(change, &BTreeMap::new()).unwrap_err().into());
    assert_eq!((code(&label(9, "x")), code(&merge(1, 1))), (66, 64));
}

#[test]
fn merged_devices_have_one_name_and_get_their_own_back() {
    let place = Place::new();
    let mut store = four(&place);
    let long = MacAddr([0x90, 9, 0xd0, 0, 0, 1]);
    let before = names(&store);
    assert_eq!(before[3].0, "Synology 90:09:d0:00:00:01");
    let rows = "SELECT device, sum(bytes_up) FROM usage_minute GROUP BY 1 ORDER BY 1";
    let (used, all) = (pairs::<i64, i64>(&store, rows), sums(&store, "usage_by_minute"));
    let said = apply(&mut store, &merge(1, 2)).unwrap();
    assert_eq!(
        said,
        "00:11:32:00:00:01 and 00:11:32:00:00:02 are now one device, called \"Synology 00:00:02\""
    );
    // A device that comes now and ends like the merged one does not take its name.
    let start = at("2026-11-20T11:00:00");
    let mut new = device(5, start);
    new.mac = Some(MacAddr([0, 0x11, 0x32, 1, 0, 1]));
    store.flush(&Batch { devices: vec![new], ..Batch::default() }).unwrap();
    let merged = |store: &Store| {
        ask::<String>(store, "SELECT group_concat(id || '>' || same_as, ' ') FROM device WHERE same_as")
    };
    // Into one that is merged is into the one that that is; and labels are those of all.
    apply(&mut store, &Change::Merge { device: long, into: mac(1) }).unwrap();
    assert_eq!(merged(&store), "1>2 4>2");
    apply(&mut store, &label(1, "phone")).unwrap();
    assert_eq!(names(&store)[0], ("phone".to_owned(), None));
    assert!([0, 1, 3].iter().all(|&n| names(&store)[n].0 == "phone"), "{:?}", names(&store));
    for (change, said) in [
        (merge(1, 2), "are one already"),
        (merge(2, 1), "00:11:32:00:00:01 is merged into 00:11:32:00:00:02 already"),
        (merge(1, 3), "is merged into another device"),
        (merge(2, 3), "merge 00:11:32:00:00:03 into that one instead"),
        (
            unmerge(2),
            "is merged into no other device, but 00:11:32:00:00:01, 90:09:d0:00:00:01 into it: unmerge those",
        ),
    ] {
        let refused = apply(&mut store, &change).unwrap_err();
        assert!(refused.contains(said), "{change:?}: {refused}");
    }
    assert_eq!(merged(&store), "1>2 4>2");
    apply(&mut store, &Change::Label { device: long, name: None }).unwrap();
    apply(&mut store, &Change::Unmerge { device: long }).unwrap();
    let said = apply(&mut store, &unmerge(1)).unwrap();
    assert_eq!(
        said,
        "00:11:32:00:00:01 is by itself again, called \"Synology 00:00:01\"; the other one is \"Synology 00:00:02\""
    );
    assert_eq!(names(&store)[..4], before);
    assert_eq!((pairs::<i64, i64>(&store, rows), sums(&store, "usage_by_minute")), (used, all));
    let kinds =
        ask::<String>(&store, "SELECT group_concat(kind, ' ') FROM (SELECT kind FROM event ORDER BY id)");
    assert_eq!(kinds, "merge merge label label unmerge unmerge");
}

#[test]
fn a_label_of_either_counts_when_two_become_one() {
    let place = Place::new();
    let mut store = four(&place);
    apply(&mut store, &label(1, "phone")).unwrap();
    apply(&mut store, &merge(1, 2)).unwrap();
    let root = apply(&mut store, &unmerge(2)).unwrap_err();
    assert!(root.ends_with("but 00:11:32:00:00:01 into it: unmerge that one"), "{root}");
    assert_eq!(names(&store)[1], ("phone".to_owned(), None));
    apply(&mut store, &label(2, "my phone")).unwrap();
    assert_eq!(names(&store)[0], ("my phone".to_owned(), Some("phone".to_owned())));
    apply(&mut store, &unmerge(1)).unwrap();
    assert_eq!((&*names(&store)[0].0, &*names(&store)[1].0), ("phone", "my phone"));
    // One that is merged with a device of the configuration cannot be called otherwise either.
    apply(&mut store, &merge(2, 3)).unwrap();
    assert!(apply(&mut store, &label(2, "x")).unwrap_err().starts_with("00:11:32:00:00:03 is called"));
}

#[test]
fn a_mark_is_a_note_on_the_time_line() {
    let place = Place::new();
    let mut store = four(&place);
    let (start, end) = (ms("2026-11-20T11:00:00"), ms("2026-11-20T11:30:00"));
    let mark = Change::Mark { text: "lunch".into(), device: None, start, end: Some(end) };
    assert_eq!(
        apply(&mut store, &mark).unwrap(),
        "marked \"lunch\" from 2026-11-20 11:00:00 UTC to 2026-11-20 11:30:00 UTC"
    );
    let mark = Change::Mark { text: "unplugged".into(), device: Some(mac(2)), start, end: None };
    let said = apply(&mut store, &mark).unwrap();
    assert_eq!(said, "marked \"unplugged\" for \"Synology 00:00:02\" at 2026-11-20 11:00:00 UTC");
    let marks = pairs::<Option<i64>, String>(
        &store,
        "SELECT device, start || '-' || ifnull(end, '') || text FROM mark ORDER BY id",
    );
    assert_eq!(marks, [(None, format!("{start}-{end}lunch")), (Some(2), format!("{start}-unplugged"))]);
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM events WHERE kind = 'mark'"), 2);
}

#[test]
fn a_marks_times_are_told_in_the_zone_of_the_file_in_which_they_were_given() {
    let place = Place::new();
    let mut store = place.open("Europe/Berlin");
    let (start, end) = (ms("2026-11-20T11:00:00"), ms("2026-07-20T11:00:00"));
    let mark = |start, end| Change::Mark { text: "lunch".into(), device: None, start, end };
    let said = apply(&mut store, &mark(start, None)).unwrap();
    assert_eq!(said, "marked \"lunch\" at 2026-11-20 12:00:00 CET");
    let detail = ask::<String>(&store, "SELECT detail FROM events WHERE kind = 'mark'");
    assert_eq!(detail, "marked at 2026-11-20 12:00:00 CET: lunch");
    let refused = apply(&mut store, &mark(start, Some(end))).unwrap_err();
    assert!(refused.ends_with("from 2026-11-20 12:00:00 CET at 2026-07-20 13:00:00 CEST"), "{refused}");
}
