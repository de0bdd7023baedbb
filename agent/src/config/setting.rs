//! The configuration as a list of keys and values, and what of it can change while the daemon runs.

use super::Config;
use super::daemon::{Capture, ClockConfig, Control, Interfaces, StoreConfig, span};
use super::reader::quoted;
use super::value::{file_size_text, level_text, privacy_level_text, shown, size_text, span_text};
use crate::store::Retention;
use lanscribe_core::addr::MacAddr;
use lanscribe_core::flow::Timeouts;
use lanscribe_core::names::privacy::Privacy;
use lanscribe_core::rollup::RowLimits;

/// Keys that a running daemon takes over on SIGHUP. Others are built into what runs: an interface is opened once, and
/// rows that are counted cannot be counted by another rule.
pub(super) const TAKEN: [&str; 10] = [
    "site.name",
    "store.flush",
    "retention.minutes",
    "retention.flows",
    "retention.hours",
    "retention.days",
    "retention.size",
    "control.group_writes",
    "labels",
    "log.level",
];

/// A key with its section, and its value, both as they are written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

/// What is different in a new configuration, by key as in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What can be taken over at once.
    pub(crate) taken: Vec<&'static str>,
    /// What has to wait for a restart.
    pub(crate) need_restart: Vec<&'static str>,
}

impl Config {
    /// All that is configured, in the order of the shipped file.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        // Without `..`: what is added to one of these must be added here, else it does not compile.
        let Self {
            site,
            time_zone,
            capture,
            networks,
            learn,
            timeouts,
            flows,
            devices,
            rows,
            store,
            clock,
            retention,
            size,
            control,
            privacy,
            labels,
            registry,
            log_level,
        } = self;
        let Capture { interfaces, promiscuous, filter, snaplen, ring, allow_uplink } = capture;
        let Timeouts { active, tcp, tcp_closed, udp, icmp, other } = *timeouts;
        let RowLimits { endpoints, rows } = rows;
        let StoreConfig { file, flush } = store;
        let ClockConfig { mark, wait } = clock;
        let Retention { minutes, hours, flows: flow_days, days } = retention;
        let Control { socket, group_writes } = control;
        let Privacy { names, of_device, device_names } = privacy;

        let text = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        let time = |span| quoted(&span_text(span));
        let age = |days: &u32| format!("\"{days}d\"");
        let interface = match interfaces {
            Interfaces::Auto => quoted("auto"),
            Interfaces::Named(names) => match names.as_slice() {
                [name] => quoted(name),
                names => list(names.iter().map(|name| quoted(name))),
            },
        };
        let zone = time_zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or_default();
        [
            ("site.name", text(site)),
            ("site.time_zone", quoted(zone)),
            ("capture.interface", interface),
            ("capture.promiscuous", promiscuous.to_string()),
            ("capture.filter", text(filter)),
            ("capture.snaplen", snaplen.to_string()),
            ("capture.ring", quoted(&size_text(*ring as u64))),
            ("capture.allow_uplink", allow_uplink.to_string()),
            ("lan.networks", list(networks.iter().map(|network| format!("\"{network}\"")))),
            ("lan.learn", learn.to_string()),
            ("flow.active", time(active)),
            ("flow.tcp", time(tcp)),
            ("flow.tcp_closed", time(tcp_closed)),
            ("flow.udp", time(udp)),
            ("flow.icmp", time(icmp)),
            ("flow.other", time(other)),
            ("limits.flows", flows.to_string()),
            ("limits.devices", devices.to_string()),
            ("limits.endpoints_per_minute", endpoints.to_string()),
            ("limits.rows_per_minute", rows.to_string()),
            ("store.file", shown(file)),
            ("store.flush", time(span(*flush))),
            ("retention.minutes", age(minutes)),
            ("retention.flows", age(flow_days)),
            ("retention.hours", age(hours)),
            ("retention.days", age(days)),
            ("retention.size", quoted(&file_size_text(*size))),
            ("clock.wait", time(span(*wait))),
            ("clock.mark", mark.as_deref().map_or_else(|| quoted(""), shown)),
            ("control.socket", shown(socket)),
            ("control.group_writes", group_writes.to_string()),
            ("privacy.names", quoted(privacy_level_text(*names))),
            ("privacy.device_names", device_names.to_string()),
            (
                "privacy.devices",
                table(of_device.iter().map(|(mac, level)| (mac, privacy_level_text(*level)))),
            ),
            ("labels", table(labels.iter().map(|(mac, name)| (mac, &**name)))),
            ("vendor.registry", registry.as_deref().map_or_else(|| quoted(""), shown)),
            ("log.level", quoted(&level_text(*log_level))),
        ]
        .map(|(key, value)| Setting { key, value })
        .into()
    }

    /// The levels of single devices, as each could stand in the file.
    pub(crate) fn privacy_of_devices(&self) -> impl Iterator<Item = String> {
        let line = |(mac, level): (&MacAddr, &_)| {
            format!("privacy.devices.\"{mac}\" = {}", quoted(privacy_level_text(*level)))
        };
        self.privacy.of_device.iter().map(line)
    }

    /// What `new` changes, and whether a running daemon can take it over.
    pub(crate) fn changes(&self, new: &Self) -> Changes {
        let mut changes = Changes::default();
        for (old, new) in self.settings().iter().zip(new.settings()).filter(|(old, new)| *old != new) {
            let list = if TAKEN.contains(&new.key) { &mut changes.taken } else { &mut changes.need_restart };
            list.push(old.key);
        }
        changes
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// What is said by MAC address, on one line.
fn table<'a>(entries: impl Iterator<Item = (&'a MacAddr, &'a str)>) -> String {
    let entries: Vec<_> = entries.map(|(mac, text)| format!("\"{mac}\" = {}", quoted(text))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}
