//! Where names cannot be seen, that is said: DNS over TLS, HTTPS and QUIC, and encrypted hellos.

use std::process::Command;

use super::{SERVER, certificate, flow, lab, peers, plain, port, quic_server, script, serve, start, written};
use crate::support::lab::{Lab, done, mac};
use crate::support::rows;

/// What the view says of DNS that cannot be read.
const HIDDEN: &str = "SELECT mac, how, resolver, flows FROM hidden_dns ORDER BY 1, 2, 3";

/// A question of the host by `kdig`, which is hidden as `options` say.
fn ask(lab: &Lab, host: &str, options: &str) -> Command {
    let mut command = lab.command(host, "kdig");
    command
        .args([&format!("@{SERVER}"), "+timeout=5", "+retry=0"])
        .args(options.split_whitespace())
        .args(["secret.example", "A"]);
    command
}

#[test]
fn who_hides_its_dns_is_listed_with_the_resolver() {
    let Some(lab) =
        lab("who_hides_its_dns_is_listed_with_the_resolver", &["curl", "kdig", "openssl", "nghttpd"])
    else {
        return;
    };
    let keys @ [certificate, key] = &certificate(&lab);
    let _servers = serve(&lab, keys);
    let _https = start(lab.command("r", "nghttpd").args(["443", key, certificate]), "tcp", 443);
    let daemon = lab.daemon("");
    lab.connect();
    for options in ["+tls", "+tls +tls-sni=dns.google", "+tls +tls-sni=resolver.example"] {
        done(&mut ask(&lab, "a", options));
    }
    // There is no such page, and the question was hidden all the same.
    let https = |host: &str, name: &str| {
        let mut curl = lab.command(host, "curl");
        curl.args([
            "--silent",
            "--insecure",
            "--http2",
            "--max-time",
            "10",
            "--output",
            "/dev/null",
            "--write-out",
            "%{local_port}",
        ]);
        curl.args([
            "--resolve",
            &format!("{name}:443:{SERVER}"),
            &format!("https://{name}/dns-query?dns=AAABAAAB"),
        ]);
        port(&mut curl)
    };
    let [google, shop] = ["dns.google", "shop.example"].map(|name| https("b", name));
    let ech = port(&mut peers(&lab, "b", &format!("hello {SERVER} 8443 outer.example ech")));
    let db = written(daemon);
    let [a, b] = [mac(10), mac(20)];
    assert_eq!(
        rows(&db, HIDDEN),
        [
            [&*a, "dot", SERVER, "1"],
            [&a, "dot", "dns.google", "1"],
            [&a, "dot", "resolver.example", "1"],
            [&b, "doh", "dns.google", "1"]
        ]
    );
    let [name, source, _, _, hidden] = flow(&db, &b, "tcp", google);
    assert_eq!([&*name, &source, &hidden], ["dns.google", "sni", "doh"]);
    // The name of an encrypted hello is the provider's, and marked so; a page like any other is not.
    let [name, source, _, _, hidden] = flow(&db, &b, "tcp", ech);
    assert_eq!([&*name, &source, &hidden], ["outer.example", "sni", "ech"]);
    assert_eq!(flow(&db, &b, "tcp", shop), plain("shop.example", "sni", "https", "parsed"));
    // Of what was asked nothing is known.
    assert_eq!(rows(&db, "SELECT * FROM dns_queries"), Vec::<Vec<String>>::new());
}

#[test]
fn who_asks_by_quic_is_listed_too() {
    let test = "who_asks_by_quic_is_listed_too";
    let Some(lab) = lab(test, &["kdig", "openssl"]) else { return };
    let Some((python, _server)) = quic_server(test, &lab) else { return };
    let daemon = lab.daemon("");
    lab.connect();
    done(&mut ask(&lab, "a", "+tls-sni=dns.adguard.com +quic"));
    done(&mut script(&lab, "b", python, "quic.py", &format!("ask {SERVER} 443 dns.google")));
    let db = written(daemon);
    let [a, b] = [mac(10), mac(20)];
    assert_eq!(rows(&db, HIDDEN), [[&*a, "doq", "dns.adguard.com", "1"], [&b, "doh", "dns.google", "1"]]);
}
