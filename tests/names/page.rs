//! docs/names.md names every source in its order, all that hides names, and the limits that hold.

use lanscribe_core::flow::naming::Hidden;
use lanscribe_core::names::claim_source::ClaimSource;
use lanscribe_core::names::{NameSource, announced, claims, crowd, hello, stream};
use lanscribe_core::wire::{dns, http, quic};

use crate::support::ROOT;

fn page() -> String {
    std::fs::read_to_string(format!("{ROOT}/docs/names.md")).unwrap()
}

/// What stands in backquotes in the column number `column` of the tables, row by row.
fn cells(page: &str, column: usize) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.trim_start().starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(column)?.trim().strip_prefix('`')?.strip_suffix('`')).collect()
}

#[test]
fn the_page_has_every_source_in_its_order() {
    let page = page();
    let sources = NameSource::ALL.map(NameSource::as_str);
    assert_eq!(cells(&page, 1)[..sources.len()], sources);
    let names =
        ClaimSource::ALL.iter().filter(|source| source.rank().is_some()).map(|source| source.as_str());
    let ranked = cells(&page, 2);
    assert!(ranked.iter().copied().eq(names), "{ranked:?}");
    for source in ClaimSource::ALL {
        assert!(page.contains(&format!("`{}`", source.as_str())), "{source:?}");
    }
    for hidden in [Hidden::Ech, Hidden::Dot, Hidden::Doh, Hidden::Doq] {
        assert!(cells(&page, 3).contains(&hidden.as_str()), "{hidden:?}");
    }
}

#[test]
fn the_page_gives_the_limits_that_hold() {
    let page = page();
    let row = |what: &str| {
        page.lines().find(|line| line.starts_with(&format!("| {what}"))).unwrap_or_else(|| panic!("{what}"))
    };
    let number = |n: usize| match (n / 1000, n % 1000) {
        (0, n) => n.to_string(),
        (thousands, n) => format!("{thousands},{n:03}"),
    };
    let kilobytes = |n: usize| format!("{} kB", n / 1024);
    let looked_at = hello::Limits::default();
    for (what, limits) in [
        ("conversations that are still", vec![number(looked_at.flows), number(hello::SEGMENTS.into())]),
        (
            "those of which bytes",
            vec![number(looked_at.waiting), kilobytes(stream::LONGEST), number(stream::PIECES)],
        ),
        (
            "QUIC datagrams",
            vec![
                number(quic::DATAGRAMS.into()),
                number(quic::TRIES.into()),
                kilobytes(quic::LONGEST),
                number(looked_at.decryptions.0 as usize),
            ],
        ),
        ("an HTTP request", vec![kilobytes(http::LONGEST), number(http::FIELDS)]),
        ("questions of one message", vec![number(dns::QUESTIONS)]),
        ("addresses announced", vec![number(announced::ADDRESSES)]),
        ("names under one domain", vec![number(crowd::NAMES), number(crowd::REMEMBERED)]),
        (
            "what devices say of themselves",
            vec![number(claims::VALUES_A_DEVICE), number(claims::VALUES_A_SOURCE), number(claims::VALUES)],
        ),
    ] {
        for limit in limits {
            assert!(row(what).contains(&limit), "{limit} in {}", row(what));
        }
    }
}
