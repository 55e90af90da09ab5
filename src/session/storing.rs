//! What is stored, on behalf of the verbs that store: how much it may be, and that it counts when it is complete.

use std::os::fd::AsFd;

use super::Session;
use super::authorize::Decision;
use super::error::Error;
use super::payment::Payment;
use super::transfer::Cut;
use super::upload::{Gift, Nature, Upload};
use super::watch::Interrupted;
use crate::ipc::messages::Left;
use crate::protocol::path::FtpPath;
use crate::protocol::reply::Reply;
use crate::system::limits::SizeLimit;

impl Session {
    /// The largest file that may be stored in the working directory, in bytes, and what decides that.
    pub fn largest_here(&self) -> Option<(u64, Decision)> {
        let directory = self.files.locate(&self.cwd, true).ok()?;
        // Whatever it will be called.
        self.files.terms(&directory.join(b"file")?).largest
    }

    /// What ALLO has announced is too large for this file: there is no need to let it come.
    pub fn refuse_announced(&mut self, upload: &Upload) -> Result<(), Reply> {
        let announced = self.announced.take();
        let Some((largest, decision)) = upload.terms().largest else { return Ok(()) };
        if announced.is_none_or(|size| size <= largest) {
            return Ok(());
        }
        self.files.refuse(upload.path(), decision);
        Err(Error::TooLarge.into())
    }

    /// Keeps the upload within the size that rules allow, as long as the value lives.
    pub fn limit_size(&self, upload: &Upload) -> Result<Option<SizeLimit>, Error> {
        let largest = upload.terms().largest;
        Ok(largest.map(|(largest, _)| SizeLimit::of(largest)).transpose()?)
    }

    /// Every byte is there: makes the upload count. Says under which name it was stored, if under another than was said;
    /// the client need not know.
    pub fn finish(&mut self, mut upload: Upload) -> Result<Option<FtpPath>, Cut> {
        self.note_left(left_of(&upload, false));
        let directory = upload.terms().is_dropped().then(|| upload.path().parent());
        if let Err(cut) = self.give_ahead(&mut upload) {
            self.end_upload(upload, Upload::abandon);
            return Err(cut);
        }
        let (complete, payment) = self.publish(upload)?;
        let other = directory.zip(complete.other_name).and_then(|(directory, name)| directory.join(&name));
        if let (Some(path), Some(moving)) = (&other, &mut self.moving) {
            moving.path = path.as_bytes().to_vec();
        }
        let Some(gift) = complete.gift else { return Ok(other) };
        match self.worker.give_away(gift.file.as_fd(), b"", true) {
            Ok(true) => {
                self.pay_for_gift(payment, &gift);
                Ok(other)
            }
            Ok(false) => {
                withdraw(gift, payment.as_ref());
                self.note_left(Left::Nothing);
                Err(Error::NotGiven.into())
            }
            Err(end) => {
                withdraw(gift, payment.as_ref());
                self.note_left(Left::Nothing);
                Err(Interrupted::Ending(end).into())
            }
        }
    }

    /// What takes the place of something is given away before it does: what was there stays if it cannot be.
    fn give_ahead(&self, upload: &mut Upload) -> Result<(), Cut> {
        let Some((file, name)) = upload.given_ahead()? else { return Ok(()) };
        match self.worker.give_away(file, name, true) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::NotGiven.into()),
            Err(end) => Err(Interrupted::Ending(end).into()),
        }
    }

    /// What is written where it is, and is to be somebody else's then, is refused before anything changes if that is not
    /// possible.
    pub fn refuse_what_cannot_be_given(&self, upload: &Upload) -> Result<(), Error> {
        match upload.given_in_place().map(|file| self.worker.give_away(file, b"", false)) {
            None | Some(Ok(true)) => Ok(()),
            // Without a worker the session ends as soon as it has answered.
            Some(Ok(false) | Err(_)) => Err(Error::NotGiven),
        }
    }

    /// The upload was cut. What came of it stays, so that it can be resumed, unless it must not be as long as it has to be.
    pub fn give_up(&mut self, upload: Upload, cut: Cut) -> Cut {
        self.explain(&upload, &cut);
        let too_large = matches!(cut, Cut::File(Error::TooLarge)) && upload.terms().largest.is_some();
        let keeps_nothing = too_large || self.options.delete_partial;
        self.note_left(left_of(&upload, keeps_nothing));
        self.end_upload(upload, if keeps_nothing { Upload::discard } else { Upload::abandon });
        cut
    }

    fn note_left(&mut self, left: Left) {
        if let Some(moving) = &mut self.moving {
            // Where nothing came, there is no beginning.
            let nothing = left == Left::Beginning && moving.bytes == 0;
            moving.left = Some(if nothing { Left::Nothing } else { left });
        }
    }

    /// Keeps for the log which rule it was that the file was too large for.
    pub fn explain(&self, upload: &Upload, cut: &Cut) {
        if let (Cut::File(Error::TooLarge), Some((_, decision))) = (cut, upload.terms().largest) {
            self.files.refuse(upload.path(), decision);
        }
    }
}

/// What has the name of an upload that is not complete.
fn left_of(upload: &Upload, keeps_nothing: bool) -> Left {
    match upload.nature() {
        Nature::Fresh if !keeps_nothing => Left::Beginning,
        Nature::Fresh | Nature::Sealed => Left::Nothing,
        Nature::Replacing => Left::Old,
        Nature::InPlace { .. } => Left::Changed,
    }
}

/// It counted for a moment, and is to count no more.
fn withdraw(gift: Gift, payment: Option<&Payment>) {
    gift.withdraw();
    if let Some(payment) = payment {
        payment.withdrawn();
    }
}
