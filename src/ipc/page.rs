//! What a session and the supervisor tell each other without a message: one page of memory that both have mapped.
//!
//! The session writes what it is doing and how far it is, the supervisor how fast it may be. Everything is a plain store,
//! so nothing of it costs a system call. The session runs as its user: what it wrote is read as hostile, every number may
//! be anything, and texts are bytes that end where the page does.

mod view;

use std::sync::atomic::{AtomicU64, Ordering, fence};

pub use view::{Counted, PageView, Text, settle};

use super::events::{Direction, Outcome};
use crate::system::clock::monotonic_millis;
use crate::system::shared_pages::{WORDS, Words};

/// Where in the page what is; the numbers count words. Of the session:
mod place {
    /// Odd while what `tell_beginning` and its like write is not whole.
    pub const SEQUENCE: usize = 0;
    pub const DOING: usize = 1;
    /// Of this transfer.
    pub const BYTES: usize = 2;
    /// Of this transfer, plus one; 0: nobody knows.
    pub const SIZE: usize = 3;
    pub const BEGAN: usize = 4;
    pub const LAST_COMMAND: usize = 5;
    pub const COMMANDS: usize = 6;
    pub const SENT: usize = 7;
    pub const RECEIVED: usize = 8;
    pub const PASSIVE_PORT: usize = 9;
    /// For each kind of transfer, four outcomes.
    pub const TRANSFERS: usize = 32;
    /// The same.
    pub const FILE_BYTES: usize = 48;
    pub const DURATIONS: usize = 64;
    pub const MICROS: usize = 84;
    pub const VERB: usize = 128;
    pub const CWD: usize = 136;
    pub const PATH: usize = 272;

    /// Of the supervisor:
    pub const TRACE: usize = 16;
    pub const SHARING: usize = 17;
    /// For each way, in the order of `Way`.
    pub const RATE: usize = 18;
    pub const TRANSFER_RATE: usize = 20;
    pub const FREE: usize = 22;
    pub const ASKS: usize = 24;
}

/// How much of a text there is room for, in bytes. Of a longer one the end is kept: the name of a file tells more than
/// the directories above it.
const VERB_ROOM: usize = 32;
const CWD_ROOM: usize = 1024;
const PATH_ROOM: usize = 1912;

/// Kinds of transfers, as far as counting tells them apart: downloads, uploads, listings, everything else.
pub const KINDS: usize = 4;
/// How a transfer can have ended, in the order of [`Outcome`].
pub const OUTCOMES: usize = 4;
/// Classes of durations: all that is longer than the last of the limits is one more.
pub const DURATION_CLASSES: usize = DURATION_LIMITS_MILLIS.len() + 1;
/// What takes no longer than one of these belongs to its class.
pub const DURATION_LIMITS_MILLIS: [u64; 9] =
    [10, 100, 1000, 5000, 15_000, 60_000, 300_000, 900_000, 3_600_000];

/// What a session is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// There is no session: nobody has logged in.
    #[default]
    Nothing,
    /// It waits for a command.
    Waiting,
    /// It obeys one.
    Obeying,
    /// It moves data, or works through files.
    Moving(Direction),
}

const DIRECTIONS: [Direction; 6] = [
    Direction::Out,
    Direction::In,
    Direction::Listing,
    Direction::Digest,
    Direction::Copy,
    Direction::Removal,
];

impl Activity {
    fn number(self) -> u64 {
        match self {
            Activity::Nothing => 0,
            Activity::Waiting => 1,
            Activity::Obeying => 2,
            Activity::Moving(direction) => 3 + direction as u64,
        }
    }

    fn of(number: u64) -> Activity {
        match number {
            0 => Activity::Nothing,
            1 => Activity::Waiting,
            2 => Activity::Obeying,
            _ => {
                let direction = usize::try_from(number - 3).ok().and_then(|at| DIRECTIONS.get(at));
                direction.map_or(Activity::Obeying, |direction| Activity::Moving(*direction))
            }
        }
    }
}

/// Which way data moves, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Downloads, and listings.
    Down,
    /// Uploads.
    Up,
}

impl Way {
    /// Both.
    pub const ALL: [Way; 2] = [Way::Down, Way::Up];
}

/// How fast data of one way may move, in bytes per second. 0: as fast as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// At any time.
    pub rate: u64,
    /// Behind the free bytes of a transfer.
    pub transfer_rate: u64,
    /// The bytes at the beginning of a transfer for which `transfer_rate` does not count.
    pub free: u64,
}

/// Whether a session has to share a rate with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It does not.
    Nothing,
    /// It does, and nobody looks: the supervisor wants to hear that data begins to move.
    Unwatched,
    /// It does, and the supervisor sees what moves.
    Watched,
}

/// The kind that a transfer is counted as, from 0.
pub fn kind(direction: Direction) -> usize {
    match direction {
        Direction::Out => 0,
        Direction::In => 1,
        Direction::Listing => 2,
        Direction::Digest | Direction::Copy | Direction::Removal => 3,
    }
}

/// The session's end of its page. Nobody else writes what it writes.
#[derive(Clone, Copy)]
pub struct SessionPage {
    words: &'static Words,
}

impl SessionPage {
    /// The end of this page.
    pub fn new(words: &'static Words) -> SessionPage {
        SessionPage { words }
    }

