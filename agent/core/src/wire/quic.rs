//! QUIC's first packets (RFC 9000, RFC 9369): their keys follow from what they hold in the clear (RFC 9001 section 5.2), so
//! whoever sees them can read the ClientHello in them.
//!
//! On `ring` alone, for `quic-parser` takes the keys from each packet's own connection identifier, though after the server's
//! answer they go by the first one, derives them anew and copies each time, and wants a later compiler.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use ring::hkdf;

use super::Reading;
use super::pieces::Pieces;
use super::tls::{self, ClientHello};
use crate::decode::be32;

/// Datagrams that are read of one conversation.
pub const DATAGRAMS: u8 = 16;
/// Decryptions that are tried on one datagram.
pub const TRIES: u8 = 4;
/// The longest Initial that is decrypted, in bytes.
pub const LONGEST: usize = 4_096;
/// Bytes of the handshake that are kept.
pub const HANDSHAKE: usize = 16_384;
/// Pieces of the handshake that may wait for what lies between them: clients cut their hello on purpose.
pub const PIECES: usize = 64;

/// A version of the protocol whose Initials can be read.
struct Version {
    /// The version numbers, first and last.
    numbers: (u32, u32),
    /// The salt that all its clients start from.
    salt: [u8; 20],
    /// How it writes "Initial" and "Retry" in the first byte.
    types: (u8, u8),
    /// What the labels of its keys begin with.
    label: &'static [u8],
}

const VERSIONS: &[Version] = &[
    // Version 1 (RFC 9001 section 5.2).
    Version { numbers: (1, 1), salt: SALT_1, types: (0, 3), label: b"quic " },
    // Version 2 (RFC 9369 section 3).
    Version {
        numbers: (0x6b33_43cf, 0x6b33_43cf),
        salt: [
            0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
            0xf9, 0xbd, 0x2e, 0xd9,
        ],
        types: (1, 0),
        label: b"quicv2 ",
    },
    // Drafts 33 and 34, then 29 to 32 of version 1.
    Version { numbers: (0xff00_0021, 0xff00_0022), salt: SALT_1, types: (0, 3), label: b"quic " },
    Version {
        numbers: (0xff00_001d, 0xff00_0020),
        salt: [
            0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
            0x43, 0x90, 0xa8, 0x99,
        ],
        types: (0, 3),
        label: b"quic ",
    },
];
const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];

impl Version {
    fn of(number: u32) -> Option<&'static Self> {
        VERSIONS.iter().find(|version| (version.numbers.0..=version.numbers.1).contains(&number))
    }
}

/// Whether the datagram begins with an Initial packet, of the client or of the server, of a version that can be read. The
/// fixed bit is not asked for: a client may have been told to leave it to chance (RFC 9287).
#[must_use]
pub fn is_initial(datagram: &[u8]) -> bool {
    const IDENTIFIER: u8 = 20;
    let (Some(&first), Some(number), Some(&identifier)) =
        (datagram.first(), be32(datagram, 1), datagram.get(5))
    else {
        return false;
    };
    first & 0x80 != 0
        && identifier <= IDENTIFIER
        && Version::of(number).is_some_and(|version| version.types.0 == first >> 4 & 3)
}

/// The ClientHello of one conversation, put together from the datagrams of its client.
#[derive(Debug, Default)]
pub struct Initials {
    keys: Option<Keys>,
    handshake: Pieces,
    datagrams: u8,
}

impl Initials {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a datagram of the client; those of the server are wasted on it. `Not` once nothing more can come of it.
    pub fn read(&mut self, datagram: &[u8]) -> Reading<ClientHello> {
        if self.datagrams >= DATAGRAMS || (self.keys.is_none() && !is_initial(datagram)) {
            return Reading::Not;
        }
        self.datagrams += 1;
        let mut rest = datagram;
        let mut tries = TRIES;
        while tries > 0
            && let Some(packet) = Packet::read(rest)
        {
            rest = packet.behind;
            if packet.initial {
                self.open(&packet, &mut tries);
            }
        }
        match tls::client_hello(self.handshake.ready()) {
            Reading::More if self.datagrams >= DATAGRAMS => Reading::Not,
            reading => reading,
        }
    }

