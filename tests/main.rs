//! The real program, run on captures and files.

mod vendor;

/// Says that a test did not run, and what it would need.
fn skip(name: &str, reason: &str) {
    eprintln!("SKIPPED: {name}: {reason}");
}
