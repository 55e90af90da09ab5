//! The control socket: administrators ask, the supervisor answers, and waits for none of them. What is asked is obeyed in
//! control/requests.rs.
//!
//! A client has one request at a time. As long as answers to it are left, no other is read; who does not take them, or
//! says nothing for long, is let go. So nobody can make answers pile up here.

mod requests;
mod restraints;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::Supervisor;
use crate::ipc::control::{Answer, AnsweringLink, PROTOCOL, Request};
use crate::ipc::link::Link;
use crate::log;
use crate::system::local_socket::LocalListener;

/// Tokens of the epoll set: this bit, and which client, counted from 1; the listener alone.
const CONTROL_BIT: u64 = 1 << 61;

/// Answers given to one client in one turn of the loop.
const ANSWERS_A_TURN: usize = 64;

/// How long a client may take to read an answer.
const SLOW: Duration = Duration::from_secs(10);

/// How long he may take to think of the next request.
const SILENT: Duration = Duration::from_secs(300);

/// The socket, and who is connected to it.
#[derive(Default)]
pub struct Control {
    listener: Option<LocalListener>,
    clients: Vec<Client>,
    last_number: u64,
}

/// What somebody may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything: an administrator.
    All,
    /// What has been counted: the metrics process.
    Numbers,
}

/// Somebody who may ask.
struct Client {
    number: u64,
    link: AnsweringLink,
    rights: Rights,
    telling: Telling,
    /// When he is let go.
    until: Option<Instant>,
    /// Whether it is watched when he can be told more, and not when he asks.
    full: bool,
}

/// What a client has yet to be told.
enum Telling {
    /// These, and then the next request is heard.
    Answers(VecDeque<Answer>),
    /// Who is in the slots from this one on.
    Sessions { next: usize, told: u64 },
}

/// The control socket's part of a token, if it is about it: the client's number, or 0 for the listener.
pub fn of_token(token: u64) -> Option<u64> {
    (token & !0xffff_ffff == CONTROL_BIT).then_some(token & 0xffff_ffff)
}

