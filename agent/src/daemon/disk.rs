//! What kind of disk the file is on: one that forgets is worth a word.

use std::path::Path;

use rustix::fs::statfs;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_memory_is_told_from_one_that_lasts() {
        // Linux has one at /dev/shm wherever it has shared memory.
        if Path::new("/dev/shm").is_dir() {
            assert!(caution(Path::new("/dev/shm/x.db")).unwrap().contains("gone after a restart"));
        }
        assert_eq!(caution(Path::new("/proc/x.db")), None);
    }
}
