//! The IEEE's own listings of assigned blocks, in both forms that it publishes: `oui.csv`, `oui.txt` and their
//! siblings `mam`, `oui36` and `iab`. What a file holds is told from the file, not from its name.

use super::block::Block;
use super::table::is_level;

/// The owner of the blocks that are cut up into smaller ones. Each of those has a line of its own in another
/// listing; one that has none belongs to nobody yet.
const SUBDIVIDED: &str = "IEEE Registration Authority";

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The blocks with their owners, in the order of the file, without those that are cut up.
    pub(super) blocks: Vec<(Block, String)>,
    /// How many lines were not understood.
    pub(super) broken: usize,
    /// The number of the first of them, counted from 1.
    pub(super) first_broken: usize,
}

impl Listing {
    /// Reads a file of either form. A line that is not understood is counted and skipped, so that one bad line
    /// of forty thousand costs one vendor.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        let head = text.lines().next().map(fields).unwrap_or_default();
        let column = |name: &str| head.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        match (column("Assignment"), column("Organization Name")) {
            (Some(assignment), Some(name)) => Self::parse_csv(text, assignment, name),
            _ => Self::parse_text(text),
        }
    }

    /// `MA-L,B827EB,Raspberry Pi Foundation,"Mitchell Wood House Caldecote ..."`.
    ///
    /// Each line is read by itself: a quotation mark that is never closed must not swallow the rest of the file.
    fn parse_csv(text: &str, assignment: usize, name: usize) -> Self {
        let mut listing = Self::default();
        for (i, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let fields = fields(line);
            let entry = fields.get(assignment).and_then(|digits| assigned(digits)).zip(fields.get(name));
            listing.add(i + 1, entry.map(|(block, name)| (block, name.as_str())));
        }
        listing
    }

    /// Two lines that matter for each block, and its owner's address, which does not:
    ///
    /// ```text
    /// B8-27-EB   (hex)            Raspberry Pi Foundation
    /// B827EB     (base 16)        Raspberry Pi Foundation
    ///
    /// 70-B3-D5   (hex)            TELEPLATFORMS
    /// F2F000-F2FFFF     (base 16) TELEPLATFORMS
    /// ```
    fn parse_text(text: &str) -> Self {
        let mut listing = Self::default();
        let mut oui = None;
        for (i, line) in text.lines().enumerate() {
            if let Some((left, _)) = line.split_once("(hex)") {
                oui = assigned(&left.trim().replace('-', ""));
                if oui.is_none() {
                    listing.add(i + 1, None);
                }
            } else if let Some((left, name)) = line.split_once("(base 16)") {
                let block = match left.trim().split_once('-') {
                    None => assigned(left.trim()),
                    Some((first, last)) => oui.and_then(|oui| range(oui, first, last)),
                };
                listing.add(i + 1, block.map(|block| (block, name)));
                oui = None;
            }
        }
        listing
    }

    fn add(&mut self, line: usize, entry: Option<(Block, &str)>) {
        match entry.map(|(block, name)| (block, clean(name))) {
            Some((_, name)) if name == SUBDIVIDED => {}
            Some((block, name)) if !name.is_empty() => self.blocks.push((block, name)),
            _ => {
                self.broken += 1;
                if self.broken == 1 {
                    self.first_broken = line;
                }
            }
        }
    }
}

/// The fields of one line of CSV, RFC 4180. A reader of the crate for each line would take a second for all.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(c),
        }
    }
    fields
}

/// The block of an assignment: 6, 7 or 9 hexadecimal digits.
fn assigned(digits: &str) -> Option<Block> {
    let digits = digits.trim();
    let bits = u8::try_from(digits.len().checked_mul(4)?).ok().filter(|bits| is_level(*bits))?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    Block::new(bits, u64::from_str_radix(digits, 16).ok()?)
}

/// The block of an OUI that reaches from one to another value of the address's last three octets.
fn range(oui: Block, first: &str, last: &str) -> Option<Block> {
    let (first, last) = (assigned(first)?.number(), assigned(last)?.number());
    let size = last.checked_sub(first)? + 1;
    let bits = 48 - u8::try_from(size.trailing_zeros()).ok()?;
    (size.is_power_of_two() && first % size == 0 && is_level(bits)).then_some(())?;
    Block::new(bits, (oui.number() << 24 | first) / size)
}

