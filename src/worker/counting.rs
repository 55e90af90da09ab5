//! PROCESS counter: counts what a quota is about, and writes it into the ledger, with changes of others waiting.
//!
//! *Runs as*    root with the one capability to look into every directory, seen by network file systems as the user; forked
//!              by a worker whose session has asked for it, for this once.
//! *Reads*      names and sizes below one directory; the ledger. Nothing that a client says.
//! *May*        read beneath the directory (Landlock), write the ledger.
//! *Never*      follows a link, opens a file, speaks to anybody.
//! *Ends when*  everything is counted, or its worker is gone.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Worker;
use super::login::Login;
use super::quotas::{self, Subject, Who};
use crate::exit::Exit;
use crate::ipc::ledger::{is_doubtful, now, place};
use crate::ipc::messages::ToSession;
use crate::log;
use crate::system::ledger::Book;
use crate::system::privileges;
use crate::system::process::{self, Child, Forked, close_all_except, fork};
use crate::system::tree::Walk;
use crate::system::{Doing, Failure, capabilities, landlock, title};

/// How long those who are changing something are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// How often everything is looked at again, if directories have been moved meanwhile.
const ATTEMPTS: u32 = 3;

/// The ledger of a directory that a session has met, for it to have.
pub fn open(worker: &Worker<'_>, section: &str, directory: OwnedFd) -> Option<(ToSession, OwnedFd)> {
    let found = quotas::of_child(&worker.inheritance.config, section, directory)
        .doing(|| format!("look for the quota {section:?}"))
        .and_then(|subject| {
            subject.map(|subject| Ok((subject.name(), subject.book()?.into_file()))).transpose()
        });
    match found {
        Ok(found) => found.map(|(name, file)| (ToSession::Ledger { name }, file)),
        Err(failure) => {
            log::error(failure);
            None
        }
    }
}

impl Worker<'_> {
    /// Begins to count for a session that lives in `root`, what has this ledger; None: it has none such.
    pub(super) fn count(&self, login: &Login, root: &Path, ledger: &str) -> Option<Child> {
        let config = &self.inheritance.config;
        let find = || -> std::io::Result<Option<Subject>> {
            let root_directory = quotas::open_directory(root)?;
            let own = Subject::own(config, &Who::of(login), root_directory.as_fd(), root)?;
            let around = quotas::around(config, root_directory.as_fd())?;
            let inside = quotas::inside_of(config, root_directory.as_fd())?;
            Ok(own.into_iter().chain(around).chain(inside).find(|subject| subject.name() == ledger))
        };
        self.fork_counter(login, find().doing(|| format!("look for the quotas of {}", root.display())))
    }

    /// The same of a directory that the session shows.
    pub(super) fn count_this(&self, login: &Login, section: &str, directory: OwnedFd) -> Option<Child> {
        let found = quotas::of_child(&self.inheritance.config, section, directory);
        self.fork_counter(login, found.doing(|| format!("look for the quota {section:?}")))
    }

    fn fork_counter(&self, login: &Login, found: Result<Option<Subject>, Failure>) -> Option<Child> {
        let forked = || -> Result<Option<Child>, Failure> {
            let Some(subject) = found? else { return Ok(None) };
            match fork()? {
                Forked::Child => self.become_counter(login, &subject).now(),
                Forked::Parent(child) => Ok(Some(child)),
            }
        };
        forked().unwrap_or_else(|failure| {
            log::error(failure);
            None
        })
    }

    fn become_counter(&self, login: &Login, subject: &Subject) -> Exit {
        title::set("ftpd: counter");
        let confined = || -> Result<Book, Failure> {
            process::die_with_parent(self.pid)?;
            let mut kept = vec![self.life.as_raw_fd(), subject.directory.as_raw_fd()];
            kept.extend(log::descriptor());
            close_all_except(&kept);
            let book = subject.book()?;
            privileges::look_through(login.account())?;
            capabilities::keep_to_count()?;
            landlock::confine_counter(subject.directory.as_fd())?;
            self.inheritance.filters.confine_session(landlock::Access::Read)?;
            Ok(book)
        };
        match confined().and_then(|book| count(&book, subject)) {
            Ok(()) => Exit::Served,
            Err(failure) => {
                log::warning(failure);
                Exit::Failed
            }
        }
    }
}

fn count(book: &Book, subject: &Subject) -> Result<(), Failure> {
    let doing = || format!("count what is in {}", subject.path());
    let deadline = Instant::now() + PATIENCE;
    while !book.try_close().doing(doing)? {
        if Instant::now() >= deadline {
            return Err(std::io::Error::from(std::io::ErrorKind::ResourceBusy)).doing(doing);
        }
        std::thread::sleep(PAUSE);
    }
    let number = |index| book.get(index).unwrap_or(0);
    if !is_doubtful(number, subject.recount) {
        // Somebody else has counted meanwhile.
        return Ok(());
    }
    let walk = || Walk::of(subject.directory.as_fd(), subject.owner()).and_then(Walk::finish);
    let mut found = walk();
    for _ in 1..ATTEMPTS {
        if found.is_ok() {
            break;
        }
        found = walk();
    }
    let (amount, _) = found.doing(doing)?;
    let written = || -> std::io::Result<()> {
        // Should this end in the middle, it is as it was.
        for (index, number) in [
            (place::DOUBTFUL, 1),
            (place::BYTES, amount.bytes),
            (place::FILES, amount.files),
            (place::ACTIVE, 0),
            (place::TRYING, 0),
            (place::COUNTED, now().max(1)),
            (place::DOUBTFUL, 0),
        ] {
            book.set(index, number)?;
        }
        Ok(())
    };
    written().doing(doing)
}
