//! What the daemon may do once it captures: nothing that another program of its user may not.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, access, chownat, fstat, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, no_new_privs,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::group;
use crate::store::StoreError;

/// Capabilities that a kernel may know: a set has so many bits.
const BITS: u32 = 64;

/// Gives up every privilege, for good, and sees that it is gone. Not before all interfaces are open, since none can be
/// opened afterwards; and before the first packet is read, since what is parsed from there on strangers have written.
/// There must be no other thread yet: privileges are each thread's own, and one that is begun later has those of who
/// begins it.
///
/// Root, who starts it by hand, stops being root where the folder of `file` is somebody else's, and becomes that user:
/// without capabilities it could write nothing there. What is on `socket` becomes that user's too.
///
/// # Errors
/// If anything is left, or `file` cannot be written without it.
pub(super) fn give_up(file: &Path, socket: &Path) -> Result<()> {
    let root = geteuid().is_root();
    if root {
        // Of all groups only the one that shall read what root writes: root could give it nothing otherwise.
        let groups: Vec<Gid> = group::number().map(Gid::from_raw).into_iter().collect();
        set_thread_groups(&groups).context("the groups cannot be given up")?;
    }
    drop_bounding_set().context("the capabilities cannot be given up")?;
    if root {
        become_owner(file, socket).context("the user cannot be changed to the one that has the folder")?;
    }
    clear_ambient_capability_set().context("the capabilities cannot be given up")?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .context("the capabilities cannot be given up")?;
    set_no_new_privs(true).context("new privileges cannot be ruled out")?;

    let left = capabilities(None).context("the capabilities cannot be read")?;
    ensure!(
        (left.effective | left.permitted | left.inheritable).is_empty(),
        "capabilities are left: {left:?}"
    );
    ensure!(no_new_privs()?, "new privileges are not ruled out");
    Ok(may_write(file)?)
}

/// Nothing that is executed from here on has any capability. Only who has `CAP_SETPCAP`, as root does, may say so; a
/// service is given a set of one, and the promise of no new privileges stands above it.
fn drop_bounding_set() -> rustix::io::Result<()> {
    for bit in 0..BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // Not allowed, or beyond the last that this kernel knows.
            Err(Errno::PERM | Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes root the user whose folder the file is in.
fn become_owner(file: &Path, socket: &Path) -> std::io::Result<()> {
    let folder = fs::metadata(file.parent().unwrap_or(Path::new("/")))?;
    if folder.uid() == 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    // The socket may be in another folder, in which that user could not have made it; or in this one, where that user
    // may have put something else in its place by now.
    let socket = openat(CWD, socket, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&socket)?.st_mode) == FileType::Socket {
        chownat(&socket, "", Some(user), None, AtFlags::EMPTY_PATH)?;
    }
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    Ok(())
}

/// Whether this user may write the file, and what SQLite puts beside it. What is amiss with the disk may pass, and is
/// waited for; this does not.
fn may_write(file: &Path) -> Result<(), StoreError> {
    for path in [file.parent().unwrap_or(Path::new("/")), file] {
        if access(path, Access::WRITE_OK) == Err(Errno::ACCESS) {
            let whose = group::user_name(fs::metadata(path).map_or(0, |metadata| metadata.uid()));
            let who = group::user_name(geteuid().as_raw());
            return Err(StoreError::Foreigner { path: path.to_owned(), whose, who });
        }
    }
    Ok(())
}
