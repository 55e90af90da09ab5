//! Changes that make names or take them away, where names count.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::fcntl::{self, OFlag};
use nix::sys::stat::Mode;

use super::{Files, status_in};
use crate::protocol::path::FtpPath;
use crate::session::error::Error;
use crate::session::quota::charge::Charge;
use crate::session::quota::covering::{Counted, Keeper, Pending, Quotas, identity_of};
use crate::session::quota::{Amount, Quota};
use crate::session::upload::Start;
use crate::system::status::{Kind, Look, Status};

impl Files {
    /// From here on, what is there counts.
    pub fn keep_quotas(&mut self, quotas: Quotas, keeper: Box<dyn Keeper>) {
        self.counted = (!quotas.is_empty()).then(|| Counted::new(quotas, keeper));
    }

    /// What is counted, if anything is.
    pub fn counted(&self) -> Option<&Counted> {
        self.counted.as_ref()
    }

    /// The quotas of what is in this directory, counted as far as they have to be.
    pub fn quotas_in(&self, path: &FtpPath) -> Result<Vec<Rc<Quota>>, Error> {
        let Some(counted) = &self.counted else { return Ok(Vec::new()) };
        let directory = self.open_directory_path(&*self.locate(path, true)?)?;
        let quotas = counted.covering(directory.as_fd())?;
        quotas.iter().try_for_each(|quota| counted.settle(quota))?;
        Ok(quotas)
    }

    /// The directory in which an upload of this name will put something, as far as that can be said before.
    pub(in crate::session) fn target_directory(&self, path: &FtpPath, start: Start) -> Option<OwnedFd> {
        let object = self.locate_quietly(path, false).ok()?;
        let (directory, name) = self.parent(&object).ok()??;
        if start == Start::Unique || self.terms(&object).is_dropped() {
            return Some(directory);
        }
        match status_in(directory.as_fd(), name, Look::default()) {
            Ok(status) if status.kind == Kind::Symlink => {
                let object = self.behind_links(path).ok()?;
                Some(self.parent(&object).ok()??.0)
            }
            Ok(_) | Err(_) => Some(directory),
        }
    }

    /// Makes a name, if there is room for one.
    pub(super) fn making<T>(
        &self,
        directory: BorrowedFd<'_>,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(counted) = &self.counted else { return make() };
        let mut charge = counted.begin_in(directory)?;
        charge.pay_name()?;
        let made = make()?;
        charge.keep();
        Ok(made)
    }

