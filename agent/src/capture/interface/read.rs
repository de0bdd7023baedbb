//! The machine as sysfs, the routing tables and libpcap show it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use lanscribe_core::addr::MacAddr;

use super::{ANY, Interface, Machine};

/// Flag of an interface that is switched on (`IFF_UP`).
const UP: u32 = 1;
/// Flag of one that takes in all frames (`IFF_PROMISC`).
const PROMISCUOUS: u32 = 0x100;

impl Machine {
    /// Reads this machine's interfaces.
    ///
    /// # Errors
    /// If sysfs is not there, or libpcap cannot list the addresses.
    pub(crate) fn read() -> io::Result<Self> {
        let mut machine = Self::read_at(Path::new("/"))?;
        for device in pcap::Device::list().map_err(io::Error::other)? {
            for address in device.addresses {
                machine.learn_address(&device.name, address.addr, address.netmask);
            }
        }
        Ok(machine)
    }

    /// Reads the interfaces of the machine whose files lie under `root`, without their addresses.
    ///
    /// # Errors
    /// If there is no sysfs under it. Everything else that is missing is taken for what its absence means.
    pub(crate) fn read_at(root: &Path) -> io::Result<Self> {
        let mut machine = Self::default();
        let class = root.join("sys/class/net");
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", class.display()));
        for entry in fs::read_dir(&class).map_err(named)? {
            let entry = entry.map_err(named)?;
            // libpcap could not open what is no text. An interface may be gone again by now, and files lie here too.
            if let (Ok(name), Some(interface)) = (entry.file_name().into_string(), interface(&entry.path())) {
                machine.interfaces.insert(name, interface);
            }
        }
        for name in routed(root) {
            if let Some(interface) = machine.interfaces.get_mut(&name) {
                // IPv6 throws away by way of the loopback what has no route.
                interface.default_route = !interface.is_loopback();
            }
        }
        let switched_on = |path: &str| text(&root.join("proc/sys/net").join(path)).is_some_and(|v| v != "0");
        machine.forwards = switched_on("ipv4/ip_forward") || switched_on("ipv6/conf/all/forwarding");
        Ok(machine)
    }

    /// The interface `name`, if there is such a one, has this address. Without a mask it is alone in its network.
    pub(super) fn learn_address(&mut self, name: &str, address: IpAddr, mask: Option<IpAddr>) {
        let ones = match mask {
            Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().leading_ones(),
            None => u128::BITS,
        };
        let length = u8::try_from(ones).unwrap_or(u8::MAX).min(if address.is_ipv4() { 32 } else { 128 });
        if let Some(interface) = self.interfaces.get_mut(name) {
            interface.addresses.push((address, length));
        }
    }
}

/// An interface by its folder in sysfs.
fn interface(folder: &Path) -> Option<Interface> {
    let has = |name: &str| folder.join(name).exists();
    let is_on = |name| text(&folder.join(name)).is_some_and(|v| v == "1");
    let mut lowers: Vec<_> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("lower_")?.to_owned()))
        .collect();
    lowers.sort_unstable();
    Some(Interface {
        kind: text(&folder.join("type"))?.parse().ok()?,
        mac: text(&folder.join("address"))
            .and_then(|a| a.parse().ok())
            .filter(|mac: &MacAddr| mac.is_station()),
        up: flags(folder).is_some_and(|flags| flags & UP != 0),
        carrier: is_on("carrier"),
        hardware: has("device"),
        wireless: has("phy80211") || has("wireless"),
        bridge: has("bridge"),
        bond: has("bonding"),
        tunnel: has("tun_flags"),
        master: fs::read_link(folder.join("master"))
            .ok()
            .and_then(|path| path.file_name()?.to_str().map(str::to_owned)),
        lowers,
        default_route: false,
        addresses: Vec::new(),
    })
}

fn flags(folder: &Path) -> Option<u32> {
    u32::from_str_radix(text(&folder.join("flags"))?.trim_start_matches("0x"), 16).ok()
}

/// The interfaces with a default route, of IPv4's main table and of IPv6.
fn routed(root: &Path) -> Vec<String> {
    let is_zero = |field: &str| field.bytes().all(|digit| digit == b'0');
    // Interface, destination, gateway, flags, three counters, mask.
    let ipv4 = |line: &str| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [name, to, _, _, _, _, _, mask, ..] if is_zero(to) && is_zero(mask) => Some(name.to_owned()),
        _ => None,
    };
    // Destination and its length, source and its length, next hop, three counters, flags, interface.
    let ipv6 = |line: &str| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [to, length, _, _, _, _, _, _, _, name] if is_zero(to) && is_zero(length) => Some(name.to_owned()),
        _ => None,
    };
    let lines = |path| text(&root.join(path)).unwrap_or_default();
    let mut names: Vec<_> = lines("proc/net/route").lines().filter_map(ipv4).collect();
    names.extend(lines("proc/net/ipv6_route").lines().filter_map(ipv6));
    names
}

/// What a small file says; nothing where it is missing, and where the kernel will not say (`carrier` of what is off).
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// How an interface stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// The number that no other interface has, whatever its name.
    pub(crate) index: u32,
    /// It is switched on and the other end is there, as far as it takes traffic.
    pub(crate) up: bool,
    /// Somebody asked it for all frames, and it was not refused.
    pub(crate) promiscuous: bool,
    /// Bytes that a frame carries at most.
    pub(crate) mtu: u32,
}

impl LinkState {
    /// The state of an interface of the machine whose files lie under `root`; `None` if there is no such interface, as
    /// there is none for all of them at once.
    pub(crate) fn read(root: &Path, name: &str) -> Option<Self> {
        let folder = root.join("sys/class/net").join(name);
        let number = |file: &str| text(&folder.join(file))?.parse().ok();
        let index = number("ifindex")?;
        // The carrier of one that is switched off cannot be read. Some do not tell their state, which is no bad one; one
        // that is `dormant` has a cable or a radio network that does not let it in.
        let carrier = text(&folder.join("carrier")).is_some_and(|carrier| carrier == "1");
        let state = text(&folder.join("operstate"));
        let up = carrier && state.is_none_or(|state| state == "up" || state == "unknown");
        // What cannot be read any more is of one that is going.
        let promiscuous = flags(&folder)? & PROMISCUOUS != 0;
        Some(Self { index, up, promiscuous, mtu: number("mtu")? })
    }
}

/// The name of the interface with this number.
pub(crate) fn name_of(root: &Path, index: u32) -> Option<String> {
    let entries = fs::read_dir(root.join("sys/class/net")).ok()?;
    let mut names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| LinkState::read(root, name).is_some_and(|state| state.index == index))
}

/// Whether the cable of an interface is in and it is switched on: `up` or `down`; `gone` if there is no such interface.
pub(crate) fn link_state(name: &str) -> &'static str {
    // All interfaces at once is none that could be down.
    if name == ANY {
        return "up";
    }
    match LinkState::read(Path::new("/"), name) {
        Some(state) if state.up => "up",
        Some(_) => "down",
        None => "gone",
    }
}
