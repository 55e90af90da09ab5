//! What the configuration says to a command, without obeying it: for `ftpd explain`. The decisions are those of the session.

use std::os::fd::OwnedFd;

use super::arguments;
use super::authorize::{Answer, Object, Operation, Powers};
use super::files::Files;
use crate::protocol::command::Command;
use crate::protocol::path::FtpPath;

/// What a command asks to be allowed.
enum Asked {
    /// This, of the path it names.
    Of(Operation),
    /// To store a file of this name, whether there is one or not.
    Stored,
    /// To read the first path and store the second.
    Copied,
    /// To describe the first path and make a link of the second.
    Linked,
    /// To take a name away from something, and, if there is another RNTO behind it, to give it that name.
    Renamed,
    /// Nothing that has to be allowed.
    Nothing,
}

/// What is said to one thing that a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it is allowed.
    pub allowed: bool,
    /// To what, without symbolic links on the way.
    pub path: Option<FtpPath>,
    /// Why.
    pub reason: String,
}

/// Somebody's part of the file system and what he may do there, looked at from outside.
pub struct Explainer {
    files: Option<Files>,
    powers: Powers,
    start: FtpPath,
}

impl Explainer {
    /// `root`: what he sees as `/`, if it can be opened; otherwise names are taken for what they say. `start`: where his
    /// session begins.
    pub fn new(root: Option<OwnedFd>, powers: Powers, start: &[u8]) -> Explainer {
        let files = root.map(|root| Files::new(root, powers.clone(), None));
        let start = FtpPath::root().join(start).unwrap_or_else(FtpPath::root);
        Explainer { files, powers, start }
    }

    /// What is said to this command, one answer for each thing it does. An error: it cannot be understood.
    pub fn explain(&self, line: &[u8]) -> Result<Vec<Explained>, String> {
        let command = Command::parse(line);
        let asked = asked(&command.verb).ok_or_else(|| format!("there is no command {}", command.verb))?;
        let path =
            |name: &[u8]| self.start.join(name).ok_or_else(|| "no file can have such a name".to_string());
        let one = || path(behind_words(&command.verb, &command.argument));
        let two = || {
            let names = arguments::two_names(&command.argument);
            let (first, second) = names.ok_or_else(|| format!("{} wants two names", command.verb))?;
            Ok::<_, String>((path(&first)?, path(&second)?))
        };
        Ok(match asked {
            Asked::Nothing => {
                let reason = "no permission is needed for this".to_string();
                vec![Explained { allowed: true, path: None, reason }]
            }
            Asked::Of(operation) => vec![self.one(operation, &one()?)],
            Asked::Renamed => match names_around(&command.argument, b" RNTO ") {
                None => vec![self.one(Operation::RenameFrom, &one()?)],
                Some((from, to)) => {
                    let (from, to) = (path(from)?, path(to)?);
                    match self.one(Operation::RenameFrom, &from) {
                        source if source.allowed => vec![source, self.moved(&from, &to)],
                        refused => vec![refused],
                    }
                }
            },
            Asked::Stored => self.stored(&one()?),
            Asked::Copied => {
                let (from, to) = two()?;
                std::iter::once(self.one(Operation::Read, &from)).chain(self.stored(&to)).collect()
            }
            Asked::Linked => {
                let (target, link) = two()?;
                vec![self.one(Operation::Describe, &target), self.one(Operation::Link, &link)]
            }
        })
    }

    fn one(&self, operation: Operation, said: &FtpPath) -> Explained {
        let Some(files) = &self.files else { return self.decided(operation, said) };
        match files.locate(said, operation.follows_links()) {
            Ok(object) => self.decided(operation, &object),
            // The way to it is barred already, or there is none.
            Err(_) => match files.take_refusal() {
                Some(refusal) => {
                    let reason = self.powers.reason(refusal.decision);
                    Explained { allowed: false, path: Some(refusal.path), reason }
                }
                None => self.decided(operation, said),
            },
        }
    }

    /// What RNTO says behind an RNFR that was allowed.
    fn moved(&self, from: &FtpPath, to: &FtpPath) -> Explained {
        let decision = match &self.files {
            Some(files) => files.decide_move(from, to),
            None => (self.powers.decide_move(&Object::unseen(from), &Object::unseen(to)), to.clone()),
        };
        let (decision, object) = decision;
        let allowed = decision.answer == Answer::Yes;
        Explained { allowed, path: Some(object), reason: self.powers.reason(decision) }
    }

