//! The real program, run on captures and files.

mod captures;
mod reading;
mod sample;
mod support;
mod vendor;

use support::skip;
