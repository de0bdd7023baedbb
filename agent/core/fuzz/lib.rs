//! What the fuzz targets share: the entries, and of the tests of core what those need.

#![allow(dead_code, reason = "of the tests' helpers only some are needed here")]

mod entries;
#[path = "../tests/frame.rs"]
mod frame;
#[path = "../tests/input.rs"]
mod input;

/// Feeds `bytes` to the entry of that name.
///
/// # Panics
///
/// If there is no such entry, or if what it reads does something that it must not.
pub fn run(name: &str, bytes: &[u8]) {
    entries::of(name).expect("a target for each entry")(bytes);
}
