//! Made-up machines, one for each way to stand in a network, and a real one in a namespace.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{InterfaceError, Machine};

/// An interface a line: its name, what it has, `lower=` and `master=` others, `addr=` with the length of the prefix.
/// A line `forwards` makes the machine pass on packets.
fn machine(layout: &str) -> Machine {
    let dir = tempfile::tempdir().unwrap();
    let (class, net) = (dir.path().join("sys/class/net"), dir.path().join("proc/net"));
    for folder in [&class, &net, &dir.path().join("proc/sys/net/ipv4")] {
        fs::create_dir_all(folder).unwrap();
    }
    // The kernel puts this beside the interfaces.
    fs::write(class.join("bonding_masters"), "bond0\n").unwrap();
    let mut routes =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n".to_owned();
    // A VPN takes half of all addresses like this, which is no default route.
    routes += "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t50\t00000080\t0\t0\t0\n";
    let mut routes6 =
        format!("{z} 00 {z} 00 {z} ffffffff 00000001 00000000 00200200       lo\n", z = "0".repeat(32));
    routes6 +=
        &format!("{z} 01 {z} 00 {z} 00000400 00000001 00000000 00000001    wlan0\n", z = "0".repeat(32));
    let mut addresses = Vec::new();
    fs::write(dir.path().join("proc/sys/net/ipv4/ip_forward"), "0\n").unwrap();
    for (n, line) in layout.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        if line == "forwards" {
            fs::write(dir.path().join("proc/sys/net/ipv4/ip_forward"), "1\n").unwrap();
            continue;
        }
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let folder = class.join(name);
        fs::create_dir(&folder).unwrap();
        let (mut kind, mut mac, mut flags) = (1, format!("b8:27:eb:00:00:{n:02x}"), 0x1002);
        for word in words {
            match word.split_once('=') {
                None if word == "up" => flags |= 1,
                None if word == "carrier" => fs::write(folder.join("carrier"), "1\n").unwrap(),
                None if word == "default" => {
                    routes += &format!("{name}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
                }
                None if word == "default6" => {
                    routes6 += &format!(
                        "{z} 00 {z} 00 fe80{} 00000400 00000001 00000000 00000003     {name}\n",
                        "0".repeat(28),
                        z = "0".repeat(32)
                    );
                }
                None if word == "tun_flags" => fs::write(folder.join(word), "0x1002\n").unwrap(),
                None => fs::create_dir(folder.join(word)).unwrap(),
                Some(("kind", number)) => {
                    (kind, mac) = (number.parse().unwrap(), "00:00:00:00:00:00".to_owned());
                }
                Some(("master", master)) => symlink(format!("../{master}"), folder.join("master")).unwrap(),
                Some(("lower", lower)) => {
                    symlink(format!("../{lower}"), folder.join(format!("lower_{lower}"))).unwrap();
                }
                Some(("addr", address)) => addresses.push((name.to_owned(), address.to_owned())),
                Some(_) => panic!("{word}"),
            }
        }
        fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
        fs::write(folder.join("address"), format!("{mac}\n")).unwrap();
        fs::write(folder.join("flags"), format!("{flags:#x}\n")).unwrap();
    }
    fs::write(net.join("route"), routes).unwrap();
    fs::write(net.join("ipv6_route"), routes6).unwrap();
    let mut machine = Machine::read_at(dir.path()).unwrap();
    for (name, address) in addresses {
        let (address, length) = address.split_once('/').unwrap();
        let length: u32 = length.parse().unwrap();
        let address: IpAddr = address.parse().unwrap();
        let mask = match address {
            IpAddr::V4(_) => IpAddr::V4(u32::MAX.checked_shl(32 - length).unwrap_or(0).into()),
            IpAddr::V6(_) => IpAddr::V6(u128::MAX.checked_shl(128 - length).unwrap_or(0).into()),
        };
        machine.learn_address(&name, address, Some(mask));
    }
    machine
}

