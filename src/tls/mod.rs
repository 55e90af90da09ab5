//! TLS, as the processes that speak it share it: the frontend on control connections, the session on data connections.
//! The private key is in neither: both ask the worker, who has it, for signatures (`Sign`).

pub mod certificate;
pub mod claims;
pub mod names;
pub mod pem;
pub mod sessions;
pub mod setup;
pub mod signer;
pub mod stream;
pub mod tickets;
pub mod transcript;
