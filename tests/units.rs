//! What systemd itself says of the units that are installed with the program, and of their users and folders.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::lab::done;
use crate::support::{ROOT, lanscribe, skip};

const UNITS: [&str; 2] = ["lanscribe.service", "lanscribe-clock.service"];

fn unit(name: &str) -> PathBuf {
    Path::new(ROOT).join("systemd").join(name)
}

/// Whether a program of systemd is here that knows these arguments.
fn knows(test: &str, program: &str, arguments: &[&str]) -> bool {
    let knows =
        Command::new(program).args(arguments).output().is_ok_and(|output: Output| output.status.success());
    if !knows {
        skip(test, &format!("needs {program}, of systemd 250 or later"));
    }
    knows
}

#[test]
fn systemd_finds_little_exposed_and_nothing_to_say_of_the_units() {
    const TEST: &str = "systemd_finds_little_exposed_and_nothing_to_say_of_the_units";
    // Older ones can only look at what is loaded.
    if !knows(
        TEST,
        "systemd-analyze",
        &["security", "--offline=true", "--threshold=100", &unit(UNITS[0]).to_string_lossy()],
    ) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = lanscribe().get_program().to_owned();
    for name in UNITS {
        let found = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=14"])
            .arg(unit(name))
            .output()
            .unwrap();
        let found = (found.status.success(), String::from_utf8_lossy(&found.stdout).into_owned());
        assert!(found.0, "{name}: more than 1.4\n{}", found.1);
        // The same, of the program that was just built.
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("=/usr/bin/lanscribe", &format!("={}", program.to_string_lossy()));
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(UNITS.map(|name| dir.path().join(name)))
        .env("SYSTEMD_UNIT_PATH", format!("{}:", dir.path().display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // Of other units of this machine it may say something.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("lanscribe")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn each_line_of_the_daemons_unit_stands_under_a_reason() {
    let text = std::fs::read_to_string(unit(UNITS[0])).unwrap();
    for paragraph in text.split("\n\n") {
        let lines: Vec<&str> = paragraph.lines().filter(|line| !line.starts_with('[')).collect();
        let alone = lines.first().is_none_or(|line| line.starts_with('#'));
        assert!(
            alone || lines.iter().all(|line| line.starts_with("Description") || line.contains("WantedBy")),
            "{paragraph}"
        );
    }
}

#[test]
fn the_user_and_the_folders_are_made_as_the_daemon_needs_them() {
    const TEST: &str = "the_user_and_the_folders_are_made_as_the_daemon_needs_them";
    if !rustix::process::geteuid().is_root() {
        return skip(TEST, "needs root, to make folders of another user's");
    }
    if !knows(TEST, "systemd-sysusers", &["--version"]) || !knows(TEST, "systemd-tmpfiles", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = format!("--root={}", dir.path().display());
    for folder in ["etc", "var/lib", "run"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    // By the text itself: with another root no file of this one is found.
    let text = |name: &str| std::fs::read_to_string(unit(name)).unwrap();
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    done(
        Command::new("systemd-sysusers").arg(&root).arg("--inline").args(lines(&text("lanscribe.sysusers"))),
    );
    let users = std::fs::read_to_string(dir.path().join("etc/passwd")).unwrap();
    let user: Vec<&str> =
        users.lines().find(|line| line.starts_with("lanscribe:")).unwrap().split(':').collect();
    assert_eq!((user[5], user[6]), ("/var/lib/lanscribe", "/usr/sbin/nologin"));
    let (uid, gid): (u32, u32) = (user[2].parse().unwrap(), user[3].parse().unwrap());
    assert!((1..1_000).contains(&uid), "of the system's: {uid}");

    let conf = dir.path().join("etc/tmpfiles.d/lanscribe.conf");
    std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
    std::fs::write(&conf, text("lanscribe.tmpfiles")).unwrap();
    done(Command::new("systemd-tmpfiles").arg(&root).args(["--create", "lanscribe.conf"]));
    for (folder, mode) in [("var/lib/lanscribe", 0o750), ("run/lanscribe", 0o755)] {
        let made = dir.path().join(folder).metadata().unwrap();
        assert_eq!((made.permissions().mode() & 0o777, made.uid(), made.gid()), (mode, uid, gid), "{folder}");
    }
}
