//! LIST, NLST and MLSD: directories become lines, a piece at a time, so that a listing of any length takes no more
//! memory than a sorted one of `sort-limit` names, and the control connection can be watched in between.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use super::authorize::Operation;
use super::error::Error;
use super::facts::{Facts, Rights};
use super::files::Files;
use super::format::Clock;
use super::lines::{Lines, Place};
use super::list_options::Options;
use super::names::Names;
use super::reading::Reading;
use super::targets::{self, Target};
use crate::protocol::path::FtpPath;
use crate::system::status::{self, Look};

/// How many directories -R may have found and not yet listed.
const MOST_WAITING: usize = 100_000;
/// How many names -R shows.
const MOST_RECURSIVE: u64 = 1_000_000;

/// Which command the listing is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// LIST, and STAT with a path: for people, as `ls -l` writes.
    List,
    /// NLST: names, as they can be given to RETR.
    Names,
    /// MLSD: facts (RFC 3659 7).
    Facts,
}

/// What a session has set for its listings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The times in LIST are the machine's local ones (`listing-times`).
    pub local_times: bool,
    /// Directories with more entries are not sorted (`sort-limit`).
    pub sort_limit: usize,
    /// The facts of MLSD, as OPTS MLST has left them.
    pub facts: Facts,
}

/// A listing that is being made.
pub struct Listing {
    lines: Lines,
    sort_limit: usize,
    /// The next one is the last.
    waiting: Vec<Target>,
    reading: Option<Reading>,
    /// Lines have been written: a header has an empty line above it.
    begun: bool,
    shown: u64,
}

