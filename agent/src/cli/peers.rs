//! Endpoints as people count them: one name is one, however many addresses it has.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use lanscribe_core::names::NameSource;

use super::names::Names;
use super::reader::Reader;
use super::sums::{Filter, Key, Sum, sums};
use super::windows::Part;

/// Sums of what has the same keys.
pub(crate) struct Row {
    /// Of one of the endpoints, where there are several.
    pub(crate) keys: Vec<i64>,
    /// All that are in it, if endpoints are a key.
    pub(crate) endpoints: Vec<i64>,
    pub(crate) sum: Sum,
}

/// Sums by `keys`, in the order of these. Endpoints of one kind and name are one.
pub(crate) fn rows(
    reader: &Reader,
    parts: &[Part],
    keys: &[Key],
    filter: &Filter,
    names: &mut Names<'_>,
) -> Result<Vec<Row>> {
    let mut by_id: HashMap<Vec<i64>, Sum> = HashMap::new();
    sums(reader, parts, keys, filter, |keys, sum| match by_id.get_mut(keys) {
        Some(total) => total.add(sum),
        None => {
            by_id.insert(keys.to_vec(), *sum);
        }
    })?;
    let mut ids: Vec<(Vec<i64>, Sum)> = by_id.into_iter().collect();
    ids.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let endpoint = keys.iter().position(|key| *key == Key::Endpoint);
    let mut places: HashMap<Vec<i64>, usize> = HashMap::new();
    let mut rows: Vec<Row> = Vec::new();
    for (mut keys, sum) in ids {
        let mut own = None;
        if let Some(id) = endpoint.and_then(|at| keys.get_mut(at)) {
            own = Some(*id);
            *id = names.first_called(*id)?;
        }
        let place = *places.entry(keys.clone()).or_insert(rows.len());
        match rows.get_mut(place) {
            Some(row) => {
                row.sum.add(&sum);
                row.endpoints.extend(own);
            }
            None => rows.push(Row { keys, endpoints: own.into_iter().collect(), sum }),
        }
    }
    Ok(rows)
}

/// What is said in lists of where a name comes from, if it is none.
pub(crate) const ADDRESS: &str = "address";

/// Endpoints that have one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    /// As in the column `peer` of the views.
    pub(crate) name: String,
    /// For people: what is no endpoint says so.
    pub(crate) shown: String,
    pub(crate) kind: String,
    /// Where the name comes from, by the most trusted of the sources; `None` if it is an address.
    pub(crate) source: Option<String>,
    /// How many addresses were talked to by this name; 0 for a device, which is one whatever its address.
    pub(crate) addresses: i64,
    pub(crate) country: Option<String>,
    pub(crate) as_org: Option<String>,
}

impl Party {
    /// What `endpoints` are, which have one name.
    pub(crate) fn of(endpoints: &[i64], names: &mut Names<'_>) -> Result<Self> {
        let mut peers = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            peers.push(names.peer(*endpoint)?);
        }
        let first = match peers.first() {
            Some(first) => first.clone(),
            None => names.peer(0)?,
        };
        let addresses: BTreeSet<&str> = peers.iter().filter_map(|peer| peer.address.as_deref()).collect();
        // As the view `device_endpoints` has it where they are not of one mind.
        let least = |text: &dyn Fn(usize) -> Option<String>| (0..peers.len()).filter_map(text).min();
        Ok(Self {
            name: first.name.clone(),
            shown: first.shown(),
            kind: first.kind.clone(),
            source: peers.iter().filter_map(|peer| peer.source.clone()).min_by_key(|source| trust(source)),
            addresses: i64::try_from(addresses.len()).unwrap_or(i64::MAX),
            country: least(&|n| peers.get(n)?.country.clone()),
            as_org: least(&|n| peers.get(n)?.as_org.clone()),
        })
    }
}

/// The place of a source in the order of trust.
fn trust(source: &str) -> usize {
    NameSource::ALL.iter().position(|known| known.as_str() == source).unwrap_or(NameSource::ALL.len())
}
