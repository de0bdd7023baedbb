//! What the program says to standard error beside its answers; as a daemon, to the journal.

use std::fmt;
use std::sync::OnceLock;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How the level is changed later.
type SetLevel = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;
static SET_LEVEL: OnceLock<SetLevel> = OnceLock::new();

/// Starts saying what is a warning or worse.
pub(crate) fn start() {
    // The journal, and a terminal that is looked at, know the time.
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .map_event_format(|format| Ranked { format, journal: is_journal() })
        .with_env_filter(filter(Level::WARN))
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    let _ = SET_LEVEL.set(Box::new(move |filter| handle.reload(filter).is_ok()));
}

/// Lines with their rank before them, by which the journal lists what is a warning or worse (sd-daemon(3)).
struct Ranked<F> {
    format: F,
    journal: bool,
}

impl<S, N, F> FormatEvent<S, N> for Ranked<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.journal {
            let rank = match *event.metadata().level() {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                _ => 7,
            };
            write!(to, "<{rank}>")?;
        }
        self.format.format_event(context, to, event)
    }
}

/// Whether standard error is what the service manager said that the journal reads: who inherits its word may write
/// elsewhere.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// From here on says what is of this level or worse.
pub(crate) fn set_level(level: Level) {
    if let Some(set) = SET_LEVEL.get() {
        set(filter(level));
    }
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::default().add_directive(LevelFilter::from_level(level).into())
}
