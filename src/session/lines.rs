//! One line of a listing: what LIST, NLST and MLSD say of one name.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl;

use super::error::Error;
use super::facts::{Fact, Facts, Rights, Subject};
use super::files::{Allowed, Files};
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
            status = files.look_behind(&target).unwrap_or(status);
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
    let allowed = |kind: Kind, path: Option<&FtpPath>| {
        let own = || if name == c".." { Some(place.path.parent()) } else { place.path.join(name.to_bytes()) };
        rights.allowed.unwrap_or_else(|| match path.cloned().or_else(own) {
            Some(path) => files.allowed(&path, kind),
            None => Allowed::default(),
        })
    };
    let mut subject = Subject {
        status,
        allowed: allowed(status.kind, None),
        owner,
        rights,
        place: (place.directory, name.to_bytes()),
        link: None,
    };
    if status.kind != Kind::Symlink {
        facts.write(out, names, &subject);
        return Some(status.kind);
    }
    let target = place.path.join(name.to_bytes()).and_then(|path| files.target(&path).ok());
    let followed = target
        .as_ref()
        .and_then(|(target, path)| Some((target, path, status::status_at(target.as_fd(), c"", look).ok()?)));
    if let Some((target, path, status)) = followed {
        // The name is taken away with the link, whatever that leads to.
        subject.allowed = allowed(status.kind, Some(path)).named_like(subject.allowed);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::ffi::OsStrExt;

    use super::super::listing::{Listing, Settings, describe};
    use super::super::testing::{Scratch, names, path};
    use super::*;
    use proptest::prelude::*;

    /// What a listing says, read in pieces of `at_least` bytes.
    fn listed(scratch: &Scratch, argument: &str, form: Form, at_least: usize) -> Result<Vec<u8>, Error> {
        let files = scratch.files("elradfmwMT");
        let settings = Settings { local_times: false, sort_limit: 1000, facts: Facts::default() };
        let mut listing = Listing::begin(&files, &FtpPath::root(), argument.as_bytes(), form, settings)?;
        let mut out = Vec::new();
        while listing.fill(&files, &mut names(), &mut out, at_least)? {}
        Ok(out)
    }

    fn lines(out: &[u8]) -> Vec<&[u8]> {
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
        let mut lines: Vec<&[u8]> =
            out.split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end()).collect();
        lines.pop();
        lines
    }

    /// The fields of a line of `ls -l` as clients take it apart: mode, links, owner, group, size, date, name.
    fn read_list(line: &[u8]) -> (&[u8], u64, u64, &[u8]) {
        let mut rest = line;
        let mut fields = Vec::new();
        for _ in 0..8 {
            rest = rest.trim_ascii_start();
            let end = rest.iter().position(|&byte| byte == b' ').unwrap();
            fields.push(&rest[..end]);
            rest = &rest[end..];
        }
        let number = |field: usize| std::str::from_utf8(fields[field]).unwrap().parse().unwrap();
        assert_eq!((fields[2], fields[3]), (&b"someone"[..], &b"somegroup"[..]));
        (fields[0], number(1), number(4), &rest[1..])
    }

    /// Facts and name of a line of MLSD.
    fn read_facts(line: &[u8]) -> (Vec<(&str, &str)>, &[u8]) {
        let blank = line.iter().position(|&byte| byte == b' ').unwrap();
        let facts = std::str::from_utf8(&line[..blank]).unwrap();
        (facts.split_terminator(';').map(|fact| fact.split_once('=').unwrap()).collect(), &line[blank + 1..])
    }

    fn fact<'a>(facts: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
        facts.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    #[test]
    fn links_say_where_they_lead() {
        let scratch = Scratch::new();
        scratch.write("file", "12345");
        scratch.link("file", "link");
        scratch.link("no;where", "lost");
        scratch.link("nowhere", "astray");
        scratch.link("/../../etc", "out");
        let out = listed(&scratch, "", Form::List, 1).unwrap();
        let found: Vec<&[u8]> = lines(&out).into_iter().map(|line| read_list(line).3).collect();
        assert_eq!(
            found,
            [&b"astray -> nowhere"[..], b"file", b"link -> file", b"lost -> no;where", b"out -> /../../etc"]
        );
        let out = listed(&scratch, "", Form::Facts, 1).unwrap();
        for line in lines(&out) {
            let (facts, name) = read_facts(line);
            let kind = match name {
                b"file" | b"link" => "file",
                b"astray" => "OS.unix=slink:nowhere",
                b"lost" => "OS.unix=slink",
                _ => "OS.unix=slink:/../../etc",
            };
            assert_eq!(fact(&facts, "type"), Some(kind));
            assert_eq!(fact(&facts, "size"), (kind == "file").then_some("5"));
        }
        let out = listed(&scratch, "-L link", Form::List, 1).unwrap();
        assert!(out.starts_with(b"-") && out.ends_with(b" link\r\n"));
    }

    #[test]
    fn special_files_and_modes_are_told() {
        let scratch = Scratch::new();
        scratch.fifo("fifo");
        scratch.make_directory("directory");
        scratch.set_mode("directory", 0o1755);
        let out = listed(&scratch, "-F", Form::List, 1).unwrap();
        let found: Vec<_> =
            lines(&out).into_iter().map(|line| (read_list(line).0, read_list(line).3)).collect();
        assert_eq!(found[0], (&b"drwxr-xr-t"[..], &b"directory/"[..]));
        assert_eq!(found[1].1, b"fifo|");
        let out = listed(&scratch, "", Form::Facts, 1).unwrap();
        let (facts, _) = read_facts(lines(&out)[0]);
        assert_eq!((fact(&facts, "type"), fact(&facts, "UNIX.mode")), (Some("dir"), Some("01755")));
        assert_eq!((fact(&facts, "size"), fact(&facts, "perm")), (None, Some("elcmpdf")));
    }

    #[test]
    fn one_name_has_the_facts_that_its_directory_tells_of_it() {
        let scratch = Scratch::new();
        scratch.make_directory("directory");
        scratch.write("directory/file", "x");
        let out = listed(&scratch, "directory", Form::Facts, 1).unwrap();
        let files = scratch.files("elradfmwMT");
        let one = describe(&files, &mut names(), &path("directory/file"), Facts::default()).unwrap();
        let (facts, name) = read_facts(&one);
        assert_eq!(name, b"/directory/file");
        assert_eq!(facts, read_facts(lines(&out)[0]).0);
        assert_eq!(fact(&facts, "perm"), Some("awrdf"));
        let (root, none) = (path("/"), path("/none"));
        let one = describe(&files, &mut names(), &root, Facts::selected(b"perm")).unwrap();
        assert_eq!(one, b"perm=elcmp; /");
        assert_eq!(describe(&files, &mut names(), &none, Facts::default()), Err(Error::NotFound));
    }

    #[test]
    fn the_letters_of_the_session_limit_the_permissions_that_are_told() {
        let scratch = Scratch::new();
        scratch.write("file", "x");
        let files = scratch.files("elr");
        let one = describe(&files, &mut names(), &path("file"), Facts::selected(b"perm")).unwrap();
        assert_eq!(one, b"perm=r; /file");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_listed_can_be_read_back(
            entries in prop::collection::btree_map(
                prop::collection::vec(any::<u8>().prop_filter("no name has it", |byte| !b"/\0".contains(byte)), 1..40)
                    .prop_filter("every directory has it", |name| name != b"." && name != b".."),
                0usize..3000,
                0..12,
            ),
            at_least in 1usize..5000,
        ) {
            let scratch = Scratch::new();
            for (name, size) in &entries {
                std::fs::write(scratch.path().join(std::ffi::OsStr::from_bytes(name)), vec![0; *size]).unwrap();
            }
            let visible = |name: &[u8]| -> Vec<u8> {
                name.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b'?' } else { byte }).collect()
            };
            let expected: Vec<(Vec<u8>, u64)> =
                entries.iter().map(|(name, size)| (visible(name), *size as u64)).collect();

            let out = listed(&scratch, "-lA", Form::List, at_least).unwrap();
            let found: Vec<(Vec<u8>, u64)> = out.split_inclusive(|&byte| byte == b'\n').map(|line| {
                let (mode, links, size, name) = read_list(&line[..line.len() - 2]);
                assert_eq!((mode.len(), links), (10, 1));
                (name.to_vec(), size)
            }).collect();
            prop_assert_eq!(&found, &expected);

            let out = listed(&scratch, "", Form::Facts, at_least).unwrap();
            let found: Vec<(Vec<u8>, u64)> = out.split_inclusive(|&byte| byte == b'\n').map(|line| {
                let (facts, name) = read_facts(&line[..line.len() - 2]);
                (name.to_vec(), fact(&facts, "size").unwrap().parse().unwrap())
            }).collect();
            prop_assert_eq!(&found, &expected);

            let out = listed(&scratch, "-A", Form::Names, at_least).unwrap();
            let found: BTreeSet<Vec<u8>> =
                out.split_inclusive(|&byte| byte == b'\n').map(|line| line[..line.len() - 2].to_vec()).collect();
            prop_assert_eq!(found, expected.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>());
        }
    }
}
