//! What a ledger of a quota says: where which number is, what its file is called, and what people are told of it.
//!
//! Sessions write the numbers, each as its user: whoever reads them for others takes them for what they are. The text behind
//! them is written by root alone.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::system::status::Status;
use crate::system::tree::Amount;

/// Where in the ledger which number is.
pub mod place {
    /// When everything was counted last, in seconds since 1970; 0: never.
    pub const COUNTED: usize = 0;
    /// Bytes that are there, and those that are paid for already.
    pub const BYTES: usize = 1;
    /// The same of names.
    pub const FILES: usize = 2;
    /// Changes that have begun and not ended. Who dies in the middle of one leaves it here.
    pub const ACTIVE: usize = 3;
    /// Not 0: the numbers are not to be trusted.
    pub const DOUBTFUL: usize = 4;
    /// Who pays for several ledgers at once, and may give back.
    pub const TRYING: usize = 5;
    /// All changes that have ever begun.
    pub const CHANGES: usize = 6;
}

/// Whether the numbers of a ledger say that everything should be counted anew, for a quota that wants that after so many
/// seconds (0: never). Who is active is no doubt if he is alive: it is asked where nobody can be.
pub fn is_doubtful(number: impl Fn(usize) -> u64, recount: u64) -> bool {
    let counted = number(place::COUNTED);
    let is_old = recount > 0 && now().saturating_sub(counted) >= recount;
    counted == 0 || is_old || number(place::ACTIVE) > 0 || number(place::DOUBTFUL) > 0
}

/// The time, as `place::COUNTED` has it.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// What counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything below the root directory of a session.
    Root,
    /// What of it belongs to this uid.
    Owner(u32),
    /// Everything in a directory that a `[quota.NAME]` is about.
    Section(String),
}

impl Scope {
    /// The name of the ledger of such a directory.
    pub fn ledger(&self, directory: &Status) -> String {
        let Status { device, inode, created, .. } = directory;
        // A number that is used again is of another time.
        let created = created.unwrap_or_default();
        let directory = format!("{device:x}-{inode:x}-{created:x}");
        match self {
            Scope::Root => format!("root.{directory}"),
            Scope::Owner(uid) => format!("user.{uid}.{directory}"),
            Scope::Section(name) => {
                let mut encoded = String::new();
                for byte in name.bytes() {
                    match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(byte as char),
                        _ => {
                            // A String takes what it is given.
                            let _ = write!(encoded, "%{byte:02x}");
                        }
                    }
                }
                format!("quota.{encoded}.{directory}")
            }
        }
    }
}

/// What people are told of a ledger: a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The name of the quota, where it has one; else empty.
    pub section: String,
    /// Whose files count; empty: those of all.
    pub user: String,
    /// The directory.
    pub path: String,
    /// Of how much there may be; u64::MAX: there is no limit.
    pub most: Amount,
}

impl About {
    /// As text.
    pub fn to_text(&self) -> String {
        let one_line = |text: &str| text.replace(char::is_control, "?");
        let Amount { bytes, files } = self.most;
        let [section, user, path] = [&self.section, &self.user, &self.path].map(|text| one_line(text));
        format!("{section}\n{user}\n{path}\n{bytes}\n{files}\n")
    }

    /// What a text says; None: it is none of these.
    pub fn of_text(text: &str) -> Option<About> {
        let mut lines = text.lines();
        let [section, user, path] = [lines.next()?, lines.next()?, lines.next()?].map(str::to_string);
        let most = Amount { bytes: lines.next()?.parse().ok()?, files: lines.next()?.parse().ok()? };
        Some(About { section, user, path, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::status::Kind;
    use proptest::prelude::*;

    #[test]
    fn each_directory_and_scope_has_a_ledger_of_its_own() {
        let status =
            Status { device: 0x1f, inode: 255, created: Some(16), ..Status::unknown(Kind::Directory) };
        assert_eq!(Scope::Root.ledger(&status), "root.1f-ff-10");
        assert_eq!(Scope::Owner(1000).ledger(&status), "user.1000.1f-ff-10");
        assert_eq!(Scope::Section("a/..b".into()).ledger(&status), "quota.a%2f%2e%2eb.1f-ff-10");
    }

    proptest! {
        #[test]
        fn what_is_told_is_read(bytes: u64, files: u64, section in "[ -~]*", path in "/[ -~é]*") {
            let about = About { section, user: String::new(), path, most: Amount { bytes, files } };
            prop_assert_eq!(About::of_text(&about.to_text()), Some(about));
        }
    }
}
