//! Telling what happened: for the supervisor and the workers, who never wait for it. What is not wanted costs nothing.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::config::EventName;
use crate::ipc::link::Message;
use crate::ipc::messages::{Direction, Event, Outcome};
use crate::ipc::occurrences::{Occurrence, What, Whom};
use crate::system::packet;
use crate::system::poll::{PollFlags, wait};

/// Room for what was told and not heard yet. The kernel gives as much of it as net.core.wmem_max allows.
const QUEUE: usize = 1 << 20;

/// How long a worker, which its client does not wait for, waits for room in a full queue.
const PATIENCE: Duration = Duration::from_millis(50);

/// What supervisor and workers tell through. They all share one socket.
pub struct Teller {
    socket: OwnedFd,
    /// A bit for each event that somebody wants to hear of.
    wanted: u32,
    /// How much could not be told since it last could.
    lost: Cell<u64>,
}

/// Where the events process hears it. The supervisor keeps it, so that one that died is replaced and nothing is lost.
pub struct Ear {
    socket: OwnedFd,
}

/// A new pair. When every process that has the teller is gone, so is whoever listens.
pub fn pair(wanted: u32) -> io::Result<(Teller, Ear)> {
    let (socket, ear) = packet::pair()?;
    packet::enlarge_queue(socket.as_fd(), QUEUE);
    Ok((Teller { socket, wanted, lost: Cell::new(0) }, Ear { socket: ear }))
}

impl Teller {
    /// Whether anybody wants to hear of this event.
    pub fn wants(&self, event: EventName) -> bool {
        self.wanted & event.bit() != 0
    }

    /// Tells it now or not at all: for the supervisor, who waits for nobody.
    pub fn tell(&self, whom: &Whom, what: What) {
        if let Some(packet) = self.packet(whom, what) {
            self.send(&packet);
        }
    }

    /// Tells that the daemon ends.
    pub fn tell_of_the_end(&self, seconds: u32) {
        self.send(&Occurrence::now(Whom::default(), What::Stopping { seconds }).encode());
    }

    /// Tells it, and waits a moment if there is no room: for workers.
    pub fn tell_patiently(&self, whom: &Whom, what: What) {
        let Some(packet) = self.packet(whom, what) else { return };
        let deadline = Instant::now() + PATIENCE;
        while !self.try_to_send(&packet) {
            let watched = [(self.socket.as_fd(), PollFlags::POLLOUT)];
            let room = wait(watched, Some(deadline));
            if !matches!(room, Ok([ready]) if ready.contains(PollFlags::POLLOUT)) {
                return self.send(&packet);
            }
        }
    }

    fn packet(&self, whom: &Whom, what: What) -> Option<Vec<u8>> {
        if !name_of(&what).is_some_and(|event| self.wants(event)) {
            return None;
        }
        let lost = self.lost.get();
        Some(Occurrence { lost, ..Occurrence::now(whom.clone(), what) }.encode())
    }

    fn send(&self, packet: &[u8]) {
        if !self.try_to_send(packet) {
            self.lost.set(self.lost.get() + 1);
        }
    }

    fn try_to_send(&self, packet: &[u8]) -> bool {
        let sent = packet::send_now(self.socket.as_fd(), packet).is_ok();
        if sent {
            self.lost.set(0);
        }
        sent
    }
}

impl AsFd for Teller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Ear {
    /// The next thing that was told, if there is one now.
    pub fn hear(&self, buffer: &mut [u8]) -> Heard {
        match packet::receive_now(self.socket.as_fd(), buffer) {
            Ok(0) => Heard::End,
            Ok(length) => match Occurrence::decode(&buffer[..length]) {
                Ok(occurrence) => Heard::Occurrence(Box::new(occurrence)),
                Err(_) => Heard::Malformed,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Heard::Nothing,
            Err(_) => Heard::End,
        }
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What there was to hear.
pub enum Heard {
    Occurrence(Box<Occurrence>),
    /// What came makes no sense; only root can have sent it.
    Malformed,
    /// Nothing more is there now.
    Nothing,
    /// Nothing will ever come.
    End,
}

/// The event that this is, if it is one that is told.
pub fn name_of(what: &What) -> Option<EventName> {
    Some(match what {
        What::Connected | What::WantsToConnect => EventName::Connect,
        What::Disconnected { .. } => EventName::Disconnect,
        What::LoggedIn | What::WantsToLogIn => EventName::Login,
        What::LoginFailed { .. } => EventName::LoginFailed,
        What::LoggedOut => EventName::Logout,
        What::Stopping { .. } => return None,
        What::Refused { .. } => EventName::Refused,
        What::Banned { .. } => EventName::Banned,
        What::Unbanned { .. } => EventName::Unbanned,
        What::Done(event) | What::Wants(event) => return event_name(event),
    })
}

/// The event that this is for those who want to hear of it, if it is one.
pub fn event_name(event: &Event) -> Option<EventName> {
    Some(match event {
        Event::Transferred { direction, outcome, .. } => match (direction, outcome) {
            (Direction::Out, Outcome::Complete) => EventName::FileSent,
            (Direction::Out, _) => EventName::IncompleteFileSent,
            (Direction::In, Outcome::Complete) => EventName::FileReceived,
            (Direction::In, _) => EventName::IncompleteFileReceived,
            (Direction::Listing | Direction::Digest | Direction::Copy | Direction::Removal, _) => {
                return None;
            }
        },
        Event::Removed { .. } => EventName::Deleted,
        Event::Renamed { .. } => EventName::Renamed,
        Event::DirectoryMade { .. } => EventName::DirectoryMade,
        Event::DirectoryRemoved { .. } => EventName::DirectoryRemoved,
        Event::ModeChanged { .. } => EventName::ModeChanged,
        Event::TimeChanged { .. } => EventName::TimeChanged,
        Event::GroupChanged { .. } => EventName::GroupChanged,
        Event::Linked { .. } => EventName::Linked,
        Event::Copied { .. } => EventName::Copied,
        Event::Refused { .. } => EventName::Forbidden,
        Event::Command { .. } | Event::TransferBegan { .. } | Event::Progress { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_makes_nobody_wait_and_is_told_of_later() {
        let (teller, ear) = pair(EventName::Connect.bit()).unwrap();
        let whom = Whom::default();
        let mut told = 0;
        while teller.lost.get() < 3 {
            teller.tell(&whom, What::Connected);
            teller.tell(&whom, What::LoggedOut);
            told += 1;
        }
        let mut buffer = [0; 4096];
        for _ in 3..told {
            let Heard::Occurrence(heard) = ear.hear(&mut buffer) else { panic!("something was told") };
            assert_eq!((heard.what, heard.lost), (What::Connected, 0));
        }
        assert!(matches!(ear.hear(&mut buffer), Heard::Nothing));
        teller.tell_patiently(&whom, What::Connected);
        let Heard::Occurrence(heard) = ear.hear(&mut buffer) else { panic!("something was told") };
        assert_eq!(heard.lost, 3);
        drop(teller);
        assert!(matches!(ear.hear(&mut buffer), Heard::End));
    }
}
