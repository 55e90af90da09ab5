//! The users file as text: THE LIST of what an entry may say, and how entries are found and read.
//!
//! The daemon's configuration and this file have the same form; an entry is a section with options of its own, beside
//! which any option of `[session]` may stand. ftpd-users(5) is made of the list.

use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accounts::Date;
use super::declare::{Options, section};
use super::error::{Error, Problem};
use super::reader::{Places, Reader, bare_or_quoted};
use super::rules::Spot;
use super::value::{Value, Wrong};
use super::{AbsolutePath, Count, QuotaOf, SessionOverrides, UidRange};

section! {
    /// A user who has no account on the machine.
    [entry] UserOptions {
        /// The hash of the password, in the form of crypt(5), as `ftpd user passwd` writes it: argon2id, yescrypt, scrypt,
        /// bcrypt, sha512-crypt or sha256-crypt.
        password: Option<HashText>, such as "$y$j9T$...";
        /// The system account that his sessions run as. It cannot be root.
        account: Option<String>, such as "ftp-users";
        /// The number that his sessions run as, in place of `account`: no account of the machine has it, so that the kernel
        /// keeps him apart from everybody else. It is one of `uid-range` in ftpd.toml(5); `ftpd user add` finds a free one.
        uid: Option<Count<1, { u32::MAX - 1 }>>, such as 70000;
        /// The group that goes with `uid`, which others may belong to, too. If not set: a group with the number of `uid`,
        /// which nobody else has.
        group: Option<String>, such as "ftp-team";
        /// Names that count as groups of his in `[group.NAME]` and in the lists of groups of ftpd.toml(5). They give no
        /// rights in the file system.
        groups: Vec<String> = [], such as ["staff"];
        /// His home directory. If not set: that of `account`; with `uid`, he has none. `/./` in it divides what he is locked
        /// into from where he starts.
        home: Option<AbsolutePath>, such as "/srv/ftp/bob";
        /// The first day on which he cannot log in any more, in universal time.
        expires: Option<Date>, such as "2027-12-31";
        /// Whether he is shut out. His entry and his number stay his.
        disabled: bool = false;
        /// Whether he is the account of the machine that has his name: this password takes the place of PAM's check, and
        /// all else is as for an account (the shell, `min-uid`, what PAM says of the account, its session). `account`, `uid`
        /// and `group` cannot stand beside it.
        system: bool = false;
        /// What an administrator wants to remember.
        comment: Option<String>, such as "Accounting, until the move";
    }
}

/// Numbers that `ftpd user add` has given away are not given again: the next one is remembered under this name.
pub const NEXT_UID: &str = "next-uid";

/// The hash of a password: is never printed, and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct HashText(String);

impl HashText {
    /// The hash, as the file has it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Drop for HashText {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        crate::system::memory::wipe(&mut bytes);
    }
}

impl fmt::Debug for HashText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashText(…)")
    }
}

impl Value for HashText {
    fn kind() -> String {
        "hash of a password".into()
    }

    /// What is wrong here may be a password that somebody forgot to hash: nothing of it is told.
    fn read(value: &Spanned<DeValue<'_>>) -> Result<HashText, Wrong> {
        match value.get_ref().as_str() {
            Some(text) => Ok(HashText(text.to_string())),
            None => Err(Wrong::new(value, "wants the hash of a password, as text in quotes".into())),
        }
    }

    fn write(&self) -> Option<String> {
        Some(super::values::quote(&self.0))
    }
}

/// What the file says of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserEntry {
    /// What only users in the file have.
    pub own: UserOptions,
    /// What of `[session]` is different for him.
    pub session: SessionOverrides,
    name: String,
    /// The line where his section begins.
    line: Option<usize>,
    places: Places,
}

impl UserEntry {
    /// A problem with an option of his, with the file and line where it stands, or where it could stand.
    pub fn problem(&self, key: &str, reason: impl Into<String>) -> Problem {
        let problem = self.places.problem(&bare_or_quoted(&self.name), key, reason.into());
        Problem { line: problem.line.or(self.line), ..problem }
    }

    /// Where his permissions are said, if they are.
    pub fn permissions_at(&self) -> Option<Spot> {
        self.session.permissions?;
        let problem = self.problem("permissions", "");
        Some(Spot { section: bare_or_quoted(&self.name), file: problem.path, line: problem.line })
    }

