//! `lanscribe watch` in a real terminal: a tmux of its own, in front of a daemon that is made up.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{lanscribe, open, place, read, rows, said, sample, skip};

/// How long something may take to come on the screen of a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A device that is not in the file.
const STRANGER: &str = "b8:27:eb:12:34:56";

/// Answers as the daemon does, from a thread, until it is dropped. Its socket is removed then.
struct Daemon {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts with these devices, of which the first moves 1 MB each second, and each other one a tenth of the one
    /// before it.
    fn start(socket: &Path, pid: u32, file: &Path, devices: &[String]) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let answers = Answers {
            start: Instant::now(),
            since: jiff::Timestamp::now().as_millisecond(),
            pid,
            file: file.display().to_string(),
            devices: devices.to_vec(),
        };
        let (stopped, questions) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap_or_default();
                let request: Value = serde_json::from_str(&line).unwrap_or_default();
                questions.lock().unwrap().push(request["request"].as_str().unwrap_or("?").to_owned());
                let answer = json!({ "ok": answers.answer(&request) });
                // Who asked may be gone.
                let _ = writeln!(stream, "{answer}");
            }
        });
        Self { socket: socket.to_owned(), stop, asked, thread: Some(thread) }
    }

    /// How often each question was asked since the last time.
    fn asked(&self, request: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == request).count()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = std::os::unix::net::UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

struct Answers {
    start: Instant,
    since: i64,
    pid: u32,
    file: String,
    devices: Vec<String>,
}

impl Answers {
    fn answer(&self, request: &Value) -> Value {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap();
        let now = jiff::Timestamp::now().as_millisecond();
        match request["request"].as_str() {
            Some("status") => json!({
                "health": "degraded", "warnings": ["eth9: the link is down"], "version": "0.1.0", "pid": self.pid,
                "site": null, "since": self.since, "now": now,
                "interfaces": [{"name": "eth9", "link_type": "Ethernet", "link": "down", "packets": 5, "bytes": 6,
                    "received": 7, "dropped": 8, "interface_dropped": 0, "last_packet": now}],
                "packets": 5, "bytes": millis * 1_250, "packets_per_second": 4_321, "dropped": 8,
                "interface_dropped": 0, "ring": 8 << 20, "devices": self.devices.len(), "open_flows": 3, "limits": [],
                "sight": {"sampled": 0, "others": 0.0, "own": 0.0, "group": 0.0, "twice": 0.0}, "clock": "synced",
                "store": {"file": self.file, "bytes": 1_200_000, "wal_bytes": 0, "last_write": now - 65_000,
                    "rows": 9, "last_write_ms": 12, "next_write": now + 1_000, "waiting": null, "pending_rows": 4},
            }),
            Some("traffic") => {
                let device = |(n, mac): (usize, &String)| {
                    let sent = millis * 1_000 / 10_u64.pow(u32::try_from(n).unwrap());
                    json!({"mac": mac, "frames_sent": 1, "bytes_sent": sent, "frames_received": 1,
                        "bytes_received": sent / 100, "last_seen": now})
                };
                self.devices.iter().enumerate().map(device).collect()
            }
            Some("talks") => {
                let talk = |endpoint: &str, port: u16| {
                    json!({"endpoint": endpoint, "protocol": 6, "port": port, "bytes_up": 12_345, "bytes_down": 678,
                        "last_seen": now})
                };
                // Of the device itself, so that the screen tells whose they are.
                json!([talk(request["device"].as_str().unwrap(), 443), talk("198.51.100.250", 9_443)])
            }
            _ => panic!("{request}"),
        }
    }
}

