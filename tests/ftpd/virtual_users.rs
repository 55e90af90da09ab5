//! Users who have no account on the machine: the users file.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::accounts::Account;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    a_virtual_user_logs_in_with_the_rights_of_an_account
    a_virtual_user_may_do_what_the_file_says
    refuses_the_wrong_password_of_a_virtual_user
    refuses_a_virtual_user_who_would_run_as_root_or_nobody_knows_whom
    a_name_of_both_kinds_is_the_virtual_users
    a_virtual_host_has_virtual_users_of_its_own
    accounts_of_the_machine_log_in_beside_virtual_users
    lists_of_users_hold_for_virtual_users
    a_users_file_with_a_fault_lets_nobody_in
    warns_of_a_users_file_that_others_may_read
    changes_of_the_users_file_count_at_once
    a_session_does_not_inherit_what_the_worker_read_of_others
}

const USERS: &str = "login.users-file = \"/etc/ftpd-users.toml\"";

/// The hash of a password, by the daemon's own command.
fn hash(world: &World, password: &str) -> String {
    let mut command = world.command(DAEMON);
    let command = command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the daemon starts");
    writeln!(child.stdin.take().expect("standard input"), "{password}").expect("password");
    let output = child.wait_with_output().expect("output");
    String::from_utf8(output.stdout).expect("a hash is text").trim().to_string()
}

fn write_users(world: &World, text: &str) {
    world.write("/etc/ftpd-users.toml", text);
    fs::set_permissions("/etc/ftpd-users.toml", Permissions::from_mode(0o600)).expect("mode of the users file");
}

/// A file with carl, whose password is "tweedle", and these lines about him.
fn with_carl(world: &World, lines: &str) {
    write_users(world, &format!("[carl]\npassword = '{}'\n{lines}", hash(world, "tweedle")));
}

fn log_in(name: &str, password: &str, code: u16) -> Client {
    let mut client = Client::greeted();
    client.command(&format!("USER {name}"), 331);
    client.command(&format!("PASS {password}"), code);
    client
}

fn a_virtual_user_logs_in_with_the_rights_of_an_account() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\nroot-dir = \"/srv/%u\"");
    world.write("/srv/carl/hello.txt", "Hello.");
    let server = Server::start(&world, USERS);
    let mut client = log_in("carl", "tweedle", 230);
    assert!(client.command("PWD", 257).text().contains("\"/\""));
    assert_eq!(client.receive_text("RETR hello.txt"), "Hello.");
    assert_eq!(server.process("session").uids(), [991; 4]);
    server.wait_for_log("\"carl\" logged in");
}

fn a_virtual_user_may_do_what_the_file_says() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\npermissions = \"elr\"");
    fs::set_permissions("/srv/ftp", Permissions::from_mode(0o777)).expect("mode");
    let _server = Server::start(&world, USERS);
    log_in("carl", "tweedle", 230).command("MKD new", 550);
    with_carl(&world, "account = \"ftp\"\npermissions = \"elrm\"");
    log_in("carl", "tweedle", 230).command("MKD new", 257);
}

fn a_virtual_host_has_virtual_users_of_its_own() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let hash = hash(&world, "twaddle");
    let text = format!("[carl]\npassword = '{hash}'\naccount = \"ftp\"\nroot-dir = \"/srv/carl\"\n");
    world.write("/etc/ftpd-others.toml", text);
    fs::set_permissions("/etc/ftpd-others.toml", Permissions::from_mode(0o600)).expect("mode");
    world.write("/srv/carl/hello.txt", "Hello.");
    let _server = Server::start(&world, &format!("{USERS}\nhost.other.users-file = \"/etc/ftpd-others.toml\""));
    log_in("carl", "tweedle", 230);
    log_in("carl", "twaddle", 530);
    let mut client = Client::greeted();
    client.command("HOST other", 220);
    client.command("USER carl", 331);
    client.command("PASS tweedle", 530);
    client.command("USER carl", 331);
    client.command("PASS twaddle", 230);
    assert_eq!(client.receive_text("RETR hello.txt"), "Hello.");
}

