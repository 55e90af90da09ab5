//! What the event log and the programs are told of an event: THE LIST of facts. Each has one name, from which the member of
//! the JSON object, the variable of the environment and the manual are made.

use std::borrow::Cow;
use std::net::SocketAddr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::telling::{event_name, name_of};
use crate::config::EventName;
use crate::ipc::messages::{Direction, Event, Left, Outcome};
use crate::ipc::occurrences::{Occurrence, What};
use crate::log::json::Object;

/// A value of a fact.
pub enum Value<'a> {
    Text(Cow<'a, str>),
    /// A name of a file: any bytes but NUL.
    Bytes(Cow<'a, [u8]>),
    Number(u64),
    /// Microseconds, to be shown as seconds.
    Micros(u64),
    Truth(bool),
}

/// A fact, of those events that have it.
pub struct Fact {
    /// The name in JSON.
    pub name: &'static str,
    /// What it is, for the manual.
    pub meaning: &'static str,
    /// What it is of this event, if the event has it.
    pub value: for<'a> fn(&'a Occurrence) -> Option<Value<'a>>,
}

/// Declares the facts.
macro_rules! facts {
    ($($(#[doc = $meaning:literal])+ $name:ident = $value:expr;)+) => {
        /// All facts, in the order in which they are told.
        pub const FACTS: &[Fact] = &[$(Fact {
            name: stringify!($name),
            meaning: concat!($($meaning),+),
            value: $value,
        }),+];
    };
}

facts! {
    /// The event; the list above has the names.
    event = |told| Some(Value::Text(name_of(&told.what)?.name().into()));
    /// When it happened, in UTC, to the microsecond, as in `2026-03-01T12:00:00.000000Z`.
    time = |told| Some(Value::Text(time_of(told.micros).into()));
    /// The number of the connection, which every line of the log has too. It counts from the start of the daemon.
    session = |told| Some(Value::Number(told.whom.session)).filter(|_| told.whom.session > 0);
    /// The client's address.
    peer = |told| told.whom.peer.map(address);
    /// The client's port.
    peer_port = |told| told.whom.peer.map(port);
    /// The address of the server that the client connected to.
    local = |told| told.whom.local.map(address);
    /// Its port.
    local_port = |told| told.whom.local.map(port);
    /// The virtual host, where there is one.
    host = |told| text(&told.whom.host);
    /// The user, as he logged in, or tried to.
    user = |told| text(&told.whom.user);
    /// The number of the account that the session runs as.
    uid = |told| told.whom.identity.as_ref().map(|identity| Value::Number(identity.uid.into()));
    /// Whether TLS protects the control connection: `true` or `false`.
    tls = |told| told.whom.peer.map(|_| Value::Truth(told.whom.tls));
    /// Why a login failed, a client is gone, or was turned away, somebody was banned, or something was forbidden.
    reason = |told| reason(&told.what);
    /// What was forbidden: the command.
    operation = |told| match &told.what {
        What::Done(Event::Refused { operation, .. }) => Some(Value::Text(operation.into())),
        _ => None,
    };
    /// The file or directory, as the client sees it.
    path = |told| path(&told.what).map(|path| Value::Bytes(path.into()));
    /// The same as the machine sees it: an absolute path. Symbolic links in it are not followed.
    file = |told| path(&told.what).map(|path| Value::Bytes(real(&told.whom.root, path)));
    /// Where it was renamed or copied to, or what a symbolic link leads to, as the client sees it.
    to_path = |told| target(&told.what).map(|path| Value::Bytes(path.into()));
    /// The same as the machine sees it.
    to_file = |told| target(&told.what).map(|path| Value::Bytes(real(&told.whom.root, path)));
    /// The new mode, in octal.
    mode = |told| match &told.what {
        What::Done(Event::ModeChanged { mode, .. }) => Some(Value::Text(format!("{mode:04o}").into())),
        _ => None,
    };
    /// The number of the new group.
    gid = |told| match &told.what {
        What::Done(Event::GroupChanged { gid, .. }) | What::Wants(Event::GroupChanged { gid, .. }) => Some(Value::Number((*gid).into())),
        _ => None,
    };
    /// How many bytes of the file were moved, without what was there before a transfer was resumed.
    bytes = |told| match &told.what {
        What::Done(Event::Transferred { bytes, .. }) => Some(Value::Number(*bytes)),
        _ => None,
    };
    /// How long a transfer or a connection lasted, or a ban is going to last (0: until it is lifted).
    seconds = |told| match &told.what {
        What::Done(Event::Transferred { micros, .. }) => Some(Value::Micros(*micros)),
        What::Disconnected { micros, .. } => Some(Value::Micros(*micros)),
        What::Banned { seconds, .. } => Some(Value::Number(*seconds)),
        _ => None,
    };
    /// How a transfer ended: `complete`, `aborted` by the client, `broken` with the connection, or `failed` in the file
    /// system.
    result = |told| match &told.what {
        What::Done(Event::Transferred { outcome, .. }) => Some(Value::Text(result(*outcome).into())),
        _ => None,
    };
    /// Of an upload that was cut short, what has its name now: `nothing`; the `beginning` of a new file; the `old` file, as it
    /// was; or a file that was there and has been `changed` where it is (APPE, REST).
    left = |told| match &told.what {
        What::Done(Event::Transferred { left: Some(left), .. }) => Some(Value::Text(match left {
            Left::Nothing => "nothing",
            Left::Beginning => "beginning",
            Left::Old => "old",
            Left::Changed => "changed",
        }.into())),
        _ => None,
    };
    /// How many files were moved in a connection.
    files = |told| match &told.what {
        What::Disconnected { files, .. } => Some(Value::Number(*files)),
        _ => None,
    };
    /// How many bytes of files were sent in it.
    sent = |told| match &told.what {
        What::Disconnected { sent, .. } => Some(Value::Number(*sent)),
        _ => None,
    };
    /// How many bytes of files were received in it.
    received = |told| match &told.what {
        What::Disconnected { received, .. } => Some(Value::Number(*received)),
        _ => None,
    };
    /// Whom a ban is against: an address, a network, or a user.
    banned = |told| match &told.what {
        What::Banned { whom, .. } | What::Unbanned { whom, .. } => text(whom),
        _ => None,
    };
}

/// An event as one object of JSON, without the end of the line. No character in it can end a line or change what a
/// terminal shows.
pub fn json(told: &Occurrence) -> Vec<u8> {
    let mut object = Object::new();
    for fact in FACTS {
        match (fact.value)(told) {
            None => {}
            Some(Value::Text(text)) => object.text(fact.name, &text),
            Some(Value::Bytes(bytes)) => object.bytes(fact.name, &bytes),
            Some(Value::Number(number)) => object.number(fact.name, number),
            Some(Value::Micros(micros)) => object.seconds(fact.name, micros),
            Some(Value::Truth(truth)) => object.truth(fact.name, truth),
        }
    }
    object.finish()
}

fn text(text: &str) -> Option<Value<'_>> {
    (!text.is_empty()).then(|| Value::Text(text.into()))
}

fn address<'a>(address: SocketAddr) -> Value<'a> {
    Value::Text(address.ip().to_canonical().to_string().into())
}

fn port<'a>(address: SocketAddr) -> Value<'a> {
    Value::Number(address.port().into())
}

fn time_of(micros: u64) -> String {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or_default();
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let whole = moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_default();
    format!("{}.{:06}Z", whole.trim_end_matches('Z'), micros % 1_000_000)
}

fn reason(what: &What) -> Option<Value<'_>> {
    match what {
        What::Disconnected { why, .. }
        | What::LoginFailed { why }
        | What::Refused { why }
        | What::Banned { why, .. }
        | What::Unbanned { why, .. }
        | What::Done(Event::Refused { why, .. }) => text(why),
        What::Connected
        | What::LoggedIn
        | What::LoggedOut
        | What::WantsToConnect
        | What::WantsToLogIn
        | What::Stopping { .. }
        | What::Done(_)
        | What::Wants(_) => None,
    }
}

