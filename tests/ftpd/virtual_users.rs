//! Users who have no account on the machine: the users file, who is asked about them, and what is no password.

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
    refuses_the_wrong_password_of_a_virtual_user
    refuses_a_virtual_user_who_would_run_as_root_or_nobody_knows_whom
    a_name_of_both_kinds_is_the_virtual_users
    a_virtual_host_has_virtual_users_of_its_own
    accounts_of_the_machine_log_in_beside_virtual_users
    lists_of_users_hold_for_virtual_users
    a_fault_in_an_entry_shuts_out_its_user_alone
    a_users_file_that_is_no_toml_lets_nobody_in
    refuses_weak_hashes_and_says_whose_and_where
    takes_every_kind_of_hash_that_is_good
    the_sources_are_asked_in_their_order
    a_host_has_sources_of_its_own
    warns_of_a_users_file_that_others_may_read
    a_check_knows_users_and_groups_of_the_file
    changes_of_the_users_file_count_at_once
    a_session_does_not_inherit_what_the_worker_read_of_others
}

pub const USERS: &str = "login.users-file = \"/etc/ftpd-users.toml\"";

/// The hash of a password, by the daemon's own command.
pub fn hash(world: &World, password: &str) -> String {
    let mut command = world.command(DAEMON);
    let command = command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the daemon starts");
    writeln!(child.stdin.take().expect("standard input"), "{password}").expect("password");
    let output = child.wait_with_output().expect("output");
    String::from_utf8(output.stdout).expect("a hash is text").trim().to_string()
}

pub fn write_users(world: &World, text: &str) {
    world.write("/etc/ftpd-users.toml", text);
    fs::set_permissions("/etc/ftpd-users.toml", Permissions::from_mode(0o600)).expect("mode of the users file");
}

/// A file with carl, whose password is "tweedle", and these lines about him.
pub fn with_carl(world: &World, lines: &str) {
    write_users(world, &format!("[carl]\npassword = '{}'\n{lines}", hash(world, "tweedle")));
}

