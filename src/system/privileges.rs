//! Who a process runs as, and how it becomes that for good.

use std::path::PathBuf;

/// An account of this machine, as the user database has it (passwd(5), group(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, as the database spells it.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// The home directory; nobody says that it exists.
    pub home: PathBuf,
    /// The login shell, empty if the database has none.
    pub shell: PathBuf,
}
