//! The log: five levels and nothing else. A line goes to syslog, to the journal, to standard error, or to a file.
//!
//! Supervisor and workers write it; a worker writes for its frontend and session, which have no way to a log.
//! Nothing here waits: a line that cannot be written now is counted and dropped, and the count is told with the
//! next line that can. No control character ever reaches the log, so a client cannot forge a line.

mod escape;
pub mod file;
mod form;
pub mod json;
mod sink;
pub mod xferlog;

use std::cell::RefCell;
use std::fmt::Display;
use std::net::SocketAddr;

pub use escape::{escaped, quoted};

use crate::config::{LinePrefix, LogLevel as Level, LogOptions};
use form::Line;
use sink::Sink;

/// Whom the lines of this process are about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The number of the connection; 0: nobody's.
    pub session: u64,
    /// The client's end of it.
    pub peer: Option<SocketAddr>,
    /// What he connected to.
    pub local: Option<SocketAddr>,
    /// The user, once he is logged in.
    pub user: Option<String>,
    /// The virtual host, if there is one.
    pub host: Option<String>,
}

/// A fact that a line is about, for those who read logs with programs.
pub enum Fact<'a> {
    /// Whatever is text.
    Text(&'a str),
    /// A name of a file.
    Bytes(&'a [u8]),
    /// A number.
    Number(u64),
    /// Microseconds, shown as seconds.
    Micros(u64),
}

struct Log {
    sink: Sink,
    most: Level,
    format: Option<LinePrefix>,
    subject: Subject,
    prefix: String,
}

thread_local! {
    // A process of this program has one thread; this is "the log of this process".
    static LOG: RefCell<Log> = RefCell::new(Log {
        sink: Sink::standard_error(),
        most: Level::Info,
        format: None,
        subject: Subject::default(),
        prefix: String::new(),
    });
}

/// Sends the log of this process, and of those it will fork, where the options say.
pub fn open(options: &LogOptions) -> std::io::Result<()> {
    let sink = Sink::open(options)?;
    LOG.with_borrow_mut(|log| {
        log.sink = sink;
        log.most = options.level;
        log.format = options.prefix.clone();
    });
    Ok(())
}

/// How much this process logs, and those that it will fork.
pub fn level() -> Level {
    LOG.with_borrow(|log| log.most)
}

/// Logs this much from now on.
pub fn set_level(most: Level) {
    LOG.with_borrow_mut(|log| log.most = most);
}

/// Whom every line of this process is about from now on.
pub fn set_subject(subject: Subject) {
    LOG.with_borrow_mut(|log| {
        log.prefix = subject.prefix(log.format.as_ref());
        log.subject = subject;
    });
}

/// The descriptor that this process logs to, to be kept over a fork.
pub fn descriptor() -> Option<std::os::fd::RawFd> {
    LOG.with_borrow(|log| log.sink.descriptor())
}

/// Logs an error.
pub fn error(text: impl Display) {
    write(Level::Error, &[], text);
}

/// Logs a warning.
pub fn warning(text: impl Display) {
    write(Level::Warning, &[], text);
}

/// Logs what an administrator wants to know.
pub fn notice(text: impl Display) {
    write(Level::Notice, &[], text);
}

/// Logs what happens.
pub fn info(text: impl Display) {
    write(Level::Info, &[], text);
}

/// The same, with facts for programs.
pub fn info_with(facts: &[(&str, Fact<'_>)], text: impl Display) {
    write(Level::Info, facts, text);
}

/// Logs what helps to find a fault.
pub fn debug(text: impl Display) {
    write(Level::Debug, &[], text);
}

fn write(level: Level, facts: &[(&str, Fact<'_>)], text: impl Display) {
    LOG.with_borrow_mut(|log| {
        if level > log.most {
            return;
        }
        // Values are quoted where they are put into a text; this is for those that somebody forgot.
        let message = escaped(text.to_string().as_bytes()).to_string();
        let Log { sink, subject, prefix, .. } = log;
        sink.write(&Line { level, subject, prefix, facts, message: &message });
    });
}

impl Subject {
    /// What stands before each line about him.
    fn prefix(&self, format: Option<&LinePrefix>) -> String {
        let Some(peer) = self.peer else { return String::new() };
        match format {
            Some(format) => format.expand(|token| self.token(token).unwrap_or_default()),
            None => match &self.user {
                None => format!("#{} {peer}", self.session),
                Some(user) => format!("#{} {peer}-[{}]", self.session, escaped(user.as_bytes())),
            },
        }
    }

    /// What a letter of a format of one's own stands for, of those that are no transfer's own.
    pub fn token(&self, token: char) -> Option<String> {
        let ip = |address: Option<SocketAddr>| address.map(|one| one.ip().to_canonical().to_string());
        let port = |address: Option<SocketAddr>| address.map(|one| one.port().to_string());
        let name = |name: &Option<String>| name.as_ref().map(|name| escaped(name.as_bytes()).to_string());
        let value = match token {
            'i' => Some(self.session.to_string()),
            'a' => ip(self.peer),
            'p' => port(self.peer),
            'u' => name(&self.user),
            'h' => name(&self.host),
            'l' => ip(self.local),
            'P' => port(self.local),
            _ => return None,
        };
        Some(value.unwrap_or_default())
    }
}

/// What a letter stands for of whom this process's lines are about.
pub fn token(token: char) -> Option<String> {
    LOG.with_borrow(|log| log.subject.token(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_whom_a_line_is_about() {
        let mut subject =
            Subject { session: 3, peer: Some("[2001:db8::1]:1234".parse().unwrap()), ..Subject::default() };
        assert_eq!(subject.prefix(None), "#3 [2001:db8::1]:1234");
        let format: LinePrefix = "%a:%p-[%u]%h".parse().unwrap();
        assert_eq!(subject.prefix(Some(&format)), "2001:db8::1:1234-[]");
        subject.user = Some("a\nb".into());
        assert_eq!(subject.prefix(None), "#3 [2001:db8::1]:1234-[a\\x0ab]");
        assert_eq!(subject.prefix(Some(&format)), "2001:db8::1:1234-[a\\x0ab]");
        assert_eq!(Subject::default().prefix(Some(&format)), "");
    }
}
