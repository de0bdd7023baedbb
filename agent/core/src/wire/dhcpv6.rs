//! DHCP for IPv6 (RFC 8415): what a client says of itself when it asks.

use super::options;
use crate::decode::{be16, be32};
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 547;

/// Options of one message that are looked at; real ones have 10.
const OPTIONS: usize = 64;

/// Reads a UDP payload to [`SERVER_PORT`]. What a relay passes on says nothing: its client is not the sender.
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    /// SOLICIT, REQUEST, CONFIRM, RENEW, REBIND, RELEASE, DECLINE, INFORMATION-REQUEST (section 7.3).
    const OF_CLIENTS: [u8; 8] = [1, 3, 4, 5, 6, 8, 9, 11];
    if !bytes.first().is_some_and(|kind| OF_CLIENTS.contains(kind)) {
        return;
    }
    for (kind, body) in Options(bytes.get(4..).unwrap_or_default()).take(OPTIONS) {
        if let Some((source, value)) = claim(kind, body) {
            tell(Says::Own(source, value));
        }
    }
}

fn claim(kind: u16, body: &[u8]) -> Option<(ClaimSource, String)> {
    const CLIENT_ID: u16 = 1;
    const OPTION_REQUEST: u16 = 6;
    const VENDOR_CLASS: u16 = 16;
    const VENDOR_OPTIONS: u16 = 17;
    const FQDN: u16 = 39;
    const MUD_URL: u16 = 112;
    Some(match kind {
        CLIENT_ID => (ClaimSource::Duid, options::hex(body)?),
        OPTION_REQUEST => {
            let numbers = body.chunks_exact(2).filter_map(|pair| be16(pair, 0));
            (ClaimSource::Dhcpv6Fingerprint, options::numbers(numbers)?)
        }
        // An enterprise number, then texts with their lengths.
        VENDOR_CLASS => {
            let length = usize::from(be16(body, 4)?);
            (ClaimSource::Dhcpv6Vendor, text::free(body.get(6..6 + length)?)?)
        }
        VENDOR_OPTIONS => (ClaimSource::Dhcpv6Vendor, format!("enterprise {}", be32(body, 0)?)),
        // Flags, then labels with their lengths (RFC 4704 section 4).
        FQDN => (ClaimSource::Dhcpv6, options::labels(body.get(1..)?)?),
        MUD_URL => (ClaimSource::Mud, options::url(body)?),
        _ => return None,
    })
}

/// Kind and body of each option (RFC 8415 section 21.1).
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, length) = (be16(self.0, 0)?, be16(self.0, 2)?);
        let end = 4 + usize::from(length);
        let body = self.0.get(4..end)?;
        self.0 = self.0.get(end..)?;
        Some((kind, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    fn said(kind: u8, options: &[Vec<u8>]) -> Vec<(ClaimSource, String)> {
        let mut said = Vec::new();
        read(&[vec![kind, 0, 0, 1], options.concat()].concat(), &mut |says| {
            if let Says::Own(source, value) = says {
                said.push((source, value));
            }
        });
        said
    }

    #[test]
    fn a_client_says_name_class_fingerprint_identifier_and_url() {
        let options = [
            option(1, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 7]),
            option(6, &[0, 23, 0, 24, 0, 39]),
            option(16, b"\0\0\x01\x37\0\x08MSFT 5.0"),
            option(17, &[0, 0, 1, 55, 0, 1, 0, 0]),
            option(39, b"\x01\x02PC\x04home\0"),
            option(112, b"https://example.com/v6"),
            option(16, &[0, 0, 1]),
        ];
        let expected = [
            (ClaimSource::Duid, "00030001020000000007"),
            (ClaimSource::Dhcpv6Fingerprint, "23,24,39"),
            (ClaimSource::Dhcpv6Vendor, "MSFT 5.0"),
            (ClaimSource::Dhcpv6Vendor, "enterprise 311"),
            (ClaimSource::Dhcpv6, "pc.home"),
            (ClaimSource::Mud, "https://example.com/v6"),
        ];
        assert_eq!(said(1, &options), expected.map(|(source, value)| (source, value.to_owned())));
        assert_eq!(said(2, &options), [], "a server");
        assert_eq!(said(12, &options), [], "a relay");
    }

    #[test]
    fn a_message_of_options_without_end_is_read_up_to_a_limit() {
        assert_eq!(said(1, &vec![option(1, &[7]); 5_000]).len(), OPTIONS);
    }
}
