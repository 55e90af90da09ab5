//! The certificate of a client: what the frontend brings of it, and how a process that no client can reach judges it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use super::Worker;
use crate::config::{AbsolutePath, ClientCertificates, Tls};
use crate::exit::Exit;
use crate::ipc::link::Link;
use crate::ipc::messages::{Distrust, FromVerifier, JudgementLink, ToFrontend, VerdictLink};
use crate::log;
use crate::system::poll::{PollFlags, wait};
use crate::system::privileges::{Drop, Keyring, drop_to};
use crate::system::process::{Forked, close_all_except, fork, silence_standard_streams};
use crate::system::{Doing, Failure, landlock, limits, random, title};
use crate::tls::claims::{Claims, hexadecimal};
use crate::tls::setup;
use crate::tls::transcript::RANDOM;
use crate::verifier::{self, Case, Signed, Trusted};

/// The longest handshake up to the client's certificate, in bytes.
const MAX_TRANSCRIPT: usize = 96 * 1024;

/// The largest file of authorities or of revoked certificates, in bytes.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// How long a judgement may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What is known of the client's certificate.
#[derive(Default)]
pub struct Proof {
    random: Vec<u8>,
    signed: Option<Signed>,
    transcript: Vec<u8>,
    claims: Option<Claims>,
}

impl Proof {
    /// A handshake begins. What the server is to say for a random number, where the client is asked for a certificate;
    /// empty, where he is not; none, if there is none to be had.
    pub fn begin(&mut self, options: &Tls) -> Option<Vec<u8>> {
        *self = Proof::default();
        if options.client_certificates != ClientCertificates::Off {
            let mut bytes = [0; RANDOM];
            random::fill(&mut bytes).ok()?;
            self.random = bytes.to_vec();
        }
        Some(self.random.clone())
    }

    /// This was signed for the frontend.
    pub fn signed(&mut self, scheme: u16, message: Vec<u8>, signature: &[u8]) {
        if !self.random.is_empty() {
            self.signed = Some(Signed { scheme, message, signature: signature.to_vec() });
        }
    }

    /// The frontend tells the next part of the handshake. False: it must not.
    pub fn extend(&mut self, part: &[u8]) -> bool {
        let is_due = self.signed.is_some() && self.transcript.len() + part.len() <= MAX_TRANSCRIPT;
        if is_due {
            self.transcript.extend_from_slice(part);
        }
        is_due
    }

    /// What the client's certificate says of him, if he has shown one that is good.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Has the certificate judged, by a process of its own. `None`: the frontend has no business to ask.
    pub(super) fn judge(
        &mut self,
        worker: &Worker<'_>,
        newest: bool,
        scheme: u16,
        signature: Vec<u8>,
    ) -> Option<ToFrontend> {
        let (signed, random) = (self.signed.take()?, std::mem::take(&mut self.random));
        let transcript = std::mem::take(&mut self.transcript);
        let trusted = read(&worker.inheritance.config.tls);
        let case = Case { random, signed, transcript, newest, scheme, signature, trusted };
        Some(match worker.ask_verifier(&case) {
            Ok(Ok(claims)) => {
                log::info(format_args!("TLS: the client has {}", described(&claims)));
                self.claims = Some(claims);
                ToFrontend::CertificateAccepted
            }
            Ok(Err((why, text))) => {
                log::notice(format_args!(
                    "TLS: a certificate was refused: {}",
                    log::escaped(text.as_bytes())
                ));
                ToFrontend::CertificateRefused(why)
            }
            Err(failure) => {
                log::error(&failure);
                ToFrontend::CertificateRefused(Distrust::Unusable)
            }
        })
    }
}

/// The certificate, as an administrator may want to write it into the configuration.
fn described(claims: &Claims) -> String {
    let mut parts =
        vec![format!("sha256:{}", hexadecimal(&claims.fingerprint)), format!("dn:{}", claims.subject)];
    for (kind, names) in [
        ("email", &claims.emails),
        ("dns", &claims.dns_names),
        ("upn", &claims.principals),
        ("uid", &claims.user_ids),
    ] {
        parts.extend(names.iter().map(|name| format!("{kind}:{name}")));
    }
    let trust = if claims.is_trusted { "" } else { " that nobody has to have signed" };
    format!("a certificate{trust}: {}", log::escaped(parts.join(" ").as_bytes()))
}

