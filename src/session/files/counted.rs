//! Changes that make names or take them away, where names count.

use std::os::fd::BorrowedFd;
use std::rc::Rc;

use super::{Files, status_in};
use crate::session::error::Error;
use crate::session::quota::{Amount, Quota, cost_of};
use crate::system::status::Look;

impl Files {
    /// From here on, what is there counts.
    pub fn keep_quota(&mut self, quota: Option<Rc<Quota>>) {
        self.counted = quota;
    }

    /// The quota of the root, if one is kept.
    pub fn ledger(&self) -> Option<&Rc<Quota>> {
        self.counted.as_ref()
    }

    /// Makes a name, if there is room for one.
    pub(super) fn making<T>(&self, make: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let Some(quota) = &self.counted else { return make() };
        let change = quota.begin()?;
        change.pay_name()?;
        let made = make();
        if made.is_err() {
            change.give_back(Amount { bytes: 0, files: 1 });
        }
        made
    }

    /// Takes a name away, and what it counted for.
    pub(super) fn taking_away<T>(
        &self,
        (directory, name): (BorrowedFd<'_>, &[u8]),
        take: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(quota) = &self.counted else { return take() };
        let change = quota.begin()?;
        let cost = status_in(directory, name, Look::default()).map(|status| cost_of(&status));
        let taken = take()?;
        match cost {
            Ok(cost) => change.give_back(cost),
            Err(_) => change.doubt(),
        }
        Ok(taken)
    }

    /// Moves something to a name; what had the name before is gone, unless it is the same.
    pub(super) fn moving<T>(
        &self,
        from: (BorrowedFd<'_>, &[u8]),
        to: (BorrowedFd<'_>, &[u8]),
        move_it: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(quota) = &self.counted else { return move_it() };
        let change = quota.begin()?;
        let _publishing = quota.publishing()?;
        let [from, to] = [from, to].map(|(directory, name)| status_in(directory, name, Look::default()));
        let moved = move_it()?;
        if let (Ok(from), Ok(to)) = (from, to)
            && (from.device, from.inode) != (to.device, to.inode)
        {
            change.give_back(cost_of(&to));
        }
        Ok(moved)
    }
}
