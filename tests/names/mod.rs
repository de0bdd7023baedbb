//! What devices are called and what they talk to, held against the programs that real devices run: what these know of
//! their own conversations is what must be in the file.

mod announced;
mod conversations;
mod hidden;
mod leases;
mod page;
mod questions;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rusqlite::Connection;

use crate::live::Running;
use crate::support::lab::{Daemon, Lab, Listened, PATIENCE, done, is_installed, python, until};
use crate::support::{ROOT, open, rows, skip};

/// A server on the make-believe internet.
const SERVER: &str = "203.0.113.7";
/// Where the tools that are not installed for all are kept.
const TOOLS: &str = ".setup/peers/usr/sbin";

/// Makes a lab that has these programs, or skips the test.
fn lab(test: &str, programs: &[&str]) -> Option<Lab> {
    if let Some(missing) = programs.iter().find(|program| tool(program).is_none()) {
        skip(test, &format!("needs {missing}"));
        return None;
    }
    Lab::new(test)
}

/// Where a program is: installed, or in the clone.
fn tool(name: &str) -> Option<PathBuf> {
    let own = Path::new(ROOT).join(TOOLS).join(name);
    if is_installed(name) { Some(name.into()) } else { Some(own).filter(|own| own.is_file()) }
}

/// A file of the lab with this text.
fn file(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().expect("a plain name").to_owned()
}

/// A certificate that nobody believes, and its key.
fn certificate(lab: &Lab) -> [String; 2] {
    let [certificate, key] = ["certificate", "key"]
        .map(|name| lab.folder.path().join(name).to_str().expect("a plain name").to_owned());
    done(
        Command::new("openssl")
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(' '))
            .args(["-subj", "/CN=server.example", "-out", &certificate, "-keyout", &key]),
    );
    [certificate, key]
}

/// A script of this folder to be run on a host.
fn script(lab: &Lab, host: &str, python: &str, name: &str, arguments: &str) -> Command {
    let mut command = lab.command(host, python);
    command.arg(Path::new(ROOT).join("tests/names").join(name)).args(arguments.split_whitespace());
    command
}

/// `tests/names/peers.py` on a host.
fn peers(lab: &Lab, host: &str, arguments: &str) -> Command {
    script(lab, host, python(), "peers.py", arguments)
}

/// The servers of `tests/names/peers.py` on the make-believe internet.
fn serve(lab: &Lab, [certificate, key]: &[String; 2]) -> Running {
    Running::start(&mut peers(lab, "r", &format!("serve {certificate} {key}")))
}

/// The port that a client says that it spoke from, on its last line. It must succeed.
fn port(command: &mut Command) -> u16 {
    let output = done(command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace().next_back().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Starts a server, and waits until it listens at a port of `tcp` or `udp`.
fn start(command: &mut Command, protocol: &str, port: u16) -> Listened {
    let server = Listened::to(command);
    let table = format!("/proc/{}/net/{protocol}", server.child.id());
    let port = format!(":{port:04X} ");
    until("the server to listen", PATIENCE, || {
        // The first address of a line is its own.
        let sockets = std::fs::read_to_string(&table).unwrap_or_default();
        let own =
            |line: &str| line.split_whitespace().nth(1).is_some_and(|own| format!("{own} ").ends_with(&port));
        sockets.lines().any(own).then_some(())
    });
    server
}

/// Starts a QUIC server on the make-believe internet, and says which Python has the stack; or skips the test.
fn quic_server(test: &str, lab: &Lab) -> Option<(&'static str, Running)> {
    let python = match python_with_quic() {
        Ok(python) => python.to_str().expect("a plain name"),
        Err(why) => {
            skip(test, &format!("pip could not install a QUIC stack: {why}"));
            return None;
        }
    };
    let [certificate, key] = certificate(lab);
    let serve = format!("serve {SERVER} {certificate} {key}");
    Some((python, Running::start(&mut script(lab, "r", python, "quic.py", &serve))))
}

/// Python with a QUIC stack, which is installed into `target` for that once; or why there is none.
fn python_with_quic() -> Result<&'static Path, &'static str> {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let list = Path::new(ROOT).join("tests/names/quic.txt");
        let (folder, wanted) = (Path::new(ROOT).join("target/quic"), std::fs::read(&list).unwrap());
        let (python, mark) = (folder.join("bin/python"), folder.join("installed"));
        if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new(self::python()).args(["-m", "venv"]).arg(&folder))?;
        let options = "-m pip install --quiet --no-input --retries 1 --timeout 20 --require-hashes --no-deps --only-binary :all: -r";
        run(Command::new(&python).args(options.split(' ')).arg(&list))?;
        std::fs::write(&mark, &wanted).map_err(|error| error.to_string())?;
        Ok(python)
    });
    place.as_deref().map_err(String::as_str)
}

/// Runs a command that may fail, and then says its last words.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = [&output.stderr[..], &output.stdout[..]].map(String::from_utf8_lossy).concat();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed").to_owned();
    if output.status.success() { Ok(()) } else { Err(last) }
}

/// Ends a daemon, and opens what it wrote.
fn written(daemon: Daemon) -> Connection {
    let path = daemon.db.clone();
    let ended = daemon.stop();
    assert_eq!(ended.code(), 0, "{}", ended.said);
    open(&path)
}

/// What the file says of the flow from a port of a device: name, source, service, what says so, and what is hidden.
fn flow(db: &Connection, mac: &str, protocol: &str, port: u16) -> [String; 5] {
    let sql = format!(
        "SELECT DISTINCT f.name, f.name_source, f.service, CASE f.service_parsed WHEN 1 THEN 'parsed' WHEN 0 THEN 'port' END, f.hidden FROM flow f JOIN device d ON d.id = f.device
         WHERE d.mac = '{mac}' AND f.local_port = {port} AND f.protocol = (SELECT number FROM protocol WHERE name = '{protocol}')"
    );
    let found = rows(db, &sql);
    let [flow] = &found[..] else { panic!("port {port} has {found:?}") };
    flow.clone().try_into().expect("five columns")
}

/// That of a flow whose names are not hidden.
fn plain(name: &str, source: &str, service: &str, by: &str) -> [String; 5] {
    [name, source, service, by, "NULL"].map(str::to_owned)
}
