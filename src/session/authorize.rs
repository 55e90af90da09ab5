//! The one decision whether a session may do something, on top of what the kernel lets its user do: the permission letters
//! and the rules of the configuration, asked about the operation and about the object that is really meant.
//!
//! A [`Decision`] is also what the log says of a refusal and what `ftpd explain` prints: nobody words it anew.

mod moving;

use std::time::UNIX_EPOCH;

use super::error::Error;
pub use super::operation::Operation;
use crate::config::{Count, Letter, Permissions, Place, Rules, Spot};
use crate::protocol::path::FtpPath;

/// What a decision is about.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    /// Its name, without symbolic links on the way.
    pub path: &'a FtpPath,
    /// How many of its names are in directories that tell large letters from small ones. Asked only where there are rules.
    pub exact: &'a dyn Fn() -> usize,
    /// Looks what has this name, if anything does. Asked only where a rule makes a difference.
    pub look: &'a dyn Fn() -> Option<Found>,
}

/// What rules want to know of something that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether it is a directory.
    pub directory: bool,
    /// Of a file, in bytes.
    pub size: u64,
    /// When it was last changed in any way, in seconds since 1970 UTC. The user cannot set this.
    pub changed: i64,
}

/// What was decided, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub answer: Answer,
    /// What decided.
    pub by: By,
}

/// Yes, or one of several kinds of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may be done, if the kernel agrees.
    Yes,
    /// It may not.
    No,
    /// It may not, and the client is told that there is no such thing.
    Absent,
    /// It may not, whatever there is or is not of this name.
    BadName,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A letter that the user has, or has not.
    Letters(Letter),
    /// A rule, by its number, with one of the things it says.
    Rule(usize, Clause),
    /// What everybody is bound by: the root of the client's world cannot be removed or renamed.
    Root,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// A letter is given or taken.
    Letter(Letter),
    /// `hide`.
    Hide,
    /// `forbid`.
    Forbid,
    /// `drop-box`.
    DropBox,
    /// `write-once`.
    WriteOnce,
    /// `max-file-size`.
    Size,
    /// Its paths: what they name cannot be moved away from under it.
    Paths,
    /// It takes the letter where something is to be moved away from, and not where it is to be moved to.
    Escape(Letter),
    /// Nobody knows whether what is in a directory may be where that is to be moved to.
    Contents,
}

/// What a session may do, and where that is said.
#[derive(Clone, Debug, Default)]
pub struct Powers {
    letters: Permissions,
    origin: Spot,
    rules: Rules,
}

impl Powers {
    /// These letters, which are said there, and rules about some places.
    pub fn new(letters: Permissions, origin: Spot, rules: Rules) -> Powers {
        Powers { letters, origin, rules }
    }

    /// The letters where no rule says otherwise.
    pub fn letters(&self) -> Permissions {
        self.letters
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The same.
    pub fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }

    /// Whether this may be done to that object. The kernel is asked later, and has its own say.
    pub fn decide(&self, operation: Operation, object: &Object<'_>) -> Decision {
        if object.path.is_root() && operation.needs_a_name() {
            return Decision { answer: Answer::No, by: By::Root };
        }
        if !self.rules.is_empty()
            && let Some(decision) = object.ask(|place| self.ruled(operation, object, place))
        {
            return decision;
        }
        self.lettered(operation.letter(), object)
    }

    /// What the letter decides, and the rules about it.
    fn lettered(&self, letter: Letter, object: &Object<'_>) -> Decision {
        let of = |given| if given { Answer::Yes } else { Answer::No };
        if !self.rules.is_empty()
            && let Some((rule, given)) = object.ask(|place| self.rules.letter(letter, place))
        {
            return Decision { answer: of(given), by: By::Rule(rule, Clause::Letter(letter)) };
        }
        Decision { answer: of(self.letters.allows(letter)), by: By::Letters(letter) }
    }

