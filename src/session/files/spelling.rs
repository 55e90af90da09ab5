//! Names in directories that do not tell large letters from small ones: from where on a path is compared so, and what the
//! directory itself calls what it has. Asked only where there are rules.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::AsFd;

use super::Files;
use crate::protocol::path::FtpPath;
use crate::system::{folding, status};

/// Directories that are remembered.
const MOST_KNOWN: usize = 256;

/// What has been found out about directories.
#[derive(Default)]
pub(super) struct Spellings {
    /// Whether they tell letters apart, by device and inode. That changes only where a directory is empty, and by the
    /// hand of somebody who has more than FTP.
    known: RefCell<HashMap<(u64, u64), bool>>,
    /// The directory that was asked about last, and the answer for what is in it.
    last: RefCell<Option<(FtpPath, usize)>>,
}

impl Spellings {
    /// Somebody may have changed what is where.
    pub fn forget_the_way(&self) {
        self.last.replace(None);
    }
}

impl Files {
    /// How many names of the object, from the root down, are in directories that tell letters apart.
    pub(super) fn exact(&self, object: &FtpPath) -> usize {
        let names: Vec<&[u8]> = object.components().collect();
        let Some(above) = names.len().checked_sub(1) else { return usize::MAX };
        let mut here = FtpPath::root();
        let mut depth = 0;
        if let Some((last, exact)) = &*self.spellings.last.borrow() {
            let common = last.components().zip(&names[..above]).take_while(|(a, b)| a == *b).count();
            if *exact <= common || common == above {
                return *exact;
            }
            for name in &names[..common] {
                here = here.join(name).unwrap_or(here);
            }
            depth = common + 1;
        }
        let mut exact = usize::MAX;
        for at in depth..names.len() {
            if at > 0 {
                let Some(next) = here.join(names[at - 1]) else { return usize::MAX };
                here = next;
            }
            match self.folds(&here, names[at]) {
                Some(false) => {}
                Some(true) => {
                    exact = at;
                    break;
                }
                // Nobody can tell: rules are compared so that they hold.
                None => return at,
            }
        }
        self.spellings.last.replace(Some((object.parent(), exact)));
        exact
    }

    fn folds(&self, directory: &FtpPath, name: &[u8]) -> Option<bool> {
        // What is not there has nothing in it.
        let Ok(directory) = self.open_directory_path(directory) else { return Some(false) };
        let identity =
            status::status_of(directory.as_fd()).map(|status| (status.device, status.inode)).ok()?;
        let mut known = self.spellings.known.borrow_mut();
        if let Some(folds) = known.get(&identity) {
            return Some(*folds);
        }
        let folds = folding::folds(directory.as_fd(), name)?;
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(identity, folds);
        Some(folds)
    }

    /// The name as its directory has it, if it is there under a name that is spelled in another way.
    pub(super) fn spelled(&self, directory: &FtpPath, name: Vec<u8>) -> Vec<u8> {
        let is_exact =
            directory.join(&name).is_none_or(|object| self.exact(&object) > directory.components().count());
        if is_exact {
            return name;
        }
        let open = self.open_directory_path(directory).ok();
        open.and_then(|open| folding::spelling(open.as_fd(), &name)).unwrap_or(name)
    }
}