/// A tmux server of its own with one shell in it, ended when it is dropped.
struct Terminal {
    /// Where its socket is: tmux leaves it behind.
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Has the size of a window that somebody opens, and a plain shell.
    fn open() -> Self {
        let terminal = Self { folder: tempfile::tempdir().unwrap() };
        let mut start = terminal.command();
        start.args([
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
            "env",
            "PS1=$ ",
            "sh",
        ]);
        start.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env_remove("TMUX").env_remove("NO_COLOR");
        let output = start.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        terminal
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("tmux"));
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a command and Enter.
    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.keys(&["Enter"]);
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns it.
    fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "{what}:\n{text}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for(&self, words: &str) -> String {
        self.wait(words, |text| text.contains(words))
    }

    /// The terminal is as a shell needs it: no raw mode, no other screen, a cursor.
    fn assert_sane(&self) {
        self.enter("clear; echo sane-$((6 * 7)); stty -a");
        let text = self.wait_for("sane-42");
        let text = if text.contains("echoe") { text } else { self.wait_for("echoe") };
        for mode in ["icanon", "echo", "isig", "opost", "icrnl"] {
            let is_set = text.split_whitespace().any(|word| word.trim_end_matches(';') == mode);
            assert!(is_set, "{mode}:\n{text}");
        }
        assert_eq!(self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim(), "0 1");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

/// A home that was captured, and its devices, those that moved most first.
struct Home {
    folder: tempfile::TempDir,
    db: PathBuf,
    names: Vec<String>,
    macs: Vec<String>,
}

impl Home {
    fn new() -> Self {
        let (folder, db) = place();
        let output = read(&["--db".into(), db.clone(), "--quiet".into(), sample("home.pcap")]);
        assert!(output.status.success(), "{}", said(&output));
        let file: Connection = open(&db);
        // Known for long, whenever the sample was taken.
        file.execute_batch("UPDATE device SET first_seen = 0").unwrap();
        let devices =
            rows(&file, "SELECT name, mac FROM device WHERE id > 0 ORDER BY bytes_sent DESC LIMIT 3");
        let (names, mut macs): (Vec<String>, Vec<String>) =
            devices.into_iter().map(|row| (row[0].clone(), row[1].clone())).unzip();
        macs.push(STRANGER.to_owned());
        Self { folder, db, names, macs }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn daemon(&self, pid: u32) -> Daemon {
        Daemon::start(&self.socket(), pid, &self.db, &self.macs)
    }

    fn watch(&self) -> String {
        let program = env!("CARGO_BIN_EXE_lanscribe");
        format!("{program} watch --socket {} --db {}", self.socket().display(), self.db.display())
    }

    fn refused(&self, socket: &Path) -> Output {
        lanscribe().arg("watch").arg("--socket").arg(socket).arg("--db").arg(&self.db).output().unwrap()
    }
}

/// Whether there is a tmux; says that the test did not run if not.
fn is_there(test: &str) -> bool {
    let is_there = Command::new("tmux").arg("-V").output().is_ok();
    if !is_there {
        skip(test, "needs tmux (apt-get install tmux)");
    }
    is_there
}

/// The line of the screen with these words.
fn line<'a>(text: &'a str, words: &str) -> &'a str {
    text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}:\n{text}"))
}

#[test]
fn the_network_is_watched_in_a_terminal() {
    if !is_there("the_network_is_watched_in_a_terminal") {
        return;
    }
    let home = Home::new();
    let daemon = home.daemon(4_711);
    let terminal = Terminal::open();
    terminal.enter(&home.watch());

    // Rates come with the second sample.
    let is_first = |line: &str| line.contains(&home.names[0]) && line.contains('█');
    let text = terminal.wait("rates", |text| text.lines().any(is_first));
    assert!(text.starts_with("DEGRADED  8 dropped  4,321 packets/s"), "{text}");
    assert!(text.contains("Mbit/s") && text.contains("on eth9 (down)"), "{text}");
    assert!(text.contains("x.db 1.2 MB, written 1m05s ago"), "{text}");
    assert!(text.contains("\n! eth9: the link is down\n"), "{text}");
    let first = line(&text, &home.names[0]);
    assert!(first.starts_with(&format!(">     {}", home.names[0])), "{text}");
    assert!(first.contains('█') && first.ends_with(" now"), "{text}");
    assert!(line(&text, "Raspberry Pi 12:34:56").starts_with("  new Raspberry Pi 12:34:56"), "{text}");
    let order: Vec<usize> = home.names.iter().map(|name| text.find(&**name).unwrap()).collect();
    assert!(order.is_sorted(), "{text}");

    // The talks are those of the chosen device, which stays chosen when the order changes.
    let text = terminal.wait_for("198.51.100.250");
    assert!(text.contains(&format!("TALKS OF {}\n", home.names[0])), "{text}");
    assert!(line(&text, "198.51.100.250").contains(" tcp 9443 "), "{text}");
    assert!(line(&text, "198.51.100.250").contains(" 12.3 kB   678 B"), "{text}");
    terminal.keys(&["j", "Down", "k"]);
    let talk = format!("  {}", home.names[1]);
    let text = terminal.wait("the talks of the second", |text| {
        text.lines().any(|line| line.starts_with(&talk) && line.contains(" https "))
    });
    assert!(text.contains(&format!("TALKS OF {}\n", home.names[1])), "{text}");
    terminal.keys(&["s", "s"]);
    let text = terminal.wait_for("s sort: name");
    assert!(text.contains(&format!("> {:4}{}", "", home.names[1])), "{text}");

    terminal.keys(&["n"]);
    let text = terminal.wait_for("DEVICE (1 of 4)");
    assert!(text.contains("> new Raspberry Pi 12:34:56"), "{text}");
    terminal.keys(&["n", "/"]);
    terminal.keys(&["-l", "zzz"]);
    terminal.wait_for("/zzz_  Enter keeps it");
    terminal.wait_for("DEVICE (0 of 4)");
    terminal.keys(&["Escape"]);
    terminal.wait_for("DEVICE (4)");
    terminal.keys(&["?"]);
    terminal.wait_for("four times as much");
    terminal.keys(&["?"]);
    terminal.wait_for("DEVICE (4)");

    terminal.keys(&["p"]);
    terminal.wait_for("PAUSED");
    thread::sleep(Duration::from_millis(300));
    let before = daemon.asked("traffic");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(daemon.asked("traffic"), before, "who pauses asks nothing");
    terminal.keys(&["p"]);
    terminal.wait("no pause", |text| !text.contains("PAUSED"));

    // Another size is another layout.
    terminal.tmux(&["resize-window", "-x", "140", "-y", "20"]);
    terminal.wait("talks beside", |text| {
        text.lines().any(|line| line.contains("DEVICE (4)") && line.contains("TALKS OF"))
    });
    terminal.tmux(&["resize-window", "-x", "100", "-y", "30"]);

    // The daemon stops and comes again.
    drop(daemon);
    let text = terminal.wait_for("NO ANSWER for");
    assert!(text.contains("! ") && text.contains("the daemon does not run"), "{text}");
    assert!(text.contains(&home.names[0]), "{text}");
    let daemon = home.daemon(4_712);
    let text = terminal.wait_for("started anew");
    assert!(!text.contains("NO ANSWER"), "{text}");
    let before = (daemon.asked("status"), daemon.asked("traffic"), daemon.asked("talks"));
    thread::sleep(Duration::from_secs(3));
    let turns = |now: usize, before: usize| (1..=5).contains(&(now - before));
    assert!(turns(daemon.asked("status"), before.0), "one of each in a second");
    assert!(turns(daemon.asked("traffic"), before.1) && turns(daemon.asked("talks"), before.2));

    // Nothing keeps the file open, which would hinder the daemon when it stops.
    let held = |db: &Path| {
        let text = terminal.tmux(&["list-panes", "-F", "#{pane_pid}"]);
        let of_shell = format!("/proc/{}/task/{0}/children", text.trim());
        let watching = std::fs::read_to_string(of_shell).unwrap_or_default();
        let open = std::fs::read_dir(format!("/proc/{}/fd", watching.trim())).unwrap();
        open.flatten().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == db))
    };
    assert!(!held(&home.db.canonicalize().unwrap()));

    terminal.keys(&["q"]);
    terminal.wait("the end", |text| !text.contains("DEVICE"));
    terminal.assert_sane();
    terminal.enter("clear; echo exit-$?");
    terminal.wait_for("exit-0");
}

