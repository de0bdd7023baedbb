//! SSDP of UPnP (UPnP Device Architecture 2.0 section 1): what media players, routers and hubs announce of themselves.
//!
//! Own code, since `httparse` gives nothing of a message without the empty line at its end, and of one with an odd header.

use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port.
pub const PORT: u16 = 1900;

/// Headers of one message that are looked at; real ones have 20.
const HEADERS: usize = 64;
/// Bytes of a message that are looked at.
const BYTES: usize = 8_192;

/// Reads a UDP payload from or to [`PORT`].
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    let bytes = bytes.get(..bytes.len().min(BYTES)).unwrap_or_default();
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let announces = first.starts_with(b"NOTIFY ") || first.starts_with(b"HTTP/1.1 200");
    let searches = first.starts_with(b"M-SEARCH ");
    if !announces && !searches {
        return;
    }
    for line in lines.take(HEADERS) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (header, value) = line.split_at(colon);
        let (header, value) = (header.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii());
        let claim = if announces { announced(header, value) } else { searching(header, value) };
        if let Some((source, value)) = claim {
            tell(Says::Own(source, value));
        }
    }
}

/// What a header of an announcement says of a device.
fn announced(header: &[u8], value: &[u8]) -> Option<(ClaimSource, String)> {
    let is = |name: &str| header.eq_ignore_ascii_case(name.as_bytes());
    if is("SERVER") {
        Some((ClaimSource::Ssdp, text::free(value)?))
    } else if is("NT") || is("ST") {
        Some((ClaimSource::SsdpType, kind(value)?))
    } else if is("hue-bridgeid") {
        Some((ClaimSource::SsdpType, "hue-bridge".to_owned()))
    } else if is("FRIENDLYNAME.UPNP.ORG") || is("DLNADeviceName.lge.com") {
        Some((ClaimSource::SsdpName, text::free(value)?))
    } else {
        None
    }
}

/// What a header of a search says of the one that searches.
fn searching(header: &[u8], value: &[u8]) -> Option<(ClaimSource, String)> {
    // The control point's friendly name (section 1.3.2).
    header
        .eq_ignore_ascii_case(b"CPFN.UPNP.ORG")
        .then(|| Some((ClaimSource::SsdpName, text::free(value)?)))?
}

/// The device type of `urn:domain:device:type:version`, with the domain if it is not that of the standard types.
fn kind(value: &[u8]) -> Option<String> {
    let mut parts = value.split(|&byte| byte == b':');
    match (parts.next()?, parts.next()?) {
        (b"urn", domain) if parts.next()? == b"device" => {
            let kind = text::free(parts.next()?)?;
            Some(match domain {
                b"schemas-upnp-org" => kind,
                _ => format!("{}:{kind}", text::free(domain)?),
            })
        }
        (b"roku", b"ecp") => Some("roku:ecp".to_owned()),
        _ => None,
    }
}
