//! The processes of a connection: how a worker settles, and how its frontend and its session are made of it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::giving::Giving;
use super::keys::Copies;
use super::login::Login;
use super::quotas::{self, Trouble};
use super::relay::Relayed;
use super::telling::Telling;
use super::{Client, Inheritance, Newborn, Worker};
use crate::config::{Config, EventName, LogLevel, Rule, Visitor};
use crate::exit::Exit;
use crate::frontend;
use crate::ipc::link::Link;
use crate::ipc::messages::{FavourLink, FromSession, FrontendLink, LoginLink, SessionLink, ToSupervisor};
use crate::ipc::page::SessionPage;
use crate::log;
use crate::session::{self, Powers, Quotas, Security};
use crate::system::privileges::{self, Drop, Dropped, Keyring, drop_to};
use crate::system::process::{
    Child, Forked, close_all_except, fork, fork_as_it_is, silence_standard_streams,
};
use crate::system::{Doing, Failure, landlock, limits, memory, process, title};
use crate::tls::setup;
use crate::tls::tickets::TicketKey;

/// How long a process may take to end after its link has ended, before it is killed.
const FAREWELL: Duration = Duration::from_secs(2);

/// The frontend of this worker.
pub struct Frontend {
    pub link: FrontendLink,
    child: Child,
}

/// The session of this worker.
pub struct Session {
    pub link: SessionLink,
    /// The session's end of the connection to the relay, if there is TLS: to see whether it reads.
    pub inner: Option<OwnedFd>,
    /// What it may have given to others, if rules give anything away.
    pub giving: Option<Giving>,
    child: Child,
}

impl Frontend {
    /// Lets the process end, and reaps it.
    pub fn bury(self) {
        drop(self.link);
        self.child.reap_within(FAREWELL);
    }
}

impl Session {
    /// Ends the process, whatever it does.
    pub fn kill(&self) {
        self.child.kill();
    }

    /// Lets the process end, and reaps it; how it died is for the log alone, since its user can kill it.
    pub fn bury(self) -> nix::sys::wait::WaitStatus {
        drop(self.link);
        // Its relay sees the end of the connection when nobody has it any more.
        drop(self.inner);
        self.child.reap_within(FAREWELL)
    }
}

/// Why there is no session: for the log, and for the client.
struct Refusal {
    why: String,
    text: String,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal { why: failure.to_string(), text: String::new() }
    }
}

/// Where a session lives: its root directory, open, and where in it the session starts.
struct Place {
    number: u8,
    root: OwnedFd,
    start: Vec<u8>,
    /// /proc/self/fd, from before the jail.
    descriptors: Option<OwnedFd>,
    /// What is counted of its contents, and of what it is in.
    quotas: Quotas,
}

/// The first place of the login that the user can enter. It is looked for with his rights: what a daemon could open
/// for him (a home that is closed to him, or on a network that does not know root) is not his place.
fn open_place(login: &Login) -> Result<Place, Refusal> {
    privileges::look_through(login.account())?;
    let mut reasons = Vec::new();
    for (number, place) in (0..).zip(&login.root().places) {
        let start = place.start.strip_prefix("/").unwrap_or(&place.start);
        let opened = open_directory(&place.root)
            .and_then(|root| open_directory(&place.root.join(start)).map(|_| root));
        match opened {
            Ok(root) => {
                let start = place.start.as_os_str().as_bytes().to_vec();
                // Not into a jail: what is open there would be a way out of it.
                let descriptors =
                    (!login.root().jail).then(|| open_directory(Path::new("/proc/self/fd")).ok()).flatten();
                return Ok(Place { number, root, start, descriptors, quotas: Quotas::default() });
            }
            Err(failure) => reasons.push(failure.to_string()),
        }
    }
    Err(Refusal { why: reasons.join("; "), text: "Your home directory is not available.".into() })
}

