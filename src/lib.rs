//! `ftpd`, a file transfer daemon for real Unix accounts.
//!
//! The source tree is the process tree: `supervisor`, `worker`, `frontend`, `session`, `resolver`, `verifier` and `events` are a
//! process each;
//! the other folders are shared and hold no policy. docs/processes.md has the drawing.

pub mod cli;
pub mod config;
mod events;
mod exit;
mod frontend;
pub mod ftpctl;
#[doc(hidden)]
pub mod fuzzing;
mod ipc;
pub mod log;
mod metrics;
pub mod protocol;
mod resolver;
mod session;
mod supervisor;
#[allow(unsafe_code)]
mod system;
mod tls;
mod users;
mod verifier;
mod worker;

pub use session::ENTRIES as VERBS;
