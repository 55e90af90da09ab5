//! The worker's talk with its frontend while a login is decided: PAM may ask more than the password.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use super::Worker;
use super::keys::KeyHolder;
use super::pam::Conversation;
use super::proof::Proof;
use crate::ipc::messages::{
    Admission, FromFrontend, FrontendLink, Leaving, Password, Security, ToFrontend, ToWorker,
};
use crate::log;
use crate::system::poll::{PollFlags, wait};
use crate::tls::MAX_HANDSHAKES;
use crate::tls::sessions::Remembered;
use crate::tls::signer::Identity;

/// What the worker hears from either side.
pub enum Heard {
    /// A proxy has said who the client is.
    Proxied { peer: SocketAddr, local: SocketAddr },
    /// The client tries to log in.
    Attempt { host: String, user: String, password: Option<Password>, security: Security, ahead: Vec<u8> },
    /// The frontend is done with the client.
    Left(Leaving),
    /// The supervisor has answered `MayLogIn`, `MayTry` or `Proxied`.
    Admitted(Admission),
    /// The supervisor has answered `Failed`.
    Noted { delay: u32, banned: bool },
    /// The client has to go, as soon as he is not being logged in.
    Finish(Leaving),
    /// End now: asked for by the supervisor, or because somebody at the other end of a link is gone.
    End,
    /// The deadline is reached.
    Nothing,
}

/// Both ends of the talk.
pub struct Dialogue<'a> {
    pub frontend: &'a FrontendLink,
    worker: &'a Worker<'a>,
    /// The client's certificate.
    pub proof: RefCell<Proof>,
    /// How often the client has begun to speak TLS.
    handshakes: Cell<u32>,
    /// The key, if the client speaks TLS.
    pub keys: RefCell<KeyHolder>,
    /// His session, where he has no ticket for it.
    pub resumption: RefCell<Option<Remembered>>,
    /// Until when the login must be done.
    pub deadline: Instant,
    /// What the frontend has read beyond the last attempt.
    pub ahead: Vec<u8>,
    /// Whose login PAM is deciding.
    user: String,
    /// What ended PAM's conversation, to be dealt with when PAM has returned.
    interrupted_by: Option<Heard>,
}

