//! The package holds what it should: each unit, each configuration, and scripts that a shell can read.
//!
//! What `agent/Cargo.toml` lists is held against the folders; a package that was built already is looked into.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip;
use crate::support::{ROOT, said};

/// The part of `agent/Cargo.toml` that is about the package.
fn metadata() -> toml::Table {
    let text = std::fs::read_to_string(Path::new(ROOT).join("agent/Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Where a file of the clone goes, by the assets: the places in the order in which they are listed.
fn places(file: &str) -> Vec<String> {
    let mut places = Vec::new();
    for asset in metadata()["assets"].as_array().unwrap() {
        let [from, to] = [0, 1].map(|n| asset[n].as_str().unwrap().to_owned());
        let from = from.strip_prefix("../").unwrap_or(&from).to_owned();
        let matches = match from.split_once('*') {
            Some((before, after)) => {
                let between =
                    file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or("/");
                !between.contains('/')
            }
            None => from == file,
        };
        if matches {
            let name = file.rsplit('/').next().unwrap();
            places.push(if to.ends_with('/') { format!("{to}{name}") } else { to });
        }
    }
    places
}

/// The files of a folder of the clone, as paths within the clone.
fn files(folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(Path::new(ROOT).join(folder)) else { return Vec::new() };
    let mut files: Vec<String> = entries
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    files.sort();
    files
}

/// Where each file of `systemd/` belongs, by its ending.
fn home_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap();
    let (stem, ending) = name.rsplit_once('.').unwrap();
    match ending {
        "sysusers" | "tmpfiles" => format!("usr/lib/{ending}.d/{stem}.conf"),
        _ => format!("usr/lib/systemd/system/{name}"),
    }
}

#[test]
fn every_unit_and_every_configuration_is_in_the_package() {
    for file in files("systemd") {
        assert_eq!(places(&file), [home_of(&file)], "{file} in [package.metadata.deb] of agent/Cargo.toml");
    }
    let configurations = files("config");
    assert!(configurations.contains(&"config/lanscribe.toml".to_owned()), "{configurations:?}");
    for file in configurations.iter().chain(&files("docs")) {
        let name = file.rsplit('/').next().unwrap();
        let to = if file.starts_with("docs/") { "" } else { "examples/" };
        let doc = format!("usr/share/doc/lanscribe/{to}{name}");
        assert!(places(file).contains(&doc), "{file} goes to {:?}", places(file));
    }
    // The one that is read is the commented one, and dpkg asks before it replaces what the owner wrote into it.
    assert_eq!(places("config/lanscribe.toml")[0], "etc/lanscribe/lanscribe.toml");
    let kept = metadata()["conf-files"].clone();
    assert_eq!(kept.as_array().unwrap(), &["/etc/lanscribe/lanscribe.toml".into()]);
}

#[test]
fn the_scripts_of_the_package_are_read_by_a_plain_shell() {
    for script in ["postinst", "prerm", "postrm"] {
        let path = Path::new(ROOT).join("cross/debian").join(script);
        let output = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(output.status.success(), "{script}: {}", said(&output));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{script}");
        assert!(text.contains("\nset -e\n"), "{script} goes on after an error");
    }
}

/// A package that was built of what is here now: one older than its sources says nothing of them.
fn built() -> Result<PathBuf, String> {
    let changed = |path: &Path| path.metadata().and_then(|meta| meta.modified()).unwrap();
    let packages = Path::new(ROOT).join("target/packages");
    let newest = std::fs::read_dir(&packages)
        .ok()
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .max_by_key(|path| changed(path))
        .ok_or("make packages was not run")?;
    let sources = ["systemd", "config", "docs", "cross/debian"].into_iter().flat_map(files);
    for source in sources.chain(["agent/Cargo.toml".to_owned()]) {
        if changed(&Path::new(ROOT).join(&source)) > changed(&newest) {
            return Err(format!("{} is older than {source}", newest.display()));
        }
    }
    Ok(newest)
}

#[test]
fn a_package_that_was_built_holds_all_that_its_list_says() {
    let name = "a_package_that_was_built_holds_all_that_its_list_says";
    let package = match built() {
        Ok(package) => package,
        Err(why) => return skip(name, &why),
    };
    let Ok(output) = Command::new("dpkg-deb").arg("--contents").arg(&package).output() else {
        return skip(name, "there is no dpkg-deb");
    };
    assert!(output.status.success(), "{}", said(&output));
    let listing = String::from_utf8(output.stdout).unwrap();
    // Mode, owner, size, date, time, name.
    let held: Vec<(&str, &str)> = listing
        .lines()
        .filter_map(|line| line.split_once(' ').zip(line.rsplit_once(" ./")))
        .map(|((mode, _), (_, path))| (mode, path))
        .collect();
    let mut wanted: Vec<String> = ["systemd", "config", "docs"]
        .into_iter()
        .flat_map(files)
        .map(|file| places(&file)[0].clone())
        .chain(["etc/lanscribe/lanscribe.toml".to_owned()])
        .collect();
    for made in [
        "usr/share/man/man1/lanscribe.1.gz",
        "usr/share/man/man1/lanscribe-oui-lookup.1.gz",
        "usr/share/man/man5/lanscribe.toml.5.gz",
        "usr/share/bash-completion/completions/lanscribe",
        "usr/share/zsh/vendor-completions/_lanscribe",
        "usr/share/fish/vendor_completions.d/lanscribe.fish",
        "usr/share/doc/lanscribe/copyright",
        "usr/share/doc/lanscribe/changelog.gz",
        "usr/share/lintian/overrides/lanscribe",
    ] {
        wanted.push(made.to_owned());
    }
    for path in wanted {
        // cargo-deb packs long texts, as Debian wants it.
        let packed = format!("{path}.gz");
        let found = held.iter().find(|(_, held)| *held == path || *held == packed);
        let (mode, _) = found.unwrap_or_else(|| panic!("{path} is not in {}", package.display()));
        assert_eq!(*mode, "-rw-r--r--", "{path}");
    }
    assert!(held.contains(&("-rwxr-xr-x", "usr/bin/lanscribe")), "{held:?}");
}
