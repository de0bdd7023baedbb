//! Rows for a synthetic database, in the order of each table's key.

use jiff::Timestamp;
use rusqlite::{Connection, Result, Statement};

const SCHEMA: [&str; 2] = [
    include_str!("../../../agent/src/store/schema.sql"),
    include_str!("../../../agent/src/store/schema-2.sql"),
];
const VIEWS: &str = include_str!("../../../agent/src/store/views.sql");

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-24 14:37 UTC: the minute after the last one in the file. Its hour is open, so in minutes alone.
const NOW: i64 = 1_795_531_020_000;
/// A device and an address of the sample capture, which the questions of docs/schema.md ask for.
const SAMPLE: (i64, &str, &str) = (2, "b8:a4:4f:21:43:65", "192.168.178.21");

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) devices: i64,
    pub(crate) hour_days: i64,
    /// Of minutes, and of flows.
    pub(crate) minute_days: i64,
    pub(crate) day_days: i64,
    /// Rows of one device in one minute, in hundredths.
    pub(crate) minute_rows: i64,
    /// Rows of one device in one hour.
    pub(crate) hour_rows: i64,
    /// Rows of one device in one day: what it does at all.
    pub(crate) day_rows: i64,
    /// Flow rows of one device in a day.
    pub(crate) flows: i64,
    /// Addresses outside.
    pub(crate) endpoints: i64,
    pub(crate) seed: u64,
}

/// A small generator (xorshift64*): the tools need repeatable numbers, not good ones.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// From 0 up to, and without, `end`.
    fn below(&mut self, end: i64) -> i64 {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        i64::try_from(self.next() % end).unwrap_or(0)
    }
}

/// What a device does again and again: endpoint, protocol, port, direction.
type Habit = (i64, i64, i64, i64);

