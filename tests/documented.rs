//! The questions of docs/schema.md are asked and answered as they stand there, and find what they are about without
//! reading all: on the sample's database and on a synthetic one, by the SQLite within and by the `sqlite3` outside.
//!
//! `BLESS=1 cargo test documented` writes the answers anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, StatementStatus};

use crate::support::{ROOT, read, rows, said, sample, skip};

#[path = "tools/synthetic/fill.rs"]
mod fill;

/// How a query says that it goes through all days, or all of a span.
const EVERYTHING: &str = "-- reads everything";
/// Tables of which no question may read all.
const HOT: [&str; 5] = ["usage_minute", "usage_hour", "usage_day", "flow", "dns_hour"];
/// What questions about everything may touch of them; of the minutes it is the open hour.
const MAY_READ: [&str; 2] = ["usage_minute", "usage_day"];

fn page() -> PathBuf {
    Path::new(ROOT).join("docs/schema.md")
}

/// A query of the page and its answer.
struct Question {
    heading: String,
    sql: String,
    answer: String,
}

/// The fenced blocks `sql`, each with the block `text` that follows it.
fn questions(page: &str) -> Vec<Question> {
    let (mut questions, mut heading): (Vec<Question>, _) = (Vec::new(), String::new());
    let mut lines = page.lines();
    let block = |lines: &mut std::str::Lines<'_>| {
        lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect::<String>()
    };
    while let Some(line) = lines.next() {
        match line {
            "```sql" => {
                let sql = block(&mut lines);
                questions.push(Question { heading: heading.clone(), sql, answer: String::new() });
            }
            "```text" => questions.last_mut().expect("a query before its answer").answer = block(&mut lines),
            _ => heading = line.strip_prefix("### ").map_or(heading, str::to_owned),
        }
    }
    questions
}

/// The page with these answers.
fn blessed(page: &str, answers: &[String]) -> String {
    let (mut out, mut answers, mut within) = (String::new(), answers.iter(), false);
    for line in page.lines() {
        within &= line != "```";
        if !within {
            out += line;
            out.push('\n');
        }
        if line == "```text" {
            out += answers.next().expect("an answer for each block");
            within = true;
        }
    }
    out
}

/// The `sqlite3` of the system, if there is one.
fn sqlite3() -> Option<Command> {
    let found = Command::new("sqlite3").arg("-version").stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success()).then(|| Command::new("sqlite3"))
}

