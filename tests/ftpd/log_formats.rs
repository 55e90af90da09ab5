//! Every form of the log, parsed back from what the real daemon wrote; and nothing that a client says can forge any.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::client::{Client, PATIENCE, reset};
use crate::logging::{start_silently, syslog, wait_for_message};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    json_lines_are_objects_with_the_facts
    json_lines_cannot_be_forged
    the_journal_gets_fields
    the_journal_cannot_be_forged
    a_journal_that_was_restarted_or_is_full_makes_nobody_wait
    rfc_5424_has_structured_data
    rfc_5424_cannot_be_forged
    the_facility_is_as_configured
    xferlog_is_as_wu_ftpd_writes_it
    xferlog_cannot_be_forged
    xferlog_follows_a_file_that_was_moved_away
    a_prefix_and_a_transfer_line_of_ones_own
    a_format_that_means_nothing_is_an_error
    a_full_disk_loses_lines_and_no_session
    a_pipe_that_nobody_reads_makes_nobody_wait
    signals_of_logrotate_do_no_harm
}

/// Names that would do harm in one form or another.
const HOSTILE: [&[u8]; 4] = [
    b"a\rb\x1b[31m",
    b"x\" ] } = [z@1 q=\"1\"]",
    b"\xfe\xc2\x85\xe2\x80\xa8\xe2\x80\xaed",
    b"MESSAGE=forged PRIORITY=0 \x07\x7f",
];

/// A client makes a file of each name, sends it and fetches it.
fn move_hostile_files(client: &mut Client) {
    client.command("TYPE I", 200);
    for name in HOSTILE {
        for verb in [&b"STOR "[..], b"RETR "] {
            let mut data = client.passive();
            client.send_bytes(&[verb, name, b"\r\n"].concat());
            client.expect(150);
            if verb == b"STOR " {
                data.write_all(b"content").expect("data");
            } else {
                data.read_to_end(&mut Vec::new()).expect("data");
            }
            drop(data);
            client.expect(226);
        }
    }
}

const LOG: &str = "/run/world/ftpd.log";

/// Waits until the log has a line of JSON of which this is true.
fn wait_for_json(is_it: impl Fn(&Value) -> bool) -> Value {
    wait_until("the line is in the log", || {
        let text = fs::read_to_string(LOG).unwrap_or_default();
        let whole = &text[..text.rfind('\n').unwrap_or_default()];
        whole.lines().map(|line| serde_json::from_str(line).expect(line)).find(|line| is_it(line))
    })
}

fn json_lines_are_objects_with_the_facts() {
    let world = World::new();
    let _server = start_silently(
        &world,
        "log.to = \"/run/world/ftpd.log\"\nlog.format = \"json\"\nlog.commands = true",
    );
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let line = wait_for_json(|line| line["verb"] == "STOR" && line["bytes"] == 7);
    assert_eq!((&line["level"], &line["user"], &line["peer"]), (&"info".into(), &"alice".into(), &"127.0.0.1".into()));
    assert_eq!((&line["path"], &line["result"]), (&"/file".into(), &"complete".into()));
    assert!(line["session"].as_u64().is_some() && line["pid"].as_u64().is_some(), "{line}");
    assert!(line["seconds"].as_f64().is_some(), "{line}");
    assert_eq!(line["peer_port"], client.own().port());
    let time = line["time"].as_str().expect("time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    assert!(line["message"].as_str().is_some_and(|text| text.starts_with("STOR \"/file\" completed=1")), "{line}");
    let line = wait_for_json(|line| line["verb"] == "TYPE");
    assert_eq!((&line["argument"], &line["code"]), (&"I".into(), &200.into()));
    let line = wait_for_json(|line| line["message"].as_str().is_some_and(|text| text.contains("listening on")));
    assert!(line["session"].is_null() && line["peer"].is_null());
}

