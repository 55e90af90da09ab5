//! An entry of the users file that is being made or changed: options from the command line, checked before they are
//! written.

use std::collections::BTreeSet;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::edit::Edited;
use crate::config::users::{NEXT_UID, UsersText, read_answer};
use crate::config::{Config, Problem};
use crate::users::examine::problems_of;
use crate::users::{file, uids};

/// Sets an option of an entry to what the command line says. Text needs no quotes there.
pub fn set(table: &mut Table, key: &str, text: &str) -> Result<(), String> {
    // `1` may be a number, and also what somebody wants to remember: the option decides.
    let as_toml = text.parse::<Value>().ok().filter(|value| !value.is_datetime());
    let as_text = Value::from(text);
    let fault = |value: &Value| {
        let line = format!("{key} = {}\n", value.to_string().trim());
        read_answer(Path::new(key), "user", &line).err().and_then(|error| error.problems.into_iter().next())
    };
    let (value, fault) = match as_toml.map(|value| (fault(&value), value)) {
        Some((None, value)) => (value, None),
        // Text may be right where a number is not; if neither is, what was meant is what it looks like.
        Some((looks_wrong, _)) => match fault(&as_text) {
            None => (as_text, None),
            Some(_) => (as_text, looks_wrong),
        },
        None => {
            let fault = fault(&as_text);
            (as_text, fault)
        }
    };
    match fault {
        None => put(table, key, value),
        Some(Problem { reason, .. }) => return Err(format!("{key}: {reason}")),
    }
    Ok(())
}

/// Sets an option, and leaves what stands around it.
pub fn put(table: &mut Table, key: &str, mut value: Value) {
    if let Some(Item::Value(before)) = table.get(key) {
        *value.decor_mut() = before.decor().clone();
    }
    table.insert(key, Item::Value(value));
}

/// Gives him a number of his own that nobody has.
pub fn put_own_uid(table: &mut Table, edited: &mut Document<'_>) -> Result<(), String> {
    let range = edited.config.login.uid_range.ok_or(
        "there is no uid-range in the configuration that numbers could be taken from (see ftpd.toml(5))",
    )?;
    let uid = uids::free(range, edited.next_uid(), &edited.taken_uids()?)
        .ok_or_else(|| format!("all of uid-range, {range}, is taken"))?;
    put(table, "uid", i64::from(uid).into());
    edited.document.insert(NEXT_UID, Item::Value(i64::from(uid + 1).into()));
    Ok(())
}

/// Everything that is wrong with an entry as it is to be written.
pub fn faults(path: &Path, document: &DocumentMut, name: &str, config: &Config) -> Result<(), String> {
    let text = document.to_string();
    let users = UsersText::parse(Some(path), &text).map_err(|error| error.to_string())?;
    let problems = match users.entry(name) {
        Some(Ok(entry)) => problems_of(&entry, name, config),
        Some(Err(error)) => error.problems,
        None => return Err(format!("{name:?} is no name for a user")),
    };
    // Where it would stand in the file helps nobody: it does not stand there.
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place.as_deref().unwrap_or(name), problem.reason))
        .collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

/// A document that is being changed, and the configuration that it belongs to.
pub struct Document<'a> {
    /// What is to stand in the file.
    pub document: &'a mut DocumentMut,
    /// The configuration that names the file.
    pub config: &'a Config,
}

