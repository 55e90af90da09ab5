//! The login decision: who somebody is, what he may see, and that his PAM session opens and closes.
//!
//! [`decide`] asks, in this order: is it a name at all; is it anonymous; does a source know it, and is the password right
//! (`sources`). PAM is also asked whether the account may be used now, and who it is. Policy is asked before PAM, again
//! about the account that comes out, and at last whether this session may be, here and now. Nothing here sleeps: the time
//! of an answer, the same for every failure, is kept by the worker's loop.
//!
//! A name that policy objects to is not given to PAM, which might count the failure and lock an account that only
//! an administrator uses.

mod attempt;
mod external;
mod foreseen;
mod homes;
mod roots;
mod sources;

pub use attempt::{Attempt, NotYet};
pub use foreseen::{Foreseen, Question, foresee, knows_everything};
pub use roots::Root;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use homes::Home;

use super::pam::{Conversation, Transaction};
use crate::config::{Config, SessionOptions, Spot};
use crate::log;
use crate::system::privileges::{self, Account};
use crate::system::{accounts, memory};

/// No, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason, for the log.
    pub log: String,
    /// What the client may read, a line each: the words of PAM's modules, and what somebody may know who gave the
    /// right password.
    pub texts: Vec<String>,
    /// Whether he has proved who he is: then it was no attempt to guess.
    pub proved: bool,
}

/// A login that was granted. Only this module can make one.
pub struct Login {
    name: String,
    host: Option<String>,
    account: Account,
    groups: Vec<String>,
    options: SessionOptions,
    permissions_at: Option<Spot>,
    root: Root,
    environment: Vec<(OsString, OsString)>,
    texts: Vec<String>,
    pam: Option<Transaction>,
    by_certificate: bool,
}

/// Decides about an attempt. May take as long as PAM's modules do, and as long as the client needs to answer what they
/// ask.
pub fn decide(
    config: &Config,
    attempted: &Attempt<'_>,
    conversation: &mut dyn Conversation,
) -> Result<Login, NotYet> {
    sources::ask(config, attempted, conversation)
}

impl Login {
    /// The name that was proved: of the account, of the virtual user, or `anonymous`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The virtual host that serves him, if there is one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The account that the session runs as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The names that count as his groups: those of the account, and those that the users file gives him.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The options of the session, with what the configuration says of this user and his groups.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Where his permissions are said, if an entry of a users file says them.
    pub fn permissions_at(&self) -> Option<&Spot> {
        self.permissions_at.as_ref()
    }

    /// Where the session may live.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The environment that PAM wants; complete after [`Login::open_session`].
    pub fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// Whether no password was needed.
    pub fn is_by_certificate(&self) -> bool {
        self.by_certificate
    }

    /// What PAM's modules have said since the last time, for the client.
    pub fn take_texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }

    /// Opens the PAM session in this process, which the session process is then to be forked from: limits, umask,
    /// keyring and login id are inherited. A refusal refuses the login. Without PAM there is nothing to open.
    pub fn open_session(&mut self) -> Result<(), Refused> {
        // Not the supervisor's, which root's keys may be in. The modules may put some into the new one.
        privileges::new_session_keyring().map_err(|failure| no(failure.to_string()))?;
        let Some(pam) = &mut self.pam else { return Ok(()) };
        let opened = establish(pam, &mut self.account).and_then(|()| {
            pam.open_session().map_err(|refusal| {
                // What the modules say here is about the machine: the password was right.
                self.texts.extend(pam.take_texts());
                Refused { log: refusal.to_string(), texts: self.texts.clone(), proved: true }
            })
        });
        if let Err(refused) = opened {
            self.pam = None;
            return Err(refused);
        }
        self.environment = pam.environment();
        self.texts.extend(pam.take_texts());
        Ok(())
    }

    /// Makes the directory in which the session is to start, if that is wanted and there is none. To be called when the
    /// PAM session is open: its modules may make one, too.
    pub fn make_home(&self) {
        let Some(place) = self.root.places.first().filter(|_| self.options.make_home) else { return };
        let path = place.whole();
        let skeleton = self.options.home_skeleton.as_deref();
        let home =
            Home { path: &path, account: &self.account, mode: self.options.home_mode.bits(), skeleton };
        let shown = log::escaped(path.as_os_str().as_bytes());
        match home.make() {
            Ok(true) => log::notice(format_args!("home directory {shown} was made")),
            Ok(false) => {}
            Err(error) => log::error(format_args!("home directory {shown} could not be made: {error}")),
        }
    }

    /// Closes the PAM session, if one is open, and ends PAM: to be called when the session process is gone. Dropping
    /// the login does the same.
    pub fn close_session(self) {}

    /// In a process that was forked from the one that decided: lets go of PAM without closing anything.
    pub fn abandon_in_child(&mut self) {
        // The transaction knows that this is not the process that began it.
        self.pam = None;
        memory::wipe_freed(false);
        memory::give_back_freed();
    }
}

/// Lets the modules set up credentials, and finds out which groups the account has then (pam_group(8) adds some).
fn establish(pam: &mut Transaction, account: &mut Account) -> Result<(), Refused> {
    let refused = |log: String, texts| Refused { log, texts, proved: true };
    let failed = |failure: crate::system::Failure| refused(failure.to_string(), Vec::new());
    let own = accounts::current_groups().map_err(failed)?;
    accounts::replace_groups(&account.groups).map_err(failed)?;
    let established = pam.establish_credentials();
    let groups = accounts::current_groups();
    accounts::replace_groups(&own).map_err(failed)?;
    established.map_err(|refusal| refused(refusal.to_string(), pam.take_texts()))?;
    let added: Vec<u32> =
        groups.map_err(failed)?.into_iter().filter(|group| !account.groups.contains(group)).collect();
    account.groups.extend(added);
    Ok(())
}

fn no(log: impl Into<String>) -> Refused {
    Refused { log: log.into(), texts: Vec::new(), proved: false }
}