impl<'a> Dialogue<'a> {
    pub fn new(frontend: &'a FrontendLink, worker: &'a Worker<'a>, deadline: Instant) -> Dialogue<'a> {
        Dialogue {
            frontend,
            worker,
            proof: RefCell::default(),
            handshakes: Cell::new(0),
            keys: RefCell::default(),
            resumption: RefCell::default(),
            deadline,
            ahead: Vec::new(),
            user: String::new(),
            interrupted_by: None,
        }
    }

    /// Whose login is decided from here on, and what the client has said beyond it.
    pub fn begin(&mut self, user: &str, ahead: Vec<u8>) {
        self.user = user.to_owned();
        self.ahead = ahead;
    }

    /// What came in the middle of PAM's conversation and was not its answer.
    pub fn take_interruption(&mut self) -> Option<Heard> {
        self.interrupted_by.take()
    }

    /// Waits for either side, until `until`.
    pub fn hear(&self, until: Instant) -> Heard {
        loop {
            if let Some(heard) = self.hear_once(until) {
                return heard;
            }
        }
    }

    /// The handshake of the client is served on the way, and is nothing to be heard.
    fn hear_once(&self, until: Instant) -> Option<Heard> {
        let watched =
            [(self.worker.supervisor.as_fd(), PollFlags::POLLIN), (self.frontend.as_fd(), PollFlags::POLLIN)];
        let Ok([supervisor, frontend]) = wait(watched, Some(until)) else { return Some(Heard::End) };
        if !supervisor.is_empty() {
            return Some(match self.worker.supervisor.receive() {
                Ok(Some((ToWorker::Admitted(admitted), None))) => Heard::Admitted(admitted),
                Ok(Some((ToWorker::Noted { delay, banned }, None))) => Heard::Noted { delay, banned },
                Ok(Some((ToWorker::Finish, None))) => Heard::Finish(Leaving::Stopping),
                Ok(Some((ToWorker::Trace(traced), None))) => {
                    super::trace_from_now_on(traced);
                    return None;
                }
                Ok(Some((ToWorker::LogLevel { level }, None))) => {
                    super::log_from_now_on(&level);
                    return None;
                }
                Ok(Some((ToWorker::Kick, None))) => Heard::Finish(Leaving::Kicked),
                Ok(Some((ToWorker::End, None)) | None) => Heard::End,
                Ok(Some((
                    ToWorker::Serve { .. }
                    | ToWorker::LogLevel { .. }
                    | ToWorker::Trace(_)
                    | ToWorker::Admitted(_)
                    | ToWorker::Noted { .. }
                    | ToWorker::Finish
                    | ToWorker::Kick
                    | ToWorker::End,
                    _,
                )))
                | Err(_) => Heard::End,
            });
        }
        if !frontend.is_empty() {
            return Some(match self.frontend.receive() {
                Ok(Some((FromFrontend::Attempt { host, user, password, security, ahead }, None))) => {
                    Heard::Attempt { host, user, password, security, ahead }
                }
                Ok(Some((FromFrontend::Proxied { peer, local }, None))) => Heard::Proxied { peer, local },
                Ok(Some((FromFrontend::Left { why }, None))) => Heard::Left(why),
                Ok(None) => Heard::Left(Leaving::Vanished),
                Ok(Some((
                    message @ (FromFrontend::Hello { .. }
                    | FromFrontend::Sign { .. }
                    | FromFrontend::Transcript { .. }
                    | FromFrontend::Proof { .. }
                    | FromFrontend::Handshake { .. }),
                    None,
                ))) => match self.serve_handshake(message) {
                    true => return None,
                    false => Heard::End,
                },
                Ok(Some((
                    FromFrontend::Proxied { .. }
                    | FromFrontend::Attempt { .. }
                    | FromFrontend::Left { .. }
                    | FromFrontend::Hello { .. }
                    | FromFrontend::Sign { .. }
                    | FromFrontend::Transcript { .. }
                    | FromFrontend::Proof { .. }
                    | FromFrontend::Handshake { .. },
                    Some(_),
                )))
                | Ok(Some((FromFrontend::Cleared { .. }, _)))
                | Err(_) => Heard::End,
            });
        }
        Some(Heard::Nothing)
    }

    /// What only who has the key can do. False: the frontend may not ask for it, or is gone.
    fn serve_handshake(&self, message: FromFrontend) -> bool {
        let Some(copies) = &self.worker.inheritance.copies else { return false };
        let mut keys = self.keys.borrow_mut();
        let answer = match message {
            FromFrontend::Hello { server_name, host, schemes } => {
                // REIN ends TLS, and it may begin again.
                let handshakes = self.handshakes.get() + 1;
                if handshakes > MAX_HANDSHAKES {
                    return false;
                }
                self.handshakes.set(handshakes);
                *keys = KeyHolder::default();
                self.resumption.replace(None);
                let config = &self.worker.inheritance.config;
                let random = self.proof.borrow_mut().begin(&config.tls);
                match keys.introduce(config, copies, &host, &server_name, &schemes).zip(random) {
                    Some((Identity { chain, schemes, ocsp }, random)) => {
                        ToFrontend::Identity { chain, schemes, ocsp, random }
                    }
                    None => ToFrontend::NoIdentity,
                }
            }
            FromFrontend::Sign { scheme, message } => {
                let bytes = keys.sign(scheme, &message, 1).unwrap_or_default();
                self.proof.borrow_mut().signed(scheme, message, &bytes);
                ToFrontend::Signature { bytes }
            }
            FromFrontend::Transcript { part } => return self.proof.borrow_mut().extend(&part),
            FromFrontend::Proof { newest, scheme, signature } => {
                // The verifier inherits what is here.
                keys.hide();
                match self.proof.borrow_mut().judge(self.worker, newest, scheme, signature) {
                    Some(judgement) => judgement,
                    None => return false,
                }
            }
            FromFrontend::Handshake { what, resumption } => {
                if let Ok([number, secret]) = <[Vec<u8>; 2]>::try_from(resumption) {
                    self.resumption.replace(Some((number, secret)));
                }
                log::info(format_args!("TLS: {}", log::escaped(what.as_bytes())));
                return true;
            }
            FromFrontend::Proxied { .. }
            | FromFrontend::Attempt { .. }
            | FromFrontend::Cleared { .. }
            | FromFrontend::Left { .. } => return false,
        };
        self.frontend.send(&answer).is_ok()
    }
}

impl Conversation for Dialogue<'_> {
    /// `331 <prompt>`; the next PASS of the same user is the answer. Anything else ends the conversation.
    fn ask(&mut self, texts: Vec<String>, prompt: &str) -> Option<Password> {
        self.frontend.send(&ToFrontend::Ask { texts, prompt: prompt.to_owned() }).ok()?;
        match self.hear(self.deadline) {
            Heard::Attempt { user, password: Some(password), ahead, .. } if user == self.user => {
                self.ahead = ahead;
                Some(password)
            }
            other => {
                self.interrupted_by = Some(other);
                None
            }
        }
    }
}
