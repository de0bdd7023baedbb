//! The daily sweep: rows that nothing refers to any more go, a little at a time.
//!
//! All endpoints, and devices that were not seen for long, are doomed at first. Then the tables are read through, and
//! whatever a row refers to is spared; so is whatever is written about meanwhile. A row of minutes may become one of
//! hours and days, never the other way round, so minutes are read first, and nothing can get past. What is left in the
//! end goes. It is one pass, since no table has an index that would tell; it is read in pieces, between which batches are
//! written as ever.

use rusqlite::{Connection, OptionalExtension as _, Result, params_from_iter};

use super::retain::{Age, Budget};
use super::{Retention, Store, StoreError, claims, integer, naming, set_meta};

/// Rows that are looked at in one go, and how many of them cost what it costs to delete one in order.
const LOOK: i64 = 40_000;
const CHEAPER: i64 = 2;
/// Rows that are deleted at a time where they lie about: each may be a page, and costs as much as so many in order.
const ENDPOINTS: usize = 1_000;
const DEAR: i64 = 20;
/// Where at most so many endpoints are left and four times as many go, all are taken out and those put back.
const LEFT: usize = 32_768;
/// Devices that are deleted at a time.
const DEVICES: usize = 500;
/// A device that was seen within so many days stays in any case.
const DEVICE_DAYS: u32 = 30;
/// How long events are kept, and how many.
const EVENT_DAYS: u32 = 400;
const EVENTS: i64 = 100_000;
/// Networks that are kept: those that were heard of last. Who gets a new prefix each day has a year's and more.
const NETWORKS: i64 = 1_024;
/// Ids that one sweep looks at, one bit each.
const SPAN: i64 = 1 << 24;
/// Between two sweeps, in milliseconds.
const DAILY: i64 = 86_400_000;

/// Ids that nothing was found to refer to, as bits from a first id on.
#[derive(Debug, Default)]
struct Doomed {
    first: i64,
    bits: Vec<u64>,
    count: usize,
}

impl Doomed {
    fn place(&self, id: i64) -> Option<(usize, u64)> {
        let at = id.checked_sub(self.first).filter(|at| (0..SPAN).contains(at))?;
        Some((usize::try_from(at / 64).ok()?, 1 << (at % 64)))
    }

    /// Dooms an id, if it is not beyond what one sweep looks at.
    fn add(&mut self, id: i64) {
        let Some((word, bit)) = self.place(id) else { return };
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        self.count += usize::from(self.bits[word] & bit == 0);
        self.bits[word] |= bit;
    }

    fn has(&self, id: i64) -> bool {
        self.place(id).is_some_and(|(word, bit)| self.bits.get(word).is_some_and(|word| word & bit != 0))
    }

    fn spare(&mut self, id: i64) {
        if let Some((word, bit)) = self.place(id)
            && let Some(word) = self.bits.get_mut(word)
            && *word & bit != 0
        {
            *word &= !bit;
            self.count -= 1;
        }
    }

    /// The first of them, at most so many, from their word `from` on; they are none of it any more.
    fn take(&mut self, most: usize) -> Vec<i64> {
        let mut taken = Vec::new();
        for (word, bits) in (0_i64..).zip(&mut self.bits) {
            while *bits != 0 && taken.len() < most {
                taken.push(self.first + 64 * word + i64::from(bits.trailing_zeros()));
                *bits &= *bits - 1;
            }
            if taken.len() == most {
                break;
            }
        }
        self.count -= taken.len();
        taken
    }
}

/// A table that refers to devices and endpoints.
struct Source {
    table: &'static str,
    /// Columns of its key, as many as tell what it refers to.
    key: &'static [&'static str],
    /// The columns that refer to a device and to an endpoint; 0 if none does.
    refers: [&'static str; 2],
}

const fn usage(table: &'static str) -> Source {
    Source { table, key: &["window", "device", "endpoint"], refers: ["device", "endpoint"] }
}

