//! Sessions of TLS 1.2 by their number, for clients who take no tickets: curl is one. What the frontend remembers of the
//! control connection goes along to the session; nobody else has it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::server::StoresServerSessions;

use crate::system::memory::wipe;

/// How many are remembered. The first one is that of the control connection, which all others may resume.
const CAPACITY: usize = 4;

/// A session, as rustls describes it: its number, and its secret.
pub type Remembered = (Vec<u8>, Vec<u8>);

/// The sessions of one client.
#[derive(Default)]
pub struct Sessions(Mutex<VecDeque<Remembered>>);

impl Sessions {
    /// These are known already.
    pub fn knowing(sessions: impl IntoIterator<Item = Remembered>) -> Sessions {
        Sessions(Mutex::new(sessions.into_iter().collect()))
    }

    /// The first one.
    pub fn first(&self) -> Option<Remembered> {
        self.all().front().cloned()
    }

    /// There is one thread.
    fn all(&self) -> MutexGuard<'_, VecDeque<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut all = self.all();
        if all.len() == CAPACITY
            && let Some((_, mut oldest)) = all.remove(1)
        {
            wipe(&mut oldest);
        }
        all.push_back((key, value));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.all().iter().find(|(number, _)| number == key).map(|(_, secret)| secret.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_session_is_remembered_and_of_the_others_the_last() {
        let sessions = Sessions::default();
        for number in 0..9 {
            sessions.put(vec![number], vec![number; 2]);
        }
        assert_eq!(sessions.first(), Some((vec![0], vec![0, 0])));
        assert_eq!(sessions.get(&[8]), Some(vec![8, 8]));
        assert_eq!(sessions.get(&[5]), None);
        let others = Sessions::knowing(sessions.first());
        assert_eq!(others.get(&[0]), Some(vec![0, 0]));
        assert_eq!(others.get(&[8]), None);
    }
}
