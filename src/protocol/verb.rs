//! The shape of the verb table. The shape of a row's function is the grammar of its argument: a row cannot promise a
//! path to a function that takes none, and no function looks whether its argument is there.

use super::command::Command;
use super::path::FtpPath;
use super::reply::{Code, Reply};

/// What obeying a command comes to. Both are sent; `Err` is what `?` makes of a failure on the way.
pub type Outcome = Result<Reply, Reply>;

/// What a process remembers of its client, as far as arguments need it.
pub trait State {
    /// A path as the client wrote it, made absolute. `None`: no path can be that.
    fn resolve(&self, argument: &[u8]) -> Option<FtpPath> {
        FtpPath::root().join(argument)
    }
}

/// Who may say a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, before login too.
    Anybody,
    /// Only who has logged in; others are told 530.
    User,
}

/// How a verb is obeyed, by the grammar of its argument.
pub enum Run<S> {
    /// No argument.
    Bare(fn(&mut S) -> Outcome),
    /// Some text, as it was sent.
    Text(fn(&mut S, &[u8]) -> Outcome),
    /// Some text, or none: then it is empty.
    OptionalText(fn(&mut S, &[u8]) -> Outcome),
    /// A path.
    Path(fn(&mut S, &FtpPath) -> Outcome),
    /// A path, or the working directory.
    PathOrCwd(fn(&mut S, &FtpPath) -> Outcome),
    /// A word and a path behind it.
    WordAndPath(fn(&mut S, &str, &FtpPath) -> Outcome),
}

/// A row of the table.
pub struct Verb<S> {
    /// Upper case. Members of SITE and OPTS are two words.
    pub name: &'static str,
    /// How it is obeyed.
    pub run: Run<S>,
    /// Who may say it.
    pub access: Access,
    /// The letter that must be among the user's permissions, where one letter decides.
    pub permission: Option<char>,
    /// Usage, a colon, and what it does.
    pub help: &'static str,
    /// Where it is defined.
    pub rfc: &'static str,
    /// The line of FEAT that announces it (RFC 2389), if one has to.
    pub feature: Option<&'static str>,
    /// The codes it may be answered with, beside `COMMON_REPLIES` and `FILE_REPLIES`.
    pub replies: &'static str,
    /// The version of this server that had it first.
    pub since: &'static str,
    /// Whether it is obeyed while data moves. Other commands wait for the end of the transfer.
    pub during_transfer: bool,
}

/// What any verb may be answered with: the connection ends; the line is too long; the argument is wrong or missing;
/// nobody has logged in.
pub const COMMON_REPLIES: &str = "421 500 501 530";

/// What any verb may be answered with, besides, that needs a permission: the file is busy; the system failed; there
/// is no such file or no permission; there can be no such name.
pub const FILE_REPLIES: &str = "450 451 550 553";

/// The version in which a row is new that does not say otherwise.
const FIRST_VERSION: &str = "0.1.0";

// Derived, they would want the state to be copied too.
impl<S> Clone for Run<S> {
    fn clone(&self) -> Run<S> {
        *self
    }
}

impl<S> Copy for Run<S> {}

impl<S> Clone for Verb<S> {
    fn clone(&self) -> Verb<S> {
        *self
    }
}

impl<S> Copy for Verb<S> {}

/// What a row says without its function: for the process that has another one, and for documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As in `Verb`.
    pub name: &'static str,
    /// As in `Verb`.
    pub access: Access,
    /// As in `Verb`.
    pub permission: Option<char>,
    /// As in `Verb`.
    pub help: &'static str,
    /// As in `Verb`.
    pub rfc: &'static str,
    /// As in `Verb`.
    pub feature: Option<&'static str>,
    /// As in `Verb`.
    pub replies: &'static str,
    /// As in `Verb`.
    pub since: &'static str,
    /// As in `Verb`.
    pub during_transfer: bool,
}

impl<S> Verb<S> {
    /// A row for a verb of users that needs no permission and waits for the end of a transfer.
    pub const fn new(name: &'static str, run: Run<S>, rfc: &'static str, help: &'static str) -> Verb<S> {
        Verb {
            name,
            run,
            access: Access::User,
            permission: None,
            help,
            rfc,
            feature: None,
            replies: "",
            since: FIRST_VERSION,
            during_transfer: false,
        }
    }

    /// The same, but before login too.
    pub const fn for_anybody(mut self) -> Verb<S> {
        self.access = Access::Anybody;
        self
    }

    /// The same, for users with this permission.
    pub const fn needs(mut self, permission: char) -> Verb<S> {
        self.permission = Some(permission);
        self
    }

    /// The same, announced by FEAT with this line.
    pub const fn announced(mut self, feature: &'static str) -> Verb<S> {
        self.feature = Some(feature);
        self
    }