const LO: &str = "lo kind=772 up carrier addr=127.0.0.1/8 addr=::1/128\n";
const PI: &str = "eth0 device up carrier default addr=192.168.1.5/24 addr=fe80::ba27/64";
const ACCESS_POINT: &str = "eth0 device up carrier default addr=192.168.1.5/24
     wlan0 device phy80211 up carrier addr=10.42.0.1/24
     forwards";
const BRIDGE: &str = "br0 bridge up carrier default addr=192.168.1.5/24 lower=eth0 lower=eth1
     eth0 device up carrier master=br0
     eth1 device up carrier master=br0
     wlan0 device phy80211";
const DOCKER: &str = "br-0a1b2c3d4e5f bridge up carrier addr=172.18.0.1/16 lower=vetha
     docker0 bridge up addr=172.17.0.1/16
     vetha up carrier master=br-0a1b2c3d4e5f
     virbr0 bridge up addr=192.168.122.1/24 lower=vnet0
     vnet0 tun_flags up carrier master=virbr0
     forwards\n";

#[test]
fn auto_finds_where_most_of_the_lan_passes() {
    let layouts: &[(&str, &str, &str)] = &[
        ("a Pi on a cable", PI, "eth0"),
        (
            "no cable yet, and on Wi-Fi",
            "eth0 device up\nwlan0 device phy80211 up carrier default addr=10.0.0.2/24",
            "eth0",
        ),
        ("on Wi-Fi only", "wlan0 device phy80211 up carrier default addr=10.0.0.2/24", "wlan0"),
        (
            "cable and Wi-Fi",
            &format!("{PI}\nwlan0 device phy80211 up carrier default addr=192.168.1.6/24"),
            "eth0",
        ),
        ("an access point with NAT", ACCESS_POINT, "wlan0"),
        (
            "an access point without internet",
            "eth0 device up\nwlan0 device wireless up carrier addr=10.42.0.1/24",
            "wlan0",
        ),
        (
            "Wi-Fi that gave itself an address",
            &format!("{PI}\nwlan0 device phy80211 up carrier addr=169.254.3.4/16 addr=fe80::1/64"),
            "eth0",
        ),
        (
            "Wi-Fi without a way out, beside a mirror port",
            "eth0 device up carrier\nwlan0 device phy80211 up carrier addr=10.0.0.2/24",
            "eth0",
        ),
        (
            "an access point beside its uplink on the same radio",
            "uap0 device phy80211 up carrier addr=10.3.0.1/24\nwlan0 device phy80211 up carrier default addr=10.0.0.2/24\nforwards",
            "uap0",
        ),
        ("a bridge of two ports", BRIDGE, "br0"),
        (
            "a bridge with the radio as a port",
            "br0 bridge up carrier addr=192.168.1.5/24 default lower=eth0 lower=wlan0\neth0 device up carrier master=br0\nwlan0 device phy80211 up carrier master=br0",
            "br0",
        ),
        (
            "a bridge that is not up yet",
            "br0 bridge lower=eth0\neth0 device up master=br0\nwlan0 device phy80211 up carrier default addr=10.0.0.2/24",
            "br0",
        ),
        (
            "a bridge on a VLAN on a bond",
            "bond0 bonding up carrier lower=eth0\nbond0.5 up carrier master=br5 lower=bond0\nbr5 bridge up carrier lower=bond0.5\neth0 device up carrier master=bond0",
            "br5",
        ),
        (
            "a bond",
            "wbond bonding up carrier lower=eth0 lower=eth1\neth0 device up carrier master=wbond\neth1 device up carrier master=wbond\nwlan0 device phy80211 up carrier",
            "wbond",
        ),
        ("containers beside", &format!("{DOCKER}{PI}"), "eth0"),
        ("containers beside, and a spare dongle", &format!("{DOCKER}{PI}\neth1 device up"), "eth0"),
        (
            "a router with two cables",
            "eth0 device up carrier default addr=203.0.113.7/24\neth1 device up carrier addr=192.168.1.1/24\nforwards",
            "eth1",
        ),
        (
            "a router whose uplink is IPv6 only",
            "eth0 device up carrier default6 addr=2001:db8::7/64\neth1 device up carrier addr=192.168.1.1/24\nforwards",
            "eth1",
        ),
        (
            "a router's bridge beside its uplink's",
            "br-lan bridge up carrier addr=192.168.1.1/24 lower=eth1\nbr-aa bridge up carrier default addr=203.0.113.7/24 lower=eth0\neth0 device up carrier master=br-aa\neth1 device up carrier master=br-lan\nforwards",
            "br-lan",
        ),
        ("the plugged of two", "eth0 device up\neth1 device up carrier", "eth1"),
        (
            "a USB dongle of a Pi Zero",
            "enxb827eb010203 device up carrier default addr=192.168.1.9/24\nwlan0 device phy80211",
            "enxb827eb010203",
        ),
        ("a virtual machine", "ens3 device up carrier default addr=10.0.2.15/24", "ens3"),
        (
            "a container",
            "docker0 bridge up addr=172.17.0.1/16\neth0 up carrier default addr=172.17.0.2/16\ntap0 tun_flags up carrier\nforwards",
            "eth0",
        ),
        (
            "a container with two networks",
            "a0 up carrier addr=172.18.0.2/16\neth0 up carrier default addr=172.17.0.2/16",
            "eth0",
        ),
        ("a VPN beside", &format!("aaa0 kind=65534 up carrier addr=10.9.0.2/24\n{PI}"), "eth0"),
        ("a VPN only", "ifb0\nwg0 kind=65534 up carrier addr=10.9.0.2/32", "wg0"),
        (
            "a monitor interface beside",
            "mon0 kind=803 device phy80211 up carrier\nwlan0 device phy80211 up carrier",
            "wlan0",
        ),
    ];
    for (what, layout, expected) in layouts {
        let machine = machine(&format!("{LO}{layout}"));
        assert_eq!(machine.choose().as_deref(), Ok(*expected), "{what}");
        assert_eq!(machine.check(&[(*expected).to_owned()], false), Ok(()), "{what}");
    }
}

