//! Which quotas somebody meets who logs in: that of his root directory or of his own files, those of `[quota.NAME]` around it
//! and inside of it. Directories are found as root, and are known by their numbers from then on.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::login::Login;
use crate::config::{Config, QuotaOf, QuotaOptions, SessionOptions};
use crate::ipc::ledger::{About, Scope, place};
use crate::session::{Inner, Quota, QuotaTerms, Quotas};
use crate::system::ledger::Book;
use crate::system::status::{self, Look, Status};
use crate::system::tree::Amount;
use crate::system::{Doing, Failure};

/// Directories above each other; the longest path has fewer.
const DEEPEST: usize = 4096;

/// Why somebody cannot log in with his quota.
pub enum Trouble {
    /// The system said no.
    Failed(Failure),
    /// Somebody else has the same quota: who that is, and the file that says so.
    Shared { other: String, ledger: PathBuf },
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failed(failure)
    }
}

/// Somebody whose quotas are looked for.
pub struct Who<'a> {
    /// His name.
    pub name: &'a str,
    /// Whom he runs as.
    pub uid: u32,
    /// The options of his session.
    pub options: &'a SessionOptions,
    /// Whether there is no way out of his root directory.
    pub jail: bool,
}

impl Who<'_> {
    /// Somebody who has logged in.
    pub fn of(login: &Login) -> Who<'_> {
        let (name, uid) = (login.name(), login.account().uid);
        Who { name, uid, options: login.options(), jail: login.root().jail }
    }
}

/// A directory with a quota, and its ledger.
pub struct Subject {
    /// Where the ledgers are.
    ledgers: PathBuf,
    scope: Scope,
    /// The directory itself.
    pub directory: OwnedFd,
    status: Status,
    about: About,
    /// After so many seconds everything is counted again; 0: never.
    pub recount: u64,
}

impl Subject {
    fn of(
        config: &Config,
        scope: Scope,
        directory: OwnedFd,
        about: About,
        recount: u32,
    ) -> io::Result<Subject> {
        let status = status::status_at(directory.as_fd(), c"", Look { created: true, ..Look::default() })?;
        Ok(Subject { ledgers: ledgers(config), scope, directory, status, about, recount: recount.into() })
    }

    /// What is below the root directory of a session, if that is limited.
    pub fn own(
        config: &Config,
        who: &Who<'_>,
        root: BorrowedFd<'_>,
        path: &Path,
    ) -> io::Result<Option<Subject>> {
        let options = who.options;
        if !options.has_quota() || !who.jail {
            return Ok(None);
        }
        let (scope, user) = match options.quota_of {
            QuotaOf::Root => (Scope::Root, String::new()),
            QuotaOf::User => (Scope::Owner(who.uid), who.name.to_string()),
        };
        let most = most_of_session(options);
        let about = About { section: String::new(), user, path: path.display().to_string(), most };
        let recount = options.quota_recount.seconds();
        Subject::of(config, scope, root.try_clone_to_owned()?, about, recount).map(Some)
    }

    fn of_section(
        config: &Config,
        section: &str,
        options: &QuotaOptions,
        directory: OwnedFd,
    ) -> io::Result<Subject> {
        let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let path = path.map(|path| path.display().to_string()).unwrap_or_default();
        let about = About { section: section.into(), user: String::new(), path, most: most_of(options) };
        Subject::of(config, Scope::Section(section.into()), directory, about, options.recount.seconds())
    }

    /// The name of its ledger.
    pub fn name(&self) -> String {
        self.scope.ledger(&self.status)
    }

    /// Where it is, for the log.
    pub fn path(&self) -> &str {
        &self.about.path
    }

    /// Whose files count; None: everybody's.
    pub fn owner(&self) -> Option<u32> {
        match self.scope {
            Scope::Owner(uid) => Some(uid),
            Scope::Root | Scope::Section(_) => None,
        }
    }

    /// Its ledger.
    pub fn book(&self) -> Result<Book, Failure> {
        Book::open(&self.ledgers, &self.name(), &self.about.to_text())
    }

    /// Whether somebody else has this quota: then nobody could say what belongs to whom.
    fn is_anothers(&self) -> Option<Trouble> {
        let book = Book::find(&self.ledgers, &self.name())?;
        let other = About::of_text(&book.text())?.user;
        let number = |index| book.get(index).unwrap_or(0);
        let is_empty = number(place::COUNTED) > 0 && number(place::FILES) == 0;
        (other != self.about.user && !is_empty)
            .then(|| Trouble::Shared { other, ledger: self.ledgers.join(self.name()) })
    }

