//! Uploads that rules want to belong to somebody else: only root can give a file away.
//!
//! A session asks with the open file, and with a name if the file is about to get another one in its directory. Which file
//! that is, the kernel tells; to whom it goes, the configuration does. So a session that was taken over can have done to a
//! file what an upload of its user would have had done to it, and no more: it must be his own, bear one name, be open for
//! writing, and lie where a rule gives files away. (Its name is his to choose: he could as well rename it.)
//! Whatever such a file has in it came from him anyway; set-id bits are taken away by the kernel when the owner changes.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, OpenHow, ResolveFlag, fcntl, open, openat2, readlink};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, fchown};

use crate::config::{Place, Rules};
use crate::system::{accounts, folding};

/// What a session may have given away.
pub struct Giving {
    /// What it may see as `/`, each with the rules that hold there.
    places: Vec<(PathBuf, Rules)>,
    uid: u32,
}

/// What has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It belongs to whom it should.
    Done,
    /// This process has not the right to do it, but the user has, if he is in this group.
    ByTheUser(u32),
}

impl Giving {
    /// Files of this user, where he may live.
    pub fn new(places: Vec<(PathBuf, Rules)>, uid: u32) -> Giving {
        Giving { places, uid }
    }

    /// It lives there.
    pub fn settle(&mut self, root: &Path) {
        self.places.retain(|(place, _)| place == root);
        for (root, rules) in &mut self.places {
            if let Ok(root) = directory(root) {
                rules.follow_links(|names| real(&root, names));
            }
        }
    }

    /// Gives a file to whom the rules say of a file of this name in its directory, or of its own name if that is empty.
    /// Not `really`: nothing changes, and only an error says something. It is for the log.
    pub fn give(&self, file: &OwnedFd, name: &[u8], really: bool) -> Result<Given, String> {
        let failed = |what: &str, errno: nix::Error| format!("{what}: {}", errno.desc());
        let status = fstat(file).map_err(|errno| failed("fstat", errno))?;
        if status.st_mode & libc::S_IFMT != libc::S_IFREG || status.st_nlink != 1 {
            return Err("it is no file with one name".into());
        }
        let flags = fcntl(file, FcntlArg::F_GETFL).map_err(|errno| failed("fcntl", errno))?;
        let flags = OFlag::from_bits_retain(flags);
        if flags.contains(OFlag::O_PATH) || flags & OFlag::O_ACCMODE == OFlag::O_RDONLY {
            return Err("it is not open for writing".into());
        }
        let path = path_of(file).map_err(|errno| failed("its name is not known", errno))?;
        let (root, rules) = self.places.first().ok_or("it lives nowhere")?;
        let root = fs::canonicalize(root).map_err(|error| format!("{}: {error}", root.display()))?;
        let inside = path.strip_prefix(&root).map_err(|_| "it is outside of the session's root")?;
        let mut names: Vec<&[u8]> = inside.iter().map(OsStrExt::as_bytes).collect();
        if let ([_, ..], Some(last)) = (name, names.last_mut()) {
            if name.contains(&b'/') || name == b"." || name == b".." {
                return Err("no file can have such a name".into());
            }
            *last = name;
        }
        let top = directory(&root).map_err(|errno| failed("open", errno))?;
        let place = Place { path: &names, exact: folding::exact_names(top, &names), is_directory: &|| false };
        let owner = rules.first(place, |options, _| options.owner.clone());
        let group = rules.first(place, |options, _| options.group.clone());
        if owner.is_none() && group.is_none() {
            return Err("no rule gives it away".into());
        }
        let uid = owner.map(|(_, name)| owner_named(&name)).transpose()?;
        let gid = group.map(|(_, name)| group_named(&name)).transpose()?;
        let is = |wanted: Option<u32>, own: u32| wanted.is_none_or(|wanted| wanted == own);
        if is(uid.map(Uid::as_raw), status.st_uid) && is(gid.map(Gid::as_raw), status.st_gid) {
            // It was written where it is, and given away before.
            return Ok(Given::Done);
        }
        if status.st_uid != self.uid {
            return Err("it belongs to somebody else".into());
        }
        let group = gid.filter(|_| is(uid.map(Uid::as_raw), status.st_uid)).map(Gid::as_raw);
        let (uid, gid) = match really {
            true => (uid, gid),
            // Whoever may not give it to another may not give it to whom it belongs, either.
            false => (Some(Uid::from_raw(status.st_uid)), Some(Gid::from_raw(status.st_gid))),
        };
        match (fchown(file, uid, gid), group) {
            (Ok(()), _) => Ok(Given::Done),
            (Err(Errno::EPERM), Some(group)) => Ok(Given::ByTheUser(group)),
            (Err(errno), _) => Err(failed("fchown", errno)),
        }
    }
}

