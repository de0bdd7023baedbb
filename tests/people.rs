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

/// A message of DNS about the IPv4 address of `name`: the question, or the answer to it, which may be that there is none.
fn dns(name: &str, answer: Option<Option<[u8; 4]>>) -> Vec<u8> {
    let (flags, answers): ([u8; 2], u8) = match answer {
        None => ([1, 0], 0),
        Some(None) => ([0x81, 0x83], 0),
        Some(Some(_)) => ([0x81, 0x80], 1),
    };
    let mut message = vec![0, 7, flags[0], flags[1], 0, 1, 0, answers, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if let Some(Some(address)) = answer {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address);
    }
    message
}

/// A request of DHCP that tells the name of who sends it.
fn dhcp(station: Station, name: &str) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0];
    message.resize(28, 0);
    message.extend(station.mac);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 3, 12, u8::try_from(name.len()).unwrap()]);
    message.extend(name.as_bytes());
    message.push(255);
    message
}

/// A router, a camera that uploads each hour to what it has asked for, a bulb that talks to the camera and says what it is
/// called, over a day and a half.
fn home() -> Frames {
    let router = Station::new(1, [192, 168, 1, 1]);
    let camera = Station::new(2, [192, 168, 1, 20]);
    let bulb = Station::new(3, [192, 168, 1, 30]);
    let group = router.beyond([224, 0, 0, 251]);
    let mut frames = Frames::default();
    for hour in 0..30 {
        let at = NOON + hour * HOUR;
        let port = 40_000 + u16::try_from(hour).unwrap();
        // One name, two addresses.
        let cloud = router.beyond([203, 0, 113, if hour % 10 == 9 { 8 } else { 7 }]);
        frames.arp(at, camera, router);
        frames.arp(at + SECOND / 2, router, camera);
        let name = "upload.cloud.example";
        frames.said(at + SECOND, (camera, port), (router, 53), &dns(name, None));
        frames.said(
            at + SECOND + 5_000,
            (router, 53),
            (camera, port),
            &dns(name, Some(Some(cloud.address.octets()))),
        );
        frames.connection(at + 2 * SECOND, (camera, port), (cloud, 443), 1_000, &[300, 200]);
    }
    for turn in 0..3 {
        let at = NOON + 20 * MINUTE + turn * HOUR;
        frames.arp(at, bulb, router);
        frames.udp(at + SECOND, (bulb, 5353), (group, 5353), 60);
        frames.connection(at + 3 * SECOND, (bulb, 50_000), (camera, 80), 100, &[900, 900]);
    }
    // There is no such name, and what is asked here nobody sees.
    for turn in 0..2 {
        let (at, port) = (NOON + 40 * MINUTE + turn * HOUR, 41_000 + u16::try_from(turn).unwrap());
        frames.said(at, (camera, port), (router, 53), &dns("gone.cloud.example", None));
        frames.said(at + 5_000, (router, 53), (camera, port), &dns("gone.cloud.example", Some(None)));
    }
    frames.connection(
        NOON + 50 * MINUTE,
        (bulb, 50_002),
        (router.beyond([198, 51, 100, 53]), 853),
        90,
        &[200],
    );
    let everybody = Station { mac: [0xff; 6], address: [255; 4].into() };
    frames.said(NOON + 19 * MINUTE, (bulb.beyond([0; 4]), 68), (everybody, 67), &dhcp(bulb, "Bulb-7F"));
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
            &["device", "l"],
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
fn questions_are_listed_as_they_always_were() {
    golden(
        "dns.txt",
        &[
            &["dns"],
            &["dns", "--failed", "--since", "2023-11-14 13:00", "--json"],
            &["dns", "--device", "camera", "--name", "UPLOAD", "--until", "2023-11-14 12:30", "--csv"],
            &["dns", "--hidden"],
            &["dns", "--hidden", "--failed"],
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
    let cells = ["Camera, hall", "label", "02:00:00:00:00:03 +1", "192.168.1.30 +1", "50.2 kB", "32.0 kB"];
    assert_eq!(row.iter().map(|cell| cell.trim()).take(6).collect::<Vec<_>>(), cells, "{table}");
    let table = text(&["devices", "--since", "2023-11-15", "--sort", "name"]);
    assert!(table.contains("25.1 kB") && table.lines().count() == 3, "the sums of the period too: {table}");

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
fn hostile_text_is_shown_but_not_obeyed_in_any_listing() {
    const MAC: &str = "02:00:00:00:00:03";
    let home = Home::new();
    // As if nothing had been made safe where it was learnt.
    let evil = "char(27) || '[2Jx' || char(8238, 155, 8294, 65279, 917569, 0x2028, 10) || 'y'";
    let formula = |c: &str| format!("'{c}1+1' || {evil}");
    let (equals, plus, minus, at) = (formula("="), formula("+"), formula("-"), formula("@"));
    let file = open(&home.db);
    file.execute_batch(&format!(
        "UPDATE device SET name = {equals}, label = NULL, vendor = {plus}, role = {minus}, type = {at}, type_rule = {plus};
         INSERT INTO device_name SELECT id, 'dhcp', {equals}, first_seen, last_seen FROM device WHERE id > 0;
         INSERT INTO device_name SELECT id, {plus}, {minus}, first_seen, last_seen FROM device WHERE id > 0;
         UPDATE device_address SET source = {plus};
         UPDATE endpoint SET name = {equals}, name_source = {plus}, country = {minus}, as_org = {at} WHERE kind = 'remote';
         UPDATE endpoint SET address = {minus} || id WHERE kind = 'group';
         UPDATE protocol SET name = {minus};
         UPDATE flow SET name = {equals}, name_source = {plus}, service = {minus}, conn_state = {plus},
           opened_by = {minus}, local_address = {equals}, remote_address = {at}, hidden = iif(hidden IS NULL, {plus}, hidden);
         UPDATE dns_hour SET name = {at};
         UPDATE coverage_minute SET clock = {equals}; UPDATE coverage_hour SET clock = {equals};
         UPDATE coverage_day SET clock = {equals};"
    ))
    .unwrap();
    let per = "device,endpoint,service,direction";
    let questions: [&[&str]; 12] = [
        &["devices"],
        &["device", MAC],
        &["flows", "--limit", "0"],
        &["dns"],
        &["dns", "--failed"],
        &["dns", "--hidden"],
        &["top"],
        &["top", "endpoints"],
        &["top", "services"],
        &["usage", "--per", per],
        &["usage", "--by", "hour", "--per", per],
        &["coverage"],
    ];
    for question in questions {
        for form in [&[][..], &["--json"], &["--csv"]] {
            let output = home.ask(&[question, form].concat());
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{question:?} {form:?}: {text}");
            // Anywhere, for what is in quotes is as good.
            let plain = |c: char| c == '\n' || !lanscribe_core::text::is_hidden(c);
            assert!(text.chars().all(plain), "{question:?} {form:?}: {text:?}");
            // What coverage shows as text is one of few words, and others are not.
            let written = text.contains("1+1") || question == ["coverage"];
            assert!(written, "nothing of what was written: {question:?} {form:?}: {text}");
            if form == ["--csv"] {
                let formula = |cell: &str| cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']);
                assert!(!text.lines().flat_map(|line| line.split(',')).any(formula), "{question:?}: {text}");
            }
        }
    }
    let several = home.ask(&["device", "1+1"]);
    assert!(several.status.code() == Some(64) && !said(&several).contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn a_file_of_an_older_program_is_asked_as_it_is() {
    let home = Home::new();
    let before: Vec<_> = [&["devices", "--csv"][..], &["top", "endpoints", "--csv"], &["dns", "--csv"]]
        .map(|question| home.ask(question).stdout)
        .into();
    open(&home.db)
        .execute_batch(
            "DROP VIEW devices; DROP VIEW new_today; DROP VIEW flows; DROP VIEW hidden_dns; DROP VIEW maybe_same_device;
             ALTER TABLE flow DROP COLUMN service_parsed; ALTER TABLE flow DROP COLUMN hidden;
             ALTER TABLE device DROP COLUMN type; ALTER TABLE device DROP COLUMN type_rule; PRAGMA user_version = 1;",
        )
        .unwrap();
    let after: Vec<_> = [&["devices", "--csv"][..], &["top", "endpoints", "--csv"], &["dns", "--csv"]]
        .map(|question| home.ask(question).stdout)
        .into();
    assert_eq!(after, before);
    for question in [&["device", "camera"][..], &["flows"], &["usage", "--per", "endpoint"]] {
        let output = home.ask(question);
        assert!(output.status.success() && output.stdout.len() > 100, "{question:?}: {}", said(&output));
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