/// Whether the files of those who are trusted can be used.
pub fn examine(options: &Tls) -> Result<(), String> {
    verifier::examine(&read(options)?)
}

/// Files of those who are trusted, as they are now. If one of them cannot be read, nobody is.
fn read(options: &Tls) -> Result<Trusted, String> {
    Ok(Trusted {
        authorities: read_all(&options.client_ca_files)?,
        revoked: read_all(&options.client_crl_files)?,
    })
}

fn read_all(files: &[AbsolutePath]) -> Result<Vec<Vec<u8>>, String> {
    let read = |path: &AbsolutePath| {
        let mut bytes = Vec::new();
        let file = File::open(&**path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        match file {
            Err(error) => Err(format!("{path}: {error}")),
            Ok(_) if bytes.len() as u64 > MAX_FILE => Err(format!("{path}: is larger than {MAX_FILE} bytes")),
            Ok(_) => Ok(bytes),
        }
    };
    files.iter().map(read).collect()
}

impl Worker<'_> {
    /// Forks the verifier, and waits for its one answer.
    fn ask_verifier(&self, case: &Case) -> Result<Result<Claims, (Distrust, String)>, Failure> {
        let (ours, theirs): (JudgementLink, VerdictLink) =
            Link::pair().doing(|| "make the link of a verifier".into())?;
        let child = match fork()? {
            Forked::Child => self.become_verifier(theirs, case).now(),
            Forked::Parent(child) => child,
        };
        drop(theirs);
        let answered = wait([(ours.as_fd(), PollFlags::POLLIN)], Some(Instant::now() + LIMIT));
        let answer = match answered {
            Ok([ready]) if !ready.is_empty() => ours.receive(),
            Ok(_) | Err(_) => Ok(None),
        };
        child.kill();
        child.reap_within(Duration::ZERO);
        match answer {
            Ok(Some((FromVerifier::Refused { why, text }, None))) => Ok(Err((why, text))),
            Ok(Some((
                FromVerifier::Accepted {
                    is_trusted,
                    fingerprint,
                    subject,
                    common_names,
                    user_ids,
                    emails,
                    dns_names,
                    principals,
                },
                None,
            ))) => match fingerprint.try_into() {
                Ok(fingerprint) => Ok(Ok(Claims {
                    is_trusted,
                    subject,
                    common_names,
                    user_ids,
                    emails,
                    dns_names,
                    principals,
                    fingerprint,
                })),
                Err(_) => Err(no_answer()),
            },
            Ok(Some((_, Some(_))) | None) | Err(_) => Err(no_answer()),
        }
    }

    fn become_verifier(&self, worker: VerdictLink, case: &Case) -> Exit {
        title::set("ftpd: verifier");
        let parts = self.inheritance;
        let link = worker.as_fd().as_raw_fd();
        let confined = || -> Result<(), Failure> {
            let null = parts.null.as_raw_fd();
            close_all_except(&[link, self.life.as_raw_fd(), null, parts.empty_root.as_fd().as_raw_fd()]);
            let root = nix::unistd::geteuid().is_root().then(|| parts.empty_root.as_fd());
            drop_to(
                &parts.frontend_account,
                &Drop {
                    root,
                    umask: 0o077,
                    limits: limits::VERIFIER,
                    keyring: Keyring::New,
                    parent: self.pid.as_raw() as u32,
                },
            )?;
            landlock::confine_frontend()?;
            silence_standard_streams(parts.null.as_fd())?;
            close_all_except(&[link, self.life.as_raw_fd()]);
            setup::warm();
            parts.filters.confine_frontend()
        };
        match confined() {
            Ok(()) => verifier::run(&worker, case),
            Err(failure) => {
                // The worker writes it into the log.
                let why = Distrust::Unusable;
                let _ = worker.send(&FromVerifier::Refused { why, text: failure.to_string() });
                Exit::NotConfined
            }
        }
    }
}

fn no_answer() -> Failure {
    Failure { doing: "have a certificate judged".into(), cause: std::io::ErrorKind::BrokenPipe.into() }
}
