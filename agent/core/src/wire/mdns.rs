//! Multicast DNS (RFC 6762) and the services it announces (RFC 6763): host names, friendly names and models.
//!
//! What a sender says counts as its own only if the message gives its own address: a reflector or a sleep proxy speaks for
//! others, with their addresses. A message without any address is believed for services and models, not for names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::records::{Message, Name, Record, Section, kind};
use crate::addr;
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of responders, which is where answers and probes come from.
pub const PORT: u16 = 5353;

/// Addresses of one message that are looked at, and told.
const ADDRESSES: usize = 32;
/// Texts of one TXT record that are looked at.
const TEXTS: usize = 64;
/// What stands between a printer and the computer that shares it, which is no printer (CUPS).
const SHARED: &[u8] = b" @ ";
/// Claims of one message.
const CLAIMS: usize = 48;

/// Where a service has its device's name.
enum Named {
    /// It is the name of the instance.
    Instance,
    /// It is what follows the `@` in the name of the instance.
    AfterAt,
    /// It is what comes before ` [` in the name of the instance.
    BeforeBracket,
    /// It is in the TXT record, under this key.
    Key(&'static str),
}

/// Services whose name or model is the device's: type, where its name is, key of its model.
const SERVICES: &[(&str, Option<Named>, Option<&str>)] = &[
    ("_googlecast._tcp", Some(Named::Key("fn")), Some("md")),
    ("_airplay._tcp", Some(Named::Instance), Some("model")),
    ("_raop._tcp", Some(Named::AfterAt), Some("am")),
    ("_companion-link._tcp", Some(Named::Instance), Some("rpMd")),
    ("_device-info._tcp", Some(Named::Instance), Some("model")),
    ("_hap._tcp", Some(Named::Instance), Some("md")),
    ("_ipp._tcp", Some(Named::Instance), Some("ty")),
    ("_ipps._tcp", Some(Named::Instance), Some("ty")),
    ("_printer._tcp", Some(Named::Instance), Some("ty")),
    ("_pdl-datastream._tcp", Some(Named::Instance), Some("ty")),
    ("_uscan._tcp", Some(Named::Instance), Some("ty")),
    ("_scanner._tcp", Some(Named::Instance), Some("ty")),
    ("_amzn-wplay._tcp", Some(Named::Key("n")), None),
    ("_sonos._tcp", Some(Named::AfterAt), None),
    ("_hue._tcp", Some(Named::Instance), Some("modelid")),
    ("_esphomelib._tcp", Some(Named::Key("friendly_name")), Some("board")),
    ("_shelly._tcp", None, Some("app")),
    ("_meshcop._udp", Some(Named::Instance), Some("mn")),
    ("_dhnap._tcp", None, Some("model_number")),
    ("_androidtvremote2._tcp", Some(Named::Instance), None),
    ("_smb._tcp", Some(Named::Instance), None),
    ("_afpovertcp._tcp", Some(Named::Instance), None),
    ("_ssh._tcp", Some(Named::Instance), None),
    ("_sftp-ssh._tcp", Some(Named::Instance), None),
    ("_rfb._tcp", Some(Named::Instance), None),
    ("_workstation._tcp", Some(Named::BeforeBracket), None),
];

/// Reads a UDP payload from [`PORT`] that came from address `from`.
pub fn read(bytes: &[u8], from: IpAddr, tell: &mut impl FnMut(Says)) {
    let Some(message) = Message::read(bytes).filter(|m| m.opcode() == 0 && m.response_code() == 0) else {
        return;
    };
    let is_response = message.is_response();
    // What a question lists as answers is what others said; its authority section is what the sender wants to be called.
    // Without time to live it is no more (RFC 6762 section 10.1).
    let is_word =
        |record: &Record<'_>| record.ttl > 0 && (is_response || record.section == Section::Authority);
    let records: Vec<_> = message.filter(is_word).collect();
    let named = |record: &&Record<'_>| !record.owner.labels().is_empty();
    let addresses = || {
        let records = records.iter().filter(named);
        records.filter_map(|record| Some((record.owner, record.address()?))).take(ADDRESSES)
    };
    if is_response {
        addresses().for_each(|(host, address)| tell_address(&host, address, tell));
    }
    let mut own = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (host, address) in addresses() {
        if address == from { &mut own } else { &mut others }.insert(host.key());
    }
    if own.is_empty() && !others.is_empty() {
        return;
    }
    others.retain(|host| !own.contains(host));
    let is_foreign = |host: Name<'_>| others.contains(&host.key());
    let foreign: BTreeSet<_> = records
        .iter()
        .filter(|record| {
            !others.is_empty() && record.kind == kind::SRV && record.name(6).is_some_and(is_foreign)
        })
        .map(|record| record.owner.key())
        .collect();
    let mut left = CLAIMS;
    let mut tell = |source, value: Option<String>| {
        if let Some(value) = value.filter(|_| left > 0) {
            left -= 1;
            tell(Says::Own(source, value));
        }
        left > 0
    };
    for (host, _) in addresses().filter(|(_, address)| *address == from) {
        if let [name, local] = host.labels()
            && local.eq_ignore_ascii_case(b"local")
        {
            tell(ClaimSource::Mdns, text::free(name));
        }
    }
    for record in &records {
        let instance = match record.kind {
            kind::PTR => record.name(0),
            kind::SRV | kind::TXT => Some(record.owner),
            _ => None,
        };
        if let Some(instance) = instance
            && (foreign.is_empty() || !foreign.contains(&instance.key()))
            && !of_service(record, &instance, !own.is_empty(), &mut tell)
        {
            return;
        }
    }
}

fn tell_address(host: &Name<'_>, address: IpAddr, tell: &mut impl FnMut(Says)) {
    let is_local = host.labels().last().is_some_and(|last| last.eq_ignore_ascii_case(b"local"));
    if is_local && !address.is_unspecified() && !address.is_loopback() && !addr::is_group(address) {
        tell(Says::Address(text::domain(host.labels().iter().copied()), address));
    }
}

/// What a record of the service `instance` says; of names only if they are its sender's for sure. Returns whether more may be
/// told.
fn of_service(
    record: &Record<'_>,
    instance: &Name<'_>,
    named: bool,
    tell: &mut impl FnMut(ClaimSource, Option<String>) -> bool,
) -> bool {
    let Some((name, service)) = service(instance) else { return true };
    if name.windows(SHARED.len()).any(|at| at == SHARED) {
        return true;
    }
    let known = SERVICES.iter().find(|(known, ..)| *known == service);
    let (named, model) = known.map_or((None, None), |(_, at, model)| (at.as_ref().filter(|_| named), *model));
    let name = match named {
        Some(Named::Instance) => Some(name),
        Some(Named::AfterAt) => name.iter().position(|&byte| byte == b'@').and_then(|at| name.get(at + 1..)),
        Some(Named::BeforeBracket) => {
            name.windows(2).position(|pair| pair == b" [").and_then(|at| name.get(..at))
        }
        Some(Named::Key(key)) => value_of(record, key),
        None => None,
    };
    tell(ClaimSource::MdnsName, name.and_then(text::free));
    tell(ClaimSource::MdnsModel, model.and_then(|key| value_of(record, key)).and_then(text::free));
    if service == "_hap._tcp" {
        tell(ClaimSource::HapCategory, value_of(record, "ci").and_then(text::free));
    }
    tell(ClaimSource::MdnsService, Some(service))
}

/// The name of an instance and its type as lower-case text (RFC 6763 section 4.1).
fn service<'a>(instance: &Name<'a>) -> Option<(&'a [u8], String)> {
    let &[name, service, transport, local] = instance.labels() else { return None };
    let plain = |label: &[u8]| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        label.first() == Some(&b'_') && label.iter().all(is_plain)
    };
    let is_transport = |of: &&str| transport.eq_ignore_ascii_case(of.as_bytes());
    let transport = ["_tcp", "_udp"].into_iter().find(is_transport)?;
    if !local.eq_ignore_ascii_case(b"local") || !plain(service) {
        return None;
    }
    let service = std::str::from_utf8(service).ok()?.to_ascii_lowercase();
    Some((name, format!("{service}.{transport}")))
}

