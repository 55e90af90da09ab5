//! Users who have no account on the machine: a TOML file with hashes of their passwords.
//!
//! The file is read for each attempt, by the worker alone, and what was read is overwritten at once: sessions are
//! forked from the worker and must not inherit the hashes of others.
//!
//! ```toml
//! [bob]
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"
//! account = "ftp-users"      # the system account he runs as; not needed where the daemon is not root
//! root-dir = "/srv/bob"      # as in [session], which also holds where this is absent
//! permissions = "elr"        # as in [session]
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use serde::Deserialize;

use crate::config::{Config, Permissions, RootDir};
use crate::ipc::messages::Password;
use crate::system::memory::wipe;
use crate::system::{Doing, Failure, inherited};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// What a hash may cost to check: KiB of memory, passes over it, lanes. More could stop the machine.
const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// A user whose password was right.
#[derive(Debug, PartialEq)]
pub struct VirtualUser {
    /// The system account that he runs as.
    pub account: Option<String>,
    /// His own root directory.
    pub root_dir: Option<RootDir>,
    /// His own permissions.
    pub permissions: Option<Permissions>,
}

/// What the file says of a name and a password.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The name is there and the password is his.
    Right(VirtualUser),
    /// The name is there and the password is not his.
    Wrong,
    /// There is no such name.
    Unknown,
}

/// Why the file cannot be asked. Never contains anything of the file but names of users.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    System(Failure),
    /// It is not what it should be.
    Malformed {
        /// The line, counted from 1, where it is known.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// The hash of this user cannot be used.
    Hash {
        /// Whose.
        user: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::System(failure) => write!(f, "users-file: {failure}"),
            Error::Malformed { line: Some(line), reason } => write!(f, "users-file, line {line}: {reason}"),
            Error::Malformed { line: None, reason } => write!(f, "users-file: {reason}"),
            Error::Hash { user, reason } => write!(f, "users-file: the password of {user:?}: {reason}"),
        }
    }
}

