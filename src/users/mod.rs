//! Users who have no account on the machine: their file, and the hashes in it. Used by the worker, which alone decides
//! logins, and by the command line. What an entry may say is declared in `config/users.rs`.

pub mod examine;
pub mod file;
pub mod hashes;
