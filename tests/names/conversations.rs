//! What is asked for in the first bytes of conversations: by curl, by OpenSSL in pieces, by QUIC of both versions.

use std::process::Command;

use super::{SERVER, certificate, flow, lab, peers, plain, port, quic_server, script, serve, start, written};
use crate::support::lab::{Lab, MIRROR, done, mac};
use crate::support::{number, rows};

/// What follows the IP header of a segment may have so many bytes of data.
const SMALL: usize = 88;
/// Protocols that make a ClientHello of two kilobytes, if it is said to offer so many: more than fit into a segment of an
/// Ethernet, and few enough small ones, of which the first 32 are looked at.
const MANY: usize = 8;

/// A run of curl on host `a`, for `url` at the server's address.
fn curl(lab: &Lab, options: &str, url: &str, address: &str) -> Command {
    let (_, rest) = url.split_once("//").expect("a URL");
    let host = rest.trim_end_matches('/');
    let at = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:{}", if url.starts_with("https") { 443 } else { 80 })
    };
    let mut command = lab.command("a", "curl");
    command.args([
        "--silent",
        "--show-error",
        "--insecure",
        "--max-time",
        "10",
        "--output",
        "/dev/null",
        "--write-out",
        "%{local_port}",
    ]);
    command.args(options.split_whitespace()).args(["--resolve", &format!("{at}:{address}"), url]);
    command
}

#[test]
fn what_curl_asks_for_is_the_name_of_its_conversation() {
    let Some(lab) = lab(
        "what_curl_asks_for_is_the_name_of_its_conversation",
        &["curl", "openssl", "nghttpd", "mosquitto_pub"],
    ) else {
        return;
    };
    let keys @ [certificate, key] = &certificate(&lab);
    let _servers = serve(&lab, keys);
    let _http2 = start(lab.command("r", "nghttpd").args(["443", key, certificate]), "tcp", 443);
    let daemon = lab.daemon("");
    lab.connect();
    let asked = [
        (
            "--http1.1",
            "http://www.shop.example/",
            SERVER,
            plain("www.shop.example", "http", "http", "parsed"),
        ),
        ("--http1.1", "http://other.example:8081/", SERVER, plain("other.example", "http", "http", "parsed")),
        (
            "--http1.1",
            "https://www.shop.example:8443/",
            SERVER,
            plain("www.shop.example", "sni", "https", "parsed"),
        ),
        (
            "--http1.1 --tls-max 1.2",
            "https://old.example:44443/",
            SERVER,
            plain("old.example", "sni", "https", "parsed"),
        ),
        ("--http2", "https://API.shop.example/", SERVER, plain("api.shop.example", "sni", "https", "parsed")),
        (
            "--http2",
            "https://six.example/",
            "[2001:db8:77::7]",
            plain("six.example", "sni", "https", "parsed"),
        ),
        // Who asks for an address asks for no name.
        ("--http1.1", "http://203.0.113.7/", SERVER, plain("NULL", "NULL", "http", "parsed")),
    ];
    let asked = asked.map(|(options, url, address, expected)| {
        (url, port(&mut curl(&lab, options, url, address)), expected)
    });
    // One service more that says what it is: at a port that is none of its own.
    done(lab.command("a", "mosquitto_pub").args(["-h", SERVER, "-p", "1884", "-t", "home/lamp", "-m", "on"]));
    let db = written(daemon);
    for (url, port, expected) in asked {
        assert_eq!(flow(&db, &mac(10), "tcp", port), expected, "{url}");
    }
    let mqtt = "SELECT service, CASE service_parsed WHEN 1 THEN 'parsed' WHEN 0 THEN 'port' END FROM flow WHERE remote_port = 1884";
    assert_eq!(rows(&db, mqtt), [["mqtt", "parsed"]]);
    // Two names at one address are two rows of usage.
    let names = "SELECT DISTINCT peer FROM usage_by_minute WHERE port = 8443 OR port = 44443 ORDER BY 1";
    assert_eq!(rows(&db, names), [["old.example"], ["www.shop.example"]]);
}

#[test]
fn a_hello_in_many_segments_says_its_name() {
    let Some(lab) = lab("a_hello_in_many_segments_says_its_name", &["openssl"]) else { return };
    let _servers = serve(&lab, &certificate(&lab));
    let daemon = lab.daemon("");
    lab.connect();
    let hello = |options: &str| port(&mut peers(&lab, "a", &format!("hello {SERVER} 8443 {options}")));
    let pieces = hello("pieces.example pieces=40");
    let large = hello(&format!("large.example filler={MANY}"));
    // The server says that it takes no more at once.
    lab.ip("r", &format!("route replace 192.168.77.0/24 dev eth0 advmss {SMALL}"));
    let cut = hello("cut.example");
    let both = hello(&format!("both.example filler={MANY}"));
    let db = written(daemon);
    for (port, name, least) in [
        (pieces, "pieces.example", 517 / 40),
        (large, "large.example", 2),
        (cut, "cut.example", 517 / SMALL),
        (both, "both.example", 2_000 / SMALL),
    ] {
        assert_eq!(flow(&db, &mac(10), "tcp", port), plain(name, "sni", "https", "parsed"));
        // It was in as many segments as it should be, beside those that only acknowledge: the client of a conversation in
        // few segments sends some six.
        let packets = number(&db, &format!("SELECT sum(packets_up) FROM flow WHERE local_port = {port}"));
        assert!(usize::try_from(packets).unwrap() > 4 + least, "{name}: {packets}");
    }
}

#[test]
fn quic_of_both_versions_says_its_name_in_one_packet_and_in_several() {
    let test = "quic_of_both_versions_says_its_name_in_one_packet_and_in_several";
    let Some(lab) = lab(test, &["openssl"]) else { return };
    let Some((python, _server)) = quic_server(test, &lab) else { return };
    let witness = lab.witness(MIRROR, "witness.pcap", 2048);
    let daemon = lab.daemon("");
    lab.connect();
    let asked = [
        (443, "one.example".to_owned(), ""),
        (443, "two.example".to_owned(), "v2"),
        (4433, "odd.example".to_owned(), ""),
        (443, "large.example".to_owned(), "filler=15"),
        (443, "larger.example".to_owned(), "v2 filler=30"),
        (443, format!("{}.example", "long-label-of-a-name".repeat(3)), ""),
    ]
    .map(|(at, name, options)| {
        let client = script(&lab, "a", python, "quic.py", &format!("ask {SERVER} {at} {name} {options}"));
        (port(&mut { client }), name)
    });
    let db = written(daemon);
    for (port, name) in asked {
        assert_eq!(flow(&db, &mac(10), "udp", port), plain(&name, "quic", "h3", "parsed"));
    }
    // Version 2 was spoken indeed.
    let path = witness.path.clone();
    witness.stop();
    let version_2 = [0x6b, 0x33, 0x43, 0xcf];
    assert!(std::fs::read(path).unwrap().windows(4).any(|bytes| bytes == version_2));
}