/// The quotas that he meets there.
fn find_quotas(config: &Config, login: &Login, place: &Place, writable: bool) -> Result<Quotas, Refusal> {
    if config.quota.is_empty() && !login.options().has_quota() {
        return Ok(Quotas::default());
    }
    privileges::look_as_root();
    let path = &login.root().places[usize::from(place.number)].root;
    quotas::at_login(config, login, place.root.as_fd(), path, writable).map_err(|trouble| match trouble {
        Trouble::Failed(failure) => failure.into(),
        Trouble::Shared { other, ledger } => Refusal {
            why: format!(
                "his quota (quota-of = \"user\") cannot be told from that of {}: both are uid {} and have the root \
                 directory {}; if there is no such user any more, remove {}",
                log::quoted(other.as_bytes()),
                login.account().uid,
                path.display(),
                ledger.display()
            ),
            text: "Your quota cannot be told from that of somebody else.".into(),
        },
    })
}

fn open_directory(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).doing(|| format!("open {}", path.display()))
}

/// The control connection, as the session gets it, and the page that the supervisor reads.
struct Beginning<'a> {
    control: OwnedFd,
    ahead: &'a [u8],
    security: Option<Security>,
    page: SessionPage,
}

/// What the session begins with.
fn start(
    worker: FavourLink,
    parts: &Inheritance,
    client: &Client,
    login: &mut Login,
    place: Place,
    beginning: Beginning<'_>,
) -> session::Start {
    let config = &parts.config;
    let mut data = config.data.clone();
    data.active &= !config.listen.passive_only.contains(&client.listener);
    let powers = powers(config, client, login, &place);
    let proxies = client.proxy.map(|_| config.listen.trusted_proxies.clone()).unwrap_or_default();
    session::Start {
        quotas: place.quotas,
        user: login.name().to_owned(),
        host: login.host().map(String::from),
        has_hosts: !config.host.is_empty(),
        options: login.options().clone(),
        powers,
        data,
        report_commands: config.log.commands,
        asked: parts.telling.as_ref().map_or(0, |telling| telling.plan.asked()),
        report_transfers: log::level() >= LogLevel::Info
            || config.log.xferlog.is_some()
            || wants_transfers(parts),
        root: place.root,
        place: place.number,
        home: place.start,
        descriptors: place.descriptors,
        control: beginning.control,
        tls: parts.config.tls.clone(),
        security: beginning.security,
        worker,
        peer: client.peer,
        local: client.local,
        here: client.here,
        proxies,
        masquerade: client.masquerade,
        ahead: beginning.ahead.to_vec(),
        page: beginning.page,
        line_limit: config.server.line_limit.get() as usize,
        by_certificate: login.is_by_certificate(),
        greeting: login.take_texts(),
    }
}

/// Whether somebody wants to hear of every transfer of a file.
fn wants_transfers(parts: &Inheritance) -> bool {
    let of_transfers = [
        EventName::FileSent,
        EventName::FileReceived,
        EventName::IncompleteFileSent,
        EventName::IncompleteFileReceived,
    ];
    parts
        .telling
        .as_ref()
        .is_some_and(|telling| of_transfers.iter().any(|event| telling.teller.wants(*event)))
}

/// Who has logged in, as far as rules ask.
fn visitor<'a>(config: &Config, client: &Client, login: &'a Login) -> Visitor<'a> {
    let host = login.host();
    let anonymous = config.has_anonymous(host) && login.name() == "anonymous";
    Visitor { user: login.name(), groups: login.groups(), anonymous, host, address: client.peer.ip() }
}

/// What the session may do, and where the configuration says so.
fn powers(config: &Config, client: &Client, login: &Login, place: &Place) -> Powers {
    let visitor = visitor(config, client, login);
    let letters = login.options().permissions;
    // The entry of a users file has the last word.
    let said = login.permissions_at().cloned();
    let origin = said.unwrap_or_else(|| config.permissions_of(&visitor).1);
    Powers::new(letters, origin, config.rules_for(&visitor, &place.start))
}