/// The event that a wish is about, and the file, as the client sees it.
pub fn asked(wish: &Event) -> (&'static str, &[u8]) {
    (event_name(wish).map_or("", EventName::name), path_of(wish).unwrap_or_default())
}

/// What an event is about, as the client sees it.
fn path(what: &What) -> Option<&[u8]> {
    match what {
        What::Done(event) | What::Wants(event) => path_of(event),
        _ => None,
    }
}

fn path_of(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Transferred { direction: Direction::In | Direction::Out, path, .. }
        | Event::Removed { path }
        | Event::Renamed { from: path, .. }
        | Event::DirectoryMade { path }
        | Event::DirectoryRemoved { path }
        | Event::ModeChanged { path, .. }
        | Event::TimeChanged { path }
        | Event::GroupChanged { path, .. }
        | Event::Linked { path, .. }
        | Event::Copied { from: path, .. }
        | Event::Refused { path, .. } => Some(path),
        Event::Command { .. }
        | Event::TransferBegan { .. }
        | Event::Progress { .. }
        | Event::Transferred { .. } => None,
    }
}

fn target(what: &What) -> Option<&[u8]> {
    match what {
        What::Done(
            Event::Renamed { to, .. } | Event::Copied { to, .. } | Event::Linked { target: to, .. },
        )
        | What::Wants(
            Event::Renamed { to, .. } | Event::Copied { to, .. } | Event::Linked { target: to, .. },
        ) => Some(to),
        _ => None,
    }
}

