//! A vendor's name short enough to be part of a device's.

/// Longest part of a device's name that tells its vendor, in characters.
const LENGTH: usize = 20;

/// Words at the end of a company's name that tell nothing about it: its legal form, and what half of them are called.
const EMPTY: &[&str] = &[
    "ab",
    "ag",
    "as",
    "bv",
    "b.v",
    "co",
    "co.,ltd",
    "company",
    "communications",
    "communication",
    "corp",
    "corporate",
    "corporation",
    "electronic",
    "electronics",
    "foundation",
    "gmbh",
    "group",
    "holding",
    "holdings",
    "inc",
    "incorporated",
    "industrial",
    "industries",
    "international",
    "kg",
    "lab",
    "labs",
    "limited",
    "llc",
    "ltd",
    "manufacturing",
    "nv",
    "oy",
    "plc",
    "private",
    "pte",
    "pty",
    "pvt",
    "s.a",
    "s.p.a",
    "sa",
    "srl",
    "systems",
    "technologies",
    "technology",
    "trading",
    "und",
    "and",
    "&",
    "co.,limited",
    "co.,ltd.",
];

/// The part of a company's name that people say: `Samsung` for `Samsung Electronics Co.,Ltd`.
pub(crate) fn short(vendor: &str) -> String {
    let plain = |word: &str| word.trim_matches([',', '.', '(', ')']).to_lowercase();
    let mut words: Vec<&str> = vendor.split_whitespace().collect();
    while words.len() > 1 && words.last().is_some_and(|last| EMPTY.contains(&plain(last).as_str())) {
        words.pop();
    }
    let mut name = String::new();
    for word in words {
        let length = name.chars().count() + 1 + word.chars().count();
        if !name.is_empty() && length > LENGTH {
            break;
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name.extend(word.chars().take(LENGTH));
    }
    let end = name.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')').len();
    name.truncate(end);
    name
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn names_are_what_people_say() {
        for (vendor, name) in [
            ("Samsung Electronics Co.,Ltd", "Samsung"),
            ("Raspberry Pi Foundation", "Raspberry Pi"),
            ("Raspberry Pi Trading Ltd", "Raspberry Pi"),
            ("TP-LINK TECHNOLOGIES CO.,LTD.", "TP-LINK"),
            ("Espressif Inc.", "Espressif"),
            ("Apple, Inc.", "Apple"),
            ("Signify B.V.", "Signify"),
            ("AVM Audiovisuelles Marketing und Computersysteme GmbH", "AVM Audiovisuelles"),
            ("Amazon Technologies Inc.", "Amazon"),
            ("Technology Inc", "Technology"),
            ("Inc.", "Inc"),
            ("Donaudampfschifffahrtselektrizitätengesellschaft", "Donaudampfschifffahr"),
        ] {
            assert_eq!(short(vendor), name);
        }
    }
}
