//! The commands for people, run on a small home of made-up frames and compared as a whole with `tests/golden/`.
//! `BLESS=1` writes those files anew; look at the difference before it is committed.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::frames::{Frames, Station};
use crate::support::{ROOT, lanscribe, open, read, said};

/// 2023-11-14 12:00:00 UTC, in microseconds.
const NOON: i64 = 1_699_963_200_000_000;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A router, a camera that uploads each hour, a bulb that talks to the camera, over a day and a half.
fn home() -> Frames {
    let router = Station::new(1, [192, 168, 1, 1]);
    let camera = Station::new(2, [192, 168, 1, 20]);
    let bulb = Station::new(3, [192, 168, 1, 30]);
    let cloud = router.beyond([203, 0, 113, 7]);
    let group = router.beyond([224, 0, 0, 251]);
    let mut frames = Frames::default();
    for hour in 0..30 {
        let at = NOON + hour * HOUR;
        let port = 40_000 + u16::try_from(hour).unwrap();
        frames.arp(at, camera, router);
        frames.arp(at + SECOND / 2, router, camera);
        frames.udp(at + SECOND, (camera, port), (router, 53), 30);
        frames.udp(at + SECOND + 5_000, (router, 53), (camera, port), 80);
        frames.connection(at + 2 * SECOND, (camera, port), (cloud, 443), 1_000, &[300, 200]);
    }
    for turn in 0..3 {
        let at = NOON + 20 * MINUTE + turn * HOUR;
        frames.arp(at, bulb, router);
        frames.udp(at + SECOND, (bulb, 5353), (group, 5353), 60);
        frames.connection(at + 3 * SECOND, (bulb, 50_000), (camera, 80), 100, &[900, 900]);
    }
    // Nobody answers.
    frames.tcp(NOON + 30 * HOUR, (bulb, 50_001), (router.beyond([198, 51, 100, 9]), 23), 2, 0);
    frames
}

/// The home read into a file.
struct Home {
    folder: tempfile::TempDir,
    db: PathBuf,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("home.db");
        let capture = home().write(folder.path(), "home.pcap");
        let output = read(&[capture, "--quiet".into(), "--db".into(), db.clone()]);
        assert!(output.status.success(), "{}", said(&output));
        let file = open(&db);
        // As `lanscribe label` will do.
        file.execute_batch(
            "UPDATE device SET name = 'Camera, hall', label = 'Camera, hall' WHERE mac = '02:00:00:00:00:02'",
        )
        .unwrap();
        Self { folder, db }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        lanscribe().args(arguments).arg("--db").arg(&self.db).output().unwrap()
    }
}

/// What was printed, and after it what was said and the exit status if they are worth a word.
fn transcript(arguments: &[&str], output: &Output) -> String {
    let mut text = format!("$ lanscribe {}\n", arguments.join(" "));
    text += &String::from_utf8_lossy(&output.stdout);
    text += &said(output);
    if !output.status.success() {
        text += &format!("[exit status {}]\n", output.status.code().unwrap_or(-1));
    }
    text
}

fn golden(name: &str, questions: &[&[&str]]) {
    let home = Home::new();
    let answers: Vec<String> = questions.iter().map(|q| transcript(q, &home.ask(q))).collect();
    let found = answers.join("\n").replace(&*home.folder.path().to_string_lossy(), "");
    let path = Path::new(ROOT).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} is different; BLESS=1 writes it anew", path.display());
}

#[test]
fn devices_are_listed_as_they_always_were() {
    golden(
        "devices.txt",
        &[
            &["devices"],
            &["devices", "--since", "2023-11-15", "--until", "2023-11-15", "--sort", "name"],
            &["devices", "--csv", "--limit", "2"],
            &["devices", "--json", "--limit", "1"],
        ],
    );
}

#[test]
fn a_device_is_shown_as_it_always_was() {
    golden(
        "device.txt",
        &[
            &["device", "camera"],
            &["device", "192.168.1.30", "--until", "2023-11-14 13:00"],
            &["device", "hall", "--json"],
            &["device", "02:00"],
            &["device", "toaster"],
        ],
    );
}

