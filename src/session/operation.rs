//! Everything that a session can do to a name, which is what permissions are asked about.

use crate::config::Letter;

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
    /// Make a file of this name, which nothing has yet.
    Create,
    /// Give the file other contents.
    Overwrite,
    /// Write from some place in the file on.
    Resume,
    /// Remove the file.
    RemoveFile,
    /// Remove the directory.
    RemoveDirectory,
    /// Take this name away from something.
    RenameFrom,
    /// Give this name to something.
    RenameTo,
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
    /// Ask how much could be stored there.
    Reserve,
}

impl Operation {
    /// All of them.
    pub(super) const ALL: &[Operation] = &[
        Operation::Enter,
        Operation::List,
        Operation::Describe,
        Operation::Read,
        Operation::Append,
        Operation::Create,
        Operation::Overwrite,
        Operation::Resume,
        Operation::RemoveFile,
        Operation::RemoveDirectory,
        Operation::RenameFrom,
        Operation::RenameTo,
        Operation::MakeDirectory,
        Operation::SetMode,
        Operation::SetGroup,
        Operation::SetTimes,
        Operation::Link,
        Operation::Reserve,
    ];

    /// The letter that allows it.
    pub fn letter(self) -> Letter {
        match self {
            Operation::Enter => Letter::Enter,
            Operation::List | Operation::Describe => Letter::List,
            Operation::Read => Letter::Read,
            Operation::Append => Letter::Append,
            Operation::Create | Operation::Link | Operation::Reserve => Letter::Create,
            Operation::Overwrite => Letter::Overwrite,
            Operation::Resume => Letter::Resume,
            Operation::RemoveFile | Operation::RemoveDirectory => Letter::Delete,
            Operation::RenameFrom | Operation::RenameTo => Letter::Rename,
            Operation::MakeDirectory => Letter::MakeDirectory,
            Operation::SetMode | Operation::SetGroup => Letter::Mode,
            Operation::SetTimes => Letter::Time,
        }
    }

    /// Whether it needs a name in a directory, which the root of the client's world does not have.
    pub(super) fn needs_a_name(self) -> bool {
        matches!(
            self,
            Operation::RemoveFile | Operation::RemoveDirectory | Operation::RenameFrom | Operation::RenameTo
        )
    }

    /// Whether the object is what a symbolic link of this name leads to, and not the link.
    pub(super) fn follows_links(self) -> bool {
        match self {
            Operation::Enter
            | Operation::List
            | Operation::Describe
            | Operation::Read
            | Operation::Append
            | Operation::Overwrite
            | Operation::Resume
            | Operation::SetMode
            | Operation::SetGroup
            | Operation::SetTimes
            | Operation::Reserve => true,
            Operation::Create
            | Operation::RemoveFile
            | Operation::RemoveDirectory
            | Operation::RenameFrom
            | Operation::RenameTo
            | Operation::MakeDirectory
            | Operation::Link => false,
        }
    }

    /// Whether it gives the name to something.
    pub(super) fn names_something(self) -> bool {
        matches!(self, Operation::Create | Operation::MakeDirectory | Operation::RenameTo | Operation::Link)
    }

    /// Whether it changes a file that is there.
    pub(super) fn changes_a_file(self) -> bool {
        match self {
            Operation::Append
            | Operation::Overwrite
            | Operation::Resume
            | Operation::RemoveFile
            | Operation::RenameFrom
            | Operation::RenameTo
            | Operation::SetMode
            | Operation::SetGroup
            | Operation::SetTimes => true,
            Operation::Enter
            | Operation::List
            | Operation::Describe
            | Operation::Read
            | Operation::Create
            | Operation::RemoveDirectory
            | Operation::MakeDirectory
            | Operation::Link
            | Operation::Reserve => false,
        }
    }
}
