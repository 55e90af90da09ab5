//! The log in the journal and in syslog: parsed back from what these receive; and nothing that a client says can forge any.

use std::fs;
use std::os::unix::net::UnixDatagram;

use crate::client::{Client, PATIENCE};
use crate::log_formats::move_hostile_files;
use crate::logging::{start_silently, syslog, wait_for_message};
use crate::world::World;

tests! {
    the_journal_gets_fields
    the_journal_cannot_be_forged
    rfc_5424_has_structured_data
    rfc_5424_cannot_be_forged
    the_facility_is_as_configured
}

/// Lets sockets of this world take as much unread as systemd lets them; the kernel's own idea is 10 messages.
pub fn with_long_queues() {
    fs::write("/proc/sys/net/unix/max_dgram_qlen", "512").expect("length of queues");
}

/// Listens where the journal does.
pub fn journal() -> UnixDatagram {
    with_long_queues();
    fs::create_dir_all("/run/systemd/journal").expect("directory of the journal");
    let socket = UnixDatagram::bind("/run/systemd/journal/socket").expect("socket of the journal");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket
}

/// The fields of one entry, as the journal reads them.
pub fn fields(datagram: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(datagram).expect("UTF-8");
    text.lines()
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("no field: {line}")))
        .map(|(name, value)| {
            assert!(name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// Reads entries until one has this field with this value.
fn wait_for_entry(socket: &UnixDatagram, name: &str, value: &str) -> Vec<(String, String)> {
    let mut buffer = [0; 20_000];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("no {name}={value} in the journal"));
        let fields = fields(&buffer[..length]);
        if fields.iter().any(|field| field.0 == name && field.1 == value) {
            return fields;
        }
    }
}

fn the_journal_gets_fields() {
    let world = World::new();
    let socket = journal();
    let _server = start_silently(&world, "log.to = \"journal\"");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let entry = wait_for_entry(&socket, "FTPD_PATH", "/file");
    let value = |name: &str| {
        let found: Vec<_> = entry.iter().filter(|field| field.0 == name).map(|field| field.1.as_str()).collect();
        assert_eq!(found.len(), 1, "{name}: {entry:?}");
        found[0].to_owned()
    };
    assert!(value("MESSAGE").contains("STOR \"/file\" completed=1"), "{entry:?}");
    assert_eq!((value("PRIORITY"), value("SYSLOG_IDENTIFIER")), ("6".into(), "ftpd".into()));
    assert_eq!((value("FTPD_USER"), value("FTPD_PEER")), ("alice".into(), "127.0.0.1".into()));
    assert_eq!((value("FTPD_VERB"), value("FTPD_BYTES")), ("STOR".into(), "7".into()));
    assert!(value("FTPD_SESSION").parse::<u64>().is_ok() && value("SYSLOG_PID").parse::<u64>().is_ok());
}

fn the_journal_cannot_be_forged() {
    let world = World::new();
    let socket = journal();
    let _server = start_silently(&world, "log.to = \"journal\"");
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    client.transmit("STOR end", b"");
    let mut buffer = [0; 20_000];
    loop {
        let length = socket.recv(&mut buffer).expect("an entry");
        let fields = fields(&buffer[..length]);
        for name in ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"] {
            assert_eq!(fields.iter().filter(|field| field.0 == name).count(), 1, "{fields:?}");
        }
        assert!(!fields.iter().any(|field| field.1.chars().any(char::is_control)), "{fields:?}");
        assert!(!fields.iter().any(|field| field.1 == "forged"), "{fields:?}");
        if fields.iter().any(|field| field.0 == "FTPD_PATH" && field.1 == "/end") {
            return;
        }
    }
}

/// A message of RFC 5424: its priority, its structured data, its text.
struct Message {
    priority: u8,
    host: String,
    data: Vec<(String, String)>,
    text: String,
}

