//! Homes of network namespaces, one for each way to tap that docs/install.md tells of: the stations `a` and `b`, the
//! router `r` with a make-believe internet behind it, a switch `sw`, and the machine that captures, `tap`.
//!
//! Cables are veth pairs, of which the kernel says that they are no hardware, and no radio. What goes by that (which
//! interface `auto` takes, whether others talk through this machine) is shown a `/sys/class/net` in which they are.

use super::lab::{Lab, done, is_installed, mac};
use super::skip;

/// Two machines on the internet.
pub(crate) const INTERNET: [&str; 2] = ["203.0.113.7", "2001:db8:77::7"];
/// The last bytes of the MAC addresses of the router, of the capturing machine, and of the stations.
pub(crate) const ROUTER: u8 = 1;
pub(crate) const TAP: u8 = 5;
pub(crate) const STATIONS: [(&str, u8); 2] = [("a", 10), ("b", 20)];

/// What a kernel must be able to do for a home, tried on the loopback.
const CAN_TRANSLATE_AND_COPY: [&str; 2] = [
    "nft 'add table ip try; add chain ip try out { type nat hook postrouting priority 100; }; \
     add rule ip try out masquerade; delete table ip try'",
    "tc qdisc add dev lo clsact
     tc filter add dev lo egress protocol all u32 match u32 0 0 action mirred egress mirror dev lo
     tc qdisc del dev lo clsact",
];

/// A home with a machine in it that captures.
pub(crate) struct Home {
    pub(crate) lab: Lab,
    /// The interfaces of the machine that shall be hardware, parted by spaces: with cables, and radios.
    wired: &'static str,
    radio: &'static str,
    /// How the addresses of the stations begin.
    network: &'static str,
}