/// What the client sees at `path`, as the machine sees it; `root` is what he sees as `/`. It lies beneath the root whatever
/// a session says that its path is.
pub fn real(root: &[u8], path: &[u8]) -> Cow<'static, [u8]> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if root.is_empty() && names.is_empty() {
        return b"/".into();
    }
    let mut found = root.to_vec();
    for name in names {
        found.push(b'/');
        found.extend_from_slice(name);
    }
    found.into()
}

/// How a transfer ended, in a word.
pub fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Aborted => "aborted",
        Outcome::CutShort => "broken",
        Outcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::occurrences::{Identity, Whom};
    use proptest::prelude::*;

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn received(path: &[u8]) -> Occurrence {
        let what = What::Done(Event::Transferred {
            direction: Direction::In,
            path: path.to_vec(),
            bytes: 7,
            micros: 1500,
            ascii: false,
            outcome: Outcome::Complete,
            left: None,
        });
        let whom = Whom {
            session: 3,
            peer: Some("[::ffff:192.0.2.1]:1234".parse().unwrap()),
            local: Some("192.0.2.2:21".parse().unwrap()),
            user: "alice".into(),
            identity: Some(Identity { uid: 2001, gid: 2001, groups: vec![2001] }),
            root: b"/home/alice".to_vec(),
            ..Whom::default()
        };
        Occurrence { micros: 1_000_000_000_000_001, whom, what, lost: 0 }
    }

    #[test]
    fn an_event_is_one_object() {
        assert_eq!(
            String::from_utf8(json(&received(b"/a \"b\""))).unwrap(),
            "{\"event\":\"file-received\",\"time\":\"2001-09-09T01:46:40.000001Z\",\"session\":3,\
             \"peer\":\"192.0.2.1\",\"peer_port\":1234,\"local\":\"192.0.2.2\",\"local_port\":21,\"user\":\"alice\",\
             \"uid\":2001,\"tls\":false,\"path\":\"/a \\\"b\\\"\",\"file\":\"/home/alice/a \\\"b\\\"\",\"bytes\":7,\
             \"seconds\":0.0015,\"result\":\"complete\"}"
        );
    }

    #[test]
    fn what_a_session_tells_lies_beneath_its_root() {
        assert_eq!(&*real(b"/home/alice", b"/a/b"), b"/home/alice/a/b");
        assert_eq!(&*real(b"/home/alice", b"/"), b"/home/alice");
        assert_eq!(&*real(b"/home/alice", b"/../../etc/./shadow"), b"/home/alice/etc/shadow");
        assert_eq!(&*real(b"/home/alice", b"a//..b"), b"/home/alice/a/..b");
        assert_eq!(&*real(b"/", b"/etc/motd"), b"/etc/motd");
        assert_eq!(&*real(b"", b".."), b"/");
    }

    #[test]
    fn names_that_are_no_text_are_told_byte_by_byte() {
        let told: serde_json::Value = serde_json::from_slice(&json(&received(b"/\xff"))).unwrap();
        assert_eq!(told["path"], "/\u{fffd}");
        assert_eq!(told["path_hex"], "2fff");
        assert!(told["file_hex"].as_str().unwrap().ends_with("2fff"));
    }

    proptest! {
        #[test]
        fn no_name_can_end_the_line_or_reach_a_terminal(path: Vec<u8>, name in "\\PC*|[\\x00-\\u{9f}\u{2028}\u{202e}]*") {
            for path in [path, name.into_bytes()] {
                let line = String::from_utf8(json(&received(&path))).unwrap();
                let wild = line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}'));
                prop_assert!(!wild);
                let told: serde_json::Value = serde_json::from_str(&line).unwrap();
                match std::str::from_utf8(&path) {
                    Ok(text) => prop_assert_eq!(told["path"].as_str(), Some(text)),
                    Err(_) => prop_assert_eq!(told["path_hex"].as_str(), Some(&hexadecimal(&path)[..])),
                }
            }
        }
    }

    #[test]
    fn every_fact_says_what_it_is() {
        for fact in FACTS {
            assert!(fact.meaning.trim().ends_with('.'), "{}", fact.name);
        }
    }
}
