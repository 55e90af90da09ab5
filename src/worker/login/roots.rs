//! Where a session may live: what the options say about its root directory, made into places. Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{Refused, no};
use crate::config::{RootDir, SessionOptions, Template};
use crate::system::privileges::Account;

/// Where a session may live: the first place that can be opened is taken. They are to be opened as the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whether the root is a jail; otherwise it is the whole file system.
    pub jail: bool,
    /// At least one place, the preferred one first.
    pub places: Vec<Place>,
}

/// A place for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory that the session sees as `/`.
    pub root: PathBuf,
    /// Where the session starts: absolute, as seen from inside the root.
    pub start: PathBuf,
}

impl Place {
    /// A directory to be locked into. `/./` divides the jail from where the session starts in it.
    fn jailed(directory: &Path) -> Place {
        match divided(directory) {
            Some((root, start)) => Place { root, start },
            None => Place { root: directory.to_path_buf(), start: "/".into() },
        }
    }

    /// A directory to start in, with the whole file system around it.
    fn in_the_open(start: &Path) -> Place {
        let start = match divided(start) {
            Some((root, start)) => root.join(start.strip_prefix("/").unwrap_or(&start)),
            None => start.to_path_buf(),
        };
        Place { root: "/".into(), start }
    }

    /// The directory that the session starts in, as seen from outside.
    pub fn whole(&self) -> PathBuf {
        match self.start.strip_prefix("/").unwrap_or(&self.start) {
            start if start.as_os_str().is_empty() => self.root.clone(),
            start => self.root.join(start),
        }
    }
}

/// The two sides of `/./`, if it is there. Paths compare without it, so these are bytes.
fn divided(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.windows(3).position(|three| three == b"/./")?;
    let root = if at == 0 { OsStr::new("/") } else { OsStr::from_bytes(&bytes[..at]) };
    let start = OsString::from_vec([b"/", &bytes[at + 3..]].concat());
    Some((root.into(), start.into()))
}

/// The places for somebody of this name. `group` is the name of his primary group.
pub fn root(options: &SessionOptions, name: &str, group: &str, account: &Account) -> Result<Root, Refused> {
    let home = Some(&account.home).filter(|home| home.is_absolute());
    let expand = |template: &Template| {
        let home = home.map_or(Path::new("/nonexistent"), PathBuf::as_path);
        template.expand(name, group, home).ok_or_else(|| no("the name cannot be part of a path"))
    };
    let preferred = match &options.root_dir {
        RootDir::Home => home.map(|home| Place::jailed(home)),
        RootDir::Real => home.map(|home| Place::in_the_open(home)),
        RootDir::Template(template) => Some(Place::jailed(&expand(template)?)),
    };
    let jail = options.root_dir != RootDir::Real;
    let fallback = options.missing_home.as_ref().map(expand).transpose()?;
    let fallback = fallback
        .map(|directory| if jail { Place::jailed(&directory) } else { Place::in_the_open(&directory) });
    let places: Vec<Place> = preferred.into_iter().chain(fallback).collect();
    if places.is_empty() {
        return Err(Refused {
            log: "the account has no home directory, and there is no missing-home".into(),
            texts: vec!["Your home directory is missing.".into()],
            proved: true,
        });
    }
    Ok(Root { jail, places })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Account {
        Account {
            name: "alice".into(),
            uid: 1001,
            gid: 1001,
            groups: vec![1001],
            home: "/home/alice".into(),
            shell: "/bin/sh".into(),
        }
    }

    /// Where alice may live, as (root, start).
    fn places(root_dir: &str, missing_home: Option<&str>, account: &Account) -> Vec<(String, String)> {
        let options = SessionOptions {
            root_dir: root_dir.parse().unwrap(),
            missing_home: missing_home.map(|template| template.parse().unwrap()),
            ..SessionOptions::default()
        };
        let root = root(&options, "alice", "staff", account).map_or_else(|_| Vec::new(), |root| root.places);
        let text = |path: PathBuf| path.to_str().unwrap().to_string();
        root.into_iter().map(|place| (text(place.root), text(place.start))).collect()
    }

    fn at(root: &str, start: &str) -> (String, String) {
        (root.into(), start.into())
    }

    #[test]
    fn a_jail_is_the_home_or_a_directory_of_a_template() {
        assert_eq!(places("home", None, &alice()), [at("/home/alice", "/")]);
        assert_eq!(places("/srv/%g/%u/x", None, &alice()), [at("/srv/staff/alice/x", "/")]);
        assert_eq!(places("%h/ftp", None, &alice()), [at("/home/alice/ftp", "/")]);
    }

    #[test]
    fn a_dot_between_slashes_divides_the_jail_from_the_start() {
        let divided = Account { home: "/srv/team/./alice".into(), ..alice() };
        assert_eq!(places("home", None, &divided), [at("/srv/team", "/alice")]);
        assert_eq!(places("real", None, &divided), [at("/", "/srv/team/alice")]);
        assert_eq!(places("%h/in", None, &divided), [at("/srv/team", "/alice/in")]);
        assert_eq!(places("/srv/./%u", None, &alice()), [at("/srv", "/alice")]);
        assert_eq!(places("/./srv", None, &alice()), [at("/", "/srv")]);
        assert_eq!(places("/srv/./", None, &alice()), [at("/srv", "/")]);
    }

    #[test]
    fn without_a_jail_the_session_starts_at_home() {
        assert_eq!(places("real", None, &alice()), [at("/", "/home/alice")]);
    }

    #[test]
    fn the_fallback_for_a_missing_home_is_of_the_same_kind() {
        assert_eq!(
            places("home", Some("/srv/none"), &alice()),
            [at("/home/alice", "/"), at("/srv/none", "/")]
        );
        assert_eq!(
            places("real", Some("/srv/%u"), &alice()),
            [at("/", "/home/alice"), at("/", "/srv/alice")]
        );
    }

    #[test]
    fn an_account_without_a_home_needs_a_fallback() {
        let homeless = Account { home: PathBuf::new(), ..alice() };
        assert!(places("home", None, &homeless).is_empty());
        assert_eq!(places("home", Some("/srv/none"), &homeless), [at("/srv/none", "/")]);
    }

    #[test]
    fn the_whole_of_a_place_is_where_the_session_starts() {
        assert_eq!(Place::jailed(Path::new("/srv/./alice")).whole(), Path::new("/srv/alice"));
        assert_eq!(Place::jailed(Path::new("/srv")).whole().as_os_str(), "/srv");
    }
}
