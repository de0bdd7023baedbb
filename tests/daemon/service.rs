//! What a service manager hears: when it is ready, what it does, and that it lives as long as it does.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::lab::{Daemon, Lab, PATIENCE, python, signal, until};

/// In which time a sign of life is due: it comes three times as often, and a busy capture looks at the clock each second.
const DUE: Duration = Duration::from_secs(3);
/// After this time without a look at the clock, and a sign of life that was on its way, none comes any more.
const HANGS: Duration = Duration::from_secs(6);

/// A service manager.
struct Ear {
    socket: UnixDatagram,
    /// All that was heard.
    said: Vec<String>,
}

impl Ear {
    /// Starts a daemon in its care.
    fn start(lab: &Lab, config: &str) -> (Self, Daemon) {
        let path = lab.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let place = format!("NOTIFY_SOCKET={}", path.display());
        let watchdog = format!("WATCHDOG_USEC={}", DUE.as_micros());
        let daemon = lab.start(config, &["env", &place, &watchdog]);
        (Self { socket, said: Vec::new() }, daemon)
    }

    /// Takes what was said since the last time.
    fn hear(&mut self) -> Vec<String> {
        let mut bytes = [0; 4_096];
        let mut new = Vec::new();
        while let Ok(length) = self.socket.recv(&mut bytes) {
            new.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        self.said.extend(new.clone());
        new
    }

    /// Waits for a message with all of these lines' beginnings.
    fn wait_for(&mut self, lines: &[&str]) -> String {
        let heard = |message: &String| {
            lines.iter().all(|line| message.lines().any(|of_message| of_message.starts_with(line)))
        };
        until(&format!("{lines:?}"), PATIENCE, || self.hear().into_iter().find(heard))
    }

    /// How many signs of life come in a time in which a host speaks.
    fn signs(&mut self, lab: &Lab, time: Duration) -> usize {
        let since = Instant::now();
        let mut signs = 0;
        while since.elapsed() < time {
            lab.send("a", "192.168.77.255", 5);
            signs += self.hear().iter().filter(|message| message.contains("WATCHDOG=1")).count();
        }
        signs
    }
}

/// Holds one thread of a process still, as nothing that is sent to a process can.
struct Held(Child);

impl Held {
    fn hold(thread: u32) -> Self {
        // PTRACE_SEIZE and PTRACE_INTERRUPT. What is held goes on when who holds it ends.
        const HOLD: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
thread = int(sys.argv[1])
for request in (0x4206, 0x4207):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(thread, 0x40000000)
print('held', flush=True)
sys.stdin.read()";
        let mut command = Command::new(python());
        command.args(["-c", HOLD, &thread.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn release(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A thread of the daemon, by its name.
fn thread(daemon: &Daemon, name: &str) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let found = tasks.filter_map(|task| {
        let task = task.unwrap();
        let is = std::fs::read_to_string(task.path().join("comm")).unwrap().trim() == name;
        is.then(|| task.file_name().to_str().unwrap().parse().unwrap())
    });
    found.last().unwrap()
}

#[test]
fn the_service_manager_hears_signs_of_life_only_while_the_capture_goes_on() {
    let Some(lab) = Lab::new("the_service_manager_hears_signs_of_life_only_while_the_capture_goes_on") else {
        return;
    };
    lab.connect();
    let (mut ear, daemon) = Ear::start(&lab, &lab.config(""));
    ear.wait_for(&["READY=1", "STATUS=capturing on br0"]);
    assert_eq!(daemon.status().1, 0, "who is ready answers");
    assert!(ear.signs(&lab, DUE) >= 2, "{:?}", ear.said);

    let held = Held::hold(thread(&daemon, "capture"));
    ear.signs(&lab, HANGS);
    assert_eq!(ear.signs(&lab, DUE), 0, "{:?}", ear.said);
    assert!(daemon.process.said().contains("the capture thread does not go on"), "{}", daemon.process.said());
    held.release();
    assert!(ear.signs(&lab, DUE) >= 1, "{:?}", ear.said);

    signal(&daemon.process.child, Signal::HUP);
    let said = ear.wait_for(&["RELOADING=1", "MONOTONIC_USEC="]);
    let micros: u128 =
        said.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap().parse().unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    #[allow(clippy::cast_precision_loss)]
    let apart = uptime - micros as f64 / 1e6;
    assert!((-1.0..60.0).contains(&apart), "{said}, {uptime} s after the start");
    if !ear.said.last().unwrap().contains("READY=1") {
        ear.wait_for(&["READY=1"]);
    }
    signal(&daemon.process.child, Signal::TERM);
    ear.wait_for(&["STOPPING=1"]);
    assert_eq!(daemon.wait().code(), 0);
}

#[test]
fn a_service_that_waits_for_its_interface_is_ready_and_says_so() {
    let Some(lab) = Lab::new("a_service_that_waits_for_its_interface_is_ready_and_says_so") else { return };
    let (mut ear, daemon) = Ear::start(&lab, &lab.config("capture.interface = \"later0\""));
    ear.wait_for(&["READY=1", "STATUS=waiting for later0"]);
    let (status, code) = daemon.status();
    assert_eq!(code, 1, "who is ready answers: {status}");
    ear.wait_for(&["WATCHDOG=1"]);
    signal(&daemon.process.child, Signal::HUP);
    let said = ear.wait_for(&["RELOADING=1"]);
    assert!(said.contains("MONOTONIC_USEC="), "{said}");
    lab.ip("tap", "link add later0 type veth peer name later1");
    lab.ip("tap", "link set later0 up");
    ear.wait_for(&["READY=1", "STATUS=capturing on later0"]);
    ear.wait_for(&["WATCHDOG=1"]);
    assert_eq!(daemon.stop().code(), 0);
    ear.hear();
    assert!(ear.said.last().unwrap().contains("STOPPING=1"), "{:?}", ear.said);
}

#[test]
fn the_journal_is_told_the_rank_of_each_line_and_nobody_else_is() {
    let Some(lab) = Lab::new("the_journal_is_told_the_rank_of_each_line_and_nobody_else_is") else { return };
    for (stream, begins) in [
        ("$(stat -L -c %d:%i /dev/fd/2)", "<4> WARN there is no interface"),
        ("8:27", " WARN there is no interface"),
    ] {
        let run = format!("export JOURNAL_STREAM={stream}; exec \"$0\" \"$@\"");
        let daemon = lab.start(&lab.config("capture.interface = \"later0\""), &["sh", "-c", &run, "env"]);
        let said = until("a warning", PATIENCE, || {
            Some(daemon.process.said()).filter(|said| said.contains("waiting for it"))
        });
        assert!(said.starts_with(begins), "{said}");
        assert_eq!(daemon.stop().code(), 0);
    }
}