    /// The names of all options that an entry may have.
    pub fn keys() -> Vec<&'static str> {
        [UserOptions::KEYS, SessionOverrides::KEYS].concat()
    }

    /// What is contradictory or cannot be, wherever the file is read. `range`: the uids that are for users of files.
    pub fn objections(&self, range: Option<UidRange>) -> Vec<Problem> {
        let own = &self.own;
        let mut problems = Vec::new();
        for (key, is_set) in
            [("account", own.account.is_some()), ("uid", own.uid.is_some()), ("group", own.group.is_some())]
        {
            if own.system && is_set {
                problems.push(self.problem(key, "has no place beside system = true"));
            }
        }
        if own.account.is_some() && own.uid.is_some() {
            problems.push(self.problem("uid", "has no place beside account"));
        }
        if own.group.is_some() && own.uid.is_none() && !own.system {
            problems.push(self.problem("group", "has no place without uid"));
        }
        if let Some(uid) = own.uid {
            match range {
                Some(range) if range.uids().contains(&uid.get()) => {}
                Some(range) => {
                    problems.push(self.problem("uid", format!("is not within uid-range, {range}")))
                }
                None => problems.push(self.problem("uid", "needs uid-range in the configuration")),
            }
        }
        problems
    }

    fn read(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let place = bare_or_quoted(&self.name);
        for (key, value) in table {
            if self.own.read_option(key, value, reader, &place)
                || self.session.read_option(key, value, reader, &place)
            {
                continue;
            }
            if value.get_ref().is_table() {
                let name = format!("{}.{}", self.name, key.get_ref());
                let reason = format!("a name with dots in it stands in quotes, as in [\"{name}\"]");
                reader.wrong(key.span().start, format!("[{place}.{}]", key.get_ref()), reason);
                continue;
            }
            reader.unknown_option(&place, key, &UserEntry::keys());
        }
        // What is said of one user is meant for one user.
        if self.session.quota_bytes.is_some() || self.session.quota_files.is_some() {
            self.session.quota_of.get_or_insert(QuotaOf::User);
        }
    }
}

/// A users file that is TOML. Entries are read when they are asked for: what is wrong with one is nobody else's trouble.
pub struct UsersText<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> UsersText<'a> {
    /// Finds the entries. An error contains nothing of the file but names.
    pub fn parse(path: Option<&'a Path>, text: &'a str) -> Result<UsersText<'a>, Error> {
        let mut reader = Reader::of(path, text);
        let table = reader.document()?;
        for (name, value) in &table {
            let is_good = match name.get_ref().as_ref() {
                NEXT_UID => value.get_ref().is_integer() || value.get_ref().is_table(),
                _ => value.get_ref().is_table(),
            };
            if !is_good {
                let reason = "stands in no section; [NAME] begins what is said of a user".to_string();
                reader.wrong(name.span().start, name.get_ref().to_string(), reason);
            }
        }
        reader.finish()?;
        Ok(UsersText { path, text, table })
    }

    /// The names of all users, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables().map(|(name, _)| name)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tables().count()
    }

    /// What is said of this user. None: nothing.
    pub fn entry(&self, name: &str) -> Option<Result<UserEntry, Error>> {
        let (key, value) = self.table.get_key_value(name)?;
        let table = value.get_ref().as_table()?;
        let mut reader = Reader::of(self.path, self.text);
        let line = Some(reader.line_of(key.span().start));
        let mut entry = UserEntry { name: name.to_string(), line, ..UserEntry::default() };
        entry.read(table, &mut reader);
        Some(reader.finish().map(|places| UserEntry { places, ..entry }))
    }

    /// The hash of somebody, the same one for the same number.
    pub fn some_hash(&self, number: usize) -> Option<&str> {
        let count = self.count();
        let (_, table) = self.tables().nth(number.checked_rem(count)?)?;
        table.get("password")?.get_ref().as_str()
    }

    /// The number that `ftpd user add` gives next, at least.
    pub fn next_uid(&self) -> Option<u32> {
        self.table.get(NEXT_UID)?.get_ref().as_integer()?.as_str().parse().ok()
    }

    fn tables(&self) -> impl Iterator<Item = (&str, &DeTable<'a>)> {
        self.table
            .iter()
            .filter_map(|(name, value)| Some((name.get_ref().as_ref(), value.get_ref().as_table()?)))
    }
}

