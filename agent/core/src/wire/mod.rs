//! What the LAN says of itself: ARP, Neighbor Discovery and DHCP, read for who has which address, and DNS, read for names.
//!
//! Every reader takes what was captured and answers `None` where it is not what it claims to be.

pub mod arp;
pub mod dhcp;
pub mod dns;
pub mod ndp;
