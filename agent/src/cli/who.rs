//! Which device is meant: by MAC address, IP address, label, name, or a part of a name, or vendor's, that only one has.

use std::net::IpAddr;

use anyhow::Result;
use lanscribe_core::addr::MacAddr;

use super::exit::{NotFound, Usage};
use super::names::{Device, Names};
use super::reader::Reader;
use crate::text::visible;

/// Candidates that are listed before the rest is only counted.
const LISTED: usize = 10;

/// One device, with those that were merged into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) ids: Vec<i64>,
}

/// Finds the device that `text` means.
///
/// # Errors
/// If there is none, or more than one.
pub(crate) fn find(reader: &Reader, names: &Names<'_>, text: &str) -> Result<Who> {
    let text = text.trim();
    let found = if let Ok(mac) = text.parse::<MacAddr>() {
        let mac = mac.to_string();
        names.devices().filter(|device| device.mac.as_ref() == Some(&mac)).collect()
    } else if let Ok(address) = text.parse::<IpAddr>() {
        holders(reader, names, address)?
    } else {
        by_name(names, text)
    };
    one(names, text, found)
}

/// Those who had an address in the period; the last one if no period was given.
fn holders<'n>(reader: &Reader, names: &'n Names<'_>, address: IpAddr) -> Result<Vec<&'n Device>> {
    let sql = "SELECT device, max(last_seen) FROM device_address WHERE address = ?1 AND last_seen >= ?2 AND first_seen < ?3
        GROUP BY device ORDER BY 2 DESC, 1";
    let period = (address.to_string(), reader.period.from(), reader.period.to());
    let mut statement = reader.db.prepare(sql)?;
    let ids =
        statement.query_map(period, |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut holders: Vec<&Device> =
        ids.iter().filter_map(|id| names.device(*id)).filter(|d| d.id != 0).collect();
    if reader.period.is_open() && holders.len() > 1 {
        let others: Vec<String> = holders.drain(1..).map(|d| visible(&d.name)).collect();
        eprintln!(
            "lanscribe: {address}: {}, which had it last; before that {}",
            visible(&holders[0].name),
            others.join(", ")
        );
    }
    Ok(holders)
}

fn by_name<'n>(names: &'n Names<'_>, text: &str) -> Vec<&'n Device> {
    let wanted = text.to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let matching = |test: &dyn Fn(&Device) -> bool| names.devices().filter(|d| test(d)).collect::<Vec<_>>();
    let is = |name: &str| name.to_lowercase() == wanted;
    let has = |name: &str| name.to_lowercase().contains(&wanted);
    let label = |device: &Device, test: &dyn Fn(&str) -> bool| device.label.as_deref().is_some_and(test);
    // What the owner says comes first, a whole name before a part, and what it is called before who made it.
    [
        matching(&|device| label(device, &is)),
        matching(&|device| is(&device.name)),
        matching(&|device| has(&device.name) || label(device, &has)),
        matching(&|device| device.vendor.as_deref().is_some_and(has)),
    ]
    .into_iter()
    .find(|found| !found.is_empty())
    .unwrap_or_default()
}

/// The one device that was found, or an error that lists what could be meant.
fn one(names: &Names<'_>, text: &str, mut found: Vec<&Device>) -> Result<Who> {
    let Some(root) = found.first().map(|device| device.root) else {
        let shown = visible(text);
        return Err(NotFound(format!(
            "no device is called {shown:?}, or has that address; `lanscribe devices` lists them, and what the daemon saw just \
             now is there within minutes, or at once with `lanscribe flush`"
        ))
        .into());
    };
    if found.iter().all(|device| device.root == root) {
        let mut ids: Vec<i64> = names.devices().filter(|d| d.root == root).map(|d| d.id).collect();
        ids.sort_unstable();
        return Ok(Who { ids });
    }
    found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let mut list = String::new();
    for device in found.iter().take(LISTED) {
        let mac = device.mac.as_deref().unwrap_or_default();
        let name = if device.name == mac { String::new() } else { format!("  {}", visible(&device.name)) };
        list += &format!("\n  {mac}{name}");
    }
    if found.len() > LISTED {
        list += &format!("\n  and {} more", found.len() - LISTED);
    }
    let shown = visible(text);
    Err(Usage(format!(
        "{shown:?} can be {} devices; give one's MAC address or whole name:{list}",
        found.len()
    ))
    .into())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::cli::listing::Form;
    use crate::cli::period::Period;
    use crate::store::calendar::Calendar;
    use jiff::tz::TimeZone;

    fn reader(period: Period) -> Reader {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../store/schema.sql")).unwrap();
        db.execute_batch(
            "INSERT INTO device (id, mac, name, label, vendor, same_as, first_seen, last_seen) VALUES
               (1, '02:00:00:00:00:01', 'Kitchen Bulb', NULL, 'Bulbs Ltd', NULL, 0, 9),
               (2, '02:00:00:00:00:02', 'Hall Bulb', 'Hall Bulb', NULL, NULL, 0, 9),
               (3, '02:00:00:00:00:03', 'Phone', NULL, 'Axis Communications', NULL, 0, 9),
               (4, '02:00:00:00:00:04', 'Phone', NULL, NULL, 3, 0, 9),
               (5, '02:00:00:00:00:05', 'Hall Bulb switch', NULL, NULL, NULL, 0, 9);
             INSERT INTO device_address VALUES ('10.0.0.5', 0, 1, 4, 'arp'), ('10.0.0.5', 6, 2, 9, 'arp'), ('fd00::1', 0, 5, 9, 'ndp');",
        )
        .unwrap();
        let zone = TimeZone::UTC;
        let calendar = Calendar::new(zone.clone());
        let now = jiff::Timestamp::UNIX_EPOCH;
        Reader { db, zone, calendar, now, period, form: Form::Table, open_hour: None }
    }

    fn ids(text: &str, period: Period) -> Result<Vec<i64>> {
        let reader = reader(period);
        let names = Names::new(&reader.db)?;
        find(&reader, &names, text).map(|who| who.ids)
    }

    #[test]
    fn a_device_is_found_by_all_that_it_is_known_by() {
        let found = |text| ids(text, Period::default()).unwrap();
        assert_eq!(found("02-00-00-00-00-01"), [1]);
        assert_eq!(found("0200.0000.0001"), [1]);
        assert_eq!(found("kitchen"), [1]);
        assert_eq!(found("hall bulb"), [2], "a whole name before a part");
        assert_eq!(found("10.0.0.5"), [2], "who had it last");
        assert_eq!(found("FD00:0::1"), [5]);
        assert_eq!(found("PHONE"), [3, 4], "merged ones are one");
        assert_eq!(found("axis"), [3, 4], "who made it, if nothing is called so");
    }

    #[test]
    fn who_can_be_several_is_told_which() {
        let error = ids("bulb", Period::default()).unwrap_err();
        assert!(error.is::<Usage>());
        let said = error.to_string();
        assert!(said.contains("3 devices") && said.contains("02:00:00:00:00:01  Kitchen Bulb"), "{said}");
    }

    #[test]
    fn an_address_with_several_holders_in_the_period_is_not_guessed() {
        let period = Period { since: Some(0), until: Some(10) };
        assert!(ids("10.0.0.5", period).unwrap_err().is::<Usage>());
        assert_eq!(ids("10.0.0.5", Period { since: Some(0), until: Some(5) }).unwrap(), [1]);
    }

    #[test]
    fn who_is_nobody_is_told_where_to_look() {
        for text in ["toaster", "10.9.9.9", "02:00:00:00:00:99", "", "a\u{202e}b"] {
            let error = ids(text, Period::default()).unwrap_err();
            assert!(error.is::<NotFound>(), "{text}");
            assert!(
                error.to_string().contains("lanscribe devices") && !error.to_string().contains('\u{202e}')
            );
        }
    }
}