/// What is said of a user without a file: options one a line, without a section. `source` is what gave the answer.
pub fn read_answer(source: &Path, name: &str, text: &str) -> Result<UserEntry, Error> {
    let mut reader = Reader::of(Some(source), text);
    let table = reader.document()?;
    let mut entry = UserEntry { name: name.to_string(), ..UserEntry::default() };
    entry.read(&table, &mut reader);
    reader.finish().map(|places| UserEntry { places, ..entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, name: &str) -> Result<UserEntry, String> {
        let users = UsersText::parse(Some(Path::new("u")), text).map_err(|error| error.to_string())?;
        users.entry(name).expect("there is an entry").map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_has_options_of_its_own_and_those_of_a_session() {
        let text = "[bob]\npassword = '$6$x'\nuid = 70000\nexpires = \"2027-01-31\"\npermissions = \"elr\"\n[\"a.b\"]\n";
        let bob = entry(text, "bob").unwrap();
        assert_eq!(bob.own.uid.map(Count::get), Some(70000));
        assert_eq!(bob.own.password.as_ref().map(HashText::text), Some("$6$x"));
        assert_eq!(bob.session.permissions.map(|letters| letters.to_string()).as_deref(), Some("elr"));
        assert!(!format!("{bob:?}").contains("$6$x"));
        assert_eq!(bob.session.quota_of, None);
        assert_eq!(entry(text, "a.b").unwrap().own, UserOptions::default());
    }

    #[test]
    fn a_quota_in_an_entry_is_the_users_own_unless_it_says_otherwise() {
        let of = |text: &str| entry(&format!("[bob]\n{text}"), "bob").unwrap().session.quota_of;
        assert_eq!(of("quota-bytes = \"1G\""), Some(QuotaOf::User));
        assert_eq!(of("quota-files = 3\nquota-of = \"root\""), Some(QuotaOf::Root));
        assert_eq!(of("quota-recount = 3"), None);
    }

    #[test]
    fn a_fault_names_file_line_user_and_option() {
        let fault = |text: &str| entry(text, "bob").unwrap_err();
        assert_eq!(fault("[bob]\nuid = 0\n"), "u:2: [bob] uid: 0 is not from 1 to 4294967294");
        assert_eq!(
            fault("[bob]\nacount = 1\n"),
            "u:2: [bob] acount: there is no such option (did you mean account?)"
        );
        assert_eq!(
            fault("[bob]\npassword = 12345\n"),
            "u:2: [bob] password: wants the hash of a password, as text in quotes"
        );
        assert!(fault("[bob.x]\nuid = 70000\n").contains("stands in quotes, as in [\"bob.x\"]"));
    }

    #[test]
    fn a_fault_of_one_is_no_fault_of_another() {
        let text = "[bob]\nuid = 0\n[carl]\nuid = 70000\n";
        assert!(entry(text, "bob").is_err() && entry(text, "carl").is_ok());
    }

    #[test]
    fn what_is_no_toml_has_no_entries() {
        let fault = |text: &str| entry(text, "bob").unwrap_err();
        assert_eq!(fault("[bob]\npassword = secret\n"), "u:2:12: text stands in quotes");
        assert!(fault("[bob]\n[bob]\n").starts_with("u:2:"));
        assert_eq!(
            fault("password = 'secret'\n[bob]\n"),
            "u:1: password: stands in no section; [NAME] begins what is said of a user"
        );
    }

    #[test]
    fn contradictions_are_found() {
        let range = Some("70000-70009".parse().unwrap());
        let objections = |text: &str, range| {
            let entry = entry(&format!("[bob]\n{text}"), "bob").unwrap();
            entry.objections(range).iter().map(Problem::to_string).collect::<Vec<_>>()
        };
        assert_eq!(objections("uid = 70009\ngroup = \"x\"", range), [""; 0]);
        assert_eq!(
            objections("uid = 70010", range),
            ["u:2: [bob] uid: is not within uid-range, 70000-70009"]
        );
        assert_eq!(objections("uid = 70000", None), ["u:2: [bob] uid: needs uid-range in the configuration"]);
        assert_eq!(objections("uid = 70000\naccount = \"ftp\"", range).len(), 1);
        assert_eq!(objections("group = \"x\"", range).len(), 1);
        assert_eq!(objections("system = true\naccount = \"x\"", range).len(), 1);
    }

    #[test]
    fn somebody_is_always_the_same_somebody() {
        let text = "next-uid = 70002\n[a]\npassword = '1'\n[b]\npassword = '2'\n[c]\n";
        let users = UsersText::parse(None, text).unwrap();
        assert_eq!(users.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(
            [0, 1, 2, 3].map(|number| users.some_hash(number)),
            [Some("1"), Some("2"), None, Some("1")]
        );
        assert_eq!(users.next_uid(), Some(70002));
        assert_eq!(UsersText::parse(None, "").unwrap().some_hash(7), None);
    }
}
