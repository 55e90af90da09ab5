//! Programs of the administrator that are asked before something happens. The worker runs them; where none is configured,
//! nobody is asked anything.

use super::Session;
use super::authorize::Operation;
use super::quota::covering::Counted;
use super::upload::Start;
use crate::config::EventName;
use crate::ipc::messages::{Event, FromSession, ToSession};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};

impl Session {
    /// Asks whether this may happen to `path`, if it is allowed at all. `Err`: what the client is told.
    pub fn consent(
        &self,
        event: EventName,
        operation: Operation,
        path: &FtpPath,
        wish: impl FnOnce() -> Event,
    ) -> Result<(), Reply> {
        if self.asked & event.bit() == 0 {
            return Ok(());
        }
        self.files.permit(operation, path)?;
        self.settle_quotas()?;
        self.ask_for_consent(wish())
    }

    /// The same for an upload.
    pub fn consent_to_store(
        &self,
        event: EventName,
        start: Start,
        path: &FtpPath,
        wish: impl FnOnce() -> Event,
    ) -> Result<(), Reply> {
        if self.asked & event.bit() == 0 {
            return Ok(());
        }
        self.files.storable(path, start)?;
        self.settle_quotas()?;
        self.ask_for_consent(wish())
    }

    /// What has to be counted is counted first: the command begins again then, and nobody is to be asked twice.
    fn settle_quotas(&self) -> Result<(), Reply> {
        Ok(self.files.counted().map_or(Ok(()), Counted::settled)?)
    }

    fn ask_for_consent(&self, wish: Event) -> Result<(), Reply> {
        match self.worker.ask(&FromSession::May(wish)) {
            Ok((ToSession::Verdict { refusal: None }, None)) => Ok(()),
            Ok((ToSession::Verdict { refusal: Some(text) }, None)) => {
                Err(Reply::new(Code::FileUnavailable, text))
            }
            // Without a worker the session ends as soon as it has answered.
            Ok(_) | Err(_) => {
                self.worker.misbehaves();
                Err(Reply::new(Code::LocalError, "Nobody can be asked whether this is allowed."))
            }
        }
    }
}