fn json_lines_cannot_be_forged() {
    let world = World::new();
    let _server = start_silently(&world, "log.to = \"/run/world/ftpd.log\"\nlog.format = \"json\"");
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    client.transmit("STOR end", b"");
    wait_for_json(|line| line["path"] == "/end");
    let text = fs::read_to_string(LOG).expect("log");
    let wild = text.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{2028}'..='\u{202e}'));
    assert!(wild.is_none(), "{wild:?} is in the log as it is");
    for name in HOSTILE {
        let path = [b"/", name].concat();
        let told = text.lines().filter(|line| {
            let line: Value = serde_json::from_str(line).expect(line);
            match std::str::from_utf8(&path) {
                Ok(text) => line["path"] == text,
                Err(_) => line["path_hex"] == path.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            }
        });
        assert_eq!(told.count(), 2, "{}", name.escape_ascii());
    }
}

/// Lets sockets of this world take as much unread as systemd lets them; the kernel's own idea is 10 messages.
fn with_long_queues() {
    fs::write("/proc/sys/net/unix/max_dgram_qlen", "512").expect("length of queues");
}

/// Listens where the journal does.
fn journal() -> UnixDatagram {
    with_long_queues();
    fs::create_dir_all("/run/systemd/journal").expect("directory of the journal");
    let socket = UnixDatagram::bind("/run/systemd/journal/socket").expect("socket of the journal");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket
}

/// The fields of one entry, as the journal reads them.
fn fields(datagram: &[u8]) -> Vec<(String, String)> {
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

fn a_journal_that_was_restarted_or_is_full_makes_nobody_wait() {
    let world = World::new();
    let socket = journal();
    let _server = start_silently(&world, "log.to = \"journal\"\nlog.commands = true");
    let mut client = Client::logged_in("alice");
    // Nobody reads: the queue of the socket fills, and what does not fit is counted.
    for _ in 0..2000 {
        client.command("NOOP", 200);
    }
    socket.set_nonblocking(true).expect("nonblocking");
    let lost = wait_until("the loss is told", || {
        client.command("NOOP", 200);
        let mut buffer = [0; 20_000];
        while let Ok(length) = socket.recv(&mut buffer) {
            let fields = fields(&buffer[..length]);
            if let Some(field) = fields.iter().find(|field| field.1.ends_with(" log lines were lost")) {
                return Some(field.1.clone());
            }
        }
        None
    });
    let count = lost.split(' ').next().and_then(|count| count.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > 0), "{lost}");
    drop(socket);
    fs::remove_file("/run/systemd/journal/socket").expect("socket");
    client.command("NOOP", 200);
    let socket = journal();
    client.transmit("STOR found", b"");
    wait_for_entry(&socket, "FTPD_PATH", "/found");
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

const XFERLOG: &str = "/run/world/xferlog";

/// Waits until there are so many lines of xferlog, each of which is strictly one; returns their words.
fn transfers(count: usize) -> Vec<Vec<String>> {
    let text = wait_until(&format!("{count} transfers are in xferlog"), || {
        let text = fs::read(XFERLOG).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text.lines().count() >= count && text.ends_with('\n')).then_some(text)
    });
    text.lines()
        .map(|line| {
            // The day of the month has two columns.
            let (date, rest) = line.split_at_checked(24).expect("a date");
            let date: Vec<_> = date.split_whitespace().collect();
            assert!(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&date[0]), "{line}");
            assert!(date.len() == 5 && date[3].len() == 8 && date[4].len() == 4, "{line}");
            assert!(line.as_bytes()[8..10].iter().all(|byte| byte.is_ascii_digit() || *byte == b' '), "{line}");
            let words: Vec<_> = rest.strip_prefix(' ').expect("a space").split(' ').map(String::from).collect();
            assert_eq!(words.len(), 13, "{line}");
            assert!(words[0].parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{line}");
            assert!(words[1].parse::<std::net::IpAddr>().is_ok() && words[2].parse::<u64>().is_ok(), "{line}");
            for (word, choices) in [(4, "ab"), (5, "_"), (6, "oi"), (7, "agr"), (9, "ftp"), (10, "0"), (11, "*"), (12, "ci")] {
                assert!(words[word] == choices || choices.split("").any(|one| one == words[word]), "{line}");
            }
            words
        })
        .collect()
}

