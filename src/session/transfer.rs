//! A transfer: its beginning, its end, and what is said of it. The bytes are moved in `copy`.

use std::time::Instant;

use super::connection::Connection;
use super::data::NoData;
use super::error::Error;
use super::watch::Interrupted;
use super::{Representation, Session};
use crate::ipc::messages::{Direction, Event, FromSession, Left, Outcome as Ending, ToSession};
use crate::protocol::path::FtpPath;
use crate::protocol::reply::{Code, Reply};
use crate::protocol::verb::Outcome;

/// What is known of the transfer that is going on.
pub struct Moving {
    /// Which way.
    pub direction: Direction,
    /// Of which file or directory.
    pub path: Vec<u8>,
    /// How far it is.
    pub bytes: u64,
    /// Since when.
    pub began: Instant,
    /// When the worker last heard of it.
    pub told: Option<Instant>,
    /// Of an upload that is not complete, what has its name.
    pub left: Option<Left>,
}

impl Moving {
    /// For how many microseconds it has been going on.
    pub fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Why a transfer is not complete.
#[derive(Debug)]
pub enum Cut {
    /// ABOR, or the end of the session.
    Interrupted(Interrupted),
    /// The data connection broke.
    Broken,
    /// Nothing moved for so many seconds.
    Stalled(u32),
    /// MODE Z: the connection ended before the compressed stream did.
    Truncated,
    /// MODE Z: what came is no such stream.
    Damaged,
    /// TLS: the client closed the connection without having said that this was everything.
    Unfinished,
    /// The file became shorter while it was sent.
    Shrunk,
    /// The file could not be read or written.
    File(Error),
}

impl From<Interrupted> for Cut {
    fn from(interrupted: Interrupted) -> Cut {
        Cut::Interrupted(interrupted)
    }
}

impl From<Error> for Cut {
    fn from(error: Error) -> Cut {
        Cut::File(error)
    }
}

impl Cut {
    pub(super) fn reply(&self) -> Reply {
        match self {
            Cut::Interrupted(Interrupted::Aborted) => Reply::new(Code::TransferAborted, "Transfer aborted."),
            Cut::Interrupted(Interrupted::Ending(_)) => {
                Reply::new(Code::TransferAborted, "The session ended during the transfer.")
            }
            Cut::Broken => {
                Reply::new(Code::TransferAborted, "The data connection broke; the transfer is incomplete.")
            }
            Cut::Stalled(seconds) => {
                let text = format!("Nothing moved for {seconds} seconds; the transfer is incomplete.");
                Reply::new(Code::TransferAborted, text)
            }
            Cut::Truncated => Reply::new(
                Code::TransferAborted,
                "The compressed data had no end; the transfer is incomplete.",
            ),
            Cut::Unfinished => Reply::new(
                Code::TransferAborted,
                "The data connection ended without close_notify; the transfer is incomplete.",
            ),
            Cut::Damaged => {
                Reply::new(Code::LocalError, "The compressed data is damaged; the transfer is incomplete.")
            }
            Cut::Shrunk => Reply::new(Code::LocalError, "The file became shorter while it was sent."),
            Cut::File(error) => match error.code() {
                // Once a transfer has begun, these are what RFC 959 5.4 leaves to say.
                Code::InsufficientStorage | Code::StorageExceeded => Reply::from(*error),
                _ => Reply::new(Code::LocalError, error.to_string()),
            },
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self {
            Cut::Interrupted(Interrupted::Aborted) => Ending::Aborted,
            Cut::Interrupted(Interrupted::Ending(_))
            | Cut::Broken
            | Cut::Stalled(_)
            | Cut::Truncated
            | Cut::Unfinished
            | Cut::Damaged => Ending::CutShort,
            Cut::Shrunk | Cut::File(_) => Ending::Failed,
        }
    }
}

impl Session {
    /// Makes the data connection, and says so: 150. From here on the transfer has to be ended.
    pub fn begin_transfer(
        &mut self,
        direction: Direction,
        path: &FtpPath,
        announcement: String,
    ) -> Result<Connection, Reply> {
        self.require_protection()?;
        self.begin_work(direction, path);
        let connected = self.ask_to_move(direction).and_then(|()| match self.obey_out_of_turn(true) {
            Ok(()) => self.connect_data(),
            Err(interrupted) => Err(interrupted.into()),
        });
        let protected = match connected {
            Ok(connection) => {
                self.control.queue(&Reply::new(Code::Opening, announcement));
                // Not together with the last reply, if it can be helped: there are clients who take one reply out of what
                // they read, and wait for the other (aria2 does for a minute).
                self.control.flush();
                if let Some(moving) = &mut self.moving {
                    moving.began = Instant::now();
                }
                self.protect(connection)
            }
            Err(refused) => Err(refused),
        };
        let reply = match protected {
            Ok(connection) => {
                self.begin_pace();
                return Ok(connection);
            }
            Err(NoData::Refused(reply)) => reply,
            Err(NoData::Interrupted(interrupted)) => {
                let cut = Cut::Interrupted(interrupted);
                self.note_end(&cut);
                cut.reply()
            }
        };
        let micros = self.moving.take().map_or(0, |moving| moving.micros());
        self.page.tell_end(direction, 0, micros, Ending::CutShort);
        Err(reply)
    }

