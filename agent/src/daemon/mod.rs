//! The daemon: its threads, and what goes between them.

pub(crate) mod writer;
