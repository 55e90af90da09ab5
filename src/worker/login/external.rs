//! The program that is asked about users (`[check]`): what it is told, and what may come of its answer. What it says is
//! taken for what it is: the words of somebody who may be mistaken, slow, or in the hands of an attacker.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use nix::unistd::geteuid;

use super::{Attempt, Refused, no};
use crate::config::Config;
use crate::config::users::{UserEntry, read_answer};
use crate::ipc::messages::Password;
use crate::log;
use crate::system::program::{How, Program, distrust};
use crate::system::{accounts, memory};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 4096;
/// How many of its lines on standard error go to the log, and how much of each.
const MAX_COMPLAINTS: usize = 8;
const MAX_COMPLAINT: usize = 256;

/// What the program says about a user.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// He is who he says he is.
    Yes(Box<UserEntry>),
    /// He is not.
    No,
    /// Nobody of this name is known there.
    Unknown,
}

/// Asks the program. None: there is none. Whatever goes wrong is a refusal: who could not be checked is not let in, not
/// even by somebody who is asked later.
pub fn ask(config: &Config, attempted: &Attempt<'_>, password: &Password) -> Result<Option<Answer>, Refused> {
    let check = &config.check;
    let Some(path) = &check.program else { return Ok(None) };
    // An LDAP bind with an empty password is anonymous, and succeeds.
    if password.as_bytes().is_empty() {
        return Err(no("check: the password is empty"));
    }
    if let Some(reason) = distrust(path) {
        return Err(no(format!("check: {reason}")));
    }
    let account = match geteuid().is_root() {
        true => accounts::by_name(&check.account).filter(|account| account.uid != 0).ok_or_else(|| {
            no(format!("check: there is no account {:?} for the program, or it is root", check.account))
        })?,
        false => accounts::current(),
    };
    let mut input = [password.as_bytes(), b"\n"].concat();
    let environment: [(&str, OsString); 7] = [
        ("FTPD_USER", attempted.name.into()),
        ("FTPD_PEER", attempted.peer.to_string().into()),
        ("FTPD_HOST", attempted.host.unwrap_or_default().into()),
        ("FTPD_TLS", attempted.is_protected.to_string().into()),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
        ("USER", account.name.clone().into()),
        ("HOME", account.home.clone().into()),
    ];
    let environment = environment.map(|(name, value)| (OsString::from(name), value)).into();
    let program =
        Program { path, arguments: &check.arguments, environment, account: Some(&account), input: &input };
    let started = program.start();
    memory::wipe(&mut input);
    let running = started.map_err(|failure| no(format!("check: {failure}")))?;
    let mut done = running.wait(Instant::now() + check.time_limit.duration(), None);
    for line in
        done.complaints.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(MAX_COMPLAINTS)
    {
        let line = &line[..line.len().min(MAX_COMPLAINT)];
        log::notice(format_args!("check: {}", log::escaped(line)));
    }
    let answer = match done.how {
        How::Exited(0) => read(path, attempted.name, &done.output),
        How::Exited(status) => Err(format!("the program failed with status {status}")),
        How::Killed(signal) => Err(format!("the program was killed by {signal}")),
        How::OutOfTime | How::NotNeeded => {
            Err(format!("the program took longer than {} s and was ended", check.time_limit.seconds()))
        }
    };
    // It may have repeated the password.
    memory::wipe(&mut done.output);
    let answer = answer.and_then(|answer| permitted(config, answer));
    answer.map(Some).map_err(|reason| no(format!("check: {reason}")))
}

/// What the program has written: a word, and behind a yes the options of an entry.
fn read(path: &Path, name: &str, output: &[u8]) -> Result<Answer, String> {
    if output.len() > MAX_ANSWER {
        return Err(format!("the answer has more than {MAX_ANSWER} bytes"));
    }
    let text = str::from_utf8(output).map_err(|_| "the answer is not UTF-8".to_string())?;
    let (word, rest) = text.split_once('\n').unwrap_or((text, ""));
    match (word.trim_end_matches('\r'), rest.trim().is_empty()) {
        ("no", true) => Ok(Answer::No),
        ("unknown", true) => Ok(Answer::Unknown),
        // The line of the word stays, so that others keep their numbers.
        ("yes", _) => match read_answer(path, name, &format!("\n{rest}")) {
            Ok(entry) => Ok(Answer::Yes(Box::new(entry))),
            Err(error) => {
                let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
                Err(problems.join("; "))
            }
        },
        _ => Err("the answer is neither yes, nor no, nor unknown".into()),
    }
}

/// Whom the program may have somebody be: nobody but users of numbers that are for this, and of accounts that are
/// named for it.
fn permitted(config: &Config, answer: Answer) -> Result<Answer, String> {
    let Answer::Yes(entry) = &answer else { return Ok(answer) };
    let own = &entry.own;
    for (key, is_set) in
        [("password", own.password.is_some()), ("group", own.group.is_some()), ("system", own.system)]
    {
        if is_set {
            return Err(format!("the answer may not say {key}"));
        }
    }
    let may_be = |account: &String| {
        config.check.accounts.contains(account) || config.login.users_account.as_ref() == Some(account)
    };
    match &own.account {
        Some(account) if !may_be(account) => {
            Err(format!("the answer names the account {account:?}, which accounts in [check] does not"))
        }
        Some(_) | None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Answer, String> {
        let config = "[login]\nusers-account = \"ftp\"\n[check]\naccounts = [\"www\"]\n";
        let config = Config::parse(Path::new("f"), config).unwrap();
        read(Path::new("p"), "anne", text.as_bytes()).and_then(|answer| permitted(&config, answer))
    }

    #[test]
    fn an_answer_is_a_word_and_options() {
        assert_eq!(answer("no"), Ok(Answer::No));
        assert_eq!(answer("unknown\r\n"), Ok(Answer::Unknown));
        let Ok(Answer::Yes(entry)) = answer("yes\nuid = 70000\nroot-dir = \"/srv\"\n") else { panic!("yes") };
        assert!(entry.own.uid.is_some() && entry.session.root_dir.is_some());
        assert!(matches!(answer("yes"), Ok(Answer::Yes(_))));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for text in
            ["", "\n", "YES", "yes please", "no\nuid = 1", "unknown\nx", "yes\nuid = 0", "yes\nshell = 1"]
        {
            assert!(answer(text).is_err(), "{text:?}");
        }
        assert_eq!(answer("yes\n\nuidd = 1\n").unwrap_err().split(' ').next(), Some("p:3:"));
        assert!(answer(&format!("yes\ncomment = \"{}\"", "x".repeat(5000))).unwrap_err().contains("4096"));
        assert!(read(Path::new("p"), "anne", b"yes\n\xff").is_err());
    }

    #[test]
    fn an_answer_names_only_whom_it_may() {
        for good in ["ftp", "www"] {
            assert!(answer(&format!("yes\naccount = \"{good}\"")).is_ok());
        }
        for bad in [
            "account = \"alice\"",
            "account = \"root\"",
            "system = true",
            "group = \"shadow\"",
            "password = \"x\"",
        ] {
            assert!(answer(&format!("yes\n{bad}")).is_err(), "{bad}");
        }
    }
}