    fn decided(&self, operation: Operation, object: &FtpPath) -> Explained {
        let decision = match &self.files {
            Some(files) => files.decide(operation, object),
            None => self.powers.decide(operation, &Object::unseen(object)),
        };
        let allowed = decision.answer == Answer::Yes;
        Explained { allowed, path: Some(object.clone()), reason: self.powers.reason(decision) }
    }

    /// New, or in place of what is there; and how large it may become.
    fn stored(&self, said: &FtpPath) -> Vec<Explained> {
        let created = self.one(Operation::Create, said);
        let object = created.path.clone().unwrap_or_else(|| said.clone());
        let is_box = self.terms(&object).is_dropped();
        let is_there = self.files.as_ref().is_some_and(|files| files.is_there(said));
        let mut all = vec![match is_there && !is_box {
            true => self.one(Operation::Overwrite, said),
            false => created,
        }];
        if let (true, Some((largest, decision))) = (all[0].allowed, self.terms(&object).largest) {
            let reason = format!("up to {largest} bytes: {}", self.powers.reason(decision));
            all.push(Explained { allowed: true, path: Some(object), reason });
        }
        all
    }

    fn terms(&self, object: &FtpPath) -> super::terms::Terms {
        match &self.files {
            Some(files) => files.terms(object),
            None => self.powers.terms(&Object::unseen(object)),
        }
    }
}

/// The path of commands that have a word in front of it.
fn behind_words<'a>(verb: &str, argument: &'a [u8]) -> &'a [u8] {
    let has_word = matches!(verb, "MFMT" | "MFF" | "SITE CHMOD" | "SITE CHGRP" | "SITE UTIME");
    match argument.iter().position(|&byte| byte == b' ').filter(|_| has_word) {
        Some(space) => &argument[space + 1..],
        None => argument,
    }
}

/// What is in front of a word and behind it, in whatever letters.
fn names_around<'a>(argument: &'a [u8], word: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = argument.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))?;
    Some((&argument[..at], &argument[at + word.len()..]))
}

/// What a verb asks to be allowed; None: there is no such verb.
fn asked(verb: &str) -> Option<Asked> {
    Some(match verb {
        "CWD" | "XCWD" | "CDUP" | "XCUP" => Asked::Of(Operation::Enter),
        "LIST" | "NLST" | "MLSD" => Asked::Of(Operation::List),
        "MLST" | "SIZE" | "MDTM" | "SITE QUOTA" => Asked::Of(Operation::Describe),
        "RETR" | "HASH" | "XCRC" | "XMD5" | "XSHA" | "XSHA1" | "XSHA256" | "XSHA512" | "MD5"
        | "SITE CPFR" => Asked::Of(Operation::Read),
        "STOR" | "SITE CPTO" => Asked::Stored,
        "STOU" => Asked::Of(Operation::Create),
        "APPE" => Asked::Of(Operation::Append),
        "AVBL" => Asked::Of(Operation::Reserve),
        "DELE" => Asked::Of(Operation::RemoveFile),
        "RMD" | "XRMD" | "SITE RMDIR" => Asked::Of(Operation::RemoveDirectory),
        "MKD" | "XMKD" | "SITE MKDIR" => Asked::Of(Operation::MakeDirectory),
        "RNFR" => Asked::Renamed,
        "RNTO" => Asked::Of(Operation::RenameTo),
        "SITE CHMOD" | "SITE UMASK" => Asked::Of(Operation::SetMode),
        "SITE CHGRP" => Asked::Of(Operation::SetGroup),
        "MFMT" | "SITE UTIME" | "MFF" => Asked::Of(Operation::SetTimes),
        "SITE COPY" => Asked::Copied,
        "SITE SYMLINK" => Asked::Linked,
        verb if super::ENTRIES.iter().any(|entry| entry.name == verb) => Asked::Nothing,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ENTRIES;

    #[test]
    fn what_needs_a_letter_is_asked_for() {
        for entry in ENTRIES {
            let needs = entry.permission.is_some() || entry.name == "MFF";
            let is_nothing = matches!(asked(entry.name), Some(Asked::Nothing));
            assert_eq!(needs, !is_nothing, "{}", entry.name);
        }
        assert!(asked("FROB").is_none());
    }
}
