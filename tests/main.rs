//! The real program, run on captures and files.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod captures;
mod configuration;
mod documented;
mod people;
mod reading;
mod readme;
mod sample;
mod support;
mod trouble;
mod vendor;

use support::skip;
