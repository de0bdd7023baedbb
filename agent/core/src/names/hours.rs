//! What each device asked in an hour.

use std::sync::Arc;

use crate::device::DeviceId;
use crate::time::Timestamp;

/// How a question was answered: 0 and above as on the wire (IANA "DNS RCODEs").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub i16);

impl Rcode {
    /// No answer was seen in time.
    pub const NO_ANSWER: Self = Self(-1);
}

/// Questions of a device for one name and type with one result, in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRow {
    /// Start of the hour, UTC, in which the questions were asked.
    pub window: Timestamp,
    /// Who asked.
    pub device: DeviceId,
    /// The name; `*.` and a registered domain, or `*`, for several.
    pub name: Arc<str>,
    /// QTYPE; 0 where the name is `*`.
    pub kind: u16,
    /// The result.
    pub rcode: Rcode,
    /// Questions since the last batch.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}
