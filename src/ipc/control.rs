//! What ftpctl(8) asks of the supervisor over the control socket, and what it is answered.
//!
//! The supervisor greets with `Welcome`. From then on: one request, then answers up to `Done` or `Failed`, then the next
//! request. Both sides are root, but they need not be of the same version: `PROTOCOL` is counted up with each change.

use std::net::{IpAddr, SocketAddr};

use super::link::Link;
use super::measures::Family;
use super::values::{messages, values};

/// ftpctl's end of the link.
pub type AskingLink = Link<Request, Answer>;
/// The supervisor's end of the link.
pub type AnsweringLink = Link<Answer, Request>;

/// What both sides must mean by the messages below.
pub const PROTOCOL: u32 = 2;

values! {
    /// ftpctl → supervisor.
    enum Request {
        /// How are things? `Status`, `Done`.
        Status,
        /// Who is there? A `Session` each, `Done` with their number.
        Who,
        /// End the connections of these clients. `Done` with their number.
        Kick { whom: Whom },
        /// Who is banned? A `Ban` each, `Done` with their number.
        Bans,
        /// Ban somebody, for so many seconds (None: as is configured).
        Ban { whom: String, seconds: Option<u32>, why: String },
        /// Ban him no longer. `Done` with 0 if he was not.
        Unban { whom: String },
        /// Other rates than the configured ones.
        Throttle { whom: Slow, down: Rate, up: Rate },
        /// Which are set so? A `Throttled` each, `Done` with their number.
        Throttled,
        /// Log everything of these clients, or no longer (None: of nobody). `Done` with how many of them there are.
        Trace { whom: Option<Whom>, on: bool },
        /// Log this much from now on, until the next reload; empty: as much as is configured.
        LogLevel { level: String },
        /// Read the configuration anew. `Failed` with the reason if it is of no use; then the old one stays.
        Reload,
        /// Take no new clients, or take them again.
        Drain { draining: bool },
        /// What has been counted? A `Sample` each, `Done`.
        Metrics,
        /// Stop as at SIGTERM; transfers may finish for so many seconds (None: as is configured). The link ends when
        /// the daemon has.
        Stop { grace: Option<u32> },
    }

    /// Supervisor → ftpctl.
    enum Answer {
        /// The first word. `version` is that of the daemon.
        Welcome { protocol: u32, version: String },
        /// Times are in seconds since 1970. `reload_error` is empty if the configuration in force is the one that was read
        /// last.
        Status {
            pid: u32,
            phase: Phase,
            started: u64,
            loaded: u64,
            reload_error: String,
            listeners: Vec<String>,
            log_level: String,
            sessions: u64,
            max_sessions: u64,
            addresses: u64,
            logged_in: u64,
            users: u64,
            spare_workers: u64,
            served: u64,
            refused: u64,
        },
        /// One client. `user` is empty before the login; `host` where there is no virtual host; `since` in seconds since
        /// 1970.
        ///
        /// From `doing` on it is what the session says, none of which need be true: `silent` for how many milliseconds no
        /// command has come (none before the first), `path`, `bytes`, `size` (if it is known) and `lasts`, in milliseconds,
        /// of the transfer that goes on or of the last one; `sent` and `received` over data connections so far.
        Session {
            id: u64,
            pid: u32,
            peer: SocketAddr,
            proxy: Option<SocketAddr>,
            listener: SocketAddr,
            user: String,
            host: String,
            tls: bool,
            since: u64,
            doing: Doing,
            silent: Option<u64>,
            verb: Vec<u8>,
            cwd: Vec<u8>,
            path: Vec<u8>,
            bytes: u64,
            size: Option<u64>,
            lasts: u64,
            sent: u64,
            received: u64,
        },
        /// Somebody is banned, for the how manyth time.
        Ban { whom: String, seconds_left: u64, times: u32, why: String },
        /// A rate that was set here, in bytes a second; 0: none.
        Throttled { whom: String, is_up: bool, rate: u64 },
        /// One number.
        Sample { family: Family, labels: Vec<String>, value: u64 },
        /// That was all; the request is obeyed. `count`: whom it has concerned.
        Done { count: u64 },
        /// The request is not obeyed.
        Failed { why: String },
    }

    /// Clients.
    enum Whom {
        /// The one of this number.
        Id(u64),
        /// All that are logged in by this name.
        User(String),
        /// All of this network.
        Network { address: IpAddr, prefix: u8 },
    }

    /// Whose data is slowed down.
    enum Slow {
        /// Everybody's, together.
        All,
        /// Of the client with this number.
        Id(u64),
        /// Of all sessions of this user, together.
        User(String),
        /// Of the members of this group, together.
        Group(String),
        /// Of the network that the configuration calls so, together.
        Network(String),
    }

    /// A rate, as an administrator wants it.
    enum Rate {
        /// As it is.
        Unchanged,
        /// As the configuration says.
        Configured,
        /// So many bytes a second; 0: as many as there are.
        Limit(u64),
    }

    /// What a client is about.
    enum Doing {
        /// Nobody is logged in yet.
        LoggingIn,
        /// Nothing.
        Idle,
        /// A command that moves no data.
        Obeying,
        /// A file, to the client.
        Downloading,
        /// A file, from the client.
        Uploading,
        /// A listing.
        Listing,
        /// A digest of a file.
        Digesting,
        /// A copy, from file to file.
        Copying,
        /// The removal of a tree.
        Removing,
    }

    /// What the daemon is about.
    enum Phase {
        /// Serving whoever comes.
        Serving,
        /// Serving those who are there.
        Draining,
        /// Letting transfers finish, and then ending.
        Stopping,
    }
}

