//! The contract of the whole data path: decode fills a [`Packet`], everything after it reads only that.

use std::net::IpAddr;

use crate::addr::MacAddr;
use crate::decode::{be16, protocol};

/// One frame, flat: what the link and IP headers say, and a borrowed slice of what lies above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Source of the outermost link header; `None` where the link type has no addresses.
    pub src: Option<MacAddr>,
    /// Destination of the outermost link header; cooked captures do not hold it.
    pub dst: Option<MacAddr>,
    /// The frame was sent to many: the destination has the group bit, or, where no link header says, the IP
    /// destination is a group.
    pub group: bool,
    /// Outermost VLAN identifier (IEEE 802.1Q), 0 to 4095.
    pub vlan: Option<u16>,
    /// EtherType of what the link header carries; 256 + DSAP for IEEE 802.2 LLC; see [`crate::decode::OTHER_PROTOCOL`].
    pub ethertype: u16,
    /// The IP header, if there is one that can be read.
    pub ip: Option<Ip>,
    /// Why decoding ended early, though the link header was readable.
    pub trouble: Option<Trouble>,
    /// What was captured above IP (transport header included), or above the link header where `ip` is `None`.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// What was captured above the header of TCP or UDP, within the length that the header of UDP gives. `None` for
    /// other protocols, for what is no first fragment, and where the header was cut.
    #[must_use]
    pub fn said(&self) -> Option<&'a [u8]> {
        let ip = self.ip.as_ref().filter(|ip| ip.fragment.is_none_or(|fragment| fragment.first))?;
        match ip.protocol {
            protocol::TCP => self.payload.get(usize::from(self.payload.get(12)? >> 4) * 4..),
            protocol::UDP => {
                let length = be16(self.payload, 4).map_or(0, usize::from);
                // Length 0 is a jumbogram (RFC 2675) or offload: to the end of the packet.
                let end = if length < 8 { self.payload.len() } else { length.min(self.payload.len()) };
                self.payload.get(8..end)
            }
            _ => None,
        }
    }
}

/// What the outermost IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number behind any IPv6 extension headers (IANA "Protocol Numbers").
    pub protocol: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// IP total length in bytes, header included; for `ip.len` 0 (segmentation offload) to the frame's end.
    pub len: u32,
    /// Source and destination port, where the protocol has them and they were captured.
    pub ports: Option<(u16, u16)>,
    /// Where the packet stands in a fragmented datagram; `None` for a whole one.
    pub fragment: Option<Fragment>,
    /// The TCP header, for TCP whose flags were captured.
    pub tcp: Option<Tcp>,
}

/// A part of a fragmented datagram (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification, 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Whether it is the one that holds the transport header.
    pub first: bool,
}

/// What flows need of a TCP header (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the highest bit to the lowest.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers: the opening of a connection.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// SYN without ACK: the sender opens the connection.
    #[must_use]
    pub const fn opens(self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN
    }

    /// SYN with ACK: the sender answers the one that opens.
    #[must_use]
    pub const fn accepts(self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN | Self::ACK
    }
}

macro_rules! reasons {
    ($(#[$of:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order in which counters are kept.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason as stored in the file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// Why a frame, or a part of it, could not be decoded. The first three leave no link header to
    /// account by: such a frame is *undecodable*. The others are of class `link`.
    Trouble {
        /// Fewer bytes than the link header needs.
        LinkHeaderCut = "link header cut",
        /// NULL or LOOP encapsulation with an address family that is not IP.
        AddressFamily = "unknown address family",
        /// Raw IP whose first four bits are neither 4 nor 6.
        RawVersion = "raw IP of no known version",
        /// A VLAN, PPPoE, MPLS or LLC header was cut.
        ShimCut = "VLAN, PPPoE, MPLS or LLC header cut",
        /// The IPv4 header was cut or contradicts itself.
        Ipv4Header = "IPv4 header cut or broken",
        /// The IPv6 header was cut or contradicts itself.
        Ipv6Header = "IPv6 header cut or broken",
        /// An IPv6 extension header was cut or stands where none may; the packet is accounted by what came before.
        Ipv6Extension = "IPv6 extension header cut or broken",
        /// TCP, UDP or SCTP of which not even the ports were there; accounted without ports.
        NoPorts = "transport header cut before the ports",
    }
}

impl Trouble {
    /// Whether nothing of the frame can be given to a device.
    #[must_use]
    pub const fn is_undecodable(self) -> bool {
        matches!(self, Self::LinkHeaderCut | Self::AddressFamily | Self::RawVersion)
    }
}
