//! Which quotas cover what is in a directory: those of the session's root and of directories above it always, those of
//! directories inside where it lies in them. A directory is known by its number, not by its name: so links, other mounts
//! and renamed directories lead nobody past a quota.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;

use super::charge::Charge;
use super::{Amount, Change, Quota, Terms};
use crate::session::error::Error;
use crate::system::ledger::Ledger;
use crate::system::status::{self, Status};

/// Directories above each other; the longest path has fewer.
const DEEPEST: usize = 4096;

/// What the kernel tells a directory by: file system and number.
pub type Identity = (u64, u64);

/// The quotas that a session meets.
#[derive(Default)]
pub struct Quotas {
    /// The directory that is `/` for the client.
    pub root: Identity,
    /// What covers everything in it.
    pub always: Vec<Rc<Quota>>,
    /// What covers something in it, by its directory.
    pub inner: Vec<(Identity, Inner)>,
    /// Directories in it that stay where they are, since quotas are about them or about what is in them.
    pub pinned: BTreeSet<Identity>,
    /// Whether the session may change anything at all.
    pub writable: bool,
}

/// A quota of a directory inside of the root.
pub enum Inner {
    /// This directory has one.
    This(Rc<Quota>),
    /// Each directory in it has one, which the section of this name says.
    Each(String, Terms),
}

impl Quotas {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.always.is_empty() && self.inner.is_empty()
    }
}

/// Who has the ledgers of directories that nobody knew of at login, and of other users.
pub trait Keeper {
    /// The ledger of a directory that this section is about, and its name.
    fn open(&self, section: &str, directory: &OwnedFd, writable: bool) -> Result<(String, Ledger), Error>;

    /// What belongs to somebody else has been changed: his own quota is to be counted anew.
    fn doubt(&self, uid: u32);
}

/// What has to be done before the command can be obeyed that has met it.
pub enum Pending {
    /// To count what this quota is about, or to wait for somebody who does.
    Count(Rc<Quota>),
    /// To wait until somebody has put something in the place of something.
    Wait,
    /// To find out how much is in this directory, which is to move from some quotas to others.
    Measure(OwnedFd, Vec<Rc<Quota>>),
}

/// What is in a directory, and what had changed when that was found out.
pub struct Measured {
    pub directory: Identity,
    pub amount: Amount,
    /// Everything was seen, and nobody was changing anything.
    pub is_exact: bool,
    pub changes: u64,
}

/// The quotas of a session, at work.
pub struct Counted {
    quotas: Quotas,
    keeper: Box<dyn Keeper>,
    opened: RefCell<BTreeMap<(Identity, String), Rc<Quota>>>,
    pending: RefCell<Option<Pending>>,
    measured: RefCell<Option<Measured>>,
}

impl Counted {
    /// With these quotas.
    pub fn new(quotas: Quotas, keeper: Box<dyn Keeper>) -> Counted {
        Counted {
            quotas,
            keeper,
            opened: RefCell::default(),
            pending: RefCell::default(),
            measured: RefCell::default(),
        }
    }