/// The value of `key` in a TXT record (RFC 6763 section 6.4).
fn value_of<'a>(record: &Record<'a>, key: &str) -> Option<&'a [u8]> {
    let mut rest = if record.kind == kind::TXT { record.data } else { &[] };
    let texts = std::iter::from_fn(|| {
        let (&length, behind) = rest.split_first()?;
        let text = behind.get(..length.into())?;
        rest = behind.get(length.into()..)?;
        Some(text)
    });
    texts.take(TEXTS).find_map(|text| {
        let at = text.iter().position(|&byte| byte == b'=')?;
        let (own, value) = text.split_at(at);
        own.eq_ignore_ascii_case(key.as_bytes()).then(|| value.get(1..))?
    })
}

#[cfg(test)]
mod tests {
    use super::super::records::build::{a, message, name, record};
    use super::*;

    const RESPONSE: u16 = 0x8400;
    const OWN: [u8; 4] = [192, 168, 1, 7];
    const OTHER: [u8; 4] = [192, 168, 1, 8];

    fn said(bytes: &[u8]) -> Vec<(ClaimSource, String)> {
        let mut said = Vec::new();
        read(bytes, OWN.into(), &mut |says| {
            if let Says::Own(source, value) = says {
                said.push((source, value));
            }
        });
        said.sort();
        said.dedup();
        said
    }

