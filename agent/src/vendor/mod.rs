//! Whose hardware an address is: the IEEE's registry of MAC address blocks.
//!
//! One registry is built in, made ahead of time by the script `update` beside this file. A later one on the
//! machine wins, and one that the configuration names always.

mod block;
mod listing;
mod local;
mod short;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lanscribe_core::addr::MacAddr;

pub(crate) use block::Block;
use listing::Listing;
pub(crate) use short::short;
use table::Table;

/// Made by `update`; the layout is described in `table.rs`.
static EMBEDDED: &[u8] = include_bytes!("oui.table");

/// Where Debian's `ieee-data` keeps its listings: those of the package, and those that `update-ieee-data` has
/// fetched since, which take the place of links to the first.
const FOLDERS: [&str; 2] = ["/usr/share/ieee-data", "/var/lib/ieee-data"];

/// The four registries: MA-L, MA-M, MA-S and the closed IAB, which is still in use.
const LISTINGS: [&str; 4] = ["oui", "mam", "oui36", "iab"];

/// The largest listing read. The IEEE's largest has 6.5 MB today.
const SIZE_MAX: u64 = 64 << 20;

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// The operating system says no.
    #[error("cannot read the vendor registry {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The file is larger than any registry.
    #[error("the vendor registry {path} is larger than {} MB", SIZE_MAX >> 20)]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
    },
    /// The folder holds none of the IEEE's files.
    #[error(
        "the vendor registry {path} is a folder without oui.csv or oui.txt, and without mam, oui36 and iab in \
         either form"
    )]
    NoListing {
        /// The folder.
        path: PathBuf,
    },
    /// Not a line was understood.
    #[error(
        "the vendor registry {path} names no vendor: expected a listing as the IEEE publishes it (oui.csv, oui.txt, \
         or mam, oui36, iab in either form)"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
    },
}

/// The blocks of MAC addresses that are assigned, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    table: Table,
    /// Where it was read, if it is not the built-in one.
    source: Option<PathBuf>,
}

impl Registry {
    /// The registry that is part of the program: cheap to open, as it is searched where it lies.
    pub(crate) fn embedded() -> Self {
        let table = Table::open(EMBEDDED).expect("the built-in registry is whole: a test reads all of it");
        Self { table, source: None }
    }

    /// The registry to use: the file or folder that the configuration names (`builtin` is the built-in one); or
    /// else what is on the machine, if it is later than the built-in one.
    pub(crate) fn open(configured: Option<&Path>) -> Result<Self, RegistryError> {
        let registry = match configured {
            Some(path) if path == Path::new("builtin") => Self::embedded(),
            Some(path) => Self::read(path)?,
            None => Self::latest(FOLDERS.map(Path::new)),
        };
        let source = registry.source.as_deref().map_or("built in".into(), Path::to_string_lossy);
        tracing::debug!(date = registry.date(), blocks = registry.table.len(), %source, "vendor registry");
        Ok(registry)
    }

    /// The vendor whose block the address is from: the smallest block counts, so the owner of 28 or 36 bits and
    /// not of the 24 around them.
    ///
    /// Blocks with the local bit exist (02:60:8c is 3Com's), from before the bit had a meaning, so the registry
    /// is asked first; other local addresses have a vendor only where a program gives them out by a known rule
    /// (52:54:00 is QEMU). Group addresses have none; nor has 00:00:00:00:00:00, though its block is assigned.
    pub(crate) fn lookup(&self, mac: MacAddr) -> Option<&str> {
        if !mac.is_station() {
            return None;
        }
        self.table.search(mac.into()).or_else(|| if mac.is_local() { local::lookup(mac) } else { None })
    }

    /// The vendor to whom all of a block belongs. That of a whole address is its vendor.
    pub(crate) fn lookup_block(&self, block: Block) -> Option<&str> {
        match block.bits() {
            48 => self.lookup(block.first()),
            _ if block.first().is_group() => None,
            _ => self.table.search(block),
        }
    }

    /// Whether the address is made up: it has the local bit, and nobody is known to give such ones out.
    pub(crate) fn is_random(&self, mac: MacAddr) -> bool {
        mac.is_local() && !mac.is_group() && self.lookup(mac).is_none()
    }

