//! What administrators, and the owners of directories, have to say to clients.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    the_banner_may_have_lines_and_placeholders
    the_banner_may_be_a_file_that_a_reload_reads_again
    a_banner_file_that_is_not_there_lets_no_daemon_start
    users_and_groups_have_messages_of_their_own
    a_directory_has_its_say_when_it_is_entered_once
    a_directory_has_its_say_at_login
    placeholders_of_a_directory_are_those_of_the_moment
    a_message_cannot_forge_a_reply
    a_message_must_be_readable_for_the_user
    a_message_that_is_no_file_is_none
    messages_of_directories_can_be_switched_off_or_called_otherwise
}

fn the_banner_may_have_lines_and_placeholders() {
    let world = World::new();
    let _server = Server::start(&world, r#"server.banner = "Welcome, %c.\nThis is %l, 100%% FTP.""#);
    let greeting = Client::connect().expect(220);
    assert_eq!(greeting.lines, ["220-Welcome, 127.0.0.1.", "220 This is 127.0.0.1, 100% FTP."]);
}

fn the_banner_may_be_a_file_that_a_reload_reads_again() {
    let world = World::new();
    world.write("/etc/ftpd-banner", "first\n\nlines\n");
    // The process that sends it could not read it.
    fs::set_permissions("/etc/ftpd-banner", Permissions::from_mode(0o600)).expect("mode");
    let server = Server::start(&world, "server.banner-file = \"/etc/ftpd-banner\"");
    assert_eq!(Client::connect().expect(220).lines, ["220-first", "", "220 lines"]);
    world.write("/etc/ftpd-banner", "second at %T\n");
    assert_eq!(Client::connect().expect(220).lines[0], "220-first");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    let greeting = Client::connect().expect(220);
    assert!(greeting.text().starts_with("second at 20") && greeting.text().ends_with(" UTC"), "{greeting}");
    // A banner that says nothing sensible is no reason to serve without one.
    world.write("/etc/ftpd-banner", "Hello, %u.\n");
    let lines = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "%u means nothing before somebody is logged in");
    assert!(Client::connect().expect(220).text().starts_with("second"));
}

fn a_banner_file_that_is_not_there_lets_no_daemon_start() {
    let world = World::new();
    let path = world.own_directory("etc").join("bad.toml");
    fs::write(&path, "[server]\nbanner-file = \"/etc/none\"\n").expect("configuration");
    let mut command = world.command(crate::world::DAEMON);
    command.arg("serve").arg("--config").arg(&path);
    let mut server = Server::run(command, path);
    server.wait_for_log("[server] banner-file: /etc/none: No such file or directory");
    assert!(!server.wait_for_end().success());
}

fn users_and_groups_have_messages_of_their_own() {
    let world = World::new();
    let settings = r#"
        session.login-message = "Hello, %u, at %d."
        session.quit-message = "Bye.\nCome again, %u."
        group.staff.login-message = "One of the staff.\nYou are %u from %c."
        user.bob.quit-message = "So long."
    "#;
    let _server = Server::start(&world, settings);
    let logs_in = |user: &str| {
        let mut client = Client::greeted();
        client.command(&format!("USER {user}"), 331);
        let greeting = client.command(&format!("PASS {}", crate::accounts::PASSWORD), 230).whole();
        (greeting, client.command("QUIT", 221).whole())
    };
    let alice = logs_in("alice");
    assert_eq!(alice.0, "230-One of the staff.\n230 You are alice from 127.0.0.1.\n");
    assert_eq!(alice.1, "221-Bye.\n221 Come again, alice.\n");
    assert_eq!(logs_in("bob"), ("230 Hello, bob, at /.\n".into(), "221 So long.\n".into()));
}

