//! What the fuzzer of fuzz/ feeds with any bytes, one function for each kind of input that comes from outside. Each
//! fails an assertion when a promise is broken. tests/corpus.rs feeds them what fuzzers have found interesting.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::config::Config;
use crate::config::users::{UsersText, read_answer};
use crate::ipc::control::{Answer, Request};
use crate::ipc::link::Message;
use crate::ipc::messages::{
    FromFrontend, FromSession, FromVerifier, ToFrontend, ToSession, ToSupervisor, ToWorker,
};
use crate::ipc::occurrences::Occurrence;
use crate::metrics::http;
use crate::protocol::address::{self, Protocol};
use crate::protocol::command::Command;
use crate::protocol::glob;
use crate::protocol::line::LineBuffer;
use crate::protocol::message;
use crate::protocol::path::FtpPath;
use crate::protocol::proxy::HeaderReader;
use crate::protocol::reply::{Code, Reply};
use crate::session::ascii::{FromWire, to_wire};
use crate::session::deflate::{Deflater, Inflater};
use crate::session::facts::Facts;
use crate::session::list_options::Options;
use crate::session::mode::Change;
use crate::session::{arguments, format};
use crate::system::packet::MAX_PACKET;
use crate::tls::{certificate, ocsp};
use crate::verifier;

/// A target by name, as fuzz/ and the corpus have it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("lines", lines),
    ("commands", commands),
    ("paths", paths),
    ("addresses", addresses),
    ("listing_arguments", listing_arguments),
    ("arguments", arguments),
    ("ascii", ascii),
    ("proxy_headers", proxy_headers),
    ("http_requests", http_requests),
    ("replies", replies),
    ("messages", messages),
    ("configuration", configuration),
    ("streams", streams),
    ("texts", texts),
    ("certificates", certificates),
];

/// The first byte says how the others are cut into pieces.
fn cut(input: &[u8]) -> (usize, &[u8]) {
    input.split_first().map_or((1, input), |(&first, rest)| (usize::from(first).max(1), rest))
}

/// What a certificate says can be told, and written into a log.
pub fn certificates(input: &[u8]) {
    let _ = certificate::validity(input);
    let _ = ocsp::examine(input, input, 0);
    let Some(told) = verifier::names_of(input) else { return };
    assert!(told.encode().len() <= MAX_PACKET);
    let FromVerifier::Accepted { subject, common_names, user_ids, emails, dns_names, principals, .. } = told
    else {
        panic!("nothing was judged");
    };
    let names = [common_names, user_ids, emails, dns_names, principals].concat();
    assert!(
        names.iter().chain([&subject]).all(|name| !name.chars().any(char::is_control)),
        "{names:?} {subject:?}"
    );
}

/// Lines are the same however the bytes arrive.
pub fn lines(input: &[u8]) {
    let (piece, bytes) = cut(input);
    let read = |piece: usize| {
        let mut buffer = LineBuffer::new(64);
        let (mut lines, mut answers) = (Vec::new(), Vec::new());
        for mut bytes in bytes.chunks(piece) {
            while !bytes.is_empty() {
                let taken = buffer.feed(bytes);
                assert!(taken > 0, "no byte was taken, and no line waits");
                bytes = &bytes[taken..];
                lines.extend(buffer.take());
                answers.extend(buffer.telnet_answers());
            }
        }
        (lines, answers, buffer.is_partial())
    };
    let (whole, pieces) = (read(usize::MAX), read(piece));
    assert!(whole.0.iter().flatten().all(|line| line.len() <= 64 && !line.contains(&b'\n')));
    assert_eq!((&whole.0, whole.2), (&pieces.0, pieces.2));
    // Of many answers at once only the first are kept, so pieces may bring more of them.
    assert!(whole.1.len() >= 90 || whole.1 == pieces.1);
}

/// Every line is some command, and its argument the end of the line.
pub fn commands(input: &[u8]) {
    let command = Command::parse(input);
    assert!(input.ends_with(&command.argument));
    assert!(!command.verb.bytes().any(|byte| byte.is_ascii_lowercase()));
    _ = Facts::selected(&command.argument).chosen();
    if let Some(seconds) = format::parse_stamp(&command.argument) {
        let mut stamp = Vec::new();
        format::stamp(&mut stamp, seconds);
        assert_eq!(format::parse_stamp(&stamp), Some(seconds));
    }
}