    /// What the start of the hello says so far, if the name of the server is in it.
    #[must_use]
    pub fn cut_hello(&self) -> Option<ClientHello> {
        tls::cut_hello(self.handshake.ready())
    }

    /// Whether a packet could be decrypted: the sender of what was read is a QUIC client, beyond doubt.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.keys.is_some()
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.handshake.held()
    }

    /// Decrypts a packet, if it can, and keeps what it holds of the handshake.
    fn open(&mut self, packet: &Packet<'_>, tries: &mut u8) {
        if packet.bytes.len() > LONGEST {
            return;
        }
        let mut scratch = [0; LONGEST];
        let mut attempt = |keys: &Keys| {
            let left = tries.checked_sub(1)?;
            *tries = left;
            let scratch = scratch.get_mut(..packet.bytes.len())?;
            scratch.copy_from_slice(packet.bytes);
            keys.open(scratch, packet.number_at).map(|frames| (frames.start, frames.end))
        };
        // The keys go by the first identifier of the client's choice, also for another version that both agreed on
        // (RFC 9369 section 4.1); after a Retry by that of the server's choice (RFC 9001 section 5.2).
        let mut opened = None;
        if let Some(keys) = self.keys.as_ref() {
            opened = if keys.number == packet.version {
                attempt(keys)
            } else {
                let keys = Keys::derive(packet.version, keys.identifier());
                let place = keys.as_ref().and_then(&mut attempt);
                if place.is_some() {
                    self.keys = keys;
                }
                place
            };
        }
        if opened.is_none() && self.keys.as_ref().is_none_or(|keys| keys.identifier() != packet.identifier) {
            let keys = Keys::derive(packet.version, packet.identifier);
            opened = keys.as_ref().and_then(&mut attempt);
            if opened.is_some() {
                self.keys = keys;
            }
        }
        let Some(frames) = opened.and_then(|(start, end)| scratch.get(start..end)) else { return };
        for (at, bytes) in Frames(frames) {
            self.handshake.add(at, bytes, HANDSHAKE, PIECES);
        }
    }
}

/// What protects the client's Initials.
#[derive(Clone, Debug)]
struct Keys {
    number: u32,
    /// The connection identifier that they follow from, and its length.
    from: ([u8; 20], usize),
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

impl Keys {
    /// RFC 9001 section 5.2.
    fn derive(number: u32, identifier: &[u8]) -> Option<Self> {
        let version = Version::of(number)?;
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &version.salt).extract(identifier);
        let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &expand::<32>(&secret, &[b"client in"])?);
        let mut from = [0; 20];
        from.get_mut(..identifier.len())?.copy_from_slice(identifier);
        Some(Self {
            number,
            from: (from, identifier.len()),
            key: expand(&secret, &[version.label, b"key"])?,
            iv: expand(&secret, &[version.label, b"iv"])?,
            header: expand(&secret, &[version.label, b"hp"])?,
        })
    }

    fn identifier(&self) -> &[u8] {
        self.from.0.get(..self.from.1).unwrap_or_default()
    }

    /// Takes the protection off (RFC 9001 section 5.4 and 5.3) and says where in `packet` its frames are then; its packet
    /// number begins at `number_at`.
    fn open(&self, packet: &mut [u8], number_at: usize) -> Option<std::ops::Range<usize>> {
        let sample = packet.get(number_at + 4..number_at + 20)?;
        let mask =
            quic::HeaderProtectionKey::new(&quic::AES_128, &self.header).ok()?.new_mask(sample).ok()?;
        let first = packet.first_mut()?;
        *first ^= mask[0] & 0x0f;
        let number_length = usize::from(*first & 3) + 1;
        let mut nonce = self.iv;
        let number = packet.get_mut(number_at..number_at + number_length)?;
        for (byte, mask) in number.iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        // The first packets of a conversation: what stands there is the whole number (RFC 9000 section A.3).
        for (byte, number) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *byte ^= number;
        }
        let start = number_at + number_length;
        let (header, sealed) = packet.split_at_mut_checked(start)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &self.key).ok()?);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = key.open_in_place(nonce, Aad::from(&*header), sealed).ok()?;
        Some(start..start + plain.len())
    }
}

