//! DHCP for IPv4 (RFC 2131, RFC 2132): who got which address, how wide the network is, and what clients say of themselves.

use std::net::Ipv4Addr;

use super::options;
use crate::addr::{MacAddr, Prefix};
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 67;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Options of one message that are looked at for what a client says; real ones have 20.
const OPTIONS: usize = 64;

/// A lease as the server acknowledged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// `dhcp.hw.mac_addr`: the client.
    pub client: MacAddr,
    /// `dhcp.ip.your`, or the address that an informing client already had.
    pub address: Ipv4Addr,
    /// The network by the subnet mask, where it was given and makes sense.
    pub network: Option<Prefix>,
}

impl Ack {
    /// UDP port of the server, which is where an ACK comes from.
    pub const SERVER_PORT: u16 = SERVER_PORT;

    /// Reads a UDP payload from port 67; `None` for every other message.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const ETHERNET: u8 = 1;
        const SUBNET_MASK: u8 = 1;
        const MESSAGE_TYPE: u8 = 53;
        const ACK: u8 = 5;

        if bytes.get(..3)? != [REPLY, ETHERNET, 6] || bytes.get(236..240)? != MAGIC_COOKIE {
            return None;
        }
        let client = MacAddr(bytes.get(28..34)?.try_into().ok()?);
        let ipv4 = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
        let (own, given) = (ipv4(12)?, ipv4(16)?);
        let address = if given.is_unspecified() { own } else { given };
        let (mut acknowledged, mut mask) = (false, None);
        for (kind, body) in Options(&bytes[240..]) {
            match (kind, body) {
                (MESSAGE_TYPE, [ACK]) => acknowledged = true,
                (SUBNET_MASK, &[a, b, c, d]) => mask = Some(u32::from_be_bytes([a, b, c, d])),
                _ => {}
            }
        }
        if !acknowledged || address.is_unspecified() {
            return None;
        }
        let contiguous = |mask: &u32| mask.leading_ones() + mask.trailing_zeros() >= 32;
        let network = mask
            .filter(contiguous)
            .and_then(|mask| Prefix::new(address.into(), u8::try_from(mask.leading_ones()).ok()?));
        Some(Self { client, address, network })
    }
}

/// Reads a UDP payload from or to [`SERVER_PORT`]: what a client says of itself, and the names that a server gives it. It
/// is said of the client's hardware address, for a relay may send it.
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    /// A hardware address of six bytes, whatever the network (RFC 2131 section 2).
    const SIX_BYTES: u8 = 6;
    let (Some(&[code, _, SIX_BYTES]), Some(&MAGIC_COOKIE)) =
        (bytes.first_chunk(), bytes.get(236..).and_then(<[u8]>::first_chunk))
    else {
        return;
    };
    let Some(client) = bytes.get(28..).and_then(<[u8]>::first_chunk).copied().map(MacAddr) else { return };
    for (kind, body) in Options(bytes.get(240..).unwrap_or_default()).take(OPTIONS) {
        let claim = match code {
            REQUEST => of_itself(kind, body),
            REPLY => name(kind, body),
            _ => None,
        };
        if let Some((source, value)) = claim {
            tell(Says::Of(client, source, value));
        }
    }
}

/// What option `kind` of a client says.
fn of_itself(kind: u8, body: &[u8]) -> Option<(ClaimSource, String)> {
    const PARAMETERS: u8 = 55;
    const VENDOR_CLASS: u8 = 60;
    const CLIENT_ID: u8 = 61;
    const MUD_URL: u8 = 161;
    Some(match kind {
        PARAMETERS => (ClaimSource::DhcpFingerprint, options::numbers(body.iter().copied().map(u16::from))?),
        VENDOR_CLASS => (ClaimSource::DhcpVendor, text::free(body)?),
        CLIENT_ID => (ClaimSource::DhcpClientId, options::hex(body)?),
        MUD_URL => (ClaimSource::Mud, options::url(body)?),
        _ => return name(kind, body),
    })
}

/// The name that option `kind` gives, the client's word or the server's.
fn name(kind: u8, body: &[u8]) -> Option<(ClaimSource, String)> {
    const HOST_NAME: u8 = 12;
    const FQDN: u8 = 81;
    /// Flag of [`FQDN`]: labels with their lengths, and not text with dots (RFC 4702 section 2.1).
    const ENCODED: u8 = 4;
    match (kind, body) {
        (HOST_NAME, _) => Some((ClaimSource::Dhcp, text::free(body)?)),
        // Flags, then two response codes that nobody uses.
        (FQDN, [flags, _, _, encoded @ ..]) if flags & ENCODED != 0 => {
            Some((ClaimSource::DhcpFqdn, options::labels(encoded)?))
        }
        (FQDN, [_, _, _, text @ ..]) => {
            Some((ClaimSource::DhcpFqdn, text::host(text.strip_suffix(b"\0").unwrap_or(text))?))
        }
        _ => None,
    }
}