impl Copy for Doing {}
impl Copy for Phase {}

messages! {
    Request;
    Answer;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::bytes::Malformed;
    use crate::ipc::link::Message;
    use proptest::prelude::*;

    fn survives<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
        assert_eq!(M::decode(&message.encode()).as_ref(), Ok(message));
    }

    proptest! {
        #[test]
        fn what_was_sent_is_what_arrives(
            id: u64, number: u32, flag: bool, text: String, ip: IpAddr, port: u16, prefix: u8, path: Vec<u8>,
            texts in prop::collection::vec(".*", 0..5)
        ) {
            let peer = SocketAddr::new(ip, port);
            for whom in [Whom::Id(id), Whom::User(text.clone()), Whom::Network { address: ip, prefix }] {
                survives(&Request::Kick { whom });
            }
            survives(&Request::LogLevel { level: text.clone() });
            survives(&Request::Ban { whom: text.clone(), seconds: flag.then_some(number), why: text.clone() });
            survives(&Request::Throttle { whom: Slow::User(text.clone()), down: Rate::Limit(id), up: Rate::Configured });
            survives(&Request::Trace { whom: flag.then_some(Whom::Id(id)), on: flag });
            survives(&Answer::Ban { whom: text.clone(), seconds_left: id, times: number, why: text.clone() });
            survives(&Answer::Throttled { whom: text.clone(), is_up: flag, rate: id });
            survives(&Request::Drain { draining: flag });
            survives(&Request::Stop { grace: flag.then_some(number) });
            survives(&Answer::Welcome { protocol: number, version: text.clone() });
            survives(&Answer::Status {
                pid: number,
                phase: Phase::Stopping,
                started: id,
                loaded: id,
                reload_error: text.clone(),
                listeners: texts.clone(),
                log_level: text.clone(),
                sessions: id,
                max_sessions: id,
                addresses: id,
                logged_in: id,
                users: id,
                spare_workers: id,
                served: id,
                refused: id,
            });
            survives(&Answer::Session {
                id,
                pid: number,
                peer,
                proxy: flag.then_some(peer),
                listener: peer,
                user: text.clone(),
                host: text.clone(),
                tls: flag,
                since: id,
                doing: Doing::Uploading,
                silent: flag.then_some(id),
                verb: path.clone(),
                cwd: path.clone(),
                path,
                bytes: id,
                size: flag.then_some(id),
                lasts: id,
                sent: id,
                received: id,
            });
            survives(&Answer::Sample { family: Family::Sessions, labels: texts.clone(), value: id });
            survives(&Answer::Done { count: id });
            survives(&Answer::Failed { why: text });
        }

        #[test]
        fn no_packet_is_too_silly_to_be_refused(packet: Vec<u8>) {
            let _ = Request::decode(&packet);
            let _ = Answer::decode(&packet);
        }
    }

    #[test]
    fn a_byte_too_many_or_too_few_is_malformed() {
        let mut packet = Request::Kick { whom: Whom::Id(7) }.encode();
        packet.push(0);
        assert_eq!(Request::decode(&packet), Err(Malformed));
        packet.truncate(3);
        assert_eq!(Request::decode(&packet), Err(Malformed));
        assert_eq!(Request::decode(&[]), Err(Malformed));
    }
}