fn a_directory_has_its_say_when_it_is_entered_once() {
    let world = World::new();
    world.give("alice", "pub/.message", "These are public.\n\nBe nice.\n");
    world.give("alice", "pub/sub/file", "");
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let said = client.command("CWD pub", 250);
    assert_eq!(said.lines, ["250-These are public.", "", "Be nice.", "250 Directory changed."]);
    assert_eq!(client.command("CWD sub", 250).lines, ["250 Directory changed."]);
    // Seen before.
    assert_eq!(client.command("CDUP", 250).lines, ["250 Directory changed."]);
    assert_eq!(client.command("CWD /pub", 250).lines, ["250 Directory changed."]);
    // Another session has not seen it.
    assert_eq!(Client::logged_in("alice").command("CWD pub", 250).lines.len(), 4);
    // CDUP is a way in, too.
    let mut other = Client::logged_in("alice");
    other.command("CWD pub/sub", 250);
    assert_eq!(other.command("CDUP", 250).lines.len(), 4);
}

fn a_directory_has_its_say_at_login() {
    let world = World::new();
    world.give("alice", ".message", "Mind the step.");
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let greeting = client.command(&format!("PASS {}", crate::accounts::PASSWORD), 230);
    assert_eq!(greeting.lines, ["230-Mind the step.", "230 Logged in."]);
    assert_eq!(client.command("CWD /", 250).lines.len(), 1);
}

fn placeholders_of_a_directory_are_those_of_the_moment() {
    let world = World::new();
    world.give("alice", "a b/.message", "%u is in %d, began in %h, 5% of %x at %l");
    let settings = "user.alice.root-dir = \"real\"\nhost.one.addresses = [\"127.0.0.1\"]";
    let _server = Server::start(&world, settings);
    let mut client = Client::logged_in("alice");
    let said = client.command("CWD a b", 250);
    assert_eq!(said.lines[0], "250-alice is in /home/alice/a b, began in /home/alice, 5% of %x at one");
}

fn a_message_cannot_forge_a_reply() {
    let world = World::new();
    world.give("alice", "d/.message", "one\r\n250 Directory changed.\n230-x\nesc\x1b[2J\rbell\x07\0");
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let said = client.command("CWD d", 250);
    let expected = ["250-one", " 250 Directory changed.", " 230-x", "esc?[2J?bell??", "250 Directory changed."];
    assert_eq!(said.lines, expected);
    client.command("PWD", 257);
}

fn a_message_must_be_readable_for_the_user() {
    let world = World::new();
    let secret = world.give("alice", "a/.message", "secret");
    fs::set_permissions(secret, Permissions::from_mode(0o000)).expect("mode");
    world.give("alice", "b/file", "");
    symlink("/etc/shadow", "/home/alice/b/.message").expect("link");
    world.give("bob", "c/.message", "for readers");
    let _server = Server::start(&world, "user.bob.permissions = \"el\"");
    let mut alice = Client::logged_in("alice");
    for directory in ["/a", "/b"] {
        assert_eq!(alice.command(&format!("CWD {directory}"), 250).lines.len(), 1);
    }
    assert_eq!(Client::logged_in("bob").command("CWD c", 250).lines.len(), 1);
}

fn a_message_that_is_no_file_is_none() {
    let world = World::new();
    world.give("alice", "directory/.message/file", "");
    world.give("alice", "fifo/file", "");
    let fifo = "/home/alice/fifo/.message";
    nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).expect("FIFO");
    world.give("alice", "long/.message", "x".repeat(1_000_000));
    world.give("alice", "empty/.message", "");
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    for directory in ["/directory", "/fifo", "/empty"] {
        assert_eq!(client.command(&format!("CWD {directory}"), 250).lines.len(), 1, "{directory}");
    }
    assert_eq!(client.command("CWD /long", 250).lines[0].len(), "250-".len() + 16 * 1024);
}

fn messages_of_directories_can_be_switched_off_or_called_otherwise() {
    let world = World::new();
    for user in ["alice", "bob"] {
        world.give(user, "d/.message", "the usual");
        world.give(user, "d/README", "another");
    }
    let settings = "session.directory-message = \"\"\nuser.bob.directory-message = \"README\"";
    let _server = Server::start(&world, settings);
    assert_eq!(Client::logged_in("alice").command("CWD d", 250).lines.len(), 1);
    assert_eq!(Client::logged_in("bob").command("CWD d", 250).lines[0], "250-another");
}
