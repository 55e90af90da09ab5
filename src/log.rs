//! The log: five levels and nothing else. A line goes to syslog, to standard error, or to a file.
//!
//! Supervisor and workers write it; a worker writes for its frontend and session, which have no way to a log.
//! Nothing here waits: a line that cannot be written now is counted and dropped, and the count is told with the
//! next line that can. No control character ever reaches the log, so a client cannot forge a line.

mod escape;
pub mod file;
pub mod json;
mod sink;

use std::cell::RefCell;
use std::fmt::Display;

pub use escape::{escaped, quoted};

use crate::config::{LogLevel as Level, LogTarget};
use sink::Sink;

struct Log {
    sink: Sink,
    most: Level,
    prefix: String,
}

thread_local! {
    // A process of this program has one thread; this is "the log of this process".
    static LOG: RefCell<Log> = RefCell::new(Log { sink: Sink::standard_error(), most: Level::Info, prefix: String::new() });
}

/// Sends the log of this process, and of those it will fork, to `target`, up to the level `most`.
pub fn open(target: &LogTarget, most: Level) -> std::io::Result<()> {
    let sink = Sink::open(target)?;
    LOG.with_borrow_mut(|log| {
        log.sink = sink;
        log.most = most;
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

/// What stands before every line of this process from now on: the client and his name.
pub fn set_prefix(prefix: String) {
    LOG.with_borrow_mut(|log| log.prefix = prefix);
}

/// The descriptor that this process logs to, to be kept over a fork.
pub fn descriptor() -> Option<std::os::fd::RawFd> {
    LOG.with_borrow(|log| log.sink.descriptor())
}

/// Logs an error.
pub fn error(text: impl Display) {
    write(Level::Error, text);
}

/// Logs a warning.
pub fn warning(text: impl Display) {
    write(Level::Warning, text);
}

/// Logs what an administrator wants to know.
pub fn notice(text: impl Display) {
    write(Level::Notice, text);
}

/// Logs what happens.
pub fn info(text: impl Display) {
    write(Level::Info, text);
}

/// Logs what helps to find a fault.
pub fn debug(text: impl Display) {
    write(Level::Debug, text);
}

fn write(level: Level, text: impl Display) {
    LOG.with_borrow_mut(|log| {
        if level > log.most {
            return;
        }
        let line = if log.prefix.is_empty() { text.to_string() } else { format!("{} {text}", log.prefix) };
        // Values are quoted where they are put into a text; this is for those that somebody forgot.
        log.sink.write(level, &escaped(line.as_bytes()).to_string());
    });
}