    /// The same, answered with one of these codes, in the order of their numbers: `"250 553"`.
    pub const fn replies(mut self, codes: &'static str) -> Verb<S> {
        self.replies = codes;
        self
    }

    /// The same, obeyed while data moves.
    pub const fn during_transfer(mut self) -> Verb<S> {
        self.during_transfer = true;
        self
    }

    /// The row without its function.
    pub const fn entry(&self) -> Entry {
        Entry {
            name: self.name,
            access: self.access,
            permission: self.permission,
            help: self.help,
            rfc: self.rfc,
            feature: self.feature,
            replies: self.replies,
            since: self.since,
            during_transfer: self.during_transfer,
        }
    }

    /// 501, with what would have been right.
    fn usage(&self) -> Reply {
        let usage = self.help.split(':').next().unwrap_or(self.name);
        Reply::new(Code::BadArgument, format!("Usage: {usage}"))
    }
}

impl Entry {
    /// Whether the row promises that this code may be the answer.
    pub fn may_answer(&self, code: u16) -> bool {
        let file_replies = if self.permission.is_some() { FILE_REPLIES } else { "" };
        let mut codes =
            [COMMON_REPLIES, file_replies, self.replies].into_iter().flat_map(|list| list.split(' '));
        codes.any(|other| other.parse() == Ok(code))
    }
}

/// The row of a verb.
pub fn find<'a, S>(verbs: &'a [Verb<S>], name: &str) -> Option<&'a Verb<S>> {
    verbs.iter().find(|verb| verb.name == name)
}

/// Obeys a command.
pub fn dispatch<S: State>(verbs: &[Verb<S>], state: &mut S, command: &Command) -> Outcome {
    let Some(verb) = find(verbs, &command.verb) else {
        return Err(unknown(verbs.iter().map(|verb| verb.name), &command.verb));
    };
    let argument = command.argument.as_slice();
    let path = |state: &S, argument: &[u8]| {
        state.resolve(argument).ok_or_else(|| Reply::new(Code::BadArgument, "No file can have such a name."))
    };
    match verb.run {
        Run::Bare(run) if argument.trim_ascii().is_empty() => run(state),
        Run::Text(run) if !argument.is_empty() => run(state, argument),
        Run::OptionalText(run) => run(state, argument),
        Run::Path(run) if !argument.is_empty() => {
            let path = path(state, argument)?;
            run(state, &path)
        }
        Run::PathOrCwd(run) => {
            let path = path(state, argument)?;
            run(state, &path)
        }
        Run::WordAndPath(run) => {
            let mut parts = argument.splitn(2, |&byte| byte == b' ');
            let word = parts.next().and_then(|word| std::str::from_utf8(word).ok());
            let (Some(word), Some(name @ [_, ..])) = (word.filter(|word| !word.is_empty()), parts.next())
            else {
                return Err(verb.usage());
            };
            let path = path(state, name)?;
            run(state, word, &path)
        }
        Run::Bare(_) | Run::Text(_) | Run::Path(_) => Err(verb.usage()),
    }
}

/// The reply to a verb that is not in the table.
pub fn unknown<'a>(mut names: impl Iterator<Item = &'a str>, verb: &str) -> Reply {
    match verb.split_once(' ') {
        Some(("OPTS", option)) => Reply::new(Code::BadArgument, format!("There is no option {option}.")),
        Some((family, member)) if names.any(|name| name.split(' ').next() == Some(family)) => {
            Reply::new(Code::NotImplementedForArgument, format!("{family} has no {member}; see SITE HELP."))
        }
        None if names.any(|name| name.split_once(' ').is_some_and(|(family, _)| family == verb)) => {
            Reply::new(Code::BadArgument, format!("Usage: {verb} <command>"))
        }
        _ => Reply::new(Code::Unrecognized, format!("{verb}: command not understood.")),
    }
}

