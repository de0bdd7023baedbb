//! Multicast DNS (RFC 6762) and the services it announces (RFC 6763): host names, friendly names and models.
//!
//! What a sender says counts as its own only if the message gives its own address: a reflector or a sleep proxy speaks for
//! others, with their addresses. A message without any address is believed for services and models, not for names.

use std::net::IpAddr;

use super::records::{Message, Name, Record, Section, kind};
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of responders, which is where answers and probes come from.
pub const PORT: u16 = 5353;

/// Addresses of one message that are looked at, and told.
const ADDRESSES: usize = 32;
/// Services of one message whose host is looked at.
const HOSTS: usize = 32;
/// Texts of one TXT record that are looked at.
const TEXTS: usize = 64;
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
    ("_meshcop._udp", None, Some("mn")),
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
    // What a question lists as answers is what others said; its authority section is what the sender wants to be.
    let own = |record: &Record<'_>| {
        record.ttl > 0 && (message.is_response() || record.section == Section::Authority)
    };
    let records = || message.filter(own);
    let hosts: Vec<_> =
        records().filter_map(|record| Some((record.owner, record.address()?))).take(ADDRESSES).collect();
    if message.is_response() {
        for (host, address) in &hosts {
            if let [.., last] = host.labels()
                && last.eq_ignore_ascii_case(b"local")
                && !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
            {
                tell(Says::Address(text::domain(host.labels().iter().copied()), *address));
            }
        }
    }
    let has_own_address = hosts.iter().any(|(_, address)| *address == from);
    if !has_own_address && !hosts.is_empty() {
        return;
    }
    let is_foreign = |host: &Name<'_>| {
        hosts.iter().any(|(other, _)| other.is(host))
            && !hosts.iter().any(|(other, address)| *address == from && other.is(host))
    };
    let foreign: Vec<_> = records()
        .filter(|record| record.kind == kind::SRV && record.name(6).is_some_and(|host| is_foreign(&host)))
        .map(|record| record.owner)
        .take(HOSTS)
        .collect();
    let mut left = CLAIMS;
    let mut tell = |source, value: Option<String>| {
        if let Some(value) = value.filter(|_| left > 0) {
            left -= 1;
            tell(Says::Own(source, value));
        }
    };
    for (host, _) in hosts.iter().filter(|(_, address)| *address == from) {
        if let [name, local] = host.labels()
            && local.eq_ignore_ascii_case(b"local")
        {
            tell(ClaimSource::Mdns, text::free(name));
        }
    }
    for record in records() {
        let instance = match record.kind {
            kind::PTR => record.name(0),
            kind::SRV | kind::TXT => Some(record.owner),
            _ => None,
        };
        if let Some(instance) = instance.filter(|instance| !foreign.iter().any(|other| other.is(instance))) {
            of_service(&record, &instance, has_own_address, &mut tell);
        }
    }
}

/// What a record of the service `instance` says; of names only if they are its sender's for sure.
fn of_service(
    record: &Record<'_>,
    instance: &Name<'_>,
    named: bool,
    tell: &mut impl FnMut(ClaimSource, Option<String>),
) {
    let Some((name, service)) = service(instance) else { return };
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
    tell(ClaimSource::MdnsService, Some(service));
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
