//! What the program says to standard error beside its answers; as a daemon, to the journal.

use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
        .with_env_filter(filter(Level::WARN))
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    let _ = SET_LEVEL.set(Box::new(move |filter| handle.reload(filter).is_ok()));
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
