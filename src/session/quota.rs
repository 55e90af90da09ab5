//! What there may be in a directory: counted in a ledger that all sessions share which change something there, and never
//! passed.
//!
//! Bytes and names are paid for before they are there, by one atomic step each, so that two can never both have the last
//! one. Whoever changes something holds a shared lock meanwhile and is counted as active. If nobody holds it and yet
//! somebody is counted, he has died in the middle; then whoever comes next has the worker count what is really there, with
//! changes of others waiting. The same is done where anything was not as expected, and where the last count was long ago,
//! since files change without FTP, too. Until then the numbers are too large at most, never too small.
//!
//! Which quotas cover a directory is found in `covering`; `charge` pays for several at once; `waiting` is how a session has
//! something counted and goes on hearing its client.

pub mod charge;
pub mod covering;
pub mod waiting;

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::error::Error;
use crate::ipc::ledger::is_doubtful;
use crate::ipc::ledger::place::{ACTIVE, BYTES, CHANGES, COUNTED, DOUBTFUL, FILES, TRYING};
use crate::system::ledger::Ledger;
use crate::system::status::Status;
pub use crate::system::tree::Amount;

/// For how long nobody is asked again to count what could not be counted.
const RESIGNATION: Duration = Duration::from_secs(5);

/// What a quota limits, and how often it is counted anew.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the client reads that it is about.
    pub title: String,
    /// What there may be; u64::MAX: any number.
    pub most: Amount,
    /// After so many seconds everything is counted again; 0: never.
    pub recount: u64,
    /// Whose files count; None: everybody's.
    pub owner: Option<u32>,
}

/// A ledger, and its limits.
pub struct Quota {
    terms: Terms,
    /// What the worker knows the ledger by.
    name: String,
    ledger: Ledger,
    /// The file system that counts.
    device: u64,
    /// The section that is about it, and the directory, where the worker cannot know it.
    shown: Option<(String, OwnedFd)>,
    /// It could not be counted, and is used as it is until then.
    resigned: Cell<Option<Instant>>,
    /// Changes of this process that have begun and not ended.
    begun: Cell<u32>,
}

impl Quota {
    /// Of a ledger of this name. `shown`: the section that is about the directory, and the directory, if the worker has to be
    /// shown it.
    pub fn new(
        name: String,
        ledger: Ledger,
        device: u64,
        terms: Terms,
        shown: Option<(String, OwnedFd)>,
    ) -> Quota {
        Quota { terms, name, ledger, device, shown, resigned: Cell::default(), begun: Cell::default() }
    }

    /// What the client reads that it is about.
    pub fn title(&self) -> &str {
        &self.terms.title
    }

    /// What the worker knows its ledger by.
    #[cfg(test)]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory, where the worker has to be shown it.
    #[cfg(test)]
    pub fn shown(&self) -> Option<&OwnedFd> {
        self.shown.as_ref().map(|(_, directory)| directory)
    }

    /// As if this process were gone.
    #[cfg(test)]
    pub fn abandon(&self) {
        self.begun.set(0);
        self.ledger.leave();
    }

    /// What may be there.
    pub fn most(&self) -> Amount {
        self.terms.most
    }

    /// What is there, and what is being paid for.
    pub fn used(&self) -> Amount {
        Amount { bytes: self.ledger.get(BYTES), files: self.ledger.get(FILES) }
    }

    /// What this counts for here.
    pub fn cost_of(&self, status: &Status) -> Amount {
        match self.counts(status.uid) {
            true => Amount::of(status),
            false => Amount::default(),
        }
    }

    /// Whether what belongs to this uid counts.
    pub fn counts(&self, uid: u32) -> bool {
        self.terms.owner.is_none_or(|owner| owner == uid)
    }

    /// Before something is changed. None: it has to be counted first.
    pub fn begin(self: &Rc<Self>) -> Result<Option<Change>, Error> {
        let begun = self.begun.get();
        if begun == 0 && (self.must_be_counted()? || !self.ledger.try_enter()?) {
            return Ok(None);
        }
        if begun == 0 && self.ledger.get(COUNTED) == 0 {
            // Somebody was counting, and could not.
            self.ledger.leave();
            return Ok(None);
        }
        self.begun.set(begun + 1);
        let change = Change { quota: Rc::clone(self) };
        // From here on the lock is given back.
        for index in [ACTIVE, CHANGES] {
            self.ledger.word(index).ok_or(Error::Denied)?.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Some(change))
    }

    /// Whether the numbers are in doubt, and nothing hinders anybody to count.
    pub fn must_be_counted(&self) -> Result<bool, Error> {
        if self.is_counted() && self.resigned.get().is_some_and(|until| Instant::now() < until) {
            return Ok(false);
        }
        Ok(is_doubtful(|index| self.ledger.get(index), self.terms.recount) && self.ledger.is_free()?)
    }

    /// It cannot be counted now. The numbers are too large at most, if there are any.
    pub fn resign(&self) {
        self.resigned.set(Some(Instant::now() + RESIGNATION));
    }

    /// Whether anything was ever counted.
    pub fn is_counted(&self) -> bool {
        self.ledger.get(COUNTED) > 0
    }

    /// How many changes have ever begun.
    pub fn changes_begun(&self) -> u64 {
        self.ledger.get(CHANGES)
    }

    /// Whether anything is being changed.
    pub fn is_active(&self) -> bool {
        self.ledger.get(ACTIVE) > 0
    }

    /// Pays for as much of this as there is room for, and says for how much.
    fn pay(&self, index: usize, wanted: u64) -> u64 {
        let most = if index == BYTES { self.terms.most.bytes } else { self.terms.most.files };
        let Some(word) = self.ledger.word(index) else { return 0 };
        let mut granted = 0;
        let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
            granted = wanted.min(most.saturating_sub(used));
            (granted > 0).then(|| used + granted)
        });
        granted
    }

    fn give_back(&self, index: usize, amount: u64) {
        let Some(word) = self.ledger.word(index).filter(|_| amount > 0) else { return };
        let taken =
            word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| Some(used.saturating_sub(amount)));
        if taken.is_ok_and(|used| used < amount) {
            self.doubt();
        }
    }

    /// Something has happened that cannot be put in numbers: the next who can has it counted.
    pub fn doubt(&self) {
        if let Some(word) = self.ledger.word(DOUBTFUL) {
            word.store(1, Ordering::SeqCst);
        }
    }

    /// Whether others pay for several quotas at once, and may give back what they took here.
    fn is_tried(&self) -> bool {
        self.ledger.get(TRYING) > 0
    }

    fn try_several(&self, begin: bool) {
        let Some(word) = self.ledger.word(TRYING) else { return };
        match begin {
            true => word.fetch_add(1, Ordering::SeqCst),
            false => word.fetch_sub(1, Ordering::SeqCst),
        };
    }
}

/// Something is being changed, as long as this lives.
pub struct Change {
    quota: Rc<Quota>,
}

impl Drop for Change {
    fn drop(&mut self) {
        let quota = &self.quota;
        if let Some(word) = quota.ledger.word(ACTIVE) {
            word.fetch_sub(1, Ordering::SeqCst);
        }
        quota.begun.set(quota.begun.get() - 1);
        if quota.begun.get() == 0 {
            quota.ledger.leave();
        }
    }
}

impl Change {
    /// So much is gone, or did not come.
    pub fn give_back(&self, amount: Amount) {
        self.quota.give_back(BYTES, amount.bytes);
        self.quota.give_back(FILES, amount.files);
    }

    /// The quota itself.
    pub fn quota(&self) -> &Rc<Quota> {
        &self.quota
    }
}
