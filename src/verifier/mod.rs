//! PROCESS verifier: judges the certificate of a client, and whether he has its key.
//!
//! *Runs as*    the system user of `frontend-user`, chrooted to a directory that is empty and removed, with seccomp; one for
//!              each certificate that a client shows, forked by the worker for this one question.
//! *Reads*      what the worker knew before the fork: the client's words in the handshake, and who is trusted.
//! *May*        answer, once.
//! *Never*      opens a file or a socket, speaks with a client: whoever has taken over a frontend cannot reach it.
//! *Ends when*  it has answered.
//!
//! The frontend brings what the client has signed: it could bring what he has signed elsewhere, or long ago. So the
//! handshake has to hold the random number that the worker chose for it, and the signature that the worker made.

mod chain;
mod handshake;
mod names;

use rustls::SignatureScheme;

use crate::exit::Exit;
use crate::ipc::messages::{Distrust, FromVerifier, VerdictLink};
use chain::Chain;

/// What the worker has signed in this handshake.
pub struct Signed {
    /// In this scheme (RFC 8446 4.2.3).
    pub scheme: u16,
    pub message: Vec<u8>,
    pub signature: Vec<u8>,
}

/// Everything that is to be judged.
pub struct Case {
    /// What the client was given for the random number of the server.
    pub random: Vec<u8>,
    pub signed: Signed,
    /// What both have said before the client's signature, as the frontend tells it.
    pub transcript: Vec<u8>,
    /// Whether this is TLS 1.3.
    pub newest: bool,
    /// The client's signature, and its scheme.
    pub scheme: u16,
    pub signature: Vec<u8>,
    /// Files of those who are trusted, and of what they have revoked; or why they cannot be read.
    pub trusted: Result<Trusted, String>,
}

/// Whose signature makes a certificate good.
pub struct Trusted {
    /// In PEM. None: nobody's does, and none is needed.
    pub authorities: Vec<Vec<u8>>,
    /// In PEM or DER.
    pub revoked: Vec<Vec<u8>>,
}

/// No, and why, for the log.
pub struct Refusal {
    why: Distrust,
    text: String,
}

impl Refusal {
    fn new(why: Distrust, text: impl Into<String>) -> Refusal {
        Refusal { why, text: text.into() }
    }
}

/// Judges and answers.
pub fn run(worker: &VerdictLink, case: &Case) -> Exit {
    let answer = match judge(case) {
        Ok(accepted) => accepted,
        Err(Refusal { why, text }) => FromVerifier::Refused { why, text },
    };
    match worker.send(&answer) {
        Ok(()) => Exit::Served,
        Err(_) => Exit::PeerGone,
    }
}

/// What a certificate calls its holder, whoever has signed it: for the fuzzer.
pub fn names_of(certificate: &[u8]) -> Option<FromVerifier> {
    names::of(certificate, false).ok()
}

fn judge(case: &Case) -> Result<FromVerifier, Refusal> {
    let trusted = case.trusted.as_ref().map_err(|why| Refusal::new(Distrust::Unusable, why))?;
    let said = handshake::read(case)?;
    let chain = Chain::of(&said.certificates)?;
    chain.has_signed(SignatureScheme::from(case.scheme), case.newest, &said.signed, &case.signature)?;
    let is_trusted = chain.is_trusted(trusted)?;
    names::of(chain.own(), is_trusted)
}

/// Whether files of authorities and lists can be used: for `ftpd check`, and before a configuration comes into force.
pub fn examine(trusted: &Trusted) -> Result<(), String> {
    chain::roots(&trusted.authorities).and_then(|_| chain::lists(&trusted.revoked)).map(|_| ())
}
