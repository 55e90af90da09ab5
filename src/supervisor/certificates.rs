//! When the certificates end that clients are shown: read from the files when somebody wants to know, and again when
//! they have changed. Certificates are no secret; of a file that has the key as well, nothing else is kept.

use std::collections::HashMap;
use std::fs;
use std::time::SystemTime;

use crate::config::AbsolutePath;
use crate::system::memory::wipe;
use crate::tls::{certificate, pem};

/// Larger files are no certificates.
const LARGEST: u64 = 1 << 20;

/// What was read last.
#[derive(Default)]
pub struct Certificates {
    known: HashMap<String, (SystemTime, Option<u64>)>,
}

impl Certificates {
    /// The files that can be read, and until when their first certificate is valid, in seconds since 1970.
    pub fn ends(&mut self, paths: &[AbsolutePath]) -> Vec<(String, u64)> {
        self.known.retain(|known, _| paths.iter().any(|path| path.to_string() == *known));
        paths.iter().filter_map(|path| Some((path.to_string(), self.end(path)?))).collect()
    }

    fn end(&mut self, path: &AbsolutePath) -> Option<u64> {
        let metadata = fs::metadata(&**path).ok().filter(|file| file.is_file() && file.len() <= LARGEST)?;
        let modified = metadata.modified().ok()?;
        match self.known.get(&path.to_string()) {
            Some((then, end)) if *then == modified => *end,
            _ => {
                let end = read_end(path);
                self.known.insert(path.to_string(), (modified, end));
                end
            }
        }
    }
}

fn read_end(path: &AbsolutePath) -> Option<u64> {
    let mut text = fs::read(&**path).ok()?;
    let sections = pem::sections(&text);
    let first = sections.iter().find(|section| section.label == b"CERTIFICATE").and_then(pem::Section::bytes);
    wipe(&mut text);
    u64::try_from(certificate::validity(&first?)?.not_after).ok()
}
