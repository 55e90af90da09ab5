//! Names of commands, for lists of what is not obeyed.

use std::fmt;
use std::str::FromStr;

use super::value::text_values;

/// Without these a client could neither leave nor become somebody else.
const INDISPENSABLE: &[&str] = &["BYE", "QUIT", "REIN", "USER"];

/// Other names of commands. Who takes a command away does not want it back by its old name.
const ALIASES: &[(&str, &str)] =
    &[("P@SW", "PASV"), ("XCUP", "CDUP"), ("XCWD", "CWD"), ("XMKD", "MKD"), ("XPWD", "PWD"), ("XRMD", "RMD")];

/// The name of a command, or the first word of several, in capital letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandName(String);

impl CommandName {
    /// Whether it is this command: the command itself, under another name, or one of those that it begins.
    pub fn names(&self, verb: &str) -> bool {
        let plain = ALIASES.iter().find(|(alias, _)| *alias == verb).map_or(verb, |(_, plain)| plain);
        let is_member = |verb: &str| verb.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with(' '));
        [verb, plain].contains(&self.0.as_str()) || is_member(verb)
    }
}

impl FromStr for CommandName {
    type Err = String;

    fn from_str(text: &str) -> Result<CommandName, String> {
        let name = text.to_ascii_uppercase();
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'@')
        };
        if name.split(' ').count() > 2 || !name.split(' ').all(is_word) {
            return Err(format!("{text:?} is no name of a command"));
        }
        if INDISPENSABLE.contains(&name.as_str()) {
            return Err(format!("{name} cannot be refused"));
        }
        Ok(CommandName(name))
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_values! {
    CommandName: "name of a command".into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_command_its_aliases_and_its_family() {
        let is = |name: &str, verb: &str| name.parse::<CommandName>().unwrap().names(verb);
        assert!(is("mkd", "MKD") && is("MKD", "XMKD") && !is("XMKD", "MKD") && !is("MKD", "RMD"));
        assert!(is("SITE", "SITE CHMOD") && is("site chmod", "SITE CHMOD"));
        assert!(!is("SITE CHMOD", "SITE CHGRP") && !is("SITE CHMOD", "SITE") && !is("SIT", "SITE CHMOD"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", " ", "A B C", "MKD\r\n", "A  B", "QUIT", "user"] {
            assert!(bad.parse::<CommandName>().is_err(), "{bad:?}");
        }
    }
}
