//! What a command line says in place of the file, by the same rules.

use std::path::{Path, PathBuf};

use super::reader::quoted;
use super::{Config, Interfaces};

/// Settings that were given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    interfaces: Option<Interfaces>,
    file: Option<PathBuf>,
    socket: Option<PathBuf>,
}

impl Given {
    /// Takes what stands behind `--interface`, `--db` and `--socket`. Paths may begin at the current folder.
    ///
    /// # Errors
    /// If one of them would be wrong in the file, with its option.
    pub(crate) fn new(
        interfaces: &[String],
        file: Option<&Path>,
        socket: Option<&Path>,
    ) -> Result<Self, String> {
        let mut given = Self::default();
        let names: Vec<String> = interfaces.iter().map(|name| quoted(name)).collect();
        match names.as_slice() {
            [] => {}
            [name] => {
                given.interfaces = Some(read("--interface", "capture.interface", name)?.capture.interfaces);
            }
            names => {
                let list = format!("[{}]", names.join(", "));
                given.interfaces = Some(read("--interface", "capture.interface", &list)?.capture.interfaces);
            }
        }
        if let Some(file) = file {
            given.file = Some(read("--db", "store.file", &full("--db", file)?)?.store.file);
        }
        if let Some(socket) = socket {
            given.socket =
                Some(read("--socket", "control.socket", &full("--socket", socket)?)?.control.socket);
        }
        Ok(given)
    }

    /// A configuration as it is with these.
    pub(crate) fn over(&self, mut config: Config) -> Config {
        let Self { interfaces, file, socket } = self.clone();
        let Config { capture, store, control, .. } = &mut config;
        capture.interfaces = interfaces.unwrap_or(capture.interfaces.clone());
        store.file = file.unwrap_or(store.file.clone());
        control.socket = socket.unwrap_or(control.socket.clone());
        config
    }
}

/// A path from the root, as the file has it.
fn full(option: &str, path: &Path) -> Result<String, String> {
    let full = std::path::absolute(path).map_err(|error| format!("{option}: {}: {error}", path.display()))?;
    full.to_str().map(quoted).ok_or_else(|| format!("{option}: {}: not UTF-8", path.display()))
}

/// Reads a file of one key.
fn read(option: &str, key: &str, value: &str) -> Result<Config, String> {
    Config::parse(Path::new(option), format!("{key} = {value}\n").as_bytes()).map_err(|error| {
        let said = error.to_string();
        // Whoever types an option thinks of no line and no key.
        let what = said.strip_prefix(&format!("{option}:1: ")).unwrap_or(&said);
        format!("{option}: {}", what.strip_prefix(&format!("{key}: ")).unwrap_or(what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(interfaces: &[&str], file: Option<&str>, socket: Option<&str>) -> Result<Given, String> {
        let interfaces: Vec<String> = interfaces.iter().map(|&name| name.to_owned()).collect();
        Given::new(&interfaces, file.map(Path::new), socket.map(Path::new))
    }

    #[test]
    fn what_is_given_counts_and_the_rest_stays_as_the_file_says() {
        let config = Config::parse(
            Path::new("x.toml"),
            b"capture.interface = \"eth0\"\nstore.file = \"/a.db\"\nstore.flush = \"1m\"\n",
        )
        .unwrap();
        assert_eq!(given(&[], None, None).unwrap().over(config.clone()), config);
        let new = given(&["br0", "wlan0"], Some("./x/lan.db"), Some("/s")).unwrap().over(config.clone());
        assert_eq!(new.capture.interfaces, Interfaces::Named(vec!["br0".into(), "wlan0".into()]));
        assert_eq!(new.store.file, std::env::current_dir().unwrap().join("x/lan.db"));
        assert_eq!((new.control.socket, new.store.flush), ("/s".into(), config.store.flush));
        let auto = given(&["auto"], None, None).unwrap().over(config);
        assert_eq!((auto.capture.interfaces, auto.store.file), (Interfaces::Auto, "/a.db".into()));
    }

    #[test]
    fn what_would_be_wrong_in_the_file_is_wrong_here_and_named_by_its_option() {
        let long = format!("/{}", "x".repeat(200));
        for (given, words) in [
            (given(&["eth0", "eth0"], None, None), "--interface: \"eth0\" is in the list already"),
            (given(&["a name with spaces"], None, None), "--interface: "),
            (given(&[], Some("folder/"), None), "--db: "),
            (given(&[], None, Some(&long)), "--socket: "),
        ] {
            let said = given.unwrap_err();
            assert!(said.starts_with(words) && !said.contains(":1:"), "{said}");
        }
    }
}
