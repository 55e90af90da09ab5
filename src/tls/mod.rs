//! TLS, as the processes that speak it share it: the frontend on control connections, the session on data connections.
//! The private key is in neither: both ask the worker, who has it, for signatures (`Sign`).

/// How often a client may begin to speak TLS before he has logged in: each time, the key is used.
pub const MAX_HANDSHAKES: u32 = 4;

pub mod certificate;
pub mod claims;
pub mod names;
pub mod ocsp;
pub mod pem;
pub mod sessions;
pub mod setup;
pub mod signer;
pub mod stream;
pub mod tickets;
pub mod transcript;
