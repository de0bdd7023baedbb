//! The configuration file: what the owner may decide, with the defaults for what was left out.
//!
//! `config/lanscribe.toml` shows every key at its default; a test holds the two together.

mod reader;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use lanscribe_core::addr::Prefix;
use lanscribe_core::flow::Timeouts;
use lanscribe_core::pipeline;
use lanscribe_core::rollup::RowLimits;
use lanscribe_core::time::Span;

use crate::store::Retention;
use reader::Document;

pub(crate) use reader::ConfigError;

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Where days begin; the system's zone if it was not given.
    pub(crate) time_zone: Option<TimeZone>,
    pub(crate) networks: Vec<Prefix>,
    pub(crate) learn: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) flows: usize,
    pub(crate) devices: usize,
    pub(crate) rows: RowLimits,
    pub(crate) retention: Retention,
    /// A file or folder with IEEE registries to use instead of the newest that is found.
    pub(crate) registry: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let core = pipeline::Config::default();
        Self {
            time_zone: None,
            networks: core.networks,
            learn: core.learn,
            timeouts: core.timeouts,
            flows: core.flows,
            devices: core.devices,
            rows: core.rows,
            retention: Retention::default(),
            registry: None,
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
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError::Unreadable(path.to_owned(), e))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        /// Beyond these a value is a typing mistake rather than a wish.
        const DAY: Span = Span::from_secs(86_400);
        const FOREVER: u32 = 36_500;

        let default = Self::default();
        let mut file = Document::parse(path, text);
        let mut site = file.section("site");
        let time_zone = site.time_zone("time_zone");
        site.done();

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

        let mut retention = file.section("retention");
        let mut days = |key, default| retention.days(key, default, FOREVER);
        let retained = Retention {
            minutes: days("minutes", default.retention.minutes),
            hours: days("hours", default.retention.hours),
            flows: days("flows", default.retention.flows),
            days: days("days", default.retention.days),
        };
        retention.done();

        let mut vendor = file.section("vendor");
        let registry = vendor.text("registry").map(PathBuf::from);
        vendor.done();

        file.finish()?;
        Ok(Self { time_zone, networks, learn, timeouts, flows, devices, rows, retention: retained, registry })
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../config/lanscribe.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("x.toml"), text).map_err(|e| e.to_string())
    }

    /// The shipped file as it would be with every key taken into use.
    fn uncommented() -> String {
        let setting = |line: &&str| {
            line.starts_with('[')
                || line.strip_prefix('#').is_some_and(|l| !l.starts_with([' ', '#']) && !l.is_empty())
        };
        SHIPPED.lines().filter(setting).map(|line| format!("{}\n", line.trim_start_matches('#'))).collect()
    }

    #[test]
    fn the_shipped_file_changes_nothing_and_shows_every_default() {
        assert_eq!(parse(SHIPPED).unwrap(), Config::default());
        let shown = uncommented();
        assert_eq!(parse(&shown).unwrap(), Config { time_zone: Some(TimeZone::UTC), ..Config::default() });
        let keys = shown.lines().filter(|line| line.contains('=')).count();
        assert_eq!(keys, 18, "a key was added to the code or to the file, but not to both:\n{shown}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_with_line_and_key() {
        let said = parse(
            "[lan]\nnetworks = [\"10.0.0.1/8\", \"fd00::/8\"]\nlern = true\n[flow]\ntcp = 300\nudp = \"5 parsecs\"\nicmp = \"3 days\"\n\
             [limits]\nflows = 1\n[retention]\nminutes = \"2 h\"\n[site]\ntime_zone = \"Mars/Olympus\"\n[nonsense]\n",
        )
        .unwrap_err();
        let lines: Vec<_> =
            said.lines().map(|l| l.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
        let expected = [
            "x.toml:2: lan.networks",
            "x.toml:3: lan.lern",
            "x.toml:5: flow.tcp",
            "x.toml:6: flow.udp",
            "x.toml:7: flow.icmp",
            "x.toml:9: limits.flows",
            "x.toml:11: retention.minutes",
            "x.toml:13: site.time_zone",
            "x.toml:14: nonsense",
        ];
        assert_eq!(lines, expected, "{said}");
        assert!(said.contains("learn"), "an unknown key comes with those that are known: {said}");
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_line() {
        let said = parse("[lan]\nlearn = maybe\n").unwrap_err();
        assert!(said.starts_with("x.toml:2: "), "{said}");
    }
}
