//! Where it puts its file and its socket, and whose they are.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::Signal;

use super::{GROUP, as_other, outcome, read_as_member, tell};
use crate::support::lab::{BRIDGE, Daemon, Lab, Listened, PATIENCE, python, signal, until};
use crate::support::lanscribe;

/// Permissions and group.
fn whose(path: &Path) -> (u32, u32) {
    let metadata = path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (metadata.permissions().mode() & 0o777, metadata.gid())
}

/// Whether another user is let in through the socket.
fn may_ask(socket: &Path, in_group: bool) -> bool {
    const CONNECT: &str = "import socket, sys
socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
    let mut command = as_other(in_group, python());
    command.args(["-c", CONNECT]).arg(socket).output().unwrap().status.success()
}

/// The text of a configuration with everything in folders that are not there.
fn config(lab: &Lab) -> String {
    let folder = lab.folder.path().display();
    lab.config(&format!(
        "store.file = \"{folder}/lib/deep/lanscribe.db\"\ncontrol.socket = \"{folder}/run/socket\""
    ))
}

#[test]
fn root_makes_the_folders_and_shares_them_with_nobody_where_there_is_no_group() {
    let Some(lab) = Lab::new("root_makes_the_folders_and_shares_them_with_nobody_where_there_is_no_group")
    else {
        return;
    };
    set_permissions(lab.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let list = lab.folder.path().join("group.toml");
    std::fs::write(&list, "root:x:0:\n").unwrap();
    let mut daemon = lab.start(&config(&lab), &with_groups(&list));
    daemon.wait_until_ready();
    until("the file", PATIENCE, || daemon.db.exists().then_some(()));
    assert_eq!(whose(&daemon.db), (0o640, 0));
    assert_eq!(whose(&daemon.socket), (0o660, 0));
    for folder in ["lib", "lib/deep", "run"] {
        assert_eq!(whose(&lab.folder.path().join(folder)), (0o750, 0), "{folder}");
    }
    assert!(!may_ask(&daemon.socket, true));
    assert_eq!(daemon.stop().code(), 0);

    // What is in the way is said at once, before anything is captured.
    std::fs::remove_dir_all(lab.folder.path().join("lib")).unwrap();
    std::fs::write(lab.folder.path().join("lib"), "").unwrap();
    let ended = lab.start(&config(&lab), &[]).wait();
    assert_eq!(ended.code(), 73, "{}", ended.said);
    assert!(ended.said.contains("lib/deep: the folder of the database cannot be made"), "{}", ended.said);
}

/// Runs a daemon on a machine with other groups. `ip netns exec` gives it mounts of its own.
fn with_groups(list: &Path) -> [&str; 5] {
    const MOUNT: &str = "umask 0022; mount --bind \"$0\" /etc/group && exec \"$@\"";
    ["sh", "-c", MOUNT, list.to_str().unwrap(), "env"]
}

#[test]
fn members_of_the_group_lanscribe_read_and_ask_what_root_runs() {
    let Some(lab) = Lab::new("members_of_the_group_lanscribe_read_and_ask_what_root_runs") else { return };
    set_permissions(lab.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let list = lab.folder.path().join("group.toml");
    std::fs::write(&list, format!("root:x:0:\nlanscribe:x:{GROUP}:\n")).unwrap();
    let start = || -> Daemon {
        let mut daemon = lab.start(&config(&lab), &with_groups(&list));
        daemon.wait_until_ready();
        let marked = || (tell(&daemon.config, &["mark", "kettle on"]).0 == 0).then_some(());
        // It may not have begun the file yet.
        until("the file", PATIENCE, marked);
        daemon
    };
    let marks = |db: &Path| read_as_member(db, "SELECT count(*) FROM mark");
    let daemon = start();
    let db = daemon.db.clone();
    for folder in ["lib", "lib/deep", "run"] {
        assert_eq!(whose(&lab.folder.path().join(folder)), (0o750, GROUP), "{folder}");
    }
    assert_eq!(whose(&daemon.socket), (0o660, GROUP));
    for end in ["", "-wal", "-shm"] {
        assert_eq!(whose(Path::new(&format!("{}{end}", db.display()))), (0o640, GROUP), "{end}");
    }
    assert_eq!(marks(&db), "1");
    assert!(may_ask(&daemon.socket, true) && !may_ask(&daemon.socket, false));
    let (code, said) = outcome(&as_other(false, "sqlite3").arg(&db).arg("SELECT 1").output().unwrap());
    assert!(code != 0, "{said}");
    daemon.kill();
    assert_eq!(marks(&db), "1", "what was written survives");
    let daemon = start();
    assert_eq!(marks(&db), "2");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!((marks(&db).as_str(), whose(&db)), ("2", (0o640, GROUP)));
    // A file that root made for itself before there was such a group is shared with it too; nobody else's is.
    std::os::unix::fs::chown(&db, Some(0), Some(0)).unwrap();
    let daemon = start();
    assert_eq!(whose(&db).1, GROUP);
    assert_eq!(daemon.stop().code(), 0);
    std::os::unix::fs::chown(&db, Some(super::OTHER), Some(0)).unwrap();
    let ended = lab.start(&config(&lab), &with_groups(&list)).wait();
    assert_eq!((ended.code(), whose(&db).1), (77, 0), "{}", ended.said);
}

#[test]
fn what_the_command_line_names_counts_also_when_the_configuration_is_read_again() {
    let Some(lab) = Lab::new("what_the_command_line_names_counts_also_when_the_configuration_is_read_again")
    else {
        return;
    };
    let folder = lab.folder.path();
    let path = folder.join("x.toml");
    std::fs::write(&path, lab.config("capture.interface = \"nothing0\"")).unwrap();
    let program = lanscribe();
    let mut command = lab.command("tap", program.get_program().to_str().unwrap());
    command
        .current_dir(folder)
        .args(["run", "--config", "x.toml", "--db", "./lan.db", "--socket", "lan.sock"]);
    let process = Listened::to(command.args(["--interface", BRIDGE]).env("TZ", "UTC").env("NO_COLOR", "1"));
    let (db, socket) = (folder.join("lan.db"), folder.join("lan.sock"));
    let ask = |what: &str| {
        let mut command = lanscribe();
        command.current_dir(folder).args([what, "--socket", "./lan.sock"]);
        outcome(&command.output().unwrap())
    };
    until("it to answer", PATIENCE, || (ask("status").0 == 0).then_some(()));
    let (_, said) = ask("status");
    assert!(
        said.contains(&format!("{BRIDGE} (link up)")) && said.contains(&db.display().to_string()),
        "{said}"
    );
    signal(&process.child, Signal::HUP);
    let read = || process.said().contains("read again: nothing changed").then_some(());
    until("the configuration to be read", PATIENCE, read);
    assert!(ask("status").1.contains("warnings    none"));
    let daemon = Daemon { process, config: path, db: db.clone(), socket: socket.clone(), given: Vec::new() };
    assert_eq!(daemon.stop().code(), 0);
    assert!(db.exists() && !socket.exists() && !folder.join("lanscribe.db").exists());

    let wrong = outcome(&lanscribe().args(["run", "--interface", "a b"]).output().unwrap());
    assert!(wrong.0 == 64 && wrong.1.contains("--interface: "), "{wrong:?}");
}
