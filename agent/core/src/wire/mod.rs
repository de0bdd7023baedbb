<<<<<<< HEAD
//! What the LAN says of itself: ARP, Neighbor Discovery and DHCP, read for who has which address, and DNS, read for names.
=======
//! What the LAN says of itself: ARP, Neighbor Discovery and DHCP, read for who has which address; DHCP, mDNS, UPnP, NetBIOS
//! and their like, read for what a device says of itself.
>>>>>>> wt-claims
//!
//! Every reader takes what was captured and answers `None` where it is not what it claims to be.

pub mod arp;
pub mod cdp;
pub mod dhcp;
<<<<<<< HEAD
pub mod dns;
=======
pub mod dhcpv6;
pub mod lldp;
pub mod llmnr;
pub mod mdns;
pub mod nbns;
>>>>>>> wt-claims
pub mod ndp;
mod options;
mod records;
pub mod ssdp;
pub mod wsd;