#[test]
fn a_signal_gives_the_terminal_back_and_no_color_is_none() {
    if !is_there("a_signal_gives_the_terminal_back_and_no_color_is_none") {
        return;
    }
    let home = Home::new();
    let _daemon = home.daemon(4_711);
    let terminal = Terminal::open();
    let pid = home.folder.path().join("pid");
    for (environment, signal, status) in [("", "TERM", 143), ("NO_COLOR=1 ", "INT", 130)] {
        terminal.enter(&format!(
            "clear; {environment}sh -c 'echo $$ > {}; exec {}'; echo exit-$?",
            pid.display(),
            home.watch()
        ));
        terminal.wait_for("> ");
        terminal.wait_for("new Raspberry Pi");
        let coloured = terminal.tmux(&["capture-pane", "-p", "-e"]).contains("\u{1b}[38;5;2m");
        assert_eq!(coloured, environment.is_empty());
        let number = std::fs::read_to_string(&pid).unwrap();
        assert!(Command::new("kill").args(["-s", signal, number.trim()]).status().unwrap().success());
        terminal.wait_for(&format!("exit-{status}"));
        terminal.assert_sane();
    }
}

#[test]
fn without_a_terminal_or_a_daemon_it_says_what_to_do() {
    let home = Home::new();
    let output = home.refused(&home.socket());
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    let said = said(&output);
    assert!(said.contains("lanscribe status") && said.contains("lanscribe devices"), "{said}");
    if !is_there("without_a_terminal_or_a_daemon_it_says_what_to_do") {
        return;
    }
    let terminal = Terminal::open();
    terminal.enter(&format!("clear; {}; echo exit-$?", home.watch()));
    let text = terminal.wait_for("exit-69");
    assert!(text.contains("the daemon does not run"), "{text}");
    terminal.enter(&format!("clear; TERM=dumb {}; echo exit-$?", home.watch()));
    terminal.wait_for("exit-64");
    terminal.enter(&format!("clear; {} --interval 61; echo exit-$?", home.watch()));
    terminal.wait_for("exit-64");
    terminal.assert_sane();
}

#[test]
fn a_terminal_that_is_gone_takes_the_screen_with_it() {
    if !is_there("a_terminal_that_is_gone_takes_the_screen_with_it") {
        return;
    }
    let home = Home::new();
    let _daemon = home.daemon(4_711);
    let terminal = Terminal::open();
    // Its own process, so that no shell waits for it and passes the news on.
    terminal.enter(&format!("exec {}", home.watch()));
    terminal.wait_for("DEVICE (4)");
    let pid = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let process = PathBuf::from("/proc").join(pid.trim());
    assert!(process.exists());
    drop(terminal);
    let start = Instant::now();
    while process.exists() {
        assert!(start.elapsed() < PATIENCE, "it goes on without a terminal");
        thread::sleep(Duration::from_millis(50));
    }
}