/// What the system's `sqlite3` prints.
fn ask(mut sqlite3: Command, db: &Path, sql: &str) -> String {
    sqlite3.args(["-batch", "-readonly", "-header", "-list", "-separator", "\x1f"]).arg(db).arg(sql);
    let output = sqlite3.output().expect("sqlite3 runs");
    assert!(output.status.success(), "{sql}\n{}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The same from the SQLite within.
fn ask_within(db: &Connection, sql: &str) -> String {
    let names: Vec<String> = db.prepare(sql).expect(sql).column_names().map(str::to_owned).collect();
    let mut lines = vec![names];
    lines.extend(
        rows(db, sql).into_iter().map(|row| {
            row.into_iter().map(|cell| if cell == "NULL" { String::new() } else { cell }).collect()
        }),
    );
    if lines.len() == 1 {
        return String::new();
    }
    lines.into_iter().map(|line| line.join("\x1f") + "\n").collect()
}

/// A table in columns, as `sqlite3 -header -column` shows it.
fn columns(list: &str) -> String {
    let cells: Vec<Vec<&str>> = list.lines().map(|line| line.split('\x1f').collect()).collect();
    let Some(header) = cells.first() else { return "(nothing)\n".to_owned() };
    let width = |n: usize| cells.iter().map(|row| row[n].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let texts = |row: &Vec<&str>| row.iter().map(ToString::to_string).collect::<Vec<_>>();
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let body = cells[1..].iter().map(|row| line(&texts(row)));
    [line(&texts(header)), line(&dashes)].into_iter().chain(body).collect()
}

/// The sample's database, made by the program.
fn home(dir: &Path) -> PathBuf {
    let db = dir.join("home.db");
    let output = read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    assert!(output.status.success(), "{}", said(&output));
    db
}

/// A small synthetic database, made by the store's schema: nobody ever ran ANALYZE on it.
fn synthetic(dir: &Path) -> PathBuf {
    let path = dir.join("synthetic.db");
    let size = fill::Size {
        devices: 20,
        hour_days: 10,
        minute_days: 2,
        day_days: 40,
        minute_rows: 67,
        hour_rows: 40,
        day_rows: 40,
        flows: 333,
        endpoints: 500,
        seed: 1,
    };
    fill::fill(&Connection::open(&path).expect("a file"), &size).expect("rows");
    path
}

#[test]
fn documented_questions_are_answered_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let (db, page_text) = (home(dir.path()), std::fs::read_to_string(page()).unwrap());
    let questions = questions(&page_text);
    assert!(questions.len() >= 10);
    let within = Connection::open(&db).unwrap();
    if sqlite3().is_none() {
        skip(
            "documented_questions_are_answered_as_documented",
            "by sqlite3, which is not installed; asked within",
        );
    }
    let answers: Vec<String> = questions
        .iter()
        .map(|q| {
            let inner = columns(&ask_within(&within, &q.sql));
            if let Some(sqlite3) = sqlite3() {
                let outer = columns(&ask(sqlite3, &db, &q.sql));
                assert_eq!(outer, inner, "{}: sqlite3 and the SQLite within differ", q.heading);
            }
            inner
        })
        .collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(page(), blessed(&page_text, &answers)).unwrap();
        return;
    }
    for (question, answer) in questions.iter().zip(&answers) {
        let heading = &question.heading;
        assert_eq!(
            &question.answer, answer,
            "{heading}: BLESS=1 writes the answers anew, if this one is right"
        );
    }
}

#[test]
fn every_view_and_column_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let (db, page) =
        (Connection::open(synthetic(dir.path())).unwrap(), std::fs::read_to_string(page()).unwrap());
    let views = page.split("\n## Views\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let internal = ["hour_parts", "day_parts"];
    for view in rows(&db, "SELECT name FROM sqlite_schema WHERE type = 'view'").concat() {
        assert!(views.contains(&view), "{view}");
        let of_view =
            |section: &&str| section.lines().next().unwrap_or("").split(", ").any(|name| name == view);
        let Some(section) = views.split("\n### ").find(of_view) else {
            assert!(internal.contains(&&*view), "{view} has no section");
            continue;
        };
        for column in rows(&db, &format!("SELECT name FROM pragma_table_info('{view}')")).concat() {
            assert!(section.contains(&format!("`{column}`")), "{view}.{column}");
        }
    }
    for table in
        rows(&db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").concat()
    {
        assert!(page.contains(&format!("`{table}`")), "{table}");
    }
}

/// The plan's lines, without the tree that `sqlite3` draws.
fn plan_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).to_owned()).collect()
}

fn plan_within(db: &Connection, sql: &str) -> Vec<String> {
    let plan = rows(db, &format!("EXPLAIN QUERY PLAN {sql}"));
    plan.into_iter().map(|row| row[3].clone()).collect()
}

/// Lines that read all of a hot table, or build an index of one because none fits.
fn reads_all(plan: &[String]) -> Vec<&String> {
    // The views call them by these letters.
    let hot: BTreeSet<&str> = HOT.into_iter().chain(["u", "m", "f", "n"]).collect();
    let is_hot = |line: &str| line.split(' ').skip(1).take(4).any(|word| hot.contains(word));
    plan.iter()
        .filter(|line| (line.contains("AUTOMATIC") || line.starts_with("SCAN ")) && is_hot(line))
        .collect()
}

/// Hot tables that a query opens at all, by its program.
fn touched(db: &Connection, sql: &str) -> BTreeSet<String> {
    let pages: Vec<String> = rows(db, &format!("EXPLAIN {sql}"))
        .into_iter()
        .filter(|row| row[1] == "OpenRead")
        .map(|row| row[3].clone())
        .collect();
    let names =
        rows(db, &format!("SELECT tbl_name FROM sqlite_schema WHERE rootpage IN ({})", pages.join(", ")));
    names.concat().into_iter().filter(|name| HOT.contains(&&**name)).collect()
}

/// Steps that SQLite's machine takes for all rows of a query.
fn steps(db: &Connection, sql: &str) -> i64 {
    let mut statement = db.prepare(sql).expect(sql);
    let mut rows = statement.query([]).expect(sql);
    while rows.next().expect(sql).is_some() {}
    drop(rows);
    i64::from(statement.get_status(StatementStatus::VmStep))
}