/// Makes the tables and views of the store in an empty database and fills them.
///
/// # Errors
/// Whatever SQLite says.
pub(crate) fn fill(db: &Connection, size: &Size) -> Result<()> {
    SCHEMA.iter().try_for_each(|tables| db.execute_batch(tables))?;
    db.execute_batch(VIEWS)?;
    db.execute_batch("PRAGMA application_id = 1279348307; PRAGMA user_version = 2; BEGIN")?;
    let (open_hour, open_day) = (NOW - NOW % HOUR, NOW - NOW % DAY);
    let mut meta = db.prepare("INSERT INTO meta VALUES (?, ?)")?;
    meta.execute(("open_hour", open_hour))?;
    meta.execute(("open_day", open_day))?;
    meta.execute(("time_zone", "UTC"))?;
    let mut random = Random(size.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    dimensions(db, size)?;
    let habits: Vec<Vec<Habit>> = (0..size.devices).map(|d| habits(d, size, &mut random)).collect();

    let level = |name: &str, from: i64, to: i64, step: i64, rows: i64| -> Result<()> {
        let mut random =
            Random(size.seed.wrapping_add(step.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        windows(db, name, from, to, step)?;
        let mut insert =
            db.prepare(&format!("INSERT INTO usage_{name} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"))?;
        let mut window = from;
        while window < to {
            for (device, habits) in (1..).zip(&habits) {
                usage(&mut insert, window, device, habits, rows, &mut random)?;
            }
            window += step;
        }
        Ok(())
    };
    level("minute", open_hour - size.minute_days * DAY, NOW, MINUTE, size.minute_rows)?;
    level("hour", open_hour - size.hour_days * DAY, open_hour, HOUR, size.hour_rows * 100)?;
    level("day", open_day - (size.day_days - 1) * DAY, open_day + DAY, DAY, size.day_rows * 100)?;
    flows(db, size, &habits, &mut random)?;
    questions(db, size, open_hour, &mut random)?;
    db.execute_batch("COMMIT")
}

fn dimensions(db: &Connection, size: &Size) -> Result<()> {
    let first = NOW - size.day_days * DAY;
    let mut device = db.prepare(
        "INSERT INTO device (id, mac, name, vendor, role, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut address = db.prepare("INSERT INTO device_address VALUES (?, ?, ?, ?, 'arp')")?;
    let mut said = db.prepare("INSERT INTO device_name VALUES (?, ?, ?, ?, ?)")?;
    let mut endpoint =
        db.prepare("INSERT INTO endpoint (id, kind, address, device, last_day) VALUES (?, ?, ?, ?, ?)")?;
    for n in 1..=size.devices {
        let (sample, sample_mac, sample_address) = SAMPLE;
        let tail = format!("{:02x}:{:02x}:{:02x}", n >> 16, n >> 8 & 255, n & 255);
        let role = (n == 1).then_some("gateway");
        // The last device is new today.
        let seen = if n == size.devices { NOW - 3 * HOUR } else { first };
        let mac = if n == sample { sample_mac.to_owned() } else { format!("b8:27:eb:{tail}") };
        device.execute((n, mac, format!("Device {n}"), "Raspberry Pi", role, seen, NOW))?;
        let v4 = format!("192.168.{}.{}", 1 + n / 250, 1 + n % 250);
        said.execute((n, "dhcp", format!("device-{n}"), seen, NOW))?;
        said.execute((n, "mdns-service", "_http._tcp", seen, NOW))?;
        address.execute((if n == sample { sample_address } else { &v4 }, seen, n, NOW))?;
        for m in 1..=9 {
            address.execute((format!("2003:c0:8f2a:5100::{n:x}:{m:x}"), seen, n, NOW - m * HOUR))?;
        }
        endpoint.execute((1 + n, "device", "", n, NOW / DAY))?;
    }
    for n in 0..4 {
        endpoint.execute((2 + size.devices + n, "group", format!("224.0.0.{}", 251 + n), 0, NOW / DAY))?;
    }
    for n in 0..size.endpoints {
        let address = format!("203.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
        endpoint.execute((6 + size.devices + n, "remote", address, 0, NOW / DAY))?;
    }
    db.execute("INSERT INTO interface VALUES (0, 'eth0')", ())?;
    Ok(())
}

/// Of eight habits one is with a device, one with a group, and the others are with addresses outside.
fn habits(device: i64, size: &Size, random: &mut Random) -> Vec<Habit> {
    let mut habits: Vec<Habit> = vec![(0, 2054, 0, 4)];
    while habits.len() < usize::try_from(size.day_rows).unwrap_or(8) {
        let habit = match habits.len() % 8 {
            1 => (2 + (device + random.below(size.devices)) % size.devices, 6, 8000 + random.below(1000), 1),
            2 => (2 + size.devices + random.below(4), 17, 5000 + random.below(1000), 2),
            3 => (6 + size.devices + random.below(size.endpoints), 17, 53, 0),
            _ => (6 + size.devices + random.below(size.endpoints), 6, 443, 0),
        };
        if !habits.contains(&habit) {
            habits.push(habit);
        }
    }
    habits.sort_unstable();
    habits
}

/// Rows of one device in one window: so many hundredths of a row on average, of habits that are neighbours.
fn usage(
    insert: &mut Statement<'_>,
    window: i64,
    device: i64,
    habits: &[Habit],
    rows: i64,
    random: &mut Random,
) -> Result<()> {
    let all = i64::try_from(habits.len()).unwrap_or(i64::MAX);
    let count = ((rows + random.below(100)) / 100).min(all);
    let from = random.below(all - count + 1);
    let (from, count) = (usize::try_from(from).unwrap_or(0), usize::try_from(count).unwrap_or(0));
    for &(endpoint, protocol, port, direction) in &habits[from..from + count] {
        let (up, down) = (1 + random.below(200), if direction < 2 { random.below(300) } else { 0 });
        let flows = random.below(8);
        insert.execute([
            window,
            device,
            endpoint,
            protocol,
            port,
            direction,
            up * 180,
            down * 700,
            up,
            down,
            flows,
        ])?;
    }
    Ok(())
}

fn windows(db: &Connection, level: &str, from: i64, to: i64, step: i64) -> Result<()> {
    let mut insert = db.prepare(&format!(
        "INSERT INTO coverage_{level} VALUES (?, ?, ?, ?, 'capture', 1000, 900000, 0, 0, 0, 0, 0, 0)"
    ))?;
    let mut window = from;
    while window < to {
        let at = Timestamp::from_millisecond(window).unwrap_or_default();
        let utc = at.strftime("%Y-%m-%d %H:%M").to_string();
        let local = if level == "day" { utc[..10].to_owned() } else { utc.clone() };
        insert.execute((window, utc, local, step))?;
        window += step;
    }
    Ok(())
}

fn flows(db: &Connection, size: &Size, habits: &[Vec<Habit>], random: &mut Random) -> Result<()> {
    const WINDOW: i64 = 5 * MINUTE;
    let mut insert = db.prepare(
        "INSERT INTO flow (reported, device, id, part, side, start, end, interface, local_address, local_port, endpoint,
           remote_address, remote_port, protocol, direction, opened_by, bytes_up, bytes_down, ip_bytes_up, ip_bytes_down,
           packets_up, packets_down, tcp_flags_up, tcp_flags_down, conn_state, end_reason, service, hidden, rtt_us)
         VALUES (?, ?, ?, 0, 0, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 'device', ?, ?, ?, ?, ?, ?, 27, 27, ?, 3, 'https', ?, 20000)",
    )?;
    let (mut id, mut window) = (0, NOW - NOW % WINDOW - size.minute_days * DAY);
    while window < NOW {
        for (device, habits) in (1..).zip(habits) {
            // So many in a day that a window has its share on average.
            let count = (size.flows + random.below(DAY / WINDOW)) / (DAY / WINDOW);
            for _ in 0..count {
                let habit = random.below(i64::try_from(habits.len()).unwrap_or(1));
                let (endpoint, protocol, port, direction) = habits[usize::try_from(habit).unwrap_or(0)];
                if protocol > 255 {
                    continue;
                }
                let start = window + random.below(WINDOW - 5000);
                let (up, down) = (1 + random.below(40), random.below(60));
                let state = ["SF", "SF", "SF", "SF", "SF", "SF", "RSTO", "S0", "REJ", "SF"]
                    [usize::try_from(random.below(10)).unwrap_or(0)];
                let local = format!("192.168.{}.{}", 1 + device / 250, 1 + device % 250);
                insert.execute(rusqlite::params![
                    window,
                    device,
                    id,
                    start,
                    start + random.below(5000),
                    local,
                    32_768 + random.below(28_000),
                    endpoint,
                    format!("203.0.{}.{}", endpoint >> 8 & 255, endpoint & 255),
                    port,
                    protocol,
                    direction,
                    up * 180,
                    down * 700,
                    up * 166,
                    down * 686,
                    up,
                    down,
                    state,
                    (id % 97 == 0).then_some("doh"),
                ])?;
                id += 1;
            }
        }
        window += WINDOW;
    }
    db.execute("INSERT INTO meta VALUES ('next_flow', ?)", [id]).map(|_| ())
}

/// Two names an hour for each device, of which some are not to be found.
fn questions(db: &Connection, size: &Size, open_hour: i64, random: &mut Random) -> Result<()> {
    let mut insert = db.prepare("INSERT OR IGNORE INTO dns_hour VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    let mut window = open_hour - size.hour_days * DAY;
    while window <= open_hour {
        for device in 1..=size.devices {
            for _ in 0..2 {
                let name = format!("host-{}.example", random.below(40));
                let rcode = if random.below(20) == 0 { 3 } else { 0 };
                let (kind, count) = ([1, 28][usize::from(random.below(2) == 0)], 1 + random.below(9));
                insert.execute((window, device, name, kind, rcode, count, window, window + HOUR - 1))?;
            }
        }
        window += HOUR;
    }
    Ok(())
}
