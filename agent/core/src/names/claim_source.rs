//! Where a device's words about itself come from, and which of them it may be called by: one table.
//!
//! The ranking: first what people chose to tell their things apart (a friendly name), then the host name that the device
//! was given or was made with, then the names of older protocols, which are cut to 15 characters or upper case. Within
//! host names DHCP is first, since it is said on joining a network and most devices say it; the host names of mDNS are
//! often a number. All else (models, fingerprints, identifiers) is kept, and is no name.

macro_rules! sources {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $rank:expr;)+) => {
        /// Where a device's words about itself come from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ClaimSource { $($(#[$doc])* $variant,)+ }

        impl ClaimSource {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The source that is stored so.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|source| source.as_str() == text)
            }

            /// The place among what a device may be called by, the best 0; `None` for what is no name.
            #[must_use]
            pub const fn rank(self) -> Option<u8> {
                match self { $(Self::$variant => $rank,)+ }
            }
        }
    };
}

sources! {
    /// Friendly name of a service that is known to bear the device's (RFC 6763 sections 4.1 and 6).
    MdnsName = "mdns-name", Some(0);
    /// Friendly name in the headers of what is multicast by UPnP.
    SsdpName = "ssdp-name", Some(1);
    /// Name among the scopes of WS-Discovery that cameras give (ONVIF Core section 7.3.2.2).
    WsdName = "wsd-name", Some(2);
    /// DHCP host name (RFC 2132 section 3.14), the client's word or the server's.
    Dhcp = "dhcp", Some(3);
    /// DHCP fully qualified domain name (RFC 4702).
    DhcpFqdn = "dhcp-fqdn", Some(4);
    /// DHCPv6 fully qualified domain name (RFC 4704).
    Dhcpv6 = "dhcpv6", Some(5);
    /// mDNS host name without `.local` (RFC 6762 section 3).
    Mdns = "mdns", Some(6);
    /// LLDP system name (IEEE 802.1AB section 8.5.6).
    Lldp = "lldp", Some(7);
    /// CDP device identifier.
    Cdp = "cdp", Some(8);
    /// LLMNR host name (RFC 4795).
    Llmnr = "llmnr", Some(9);
    /// NetBIOS name of a machine (RFC 1002): 15 characters, upper case.
    Nbns = "nbns", Some(10);
    /// DHCP vendor class identifier (RFC 2132 section 9.13).
    DhcpVendor = "dhcp-vendor", None;
    /// DHCP parameter request list (RFC 2132 section 9.8): option numbers in the order of asking, with commas.
    DhcpFingerprint = "dhcp-fingerprint", None;
    /// DHCP client identifier (RFC 2132 section 9.14) in hexadecimal.
    DhcpClientId = "dhcp-client-id", None;
    /// DHCPv6 vendor class (RFC 8415 section 21.16), or the enterprise number of vendor options (21.17).
    Dhcpv6Vendor = "dhcpv6-vendor", None;
    /// DHCPv6 option request (RFC 8415 section 21.7): option numbers in the order of asking, with commas.
    Dhcpv6Fingerprint = "dhcpv6-fingerprint", None;
    /// DHCP unique identifier (RFC 8415 section 11) in hexadecimal.
    Duid = "duid", None;
    /// Model in the TXT record of a service.
    MdnsModel = "mdns-model", None;
    /// Service that the device offers by mDNS, as `_ipp._tcp`.
    MdnsService = "mdns-service", None;
    /// Category of a HomeKit accessory by its number (HomeKit Accessory Protocol section 13).
    HapCategory = "hap-category", None;
    /// SERVER header of UPnP: operating system and product (UPnP Device Architecture 2.0 section 1.2.2).
    Ssdp = "ssdp", None;
    /// Device type that UPnP announces, as `MediaRenderer`.
    SsdpType = "ssdp-type", None;
    /// LLDP system description (IEEE 802.1AB section 8.5.7).
    LldpDescription = "lldp-description", None;
    /// CDP platform.
    CdpPlatform = "cdp-platform", None;
    /// Manufacturer Usage Description URL (RFC 8520), by DHCP, DHCPv6 or LLDP.
    Mud = "mud", None;
    /// Type that WS-Discovery announces, as `NetworkVideoTransmitter`.
    Wsd = "wsd", None;
    /// Hardware among the scopes of WS-Discovery that cameras give.
    WsdModel = "wsd-model", None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_source_has_a_text_of_its_own_and_every_name_a_place_of_its_own() {
        let texts: BTreeSet<_> = ClaimSource::ALL.iter().map(|source| source.as_str()).collect();
        assert_eq!(texts.len(), ClaimSource::ALL.len());
        let ranks: Vec<_> = ClaimSource::ALL.iter().filter_map(|source| source.rank()).collect();
        assert!(ranks.iter().copied().eq(0..11), "{ranks:?}");
        assert!(ClaimSource::MdnsName.rank() < ClaimSource::Dhcp.rank());
        assert!(ClaimSource::Dhcp.rank() < ClaimSource::Nbns.rank());
    }
}
