//! The configuration file: what the owner may decide, with the defaults for what was left out.
//!
//! `config/lanscribe.toml` shows every key at its default; a test holds the two together.

mod check;
mod contradiction;
mod daemon;
mod given;
mod reader;
mod setting;
mod value;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use lanscribe_core::addr::{MacAddr, Prefix};
use lanscribe_core::flow::Timeouts;
use lanscribe_core::names::privacy::Privacy;
use lanscribe_core::pipeline;
use lanscribe_core::rollup::RowLimits;
use lanscribe_core::time::Span;
use tracing::Level;

use crate::store::{Retention, Size};
use reader::{Document, Problems};

pub(crate) use daemon::{Capture, ClockConfig, Control, StoreConfig};
pub(crate) use given::Given;
pub(crate) use reader::{ConfigError, quoted};
// Named by the daemon, and by the commands that talk to it.
pub(crate) use daemon::Interfaces;

/// Where the daemon, and who asks it, looks for the file.
pub(crate) const DEFAULT_PATH: &str = "/etc/lanscribe/lanscribe.toml";
/// A file that is longer is none; all names that it may have take a third of that.
const LONGEST: usize = 1 << 20;

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// The name of this tap, if it has one.
    pub(crate) site: Option<String>,
    /// Where days begin; the system's zone if it was not given.
    pub(crate) time_zone: Option<TimeZone>,
    pub(crate) capture: Capture,
    pub(crate) networks: Vec<Prefix>,
    pub(crate) learn: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) flows: usize,
    pub(crate) devices: usize,
    pub(crate) rows: RowLimits,
    pub(crate) store: StoreConfig,
    pub(crate) clock: ClockConfig,
    pub(crate) retention: Retention,
    /// How large the daemon's file may get.
    pub(crate) size: Size,
    pub(crate) control: Control,
    /// How much of names is written down.
    pub(crate) privacy: Privacy,
    /// Names of devices.
    pub(crate) labels: BTreeMap<MacAddr, String>,
    /// A file or folder with IEEE registries to use instead of the newest that is found.
    pub(crate) registry: Option<PathBuf>,
    /// The least that the daemon logs.
    pub(crate) log_level: Level,
}

impl Default for Config {
    fn default() -> Self {
        let core = pipeline::Config::default();
        Self {
            site: None,
            time_zone: None,
            capture: Capture::default(),
            networks: core.networks,
            learn: core.learn,
            timeouts: core.timeouts,
            flows: core.flows,
            devices: core.devices,
            rows: core.rows,
            store: StoreConfig::default(),
            clock: ClockConfig::default(),
            retention: Retention::default(),
            size: Size::default(),
            control: Control::default(),
            privacy: core.privacy,
            labels: BTreeMap::new(),
            registry: None,
            log_level: Level::INFO,
        }
    }
}

impl Config {
    /// Reads a configuration file; without one, everything is at its default.
    ///
    /// # Errors
    /// If it cannot be read, or with everything in it that is wrong, by line and key.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let mut bytes = Vec::new();
        let mut read = || std::fs::File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
        read().map_err(|e| ConfigError::Unreadable(path.to_owned(), e))?;
        Self::parse(path, &bytes)
    }

    /// Reads the file that was named; else the one at [`DEFAULT_PATH`], and if there is none, everything is at its
    /// default.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn load_or_default(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_or(path, Path::new(DEFAULT_PATH))
    }

    fn load_or(path: Option<&Path>, default: &Path) -> Result<Self, ConfigError> {
        match Self::load(path.or(Some(default))) {
            Err(ConfigError::Unreadable(_, e))
                if path.is_none() && e.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(Self::default())
            }
            loaded => loaded,
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        /// Beyond these a value is a typing mistake rather than a wish.
        const DAY: Span = Span::from_secs(86_400);
        const FOREVER: u32 = 36_500;

        if bytes.len() > LONGEST {
            return Err(Problems::only(path, 1, "file: is too long; expected at most 1 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            Problems::only(path, line, "not TOML: not UTF-8; expected a text file in UTF-8")
        })?;
        let default = Self::default();
        let mut file = Document::parse(path, text);
        let mut site = file.section("site");
        let name = site.name("name");
        let time_zone = site.time_zone("time_zone");
        site.done();

        let capture = Capture::read(&mut file);

        let mut lan = file.section("lan");
        let networks = lan.networks("networks");
        let learn = lan.flag("learn", default.learn);
        lan.done();

        let mut flow = file.section("flow");
        let mut timeout = |key, default| flow.span(key, default, Span::from_secs(1), DAY);
        let timeouts = Timeouts {
            active: timeout("active", default.timeouts.active),
            tcp: timeout("tcp", default.timeouts.tcp),
            tcp_closed: timeout("tcp_closed", default.timeouts.tcp_closed),
            udp: timeout("udp", default.timeouts.udp),
            icmp: timeout("icmp", default.timeouts.icmp),
            other: timeout("other", default.timeouts.other),
        };
        flow.done();

        let mut limits = file.section("limits");
        let flows = limits.count("flows", default.flows, 8, 1 << 20);
        let devices = limits.count("devices", default.devices, 8, 1 << 16);
        let rows = RowLimits {
            endpoints: limits.count("endpoints_per_minute", default.rows.endpoints, 2, 1 << 14),
            rows: limits.count("rows_per_minute", default.rows.rows, 8, 1 << 20),
        };
        limits.done();

        let store = StoreConfig::read(&mut file);

        let mut retention = file.section("retention");
        let mut days = |key, default| retention.days(key, default, FOREVER);
        let retained = Retention {
            minutes: days("minutes", default.retention.minutes),
            hours: days("hours", default.retention.hours),
            flows: days("flows", default.retention.flows),
            days: days("days", default.retention.days),
        };
        let size = retention.file_size("size");
        retention.done();

        let clock = ClockConfig::read(&mut file);
        let control = Control::read(&mut file);

        let mut section = file.section("privacy");
        let privacy = Privacy {
            names: section.privacy_level("names", default.privacy.names),
            device_names: section.flag("device_names", default.privacy.device_names),
            of_device: section.inner("privacy.devices").privacy_levels(),
        };
        section.done();

        let labels = file.section("labels").labels();

        let mut vendor = file.section("vendor");
        let registry = vendor.text("registry").map(PathBuf::from);
        vendor.done();

        let mut log = file.section("log");
        let log_level = log.level("level", default.log_level);
        log.done();

        let config = Self {
            site: name,
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
            retention: retained,
            size,
            control,
            privacy,
            labels,
            registry,
            log_level,
        };
        contradiction::check(&config, &mut file);
        file.finish()?;
        Ok(config)
    }

    /// The part that core needs.
    pub(crate) fn pipeline(&self) -> pipeline::Config {
        pipeline::Config {
            networks: self.networks.clone(),
            learn: self.learn,
            timeouts: self.timeouts,
            flows: self.flows,
            devices: self.devices,
            rows: self.rows,
            privacy: self.privacy.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
