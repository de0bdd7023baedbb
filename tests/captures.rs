//! Every real capture beside the project: the law of conservation in each window and level, with ample limits and
//! with tiny ones.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::skip;
use crate::support::{SHARED_CAPTURES, number, open, read, rows, said};

/// Limits so small that everything is evicted and folded.
const TINY: &str = "[limits]\nflows = 8\ndevices = 8\nendpoints_per_minute = 2\nrows_per_minute = 8\n";

/// The windows of a level in which its rows do not add up to what was captured.
pub(crate) fn broken_windows(db: &Connection, level: &str) -> Vec<Vec<String>> {
    let sums = |kind: &str, unit: &str| {
        format!(
            "coalesce(sum({unit}_up) + sum(CASE direction WHEN 0 THEN {unit}_down ELSE 0 END), 0)
             + c.undecodable{kind} <> c.{} OR coalesce(sum(CASE direction WHEN 1 THEN {unit}_up - {unit}_down END), 0) <> 0",
            if kind.is_empty() { "frames" } else { "bytes" }
        )
    };
    let sql = format!(
        "SELECT c.window FROM coverage_{level} c LEFT JOIN usage_{level} u ON u.window = c.window
         GROUP BY c.window HAVING {} OR {}",
        sums("", "packets"),
        sums("_bytes", "bytes")
    );
    rows(db, &sql)
}

/// What must be the same whatever the limits: by window and class, what was counted.
fn sums(db: &Connection) -> Vec<Vec<String>> {
    rows(
        db,
        "SELECT window, direction, sum(bytes_up), sum(bytes_down), sum(packets_up), sum(packets_down)
         FROM usage_minute GROUP BY 1, 2 ORDER BY 1, 2",
    )
}

/// Rows of minutes that were folded although their device had no more endpoints than the default limit.
const FOLDED_FOR_NOTHING: &str = "SELECT count(*) FROM usage_minute u WHERE endpoint = 1 AND
    (SELECT count(DISTINCT f.endpoint) FROM flow f
     WHERE f.device = u.device AND f.start < u.window + 60000 AND f.end >= u.window) <= 64";

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|e| e.to_string_lossy().starts_with("pcap")) {
            found.push(path);
        }
    }
}

#[test]
fn every_window_of_every_real_capture_adds_up_at_every_level_and_limit() {
    if !Path::new(SHARED_CAPTURES).is_dir() {
        return skip(
            "every_window_of_every_real_capture_adds_up_at_every_level_and_limit",
            "needs ../shared/captures beside the project",
        );
    }
    let mut files = Vec::new();
    captures(Path::new(SHARED_CAPTURES), &mut files);
    assert!(files.len() >= 200, "{}", files.len());
    let dir = tempfile::tempdir().unwrap();
    let tiny = dir.path().join("tiny.toml");
    std::fs::write(&tiny, TINY).unwrap();
    let (mut read_whole, mut folded, mut evicted, mut rolled) = (0, 0, 0, 0);
    for file in files {
        let databases = [dir.path().join("a.db"), dir.path().join("b.db")];
        let args = |n: usize| {
            vec![file.clone().into_os_string(), "--db".into(), databases[n].clone().into_os_string()]
        };
        let output = read(&args(0));
        if !databases[0].exists() {
            assert!(!output.status.success() && !output.stderr.is_empty(), "{}", file.display());
            continue;
        }
        let with_limits = read(&[args(1), vec!["--config".into(), tiny.clone().into_os_string()]].concat());
        assert_eq!(with_limits.status.code(), output.status.code(), "{}", file.display());
        let [whole, limited] = databases.each_ref().map(|d| open(d));
        for level in ["minute", "hour", "day"] {
            for db in [&whole, &limited] {
                assert_eq!(
                    broken_windows(db, level),
                    Vec::<Vec<String>>::new(),
                    "{level} {}",
                    file.display()
                );
            }
        }
        rolled += number(&whole, "SELECT count(*) FROM usage_hour");
        let stray =
            "SELECT count(*) FROM usage_minute WHERE window NOT IN (SELECT window FROM coverage_minute)";
        assert_eq!(number(&limited, stray), 0, "{}", file.display());
        // A flow that was ended early may have its class decided again, when more was known.
        let flows_survived = number(&limited, "SELECT count(*) FROM flow WHERE end_reason = 5") == 0;
        if flows_survived {
            assert_eq!(sums(&whole), sums(&limited), "{}", file.display());
        }
        evicted += i64::from(!flows_survived);
        folded += number(&limited, "SELECT coalesce(sum(folded), 0) FROM coverage_minute");
        let totals = "SELECT sum(frames) || ' ' || sum(bytes) FROM coverage_by_day";
        assert_eq!(rows(&whole, totals), rows(&limited, totals), "{}", file.display());
        assert_eq!(number(&whole, FOLDED_FOR_NOTHING), 0, "{}", file.display());
        drop((whole, limited));
        databases.iter().for_each(|d| std::fs::remove_file(d).unwrap());
        read_whole += i64::from(said(&output).contains("packets"));
    }
    assert!(
        read_whole > 200 && folded > 10_000 && evicted > 50 && rolled > 1_000,
        "{read_whole} {folded} {evicted} {rolled}"
    );
}

#[test]
fn an_independent_decoder_agrees_on_every_real_capture() {
    let tool = Path::new(SHARED_CAPTURES).join("tools/compare.py");
    if !tool.is_file() {
        return skip(
            "an_independent_decoder_agrees_on_every_real_capture",
            "needs ../shared/captures beside the project",
        );
    }
    let program = env!("CARGO_BIN_EXE_lanscribe");
    let truth = Path::new(SHARED_CAPTURES).join("truth");
    let mut python = std::process::Command::new("python3");
    python.arg(tool).arg(program).arg(SHARED_CAPTURES).arg(truth).env("TZ", "UTC");
    let output = python.output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("captures agree"), "{text}");
}
