//! The real program, run on captures and files.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod captures;
mod configuration;
mod daemon;
mod documented;
mod installing;
mod live;
mod names;
mod packaging;
mod people;
mod reading;
mod readme;
mod running;
mod sample;
mod support;
mod trouble;
mod units;
mod vendor;
mod watch;

use support::skip;