impl Document<'_> {
    /// The entry of this user.
    pub fn entry(&mut self, name: &str) -> Option<&mut Table> {
        self.document.get_mut(name)?.as_table_mut()
    }

    /// Adds an entry behind all others.
    pub fn add(&mut self, name: &str, mut table: Table) {
        let is_first = self.document.iter().all(|(_, item)| !item.is_table());
        let is_empty = self.document.is_empty();
        table.decor_mut().set_prefix(if is_first && is_empty { "" } else { "\n" });
        self.document.insert(name, Item::Table(table));
    }

    /// Removes an entry, with the comments in front of it; but what stands at the beginning of the file stays.
    pub fn remove(&mut self, name: &str) -> bool {
        let first = self.document.iter().find(|(_, item)| item.is_table()).map(|(name, _)| name.to_string());
        let Some(Item::Table(removed)) = self.document.remove(name) else { return false };
        let prefix = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        let heading = prefix.rfind("\n\n").map(|end| prefix[..end].to_string());
        if let (true, Some(heading)) = (first.as_deref() == Some(name), heading) {
            let next = self.document.iter_mut().find_map(|(_, item)| item.as_table_mut());
            match next {
                Some(next) => {
                    let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
                    let both = format!(
                        "{heading}\n{}",
                        if own.starts_with('\n') { own.into() } else { format!("\n{own}") }
                    );
                    next.decor_mut().set_prefix(both);
                }
                None => self.document.set_trailing(format!("{heading}\n")),
            }
        }
        true
    }

    fn next_uid(&self) -> Option<u32> {
        self.document.get(NEXT_UID)?.as_integer()?.try_into().ok()
    }

    /// The numbers of all users, in this file and in those of the virtual hosts, which share the range.
    fn taken_uids(&self) -> Result<BTreeSet<u32>, String> {
        let mut taken = BTreeSet::new();
        let mut take = |document: &DocumentMut| {
            let uids = document.iter().filter_map(|(_, item)| item.as_table()?.get("uid")?.as_integer());
            taken.extend(uids.filter_map(|uid| u32::try_from(uid).ok()));
        };
        take(self.document);
        for host in std::iter::once(None).chain(self.config.host.keys().map(|name| Some(name.as_str()))) {
            let Ok(Some(other)) = file::open(self.config, host) else { continue };
            let content = other.read().map_err(|error| error.to_string())?;
            let document: Option<DocumentMut> = content.text().and_then(|text| text.parse().ok());
            document.iter().for_each(&mut take);
        }
        Ok(taken)
    }
}

impl<'a> Document<'a> {
    /// The document of this file.
    pub fn of(edited: &'a mut Edited, config: &'a Config) -> Document<'a> {
        Document { document: &mut edited.document, config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_text_or_what_they_must_be() {
        let mut table = Table::new();
        for (key, text) in [
            ("permissions", "elr"),
            ("uid", "70000"),
            ("comment", "70000"),
            ("expires", "2027-01-31"),
            ("disabled", "true"),
            ("groups", "[\"a\", \"b\"]"),
            ("home", "\"/srv/bob\""),
            ("login-message", "It's \"you\"."),
        ] {
            set(&mut table, key, text).unwrap();
        }
        assert_eq!(
            table.to_string(),
            "permissions = \"elr\"\nuid = 70000\ncomment = \"70000\"\nexpires = \"2027-01-31\"\ndisabled = true\n\
             groups = [\"a\", \"b\"]\nhome = \"/srv/bob\"\nlogin-message = \"It's \\\"you\\\".\"\n"
                .replace("\"It's \\\"you\\\".\"", "'It's \"you\".'")
                .replace("'It's \"you\".'", &Value::from("It's \"you\".").to_string())
        );
        assert_eq!(set(&mut table, "uid", "0").unwrap_err(), "uid: 0 is not from 1 to 4294967294");
        assert!(set(&mut table, "uidd", "1").unwrap_err().contains("did you mean uid?"));
    }

    #[test]
    fn comments_and_order_stay() {
        let config = Config::default();
        let mut document: DocumentMut =
            "# All of them.\n\n# Anne.\n[anne] # first\nuid = 1 # one\n\n# Bob.\n[bob]\nuid = 2\n"
                .parse()
                .unwrap();
        let mut users = Document { document: &mut document, config: &config };
        put(users.entry("anne").unwrap(), "uid", 7.into());
        users.add("carl", Table::new());
        assert_eq!(
            document.to_string(),
            "# All of them.\n\n# Anne.\n[anne] # first\nuid = 7 # one\n\n# Bob.\n[bob]\nuid = 2\n\n[carl]\n"
        );
        let mut users = Document { document: &mut document, config: &config };
        assert!(users.remove("anne") && !users.remove("anne"));
        assert_eq!(document.to_string(), "# All of them.\n\n# Bob.\n[bob]\nuid = 2\n\n[carl]\n");
        let mut users = Document { document: &mut document, config: &config };
        assert!(users.remove("carl") && users.remove("bob"));
        assert_eq!(document.to_string(), "# All of them.\n");
    }
}
