//! Which object a name stands for, and whether something may be done to it.
//!
//! Where there are rules, they are asked about the name that an object has without symbolic links, which is found here one
//! component after the other; what is opened afterwards has no links on its way, or is not opened. Without rules only
//! the letters count, and the kernel finds the way alone.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{self, OFlag};
use nix::sys::stat::{self, Mode};

use super::Files;
use crate::protocol::path::FtpPath;
#[cfg(test)]
use crate::session::authorize::Powers;
use crate::session::authorize::{Answer, Decision, Found, Object, Operation};
use crate::session::error::Error;
use crate::session::terms::Terms;
use crate::system::status::{self, Kind, Look, Status};

/// Symbolic links on the way to one object (MAXSYMLINKS of the kernel).
const MOST_LINKS: u32 = 40;

/// Something that was not done because the configuration does not allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it was about, without symbolic links on the way.
    pub path: FtpPath,
    /// Why.
    pub decision: Decision,
}

/// What may be done to something, as MLSD tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed(u32);

impl Allowed {
    /// Whether this may be done.
    pub fn has(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u32 != 0
    }

    /// The same, but what can be done with the name is what can be done with that of another.
    #[must_use]
    pub fn named_like(self, other: Allowed) -> Allowed {
        const OF_NAMES: u32 = 1 << Operation::RemoveDirectory as u32 | 1 << Operation::RenameFrom as u32;
        Allowed(self.0 & !OF_NAMES | other.0 & OF_NAMES)
    }
}

impl Files {
    /// What may be done.
    #[cfg(test)]
    pub(in crate::session) fn powers(&self) -> &Powers {
        &self.powers
    }

    /// Whether there are rules at all.
    pub(in crate::session) fn is_ruled(&self) -> bool {
        !self.powers.rules().is_empty()
    }

