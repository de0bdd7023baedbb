//! The network interfaces of this machine: which one to capture on, which ones cannot be captured together, and what
//! of the traffic is the machine's own.
//!
//! Everything is decided on one [`Machine`], read once at start: what sysfs, the routing tables and libpcap say.

mod check;
mod choose;
mod read;

use std::collections::BTreeMap;
use std::net::IpAddr;

use lanscribe_core::addr::{MacAddr, Prefix};

pub(crate) use check::InterfaceError;
pub(crate) use read::{LinkState, link_state, name_of};

/// Interfaces may lie on one another (a bridge on a VLAN on a bond on a port): no machine goes deeper than this.
const DEPTH: usize = 8;

/// The interfaces of a machine by name, as they were when they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    interfaces: BTreeMap<String, Interface>,
    /// It passes on packets that are not for itself, IPv4 or IPv6.
    forwards: bool,
}

/// One interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interface {
    /// What its link header is: Linux's `ARPHRD_*`.
    kind: u16,
    mac: Option<MacAddr>,
    /// Switched on.
    up: bool,
    /// Switched on, and the other end of the cable or the radio network is there.
    carrier: bool,
    /// A device is behind it: not a bridge, VLAN, veth, tunnel.
    hardware: bool,
    wireless: bool,
    bridge: bool,
    bond: bool,
    /// Made by a program: tun or tap.
    tunnel: bool,
    /// The bridge or bond that it is a port of.
    master: Option<String>,
    /// The interfaces that it lies on: a bridge's ports, a VLAN's parent.
    lowers: Vec<String>,
    /// The way to everywhere else leads through it.
    default_route: bool,
    /// Its addresses, with the length of the network's prefix.
    addresses: Vec<(IpAddr, u8)>,
}

impl Interface {
    /// What `ARPHRD_ETHER` and the others that matter here are.
    const ETHERNET: u16 = 1;
    const PPP: u16 = 512;
    const RAW_IP: u16 = 519;
    const LOOPBACK: u16 = 772;
    const NO_HEADER: u16 = 65_534;

    const fn is_ethernet(&self) -> bool {
        self.kind == Self::ETHERNET
    }

    const fn is_loopback(&self) -> bool {
        self.kind == Self::LOOPBACK
    }

    /// Whether it has an address that somebody gave it: link-local ones it gives itself.
    fn is_addressed(&self) -> bool {
        self.addresses.iter().any(|(address, _)| match address {
            IpAddr::V4(a) => !a.is_link_local() && !a.is_loopback(),
            IpAddr::V6(a) => !a.is_unicast_link_local() && !a.is_loopback(),
        })
    }
}

/// What libpcap calls all interfaces at once.
const ANY: &str = "any";

/// What of the traffic is the machine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// The MAC addresses of all its interfaces.
    pub(crate) macs: Vec<MacAddr>,
    /// The networks of the captured interfaces, and of those that lie on them (a bridge on its port): local by definition.
    pub(crate) networks: Vec<Prefix>,
    /// The addresses of all its interfaces.
    pub(crate) addresses: Vec<IpAddr>,
    /// It passes on packets of others: what has its MAC need not be its own.
    pub(crate) forwards: bool,
    /// It captures where others talk through it, as their access point or bridge: no mirror is needed.
    pub(crate) in_path: bool,
}

impl Machine {
    /// What is known of the interface `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Interface> {
        self.interfaces.get(name)
    }

    /// What is the machine's own when it captures on `names`.
    pub(crate) fn own(&self, names: &[String]) -> Own {
        let in_path = names.iter().any(|name| self.is_in_path(name));
        let mut own = Own { forwards: self.forwards, in_path, ..Own::default() };
        for (name, interface) in &self.interfaces {
            own.macs.extend(interface.mac);
            own.addresses.extend(interface.addresses.iter().map(|(address, _)| *address));
            if interface.is_loopback()
                || !names.iter().any(|n| n == name || n == ANY || self.lies_on(name, n))
            {
                continue;
            }
            let networks = interface.addresses.iter().filter_map(|&(a, length)| Prefix::new(a, length));
            own.networks.extend(networks.filter(|n| n.length() > 0 && !n.address().is_loopback()));
        }
        own.macs.sort_unstable();
        own.macs.dedup();
        own.addresses.sort_unstable();
        own.addresses.dedup();
        own.networks.sort_unstable();
        own.networks.dedup();
        own
    }

    /// Whether what `upper` carries goes through `lower` too.
    fn lies_on(&self, upper: &str, lower: &str) -> bool {
        self.beneath(upper).contains(&lower)
    }

    /// Whether there is a device anywhere beneath it.
    fn is_on_hardware(&self, name: &str) -> bool {
        self.beneath(name).iter().any(|lower| self.find(lower).is_some_and(|i| i.hardware))
    }

    /// All interfaces that `name` lies on, itself not among them.
    fn beneath(&self, name: &str) -> Vec<&str> {
        let lowers =
            |name: &str| self.find(name).into_iter().flat_map(|i| i.lowers.iter().map(String::as_str));
        let mut found: Vec<_> = lowers(name).collect();
        let mut layer = 0..found.len();
        for _ in 1..DEPTH {
            let next: Vec<_> = found[layer.clone()].iter().flat_map(|n| lowers(n)).collect();
            let new: Vec<_> = next.into_iter().filter(|n| !found.contains(n)).collect();
            layer = found.len()..found.len() + new.len();
            found.extend(new);
        }
        found
    }

    /// The bridge that `name` is a port of.
    fn bridge_of(&self, name: &str) -> Option<&str> {
        let master = self.find(name)?.master.as_deref()?;
        self.find(master)?.bridge.then_some(master)
    }

    /// The names of all interfaces, to be read by people.
    fn names(&self) -> String {
        let names: Vec<_> = self.interfaces.keys().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests;