    /// Takes a name away, and what it counted for.
    pub(super) fn taking_away<T>(
        &self,
        (directory, name): (BorrowedFd<'_>, &[u8]),
        take: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(counted) = &self.counted else { return take() };
        let charge = counted.begin_in(directory)?;
        let status = status_in(directory, name, Look::default());
        if status.as_ref().is_ok_and(|status| counted.is_pinned(status)) {
            return Err(Error::HasQuota);
        }
        let taken = take()?;
        match status {
            Ok(status) => {
                charge.gone(&status);
                counted.changed(status.uid);
                if status.kind == Kind::Directory {
                    counted.forget(&status);
                }
            }
            Err(_) => charge.doubt(),
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
        match &self.counted {
            Some(counted) => Move::begin(counted, from, to)?.carry_out(move_it),
            None => move_it(),
        }
    }
}

/// Something on its way from one name to another.
struct Move<'a> {
    counted: &'a Counted,
    /// Where it is, and where it will be.
    above: [Status; 2],
    directory: Option<OwnedFd>,
    what: Option<Status>,
    replaced: Option<Status>,
    /// With all that is in it.
    amount: Amount,
    is_exact: bool,
    /// Quotas that it leaves, enters, and stays in.
    leaving: Charge,
    entering: Charge,
    staying: Charge,
}

impl<'a> Move<'a> {
    fn begin(
        counted: &'a Counted,
        from: (BorrowedFd<'_>, &[u8]),
        to: (BorrowedFd<'_>, &[u8]),
    ) -> Result<Move<'a>, Error> {
        let [what, replaced] =
            [from, to].map(|(directory, name)| status_in(directory, name, Look::default()).ok());
        if [&what, &replaced].into_iter().flatten().any(|status| counted.is_pinned(status)) {
            return Err(Error::HasQuota);
        }
        // Two names of one file: rename(2) does nothing.
        let replaced =
            replaced.filter(|old| what.as_ref().is_none_or(|new| identity_of(old) != identity_of(new)));
        let is_directory = what.as_ref().is_some_and(|status| status.kind == Kind::Directory);
        let directory = match is_directory {
            true => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                Some(fcntl::openat(from.0, from.1, flags, Mode::empty())?)
            }
            false => None,
        };
        let [sources, targets] = [counted.covering(from.0)?, counted.covering(to.0)?];
        let is_in =
            |quota: &Rc<Quota>, others: &[Rc<Quota>]| others.iter().any(|other| Rc::ptr_eq(other, quota));
        let (staying, leaving): (Vec<_>, Vec<_>) =
            sources.iter().cloned().partition(|quota| is_in(quota, &targets));
        let entering: Vec<_> = targets.into_iter().filter(|quota| !is_in(quota, &sources)).collect();
        let above = [from.0, to.0].map(crate::system::status::status_of);
        let [Ok(source), Ok(target)] = above else { return Err(Error::NotFound) };
        let changes_quotas = !leaving.is_empty()
            || !entering.is_empty()
            || counted.most_of_child(identity_of(&target)) != UNLIMITED;
        let (mut amount, mut is_exact) = (what.as_ref().map(Amount::of).unwrap_or_default(), what.is_some());
        if let (Some(status), Some(directory), true) = (&what, &directory, changes_quotas) {
            let Some(measured) = counted.measured(status) else {
                return Err(counted.must(Pending::Measure(directory.try_clone()?, sources)));
            };
            let changes: u64 = sources.iter().map(|quota| quota.changes_begun()).sum();
            amount = amount.and(measured.amount);
            is_exact = measured.is_exact && measured.changes == changes;
            let most = counted.most_of_child(identity_of(&target));
            if measured.amount.bytes > most.bytes || measured.amount.files > most.files {
                return Err(Error::QuotaExceeded);
            }
        }
        let [leaving, entering, staying] = [leaving, entering, staying].map(|quotas| counted.begin(&quotas));
        Ok(Move {
            counted,
            above: [source, target],
            directory,
            what,
            replaced,
            amount,
            is_exact,
            leaving: leaving?,
            entering: entering?,
            staying: staying?,
        })
    }

    fn carry_out<T>(mut self, move_it: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        // All of them, or two could both give back what only one has replaced.
        let [Some(_leaving), Some(_entering), Some(_staying)] =
            [self.leaving.try_be_alone()?, self.entering.try_be_alone()?, self.staying.try_be_alone()?]
        else {
            return Err(self.counted.must(Pending::Wait));
        };
        let (amount, what, replaced) = (self.amount, self.what, self.replaced);
        let cost = |quota: &Quota| match &what {
            Some(status) if quota.counts(status.uid) => amount,
            Some(_) | None => Amount::default(),
        };
        let old = |quota: &Quota| replaced.map(|status| quota.cost_of(&status)).unwrap_or_default();
        self.entering.pay(|share| cost(share.quota()).without(old(share.quota())))?;
        let moved = move_it()?;
        self.entering.keep();
        for share in self.entering.shares() {
            share.gone(old(share.quota()).without(cost(share.quota())));
        }
        for share in self.leaving.shares() {
            share.gone(cost(share.quota()));
        }
        if let Some(status) = &replaced {
            self.staying.gone(status);
            self.counted.changed(status.uid);
        }
        if !self.is_exact {
            self.leaving.doubt();
            self.entering.doubt();
        }
        // What it has for being in one of the two directories is counted when it is needed.
        if let (Some(directory), Some(status)) = (&self.directory, &what) {
            self.counted.forget(status);
            let [source, target] = self.above.map(|above| identity_of(&above));
            if source != target {
                let quotas = self.counted.of_child(target, directory);
                quotas.iter().flatten().for_each(|quota| quota.doubt());
            }
        }
        Ok(moved)
    }
}

const UNLIMITED: Amount = Amount { bytes: u64::MAX, files: u64::MAX };
