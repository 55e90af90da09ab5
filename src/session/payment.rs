//! An upload pays for its bytes before they are written, where there is a quota: 552 comes at the byte that there is no room
//! for. What takes the place of something else costs what it is larger.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::{Whence, lseek};

use super::Session;
use super::copy::write_all;
use super::error::Error;
use super::files::{self, Files};
use super::quota::{Amount, Change};
use super::transfer::Cut;
use super::upload::{Complete, Nature, Upload};
use crate::system::status::{self, Look};

/// What an upload has paid. If it is dropped, everything is given back.
pub struct Payment {
    change: Change,
    /// Bytes.
    paid: u64,
    /// One name.
    named: bool,
    /// So many bytes more are there already.
    credit: u64,
    /// How large the file was that is written in place.
    base: u64,
}

impl Files {
    /// Before an upload begins: its name is paid for, if there is room for one more.
    pub fn begin_payment(&self) -> Result<Option<Payment>, Error> {
        let Some(quota) = self.ledger() else { return Ok(None) };
        let change = quota.begin()?;
        let named = change.pay_name().is_ok();
        Ok(Some(Payment { change, paid: 0, named, credit: 0, base: 0 }))
    }
}

impl Payment {
    /// The upload has begun: what it will cost is known now.
    pub fn is_for(&mut self, upload: &Upload) -> Result<(), Error> {
        match upload.nature() {
            Nature::Fresh | Nature::Sealed => {
                if !self.named {
                    return Err(Error::QuotaExceeded);
                }
            }
            Nature::InPlace { .. } => {
                self.give_back_name();
                self.base = status::status_of(upload.descriptor())?.size;
                self.credit = self.base.saturating_sub(position(upload.descriptor())?);
            }
            Nature::Replacing => {
                self.give_back_name();
                self.credit = replaced(upload).map_or(0, |old| old.bytes);
            }
        }
        Ok(())
    }

    /// For how many of these bytes there is room.
    fn pay(&mut self, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let free = self.credit.min(wanted);
        self.credit -= free;
        let paid = self.change.pay_bytes(wanted - free);
        self.paid += paid;
        (free + paid) as usize
    }

    fn give_back_name(&mut self) {
        if std::mem::take(&mut self.named) {
            self.change.give_back(Amount { bytes: 0, files: 1 });
        }
    }

    /// What was paid for is there now.
    fn keep(&mut self) {
        self.paid = 0;
        self.named = false;
    }

    /// Makes the upload count.
    fn finish(mut self, upload: Upload) -> Result<Complete, Error> {
        match upload.nature() {
            Nature::Fresh => {
                let done = upload.finish();
                if done.is_err() {
                    self.change.doubt();
                }
                self.keep();
                done
            }
            Nature::InPlace { cut } => {
                let size = status::status_of(upload.descriptor()).map(|status| status.size);
                let end = position(upload.descriptor());
                let done = upload.finish();
                match (size, end) {
                    (Ok(size), Ok(end)) if done.is_ok() => {
                        let lost = if cut { size.saturating_sub(end) } else { 0 };
                        self.change.give_back(Amount { bytes: lost, files: 0 });
                    }
                    _ => self.change.doubt(),
                }
                self.keep();
                done
            }
            Nature::Replacing | Nature::Sealed => self.publish(upload),
        }
    }

