//! TLS on the control connection: the handshake, and what the worker is asked for it.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use nix::sys::socket::{MsgFlags, send};
use rustls::server::{Accepted, ClientHello};

use super::Frontend;
use super::certificate::Judge;
use crate::config::{ClientCertificates, HostName};
use crate::exit::Exit;
use crate::ipc::messages::{FromFrontend, Leaving, LoginLink, Security, ToFrontend};
use crate::system::memory::wipe_freed;
use crate::system::poll::{PollFlags, wait};
use crate::tls::MAX_HANDSHAKES;
use crate::tls::sessions::Sessions;
use crate::tls::setup::{Clients, Purpose, Resumption, Setup};
use crate::tls::signer::{Identity, Sign};
use crate::tls::stream::{Greeting, SMALL, Stream};
use crate::tls::tickets::TicketKey;
use crate::tls::transcript::{self, RANDOM};

/// What the client has asked for in the handshake, and which virtual host that makes.
struct Asked {
    host: Option<String>,
    server_name: Option<HostName>,
}

/// An alert that ends the handshake (RFC 6066 3), before anything is encrypted.
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// What a frontend has where there is TLS.
pub struct Parts {
    /// What session tickets are encrypted with.
    pub tickets: TicketKey,
    /// The worker has said meanwhile that the client has to go, and why.
    pub finishing: Arc<OnceLock<Leaving>>,
}

/// Who has the key: the worker, behind his link.
#[derive(Clone)]
pub struct Holder {
    link: Arc<LoginLink>,
    /// The worker has said between two answers that the client has to go, and why.
    finishing: Arc<OnceLock<Leaving>>,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holder")
    }
}

impl Holder {
    /// Says something that is not answered. False: there is no worker any more.
    pub fn tell(&self, message: &FromFrontend) -> bool {
        self.link.send(message).is_ok()
    }

    /// Waits for the answer. None: there is no worker any more.
    pub fn ask(&self, question: &FromFrontend) -> Option<ToFrontend> {
        self.link.send(question).ok()?;
        loop {
            match self.link.receive() {
                // Told twice, he goes for the first reason.
                Ok(Some((ToFrontend::Finish(why), None))) => _ = self.finishing.set(why),
                Ok(Some((answer, None))) => return Some(answer),
                Ok(_) | Err(_) => return None,
            }
        }
    }

    /// The certificate for this client, and what to say for a random number.
    fn identity(&self, hello: &ClientHello<'_>, host: Option<&str>) -> Option<(Identity, Vec<u8>)> {
        let question = FromFrontend::Hello {
            server_name: hello.server_name().unwrap_or_default().to_string(),
            host: host.unwrap_or_default().to_string(),
            schemes: hello.signature_schemes().iter().map(|scheme| u16::from(*scheme)).collect(),
        };
        match self.ask(&question)? {
            ToFrontend::Identity { chain, schemes, ocsp, random } => {
                Some((Identity { chain, schemes, ocsp }, random))
            }
            _ => None,
        }
    }
}

impl Sign for Holder {
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>> {
        transcript::forget_random();
        match self.ask(&FromFrontend::Sign { scheme, message: message.to_vec() })? {
            ToFrontend::Signature { bytes } if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }
}

impl Frontend {
    /// Speaks TLS from here on. `security` is what the client has said of data connections by asking for it.
    pub(super) fn secure(&mut self, security: Security) -> Result<Option<Leaving>, Exit> {
        if self.handshakes >= MAX_HANDSHAKES {
            return Ok(Some(Leaving::Abuse));
        }
        self.handshakes += 1;
        let Some(parts) = &self.tls else { return Ok(Some(Leaving::Abuse)) };
        // What is decrypted passes through memory that others than this program free: passwords do.
        wipe_freed(true);
        let began = Instant::now();
        let deadline = self.deadline.min(began + self.config.tls.handshake_timeout.duration());
        let holder = Holder { link: Arc::clone(&self.worker), finishing: Arc::clone(&parts.finishing) };
        let sessions = Arc::new(Sessions::default());
        let accepted = Arc::<AtomicBool>::default();
        // There is none behind AUTH; where TLS begins by itself, it is the beginning.
        let ahead = self.connection.take_ahead();
        let shaken = self.shake_hands(parts, holder, Arc::clone(&sessions), &accepted, &ahead, deadline);
        let (what, outcome) = match shaken {
            Ok((stream, asked)) => {
                let what = stream.description();
                (self.host, self.server_name) = (asked.host, asked.server_name);
                self.is_certified = accepted.load(Ordering::Relaxed);
                self.connection.protect(stream);
                self.security = security;
                (what, None)
            }
            Err(_) if Instant::now() >= deadline => {
                ("the handshake took too long".to_string(), Some(Leaving::LoginTimeout))
            }
            Err(error) => (format!("the handshake failed: {error}"), Some(Leaving::Abuse)),
        };
        let resumption = sessions.first().map_or_else(Vec::new, |(number, secret)| vec![number, secret]);
        match self.worker.send(&FromFrontend::Handshake { what, resumption }) {
            Ok(()) => Ok(outcome),
            Err(_) => Err(Exit::PeerGone),
        }
    }