    /// The object that the name stands for, if the operation is allowed.
    pub(in crate::session) fn permit<'p>(
        &self,
        operation: Operation,
        path: &'p FtpPath,
    ) -> Result<Cow<'p, FtpPath>, Error> {
        self.permit_at(operation, path, operation.follows_links())
    }

    /// The same; `follow`: what a symbolic link leads to is meant.
    pub(in crate::session) fn permit_at<'p>(
        &self,
        operation: Operation,
        path: &'p FtpPath,
        follow: bool,
    ) -> Result<Cow<'p, FtpPath>, Error> {
        let located = self.locate(path, follow);
        // What is not allowed anyway is refused before it is told whether there is a way.
        self.authorize(operation, located.as_deref().unwrap_or(path))?;
        located
    }

    /// Two names, if what has the one may be given the other.
    pub(super) fn permit_move<'p>(
        &self,
        from: &'p FtpPath,
        to: &'p FtpPath,
    ) -> Result<(Cow<'p, FtpPath>, Cow<'p, FtpPath>), Error> {
        let [from_here, to_there] = self.locate_move(from, to);
        let (old, new) = (from_here.as_deref().unwrap_or(from), to_there.as_deref().unwrap_or(to));
        let decision = self.decided_move(old, new);
        self.judge(Operation::RenameTo, new, decision)?;
        Ok((from_here?, to_there?))
    }

    /// What would be decided of a move, and the name that something would get, without links on its way.
    pub fn decide_move(&self, from: &FtpPath, to: &FtpPath) -> (Decision, FtpPath) {
        let [from_here, to_there] = self.locate_move(from, to);
        let (old, new) = (from_here.as_deref().unwrap_or(from), to_there.as_deref().unwrap_or(to));
        // What bars the way to a name is the reason, and what would be decided without it is not.
        let barred = self.take_refusal().map(|refusal| refusal.decision);
        (barred.unwrap_or_else(|| self.decided_move(old, new)), new.clone())
    }

    fn decided_move(&self, old: &FtpPath, new: &FtpPath) -> Decision {
        self.powers.decide_move(
            &Object { path: old, exact: &|| self.exact(old), look: &|| self.found(old) },
            &Object { path: new, exact: &|| self.exact(new), look: &|| self.found(new) },
        )
    }

    fn locate_move<'p>(&self, from: &'p FtpPath, to: &'p FtpPath) -> [Result<Cow<'p, FtpPath>, Error>; 2] {
        let mut located = [self.locate(from, false), self.locate(to, false)];
        if let ([Ok(old), Ok(new)], Some(name)) = (&located, to.name())
            && old == new
            && let Some(respelled) = new.parent().join(name)
        {
            // Where letters are the same: it is to be spelled in another way.
            located[1] = Ok(Cow::Owned(respelled));
        }
        located
    }

    /// Asks the one function that decides, and keeps a refusal for the log.
    pub(in crate::session) fn authorize(&self, operation: Operation, object: &FtpPath) -> Result<(), Error> {
        self.judge(operation, object, self.decide(operation, object))
    }

    /// The same, and nobody hears of it.
    pub(in crate::session) fn may(&self, operation: Operation, object: &FtpPath) -> bool {
        self.decide(operation, object).answer == Answer::Yes
    }

    /// The decision itself.
    pub fn decide(&self, operation: Operation, object: &FtpPath) -> Decision {
        self.powers.decide(
            operation,
            &Object { path: object, exact: &|| self.exact(object), look: &|| self.found(object) },
        )
    }

    /// Why it was decided so.
    pub fn reason(&self, decision: Decision) -> String {
        self.powers.reason(decision)
    }

    /// Whether there is something of this name, behind symbolic links.
    pub fn is_there(&self, path: &FtpPath) -> bool {
        self.locate(path, true).is_ok_and(|object| self.found(&object).is_some())
    }

    /// What was refused last, since the last time that somebody asked.
    pub fn take_refusal(&self) -> Option<Refusal> {
        self.refused.take()
    }

    /// Something was refused that only showed while it was done.
    pub(in crate::session) fn refuse(&self, object: &FtpPath, decision: Decision) {
        self.refused.replace(Some(Refusal { path: object.clone(), decision }));
    }

    fn judge(&self, operation: Operation, object: &FtpPath, decision: Decision) -> Result<(), Error> {
        decision.result(operation).inspect_err(|_| self.refuse(object, decision))
    }

    /// What rules want of an object that is made or written.
    pub(in crate::session) fn terms(&self, object: &FtpPath) -> Terms {
        self.powers.terms(&Object {
            path: object,
            exact: &|| self.exact(object),
            look: &|| self.found(object),
        })
    }

    /// What may be done to anything, where there are no rules.
    pub(in crate::session) fn allowed_everywhere(&self) -> Option<Allowed> {
        let letters = self.powers.letters();
        let allowed = Operation::ALL.iter().filter(|operation| letters.allows(operation.letter()));
        (!self.is_ruled()).then(|| Allowed(allowed.fold(0, |bits, operation| bits | 1 << *operation as u32)))
    }

    /// What may be done to something of this kind, to a directory also what to things in it: then the operations are
    /// those for files. RemoveDirectory stands for the removal of the object itself.
    pub(in crate::session) fn allowed(&self, object: &FtpPath, kind: Kind) -> Allowed {
        const OF_FILES: &[Operation] = &[Operation::Append, Operation::Overwrite, Operation::Read];
        const OF_DIRECTORIES: &[Operation] = &[Operation::Enter, Operation::List];
        const IN_DIRECTORIES: &[Operation] =
            &[Operation::Create, Operation::MakeDirectory, Operation::RemoveFile];
        let bits = |operations: &[Operation], object: &FtpPath| {
            let allowed = operations.iter().filter(|operation| self.may(**operation, object));
            allowed.fold(0, |bits, operation| bits | 1 << *operation as u32)
        };
        let own = match kind {
            Kind::File => bits(OF_FILES, object),
            Kind::Directory => {
                let inside = object.join(b"x").unwrap_or_else(|| object.clone());
                bits(OF_DIRECTORIES, object) | bits(IN_DIRECTORIES, &inside)
            }
            Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice => 0,
        };
        let remove = if kind == Kind::Directory { Operation::RemoveDirectory } else { Operation::RemoveFile };
        let removable = if self.may(remove, object) { 1 << Operation::RemoveDirectory as u32 } else { 0 };
        Allowed(own | removable | bits(&[Operation::RenameFrom], object))
    }

    /// Whether rules hide a name of this directory from those who list it.
    pub(in crate::session) fn hides(&self, directory: &FtpPath, name: &[u8]) -> bool {
        !self.powers.rules().is_empty()
            && directory.join(name).is_none_or(|object| {
                let (exact, look) = (|| self.exact(&object), || self.found(&object));
                self.powers.hides(&Object { path: &object, exact: &exact, look: &look })
            })
    }

    /// What a symbolic link in a listing leads to, if that may be told.
    pub(in crate::session) fn target(&self, link: &FtpPath) -> Result<(OwnedFd, FtpPath), Error> {
        let object = self.locate_quietly(link, true)?;
        if !self.may(Operation::Describe, &object) {
            return Err(Error::NotFound);
        }
        Ok((self.open_object(&object)?, object.into_owned()))
    }

    /// The facts of what a name stands for, behind symbolic links, if they may be told.
    pub(in crate::session) fn look_behind(&self, path: &FtpPath) -> Result<Status, Error> {
        let (object, _) = self.target(path)?;
        Ok(status::status_at(object.as_fd(), c"", Look::default())?)
    }

    pub(super) fn locate_quietly<'p>(
        &self,
        path: &'p FtpPath,
        follow: bool,
    ) -> Result<Cow<'p, FtpPath>, Error> {
        let before = self.refused.take();
        let located = self.locate(path, follow);
        self.refused.replace(before);
        located
    }

    /// The name of the same object without symbolic links on the way; `follow`: nor at the end. Without rules nobody
    /// needs it, and it is the name itself.
    pub(in crate::session) fn locate<'p>(
        &self,
        path: &'p FtpPath,
        follow: bool,
    ) -> Result<Cow<'p, FtpPath>, Error> {
        if self.powers.rules().is_empty() {
            return Ok(Cow::Borrowed(path));
        }
        self.walk(path, follow, true).map(Cow::Owned)
    }

    /// The same file under a name without symbolic links. The last component need not exist.
    ///
    /// Only for names that are opened without following links afterwards: between here and there anything may change.
    pub(in crate::session) fn behind_links(&self, path: &FtpPath) -> Result<FtpPath, Error> {
        self.walk(path, true, self.is_ruled())
    }

    /// `spelling`: names are wanted as their directories have them.
    fn walk(&self, path: &FtpPath, follow: bool, spelling: bool) -> Result<FtpPath, Error> {
        let ruled = !self.powers.rules().is_empty();
        self.spellings.forget_the_way();
        let mut links = 0;
        let mut real = FtpPath::root();
        let mut rest: Vec<Vec<u8>> = path.components().rev().map(<[u8]>::to_vec).collect();
        while let Some(mut component) = rest.pop() {
            if component.is_empty() || component == b"." || component == b".." {
                real = real.join(&component).ok_or(Error::NameNotAllowed)?;
                continue;
            }
            if spelling {
                component = self.spelled(&real, component);
            }
            let next = real.join(&component).ok_or(Error::NameNotAllowed)?;
            if rest.is_empty() && !follow {
                real = next;
                continue;
            }
            if ruled && let Some(decision) = self.bars(&next) {
                self.judge(Operation::Describe, &next, decision)?;
            }
            match fcntl::readlinkat(self.open_directory_path(&real)?, &component[..]) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Error::TooManyLinks);
                    }
                    let target = std::os::unix::ffi::OsStringExt::into_vec(target);
                    if target.first() == Some(&b'/') {
                        real = FtpPath::root();
                    }
                    rest.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Err(Errno::EINVAL) => real = next,
                Err(Errno::ENOENT) if rest.is_empty() => real = next,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(real)
    }

    fn bars(&self, object: &FtpPath) -> Option<Decision> {
        self.powers.bars(&Object {
            path: object,
            exact: &|| self.exact(object),
            look: &|| self.found(object),
        })
    }

    /// What rules want to know of an object; None: there is no such thing.
    pub(super) fn found(&self, object: &FtpPath) -> Option<Found> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let status = stat::fstat(self.resolve(object, flags, Mode::empty()).ok()?).ok()?;
        let directory = status.st_mode & libc::S_IFMT == libc::S_IFDIR;
        Some(Found { directory, size: status.st_size.cast_unsigned(), changed: status.st_ctime })
    }

    /// Rules hold also where their paths lead to through symbolic links that are there now.
    pub(super) fn follow_rules(&mut self) {
        if self.powers.rules().is_empty() {
            return;
        }
        let mut powers = std::mem::take(&mut self.powers);
        // Without rules of its own, so that none of them stands in the way.
        powers.rules_mut().follow_links(|names| {
            let path = FtpPath::root().join(&names.join(&b'/'))?;
            let real = self.walk(&path, true, true).ok()?;
            Some(real.components().map(<[u8]>::to_vec).collect())
        });
        self.powers = powers;
    }

    /// Sets the permissions of what has just been made.
    pub(super) fn set_mode_of_new(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        mode: u32,
    ) -> Result<(), Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let made = fcntl::openat(directory, name, flags, Mode::empty())?;
        let inherited = status::status_of(made.as_fd())?.mode & 0o2000;
        Ok(stat::fchmod(&made, Mode::from_bits_truncate(mode | inherited))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Scratch, path};

    const ALL: &str = "elradfmwMT";

    #[test]
    fn links_are_resolved_as_the_kernel_does() {
        let scratch = Scratch::new();
        scratch.make_directory("a/b");
        scratch.make_directory("c");
        scratch.link("../c/../c", "a/d");
        scratch.link("d/file", "a/e");
        scratch.link("/a", "f");
        scratch.link("loop", "loop");
        let files = scratch.files(ALL);
        assert_eq!(files.behind_links(&path("f/e")).unwrap(), path("/c/file"));
        assert_eq!(files.behind_links(&path("a/b")).unwrap(), path("/a/b"));
        assert_eq!(files.behind_links(&path("loop")), Err(Error::TooManyLinks));
        assert_eq!(files.behind_links(&path("none/x")), Err(Error::NotFound));
    }
}
