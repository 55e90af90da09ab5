//! What the worker tells the events process of its client.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use super::accounting::Totals;
use super::login::Login;
use super::serve::Ending;
use super::{Client, Worker, accounting};
use crate::config::EventName;
use crate::events::{Asker, Objection, facts};
use crate::ipc::messages::{Event, Leaving, Security};
use crate::ipc::occurrences::{Identity, Occurrence, What, Whom};

/// Whom this worker serves, as far as it knows.
pub struct Telling {
    whom: RefCell<Whom>,
    since: Instant,
}

impl Default for Telling {
    fn default() -> Telling {
        Telling { whom: RefCell::default(), since: Instant::now() }
    }
}

impl Telling {
    /// What the client sees as `/`; empty before the login.
    pub fn root(&self) -> Vec<u8> {
        self.whom.borrow().root.clone()
    }

    /// Of this client, from here on.
    pub fn introduce(&mut self, client: &Client) {
        self.since = Instant::now();
        *self.whom.get_mut() = Whom {
            session: client.id,
            peer: Some(client.peer),
            local: Some(client.local),
            ..Whom::default()
        };
    }
}

impl Worker<'_> {
    /// Tells of something that has happened to the client; costs nothing where nobody wants to know.
    pub(super) fn tell(&self, what: What) {
        if let Some(telling) = &self.inheritance.telling {
            telling.teller.tell_patiently(&self.telling.whom.borrow(), what);
        }
    }

    /// Asks the programs of the administrator whether the session may do this. `Some`: what the client is told.
    pub(super) fn ask(&self, wish: Event) -> Option<String> {
        let asker = Asker { until: None, client: None };
        let refused = match self.ask_about(What::Wants(wish.clone()), asker).err()? {
            Objection::Said(words) => words,
            // The session finds out for itself.
            Objection::NobodyThere => "Nobody is there.".to_string(),
        };
        let (event, path) = facts::asked(&wish);
        let why = format!("a program said: {refused}");
        let refusal = Event::Refused { operation: event.to_owned(), path: path.to_vec(), why };
        accounting::record(&refusal, &mut Totals::default(), &self.inheritance.config.log, &[]);
        self.tell(What::Done(refusal));
        Some(refused)
    }

    /// Whether programs are asked before a client is greeted.
    pub(super) fn asks_about_clients(&self) -> bool {
        self.inheritance.telling.as_ref().is_some_and(|telling| telling.plan.asks(EventName::Connect))
    }

    /// Whether this client may be served, as far as programs are asked.
    pub(super) fn ask_about_client(&self, client: &Client, until: Instant) -> Result<(), Objection> {
        let asker = Asker { until: Some(until), client: Some(client.control.as_fd()) };
        self.ask_about(What::WantsToConnect, asker)
    }

    /// Whether this user may log in, as far as programs are asked.
    pub(super) fn ask_about_login(
        &self,
        client: &Client,
        login: &Login,
        until: Instant,
    ) -> Result<(), Objection> {
        self.note_identity(login);
        let asker = Asker { until: Some(until), client: Some(client.control.as_fd()) };
        self.ask_about(What::WantsToLogIn, asker)
    }

    fn ask_about(&self, what: What, asker: Asker<'_>) -> Result<(), Objection> {
        let Some(telling) = &self.inheritance.telling else { return Ok(()) };
        telling.plan.ask(&Occurrence::now(self.telling.whom.borrow().clone(), what), asker)
    }

    /// A proxy has named the client.
    pub(super) fn rename_client(&self, client: &Client) {
        let mut whom = self.telling.whom.borrow_mut();
        (whom.peer, whom.local) = (Some(client.peer), Some(client.local));
    }

    /// Somebody tries to log in.
    pub(super) fn note_attempt(&self, host: Option<&str>, user: &str, security: Security) {
        let mut whom = self.telling.whom.borrow_mut();
        whom.host = host.unwrap_or_default().to_owned();
        whom.user = user.to_owned();
        whom.tls = security != Security::Plain;
    }

    /// He is going to be this user; `root` is what he will see as `/`.
    pub(super) fn note_login(&self, login: &Login, root: &Path) {
        self.note_identity(login);
        self.telling.whom.borrow_mut().root = root.as_os_str().as_bytes().to_vec();
    }

    fn note_identity(&self, login: &Login) {
        let account = login.account();
        let mut whom = self.telling.whom.borrow_mut();
        whom.user = login.name().to_owned();
        whom.identity = Some(Identity { uid: account.uid, gid: account.gid, groups: account.groups.clone() });
    }

    /// He did not become it after all.
    pub(super) fn tell_failure(&self, why: &str) {
        let mut whom = self.telling.whom.borrow_mut();
        (whom.identity, whom.root) = (None, Vec::new());
        let (user, peer) = (whom.user.clone(), whom.peer);
        drop(whom);
        if let Some(peer) = peer {
            self.record_failure(&user, peer.ip());
        }
        self.tell(What::LoginFailed { why: why.to_owned() });
    }

    /// The client is served no more by this worker.
    pub(super) fn tell_of_the_end(&self, ending: &Ending, totals: &Totals) {
        let logged_in = self.telling.whom.borrow().identity.is_some();
        let logs_out = matches!(ending, Ending::Left(Leaving::Quit) | Ending::Reinitialized(_));
        if logged_in && logs_out {
            self.tell(What::LoggedOut);
        }
        let why = match ending {
            Ending::Left(why) => accounting::reason(*why),
            Ending::AtOnce => "the session was ended",
            // The next worker goes on with him.
            Ending::Reinitialized(_) => return,
        };
        let Totals { files, sent, received } = *totals;
        let micros = u64::try_from(self.telling.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tell(What::Disconnected { why: why.to_owned(), files, sent, received, micros });
    }
}
