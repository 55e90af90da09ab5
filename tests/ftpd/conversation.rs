//! Conversations: what a client says and what the server must answer, as plain text in conversations/*.txt.
//!
//! ```text
//! # A comment.
//! % session.umask = "077"       a setting of the daemon (only before the first line)
//! > USER $USER                  send a line
//! >> PWD\r\nNOOP\n              send these bytes, in one piece
//! < 331 *                       read a reply: its code, and a pattern for the text of its last line
//! <- *UTF8*                     some line of that reply looks like this
//! << \xff\xfc\x01               read these bytes, which are no reply
//! <end                          the server closes the connection
//! @open                         say EPSV, read 229, and connect there
//! @send one\r\ntwo              send these bytes over the data connection
//! @close                        close it
//! @receive one\r\n*             read everything that comes over it: a pattern
//! ```
//!
//! In patterns `*` stands for anything; `\r`, `\n`, `\\` and `\xff` for bytes, but not behind `<` and `<-`. `FTPD_UNDER_TEST=host:port` plays those without settings to that server,
//! `FTPD_UNDER_TEST_USER` and `FTPD_UNDER_TEST_PASSWORD` log in there: to learn where others differ on purpose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;

use crate::accounts::PASSWORD;
use crate::client::{Client, Reply};
use crate::server::Server;
use crate::world::World;

/// One file.
pub struct Conversation {
    pub name: String,
    text: String,
}

/// All conversations. Read at once: the directory may be out of sight in a world.
pub fn all() -> Vec<Conversation> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ftpd/conversations");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_stem().expect("name").to_string_lossy().into_owned();
            all.push(Conversation { name, text: std::fs::read_to_string(&path).expect("conversation") });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The server to speak to instead of ours.
pub fn other_server() -> Option<SocketAddr> {
    let name = std::env::var("FTPD_UNDER_TEST").ok()?;
    let mut addresses = name.to_socket_addrs().expect("FTPD_UNDER_TEST is host:port");
    Some(addresses.next().expect("an address for FTPD_UNDER_TEST"))
}

impl Conversation {
    pub fn play(&self) {
        let settings: String =
            self.text.lines().filter_map(|line| line.strip_prefix("% ")).collect::<Vec<_>>().join("\n");
        if let Some(server) = other_server() {
            if settings.is_empty() {
                let user = std::env::var("FTPD_UNDER_TEST_USER").unwrap_or_else(|_| "alice".into());
                let password = std::env::var("FTPD_UNDER_TEST_PASSWORD").unwrap_or_else(|_| PASSWORD.into());
                self.speak(Client::connect_to(server), &user, &password);
            }
        } else {
            let world = World::new();
            let _server = Server::start(&world, &settings);
            self.speak(Client::connect(), "alice", PASSWORD);
        }
    }

    fn speak(&self, mut client: Client, user: &str, password: &str) {
        let mut last: Option<Reply> = None;
        let mut data: Option<TcpStream> = None;
        for (number, line) in self.text.lines().enumerate() {
            let place = format!("{}.txt:{}", self.name, number + 1);
            let line = line.replace("$USER", user).replace("$PASSWORD", password);
            if line.is_empty() || line.starts_with('#') || line.starts_with("% ") {
                continue;
            } else if let Some(command) = line.strip_prefix("> ") {
                client.send(command);
            } else if let Some(bytes) = line.strip_prefix(">> ") {
                client.send_bytes(&unescaped(bytes));
            } else if let Some(bytes) = line.strip_prefix("<< ") {
                let expected = unescaped(bytes);
                assert_eq!(client.read_bytes(expected.len()), expected, "{place}");
            } else if line == "<end" {
                client.expect_end();
            } else if line == "@open" {
                data = Some(client.passive());
            } else if line == "@close" {
                assert!(data.take().is_some(), "{place}: there is no data connection");
            } else if let Some(bytes) = line.strip_prefix("@send ") {
                let data = data.as_mut().unwrap_or_else(|| panic!("{place}: there is no data connection"));
                data.write_all(&unescaped(bytes)).unwrap_or_else(|error| panic!("{place}: {error}"));
            } else if let Some(pattern) = line.strip_prefix("@receive ") {
                let mut data = data.take().unwrap_or_else(|| panic!("{place}: there is no data connection"));
                let mut received = Vec::new();
                data.read_to_end(&mut received).unwrap_or_else(|error| panic!("{place}: {error}"));
                let (pattern, received) = (latin(&unescaped(pattern)), latin(&received));
                assert!(matches(&pattern, &received), "{place}: {line}\ngot: {received:?}");
            } else if let Some(pattern) = line.strip_prefix("<- ") {
                let reply = last.as_ref().unwrap_or_else(|| panic!("{place}: there is no reply yet"));
                assert!(
                    reply.lines.iter().any(|line| matches(pattern, line)),
                    "{place}: {line}\ngot: {reply}"
                );
            } else if let Some(pattern) = line.strip_prefix("< ") {
                let reply = client.next_reply().unwrap_or_else(|| panic!("{place}: the connection ended"));
                let end = format!("{} {}", reply.code, reply.text());
                assert!(matches(pattern, &end), "{place}: {line}\ngot: {reply}");
                last = Some(reply);
            } else {
                panic!("{place}: what is this? {line}");
            }
        }
    }
}

/// The bytes that a text with `\r`, `\n`, `\\` and `\xff` stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match escape.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', _, _, ..] => (u8::from_str_radix(&escape[1..3], 16).expect("two digits behind \\x"), 3),
            _ => panic!("what is \\{escape}?"),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// A letter for each byte, so that patterns fit bytes that are not UTF-8.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether `text` looks like `pattern`, in which `*` stands for any number of characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
        }),
    }
}