#[test]
fn usage_is_shown_as_it_always_was() {
    golden(
        "usage.txt",
        &[
            &["usage"],
            &["usage", "--by", "hour", "--device", "camera", "--limit", "3"],
            &["usage", "--by", "minute", "--until", "2023-11-14 12:30", "--per", "device,service,direction"],
            &["usage", "--by", "month", "--per", "endpoint", "--protocol", "https", "--csv"],
            &["usage", "--direction", "lan", "--json", "--limit", "1"],
            &["usage", "--protocol", "gopher"],
        ],
    );
}

#[test]
fn the_top_is_shown_as_it_always_was() {
    golden(
        "top.txt",
        &[
            &["top"],
            &["top", "endpoints", "--device", "camera", "--sort", "up"],
            &["top", "services", "--since", "2023-11-14 12:00:30", "--until", "2023-11-14 12:30"],
            &["top", "endpoints", "--limit", "1", "--csv"],
        ],
    );
}

#[test]
fn flows_are_listed_as_they_always_were() {
    golden(
        "flows.txt",
        &[
            &["flows", "--limit", "4"],
            &["flows", "--device", "02-00-00-00-00-03", "--until", "2023-11-14 12:30"],
            &["flows", "--protocol", "tcp/23", "--json"],
            &["flows", "--direction", "multicast", "--csv"],
        ],
    );
}

#[test]
fn coverage_is_shown_as_it_always_was() {
    golden(
        "coverage.txt",
        &[
            &["coverage"],
            &["coverage", "--by", "hour", "--limit", "2"],
            &["coverage", "--by", "minute", "--until", "2023-11-14 12:59", "--csv"],
            &["coverage", "--since", "soon"],
        ],
    );
}

#[test]
fn help_is_as_it_always_was() {
    golden("help.txt", &[&["--help"]]);
}