/// Whatever is joined, a path is absolute and names nothing above the root.
pub fn paths(input: &[u8]) {
    let mut path = FtpPath::root();
    for argument in input.split(|&byte| byte == b'\n') {
        let Some(joined) = path.join(argument) else { continue };
        assert!(joined.as_bytes().starts_with(b"/") && joined.as_bytes().len() <= 4095);
        for name in joined.components() {
            assert!(!name.is_empty() && name != b"." && name != b".." && name.len() <= 255);
            assert!(!name.contains(&b'/') && !name.contains(&0));
        }
        assert_eq!(FtpPath::root().join(joined.as_bytes()).as_ref(), Some(&joined), "it means itself");
        assert_eq!(path.join(joined.as_bytes()).as_ref(), Some(&joined), "it is absolute");
        match joined.parent_and_name() {
            Some((parent, name)) => assert_eq!(parent.join(&[b"./", name].concat()).as_ref(), Some(&joined)),
            None => assert!(joined.is_root()),
        }
        path = joined;
    }
}

/// An address that is understood is understood the same when it is written anew.
pub fn addresses(input: &[u8]) {
    if let Ok(address) = address::parse_port(input) {
        let anew = format!(
            "{},{},{}",
            address.ip().to_string().replace('.', ","),
            address.port() >> 8,
            address.port() & 255
        );
        assert_eq!(address::parse_port(anew.as_bytes()), Ok(address));
    }
    if let Ok(address) = address::parse_eprt(input) {
        let protocol = Protocol::of(address.ip()).number();
        let anew = format!("|{protocol}|{}|{}|", address.ip(), address.port());
        assert_eq!(address::parse_eprt(anew.as_bytes()), Ok(address));
    }
    _ = address::parse_epsv(input);
}

/// The options before a path, and a pattern and a name.
pub fn listing_arguments(input: &[u8]) {
    let (options, path) = Options::parse(input);
    assert!(input.ends_with(path));
    assert!(options.shows(b"name"));
    if let Some(border) = input.iter().position(|&byte| byte == b'\n') {
        let (pattern, name) = (&input[..border], &input[border + 1..]);
        let found = glob::matches(pattern, name);
        assert!(!found || glob::is_pattern(pattern) || pattern.contains(&b'\\') || pattern == name);
    }
}

/// Names in quotes survive them, with numbers behind or another name; a mode is nothing but permission bits.
pub fn arguments(input: &[u8]) {
    _ = arguments::two_names(input);
    if let Some(found) = arguments::ranged(input) {
        assert!(found.path.len() <= input.len());
    }
    if let Some(change) = std::str::from_utf8(input).ok().and_then(Change::parse) {
        assert!(change.applied_to(0o644, false, 0o022) <= 0o777);
        assert!(change.applied_to(0o755, true, 0o077) <= 0o777);
    }
    let (first, second) = input.split_at(input.len() / 2);
    if first.is_empty() {
        return;
    }
    let quoted = |name: &[u8]| {
        let doubled = name.iter().flat_map(|&byte| std::iter::repeat_n(byte, 1 + usize::from(byte == b'"')));
        [b"\"".to_vec(), doubled.collect(), b"\"".to_vec()].concat()
    };
    let both = [quoted(first), quoted(second)].join(&b' ');
    assert_eq!(arguments::two_names(&both), Some((first.to_vec(), second.to_vec())));
    let ranged = arguments::ranged(&[&quoted(first)[..], b" 3 7"].concat());
    assert_eq!(ranged, Some(arguments::Ranged { path: first.to_vec(), range: Some((3, 7)) }));
}

/// A file survives the way out and back, in pieces of any size.
pub fn ascii(input: &[u8]) {
    let (piece, file) = cut(input);
    let mut wire = Vec::new();
    file.chunks(piece).for_each(|part| to_wire(part, &mut wire));
    let mut back = Vec::new();
    let mut conversion = FromWire::default();
    wire.chunks(piece).for_each(|part| conversion.put(part, &mut back));
    conversion.end(&mut back);
    assert_eq!(back, file);
    // What another program sends need not be the way out of anything, but pieces do not matter.
    let received = |size: usize| {
        let mut text = Vec::new();
        let mut conversion = FromWire::default();
        file.chunks(size).for_each(|part| conversion.put(part, &mut text));
        conversion.end(&mut text);
        text
    };
    assert_eq!(received(piece), received(usize::MAX));
}

/// A header of a proxy is the same in pieces of any size, bounded, and takes nothing that stands behind it.
pub fn proxy_headers(input: &[u8]) {
    let (piece, bytes) = cut(input);
    let read = |bytes: &[u8], piece: usize| {
        let mut reader = HeaderReader::default();
        let mut taken = 0;
        for part in bytes.chunks(piece) {
            taken += reader.feed(part);
            if reader.take().is_some() {
                break;
            }
        }
        (reader.take(), taken)
    };
    let whole = read(bytes, usize::MAX);
    assert_eq!(whole, read(bytes, piece));
    assert!(whole.1 <= 4096);
    if whole.0.is_some() {
        assert_eq!(whole, read(&bytes[..whole.1], piece));
        assert_eq!(whole, read(&[&bytes[..whole.1], b"USER x\r\n"].concat(), piece));
    }
}

