//! The folders of the file and of the socket, which nobody should have to make by hand.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use crate::group;

/// Makes a folder and those above it where they are missing, for this user and the group only.
///
/// # Errors
/// If it cannot be made, or something else has its name.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    for folder in missing {
        group::give(folder);
    }
    // It may have been made when there was no such group. Of others nobody knows what they are for.
    if folder.file_name() == Some(OsStr::new("lanscribe")) {
        group::give(folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_made_with_those_above_it_and_not_for_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make(&folder).unwrap();
        for made in [&folder, folder.parent().unwrap()] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o027, 0, "{}", made.display());
        }
        make(&folder).unwrap();
        std::fs::write(folder.join("file"), "").unwrap();
        assert!(make(&folder.join("file")).is_err());
        assert!(make(&folder.join("file/c")).is_err());
    }
}
