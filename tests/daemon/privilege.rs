//! What the daemon may do while it captures: nothing that another program of its user may not, in any of its threads.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use super::{AS_SERVICE, OTHER, SERVICE, hear, start_service, tell};
use crate::support::lab::{Daemon, Lab};
use crate::support::{FRAMES, lanscribe, number, open, skip};

/// Sees that no thread of a daemon that captures has a capability or can gain one, and that it can do its work, to the
/// end. Returns the sets of those that a program could gain by being executed.
fn assert_harmless(lab: &Lab, daemon: Daemon, user: u32) -> Vec<String> {
    lab.connect();
    hear(lab, &daemon, "a", 20);
    let mut bounds = Vec::new();
    let threads: Vec<_> = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap().collect();
    for thread in threads {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("{key} in {status}")).trim().to_owned()
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(value(set).trim_start_matches('0'), "", "{set} of {}", value("Name"));
        }
        assert_eq!(value("NoNewPrivs"), "1", "{}", value("Name"));
        assert_eq!(value("Uid"), vec![user.to_string(); 4].join("\t"), "{}", value("Name"));
        assert!(value("Groups").split(' ').all(|group| group != "0"), "{status}");
        bounds.push(value("CapBnd").trim_start_matches('0').to_owned());
    }
    assert!(bounds.len() >= 4, "capture, writer, notice and control: {bounds:?}");
    let (code, said) = tell(&daemon.config, &["mark", "kettle on"]);
    assert_eq!(code, 0, "{said}");
    let db = daemon.db.clone();
    assert_eq!(db.metadata().unwrap().uid(), user);
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    assert!(number(&open(&db), FRAMES) >= 20);
    bounds
}

#[test]
fn root_captures_without_any_privilege_in_any_thread() {
    let Some(lab) = Lab::new("root_captures_without_any_privilege_in_any_thread") else { return };
    let bounds = assert_harmless(&lab, lab.daemon(""), 0);
    assert!(bounds.iter().all(String::is_empty), "nothing can be gained by executing: {bounds:?}");
}

#[test]
fn the_service_captures_without_any_privilege_in_any_thread() {
    let Some(lab) = Lab::new("the_service_captures_without_any_privilege_in_any_thread") else { return };
    assert_harmless(&lab, start_service(&lab, ""), SERVICE);
}

#[test]
fn who_may_capture_by_the_programs_own_capability_keeps_it_no_longer_than_to_open() {
    const TEST: &str = "who_may_capture_by_the_programs_own_capability_keeps_it_no_longer_than_to_open";
    let Some(lab) = Lab::new(TEST) else { return };
    let folder = lab.folder.path();
    let program = folder.join("program");
    std::fs::copy(lanscribe().get_program(), &program).unwrap();
    let marked = std::process::Command::new("setcap").arg("cap_net_raw+ep").arg(&program).status();
    if !marked.is_ok_and(|status| status.success()) {
        return skip(TEST, "no setcap here, or a file system without capabilities");
    }
    give(folder, OTHER);
    let user = format!("--reuid={OTHER}");
    let wrapper =
        ["setpriv", &user, "--regid=54321", "--clear-groups", "sh", "-c", "shift; exec \"$0\" \"$@\""];
    let wrapper: Vec<&str> = wrapper.into_iter().chain([program.to_str().unwrap()]).collect();
    let mut daemon = lab.start(&lab.config(""), &wrapper);
    daemon.wait_until_ready();
    assert_harmless(&lab, daemon, OTHER);
}

/// Gives a folder to a user.
fn give(folder: &Path, user: u32) {
    chown(folder, Some(user), Some(user)).unwrap();
    set_permissions(folder, Permissions::from_mode(0o750)).unwrap();
}

#[test]
fn root_becomes_who_has_the_folder_of_the_file() {
    let Some(lab) = Lab::new("root_becomes_who_has_the_folder_of_the_file") else { return };
    let folder = lab.folder.path().join("home");
    std::fs::create_dir(&folder).unwrap();
    give(&folder, OTHER);
    set_permissions(lab.folder.path(), Permissions::from_mode(0o755)).unwrap();
    // Its socket is in a folder of root's.
    let db = folder.join("lan.db");
    let daemon = lab.daemon(&format!("store.file = \"{}\"", db.display()));
    assert_eq!(daemon.socket.metadata().unwrap().uid(), OTHER);
    let bounds = assert_harmless(&lab, daemon, OTHER);
    assert!(bounds.iter().all(String::is_empty), "{bounds:?}");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["lan.db"], "one complete file");

    // One of root's in that folder it cannot write any more, and waits for nothing.
    chown(&db, Some(0), Some(0)).unwrap();
    let ended = lab.start(&lab.config(&format!("store.file = \"{}\"", db.display())), &[]).wait();
    assert_eq!(ended.code(), 77, "{}", ended.said);
    let words = format!("lan.db: may not be written: it belongs to root, and the daemon runs as {OTHER}");
    assert!(ended.said.contains(&words), "{}", ended.said);
}

#[test]
fn a_file_of_somebody_else_is_refused_at_once_in_words() {
    let Some(lab) = Lab::new("a_file_of_somebody_else_is_refused_at_once_in_words") else { return };
    assert_eq!(lab.daemon("").stop().code(), 0);
    let db = lab.folder.path().join("lanscribe.db");
    chown(&db, Some(OTHER), Some(OTHER)).unwrap();
    let ended = lab.start(&lab.config(""), &[]).wait();
    assert_eq!(ended.code(), 77, "{}", ended.said);
    let words = format!("it belongs to {OTHER}, and the daemon runs as root without any privilege");
    assert!(ended.said.contains(&words) && ended.said.contains("sudo chown root"), "{}", ended.said);
    // The folder counts as well: SQLite makes files beside the one.
    let root = lab.folder.path().join("lib");
    std::fs::create_dir(&root).unwrap();
    std::fs::rename(&db, root.join("lan.db")).unwrap();
    chown(root.join("lan.db"), Some(SERVICE), None).unwrap();
    give(lab.folder.path(), SERVICE);
    let place = format!("store.file = \"{}\"", root.join("lan.db").display());
    let ended = lab.start(&lab.config(&place), &AS_SERVICE).wait();
    assert_eq!(ended.code(), 77, "{}", ended.said);
    assert!(ended.said.contains("lib: may not be written: it belongs to root"), "{}", ended.said);
}