#[test]
fn every_way_to_cut_a_period_gives_the_same_sum() {
    let home = Home::new();
    let bytes = |arguments: &[&str]| -> i64 {
        let output = home.ask(&[&["top", "--json", "--limit", "0"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let row = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["bytes_up"].as_i64().unwrap() + row["bytes_down"].as_i64().unwrap()
        };
        text.lines().map(row).sum()
    };
    let whole = bytes(&[]);
    assert!(whole > 0);
    for cut in [
        "2023-11-14 12:00:30",
        "2023-11-14 13:00",
        "2023-11-15 00:00",
        "2023-11-15 03:20",
        "2023-11-15 18:00",
    ] {
        let instant = format!("{}Z", cut.replace(' ', "T"));
        let minute = if cut.len() > 16 { "2023-11-14 12:00" } else { cut };
        assert_eq!(bytes(&["--until", minute]) + bytes(&["--since", cut]), whole, "cut at {cut}");
        if cut.len() > 16 {
            assert_eq!(bytes(&["--since", &instant]), bytes(&["--since", cut]));
        }
    }
}

#[test]
fn the_exit_status_says_what_was_wrong() {
    let home = Home::new();
    let folder = home.folder.path();
    std::fs::write(folder.join("text.db"), "not a database, but long enough to be looked at".repeat(30))
        .unwrap();
    let newer = folder.join("newer.db");
    std::fs::copy(&home.db, &newer).unwrap();
    open(&newer).pragma_update(None, "user_version", 999).unwrap();
    let status = |arguments: &[&str]| {
        let output = lanscribe().current_dir(folder).args(arguments).output().unwrap();
        (output.status.code().unwrap(), said(&output))
    };
    for (arguments, code, words) in [
        (&["devices", "--db", "none.db"][..], 66, "no such file"),
        (&["devices", "--db", "text.db"], 65, "not a file of lanscribe"),
        (&["devices", "--db", "newer.db"], 65, "newer"),
        (&["devices", "--no-such-option"], 64, "--no-such-option"),
        (&["devices", "--json", "--csv"], 64, "cannot be used"),
        (&["flows", "--since", "2023-11-15", "--until", "2023-11-14", "--db", "home.db"], 64, "empty"),
        (&["device", "nobody", "--db", "home.db"], 66, "lanscribe devices"),
        (&[], 64, "Usage"),
        (&["--version"], 0, ""),
        (&["usage", "--help"], 0, ""),
    ] {
        let (found, said) = status(arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn merged_devices_are_one_to_people_and_told_apart_for_programs() {
    let home = Home::new();
    let before = home.ask(&["devices", "--json"]);
    // As `lanscribe merge` does: the camera, which came first, into the bulb.
    open(&home.db)
        .execute_batch(
            "UPDATE device SET same_as = (SELECT id FROM device WHERE mac LIKE '%:03') WHERE mac LIKE '%:02';
             UPDATE device SET name = 'Camera, hall' WHERE mac LIKE '%:03'",
        )
        .unwrap();
    let text = |arguments: &[&str]| String::from_utf8(home.ask(arguments).stdout).unwrap();
    let json = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let table = text(&["devices"]);
    assert_eq!(table.lines().count(), 3, "{table}");
    let row: Vec<&str> = table.lines().nth(1).unwrap().split("  ").filter(|cell| !cell.is_empty()).collect();
    let cells = ["Camera, hall", "02:00:00:00:00:03 +1", "192.168.1.30 +1", "49.2 kB", "32.3 kB"];
    assert_eq!(row.iter().map(|cell| cell.trim()).take(5).collect::<Vec<_>>(), cells, "{table}");
    let table = text(&["devices", "--since", "2023-11-15", "--sort", "name"]);
    assert!(table.contains("25.0 kB") && table.lines().count() == 3, "the sums of the period too: {table}");

    let (before, after) =
        (json(&String::from_utf8(before.stdout).unwrap()), json(&text(&["devices", "--json"])));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let camera = after["mac"] == "02:00:00:00:00:02";
        assert_eq!(
            after["merged_into"],
            if camera { "02:00:00:00:00:03".into() } else { serde_json::Value::Null }
        );
        assert_eq!(after["bytes_sent"], before["bytes_sent"], "{after}");
    }
    let top = text(&["top"]);
    assert!(top.contains("Camera, hall       02:00:00:00:00:03 +1"), "{top}");
    let top = json(&text(&["top", "--json"]));
    assert!(top.len() == 2 && top.iter().all(|row| row["mac"] != "02:00:00:00:00:02"), "{top:?}");

    // The one that it is now comes first, also when the other one was seen last.
    let swap = "UPDATE device SET same_as = CASE WHEN same_as IS NULL THEN (SELECT id FROM device WHERE mac LIKE '%:02') END WHERE id <> 2";
    for (root, other) in
        [("02:00:00:00:00:03", "02:00:00:00:00:02"), ("02:00:00:00:00:02", "02:00:00:00:00:03")]
    {
        let screen = text(&["device", "camera"]);
        let is_head = |line: &&str| line.contains("MAC") || !line.starts_with(' ');
        let heads: Vec<&str> = screen.lines().filter(is_head).collect();
        assert!(heads[0] == "Camera, hall" && heads[1].contains(root), "{screen}");
        assert!(heads[2] == "and, merged into it:" && heads[3].contains(other), "{screen}");
        open(&home.db).execute_batch(swap).unwrap();
    }
}

#[test]
fn who_stops_reading_is_no_error() {
    let home = Home::new();
    for question in ["flows", "devices", "usage"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            lanscribe().args([question, "--csv", "--db"]).arg(&home.db).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()), "{question}");
    }
}

#[test]
fn hostile_names_are_shown_but_not_obeyed() {
    let home = Home::new();
    let file = open(&home.db);
    file.execute("UPDATE device SET name = '=1+1' || char(27) || '[2J' || char(8238), label = name", [])
        .unwrap();
    for question in
        [&["devices"][..], &["devices", "--csv"], &["devices", "--json"], &["usage"], &["flows", "--csv"]]
    {
        let output = home.ask(question);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{question:?}: {text}");
        if question.contains(&"--csv") {
            assert!(text.contains("'=1+1") && !text.contains(",=1+1"), "{text}");
        }
    }
}

#[test]
fn a_file_that_may_only_be_read_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&home.db, 0o444);
    mode(home.folder.path(), 0o555);
    let output = home.ask(&["devices"]);
    mode(home.folder.path(), 0o755);
    assert!(output.status.success(), "{}", said(&output));
    assert!(!home.db.with_extension("db-wal").exists());
}