/// The reply to HELP (`topic` empty) and to HELP with the name of a verb.
pub fn help(entries: &[Entry], topic: &[u8]) -> Reply {
    let topic = String::from_utf8_lossy(topic.trim_ascii()).to_ascii_uppercase();
    if topic.is_empty() {
        let mut names: Vec<&str> = Vec::new();
        for name in entries.iter().filter_map(|entry| entry.name.split(' ').next()) {
            // Of a family of verbs, the first name alone, and once.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        return listed("Commands (HELP and a command says more):", &names);
    }
    match entries.iter().find(|entry| entry.name == topic) {
        Some(entry) => Reply::new(Code::Help, entry.help),
        None if entries.iter().any(|entry| entry.name.split(' ').next() == Some(&topic)) => {
            family(entries, &topic)
        }
        None => Reply::new(Code::NotImplemented, format!("There is no command {topic}.")),
    }
}

/// The reply to SITE HELP: the members of a family of verbs, each with its usage.
pub fn family(entries: &[Entry], family: &str) -> Reply {
    let members =
        entries.iter().filter(|entry| entry.name.split_once(' ').is_some_and(|(first, _)| first == family));
    let mut lines = vec![format!("Commands of {family}:")];
    lines.extend(members.map(|entry| format!(" {}", entry.help)));
    lines.push("End of help.".into());
    Reply::lines(Code::Help, lines)
}

fn listed(title: &str, names: &[&str]) -> Reply {
    let mut lines = vec![title.to_string()];
    lines.extend(names.chunks(8).map(|row| {
        let row: String = row.iter().map(|name| format!(" {name:<5}")).collect();
        row.trim_end().to_string()
    }));
    lines.push("End of help.".into());
    Reply::lines(Code::Help, lines)
}

/// The reply to FEAT. `chosen`: lines that say what this client has chosen (RFC 3659 7.8), in place of the table's
/// that begin with the same word. Verbs that are not `offered` here are not announced.
pub fn features(entries: &[Entry], chosen: &[String], offered: impl Fn(&str) -> bool) -> Reply {
    let word = |line: &str| line.split(' ').next().map(str::to_string);
    let mut features: Vec<String> = entries
        .iter()
        .filter(|entry| offered(entry.name))
        .filter_map(|entry| entry.feature)
        .map(|feature| {
            let chosen = chosen.iter().find(|line| word(line) == word(feature));
            chosen.cloned().unwrap_or_else(|| feature.to_string())
        })
        .collect();
    features.sort_unstable();
    let mut lines = vec!["Features:".to_string()];
    lines.extend(features.iter().map(|feature| format!(" {feature}")));
    lines.push("End".into());
    Reply::lines(Code::SystemStatus, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Heard(String);

    impl State for Heard {}

    fn hear(heard: &mut Heard, what: String) -> Outcome {
        heard.0 = what;
        Ok(Reply::new(Code::Ok, "Heard."))
    }

    const VERBS: &[Verb<Heard>] = &[
        Verb::new("NOOP", Run::Bare(|heard| hear(heard, "nothing".into())), "959", "NOOP: do nothing"),
        Verb::new(
            "TYPE",
            Run::Text(|heard, text| hear(heard, format!("{text:?}"))),
            "959",
            "TYPE <type>: choose",
        ),
        Verb::new(
            "DELE",
            Run::Path(|heard, path| hear(heard, path.to_string())),
            "959",
            "DELE <path>: remove",
        ),
        Verb::new(
            "MLSD",
            Run::PathOrCwd(|heard, path| hear(heard, path.to_string())),
            "959",
            "MLSD [<path>]: list",
        ),
        Verb::new(
            "SITE CHMOD",
            Run::WordAndPath(|heard, mode, path| hear(heard, format!("{mode} {path}"))),
            "959",
            "SITE CHMOD <mode> <path>: change the mode",
        ),
    ];

    fn heard(line: &str) -> String {
        let mut heard = Heard(String::new());
        match dispatch(VERBS, &mut heard, &Command::parse(line.as_bytes())) {
            Ok(_) => heard.0,
            Err(reply) => {
                let mut out = Vec::new();
                reply.encode(&mut out);
                String::from_utf8(out).unwrap().trim_end().to_string()
            }
        }
    }

    #[test]
    fn the_shape_of_a_row_is_the_grammar_of_its_argument() {
        assert_eq!(heard("NOOP "), "nothing");
        assert_eq!(heard("NOOP now"), "501 Usage: NOOP");
        assert_eq!(heard("TYPE"), "501 Usage: TYPE <type>");
        assert_eq!(heard("DELE"), "501 Usage: DELE <path>");
        assert_eq!(heard("DELE a/../b c"), "/b c");
        assert_eq!(heard("MLSD"), "/");
        assert_eq!(heard("SITE CHMOD 644 a b"), "644 /a b");
        assert_eq!(heard("SITE CHMOD 644"), "501 Usage: SITE CHMOD <mode> <path>");
        assert_eq!(heard("DELE a\0b"), "501 No file can have such a name.");
    }

    #[test]
    fn unknown_verbs_options_and_members_have_replies_of_their_own() {
        assert_eq!(heard("FROB x"), "500 FROB: command not understood.");
        assert_eq!(heard("OPTS FROB"), "501 There is no option FROB.");
        assert_eq!(heard("SITE FROB"), "504 SITE has no FROB; see SITE HELP.");
    }

    proptest! {
        #[test]
        fn no_line_is_too_silly_to_be_answered(line: Vec<u8>) {
            let _ = dispatch(VERBS, &mut Heard(String::new()), &Command::parse(&line));
        }

        #[test]
        fn every_verb_answers_any_argument(index in 0..VERBS.len(), argument: Vec<u8>) {
            let command = Command { verb: VERBS[index].name.into(), argument };
            let _ = dispatch(VERBS, &mut Heard(String::new()), &command);
        }
    }
}
