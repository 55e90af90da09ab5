//! The address behind the name in `masquerade-address`: a process of its own looks it up, the last good answer stays, and
//! clients who come are served with the latest.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::{RESOLVER_TOKEN, Supervisor};
use crate::config::Masquerade;
use crate::exit::Exit;
use crate::ipc::link::Link;
use crate::ipc::messages::{AnswerLink, FromResolver, QuestionLink, ToResolver};
use crate::log;
use crate::resolver;
use crate::system::privileges::{Drop, Keyring, drop_to};
use crate::system::process::{Child, Forked, close_all_except, fork, silence_standard_streams};
use crate::system::{Doing, Failure, limits, title};
use crate::worker::Inheritance;

/// A resolver that died is replaced this much later.
const REPLACED_AFTER: Duration = Duration::from_secs(30);

/// What is known of the name.
#[derive(Default)]
pub struct Naming {
    name: Option<String>,
    /// The last good answer.
    pub address: Option<Ipv4Addr>,
    resolver: Option<Resolver>,
    /// When a resolver is to be forked that takes the place of a dead one.
    pub again: Option<Instant>,
}

struct Resolver {
    link: AnswerLink,
    child: Child,
}

impl Supervisor {
    /// The configuration is a new one: so is the resolver, if there has to be one.
    pub(super) fn begin_naming(&mut self) {
        self.end_naming();
        let name = match &self.inheritance.config.data.masquerade_address {
            Some(Masquerade::Name(name)) => Some(name.clone()),
            Some(Masquerade::Address(_)) | None => None,
        };
        if self.naming.name != name {
            self.naming = Naming { name, ..Naming::default() };
        }
        if self.naming.name.is_some() {
            self.fork_resolver();
        }
    }

    pub(super) fn end_naming(&mut self) {
        self.naming.again = None;
        if let Some(Resolver { link, child }) = self.naming.resolver.take() {
            let _ = self.epoll.delete(&link);
            drop(link);
            // It has nothing to lose, and may be waiting for the network.
            child.kill();
            child.reap_within(Duration::ZERO);
        }
    }

    pub(super) fn fork_resolver(&mut self) {
        self.naming.again = None;
        match self.try_to_fork_resolver() {
            Ok(resolver) => self.naming.resolver = Some(resolver),
            Err(failure) => {
                log::error(&failure);
                self.naming.again = Some(Instant::now() + REPLACED_AFTER);
            }
        }
    }

    fn try_to_fork_resolver(&self) -> Result<Resolver, Failure> {
        let (ours, theirs) = Link::pair().doing(|| "make the link of the resolver".into())?;
        let supervisor = nix::unistd::getpid().as_raw() as u32;
        let child = match fork()? {
            Forked::Child => become_resolver(theirs, &self.inheritance, supervisor),
            Forked::Parent(child) => child,
        };
        let name = self.naming.name.clone().unwrap_or_default();
        let every = self.inheritance.config.data.masquerade_refresh.seconds();
        let resolver = Resolver { link: ours, child };
        // If it is dead already, that shows at its link.
        let _ = resolver.link.send(&ToResolver::Resolve { name, every });
        self.epoll
            .add(&resolver.link, EpollEvent::new(EpollFlags::EPOLLIN, RESOLVER_TOKEN))
            .doing(|| "watch the resolver".into())?;
        Ok(resolver)
    }

    /// The resolver has something to say, or is dead.
    pub(super) fn hear_resolver(&mut self) {
        let Some(resolver) = &self.naming.resolver else { return };
        let name = self.naming.name.as_deref().unwrap_or_default();
        match resolver.link.receive() {
            Ok(Some((FromResolver::Address { address }, None))) => {
                log::notice(format_args!("masquerade-address {name} is {address}"));
                self.naming.address = Some(address);
            }
            Ok(Some((FromResolver::Failed { why }, None))) => {
                let why = log::escaped(why.as_bytes()).to_string();
                log::warning(format_args!("masquerade-address {name} cannot be looked up: {why}"));
            }
            Ok(Some((_, Some(_))) | None) | Err(_) => {
                log::warning(format_args!("the resolver of {name} has died"));
                self.end_naming();
                self.naming.again = Some(Instant::now() + REPLACED_AFTER);
            }
        }
    }
}

fn become_resolver(link: QuestionLink, parts: &Inheritance, supervisor: u32) -> ! {
    title::set("ftpd: resolver");
    let exit = match confine(&link, parts, supervisor) {
        Ok(()) => resolver::run(link),
        Err(failure) => {
            log::error(&failure);
            Exit::NotConfined
        }
    };
    exit.now()
}

fn confine(link: &QuestionLink, parts: &Inheritance, supervisor: u32) -> Result<(), Failure> {
    let link = link.as_fd().as_raw_fd();
    let (account, filters, null) = parts.for_resolver();
    close_all_except(&[link, null.as_raw_fd()]);
    silence_standard_streams(null)?;
    let drop = Drop {
        root: None,
        umask: 0o077,
        limits: limits::FRONTEND,
        keyring: Keyring::New,
        parent: supervisor,
    };
    drop_to(account, &drop)?;
    close_all_except(&[link]);
    filters.confine_resolver()
}
