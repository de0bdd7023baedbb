//! The project's own sample captures, held against what tshark counted when they were recorded.

use crate::support::{open, read, rows, said, sample};

#[test]
fn the_devices_of_the_sample_home_have_the_frames_that_tshark_counted() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("home.db");
    let output = read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    assert!(output.status.success(), "{}", said(&output));
    let truth = std::fs::read_to_string(sample("home.truth.tsv")).unwrap();
    let mut expected: Vec<Vec<String>> = truth
        .lines()
        .filter(|line| line.contains(':'))
        .map(|line| line.split('\t').take(5).map(str::to_owned).collect())
        .collect();
    expected.sort();
    let ours = rows(
        &open(&db),
        "SELECT mac, frames_sent, bytes_sent, frames_received, bytes_received FROM device WHERE id > 0 ORDER BY mac",
    );
    assert!(expected.len() >= 13);
    assert_eq!(ours, expected);
}

#[test]
fn the_router_of_the_sample_home_is_found_and_owns_only_its_own_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("home.db");
    read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    let db = open(&db);
    assert_eq!(
        rows(&db, "SELECT mac, ipv4 FROM devices WHERE role = 'gateway'"),
        [["3c:a6:2f:10:20:01", "192.168.178.1"]]
    );
    let camera = rows(
        &db,
        "SELECT mac, sum(bytes_up) > 150000 FROM usage_by_day WHERE direction = 'remote' AND peer_address = '52.219.47.12' GROUP BY mac",
    );
    assert_eq!(camera, [["b8:a4:4f:21:43:65", "1"]], "the upload is the camera's alone");
    let of_router =
        "SELECT DISTINCT peer FROM usage_by_day WHERE mac = '3c:a6:2f:10:20:01' AND direction = 'remote'";
    assert_eq!(rows(&db, of_router), Vec::<Vec<String>>::new(), "what it forwards is not its own");
}

#[test]
fn who_never_answers_and_who_refuses_is_seen_in_the_flows() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("home.db");
    read(&[sample("home.pcap"), "--db".into(), db.clone()]);
    let sql = "SELECT DISTINCT mac, remote_address, conn_state, opened_by FROM flows
        WHERE protocol = 'tcp' AND conn_state IN ('S0', 'REJ') AND direction = 'remote' ORDER BY 1";
    let found = rows(&open(&db), sql);
    assert!(
        found.contains(&["18:b4:30:9e:41:d7", "77.88.21.90", "S0", "device"].map(str::to_owned).to_vec()),
        "{found:?}"
    );
    assert!(found.iter().any(|row| row[0] == "50:c7:bf:6a:1e:90" && row[2] == "REJ"), "{found:?}");
}

#[test]
fn a_trunk_keeps_its_vlans_and_a_cooked_capture_its_frames() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("x.db");
    read(&[sample("trunk.pcap"), "--db".into(), db.clone()]);
    assert_eq!(rows(&open(&db), "SELECT DISTINCT vlan FROM flow ORDER BY 1"), [["NULL"], ["10"], ["20"]]);
    let cooked = dir.path().join("cooked.db");
    read(&[sample("cooked.pcapng"), "--db".into(), cooked.clone()]);
    assert_eq!(rows(&open(&cooked), "SELECT frames, undecodable FROM coverage_by_day"), [["2200", "0"]]);
}
