//! The corpora of the fuzz targets as ordinary tests: what each entry promises holds for every file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::entries::{self, bytes, conversation, run};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let names = |entry: fs::DirEntry| entry.path().file_stem()?.to_str().map(str::to_owned);
    fs::read_dir(folder).unwrap().flatten().filter_map(names).collect()
}

#[test]
fn every_file_of_the_corpora_is_read_without_harm() {
    for (name, _) in entries::ALL {
        let entry = entries::of(name).unwrap();
        let folder = fuzz().join("corpus").join(name);
        let mut files = 0;
        for file in fs::read_dir(&folder).unwrap().flatten() {
            let bytes = fs::read(file.path()).unwrap();
            // Shown where it fails.
            println!("{}", file.path().display());
            entry(&bytes);
            // Frames are cut, too.
            entry(&bytes[..bytes.len() / 2]);
            files += 1;
        }
        assert!(files >= 3, "{name} has {files} files");
    }
}

#[test]
fn each_entry_has_a_target_and_a_corpus_and_each_of_these_an_entry() {
    let names: BTreeSet<_> = entries::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), entries::ALL.len());
    assert_eq!(names_in(&fuzz().join("targets")), names);
    assert_eq!(names_in(&fuzz().join("corpus")), names);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        let target = fs::read_to_string(fuzz().join("targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("(\"{name}\", bytes)")), "{target}");
    }
}

#[test]
fn seeds_are_read_as_they_were_written() {
    let mut seed = Vec::new();
    for udp in [false, true] {
        let (way, flow, seq, after) = (1, 7, 300, 49_000);
        conversation::Segment { udp, way, flow, seq, after, bytes: b"said" }.write(&mut seed);
    }
    let mut input = bytes::Input(&seed);
    for udp in [false, true] {
        let segment = conversation::Segment::read(&mut input).unwrap();
        assert_eq!((segment.udp, segment.way, segment.flow, segment.seq), (udp, 1, 7, 300));
        assert_eq!((segment.after, segment.bytes), (49_000, &b"said"[..]));
    }
    assert!(input.0.is_empty());

    let link_type = run::number_of(276).unwrap();
    let mut seed = Vec::new();
    run::Step::Frame { after: 9_000, interface: 1, link_type, unseen: 3, bytes: b"frame" }.write(&mut seed);
    run::Step::Take.write(&mut seed);
    run::Step::Tick(4_000).write(&mut seed);
    let mut input = bytes::Input(&seed);
    let Some(run::Step::Frame { after: 9_000, interface: 1, link_type: read, unseen: 3, bytes: b"frame" }) =
        run::Step::read(&mut input)
    else {
        panic!("{seed:?}")
    };
    assert_eq!(run::link_type(read).name, "LINUX_SLL2");
    assert!(matches!(run::Step::read(&mut input), Some(run::Step::Take)));
    assert!(matches!(run::Step::read(&mut input), Some(run::Step::Tick(4_000))));
    assert!(input.0.is_empty());
}
