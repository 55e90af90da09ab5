//! The event log: an object of JSON in a line for each event. What cannot be written is counted, and told in the log when
//! it begins and when it is over.

use std::path::{Path, PathBuf};

use super::facts;
use crate::ipc::occurrences::Occurrence;
use crate::log;
use crate::log::file::Lines;

/// The file, if it could be opened.
pub struct Record {
    path: PathBuf,
    lines: Option<Lines>,
    lost: u64,
}

impl Record {
    pub fn open(path: &Path) -> Record {
        Record { path: path.to_path_buf(), lines: Lines::open(path).ok(), lost: 0 }
    }

    /// Writes an event.
    pub fn write(&mut self, told: &Occurrence) {
        let mut line = facts::json(told);
        line.push(b'\n');
        let written = self.lines().and_then(|lines| lines.write(&line));
        match written {
            Ok(()) if self.lost > 0 => {
                log::warning(format_args!(
                    "{} can be written again; {} events are missing in it",
                    self.path.display(),
                    self.lost
                ));
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    log::error(format_args!("{} cannot be written: {error}", self.path.display()));
                }
                self.lost += 1;
            }
        }
    }

    fn lines(&mut self) -> std::io::Result<&mut Lines> {
        match &mut self.lines {
            Some(lines) => Ok(lines),
            missing => Ok(missing.insert(Lines::open(&self.path)?)),
        }
    }
}