#[test]
fn where_nothing_fits_it_says_what_there_is() {
    let said = machine(&format!("{LO}can0 kind=280 up carrier\ndummy0")).choose().unwrap_err().to_string();
    assert!(said.contains("there are: can0, dummy0, lo."), "{said}");
    assert!(said.contains("capture.interface"), "{said}");
    let none = machine("").choose().unwrap_err();
    assert_eq!(none, InterfaceError::NothingFits { there: "none".to_owned() });
}

fn refusal(layout: &str, names: &[&str], allow_uplink: bool) -> Option<InterfaceError> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    machine(&format!("{LO}{layout}")).check(&names, allow_uplink).err()
}

#[test]
fn what_would_show_frames_twice_is_refused_with_what_to_name_instead() {
    let bridge =
        format!("{BRIDGE}\nbr0.7 up carrier lower=br0\neth2 device up carrier\neth2.9 up carrier lower=eth2");
    let refused: &[(&str, &[&str], &[&str])] = &[
        (&bridge, &["eth0", "eth1"], &["eth0 and eth1 are ports", "capture.interface = \"br0\""]),
        (&bridge, &["eth1", "wlan0", "eth0"], &["eth1 and eth0 are ports"]),
        (&bridge, &["br0", "eth1"], &["what br0 carries", "\"br0\" shows what all"]),
        (&bridge, &["eth1", "br0"], &["what br0 carries", "\"br0\" shows what all"]),
        (&bridge, &["eth2", "eth2.9"], &["what eth2.9 carries", "\"eth2\" shows more"]),
        (&bridge, &["br0.7", "eth0"], &["what br0.7 carries goes through eth0"]),
        (&bridge, &["eth2", "eth2"], &["eth2 twice"]),
        (&bridge, &["eth2", "lo"], &["names lo,"]),
        (
            ACCESS_POINT,
            &["wlan0", "eth0"],
            &[
                "eth0 has the default route",
                "beside wlan0",
                "capture.interface = \"wlan0\"",
                "capture.allow_uplink = true",
            ],
        ),
        (
            &format!("{ACCESS_POINT}\neth1 device"),
            &["eth0", "wlan0", "eth1"],
            &["capture.interface = [\"wlan0\", \"eth1\"]"],
        ),
    ];
    for (layout, names, words) in refused {
        let said = refusal(layout, names, false).expect("it is refused").to_string();
        for word in *words {
            assert!(said.contains(word), "{names:?}: {word} is not in: {said}");
        }
    }
}

