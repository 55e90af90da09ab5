//! TLS on data connections: whether there is any, the handshake, and the farewell. The session speaks it itself, so that
//! no byte is copied between processes.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Accepted;

use super::connection::Connection;
use super::data::NoData;
use super::transfer::Cut;
use super::worker::Orders;
use super::{End, Session};
use crate::config::{SessionReuse, Tls};
use crate::ipc::messages::{FavourLink, FromSession, Leaving, ToSession};
use crate::protocol::reply::{Code, Reply};
use crate::system::poll::PollFlags;
use crate::tls::sessions::{Remembered, Sessions};
use crate::tls::setup::{Purpose, Resumption, Setup};
use crate::tls::signer::{Identity, Sign};
use crate::tls::stream::{Greeting, PIECE, Stream};
use crate::tls::tickets::TicketKey;

/// How long the client may take to close a data connection after the last byte.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Why TLS ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearing {
    /// CCC.
    ToGoOn,
    /// REIN.
    ToBeginAnew,
}

/// What a session behind TLS begins with.
pub struct Security {
    /// The certificate of the control connection.
    pub identity: Identity,
    /// What its tickets are encrypted with.
    pub tickets: TicketKey,
    /// The session of the control connection, where the client has no ticket for it.
    pub resumption: Option<Remembered>,
    /// PBSZ was said.
    pub sized: bool,
    /// PROT P was said.
    pub private: bool,
}

/// What a session behind TLS knows of it.
pub struct Protection {
    options: Tls,
    security: Security,
    /// The control connection goes on without TLS.
    cleared: bool,
    /// Made for the first data connection that needs it.
    setup: Option<Rc<Setup>>,
    holder: Arc<Holder>,
}

/// Who has the key: the worker, behind his link.
pub struct Holder {
    pub link: Arc<FavourLink>,
    /// What the worker has said between two answers.
    pub orders: Arc<Orders>,
}

impl Sign for Holder {
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>> {
        self.link.send(&FromSession::Sign { scheme, message: message.to_vec() }).ok()?;
        loop {
            match self.link.receive() {
                Ok(Some((ToSession::Finish(why), None))) => self.orders.finish(why),
                Ok(Some((ToSession::Leave(why), None))) => self.orders.leave(why),
                Ok(Some((ToSession::Counted { done }, None))) => self.orders.counted(done),
                Ok(Some((ToSession::Signature { bytes }, None))) if !bytes.is_empty() => return Some(bytes),
                // That there is no worker any more shows with the next look at the link.
                Ok(_) | Err(_) => return None,
            }
        }
    }
}

impl Protection {
    pub fn new(options: Tls, security: Security, holder: Holder) -> Protection {
        Protection { options, security, cleared: false, setup: None, holder: Arc::new(holder) }
    }

    /// Whether the control connection goes on without TLS.
    pub fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// PBSZ was said.
    pub fn is_sized(&self) -> bool {
        self.security.sized
    }

    /// PBSZ is said now.
    pub fn size(&mut self) {
        self.security.sized = true;
    }

    /// Whether data connections are protected.
    pub fn is_private(&self) -> bool {
        self.security.private
    }

    /// PROT.
    pub fn set_private(&mut self, private: bool) {
        self.security.private = private;
    }

    fn setup(&mut self) -> io::Result<Rc<Setup>> {
        if let Some(setup) = &self.setup {
            return Ok(Rc::clone(setup));
        }
        let resumption = match self.options.session_reuse {
            SessionReuse::Off => None,
            SessionReuse::Prefer | SessionReuse::Require => Some(Resumption {
                tickets: &self.security.tickets,
                sessions: Arc::new(Sessions::knowing(self.security.resumption.take())),
            }),
        };
        let holder = Arc::clone(&self.holder) as Arc<dyn Sign>;
        let setup =
            Setup::new(&self.options, &self.security.identity, holder, resumption, None, Purpose::Data)
                .map_err(io::Error::other)?;
        Ok(Rc::clone(self.setup.insert(Rc::new(setup))))
    }
}

