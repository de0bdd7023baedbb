//! QUIC Initials as a client protects them (RFC 9001 section 5), version 1: what lies within the protection is a
//! stranger's word as all else, and chance never finds a key.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use ring::hkdf;

const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];

/// An Initial to the connection `identifier`, of at most 20 bytes, with these frames and nothing behind them.
pub(crate) fn initial(identifier: &[u8], frames: &[u8]) -> Vec<u8> {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &SALT).extract(identifier);
    let client: [u8; 32] = expand(&secret, b"client in");
    let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &client);
    let key: [u8; 16] = expand(&secret, b"quic key");
    let mask_key: [u8; 16] = expand(&secret, b"quic hp");
    let nonce: [u8; 12] = expand(&secret, b"quic iv");

    // A packet number of four bytes, all zero, so that the nonce stays as it is.
    let mut packet = vec![0xc3, 0, 0, 0, 1];
    packet.push(u8::try_from(identifier.len()).unwrap());
    packet.extend(identifier);
    packet.extend([0, 0]);
    let length = u32::try_from(4 + frames.len() + AES_128_GCM.tag_len()).unwrap();
    packet.extend((length | 0x8000_0000).to_be_bytes());
    let number_at = packet.len();
    packet.extend([0; 4]);
    let mut sealed = frames.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&packet), &mut sealed)
        .unwrap();
    packet.extend(sealed);
    let mask = quic::HeaderProtectionKey::new(&quic::AES_128, &mask_key).unwrap();
    let mask = mask.new_mask(&packet[number_at + 4..number_at + 20]).unwrap();
    packet[0] ^= mask[0] & 0x0f;
    for (byte, mask) in packet[number_at..].iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
    packet
}

/// A CRYPTO frame of up to 16,383 bytes.
pub(crate) fn crypto(at: usize, bytes: &[u8]) -> Vec<u8> {
    let number = |n: usize| (u32::try_from(n).unwrap() | 0x8000_0000).to_be_bytes();
    [&[6], &number(at)[..], &number(bytes.len()), bytes].concat()
}

fn expand<const N: usize>(secret: &hkdf::Prk, label: &[u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let lengths = [0, u8::try_from(N).unwrap(), u8::try_from(6 + label.len()).unwrap()];
    let mut key = [0; N];
    secret.expand(&[&lengths, b"tls13 ", label, &[0]], Length(N)).unwrap().fill(&mut key).unwrap();
    key
}
