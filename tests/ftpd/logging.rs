//! What the log tells, and what it must never tell.

use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;

use crate::client::{Client, PATIENCE, reset};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    tells_who_came_and_went
    tells_of_a_failed_login_and_why
    tells_of_transfers
    tells_of_transfers_that_are_not_complete
    nothing_a_client_sends_can_forge_a_line
    no_file_name_can_forge_a_line
    never_tells_a_password
    never_tells_a_password_in_a_misspelled_command
    a_status_line_on_request
    writes_to_a_file
    follows_a_file_that_was_moved_away
    writes_to_syslog
    survives_a_syslog_that_was_restarted
}

fn tells_who_came_and_went() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    server.wait_for_log("127.0.0.1");
    client.log_in("alice");
    let line = server.wait_for_log("alice");
    assert!(line.contains("127.0.0.1"), "{line}");
    let before = server.log_length();
    client.command("QUIT", 221);
    let line = server.wait_for_log_after(before, "closed");
    assert!(line.contains("alice"), "{line}");
}

fn tells_of_a_failed_login_and_why() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wrong", 530);
    let line = server.wait_for_log("Authentication failure");
    assert!(line.contains("alice") && line.contains("127.0.0.1"), "{line}");
}

fn tells_of_transfers() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    let line = server.wait_for_log("/file");
    assert!(line.contains("alice") && line.contains("bytes=7") && line.contains("completed=1"), "{line}");
    let before = server.log_length();
    client.receive("RETR file");
    let line = server.wait_for_log_after(before, "/file");
    assert!(line.contains("alice") && line.contains("bytes=7") && line.contains("completed=1"), "{line}");
}

fn tells_of_transfers_that_are_not_complete() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"content").expect("data");
    server.wait_until_written(7);
    reset(data);
    client.expect(426);
    let line = server.wait_for_log("/file");
    assert!(line.contains("completed=0"), "{line}");
}

fn nothing_a_client_sends_can_forge_a_line() {
    let world = World::new();
    let server = Server::start(&world, "log.commands = true");
    let mut client = Client::greeted();
    client.send_bytes(b"USER alice\rftpd: forged\x1b[31m\x07\xc2\x9b\xff\xff1\r\n");
    client.read_reply();
    client.send_bytes(b"PASS x\r\n");
    client.read_reply();
    client.log_in("alice");
    client.send_bytes(b"MKD \x1b]0;title\x07\rforged\r\n");
    client.read_reply();
    client.command("QUIT", 221);
    server.wait_for_log("closed");
    let log = server.log();
    assert!(!log.lines().any(|line| line.trim_start().starts_with("ftpd: forged")), "{log}");
    let raw = log.chars().find(|c| c.is_control() && *c != '\n');
    assert!(raw.is_none(), "{raw:?} is in the log as it is");
}

fn no_file_name_can_forge_a_line() {
    let world = World::new();
    world.give("alice", "a\nforged line", "content");
    world.give("alice", "directory/file", "content");
    let server = Server::start(&world, "");
    std::fs::rename("/home/alice/directory", "/home/alice/b\nforged line").expect("rename");
    let mut client = Client::logged_in("alice");
    client.command("MKD \u{85}forged\u{2028}line", 257);
    client.command("QUIT", 221);
    server.wait_for_log("closed");
    let log = server.log();
    assert!(!log.lines().any(|line| line.starts_with("forged")), "{log}");
    assert!(!log.contains('\u{85}') && !log.contains('\u{2028}'), "{log}");
}

fn never_tells_a_password() {
    let world = World::new();
    let server = Server::start(&world, "log.commands = true");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS mushroom", 530);
    client.log_in("alice");
    client.command("QUIT", 221);
    server.wait_for_log("closed");
    let log = server.log();
    assert!(!log.contains("mushroom") && !log.contains("wonderland"), "{log}");
}

fn never_tells_a_password_in_a_misspelled_command() {
    let world = World::new();
    let server = Server::start(&world, "log.commands = true");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    for line in ["PAS wonderland", "  PASS wonderland", "ACCT wonderland", "PASS\twonderland", "wonderland"] {
        client.send(line);
        client.read_reply();
    }
    client.command("QUIT", 221);
    server.wait_for_log("closed");
    let log = server.log().to_lowercase();
    assert!(!log.contains("wonderland"), "{log}");
}