    /// For a session that has it from the beginning.
    fn quota(&self, writable: bool) -> Result<Rc<Quota>, Failure> {
        let name = self.name();
        let ledger = self.book()?.ledger(&self.ledgers, &name, writable)?;
        let title = match &self.scope {
            Scope::Root => "Everything below your root directory".to_string(),
            Scope::Owner(_) => "Your files".to_string(),
            Scope::Section(name) => title(name),
        };
        let terms = QuotaTerms { title, most: self.about.most, recount: self.recount, owner: self.owner() };
        Ok(Rc::new(Quota::new(name, ledger, self.status.device, terms, None)))
    }
}

/// Where ledgers are: beside the control socket. What they say is true only as long as the machine runs.
pub fn ledgers(config: &Config) -> PathBuf {
    config.control.socket.parent().unwrap_or(Path::new("/")).join("quota")
}

/// All that a session meets whose root this is. `writable`: whether it may change anything.
pub fn at_login(
    config: &Config,
    login: &Login,
    root: BorrowedFd<'_>,
    path: &Path,
    writable: bool,
) -> Result<Quotas, Trouble> {
    let mut quotas = Quotas { writable, ..Quotas::default() };
    let failed = || format!("look for the quotas of {}", path.display());
    if let Some(own) = Subject::own(config, &Who::of(login), root, path).doing(failed)? {
        if own.owner().is_some()
            && let Some(trouble) = own.is_anothers()
        {
            return Err(trouble);
        }
        quotas.always.push(own.quota(writable)?);
    }
    if config.quota.is_empty() {
        return Ok(quotas);
    }
    for subject in around(config, root).doing(failed)? {
        quotas.always.push(subject.quota(writable)?);
    }
    quotas.root = identity(root).doing(failed)?;
    inside(config, &mut quotas)?;
    Ok(quotas)
}

/// The quotas of directories in which this one is, and of itself.
pub fn around(config: &Config, directory: BorrowedFd<'_>) -> io::Result<Vec<Subject>> {
    let mut found: Vec<Subject> = Vec::new();
    let chain = chain(directory)?;
    for (section, options) in &config.quota {
        for path in &options.paths {
            let Ok(meant) = open_directory(path.directory()) else { continue };
            let meant = identity(meant.as_fd())?;
            let Some(at) = chain.iter().position(|(_, known)| *known == meant) else { continue };
            let subject = match (path.children(), at) {
                (false, _) => &chain[at].0,
                (true, 0) => continue,
                (true, _) => &chain[at - 1].0,
            };
            let subject = Subject::of_section(config, section, options, subject.try_clone()?)?;
            if !found.iter().any(|known| known.name() == subject.name()) {
                found.push(subject);
            }
        }
    }
    Ok(found)
}

/// The first quota that has no room, for one more file or for one more byte, in this directory below somebody's root; in
/// words. Nothing is known of what nobody has counted yet.
pub fn used_up(config: &Config, who: &Who<'_>, root: &Path, directory: &Path, bytes: bool) -> Option<String> {
    let root_directory = open_directory(root).ok()?;
    let own = Subject::own(config, who, root_directory.as_fd(), root).ok()?;
    let around = around(config, open_directory(directory).ok()?.as_fd()).ok()?;
    own.into_iter().chain(around).find_map(|subject| {
        let book = Book::find(&subject.ledgers, &subject.name())?;
        let number = |index| book.get(index).unwrap_or(0);
        let (used, most) = (number(place::FILES), subject.about.most.files);
        let what = match (used >= most, bytes && number(place::BYTES) >= subject.about.most.bytes) {
            _ if number(place::COUNTED) == 0 => return None,
            (true, _) => format!("{used} of {most} files"),
            (false, true) => format!("{} of {} bytes", number(place::BYTES), subject.about.most.bytes),
            (false, false) => return None,
        };
        let quota = match &subject.scope {
            Scope::Root => format!("the quota of {}", subject.path()),
            Scope::Owner(_) => format!("the quota of {} in {}", subject.about.user, subject.path()),
            Scope::Section(name) => format!("[quota.{name}] of {}", subject.path()),
        };
        Some(format!("{quota} is used up: {what}"))
    })
}

