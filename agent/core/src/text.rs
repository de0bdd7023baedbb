//! Text from strangers, made safe where it is learnt: whoever prints it later may have a terminal, a page or a spreadsheet.

/// Characters of a free text that are kept: a name longer than this is none.
pub const LONGEST: usize = 64;
/// Bytes of a domain name as text, without the last dot (RFC 1035 section 2.3.4).
pub const LONGEST_DOMAIN: usize = 253;

/// Characters that show nothing but change what is shown: controls, and those of Unicode's categories Cf, Zl and Zp
/// (Unicode 16), bidirectional marks among them.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x2064 | 0x2066..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0x110bd | 0x110cd
            | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0001 | 0xe0020..=0xe007f)
}

/// What a device says of itself, as valid UTF-8 without hidden characters, runs of white space made one space, and no more
/// than [`LONGEST`] characters of it. `None` if nothing is left.
#[must_use]
pub fn free(bytes: &[u8]) -> Option<String> {
    // No character is longer than four bytes, so what lies beyond cannot count but for what is left out; of that, too,
    // there is an end.
    let bytes = &bytes[..bytes.len().min(LONGEST * 16)];
    let mut clean = String::new();
    let mut characters = 0;
    let mut space = false;
    // What is no UTF-8 is left out.
    for c in bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars()) {
        if c.is_whitespace() || c == '\0' {
            space = true;
        } else if !is_hidden(c) && c != char::REPLACEMENT_CHARACTER {
            let spaces = usize::from(space && characters > 0);
            // No text ends with the space before what was cut off.
            if characters + spaces >= LONGEST {
                break;
            }
            if spaces > 0 {
                clean.push(' ');
            }
            space = false;
            clean.push(c);
            characters += spaces + 1;
        }
    }
    (!clean.is_empty()).then_some(clean)
}

/// A domain name of its labels in order, as the presentation text of RFC 1035 section 5.1: lower case, without the last dot,
/// and every byte of a label outside `a-z 0-9 _ -` as `\DDD`. The root is `.`; one that would be longer than
/// [`LONGEST_DOMAIN`] is cut before the label that does not fit, and ends with `\...`.
#[must_use]
pub fn domain<'a>(labels: impl Iterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for label in labels.filter(|label| !label.is_empty()) {
        let before = text.len();
        if before > 0 {
            text.push('.');
        }
        for &byte in label {
            push(&mut text, byte);
        }
        if text.len() > LONGEST_DOMAIN - CUT.len() {
            text.truncate(before);
            text.push_str(CUT);
            break;
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// The end of a name that was cut.
const CUT: &str = "\\...";

/// A host name as a ClientHello or a Host header gives it: the presentation text of [`domain`]. `None` if nothing is left.
#[must_use]
pub fn host(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(4 * LONGEST_DOMAIN)];
    let name = domain(bytes.split(|&b| b == b'.'));
    (name != ".").then_some(name)
}

fn push(text: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => text.push(byte.into()),
        b'A'..=b'Z' => text.push(byte.to_ascii_lowercase().into()),
        _ => {
            text.push('\\');
            for digit in [byte / 100, byte / 10 % 10, byte % 10] {
                text.push((b'0' + digit).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_say_of_themselves_is_one_short_line_that_shows_all_it_holds() {
        assert_eq!(free(b"Alice's  \t iPhone\r\n").as_deref(), Some("Alice's iPhone"));
        assert_eq!(free("caf\u{e9}\u{202e}gpj\u{1b}[2J".as_bytes()).as_deref(), Some("caf\u{e9}gpj[2J"));
        assert_eq!(free(b"bulb\xff\xfe\0\0"), Some("bulb".to_owned()));
        assert_eq!(free(b"\x07\x00 "), None);
        assert_eq!(free("\u{e9}".repeat(1_000).as_bytes()).unwrap().chars().count(), LONGEST);
        assert!(free(&b" a".repeat(5_000)).unwrap().chars().count() <= LONGEST);
    }

    #[test]
    fn text_that_is_cut_where_a_space_is_does_not_end_with_it() {
        let long = "a".repeat(LONGEST - 1);
        for rest in [" b", " ", "b", "b c", ""] {
            let clean = free(format!("{long}{rest}").as_bytes()).unwrap();
            assert_eq!(clean, format!("{long}{}", if rest.starts_with('b') { "b" } else { "" }));
            assert_eq!(free(clean.as_bytes()), Some(clean), "it stays as it is");
        }
    }

    #[test]
    fn domain_names_are_presentation_text_of_at_most_253_bytes() {
        let name = |labels: &[&[u8]]| domain(labels.iter().copied());
        assert_eq!(name(&[b"WWW", b"Example", b"org"]), "www.example.org");
        assert_eq!(name(&[b"a.b", b"\xffc d", b"_tcp"]), "a\\046b.\\255c\\032d._tcp");
        assert_eq!(name(&[]), ".");
        let long = name(&[&[0xff; 63], &[0xff; 63], b"com"]);
        assert!(long.len() <= LONGEST_DOMAIN && long.ends_with("\\..."), "{long}");
        assert_eq!(host(b"Mail.Example.ORG.").as_deref(), Some("mail.example.org"));
        assert_eq!(host(b"..."), None);
        assert_eq!(host(b"[2001:db8::1]").as_deref(), Some("\\0912001\\058db8\\058\\0581\\093"));
    }
}
