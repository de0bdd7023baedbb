//! Ports with a meaning: the service by IANA's registry and by what home devices are known to use.

use crate::decode::protocol::{TCP, UDP};

/// Which transport protocols a row holds for.
const BOTH: u8 = 0;

/// DNS, in IANA's words.
pub(crate) const DNS: &str = "domain";

/// Protocol, port, IANA service name (or the usual one), in order of port.
const SERVICES: &[(u8, u16, &str)] = &[
    (TCP, 21, "ftp"),
    (TCP, 22, "ssh"),
    (TCP, 23, "telnet"),
    (TCP, 25, "smtp"),
    (BOTH, 53, DNS),
    (UDP, 67, "dhcp"),
    (UDP, 68, "dhcp"),
    (UDP, 69, "tftp"),
    (TCP, 80, "http"),
    (TCP, 110, "pop3"),
    (UDP, 123, "ntp"),
    (UDP, 137, "netbios-ns"),
    (UDP, 138, "netbios-dgm"),
    (TCP, 139, "netbios-ssn"),
    (TCP, 143, "imap"),
    (UDP, 161, "snmp"),
    (TCP, 443, "https"),
    (UDP, 443, "quic"),
    (TCP, 445, "microsoft-ds"),
    (TCP, 465, "submissions"),
    (UDP, 500, "isakmp"),
    (UDP, 514, "syslog"),
    (TCP, 515, "printer"),
    (UDP, 546, "dhcpv6"),
    (UDP, 547, "dhcpv6"),
    (TCP, 548, "afpovertcp"),
    (TCP, 554, "rtsp"),
    (TCP, 587, "submission"),
    (TCP, 631, "ipp"),
    (TCP, 853, "domain-s"),
    (UDP, 853, "domain-s"),
    (TCP, 993, "imaps"),
    (TCP, 995, "pop3s"),
    (TCP, 1883, "mqtt"),
    (UDP, 1900, "ssdp"),
    (TCP, 1935, "rtmp"),
    (TCP, 2049, "nfs"),
    (BOTH, 3478, "stun"),
    (UDP, 3702, "ws-discovery"),
    (TCP, 3689, "daap"),
    (UDP, 4500, "ipsec-nat-t"),
    (TCP, 5000, "upnp"),
    (TCP, 5222, "xmpp-client"),
    (TCP, 5223, "apns"),
    (TCP, 5228, "fcm"),
    (BOTH, 5060, "sip"),
    (UDP, 5351, "nat-pmp"),
    (UDP, 5353, "mdns"),
    (UDP, 5355, "llmnr"),
    (UDP, 5540, "matter"),
    (UDP, 5683, "coap"),
    (UDP, 5684, "coaps"),
    (TCP, 6668, "tuya"),
    (UDP, 6667, "tuya-discovery"),
    (TCP, 7000, "airplay"),
    (TCP, 8008, "cast-http"),
    (TCP, 8009, "cast"),
    (TCP, 8080, "http-alt"),
    (TCP, 8123, "home-assistant"),
    (TCP, 8443, "https-alt"),
    (TCP, 8883, "mqtts"),
    (TCP, 9100, "pdl-datastream"),
    (BOTH, 9999, "tplink-smarthome"),
    (UDP, 20002, "tplink-discovery"),
    (UDP, 38899, "wiz"),
    (UDP, 51820, "wireguard"),
    (UDP, 56700, "lifx"),
];

/// What is spoken, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// IANA's name of the service, or the usual one.
    pub name: &'static str,
    /// What says so.
    pub by: Evidence,
}

/// What says which service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What was said.
    Parsed,
    /// The port alone.
    Port,
}

impl Service {
    /// The service at `port` of IP protocol `protocol`, as far as the port tells.
    #[must_use]
    pub fn by_port(protocol: u8, port: u16) -> Option<Self> {
        name(protocol, port).map(|name| Self { name, by: Evidence::Port })
    }

    /// The service that was recognised by what was said.
    #[must_use]
    pub const fn parsed(name: &'static str) -> Self {
        Self { name, by: Evidence::Parsed }
    }
}

/// The service at `port` of IP protocol `protocol`.
#[must_use]
pub fn name(protocol: u8, port: u16) -> Option<&'static str> {
    let found = |&&(p, n, _): &&(u8, u16, &str)| {
        n == port && (p == protocol || (p == BOTH && matches!(protocol, TCP | UDP)))
    };
    SERVICES.iter().find(found).map(|(.., name)| *name)
}

/// The lowest port that systems give to clients: Linux begins at 32768, others at 49152 (RFC 6335).
const EPHEMERAL: u16 = 32_768;

/// How much a port looks like that of a service: 0 if it was likely given to a client for one conversation.
fn rank(protocol: u8, port: u16) -> u8 {
    match port {
        0 => 0,
        _ if name(protocol, port).is_some() => 3,
        1..1024 => 2,
        1024..EPHEMERAL => 1,
        _ => 0,
    }
}

/// Which side of a conversation serves, by its first packet alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// The sender of the first packet.
    Sender,
    /// Its receiver.
    Receiver,
    /// Neither port looks like a service.
    Neither,
}

/// Says who serves when no handshake was seen: the better port, or, of two that are alike, the one written to first.
#[must_use]
pub fn serves(protocol: u8, from: u16, to: u16) -> Serves {
    let (sender, receiver) = (rank(protocol, from), rank(protocol, to));
    match (sender, receiver) {
        (0, 0) => Serves::Neither,
        _ if sender > receiver => Serves::Sender,
        _ => Serves::Receiver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_found_whoever_speaks_first() {
        assert_eq!(serves(UDP, 40_000, 53), Serves::Receiver);
        assert_eq!(serves(UDP, 53, 40_000), Serves::Sender, "an answer seen first");
        assert_eq!(serves(TCP, 5_000, 443), Serves::Receiver);
        assert_eq!(serves(UDP, 50_000, 40_000), Serves::Neither);
        assert_eq!(serves(UDP, 5353, 5353), Serves::Receiver);
        assert_eq!(serves(UDP, 56_700, 40_000), Serves::Sender, "a service above the ephemeral range");
    }

    #[test]
    fn names_go_by_protocol_and_port() {
        assert_eq!(name(TCP, 443), Some("https"));
        assert_eq!(name(UDP, 443), Some("quic"));
        assert_eq!(name(TCP, 53), Some("domain"));
        assert_eq!(name(132, 443), None);
    }
}
