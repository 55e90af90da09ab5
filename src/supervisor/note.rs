//! What the service manager shows of the daemon (STATUS= of sd_notify(3)): told when it has changed, and at most once a
//! second.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::{Phase, Supervisor, notify};

/// Between two notes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The last note.
pub struct Note {
    /// There is somebody to be told.
    wanted: bool,
    /// When it may be told again.
    due: Instant,
    /// What the counts were; none yet.
    told: Option<u64>,
    /// What it said.
    text: String,
}

impl Note {
    pub fn new() -> Note {
        Note {
            wanted: std::env::var_os("NOTIFY_SOCKET").is_some(),
            due: Instant::now(),
            told: None,
            text: String::new(),
        }
    }
}

impl Supervisor {
    /// Tells the service manager how many are served, if that has changed and it is time.
    pub(super) fn note_status(&mut self, now: Instant) {
        if self.next_note().is_none_or(|due| now < due) {
            return;
        }
        self.note.due = now + INTERVAL;
        self.note.told = Some(self.counts.changes());
        let text = self.status_in_words();
        if text != self.note.text {
            notify(&[NotifyState::Status(&text)]);
            self.note.text = text;
        }
    }

    /// What is told is no longer true.
    pub(super) fn note_anew(&mut self) {
        self.note.told = None;
    }

    /// When there is something to tell.
    pub(super) fn next_note(&self) -> Option<Instant> {
        let is_true = self.note.told == Some(self.counts.changes());
        (self.note.wanted && !is_true).then_some(self.note.due)
    }

    fn status_in_words(&self) -> String {
        let totals = self.counts.totals();
        let most = self.inheritance.config.listen.max_sessions.get();
        let state = match (&self.phase, self.draining) {
            (Phase::Serving, false) => "",
            (Phase::Serving, true) => "Draining: ",
            (Phase::Draining { .. } | Phase::Ending { .. }, _) => "Stopping: ",
        };
        format!("{state}{} of {most} clients, {} logged in", totals.sessions, totals.logged_in)
    }
}