/// A name as one line of plain text: without control and invisible characters, any run of white space as one
/// space, and the two HTML entities that the registry lets slip as what they stand for.
fn clean(name: &str) -> String {
    let shown: String = name
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .chars()
        .filter(|c| !is_format(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Unicode's category Cf: they show nothing, but turn the direction of text or join what looks separate.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}'
        | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, usize, usize) {
        let listing = Listing::parse(text.as_bytes());
        let blocks = listing.blocks.into_iter().map(|(block, name)| (block.to_string(), name)).collect();
        (blocks, listing.broken, listing.first_broken)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(block, name)| ((*block).to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn the_csv_form_is_read() {
        let text = "Registry,Assignment,Organization Name,Organization Address\r\n\
            MA-L,B827EB,Raspberry Pi Foundation,Mitchell Wood House GB CB23 7NU \r\n\
            MA-L,C85CE2,IEEE Registration Authority,445 Hoes Lane Piscataway NJ US 08554 \r\n\
            MA-M,C85CE27,\"SYNERGY, \"\"INC\"\"\",\"A1526, GREEN FIELDS IN 121001 \"\r\n\
            MA-S,70B3D5F2F,TELEPLATFORMS,\"Polbina st., 3/1 Moscow  RU 109388 \"\r\n\
            IAB,0050C27D5,DEUTA-WERKE GmbH,Paffrather Strasse 140 DE 51465 \r\n\
            MA-M,741AE09,Private,\r\n";
        let expected = pairs(&[
            ("b8:27:eb", "Raspberry Pi Foundation"),
            ("c8:5c:e2:7", "SYNERGY, \"INC\""),
            ("70:b3:d5:f2:f", "TELEPLATFORMS"),
            ("00:50:c2:7d:5", "DEUTA-WERKE GmbH"),
            ("74:1a:e0:9", "Private"),
        ]);
        assert_eq!(read(text), (expected, 0, 0));
    }

    #[test]
    fn the_text_form_is_read() {
        let text = "OUI/MA-L                       Organization                    \r\n\
            company_id                     Organization                            \r\n\
                                           Address                                 \r\n\r\n\
            B8-27-EB   (hex)\t\tRaspberry Pi Foundation\r\n\
            B827EB     (base 16)\t\tRaspberry Pi Foundation\r\n\
            \t\t\t\tMitchell Wood House\r\n\t\t\t\tCaldecote    CB23 7NU\r\n\t\t\t\tGB\r\n\r\n\
            C8-5C-E2   (hex)\t\tIEEE Registration Authority\r\n\
            C85CE2     (base 16)\t\tIEEE Registration Authority\r\n\r\n\
            C8-5C-E2   (hex)\t\tSYNERGY\r\n\
            700000-7FFFFF     (base 16)\t\tSYNERGY\r\n\r\n\
            00-50-C2                      (hex)                         DEUTA-WERKE GmbH         \r\n\
            7D5000-7D5FFF                 (base 16)                     DEUTA-WERKE GmbH         \r\n";
        let expected = pairs(&[
            ("b8:27:eb", "Raspberry Pi Foundation"),
            ("c8:5c:e2:7", "SYNERGY"),
            ("00:50:c2:7d:5", "DEUTA-WERKE GmbH"),
        ]);
        assert_eq!(read(text), (expected, 0, 0));
    }

    #[test]
    fn broken_lines_are_counted_and_cost_only_themselves() {
        let csv = "\u{feff}Registry,Assignment,Organization Name,Organization Address\n\
            MA-L,B827E,Too Short,\nMA-L,B827EG,No Digit,\nMA-L,B827EB\nMA-L,B827EC,  ,\n\
            MA-L,+827EB,Sign,\nMA-L,B827ED,\"Never closed\n\nMA-L,B827EE,Good,\n";
        assert_eq!(read(csv), (pairs(&[("b8:27:ed", "Never closed"), ("b8:27:ee", "Good")]), 5, 2));
        let text = "B8-27-E   (hex)\t\tShort\n\
            700000-7FFFFF     (base 16)\t\tNo OUI above\n\
            C8-5C-E2   (hex)\t\tBad ranges\n710000-80FFFF     (base 16)\t\tNot aligned\n\
            C8-5C-E2   (hex)\t\tBad ranges\n7FFFFF-700000     (base 16)\t\tBackwards\n\
            C8-5C-E2   (hex)\t\tBad ranges\n700000-70FFFF     (base 16)\t\tOf 32 bits\n\
            B827EE     (base 16)\t\tGood\n";
        assert_eq!(read(text), (pairs(&[("b8:27:ee", "Good")]), 5, 1));
        for garbage in ["", "\n\n", "<html>Moved</html>", "a,b,c\n1,2,3\n"] {
            assert_eq!(read(garbage).0, [], "{garbage}");
        }
    }

    #[test]
    fn names_are_one_line_of_plain_text() {
        for (name, cleaned) in [
            ("  Shenzhen\u{a0}YOUHUA \t Ltd\t", "Shenzhen YOUHUA Ltd"),
            ("\u{200b}ASUNG\u{202e} \u{2002}LTD\u{7}", "ASUNG LTD"),
            ("R&amp;M &quot;AG&quot;", "R&M \"AG\""),
            ("Grünbeck", "Grünbeck"),
        ] {
            assert_eq!(clean(name), cleaned);
        }
        assert_eq!(Listing::parse(b"B827EE (base 16) ESPA\xd1A").blocks[0].1, "ESPA\u{fffd}A");
    }
}
