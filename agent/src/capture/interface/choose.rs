//! `interface = "auto"`: the interface where most of the LAN can be seen.

use super::{Interface, InterfaceError, Machine};

/// What an interface is good for, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The stations of a radio network talk through this machine.
    AccessPoint,
    /// Ports of hardware talk through this machine.
    Bridge,
    /// A cable, maybe from a mirror port.
    Wired,
    /// A station of a radio network.
    Wireless,
    /// Something else with Ethernet frames: all that a container has.
    Other,
    /// A program is at the other end.
    Tap,
    /// A bridge between containers or virtual machines only.
    InnerBridge,
    /// IP without a link header, so without devices.
    Tunnel,
}

impl Machine {
    /// The interface to capture on when none is named: the access point, else a bridge with hardware beneath, else the
    /// wired one (with a cable plugged before without, which may come a second later at boot), else the wireless one,
    /// else whatever is up and carries Ethernet, and what has no link header last. Never the loopback, monitor
    /// interfaces, and ports of a bridge or bond. Of several alike the LAN side of a router comes first, then the one
    /// with a carrier, then the first by name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn choose(&self) -> Result<String, InterfaceError> {
        self.interfaces
            .iter()
            .filter_map(|(name, interface)| Some((self.rank(name, interface)?, name, interface)))
            .min_by_key(|(rank, name, interface)| {
                let away = *rank >= Rank::Other && !interface.default_route;
                (*rank, !self.is_lan_side(interface), away, !interface.carrier, *name)
            })
            .map(|(_, name, _)| name.clone())
            .ok_or_else(|| InterfaceError::NothingFits { there: self.names() })
    }

    fn rank(&self, name: &str, interface: &Interface) -> Option<Rank> {
        let master = interface.master.as_deref().and_then(|master| self.find(master));
        if master.is_some_and(|master| master.bridge || master.bond) {
            return None;
        }
        Some(match interface.kind {
            Interface::ETHERNET if interface.bridge && self.is_on_hardware(name) => Rank::Bridge,
            Interface::ETHERNET if interface.hardware && interface.wireless => {
                if self.is_access_point(interface) { Rank::AccessPoint } else { Rank::Wireless }
            }
            Interface::ETHERNET if interface.hardware || interface.bond => Rank::Wired,
            // What is made of nothing is there whether it is used or not.
            _ if !interface.up => return None,
            Interface::ETHERNET if interface.bridge => Rank::InnerBridge,
            Interface::ETHERNET if interface.tunnel => Rank::Tap,
            Interface::ETHERNET => Rank::Other,
            Interface::NO_HEADER | Interface::PPP | Interface::RAW_IP => Rank::Tunnel,
            _ => return None,
        })
    }

    /// Whether stations talk to one another, or to the world, through this interface of this machine: an access point,
    /// or a bridge with several ports of hardware. One with a single port only carries what arrives there.
    pub(super) fn is_in_path(&self, name: &str) -> bool {
        let Some(interface) = self.find(name) else { return false };
        let is_port =
            |lower: &&String| self.find(lower).is_some_and(|i| i.hardware) || self.is_on_hardware(lower);
        match self.rank(name, interface) {
            Some(Rank::AccessPoint) => true,
            Some(Rank::Bridge) => interface.lowers.iter().filter(is_port).count() > 1,
            _ => false,
        }
    }

    /// Whether others reach the world through it: addressed, and the machine passes on, but not by way of it.
    fn is_lan_side(&self, interface: &Interface) -> bool {
        self.forwards && interface.is_addressed() && !interface.default_route
    }

    /// sysfs does not tell an access point from a station. A station's network nearly always has the default route, an
    /// access point's never: so it is one if it has an address and no default route, and the machine forwards, or has
    /// the default route elsewhere, or has no cable plugged in (the access point of a class room without internet).
    fn is_access_point(&self, interface: &Interface) -> bool {
        let others = || self.interfaces.values();
        interface.is_addressed()
            && !interface.default_route
            && (self.forwards
                || others().any(|other| other.default_route)
                || !others()
                    .any(|other| other.hardware && other.is_ethernet() && !other.wireless && other.carrier))
    }
}
