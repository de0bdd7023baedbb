//! Usage, summed by whatever a question is about.

use anyhow::Result;

use super::reader::Reader;
use super::windows::Part;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes_up: i64,
    pub(crate) bytes_down: i64,
    pub(crate) packets_up: i64,
    pub(crate) packets_down: i64,
    pub(crate) flows: i64,
}

impl Sum {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.packets_up += other.packets_up;
        self.packets_down += other.packets_down;
        self.flows += other.flows;
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes_up + self.bytes_down
    }
}

/// What sums are kept apart by: columns of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Device,
    Endpoint,
    Protocol,
    Port,
    Direction,
}

impl Key {
    const fn column(self) -> &'static str {
        match self {
            Self::Device => "u.device",
            Self::Endpoint => "u.endpoint",
            Self::Protocol => "u.protocol",
            Self::Port => "u.port",
            Self::Direction => "u.direction",
        }
    }
}

/// A protocol, a port, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) protocol: Option<i64>,
    pub(crate) port: Option<i64>,
}

/// Which rows count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Any of them; all devices if `None`.
    pub(crate) devices: Option<Vec<i64>>,
    /// Any of them; every service if empty.
    pub(crate) services: Vec<Service>,
    pub(crate) direction: Option<i64>,
}

/// The condition that `column` is one of these devices, with AND before it; none where all are meant.
pub(crate) fn of_devices(column: &str, devices: Option<&[i64]>) -> String {
    devices.map_or_else(String::new, |ids| {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        format!(" AND {column} IN ({})", ids.join(","))
    })
}

impl Filter {
    /// Conditions on columns of the table `row`, each with AND before it; a service's port is in any of `ports`. All
    /// values are numbers.
    pub(crate) fn conditions(&self, row: &str, ports: &[&str]) -> String {
        let mut sql = of_devices(&format!("{row}.device"), self.devices.as_deref());
        if let Some(direction) = self.direction {
            sql += &format!(" AND {row}.direction = {direction}");
        }
        let at = |number: i64| {
            let any: Vec<String> = ports.iter().map(|port| format!("{row}.{port} = {number}")).collect();
            format!("({})", any.join(" OR "))
        };
        let service = |service: &Service| match (service.protocol, service.port) {
            (Some(protocol), Some(port)) => format!("({row}.protocol = {protocol} AND {})", at(port)),
            (Some(protocol), None) => format!("{row}.protocol = {protocol}"),
            (None, Some(port)) => at(port),
            (None, None) => "1".to_owned(),
        };
        if !self.services.is_empty() {
            let any: Vec<String> = self.services.iter().map(service).collect();
            sql += &format!(" AND ({})", any.join(" OR "));
        }
        sql
    }
}

/// Hands out the sums of each part; the same keys may come again with another part.
pub(crate) fn sums(
    reader: &Reader,
    parts: &[Part],
    keys: &[Key],
    filter: &Filter,
    mut each: impl FnMut(&[i64], &Sum),
) -> Result<()> {
    let columns: Vec<&str> = keys.iter().map(|key| key.column()).collect();
    let columns = columns.join(", ");
    let (comma, group) = if keys.is_empty() { ("", "") } else { (", ", " GROUP BY ") };
    for part in parts {
        let level = part.level.name();
        // By device, each window is looked up in the key; that needs the windows one by one, and coverage has them.
        let from = if filter.devices.is_some() {
            format!(
                "coverage_{level} c CROSS JOIN usage_{level} u ON u.window = c.window WHERE c.window >= ?1 AND c.window < ?2"
            )
        } else {
            format!("usage_{level} u WHERE u.window >= ?1 AND u.window < ?2")
        };
        let sql = format!(
            "SELECT {columns}{comma}sum(u.bytes_up), sum(u.bytes_down), sum(u.packets_up), sum(u.packets_down), sum(u.flows)
             FROM {from}{}{group}{columns} HAVING count(*) > 0",
            filter.conditions("u", &["port"])
        );
        let mut statement = reader.db.prepare_cached(&sql)?;
        let mut rows = statement.query((part.from, part.to))?;
        let (mut values, n) = (vec![0; keys.len()], keys.len());
        while let Some(row) = rows.next()? {
            for (i, value) in values.iter_mut().enumerate() {
                *value = row.get(i)?;
            }
            let sum = Sum {
                bytes_up: row.get(n)?,
                bytes_down: row.get(n + 1)?,
                packets_up: row.get(n + 2)?,
                packets_down: row.get(n + 3)?,
                flows: row.get(n + 4)?,
            };
            each(&values, &sum);
        }
    }
    Ok(())
}
