//! The lanscribe program.
fn main() {}