    /// The quotas that cover what is in this directory.
    pub fn covering(&self, directory: BorrowedFd<'_>) -> Result<Vec<Rc<Quota>>, Error> {
        let status = status::status_of(directory)?;
        let on_device = |quota: &&Rc<Quota>| quota.device == status.device;
        let mut found: Vec<_> = self.quotas.always.iter().filter(on_device).cloned().collect();
        if self.quotas.inner.is_empty() {
            return Ok(found);
        }
        let push = |found: &mut Vec<Rc<Quota>>, quota: &Rc<Quota>| {
            // A directory may be meant twice: by its own name, and as one of all.
            if on_device(&quota) && !found.iter().any(|known| known.name == quota.name) {
                found.push(Rc::clone(quota));
            }
        };
        let mut here = directory.try_clone_to_owned()?;
        let mut identity = identity_of(&status);
        for _ in 0..DEEPEST {
            for (at, inner) in &self.quotas.inner {
                if let Inner::This(quota) = inner
                    && *at == identity
                {
                    push(&mut found, quota);
                }
            }
            if identity == self.quotas.root {
                return Ok(found);
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let above = fcntl::openat(&here, c"..", flags, Mode::empty())?;
            let above_identity = identity_of(&status::status_of(above.as_fd())?);
            self.of_child(above_identity, &here)?.iter().for_each(|quota| push(&mut found, quota));
            if above_identity == identity {
                break;
            }
            (here, identity) = (above, above_identity);
        }
        // Somebody has moved it out of the root meanwhile.
        Err(Error::Busy)
    }

    /// The quotas that a directory has because of the one it is in.
    pub fn of_child(&self, above: Identity, directory: &OwnedFd) -> Result<Vec<Rc<Quota>>, Error> {
        let mut found = Vec::new();
        for (at, inner) in &self.quotas.inner {
            let Inner::Each(section, terms) = inner else { continue };
            if *at != above {
                continue;
            }
            let status = status::status_of(directory.as_fd())?;
            let key = (identity_of(&status), section.clone());
            if let Some(quota) = self.opened.borrow().get(&key) {
                found.push(Rc::clone(quota));
                continue;
            }
            let (name, ledger) = self.keeper.open(section, directory, self.quotas.writable)?;
            let shown = Some((section.clone(), directory.try_clone()?));
            let quota = Rc::new(Quota::new(name, ledger, status.device, terms.clone(), shown));
            self.opened.borrow_mut().insert(key, Rc::clone(&quota));
            found.push(quota);
        }
        Ok(found)
    }

    /// How much may be in a directory that comes to be in this one.
    pub fn most_of_child(&self, above: Identity) -> Amount {
        let mut most = Amount { bytes: u64::MAX, files: u64::MAX };
        for (at, inner) in &self.quotas.inner {
            if let Inner::Each(_, terms) = inner
                && *at == above
            {
                most.bytes = most.bytes.min(terms.most.bytes);
                most.files = most.files.min(terms.most.files);
            }
        }
        most
    }

    /// Whether this directory stays where it is.
    pub fn is_pinned(&self, status: &Status) -> bool {
        self.quotas.pinned.contains(&identity_of(status))
    }

    /// Begins a change of what is in this directory.
    pub fn begin_in(&self, directory: BorrowedFd<'_>) -> Result<Charge, Error> {
        self.begin(&self.covering(directory)?)
    }

    /// Begins a change of what these quotas cover. Busy: there is something to be done first.
    pub fn begin(&self, quotas: &[Rc<Quota>]) -> Result<Charge, Error> {
        let mut changes: Vec<Change> = Vec::with_capacity(quotas.len());
        for quota in quotas {
            match quota.begin()? {
                Some(change) => changes.push(change),
                None => return Err(self.must(Pending::Count(Rc::clone(quota)))),
            }
        }
        Ok(Charge::of(changes))
    }

    /// Whether nothing that is known needs to be counted first.
    pub fn settled(&self) -> Result<(), Error> {
        let inner = self.quotas.inner.iter().filter_map(|(_, inner)| match inner {
            Inner::This(quota) => Some(quota),
            Inner::Each(..) => None,
        });
        let opened = self.opened.borrow();
        for quota in self.quotas.always.iter().chain(inner).chain(opened.values()) {
            self.settle(quota)?;
        }
        Ok(())
    }

    /// The same of one.
    pub fn settle(&self, quota: &Rc<Quota>) -> Result<(), Error> {
        match quota.must_be_counted()? {
            true => Err(self.must(Pending::Count(Rc::clone(quota)))),
            false => Ok(()),
        }
    }

    /// Notes what is to be done first.
    pub fn must(&self, pending: Pending) -> Error {
        self.pending.replace(Some(pending));
        Error::Busy
    }

    /// What was noted.
    pub fn take_pending(&self) -> Option<Pending> {
        self.pending.take()
    }

    /// Keeps what was found out.
    pub fn keep_measured(&self, measured: Measured) {
        self.measured.replace(Some(measured));
    }

    /// What was found out of this directory.
    pub fn measured(&self, status: &Status) -> Option<Measured> {
        self.measured.take().filter(|measured| measured.directory == identity_of(status))
    }

    /// What belongs to this uid is gone or is another: if it is somebody else's, who counts what is his own, he has to know.
    pub fn changed(&self, uid: u32) {
        let mut owners = self.quotas.always.iter().filter_map(|quota| quota.terms.owner);
        if owners.next().is_some_and(|own| own != uid) {
            self.keeper.doubt(uid);
        }
    }

    /// This directory is gone, and its number may be that of another one day.
    pub fn forget(&self, directory: &Status) {
        let identity = identity_of(directory);
        self.opened.borrow_mut().retain(|(known, _), _| *known != identity);
    }
}

/// What the kernel tells it by.
pub fn identity_of(status: &Status) -> Identity {
    (status.device, status.inode)
}
