//! Several interfaces at once, and all of them: each conversation stands with the one that showed it, and sums add up.

use crate::captures::broken_windows;
use crate::support::lab::Lab;
use crate::support::{open, rows};

fn is_sound(db: &std::path::Path) {
    for level in ["minute", "hour", "day"] {
        assert_eq!(broken_windows(&open(db), level), Vec::<Vec<String>>::new(), "{level}");
    }
}

#[test]
fn of_two_interfaces_each_conversation_stands_with_its_own() {
    let Some(lab) = Lab::new("of_two_interfaces_each_conversation_stands_with_its_own") else { return };
    lab.connect();
    for command in ["link add wan0 type veth peer name wan1", "link set wan0 up", "link set wan1 up"] {
        lab.ip("tap", command);
    }
    lab.ip("tap", "addr add 198.51.100.2/24 dev wan0");
    let daemon = lab.daemon("capture.interface = [\"wan0\", \"br0\"]\n");
    lab.send("a", "192.168.77.255", 70);
    lab.send("tap", "198.51.100.255", 30);
    let db = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let sql = "SELECT i.name, f.remote_address, sum(f.packets_up) FROM flow f JOIN interface i ON i.id = f.interface
               WHERE f.remote_port = 9 GROUP BY 1, 2 ORDER BY 1";
    assert_eq!(
        rows(&open(&db), sql),
        [["br0", "192.168.77.255", "70"], ["wan0", "198.51.100.255", "30"]]
            .map(|row| row.map(str::to_owned).to_vec())
    );
    is_sound(&db);
}

#[test]
fn all_interfaces_at_once_can_be_captured() {
    let Some(lab) = Lab::new("all_interfaces_at_once_can_be_captured") else { return };
    lab.connect();
    let daemon = lab.daemon("capture.interface = \"any\"\n");
    lab.send("a", "192.168.77.255", 40);
    let (status, _) = daemon.status();
    assert_eq!(
        (&status["interfaces"][0]["name"], &status["interfaces"][0]["link"]),
        (&"any".into(), &"up".into())
    );
    let db = daemon.db.clone();
    assert_eq!(daemon.stop().code(), 0);
    let sent = "SELECT sum(packets_up) >= 40 FROM usage_by_minute WHERE port = 9";
    assert_eq!(rows(&open(&db), sent), [["1"]], "each port of the bridge shows them");
    is_sound(&db);
}
