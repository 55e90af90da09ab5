//! Bytes of data connections, counted as they are on the wire, for who wants to know how fast a session is.

use super::Session;

impl Session {
    /// So many bytes have passed over the data connection.
    pub(super) fn carried(&mut self, bytes: usize) {
        if self.is_sending() {
            self.page.tell_sent(bytes as u64);
        } else {
            self.page.tell_received(bytes as u64);
        }
    }
}