impl Session {
    /// Goes on without TLS on the control connection, when everything is said that is to be said behind it.
    pub fn clear(&mut self, why: Clearing) -> Result<(), End> {
        self.drain()?;
        let (ahead, control) = match self.worker.ask(&FromSession::Clear)? {
            (ToSession::Cleared { ahead }, Some(control)) => (ahead, control),
            (ToSession::NotCleared, None) => return Err(End::Left(Leaving::Vanished)),
            _ => return Err(self.worker.misbehaves()),
        };
        if self.control.replace(control, &ahead).is_err() {
            return Err(End::Left(Leaving::Vanished));
        }
        if let Some(protection) = &mut self.protection {
            protection.cleared = true;
        }
        match why {
            Clearing::ToGoOn => Ok(()),
            Clearing::ToBeginAnew => Err(End::Reinitialized { greeted: true, stays: false }),
        }
    }

    /// Refuses a transfer whose data connection would have less protection than it must have: 521.
    pub fn require_protection(&self) -> Result<(), Reply> {
        let private = self.protection.as_ref().is_some_and(Protection::is_private);
        if self.options.require_tls.of_data() && !private {
            return Err(Reply::new(
                Code::ProtectionRequired,
                "Data connections must be private; say PROT P.",
            ));
        }
        Ok(())
    }

    /// Whether uploads end as they do without TLS.
    pub fn accepts_unclean_close(&self) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.options.accept_unclean_close)
    }

    /// Puts TLS around a data connection, if that is what the client has asked for. The reply to a failure is 522.
    pub fn protect(&mut self, connection: Connection) -> Result<Connection, NoData> {
        let Some(protection) = self.protection.as_mut().filter(|protection| protection.is_private()) else {
            return Ok(connection);
        };
        let must_resume = protection.options.session_reuse == SessionReuse::Require;
        let deadline = Instant::now() + protection.options.handshake_timeout.duration();
        let failed = |error: io::Error| {
            let text = format!("TLS failed on the data connection: {error}");
            NoData::Refused(Reply::new(Code::DATA_NOT_PROTECTED, text))
        };
        let setup = protection.setup().map_err(failed)?;
        let mut greeting = Greeting::default();
        let accepted: Accepted = loop {
            match greeting.read(connection.as_fd()).map_err(failed)? {
                Some(accepted) => break accepted,
                None => self.await_handshake(&connection, PollFlags::POLLIN, deadline)?,
            }
        };
        let config = setup.for_client(&accepted.client_hello());
        let mut stream = Stream::accept(accepted, config, PIECE, connection.as_fd()).map_err(failed)?;
        stream.hold_tickets();
        while let Some(flags) = stream.shake_hands(connection.as_fd()).map_err(failed)? {
            self.await_handshake(&connection, flags, deadline)?;
        }
        if must_resume && !stream.is_resumed() {
            let text = "The data connection must resume the TLS session of this control connection.";
            return Err(NoData::Refused(Reply::new(Code::DATA_NOT_PROTECTED, text)));
        }
        Ok(connection.with_tls(stream))
    }

    fn await_handshake(
        &mut self,
        connection: &Connection,
        flags: PollFlags,
        deadline: Instant,
    ) -> Result<(), NoData> {
        match self.wait_untold(connection.as_fd(), flags, deadline)? {
            true => Ok(()),
            false => {
                let text = "The TLS handshake on the data connection took too long.";
                Err(NoData::Refused(Reply::new(Code::DATA_NOT_PROTECTED, text)))
            }
        }
    }

    /// Sends what is still encrypted here, says that it was all, and lets the client close the connection: if it were
    /// closed here with something unread, the kernel would take back the last bytes.
    pub fn say_end_of_data(&mut self, connection: &Connection) -> Result<(), Cut> {
        if !connection.say_end() {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.stall_timeout.duration();
        while !connection.flush().map_err(|_| Cut::Broken)? {
            if !self.wait_for(connection.as_fd(), PollFlags::POLLOUT, deadline)? {
                return Err(Cut::Stalled(self.options.stall_timeout.seconds()));
            }
        }
        connection.shut_down();
        let deadline = Instant::now() + CLOSE_LIMIT;
        while !connection.is_closed_by_client() {
            if !self.wait_for(connection.as_fd(), PollFlags::POLLIN, deadline)? {
                break;
            }
        }
        Ok(())
    }
}
