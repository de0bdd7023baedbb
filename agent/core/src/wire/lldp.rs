//! LLDP (IEEE 802.1AB): what switches, access points and phones tell their neighbour.

use super::options;
use crate::decode::be16;
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// EtherType.
pub const ETHERTYPE: u16 = 0x88cc;

/// Elements of one frame that are looked at; real ones have 30.
const ELEMENTS: usize = 64;

/// Reads what follows the link header of a frame with [`ETHERTYPE`].
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    const END: u16 = 0;
    const SYSTEM_NAME: u16 = 5;
    const SYSTEM_DESCRIPTION: u16 = 6;
    const ORGANISATION: u16 = 127;
    /// IANA's OUI and the subtype of the URL (RFC 8520 section 11).
    const MUD: &[u8] = &[0x00, 0x00, 0x5e, 0x01];
    let mut rest = bytes;
    for _ in 0..ELEMENTS {
        // Seven bits of type, nine of length.
        let Some(header) = be16(rest, 0) else { return };
        let (kind, end) = (header >> 9, 2 + usize::from(header & 0x1ff));
        let Some(body) = rest.get(2..end) else { return };
        let claim = match kind {
            END => return,
            SYSTEM_NAME => text::free(body).map(|name| (ClaimSource::Lldp, name)),
            SYSTEM_DESCRIPTION => text::free(body).map(|text| (ClaimSource::LldpDescription, text)),
            ORGANISATION => body.strip_prefix(MUD).and_then(options::url).map(|url| (ClaimSource::Mud, url)),
            _ => None,
        };
        if let Some((source, value)) = claim {
            tell(Says::Own(source, value));
        }
        rest = rest.get(end..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(kind: u16, body: &[u8]) -> Vec<u8> {
        let header = kind << 9 | u16::try_from(body.len()).unwrap();
        [&header.to_be_bytes()[..], body].concat()
    }

    fn said(elements: &[Vec<u8>]) -> Vec<Says> {
        let mut said = Vec::new();
        read(&elements.concat(), &mut |says| said.push(says));
        said
    }

    #[test]
    fn a_neighbour_says_its_name_description_and_url() {
        let said = said(&[
            element(1, &[4, 2, 0, 0, 0, 0, 7]),
            element(5, b"switch-1"),
            element(6, b"Eight ports\r\nversion 2"),
            element(127, b"\0\0\x5e\x01https://example.com/switch"),
            element(127, b"\0\x12\x0f\x01https://example.com/other"),
            element(0, &[]),
            element(5, b"padding"),
        ]);
        let own = |source, value: &str| Says::Own(source, value.to_owned());
        assert_eq!(
            said,
            [
                own(ClaimSource::Lldp, "switch-1"),
                own(ClaimSource::LldpDescription, "Eight ports version 2"),
                own(ClaimSource::Mud, "https://example.com/switch"),
            ]
        );
    }

    #[test]
    fn what_is_cut_or_without_end_is_read_as_far_as_it_goes() {
        let cut = [element(5, b"switch-1"), element(6, b"cut")[..4].to_vec()];
        assert_eq!(said(&cut).len(), 1);
        assert_eq!(said(&vec![element(5, b"x"); 5_000]).len(), ELEMENTS);
    }
}
