//! A password between two processes.

use super::bytes::{Field, Malformed};

/// A password on its way to the login decision: is never printed, and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    pub fn new(bytes: Vec<u8>) -> Password {
        Password(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        crate::system::memory::wipe(&mut self.0);
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Field for Password {
    fn put(&self, packet: &mut Vec<u8>) {
        self.0.put(packet);
    }

    fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Password(Vec::take(packet)?))
    }
}
