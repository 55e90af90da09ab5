//! The supervisor's end of a page: what a session says of itself, none of which is to be believed.

use std::sync::atomic::{Ordering, fence};

use super::{
    Activity, CWD_ROOM, DURATION_CLASSES, KINDS, OUTCOMES, PATH_ROOM, Sharing, Terms, VERB_ROOM, Way, place,
};
use crate::system::clock::monotonic_millis;
use crate::system::shared_pages::{Words, clear};

/// How often a page is read that changes meanwhile. A session that writes all the time can hide what it does, and
/// nothing else.
const ATTEMPTS: usize = 4;

/// The supervisor's end of a page.
#[derive(Clone, Copy)]
pub struct PageView {
    words: &'static Words,
}

/// What was said to sessions is said, and what is seen from here on is not older.
pub fn settle() {
    fence(Ordering::SeqCst);
}

/// What a session says that it is doing. All of it may be false, and texts may hold any byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What it does.
    pub activity: Activity,
    /// Bytes of the file that have moved, of the transfer that goes on or of the last one.
    pub bytes: u64,
    /// How many it will be, if that is known.
    pub size: Option<u64>,
    /// For how many milliseconds the transfer has been going on.
    pub lasts: u64,
    /// For how many milliseconds no command has come; none before the first one.
    pub silent: Option<u64>,
    /// Commands so far.
    pub commands: u64,
    /// Bytes sent over data connections so far, as they were on the wire, but for what TLS adds.
    pub sent: u64,
    /// The same for bytes received.
    pub received: u64,
    /// The port that a data connection is expected at, or has come to; 0: none.
    pub passive_port: u16,
    /// The last verb.
    pub verb: Text,
    /// The current directory, as the client sees it.
    pub cwd: Text,
    /// The file or directory of the transfer, as the client sees it.
    pub path: Text,
}

/// A text of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its bytes, or the last of them.
    pub bytes: Vec<u8>,
    /// Whether there is something missing before them.
    pub is_cut: bool,
}

/// What a session has counted. All of it may be false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Transfers, by kind and outcome.
    pub transfers: [[u64; OUTCOMES]; KINDS],
    /// Bytes of these.
    pub bytes: [[u64; OUTCOMES]; KINDS],
    /// Downloads and uploads, by the class of their duration.
    pub durations: [[u64; DURATION_CLASSES]; 2],
    /// How many microseconds downloads and uploads took.
    pub micros: [u64; 2],
}

impl PageView {
    /// The end of this page.
    pub fn new(words: &'static Words) -> PageView {
        PageView { words }
    }

    /// Forgets everything: the page is for somebody else.
    pub fn clear(&self) {
        clear(self.words);
    }

    /// What the session is doing, as it says. None: it changes faster than it can be read.
    pub fn look(&self) -> Option<Look> {
        let now = monotonic_millis();
        for _ in 0..ATTEMPTS {
            let before = self.words[place::SEQUENCE].load(Ordering::Acquire);
            if before % 2 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let look = self.look_once(now);
            fence(Ordering::Acquire);
            if self.get(place::SEQUENCE) == before {
                return Some(look);
            }
        }
        None
    }

    fn look_once(&self, now: u64) -> Look {
        Look {
            activity: self.activity(),
            bytes: self.get(place::BYTES),
            size: self.get(place::SIZE).checked_sub(1),
            lasts: now.saturating_sub(self.get(place::BEGAN)),
            silent: Some(self.get(place::LAST_COMMAND))
                .filter(|last| *last != 0)
                .map(|last| now.saturating_sub(last)),
            commands: self.get(place::COMMANDS),
            sent: self.sent(),
            received: self.received(),
            passive_port: self.passive_port(),
            verb: self.read::<VERB_ROOM>(place::VERB),
            cwd: self.read::<CWD_ROOM>(place::CWD),
            path: self.read::<PATH_ROOM>(place::PATH),
        }
    }

    /// Whether the session has to ask before it moves a file.
    pub fn set_asks(&self, asks: bool) {
        self.words[place::ASKS].store(asks.into(), Ordering::Relaxed);
    }

    /// What the session is doing, as it says.
    pub fn activity(&self) -> Activity {
        Activity::of(self.get(place::DOING))
    }

    /// Bytes sent over data connections, as the session says.
    pub fn sent(&self) -> u64 {
        self.get(place::SENT)
    }

    /// Bytes received over data connections, as the session says.
    pub fn received(&self) -> u64 {
        self.get(place::RECEIVED)
    }

    /// The port that a data connection is expected at, or has come to, as the session says; 0: none.
    pub fn passive_port(&self) -> u16 {
        u16::try_from(self.get(place::PASSIVE_PORT)).unwrap_or(0)
    }

    /// What the session has counted since it began, as it says.
    pub fn counted(&self) -> Counted {
        let row = |at| std::array::from_fn(|number| self.get(at + number));
        let table = |at| {
            std::array::from_fn(|kind| {
                std::array::from_fn(|outcome| self.get(at + kind * OUTCOMES + outcome))
            })
        };
        Counted {
            transfers: table(place::TRANSFERS),
            bytes: table(place::FILE_BYTES),
            durations: [row(place::DURATIONS), row(place::DURATIONS + DURATION_CLASSES)],
            micros: [self.get(place::MICROS), self.get(place::MICROS + 1)],
        }
    }

    /// Whether the session shall tell its worker of every line.
    pub fn set_traced(&self, traced: bool) {
        self.words[place::TRACE].store(traced.into(), Ordering::Relaxed);
    }