    /// What rules decide before any letter is asked for.
    fn ruled(&self, operation: Operation, object: &Object<'_>, place: Place<'_>) -> Option<Decision> {
        let no = |answer, rule, clause| Some(Decision { answer, by: By::Rule(rule, clause) });
        if let Some((rule, above)) = self.drop_box(place) {
            let is_open = match above {
                0 => matches!(operation, Operation::Enter | Operation::Describe | Operation::Reserve),
                1 => operation == Operation::Create,
                _ => false,
            };
            if !is_open {
                return no(Answer::No, rule, Clause::DropBox);
            }
        }
        if let Some(decision) = self.hidden(operation.names_something(), place) {
            return Some(decision);
        }
        if operation == Operation::RenameFrom
            && let Some(rule) = self.rules.in_directory(place)
            && (place.is_directory)()
        {
            return no(Answer::No, rule, Clause::Paths);
        }
        if operation == Operation::Link
            && let Some(rule) = self.rules.expecting(place)
        {
            return no(Answer::No, rule, Clause::Paths);
        }
        if operation.changes_a_file()
            && let Some(rule) = self.written_once(place)
            && let Some(found) = (object.look)()
            && (!found.directory || operation == Operation::RenameFrom)
            && !self.is_over(rule, &found)
        {
            return no(Answer::No, rule, Clause::WriteOnce);
        }
        None
    }

    /// Whether rules keep anything from being done to what has this name. `new`: it is to be given to something.
    fn hidden(&self, new: bool, place: Place<'_>) -> Option<Decision> {
        if let Some((rule, true)) = self.rules.first(place, |options, _| options.hide) {
            let answer = if new { Answer::BadName } else { Answer::Absent };
            return Some(Decision { answer, by: By::Rule(rule, Clause::Hide) });
        }
        let (rule, forbidden) = self.rules.first(place, |options, _| options.forbid)?;
        let decision = Decision { answer: Answer::BadName, by: By::Rule(rule, Clause::Forbid) };
        forbidden.then_some(decision)
    }

    /// Whether the way to something may lead through this name, and the name be looked at for that. None: it may.
    pub fn bars(&self, object: &Object<'_>) -> Option<Decision> {
        object.ask(|place| match self.drop_box(place) {
            Some((rule, 1..)) => Some(Decision { answer: Answer::No, by: By::Rule(rule, Clause::DropBox) }),
            Some((_, 0)) | None => self.hidden(false, place),
        })
    }

    /// Whether a name in a directory that may be listed is left out.
    pub fn hides(&self, object: &Object<'_>) -> bool {
        object
            .ask(|place| self.rules.first(place, |options, _| options.hide).is_some_and(|(_, hidden)| hidden))
    }

    /// The rule that makes a drop box of a directory above the place, or of the place, and how far above that is.
    pub(super) fn drop_box(&self, place: Place<'_>) -> Option<(usize, usize)> {
        let found = self.rules.first(place, |options, above| Some((options.drop_box?, above)));
        found.and_then(|(rule, (is_box, above))| is_box.then_some((rule, above)))
    }

    /// The rule that keeps files here as they were uploaded.
    pub(super) fn written_once(&self, place: Place<'_>) -> Option<usize> {
        self.rules.first(place, |options, _| options.write_once).and_then(|(rule, once)| once.then_some(rule))
    }

