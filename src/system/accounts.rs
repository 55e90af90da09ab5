//! The user and group databases (passwd(5), group(5), or whatever nsswitch.conf(5) names).
//!
//! Nothing is remembered: an account that was changed a second ago is seen as it is now. Look accounts up in the
//! worker, before any chroot: the database's modules open files and sockets.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::unistd::{Gid, getgid, getgrouplist, getgroups, getuid, setgroups};
use users::os::unix::UserExt;

use super::privileges::Account;
use super::{Doing, Failure};

/// The account of this name. `None`: there is none, or its name or groups cannot be read.
pub fn by_name(name: &str) -> Option<Account> {
    users::get_user_by_name(name).and_then(from_entry)
}

/// The account that runs this process, with the groups of this process. A user id without an entry (as in a
/// container) is named by its number and lives in `/`.
pub fn current() -> Account {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mut groups: Vec<u32> = current_groups().unwrap_or_default();
    if !groups.contains(&gid) {
        groups.push(gid);
    }
    match users::get_user_by_uid(uid).and_then(from_entry) {
        Some(entry) => Account { gid, groups, ..entry },
        None => Account {
            name: uid.to_string(),
            uid,
            gid,
            groups,
            home: PathBuf::from("/"),
            shell: PathBuf::new(),
        },
    }
}

/// The names of these groups. A group without a name goes by its number.
pub fn group_names(groups: &[u32]) -> Vec<String> {
    let name = |&gid: &u32| group_name(gid).unwrap_or_else(|| gid.to_string());
    groups.iter().map(name).collect()
}

/// What this user id is called.
pub fn user_name(uid: u32) -> Option<String> {
    users::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned())
}

/// What this group id is called.
pub fn group_name(gid: u32) -> Option<String> {
    users::get_group_by_gid(gid).map(|group| group.name().to_string_lossy().into_owned())
}

/// The number of the group of this name.
pub fn group_id(name: &str) -> Option<u32> {
    users::get_group_by_name(name).map(|group| group.gid())
}

/// The supplementary groups of this process.
pub fn current_groups() -> Result<Vec<u32>, Failure> {
    let groups = getgroups().doing(|| "getgroups".into())?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// Gives this process these supplementary groups and no others. Needs CAP_SETGID.
pub fn replace_groups(groups: &[u32]) -> Result<(), Failure> {
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups).doing(|| "setgroups".into())
}

fn from_entry(entry: users::User) -> Option<Account> {
    let name = entry.name().to_str()?.to_string();
    let gid = entry.primary_group_id();
    let own_name = CString::new(entry.name().as_bytes()).ok()?;
    // An account whose groups cannot be read is no account: it might belong to a group that is denied something.
    let groups = getgrouplist(&own_name, Gid::from_raw(gid)).ok()?;
    let mut groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).filter(|&group| group != gid).collect();
    groups.insert(0, gid);
    Some(Account {
        name,
        uid: entry.uid(),
        gid,
        groups,
        home: entry.home_dir().to_path_buf(),
        shell: entry.shell().to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_with_its_own_group() {
        let root = by_name("root").expect("every machine has root");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
    }

    #[test]
    fn nobody_is_given_the_group_of_root() {
        let nobody = by_name("nobody").expect("every machine has nobody");
        assert!(!nobody.groups.contains(&0), "{nobody:?}");
        assert!(nobody.groups.contains(&nobody.gid));
    }

    #[test]
    fn a_name_with_a_nul_byte_is_unknown() {
        assert_eq!(by_name("root\0"), None);
    }

    #[test]
    fn a_group_without_a_name_goes_by_its_number() {
        assert_eq!(group_names(&[0, 3_999_999_999]), ["root", "3999999999"]);
    }

    #[test]
    fn the_current_account_has_the_uid_of_this_process() {
        assert_eq!(current().uid, getuid().as_raw());
    }
}
