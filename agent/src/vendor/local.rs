//! Names for the locally administered addresses that a program, not a registry, hands out by a fixed rule.

use lanscribe_core::addr::MacAddr;

/// The leading octets that say which program made an address up, the longer before the shorter.
///
/// The IEEE's company IDs (CID) are not here: they have the local bit set too, but the IEEE does not let them
/// stand in addresses, and phones that do so (DA:A1:19) make up the rest anew all the time.
const MADE_UP: [(&[u8], &str); 8] = [
    // The adapter for testing, loopback or KM-TEST: one address for all.
    (&[0x02, 0x00, 0x4c, 0x4f, 0x4f, 0x50], "Microsoft"),
    // The gateway, name server and TFTP server that VirtualBox shows a guest behind its NAT.
    (&[0x52, 0x54, 0x00, 0x12, 0x35], "VirtualBox"),
    // The gateway that QEMU shows a guest behind its NAT: 52:55 and the usual 10.0.2.2.
    (&[0x52, 0x55, 0x0a, 0x00, 0x02], "QEMU"),
    // Host-only interfaces.
    (&[0x0a, 0x00, 0x27], "VirtualBox"),
    // Machines of Google Compute Engine: 42:01 and their address in 10/8.
    (&[0x42, 0x01, 0x0a], "Google Cloud"),
    // QEMU's and libvirt's guests, and the host's end of their interfaces.
    (&[0x52, 0x54, 0x00], "QEMU"),
    (&[0xfe, 0x54, 0x00], "QEMU"),
    // Containers and bridges: 02:42 and an IPv4 address or chance.
    (&[0x02, 0x42], "Docker"),
];

/// Who made the address up, if that shows.
pub(super) fn lookup(mac: MacAddr) -> Option<&'static str> {
    MADE_UP.iter().find(|(start, _)| mac.0.starts_with(start)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_beginnings_win() {
        assert!(MADE_UP.iter().all(|(start, _)| start[0] & 3 == 2), "local, and no group");
        for (i, (start, _)) in MADE_UP.iter().enumerate() {
            assert!(
                MADE_UP[..i].iter().all(|(before, _)| !start.starts_with(before)),
                "{start:x?} is never reached"
            );
        }
        let name = |text: &str| lookup(text.parse().unwrap());
        assert_eq!(name("52:54:00:12:35:02"), Some("VirtualBox"));
        assert_eq!(name("52:54:00:12:34:56"), Some("QEMU"));
        assert_eq!(name("02:42:ac:11:00:02"), Some("Docker"));
        assert_eq!(name("da:a1:19:00:00:01"), None);
    }
}