/// In this order. Days have nearly all endpoints of hours, so these, which are most of the file, often need not be read.
const SOURCES: [Source; 7] = [
    Source { table: "endpoint", key: &["id"], refers: ["device", "0"] },
    usage("usage_minute"),
    Source { table: "flow", key: &["reported", "device", "id"], refers: ["device", "endpoint"] },
    Source { table: "dns_hour", key: &["window", "device"], refers: ["device", "0"] },
    Source { table: "peak", key: &["window", "device"], refers: ["device", "0"] },
    usage("usage_day"),
    usage("usage_hour"),
];

/// Who stays whatever refers to it: whoever has a label, also one that the configuration stands in for, or is merged, or
/// was noted. What a device calls itself goes with it.
const STAYS: &str = "label IS NOT NULL OR same_as IS NOT NULL OR role IS 'self'
    OR id IN (SELECT same_as FROM device WHERE same_as IS NOT NULL)
    OR id IN (SELECT device FROM device_name WHERE source IN ('config', 'label'))
    OR id IN (SELECT device FROM mark WHERE device IS NOT NULL) OR id IN (SELECT device FROM event WHERE device IS NOT NULL)";

/// A sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweep {
    endpoints: Doomed,
    devices: Doomed,
    /// What is read, and after which key it goes on.
    source: usize,
    after: Option<Vec<i64>>,
    /// All is read, and what is left is being deleted.
    begun: bool,
    /// The hour that was open: when it moves back, rows have moved too.
    open_hour: Option<i64>,
}

impl Sweep {
    #[cfg(test)]
    pub(super) fn open_hour(&self) -> Option<i64> {
        self.open_hour
    }

    /// Something refers to the endpoint now.
    pub(super) fn spare_endpoint(&mut self, id: i64) {
        self.endpoints.spare(id);
    }

    /// The device is at hand.
    pub(super) fn spare_device(&mut self, id: i64) {
        self.devices.spare(id);
    }

    /// Begins with endpoints from `first` on, and devices that were last seen before `limit` or after `ahead`, but not
    /// those that are `known` to this run.
    fn begin(
        db: &Connection,
        first: i64,
        (limit, ahead): (i64, i64),
        known: impl Iterator<Item = i64>,
        open_hour: Option<i64>,
    ) -> Result<Self> {
        let mut devices = Doomed { first: 1, ..Doomed::default() };
        let sql = format!(
            "SELECT id FROM device WHERE id > 0 AND (last_seen < ?1 OR last_seen > ?2) AND NOT ({STAYS})"
        );
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query((limit, ahead))?;
        while let Some(row) = rows.next()? {
            devices.add(row.get(0)?);
        }
        known.for_each(|id| devices.spare(id));
        let endpoints = Doomed { first, ..Doomed::default() };
        Ok(Self { endpoints, devices, source: 0, after: None, begun: false, open_hour })
    }

    /// Reads on. Returns whether all was read.
    fn read(&mut self, db: &Connection, budget: &mut Budget) -> Result<bool> {
        while let Some(source) = SOURCES.get(self.source) {
            if budget.is_spent() {
                return Ok(false);
            }
            if self.source > 0 && self.endpoints.count + self.devices.count == 0 {
                self.source = SOURCES.len();
                break;
            }
            let read = self.read_some(db, source)?;
            budget.spend(read / CHEAPER + 1);
            if read < LOOK {
                (self.source, self.after) = (self.source + 1, None);
            }
        }
        Ok(true)
    }