impl Listing {
    /// Begins with what the client has said behind LIST, NLST or MLSD in the directory `here`. What cannot be
    /// listed at all is refused here, before any data connection is made.
    pub fn begin(
        files: &Files,
        here: &FtpPath,
        argument: &[u8],
        form: Form,
        settings: Settings,
    ) -> Result<Listing, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
        let (options, text) = match form {
            Form::List | Form::Names => Options::parse(argument),
            Form::Facts => (Options { almost_all: true, ..Options::default() }, argument),
        };
        let form = if form == Form::List && options.names_only { Form::Names } else { form };
        let lines =
            Lines { form, options, facts: settings.facts, clock: Clock::new(settings.local_times, now) };
        let waiting = targets::of(files, here, text, form, &options)?;
        let mut listing = Listing {
            lines,
            sort_limit: settings.sort_limit,
            waiting,
            reading: None,
            begun: false,
            shown: 0,
        };
        if let Some(Target::Directory(_)) = listing.waiting.last()
            && let Some(Target::Directory(first)) = listing.waiting.pop()
        {
            listing.reading = Some(Reading::open(files, first, form)?);
        }
        Ok(listing)
    }

    /// Writes lines behind what is in `out` until it has grown by `at_least` bytes, or by less at the end.
    /// Whether there may be more.
    pub fn fill(
        &mut self,
        files: &Files,
        names: &mut Names,
        out: &mut Vec<u8>,
        at_least: usize,
    ) -> Result<bool, Error> {
        let full = out.len() + at_least;
        while out.len() < full {
            if let Some(reading) = &mut self.reading {
                reading.write_header(self.begun, out);
                self.begun = true;
                if reading.next(files, names, &mut self.lines, self.sort_limit, out)? {
                    self.shown += 1;
                    if self.lines.options.recursive && self.shown > MOST_RECURSIVE {
                        return Err(Error::ListingTooLong);
                    }
                } else if let Some(finished) = self.reading.take() {
                    self.waiting.extend(finished.into_children().into_iter().rev());
                    if self.waiting.len() > MOST_WAITING {
                        return Err(Error::ListingTooLong);
                    }
                }
                continue;
            }
            match self.waiting.pop() {
                None => return Ok(false),
                Some(Target::Entry { path, shown }) => {
                    one(files, names, &mut self.lines, &path, &shown, out)?;
                    self.begun = true;
                }
                Some(Target::Directory(target)) => match Reading::open(files, target, self.lines.form) {
                    Ok(reading) => self.reading = Some(reading),
                    // It has gone or may not be read: the rest is worth listing all the same.
                    Err(
                        Error::Denied
                        | Error::Forbidden(_)
                        | Error::NameForbidden
                        | Error::NotFound
                        | Error::NotADirectory
                        | Error::TooManyLinks,
                    ) => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(true)
    }
}

/// The facts of one name and the name (MLST): `type=file;size=3; /a/b`, without a line end.
pub fn describe(files: &Files, names: &mut Names, path: &FtpPath, facts: Facts) -> Result<Vec<u8>, Error> {
    let object = files.permit_at(Operation::Describe, path, false)?;
    let mut out = Vec::new();
    let mut lines =
        Lines { form: Form::Facts, options: Options::default(), facts, clock: Clock::new(false, 0) };
    one(files, names, &mut lines, &object, path.as_bytes(), &mut out)?;
    out.truncate(out.len() - b"\r\n".len());
    Ok(out)
}

/// The line of one name.
fn one(
    files: &Files,
    names: &mut Names,
    lines: &mut Lines,
    path: &FtpPath,
    shown: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let parent = path.parent();
    let directory = files.open_directory_path(&parent)?;
    let name = CString::new(path.name().unwrap_or(b".")).map_err(|_| Error::NameNotAllowed)?;
    // Among many, a name that may not be looked at is shown as unknown; asked for alone, it is refused.
    status::status_at(directory.as_fd(), &name, Look::default())?;
    let rights = Rights::of(files, (!path.is_root()).then_some(directory.as_fd()))?;
    let place = Place { directory: directory.as_fd(), path: &parent, rights: Some(&rights) };
    lines.entry(files, names, place, (&name, None), [b"", shown], out).map(drop).ok_or(Error::NotFound)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, names, path};
    use super::*;

    fn listed(scratch: &Scratch, argument: &str, form: Form, sort_limit: usize) -> Result<String, Error> {
        let files = scratch.files("elr");
        let settings = Settings { local_times: false, sort_limit, facts: Facts::default() };
        let mut listing = Listing::begin(&files, &path("here"), argument.as_bytes(), form, settings)?;
        let mut out = Vec::new();
        while listing.fill(&files, &mut names(), &mut out, 100)? {}
        Ok(String::from_utf8(out).unwrap())
    }

    /// NLST, with blanks for line ends.
    fn named(scratch: &Scratch, argument: &str) -> String {
        listed(scratch, argument, Form::Names, 1000).unwrap().replace("\r\n", " ").trim_end().to_owned()
    }

    fn scratch() -> Scratch {
        let scratch = Scratch::new();
        for directory in ["here/b/deep/deeper", "here/.hidden", "here/d", "other"] {
            scratch.make_directory(directory);
        }
        for (file, contents) in [
            ("here/a", "1"),
            ("here/c", "333"),
            ("here/.dot", "22"),
            ("here/b/x.txt", "x"),
            ("here/d/y.txt", "y"),
            ("here/d/[z]", "z"),
            ("other/-a", ""),
            ("here/.hidden/h", ""),
        ] {
            scratch.write(file, contents);
        }
        scratch.link("..", "here/b/up");
        scratch
    }

    #[test]
    fn options_choose_and_order() {
        let scratch = scratch();
        let files = scratch.files("elradfmwMT");
        for (name, modified) in [("a", 100), ("b", 300), ("c", 200), ("d", 50)] {
            files.set_times(&path(&format!("here/{name}")), None, modified).unwrap();
        }
        assert_eq!(named(&scratch, ""), "a b c d");
        assert_eq!(named(&scratch, "-A"), ".dot .hidden a b c d");
        assert_eq!(named(&scratch, "-a"), ". .. .dot .hidden a b c d");
        assert_eq!(named(&scratch, "-r"), "d c b a");
        assert_eq!(named(&scratch, "-t"), "b c a d");
        assert_eq!(named(&scratch, "-tr"), "d a c b");
        assert!(named(&scratch, "-S").ends_with("c a"));
        assert_eq!(named(&scratch, "-F"), "a b/ c d/");
        assert_eq!(named(&scratch, "-d"), ".");
        assert_eq!(named(&scratch, "-d b"), "b");
        assert_eq!(listed(&scratch, "-1", Form::List, 1000).unwrap(), "a\r\nb\r\nc\r\nd\r\n");
    }

    #[test]
    fn names_can_be_given_to_retr() {
        let scratch = scratch();
        assert_eq!(named(&scratch, "d"), "d/[z] d/y.txt");
        assert_eq!(named(&scratch, "d/"), "d/[z] d/y.txt");
        assert_eq!(named(&scratch, "/other"), "/other/-a");
        assert_eq!(named(&scratch, "../other"), "../other/-a");
        assert_eq!(named(&scratch, "-- ../other/-a"), "../other/-a");
        assert_eq!(named(&scratch, "."), "a b c d");
        assert_eq!(named(&scratch, "c"), "c");
    }

    #[test]
    fn patterns_match_in_every_component() {
        let scratch = scratch();
        assert_eq!(named(&scratch, "*"), "a b c d");
        assert_eq!(named(&scratch, ".*"), ".dot .hidden");
        assert_eq!(named(&scratch, "*/*.txt"), "b/x.txt d/y.txt");
        assert_eq!(named(&scratch, "[ab]/deep/*"), "b/deep/deeper");
        assert_eq!(named(&scratch, "/*/-a"), "/other/-a");
        assert_eq!(named(&scratch, "?/y.txt"), "d/y.txt");
        assert_eq!(named(&scratch, "d/[z]"), "d/[z]");
        assert_eq!(named(&scratch, "*.none"), "");
        assert_eq!(listed(&scratch, "*/none", Form::Names, 1000), Err(Error::NotFound));
    }

    #[test]
    fn recursion_stays_below_and_ends() {
        let scratch = scratch();
        assert_eq!(named(&scratch, "-R"), "a b c d b/deep b/up b/x.txt b/deep/deeper d/[z] d/y.txt");
        let headers: Vec<String> = listed(&scratch, "-lR", Form::List, 1000)
            .unwrap()
            .lines()
            .filter(|line| line.ends_with(':') || line.is_empty())
            .map(str::to_owned)
            .collect();
        assert_eq!(headers, [".:", "", "./b:", "", "./b/deep:", "", "./b/deep/deeper:", "", "./d:"]);
        assert!(listed(&scratch, "-R b/", Form::List, 1000).unwrap().contains("\r\nb/deep:\r\n"));
    }

    #[test]
    fn too_deep_a_recursion_says_that_it_is_not_all() {
        let scratch = Scratch::new();
        scratch.make_directory(&format!("here/{}", "d/".repeat(70)));
        assert_eq!(listed(&scratch, "-R", Form::List, 1000), Err(Error::ListingTooLong));
    }

    #[test]
    fn above_the_limit_nothing_is_sorted_and_nothing_is_lost() {
        let scratch = Scratch::new();
        scratch.make_directory("here");
        let expected: Vec<String> = (0..300).map(|number| format!("name{number:03}")).collect();
        expected.iter().rev().for_each(|name| scratch.write(&format!("here/{name}"), ""));
        scratch.write("here/.hidden", "");
        for sort_limit in [0, 1, 100, 299, 300, 301] {
            let out = listed(&scratch, "", Form::Names, sort_limit).unwrap();
            let mut found: Vec<&str> = out.lines().collect();
            if sort_limit < 300 {
                found.sort_unstable();
            }
            assert_eq!(found, expected, "{sort_limit}");
        }
    }

    #[test]
    fn what_cannot_be_listed_is_refused_before_the_first_line() {
        let scratch = scratch();
        assert_eq!(listed(&scratch, "none", Form::List, 10), Err(Error::NotFound));
        assert_eq!(listed(&scratch, "a", Form::Facts, 10), Err(Error::NotADirectory));
        assert_eq!(listed(&scratch, "a/b", Form::List, 10), Err(Error::NotADirectory));
        assert_eq!(listed(&scratch, "a\0", Form::List, 10), Err(Error::NameNotAllowed));
        let settings = Settings { local_times: false, sort_limit: 1, facts: Facts::default() };
        let refused = Listing::begin(&scratch.files("er"), &path("/"), b"", Form::List, settings);
        assert_eq!(refused.err(), Some(Error::Forbidden(Operation::List)));
    }

    #[test]
    fn a_piece_is_about_as_long_as_was_asked_for() {
        let scratch = scratch();
        let files = scratch.files("elr");
        let settings = Settings { local_times: false, sort_limit: 10, facts: Facts::default() };
        let mut listing = Listing::begin(&files, &path("here"), b"", Form::List, settings).unwrap();
        let mut out = Vec::new();
        assert_eq!(listing.fill(&files, &mut names(), &mut out, 1), Ok(true));
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
}