    /// What has been written somewhere else takes a name. Nobody else does so meanwhile, or two would both give back what
    /// only one has replaced.
    fn publish(mut self, upload: Upload) -> Result<Complete, Error> {
        // The guard borrows what is changed below.
        let quota = self.change.quota();
        let _publishing = quota.publishing()?;
        let old = replaced(&upload);
        let new = status::status_of(upload.descriptor())?.size;
        let before = old.map_or(0, |old| old.bytes);
        let cost = new.saturating_sub(before);
        let missing = cost.saturating_sub(self.paid);
        let more = self.change.pay_bytes(missing);
        self.paid += more;
        if more < missing {
            return Err(Error::QuotaExceeded);
        }
        if old.is_none() && !self.named {
            self.change.pay_name()?;
            self.named = true;
        }
        if upload.has_other_names() {
            // They are as large as this one then.
            self.change.doubt();
        }
        let done = upload.finish();
        if done.is_err() {
            self.change.doubt();
            return done;
        }
        let given = (self.paid - cost) + before.saturating_sub(new);
        let names = u64::from(self.named && old.is_some());
        self.change.give_back(Amount { bytes: given, files: names });
        self.keep();
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
            self.change.doubt();
            self.keep();
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
                self.change.give_back(Amount { bytes: self.paid.saturating_sub(grown), files: 0 });
                if grown > self.paid {
                    self.change.doubt();
                }
                self.keep();
            }
            // Somebody else has removed it, and given back what it had then.
            Ok(_) | Err(_) => {
                self.change.doubt();
                self.keep();
            }
        }
    }
}

impl Drop for Payment {
    fn drop(&mut self) {
        self.change.give_back(Amount { bytes: self.paid, files: u64::from(self.named) });
    }
}