    fn addresses(bytes: &[u8]) -> Vec<(String, IpAddr)> {
        let mut told = Vec::new();
        read(bytes, OWN.into(), &mut |says| {
            if let Says::Address(host, address) = says {
                told.push((host, address));
            }
        });
        told
    }

    fn ptr(service: &str, instance: &str) -> Vec<u8> {
        record(service, kind::PTR, 4500, &name(instance))
    }

    fn srv(instance: &str, host: &str) -> Vec<u8> {
        record(instance, kind::SRV, 120, &[&[0, 0, 0, 0, 0, 80], &name(host)[..]].concat())
    }

    fn txt(instance: &str, texts: &[&str]) -> Vec<u8> {
        let data: Vec<u8> = texts
            .iter()
            .flat_map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
            .collect();
        record(instance, kind::TXT, 4500, &data)
    }

    fn own(source: ClaimSource, value: &str) -> (ClaimSource, String) {
        (source, value.to_owned())
    }

    #[test]
    fn a_device_that_announces_itself_gives_host_friendly_name_model_and_service() {
        let cast = "Chromecast-1a2b/_googlecast/_tcp/local";
        let bytes = message(
            RESPONSE,
            [
                &[ptr("_googlecast/_tcp/local", cast)],
                &[],
                &[
                    txt(cast, &["id=1a2b", "MD=Chromecast Ultra", "fn=Living Room TV"]),
                    srv(cast, "1a2b/local"),
                    a("1a2b/local", OWN),
                ],
            ],
        );
        assert_eq!(
            said(&bytes),
            [
                own(ClaimSource::MdnsName, "Living Room TV"),
                own(ClaimSource::Mdns, "1a2b"),
                own(ClaimSource::MdnsModel, "Chromecast Ultra"),
                own(ClaimSource::MdnsService, "_googlecast._tcp"),
            ]
        );
        assert_eq!(addresses(&bytes), [("1a2b.local".to_owned(), OWN.into())]);
    }

