//! The deciding part as a whole, from frames to rows: a plain model beside it, the law of conservation over
//! generated traffic, and scenes of a LAN told one by one.

#![allow(clippy::unwrap_used, reason = "what a test's own helpers cannot do ends the test")]

mod conservation;
mod corpus;
#[path = "../fuzz/entries/mod.rs"]
mod entries;
mod frame;
mod input;
mod merge;
mod model;
mod robust;
mod same;
mod scenario;
mod traffic;
mod worst;
