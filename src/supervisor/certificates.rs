//! When the certificates end that clients are shown: read from the files when somebody wants to know, and again when
//! they have changed. Certificates are no secret; of a file that has the key as well, nothing else is kept.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::system::memory::wipe;
use crate::tls::{certificate, pem};

/// Larger files are no certificates.
const LARGEST: u64 = 1 << 20;

/// What was read last.
#[derive(Default)]
pub struct Certificates {
    known: HashMap<PathBuf, (SystemTime, Option<u64>)>,
}

impl Certificates {
    /// The files that can be read, and until when their first certificate is valid, in seconds since 1970.
    pub fn ends(&mut self, paths: &BTreeSet<&Path>) -> Vec<(String, u64)> {
        self.known.retain(|known, _| paths.contains(known.as_path()));
        paths.iter().filter_map(|path| Some((path.display().to_string(), self.end(path)?))).collect()
    }

    fn end(&mut self, path: &Path) -> Option<u64> {
        let metadata = fs::metadata(path).ok().filter(|file| file.is_file() && file.len() <= LARGEST)?;
        let modified = metadata.modified().ok()?;
        match self.known.get(path) {
            Some((then, end)) if *then == modified => *end,
            _ => {
                let end = read_end(path);
                self.known.insert(path.to_owned(), (modified, end));
                end
            }
        }
    }
}

fn read_end(path: &Path) -> Option<u64> {
    let mut text = fs::read(path).ok()?;
    let sections = pem::sections(&text);
    let first = sections.iter().find(|section| section.label == b"CERTIFICATE").and_then(pem::Section::bytes);
    wipe(&mut text);
    u64::try_from(certificate::validity(&first?)?.not_after).ok()
}
