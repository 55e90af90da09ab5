//! One line of a listing: what LIST, NLST and MLSD say of one name.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl;

use super::error::Error;
use super::facts::{Fact, Facts, Rights, Subject};
use super::files::Files;
use super::format::{self, Clock};
use super::list_options::Options;
use super::listing::Form;
use super::names::Names;
use crate::protocol::path::FtpPath;
use crate::system::status::{self, Kind, Look, Status};

/// Writes the entries of one listing.
pub(super) struct Lines {
    pub form: Form,
    pub options: Options,
    pub facts: Facts,
    pub clock: Clock,
}

/// The directory in which names are looked at.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub directory: BorrowedFd<'a>,
    pub path: &'a FtpPath,
    /// Only facts need them.
    pub rights: Option<&'a Rights>,
}

impl Lines {
    /// Writes the line of `name`, which is shown as `shown`. Some(kind) if there is one; None: the name has gone.
    pub fn entry(
        &mut self,
        files: &Files,
        names: &mut Names,
        place: Place<'_>,
        (name, kind): (&CStr, Option<Kind>),
        shown: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> Option<Kind> {
        let kind = match self.form {
            Form::List => return self.long(files, names, place, (name, kind), shown, out),
            Form::Facts => facts_of(files, names, place, (name, kind), self.facts, out)?,
            Form::Names if kind.is_none() && (self.options.classify || self.options.recursive) => {
                status_of(files, place, name, kind, Look::default())?.kind
            }
            Form::Names => kind.unwrap_or(Kind::File),
        };
        shown.iter().for_each(|part| format::name(out, part));
        if self.options.classify {
            out.extend(mark(kind, 0));
        }
        out.extend_from_slice(b"\r\n");
        Some(kind)
    }

    /// A line as `ls -l` writes it.
    fn long(
        &mut self,
        files: &Files,
        names: &mut Names,
        place: Place<'_>,
        (name, kind): (&CStr, Option<Kind>),
        shown: [&[u8]; 2],
        out: &mut Vec<u8>,
    ) -> Option<Kind> {
        let mut status = status_of(files, place, name, kind, Look::default())?;
        if self.options.follow
            && status.kind == Kind::Symlink
            && let Some(target) = place.path.join(name.to_bytes())
        {
            status = files.look(&target, Look { follow: true, created: false }).unwrap_or(status);
        }
        format::mode(out, status.kind, status.mode);
        out.push(b' ');
        format::padded(out, u64::from(status.links), 3, b' ');
        out.push(b' ');
        format::word(out, names.user(status.uid), 8);
        out.push(b' ');
        format::word(out, names.group(status.gid), 8);
        out.push(b' ');
        if self.options.human {
            format::human(out, status.size, 8);
        } else {
            format::padded(out, status.size, 8, b' ');
        }
        out.push(b' ');
        self.clock.date(out, status.modified);
        out.push(b' ');
        shown.iter().for_each(|part| format::name(out, part));
        if self.options.classify {
            out.extend(mark(status.kind, status.mode));
        }
        if status.kind == Kind::Symlink
            && let Ok(target) = fcntl::readlinkat(place.directory, name)
        {
            out.extend_from_slice(b" -> ");
            format::name(out, &target.into_vec());
        }
        out.extend_from_slice(b"\r\n");
        Some(status.kind)
    }
}

/// What `ls -F` sets behind a name.
fn mark(kind: Kind, mode: u32) -> Option<u8> {
    match kind {
        Kind::Directory => Some(b'/'),
        Kind::Symlink => Some(b'@'),
        Kind::Fifo => Some(b'|'),
        Kind::Socket => Some(b'='),
        Kind::File if mode & 0o111 != 0 => Some(b'*'),
        Kind::File | Kind::BlockDevice | Kind::CharacterDevice => None,
    }
}

/// The status of a name. None: it has gone. Where the directory may be read but not searched, little is known.
fn status_of(files: &Files, place: Place<'_>, name: &CStr, kind: Option<Kind>, look: Look) -> Option<Status> {
    // The kernel's `..` could be outside of the client's world.
    let status = if name == c".." {
        files.look(&place.path.parent(), look)
    } else {
        status::status_at(place.directory, name, look).map_err(Error::from)
    };
    match status {
        Ok(status) => Some(status),
        Err(Error::NotFound) => None,
        Err(_) => Some(Status::unknown(kind.unwrap_or(Kind::File))),
    }
}

/// Writes the facts of a name, those of what it leads to if it is a symbolic link.
fn facts_of(
    files: &Files,
    names: &mut Names,
    place: Place<'_>,
    (name, kind): (&CStr, Option<Kind>),
    facts: Facts,
    out: &mut Vec<u8>,
) -> Option<Kind> {
    let rights = place.rights?;
    let look = Look { follow: false, created: facts.has(Fact::Create) };
    let status = status_of(files, place, name, kind, look)?;
    let owner = status.uid;
    let mut subject =
        Subject { status, owner, rights, place: (place.directory, name.to_bytes()), link: None };
    if status.kind != Kind::Symlink {
        facts.write(out, names, &subject);
        return Some(status.kind);
    }
    let target: Option<OwnedFd> =
        place.path.join(name.to_bytes()).and_then(|path| files.open_object(&path).ok());
    let followed =
        target.as_ref().and_then(|target| Some((target, status::status_at(target.as_fd(), c"", look).ok()?)));
    if let Some((target, status)) = followed {
        subject.status = status;
        subject.place = (target.as_fd(), b"");
        facts.write(out, names, &subject);
    } else {
        let link = fcntl::readlinkat(place.directory, name).map(OsStringExt::into_vec).unwrap_or_default();
        subject.link = Some(&link);
        facts.write(out, names, &subject);
    }
    Some(Kind::Symlink)
}