/// Those of directories inside of this one that are named.
pub fn inside_of(config: &Config, root: BorrowedFd<'_>) -> io::Result<Vec<Subject>> {
    let root = identity(root)?;
    let mut found = Vec::new();
    for (section, options) in &config.quota {
        for path in options.paths.iter().filter(|path| !path.children()) {
            let Ok(directory) = open_directory(path.directory()) else { continue };
            if chain(directory.as_fd())?.iter().skip(1).any(|(_, known)| *known == root) {
                found.push(Subject::of_section(config, section, options, directory)?);
            }
        }
    }
    Ok(found)
}

/// Those of directories inside of the root.
fn inside(config: &Config, quotas: &mut Quotas) -> Result<(), Failure> {
    let mut pinned = BTreeSet::new();
    for (section, options) in &config.quota {
        for path in &options.paths {
            let Ok(directory) = open_directory(path.directory()) else { continue };
            let failed = || format!("look for the quota of {}", path.directory().display());
            let chain = chain(directory.as_fd()).doing(failed)?;
            let Some(root) = chain.iter().position(|(_, known)| *known == quotas.root) else { continue };
            let identity = chain[0].1;
            if path.children() {
                let terms = QuotaTerms {
                    title: title(section),
                    most: most_of(options),
                    recount: options.recount.seconds().into(),
                    owner: None,
                };
                quotas.inner.push((identity, Inner::Each(section.clone(), terms)));
            } else if root > 0 {
                let subject = Subject::of_section(config, section, options, directory).doing(failed)?;
                quotas.inner.push((identity, Inner::This(subject.quota(quotas.writable)?)));
            }
            pinned.extend(chain[..root].iter().map(|(_, identity)| *identity));
        }
    }
    quotas.pinned = pinned;
    Ok(())
}

/// The quota of this section that a directory has for being in another one.
pub fn of_child(config: &Config, section: &str, directory: OwnedFd) -> io::Result<Option<Subject>> {
    let Some(options) = config.quota.get(section) else { return Ok(None) };
    let above = above(directory.as_fd())?;
    let above = identity(above.as_fd())?;
    let is_meant = options.paths.iter().filter(|path| path.children()).any(|path| {
        open_directory(path.directory())
            .and_then(|meant| identity(meant.as_fd()))
            .is_ok_and(|meant| meant == above)
    });
    match is_meant {
        true => Subject::of_section(config, section, options, directory).map(Some),
        false => Ok(None),
    }
}

/// What belongs to somebody else below this directory has been changed.
pub fn doubt(config: &Config, uid: u32, root: &Path) {
    let look = Look { created: true, ..Look::default() };
    let Ok(status) = open_directory(root).and_then(|root| status::status_at(root.as_fd(), c"", look)) else {
        return;
    };
    if let Some(book) = Book::find(&ledgers(config), &Scope::Owner(uid).ledger(&status)) {
        let _ = book.set(place::DOUBTFUL, 1);
    }
}

/// A directory, and all above it, with their numbers.
fn chain(directory: BorrowedFd<'_>) -> io::Result<Vec<(OwnedFd, (u64, u64))>> {
    let mut chain = vec![(directory.try_clone_to_owned()?, identity(directory)?)];
    while let Some((last, known)) = chain.last() {
        let above = above(last.as_fd())?;
        let identity = identity(above.as_fd())?;
        if identity == *known || chain.len() >= DEEPEST {
            break;
        }
        chain.push((above, identity));
    }
    Ok(chain)
}

fn above(directory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match openat(directory, c"..", flags, Mode::empty()) {
        // A network file system may not let root into a home; then its name says where it is.
        Err(Errno::EACCES) => {
            let path = fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
            open_directory(path.parent().unwrap_or(Path::new("/")))
        }
        other => Ok(other?),
    }
}

/// A directory of the machine, as root sees it.
pub fn open_directory(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path.as_ref(), flags, Mode::empty())?)
}

fn identity(directory: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let status = status::status_of(directory)?;
    Ok((status.device, status.inode))
}

fn title(section: &str) -> String {
    format!("The quota {section}")
}

fn most_of(options: &QuotaOptions) -> Amount {
    most(options.bytes.bytes(), options.files.get())
}

fn most_of_session(options: &SessionOptions) -> Amount {
    most(options.quota_bytes.bytes(), options.quota_files.get())
}

fn most(bytes: Option<u64>, files: u32) -> Amount {
    let files = if files == 0 { u64::MAX } else { files.into() };
    Amount { bytes: bytes.unwrap_or(u64::MAX), files }
}

/// The path of a root directory, as the worker keeps it.
pub fn path_of(root: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(root))
}
