//! SIGHUP: what can be taken over is, what cannot is named, and a file that is wrong changes nothing.

use rustix::process::Signal;

use super::{acquainted, devices, tell};
use crate::support::lab::{Daemon, Lab, PATIENCE, signal, until};
use crate::support::rows;

/// Writes another configuration for a daemon, has it read that, and waits until it says so. Returns what it said then.
pub(super) fn rewrite(daemon: &Daemon, config: &str) -> String {
    std::fs::write(&daemon.config, config).unwrap();
    let before = daemon.process.said().len();
    signal(&daemon.process.child, Signal::HUP);
    until("the configuration to be read", PATIENCE, || {
        let said = daemon.process.said().split_off(before);
        // The last word on each way.
        let done = ["configuration read again", "the configuration stays as it was"];
        done.iter().any(|words| said.contains(words)).then_some(said)
    })
}

#[test]
fn a_reload_takes_over_what_it_can_and_names_what_needs_a_restart() {
    let Some(lab) = Lab::new("a_reload_takes_over_what_it_can_and_names_what_needs_a_restart") else {
        return;
    };
    let [a, b] = devices();
    let daemon = acquainted(&lab, "store.flush = \"1h\"");
    let next_write = || {
        let (status, _) = daemon.status();
        status["store"]["next_write"].as_i64().unwrap() - status["now"].as_i64().unwrap()
    };
    until("the next write to be planned", PATIENCE, || (next_write() > 3_000_000).then_some(()));

    let said = rewrite(&daemon, &lab.config("store.flush = \"1h\""));
    assert!(said.contains("nothing changed"), "{said}");
    let labels = format!("labels.\"{a}\" = \"Kettle\"\nlabels.\"{b}\" = \"Lamp\"\n");
    let kept = format!("site.name = \"Home\"\nstore.flush = \"10m\"\n{labels}");
    let said = rewrite(&daemon, &lab.config(&kept));
    assert!(said.contains("site.name, store.flush, labels changed"), "{said}");
    let names =
        "SELECT name FROM devices WHERE mac IN ('52:54:00:77:00:0a', '52:54:00:77:00:14') ORDER BY mac";
    until("the labels", PATIENCE, || (rows(&daemon.db(), names) == [["Kettle"], ["Lamp"]]).then_some(()));
    until("the next write to come sooner", PATIENCE, || (next_write() <= 600_000).then_some(()));
    let (status, code) = daemon.status();
    assert_eq!((code, &status["warnings"], &status["site"]), (0, &serde_json::json!([]), &"Home".into()));
    assert_eq!(rows(&daemon.db(), "SELECT value FROM meta WHERE key = 'site'"), [["Home"]]);

    let said = rewrite(&daemon, &lab.config(&format!("{kept}capture.snaplen = 512\n")));
    assert!(
        said.contains("WARN") && said.contains("capture.snaplen can only change with a restart"),
        "{said}"
    );
    let (status, code) = daemon.status();
    assert_eq!(code, 0, "it captures as before: {status:#}");
    let warning = status["warnings"][0].as_str().unwrap();
    assert!(warning.contains("needs a restart: capture.snaplen"), "{warning}");

    // A mistake, and everything is as it was, also what could have been taken over.
    let good = lab.folder.path().join("good.toml");
    std::fs::copy(&daemon.config, &good).unwrap();
    let said =
        rewrite(&daemon, &lab.config("store.flush = \"20s\"\nlog.level = \"loud\"\nlan.lern = false\n"));
    assert!(said.contains("ERROR") && !said.contains("read again"), "{said}");
    for mistake in ["log.level", "lan.lern"] {
        assert!(said.contains(mistake), "{mistake} is named: {said}");
    }
    let (code, said) = tell(&daemon.config, &["status"]);
    assert_eq!(code, 78, "who asks with that file is told as well: {said}");
    let (code, said) = tell(&good, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, status["warnings"][0].as_str()), (0, Some(warning)), "{status:#}");
    let next = status["store"]["next_write"].as_i64().unwrap() - status["now"].as_i64().unwrap();
    assert!(next > 60_000, "{next}");

    // What was taken back needs no restart any more; and whoever wants to hear less does.
    let said = rewrite(&daemon, &lab.config(&format!("{kept}log.level = \"debug\"\n")));
    assert!(said.contains("log.level changed"), "{said}");
    assert_eq!(daemon.status().0["warnings"], serde_json::json!([]));
    let quiet = format!("{kept}log.level = \"error\"\ncapture.snaplen = 512\n");
    std::fs::write(&daemon.config, lab.config(&quiet)).unwrap();
    let before = daemon.process.said().len();
    signal(&daemon.process.child, Signal::HUP);
    until("it to be read", PATIENCE, || (daemon.status().0["warnings"][0] == warning).then_some(()));
    let said = rewrite(&daemon, "nonsense");
    assert!(said.contains("ERROR"), "{said}");
    let ended = daemon.stop();
    let said = &ended.said[before..];
    assert!(ended.code() == 0 && !said.contains("INFO") && !said.contains("WARN"), "{said}");
}