/// Kind and body of each option (RFC 2132 section 2).
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const PAD: u8 = 0;
        const END: u8 = 255;
        let start = self.0.iter().position(|&b| b != PAD)?;
        let (&kind, &length) = (self.0.get(start)?, self.0.get(start + 1)?);
        if kind == END {
            return None;
        }
        let end = start + 2 + usize::from(length);
        let body = self.0.get(start + 2..end)?;
        self.0 = &self.0[end..];
        Some((kind, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[..3].copy_from_slice(&[2, 1, 6]);
        bytes[16..20].copy_from_slice(&[130, 1, 2, 3]);
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend(options);
        bytes
    }

    #[test]
    fn an_acknowledged_lease_gives_client_address_and_network() {
        let lease = Ack::read(&ack(&[0, 53, 1, 5, 1, 4, 255, 255, 254, 0, 255])).unwrap();
        assert_eq!(lease.client, MacAddr([2, 0, 0, 0, 0, 7]));
        assert_eq!(lease.address, Ipv4Addr::new(130, 1, 2, 3));
        assert_eq!(lease.network, Some("130.1.2.0/23".parse().unwrap()));
    }

    #[test]
    fn what_is_no_ack_or_is_cut_teaches_nothing() {
        assert_eq!(Ack::read(&ack(&[53, 1, 2, 255])), None, "an offer");
        assert_eq!(Ack::read(&ack(&[53, 9, 5])), None, "cut");
        assert_eq!(Ack::read(&ack(&[53, 1, 5])[..239]), None);
        let odd = Ack::read(&ack(&[53, 1, 5, 1, 4, 255, 0, 255, 0])).unwrap();
        assert_eq!(odd.network, None, "a mask with a hole is no network");
    }

    fn said(bytes: &[u8]) -> Vec<(ClaimSource, String)> {
        let mut said = Vec::new();
        read(bytes, &mut |says| match says {
            Says::Of(MacAddr([2, 0, 0, 0, 0, 7]), source, value) => said.push((source, value)),
            other => panic!("{other:?}"),
        });
        said
    }

    fn option(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn request(options: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = ack(&options.concat());
        bytes[0] = REQUEST;
        bytes
    }

    #[test]
    fn a_client_says_name_class_fingerprint_identifier_and_url() {
        let bytes = request(&[
            option(53, &[3]),
            option(12, b"Anna's\x1b iPhone\0"),
            option(60, b"android-dhcp-14"),
            option(55, &[1, 3, 6, 15, 119]),
            option(61, &[1, 2, 0, 0, 0, 0, 7]),
            option(161, b"https://example.com/bulb.json"),
            option(255, &[]),
            option(12, b"beyond the end"),
        ]);
        let expected = [
            (ClaimSource::Dhcp, "Anna's iPhone"),
            (ClaimSource::DhcpVendor, "android-dhcp-14"),
            (ClaimSource::DhcpFingerprint, "1,3,6,15,119"),
            (ClaimSource::DhcpClientId, "01020000000007"),
            (ClaimSource::Mud, "https://example.com/bulb.json"),
        ];
        assert_eq!(said(&bytes), expected.map(|(source, value)| (source, value.to_owned())));
    }

    #[test]
    fn the_full_name_comes_as_text_or_encoded() {
        let fqdn = |body: &[u8]| said(&request(&[option(81, body)])).pop().map(|(_, value)| value);
        assert_eq!(fqdn(b"\x01\0\0PC.Example.org").as_deref(), Some("pc.example.org"));
        assert_eq!(fqdn(b"\x04\0\0\x02PC\x07example\0").as_deref(), Some("pc.example"));
        assert_eq!(fqdn(b"\x04\0\0\x02PC").as_deref(), Some("pc"), "a partial name");
        assert_eq!(fqdn(b"\x04\0\0\x40PC"), None);
        assert_eq!(fqdn(b"\x01\0"), None);
    }

    #[test]
    fn of_a_server_only_the_names_count_and_of_other_messages_nothing() {
        let reply = ack(&[option(53, &[2]), option(12, b"pc"), option(60, b"server")].concat());
        assert_eq!(said(&reply), [(ClaimSource::Dhcp, "pc".to_owned())]);
        let mut other = request(&[option(12, b"pc")]);
        other[2] = 16;
        assert_eq!(said(&other), [], "no Ethernet address");
        other[2] = 6;
        other[236] = 0;
        assert_eq!(said(&other), [], "BOOTP without the cookie");
        assert_eq!(said(&request(&[option(161, b"ftp://example.com/x"), option(55, &[])])), []);
    }

    #[test]
    fn a_message_of_options_without_end_is_read_up_to_a_limit() {
        assert_eq!(said(&request(&vec![option(12, b"pc"); 5_000])).len(), OPTIONS);
        let long = said(&request(&[option(55, &[200; 255]), option(61, &[7; 255])]));
        assert_eq!(long[0].1.len(), 64 * 4 - 1);
        assert_eq!(long[1].1.len(), 64);
    }
}