    /// Whether the file has been kept for as long as the rule wants.
    fn is_over(&self, rule: usize, found: &Found) -> bool {
        let now = UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs().cast_signed());
        let kept = |days: Count<1, 36500>| i64::from(days.get()) * 86400;
        self.rules.options(rule).retention_days.is_some_and(|days| now - found.changed >= kept(days))
    }

    /// Why it was decided so, with section, file and line: for the log, and for `ftpd explain`.
    pub fn reason(&self, decision: Decision) -> String {
        match decision.by {
            By::Root => "the root directory has no name".to_string(),
            By::Letters(letter) => {
                let has = if self.letters.allows(letter) { "have" } else { "lack" };
                format!("the permissions {has} {} ({})", letter.letter(), self.origin)
            }
            By::Rule(rule, clause) => {
                let (key, says) = self.clause(rule, clause);
                format!("the rule {} {says} ({})", self.rules.name(rule), self.rules.origin(rule, key))
            }
        }
    }

    /// The option of a rule that is meant, and what it says.
    fn clause(&self, rule: usize, clause: Clause) -> (&'static str, String) {
        let options = self.rules.options(rule);
        let letters = |letter: Letter| {
            let (key, gives) = if options.give.allows(letter) {
                ("give", true)
            } else if options.take.allows(letter) {
                ("take", false)
            } else {
                ("permissions", options.permissions.is_some_and(|own| own.allows(letter)))
            };
            (key, if gives { "gives" } else { "does not give" }, letter.letter())
        };
        match clause {
            Clause::Letter(letter) => {
                let (key, gives, letter) = letters(letter);
                (key, format!("{gives} {letter}"))
            }
            Clause::Escape(letter) => {
                let (key, gives, letter) = letters(letter);
                (key, format!("{gives} {letter}, which would be had under the new name"))
            }
            Clause::Hide => ("hide", "hides it".to_string()),
            Clause::Forbid => ("forbid", "forbids the name".to_string()),
            Clause::DropBox => ("drop-box", "makes it part of a drop box".to_string()),
            Clause::WriteOnce => ("write-once", "keeps it as it was written".to_string()),
            Clause::Size => ("max-file-size", "limits the size of files".to_string()),
            Clause::Contents => ("paths", "may forbid what is in it, which nobody has looked at".to_string()),
            Clause::Paths => ("paths", "is about what is in it, and would be no longer".to_string()),
        }
    }
}

