//! What the file says of devices and endpoints. It is read anew when it was written, and never held open: who holds it
//! would keep the daemon from leaving one whole file when it stops.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use lanscribe_core::addr::MacAddr;

use super::model::{Book, First, Known, Talk};
use crate::cli::exit;
use crate::cli::names;
use crate::control::Conversation;
use crate::store;
use crate::vendor::{Registry, short};

/// When a file and the log beside it were last written, and how long they were.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// The file, and what was read of it.
pub(super) struct File {
    path: PathBuf,
    stamp: Option<Stamp>,
    book: Book,
    protocols: HashMap<i64, String>,
    trouble: Option<String>,
    registry: Registry,
}

impl File {
    /// A file to look at; nothing is read yet.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            stamp: None,
            book: Book::new(),
            protocols: HashMap::new(),
            trouble: None,
            registry: Registry::embedded(),
        }
    }

    /// Why it cannot be read.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Reads it if it was written since the last time.
    pub(super) fn refresh(&mut self) {
        let stamp = self.stamp();
        if self.stamp == Some(stamp) {
            return;
        }
        match self.read() {
            Ok(()) => {
                self.stamp = Some(stamp);
                self.trouble = None;
            }
            // It is tried again at the next turn, and what was read before still holds.
            Err(error) => self.trouble = Some(exit::said(&error)),
        }
    }

    fn stamp(&self) -> Stamp {
        [&self.path, &store::beside(&self.path, "-wal")].map(|path| {
            let metadata = path.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }

    fn read(&mut self) -> Result<()> {
        let db = store::open_to_read(&self.path)?;
        let mut statement =
            db.prepare("SELECT mac, name, vendor, first_seen FROM device WHERE mac IS NOT NULL")?;
        let mut rows = statement.query([])?;
        let mut book = Book::new();
        while let Some(row) = rows.next()? {
            let mac: String = row.get(0)?;
            let Ok(mac) = mac.parse() else { continue };
            book.insert(mac, Known { name: row.get(1)?, vendor: row.get(2)?, first: First::At(row.get(3)?) });
        }
        self.protocols = db
            .prepare("SELECT number, name FROM protocol")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        self.book = book;
        Ok(())
    }

    /// What is known of these devices. Who is not in the file has at least a vendor.
    pub(super) fn book(&self, devices: impl Iterator<Item = MacAddr>) -> Book {
        devices.map(|mac| (mac, self.book.get(&mac).cloned().unwrap_or_else(|| self.stranger(mac)))).collect()
    }

    /// Named as the file will name it.
    fn stranger(&self, mac: MacAddr) -> Known {
        let text = mac.to_string();
        let vendor = self.registry.lookup(mac);
        let name = vendor.map(|vendor| format!("{} {}", short(vendor), text.get(9..).unwrap_or(&text)));
        let first = if self.stamp.is_some() { First::JustNow } else { First::Unknown };
        Known { name: name.unwrap_or(text), vendor: vendor.map(str::to_owned), first }
    }

    /// Conversations in words.
    pub(super) fn talks(&self, conversations: &[Conversation]) -> Vec<Talk> {
        conversations.iter().map(|conversation| self.talk(conversation)).collect()
    }

    fn talk(&self, conversation: &Conversation) -> Talk {
        let address = &conversation.endpoint;
        let endpoint = match address.parse::<MacAddr>() {
            Ok(mac) => {
                self.book.get(&mac).map_or_else(|| self.stranger(mac).name, |known| known.name.clone())
            }
            Err(_) if address.is_empty() => "(not IP)".to_owned(),
            // The daemon knows what this very device was told; the file would have what others were.
            Err(_) => conversation.name.clone().unwrap_or_else(|| address.clone()),
        };
        Talk {
            endpoint,
            named: conversation.name_source.clone(),
            service: self.service(conversation.protocol.into(), conversation.port.into()),
            up: conversation.bytes_up,
            down: conversation.bytes_down,
            last_seen: conversation.last_seen,
        }
    }

    /// `https`, `tcp 9443`, `icmp`.
    fn service(&self, protocol: i64, port: i64) -> String {
        if let Some(service) = names::service(protocol, port) {
            return service.to_owned();
        }
        let protocol = self.protocols.get(&protocol).cloned().unwrap_or_else(|| protocol.to_string());
        if port == 0 { protocol } else { format!("{protocol} {port}") }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::Store;

    fn file() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        Store::open(&path, None).unwrap().close().unwrap();
        Connection::open(&path)
            .unwrap()
            .execute_batch(
                "INSERT INTO device (id, mac, name, vendor, first_seen, last_seen)
                   VALUES (1, '02:00:00:00:00:01', 'hall camera', 'Espressif Inc.', 5, 6);
                 INSERT INTO endpoint (id, kind, address, name, last_day)
                   VALUES (5, 'remote', '203.0.113.8', 'of-another.example', 10)",
            )
            .unwrap();
        let file = File::new(&path);
        (folder, file)
    }

    fn conversation(endpoint: &str, protocol: u16, port: u16) -> Conversation {
        Conversation {
            endpoint: endpoint.into(),
            name: None,
            name_source: None,
            protocol,
            port,
            bytes_up: 1,
            bytes_down: 2,
            last_seen: 3,
        }
    }

    #[test]
    fn devices_have_the_names_of_the_file_and_strangers_those_of_their_vendor() {
        let (_folder, mut file) = file();
        file.refresh();
        let macs =
            ["02:00:00:00:00:01", "b8:27:eb:12:34:56", "02:00:00:00:00:09"].map(|m| m.parse().unwrap());
        let book = file.book(macs.into_iter());
        assert_eq!(book[&macs[0]].name, "hall camera");
        assert_eq!(book[&macs[0]].first, First::At(5));
        assert_eq!((&*book[&macs[1]].name, book[&macs[1]].first), ("Raspberry Pi 12:34:56", First::JustNow));
        assert_eq!(book[&macs[2]].name, "02:00:00:00:00:09");
    }

    #[test]
    fn endpoints_and_services_have_the_names_that_people_know() {
        let (_folder, mut file) = file();
        file.refresh();
        let named = Conversation {
            name: Some("cloud.example".into()),
            name_source: Some("sni".into()),
            ..conversation("203.0.113.7", 6, 443)
        };
        let talks = file.talks(&[
            named,
            conversation("203.0.113.8", 6, 9443),
            conversation("02:00:00:00:00:01", 1, 0),
            conversation("", 0x0806, 0),
        ]);
        assert_eq!(talks[0].named.as_deref(), Some("sni"));
        let shown: Vec<_> = talks.iter().map(|talk| (&*talk.endpoint, &*talk.service)).collect();
        assert_eq!(
            shown,
            [
                ("cloud.example", "https"),
                ("203.0.113.8", "tcp 9443"),
                ("hall camera", "icmp"),
                ("(not IP)", "arp")
            ]
        );
    }

    #[test]
    fn the_file_is_read_again_only_after_it_was_written() {
        let (_folder, mut file) = file();
        file.refresh();
        let first = file.stamp;
        file.refresh();
        assert_eq!(file.stamp, first);
        let db = Connection::open(&file.path).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; UPDATE device SET name = 'porch camera' WHERE id = 1")
            .unwrap();
        file.refresh();
        assert_eq!(file.book["02:00:00:00:00:01".parse::<MacAddr>().as_ref().unwrap()].name, "porch camera");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::new(&folder.path().join("none.db"));
        file.refresh();
        assert!(file.trouble().unwrap().contains("none.db"), "{:?}", file.trouble());
        file.refresh();
        assert_eq!(file.talks(&[conversation("203.0.113.7", 6, 443)])[0].endpoint, "203.0.113.7");
        let mac: MacAddr = "02:00:00:00:00:01".parse().unwrap();
        assert_eq!(file.book([mac].into_iter())[&mac].first, First::Unknown);
        Store::open(&file.path.clone(), None).unwrap().close().unwrap();
        file.refresh();
        assert_eq!(file.trouble(), None);
        assert_eq!(file.book([mac].into_iter())[&mac].first, First::JustNow);
    }
}
