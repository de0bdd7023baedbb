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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<Says> {
        let mut said = Vec::new();
        read(text.as_bytes(), &mut |says| said.push(says));
        said
    }

    fn own(source: ClaimSource, value: &str) -> Says {
        Says::Own(source, value.to_owned())
    }

    #[test]
    fn announcements_and_answers_say_product_type_and_name() {
        let notify = "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
            Server:Linux/3.14 UPnP/1.0 IpBridge/1.9\r\nNT: urn:schemas-upnp-org:device:MediaRenderer:1\r\n\
            DLNADeviceName.lge.com: Bedroom TV\r\nbad line\r\nhue-bridgeid: 0017";
        assert_eq!(
            said(notify),
            [
                own(ClaimSource::Ssdp, "Linux/3.14 UPnP/1.0 IpBridge/1.9"),
                own(ClaimSource::SsdpType, "MediaRenderer"),
                own(ClaimSource::SsdpName, "Bedroom TV"),
                own(ClaimSource::SsdpType, "hue-bridge"),
            ]
        );
        let answer = "HTTP/1.1 200 OK\r\nST: urn:Belkin:device:insight:1\r\n\r\n";
        assert_eq!(said(answer), [own(ClaimSource::SsdpType, "Belkin:insight")]);
        assert_eq!(said("NOTIFY * HTTP/1.1\nNT: roku:ecp\n"), [own(ClaimSource::SsdpType, "roku:ecp")]);
    }

    #[test]
    fn who_searches_says_only_its_own_name() {
        let search = "M-SEARCH * HTTP/1.1\r\nST: urn:schemas-upnp-org:device:Printer:1\r\n\
            SERVER: x\r\nCPFN.UPNP.ORG: Anna's phone\r\n\r\n";
        assert_eq!(said(search), [own(ClaimSource::SsdpName, "Anna's phone")]);
        assert_eq!(said("HTTP/1.1 404 Not Found\r\nSERVER: x\r\n"), []);
    }

    #[test]
    fn what_is_no_type_of_a_device_is_none() {
        for nt in ["upnp:rootdevice", "uuid:1234", "urn:schemas-upnp-org:service:Switch:1", "urn:x", ""] {
            assert_eq!(said(&format!("NOTIFY * HTTP/1.1\r\nNT: {nt}\r\n")), [], "{nt}");
        }
    }

    #[test]
    fn headers_without_end_are_read_up_to_a_limit() {
        let many = format!("NOTIFY * HTTP/1.1\r\n{}", "SERVER: x\r\n".repeat(5_000));
        assert_eq!(said(&many).len(), HEADERS);
        let late = format!("NOTIFY * HTTP/1.1\r\nX: {}\r\nSERVER: x\r\n", "y".repeat(BYTES));
        assert_eq!(said(&late), []);
    }
}
