//! What rules want of what is stored: modes, owners, the largest size, and whether it may ever be seen incomplete.

use super::authorize::{Answer, By, Clause, Decision, Object, Powers};

/// What rules say about a file or directory that is about to be made or written. Nothing, without rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Permissions that it does not get, in place of the session's mask.
    pub umask: Option<u32>,
    /// The permissions of a file.
    pub file_mode: Option<u32>,
    /// The permissions of a directory.
    pub directory_mode: Option<u32>,
    /// It is to be given to somebody else: the worker knows to whom.
    pub given_away: bool,
    /// The largest size in bytes, and the decision that refuses more.
    pub largest: Option<(u64, Decision)>,
    /// How it comes into being.
    pub sealed: Sealed,
}

impl Terms {
    /// Whether it would go into a drop box.
    pub fn is_dropped(&self) -> bool {
        self.sealed == Sealed::Dropped
    }
}

/// How a new file comes into being.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sealed {
    /// Under its name, from the first byte on.
    #[default]
    No,
    /// When it is complete, and never in place of another.
    Whole,
    /// The same, in a drop box: if the name is taken, under another, and nobody is told.
    Dropped,
}

impl Powers {
    /// What rules say about this object, if it is made or written.
    pub fn terms(&self, object: &Object<'_>) -> Terms {
        if self.rules().is_empty() {
            return Terms::default();
        }
        let rules = self.rules();
        object.ask(|place| {
            let mode = |first: Option<(usize, crate::config::OctalMode)>| first.map(|(_, mode)| mode.bits());
            let owner = rules.first(place, |options, _| options.owner.clone().or(options.group.clone()));
            let largest = rules.first(place, |options, _| options.max_file_size);
            Terms {
                umask: mode(rules.first(place, |options, _| options.umask)),
                file_mode: mode(rules.first(place, |options, _| options.file_mode)),
                directory_mode: mode(rules.first(place, |options, _| options.directory_mode)),
                given_away: owner.is_some(),
                largest: largest.and_then(|(rule, size)| {
                    let refusal = Decision { answer: Answer::No, by: By::Rule(rule, Clause::Size) };
                    Some((size.bytes()?, refusal))
                }),
                sealed: match (self.drop_box(place), self.written_once(place)) {
                    (Some(_), _) => Sealed::Dropped,
                    (None, Some(_)) => Sealed::Whole,
                    (None, None) => Sealed::No,
                },
            }
        })
    }
}