    /// Reads some rows of a table. Returns how many there were.
    fn read_some(&mut self, db: &Connection, source: &Source) -> Result<i64> {
        let Source { table, key, refers: [device, endpoint] } = source;
        let keys = key.join(", ");
        let after = match &self.after {
            Some(_) => format!("WHERE ({keys}) > ({})", vec!["?"; key.len()].join(", ")),
            None => String::new(),
        };
        let sql =
            format!("SELECT {device}, {endpoint}, {keys} FROM {table} {after} ORDER BY {keys} LIMIT {LOOK}");
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.after.iter().flatten()))?;
        let (mut count, mut last) = (0, vec![0; key.len()]);
        while let Some(row) = rows.next()? {
            count += 1;
            self.devices.spare(row.get(0)?);
            self.endpoints.spare(row.get(1)?);
            // The rest of the key is of use only where this ends.
            if count == LOOK || self.source == 0 {
                for (n, column) in last.iter_mut().enumerate() {
                    *column = row.get(2 + n)?;
                }
            }
            // Endpoints are what is doomed; 0 and 1 are always there.
            if self.source == 0 && last[0] > 1 {
                self.endpoints.add(last[0]);
            }
        }
        self.after = Some(last);
        Ok(count)
    }

    /// Deletes some of what is left. Returns whether there may be more.
    fn delete(&mut self, db: &Connection, budget: &mut Budget) -> Result<bool> {
        if self.replace_endpoints(db)? {
            budget.spend(i64::MAX);
            return Ok(true);
        }
        let ids = self.endpoints.take(ENDPOINTS);
        if !ids.is_empty() {
            db.execute("DELETE FROM endpoint WHERE id IN (SELECT value FROM json_each(?1))", [list(&ids)])?;
            budget.spend(DEAR * integer(ids.len() as u64));
            return Ok(true);
        }
        let ids = self.devices.take(DEVICES);
        if !ids.is_empty() {
            delete_devices(db, &ids)?;
            budget.spend(DEAR * integer(ids.len() as u64));
            return Ok(true);
        }
        Ok(false)
    }

    /// After a flood nearly all endpoints go. One by one each would be a page of the index, to be written each time: so
    /// the few others are put into an empty table. Returns whether it was done.
    fn replace_endpoints(&mut self, db: &Connection) -> Result<bool> {
        if std::mem::replace(&mut self.begun, true) || self.endpoints.count < ENDPOINTS {
            return Ok(false);
        }
        let all: i64 = db.query_row("SELECT count(*) FROM endpoint", [], |row| row.get(0))?;
        let left = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(self.endpoints.count);
        if left > LEFT || self.endpoints.count < 4 * left {
            return Ok(false);
        }
        let mut ids = db.prepare("SELECT id FROM endpoint")?;
        let ids: Vec<i64> = ids.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
        let kept: Vec<i64> = ids.into_iter().filter(|&id| !self.endpoints.has(id)).collect();
        let transaction = db.unchecked_transaction()?;
        transaction.execute("CREATE TEMP TABLE kept AS SELECT * FROM endpoint WHERE 0", [])?;
        let sql =
            "INSERT INTO temp.kept SELECT * FROM endpoint WHERE id IN (SELECT value FROM json_each(?1))";
        transaction.execute(sql, [list(&kept)])?;
        transaction.execute("DELETE FROM endpoint", [])?;
        transaction.execute("INSERT INTO endpoint SELECT * FROM temp.kept", [])?;
        transaction.execute("DROP TABLE temp.kept", [])?;
        transaction.commit()?;
        self.endpoints = Doomed { first: self.endpoints.first, ..Doomed::default() };
        Ok(true)
    }
}

/// Ids as SQLite reads them.
fn list(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}

/// Deletes devices with their addresses and claims. What they sent and received is nobody's in particular from then on, so that the
/// sum over all devices stays what it was.
fn delete_devices(db: &Connection, ids: &[i64]) -> Result<()> {
    let transaction = db.unchecked_transaction()?;
    let (mut deleted, mut names, mut sums) = (Vec::new(), Vec::new(), [0_i64; 4]);
    {
        let mut delete = transaction.prepare_cached(&format!(
            "DELETE FROM device WHERE id IN (SELECT value FROM json_each(?1)) AND NOT ({STAYS})
             RETURNING id, name, frames_sent, bytes_sent, frames_received, bytes_received"
        ))?;
        let mut rows = delete.query([list(ids)])?;
        while let Some(row) = rows.next()? {
            deleted.push(row.get(0)?);
            names.push(row.get::<_, String>(1)?);
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum += row.get::<_, i64>(2 + n)?;
            }
        }
    }
    transaction.execute(
        "UPDATE device SET frames_sent = frames_sent + ?1, bytes_sent = bytes_sent + ?2,
           frames_received = frames_received + ?3, bytes_received = bytes_received + ?4 WHERE id = 0",
        sums,
    )?;
    for table in ["device_address", "device_name"] {
        let sql = format!("DELETE FROM {table} WHERE device IN (SELECT value FROM json_each(?1))");
        transaction.execute(&sql, [list(&deleted)])?;
    }
    for name in names {
        naming::release(&transaction, &name)?;
    }
    transaction.commit()
}

