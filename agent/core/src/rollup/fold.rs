//! Folding: which rows lose their names when there are more than the limits allow, the smallest first.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use super::{Class, Endpoint, RowKey, RowLimits, Usage};
use crate::decode::OTHER_PROTOCOL;
use crate::device::{Count, DeviceId};

type Rows = Vec<(RowKey, Usage)>;

/// The row of a device for whatever it did with nobody in particular.
fn to_other(key: &RowKey) -> RowKey {
    let endpoint = if key.class == Class::Link { Endpoint::None } else { Endpoint::Other };
    RowKey { device: key.device, endpoint, protocol: key.protocol, port: 0, class: key.class }
}

/// The row for whatever nobody in particular did. Of protocols only those of IP are kept: there are 256 of them,
/// while an attacker has 65,536 EtherTypes.
pub(super) fn to_nobody(key: &RowKey) -> RowKey {
    let protocol = if key.class == Class::Link { OTHER_PROTOCOL } else { key.protocol };
    RowKey { device: DeviceId::OTHER, protocol, ..to_other(key) }
}

/// The row for whatever nobody in particular did in a class.
pub(super) fn to_class(key: &RowKey) -> RowKey {
    RowKey { protocol: OTHER_PROTOCOL, ..to_nobody(key) }
}

/// Renames all rows and puts them in order, in no more memory than they need. Returns the frames that lost a name.
pub(super) fn all(rows: &mut Rows, to: fn(&RowKey) -> RowKey) -> Count {
    let folded = merge_where(rows, to, |key, _| to(key) != *key);
    rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    rows.shrink_to_fit();
    folded
}

/// Folds `rows` until they keep to the limits and puts them in order. Returns the frames whose row lost a name.
pub(super) fn to_limits(rows: &mut Rows, limits: RowLimits) -> Count {
    let mut folded = fold_endpoints(rows, limits.endpoints);
    folded.merge(fold_rows(rows, limits.rows));
    rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    folded
}

