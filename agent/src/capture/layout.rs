//! Whether the libpcap at hand and this program mean the same by a packet header.
//!
//! On 32-bit systems the time in it has 32 or 64 bits, depending on how libpcap was built; the wrong one makes every
//! length garbage and reads beyond the packet. One known packet tells.

use std::io::{self, Write};
use std::os::fd::AsRawFd;

use pcap::{Capture, Precision};

/// Length of the known packet.
const LENGTH: u32 = 60;
/// Its time in seconds.
const TIME: u32 = 1_000_000_000;

/// Reads one known packet by libpcap.
///
/// # Errors
/// If it does not come back as it is: then nothing that is read could be believed.
pub(crate) fn check() -> Result<(), String> {
    let read = || -> Result<(u32, u32, i64), String> {
        let (reader, mut writer) = io::pipe().map_err(|e| e.to_string())?;
        writer.write_all(&known_capture()).map_err(|e| e.to_string())?;
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let mut capture =
            Capture::from_file_with_precision(path, Precision::Nano).map_err(|e| e.to_string())?;
        // Not the data: with a wrong layout its length is wrong too.
        let header = capture.next_packet().map_err(|e| e.to_string())?.header;
        #[allow(clippy::useless_conversion)] // narrower on 32-bit systems
        let seconds = i64::from(header.ts.tv_sec);
        Ok((header.caplen, header.len, seconds))
    };
    match read()? {
        (LENGTH, LENGTH, seconds) if seconds == i64::from(TIME) => Ok(()),
        wrong => Err(format!(
            "a known packet of {LENGTH} bytes came back as {wrong:?}: this libpcap was built with another size of time; \
             build lanscribe with one of its own, as cross/prepare does"
        )),
    }
}

/// A pcap file with one packet.
fn known_capture() -> Vec<u8> {
    const MAGIC: u32 = 0xa1b2_c3d4;
    const ETHERNET: u32 = 1;
    let mut file = Vec::new();
    for word in [MAGIC, 2 | 4 << 16, 0, 0, 65_535, ETHERNET, TIME, 0, LENGTH, LENGTH] {
        file.extend(word.to_ne_bytes());
    }
    file.resize(file.len() + LENGTH as usize, 0);
    file
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_libpcap_of_this_build_reads_a_known_packet() {
        assert_eq!(super::check(), Ok(()));
    }
}
