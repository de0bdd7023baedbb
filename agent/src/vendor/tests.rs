//! Which registry is used, and what it says of an address.

use std::fs;
use std::time::{Duration, SystemTime};

use super::*;

fn mac(text: &str) -> MacAddr {
    text.parse().unwrap()
}

/// The built-in registry as the IEEE would publish it: one CSV for all lengths.
fn as_csv(registry: &Registry) -> String {
    let mut csv = String::from("Registry,Assignment,Organization Name,Organization Address\r\n");
    for (block, name) in registry.entries() {
        let digits = block.to_string().replace(':', "").to_uppercase();
        csv += &format!("MA,{digits},\"{}\",\r\n", name.replace('"', "\"\""));
    }
    csv
}

fn set_date(path: &Path, day: &str) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(noon(day).as_second().unsigned_abs());
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn day_after(day: &str) -> String {
    (noon(day) + Duration::from_secs(86_400)).strftime("%Y-%m-%d").to_string()
}

fn noon(day: &str) -> jiff::Timestamp {
    format!("{day}T12:00:00Z").parse().unwrap()
}

#[test]
fn the_smallest_block_counts() {
    let registry = Registry::embedded();
    for (address, vendor) in [
        ("b8:27:eb:01:02:03", Some("Raspberry Pi Foundation")),
        // 28 and 36 bits, below blocks that the IEEE cut up.
        ("c8:5c:e2:7f:ff:ff", Some("SYNERGY SYSTEMS AND SOLUTIONS")),
        ("70:b3:d5:f2:f0:00", Some("TELEPLATFORMS")),
        ("00:50:c2:7d:50:00", Some("DEUTA-WERKE GmbH")),
        ("74:1a:e0:90:00:00", Some("Private")),
        ("00:00:0c:00:00:01", Some("Cisco Systems, Inc")),
    ] {
        assert_eq!(registry.lookup(mac(address)), vendor, "{address}");
    }
    for block in ["70:b3:d5", "c8:5c:e2", "00:50:c2", "8c:1f:64"] {
        assert_eq!(registry.lookup_block(block.parse().unwrap()), None, "{block} has many owners");
    }
}

#[test]
fn an_unassigned_part_of_a_block_that_was_cut_up_has_no_vendor() {
    let registry = Registry::embedded();
    let assigned: std::collections::BTreeSet<_> = registry.entries().map(|(block, _)| block).collect();
    let cut_up = 0x70_b3d5 << 12;
    let free =
        (cut_up..cut_up + 0x1000).filter_map(|n| Block::new(36, n)).find(|block| !assigned.contains(block));
    let free = free.unwrap().first();
    assert_eq!(registry.lookup(free), None, "{free}");
    assert!(registry.entries().all(|(_, name)| name != "IEEE Registration Authority"));
}

#[test]
fn made_up_addresses_have_no_vendor_but_old_blocks_and_known_programs() {
    let registry = Registry::embedded();
    for (address, vendor, random) in [
        ("02:60:8c:01:02:03", Some("3COM"), false),
        ("aa:00:04:00:1d:04", Some("DIGITAL EQUIPMENT CORPORATION"), false),
        ("52:54:00:12:34:56", Some("QEMU"), false),
        ("02:42:ac:11:00:02", Some("Docker"), false),
        // Raspberry Pi's block with the local bit: an access point's second network, or chance.
        ("ba:27:eb:01:02:03", None, true),
        // A company ID stands in no address.
        ("da:a1:19:01:02:03", None, true),
        // Groups, with the local bit or without, and no address at all.
        ("ff:ff:ff:ff:ff:ff", None, false),
        ("33:33:00:00:00:01", None, false),
        ("01:00:5e:00:00:fb", None, false),
        ("11:11:11:00:00:00", None, false),
        ("00:00:00:00:00:00", None, false),
    ] {
        assert_eq!(registry.lookup(mac(address)), vendor, "{address}");
        assert_eq!(registry.is_random(mac(address)), random, "{address}");
    }
}

#[test]
fn the_script_and_the_program_lay_out_the_same_table() {
    let embedded = Registry::embedded();
    let map = embedded.entries().map(|(block, name)| (block, name.to_owned())).collect();
    let again = Table::pack(embedded.date(), &map).unwrap();
    assert_eq!(map.len(), embedded.table.len(), "every record is read");
    assert!(again.has_bytes(EMBEDDED));
}