/// Adds `more` to `rows`, which are in order and stay so. Most of what comes in pieces is on rows that are there.
pub(super) fn add(rows: &mut Rows, more: Rows) {
    let known = rows.len();
    for (key, usage) in more {
        match rows[..known].binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => rows[at].1.merge(&usage),
            Err(_) => rows.push((key, usage)),
        }
    }
    if rows.len() > known {
        rows.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

/// Keeps the largest `limit - 1` endpoints of each device that has more than `limit`, and one `other`.
fn fold_endpoints(rows: &mut Rows, limit: usize) -> Count {
    let named = |key: &RowKey| !matches!(key.endpoint, Endpoint::None | Endpoint::Other);
    let mut sizes: HashMap<(DeviceId, &Endpoint), u64, RandomState> = HashMap::default();
    for (key, usage) in rows.iter().filter(|(key, _)| named(key)) {
        *sizes.entry((key.device, &key.endpoint)).or_default() += usage.up.bytes + usage.down.bytes;
    }
    if sizes.len() <= limit {
        return Count::default();
    }
    let mut ranking: Vec<_> =
        sizes.into_iter().map(|((device, endpoint), bytes)| (device, bytes, endpoint)).collect();
    ranking.sort_unstable_by(|a, b| (a.0, b.1, a.2).cmp(&(b.0, a.1, b.2)));
    let mut out: HashSet<(DeviceId, Endpoint), RandomState> = HashSet::default();
    for of_device in ranking.chunk_by(|a, b| a.0 == b.0).filter(|r| r.len() > limit) {
        out.extend(
            of_device[limit.saturating_sub(1)..]
                .iter()
                .map(|(device, _, endpoint)| (*device, (*endpoint).clone())),
        );
    }
    if out.is_empty() {
        return Count::default();
    }
    merge_where(rows, to_other, |key, _| named(key) && out.contains(&(key.device, key.endpoint.clone())))
}

/// Keeps the largest rows so that at most `limit` are left, and the rest is nobody's.
fn fold_rows(rows: &mut Rows, limit: usize) -> Count {
    if rows.len() <= limit {
        return Count::default();
    }
    // Rows that are nobody's already cannot be folded; there are at most five classes of 256 protocols.
    let is_nobodys = |key: &RowKey| *key == to_nobody(key);
    let size =
        |key: &RowKey, usage: &Usage| (std::cmp::Reverse(usage.up.bytes + usage.down.bytes), key.clone());
    let mut order: Vec<_> =
        rows.iter().filter(|(key, _)| !is_nobodys(key)).map(|(key, usage)| size(key, usage)).collect();
    order.sort_unstable();
    // Room for the rows that the rest is folded into.
    let mut targets: Vec<_> = rows.iter().map(|(key, _)| to_nobody(key)).collect();
    targets.sort_unstable();
    targets.dedup();
    let keep = limit.saturating_sub(targets.len()).min(order.len());
    let Some(first_out) = order.get(keep).cloned() else { return Count::default() };
    merge_where(rows, to_nobody, |key, usage| !is_nobodys(key) && size(key, usage) >= first_out)
}

/// Renames the rows that `which` picks and adds those up that are one then. Returns the frames that were renamed.
fn merge_where(rows: &mut Rows, to: fn(&RowKey) -> RowKey, which: impl Fn(&RowKey, &Usage) -> bool) -> Count {
    let mut folded = Count::default();
    let mut merged: HashMap<RowKey, Usage, RandomState> = HashMap::default();
    for (key, usage) in rows.drain(..) {
        let out = which(&key, &usage);
        // What is `other` already was counted when it became so.
        if out && key.endpoint != Endpoint::Other {
            folded.merge(usage.accounted(key.class));
        }
        merged.entry(if out { to(&key) } else { key }).or_default().merge(&usage);
    }
    rows.extend(merged);
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(device: u32, remote: u32, bytes: u64) -> (RowKey, Usage) {
        let endpoint = Endpoint::Remote(std::net::IpAddr::V4(remote.into()), None);
        let key = RowKey { device: DeviceId(device), endpoint, protocol: 6, port: 443, class: Class::Remote };
        (key, Usage { up: Count { frames: 1, bytes }, ..Usage::default() })
    }

    #[test]
    fn the_smallest_endpoints_of_a_busy_device_become_other() {
        let mut rows: Rows = (1..=10).map(|n| row(1, n, u64::from(n) * 100)).chain([row(2, 1, 5)]).collect();
        let folded = to_limits(&mut rows, RowLimits { endpoints: 4, rows: 100 });
        assert_eq!(folded, Count { frames: 7, bytes: 2800 });
        let left: Vec<_> =
            rows.iter().map(|(k, u)| (k.device.0, k.endpoint == Endpoint::Other, u.up.bytes)).collect();
        assert_eq!(
            left,
            [(1, true, 2800), (1, false, 800), (1, false, 900), (1, false, 1000), (2, false, 5)]
        );
    }

    #[test]
    fn rows_beyond_the_limit_are_nobodys_and_the_sum_stays() {
        let mut rows: Rows = (1..=100).map(|n| row(n, n, u64::from(n))).collect();
        let folded = to_limits(&mut rows, RowLimits { endpoints: 4, rows: 10 });
        assert_eq!(rows.len(), 10);
        assert_eq!(rows.iter().map(|(_, u)| u.up.bytes).sum::<u64>(), 5050);
        assert_eq!(folded.frames, 91);
        assert_eq!(rows[0].0.device, DeviceId::OTHER);
    }

    #[test]
    fn a_flood_of_ethertypes_ends_in_one_row() {
        let link = |protocol| {
            let key = RowKey {
                device: DeviceId(1),
                endpoint: Endpoint::None,
                protocol,
                port: 0,
                class: Class::Link,
            };
            (key, Usage { up: Count { frames: 1, bytes: 60 }, ..Usage::default() })
        };
        let mut rows: Rows = (1536..=u16::MAX - 1).map(link).collect();
        to_limits(&mut rows, RowLimits { endpoints: 4, rows: 10 });
        assert_eq!(rows.len(), 10);
    }
}
