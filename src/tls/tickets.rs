//! Session tickets. Each worker has a key of its own, made before its processes: a data connection that resumes a
//! session has proved that its client is the one of this control connection, in every version of TLS.

use std::fmt;
use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;

use crate::system::random;

const NONCE_LENGTH: usize = 12;

/// How long a ticket can be used, in seconds: what is left of the control connection is shorter.
const LIFETIME: u32 = 12 * 3600;

/// What tickets are encrypted with.
#[derive(Clone)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// A random key.
    pub fn random() -> io::Result<TicketKey> {
        let mut key = [0; 32];
        random::fill(&mut key)?;
        Ok(TicketKey(key))
    }

    /// What makes and reads tickets of this key.
    pub fn tickets(&self) -> Option<Tickets> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).ok().map(|key| Tickets { key })
    }
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        crate::system::memory::wipe(&mut self.0);
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

/// Makes and reads tickets.
pub struct Tickets {
    key: RandomizedNonceKey,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(…)")
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        Some([&nonce.as_ref()[..], &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_at_checked(NONCE_LENGTH)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let length = self.key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_by_its_own_key_alone() {
        let tickets = || TicketKey::random().unwrap().tickets().unwrap();
        let (ours, foreign) = (tickets(), tickets());
        let ticket = ours.encrypt(b"session").unwrap();
        assert_eq!(ours.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(foreign.decrypt(&ticket), None);
        assert_eq!(ours.decrypt(&ticket[..11]), None);
    }
}