/// Deletes some of the addresses that nobody has had since `names`, and of what nobody called itself since then, of the
/// events from before `events`, and of addresses and events what is beyond their number. Returns whether there may be more.
fn delete_old(db: &Connection, names: i64, events: i64, budget: &mut Budget) -> Result<bool> {
    let mut deleted = db.execute(
        &format!(
            "DELETE FROM device_address WHERE (address, first_seen, device) IN
               (SELECT address, first_seen, device FROM device_address WHERE last_seen < ?1 LIMIT {ENDPOINTS})"
        ),
        [names],
    )?;
    deleted += claims::delete_old(db, names, ENDPOINTS)?;
    deleted += db.execute(
        &format!(
            "DELETE FROM event WHERE id IN (SELECT id FROM event
               WHERE time < ?1 OR id <= (SELECT max(id) FROM event) - {EVENTS} ORDER BY id LIMIT {ENDPOINTS})"
        ),
        [events],
    )?;
    deleted += db.execute(
        &format!(
            "DELETE FROM local_network WHERE prefix IN
               (SELECT prefix FROM local_network ORDER BY last_seen DESC, prefix LIMIT {ENDPOINTS} OFFSET {NETWORKS})"
        ),
        [],
    )?;
    budget.spend(DEAR * integer(deleted as u64));
    Ok(deleted > 0)
}

impl Store {
    /// Deletes what nothing refers to any more, and what is too old: once a day, as far as the budget goes, and the rest
    /// at the next calls. `at` is the present by the machine's clock.
    ///
    /// # Errors
    /// Whatever SQLite says; what was deleted until then stays deleted, and it begins anew.
    pub(crate) fn sweep(
        &mut self,
        age: Age,
        at: i64,
        retention: Retention,
        budget: &mut Budget,
    ) -> std::result::Result<(), StoreError> {
        let Self { db, run, open_hour, .. } = self;
        let dimensions = &mut run.dimensions;
        let mut sweep_some = || {
            // If rows have moved, they may have moved to where was read already.
            let mut sweep = match dimensions.sweep.take().filter(|sweep| sweep.open_hour <= *open_hour) {
                Some(sweep) => sweep,
                None if !is_due(db, at)? => return Ok(()),
                None => {
                    let first = first(db, dimensions.swept)?;
                    let seen = (age.limit(db, DEVICE_DAYS)?, age.now.saturating_add(DAILY));
                    Sweep::begin(db, first, seen, dimensions.known(), *open_hour)?
                }
            };
            let mut more = !sweep.read(db, budget)?;
            while !more && sweep.delete(db, budget)? {
                dimensions.forget_endpoints();
                more = budget.is_spent();
            }
            let (names, events) = (age.limit(db, retention.days)?, age.limit(db, EVENT_DAYS)?);
            while !more && delete_old(db, names, events, budget)? {
                more = budget.is_spent();
            }
            if more {
                dimensions.sweep = Some(sweep);
                return Ok(());
            }
            dimensions.swept = sweep.endpoints.first + SPAN - 1;
            set_meta(db, "swept", at)
        };
        sweep_some().map_err(|source| self.error(source))
    }
}

/// Whether the last sweep ended a day ago, or at no time that can be right.
fn is_due(db: &Connection, at: i64) -> Result<bool> {
    let sql = "SELECT value FROM meta WHERE key = 'swept'";
    let last: Option<i64> = db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(last.is_none_or(|last| (at - last).abs() >= DAILY))
}

/// The first endpoint that comes after what the last sweep looked at, or the first of all.
fn first(db: &Connection, after: i64) -> Result<i64> {
    let next = |after: i64| -> Result<Option<i64>> {
        db.query_row("SELECT min(id) FROM endpoint WHERE id > ?1", [after.max(1)], |row| row.get(0))
    };
    Ok(match next(after)? {
        Some(first) => first,
        None => next(0)?.unwrap_or(1),
    })
}