/// Every plan must do: that of the SQLite within, and of the one outside where there is one.
fn assert_finds(db: &Connection, path: &Path, sql: &str) {
    let plan = plan_within(db, sql);
    assert!(reads_all(&plan).is_empty(), "{sql}\n{plan:#?}");
    if let Some(sqlite3) = sqlite3() {
        let plan = plan_lines(&ask(sqlite3, path, &format!("EXPLAIN QUERY PLAN {sql}")));
        assert!(plan.len() > 1 && reads_all(&plan).is_empty(), "sqlite3: {sql}\n{plan:#?}");
    }
}

#[test]
fn documented_questions_find_what_they_ask_for_without_reading_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = synthetic(dir.path());
    let db = Connection::open(&path).unwrap();
    if sqlite3().is_none() {
        let name = "documented_questions_find_what_they_ask_for_without_reading_all";
        skip(name, "by sqlite3, which is not installed; planned within");
    }
    for question in questions(&std::fs::read_to_string(page()).unwrap()) {
        let sql = &question.sql;
        if sql.contains(EVERYTHING) {
            let touched = touched(&db, sql);
            assert!(touched.iter().all(|table| MAY_READ.contains(&&**table)), "{sql} reads {touched:?}");
        }
        assert_finds(&db, &path, sql);
    }
}

#[test]
fn views_find_a_device_or_a_span_of_time_without_reading_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = synthetic(dir.path());
    let db = Connection::open(&path).unwrap();
    let with_device = "SELECT v.name FROM sqlite_schema v, pragma_table_info(v.name) c WHERE v.type = 'view' AND c.name = 'device'";
    let views = rows(&db, with_device).concat();
    assert!(views.len() >= 11, "{views:?}");
    // It holds all devices against each other, by what they say of themselves, which is little.
    for view in views.iter().filter(|view| *view != "maybe_same_device") {
        let all = steps(&db, &format!("SELECT * FROM {view}"));
        for filter in ["device = 'Device 7'", "mac = 'b8:27:eb:00:00:07'"] {
            let sql = format!("SELECT * FROM {view} WHERE {filter}");
            assert_finds(&db, &path, &sql);
            let some = steps(&db, &sql);
            // One device of twenty; a fifth leaves room for the windows, which every question looks at.
            assert!(some < all / 5 || all < 1000, "{sql}: {some} steps, {all} for everybody");
            let joined =
                format!("SELECT x.* FROM devices d JOIN {view} x ON x.mac = d.mac WHERE d.name = 'Device 7'");
            let is_plain = !["conn", "device_endpoints", "hidden_dns", "top_talkers", "usage_by_month"]
                .contains(&&**view);
            assert!(!is_plain || steps(&db, &joined) < all / 5 || all < 1000, "{joined}");
        }
    }
    for (view, filter) in [
        ("usage_by_minute", "utc >= '2026-11-24 12'"),
        ("usage_by_minute", "local BETWEEN '2026-11-24 09:00' AND '2026-11-24 09:59'"),
        ("usage_by_minute", "window >= 1795518000000"),
        ("usage_by_hour", "utc >= '2026-11-24 12'"),
        ("usage_by_hour", "local BETWEEN '2026-11-24 09:00' AND '2026-11-24 09:59'"),
        ("usage_by_hour", "window >= 1795518000000"),
        ("usage_by_hour", "mac = 'b8:27:eb:00:00:07' AND utc >= '2026-11-24 12'"),
        ("usage_by_day", "day >= '2026-11-23'"),
        ("usage_by_day", "window >= 1795392000000"),
        ("top_talkers", "day = '2026-11-24'"),
        ("flows", "reported >= 1795518000000"),
        ("dns_queries", "window >= 1795518000000"),
    ] {
        let (all, sql) = (format!("SELECT * FROM {view}"), format!("SELECT * FROM {view} WHERE {filter}"));
        assert_finds(&db, &path, &sql);
        let (some, all) = (steps(&db, &sql), steps(&db, &all));
        assert!(some > 100 && some < all / 5, "{sql}: {some} steps, {all} for all time");
    }
}
