//! The daemon as its owner meets it: who reads its file, what it can be told and asked, how it starts and ends.

mod applied;
mod clock;
mod interfaces;
mod layouts;
mod owner;
mod place;
mod privilege;
mod readers;
mod reload;
mod service;
mod socket;
mod start;
mod status;

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::lab::{Daemon, Lab, PATIENCE, mac, until};
use crate::support::lanscribe;

/// The user and the group of a daemon that runs as its service does. No machine has such ones, and none needs to.
const SERVICE: u32 = 54_320;
const GROUP: u32 = 54_321;
/// Somebody else.
const OTHER: u32 = 54_322;

/// Puts `setpriv` before a daemon, and the umask of the service.
const AS_SERVICE: [&str; 9] = [
    "setpriv",
    "--reuid=54320",
    "--regid=54321",
    "--clear-groups",
    "--inh-caps=+net_raw",
    "--ambient-caps=+net_raw",
    "sh",
    "-c",
    "umask 0027; exec \"$0\" \"$@\"",
];

/// The devices that hosts `a` and `b` are.
fn devices() -> [String; 2] {
    [mac(10), mac(20)]
}

/// What a command said on both of its outputs, and its exit status.
fn outcome(output: &Output) -> (i32, String) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// Runs a command of the owner's that is about the daemon with this configuration, running or not.
fn tell(config: &Path, arguments: &[&str]) -> (i32, String) {
    outcome(&lanscribe().args(arguments).arg("--config").arg(config).output().expect("the program runs"))
}

/// Says something on a host, and waits until the daemon has it. Returns how many packets it has then.
fn hear(lab: &Lab, daemon: &Daemon, from: &str, datagrams: usize) -> u64 {
    let packets = || daemon.status().0["packets"].as_u64().unwrap_or(0);
    let before = packets();
    lab.send(from, "192.168.77.255", datagrams);
    until("the packets", PATIENCE, || Some(packets()).filter(|&now| now >= before + datagrams as u64))
}

/// A daemon that knows the hosts `a` and `b` and has them in its file. It was asked to flush for that.
fn acquainted(lab: &Lab, extra: &str) -> Daemon {
    let daemon = lab.daemon(extra);
    meet(lab, &daemon);
    daemon
}

/// Lets the daemon meet the hosts `a` and `b`, and has it write.
fn meet(lab: &Lab, daemon: &Daemon) {
    lab.connect();
    for host in ["a", "b"] {
        hear(lab, daemon, host, 5);
    }
    let (code, said) = tell(&daemon.config, &["flush"]);
    assert_eq!(code, 0, "{said}");
}

/// Starts the daemon as its service does: as a user with nothing but CAP_NET_RAW, in a folder of its own.
fn start_service(lab: &Lab, extra: &str) -> Daemon {
    let folder = lab.folder.path();
    chown(folder, Some(SERVICE), Some(GROUP)).unwrap();
    std::fs::set_permissions(folder, Permissions::from_mode(0o750)).unwrap();
    let mut daemon = lab.start(&lab.config(extra), &AS_SERVICE);
    daemon.wait_until_ready();
    daemon
}

/// A program to be run as another user of the machine, in the daemon's group beside the own one or not.
fn as_other(in_group: bool, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    let groups = if in_group { format!("--groups={GROUP}") } else { "--clear-groups".to_owned() };
    command.args([&format!("--reuid={OTHER}"), &format!("--regid={OTHER}"), &groups, "--", program]);
    command.current_dir("/");
    command
}

/// Debian's `sqlite3`, as a user who is only a member of the file's group.
fn member(db: &Path) -> Command {
    let mut command = as_other(true, "sqlite3");
    command.arg(db);
    command
}

/// What a member of the group reads.
fn read_as_member(db: &Path, sql: &str) -> String {
    let output = member(db).arg(sql).output().expect("sqlite3 runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A member of the group who began a transaction, has read, and went for lunch.
struct Forgetful(Child);

impl Forgetful {
    fn begin(db: &Path) -> Self {
        let mut child = member(db).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.as_ref().unwrap();
        // What sqlite3 prints itself would stay in its buffer.
        input.write_all(b"BEGIN;\nSELECT count(*) FROM device;\n.shell echo read\n").unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line == "read")), "the reader reads");
        Self(child)
    }

    /// Comes back and closes.
    fn end(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The names of what is in a folder beside configurations and the mark of the clock, sorted.
fn files(lab: &Lab) -> Vec<String> {
    let entries = lab.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".toml") && name != "synchronized");
    names.sort();
    names
}
