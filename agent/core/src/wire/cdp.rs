//! CDP, Cisco's discovery protocol: what its switches, access points and phones tell their neighbour.

use crate::decode::be16;
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// What stands for LLC with SNAP where no EtherType is: 256 and the DSAP.
pub const LLC_SNAP: u16 = 256 + 0xaa;

/// Elements of one frame that are looked at; real ones have 30.
const ELEMENTS: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn element(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 4).unwrap();
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
    }

    fn said(head: &[u8], elements: &[Vec<u8>]) -> Vec<Says> {
        let mut said = Vec::new();
        read(&[head, &[2, 180, 0, 0], &elements.concat()].concat(), &mut |says| said.push(says));
        said
    }

    #[test]
    fn a_neighbour_says_its_name_and_platform() {
        let head = [0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0];
        let elements = [element(1, b"ap-1"), element(3, b"eth0"), element(6, b"cisco AIR")];
        let own = |source, value: &str| Says::Own(source, value.to_owned());
        assert_eq!(
            said(&head, &elements),
            [own(ClaimSource::Cdp, "ap-1"), own(ClaimSource::CdpPlatform, "cisco AIR")]
        );
        let vtp = [0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 3];
        assert_eq!(said(&vtp, &elements), []);
        assert_eq!(said(&head, &[element(1, b"x")[..3].to_vec()]), []);
        assert_eq!(said(&head, &[vec![0, 1, 0, 2]]), [], "a length that does not even cover itself");
        assert_eq!(said(&head, &vec![element(1, b"x"); 5_000]).len(), ELEMENTS);
    }
}