fn xferlog_is_as_wu_ftpd_writes_it() {
    let world = World::new();
    world.give("alice", "a dir/file", "some\ncontent\n");
    let settings = format!("log.xferlog = \"{XFERLOG}\"\nlog.level = \"warning\"\nanonymous.enabled = true\nlog.to = \"/run/world/ftpd.log\"");
    let server = start_silently(&world, &settings);
    let mut client = Client::logged_in("alice");
    client.receive("RETR a dir/file");
    client.command("TYPE A", 200);
    let mut data = client.passive();
    client.command("RETR a dir/file", 150);
    data.read_to_end(&mut Vec::new()).expect("data");
    client.expect(226);
    client.command("TYPE I", 200);
    client.transmit("STOR new", b"content");
    let mut data = client.passive();
    client.command("STOR cut", 150);
    data.write_all(b"half").expect("data");
    server.wait_until_written(4);
    reset(data);
    client.expect(426);
    client.receive_text("LIST");
    let mut anonymous = Client::greeted();
    anonymous.command("USER ftp", 331);
    anonymous.command("PASS me@example.org", 230);
    anonymous.command("TYPE I", 200);
    anonymous.receive("RETR welcome.txt");
    let found: Vec<String> = transfers(5).iter().map(|words| words[1..].join(" ")).collect();
    assert_eq!(
        found,
        [
            "127.0.0.1 13 /home/alice/a_dir/file b _ o r alice ftp 0 * c",
            "127.0.0.1 15 /home/alice/a_dir/file a _ o r alice ftp 0 * c",
            "127.0.0.1 7 /home/alice/new b _ i r alice ftp 0 * c",
            "127.0.0.1 4 /home/alice/cut b _ i r alice ftp 0 * i",
            "127.0.0.1 9 /srv/ftp/welcome.txt b _ o a anonymous ftp 0 * c",
        ]
    );
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(XFERLOG).expect("xferlog"));
    assert_eq!(mode & 0o777, 0o640);
}

fn xferlog_cannot_be_forged() {
    let world = World::new();
    let settings = format!("log.xferlog = \"{XFERLOG}\"");
    let _server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    move_hostile_files(&mut client);
    let found = transfers(HOSTILE.len() * 2);
    assert_eq!(found.len(), HOSTILE.len() * 2);
    let names: Vec<_> = found.iter().step_by(2).map(|words| words[3].as_str()).collect();
    assert_eq!(names[0], "/home/alice/a_b_[31m");
    assert_eq!(names[1], "/home/alice/x\"_]_}_=_[z@1_q=\"1\"]");
    assert!(!names[2].contains('\u{85}') && !names[2].contains('\u{202e}'), "{}", names[2]);
    assert_eq!(names[3], "/home/alice/MESSAGE=forged_PRIORITY=0___");
}

fn xferlog_follows_a_file_that_was_moved_away() {
    let world = World::new();
    let _server = Server::start(&world, &format!("log.xferlog = \"{XFERLOG}\""));
    let mut client = Client::logged_in("alice");
    client.transmit("STOR one", b"content");
    transfers(1);
    fs::rename(XFERLOG, "/run/world/xferlog.1").expect("rename");
    client.transmit("STOR two", b"content");
    assert_eq!(transfers(1)[0][3], "/home/alice/two");
}