fn refuses_the_wrong_password_of_a_virtual_user() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let server = Server::start(&world, USERS);
    log_in("carl", "wonderland", 530).command("PWD", 530);
    log_in("carl", "", 530);
    assert!(server.wait_for_log("carl").contains("wrong password"));
}

fn refuses_a_virtual_user_who_would_run_as_root_or_nobody_knows_whom() {
    let world = World::new();
    with_carl(&world, "");
    let server = Server::start(&world, USERS);
    for (account, why) in [("account = \"root\"", "is root"), ("", "no account"), ("account = \"no1\"", "no1")] {
        with_carl(&world, account);
        let before = server.log_length();
        log_in("carl", "tweedle", 530);
        let line = server.wait_for_log_after(before, "carl");
        assert!(line.contains(why), "the log does not say {why:?}: {line}");
    }
}

fn a_name_of_both_kinds_is_the_virtual_users() {
    let world = World::new();
    write_users(&world, &format!("[alice]\npassword = '{}'\naccount = 'ftp'", hash(&world, "tweedle")));
    let server = Server::start(&world, USERS);
    log_in("alice", "wonderland", 530);
    let _client = log_in("alice", "tweedle", 230);
    assert_eq!(server.process("session").uids(), [991; 4]);
}

fn accounts_of_the_machine_log_in_beside_virtual_users() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let server = Server::start(&world, USERS);
    let _client = Client::logged_in("alice");
    assert_eq!(server.process("session").uids(), [2001; 4]);
    log_in("alice", "tweedle", 530);
}

fn lists_of_users_hold_for_virtual_users() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let server = Server::start(&world, &format!("{USERS}\nlogin.reject-users = [\"carl\"]"));
    log_in("carl", "tweedle", 530);
    assert!(server.wait_for_log("carl").contains("reject-users"));
}

fn a_users_file_with_a_fault_lets_nobody_in() {
    let world = World::new();
    with_carl(&world, "acount = \"ftp\"");
    let server = Server::start(&world, USERS);
    for (name, password) in [("carl", "tweedle"), ("alice", "wonderland")] {
        let before = server.log_length();
        log_in(name, password, 530);
        let line = server.wait_for_log_after(before, name);
        assert!(line.contains("users-file, line 3") && line.contains("acount"), "not clear: {line}");
        assert!(!line.contains("argon2id"), "the log shows a hash: {line}");
    }
}

fn warns_of_a_users_file_that_others_may_read() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let server = Server::start(&world, USERS);
    log_in("carl", "tweedle", 230);
    assert!(!server.log().contains("may read it"));
    fs::set_permissions("/etc/ftpd-users.toml", Permissions::from_mode(0o644)).expect("mode of the users file");
    log_in("carl", "tweedle", 230);
    server.wait_for_log("others may read it");
}

fn changes_of_the_users_file_count_at_once() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let _server = Server::start(&world, USERS);
    log_in("dora", "tweedle", 530);
    write_users(&world, &format!("[dora]\npassword = '{}'\naccount = 'ftp'", hash(&world, "tweedle")));
    log_in("dora", "tweedle", 230);
    log_in("carl", "tweedle", 530);
}

fn a_session_does_not_inherit_what_the_worker_read_of_others() {
    let world = World::new();
    let hash = hash(&world, "tweedle");
    write_users(&world, &format!("[carl]\npassword = '{hash}'\naccount = 'ftp'"));
    for number in 0..20 {
        world.add(Account::new(&format!("other{number}"), 3000 + number));
    }
    let server = Server::start(&world, USERS);
    let _client = Client::logged_in("alice");
    let memory = server.process("session").memory();
    assert!(memory.len() > 100_000, "the memory of the session can be read");
    let holds = |text: &str| memory.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(&hash[hash.len() - 30..]), "the hash of a virtual user");
    assert!(!holds("wonderland"), "the password that was sent");
    for number in 0..20 {
        assert!(!holds(&format!("other{number}:$5$")), "a line of the shadow file");
    }
}