    /// A command is being obeyed. Its argument is not told: it may hold a secret.
    pub fn tell_command(&self, verb: &str) {
        self.add(place::COMMANDS, 1);
        self.set(place::LAST_COMMAND, monotonic_millis());
        if let Activity::Moving(_) = Activity::of(self.word(place::DOING).load(Ordering::Relaxed)) {
            // Obeyed out of turn, during the transfer of another one.
            return;
        }
        self.tell(|page| {
            page.set(place::DOING, Activity::Obeying.number());
            page.write::<VERB_ROOM>(place::VERB, verb.as_bytes());
        });
    }

    /// The next command is waited for.
    pub fn tell_waiting(&self) {
        self.set(place::DOING, Activity::Waiting.number());
    }

    /// The current directory is this one.
    pub fn tell_cwd(&self, path: &[u8]) {
        self.tell(|page| page.write::<CWD_ROOM>(place::CWD, path));
    }

    /// Data begins to move, of this file or directory.
    pub fn tell_beginning(&self, direction: Direction, path: &[u8]) {
        self.tell(|page| {
            page.write::<PATH_ROOM>(place::PATH, path);
            page.set(place::BYTES, 0);
            page.set(place::SIZE, 0);
            page.set(place::BEGAN, monotonic_millis());
            page.set(place::DOING, Activity::Moving(direction).number());
        });
    }

    /// How many bytes the transfer has when it is complete.
    pub fn tell_size(&self, size: u64) {
        self.set(place::SIZE, size.saturating_add(1));
    }

    /// How many bytes of the file have moved since the transfer began.
    pub fn tell_progress(&self, bytes: u64) {
        self.set(place::BYTES, bytes);
    }

    /// So many bytes more were sent over data connections.
    pub fn tell_sent(&self, bytes: u64) {
        self.add(place::SENT, bytes);
    }

    /// So many bytes more were received over data connections.
    pub fn tell_received(&self, bytes: u64) {
        self.add(place::RECEIVED, bytes);
    }

    /// Data has ceased to move, after so many microseconds.
    pub fn tell_end(&self, direction: Direction, bytes: u64, micros: u64, outcome: Outcome) {
        let place = kind(direction) * OUTCOMES + outcome as usize;
        self.add(place::TRANSFERS + place, 1);
        self.add(place::FILE_BYTES + place, bytes);
        // Listings and the like are short, or long for reasons of their own.
        if kind(direction) < 2 {
            let class = DURATION_LIMITS_MILLIS.iter().position(|limit| micros <= limit * 1000);
            let class = class.unwrap_or(DURATION_LIMITS_MILLIS.len());
            self.add(place::DURATIONS + kind(direction) * DURATION_CLASSES + class, 1);
            self.add(place::MICROS + kind(direction), micros);
        }
        self.set(place::DOING, Activity::Obeying.number());
    }

    /// The port that the next data connection is expected at; 0: none.
    pub fn tell_passive_port(&self, port: u16) {
        self.set(place::PASSIVE_PORT, port.into());
    }

    /// Whether somebody wants to see every line.
    pub fn is_traced(&self) -> bool {
        self.words[place::TRACE].load(Ordering::Relaxed) != 0
    }

    /// How fast data may move this way, now.
    pub fn terms(&self, way: Way) -> Terms {
        let of = |at: usize| self.word(at + way as usize).load(Ordering::Relaxed);
        Terms { rate: of(place::RATE), transfer_rate: of(place::TRANSFER_RATE), free: of(place::FREE) }
    }

    /// Whether the supervisor must be asked before a file moves.
    pub fn must_ask(&self) -> bool {
        self.word(place::ASKS).load(Ordering::Relaxed) != 0
    }

    /// Whether the supervisor must be told that data begins to move. To be asked behind `tell_beginning`: either this
    /// sees that nobody looks any more, or the supervisor, which looks once more before it ceases to, sees the beginning.
    pub fn must_call(&self) -> bool {
        fence(Ordering::SeqCst);
        self.word(place::SHARING).load(Ordering::Relaxed) == Sharing::Unwatched as u64
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.words[at]
    }

    fn set(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::Relaxed);
    }

    /// There is one writer, so this need not be one operation.
    fn add(&self, at: usize, value: u64) {
        self.set(at, self.word(at).load(Ordering::Relaxed).wrapping_add(value));
    }

    /// Writes what belongs together: who reads meanwhile sees it by the sequence, and reads again.
    fn tell(&self, write: impl FnOnce(&SessionPage)) {
        let sequence = self.word(place::SEQUENCE).load(Ordering::Relaxed);
        self.set(place::SEQUENCE, sequence.wrapping_add(1));
        fence(Ordering::Release);
        write(self);
        self.word(place::SEQUENCE).store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Writes a text: its length, then its bytes, or the last of them.
    fn write<const ROOM: usize>(&self, at: usize, text: &[u8]) {
        self.set(at, text.len() as u64);
        let kept = &text[text.len().saturating_sub(ROOM)..];
        for (number, eight) in kept.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..eight.len()].copy_from_slice(eight);
            self.set(at + 1 + number, u64::from_le_bytes(bytes));
        }
    }
}

/// Every text ends before the next thing begins.
const _: () = {
    assert!(place::MICROS + 2 <= place::VERB);
    assert!(place::VERB + 1 + VERB_ROOM / 8 <= place::CWD);
    assert!(place::CWD + 1 + CWD_ROOM / 8 <= place::PATH);
    assert!(place::PATH + 1 + PATH_ROOM / 8 <= WORDS);
};