/// Makes a worker of a new process, and its frontend, before either has seen a secret or a client.
pub fn settle(newborn: Newborn, inheritance: &Inheritance) -> Result<(Worker<'_>, Frontend), Failure> {
    process::die_with_parent(newborn.supervisor)?;
    // Ctrl-C is for the supervisor, which lets transfers finish; a terminal sends it to its whole process group.
    nix::unistd::setsid().doing(|| "leave the terminal".into())?;
    let mut kept = newborn.descriptors().to_vec();
    kept.extend([inheritance.null.as_raw_fd(), inheritance.empty_root.as_fd().as_raw_fd()]);
    kept.extend(log::descriptor());
    kept.extend(inheritance.telling.as_ref().map(|telling| telling.teller.as_fd().as_raw_fd()));
    let places = inheritance.telling.as_ref().and_then(|telling| telling.plan.descriptor());
    kept.extend(places.map(|places| places.as_raw_fd()));
    kept.extend(inheritance.config.inherited_users);
    kept.extend(inheritance.copies.iter().flat_map(Copies::descriptors));
    close_all_except(&kept);
    inheritance.descriptors.restore()?;
    let tickets = inheritance.copies.as_ref().map(|_| TicketKey::random()).transpose();
    let worker = Worker {
        inheritance,
        supervisor: newborn.link,
        life: newborn.life,
        page: newborn.page,
        pid: nix::unistd::getpid(),
        tickets: tickets.doing(|| "make a key for tickets".into())?,
        telling: Telling::default(),
    };
    let frontend = worker.fork_frontend()?;
    Ok((worker, frontend))
}

