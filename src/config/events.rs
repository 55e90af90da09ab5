//! The events: what can be written to the event log, and can start programs. Each has a name and a meaning, which the
//! manual repeats.

use std::fmt;
use std::str::FromStr;

use super::value::text_values;
use super::values::words;

/// Declares the events, once.
macro_rules! events {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $name:literal;)+) => {
        /// Something that may happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum EventName {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl EventName {
            /// All of them, in the order of the manual.
            pub const ALL: &[EventName] = &[$(EventName::$variant),+];

            /// The name, as configuration, event log and programs have it.
            pub fn name(self) -> &'static str {
                match self { $(EventName::$variant => $name,)+ }
            }

            /// When it happens, for the manual.
            pub fn meaning(self) -> &'static str {
                match self { $(EventName::$variant => concat!($($meaning),+),)+ }
            }
        }
    };
}

events! {
    /// A client has connected and is going to be served.
    Connect = "connect";
    /// A client is gone, whoever ended the connection.
    Disconnect = "disconnect";
    /// A user has logged in.
    Login = "login";
    /// Somebody has tried to log in, in vain.
    LoginFailed = "login-failed";
    /// A user has logged out with QUIT or REIN. Who just goes away does not log out.
    Logout = "logout";
    /// A file was sent, whole.
    FileSent = "file-sent";
    /// A file was received, and every byte of it was written.
    FileReceived = "file-received";
    /// Sending a file was cut short.
    IncompleteFileSent = "incomplete-file-sent";
    /// Receiving a file was cut short. What is left of a new file stays for resuming, unless `delete-partial` is set.
    IncompleteFileReceived = "incomplete-file-received";
    /// A file was deleted.
    Deleted = "deleted";
    /// A file or a directory has got another name.
    Renamed = "renamed";
    /// A directory was made.
    DirectoryMade = "directory-made";
    /// A directory was removed, or a directory with all that was in it.
    DirectoryRemoved = "directory-removed";
    /// The mode of a file was changed.
    ModeChanged = "mode-changed";
    /// The time of a file was changed.
    TimeChanged = "time-changed";
    /// A file was given to another group.
    GroupChanged = "group-changed";
    /// A symbolic link was made.
    Linked = "linked";
    /// A file was copied on the server.
    Copied = "copied";
    /// The configuration forbade what a user wanted to do.
    Forbidden = "forbidden";
    /// A client was turned away before he was served: too many, or banned.
    Refused = "refused";
    /// An address, a network or a user was banned for a time.
    Banned = "banned";
    /// A ban has ended.
    Unbanned = "unbanned";
}

impl EventName {
    /// A bit for each, to tell quickly whether somebody wants to hear of it.
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

words! {
    /// When a program is started.
    HookTime {
        /// When it has happened.
        After = "after",
        /// Before it happens, which the program can refuse.
        Before = "before",
    }
}

impl EventName {
    /// Whether it is something that a client does and that can be refused before it happens.
    pub fn can_be_refused(self) -> bool {
        match self {
            EventName::Connect
            | EventName::Login
            | EventName::FileSent
            | EventName::FileReceived
            | EventName::Deleted
            | EventName::Renamed
            | EventName::DirectoryMade
            | EventName::DirectoryRemoved
            | EventName::ModeChanged
            | EventName::TimeChanged
            | EventName::GroupChanged
            | EventName::Linked
            | EventName::Copied => true,
            EventName::Disconnect
            | EventName::LoginFailed
            | EventName::Logout
            | EventName::IncompleteFileSent
            | EventName::IncompleteFileReceived
            | EventName::Forbidden
            | EventName::Refused
            | EventName::Banned
            | EventName::Unbanned => false,
        }
    }

    /// Whether it happens to somebody who is logged in.
    pub fn is_of_a_session(self) -> bool {
        match self {
            EventName::Connect
            | EventName::LoginFailed
            | EventName::Refused
            | EventName::Banned
            | EventName::Unbanned => false,
            EventName::Disconnect
            | EventName::Login
            | EventName::Logout
            | EventName::FileSent
            | EventName::FileReceived
            | EventName::IncompleteFileSent
            | EventName::IncompleteFileReceived
            | EventName::Deleted
            | EventName::Renamed
            | EventName::DirectoryMade
            | EventName::DirectoryRemoved
            | EventName::ModeChanged
            | EventName::TimeChanged
            | EventName::GroupChanged
            | EventName::Linked
            | EventName::Copied
            | EventName::Forbidden => true,
        }
    }
}

impl FromStr for EventName {
    type Err = String;

    fn from_str(text: &str) -> Result<EventName, String> {
        let known = EventName::ALL.iter().copied();
        known.into_iter().find(|event| event.name() == text).ok_or_else(|| {
            let names: Vec<&str> = EventName::ALL.iter().map(|event| event.name()).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

text_values! {
    EventName: "name of an event".into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_called_what_it_is_called() {
        for event in EventName::ALL {
            assert_eq!(event.name().parse(), Ok(*event));
            assert!(event.meaning().trim().ends_with('.'), "{event}");
        }
        assert!("upload".parse::<EventName>().unwrap_err().contains("file-received"));
    }
}
