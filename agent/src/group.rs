//! The group `lanscribe`: its members may read what root's daemon writes, and ask it, where the machine has such a
//! group. Nothing here makes one.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

/// The name of the group.
const NAME: &str = "lanscribe";
/// Where the machine lists its groups and its users. Those that a directory service knows are not looked for.
const LIST: &str = "/etc/group";
const USERS: &str = "/etc/passwd";

/// The group's number, if the machine has it.
pub(crate) fn number() -> Option<u32> {
    number_in(&read(LIST), NAME)
}

/// What a user is called, by number.
pub(crate) fn user_name(number: u32) -> String {
    // The first three fields are as those of a group.
    name_in(&read(USERS), number).map_or_else(|| number.to_string(), str::to_owned)
}

/// Gives what lies at `path` to the group, if root made it for itself, this is root, and there is such a group. What
/// belongs to somebody else already stays as it is, and a link is never followed: the folder may be anybody's.
pub(crate) fn give(path: &Path) {
    let given = (|| -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let Some(group) = number() else { return Ok(()) };
        let metadata = fs::symlink_metadata(path)?;
        if (metadata.uid(), metadata.gid()) == (0, 0) && !metadata.is_symlink() {
            lchown(path, None, Some(group))?;
        }
        Ok(())
    })();
    match given {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("{}: not given to the group {NAME}: {error}", path.display());
        }
        _ => {}
    }
}

/// Who may do something (`ask`, `read it`) with what lies at `path`, for somebody who may not: by its group, or by that
/// of the folder that hides it.
pub(crate) fn who_may(path: &Path, what: &str) -> String {
    let group = path.ancestors().find_map(|path| path.metadata().ok()).map_or(0, |metadata| metadata.gid());
    who(&read(LIST), group, what)
}

fn who(list: &str, group: u32, what: &str) -> String {
    if group == 0 {
        return format!("only root may {what} (`sudo`)");
    }
    match name_in(list, group) {
        Some(name) => format!(
            "only root (`sudo`) and members of the group {name} may {what} (`sudo usermod -aG {name} $USER`, then log in \
             again)"
        ),
        // Nobody can be made a member of one without a name.
        None => format!("only root (`sudo`) and members of the group {group} may {what}"),
    }
}

fn read(list: &str) -> String {
    // A name in another encoding is none that is looked for.
    fs::read(list).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The lines of a list as name and number: `lanscribe:x:990:me`.
fn groups(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse().ok()?))
    })
}

fn number_in(list: &str, name: &str) -> Option<u32> {
    groups(list).find(|(other, _)| *other == name).map(|(_, number)| number)
}

fn name_in(list: &str, number: u32) -> Option<&str> {
    groups(list).find(|(_, other)| *other == number).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "root:x:0:\nlanscribers:x:989:\n# none\nodd\nlanscribe:x:990:me,you\nusers:x:100:\n";

    #[test]
    fn a_group_is_found_by_its_whole_name_and_by_its_number() {
        assert_eq!(number_in(LIST, "lanscribe"), Some(990));
        assert_eq!(number_in(LIST, "odd"), None);
        assert_eq!(number_in(LIST, "scribe"), None);
        assert_eq!((name_in(LIST, 100), name_in(LIST, 7)), (Some("users"), None));
    }

    #[test]
    fn who_may_not_is_told_what_would_help_and_of_no_group_that_is_not_there() {
        assert_eq!(who(LIST, 0, "ask"), "only root may ask (`sudo`)");
        let said = who(LIST, 990, "read it");
        assert!(
            said.contains("the group lanscribe may read it (`sudo usermod -aG lanscribe $USER`"),
            "{said}"
        );
        assert!(who(LIST, 100, "ask").contains("usermod -aG users"));
        assert!(who(LIST, 7, "ask").ends_with("the group 7 may ask"));
    }
}
