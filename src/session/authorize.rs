//! The one decision whether a session may do something, on top of what the kernel lets its user do.

use super::error::Error;
use crate::config::{Letter, Permissions};
use crate::protocol::path::FtpPath;

/// Everything that can be done to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make it the working directory.
    Enter,
    /// See what is in it.
    List,
    /// Ask for its size, time and other facts.
    Describe,
    /// Read its contents.
    Read,
    /// Write at its end.
    Append,
    /// Give it contents, new or from some place on.
    Store,
    /// Remove the file.
    RemoveFile,
    /// Remove the directory.
    RemoveDirectory,
    /// Take this name away from something, or give it to something.
    Rename,
    /// Make a directory.
    MakeDirectory,
    /// Change its mode.
    SetMode,
    /// Give it to another group.
    SetGroup,
    /// Change its times.
    SetTimes,
    /// Make a symbolic link of this name.
    Link,
}

impl Operation {
    /// The letter that allows it.
    pub fn letter(self) -> Letter {
        match self {
            Operation::Enter => Letter::Enter,
            Operation::List | Operation::Describe => Letter::List,
            Operation::Read => Letter::Read,
            Operation::Append => Letter::Append,
            Operation::Store | Operation::Link => Letter::Write,
            Operation::RemoveFile | Operation::RemoveDirectory => Letter::Delete,
            Operation::Rename => Letter::Rename,
            Operation::MakeDirectory => Letter::MakeDirectory,
            Operation::SetMode | Operation::SetGroup => Letter::Mode,
            Operation::SetTimes => Letter::Time,
        }
    }

    /// Whether it needs a name in a directory, which the root of the client's world does not have.
    fn needs_a_name(self) -> bool {
        match self {
            Operation::RemoveFile | Operation::RemoveDirectory | Operation::Rename => true,
            Operation::Enter
            | Operation::List
            | Operation::Describe
            | Operation::Read
            | Operation::Append
            | Operation::Store
            | Operation::MakeDirectory
            | Operation::SetMode
            | Operation::SetGroup
            | Operation::SetTimes
            | Operation::Link => false,
        }
    }
}

/// May a session with these permissions do this to that object? The kernel is asked later, and has its own say.
pub fn authorize(permissions: Permissions, operation: Operation, object: &FtpPath) -> Result<(), Error> {
    if !permissions.allows(operation.letter()) {
        return Err(Error::Forbidden(operation));
    }
    if object.is_root() && operation.needs_a_name() {
        return Err(Error::Denied);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_allows_its_operations_and_no_others() {
        let somewhere = FtpPath::root().join(b"a").unwrap();
        let may = |letters: &str, operation| authorize(letters.parse().unwrap(), operation, &somewhere);
        assert_eq!(may("elr", Operation::Read), Ok(()));
        assert_eq!(may("elr", Operation::Store), Err(Error::Forbidden(Operation::Store)));
        assert_eq!(may("w", Operation::Store), Ok(()));
        assert_eq!(may("w", Operation::Append), Err(Error::Forbidden(Operation::Append)));
        assert_eq!(may("", Operation::Describe), Err(Error::Forbidden(Operation::Describe)));
    }

    #[test]
    fn the_root_is_neither_removed_nor_renamed() {
        let all = Permissions::all();
        assert_eq!(authorize(all, Operation::RemoveDirectory, &FtpPath::root()), Err(Error::Denied));
        assert_eq!(authorize(all, Operation::Rename, &FtpPath::root()), Err(Error::Denied));
        assert_eq!(authorize(all, Operation::List, &FtpPath::root()), Ok(()));
    }
}