#[test]
fn a_later_registry_wins_and_an_older_one_loses() {
    let embedded = Registry::embedded();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oui.csv");
    fs::write(&file, as_csv(&embedded).replace("Raspberry Pi Foundation", "Renamed")).unwrap();
    let pi = mac("b8:27:eb:01:02:03");

    // What is not there does not matter, nor does a folder with something else in it.
    let empty = tempfile::tempdir().unwrap();
    let folders = [Path::new("/nonexistent"), empty.path(), folder.path()];
    for day in ["1970-01-01", embedded.date()] {
        set_date(&file, day);
        assert_eq!(Registry::latest(folders).lookup(pi), Some("Raspberry Pi Foundation"), "{day}");
    }
    let later = day_after(embedded.date());
    set_date(&file, &later);
    let registry = Registry::latest(folders);
    assert_eq!((registry.lookup(pi), registry.date()), (Some("Renamed"), later.as_str()));

    // A second file that is old makes the whole old.
    let second = folder.path().join("iab.txt");
    fs::write(&second, "00-50-C2 (hex) X\n7D5000-7D5FFF (base 16) X\n").unwrap();
    set_date(&second, "2022-08-27");
    assert_eq!(Registry::latest(folders).source, None);
}

#[test]
fn a_copy_of_an_old_registry_does_not_win_by_its_new_date() {
    let embedded = Registry::embedded();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oui.csv");
    let csv = as_csv(&embedded);
    let (without_last, _) = csv.trim_end().rsplit_once("\r\n").unwrap();
    fs::write(&file, without_last).unwrap();
    set_date(&file, &day_after(embedded.date()));
    assert_eq!(Registry::latest([folder.path()]).source, None);
    fs::write(&file, "").unwrap();
    set_date(&file, &day_after(embedded.date()));
    assert_eq!(Registry::latest([folder.path()]).source, None);
}

#[test]
fn what_the_configuration_names_wins_however_old_and_small() {
    let folder = tempfile::tempdir().unwrap();
    let txt = folder.path().join("oui.txt");
    fs::write(&txt, "B8-27-EB   (hex)\t\tFrom text\nB827EB     (base 16)\t\tFrom text\n").unwrap();
    set_date(&txt, "2001-02-03");
    for path in [txt.as_path(), folder.path()] {
        let registry = Registry::open(Some(path)).unwrap();
        assert_eq!(registry.lookup(mac("b8:27:eb:01:02:03")), Some("From text"));
        assert_eq!((registry.date(), registry.entries().count()), ("2001-02-03", 1));
    }
    // A file may have any name; of one in both forms the CSV is read; of two owners the first in the alphabet.
    let csv = "Registry,Assignment,Organization Name,Organization Address\n";
    let other = folder.path().join("my vendors");
    fs::write(&other, format!("{csv}MA-L,B827EB,Zeta,\nMA-L,B827EB,Alpha,\nMA-L,B827EB,Beta,\n")).unwrap();
    assert_eq!(Registry::open(Some(&other)).unwrap().lookup(mac("b8:27:eb:01:02:03")), Some("Alpha"));
    fs::write(folder.path().join("oui.csv"), format!("{csv}MA-L,B827EB,From CSV,\n")).unwrap();
    assert_eq!(
        Registry::open(Some(folder.path())).unwrap().lookup(mac("b8:27:eb:01:02:03")),
        Some("From CSV")
    );
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| Registry::open(Some(path)).unwrap_err().to_string();
    assert!(message(folder.path()).contains("folder without oui.csv"));
    assert!(message(&folder.path().join("none")).contains("none"));
    assert!(message(Path::new("/dev/null")).contains("neither a file nor a folder"));
    let file = folder.path().join("mam.txt");
    for content in ["", "<html>Moved</html>", "Registry,Assignment,Organization Name\nMA-L,xyz,X\n"] {
        fs::write(&file, content).unwrap();
        for path in [file.as_path(), folder.path()] {
            let message = message(path);
            assert!(message.contains("mam.txt names no vendor: expected a listing"), "{message}");
        }
    }
    File::create(&file).unwrap().set_len(SIZE_MAX + 1).unwrap();
    assert!(message(&file).contains("larger than 64 MB"));
}