/// What stands under the name that an upload is going to take.
fn replaced(upload: &Upload) -> Option<Amount> {
    if upload.nature() != Nature::Replacing {
        return None;
    }
    let status = files::status_in(upload.directory(), upload.name(), Look::default()).ok()?;
    Some(super::quota::cost_of(&status))
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

    /// Every byte is written: makes it count, and what it costs.
    pub(super) fn publish(&mut self, upload: Upload) -> Result<Complete, Error> {
        match self.payment.take() {
            Some(payment) => payment.finish(upload),
            None => upload.finish(),
        }
    }

    /// Nothing more will be written; `end` leaves of it what is to be left.
    pub(super) fn end_upload(&mut self, upload: Upload, end: impl FnOnce(Upload)) {
        match self.payment.take() {
            Some(payment) => payment.give_up(upload, end),
            None => end(upload),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;

    use super::super::quota::{Quota, walk};
    use super::super::testing::{Scratch, path};
    use super::super::upload::Start;
    use super::*;
    use crate::config::{Config, SessionOptions};
    use crate::system::ledger::Ledger;
    use proptest::prelude::*;

    const MOST: Amount = Amount { bytes: 1000, files: 6 };

    fn options() -> SessionOptions {
        let text = "[session]\nquota-bytes = \"1000\"\nquota-files = 6\nquota-recount = 0\n";
        Config::parse(Path::new("f"), text).unwrap().session
    }

    /// A root with a ledger beside it.
    fn counted(scratch: &Scratch) -> (Files, Rc<Quota>) {
        let root = || OwnedFd::from(std::fs::File::open(scratch.path()).unwrap());
        let ledgers = scratch.path().with_extension("ledgers");
        let quota = Rc::new(Quota::new(Ledger::open(&ledgers, "a").unwrap(), root(), &options()));
        let mut files = scratch.files("elradfmwMT");
        files.keep_quota(Some(Rc::clone(&quota)));
        drop(quota.begin().unwrap());
        (files, quota)
    }

    fn really(scratch: &Scratch) -> Amount {
        walk(std::fs::File::open(scratch.path()).unwrap().into()).unwrap()
    }

    fn begin(files: &Files, name: &str, start: Start) -> Result<(Payment, Upload), Error> {
        let mut payment = files.begin_payment()?.expect("a quota is kept");
        let upload = files.upload(&path(name), start)?;
        payment.is_for(&upload)?;
        Ok((payment, upload))
    }

    /// Whether there was room for everything.
    fn write(payment: &mut Payment, upload: &Upload, length: usize) -> bool {
        let paid = payment.pay(length);
        write_all(upload.descriptor(), &vec![b'x'; paid]).unwrap();
        paid == length
    }

    #[test]
    fn of_two_that_come_at_once_neither_has_what_the_other_has() {
        let scratch = Scratch::new();
        let (files, quota) = counted(&scratch);
        let (_, other) = counted(&scratch);
        let (mut one, first) = begin(&files, "one", Start::New).unwrap();
        assert!(write(&mut one, &first, 600));
        assert_eq!(other.begin().unwrap().pay_bytes(600), 400);
        assert_eq!(quota.used().bytes, 1000);
    }

    #[test]
    fn who_died_in_the_middle_is_counted_anew() {
        let scratch = Scratch::new();
        let (files, quota) = counted(&scratch);
        let (mut payment, upload) = begin(&files, "one", Start::New).unwrap();
        assert!(write(&mut payment, &upload, 100));
        assert_eq!(payment.pay(300), 300);
        // The process ends: the lock is gone, and nothing else has been done.
        std::mem::forget((payment, upload));
        drop((files, quota));
        let ledgers = scratch.path().with_extension("ledgers");
        let stale = Ledger::open(&ledgers, "a").unwrap();
        assert_eq!(stale.words[1].load(std::sync::atomic::Ordering::Relaxed), 400);
        // The lock of the dead is that of a descriptor that is still open here: a ledger of another name has none.
        std::fs::copy(ledgers.join("a"), ledgers.join("b")).unwrap();
        let root = std::fs::File::open(scratch.path()).unwrap().into();
        let quota = Rc::new(Quota::new(Ledger::open(&ledgers, "b").unwrap(), root, &options()));
        drop(quota.begin().unwrap());
        assert_eq!(quota.used(), Amount { bytes: 100, files: 1 });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Store { name: u8, how: u8, pieces: Vec<usize>, whole: bool },
        Remove(u8),
        Rename(u8, u8),
        Make(u8),
        Unmake(u8),
        Link(u8, u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let store = (0u8..4, 0u8..4, prop::collection::vec(0usize..500, 0..4), any::<bool>())
            .prop_map(|(name, how, pieces, whole)| Step::Store { name, how, pieces, whole });
        prop::collection::vec(
            prop_oneof![
                4 => store,
                2 => (0u8..5).prop_map(Step::Remove),
                1 => (0u8..5, 0u8..5).prop_map(|(from, to)| Step::Rename(from, to)),
                1 => (0u8..3).prop_map(Step::Make),
                1 => (0u8..3).prop_map(Step::Unmake),
                1 => (0u8..4, 0u8..5).prop_map(|(from, to)| Step::Link(from, to)),
            ],
            0..30,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever is stored, cut, replaced, resumed, removed, renamed and linked: the ledger says what is there, and
        /// there is never more than may be.
        #[test]
        fn the_ledger_says_what_is_there(steps in steps()) {
            let scratch = Scratch::new();
            let (files, quota) = counted(&scratch);
            for step in steps {
                match &step {
                    Step::Store { name, how, pieces, whole } => {
                        let size = files.status(&path(&format!("f{name}"))).map_or(0, |status| status.size);
                        let start = [Start::New, Start::Append, Start::Resume(size / 2), Start::Unique];
                        if let Ok((mut payment, upload)) = begin(&files, &format!("f{name}"), start[usize::from(*how)]) {
                            let fits = pieces.iter().all(|length| write(&mut payment, &upload, *length));
                            match fits && *whole {
                                true => drop(payment.finish(upload)),
                                false => payment.give_up(upload, if *whole { Upload::discard } else { Upload::abandon }),
                            }
                        }
                    }
                    Step::Remove(name) => {
                        let _ = files.remove_file(&path(&format!("f{name}")));
                    }
                    Step::Rename(from, to) => {
                        let _ = files.rename(&path(&format!("f{from}")), &path(&format!("f{to}")));
                    }
                    Step::Make(name) => {
                        let _ = files.make_directory(&path(&format!("d{name}")));
                    }
                    Step::Unmake(name) => {
                        let _ = files.remove_directory(&path(&format!("d{name}")));
                    }
                    Step::Link(from, to) => {
                        let _ = files.make_link(&path(&format!("f{from}")), &path(&format!("f{to}")));
                    }
                }
                let there = really(&scratch);
                prop_assert_eq!(quota.used(), there, "{:?}", step);
                prop_assert!(there.bytes <= MOST.bytes && there.files <= MOST.files);
            }
            std::fs::remove_dir_all(scratch.path().with_extension("ledgers")).unwrap();
        }
    }
}
