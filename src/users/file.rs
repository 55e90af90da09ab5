//! The users file as it is asked at a login: who is in it, and whether the password is right.
//!
//! The file is read for each attempt, by the worker alone, and what was read is overwritten at once: sessions are
//! forked from the worker and must not inherit the hashes of others.

use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::hashes::{self, Hash};
use crate::config::users::{HashText, UserEntry, UsersText};
use crate::config::{self, Config, HashKind};
use crate::ipc::messages::Password;
use crate::system::memory::wipe;
use crate::system::{Doing, Failure, inherited};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What the file says of a name and a password.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The name is there and the password is his, if there was one to check.
    Right(Box<UserEntry>),
    /// The name is there and the password is not his.
    Wrong,
    /// There is no such name.
    Unknown,
}

/// Why the file cannot be asked, or not about this user. Never contains anything of the file but names and options.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    System(Failure),
    /// It is not what it should be.
    Content(config::Error),
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Error {
        Error::Content(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::System(failure) => write!(f, "users-file: {failure}"),
            Error::Content(error) => {
                let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
                write!(f, "users-file: {}", problems.join("; "))
            }
        }
    }
}

/// The users file of this configuration, for a virtual host if there is one. `None`: it has none.
pub fn open(config: &Config, host: Option<&str>) -> Result<Option<UsersFile>, Error> {
    match (config.inherited_users, config.users_file(host)) {
        (Some(number), _) => inherited::duplicate(number).map_err(Error::System).map(|file| {
            // What was inherited has no name that others could open it by.
            Some(UsersFile { file, path: None, is_exposed: false })
        }),
        (None, Some(path)) => UsersFile::open(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// An open users file.
pub struct UsersFile {
    file: File,
    path: Option<PathBuf>,
    is_exposed: bool,
}

impl UsersFile {
    /// Opens this file.
    pub fn open(path: &Path) -> Result<UsersFile, Error> {
        let doing = || format!("open {}", path.display());
        let file = File::open(path).doing(doing).map_err(Error::System)?;
        let found = file.metadata().doing(doing).map_err(Error::System)?;
        // Readable by others, or writable by anybody but the owner.
        Ok(UsersFile { path: Some(path.to_path_buf()), is_exposed: found.mode() & 0o026 != 0, file })
    }

    /// Whether others than its owner and group may read the file, or others than its owner write it.
    pub fn is_exposed(&self) -> bool {
        self.is_exposed
    }

    /// What stands in it.
    pub fn read(&self) -> Result<Content, Error> {
        let doing = || "read".to_string();
        let size = self.file.metadata().doing(doing).map_err(Error::System)?.len();
        if size > MAX_FILE {
            let cause = io::Error::other(format!("has more than {MAX_FILE} bytes"));
            return Err(Error::System(Failure { doing: doing(), cause }));
        }
        // All the room at once: a buffer that grows leaves copies of its content behind.
        let mut bytes = Secret(vec![0; size as usize]);
        let mut filled = 0;
        while filled < bytes.0.len() {
            match self.file.read_at(&mut bytes.0[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing(doing).map_err(Error::System),
            }
        }
        bytes.0.truncate(filled);
        Ok(Content { path: self.path.clone(), bytes })
    }

    /// Looks for a name, whatever its password.
    pub fn find(&self, name: &str) -> Result<Verdict, Error> {
        let content = self.read()?;
        match content.users()?.entry(name) {
            Some(entry) => Ok(Verdict::Right(Box::new(entry?))),
            None => Ok(Verdict::Unknown),
        }
    }

    /// Checks a password. A name that is not there costs as much time as one that is: as somebody who is, always the same
    /// for a name, or as a hash of this kind where nobody is.
    pub fn verify(&self, name: &str, password: &Password, kind: HashKind) -> Result<Verdict, Error> {
        let content = self.read()?;
        let users = content.users()?;
        let password = password.as_bytes();
        let waste_time = || {
            // Which one it is depends on what only the file knows, and is the same for a name until the file changes.
            let mut hasher = DefaultHasher::new();
            (users.some_hash(0), name).hash(&mut hasher);
            hashes::waste_time(users.some_hash(hasher.finish() as usize), kind, password);
        };
        let Some(entry) = users.entry(name) else {
            waste_time();
            return Ok(Verdict::Unknown);
        };
        let entry = entry.inspect_err(|_| waste_time())?;
        let hash = entry.own.password.as_ref().map(HashText::text).map(Hash::read);
        match hash {
            Some(Ok(hash)) if hash.is_of(password) => Ok(Verdict::Right(Box::new(entry))),
            Some(Ok(_)) => Ok(Verdict::Wrong),
            Some(Err(reason)) => {
                waste_time();
                Err(config::Error { problems: vec![entry.problem("password", reason)] }.into())
            }
            None => {
                waste_time();
                Err(config::Error { problems: vec![entry.problem("password", "is missing")] }.into())
            }
        }
    }
}

/// What stands in a users file; overwritten when dropped.
pub struct Content {
    path: Option<PathBuf>,
    bytes: Secret,
}

impl Content {
    /// The users in it.
    pub fn users(&self) -> Result<UsersText<'_>, config::Error> {
        let text = self.text().ok_or_else(|| config::Error {
            problems: vec![config::Problem {
                path: self.path.clone(),
                line: None,
                column: None,
                place: None,
                reason: "is not UTF-8".into(),
            }],
        })?;
        UsersText::parse(self.path.as_deref(), text)
    }

    /// The text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.bytes.0).ok()
    }
}

/// Bytes that are overwritten when dropped.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Password {
        Password::new(text.as_bytes().to_vec())
    }

    /// sha512-crypt of "letmein", cheap to check.
    const CHEAP: &str = "$6$rounds=1000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/";

    fn ask(text: &str, name: &str, password: &str) -> Result<Verdict, String> {
        let path = std::env::temp_dir().join(format!("ftpd-users-{:?}", std::thread::current().id()));
        std::fs::write(&path, text).unwrap();
        let file = UsersFile::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.verify(name, &secret(password), HashKind::Sha512Crypt).map_err(|error| error.to_string())
    }

    fn bob(more: &str) -> String {
        format!("[bob]\npassword = '{CHEAP}'\n{more}")
    }

    #[test]
    fn only_the_right_password_is_right() {
        assert!(matches!(ask(&bob(""), "bob", "letmein"), Ok(Verdict::Right(_))));
        for wrong in ["letmeout", "", "letmein "] {
            assert_eq!(ask(&bob(""), "bob", wrong), Ok(Verdict::Wrong));
        }
        assert_eq!(ask(&bob(""), "alice", "letmein"), Ok(Verdict::Unknown));
        assert_eq!(ask("", "alice", "letmein"), Ok(Verdict::Unknown));
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said_of_it_alone() {
        let text = bob("acount = 'x'\n")
            + &bob("").replace("[bob]", "[carl]")
            + "[dora]\npassword = '$1$a$b'\n[eve]\n";
        let fault = |name| ask(&text, name, "letmein").unwrap_err();
        assert!(fault("bob").contains(":3: [bob] acount: there is no such option"), "{}", fault("bob"));
        assert!(fault("dora").contains(":7: [dora] password: is hashed with md5-crypt"), "{}", fault("dora"));
        assert!(fault("eve").contains(":8: [eve] password: is missing"));
        assert!(matches!(ask(&text, "carl", "letmein"), Ok(Verdict::Right(_))));
    }

    #[test]
    fn what_is_no_toml_lets_nobody_in_and_shows_nothing() {
        let fault = ask(&bob("[[\n"), "bob", "letmein").unwrap_err();
        assert!(fault.contains(":3:") && !fault.contains("$6$"), "{fault}");
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
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found, [false, false, true, true]);
    }
}