    #[test]
    fn each_kind_of_service_has_the_name_at_its_own_place() {
        let name_of = |instance: &str, texts: &[&str]| {
            let bytes = message(RESPONSE, [&[txt(instance, texts), a("h/local", OWN)], &[], &[]]);
            said(&bytes)
                .into_iter()
                .find(|(source, _)| *source == ClaimSource::MdnsName)
                .map(|(_, name)| name)
        };
        assert_eq!(name_of("Anna's Mac/_smb/_tcp/local", &[]).as_deref(), Some("Anna's Mac"));
        assert_eq!(name_of("A1B2@Kitchen/_RAOP/_tcp/local", &[]).as_deref(), Some("Kitchen"));
        assert_eq!(name_of("pi [b8:27:eb:1:2:3]/_workstation/_tcp/local", &[]).as_deref(), Some("pi"));
        assert_eq!(name_of("x1/_amzn-wplay/_tcp/local", &["n=Echo"]).as_deref(), Some("Echo"));
        assert_eq!(name_of("x1/_amzn-wplay/_tcp/local", &["nn=Echo", "n"]), None);
        assert_eq!(name_of("Setup page/_http/_tcp/local", &[]), None, "the page of what?");
        assert_eq!(name_of("Deskjet @ server/_ipp/_tcp/local", &[]), None, "a computer shares it");
    }

    #[test]
    fn the_category_of_a_homekit_accessory_is_told() {
        let bytes = message(RESPONSE, [&[txt("Bulb/_hap/_tcp/local", &["md=LB1", "ci=5"])], &[], &[]]);
        assert_eq!(
            said(&bytes),
            [
                own(ClaimSource::MdnsModel, "LB1"),
                own(ClaimSource::MdnsService, "_hap._tcp"),
                own(ClaimSource::HapCategory, "5"),
            ],
            "without an own address the name is not believed"
        );
    }

    #[test]
    fn what_is_announced_for_others_is_not_its_senders() {
        let (printer, own_service) = ("Printer/_ipp/_tcp/local", "Proxy/_airplay/_tcp/local");
        let of_other = [srv(printer, "PRN/local"), txt(printer, &["ty=HL-1"]), a("prn/local", OTHER)];
        let reflected = message(RESPONSE, [&of_other, &[], &[]]);
        assert_eq!(said(&reflected), []);
        assert_eq!(addresses(&reflected), [("prn.local".to_owned(), OTHER.into())]);
        let without_srv = message(RESPONSE, [&[txt(printer, &["ty=HL-1"]), a("prn/local", OTHER)], &[], &[]]);
        assert_eq!(said(&without_srv), []);
        let of_own = [srv(own_service, "proxy/local"), a("proxy/local", OWN), a("proxy/local", OTHER)];
        let sleep_proxy = message(RESPONSE, [&of_other, &[], &of_own]);
        assert_eq!(
            said(&sleep_proxy),
            [
                own(ClaimSource::MdnsName, "Proxy"),
                own(ClaimSource::Mdns, "proxy"),
                own(ClaimSource::MdnsService, "_airplay._tcp"),
            ]
        );
    }

    #[test]
    fn of_a_question_only_what_its_sender_wants_to_be_counts_and_a_goodbye_says_nothing() {
        let known_answer = ptr("_ipp/_tcp/local", "Printer/_ipp/_tcp/local");
        let probe = message(0, [&[known_answer], &[a("new/local", OWN)], &[]]);
        assert_eq!(said(&probe), [own(ClaimSource::Mdns, "new")]);
        assert_eq!(addresses(&probe), [], "it may not get it");
        let goodbye = message(RESPONSE, [&[record("old/local", kind::A, 0, &OWN)], &[], &[]]);
        assert_eq!(said(&goodbye), []);
    }

    #[test]
    fn a_message_tells_no_more_than_its_limits() {
        let services: Vec<_> =
            (0..200).map(|n| ptr("_x/_tcp/local", &format!("n/_x{n}/_tcp/local"))).collect();
        assert_eq!(said(&message(RESPONSE, [&services, &[], &[]])).len(), CLAIMS);
        let several = vec![txt("n/_hap/_tcp/local", &["md=m", "ci=5"]); 100];
        let mut told = 0;
        let bytes = message(RESPONSE, [&several, &[], &[a("own/local", OWN)]]);
        read(&bytes, OWN.into(), &mut |says| told += usize::from(matches!(says, Says::Own(..))));
        assert_eq!(told, CLAIMS, "within a record, too");
        let hosts: Vec<_> = (0..200).map(|n| a(&format!("h{n}/local"), OTHER)).collect();
        assert_eq!(addresses(&message(RESPONSE, [&hosts, &[], &[]])).len(), ADDRESSES);
    }
}
