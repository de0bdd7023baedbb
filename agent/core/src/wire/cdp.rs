//! CDP, Cisco's discovery protocol: what its switches, access points and phones tell their neighbour.

use crate::decode::be16;
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// What stands for LLC with SNAP where no EtherType is: 256 and the DSAP.
pub const LLC_SNAP: u16 = 256 + 0xaa;

/// Elements of one frame that are looked at.
const ELEMENTS: usize = 256;

/// Reads what follows the link header of a frame with an LLC header, and nothing but CDP.
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    /// LLC unnumbered information, Cisco's OUI, protocol 0x2000.
    const CDP: &[u8] = &[0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00];
    const DEVICE_ID: u16 = 1;
    const PLATFORM: u16 = 6;
    // Version, time to live, checksum.
    let Some(mut rest) = bytes.strip_prefix(CDP).and_then(|bytes| bytes.get(4..)) else { return };
    for _ in 0..ELEMENTS {
        let (Some(kind), Some(length)) = (be16(rest, 0), be16(rest, 2)) else { return };
        // The length counts its own header.
        let Some(body) = rest.get(4..length.into()) else { return };
        let source = match kind {
            DEVICE_ID => Some(ClaimSource::Cdp),
            PLATFORM => Some(ClaimSource::CdpPlatform),
            _ => None,
        };
        if let Some(source) = source
            && let Some(value) = text::free(body)
        {
            tell(Says::Own(source, value));
        }
        rest = rest.get(length.into()..).unwrap_or_default();
    }
}
