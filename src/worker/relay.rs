//! What a session behind TLS begins with: a connection to its relay, which the frontend becomes, and what it needs to
//! speak TLS on data connections.

use std::os::fd::OwnedFd;

use super::Worker;
use super::dialogue::Dialogue;
use crate::ipc::messages::Security;
use crate::session;
use crate::system::{Doing, Failure, socket};

/// How a session and its relay are connected, and what the session has to know of TLS.
pub struct Relayed {
    /// The end of the session.
    pub inner: OwnedFd,
    pub security: session::Security,
}

impl Worker<'_> {
    /// What connects a session behind TLS with its relay: the relay's end, and what the session gets.
    pub(super) fn relayed(
        &self,
        dialogue: &Dialogue<'_>,
        security: Security,
    ) -> Result<Option<(OwnedFd, Relayed)>, Failure> {
        let Security::Tls { sized, private } = security else { return Ok(None) };
        let mut keys = dialogue.keys.borrow_mut();
        keys.hide();
        let (Some(identity), Some(tickets)) = (keys.identity(), &self.tickets) else {
            let cause = std::io::ErrorKind::InvalidData.into();
            return Err(Failure { doing: "believe the frontend that there is TLS".into(), cause });
        };
        let (outer, inner) = socket::pair().doing(|| "make the connection of a relay".into())?;
        let security = session::Security {
            identity: identity.clone(),
            tickets: tickets.clone(),
            resumption: dialogue.resumption.borrow().clone(),
            sized,
            private,
        };
        Ok(Some((outer, Relayed { inner, security })))
    }
}
