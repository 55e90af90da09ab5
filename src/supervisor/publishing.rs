//! The metrics process: forked where numbers are to be handed out over HTTP, and replaced when it dies. It is a client of
//! the control socket that may ask for numbers and nothing else.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{Supervisor, listen};
use crate::exit::Exit;
use crate::ipc::control::AskingLink;
use crate::ipc::link::Link;
use crate::log;
use crate::metrics;
use crate::system::privileges::{Drop, Keyring, drop_to};
use crate::system::process::{Child, Forked, close_all_except, fork, silence_standard_streams};
use crate::system::{Doing, Failure, landlock, limits, process, title};
use crate::worker::Inheritance;
use listen::Listener;

/// One that died is replaced this much later.
const REPLACED_AFTER: Duration = Duration::from_secs(5);

/// The listeners for it, and the process.
#[derive(Default)]
pub struct Publishing {
    listeners: Vec<Listener>,
    child: Option<Child>,
    /// Its number among the clients of the control socket.
    number: u64,
    /// When the next is to be forked.
    pub again: Option<Instant>,
}

impl Supervisor {
    /// The configuration is a new one: so is the process, if there has to be one. Addresses that cannot be had are no
    /// reason to serve nobody.
    pub(super) fn begin_publishing(&mut self) {
        self.end_publishing();
        let addresses: Vec<SocketAddr> = self.inheritance.config.metrics.addresses.clone();
        match listen::bind(&addresses, &mut self.publishing.listeners) {
            Ok(listeners) => self.publishing.listeners = listeners,
            Err(failure) => log::error(format_args!("no metrics: {failure}")),
        }
        if !addresses.is_empty() && !self.publishing.listeners.is_empty() {
            self.fork_publisher();
        }
    }

    pub(super) fn end_publishing(&mut self) {
        self.publishing.again = None;
        if let Some(child) = self.publishing.child.take() {
            self.let_go(self.publishing.number);
            // It has nothing to lose.
            child.kill();
            child.reap_within(Duration::ZERO);
        }
    }

    pub(super) fn fork_publisher(&mut self) {
        self.publishing.again = None;
        if let Err(failure) = self.try_to_fork_publisher() {
            log::error(&failure);
            self.publishing.again = Some(Instant::now() + REPLACED_AFTER);
        }
    }

    fn try_to_fork_publisher(&mut self) -> Result<(), Failure> {
        let (ours, theirs) = Link::pair().doing(|| "make the link of the metrics process".into())?;
        process::do_not_block(ours.as_fd()).doing(|| "make the link of the metrics process".into())?;
        let supervisor = nix::unistd::getpid().as_raw() as u32;
        let child = match fork()? {
            Forked::Child => become_publisher(theirs, &self.publishing, &self.inheritance, supervisor),
            Forked::Parent(child) => child,
        };
        self.publishing.child = Some(child);
        self.publishing.number = self.admit_to_control(ours, super::control::Rights::Numbers);
        Ok(())
    }

    /// A client of the control socket is gone: if it was the metrics process, the next one is due.
    pub(super) fn miss_publisher(&mut self, number: u64) {
        if number != self.publishing.number {
            return;
        }
        if let Some(child) = self.publishing.child.take() {
            child.kill();
            child.reap_within(Duration::ZERO);
            log::warning("the metrics process has died; it is replaced");
            self.publishing.again = Some(Instant::now() + REPLACED_AFTER);
        }
    }
}

fn become_publisher(link: AskingLink, own: &Publishing, parts: &Inheritance, supervisor: u32) -> ! {
    title::set("ftpd: metrics");
    let exit = match confine(&link, own, parts, supervisor) {
        Ok(listeners) => metrics::run(link, &listeners),
        Err(failure) => {
            log::error(&failure);
            Exit::NotConfined
        }
    };
    exit.now()
}

fn confine(
    link: &AskingLink,
    own: &Publishing,
    parts: &Inheritance,
    supervisor: u32,
) -> Result<Vec<OwnedFd>, Failure> {
    let mut kept = vec![link.as_fd().as_raw_fd()];
    kept.extend(own.listeners.iter().map(|listener| listener.as_fd().as_raw_fd()));
    let (account, filters, null) = parts.for_resolver();
    let root = parts.root_for_nobody();
    close_all_except(&[&kept[..], &[null.as_raw_fd(), root.as_raw_fd()]].concat());
    silence_standard_streams(null)?;
    let is_root = nix::unistd::geteuid().is_root();
    let drop = Drop {
        root: is_root.then_some(root),
        umask: 0o077,
        limits: limits::FRONTEND,
        keyring: Keyring::New,
        parent: supervisor,
    };
    drop_to(account, &drop)?;
    landlock::confine_frontend()?;
    close_all_except(&kept);
    filters.confine_metrics()?;
    Ok(own.listeners.iter().map(Listener::taken_over).collect())
}
