//! What the session's root may hold: counted in a ledger that all sessions of this root share, and never passed.
//!
//! Bytes and names are paid for before they are there, by one atomic step each, so that two can never both have the last
//! one. Whoever changes something holds a shared lock meanwhile and is counted as active. If nobody holds it and yet
//! somebody is counted, he has died in the middle; then whoever comes next takes the lock for himself alone, walks the
//! tree, and writes what is really there. The same is done where anything was not as expected, and where the last walk
//! was long ago, since files change without FTP, too. Until then the numbers are too large at most, never too small.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;

use super::error::Error;
use super::files::status_in;
use crate::config::SessionOptions;
use crate::system::directory::Entries;
use crate::system::ledger::{Ledger, Lock};
use crate::system::status::{self, Kind, Look};

/// What the words of a ledger are.
const COUNTED: usize = 0;
const BYTES: usize = 1;
const FILES: usize = 2;
const ACTIVE: usize = 3;
const DOUBTFUL: usize = 4;

/// Held by all who change something, or by one who counts.
const GATE: i64 = 0;
/// Held for the moment in which something takes the place of something else.
const PUBLISHING: i64 = 1;

/// How long one waits for another who counts or publishes.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// Trees deeper than this are not walked to their end.
const DEEPEST: usize = 128;

/// The ledger of the session's root, and its limits.
pub struct Quota {
    ledger: Ledger,
    root: OwnedFd,
    most: Amount,
    /// After so many seconds the tree is walked again; 0: never.
    recount: u64,
}

/// Bytes of files, and names: of files, directories and everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub bytes: u64,
    pub files: u64,
}

impl Quota {
    /// `root` is the directory whose contents count.
    pub fn new(ledger: Ledger, root: OwnedFd, options: &SessionOptions) -> Quota {
        let unlimited = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        let most = Amount {
            bytes: options.quota_bytes.bytes().unwrap_or(u64::MAX),
            files: unlimited(options.quota_files.get().into()),
        };
        let recount = options.quota_recount.seconds().into();
        Quota { ledger, root, most, recount }
    }

    /// What may be there.
    pub fn most(&self) -> Amount {
        self.most
    }

    /// What is there, and what is being paid for.
    pub fn used(&self) -> Amount {
        Amount {
            bytes: self.word(BYTES).load(Ordering::SeqCst),
            files: self.word(FILES).load(Ordering::SeqCst),
        }
    }