impl Home {
    fn new(test: &str, wired: &'static str, radio: &'static str) -> Option<Self> {
        let lab = Lab::bare(test)?;
        if let Some(missing) = ["tc", "nft"].iter().find(|program| !is_installed(program)) {
            skip(test, &format!("needs {missing}"));
            return None;
        }
        lab.settle("tap");
        lab.ip("tap", "link set lo up");
        for script in CAN_TRANSLATE_AND_COPY {
            let tried = lab.command("tap", "sh").args(["-ec", script]).output().unwrap();
            if !tried.status.success() {
                let why = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
                skip(test, &format!("this kernel cannot translate addresses, or copy frames: {why}"));
                return None;
            }
        }
        for host in ["r", "a", "b", "sw"] {
            lab.add_namespace(host);
        }
        // A switch says nothing by itself.
        lab.sysctl("sw", "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        add_bridge(&lab, "sw", "sw0", 0xfe);
        for address in INTERNET {
            lab.ip("r", &format!("addr add {address} dev lo"));
        }
        Some(Self { lab, wired, radio, network: "192.168.77" })
    }

    /// A switch with everybody on it, which copies what the router's port carries to a port of its own. The machine is on
    /// the LAN with the interface `lan`, and on the mirror port with `mirror`. `wired` and `radio` say what they are.
    pub(crate) fn with_mirror(
        test: &str,
        [lan, mirror]: [&'static str; 2],
        wired: &'static str,
        radio: &'static str,
    ) -> Option<Self> {
        let home = Self::new(test, wired, radio)?;
        let lab = &home.lab;
        for (host, link, number) in [("r", "eth0", ROUTER), ("tap", lan, TAP)].into_iter().chain(stations()) {
            add_to_switch(lab, host, link, number);
            give_addresses(lab, host, link, number);
        }
        lab.add_cable(("sw", "mirror"), ("tap", mirror), &mac(6));
        lab.sysctl("tap", &format!("net.ipv6.conf.{mirror}.disable_ipv6=1"));
        home.mirror("port-r");
        for host in ["tap", "a", "b"] {
            route_to_internet(lab, host, "192.168.77.1", Some("fd77::1"));
        }
        Some(home)
    }

    /// The router has the stations at two ports of its bridge `br-lan`, the machine's `eth0` at a third, and its `eth1` at
    /// `lan4`, which is for copies: `commands` are what has it make them.
    pub(crate) fn with_mirroring_router(test: &str, commands: &[String]) -> Option<Self> {
        let home = Self::new(test, "eth0 eth1", "")?;
        let lab = &home.lab;
        add_bridge(lab, "r", "br-lan", ROUTER);
        for ((host, link, number), port) in
            stations().chain([("tap", "eth0", TAP)]).zip(["lan1", "lan2", "lan3"])
        {
            lab.add_cable(("r", port), (host, link), &mac(number));
            lab.ip("r", &format!("link set {port} master br-lan"));
            give_addresses(lab, host, link, number);
            route_to_internet(lab, host, "192.168.77.1", Some("fd77::1"));
        }
        give_addresses(lab, "r", "br-lan", ROUTER);
        lab.add_cable(("r", "lan4"), ("tap", "eth1"), &mac(6));
        for (host, link) in [("r", "lan4"), ("tap", "eth1")] {
            lab.sysctl(host, &format!("net.ipv6.conf.{link}.disable_ipv6=1"));
        }
        for command in commands {
            done(lab.command("r", "sh").args(["-c", command]));
        }
        Some(home)
    }

    /// Copies what a port of the switch carries, both ways, to the mirror port.
    pub(crate) fn mirror(&self, port: &str) {
        let tc = |arguments: &str| done(self.lab.command("sw", "tc").args(arguments.split_whitespace()));
        tc(&format!("qdisc add dev {port} clsact"));
        for way in ["ingress", "egress"] {
            tc(&format!(
                "filter add dev {port} {way} protocol all u32 match u32 0 0 action mirred egress mirror dev mirror"
            ));
        }
    }

    /// The machine is the access point: the stations reach the internet through its `wlan0`, and it gives what they send
    /// its own address on `eth0`. In place of the air there is a switch.
    pub(crate) fn with_access_point(test: &str) -> Option<Self> {
        let home = Self { network: "10.42.0", ..Self::new(test, "eth0", "wlan0")? };
        let lab = &home.lab;
        for (host, link, number) in [("tap", "wlan0", 2)].into_iter().chain(stations()) {
            add_to_switch(lab, host, link, number);
        }
        for (host, link, address) in [("tap", "wlan0", 1), ("a", "eth0", 10), ("b", "eth0", 20)] {
            lab.ip(host, &format!("addr add 10.42.0.{address}/24 broadcast 10.42.0.255 dev {link}"));
        }
        lab.add_cable(("tap", "eth0"), ("r", "eth0"), &mac(ROUTER));
        give_addresses(lab, "tap", "eth0", TAP);
        give_addresses(lab, "r", "eth0", ROUTER);
        route_to_internet(lab, "tap", "192.168.77.1", Some("fd77::1"));
        for (host, _) in STATIONS {
            route_to_internet(lab, host, "10.42.0.1", None);
        }
        lab.sysctl("tap", "net.ipv4.ip_forward=1");
        translate(lab, "eth0");
        Some(home)
    }

    /// The machine is a bridge `br0`, with the router at its `eth0` and the switch with the stations at its `eth1`.
    pub(crate) fn with_bridge(test: &str) -> Option<Self> {
        let home = Self::new(test, "eth0 eth1", "")?;
        let lab = &home.lab;
        add_bridge(lab, "tap", "br0", TAP);
        lab.add_cable(("tap", "eth0"), ("r", "eth0"), &mac(ROUTER));
        add_to_switch(lab, "tap", "eth1", 6);
        for (host, link, number) in stations() {
            add_to_switch(lab, host, link, number);
        }
        for port in ["eth0", "eth1"] {
            lab.ip("tap", &format!("link set {port} master br0"));
        }
        for (host, link, number) in [("tap", "br0", TAP), ("r", "eth0", ROUTER)].into_iter().chain(stations())
        {
            give_addresses(lab, host, link, number);
        }
        for host in ["tap", "a", "b"] {
            route_to_internet(lab, host, "192.168.77.1", Some("fd77::1"));
        }
        Some(home)
    }

    /// The machine is the router, with the stations at two ports of its bridge `br-lan`, and the provider, which is `r`, at
    /// its `eth0`.
    pub(crate) fn with_router(test: &str) -> Option<Self> {
        let home = Self::new(test, "eth0 lan1 lan2", "")?;
        let lab = &home.lab;
        add_bridge(lab, "tap", "br-lan", 2);
        for ((host, number), port) in STATIONS.into_iter().zip(["lan1", "lan2"]) {
            lab.add_cable(("tap", port), (host, "eth0"), &mac(number));
            lab.ip("tap", &format!("link set {port} master br-lan"));
            give_addresses(lab, host, "eth0", number);
            route_to_internet(lab, host, "192.168.77.1", Some("fd77::1"));
        }
        give_addresses(lab, "tap", "br-lan", 1);
        lab.add_cable(("tap", "eth0"), ("r", "eth0"), &mac(ROUTER));
        for (host, number) in [("r", 1), ("tap", 2)] {
            lab.ip(host, &format!("addr add 198.51.100.{number}/24 broadcast 198.51.100.255 dev eth0"));
            lab.ip(host, &format!("addr add 2001:db8:51::{number}/64 dev eth0 nodad"));
        }
        route_to_internet(lab, "tap", "198.51.100.1", Some("2001:db8:51::1"));
        // A provider gives the LAN a network of its own by IPv6, and leads there.
        lab.ip("r", "-6 route add fd77::/64 via 2001:db8:51::2");
        lab.sysctl("tap", "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        translate(lab, "eth0");
        Some(home)
    }

    /// The IPv4 address of a station.
    pub(crate) fn ipv4(&self, number: u8) -> String {
        format!("{}.{number}", self.network)
    }

    /// What stands before a program on the machine that goes by what the kernel says of the hardware.
    pub(crate) fn hardware(&self) -> String {
        format!(
            "set -e; sys=$(mktemp -d -p '{}' sys.XXXXXX)
             for link in /sys/class/net/*; do
               [ -d \"$link\" ] || continue
               real=$(readlink -f \"$link\") copy=$sys/${{link##*/}}
               mkdir \"$copy\"
               ln -s \"$real\"/* \"$copy\"
               # Its name says which bridge it is.
               if [ -e \"$real/master\" ]; then ln -sfn \"$(readlink -f \"$real/master\")\" \"$copy/master\"; fi
             done
             for name in {1} {2}; do mkdir \"$sys/$name/device\"; done
             for name in {2}; do mkdir \"$sys/$name/phy80211\"; done
             mount --bind \"$sys\" /sys/class/net
             exec \"$0\" \"$@\"",
            self.lab.folder.path().display(),
            self.wired,
            self.radio
        )
    }
}

/// Each station with its one interface.
fn stations() -> impl Iterator<Item = (&'static str, &'static str, u8)> {
    STATIONS.into_iter().map(|(host, number)| (host, "eth0", number))
}

fn add_bridge(lab: &Lab, host: &str, name: &str, number: u8) {
    let mac = mac(number);
    lab.ip(
        host,
        &format!("link add {name} address {mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"),
    );
    lab.ip(host, &format!("link set {name} up"));
}

/// Plugs a host's new interface into the switch.
fn add_to_switch(lab: &Lab, host: &str, link: &str, number: u8) {
    let port = format!("port-{host}");
    lab.add_cable(("sw", &port), (host, link), &mac(number));
    lab.ip("sw", &format!("link set {port} master sw0"));
}

fn give_addresses(lab: &Lab, host: &str, link: &str, number: u8) {
    lab.ip(host, &format!("addr add 192.168.77.{number}/24 broadcast 192.168.77.255 dev {link}"));
    lab.ip(host, &format!("addr add fd77::{number}/64 dev {link} nodad"));
}

fn route_to_internet(lab: &Lab, host: &str, ipv4: &str, ipv6: Option<&str>) {
    lab.ip(host, &format!("route add default via {ipv4}"));
    if let Some(ipv6) = ipv6 {
        lab.ip(host, &format!("-6 route add default via {ipv6}"));
    }
}

/// Gives what leaves the machine by an interface the address that it has there.
fn translate(lab: &Lab, link: &str) {
    let rules = format!(
        "add table ip home; add chain ip home out {{ type nat hook postrouting priority 100; }}; \
         add rule ip home out oifname {link} masquerade"
    );
    done(lab.command("tap", "nft").arg(rules));
}
