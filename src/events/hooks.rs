//! Hooks: which program is started for what, as whom, and what it is told.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::facts::{FACTS, Value, json};
use super::telling::name_of;
use crate::config::{Config, EventName, HookOptions, HookTime};
use crate::ipc::occurrences::{Identity, Occurrence};
use crate::log::{self, escaped};
use crate::system::privileges::Account;
use crate::system::program::{Done, How, Program, Running, distrust};
use crate::system::{Failure, accounts};

/// Where programs are looked for by programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that every program has beside the facts, and what they say.
pub const VARIABLES: &[(&str, &str)] = &[
    ("FTPD_HOOK", "The name of the hook."),
    ("FTPD_WHEN", "When the program is started: `before` or `after`."),
    ("PATH", "The usual directories."),
    ("USER", "The account that the program runs as."),
    ("HOME", "Its home directory."),
];

/// Who a program runs as.
enum RunsAs {
    /// Whoever this process is: root if the configuration says so, or whoever started the daemon.
    Ourselves,
    Account(Account),
    /// The account of the session that the event is of.
    Session,
}

/// A program, and when it is started.
pub struct Hook {
    pub name: String,
    /// A bit for each of its events.
    events: u32,
    pub when: HookTime,
    program: PathBuf,
    arguments: Vec<String>,
    runs_as: RunsAs,
    pub limit: Duration,
    pub at_once: usize,
    pub queue: usize,
}

impl Hook {
    /// All hooks of a configuration. One whose account does not exist is an error.
    pub fn all(config: &Config) -> Result<Vec<Hook>, Failure> {
        config.hook.iter().map(|(name, options)| Hook::new(name, options)).collect()
    }

    fn new(name: &str, options: &HookOptions) -> Result<Hook, Failure> {
        let runs_as = match options.account.as_str() {
            _ if !nix::unistd::geteuid().is_root() => RunsAs::Ourselves,
            "root" => RunsAs::Ourselves,
            "%u" => RunsAs::Session,
            account => RunsAs::Account(accounts::by_name(account).ok_or_else(|| Failure {
                doing: format!("find the account {account} for the hook {name}"),
                cause: io::ErrorKind::NotFound.into(),
            })?),
        };
        Ok(Hook {
            name: name.to_owned(),
            events: options.events.iter().fold(0, |bits, event| bits | event.bit()),
            when: options.when,
            program: options.program.as_ref().map(|path| path.to_path_buf()).unwrap_or_default(),
            arguments: options.arguments.clone(),
            runs_as,
            limit: options.time_limit.duration(),
            at_once: options.at_once.get() as usize,
            queue: options.queue.get() as usize,
        })
    }

    /// Its events, a bit for each.
    pub fn wanted(&self) -> u32 {
        self.events
    }

    /// Whether this event starts it.
    pub fn is_for(&self, event: EventName) -> bool {
        self.events & event.bit() != 0
    }

    /// Whether it can be started for this: somebody has to be there whose account it runs as.
    pub fn can_run(&self, told: &Occurrence) -> bool {
        !matches!(self.runs_as, RunsAs::Session) || told.whom.identity.is_some()
    }

    /// Starts the program.
    pub fn start(&self, told: &Occurrence) -> Result<Running, Failure> {
        if let Some(reason) = distrust(&self.program) {
            let cause = io::Error::other(reason);
            return Err(Failure { doing: format!("start {}", self.program.display()), cause });
        }
        let account = match (&self.runs_as, &told.whom.identity) {
            (RunsAs::Ourselves, _) => None,
            (RunsAs::Account(account), _) => Some(account.clone()),
            (RunsAs::Session, identity) => Some(account_of(identity.as_ref(), &told.whom.user)),
        };
        let mut input = json(told);
        input.push(b'\n');
        let environment = self.environment(told, account.as_ref());
        let (path, arguments) = (&self.program, &self.arguments);
        Program { path, arguments, environment, account: account.as_ref(), input: &input }.start()
    }

    fn environment(&self, told: &Occurrence, account: Option<&Account>) -> Vec<(OsString, OsString)> {
        let own = accounts::current;
        let account = account.cloned().unwrap_or_else(own);
        let values: [OsString; 5] = [
            self.name.clone().into(),
            self.when.to_string().into(),
            PATH.into(),
            account.name.into(),
            account.home.into(),
        ];
        let known = VARIABLES.iter().zip(values).map(|((name, _), value)| (OsString::from(*name), value));
        let facts = FACTS.iter().filter_map(|fact| {
            let value = match (fact.value)(told)? {
                Value::Text(text) => text.into_owned().into(),
                Value::Bytes(bytes) => OsString::from_vec(bytes.into_owned()),
                Value::Number(number) => number.to_string().into(),
                Value::Micros(micros) => format!("{:.6}", micros as f64 / 1e6).into(),
                Value::Truth(truth) => truth.to_string().into(),
            };
            Some((OsString::from(variable(fact.name)), value))
        });
        known.chain(facts).collect()
    }

    /// Writes what it has written, and how it ended, to the log.
    pub fn log(&self, done: &Done, told: &Occurrence) {
        let (name, event) = (&self.name, name_of(&told.what).map_or("", EventName::name));
        let whose = match told.whom.session {
            0 => String::new(),
            session => format!(" of #{session}"),
        };
        for line in lines(&done.output) {
            log::info(format_args!("hook {name} ({event}{whose}): {}", escaped(line)));
        }
        for line in lines(&done.complaints) {
            log::notice(format_args!("hook {name} ({event}{whose}): {}", escaped(line)));
        }
        match done.how {
            How::Exited(0) => {}
            How::Exited(status) if self.when == HookTime::Before => {
                log::notice(format_args!("hook {name} ({event}{whose}) says no: status {status}"));
            }
            How::Exited(status) => {
                log::warning(format_args!("hook {name} ({event}{whose}) failed with status {status}"));
            }
            How::Killed(signal) => {
                log::warning(format_args!("hook {name} ({event}{whose}) was killed by {signal}"));
            }
            How::NotNeeded => {
                log::info(format_args!("hook {name} ({event}{whose}) was ended: the client is gone"));
            }
            How::OutOfTime => {
                let seconds = self.limit.as_secs();
                log::warning(format_args!(
                    "hook {name} ({event}{whose}) took longer than {seconds} s and was ended"
                ));
            }
        }
    }
}

/// The name of a fact in the environment.
pub fn variable(fact: &str) -> String {
    format!("FTPD_{}", fact.to_uppercase())
}

/// Virtual users have an account of their own number, which the user database need not know.
fn account_of(identity: Option<&Identity>, user: &str) -> Account {
    let Identity { uid, gid, groups } = identity.cloned().unwrap_or_default();
    let (home, shell) = ("/".into(), PathBuf::new());
    Account { name: user.to_owned(), uid, gid, groups, home, shell }
}

/// What stands in the lines of an output.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|l| !l.is_empty())
}
