//! Which interfaces can be captured, and which not together, with what to write instead.

use super::{ANY, Machine};

/// Why interfaces cannot be captured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InterfaceError {
    /// It is not there, or not yet: it may be waited for.
    #[error("there is no interface {name}; there are: {there}")]
    Missing {
        /// As it was asked for.
        name: String,
        /// Those that exist.
        there: String,
    },
    /// It is there, and nothing can be captured on it: somebody may switch it on.
    #[error("{0} is switched off: `ip link set {0} up` switches it on")]
    Off(String),
    /// None could be chosen: one may be plugged in later.
    #[error(
        "no interface is fit to be chosen; there are: {there}. Name one: capture.interface = \"NAME\" (auto takes \
         whatever carries Ethernet or IP and is up, but not the loopback)"
    )]
    NothingFits {
        /// Those that exist.
        there: String,
    },
    /// Named twice.
    #[error("capture.interface names {0} twice: each frame would count twice")]
    Repeated(String),
    /// The loopback beside others.
    #[error("capture.interface names {0}, where the machine talks to itself: leave it out, or name it alone")]
    Loopback(String),
    /// Two ports of one bridge.
    #[error(
        "{first} and {second} are ports of the bridge {bridge}: together they show each frame twice. Name the bridge: \
         capture.interface = \"{bridge}\""
    )]
    Ports {
        /// The bridge.
        bridge: String,
        /// A port of it.
        first: String,
        /// Another port of it.
        second: String,
    },
    /// An interface and one beneath it.
    #[error(
        "what {upper} carries goes through {lower} too: together they show each frame twice. Name one of them: {advice}"
    )]
    Stacked {
        /// A bridge, bond, VLAN.
        upper: String,
        /// One of its ports, its parent.
        lower: String,
        /// Which of them shows what.
        advice: String,
    },
    /// Both sides of a router.
    #[error(
        "{uplink} has the default route and this machine forwards: beside {beside} each forwarded byte counts twice, with \
         NAT under two devices. Name the LAN side alone: capture.interface = {instead}; or set capture.allow_uplink = true"
    )]
    Uplink {
        /// The interface with the default route.
        uplink: String,
        /// The others.
        beside: String,
        /// What to write.
        instead: String,
    },
}

impl InterfaceError {
    /// Whether it may be another matter when something was plugged in or switched on.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Off(_) | Self::NothingFits { .. })
    }

    /// What is waited for, and what would end that.
    pub(crate) fn waited_for(&self) -> String {
        match self {
            Self::Missing { name, there } => {
                format!("waiting for {name}: there is no such interface; there are: {there}")
            }
            Self::Off(name) => format!("waiting for {name}: {self}"),
            _ => format!("waiting for an interface: {self}"),
        }
    }
}

impl Machine {
    /// Whether these interfaces can be captured together.
    ///
    /// # Errors
    /// The first reason why not: one does not exist, or they would show frames twice.
    pub(crate) fn check(&self, names: &[String], allow_uplink: bool) -> Result<(), InterfaceError> {
        // All interfaces at once, which stands alone.
        if names == [ANY] {
            return Ok(());
        }
        if let Some(name) = names.iter().find(|name| self.find(name).is_none()) {
            return Err(InterfaceError::Missing { name: name.clone(), there: self.names() });
        }
        for (n, name) in names.iter().enumerate() {
            for other in &names[..n] {
                self.check_pair(other, name)?;
            }
        }
        if allow_uplink || !self.forwards || names.len() < 2 {
            return Ok(());
        }
        let (uplinks, others): (Vec<_>, Vec<_>) =
            names.iter().cloned().partition(|name| self.find(name).is_some_and(|i| i.default_route));
        let Some(uplink) = uplinks.first() else { return Ok(()) };
        // Where all of them lead out, any one may be kept.
        let (beside, kept) =
            if others.is_empty() { (&uplinks[1..], &uplinks[..1]) } else { (&others[..], &others[..]) };
        let quoted: Vec<_> = kept.iter().map(|name| format!("\"{name}\"")).collect();
        let instead = match &quoted[..] {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        Err(InterfaceError::Uplink { uplink: uplink.clone(), beside: beside.join(", "), instead })
    }

    /// Whether all of these interfaces are switched on. Only then can they be opened; they stay open when they are
    /// switched off.
    ///
    /// # Errors
    /// The first one that is not.
    pub(crate) fn check_on(&self, names: &[String]) -> Result<(), InterfaceError> {
        match names.iter().find(|name| self.find(name).is_some_and(|i| !i.up)) {
            Some(name) => Err(InterfaceError::Off(name.clone())),
            None => Ok(()),
        }
    }

    fn check_pair(&self, first: &str, second: &str) -> Result<(), InterfaceError> {
        if first == second {
            return Err(InterfaceError::Repeated(first.to_owned()));
        }
        if let Some(name) =
            [first, second].into_iter().find(|n| self.find(n).is_some_and(|i| i.is_loopback()))
        {
            return Err(InterfaceError::Loopback(name.to_owned()));
        }
        if let (Some(bridge), Some(same)) = (self.bridge_of(first), self.bridge_of(second))
            && bridge == same
        {
            let (bridge, first, second) = (bridge.to_owned(), first.to_owned(), second.to_owned());
            return Err(InterfaceError::Ports { bridge, first, second });
        }
        for (upper, lower) in [(first, second), (second, first)] {
            if self.lies_on(upper, lower) {
                let has_ports = self.find(upper).is_some_and(|i| i.bridge || i.bond);
                let advice = if has_ports {
                    format!("capture.interface = \"{upper}\" shows what all its ports carry")
                } else {
                    format!("capture.interface = \"{lower}\" shows more, \"{upper}\" only its own part")
                };
                let (upper, lower) = (upper.to_owned(), lower.to_owned());
                return Err(InterfaceError::Stacked { upper, lower, advice });
            }
        }
        Ok(())
    }
}