impl<'a> Object<'a> {
    /// Of which nothing is known but the name.
    pub fn unseen(path: &'a FtpPath) -> Object<'a> {
        Object { path, exact: &|| usize::MAX, look: &|| None }
    }

    /// Asks rules about it.
    pub(super) fn ask<T>(&self, question: impl FnOnce(Place<'_>) -> T) -> T {
        let names: Vec<&[u8]> = self.path.components().collect();
        let is_directory = || (self.look)().is_some_and(|found| found.directory);
        question(Place { path: &names, exact: (self.exact)(), is_directory: &is_directory })
    }
}

impl Decision {
    /// What the client is told, if it is no.
    pub fn result(self, operation: Operation) -> Result<(), Error> {
        match (self.answer, self.by) {
            (Answer::Yes, _) => Ok(()),
            (Answer::No, By::Root) => Err(Error::Denied),
            (Answer::No, By::Letters(_) | By::Rule(..)) => Err(Error::Forbidden(operation)),
            (Answer::Absent, _) => Err(Error::NotFound),
            (Answer::BadName, _) => Err(Error::NameForbidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Scratch, path, powers};
    use crate::session::upload::Start;

    fn may(powers: &Powers, operation: Operation, name: &str) -> Result<(), Error> {
        powers.decide(operation, &Object::unseen(&path(name))).result(operation)
    }

    #[test]
    fn a_letter_allows_its_operations_and_no_others() {
        let forbidden = |operation| Err(Error::Forbidden(operation));
        assert_eq!(may(&powers("elr"), Operation::Read, "a"), Ok(()));
        assert_eq!(may(&powers("elr"), Operation::Create, "a"), forbidden(Operation::Create));
        for operation in [Operation::Create, Operation::Overwrite, Operation::Resume] {
            assert_eq!(may(&powers("w"), operation, "a"), Ok(()));
        }
        assert_eq!(may(&powers("w"), Operation::Append, "a"), forbidden(Operation::Append));
        assert_eq!(may(&powers(""), Operation::Describe, "a"), forbidden(Operation::Describe));
    }

    #[test]
    fn the_root_is_neither_removed_nor_renamed() {
        let all = powers("elradfmwMT");
        assert_eq!(may(&all, Operation::RemoveDirectory, "/"), Err(Error::Denied));
        assert_eq!(may(&all, Operation::RenameFrom, "/"), Err(Error::Denied));
        assert_eq!(may(&all, Operation::List, "/"), Ok(()));
    }

    #[test]
    fn the_object_behind_the_links_is_what_rules_are_asked_about() {
        let scratch = Scratch::new();
        for name in ["private/sub", "public", "data"] {
            scratch.make_directory(name);
        }
        scratch.write("private/file", "x");
        scratch.link("../private/file", "public/link");
        scratch.link("private", "way");
        scratch.link("way/sub/..", "around");
        scratch.link("data", "in");
        let rules =
            "[rule.a]\npaths = [\"/private\"]\ntake = \"rw\"\n[rule.b]\npaths = [\"/in\"]\ntake = \"w\"\n";
        let files = scratch.ruled("elrw", rules);
        let read = Some(Error::Forbidden(Operation::Read));
        for name in ["private/file", "public/link", "way/file", "around/file", "public/../way/file"] {
            assert_eq!(files.open(&path(name)).err(), read, "{name}");
            let refused = files.upload(&path(name), Start::New).err();
            assert_eq!(refused, Some(Error::Forbidden(Operation::Create)), "{name}");
        }
        // A rule holds where its own path leads to, also for who comes another way.
        for name in ["in/new", "data/new"] {
            let refused = files.upload(&path(name), Start::New).err();
            assert_eq!(refused, Some(Error::Forbidden(Operation::Create)), "{name}");
        }
        files.upload(&path("public/new"), Start::New).unwrap();
    }

    #[test]
    fn nothing_is_gained_by_another_name() {
        let scratch = Scratch::new();
        for name in ["kept/sub", "open", "shop/deep"] {
            scratch.make_directory(name);
        }
        for name in ["kept/file", "open/file", "shop/a.key", "shop/deep/b.key"] {
            scratch.write(name, "x");
        }
        let files = scratch.ruled(
            "elradfmwMT",
            "[rule.a]\npaths = [\"/kept\"]\ntake = \"d\"\n[rule.b]\npaths = [\"/shop\"]\nnames = [\"*.key\"]\ntake = \"r\"\n",
        );
        let forbidden = Err(Error::Forbidden(Operation::RenameTo));
        for (from, to) in [
            ("kept/file", "open/new"),
            ("kept", "other"),
            ("kept/sub", "open/sub"),
            ("shop/a.key", "shop/a.txt"),
            ("shop/deep", "deep"),
        ] {
            assert_eq!(files.rename(&path(from), &path(to)), forbidden, "{from} {to}");
        }
        files.rename(&path("kept/file"), &path("kept/other")).unwrap();
        files.rename(&path("open/file"), &path("kept/file")).unwrap();
        files.rename(&path("shop/deep"), &path("shop/lower")).unwrap();
    }

    #[test]
    fn what_was_written_once_can_go_when_its_days_are_over() {
        let rules = |days: &str| {
            let text = format!("[rule.a]\npaths = [\"/\"]\nwrite-once = true\n{days}");
            Scratch::new().ruled("elradfmwMT", &text).powers().clone()
        };
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
        let removes = |powers: &Powers, age: i64| {
            let found = Found { directory: false, size: 1, changed: now - age };
            let file = path("file");
            let object = Object { look: &|| Some(found), ..Object::unseen(&file) };
            powers.decide(Operation::RemoveFile, &object).answer == Answer::Yes
        };
        let (some, ever) = (rules("retention-days = 2\n"), rules(""));
        for (age, over) in
            [(0, false), (2 * 86400 - 5, false), (2 * 86400, true), (9 * 86400, true), (-86400, false)]
        {
            assert_eq!(removes(&some, age), over, "{age}");
            assert!(!removes(&ever, age), "{age}");
        }
    }

    #[test]
    fn a_decision_says_what_decided() {
        let scratch = Scratch::new();
        let files = scratch.ruled("el", "[rule.a]\npaths = [\"/in\"]\ngive = \"r\"\nhide = false\n");
        let reason = |name: &str| files.reason(files.decide(Operation::Read, &path(name)));
        assert_eq!(reason("in/x"), "the rule a gives r ([rule.a], f:3)");
        assert_eq!(reason("x"), "the permissions lack r (the default of [])");
    }
}
