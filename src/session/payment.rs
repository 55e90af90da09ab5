//! An upload pays for its bytes before they are written, where there are quotas: 552 comes at the byte that there is no room
//! for. What takes the place of something else costs what it is larger.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::unistd::{Whence, lseek};

use super::Session;
use super::copy::write_all;
use super::error::Error;
use super::files::{self, Files};
use super::quota::charge::{Alone, Charge};
use super::quota::covering::{Identity, identity_of};
use super::quota::{Amount, Quota};
use super::transfer::Cut;
use super::upload::{Complete, Gift, Nature, Start, Upload};
use crate::protocol::path::FtpPath;
use crate::system::status::{self, Look, Status};

/// How long an upload that is complete waits for others who are taking their places.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// What an upload has paid. If it is dropped, everything is given back.
pub struct Payment {
    charge: Charge,
    /// The directory whose quotas are paid.
    directory: Option<Identity>,
    /// Whether one name is paid for.
    named: bool,
    /// How large the file was that is written in place.
    base: u64,
    /// Whom the file belongs to.
    owner: u32,
}

impl Files {
    /// Before an upload begins: its name is paid for, if there is room for one more.
    pub fn begin_payment(&self, path: &FtpPath, start: Start) -> Result<Option<Payment>, Error> {
        let Some(counted) = self.counted() else { return Ok(None) };
        // Where there is no directory, there will be no upload; what is wrong is for the upload to say.
        let (charge, directory) = match &self.target_directory(path, start) {
            Some(directory) => {
                let status = status::status_of(directory.as_fd())?;
                (counted.begin_in(directory.as_fd())?, Some(identity_of(&status)))
            }
            None => (Charge::default(), None),
        };
        let mut payment = Payment { charge, directory, named: false, base: 0, owner: 0 };
        payment.named = payment.charge.pay_name().is_ok();
        Ok(Some(payment))
    }

    /// What belongs to this uid has changed.
    fn tell_owner(&self, uid: u32) {
        if let Some(counted) = self.counted() {
            counted.changed(uid);
        }
    }
}

impl Payment {
    /// The upload has begun: what it will cost is known now.
    pub fn is_for(&mut self, upload: &Upload) -> Result<(), Error> {
        if self.directory != Some(identity_of(&status::status_of(upload.directory())?)) {
            // Somebody has moved something meanwhile, and others would have to be paid.
            return Err(Error::Busy);
        }
        let owner = upload.owner()?;
        self.owner = owner;
        let nature = upload.nature();
        match nature {
            Nature::Fresh | Nature::Sealed if !self.named => return Err(Error::QuotaExceeded),
            Nature::Fresh | Nature::Sealed => {}
            Nature::InPlace { .. } | Nature::Replacing => self.give_back_name(),
        }
        self.charge.retain(|quota| quota.counts(owner));
        match nature {
            Nature::Fresh | Nature::Sealed => {}
            Nature::InPlace { .. } => {
                self.base = status::status_of(upload.descriptor())?.size;
                let credit = self.base.saturating_sub(position(upload.descriptor())?);
                self.charge.shares().iter_mut().for_each(|share| share.set_credit(credit));
            }
            Nature::Replacing => {
                let old = replaced(upload);
                for share in self.charge.shares() {
                    share.set_credit(cost_of(old.as_ref(), share.quota()).bytes);
                }
            }
        }
        Ok(())
    }

    /// For how many of these bytes there is room.
    fn pay(&mut self, wanted: usize) -> usize {
        self.charge.pay_bytes(wanted as u64) as usize
    }

    fn give_back_name(&mut self) {
        if std::mem::take(&mut self.named) {
            self.charge.shares().iter_mut().for_each(|share| share.return_paid(Amount::NAME));
        }
    }

    /// Makes the upload count; what was paid for is there then. What it replaced is to be replaced by nobody else.
    fn finish(&mut self, upload: Upload) -> Result<Complete, Error> {
        match upload.nature() {
            Nature::Fresh => {
                let done = upload.finish();
                if done.is_err() {
                    self.charge.doubt();
                }
                self.charge.keep();
                done
            }
            Nature::InPlace { cut } => {
                let status = status::status_of(upload.descriptor());
                let end = position(upload.descriptor());
                let done = upload.finish();
                match (status, end) {
                    (Ok(status), Ok(end)) if done.is_ok() => {
                        let lost = if cut { status.size.saturating_sub(end) } else { 0 };
                        self.changed_in_place(lost, status.uid);
                    }
                    _ => self.charge.doubt(),
                }
                self.charge.keep();
                done
            }
            Nature::Replacing | Nature::Sealed => self.take_place(upload),
        }
    }

    /// The file is shorter by so much than it was paid for, and belongs to this uid.
    fn changed_in_place(&mut self, lost: u64, owner: u32) {
        let whole = Amount { bytes: self.base, files: 1 };
        for share in self.charge.shares() {
            if share.quota().counts(owner) {
                share.gone(Amount { bytes: lost, files: 0 });
            } else {
                share.gone(whole);
                share.return_paid(share.paid());
            }
        }
        self.owner = owner;
    }