#[test]
fn what_shows_each_frame_once_is_allowed() {
    let bridge = format!("{BRIDGE}\neth2 device up carrier\neth2.8 lower=eth2\neth2.9 lower=eth2");
    for names in
        [&["br0", "eth2"][..], &["br0", "eth2.8", "eth2.9"], &["eth0", "eth2"], &["lo"], &["wlan0", "eth1"]]
    {
        assert_eq!(refusal(&bridge, names, false), None, "{names:?}");
    }
    assert_eq!(refusal(ACCESS_POINT, &["wlan0", "eth0"], true), None, "it was said to be meant");
    assert_eq!(refusal(ACCESS_POINT, &["eth0"], false), None, "the uplink alone shows each frame once");
    let not_forwarding = ACCESS_POINT.replace("forwards", "");
    assert_eq!(refusal(&not_forwarding, &["wlan0", "eth0"], false), None);
    // Names on one bond carry different frames.
    assert_eq!(
        refusal(
            "bond0 bonding lower=a lower=b\na device master=bond0\nb device master=bond0",
            &["a", "b"],
            false
        ),
        None
    );
}

#[test]
fn an_interface_that_is_not_there_can_be_told_from_a_wrong_choice() {
    let error = refusal(BRIDGE, &["eth0", "eth7", "eth1"], false).unwrap();
    assert_eq!(
        error,
        InterfaceError::Missing { name: "eth7".to_owned(), there: "br0, eth0, eth1, lo, wlan0".to_owned() }
    );
}

#[test]
fn own_are_all_macs_and_addresses_but_only_networks_that_are_captured() {
    let own = |layout: &str, names: &[&str]| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        machine(&format!("{LO}{layout}")).own(&names)
    };
    let texts = |networks: &[lanscribe_core::addr::Prefix]| {
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let access_point = own(ACCESS_POINT, &["wlan0"]);
    assert_eq!(texts(&access_point.networks), ["10.42.0.0/24"]);
    assert_eq!(access_point.macs.len(), 2, "the loopback's zeros are no address: {:?}", access_point.macs);
    assert_eq!(access_point.addresses.len(), 4);
    assert!(access_point.forwards);
    let port = own(BRIDGE, &["eth0"]);
    assert_eq!(texts(&port.networks), ["192.168.1.0/24"], "the bridge has the address of its ports");
    assert!(!port.forwards);
    assert_eq!(texts(&own(PI, &["lo"]).networks), [""; 0]);
    let all = own(
        "tun0 kind=65534 up addr=10.1.2.3/0\neth0 device addr=203.0.113.77/25 addr=2001:db8::77/64",
        &["tun0", "eth0"],
    );
    assert_eq!(
        texts(&all.networks),
        ["203.0.113.0/25", "2001:db8::/64"],
        "all of the internet is not the LAN"
    );
}