    /// Before something is changed. Busy: somebody counts, for too long.
    pub fn begin(self: &Rc<Self>) -> Result<Change, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.ledger.try_lock(GATE, Lock::Exclusive)? && self.is_doubtful() {
                let counted = self.count();
                if counted.is_err() {
                    self.ledger.try_lock(GATE, Lock::None)?;
                }
                counted?;
            }
            // From an exclusive lock to a shared one there is no gap.
            if self.ledger.try_lock(GATE, Lock::Shared)? {
                self.word(ACTIVE).fetch_add(1, Ordering::SeqCst);
                return Ok(Change { quota: Rc::clone(self) });
            }
            if Instant::now() >= deadline {
                return Err(Error::Busy);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Until this is dropped, nobody else puts something in the place of something.
    pub fn publishing(&self) -> Result<Publishing<'_>, Error> {
        let deadline = Instant::now() + PATIENCE;
        while !self.ledger.try_lock(PUBLISHING, Lock::Exclusive)? {
            if Instant::now() >= deadline {
                return Err(Error::Busy);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Publishing { quota: self })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.ledger.words[index]
    }

    /// Asked with the gate for oneself alone: nobody is active then, or he is dead.
    fn is_doubtful(&self) -> bool {
        let counted = self.word(COUNTED).load(Ordering::SeqCst);
        let is_old = self.recount > 0 && now().saturating_sub(counted) >= self.recount;
        let [active, doubtful] = [ACTIVE, DOUBTFUL].map(|index| self.word(index).load(Ordering::SeqCst));
        counted == 0 || is_old || active > 0 || doubtful > 0
    }

    /// Walks the tree, as the user: what he cannot look into does not count.
    fn count(&self) -> Result<(), Error> {
        let found = walk(self.root.try_clone()?)?;
        self.word(BYTES).store(found.bytes, Ordering::SeqCst);
        self.word(FILES).store(found.files, Ordering::SeqCst);
        self.word(ACTIVE).store(0, Ordering::SeqCst);
        self.word(DOUBTFUL).store(0, Ordering::SeqCst);
        self.word(COUNTED).store(now().max(1), Ordering::SeqCst);
        Ok(())
    }

    /// Pays for as much of this as there is room for, and says for how much.
    fn pay(&self, index: usize, most: u64, wanted: u64) -> u64 {
        let mut granted = 0;
        let _ = self.word(index).fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
            granted = wanted.min(most.saturating_sub(used));
            (granted > 0).then(|| used + granted)
        });
        granted
    }

    fn give_back(&self, index: usize, amount: u64) {
        let taken = self
            .word(index)
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| Some(used.saturating_sub(amount)));
        if taken.is_ok_and(|used| used < amount) {
            self.doubt();
        }
    }

    fn doubt(&self) {
        self.word(DOUBTFUL).store(1, Ordering::SeqCst);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// Something is being changed, as long as this lives.
pub struct Change {
    quota: Rc<Quota>,
}

impl Drop for Change {
    fn drop(&mut self) {
        self.quota.word(ACTIVE).fetch_sub(1, Ordering::SeqCst);
        let _ = self.quota.ledger.try_lock(GATE, Lock::None);
    }
}

impl Change {
    /// Pays for one more name.
    pub fn pay_name(&self) -> Result<(), Error> {
        match self.quota.pay(FILES, self.quota.most.files, 1) {
            1 => Ok(()),
            _ => Err(Error::QuotaExceeded),
        }
    }

    /// Pays for as many of these bytes as there is room for.
    pub fn pay_bytes(&self, wanted: u64) -> u64 {
        self.quota.pay(BYTES, self.quota.most.bytes, wanted)
    }

    /// So much is gone, or did not come.
    pub fn give_back(&self, amount: Amount) {
        self.quota.give_back(BYTES, amount.bytes);
        self.quota.give_back(FILES, amount.files);
    }

    /// Something has happened that cannot be put in numbers: the next who can counts anew.
    pub fn doubt(&self) {
        self.quota.doubt();
    }

    /// The quota itself.
    pub fn quota(&self) -> Rc<Quota> {
        Rc::clone(&self.quota)
    }
}

/// Something takes the place of something else.
pub struct Publishing<'a> {
    quota: &'a Quota,
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        let _ = self.quota.ledger.try_lock(PUBLISHING, Lock::None);
    }
}

/// What this file, link or directory counts for, with nothing in it.
pub fn cost_of(status: &status::Status) -> Amount {
    Amount { bytes: if status.kind == Kind::File { status.size } else { 0 }, files: 1 }
}

/// Everything below a directory. Symbolic links count and are not followed; other file systems are not entered.
pub(super) fn walk(root: OwnedFd) -> Result<Amount, Error> {
    let device = status::status_of(root.as_fd())?.device;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = |above: &OwnedFd, name: &[u8]| fcntl::openat(above, name, flags, Mode::empty());
    let mut levels = vec![Entries::of(open(&root, b".")?)];
    let mut found = Amount::default();
    while let Some(level) = levels.last_mut() {
        let Some((directory, entry)) = level.next()? else {
            levels.pop();
            continue;
        };
        let name = entry.name.to_bytes();
        // What has just gone away does not count.
        let Ok(status) = status_in(directory, name, Look::default()) else { continue };
        let cost = cost_of(&status);
        found = Amount { bytes: found.bytes + cost.bytes, files: found.files + cost.files };
        if status.kind == Kind::Directory && status.device == device {
            let inner = fcntl::openat(directory, name, flags, Mode::empty());
            if levels.len() < DEEPEST
                && let Ok(inner) = inner
            {
                levels.push(Entries::of(inner));
            }
        }
    }
    Ok(found)
}
