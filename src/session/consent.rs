//! Programs of the administrator that are asked before something happens. The worker runs them; where none is configured,
//! nobody is asked anything.

use super::Session;
use super::authorize::Operation;
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
        self.files.authorize(operation, path)?;
        match self.worker.ask(&FromSession::May(wish())) {
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
