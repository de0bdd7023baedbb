//! `lanscribe status`: how the daemon goes, in eleven lines.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use jiff::tz::TimeZone;

use super::place::PlaceArgs;
use crate::control::{self, ClientError, Health, Request, Status, StoreStatus};
use crate::store::integer;
use crate::text::{bytes, count, duration, json_line, visible};

/// As `systemctl status` has it.
const NOT_RUNNING: u8 = 3;
const DEGRADED: u8 = 1;

/// How the daemon goes: what it captures, what it loses, what it wrote
///
/// Eleven lines, the last of which says what should be done if anything should.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lanscribe status
  lanscribe status --json | jq .store
  lanscribe status >/dev/null || echo 'look after the tap'

Exit status: 0 healthy, 1 degraded (the warnings say why), 3 not running.")]
pub(crate) struct StatusArgs {
    /// Print one JSON object: integers as they are, times in milliseconds since 1970
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: PlaceArgs,
}

pub(crate) fn run(args: &StatusArgs) -> Result<ExitCode> {
    let place = args.daemon.place()?;
    let status: Status = match control::ask(&place.socket, &Request::Status) {
        Ok(status) => status,
        Err(ClientError::NotRunning(..)) => down(&place.file, &place.socket),
        Err(error) => return Err(error.into()),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json_line(&serde_json::to_value(&status)?))?;
    } else {
        for (title, text) in lines(&status, &TimeZone::system()) {
            writeln!(out, "{title:<11} {}", visible(&text))?;
        }
    }
    out.flush()?;
    Ok(match status.health {
        Health::Healthy => ExitCode::SUCCESS,
        Health::Degraded => ExitCode::from(DEGRADED),
        Health::Down => ExitCode::from(NOT_RUNNING),
    })
}

/// What can be said without the daemon: the file's size and when it was written last.
fn down(file: &Path, socket: &Path) -> Status {
    let metadata = file.metadata().ok();
    let written = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    let store = StoreStatus {
        file: file.display().to_string(),
        bytes: metadata.as_ref().map_or(0, std::fs::Metadata::len),
        last_write: written
            .and_then(|at| jiff::Timestamp::try_from(at).ok())
            .map(jiff::Timestamp::as_millisecond),
        ..StoreStatus::default()
    };
    let warnings = vec![format!(
        "nobody listens at {}: it does not run (`sudo systemctl start lanscribe` starts it, and by hand \
         `sudo lanscribe run`), or with another configuration (--config, --socket)",
        socket.display()
    )];
    Status { now: jiff::Timestamp::now().as_millisecond(), warnings, store, ..Status::default() }
}

/// Each line as its title and its text.
fn lines(status: &Status, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let at = |millis: i64| {
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    };
    let ago = |millis: i64| format!("{} ago", duration((status.now - millis).max(0)));
    let mut lines = Vec::new();
    let site = status.site.as_deref().map_or(String::new(), |site| format!(", {site}"));
    match status.health {
        Health::Down => lines.push(("lanscribe", "is down".to_owned())),
        health => {
            let health = if health == Health::Healthy { "healthy" } else { "DEGRADED" };
            lines.push((
                "lanscribe",
                format!("{health}{site}, version {}, process {}", status.version, status.pid),
            ));
            let interfaces: Vec<String> = status
                .interfaces
                .iter()
                .map(|i| match &*i.link_type {
                    "EN10MB" => format!("{} (link {})", i.name, i.link),
                    other => format!("{} ({other}, link {})", i.name, i.link),
                })
                .collect();
            let since = format!("since {}, {}", at(status.since), duration(status.now - status.since));
            // Until there is an interface.
            let on = if interfaces.is_empty() { "nothing yet".to_owned() } else { interfaces.join(", ") };
            lines.push(("capturing", format!("{on}, {since}")));
            lines.push((
                "packets",
                format!(
                    "{}, {}; {} a second now",
                    count(integer(status.packets)),
                    bytes(integer(status.bytes)),
                    count(integer(status.packets_per_second))
                ),
            ));
            lines.push(("drops", drops(status)));
            lines.push((
                "devices",
                format!(
                    "{}, with {} open flows",
                    count(integer(status.devices as u64)),
                    count(integer(status.open_flows as u64))
                ),
            ));
            lines.push((
                "names",
                format!(
                    "of {} flows between two {} have one; {} questions to DNS",
                    count(integer(status.flows_of_two)),
                    count(integer(status.flows_named)),
                    count(integer(status.questions))
                ),
            ));
            lines.push(("sees", sees(status)));
        }
    }
    let store = &status.store;
    let log = if store.wal_bytes > 0 {
        format!(", and {} beside it in its -wal", bytes(integer(store.wal_bytes)))
    } else {
        String::new()
    };
    lines.push(("file", format!("{}, {}{log}", store.file, bytes(integer(store.bytes)))));
    let next = store.next_write.map_or(String::new(), |next| {
        format!(
            "; {} rows wait, next in {}",
            count(integer(store.pending_rows as u64)),
            duration((next - status.now).max(0))
        )
    });
    let last = match store.last_write {
        Some(last) if status.health == Health::Down => ago(last),
        Some(last) => {
            format!(
                "{}, in {} ms; {} rows so far",
                ago(last),
                store.last_write_ms,
                count(integer(store.rows))
            )
        }
        None => "none yet".to_owned(),
    };
    lines.push(("last write", format!("{last}{next}")));
    if status.health != Health::Down {
        lines.push(("clock", clock(&status.clock)));
    }
    match status.warnings.as_slice() {
        [] => lines.push(("warnings", "none".to_owned())),
        warnings => {
            lines.extend(
                warnings
                    .iter()
                    .enumerate()
                    .map(|(n, warning)| (if n == 0 { "warnings" } else { "" }, warning.clone())),
            );
        }
    }
    lines
}

#[allow(clippy::cast_precision_loss)] // three digits are shown
fn drops(status: &Status) -> String {
    let lost = status.dropped + status.interface_dropped;
    if lost == 0 {
        return "none".to_owned();
    }
    format!(
        "{} found the ring full, {} were lost by the interface ({} of all)",
        count(integer(status.dropped)),
        count(integer(status.interface_dropped)),
        percent(lost as f64 / (status.packets + lost) as f64)
    )
}

/// What the sample of the last minutes says of the tap.
fn sees(status: &Status) -> String {
    let sight = &status.sight;
    if sight.sampled == 0 {
        return "nothing in the last minutes".to_owned();
    }
    let twice =
        if sight.twice > 0.0 { format!(", {} came twice", percent(sight.twice)) } else { String::new() };
    format!(
        "{} of what has one receiver is between other devices; of all, {} goes to many{twice}",
        percent(sight.others),
        percent(sight.group)
    )
}

fn clock(state: &str) -> String {
    match state {
        "synced" => "set from the network".to_owned(),
        _ => "not known to be set from the network: times may be off".to_owned(),
    }
}

/// A share (0 to 1) with as many digits as it is worth.
fn percent(share: f64) -> String {
    match 100.0 * share {
        s if s <= 0.0 => "0 %".to_owned(),
        s if s < 0.1 => "under 0.1 %".to_owned(),
        s if s < 10.0 => format!("{s:.1} %"),
        s => format!("{s:.0} %"),
    }
}
