//! FTP as text: pure, std alone.

pub mod path;
