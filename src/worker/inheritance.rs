//! What every worker inherits from the supervisor, made once for each configuration and not secret.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::keys::Copies;
use crate::config::Config;
use crate::events::Telling;
use crate::log;
use crate::system::empty_root::EmptyRoot;
use crate::system::privileges::Account;
use crate::system::process::DescriptorLimit;
use crate::system::seccomp::Filters;
use crate::system::{Doing, Failure, accounts, time_zone};

/// Ready-made parts: what can be prepared before a client comes is not done while he waits.
pub struct Inheritance {
    /// The configuration new workers serve by.
    pub config: Rc<Config>,
    /// What events are told through, where somebody wants to know of any.
    pub telling: Option<Telling>,
    pub(super) filters: Filters,
    pub(super) empty_root: EmptyRoot,
    pub(super) null: OwnedFd,
    pub(super) frontend_account: Account,
    pub(super) descriptors: DescriptorLimit,
    /// Certificates and keys as they were good last; none where there is no TLS.
    pub(super) copies: Option<Copies>,
}

/// The account of the frontends where the configured one does not exist.
const NOBODY: &str = "nobody";

impl Inheritance {
    /// What the one process needs that is neither a worker nor a child of one: its account, its filter, /dev/null.
    pub fn for_resolver(&self) -> (&Account, &Filters, BorrowedFd<'_>) {
        (&self.frontend_account, &self.filters, self.null.as_fd())
    }

    /// The empty directory that is the root of who has no business with files.
    pub fn root_for_nobody(&self) -> BorrowedFd<'_> {
        self.empty_root.as_fd()
    }

    /// Compiles filters, finds the frontend's account, makes its empty root, reads the time zone for listings.
    pub fn prepare(
        config: Config,
        descriptors: DescriptorLimit,
        telling: Option<Telling>,
    ) -> Result<Inheritance, Failure> {
        time_zone::load();
        let frontend_account = frontend_account(&config)?;
        let copies = match config.tls.certificates.is_empty() {
            true => None,
            false => Some(Copies::make(&config)?),
        };
        Ok(Inheritance {
            telling,
            filters: Filters::compile(),
            empty_root: EmptyRoot::make()?,
            null: std::fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .doing(|| "open /dev/null".into())?
                .into(),
            frontend_account,
            descriptors,
            copies,
            config: Rc::new(config),
        })
    }
}

fn frontend_account(config: &Config) -> Result<Account, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(accounts::current());
    }
    let wanted = &config.server.frontend_user;
    if let Some(account) = accounts::by_name(wanted) {
        return Ok(account);
    }
    log::warning(format_args!("there is no account {wanted}: the frontends run as the account {NOBODY}"));
    accounts::by_name(NOBODY).ok_or_else(|| Failure {
        doing: format!("find the account {wanted} or {NOBODY} for the frontends"),
        cause: std::io::ErrorKind::NotFound.into(),
    })
}
