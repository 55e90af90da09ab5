//! The people of a world: what stands in its passwd, shadow and group files.

use std::path::PathBuf;

/// The password of every account that is not given another one.
pub const PASSWORD: &str = "wonderland";

/// `PASSWORD` by crypt(5) sha256crypt with as few rounds as it allows, since the tests log in often.
const FAST_HASH: &str = "$5$rounds=1000$Ftpd7Tests$hZYFLDUQ5dh2q6NVSNTYWZukgcR1U2pUxce/d86hXE5";
/// `PASSWORD` by yescrypt, what distributions use today.
const YESCRYPT_HASH: &str = "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$n8wp./sz5T73Kayo4hhF1Adx6PRJlUD4cTntY2tVe26";

/// A line of passwd(5) and the one of shadow(5) that belongs to it.
#[derive(Clone)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
    shell: String,
    hash: String,
    /// Day of the last change of the password, since 1970; 0 demands a new one.
    changed: u32,
    /// Day on which the account expires, since 1970.
    expires: Option<u32>,
}

impl Account {
    /// A person with the usual password and a home directory; his group has his name and number.
    pub fn new(name: &str, uid: u32) -> Account {
        Account {
            name: name.into(),
            uid,
            gid: uid,
            home: PathBuf::from("/home").join(name),
            shell: "/bin/sh".into(),
            hash: FAST_HASH.into(),
            changed: 20_000,
            expires: None,
        }
    }

    /// An account for a program: nobody can log in with a password.
    pub fn system(name: &str, uid: u32, home: &str) -> Account {
        Account {
            home: home.into(),
            shell: "/usr/sbin/nologin".into(),
            hash: "*".into(),
            ..Account::new(name, uid)
        }
    }

    pub fn shell(self, shell: &str) -> Account {
        Account { shell: shell.into(), ..self }
    }

    pub fn home(self, home: &str) -> Account {
        Account { home: home.into(), ..self }
    }

    /// Stores the password as distributions do today.
    pub fn yescrypt(self) -> Account {
        Account { hash: YESCRYPT_HASH.into(), ..self }
    }

    /// As `usermod -L` does it.
    pub fn locked(self) -> Account {
        Account { hash: format!("!{}", self.hash), ..self }
    }

    /// Without any password.
    pub fn without_password(self) -> Account {
        Account { hash: String::new(), ..self }
    }

    /// The account ended years ago.
    pub fn expired(self) -> Account {
        Account { expires: Some(10_000), ..self }
    }

    /// The password must be changed before it may be used.
    pub fn password_expired(self) -> Account {
        Account { changed: 0, ..self }
    }
}

/// A group that is not the own group of an account.
#[derive(Clone)]
pub struct Group {
    pub name: String,
    pub gid: u32,
    pub members: Vec<String>,
}

/// The text of passwd(5).
pub fn passwd(accounts: &[Account]) -> String {
    accounts
        .iter()
        .map(|a| format!("{}:x:{}:{}:{}:{}:{}\n", a.name, a.uid, a.gid, a.name, a.home.display(), a.shell))
        .collect()
}

/// The text of shadow(5).
pub fn shadow(accounts: &[Account]) -> String {
    let line = |a: &Account| {
        let expires = a.expires.map(|day| day.to_string()).unwrap_or_default();
        format!("{}:{}:{}:0:99999:7::{expires}:\n", a.name, a.hash, a.changed)
    };
    accounts.iter().map(line).collect()
}

/// The text of group(5): the own group of every account, then the others.
pub fn group(accounts: &[Account], groups: &[Group]) -> String {
    let own = accounts.iter().map(|a| format!("{}:x:{}:\n", a.name, a.gid));
    let shared = groups.iter().map(|g| format!("{}:x:{}:{}\n", g.name, g.gid, g.members.join(",")));
    own.chain(shared).collect()
}