/// Whatever a reply quotes, a client finds its end, and nothing behind it.
pub fn replies(input: &[u8]) {
    let texts: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let mut sent = Vec::new();
    Reply::lines(Code::FileStatus, texts.iter().copied()).encode(&mut sent);
    Reply::path_created(input, "made.").encode(&mut sent);
    let lines: Vec<&[u8]> = sent.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(lines.len(), texts.len() + 1);
    for (index, line) in lines.iter().enumerate() {
        assert!(
            line.ends_with(b"\r\n") && !line[..line.len() - 2].iter().any(|byte| b"\r\n\0".contains(byte))
        );
        assert_eq!(line.starts_with(b"213 "), index + 1 == texts.len());
    }
}

/// A packet is malformed, or the encoding of what it decodes to.
pub fn messages(input: &[u8]) {
    fn exact<M: Message>(packet: &[u8]) {
        if let Ok(message) = M::decode(packet) {
            assert_eq!(message.encode(), packet);
        }
    }
    exact::<ToWorker>(input);
    exact::<ToSupervisor>(input);
    exact::<ToFrontend>(input);
    exact::<FromFrontend>(input);
    exact::<ToSession>(input);
    exact::<FromSession>(input);
    exact::<Request>(input);
    exact::<Answer>(input);
    exact::<Occurrence>(input);
}

/// What asks for numbers over HTTP is answered, or waited for as long as it may still become a request.
pub fn http_requests(input: &[u8]) {
    match http::read(input) {
        http::Request::Partial => assert!(input.len() < http::LONGEST_REQUEST),
        http::Request::Numbers { .. } => {
            assert!(input.windows(4).any(|word| word == b"GET " || word == b"HEAD"))
        }
        http::Request::Refused { status } => assert!(http::refusal(status).starts_with(b"HTTP/1.1 4")),
    }
}

/// A configuration is refused with a reason, or reads back as itself.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let path = Path::new("ftpd.toml");
    match Config::parse(path, text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(config) => assert_eq!(Config::parse(path, &config.to_toml()), Ok(config)),
    }
    users(path, text);
}

/// Entries of a users file and answers of a program have the form of a configuration.
fn users(path: &Path, text: &str) {
    if let Ok(users) = UsersText::parse(Some(path), text) {
        for name in users.names() {
            match users.entry(name) {
                Some(Ok(entry)) => drop(entry.objections(None)),
                Some(Err(error)) => assert!(!error.to_string().is_empty()),
                None => panic!("{name:?} was there"),
            }
        }
    }
    if let Err(error) = read_answer(path, "somebody", text) {
        assert!(!error.to_string().is_empty());
    }
}

/// A stream of MODE Z means the same in pieces of any size, and what was put into one comes out of it.
pub fn streams(input: &[u8]) {
    fn inflated(wire: &[u8], piece: usize, room: usize) -> Option<(Vec<u8>, bool)> {
        let mut inflater = Inflater::new();
        let (mut plain, mut room) = (Vec::new(), vec![0; room]);
        for mut piece in wire.chunks(piece) {
            loop {
                let length = inflater.take(&mut piece, &mut room).ok()?;
                plain.extend_from_slice(&room[..length]);
                if plain.len() > 1 << 20 {
                    return None;
                }
                if piece.is_empty() && length < room.len() {
                    break;
                }
            }
        }
        Some((plain, inflater.is_complete()))
    }
    let (piece, bytes) = cut(input);
    let (whole, pieces) = (inflated(bytes, usize::MAX, 1 << 16), inflated(bytes, piece, 100 + piece));
    assert_eq!(whole, pieces);

    let mut wire = Vec::new();
    let mut deflater = Deflater::new(piece as u32 % 10);
    let put = bytes.chunks(piece).try_for_each(|part| deflater.put(part, &mut wire));
    assert_eq!(put.and_then(|()| deflater.end(&mut wire)), Ok(()));
    assert_eq!(inflated(&wire, piece, 100), Some((bytes.to_vec(), true)));
}

/// Whatever stands in a message, its lines are bounded and hold nothing that moves a terminal.
pub fn texts(input: &[u8]) {
    let session = message::SessionFacts { user: "%u", home: b"/", directory: input };
    let (client, local) = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
    let facts = message::Facts { session: Some(session), client, host: None, local, now: 0 };
    let lines = message::expand(input, &facts);
    assert!(lines.iter().map(Vec::len).sum::<usize>() <= message::MAX_LENGTH + input.len() + 64);
    assert!(!lines.iter().flatten().any(|byte| byte.is_ascii_control() && *byte != b'\t'));
    _ = message::objection(&String::from_utf8_lossy(input), true);
}
