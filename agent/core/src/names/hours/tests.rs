//! Tests of the questions of the hours, beside a model that looks through all rows each time.

use proptest::prelude::*;

use super::*;

const fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn row(hour: i64, device: u32, name: &str, kind: u16, rcode: i16, count: u64) -> DnsRow {
    let window = at(hour * 3600);
    let (device, rcode) = (DeviceId(device), Rcode(rcode));
    DnsRow { window, device, name: name.into(), kind, rcode, count, first: window, last: window + Span(5) }
}

fn short(rows: &[DnsRow]) -> Vec<(i64, u32, &str, u16, i16, u64)> {
    rows.iter().map(|r| (r.window.0 / HOUR.0, r.device.0, &*r.name, r.kind, r.rcode.0, r.count)).collect()
}

fn counted(rows: &[DnsRow]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

#[test]
fn questions_count_in_the_hour_in_which_they_were_asked_be_it_before() {
    let mut hours = Hours::default();
    let (a, b): (Arc<str>, Arc<str>) = ("a.example".into(), "b.example".into());
    hours.count(DeviceId(2), &a, 1, Rcode(0), at(7205));
    hours.count(DeviceId(2), &a, 1, Rcode(0), at(7203));
    hours.count(DeviceId(2), &a, 1, Rcode::NO_ANSWER, at(7199));
    hours.count(DeviceId(1), &b, 28, Rcode(3), at(7200));
    let rows = hours.take();
    assert_eq!(
        short(&rows),
        [(1, 2, "a.example", 1, -1, 1), (2, 1, "b.example", 28, 3, 1), (2, 2, "a.example", 1, 0, 2)]
    );
    assert_eq!((rows[2].first, rows[2].last), (at(7203), at(7205)));
    hours.count(DeviceId(2), &a, 1, Rcode(0), at(7300));
    let rows = hours.take();
    assert_eq!(short(&rows), [(2, 2, "a.example", 1, 0, 1)], "what is new");
    assert_eq!((rows[0].first, rows[0].last), (at(7300), at(7300)));
    assert_eq!(hours.take(), []);
}

#[test]
fn the_257th_name_of_a_device_and_hour_folds_to_its_domain_whatever_was_taken() {
    let mut hours = Hours::default();
    let mut ask = |device, name: String, hour: i64| {
        hours.count(DeviceId(device), &name.into(), 1, Rcode(0), at(hour * 3600));
        let rows = hours.take();
        assert_eq!(rows.len(), 1);
        (rows[0].name.to_string(), rows[0].kind)
    };
    for n in 0..256 {
        assert_eq!(ask(1, format!("n{n}.example.com"), 5), (format!("n{n}.example.com"), 1));
    }
    assert_eq!(ask(1, "n256.example.com".into(), 5), ("*.example.com".into(), 1));
    assert_eq!(ask(1, "n7.example.com".into(), 5), ("n7.example.com".into(), 1), "one that it has");
    assert_eq!(ask(2, "n256.example.com".into(), 5), ("n256.example.com".into(), 1), "another device");
    for n in 1..64 {
        assert_eq!(ask(1, format!("x.other{n}.org"), 5), (format!("*.other{n}.org"), 1));
    }
    assert_eq!(ask(1, "x.other64.org".into(), 5), ("*".into(), 0));
    assert_eq!(ask(1, "localhost".into(), 5), ("*".into(), 0));
    assert_eq!(ask(1, "y.other9.org".into(), 5), ("*.other9.org".into(), 1));
    assert_eq!(ask(1, "n256.example.com".into(), 6), ("n256.example.com".into(), 1), "another hour");
    assert_eq!(ask(1, "n256.example.com".into(), 5), ("*.example.com".into(), 1), "late for the one before");
    assert_eq!(hours.folded, 1 + 63 + 2 + 1 + 1);
}

#[test]
fn an_hour_has_16384_rows_at_most_and_counts_all() {
    let mut hours = Hours::default();
    let mut questions = 0;
    for device in 1..=5000_u32 {
        for n in 0..4 {
            hours.count(
                DeviceId(device),
                &format!("n{n}.d{device}.example").into(),
                1,
                Rcode(n),
                at(0) + Span(n.into()),
            );
            questions += 1;
        }
    }
    let rows = hours.take();
    assert!(rows.len() <= 16_384 && rows.len() > 16_384 - 17, "{}", rows.len());
    assert_eq!(counted(&rows), questions);
    assert_eq!(rows[0].device, DeviceId::OTHER);
    assert_eq!(rows.iter().filter(|row| *row.name != *"*").count(), 12_288);
    let asked = hours.hours[0].asked.values().map(|asked| asked.names.len() + asked.domains.len());
    assert_eq!(asked.sum::<usize>(), 12_288, "no more names than rows");
}

#[test]
fn a_clock_that_goes_to_and_fro_loses_names_before_it_loses_questions_and_stays_in_bounds() {
    let mut hours = Hours::default();
    hours.limits.rows = 100;
    let mut questions = 0;
    for n in 0..1000 {
        hours.count(
            DeviceId(n % 7),
            &format!("n{n}.example").into(),
            1,
            Rcode(0),
            at(i64::from(n % 100) * 3600),
        );
        questions += 1;
        assert!(hours.waiting.len() <= 200 && hours.hours.len() <= HOURS);
    }
    let rows = hours.take();
    assert!(hours.dropped > 0 && hours.folded > 0);
    assert_eq!(counted(&rows) + hours.dropped, questions);
}

#[test]
fn batches_that_wait_are_one_and_beyond_the_limit_the_oldest_hours_lose_their_names_then_their_rows() {
    let old = vec![
        row(1, 1, "a", 1, 0, 2),
        row(1, 1, "b", 28, 0, 3),
        row(1, 2, "a", 1, 3, 4),
        row(2, 1, "a", 1, 0, 5),
    ];
    let new = vec![row(2, 1, "a", 1, 0, 6), row(3, 1, "a", 1, 0, 7)];
    let merged = |limit| {
        let mut rows = old.clone();
        let lost = merge(&mut rows, new.clone(), limit);
        assert!(rows.len() <= limit);
        (rows, lost)
    };
    let (rows, lost) = merged(5);
    assert_eq!(lost, (0, 0));
    assert_eq!(
        short(&rows),
        [
            (1, 1, "a", 1, 0, 2),
            (1, 1, "b", 28, 0, 3),
            (1, 2, "a", 1, 3, 4),
            (2, 1, "a", 1, 0, 11),
            (3, 1, "a", 1, 0, 7)
        ]
    );
    let (rows, lost) = merged(4);
    assert_eq!(lost, (9, 0));
    assert_eq!(
        short(&rows),
        [(1, 1, "*", 0, 0, 5), (1, 2, "*", 0, 3, 4), (2, 1, "a", 1, 0, 11), (3, 1, "a", 1, 0, 7)]
    );
    let (rows, lost) = merged(2);
    assert_eq!(lost, (9, 9));
    assert_eq!(short(&rows), [(2, 1, "a", 1, 0, 11), (3, 1, "a", 1, 0, 7)]);
    assert_eq!(merged(0), (vec![], (9, 27)));
    let mut rows = merged(4).0;
    let lost = merge(&mut rows, vec![row(4, 1, "a", 1, 0, 1)], 4);
    assert_eq!(lost, (0, 5), "a name that is the only one in its hour is not lost in vain");
}

#[test]
fn a_clock_that_was_off_moves_questions_to_the_hour_in_which_they_were_asked() {
    let mut rows = vec![row(1, 1, "a", 1, 0, 2), row(2, 1, "a", 1, 0, 3), row(5, 1, "a", 1, 0, 4)];
    rows[1].first = at(2 * 3600 + 1200);
    rows[1].last = at(2 * 3600 + 3000);
    rows[2].first = at(5 * 3600 + 10);
    rows[2].last = at(5 * 3600 + 20);
    shift(&mut rows, at(2 * 3600), Span::from_secs(3 * 3600 - 600));
    assert_eq!(short(&rows), [(1, 1, "a", 1, 0, 2), (5, 1, "a", 1, 0, 3), (7, 1, "a", 1, 0, 4)]);
    assert_eq!((rows[1].first, rows[1].last), (at(5 * 3600 + 600), at(5 * 3600 + 2400)));
    shift(&mut rows, at(0), Span::from_secs(-90 * 3600));
    assert_eq!(short(&rows), [(0, 1, "a", 1, 0, 9)]);
}

/// Rows in the order in which they were begun, and nothing else.
#[derive(Default)]
struct Model {
    rows: Vec<DnsRow>,
}

impl Model {
    fn count(
        &mut self,
        limits: &Limits,
        device: DeviceId,
        name: &str,
        kind: u16,
        rcode: Rcode,
        at: Timestamp,
    ) {
        let window = at.floor(HOUR);
        let of_hour: Vec<_> = self.rows.iter().filter(|row| row.window == window).collect();
        let has = |device, name: &str| of_hour.iter().any(|row| row.device == device && *row.name == *name);
        let distinct = |star: bool| {
            let mut names: Vec<_> =
                of_hour.iter().filter(|row| row.device == device && *row.name != *"*").collect();
            names.retain(|row| row.name.starts_with("*.") == star);
            names.sort_by_key(|row| &row.name);
            names.dedup_by_key(|row| &row.name);
            names.len()
        };
        let room = of_hour.len() < limits.rows / 4 * 3;
        let domain = folded(name);
        let shown = if has(device, name) || room && distinct(false) < limits.names {
            name
        } else if domain != "*" && (has(device, &domain) || room && distinct(true) < limits.domains) {
            &domain
        } else {
            "*"
        };
        let same = |row: &DnsRow, device, name: &str, kind| {
            (row.window, row.device, &*row.name, row.kind, row.rcode) == (window, device, name, kind, rcode)
        };
        let exists = |name: &str, kind| of_hour.iter().any(|row| same(row, device, name, kind));
        let (device, name, kind) = if shown != "*" && (room || exists(shown, kind)) {
            (device, shown, kind)
        } else if of_hour.len() + 17 < limits.rows || exists("*", 0) {
            (device, "*", 0)
        } else {
            (DeviceId::OTHER, "*", 0)
        };
        if let Some(row) = self.rows.iter_mut().find(|row| same(row, device, name, kind)) {
            row.count += 1;
            (row.first, row.last) = (row.first.min(at), row.last.max(at));
        } else {
            self.rows.push(DnsRow {
                window,
                device,
                name: name.into(),
                kind,
                rcode,
                count: 1,
                first: at,
                last: at,
            });
        }
    }
}

proptest! {
    #[test]
    fn rows_are_those_of_a_model_that_looks_through_all_of_them(
        limits in (1..6_usize, 0..3_usize, 24..60_usize),
        steps in prop::collection::vec((0..5_u32, 0..12_u8, 0..4_u8, 0..3_u16, -1..3_i16, 0..7200_i64, any::<bool>()), 0..150)
    ) {
        let limits = Limits { names: limits.0, domains: limits.1, rows: limits.2 };
        let mut hours = Hours { limits, ..Hours::default() };
        let mut model = Model::default();
        let mut taken = Vec::new();
        for (device, host, domain, kind, rcode, secs, take) in steps {
            let name = match domain { 0 => format!("h{host}"), n => format!("h{host}.d{n}.org") };
            hours.count(DeviceId(device), &name.as_str().into(), kind, Rcode(rcode), at(secs));
            model.count(&limits, DeviceId(device), &name, kind, Rcode(rcode), at(secs));
            if take {
                merge(&mut taken, hours.take(), usize::MAX);
            }
        }
        merge(&mut taken, hours.take(), usize::MAX);
        model.rows.sort_by(|a, b| a.key().cmp(&b.key()));
        prop_assert_eq!(taken, model.rows);
    }

    #[test]
    fn merged_rows_are_within_the_limit_and_no_question_goes_uncounted(
        batches in prop::collection::vec(
            prop::collection::vec((0..4_i64, 0..3_u32, 0..4_u8, 0..2_u16, 1..9_u64), 0..12), 1..6),
        limit in 0..20_usize
    ) {
        let (mut rows, mut lost, mut all) = (Vec::new(), 0, 0);
        for batch in batches {
            let mut later: Vec<_> =
                batch.into_iter().map(|(hour, device, name, kind, n)| row(hour, device, &format!("n{name}"), kind, 0, n)).collect();
            join(&mut later);
            all += counted(&later);
            let (folded, dropped) = merge(&mut rows, later, limit);
            prop_assert!(rows.len() <= limit);
            prop_assert!(rows.windows(2).all(|pair| pair[0].key() < pair[1].key()));
            lost += dropped;
            prop_assert!(folded <= all);
        }
        prop_assert_eq!(counted(&rows) + lost, all);
    }
}