impl Worker<'_> {
    fn fork_frontend(&self) -> Result<Frontend, Failure> {
        let (ours, theirs) = Link::pair().doing(|| "make the link of a frontend".into())?;
        let child = match fork_as_it_is()? {
            Forked::Child => match self.become_frontend(theirs) {
                Ok(exit) => exit.now(),
                Err(failure) => {
                    log::error(&failure);
                    Exit::NotConfined.now()
                }
            },
            Forked::Parent(child) => child,
        };
        Ok(Frontend { link: ours, child })
    }

    fn become_frontend(&self, worker: LoginLink) -> Result<Exit, Failure> {
        title::set("ftpd: frontend");
        let parts = self.inheritance;
        close_all_except(&[
            worker.as_fd().as_raw_fd(),
            self.life.as_raw_fd(),
            parts.null.as_raw_fd(),
            parts.empty_root.as_fd().as_raw_fd(),
        ]);
        let root = nix::unistd::geteuid().is_root().then(|| parts.empty_root.as_fd());
        drop_to(
            &parts.frontend_account,
            &Drop {
                root,
                umask: 0o077,
                limits: limits::FRONTEND,
                keyring: Keyring::New,
                parent: self.pid.as_raw() as u32,
            },
        )?;
        landlock::confine_frontend()?;
        silence_standard_streams(parts.null.as_fd())?;
        close_all_except(&[worker.as_fd().as_raw_fd(), self.life.as_raw_fd()]);
        if self.tickets.is_some() {
            setup::warm();
        }
        parts.filters.confine_frontend()?;
        Ok(frontend::run(worker, Rc::clone(&parts.config), session::ENTRIES, self.tickets.as_ref()))
    }

    /// Forks the session of somebody who is logged in. It has yet to say that it is ready.
    pub fn fork_session(
        &self,
        client: &Client,
        login: &mut Login,
        ahead: &[u8],
        relayed: Option<Relayed>,
    ) -> Result<Session, Failure> {
        let (ours, theirs) = Link::pair().doing(|| "make the link of a session".into())?;
        let config = &self.inheritance.config;
        let writes = config.gives_writing(&visitor(config, client, login));
        let child = match fork()? {
            Forked::Child => {
                let control = relayed.as_ref().map_or(&client.control, |relayed| &relayed.inner);
                let exit = match self.become_session(&theirs, client, control, login, writes) {
                    Ok((dropped, place, page)) => {
                        let (control, security) = match relayed {
                            Some(Relayed { inner, security }) => (inner, Some(security)),
                            None => (process::take_over(&client.control), None),
                        };
                        let beginning = Beginning { control, ahead, security, page };
                        session::run(
                            dropped,
                            start(theirs, self.inheritance, client, login, place, beginning),
                        )
                    }
                    Err(refusal) => {
                        // Nobody waits for it if the worker is gone.
                        let _ = theirs.send(&FromSession::NotReady { why: refusal.why, text: refusal.text });
                        Exit::NotConfined
                    }
                };
                exit.now()
            }
            Forked::Parent(child) => child,
        };
        self.tell_of(&child, relayed.is_some())?;
        let giving = self.giving(client, login);
        Ok(Session { link: ours, inner: relayed.map(|relayed| relayed.inner), giving, child })
    }

    /// Everything between the fork and the first word of the session.
    fn become_session(
        &self,
        link: &FavourLink,
        client: &Client,
        control: &OwnedFd,
        login: &mut Login,
        writes: bool,
    ) -> Result<(Dropped, Place, SessionPage), Refusal> {
        self.show("session", format_args!("{} {}", login.name(), client.peer.ip()));
        login.abandon_in_child();
        let parts = self.inheritance;
        let link = link.as_fd().as_raw_fd();
        let page = self.page.descriptor();
        let kept = [link, page, self.life.as_raw_fd(), control.as_raw_fd(), parts.null.as_raw_fd()];
        close_all_except(&kept);
        silence_standard_streams(parts.null.as_fd())?;
        let page = SessionPage::new(self.page.map()?);
        process::replace_environment(login.environment());
        let mut place = open_place(login)?;
        let access = if login.options().permissions.may_write() || writes {
            landlock::Access::Write
        } else {
            landlock::Access::Read
        };
        place.quotas = find_quotas(&parts.config, login, &place, access == landlock::Access::Write)?;
        let root = (login.root().jail && nix::unistd::geteuid().is_root()).then(|| place.root.as_fd());
        let options = login.options();
        let dropped = drop_to(
            login.account(),
            &Drop {
                root,
                umask: options.umask.bits(),
                limits: limits::SESSION,
                keyring: Keyring::Inherited,
                parent: self.pid.as_raw() as u32,
            },
        )?;
        if self.tickets.is_some() {
            setup::warm();
        }
        landlock::confine_session(place.root.as_fd(), access)?;
        parts.filters.confine_session(access)?;
        memory::give_back_stack();
        Ok((dropped, place, page))
    }

    /// What of the user's uploads is given to others. Where that is inside of his root, it is told when he has one.
    fn giving(&self, client: &Client, login: &Login) -> Option<Giving> {
        let config = &self.inheritance.config;
        let gives = |rule: &Rule| rule.options.owner.is_some() || rule.options.group.is_some();
        config.rules.iter().any(gives).then(|| {
            let visitor = visitor(config, client, login);
            let places = login.root().places.iter().map(|place| {
                (place.root.clone(), config.rules_for(&visitor, place.start.as_os_str().as_bytes()))
            });
            Giving::new(places.collect(), login.account().uid)
        })
    }

    /// The supervisor ends the session, should we be unable to: its user can stop it, and then it does not see that its
    /// link has ended. (Nobody can stop a frontend, and every descriptor of the supervisor makes its forks slower.)
    fn tell_of(&self, child: &Child, tls: bool) -> Result<(), Failure> {
        self.supervisor.send_with(&ToSupervisor::Session { tls }, child.as_fd()).map_err(|error| Failure {
            doing: "tell the supervisor of a session".into(),
            cause: std::io::Error::other(error.to_string()),
        })
    }
}