    /// Asks whether one more file may move, where there is a limit. The page says already that it does.
    fn ask_to_move(&self, direction: Direction) -> Result<(), NoData> {
        let is_counted = matches!(direction, Direction::In | Direction::Out);
        if !is_counted || !self.page.must_ask() {
            return Ok(());
        }
        match self.worker.ask(&FromSession::MayMove) {
            Ok((ToSession::Verdict { refusal: None }, None)) => Ok(()),
            Ok((ToSession::Verdict { refusal: Some(text) }, None)) => {
                Err(NoData::Refused(Reply::new(Code::FileBusy, text)))
            }
            // Without a worker the session ends as soon as it has answered.
            Ok(_) | Err(_) => {
                self.worker.misbehaves();
                let text = "Nobody can be asked whether this may be transferred.";
                Err(NoData::Refused(Reply::new(Code::LocalError, text)))
            }
        }
    }

    /// Ends the transfer: the connection is closed first, and then the client is told how it went.
    pub fn end_transfer(&mut self, connection: Connection, moved: Result<(), Cut>) -> Outcome {
        let moved = match (moved, self.is_sending()) {
            (Ok(()), true) => self.say_end_of_data(&connection),
            (Ok(()), false) => self.say_end_of_data(&connection).or_else(|cut| match cut {
                Cut::Interrupted(_) => Err(cut),
                // What came is whole all the same.
                _ => Ok(()),
            }),
            (other, _) => other,
        };
        let moved = match moved {
            // What was received is written already; of what was sent, the kernel knows more than we do.
            Ok(()) if self.is_sending() && connection.is_broken() => Err(Cut::Broken),
            other => other,
        };
        match &moved {
            Ok(()) | Err(Cut::Interrupted(Interrupted::Aborted)) => drop(connection),
            Err(cut) => {
                self.note_end(cut);
                connection.reset();
            }
        }
        let Some(moving) = self.moving.take() else {
            return Err(Reply::new(Code::LocalError, "There was no transfer."));
        };
        let outcome = moved.as_ref().map_or_else(Cut::ending, |()| Ending::Complete);
        let micros = moving.micros();
        self.page.tell_end(moving.direction, moving.bytes, micros, outcome);
        if self.report_transfers || moving.told.is_some() || self.page.is_traced() {
            self.worker.report(Event::Transferred {
                direction: moving.direction,
                path: moving.path,
                bytes: moving.bytes,
                micros,
                ascii: self.representation == Representation::Ascii,
                outcome,
                left: moving.left.filter(|_| outcome != Ending::Complete),
            });
        }
        match moved {
            Ok(()) => Ok(Reply::new(Code::TransferComplete, "Transfer complete.")),
            Err(cut) => Err(cut.reply()),
        }
    }

    pub(super) fn is_sending(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| match moving.direction {
            Direction::Out | Direction::Listing => true,
            Direction::In | Direction::Digest | Direction::Copy | Direction::Removal => false,
        })
    }

    /// If the session ends, it has to be remembered until the command is done.
    pub(super) fn note_end(&mut self, cut: &Cut) {
        if let Cut::Interrupted(Interrupted::Ending(end)) = cut {
            self.ending = Some(*end);
        }
    }

    /// STAT while data moves: how far it is, and how fast.
    pub fn progress(&self) -> Option<String> {
        let moving = self.moving.as_ref()?;
        let seconds = moving.began.elapsed().as_secs_f64();
        let rate = moving.bytes as f64 / seconds.max(0.001);
        let doing = match moving.direction {
            Direction::Out => "Sending",
            Direction::In => "Receiving",
            Direction::Listing => "Listing",
            Direction::Digest => "Reading",
            Direction::Copy => "Copying to",
            Direction::Removal => "Removing",
        };
        let path = String::from_utf8_lossy(&moving.path);
        Some(format!(
            "{doing} {path}: {} bytes in {seconds:.1} seconds, {rate:.0} bytes per second.",
            moving.bytes
        ))
    }
}