    /// Ends TLS, and goes on without it; where it has to be, with a new handshake.
    pub(super) fn clear(&mut self) -> Result<Option<Leaving>, Exit> {
        let deadline = self.deadline.min(Instant::now() + self.config.tls.handshake_timeout.duration());
        if !self.connection.clear(deadline) {
            return Ok(Some(Leaving::Abuse));
        }
        self.security = Security::Plain;
        self.is_certified = false;
        match self.implicit {
            true => self.secure(super::verbs::IMPLICIT),
            false => Ok(None),
        }
    }

    /// The name that the client asks for chooses a virtual host, unless he has chosen one already: then it must be this one
    /// (RFC 7151 3.2.2). None: it is another.
    fn asked(&self, name: Option<&str>) -> Option<Asked> {
        let server_name = name.and_then(|name| name.parse::<HostName>().ok());
        let named =
            server_name.as_ref().and_then(|name| self.config.host_named(name, self.local).ok().flatten());
        match named {
            Some(named) if self.has_chosen && self.host.as_deref() != Some(named) => None,
            Some(named) => Some(Asked { host: Some(named.to_string()), server_name }),
            None => Some(Asked { host: self.host.clone(), server_name }),
        }
    }

    fn shake_hands(
        &self,
        parts: &Parts,
        holder: Holder,
        sessions: Arc<Sessions>,
        certified: &Arc<AtomicBool>,
        ahead: &[u8],
        deadline: Instant,
    ) -> std::io::Result<(Stream, Asked)> {
        let refused = |why: String| std::io::Error::other(why);
        let socket = self.connection.as_fd();
        let await_client = |flags: PollFlags| -> std::io::Result<()> {
            match wait([(socket, flags)], Some(deadline))? {
                [ready] if ready.is_empty() => Err(std::io::ErrorKind::TimedOut.into()),
                _ => Ok(()),
            }
        };
        let mut greeting = Greeting::default();
        greeting.feed(ahead)?;
        let accepted: Accepted = loop {
            match greeting.read(socket)? {
                Some(accepted) => break accepted,
                None => await_client(PollFlags::POLLIN)?,
            }
        };
        let hello = accepted.client_hello();
        let Some(asked) = self.asked(hello.server_name()) else {
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            let _ = send(socket.as_raw_fd(), UNRECOGNIZED_NAME, flags);
            return Err(refused("the client has chosen another host than he asks for".into()));
        };
        let identity = holder.identity(&hello, asked.host.as_deref());
        let (identity, random) =
            identity.ok_or_else(|| refused("there is no certificate for this client".into()))?;
        let wanted = self.config.tls.client_certificates;
        let clients = match <[u8; RANDOM]>::try_from(random) {
            Ok(random) if wanted != ClientCertificates::Off => Some(Clients {
                verifier: Arc::new(Judge {
                    holder: holder.clone(),
                    is_mandatory: wanted == ClientCertificates::Require,
                    accepted: Arc::clone(certified),
                }),
                random,
            }),
            Ok(_) | Err(_) => None,
        };
        let resumption = Resumption { tickets: &parts.tickets, sessions };
        let setup = Setup::new(
            &self.config.tls,
            &identity,
            Arc::new(holder),
            Some(resumption),
            clients,
            Purpose::Control,
        )
        .map_err(|error| refused(error.to_string()))?;
        if setup.misses_protocol(&hello) {
            return Err(refused("the client does not offer the protocol ftp".into()));
        }
        let config = setup.for_client(&hello);
        let mut stream = Stream::accept(accepted, config, SMALL, socket)?;
        while let Some(flags) = stream.shake_hands(socket)? {
            await_client(flags)?;
        }
        Ok((stream, asked))
    }
}
