//! One directory on its way into a listing: read ahead as far as it can be sorted, then line by line.

use std::ffi::CStr;
use std::os::fd::AsFd;

use super::authorize::Operation;
use super::error::Error;
use super::facts::Rights;
use super::files::Files;
use super::format;
use super::lines::{Lines, Place};
use super::list_options::{Options, Order};
use super::listing::Form;
use super::names::Names;
use super::targets::{self, Target};
use crate::protocol::glob;
use crate::protocol::path::FtpPath;
use crate::system::directory::Entries;
use crate::system::status::{self, Kind, Look};

/// How deep -R goes.
const DEEPEST: u32 = 64;

/// One directory, while it is listed.
pub(super) struct Reading {
    target: targets::Directory,
    /// Its name without symbolic links on the way, for rules.
    place: FtpPath,
    entries: Entries,
    rights: Option<Rights>,
    header: Option<Vec<u8>>,
    /// What has been read ahead to be sorted; None before anything was.
    names: Option<ReadAhead>,
    /// Directories in this one, for -R.
    children: Vec<Target>,
}

/// Names one behind another, each with a zero byte at its end.
#[derive(Default)]
struct ReadAhead {
    bytes: Vec<u8>,
    order: Vec<Ahead>,
    next: usize,
    /// There are more in the directory, which come as they are.
    more: bool,
}

struct Ahead {
    start: usize,
    end: usize,
    kind: Option<Kind>,
    /// What the order asks for before the name: newer and larger is less.
    rank: i64,
}

impl Reading {
    /// Opens the directory, if the session may list it.
    pub fn open(files: &Files, target: targets::Directory, form: Form) -> Result<Reading, Error> {
        let follow = target.depth == 0;
        let place = files.permit_at(Operation::List, &target.path, follow)?.into_owned();
        let directory = files.open_directory(&place, follow)?;
        let rights = match form {
            Form::Facts => Some(Rights::of(files, Some(directory.as_fd()))?),
            Form::List | Form::Names => None,
        };
        let header = target.header.clone();
        Ok(Reading {
            target,
            place,
            entries: Entries::of(directory),
            rights,
            header,
            names: None,
            children: Vec::new(),
        })
    }

    /// Writes the header of the directory, with an empty line above it if `begun`, if it has one.
    pub fn write_header(&mut self, begun: bool, out: &mut Vec<u8>) {
        let Some(header) = self.header.take() else { return };
        if begun {
            out.extend_from_slice(b"\r\n");
        }
        format::name(out, &header);
        out.extend_from_slice(b":\r\n");
    }

    /// What -R found: the directories in this one, in the order of their lines.
    pub fn into_children(self) -> Vec<Target> {
        self.children
    }

    /// Reads as many names as can be sorted.
    fn read_ahead(
        &mut self,
        files: &Files,
        options: &Options,
        sort_limit: usize,
    ) -> Result<ReadAhead, Error> {
        let mut ahead = ReadAhead::default();
        if options.all && self.target.pattern.is_none() {
            ahead.push(c".", Some(Kind::Directory), i64::MIN);
            ahead.push(c"..", Some(Kind::Directory), i64::MIN);
        }
        while let Some((directory, entry)) = self.entries.next()? {
            let name = entry.name.to_bytes();
            if !shows(&self.target, options, name) || files.hides(&self.place, name) {
                continue;
            }
            let rank = match options.order {
                Order::Name => 0,
                Order::Modified | Order::Size => {
                    match status::status_at(directory, entry.name, Look::default()) {
                        Ok(status) if options.order == Order::Size => (!status.size).cast_signed(),
                        Ok(status) => status.modified.saturating_neg(),
                        Err(_) => i64::MAX,
                    }
                }
            };
            ahead.push(entry.name, entry.kind, rank);
            if ahead.order.len() > sort_limit {
                ahead.more = true;
                break;
            }
        }
        if !ahead.more {
            ahead.sort(options.reverse);
        }
        Ok(ahead)
    }

    /// Writes the next line. False: there was none left.
    pub fn next(
        &mut self,
        files: &Files,
        names: &mut Names,
        lines: &mut Lines,
        sort_limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        if self.names.is_none() {
            self.names = Some(self.read_ahead(files, &lines.options, sort_limit)?);
        }
        let Some(ahead) = &mut self.names else { return Ok(false) };
        let (directory, name, kind) = if let Some(next) = ahead.order.get(ahead.next) {
            ahead.next += 1;
            let name = CStr::from_bytes_until_nul(&ahead.bytes[next.start..=next.end])
                .expect("the arena has a zero byte behind each name");
            (self.entries.directory(), name, next.kind)
        } else if ahead.more {
            match self.entries.next()? {
                None => return Ok(false),
                Some((_, entry))
                    if !shows(&self.target, &lines.options, entry.name.to_bytes())
                        || files.hides(&self.place, entry.name.to_bytes()) =>
                {
                    return Ok(true);
                }
                Some((directory, entry)) => (directory, entry.name, entry.kind),
            }
        } else {
            return Ok(false);
        };
        let bytes = name.to_bytes();
        let place = Place { directory, path: &self.place, rights: self.rights.as_ref() };
        let kind = lines.entry(files, names, place, (name, kind), [&self.target.prefix, bytes], out);
        if lines.options.recursive
            && self.target.pattern.is_none()
            && kind == Some(Kind::Directory)
            && bytes != b"."
            && bytes != b".."
            && let Some(child) = self.target.child(bytes)
        {
            if child.depth > DEEPEST {
                return Err(Error::ListingTooLong);
            }
            self.children.push(Target::Directory(child));
        }
        Ok(true)
    }
}

fn shows(target: &targets::Directory, options: &Options, name: &[u8]) -> bool {
    match &target.pattern {
        Some(pattern) => glob::matches(pattern, name),
        None => options.shows(name),
    }
}

impl ReadAhead {
    fn push(&mut self, name: &CStr, kind: Option<Kind>, rank: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.order.push(Ahead { start, end: self.bytes.len() - 1, kind, rank });
    }

    fn sort(&mut self, reverse: bool) {
        let bytes = &self.bytes;
        let key = |ahead: &Ahead| (ahead.rank, &bytes[ahead.start..ahead.end]);
        self.order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        if reverse {
            self.order.reverse();
        }
    }
}
