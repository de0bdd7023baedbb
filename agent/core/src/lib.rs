//! The part of lanscribe that decides: packets in, rows out, time as an argument.
//!
//! Nothing here knows an operating system, a database, libpcap or a clock, so a capture file and a live
//! interface give the same rows, and a test moves time by adding to a number.

pub mod addr;
pub mod address_book;
mod attribution;
pub mod batch;
mod bucket;
mod class;
pub mod decode;
pub mod device;
pub mod flow;
mod fragment;
mod gap;
pub mod lan;
pub mod learn;
pub mod names;
pub mod packet;
pub mod pipeline;
pub mod rollup;
pub mod service;
pub mod stats;
pub mod talk;
pub mod tap;
pub mod text;
pub mod time;
pub mod wire;
