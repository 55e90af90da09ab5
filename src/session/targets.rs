//! What the argument of a listing means: a directory to be read, one name, or what a pattern matches.

use super::authorize::Operation;
use super::error::Error;
use super::files::Files;
use super::list_options::Options;
use super::listing::Form;
use crate::protocol::glob;
use crate::protocol::path::FtpPath;
use crate::system::directory::Entries;
use crate::system::status::{Kind, Look};

/// How many directories a pattern may match in front of its last slash.
const MOST_DIRECTORIES: usize = 10_000;
/// How many names may be looked at for that.
const MOST_EXAMINED: u64 = 1_000_000;

/// One thing to be listed.
pub(super) enum Target {
    /// What is in a directory.
    Directory(Directory),
    /// One name, shown as the client said it.
    Entry { path: FtpPath, shown: Vec<u8> },
}

/// A directory to be read.
pub(super) struct Directory {
    pub path: FtpPath,
    /// What stands before each name.
    pub prefix: Vec<u8>,
    /// What is written above the names, without the colon.
    pub header: Option<Vec<u8>>,
    /// Which names are shown.
    pub pattern: Option<Vec<u8>>,
    /// How many directories this one is below the one that was asked for.
    pub depth: u32,
}

impl Directory {
    /// A directory in this one, for -R. None: its path is too long to be said.
    pub fn child(&self, name: &[u8]) -> Option<Directory> {
        let below = |parent: &[u8]| [parent, b"/", name].concat();
        Some(Directory {
            path: self.path.join(name)?,
            prefix: if self.header.is_some() { Vec::new() } else { [&self.prefix[..], name, b"/"].concat() },
            header: self.header.as_deref().map(below),
            pattern: None,
            depth: self.depth + 1,
        })
    }
}

/// What `text` means in the directory `here`; the first to be listed is the last in the result.
pub(super) fn of(
    files: &Files,
    here: &FtpPath,
    text: &[u8],
    form: Form,
    options: &Options,
) -> Result<Vec<Target>, Error> {
    let path = here.join(text).ok_or(Error::NameNotAllowed)?;
    let kind = match kind_of(files, &path, !options.directory_itself) {
        Ok(kind) => kind,
        // Whether the directories of a pattern may be listed is asked for each of them.
        Err(error) if form != Form::Facts && glob::is_pattern(text) => {
            return pattern(files, here, text).map_err(|other| match error {
                Error::Forbidden(_) if other == Error::NotFound => error,
                _ => other,
            });
        }
        Err(error) => return Err(error),
    };
    if kind == Kind::Directory && !options.directory_itself {
        let header = form == Form::List && options.recursive;
        return Ok(vec![Target::Directory(Directory {
            path,
            prefix: if form == Form::Names { prefix(text) } else { Vec::new() },
            header: header.then(|| header_of(text)),
            pattern: None,
            depth: 0,
        })]);
    }
    match form {
        Form::Facts => Err(Error::NotADirectory),
        Form::List | Form::Names => {
            let shown = if text.is_empty() { b".".to_vec() } else { text.to_vec() };
            let path = files.permit_at(Operation::List, &path, false)?.into_owned();
            Ok(vec![Target::Entry { path, shown }])
        }
    }
}

/// What the name stands for, if it may be listed.
fn kind_of(files: &Files, path: &FtpPath, follow: bool) -> Result<Kind, Error> {
    let object = files.permit_at(Operation::List, path, follow)?;
    match files.look(&object, Look { follow, created: false }) {
        // A link that leads nowhere is there itself.
        Err(Error::NotFound) => {
            let link = files.permit_at(Operation::List, path, false)?;
            files.look(&link, Look::default()).map(|status| status.kind)
        }
        other => other.map(|status| status.kind),
    }
}

fn header_of(text: &[u8]) -> Vec<u8> {
    match text {
        b"" => b".".to_vec(),
        [above @ .., b'/'] => above.to_vec(),
        _ => text.to_vec(),
    }
}

/// Names in a directory that was said, as RETR will take them from where the client is.
fn prefix(text: &[u8]) -> Vec<u8> {
    match text {
        b"" | b"." => Vec::new(),
        [.., b'/'] => text.to_vec(),
        _ => [text, b"/"].concat(),
    }
}

/// Every component but the last becomes the directories that match it; names are matched while those are listed.
fn pattern(files: &Files, here: &FtpPath, text: &[u8]) -> Result<Vec<Target>, Error> {
    let text = text.strip_suffix(b"/").unwrap_or(text);
    let (above, last) = match text.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&text[..slash], &text[slash + 1..]),
        None => (&b""[..], text),
    };
    let start = if text.first() == Some(&b'/') { FtpPath::root() } else { here.clone() };
    let shown = if text.first() == Some(&b'/') { b"/".to_vec() } else { Vec::new() };
    let mut found = vec![(start, shown)];
    let mut examined = 0;
    for component in above.split(|&byte| byte == b'/').filter(|component| !component.is_empty()) {
        found = if glob::is_pattern(component) {
            matching(files, &found, component, &mut examined)?
        } else {
            let joined = |(path, shown): &(FtpPath, Vec<u8>)| {
                Some((path.join(component)?, [&shown[..], component, b"/"].concat()))
            };
            found.iter().filter_map(joined).collect()
        };
    }
    let mut targets: Vec<Target> = found
        .into_iter()
        .filter_map(|(path, prefix)| {
            if glob::is_pattern(last) {
                if files.is_ruled() && files.permit(Operation::List, &path).is_err() {
                    return None;
                }
                let pattern = Some(last.to_vec());
                return Some(Target::Directory(Directory { path, prefix, header: None, pattern, depth: 0 }));
            }
            let path = path.join(last)?;
            let shown = [&prefix[..], last].concat();
            let path = files.permit_at(Operation::List, &path, false).ok()?.into_owned();
            files.look(&path, Look::default()).ok().map(|_| Target::Entry { path, shown })
        })
        .collect();
    if targets.is_empty() {
        return Err(Error::NotFound);
    }
    targets.reverse();
    Ok(targets)
}

/// The directories in these that match one component.
fn matching(
    files: &Files,
    above: &[(FtpPath, Vec<u8>)],
    component: &[u8],
    examined: &mut u64,
) -> Result<Vec<(FtpPath, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    for (path, shown) in above {
        let Ok(place) = files.permit(Operation::List, path) else { continue };
        let Ok(directory) = files.open_directory(&place, true) else { continue };
        let mut entries = Entries::of(directory);
        while let Some((_, entry)) = entries.next()? {
            *examined += 1;
            if *examined > MOST_EXAMINED || found.len() >= MOST_DIRECTORIES {
                return Err(Error::ListingTooLong);
            }
            let name = entry.name.to_bytes();
            if !glob::matches(component, name) || files.hides(&place, name) {
                continue;
            }
            let Some(child) = path.join(name) else { continue };
            let is_directory = match entry.kind {
                Some(Kind::Directory) => true,
                Some(Kind::Symlink) | None => {
                    files.look_behind(&child).is_ok_and(|status| status.kind == Kind::Directory)
                }
                Some(Kind::File | Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice) => {
                    false
                }
            };
            if is_directory {
                found.push((child, [&shown[..], name, b"/"].concat()));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
