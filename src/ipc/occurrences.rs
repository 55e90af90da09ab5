//! What the supervisor and the workers tell the events process. It answers nothing: whoever tells goes on at once.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::bytes::{Field, Malformed};
use super::events::Event;
use super::values::{messages, values};

/// Something happened, to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When: microseconds since the epoch.
    pub micros: u64,
    /// To whom.
    pub whom: Whom,
    /// What.
    pub what: What,
    /// How much was not told before this, because the queue was full.
    pub lost: u64,
}

/// Whom something happened to, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// The number of the connection, as in the log; 0: there is none.
    pub session: u64,
    /// The client's end of the control connection.
    pub peer: Option<SocketAddr>,
    /// What he connected to.
    pub local: Option<SocketAddr>,
    /// The virtual host, empty if there is none.
    pub host: String,
    /// The name, empty before the login.
    pub user: String,
    /// Whether TLS protects the control connection.
    pub tls: bool,
    /// The account that his session runs as.
    pub identity: Option<Identity>,
    /// The directory that he sees as `/`, as the daemon sees it. Empty before the login.
    pub root: Vec<u8>,
}

/// An account, by its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

values! {
    /// What happened.
    enum What {
        /// A client has connected, and is served.
        Connected,
        /// He is gone. What went over all of his transfers, and how long he was there.
        Disconnected { why: String, files: u64, sent: u64, received: u64, micros: u64 },
        /// He has logged in.
        LoggedIn,
        /// He has tried to, in vain; the name is the one he said.
        LoginFailed { why: String },
        /// He has said QUIT or REIN.
        LoggedOut,
        /// What his session told.
        Done(Event),
        /// A user wants to do this, and programs are asked whether he may. It is never told, only asked.
        Wants(Event),
        /// A client wants to be served. Asked likewise.
        WantsToConnect,
        /// He wants to log in, and has proved who he is. Asked likewise.
        WantsToLogIn,
        /// The daemon ends, and nothing more will happen: what was begun may take so many seconds more.
        Stopping { seconds: u32 },
        /// A client was turned away before he was served.
        Refused { why: String },
        /// An address, network or user is banned, for so many seconds (0: until somebody lifts it).
        Banned { whom: String, why: String, seconds: u64 },
        /// A ban has ended, or was lifted.
        Unbanned { whom: String, why: String },
    }
}

impl Occurrence {
    /// It happens at this moment.
    pub fn now(whom: Whom, what: What) -> Occurrence {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Occurrence { micros: u64::try_from(now.as_micros()).unwrap_or(u64::MAX), whom, what, lost: 0 }
    }
}

/// Structs whose fields go one after the other.
macro_rules! records {
    ($($name:ident { $($field:ident)+ })+) => {$(
        impl Field for $name {
            fn put(&self, packet: &mut Vec<u8>) {
                $(self.$field.put(packet);)+
            }

            fn take(packet: &mut &[u8]) -> Result<Self, Malformed> {
                Ok($name { $($field: Field::take(packet)?),+ })
            }
        }
    )+};
}

records! {
    Occurrence { micros whom what lost }
    Whom { session peer local host user tls identity root }
    Identity { uid gid groups }
}

messages! {
    Occurrence;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::link::Message;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_told_is_what_is_heard(
            micros: u64, text: String, path: Vec<u8>, groups in prop::collection::vec(any::<u32>(), 0..300), tls: bool,
        ) {
            let peer = Some(SocketAddr::from(([192, 0, 2, 1], 1234)));
            let identity = Some(Identity { uid: 1, gid: 2, groups });
            let host = text.clone();
            let whom =
                Whom { session: micros, peer, local: None, host, user: text.clone(), tls, identity, root: path.clone() };
            for what in [
                What::Connected,
                What::Disconnected { why: text.clone(), files: 1, sent: micros, received: 2, micros },
                What::Done(Event::Renamed { from: path.clone(), to: path.clone() }),
                What::Banned { whom: text.clone(), why: text.clone(), seconds: micros },
            ] {
                let told = Occurrence { micros, whom: whom.clone(), what, lost: 7 };
                prop_assert_eq!(Occurrence::decode(&told.encode()), Ok(told));
            }
        }

        #[test]
        fn no_packet_makes_it_stumble(packet: Vec<u8>) {
            let _ = Occurrence::decode(&packet);
        }
    }
}
