//! FTP as text: pure, std alone.