impl Supervisor {
    /// Opens the socket where the configuration has it. Whatever keeps it from being opened, clients can be served.
    pub(super) fn begin_control(&mut self) {
        let options = &self.inheritance.config.control;
        if options.max_clients.get() == 0 {
            return self.end_control();
        }
        if self.control.listener.as_ref().is_some_and(|listener| listener.path() == &*options.socket) {
            return;
        }
        let opened = LocalListener::bind(&options.socket);
        let watched = opened.and_then(|listener| {
            self.epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL_BIT))?;
            Ok(listener)
        });
        match watched {
            Ok(listener) => {
                self.end_control();
                self.control.listener = Some(listener);
            }
            // Nobody but root has a place for it, unless he says where.
            Err(error) if !nix::unistd::geteuid().is_root() && self.is_socket_by_default() => {
                log::debug(format_args!("no control socket: {}: {error}", options.socket));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                log::warning(format_args!(
                    "no control socket: another daemon listens at {}; ftpctl speaks to that one",
                    options.socket
                ));
            }
            Err(error) => log::warning(format_args!("no control socket: {}: {error}", options.socket)),
        }
    }

    fn is_socket_by_default(&self) -> bool {
        self.inheritance.config.control.socket == crate::config::Control::default().socket
    }

    fn end_control(&mut self) {
        if let Some(listener) = self.control.listener.take() {
            let _ = self.epoll.delete(&listener);
        }
    }

    /// Something happened at the control socket: a client has come (0), asks, or can be told more.
    pub(super) fn attend_control(&mut self, number: u64) {
        if number == 0 {
            return self.accept_control();
        }
        let Some(client) = self.control.client(number) else { return };
        if !client.has_been_told() {
            return self.answer_control(number);
        }
        match client.link.receive() {
            Ok(Some((request, None))) if client.may_ask(&request) => {
                self.hear_request(number, request);
                self.answer_control(number);
            }
            Err(error) if error.is_for_now() => {}
            Ok(_) | Err(_) => self.let_go(number),
        }
    }

    fn accept_control(&mut self) {
        let Some(listener) = &self.control.listener else { return };
        let Ok((connection, uid)) = listener.accept() else { return };
        let own = nix::unistd::geteuid().as_raw();
        if uid != 0 && uid != own {
            log::warning(format_args!("the user with uid {uid} has tried to control the daemon"));
            return;
        }
        let most = self.inheritance.config.control.max_clients.get() as usize;
        let link: AnsweringLink = Link::over(connection);
        if self.control.clients.iter().filter(|client| client.rights == Rights::All).count() < most {
            self.admit_to_control(link, Rights::All);
            return;
        }
        let why = format!("{most} others control the daemon already ([control] max-clients)");
        // Room for two packets there is in every new socket.
        let _ = link.send(&welcome()).and_then(|()| link.send(&Answer::Failed { why }));
    }

    /// Somebody may ask from here on. His number.
    pub(super) fn admit_to_control(&mut self, link: AnsweringLink, rights: Rights) -> u64 {
        let number = self.control.last_number % 0xffff_fffe + 1;
        self.control.last_number = number;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, CONTROL_BIT | number);
        if self.epoll.add(&link, event).is_ok() {
            let telling = Telling::Answers([welcome()].into());
            self.control.clients.push(Client { number, link, rights, telling, until: None, full: false });
            self.answer_control(number);
        }
        number
    }

    /// Obeys, and leaves the answers to be told.
    fn hear_request(&mut self, number: u64, request: Request) {
        let telling = match self.obey_request(request) {
            requests::Outcome::Answers(answers) => Telling::Answers(answers.into()),
            requests::Outcome::Sessions => Telling::Sessions { next: 0, told: 0 },
        };
        if let Some(client) = self.control.client(number) {
            client.telling = telling;
        }
    }

    /// Tells a client what is left to tell, as much as he takes now.
    fn answer_control(&mut self, number: u64) {
        for _ in 0..ANSWERS_A_TURN {
            let Some(client) = self.control.client(number) else { return };
            let (answer, rest) = match &mut client.telling {
                Telling::Answers(answers) => match answers.pop_front() {
                    None => {
                        client.until = client.may_be_silent();
                        return self.watch_control(number, false);
                    }
                    Some(answer) => (answer, None),
                },
                Telling::Sessions { next, told } => {
                    let (next, told) = (*next, *told);
                    match self.pool.serving_from(next).next() {
                        Some((id, slot, serving)) => {
                            let rest = Telling::Sessions { next: id.index() + 1, told: told + 1 };
                            (self.describe(slot, serving), Some(rest))
                        }
                        None => (Answer::Done { count: told }, Some(Telling::Answers(VecDeque::new()))),
                    }
                }
            };
            let Some(client) = self.control.client(number) else { return };
            match client.link.send(&answer) {
                Ok(()) => {
                    client.until = Some(Instant::now() + SLOW);
                    if let Some(rest) = rest {
                        client.telling = rest;
                    }
                }
                Err(error) if error.is_for_now() => {
                    if let Telling::Answers(answers) = &mut client.telling {
                        answers.push_front(answer);
                    }
                    client.until.get_or_insert_with(|| Instant::now() + SLOW);
                    return self.watch_control(number, true);
                }
                Err(_) => return self.let_go(number),
            }
        }
        // The others have their turn first.
        self.watch_control(number, true);
    }

    /// Waits until the client asks, or, if `full`, until he takes more.
    fn watch_control(&mut self, number: u64, full: bool) {
        let Some(client) = self.control.clients.iter_mut().find(|client| client.number == number) else {
            return;
        };
        if client.full == full {
            return;
        }
        let flags = if full { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
        client.full = full;
        if self.epoll.modify(&client.link, &mut EpollEvent::new(flags, CONTROL_BIT | number)).is_err() {
            self.let_go(number);
        }
    }

    pub(super) fn let_go(&mut self, number: u64) {
        if let Some(index) = self.control.clients.iter().position(|client| client.number == number) {
            let client = self.control.clients.swap_remove(index);
            let _ = self.epoll.delete(&client.link);
            self.miss_publisher(number);
        }
    }

    /// Lets go who has overstayed.
    pub(super) fn look_at_control(&mut self, now: Instant) {
        let over = |client: &Client| client.until.is_some_and(|until| now >= until);
        let numbers: Vec<u64> =
            self.control.clients.iter().filter(|client| over(client)).map(|client| client.number).collect();
        numbers.into_iter().for_each(|number| self.let_go(number));
    }
}

impl Control {
    /// When somebody overstays, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(|client| client.until).min()
    }

    fn client(&mut self, number: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.number == number)
    }
}

impl Client {
    fn may_ask(&self, request: &Request) -> bool {
        self.rights == Rights::All || *request == Request::Metrics
    }

    /// Until when he may think of the next request.
    fn may_be_silent(&self) -> Option<Instant> {
        match self.rights {
            Rights::All => Some(Instant::now() + SILENT),
            Rights::Numbers => None,
        }
    }

    fn has_been_told(&self) -> bool {
        matches!(&self.telling, Telling::Answers(answers) if answers.is_empty())
    }
}

fn welcome() -> Answer {
    Answer::Welcome { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").into() }
}
