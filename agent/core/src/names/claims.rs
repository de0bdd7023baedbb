//! What devices say of themselves.

use std::sync::Arc;

pub use super::claim_source::ClaimSource;
use crate::device::DeviceId;
use crate::time::Timestamp;

/// Something that a device said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who said it.
    pub device: DeviceId,
    /// How.
    pub source: ClaimSource,
    /// What: safe text of at most 256 characters.
    pub value: Arc<str>,
    /// First time heard.
    pub first: Timestamp,
    /// Last time heard.
    pub last: Timestamp,
}
