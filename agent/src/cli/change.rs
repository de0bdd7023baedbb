//! What the owner decides: `label`, `mark`, `merge`, `unmerge`, and `flush`. The daemon is asked to do it; when it
//! does not run, it is done on the file itself, under the lock that the daemon would hold.

use anyhow::Result;
use clap::Args;
use lanscribe_core::addr::MacAddr;

use super::exit::NotFound;
use super::names::Names;
use super::period::{self, Edge};
use super::place::{Place, PlaceArgs};
use super::reader::Reader;
use super::{say, who};
use crate::control::{Flushed, Request};
use crate::store::{Change, Store, integer};
use crate::text;

/// Give a device a name
///
/// The name is shown wherever the device is, and --device takes it. Without a name the one it had by itself comes back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo lanscribe label 192.168.1.50 'kitchen camera'
  sudo lanscribe label a8:bb:50:01:02:03 bulb
  sudo lanscribe label bulb                     takes the name away again

Names can stand in the configuration too, under [labels]; those are changed there.")]
pub(crate) struct LabelArgs {
    /// The device: its MAC or IP address, label, name, or a part of its name
    who: String,
    /// The name, of at most 64 characters
    name: Option<String>,
    #[command(flatten)]
    daemon: PlaceArgs,
}

/// Write down that something happened, and when
///
/// A mark is what you did or saw: "kettle on", "went to bed". It stands beside what the devices did then.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo lanscribe mark 'kettle on' --device kettle
  sudo lanscribe mark 'firmware update' --at '2026-11-20 14:00' --until '2026-11-20 14:20'
  sqlite3 FILE \"SELECT * FROM events WHERE kind = 'mark'\"")]
pub(crate) struct MarkArgs {
    /// What happened, in at most 200 characters
    text: String,
    /// The device that it is about
    #[arg(long, value_name = "WHO")]
    device: Option<String>,
    /// When it began, in the forms of --since; now if not given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// When it was over, if it lasted
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    daemon: PlaceArgs,
}

/// Say that two MAC addresses are one device
///
/// A phone that makes up an address for each network, or a laptop with a cable and Wi-Fi. Both are shown as INTO from
/// then on; nothing that was counted is changed, so `unmerge` brings both back as they were.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The one: its MAC or IP address, label, name, or a part of its name
    who: String,
    /// The one as which both are shown
    into: String,
    #[command(flatten)]
    daemon: PlaceArgs,
}

/// Say that a merged MAC address is a device of its own after all
#[derive(Debug, Args)]
pub(crate) struct UnmergeArgs {
    /// Its MAC address: merged devices share their name
    who: String,
    #[command(flatten)]
    daemon: PlaceArgs,
}

/// Have the daemon write now what it has
///
/// It writes every few minutes by itself. Only complete minutes are written; at most once in 30 seconds.
#[derive(Debug, Args)]
pub(crate) struct FlushArgs {
    #[command(flatten)]
    daemon: PlaceArgs,
}

pub(crate) fn label(args: &LabelArgs) -> Result<()> {
    let place = args.daemon.place()?;
    let device = find(&place.look()?, &args.who)?;
    change(&place, &Change::Label { device, name: args.name.clone() })
}

pub(crate) fn mark(args: &MarkArgs) -> Result<()> {
    let place = args.daemon.place()?;
    let reader = place.look()?;
    let device = args.device.as_deref().map(|who| find(&reader, who)).transpose()?;
    let time = |option, text: &str, edge| period::instant(option, text, &reader.zone, reader.now, edge);
    let now = reader.now.as_millisecond();
    let start = args.at.as_deref().map(|text| time("--at", text, Edge::First)).transpose()?.unwrap_or(now);
    let end = args.until.as_deref().map(|text| time("--until", text, Edge::Last)).transpose()?;
    drop(reader);
    change(&place, &Change::Mark { text: args.text.clone(), device, start, end })
}

pub(crate) fn merge(args: &MergeArgs) -> Result<()> {
    let place = args.daemon.place()?;
    let reader = place.look()?;
    let (device, into) = (find(&reader, &args.who)?, find(&reader, &args.into)?);
    drop(reader);
    change(&place, &Change::Merge { device, into })
}

pub(crate) fn unmerge(args: &UnmergeArgs) -> Result<()> {
    let place = args.daemon.place()?;
    let device = find(&place.look()?, &args.who)?;
    change(&place, &Change::Unmerge { device })
}

pub(crate) fn flush(args: &FlushArgs) -> Result<()> {
    let place = args.daemon.place()?;
    match place.ask::<Flushed>(&Request::Flush)? {
        Some(flushed) => {
            say(format_args!("{} rows written", text::count(integer(flushed.rows))));
            Ok(())
        }
        None => Err(NotFound(format!(
            "{}: the daemon does not run, so there is nothing that waits to be written",
            place.socket.display()
        ))
        .into()),
    }
}

/// The MAC address of the device that is meant. A MAC address means itself, whatever it was merged into.
fn find(reader: &Reader, who: &str) -> Result<MacAddr> {
    if let Ok(mac) = who.trim().parse() {
        return Ok(mac);
    }
    let names = Names::new(&reader.db)?;
    let found = who::find(reader, &names, who)?;
    let root = found.ids.iter().filter_map(|id| names.device(*id)).find(|device| device.id == device.root);
    let mac = root.and_then(|device| device.mac.as_deref()).and_then(|mac| mac.parse().ok());
    mac.ok_or_else(|| NotFound(format!("{who:?} has no MAC address")).into())
}

/// Has the daemon do it, or does it while there is none.
fn change(place: &Place, change: &Change) -> Result<()> {
    let said: String = match place.ask(&Request::Change(change.clone()))? {
        Some(said) => said,
        None => change_file(place, change)?,
    };
    say(said);
    Ok(())
}

fn change_file(place: &Place, change: &Change) -> Result<String> {
    let mut store = Store::open(&place.file, None)?;
    let said = store.apply(change, &place.config.labels)?;
    store.close()?;
    Ok(said)
}
