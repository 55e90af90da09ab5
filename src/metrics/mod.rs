//! PROCESS metrics: hands out the daemon's numbers over HTTP, so that nobody with rights reads a byte of it.
//!
//! *Runs as*    the system user of `frontend-user`, in an empty root, with no new privileges and seccomp; one for each
//!              daemon, and only where `addresses` in `[metrics]` names some.
//! *Reads*      whoever connects to these addresses; the numbers that the supervisor tells it.
//! *May*        accept on the listeners that it was born with.
//! *Never*      opens a file or a connection, learns who is logged in.
//! *Ends when*  the supervisor has ended its link or is gone.
//!
//! What the numbers are called (families.rs) and how they are written (text.rs) is also what ftpctl(8) uses.

pub mod families;
pub mod http;
pub mod text;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::exit::Exit;
use crate::ipc::control::{Answer, AskingLink, Request};
use crate::system::socket;
use http::Request as Wish;
use text::{Format, Sample};

/// Who is served at the same time; others wait to be accepted.
const MOST_CLIENTS: usize = 8;

/// How long a client may take, from the first byte of his request to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The supervisor is asked no more often than that, whoever asks here.
const FRESH: Duration = Duration::from_secs(1);

/// Somebody who has connected.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// What is left of the answer, once there is one.
    answer: Option<Vec<u8>>,
    until: Instant,
}

/// The numbers as they were last.
struct Numbers {
    link: AskingLink,
    samples: Vec<Sample>,
    asked: Option<Instant>,
}

/// Serves until the supervisor is gone.
pub fn run(link: AskingLink, listeners: &[OwnedFd]) -> Exit {
    // The supervisor greets whoever asks.
    if !matches!(link.receive(), Ok(Some((Answer::Welcome { .. }, None)))) {
        return Exit::PeerGone;
    }
    let mut numbers = Numbers { link, samples: Vec::new(), asked: None };
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let mut watched = vec![PollFd::new(numbers.link.as_fd(), PollFlags::POLLIN)];
        watched.extend(clients.iter().map(|client| {
            let flags = if client.answer.is_some() { PollFlags::POLLOUT } else { PollFlags::POLLIN };
            PollFd::new(client.stream.as_fd(), flags)
        }));
        if clients.len() < MOST_CLIENTS {
            watched.extend(listeners.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)));
        }
        let next = clients.iter().map(|client| client.until).min();
        if poll(&mut watched, timeout(next)).is_err() {
            return Exit::Failed;
        }
        let ready: Vec<bool> = watched.iter().map(|one| one.any().unwrap_or(false)).collect();
        // Nothing is told here unasked but the end.
        if ready[0] {
            return Exit::Served;
        }
        let newcomers = &ready[1 + clients.len()..];
        let mut accepted = Vec::new();
        for (listener, _) in listeners.iter().zip(newcomers).filter(|(_, ready)| **ready) {
            accepted.extend(socket::accept(listener.as_fd()).ok().map(Client::new));
        }
        let now = Instant::now();
        let mut is_ready = ready[1..].iter();
        let mut gone = false;
        clients.retain_mut(|client| {
            let ready = is_ready.next().is_some_and(|ready| *ready);
            let goes_on = !ready
                || client.go_on(&mut numbers).unwrap_or_else(|Gone| {
                    gone = true;
                    false
                });
            goes_on && now < client.until
        });
        if gone {
            return Exit::PeerGone;
        }
        clients.append(&mut accepted);
    }
}

fn timeout(next: Option<Instant>) -> PollTimeout {
    let Some(next) = next else { return PollTimeout::NONE };
    let left = next.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

/// There is no supervisor any more.
struct Gone;

impl Client {
    fn new(stream: OwnedFd) -> Client {
        let until = Instant::now() + PATIENCE;
        Client { stream: TcpStream::from(stream), request: Vec::new(), answer: None, until }
    }

    /// Reads, or writes, what can be now. False: that was all.
    fn go_on(&mut self, numbers: &mut Numbers) -> Result<bool, Gone> {
        if self.answer.is_none() {
            let mut piece = [0; 2048];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(length) => self.request.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Ok(false),
            }
            self.answer = match http::read(&self.request) {
                Wish::Partial => return Ok(true),
                Wish::Refused { status } => Some(http::refusal(status)),
                Wish::Numbers { format, whole } => Some(http::answer(format, &numbers.text(format)?, whole)),
            };
        }
        let Some(left) = &mut self.answer else { return Ok(true) };
        match self.stream.write(left) {
            Ok(written) => {
                left.drain(..written);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Ok(false),
        }
        if left.is_empty() {
            let _ = self.stream.shutdown(Shutdown::Write);
            return Ok(false);
        }
        Ok(true)
    }
}

impl Numbers {
    fn text(&mut self, format: Format) -> Result<String, Gone> {
        let now = Instant::now();
        if self.asked.is_none_or(|asked| now >= asked + FRESH) {
            self.samples = self.ask()?;
            self.asked = Some(now);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Ok(format.text(&self.samples, now))
    }

    fn ask(&self) -> Result<Vec<Sample>, Gone> {
        let mut samples = Vec::new();
        self.link.send(&Request::Metrics).map_err(|_| Gone)?;
        loop {
            match self.link.receive() {
                Ok(Some((Answer::Sample { family, labels, value }, None))) => {
                    samples.push(Sample { family, labels, value });
                }
                Ok(Some((Answer::Done { .. }, None))) => return Ok(samples),
                Ok(_) | Err(_) => return Err(Gone),
            }
        }
    }
}