    /// The day of the data in UTC, like `2026-06-26`.
    pub(crate) fn date(&self) -> &str {
        self.table.date()
    }

    /// Every block of the registry and its owner, by length and then by number.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Block, &str)> {
        self.table.iter()
    }

    /// The latest of the built-in registry and those in `folders`.
    ///
    /// The listings do not say what day they are of, so a file's time counts, and a copied file's time is that
    /// of the copy. Therefore a registry must also have as many blocks as the built-in one: the IEEE adds
    /// thousands a year and takes back hardly one, so one that has fewer is older, or is not whole.
    fn latest<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let embedded = Self::embedded();
        let mut dated: Vec<_> = folders
            .into_iter()
            .filter_map(|folder| Some((date_of(&listings(folder))?, folder)))
            .filter(|(date, _)| date.as_str() > embedded.date())
            .collect();
        dated.sort_by(|a, b| b.0.cmp(&a.0));
        for (date, folder) in dated {
            match Self::read(folder) {
                Ok(found) if found.table.len() >= embedded.table.len() => return found,
                Ok(found) => tracing::warn!(
                    folder = %folder.display(), date, blocks = found.table.len(), built_in = embedded.table.len(),
                    "this vendor registry looks later than the built-in one but has fewer blocks: not used"
                ),
                Err(error) => tracing::warn!(%error, "not used"),
            }
        }
        embedded
    }

    /// The registry in a file of the IEEE's, or in a folder of them.
    fn read(path: &Path) -> Result<Self, RegistryError> {
        let metadata =
            path.metadata().map_err(|source| RegistryError::Read { path: path.to_owned(), source })?;
        let files = if metadata.is_dir() { listings(path) } else { vec![path.to_owned()] };
        if files.is_empty() {
            return Err(RegistryError::NoListing { path: path.to_owned() });
        }
        let mut blocks = BTreeMap::new();
        for file in &files {
            for (block, name) in read_listing(file)?.blocks {
                // A few old blocks were given out twice: the first name in the alphabet, whatever the order.
                let known = blocks.entry(block).or_insert_with(|| name.clone());
                if name < *known {
                    *known = name;
                }
            }
        }
        let date = date_of(&files).unwrap_or_else(|| "1970-01-01".into());
        let table =
            Table::pack(&date, &blocks).ok_or_else(|| RegistryError::TooLarge { path: path.to_owned() })?;
        Ok(Self { table, source: Some(path.to_owned()) })
    }
}

/// The IEEE's files in a folder; of one in both forms the CSV, where names keep their quotation marks.
fn listings(folder: &Path) -> Vec<PathBuf> {
    let existing = |stem: &str| {
        [".csv", ".txt"].iter().map(|end| folder.join(format!("{stem}{end}"))).find(|path| path.is_file())
    };
    LISTINGS.iter().filter_map(|stem| existing(stem)).collect()
}

/// The day of the oldest of the files: a registry is as late as its oldest part. `ieee-data`'s own note
/// `.lastupdate` is not believed: the package of June 2026 still ships that of 2024.
fn date_of(files: &[PathBuf]) -> Option<String> {
    let times: io::Result<Vec<SystemTime>> = files.iter().map(|file| file.metadata()?.modified()).collect();
    let day =
        jiff::Timestamp::try_from(times.ok()?.into_iter().min()?).ok()?.strftime("%Y-%m-%d").to_string();
    // The table keeps ten characters; a year that does not fit is a broken clock's.
    Some(day).filter(|day| day.len() == 10)
}

fn read_listing(path: &Path) -> Result<Listing, RegistryError> {
    let failed = |source| RegistryError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder")));
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(RegistryError::TooLarge { path: path.to_owned() });
    }
    let listing = Listing::parse(&bytes);
    if listing.blocks.is_empty() {
        return Err(RegistryError::Unreadable { path: path.to_owned() });
    }
    if listing.broken > 0 {
        tracing::warn!(
            file = %path.display(), lines = listing.broken, first = listing.first_broken,
            "lines of the vendor registry are broken: skipped"
        );
    }
    Ok(listing)
}