/// A directory, to look for names in it.
fn directory(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// What the kernel calls an open file.
fn path_of(file: &OwnedFd) -> nix::Result<PathBuf> {
    Ok(readlink(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))?.into())
}

/// The names that lead there without links, from the root of the session down.
fn real(root: &OwnedFd, names: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
    let found = openat2(root, &path[..], how).ok()?;
    let (root, found) = (path_of(root).ok()?, path_of(&found).ok()?);
    Some(found.strip_prefix(root).ok()?.iter().map(|name| name.as_bytes().to_vec()).collect())
}

fn owner_named(name: &str) -> Result<Uid, String> {
    let account = accounts::by_name(name).ok_or_else(|| format!("there is no account {name:?}"))?;
    if account.uid == 0 {
        return Err("nothing is given to root".into());
    }
    Ok(Uid::from_raw(account.uid))
}

fn group_named(name: &str) -> Result<Gid, String> {
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => Err(format!("there is no group {name:?}")),
        Err(errno) => Err(format!("group {name:?}: {}", errno.desc())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::{Config, Visitor};

    /// A directory of its own, which is what the session sees as `/`, and a rule that gives away what is in `/in`.
    fn giving(name: &str, rule: &str) -> (PathBuf, Giving) {
        let root = std::env::temp_dir().join(format!("ftpd-giving-{}-{name}", std::process::id()));
        for directory in ["in", "out"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let config = Config::parse("f".as_ref(), &format!("[rule.a]\npaths = [\"/in\"]\n{rule}\n")).unwrap();
        let address = Ipv4Addr::LOCALHOST.into();
        let visitor = Visitor { user: "eve", groups: &[], anonymous: false, host: None, address };
        let rules = config.rules_for(&visitor, b"/");
        (root.clone(), Giving::new(vec![(root, rules)], nix::unistd::geteuid().as_raw()))
    }

    fn opened(path: &Path) -> OwnedFd {
        File::options().write(true).create(true).truncate(false).open(path).unwrap().into()
    }

    /// What a session that was taken over might ask for.
    #[test]
    fn only_uploads_of_the_user_are_given_away_and_never_to_root() {
        let (root, giving) = giving("asked", "owner = \"root\"");
        let refused = |file: OwnedFd| giving.give(&file, b"", true).unwrap_err();
        let inside = root.join("in/file");
        assert_eq!(refused(opened(&inside)), "nothing is given to root");
        assert_eq!(refused(opened(&root.join("out/file"))), "no rule gives it away");
        assert_eq!(refused(File::open(&inside).unwrap().into()), "it is not open for writing");
        assert_eq!(refused(File::open(root.join("in")).unwrap().into()), "it is no file with one name");
        assert_eq!(
            refused(File::options().write(true).open("/dev/null").unwrap().into()),
            "it is no file with one name"
        );
        fs::hard_link(&inside, root.join("in/other")).unwrap();
        assert_eq!(refused(opened(&inside)), "it is no file with one name");
        fs::remove_file(root.join("in/other")).unwrap();
        let removed = opened(&root.join("in/removed"));
        fs::remove_file(root.join("in/removed")).unwrap();
        assert_eq!(refused(removed), "it is no file with one name");
        let elsewhere = std::env::temp_dir().join(format!("ftpd-giving-{}-in", std::process::id()));
        assert_eq!(refused(opened(&elsewhere)), "it is outside of the session's root");
        let stranger = Giving { places: giving.places.clone(), uid: 12_345 };
        assert_eq!(refused(opened(&root.join("out/file"))), "no rule gives it away");
        for name in [&b"../in/file"[..], b"..", b"."] {
            assert_eq!(
                giving.give(&opened(&inside), name, true).unwrap_err(),
                "no file can have such a name"
            );
        }
        drop(stranger);
        fs::remove_file(elsewhere).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}