    /// Says how fast data may move this way.
    pub fn set_terms(&self, way: Way, terms: Terms) {
        let set = |at: usize, value| self.words[at + way as usize].store(value, Ordering::Relaxed);
        set(place::RATE, terms.rate);
        set(place::TRANSFER_RATE, terms.transfer_rate);
        set(place::FREE, terms.free);
    }

    /// Says whether anybody shares with this session. To be followed by a look at what it does, behind a fence:
    /// [`settle`].
    pub fn set_sharing(&self, sharing: Sharing) {
        self.words[place::SHARING].store(sharing as u64, Ordering::Relaxed);
    }

    fn get(&self, at: usize) -> u64 {
        self.words[at].load(Ordering::Relaxed)
    }

    fn read<const ROOM: usize>(&self, at: usize) -> Text {
        let claimed = usize::try_from(self.get(at)).unwrap_or(usize::MAX);
        let length = claimed.min(ROOM);
        let mut bytes: Vec<u8> =
            (0..length.div_ceil(8)).flat_map(|number| self.get(at + 1 + number).to_le_bytes()).collect();
        bytes.truncate(length);
        Text { bytes, is_cut: claimed > length }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DIRECTIONS, Direction, Outcome, SessionPage};
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicU64;

    fn page() -> (SessionPage, PageView, &'static Words) {
        let words: &'static Words = Box::leak(Box::new([const { AtomicU64::new(0) }; 512]));
        (SessionPage::new(words), PageView::new(words), words)
    }

    #[test]
    fn what_the_session_tells_is_what_the_supervisor_sees() {
        let (session, view, _) = page();
        assert_eq!(view.look().unwrap().activity, Activity::Nothing);
        session.tell_cwd(b"/pub");
        session.tell_command("RETR");
        session.tell_beginning(Direction::Out, b"/pub/file");
        session.tell_size(1000);
        session.tell_progress(300);
        session.tell_sent(300);
        let look = view.look().unwrap();
        assert_eq!(look.activity, Activity::Moving(Direction::Out));
        assert_eq!((look.bytes, look.size, look.sent, look.commands), (300, Some(1000), 300, 1));
        assert_eq!((&look.verb.bytes[..], &look.cwd.bytes[..]), (&b"RETR"[..], &b"/pub"[..]));
        assert_eq!((&look.path.bytes[..], look.path.is_cut), (&b"/pub/file"[..], false));
        assert!(look.silent.is_some_and(|silent| silent < 60_000) && look.lasts < 60_000);
        session.tell_end(Direction::Out, 1000, 2_000_000, Outcome::CutShort);
        session.tell_waiting();
        assert_eq!(view.look().unwrap().activity, Activity::Waiting);
        let counted = view.counted();
        assert_eq!((counted.transfers[0], counted.bytes[0]), ([0, 0, 1, 0], [0, 0, 1000, 0]));
        assert_eq!((counted.durations[0][3], counted.micros), (1, [2_000_000, 0]));
        view.set_traced(true);
        assert!(session.is_traced());
        view.clear();
        assert_eq!(view.look().unwrap().verb, Text::default());
    }

    #[test]
    fn of_a_long_path_the_end_is_seen() {
        let (session, view, _) = page();
        let long: Vec<u8> = (0..5000).map(|number| b'a' + (number % 26) as u8).collect();
        session.tell_beginning(Direction::In, &long);
        let seen = view.look().unwrap().path;
        assert!(seen.is_cut && seen.bytes == long[5000 - PATH_ROOM..]);
    }

    #[test]
    fn what_is_being_written_is_not_seen() {
        let (session, view, words) = page();
        session.tell_command("NOOP");
        words[place::SEQUENCE].store(7, Ordering::Relaxed);
        assert_eq!(view.look(), None);
    }

    #[test]
    fn a_reader_never_sees_half_of_a_change() {
        let (session, view, _) = page();
        let paths = [vec![b'a'; 900], vec![b'b'; 1800]];
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    session.tell_beginning(DIRECTIONS[round % 2], &paths[round % 2]);
                }
                done.store(1, Ordering::Relaxed);
            });
            while done.load(Ordering::Relaxed) == 0 {
                let Some(look) = view.look() else { continue };
                let expected = match look.activity {
                    Activity::Moving(Direction::Out) => &paths[0][..],
                    Activity::Moving(Direction::In) => &paths[1][..],
                    _ => b"",
                };
                assert_eq!(look.path.bytes, expected);
            }
        });
    }

    proptest! {
        #[test]
        fn nothing_that_a_session_writes_makes_the_supervisor_stumble(values: [u64; 32], at: [u16; 32]) {
            let (_, view, words) = page();
            for (value, at) in values.into_iter().zip(at) {
                words[usize::from(at) % 512].store(value, Ordering::Relaxed);
            }
            words[place::PATH].store(u64::MAX, Ordering::Relaxed);
            if let Some(look) = view.look() {
                prop_assert!(look.path.bytes.len() <= PATH_ROOM && look.cwd.bytes.len() <= CWD_ROOM);
                prop_assert!(look.verb.bytes.len() <= VERB_ROOM);
            }
            let _ = view.counted();
        }

        #[test]
        fn any_text_is_read_as_it_was_written(text in prop::collection::vec(any::<u8>(), 0..CWD_ROOM)) {
            let (session, view, _) = page();
            session.tell_cwd(&text);
            prop_assert_eq!(view.look().unwrap().cwd, Text { bytes: text, is_cut: false });
        }
    }
}
