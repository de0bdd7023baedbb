//! A LAN of network namespaces on which the daemon runs: hosts `a` and `b`, and a router `r` with a make-believe
//! internet behind it, all on the bridge `br0` in the namespace `tap`. The bridge has no address, says nothing by
//! itself, and sends everything everywhere, like a hub; it is where the daemon listens if nothing else is said.
//!
//! Nothing here touches an interface of the machine, and everything goes when the [`Lab`] does.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{ROOT, lanscribe, open, skip};

/// The interface to listen on.
pub(crate) const BRIDGE: &str = "br0";
/// A port of the bridge with nobody behind it, where all frames go out. While somebody wants frames stamped (`stamp` of
/// traffic.py) every listener here is given the same stamp of a frame. Not so on the bridge: TCP's frames carry a time
/// of their own there, instead of which each listener's socket looks at the clock.
pub(crate) const MIRROR: &str = "mirror";
/// The hosts: their name, and the last byte of their MAC and IP addresses.
pub(crate) const HOSTS: [(&str, u8); 3] = [("r", 1), ("a", 10), ("b", 20)];
/// What the traffic is made with.
const PROGRAMS: [&str; 6] = ["ip", "ethtool", "tcpdump", "python3", "setpriv", "sqlite3"];
/// How long anything is waited for that takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The MAC address of a host.
pub(crate) fn mac(number: u8) -> String {
    format!("52:54:00:77:00:{number:02x}")
}

/// The IPv4 address of a host.
pub(crate) fn ipv4(number: u8) -> String {
    format!("192.168.77.{number}")
}

/// Waits for something, looking again every few milliseconds.
pub(crate) fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < patience, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a child that still runs.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the process is there");
}

/// The LAN. Its ports are closed until [`Lab::connect`]: until then the bridge sees nothing.
pub(crate) struct Lab {
    /// How the names of its namespaces begin.
    prefix: String,
    /// For files.
    pub(crate) folder: tempfile::TempDir,
    daemons: AtomicUsize,
}