fn a_status_line_on_request() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _clients = [Client::logged_in("alice"), Client::logged_in("bob")];
    let before = server.log_length();
    server.signal(Signal::SIGUSR1);
    let line = server.wait_for_log_after(before, "sessions");
    assert!(line.contains('2'), "{line}");
}

/// Waits until a file contains a text; returns all of it.
fn wait_for_file(path: &str, text: &str) -> String {
    wait_until(&format!("{text} is in {path}"), || {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        content.contains(text).then_some(content)
    })
}

/// Starts a daemon that does not write to standard error, so that its log cannot say when it listens.
pub fn start_silently(world: &World, settings: &str) -> Server {
    let configuration = world.own_directory("etc").join("ftpd.toml");
    std::fs::write(&configuration, format!("login.failure-delay = 0\n{settings}\n")).expect("configuration");
    let mut command = world.command(crate::world::DAEMON);
    command.arg("serve").arg("--config").arg(&configuration);
    let server = Server::run(command, configuration);
    wait_until("the daemon listens", || std::net::TcpStream::connect("127.0.0.1:21").ok());
    server
}

fn writes_to_a_file() {
    let world = World::new();
    let _server = start_silently(&world, "log.to = \"/run/world/ftpd.log\"");
    Client::logged_in("alice").transmit("STOR file", b"content");
    wait_for_file("/run/world/ftpd.log", "/file");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata("/run/world/ftpd.log").expect("log"));
    assert_eq!(mode & 0o007, 0, "everybody can read the log");
}

fn follows_a_file_that_was_moved_away() {
    let world = World::new();
    let _server = start_silently(&world, "log.to = \"/run/world/ftpd.log\"");
    let mut client = Client::logged_in("alice");
    wait_for_file("/run/world/ftpd.log", "alice");
    std::fs::rename("/run/world/ftpd.log", "/run/world/ftpd.log.1").expect("rename");
    client.transmit("STOR file", b"content");
    wait_for_file("/run/world/ftpd.log", "/file");
    Client::logged_in("bob");
    wait_for_file("/run/world/ftpd.log", "bob");
}

/// Listens where syslogd does.
pub fn syslog() -> UnixDatagram {
    _ = std::fs::remove_file("/dev/log");
    let socket = UnixDatagram::bind("/dev/log").expect("/dev/log");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket
}

/// Reads messages until one contains `text`.
pub fn wait_for_message(socket: &UnixDatagram, text: &str) -> String {
    let mut buffer = [0; 10_000];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("no {text} in syslog"));
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.contains(text) {
            return message;
        }
    }
}

fn writes_to_syslog() {
    let world = World::new();
    world.own_devices();
    let socket = syslog();
    let _server = start_silently(&world, "log.to = \"syslog\"");
    let _client = Client::logged_in("alice");
    let message = wait_for_message(&socket, "alice");
    // Facility ftp is 11; <11 * 8 + severity>.
    assert!(message.starts_with("<8") || message.starts_with("<9"), "{message}");
    assert!(message.contains("ftpd["), "{message}");
}

fn survives_a_syslog_that_was_restarted() {
    let world = World::new();
    world.own_devices();
    let socket = syslog();
    let _server = start_silently(&world, "log.to = \"syslog\"");
    let mut client = Client::logged_in("alice");
    wait_for_message(&socket, "alice");
    drop(socket);
    client.transmit("STOR lost", b"content");
    let socket = syslog();
    // What is being started at this moment may still hold the old socket open, for whom nobody can tell that it is gone.
    socket.set_nonblocking(true).expect("nonblocking");
    wait_until("the log goes on", || {
        client.transmit("STOR found", b"content");
        let mut buffer = [0; 10_000];
        let mut messages = std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()));
        messages.any(|message| String::from_utf8_lossy(&message).contains("/found")).then_some(())
    });
    let mut data = client.passive();
    client.command("RETR found", 150);
    data.read_to_end(&mut Vec::new()).expect("data");
    client.expect(226);
}
