//! Settings that are right by themselves, and of which one rules the other out.

use super::Config;
use super::reader::{Document, Place};

/// Two keys and what must hold between them.
struct Rule {
    keys: [&'static str; 2],
    holds: fn(&Config) -> bool,
    expected: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        keys: ["flow.tcp_closed", "flow.tcp"],
        holds: |c| c.timeouts.tcp_closed <= c.timeouts.tcp,
        expected: "tcp_closed to be at most tcp: less is to come of a closed connection than of an open one",
    },
    Rule {
        keys: ["limits.endpoints_per_minute", "limits.rows_per_minute"],
        holds: |c| c.rows.endpoints <= c.rows.rows,
        expected: "endpoints_per_minute to be at most rows_per_minute: each endpoint has a row",
    },
    Rule {
        keys: ["retention.minutes", "retention.hours"],
        holds: |c| c.retention.minutes <= c.retention.hours,
        expected: "hours to be kept at least as long as minutes, which they sum up",
    },
    Rule {
        keys: ["retention.hours", "retention.days"],
        holds: |c| c.retention.hours <= c.retention.days,
        expected: "days to be kept at least as long as hours, which they sum up",
    },
    Rule {
        keys: ["store.file", "control.socket"],
        holds: |c| c.store.file != c.control.socket,
        expected: "two paths, for one is a database and the other a socket",
    },
];

/// Says of each rule that does not hold where its two keys stand. Where one makes no sense by itself, that was said.
pub(super) fn check(config: &Config, file: &mut Document<'_>) {
    let settings = config.settings();
    let value = |key| settings.iter().find(|setting| setting.key == key).map_or("", |s| s.value.as_str());
    for Rule { keys: [a, b], holds, expected } in RULES {
        if holds(config) {
            continue;
        }
        let beside = |key, place: &str, other, line: usize| {
            let what = format!(
                "{} does not go with {other} = {} ({place}); expected {expected}",
                value(key),
                value(other)
            );
            (line, key, what)
        };
        // It is the later one that does not go with what was said before.
        let (line, key, what) = match (file.place(a), file.place(b)) {
            (Place::Line(at), Place::Line(other)) if at > other => {
                beside(*a, &format!("line {other}"), *b, at)
            }
            (Place::Line(other), Place::Line(at)) => beside(*b, &format!("line {other}"), *a, at),
            (Place::Line(at), Place::Default) => beside(*a, "its default", *b, at),
            (Place::Default, Place::Line(at)) => beside(*b, "its default", *a, at),
            _ => continue,
        };
        file.wrong(line, key, &what);
    }
}
