//! WS-Discovery (OASIS 1.1): what computers, printers and cameras say of themselves when they come or are searched for.
//!
//! No XML library: three elements are looked for in one walk over the tags, and what looks otherwise says nothing.

use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port.
pub const PORT: u16 = 3702;

/// Bytes of a message that are looked at; real ones have 3,000.
const BYTES: usize = 8_192;
/// Tags of a message that are looked at; real ones have 60.
const TAGS: usize = 512;
/// Words of one element that are looked at.
const WORDS: usize = 32;

/// Reads a UDP payload from or to [`PORT`].
pub fn read(bytes: &[u8], tell: &mut impl FnMut(Says)) {
    /// Messages in which the sender describes itself; in a Probe it describes what it searches for.
    const OWN: [&[u8]; 3] = [b"/Hello", b"/ProbeMatches", b"/ResolveMatches"];
    let bytes = bytes.get(..bytes.len().min(BYTES)).unwrap_or_default();
    let is_own =
        || texts(bytes, b"Action").any(|action| OWN.iter().any(|end| action.trim_ascii().ends_with(end)));
    // Who answers for several is a proxy, and which of them it is itself cannot be said.
    if texts(bytes, b"Types").nth(1).is_some() || !is_own() {
        return;
    }
    for word in words(bytes, b"Types") {
        let local = word.rsplit(|&byte| byte == b':').next().unwrap_or(word);
        // What every member of the profile for devices says.
        if local != b"Device"
            && let Some(kind) = text::free(local)
        {
            tell(Says::Own(ClaimSource::Wsd, kind));
        }
    }
    for word in words(bytes, b"Scopes") {
        let of = |prefix: &[u8]| word.strip_prefix(prefix).and_then(|rest| text::free(&decoded(rest)));
        if let Some(name) = of(b"onvif://www.onvif.org/name/") {
            tell(Says::Own(ClaimSource::WsdName, name));
        } else if let Some(model) = of(b"onvif://www.onvif.org/hardware/") {
            tell(Says::Own(ClaimSource::WsdModel, model));
        }
    }
}

fn words<'a>(bytes: &'a [u8], element: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let text = texts(bytes, element).next().unwrap_or_default();
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(WORDS)
}

/// The texts of the opening tags with the local name `element`, up to the next tag.
fn texts<'a>(bytes: &'a [u8], element: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    bytes.split(|&byte| byte == b'<').take(TAGS).filter_map(move |piece| {
        let end = piece.iter().position(|byte| matches!(byte, b'>' | b' ' | b'\t' | b'\r' | b'\n'))?;
        let name = piece.get(..end)?;
        let local = name.rsplit(|&byte| byte == b':').next()?;
        let text = piece.iter().position(|&byte| byte == b'>')? + 1;
        (local == element && name.first() != Some(&b'/')).then(|| piece.get(text..))?
    })
}

/// `%20` and its like as the bytes that they stand for (RFC 3986 section 2.1).
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let escaped = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        plain.push(escaped.unwrap_or(first));
        rest = behind.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(action: &str, body: &str) -> Vec<Says> {
        let text = format!(
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"urn:x\"><s:Header>\
             <a:Action mustUnderstand=\"1\">http://schemas.xmlsoap.org/ws/2005/04/discovery/{action}</a:Action>\
             </s:Header><s:Body>{body}</s:Body></s:Envelope>"
        );
        let mut said = Vec::new();
        read(text.as_bytes(), &mut |says| said.push(says));
        said
    }

    const CAMERA: &str = "<d:ProbeMatch><d:Types xmlns:n=\"urn:y\">tds:Device\n n:NetworkVideoTransmitter</d:Types>\
        <d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Front%20Door%2 \
        onvif://www.onvif.org/hardware/DS-2CD</d:Scopes></d:ProbeMatch>";

    #[test]
    fn who_comes_or_is_found_says_type_name_and_hardware() {
        let own = |source, value: &str| Says::Own(source, value.to_owned());
        let expected = [
            own(ClaimSource::Wsd, "NetworkVideoTransmitter"),
            own(ClaimSource::WsdName, "Front Door%2"),
            own(ClaimSource::WsdModel, "DS-2CD"),
        ];
        assert_eq!(said("ProbeMatches", CAMERA), expected);
        assert_eq!(said("Hello ", CAMERA), expected);
    }

    #[test]
    fn who_searches_or_speaks_for_several_says_nothing_of_itself() {
        assert_eq!(said("Probe", CAMERA), []);
        assert_eq!(said("Bye", CAMERA), []);
        assert_eq!(said("ProbeMatches", &CAMERA.repeat(2)), []);
        assert_eq!(said("Hello", "<d:Types/><d:Scopes></d:Scopes>"), []);
    }

    #[test]
    fn words_without_end_and_messages_without_end_are_read_up_to_a_limit() {
        assert_eq!(said("Hello", &format!("<Types>{}</Types>", "a:b ".repeat(1_000))).len(), WORDS);
        assert_eq!(said("Hello", &format!("<X>{}</X>{CAMERA}", "y".repeat(BYTES))), []);
        assert_eq!(said("Hello", &format!("{}{CAMERA}", "<X/>".repeat(TAGS))), []);
    }
}
