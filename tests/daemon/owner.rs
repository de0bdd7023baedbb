//! What the owner decides: the same whether the daemon does it or the program itself, while there is none.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{AS_SERVICE, acquainted, as_other, devices, hear, meet, outcome, reload, start_service, tell};
use crate::support::lab::{Lab, PATIENCE, python, until};
use crate::support::{open, rows};

const STATE: &str = "SELECT mac, label, name, same_as FROM device WHERE mac IN ('52:54:00:77:00:0a', '52:54:00:77:00:14') ORDER BY mac";

/// A command and what came of it: its exit status and what it said, and what is in the file then.
type Deed = (Vec<String>, i32, String, Vec<Vec<String>>);

/// Each thing that can be decided, also where it makes no sense; in the end all is as it was.
fn decide(config: &Path, db: &Path) -> Vec<Deed> {
    let [a, b] = devices();
    let deeds: [(&[&str], i32); 13] = [
        (&["label", &a, "kettle"], 0),
        (&["label", "kettle", "blue kettle"], 0),
        (&["label", &b, "lamp"], 0),
        (&["mark", "tea", "--device", "blue kettle", "--at", "2026-01-02 03:04"], 0),
        (&["merge", "lamp", "blue kettle"], 0),
        (&["merge", &b, &a], 64),
        (&["unmerge", &b], 0),
        (&["unmerge", &b], 64),
        (&["label", &a, "new\nline"], 64),
        (&["label", "02:00:00:00:00:01", "nobody"], 66),
        (&["mark", "tea", "--at", "2026-01-02 03:04", "--until", "2026-01-02 03:00"], 64),
        (&["label", &a], 0),
        (&["label", &b], 0),
    ];
    let deed = |(arguments, code): &(&[&str], i32)| {
        let (found, said) = tell(config, arguments);
        assert_eq!(found, *code, "{arguments:?}: {said}");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        (arguments, found, said, rows(&open(db), STATE))
    };
    deeds.iter().map(deed).collect()
}

#[test]
fn what_the_owner_decides_is_the_same_while_the_daemon_runs_and_while_it_is_stopped() {
    let Some(lab) =
        Lab::new("what_the_owner_decides_is_the_same_while_the_daemon_runs_and_while_it_is_stopped")
    else {
        return;
    };
    let daemon = acquainted(&lab, "");
    let (config, db, socket) = (daemon.config.clone(), daemon.db.clone(), daemon.socket.clone());
    let running = decide(&config, &db);
    assert_eq!(daemon.stop().code(), 0);
    assert!(!socket.exists(), "nobody is there to be asked");
    let stopped = decide(&config, &db);
    let (code, said) = tell(&config, &["flush"]);
    assert_eq!(code, 66, "{said}");
    assert!(said.contains("does not run"), "{said}");
    assert_eq!(tell(&config, &["label", &devices()[0], "samovar"]).0, 0);
    for (running, stopped) in running.iter().zip(&stopped) {
        assert_eq!(running, stopped);
    }
    assert_eq!(running[1].3[0][1..3], ["blue kettle", "blue kettle"]);
    assert_eq!(running[4].3[1][2], "blue kettle", "both are called the same");
    let marks = "SELECT count(*), count(DISTINCT text || start || device) FROM mark";
    let daemon = lab.daemon("");
    assert_eq!(rows(&daemon.db(), marks), [["2", "1"]], "the same mark twice");

    // And a label outlives what the device does next.
    lab.connect();
    hear(&lab, &daemon, "a", 20);
    assert_eq!(daemon.stop().code(), 0);
    let label = rows(&open(&db), "SELECT label, name FROM device WHERE label IS NOT NULL");
    assert_eq!(label, [["samovar", "samovar"]]);
}

#[test]
fn a_label_of_the_configuration_wins_and_no_command_changes_it() {
    let Some(lab) = Lab::new("a_label_of_the_configuration_wins_and_no_command_changes_it") else { return };
    let [a, _] = devices();
    let daemon = acquainted(&lab, "");
    assert_eq!(tell(&daemon.config, &["label", &a, "mine"]).0, 0);
    assert_eq!(daemon.stop().code(), 0);
    let name = "SELECT name FROM devices WHERE mac = '52:54:00:77:00:0a'";
    let daemon = lab.daemon(&format!("labels.\"{a}\" = \"Big lamp\""));
    let (config, db) = (daemon.config.clone(), daemon.db.clone());
    until("the label", PATIENCE, || (rows(&open(&db), name) == [["Big lamp"]]).then_some(()));
    let check = || {
        for arguments in [vec!["label", &a, "mine"], vec!["label", &a]] {
            let (code, said) = tell(&config, &arguments);
            assert_eq!(code, 64, "{said}");
            assert!(said.contains("by the configuration: change it there"), "{said}");
        }
        assert_eq!(rows(&open(&db), name), [["Big lamp"]]);
    };
    check();
    assert_eq!(daemon.stop().code(), 0);
    check();
    let daemon = lab.daemon("");
    until("the owner's own label", PATIENCE, || (rows(&daemon.db(), name) == [["mine"]]).then_some(()));
}

/// What the daemon answers when another user of the machine, or the daemon's own, asks.
fn ask_as(user: &str, socket: &Path, line: &str) -> String {
    const ASK: &str = "import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    s.sendall(sys.argv[2].encode() + b'\\n')
    print(s.makefile().read())
except OSError as error:
    print(error)";
    let python = python();
    let mut command = match user {
        "root" => Command::new(python),
        "service" => {
            let mut command = Command::new("setpriv");
            command.args(&AS_SERVICE[1..4]).arg(python);
            command
        }
        user => as_other(user == "member", python),
    };
    outcome(&command.args(["-c", ASK]).arg(socket).arg(line).output().unwrap()).1
}

#[test]
fn members_of_the_group_may_ask_and_only_root_and_the_daemons_own_user_may_change() {
    let Some(lab) =
        Lab::new("members_of_the_group_may_ask_and_only_root_and_the_daemons_own_user_may_change")
    else {
        return;
    };
    let daemon = start_service(&lab, "");
    meet(&lab, &daemon);
    // The folder keeps others out already; here it is the socket that must.
    set_permissions(lab.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mark = r#"{"request":"mark","text":"kettle on","start":1767322800000}"#;
    let check = |group_writes: bool| {
        for user in ["root", "service", "member", "stranger"] {
            let (status, change) =
                (ask_as(user, &daemon.socket, "status"), ask_as(user, &daemon.socket, mark));
            if user == "stranger" {
                assert!(
                    status.contains("Permission denied") && change.contains("Permission denied"),
                    "{status}"
                );
                continue;
            }
            assert!(status.starts_with("{\"ok\":{\"health\""), "{user}: {status}");
            if user == "member" && !group_writes {
                assert!(change.starts_with("{\"error\":\"only root may change"), "{user}: {change}");
                assert!(change.contains("control.group_writes = true"), "{change}");
            } else {
                assert!(change.starts_with("{\"ok\":\"marked"), "{user}: {change}");
            }
        }
    };
    check(false);
    assert_eq!(rows(&daemon.db(), "SELECT count(*) FROM mark"), [["2"]]);
    reload::rewrite(&daemon, &lab.config("control.group_writes = true"));
    check(true);
    assert_eq!(rows(&daemon.db(), "SELECT count(*) FROM mark"), [["5"]]);
}