    /// What has been written somewhere else takes a name.
    fn take_place(&mut self, upload: Upload) -> Result<Complete, Error> {
        let old = replaced(&upload);
        let size = status::status_of(upload.descriptor())?.size;
        // It may belong to somebody else already.
        let owner = upload.owner()?;
        let new = |quota: &Quota| match quota.counts(owner) {
            true => Amount { bytes: size, files: 1 },
            false => Amount::default(),
        };
        let cost = |quota: &Quota| new(quota).without(cost_of(old.as_ref(), quota));
        self.charge.pay(|share| cost(share.quota()).without(share.paid()))?;
        if upload.has_other_names() {
            // They are as large as this one then.
            self.charge.doubt();
        }
        let done = upload.finish();
        if done.is_err() {
            self.charge.doubt();
            return done;
        }
        for share in self.charge.shares() {
            let cost = cost(share.quota());
            share.return_paid(share.paid().without(cost));
            share.gone(cost_of(old.as_ref(), share.quota()).without(new(share.quota())));
        }
        self.charge.keep();
        self.owner = owner;
        done
    }

    /// The upload was cut: `end` leaves of it what is to be left.
    fn give_up(mut self, upload: Upload, end: impl FnOnce(Upload)) {
        match upload.nature() {
            // Nothing is left of it.
            Nature::Replacing | Nature::Sealed => return end(upload),
            Nature::Fresh | Nature::InPlace { .. } => {}
        }
        let Ok(file) = upload.descriptor().try_clone_to_owned() else {
            self.charge.doubt();
            self.charge.keep();
            return end(upload);
        };
        let was_there = has_name(&file);
        end(upload);
        let is_there = has_name(&file);
        match status::status_of(file.as_fd()) {
            // It was ours to remove, and everything is given back.
            _ if was_there && !is_there => {}
            Ok(status) if is_there => {
                let grown = status.size.saturating_sub(self.base);
                for share in self.charge.shares() {
                    let paid = share.paid().bytes;
                    share.return_paid(Amount { bytes: paid.saturating_sub(grown), files: 0 });
                    if grown > paid {
                        share.doubt();
                    }
                }
                self.charge.keep();
            }
            // Somebody else has removed it, and given back what it had then.
            Ok(_) | Err(_) => {
                self.charge.doubt();
                self.charge.keep();
            }
        }
    }

    /// The file belongs to somebody else from here on. Says to whom.
    pub(super) fn given_away(&mut self, file: &OwnedFd) -> Option<u32> {
        let Ok(status) = status::status_of(file.as_fd()) else {
            self.charge.doubt();
            return None;
        };
        for share in self.charge.shares().iter().filter(|share| !share.quota().counts(status.uid)) {
            share.gone(Amount::of(&status));
        }
        Some(status.uid)
    }

    /// What was complete is taken back, as far as that can be.
    pub(super) fn withdrawn(&self) {
        self.charge.doubt();
    }
}

/// What stands under the name that an upload is going to take.
fn replaced(upload: &Upload) -> Option<Status> {
    if upload.nature() != Nature::Replacing {
        return None;
    }
    files::status_in(upload.directory(), upload.name(), Look::default()).ok()
}

fn cost_of(what: Option<&Status>, quota: &Quota) -> Amount {
    what.map(|status| quota.cost_of(status)).unwrap_or_default()
}

fn has_name(file: &OwnedFd) -> bool {
    status::status_of(file.as_fd()).is_ok_and(|status| status.links > 0)
}

fn position(file: BorrowedFd<'_>) -> Result<u64, Error> {
    Ok(u64::try_from(lseek(file, 0, Whence::SeekCur)?).unwrap_or(0))
}

impl Session {
    /// Writes what there is room for.
    pub(super) fn write_paid(&mut self, file: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Cut> {
        let paid = self.pay_for(bytes.len());
        write_all(file, &bytes[..paid])?;
        if paid < bytes.len() { Err(Error::QuotaExceeded.into()) } else { Ok(()) }
    }

    /// For how many of these bytes there is room.
    pub(super) fn pay_for(&mut self, bytes: usize) -> usize {
        self.payment.as_mut().map_or(bytes, |payment| payment.pay(bytes))
    }

    /// Every byte is written: makes it count, and what it costs. As long as the payment is there, the change goes on.
    pub(super) fn publish(&mut self, upload: Upload) -> Result<(Complete, Option<Payment>), Cut> {
        let Some(mut payment) = self.payment.take() else { return Ok((upload.finish()?, None)) };
        let _alone = match upload.nature() {
            Nature::Replacing | Nature::Sealed => Some(self.be_alone(&payment.charge)?),
            Nature::Fresh | Nature::InPlace { .. } => None,
        };
        let complete = payment.finish(upload)?;
        self.files.tell_owner(payment.owner);
        Ok((complete, Some(payment)))
    }

    /// Waits until nobody else puts something in the place of something.
    fn be_alone(&mut self, charge: &Charge) -> Result<Alone, Cut> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(alone) = charge.try_be_alone()? {
                return Ok(alone);
            }
            if Instant::now() >= deadline {
                return Err(Error::Busy.into());
            }
            self.watch(None, Some(Instant::now() + PAUSE)).map_err(super::watch::Interrupted::from)?;
            self.obey_out_of_turn(false)?;
        }
    }

    /// An upload belongs to somebody else now.
    pub(super) fn pay_for_gift(&mut self, payment: Option<Payment>, gift: &Gift) {
        if let Some(uid) = payment.and_then(|mut payment| payment.given_away(&gift.file)) {
            self.files.tell_owner(uid);
        }
    }

    /// Nothing more will be written; `end` leaves of it what is to be left.
    pub(super) fn end_upload(&mut self, upload: Upload, end: impl FnOnce(Upload)) {
        match self.payment.take() {
            Some(payment) => {
                let owner = payment.owner;
                payment.give_up(upload, end);
                self.files.tell_owner(owner);
            }
            None => end(upload),
        }
    }
}

#[cfg(test)]
mod tests;
