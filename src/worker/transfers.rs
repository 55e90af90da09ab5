//! The transfer log of wu-ftpd, which the worker writes where it is configured.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::login::Login;
use crate::config::AbsolutePath;
use crate::events::facts::real;
use crate::ipc::messages::{Direction, Event, Outcome};
use crate::log;
use crate::log::xferlog::{Access, Transfer, Xferlog};

/// What a worker needs for it.
pub struct Transfers {
    file: Xferlog,
    peer: IpAddr,
    anonymous: bool,
    lost: u64,
}

impl Transfers {
    /// Those of this client.
    pub fn of(peer: IpAddr, anonymous: bool) -> Transfers {
        Transfers { file: Xferlog::default(), peer, anonymous, lost: 0 }
    }

    /// Writes the line of a file that was sent or received; other events have none.
    pub fn record(&mut self, path: &AbsolutePath, event: &Event, root: &[u8], login: &Login) {
        let Event::Transferred { direction, path: name, bytes, micros, ascii, outcome, left: _ } = event
        else {
            return;
        };
        let sent = match direction {
            Direction::Out => true,
            Direction::In => false,
            Direction::Listing | Direction::Digest | Direction::Copy | Direction::Removal => return,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let access = if self.anonymous {
            Access::Anonymous
        } else if login.account().name == login.name() {
            Access::Real
        } else {
            Access::Guest
        };
        let transfer = Transfer {
            ended: i64::try_from(now.as_secs()).unwrap_or_default(),
            micros: *micros,
            peer: self.peer,
            bytes: *bytes,
            file: &real(root, name),
            ascii: *ascii,
            sent,
            access,
            user: login.name(),
            complete: *outcome == Outcome::Complete,
        };
        match self.file.write(path, &transfer) {
            Ok(()) if self.lost > 0 => {
                log::warning(format_args!(
                    "{path} can be written again; {} lines are missing in it",
                    self.lost
                ));
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    log::error(format_args!("{path} cannot be written: {error}"));
                }
                self.lost += 1;
            }
        }
    }
}