fn a_prefix_and_a_transfer_line_of_ones_own() {
    let world = World::new();
    let settings = "log.prefix = \"%a:%p-[%u] %i %l:%P%h 100%%\"\n\
                    log.transfers = \"%v %f %F %b %c %r %s %u@%a\"";
    let server = Server::start(&world, settings);
    let mut client = Client::logged_in("alice");
    let port = client.own().port();
    client.transmit("STOR a b", b"content");
    server.wait_for_log(&format!(" 127.0.0.1:{port}-[] 1 127.0.0.1:21 100% FTP session opened"));
    let line = server.wait_for_log("STOR");
    let start = format!(
        " 127.0.0.1:{port}-[alice] 1 127.0.0.1:21 100% STOR \"/a b\" \"/home/alice/a b\" 7 1 complete 0."
    );
    assert!(line.contains(&start) && line.ends_with(" alice@127.0.0.1"), "{line}");
    // Listings are no transfers of files.
    client.receive_text("LIST");
    server.wait_for_log("LIST \"/\" completed=1");
}

fn a_format_that_means_nothing_is_an_error() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("checked.toml");
    for (settings, complaint) in [
        ("log.prefix = \"%f\"", "[log] prefix: %f stands for nothing"),
        ("log.transfers = \"%x\"", "[log] transfers: %x stands for nothing"),
        ("log.format = \"xml\"", "[log] format: \"xml\" is none of \"text\", \"json\""),
        ("log.xferlog = \"/nowhere/xferlog\"", "[log] xferlog: /nowhere"),
        ("log.to = \"journal\"\nlog.format = \"json\"", "[log] format: has no effect in the journal"),
    ] {
        fs::write(&configuration, settings).expect("configuration");
        let output =
            world.command(crate::world::DAEMON).arg("check").arg("--config").arg(&configuration).output().expect("check");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(complaint), "{settings}: {said}");
    }
}

fn a_full_disk_loses_lines_and_no_session() {
    let world = World::new();
    world.mount_small("/run/world/small", "root", 64 << 10);
    let settings = "log.to = \"/run/world/small/log\"\nlog.xferlog = \"/run/world/small/xferlog\"\n\
                    events.log = \"/run/world/small/events\"";
    let _server = start_silently(&world, settings);
    let mut client = Client::logged_in("alice");
    fs::write("/run/world/small/filler", vec![0; 1 << 20]).expect_err("the disk is full");
    for number in 0..20 {
        client.transmit(&format!("STOR file{number}-{}", "x".repeat(200)), b"content");
    }
    fs::remove_file("/run/world/small/filler").expect("filler");
    client.transmit("STOR end", b"content");
    client.transmit("STOR very-end", b"content");
    let read = |name: &str| fs::read_to_string(format!("/run/world/small/{name}")).unwrap_or_default();
    wait_until("the log goes on", || read("log").contains("very-end").then_some(()));
    assert!(read("log").contains("log lines were lost"), "{}", read("log"));
    wait_until("the event log goes on", || read("events").contains("very-end").then_some(()));
    assert!(read("xferlog").contains("/home/alice/very-end"));
    // A line that was torn does not take the next one with it.
    let events = read("events");
    assert!(events.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count() <= 1, "{events}");
    let last = events.lines().last().expect("a line");
    assert!(serde_json::from_str::<Value>(last).is_ok(), "{last}");
}

fn a_pipe_that_nobody_reads_makes_nobody_wait() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    fs::write(&configuration, "log.to = \"stderr\"\nlog.commands = true\n").expect("configuration");
    let (read, write) = nix::unistd::pipe().expect("pipe");
    let mut command = world.command(crate::world::DAEMON);
    command.arg("serve").arg("--config").arg(&configuration).stderr(write);
    let mut daemon = command.spawn().expect("daemon");
    drop(command);
    wait_until("the daemon listens", || std::net::TcpStream::connect("127.0.0.1:21").ok());
    let mut client = Client::logged_in("alice");
    // 64 KiB is what the pipe takes.
    for _ in 0..3000 {
        client.command("NOOP", 200);
    }
    client.command("QUIT", 221);
    drop(read);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .expect("signal");
    daemon.wait().expect("the daemon ends");
}

fn signals_of_logrotate_do_no_harm() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    server.signal(nix::sys::signal::Signal::SIGUSR2);
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    client.command("NOOP", 200);
    Client::logged_in("bob").command("QUIT", 221);
}
