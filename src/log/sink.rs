//! Where lines of the log go, without ever waiting for it.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;

use syslog::{Facility, Formatter3164, LogFormat, Severity};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::file::Lines;
use crate::config::{LogLevel as Level, LogTarget};

const SYSLOG_SOCKET: &str = "/dev/log";

/// An open target. A file is opened anew when it was renamed or removed (logrotate).
pub struct Sink {
    form: Form,
    dropped: u64,
}

enum Form {
    Syslog(Option<UnixDatagram>),
    /// `journal`: the reader is systemd, which takes the level from a prefix and has its own clock.
    StandardError {
        journal: bool,
        color: bool,
    },
    File(Lines),
}

impl Sink {
    /// Standard error, as long as nothing else was said.
    pub fn standard_error() -> Sink {
        let journal = std::env::var_os("JOURNAL_STREAM").is_some();
        Sink { form: Form::StandardError { journal, color: io::stderr().is_terminal() }, dropped: 0 }
    }

    /// Opens a target. A syslog daemon that is not there yet is no error; a file that cannot be opened is.
    pub fn open(target: &LogTarget) -> io::Result<Sink> {
        let form = match target {
            LogTarget::Syslog => Form::Syslog(connect().ok()),
            LogTarget::Stderr => return Ok(Sink::standard_error()),
            LogTarget::File(path) => Form::File(Lines::open(path)?),
        };
        Ok(Sink { form, dropped: 0 })
    }

    /// The descriptor behind it, where there is one of its own.
    pub fn descriptor(&self) -> Option<RawFd> {
        match &self.form {
            Form::Syslog(socket) => socket.as_ref().map(AsRawFd::as_raw_fd),
            Form::StandardError { .. } => None,
            Form::File(lines) => Some(lines.descriptor()),
        }
    }

    /// Writes a line (without its end), or counts it as dropped.
    pub fn write(&mut self, level: Level, line: &str) {
        if self.dropped > 0 {
            let lost = format!("{} log lines were lost", self.dropped);
            if self.form.write(Level::Warning, &lost).is_err() {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if self.form.write(level, line).is_err() {
            self.dropped += 1;
        }
    }
}

impl Form {
    fn write(&mut self, level: Level, line: &str) -> io::Result<()> {
        match self {
            Form::Syslog(socket) => {
                let datagram = syslog_datagram(level, line)?;
                if let Some(connected) = socket {
                    match connected.send(&datagram) {
                        Ok(_) => return Ok(()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                        // The daemon was restarted: its new socket is another one.
                        Err(_) => *socket = None,
                    }
                }
                let connected = connect()?;
                connected.send(&datagram)?;
                *socket = Some(connected);
                Ok(())
            }
            Form::StandardError { journal: true, .. } => {
                io::stderr().write_all(format!("<{}>{line}\n", severity(level) as u8).as_bytes())
            }
            Form::StandardError { color, .. } => {
                let (on, off) = if *color { (color_of(level), "\x1b[0m") } else { ("", "") };
                let stamp = format!("{on}[{} {}]{off}", letter_of(level), now());
                io::stderr().write_all(format!("{stamp} {line}\n").as_bytes())
            }
            Form::File(lines) => {
                let stamp = format!("[{} {}] ftpd[{}]:", letter_of(level), now(), std::process::id());
                lines.write(format!("{stamp} {line}\n").as_bytes())
            }
        }
    }
}

fn connect() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(SYSLOG_SOCKET)?;
    Ok(socket)
}

fn syslog_datagram(level: Level, line: &str) -> io::Result<Vec<u8>> {
    let formatter = Formatter3164 {
        facility: Facility::LOG_FTP,
        hostname: None,
        process: "ftpd".into(),
        pid: std::process::id(),
    };
    let mut datagram = Vec::with_capacity(line.len() + 48);
    formatter.format(&mut datagram, severity(level), line).map_err(io::Error::other)?;
    // RFC 3164 wants the day padded with a space ("<13>Nov  5"); the formatter pads it with a zero.
    if let Some(day) = datagram.iter().position(|byte| *byte == b'>').map(|end| end + 5)
        && datagram.get(day) == Some(&b'0')
    {
        datagram[day] = b' ';
    }
    Ok(datagram)
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warning => Severity::LOG_WARNING,
        Level::Notice => Severity::LOG_NOTICE,
        Level::Info => Severity::LOG_INFO,
        Level::Debug => Severity::LOG_DEBUG,
    }
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

/// The time to the second, in UTC (RFC 3339).
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}
