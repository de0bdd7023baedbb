//! What kind of disk the file is on, for one that forgets is worth a word, and how much of it the file may take.

use std::path::Path;

use rustix::fs::{statfs, statvfs};

use crate::store::Size;

/// Kinds of file system (statfs(2)) whose contents are in memory, or may be.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const OVERLAYFS: u64 = 0x794c_7630;

/// What the owner should know of the disk that `file` is on, or will be.
pub(super) fn caution(file: &Path) -> Option<&'static str> {
    let folder = file.parent()?;
    // Its type is signed or not, and wide or not, by machine.
    #[allow(clippy::cast_sign_loss, clippy::cast_lossless, clippy::unnecessary_cast)]
    let kind = statfs(folder).ok()?.f_type as u64 & 0xffff_ffff;
    match kind {
        TMPFS | RAMFS => Some("the file is in memory (tmpfs): what it holds is gone after a restart"),
        OVERLAYFS => {
            Some("the file is on an overlay, which may be in memory: then it is gone after a restart")
        }
        _ => None,
    }
}

/// How many bytes `file` may take, which takes `taken` now; no limit if there shall be none. A quarter of the free space
/// is that with what the file itself takes, so that it is no less for having grown. In memory, too, it is a quarter of what
/// the file system may take of it; one that does not say how large it is (ramfs) gives no more than any other.
pub(super) fn limit(file: &Path, size: Size, taken: u64) -> Option<u64> {
    match size {
        Size::Unlimited => None,
        Size::Bytes(bytes) => Some(bytes),
        Size::Auto => {
            let disk = file.parent().and_then(|folder| statvfs(folder).ok()).filter(|disk| disk.f_blocks > 0);
            Some(disk.map_or(Size::USUAL, |disk| usual(disk.f_bavail.saturating_mul(disk.f_frsize), taken)))
        }
    }
}

/// The limit where there are `free` bytes beside those that are taken.
fn usual(free: u64, taken: u64) -> u64 {
    (free.saturating_add(taken) / 4).min(Size::USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_may_take_a_quarter_of_what_is_free_and_that_is_no_less_for_its_having_grown() {
        assert_eq!(usual(100_000_000_000, 0), 1_000_000_000);
        for taken in [0, 50_000_000, 100_000_000] {
            assert_eq!(usual(400_000_000 - taken, taken), 100_000_000);
        }
        // Others fill the disk.
        assert_eq!(usual(0, 100_000_000), 25_000_000);
        let file = std::env::temp_dir().join("x.db");
        assert_eq!(limit(&file, Size::Unlimited, 0), None);
        assert_eq!(limit(&file, Size::Bytes(5_000_000_000), 0), Some(5_000_000_000));
        assert!(limit(&file, Size::Auto, 0).unwrap() <= 1_000_000_000);
        // What says of no size that it has one is not full.
        assert_eq!(limit(Path::new("/proc/x.db"), Size::Auto, 8_000), Some(1_000_000_000));
    }

    #[test]
    fn a_file_in_memory_is_told_from_one_that_lasts() {
        // Linux has one at /dev/shm wherever it has shared memory.
        if Path::new("/dev/shm").is_dir() {
            assert!(caution(Path::new("/dev/shm/x.db")).unwrap().contains("gone after a restart"));
        }
        assert_eq!(caution(Path::new("/proc/x.db")), None);
    }
}