/// HKDF-Expand-Label of RFC 8446 section 7.1, without a context; the label is given in parts.
fn expand<const N: usize>(secret: &hkdf::Prk, label: &[&[u8]]) -> Option<[u8; N]> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    const PREFIX: &[u8] = b"tls13 ";
    let (first, second) = (label.first()?, label.get(1).copied().unwrap_or_default());
    let label_length = u8::try_from(PREFIX.len() + first.len() + second.len()).ok()?;
    let head = [0, u8::try_from(N).ok()?, label_length];
    let mut key = [0; N];
    secret.expand(&[&head, PREFIX, first, second, &[0]], Length(N)).ok()?.fill(&mut key).ok()?;
    Some(key)
}

/// A packet with a long header (RFC 9000 section 17.2) that others may follow in the same datagram.
struct Packet<'a> {
    version: u32,
    initial: bool,
    identifier: &'a [u8],
    /// The whole packet.
    bytes: &'a [u8],
    /// Where its packet number begins.
    number_at: usize,
    /// What follows it.
    behind: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut rest = datagram;
        let first = take(&mut rest, 1)?[0];
        let number = be32(take(&mut rest, 4)?, 0)?;
        let version = Version::of(number)?;
        let kind = first >> 4 & 3;
        if first & 0x80 == 0 || kind == version.types.1 {
            return None;
        }
        let initial = kind == version.types.0;
        let length = take(&mut rest, 1)?[0];
        let identifier = take(&mut rest, length.into()).filter(|identifier| identifier.len() <= 20)?;
        let length = take(&mut rest, 1)?[0];
        take(&mut rest, length.into())?;
        if initial {
            let token = varint(&mut rest)?;
            take(&mut rest, token)?;
        }
        let length = varint(&mut rest)?;
        let number_at = datagram.len() - rest.len();
        let (bytes, behind) = datagram.split_at_checked(number_at.checked_add(length)?)?;
        Some(Self { version: number, initial, identifier, bytes, number_at, behind })
    }
}

/// Offset and bytes of the CRYPTO frames (RFC 9000 section 19.6) of a packet; what may stand beside them in an Initial is
/// passed over, and anything else ends it (section 17.2.2).
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const PADDING: u8 = 0;
        const PING: u8 = 1;
        const ACK: u8 = 2;
        const ACK_ECN: u8 = 3;
        const CRYPTO: u8 = 6;
        loop {
            match take(&mut self.0, 1)?[0] {
                PADDING | PING => {}
                kind @ (ACK | ACK_ECN) => {
                    varint(&mut self.0)?;
                    varint(&mut self.0)?;
                    let ranges = varint(&mut self.0)?;
                    let counts = if kind == ACK_ECN { 3 } else { 0 };
                    for _ in 0..ranges.checked_mul(2)?.checked_add(1 + counts)? {
                        varint(&mut self.0)?;
                    }
                }
                CRYPTO => {
                    let at = varint(&mut self.0)?;
                    let length = varint(&mut self.0)?;
                    return Some((at, take(&mut self.0, length)?));
                }
                _ => return None,
            }
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// A number of one, two, four or eight bytes (RFC 9000 section 16).
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let length = 1 << (rest.first()? >> 6);
    let number = take(rest, length)?.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    usize::try_from(number & (u64::MAX >> (66 - 8 * length))).ok()
}

