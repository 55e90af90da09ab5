//! PROCESS supervisor: listens, and keeps a worker ready for whoever comes.
//!
//! *Runs as*    root (or whoever started the daemon), from start to end; one for each daemon.
//! *Reads*      signals, listeners (it accepts), the links of workers. Never a byte of a client.
//! *May*        bind ports, fork workers, end them, answer `421` to those there is no room for.
//! *Never*      imports `protocol`, speaks to NSS or PAM, reads a key or a password file.
//! *Ends when*  it is told to (TERM, INT) and every connection is gone or the grace has passed.

mod limits;
mod listen;
mod pool;
mod run;

pub use pool::Newborn;
pub use run::run;