/// Reads a message strictly as the grammar of RFC 5424 6 has it.
fn parse_5424(message: &str) -> Message {
    let (priority, rest) = message.strip_prefix('<').and_then(|rest| rest.split_once('>')).expect("PRI");
    let mut words = rest.splitn(7, ' ');
    let mut word = || words.next().expect("a field of the header");
    assert_eq!(word(), "1");
    let time = word();
    assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    let host = word().to_owned();
    assert_eq!(word(), "ftpd");
    assert!(word().parse::<u32>().is_ok());
    assert_eq!(word(), "-");
    let rest = word();
    let mut data = Vec::new();
    let Some(elements) = rest.strip_prefix("[ftpd@32473 ") else {
        let text = rest.strip_prefix("- ").expect("no structured data").to_owned();
        return Message { priority: priority.parse().expect("PRI"), host, data, text };
    };
    let mut letters = elements.chars();
    let (mut name, mut value) = (String::new(), String::new());
    loop {
        match letters.next().expect("structured data ends") {
            '=' => {
                assert_eq!(letters.next(), Some('"'));
                loop {
                    match letters.next().expect("a value ends") {
                        '\\' => value.push(letters.next().filter(|c| matches!(c, '"' | '\\' | ']')).expect("escape")),
                        '"' => break,
                        ']' => panic!("an unescaped bracket in {message}"),
                        other => value.push(other),
                    }
                }
                data.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                match letters.next() {
                    Some(' ') => {}
                    Some(']') => break,
                    other => panic!("{other:?} behind a value in {message}"),
                }
            }
            other => {
                assert!(other.is_ascii_graphic() && !matches!(other, '"' | ']' | '='), "{other:?} in a name");
                name.push(other);
            }
        }
    }
    let text = letters.as_str().strip_prefix(' ').expect("a space before the text").to_owned();
    Message { priority: priority.parse().expect("PRI"), host, data, text }
}

fn rfc_5424_has_structured_data() {
    let world = World::new();
    world.own_devices();
    with_long_queues();
    let socket = syslog();
    let _server = start_silently(&world, "log.to = \"syslog\"\nlog.syslog-format = \"rfc5424\"");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let message = parse_5424(&wait_for_message(&socket, "STOR"));
    // Facility ftp is 11, severity informational 6.
    assert_eq!(message.priority, 11 * 8 + 6);
    let host = nix::unistd::gethostname().expect("name of the host");
    assert_eq!(message.host, host.to_string_lossy());
    let value = |name: &str| message.data.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());
    assert_eq!((value("user"), value("peer")), (Some("alice"), Some("127.0.0.1")));
    assert_eq!((value("path"), value("bytes"), value("verb")), (Some("/file"), Some("7"), Some("STOR")));
    assert!(message.text.contains("STOR \"/file\" completed=1"), "{}", message.text);
}

fn rfc_5424_cannot_be_forged() {
    let world = World::new();
    world.own_devices();
    with_long_queues();
    let socket = syslog();
    let _server = start_silently(&world, "log.to = \"syslog\"\nlog.syslog-format = \"rfc5424\"");
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    client.transmit("STOR end", b"");
    let mut seen = 0;
    loop {
        let message = parse_5424(&wait_for_message(&socket, "<"));
        assert!(!message.text.chars().any(char::is_control), "{:?}", message.text);
        for (_, value) in &message.data {
            assert!(!value.chars().any(char::is_control), "{value:?}");
        }
        let path = message.data.iter().find(|pair| pair.0 == "path").map(|pair| pair.1.as_str());
        seen += usize::from(path == Some("/x\" ] } = [z@1 q=\"1\"]"));
        if path == Some("/end") {
            break;
        }
    }
    assert_eq!(seen, 2);
}

fn the_facility_is_as_configured() {
    let world = World::new();
    world.own_devices();
    with_long_queues();
    let socket = syslog();
    let _server = start_silently(&world, "log.to = \"syslog\"\nlog.facility = \"local3\"");
    let _client = Client::logged_in("alice");
    let message = wait_for_message(&socket, "logged in");
    // local3 is 19, severity notice 5.
    assert!(message.starts_with("<157>"), "{message}");
}