/// The users file of this configuration, for a virtual host if there is one. `None`: it has none.
pub fn open(config: &Config, host: Option<&str>) -> Result<Option<UsersFile>, Error> {
    match (config.inherited_users, config.users_file(host)) {
        (Some(number), _) => inherited::duplicate(number).map_err(Error::System).map(|file| {
            // What was inherited has no name that others could open it by.
            Some(UsersFile { file, is_exposed: false })
        }),
        (None, Some(path)) => UsersFile::open(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// An open users file.
pub struct UsersFile {
    file: File,
    is_exposed: bool,
}

impl UsersFile {
    fn open(path: &Path) -> Result<UsersFile, Error> {
        let doing = || format!("open {}", path.display());
        let file = File::open(path).doing(doing).map_err(Error::System)?;
        let found = file.metadata().doing(doing).map_err(Error::System)?;
        // Readable by others, or writable by anybody but the owner.
        Ok(UsersFile { is_exposed: found.mode() & 0o026 != 0, file })
    }

    /// Whether others than its owner and group may read the file, or others than its owner write it.
    pub fn is_exposed(&self) -> bool {
        self.is_exposed
    }

    /// Checks a password. A name that is not there costs as much time as one that is.
    pub fn verify(&self, name: &str, password: &Password) -> Result<Verdict, Error> {
        verify(&self.read()?, name, password)
    }

    fn read(&self) -> Result<Secret, Error> {
        let doing = || "read".to_string();
        let size = self.file.metadata().doing(doing).map_err(Error::System)?.len();
        if size > MAX_FILE {
            let reason = format!("has more than {MAX_FILE} bytes");
            return Err(Error::Malformed { line: None, reason });
        }
        // All the room at once: a buffer that grows leaves copies of its content behind.
        let mut content = Secret(vec![0; size as usize]);
        let mut filled = 0;
        while filled < content.0.len() {
            match self.file.read_at(&mut content.0[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing(doing).map_err(Error::System),
            }
        }
        content.0.truncate(filled);
        Ok(content)
    }
}

/// A hash for a users file, with a salt of its own.
pub(crate) fn hash(password: &[u8]) -> Result<String, Failure> {
    let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(io::Error::other).doing(|| "hash a password".into())
}

/// Bytes that are overwritten when dropped.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry<'a> {
    // Borrowed from the content, which is wiped; no copy of a hash is made on the way.
    #[serde(borrow)]
    password: &'a str,
    account: Option<String>,
    root_dir: Option<String>,
    permissions: Option<String>,
}

fn verify(content: &Secret, name: &str, password: &Password) -> Result<Verdict, Error> {
    let malformed = |line, reason: &str| Error::Malformed { line, reason: reason.into() };
    let text = str::from_utf8(&content.0).map_err(|_| malformed(None, "is not UTF-8"))?;
    let entries: BTreeMap<String, Entry<'_>> = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        // "invalid type: …" quotes the value, which might be a password that somebody forgot to hash.
        let is_quoting = error.message().starts_with("invalid");
        malformed(line, if is_quoting { "a value of the wrong kind" } else { error.message() })
    })?;
    let Some(entry) = entries.get(name) else {
        waste_time(entries.values().next().map(|entry| entry.password), password);
        return Ok(Verdict::Unknown);
    };
    let unusable = |key: &str, reason: String| malformed(None, &format!("{key} of {name:?}: {reason}"));
    let user = VirtualUser {
        account: entry.account.clone(),
        root_dir: entry
            .root_dir
            .as_deref()
            .map(|text| text.parse().map_err(|reason| unusable("root-dir", reason)))
            .transpose()?,
        permissions: entry
            .permissions
            .as_deref()
            .map(|text| text.parse().map_err(|reason| unusable("permissions", reason)))
            .transpose()?,
    };
    Ok(if is_right(name, entry.password, password)? { Verdict::Right(user) } else { Verdict::Wrong })
}

/// The work of a real check, at the price of a hash that this file has; without the hash, which is another's.
fn waste_time(other: Option<&str>, password: &Password) {
    let costs = other
        .and_then(|hash| hash.rsplit_once('$'))
        .and_then(|(without_hash, _)| PasswordHash::new(without_hash).ok())
        .and_then(|parsed| Params::try_from(&parsed).ok())
        .filter(is_affordable)
        .unwrap_or_default();
    let wasted: Result<PasswordHash, _> = Argon2::from(costs).hash_password(password.as_bytes());
    drop(wasted);
}

fn is_affordable(costs: &Params) -> bool {
    costs.m_cost() <= MAX_MEMORY && costs.t_cost() <= MAX_PASSES && costs.p_cost() <= MAX_LANES
}

fn is_right(user: &str, hash: &str, password: &Password) -> Result<bool, Error> {
    let unusable = |reason: &str| Error::Hash { user: user.into(), reason: reason.into() };
    let hash = PasswordHash::new(hash).map_err(|_| unusable("is no hash"))?;
    if hash.algorithm.as_str() != "argon2id" {
        return Err(unusable("is not hashed with argon2id"));
    }
    let costs = Params::try_from(&hash).map_err(|_| unusable("is no argon2id hash"))?;
    if !is_affordable(&costs) {
        return Err(unusable("costs too much to check (m=262144,t=16,p=16 is the most)"));
    }
    match Argon2::default().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(unusable("cannot be checked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // argon2id of "letmein", cheap to check.
    fn cheap() -> String {
        let costs = Params::new(8, 1, 1, None).unwrap();
        let hash: PasswordHash = Argon2::from(costs).hash_password(b"letmein").unwrap();
        hash.to_string()
    }

    fn secret(text: &str) -> Password {
        Password::new(text.as_bytes().to_vec())
    }

    fn ask(file: &str, name: &str, password: &str) -> Result<Verdict, Error> {
        verify(&Secret(file.as_bytes().to_vec()), name, &secret(password))
    }

    fn bob(lines: &str) -> String {
        format!("[bob]\npassword = \"{}\"\n{lines}", cheap())
    }

    fn complaint(file: &str) -> String {
        ask(file, "bob", "letmein").unwrap_err().to_string()
    }

    #[test]
    fn the_right_password_tells_what_the_file_says_of_the_user() {
        let file = bob("account = \"www\"\nroot-dir = \"/srv/%u\"\npermissions = \"elr\"\n");
        let expected = VirtualUser {
            account: Some("www".into()),
            root_dir: Some("/srv/%u".parse().unwrap()),
            permissions: Some(Permissions::READ),
        };
        assert_eq!(ask(&file, "bob", "letmein").unwrap(), Verdict::Right(expected));
    }

    #[test]
    fn a_wrong_password_and_an_unknown_name_are_told_apart_for_the_log() {
        assert_eq!(ask(&bob(""), "bob", "letmeout").unwrap(), Verdict::Wrong);
        assert_eq!(ask(&bob(""), "bob", "").unwrap(), Verdict::Wrong);
        assert_eq!(ask(&bob(""), "eve", "letmein").unwrap(), Verdict::Unknown);
        assert_eq!(ask("", "eve", "letmein").unwrap(), Verdict::Unknown);
    }

    #[test]
    fn what_hash_makes_can_be_verified() {
        let file = format!("[bob]\npassword = '{}'", hash(b"s3cret").unwrap());
        assert!(matches!(ask(&file, "bob", "s3cret").unwrap(), Verdict::Right(_)));
        assert_ne!(hash(b"s3cret").unwrap(), hash(b"s3cret").unwrap());
    }

    #[test]
    fn a_file_with_a_fault_lets_nobody_in_and_says_where_it_is() {
        let fault = complaint(&bob("perm = 1\n"));
        assert!(fault.starts_with("users-file, line 3: unknown field `perm`"), "{fault}");
        assert!(!fault.contains("argon2id"), "{fault}");
        assert_eq!(complaint("[bob]\npassword = 12345"), "users-file, line 2: a value of the wrong kind");
        assert_eq!(
            complaint(&bob("permissions = \"xyz\"\n")).split(": ").nth(1),
            Some("permissions of \"bob\"")
        );
    }

    #[test]
    fn hashes_that_are_foreign_or_cost_too_much_are_refused() {
        let with = |hash: &str| complaint(&format!("[bob]\npassword = '{hash}'"));
        let rest = "c2FsdHNhbHQ$4oVQpTSUYdQJzVGLFfN4PRj7tTXmaVtGnRUVy9m1RIk";
        assert!(with("letmein").contains("is no hash"));
        assert!(with(&format!("$argon2i$v=19$m=64,t=1,p=1${rest}")).contains("is not hashed with argon2id"));
        assert!(with(&format!("$argon2id$v=19$m=262145,t=1,p=1${rest}")).contains("costs too much"));
        assert!(with(&format!("$argon2id$v=19$m=64,t=17,p=1${rest}")).contains("costs too much"));
    }

    #[test]
    fn a_file_that_others_may_read_is_found_out() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("ftpd-users-{}", std::process::id()));
        std::fs::write(&path, bob("")).unwrap();
        let mut found = Vec::new();
        for mode in [0o600, 0o640, 0o644, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            found.push(UsersFile::open(&path).unwrap().is_exposed());
        }
        let verdict = UsersFile::open(&path).unwrap().verify("bob", &secret("letmein"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found, [false, false, true, true]);
        assert!(matches!(verdict.unwrap(), Verdict::Right(_)));
    }
}
