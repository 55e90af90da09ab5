//! The machine's own records of logins, where they are wanted: utmp with wtmp and lastlog, and the audit log.

use std::net::IpAddr;

use super::Worker;
use super::login::Login;
use crate::log;
use crate::system::{audit, utmp};

/// A login that has been recorded, and whose end is to be.
pub struct Recorded {
    utmp: Option<utmp::Login>,
    audited: Option<(String, u32, IpAddr)>,
}

impl Worker<'_> {
    /// Records that somebody has logged in.
    pub(super) fn record_login(&self, login: &Login, peer: IpAddr) -> Recorded {
        let options = &self.inheritance.config.log;
        let account = login.account();
        let utmp = options.utmp.then(|| utmp::Login {
            user: login.name().to_owned(),
            peer,
            pid: self.pid.as_raw() as u32,
            uid: (account.name == login.name()).then_some(account.uid),
        });
        if let Some(Err(error)) = utmp.as_ref().map(utmp::Login::begin) {
            log::warning(format_args!("the login cannot be recorded in wtmp or lastlog: {error}"));
        }
        let audited = options.audit.then(|| (login.name().to_owned(), account.uid, peer));
        if let Some((user, uid, peer)) = &audited {
            said(audit::Login { user, uid: Some(*uid), peer: *peer }.attempt(true));
        }
        Recorded { utmp, audited }
    }

    /// Records that somebody has tried to.
    pub(super) fn record_failure(&self, user: &str, peer: IpAddr) {
        if self.inheritance.config.log.audit {
            said(audit::Login { user, uid: None, peer }.attempt(false));
        }
    }
}

impl Recorded {
    /// Records that he is gone.
    pub fn end(&self) {
        if let Some(Err(error)) = self.utmp.as_ref().map(utmp::Login::end) {
            log::warning(format_args!("the end of the login cannot be recorded in wtmp: {error}"));
        }
        if let Some((user, uid, peer)) = &self.audited {
            said(audit::Login { user, uid: Some(*uid), peer: *peer }.end());
        }
    }
}

/// A kernel without an audit log, or a container, is no reason to refuse anybody.
fn said(sent: std::io::Result<()>) {
    if let Err(error) = sent {
        log::warning(format_args!("the audit log cannot be told: {error}"));
    }
}
