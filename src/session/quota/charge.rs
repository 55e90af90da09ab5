//! Paying for all quotas that cover something: each pays, or none.

use std::rc::Rc;
use std::time::Duration;

use super::{Amount, Change, Quota};
use crate::ipc::ledger::place::{BYTES, FILES};
use crate::session::error::Error;
use crate::system::status::Status;

/// How often one looks again whether somebody gives back what he took from one quota because another had no room.
const ATTEMPTS: u32 = 400;
const PAUSE: Duration = Duration::from_micros(100);

/// What one quota has been paid.
pub struct Share {
    change: Change,
    /// What is paid and not there yet. It is given back when this is dropped.
    paid: Amount,
    /// So many bytes more are there already.
    credit: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.change.give_back(self.paid);
    }
}

impl Share {
    /// The quota.
    pub fn quota(&self) -> &Rc<Quota> {
        self.change.quota()
    }

    /// What has been paid and is not there yet.
    pub fn paid(&self) -> Amount {
        self.paid
    }

    /// So many bytes need not be paid for.
    pub fn set_credit(&mut self, credit: u64) {
        self.credit = credit;
    }

    /// Of what was paid, so much did not come.
    pub fn return_paid(&mut self, amount: Amount) {
        let amount =
            Amount { bytes: amount.bytes.min(self.paid.bytes), files: amount.files.min(self.paid.files) };
        self.change.give_back(amount);
        self.paid = self.paid.without(amount);
    }

    /// So much that was there is gone.
    pub fn gone(&self, amount: Amount) {
        self.change.give_back(amount);
    }

    /// What was paid for is there now.
    pub fn keep(&mut self) {
        self.paid = Amount::default();
    }

    /// Nobody knows any more what is there.
    pub fn doubt(&self) {
        self.quota().doubt();
    }
}

/// A change, and what all quotas are paid for it that it concerns.
#[derive(Default)]
pub struct Charge {
    shares: Vec<Share>,
}

impl Charge {
    /// Of changes that have begun.
    pub fn of(changes: Vec<Change>) -> Charge {
        let share = |change| Share { change, paid: Amount::default(), credit: 0 };
        Charge { shares: changes.into_iter().map(share).collect() }
    }

    /// What each quota has been paid.
    pub fn shares(&mut self) -> &mut [Share] {
        &mut self.shares
    }

    /// Leaves out the quotas to which this does not count.
    pub fn retain(&mut self, counts: impl Fn(&Quota) -> bool) {
        self.shares.retain(|share| counts(share.quota()));
    }

    /// Pays for as many of these bytes as all have room for.
    pub fn pay_bytes(&mut self, wanted: u64) -> u64 {
        let mut granted = 0;
        for attempt in 0..ATTEMPTS {
            granted += self.try_bytes(wanted - granted);
            if granted == wanted || !self.is_tried() {
                break;
            }
            wait_a_little(attempt);
        }
        granted
    }

    fn try_bytes(&mut self, wanted: u64) -> u64 {
        let several = self.shares.len() > 1;
        self.try_several(several, true);
        let pay = |share: &mut Share| {
            let paid = share.quota().pay(BYTES, wanted - share.credit.min(wanted));
            share.paid.bytes += paid;
            paid
        };
        let paid: Vec<u64> = self.shares.iter_mut().map(pay).collect();
        let room = self.shares.iter().zip(&paid).map(|(share, paid)| share.credit.saturating_add(*paid));
        let granted = room.fold(wanted, u64::min);
        for (share, paid) in self.shares.iter_mut().zip(paid) {
            let free = share.credit.min(granted);
            share.credit -= free;
            share.return_paid(Amount { bytes: paid - (granted - free), files: 0 });
        }
        self.try_several(several, false);
        granted
    }

    /// Pays for one more name, where all have room for one.
    pub fn pay_name(&mut self) -> Result<(), Error> {
        self.pay(|_| Amount::NAME)
    }

    /// Pays so much, where all have room for it.
    pub fn pay(&mut self, cost: impl Fn(&Share) -> Amount) -> Result<(), Error> {
        for attempt in 0..ATTEMPTS {
            if self.try_all(&cost) {
                return Ok(());
            }
            if !self.is_tried() {
                break;
            }
            wait_a_little(attempt);
        }
        Err(Error::QuotaExceeded)
    }

    fn try_all(&mut self, cost: &impl Fn(&Share) -> Amount) -> bool {
        // Bytes and names are two payments, too.
        let several = self.shares.len() > 1 || self.shares.iter().any(|share| cost(share).bytes > 0);
        self.try_several(several, true);
        let mut fits = true;
        let before: Vec<Amount> = self.shares.iter().map(|share| share.paid).collect();
        for share in &mut self.shares {
            let cost = cost(share);
            let quota = Rc::clone(share.quota());
            let paid = Amount { bytes: quota.pay(BYTES, cost.bytes), files: quota.pay(FILES, cost.files) };
            share.paid = share.paid.and(paid);
            fits &= paid == cost;
        }
        if !fits {
            for (share, before) in self.shares.iter_mut().zip(before) {
                share.return_paid(share.paid.without(before));
            }
        }
        self.try_several(several, false);
        fits
    }

    /// What was paid for is there now.
    pub fn keep(&mut self) {
        self.shares.iter_mut().for_each(Share::keep);
    }

    /// This is gone.
    pub fn gone(&self, what: &Status) {
        self.shares.iter().for_each(|share| share.gone(share.quota().cost_of(what)));
    }

    /// Nobody knows any more what is there.
    pub fn doubt(&self) {
        self.shares.iter().for_each(Share::doubt);
    }

    /// Until this is dropped, nobody else puts something in the place of something. None: somebody does.
    pub fn try_be_alone(&self) -> Result<Option<Alone>, Error> {
        let mut alone = Alone(Vec::new());
        for share in &self.shares {
            if !share.quota().ledger.try_be_alone()? {
                return Ok(None);
            }
            alone.0.push(Rc::clone(share.quota()));
        }
        Ok(Some(alone))
    }

    fn is_tried(&self) -> bool {
        self.shares.iter().any(|share| share.quota().is_tried())
    }

    fn try_several(&self, several: bool, begin: bool) {
        if several {
            self.shares.iter().for_each(|share| share.quota().try_several(begin));
        }
    }
}

/// Who takes from one quota what he will give back needs a moment, unless the kernel has taken the processor from him.
fn wait_a_little(attempt: u32) {
    match attempt {
        0..20 => std::thread::yield_now(),
        _ => std::thread::sleep(PAUSE),
    }
}

/// Something takes the place of something else.
pub struct Alone(Vec<Rc<Quota>>);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.iter().for_each(|quota| quota.ledger.share());
    }
}
