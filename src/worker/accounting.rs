//! What a session tells becomes lines of the log.

use crate::config::LogOptions;
use crate::events::facts;
use crate::ipc::messages::{Direction, Event, Leaving, Outcome};
use crate::log::{self, Fact, quoted};

/// How many bytes went each way, over all transfers of a session.
#[derive(Debug, Default)]
pub struct Totals {
    pub files: u64,
    pub sent: u64,
    pub received: u64,
}

/// Writes the line of a command of somebody who is traced.
pub fn trace(event: &Event) {
    if let Event::Command { verb, argument, code } = event {
        log::debug(format_args!("{} {} {code}", quoted(verb.as_bytes()), quoted(argument)));
    }
}

/// Writes the line of an event, if it has one. `root` is what the client sees as `/`.
pub fn record(event: &Event, totals: &mut Totals, options: &LogOptions, root: &[u8]) {
    match event {
        Event::Command { verb, argument, code } => {
            if options.commands {
                let facts = [
                    ("verb", Fact::Text(verb)),
                    ("argument", Fact::Bytes(argument)),
                    ("code", Fact::Number((*code).into())),
                ];
                let line = format!("{} {} {code}", quoted(verb.as_bytes()), quoted(argument));
                log::info_with(&facts, line);
            }
        }
        Event::TransferBegan { .. } | Event::Progress { .. } => {}
        Event::Transferred { direction, path, bytes, micros, ascii: _, outcome, left: _ } => {
            totals.add(*direction, *bytes);
            let seconds = *micros as f64 / 1e6;
            let facts = [
                ("verb", Fact::Text(name_of(*direction))),
                ("path", Fact::Bytes(path)),
                ("bytes", Fact::Number(*bytes)),
                ("seconds", Fact::Micros(*micros)),
                ("result", Fact::Text(facts::result(*outcome))),
            ];
            let own = options.transfers.as_ref().filter(|_| is_of_a_file(*direction));
            log::info_with(
                &facts,
                match own {
                    Some(format) => format.expand(|token| match token {
                        'v' => name_of(*direction).to_owned(),
                        'f' => quoted(path).to_string(),
                        'F' => quoted(&facts::real(root, path)).to_string(),
                        'b' => bytes.to_string(),
                        's' => format!("{seconds:.3}"),
                        'c' => u8::from(*outcome == Outcome::Complete).to_string(),
                        'r' => facts::result(*outcome).to_owned(),
                        other => log::token(other).unwrap_or_default(),
                    }),
                    None => format!(
                        "{} {} completed={} bytes={bytes} seconds={seconds:.3}{}",
                        name_of(*direction),
                        quoted(path),
                        u8::from(*outcome == Outcome::Complete),
                        ending(*outcome),
                    ),
                },
            );
        }
        Event::Removed { path } => log::info(format_args!("removed {}", quoted(path))),
        Event::Renamed { from, to } => log::info(format_args!("renamed {} to {}", quoted(from), quoted(to))),
        Event::DirectoryMade { path } => log::info(format_args!("made directory {}", quoted(path))),
        Event::DirectoryRemoved { path } => log::info(format_args!("removed directory {}", quoted(path))),
        Event::ModeChanged { path, mode } => {
            log::info(format_args!("changed the mode of {} to {mode:04o}", quoted(path)));
        }
        Event::TimeChanged { path } => log::info(format_args!("changed the time of {}", quoted(path))),
        Event::GroupChanged { path, gid } => {
            log::info(format_args!("changed the group of {} to {gid}", quoted(path)));
        }
        Event::Linked { path, target } => {
            log::info(format_args!("made link {} to {}", quoted(path), quoted(target)));
        }
        Event::Copied { from, to } => log::info(format_args!("copied {} to {}", quoted(from), quoted(to))),
        Event::Refused { operation, path, why } => {
            let operation = quoted(operation.as_bytes());
            log::notice(format_args!("refused {operation} {}: {}", quoted(path), quoted(why.as_bytes())));
        }
    }
}

impl Totals {
    fn add(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Out => {
                self.files += 1;
                self.sent += bytes;
            }
            Direction::In => {
                self.files += 1;
                self.received += bytes;
            }
            Direction::Listing | Direction::Digest | Direction::Copy | Direction::Removal => {}
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "files={} sent={} received={}", self.files, self.sent, self.received)
    }
}

/// Whether a file goes over the network.
pub fn is_of_a_file(direction: Direction) -> bool {
    match direction {
        Direction::Out | Direction::In => true,
        Direction::Listing | Direction::Digest | Direction::Copy | Direction::Removal => false,
    }
}

fn name_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "RETR",
        Direction::In => "STOR",
        Direction::Listing => "LIST",
        Direction::Digest => "HASH",
        Direction::Copy => "COPY",
        Direction::Removal => "RMDIR",
    }
}

fn ending(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "",
        Outcome::Aborted => " (aborted by the client)",
        Outcome::CutShort => " (connection broken)",
        Outcome::Failed => " (file system refused)",
    }
}

/// Why a client is no longer served, for the line that closes his session.
pub fn reason(why: Leaving) -> &'static str {
    match why {
        Leaving::Quit => "quit",
        Leaving::Vanished => "connection closed by the client",
        Leaving::Idle => "idle for too long",
        Leaving::LoginTimeout => "did not log in in time",
        Leaving::TooManyFailures => "too many failed logins",
        Leaving::Stopping => "the daemon is stopping",
        Leaving::Abuse => "does not speak FTP",
        Leaving::Refused => "refused",
        Leaving::TimeOver => "the time of the session is over",
        Leaving::Flooding => "too many commands",
        Leaving::Kicked => "sent away by the administrator",
        Leaving::HoursOver => "the hours of login-hours are over",
    }
}