impl Lab {
    /// Makes the LAN for the test of that name, which is skipped (`None`) where that cannot be done.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let lab = Self::bare(test)?;
        lab.build();
        Some(lab)
    }

    /// Makes only the namespace `tap`, where the daemon runs, for a LAN of another shape.
    pub(crate) fn bare(test: &str) -> Option<Self> {
        static LABS: AtomicUsize = AtomicUsize::new(0);
        if !rustix::process::geteuid().is_root() {
            skip(test, "needs root, for network namespaces");
            return None;
        }
        if let Some(missing) = PROGRAMS.iter().find(|program| !is_installed(program)) {
            skip(test, &format!("needs {missing}"));
            return None;
        }
        sweep();
        let prefix = format!("ls{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new().prefix("lab").tempdir().unwrap();
        let lab = Self { prefix, folder, daemons: AtomicUsize::new(0) };
        let tap = Command::new("ip").args(["netns", "add", &lab.namespace("tap")]).output().unwrap();
        if !tap.status.success() {
            skip(
                test,
                &format!("no network namespaces here: {}", String::from_utf8_lossy(&tap.stderr).trim()),
            );
            return None;
        }
        std::fs::write(lab.folder.path().join("synchronized"), "").unwrap();
        Some(lab)
    }

    fn build(&self) {
        self.sysctl("tap", "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        // Not on every machine: without the module nothing is meddled with anyway.
        let _ = self
            .command("tap", "sysctl")
            .args(["-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0"])
            .output();
        self.ip("tap", "link set lo up");
        self.ip(
            "tap",
            "link add br0 address 52:54:00:77:00:fe type bridge stp_state 0 mcast_snooping 0 ageing_time 0",
        );
        // Without any port the bridge's link would be down.
        self.ip("tap", "link add mirror type veth peer name mirror-end");
        for link in ["mirror master br0", "mirror up", "mirror-end up", "br0 up"] {
            self.ip("tap", &format!("link set {link}"));
        }
        for (host, number) in HOSTS {
            self.add_host(host, number);
        }
        for range in ["203.0.113.0/24", "2001:db8:77::/64"] {
            self.ip("r", &format!("route add local {range} dev lo"));
        }
        for host in ["a", "b"] {
            self.ip(host, "route add default via 192.168.77.1");
            self.ip(host, "-6 route add default via fd77::1");
        }
    }

    fn add_host(&self, host: &str, number: u8) {
        self.add_namespace(host);
        self.add_cable(("tap", &format!("port-{host}")), (host, "eth0"), &mac(number));
        self.ip(host, &format!("addr add {}/24 broadcast 192.168.77.255 dev eth0", ipv4(number)));
        self.ip(host, &format!("addr add fd77::{number}/64 dev eth0 nodad"));
    }

    /// Makes the namespace of a host that is not there yet.
    pub(crate) fn add_namespace(&self, host: &str) {
        done(Command::new("ip").args(["netns", "add", &self.namespace(host)]));
        self.settle(host);
        self.ip(host, "link set lo up");
    }

    /// Has every address of a host there at once: nobody looks for another one with the same.
    pub(crate) fn settle(&self, host: &str) {
        self.sysctl(
            host,
            "net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0 net.ipv4.icmp_ratelimit=0 \
             net.ipv6.icmp.ratelimit=0 net.ipv6.conf.default.router_solicitations=0",
        );
    }

    /// Plugs a cable from a host's new interface to another's, which has this MAC address, and switches both on.
    pub(crate) fn add_cable(&self, near: (&str, &str), far: (&str, &str), mac: &str) {
        let namespace = self.namespace(far.0);
        let link =
            format!("link add {} type veth peer name {} address {mac} netns {namespace}", near.1, far.1);
        self.ip(near.0, &link);
        // Frames as they are on a cable: none that the sending side leaves for others to cut or to sum.
        for (place, link) in [near, far] {
            done(self.command(place, "ethtool").args(["-K", link, "tx", "off", "gso", "off", "gro", "off"]));
        }
        for (place, link) in [far, near] {
            self.ip(place, &format!("link set {link} up"));
        }
    }

    /// The name of the namespace of a host, or of `tap`.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// A program to be run on a host.
    pub(crate) fn command(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host), program]);
        command
    }

    /// Runs `ip` on a host, with arguments parted by spaces.
    pub(crate) fn ip(&self, host: &str, arguments: &str) {
        done(Command::new("ip").args(["-n", &self.namespace(host)]).args(arguments.split_whitespace()));
    }

    /// Sets what `sysctl` calls NAME=VALUE on a host, several of them parted by spaces.
    pub(crate) fn sysctl(&self, host: &str, settings: &str) {
        done(self.command(host, "sysctl").arg("-qw").args(settings.split_whitespace()));
    }

    /// Opens the ports of all hosts: from here on the bridge sees what they say.
    pub(crate) fn connect(&self) {
        for (host, _) in HOSTS {
            self.ip("tap", &format!("link set port-{host} master br0"));
        }
        until("the ports to forward", PATIENCE, || {
            let links = done(Command::new("ip").args(["-n", &self.namespace("tap"), "-d", "link", "show"]));
            let links = String::from_utf8_lossy(&links.stdout).into_owned();
            // One more for the mirror.
            (links.matches("state forwarding").count() == HOSTS.len() + 1).then_some(())
        });
    }

    /// Closes them: from here on the bridge sees nothing.
    pub(crate) fn disconnect(&self) {
        for (host, _) in HOSTS {
            self.ip("tap", &format!("link set port-{host} nomaster"));
        }
    }

    /// A run of `tests/support/traffic.py` on a host, with arguments parted by spaces.
    pub(crate) fn traffic(&self, host: &str, arguments: &str) -> Command {
        let mut command = self.command(host, python());
        command.arg(Path::new(ROOT).join("tests/support/traffic.py")).args(arguments.split_whitespace());
        command
    }

    /// Sends this many UDP datagrams of 100 bytes from a host to port 9 of an address, which may be a group's or the
    /// broadcast address, and waits until they are on their way.
    pub(crate) fn send(&self, from: &str, to: &str, datagrams: usize) {
        done(&mut self.traffic(from, &format!("send {to} {datagrams}")));
    }

    /// The text of a configuration for this lab: listening on the bridge, a file and a socket in the folder, UTC, and a
    /// clock that is right, says the file `synchronized`. `extra`
    /// are lines like `store.flush = "10s"`, which replace lines of that key.
    pub(crate) fn config(&self, extra: &str) -> String {
        let folder = self.folder.path().display();
        let usual = format!(
            "capture.interface = \"{BRIDGE}\"\nstore.file = \"{folder}/lanscribe.db\"\ncontrol.socket = \"{folder}/socket\"\n\
             site.time_zone = \"UTC\"\nvendor.registry = \"builtin\"\nclock.mark = \"{folder}/synchronized\"\n"
        );
        let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
        let replaced: Vec<_> = extra.lines().filter_map(key).collect();
        let kept = usual.lines().filter(|line| key(line).is_none_or(|key| !replaced.contains(&key)));
        kept.chain(extra.lines()).map(|line| format!("{}\n", line.trim())).collect()
    }

    /// Starts `lanscribe run` where the bridge is, and waits until it answers.
    pub(crate) fn daemon(&self, extra: &str) -> Daemon {
        let mut daemon = self.start(&self.config(extra), &[]);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts `lanscribe run` with this configuration, and does not wait for anything. The command may be wrapped, as
    /// in `["setpriv", "--reuid=65534"]`.
    pub(crate) fn start(&self, config: &str, wrapper: &[&str]) -> Daemon {
        let n = self.daemons.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{n}.toml"));
        std::fs::write(&path, config).unwrap();
        let value = |key: &str| {
            let line = config.lines().find(|line| line.starts_with(key)).expect("the key is given");
            PathBuf::from(line.split('"').nth(1).expect("a text"))
        };
        let (db, socket) = (value("store.file"), value("control.socket"));
        let process = Listened::to(&mut self.run(&path, wrapper));
        Daemon { process, config: path, db, socket, given: Vec::new() }
    }

    /// The same with a file as it stands, whatever it says of the database and the socket: these are in the folder.
    /// `interfaces` stand in place of the file's, if there are any.
    pub(crate) fn start_file(&self, config: &Path, interfaces: &[&str], wrapper: &[&str]) -> Daemon {
        let n = self.daemons.fetch_add(1, Ordering::Relaxed);
        let place = |end: &str| self.folder.path().join(format!("{n}.{end}"));
        let (db, socket) = (place("db"), place("socket"));
        let given: Vec<OsString> =
            vec!["--socket".into(), socket.clone().into(), "--db".into(), db.clone().into()];
        let mut command = self.run(config, wrapper);
        command.args(&given).args(interfaces.iter().flat_map(|name| ["--interface", name]));
        Daemon { process: Listened::to(&mut command), config: config.to_owned(), db, socket, given }
    }

    /// `lanscribe run` where the bridge is, as this file says.
    fn run(&self, config: &Path, wrapper: &[&str]) -> Command {
        let mut command = self.command("tap", wrapper.first().copied().unwrap_or("env"));
        command
            .args(wrapper.iter().skip(1))
            .arg(lanscribe().get_program())
            .args(["run", "--config"])
            .arg(config);
        command.env("TZ", "UTC").env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Starts a tcpdump beside the daemon that writes all frames of an interface into a file, up to `snaplen` bytes of
    /// each, and waits until it listens.
    pub(crate) fn witness(&self, interface: &str, file: &str, snaplen: u32) -> Witness {
        self.witness_at("tap", interface, file, snaplen)
    }

    /// The same on another host.
    pub(crate) fn witness_at(&self, host: &str, interface: &str, file: &str, snaplen: u32) -> Witness {
        let path = self.folder.path().join(file);
        let mut command = self.command(host, "tcpdump");
        command.args(["-i", interface, "-n", "-s", &snaplen.to_string(), "-B", "65536", "-Z", "root", "-w"]);
        let process = Listened::to(command.arg(&path));
        until("tcpdump to listen", PATIENCE, || process.said().contains("listening on").then_some(()));
        Witness { process, path }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let mine = self.namespace("");
        for name in namespaces().iter().filter(|name| name.starts_with(&mine)) {
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

/// Removes what test runs that were killed left behind.
fn sweep() {
    for name in namespaces() {
        let process = name.strip_prefix("ls").and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
        }
    }
}

/// The names of all namespaces of the machine.
fn namespaces() -> Vec<String> {
    let list =
        Command::new("ip").args(["netns", "list"]).output().map(|output| output.stdout).unwrap_or_default();
    let list = String::from_utf8_lossy(&list).into_owned();
    list.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

pub(crate) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// The system's Python: one that is put before it in the PATH may be slow to start.
pub(crate) fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// Runs a command that must succeed.
pub(crate) fn done(command: &mut Command) -> Output {
    let output = command.output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A process whose standard error is collected. It is killed when it is dropped.
pub(crate) struct Listened {
    pub(crate) child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Listened {
    /// Starts it.
    pub(crate) fn to(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, text) = (child.stderr.take().expect("it is piped"), Arc::clone(&said));
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                let mut text = text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { child, said, listener: Some(listener) }
    }

    /// What it said up to now.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let status = until("the process to end", patience, || self.child.try_wait().expect("it is a child"));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        status
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A `lanscribe run`.
pub(crate) struct Daemon {
    pub(crate) process: Listened,
    pub(crate) config: PathBuf,
    /// The file that it writes.
    pub(crate) db: PathBuf,
    pub(crate) socket: PathBuf,
    /// What its command line says in place of the configuration, which all that ask it must say too.
    pub(crate) given: Vec<OsString>,
}

/// What became of a daemon.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// What it said on standard error.
    pub(crate) said: String,
}

impl Ended {
    /// Its exit status, or 128 and the signal that killed it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

impl Daemon {
    /// Waits until it answers.
    pub(crate) fn wait_until_ready(&mut self) {
        until("the daemon to answer", PATIENCE, || {
            let ended = self.process.child.try_wait().expect("it is a child");
            assert!(ended.is_none(), "the daemon ended: {}", self.process.said());
            (self.status().1 < 3).then_some(())
        });
    }

    /// A command that is about it, like `["label", "a", "b"]`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = lanscribe();
        command.args(arguments).arg("--config").arg(&self.config).args(&self.given);
        command
    }

    /// What `lanscribe status --json` answers, and its exit status.
    pub(crate) fn status(&self) -> (Value, i32) {
        let output = self.command(&["status", "--json"]).output().expect("the program runs");
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (answer, output.status.code().unwrap_or(-1))
    }

    /// Its file, which is open for reading.
    pub(crate) fn db(&self) -> Connection {
        open(&self.db)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(self) -> Ended {
        signal(&self.process.child, Signal::TERM);
        self.wait()
    }

    /// Kills it.
    pub(crate) fn kill(self) -> Ended {
        signal(&self.process.child, Signal::KILL);
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.process.wait(Duration::from_secs(60));
        Ended { status, said: self.process.said() }
    }
}

/// A tcpdump.
pub(crate) struct Witness {
    process: Listened,
    pub(crate) path: PathBuf,
}

impl Witness {
    /// Waits until it has written all that the kernel counted for it, which must come to an end, and ends it. Returns
    /// how many frames there were, of which none was lost.
    pub(crate) fn stop(mut self) -> u64 {
        until("tcpdump to write everything", PATIENCE, || {
            let before = self.process.said().matches("dropped by kernel").count();
            signal(&self.process.child, Signal::USR1);
            until("tcpdump's counts", PATIENCE, || {
                (self.process.said().matches("dropped by kernel").count() > before).then_some(())
            });
            self.counts().filter(|[captured, received, dropped]| captured + dropped == *received)
        });
        signal(&self.process.child, Signal::TERM);
        let status = self.process.wait(PATIENCE);
        assert!(status.success(), "{}", self.process.said());
        let [captured, received, dropped] = self.counts().expect("it says what it counted");
        assert_eq!((captured, dropped), (received, 0), "{}", self.process.said());
        captured
    }

    /// Frames captured, received by the filter and dropped by the kernel, as it said last.
    fn counts(&self) -> Option<[u64; 3]> {
        let said = self.process.said();
        let last = |verb: &str| {
            said.split([',', '\n']).rev().find_map(|part| {
                let words: Vec<_> = part.trim().trim_start_matches("tcpdump: ").split(' ').collect();
                let [number, "packet" | "packets", first, ..] = words[..] else { return None };
                if first == verb { number.parse().ok() } else { None }
            })
        };
        Some([last("captured")?, last("received")?, last("dropped")?])
    }
}
