//! What the tests share: the program, files to work on, and words for what cannot run.

pub(crate) mod frames;
pub(crate) mod home;
pub(crate) mod lab;
pub(crate) mod wire;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rusqlite::Connection;

/// The root of the clone.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Real captures with ground truth, which are no part of this project.
pub(crate) const SHARED_CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/captures");

/// Says that a test did not run, and what it would need. Straight to standard error: what is printed otherwise is
/// kept back of a test that passes. At one go: else what other tests print may come in between.
pub(crate) fn skip(name: &str, reason: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED: {name}: {reason}\n").as_bytes());
}

/// A sample capture of this project.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/sample").join(name)
}

/// The program, to be given arguments; in UTC, whatever the machine.
pub(crate) fn lanscribe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanscribe"));
    command.env("TZ", "UTC").env("NO_COLOR", "1").env_remove("COLUMNS").env_remove("LANSCRIBE_DB");
    command
}

/// Runs `lanscribe read` with these arguments. Without a configuration among them vendors are those of the built-in
/// table: what a later registry on the machine says would change names.
pub(crate) fn read<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    let mut command = lanscribe();
    command.arg("read").args(arguments);
    if !arguments.iter().any(|a| a.as_ref() == "--config") {
        command.arg("--config").arg(Path::new(ROOT).join("tests/support/builtin.toml"));
    }
    command.output().expect("the program runs")
}

/// What a program said on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Opens a file that the program wrote.
pub(crate) fn open(db: &Path) -> Connection {
    Connection::open(db).expect("the file opens")
}

/// The rows of a query, each as its columns' texts.
pub(crate) fn rows(db: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = db.prepare(sql).expect(sql);
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, n: usize| match row.get_ref(n).expect("a column") {
        rusqlite::types::ValueRef::Null => "NULL".to_owned(),
        rusqlite::types::ValueRef::Integer(i) => i.to_string(),
        rusqlite::types::ValueRef::Real(r) => r.to_string(),
        rusqlite::types::ValueRef::Text(t) | rusqlite::types::ValueRef::Blob(t) => {
            String::from_utf8_lossy(t).into_owned()
        }
    };
    let rows = statement.query_map([], |row| Ok((0..columns).map(|n| text(row, n)).collect())).expect(sql);
    rows.collect::<Result<_, _>>().expect(sql)
}

/// A number from the file.
pub(crate) fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).expect(sql)
}

/// How many frames the file has counted.
pub(crate) const FRAMES: &str = "SELECT coalesce(sum(frames), 0) FROM coverage_by_day";

/// A folder with a database to make.
pub(crate) fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("x.db");
    (dir, db)
}

/// Packs a file.
pub(crate) fn gzip(from: &Path, to: &Path) {
    let mut packed =
        flate2::write::GzEncoder::new(std::fs::File::create(to).unwrap(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(from).unwrap()).unwrap();
    packed.finish().unwrap();
}