pub fn log_in(name: &str, password: &str, code: u16) -> Client {
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
    for (account, why) in [("account = \"root\"", "is root"), ("", "no users-account"), ("account = \"no1\"", "no1")] {
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

fn a_fault_in_an_entry_shuts_out_its_user_alone() {
    let world = World::new();
    let hash = hash(&world, "tweedle");
    write_users(
        &world,
        &format!("[carl]\npassword = '{hash}'\nacount = \"ftp\"\n[dora]\npassword = '{hash}'\naccount = \"ftp\"\n"),
    );
    let server = Server::start(&world, USERS);
    log_in("carl", "tweedle", 530);
    let line = server.wait_for_log("carl");
    assert!(line.contains("users.toml:3: [carl] acount: there is no such option"), "not clear: {line}");
    assert!(!line.contains("argon2id"), "the log shows a hash: {line}");
    log_in("dora", "tweedle", 230);
    log_in("alice", "wonderland", 230);
}

fn a_users_file_that_is_no_toml_lets_nobody_in() {
    let world = World::new();
    with_carl(&world, "account = ftp");
    let server = Server::start(&world, USERS);
    for (name, password) in [("carl", "tweedle"), ("alice", "wonderland")] {
        let before = server.log_length();
        log_in(name, password, 530);
        let line = server.wait_for_log_after(before, name);
        assert!(line.contains("users.toml:3:") && line.contains("quotes"), "not clear: {line}");
        assert!(!line.contains("argon2id"), "the log shows a hash: {line}");
    }
}

fn refuses_weak_hashes_and_says_whose_and_where() {
    let world = World::new();
    write_users(&world, "");
    let server = Server::start(&world, USERS);
    for (hash, why) in [
        ("$1$saltsalt$w/Ivy2gobQNOjDXinAHvO.", "md5-crypt"),
        ("abN/qM.L/H8EQ", "DES"),
        ("letmein", "the password itself"),
    ] {
        write_users(&world, &format!("# one\n[carl]\npassword = '{hash}'\naccount = 'ftp'\n"));
        let before = server.log_length();
        log_in("carl", "letmein", 530);
        let line = server.wait_for_log_after(before, "carl");
        assert!(line.contains("users.toml:3: [carl] password: ") && line.contains(why), "{line}");
        assert!(!line.contains(hash), "the log shows it: {line}");
    }
}

fn takes_every_kind_of_hash_that_is_good() {
    let world = World::new();
    write_users(&world, "");
    let _server = Server::start(&world, USERS);
    for hash in [
        "$y$j75$abcdefgh$DdqAN74pEsqcqznWjI6lb6Ti0k.v6rz1vjj3ppJzqR3",
        "$7$A6....1....abcdefgh$kMEqCoSU.IPc7BP06sb71Em0rcVGRW/9hDH1oUOC5.B",
        "$2b$04$abcdefghijklmnopqrstuuPT0cs.zGMMB9aUG3xKmxLeI//6s0m5C",
        "$6$rounds=1000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/",
        "$5$rounds=1000$saltsalt$5rMmZvzItwnYc2PeSdWFO569/JUhViTh1X8jpTi.AI0",
    ] {
        write_users(&world, &format!("[carl]\npassword = '{hash}'\naccount = 'ftp'\n"));
        log_in("carl", "letmein", 230);
        log_in("carl", "letmeout", 530);
    }
}

fn the_sources_are_asked_in_their_order() {
    let world = World::new();
    write_users(
        &world,
        &format!(
            "[alice]\npassword = '{0}'\naccount = 'ftp'\n[carl]\npassword = '{0}'\naccount = 'ftp'\n",
            hash(&world, "tweedle")
        ),
    );
    let with = |sources: &str| Server::start(&world, &format!("{USERS}\nlogin.sources = [{sources}]"));
    let server = with("\"system\", \"users-file\"");
    // The first one who knows her decides; him only the second one knows.
    log_in("alice", "tweedle", 530);
    log_in("alice", "wonderland", 230);
    log_in("carl", "tweedle", 230);
    drop(server);
    let server = with("\"users-file\"");
    log_in("alice", "tweedle", 230);
    log_in("bob", "wonderland", 530);
    assert!(server.wait_for_log("bob").contains("no source knows the name"));
}

fn a_host_has_sources_of_its_own() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"");
    let settings = format!("{USERS}\nhost.customers.sources = [\"users-file\"]\nlogin.sources = [\"system\"]");
    let _server = Server::start(&world, &settings);
    log_in("alice", "wonderland", 230);
    log_in("carl", "tweedle", 530);
    let at_host = |name: &str, password: &str, code| {
        let mut client = Client::greeted();
        client.command("HOST customers", 220);
        client.command(&format!("USER {name}"), 331);
        client.command(&format!("PASS {password}"), code);
    };
    at_host("alice", "wonderland", 530);
    at_host("carl", "tweedle", 230);
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

fn a_check_knows_users_and_groups_of_the_file() {
    let world = World::new();
    with_carl(&world, "account = \"ftp\"\ngroups = [\"office\"]\n");
    let check = |settings: &str| {
        let configuration = world.own_directory("etc").join("checked.toml");
        fs::write(&configuration, settings).expect("configuration");
        let output =
            world.command(DAEMON).arg("check").arg("--config").arg(&configuration).output().expect("check");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let lists = "login.allow-users = [\"carl\", \"alice\", \"dora\"]\nlogin.reject-groups = [\"office\", \"staff\", \"attic\"]\n";
    let said = check(&format!("{lists}{USERS}\n"));
    assert!(said.contains("[login] allow-users: there is no user \"dora\""), "{said}");
    assert!(said.contains("[login] reject-groups: there is no group \"attic\""), "{said}");
    assert_eq!(said.matches("there is no").count(), 2, "{said}");
    // Without the file, its users are nobody.
    assert_eq!(check(lists).matches("there is no").count(), 4);
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