#[test]
fn only_an_access_point_and_a_bridge_of_several_ports_need_no_mirror() {
    let in_path = |layout: &str, name: &str| machine(layout).own(&[name.to_owned()]).in_path;
    assert!(in_path(ACCESS_POINT, "wlan0") && !in_path(ACCESS_POINT, "eth0"));
    assert!(in_path(BRIDGE, "br0") && !in_path(BRIDGE, "eth0") && !in_path(BRIDGE, "gone"));
    let one_port =
        "vmbr0 bridge up lower=eth0 lower=tap0\neth0 device up master=vmbr0\ntap0 tun_flags master=vmbr0";
    assert!(!in_path(one_port, "vmbr0"));
    assert!(!in_path(DOCKER, "docker0") && !in_path(PI, "eth0"));
}

#[test]
fn a_machine_without_sysfs_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let said = Machine::read_at(dir.path()).unwrap_err().to_string();
    assert!(said.contains("sys/class/net: No such file"), "{said}");
}

/// Set where the test below runs the next one.
const INSIDE: &str = "LANSCRIBE_TEST_NAMESPACE";

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_real_machine_is_read_as_it_is() {
    let name = format!("lanscribe-{}", std::process::id());
    let inside = |arguments: &str| ip(&format!("-n {name} {arguments}"));
    if !ip(&format!("netns add {name}")) {
        // Straight to standard error: what is printed otherwise is kept back of a test that passes.
        let words =
            "SKIPPED: a_real_machine_is_read_as_it_is: needs root and network namespaces (ip netns)\n";
        let _ = std::io::stderr().write_all(words.as_bytes());
        return;
    }
    let made = [
        "link set lo up",
        "link add br0 type bridge",
        "link add port0 type veth peer name far0",
        "link add port1 type veth peer name far1",
        "link set port0 master br0",
        "link set port1 master br0",
        "link set far0 up",
        "link set port0 up",
        "link set br0 up",
        "addr add 10.93.4.5/20 dev br0",
        "-6 addr add 2001:db8:93::5/64 dev br0 nodad",
        "route add default via 10.93.0.1",
    ]
    .map(|step| (step, inside(step)));
    // `ip netns exec` mounts the namespace's own /sys.
    let output = Command::new("ip")
        .args(["netns", "exec", &name])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "capture::interface::tests::what_the_namespace_shows", "--ignored"])
        .env(INSIDE, "1")
        .output();
    ip(&format!("netns del {name}"));
    assert_eq!(made.iter().find(|(_, done)| !done), None);
    let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "is run by the test above, in a namespace"]
fn what_the_namespace_shows() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let machine = Machine::read().unwrap();
    let find = |name: &str| machine.find(name).unwrap();
    let (bridge, port, off) = (find("br0"), find("port0"), find("port1"));
    assert!(bridge.bridge && bridge.up && bridge.carrier && bridge.default_route && !bridge.hardware);
    assert!(port.up && port.carrier && !port.default_route && port.is_ethernet());
    assert!(!off.up && !off.carrier);
    assert_eq!(
        (port.master.as_deref(), &bridge.lowers[..]),
        (Some("br0"), &["port0".into(), "port1".into()][..])
    );
    assert!(find("lo").is_loopback() && find("lo").mac.is_none() && bridge.mac.is_some());
    let own = machine.own(&["port0".to_owned()]);
    let networks: Vec<_> = own.networks.iter().map(ToString::to_string).collect();
    assert!(networks.contains(&"10.93.0.0/20".to_owned()), "{networks:?}");
    assert!(networks.contains(&"2001:db8:93::/64".to_owned()), "{networks:?}");
    // A container's bridge of nothing but veth: what is up and no port comes before it.
    assert_eq!(machine.choose().as_deref(), Ok("far0"));
    assert_eq!(machine.check_on(&["br0".to_owned(), "port0".to_owned()]), Ok(()));
    let off = machine.check_on(&["br0".to_owned(), "port1".to_owned()]);
    assert!(off == Err(InterfaceError::Off("port1".to_owned())) && off.unwrap_err().may_pass());
    let both = machine.check(&["port0".to_owned(), "port1".to_owned()], false);
    assert!(matches!(both, Err(InterfaceError::Ports { .. })), "{both:?}");
    assert!(Path::new("/sys/class/net/br0").exists());
}
