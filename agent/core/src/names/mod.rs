//! Names: what a device calls itself, and what it is.

pub mod claim_source;
pub mod claims;
pub mod heard;
pub mod kind;