/// Datagrams of a client, for the tests of all that read them.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    fn number(n: usize) -> [u8; 4] {
        (u32::try_from(n).unwrap() | 0x8000_0000).to_be_bytes()
    }

    /// A CRYPTO frame.
    pub(crate) fn crypto(at: usize, bytes: &[u8]) -> Vec<u8> {
        [&[6], &number(at)[..], &number(bytes.len()), bytes].concat()
    }

    /// An Initial to `to`, protected with the keys that follow from `from`.
    pub(crate) fn initial(version: u32, from: &[u8], to: &[u8], token: &[u8], frames: &[u8]) -> Vec<u8> {
        let keys = Keys::derive(version, from).unwrap();
        // Padding, so that there is enough to take a sample of.
        let frames = [frames, &[0; 4]].concat();
        let kind = Version::of(version).unwrap().types.0;
        let mut header = vec![0xc0 | kind << 4 | 1];
        header.extend(version.to_be_bytes());
        header.push(u8::try_from(to.len()).unwrap());
        header.extend(to);
        header.extend([3, 9, 9, 9]);
        header.extend([&number(token.len()), token].concat());
        header.extend(number(2 + frames.len() + 16));
        let number_at = header.len();
        header.extend([0, 7]);
        let mut nonce = keys.iv;
        nonce[11] ^= 7;
        let mut sealed = frames;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &keys.key).unwrap());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&header), &mut sealed)
            .unwrap();
        let mut packet = [header, sealed].concat();
        let mask = quic::HeaderProtectionKey::new(&quic::AES_128, &keys.header).unwrap();
        let mask = mask.new_mask(&packet[number_at + 4..number_at + 20]).unwrap();
        packet[0] ^= mask[0] & 0x0f;
        packet[number_at] ^= mask[1];
        packet[number_at + 1] ^= mask[2];
        packet
    }

    /// An Initial of version 1 with the identifier of the whole conversation.
    pub(crate) fn first(frames: &[u8]) -> Vec<u8> {
        initial(1, b"firstid!", b"firstid!", b"", frames)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sample::{crypto, first, initial};
    use super::*;
    use crate::wire::tls::sample::{extension, handshake, long, server_name};

    const V2: u32 = 0x6b33_43cf;
    const DRAFT: u32 = 0xff00_001d;

    fn name(reading: Reading<ClientHello>) -> Option<String> {
        match reading {
            Reading::Whole(hello) => hello.server_name,
            other => panic!("{other:?}"),
        }
    }

    fn short() -> Vec<u8> {
        handshake(&[server_name(b"q.example"), extension(1, &[0; 60])])
    }

    #[test]
    fn keys_are_those_of_the_standards() {
        let hex = |key: &[u8]| key.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let id = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        // RFC 9001 section A.1 and RFC 9369 section A.1.
        let keys = Keys::derive(1, &id).unwrap();
        assert_eq!(hex(&keys.key), "1f369613dd76d5467730efcbe3b1a22d");
        assert_eq!(hex(&keys.iv), "fa044b2f42a3fd3b46fb255c");
        assert_eq!(hex(&keys.header), "9f50449e04a0e810283a1e9933adedd2");
        let keys = Keys::derive(V2, &id).unwrap();
        assert_eq!(hex(&keys.key), "8b1a0bc121284290a29e0971b5cd045d");
        assert_eq!(hex(&keys.iv), "91f73e2351d8fa91660e909f");
        assert_eq!(hex(&keys.header), "45b95e15235d6f45a6b19cbcb0294ba9");
    }

    #[test]
    fn a_hello_in_one_packet_of_any_version_is_read() {
        for version in [1, V2, DRAFT, 0xff00_0022] {
            let frames = [&[0, 1, 0][..], &[2, 5, 0, 0, 5], &crypto(0, &short())].concat();
            let datagram = initial(version, b"12345678", b"12345678", b"token", &frames);
            assert!(is_initial(&datagram));
            assert_eq!(name(Initials::new().read(&datagram)).as_deref(), Some("q.example"));
        }
        assert!(!is_initial(&[0xc0, 0, 0, 0, 3, 8]), "no version that can be read");
        assert!(!is_initial(&[0xe0, 0, 0, 0, 1, 8]), "a Handshake packet");
        assert!(!is_initial(&[0xc0, 0, 0, 0, 1, 21]), "no identifier is that long");
    }

    #[test]
    fn keys_stay_when_the_identifier_changes_and_change_after_a_retry() {
        let hello = short();
        let (start, end) = hello.split_at(50);
        let begun = |next: &[u8]| {
            let mut initials = Initials::new();
            assert_eq!(initials.read(&first(&crypto(0, start))), Reading::More);
            name(initials.read(next))
        };
        let rest = crypto(50, end);
        assert_eq!(begun(&initial(1, b"firstid!", b"chosen", b"", &rest)).as_deref(), Some("q.example"));
        assert_eq!(
            begun(&initial(1, b"of retry", b"of retry", b"token", &rest)).as_deref(),
            Some("q.example")
        );
        assert_eq!(
            begun(&initial(V2, b"firstid!", b"chosen", b"", &rest)).as_deref(),
            Some("q.example"),
            "negotiated"
        );
    }

    #[test]
    fn packets_that_share_a_datagram_are_all_read() {
        let hello = short();
        let (start, end) = hello.split_at(50);
        let datagram = [first(&crypto(50, end)), first(&crypto(0, start))].concat();
        assert_eq!(name(Initials::new().read(&datagram)).as_deref(), Some("q.example"));
    }

    #[test]
    fn what_was_changed_on_the_way_or_is_the_servers_says_nothing() {
        let mut datagram = first(&crypto(0, &short()));
        *datagram.last_mut().unwrap() ^= 1;
        let mut initials = Initials::new();
        assert_eq!(initials.read(&datagram), Reading::More);
        assert!(!initials.is_sure());
        assert_eq!(Initials::new().read(b"nothing of the kind"), Reading::Not);
    }

    #[test]
    fn of_a_conversation_no_more_is_read_than_its_limits_allow() {
        let mut initials = Initials::new();
        let most = (1..=u16::MAX).take_while(|n| {
            let frames: Vec<u8> =
                (0..150).flat_map(|k| crypto(usize::from(*n) * 400 + 2 * k, b"x")).collect();
            initials.read(&first(&frames)) == Reading::More
        });
        assert_eq!(most.count(), usize::from(DATAGRAMS) - 1);
        assert!(initials.bytes() < HANDSHAKE + 4_096, "{}", initials.bytes());
        let mut initials = Initials::new();
        assert_eq!(initials.read(&first(&[&crypto(0, &short())[..], &[0; LONGEST]].concat())), Reading::More);
        assert!(!initials.is_sure(), "too long to be decrypted");
        let four = first(&[1]).repeat(usize::from(TRIES));
        let fifth = [four, first(&crypto(0, &short()))].concat();
        assert_eq!(Initials::new().read(&fifth), Reading::More);
    }

    proptest! {
        #[test]
        fn crypto_frames_in_any_order_and_packets_give_the_same_name(
            cuts in prop::collection::btree_set(1..1_800_usize, 0..20),
            order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(),
            packets in 1..6_usize,
            overlap in 0..30_usize,
        ) {
            let hello = long("pq.example.net");
            let mut ends: Vec<_> = cuts.into_iter().filter(|&cut| cut < hello.len()).collect();
            ends.push(hello.len());
            let mut frames = Vec::new();
            let mut start = 0_usize;
            for end in ends {
                let from = start.saturating_sub(overlap);
                frames.push(crypto(from, &hello[from..end]));
                start = end;
            }
            let order: Vec<_> = order.into_iter().filter(|&n| n < frames.len()).collect();
            let mut initials = Initials::new();
            let mut last = Reading::More;
            for part in order.chunks(order.len().div_ceil(packets)) {
                if last != Reading::More {
                    // What overlaps may have made it whole before the last packet.
                    break;
                }
                last = initials.read(&first(&part.iter().flat_map(|&n| frames[n].clone()).collect::<Vec<_>>()));
            }
            prop_assert_eq!(name(last), Some("pq.example.net".to_owned()));
        }

        #[test]
        fn no_datagram_panics(
            spoilt in prop::collection::vec((0..60_usize, any::<u8>()), 0..6), cut in 0..2_000_usize,
            frames in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut initials = Initials::new();
            let _ = initials.read(&first(&frames));
            let mut datagram = first(&crypto(0, &long("pq.example.net")));
            for (at, byte) in spoilt {
                datagram[at] = byte;
            }
            datagram.truncate(cut);
            let _ = (is_initial(&datagram), initials.read(&datagram), Initials::new().read(&datagram));
        }
    }
}
