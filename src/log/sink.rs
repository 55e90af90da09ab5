//! Where lines of the log go, without ever waiting for it.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use super::Subject;
use super::file::Lines;
use super::form::{Line, now, severity};
use crate::config::{Facility, LogFormat, LogLevel as Level, LogOptions, LogTarget, SyslogFormat};
use crate::system::poll::{PollFlags, wait};

const SYSLOG_SOCKET: &str = "/dev/log";
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// A pipe that has any room takes so much at once (pipe(7)).
const AT_ONCE: usize = 4096;

/// An open target. A file is opened anew when it was renamed or removed (logrotate).
pub struct Sink {
    target: Target,
    format: LogFormat,
    syslog: SyslogFormat,
    facility: Facility,
    dropped: u64,
}

enum Target {
    Syslog(Daemon),
    Journal(Daemon),
    /// `journal`: the reader is systemd, which takes the level from a prefix and has its own clock.
    StandardError {
        journal: bool,
        color: bool,
    },
    File(Lines),
}

/// A log daemon that takes datagrams.
struct Daemon {
    path: &'static str,
    socket: Option<UnixDatagram>,
}

impl Sink {
    /// Standard error, as long as nothing else was said.
    pub fn standard_error() -> Sink {
        let journal = std::env::var_os("JOURNAL_STREAM").is_some();
        Sink {
            target: Target::StandardError { journal, color: io::stderr().is_terminal() },
            format: LogFormat::Text,
            syslog: SyslogFormat::Rfc3164,
            facility: Facility::Ftp,
            dropped: 0,
        }
    }

    /// Opens a target. A log daemon that is not there yet is no error; a file that cannot be opened is.
    pub fn open(options: &LogOptions) -> io::Result<Sink> {
        let standard_error = Sink::standard_error();
        let target = match &options.to {
            LogTarget::Syslog => Target::Syslog(Daemon::at(SYSLOG_SOCKET)),
            LogTarget::Journal => Target::Journal(Daemon::at(JOURNAL_SOCKET)),
            LogTarget::Stderr => standard_error.target,
            LogTarget::File(path) => Target::File(Lines::open(path)?),
        };
        let (format, syslog, facility) = (options.format, options.syslog_format, options.facility);
        Ok(Sink { target, format, syslog, facility, dropped: 0 })
    }

    /// The descriptor behind it, where there is one of its own.
    pub fn descriptor(&self) -> Option<RawFd> {
        match &self.target {
            Target::Syslog(daemon) | Target::Journal(daemon) => {
                daemon.socket.as_ref().map(AsRawFd::as_raw_fd)
            }
            Target::StandardError { .. } => None,
            Target::File(lines) => Some(lines.descriptor()),
        }
    }

    /// Writes a line, or counts it as dropped.
    pub fn write(&mut self, line: &Line<'_>) {
        if self.dropped > 0 {
            let message = format!("{} log lines were lost", self.dropped);
            let (level, subject) = (Level::Warning, &Subject::default());
            let lost = Line { level, subject, prefix: "", message: &message, facts: &[] };
            if self.try_to_write(&lost).is_err() {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if self.try_to_write(line).is_err() {
            self.dropped += 1;
        }
    }

    fn try_to_write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let as_json = self.format == LogFormat::Json;
        let text = || match as_json {
            true => String::from_utf8(line.json()).unwrap_or_default(),
            false => line.text(),
        };
        match &mut self.target {
            Target::Syslog(daemon) => daemon.send(&match self.syslog {
                SyslogFormat::Rfc3164 => line.rfc3164(self.facility, &text()),
                SyslogFormat::Rfc5424 => line.rfc5424(self.facility, &text()),
            }),
            Target::Journal(daemon) => daemon.send(&line.journal(self.facility)),
            Target::StandardError { journal: true, .. } => {
                to_standard_error(format!("<{}>{}\n", severity(line.level), text()))
            }
            Target::StandardError { .. } if as_json => to_standard_error(format!("{}\n", text())),
            Target::StandardError { color, .. } => {
                let (on, off) = if *color { (color_of(line.level), "\x1b[0m") } else { ("", "") };
                let stamp = format!("{on}[{} {}]{off}", letter_of(line.level), now());
                to_standard_error(format!("{stamp} {}\n", line.text()))
            }
            Target::File(lines) if as_json => lines.write(format!("{}\n", text()).as_bytes()),
            Target::File(lines) => {
                let stamp = format!("[{} {}] ftpd[{}]:", letter_of(line.level), now(), std::process::id());
                lines.write(format!("{stamp} {}\n", line.text()).as_bytes())
            }
        }
    }
}

impl Daemon {
    fn at(path: &'static str) -> Daemon {
        Daemon { path, socket: connect(path).ok() }
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        if let Some(connected) = &self.socket {
            match connected.send(datagram) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The daemon was restarted: its new socket is another one.
                Err(_) => self.socket = None,
            }
        }
        let connected = connect(self.path)?;
        connected.send(datagram)?;
        self.socket = Some(connected);
        Ok(())
    }
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// Standard error may be a pipe that nobody reads any more, and is shared with others: whether there is room is asked
/// first, and no more is written than fits for certain.
fn to_standard_error(mut text: String) -> io::Result<()> {
    let stderr = io::stderr();
    let writable = wait([(stderr.as_fd(), PollFlags::POLLOUT)], Some(Instant::now()))?;
    if !writable[0].contains(PollFlags::POLLOUT) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    if text.len() > AT_ONCE {
        let end = (0..AT_ONCE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('\n');
    }
    stderr.lock().write_all(text.as_bytes())
}

fn letter_of(level: Level) -> char {
    match level {
        Level::Error => 'E',
        Level::Warning => 'W',
        Level::Notice => 'N',
        Level::Info => 'I',
        Level::Debug => 'D',
    }
}

fn color_of(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Notice | Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[34m",
    }
}
