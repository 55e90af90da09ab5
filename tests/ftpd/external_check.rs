//! The program that is asked about users.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_program_lets_in_whom_it_vouches_for
    what_the_program_does_not_know_others_may
    the_program_is_told_what_it_needs_and_the_password_in_secret
    a_program_without_end_is_ended_with_all_that_it_has_started
    what_is_no_answer_lets_nobody_in
    a_program_makes_nobody_an_account_that_is_not_for_it
    a_program_that_others_may_change_is_not_started
}

const PROGRAM: &str = "/srv/check-user";
const SETTINGS: &str = "check.program = \"/srv/check-user\"\nlogin.uid-range = \"70000-70009\"";

/// Puts the program in its place: a script of the shell.
fn program(world: &World, script: &str) {
    world.write(PROGRAM, format!("#!/bin/sh\n{script}"));
    fs::set_permissions(PROGRAM, Permissions::from_mode(0o755)).expect("mode");
}

fn log_in(name: &str, password: &str, code: u16) -> Client {
    let mut client = Client::greeted();
    client.command(&format!("USER {name}"), 331);
    client.command(&format!("PASS {password}"), code);
    client
}

/// Nobody gets in, and the log says why.
fn refused(server: &Server, name: &str, why: &str) {
    let before = server.log_length();
    let mut client = Client::greeted();
    client.command(&format!("USER {name}"), 331);
    assert_eq!(client.command("PASS s3cret", 530).lines, ["530 Login incorrect."]);
    let line = server.wait_for_log_after(before, "failed login");
    assert!(line.contains(why), "the log does not say {why:?}: {line}");
}

fn a_program_lets_in_whom_it_vouches_for() {
    let world = World::new();
    program(
        &world,
        "read -r password\n\
         [ \"$FTPD_USER $password\" = 'anne s3cret' ] || { echo no; exit; }\n\
         echo yes\necho uid = 70003\necho 'root-dir = \"/srv/anne\"'\necho 'permissions = \"elr\"'\n",
    );
    world.write("/srv/anne/hello.txt", "Hello.");
    let server = Server::start(&world, SETTINGS);
    let mut client = log_in("anne", "s3cret", 230);
    assert_eq!(server.process("session").uids(), [70003; 4]);
    assert_eq!(client.receive_text("RETR hello.txt"), "Hello.");
    client.command("MKD new", 550);
    log_in("anne", "other", 530);
    log_in("anne", "", 530);
    server.wait_for_log("says no");
}

fn what_the_program_does_not_know_others_may() {
    let world = World::new();
    program(&world, "case $FTPD_USER in alice) echo unknown;; *) echo no;; esac\n");
    let _server = Server::start(&world, SETTINGS);
    log_in("alice", "wonderland", 230);
    // It knows him, and decides.
    log_in("bob", "wonderland", 530);
}

fn the_program_is_told_what_it_needs_and_the_password_in_secret() {
    let world = World::new();
    program(
        &world,
        "{ id -u; id -G; echo \"$FTPD_USER $FTPD_PEER $FTPD_HOST- $FTPD_TLS $*\"; cat; } > /tmp/told\n\
         { tr '\\0' '\\n' < /proc/$$/cmdline; env; } > /tmp/seen\necho no\n",
    );
    let settings = format!("{SETTINGS}\ncheck.account = \"ftp\"\ncheck.arguments = [\"one\", \"two words\"]");
    let _server = Server::start(&world, &settings);
    log_in("anne", "s3cret word", 530);
    let told = fs::read_to_string("/tmp/told").expect("what was told");
    assert_eq!(told, "991\n991\nanne 127.0.0.1 - false one two words\ns3cret word\n");
    let seen = fs::read_to_string("/tmp/seen").expect("what others may see");
    assert!(seen.contains("FTPD_USER=anne") && !seen.contains("s3cret"), "{seen}");
}

fn a_program_without_end_is_ended_with_all_that_it_has_started() {
    let world = World::new();
    program(&world, "echo $$ > /tmp/pids\nsleep 1000 & echo $! >> /tmp/pids\necho yes\nsleep 1000\n");
    let server = Server::start(&world, &format!("{SETTINGS}\ncheck.time-limit = 1"));
    let began = Instant::now();
    refused(&server, "alice", "took longer than 1 s");
    assert!(began.elapsed() < Duration::from_secs(20));
    let pids = fs::read_to_string("/tmp/pids").expect("pids");
    assert_eq!(pids.lines().count(), 2);
    wait_until("both are gone", || {
        pids.lines().all(|pid| !fs::exists(format!("/proc/{pid}/exe")).unwrap_or(false)).then_some(())
    });
}

fn what_is_no_answer_lets_nobody_in() {
    let world = World::new();
    program(&world, "");
    let server = Server::start(&world, SETTINGS);
    for (script, why) in [
        ("", "neither yes, nor no, nor unknown"),
        ("echo maybe", "neither yes, nor no, nor unknown"),
        ("echo yes; exit 3", "failed with status 3"),
        ("echo yes; kill -9 $$", "was killed by SIGKILL"),
        ("echo yes; echo nonsense", "/srv/check-user:2:"),
        ("echo yes; head -c 100000000 /dev/zero", "more than 4096 bytes"),
        ("echo yes; echo uid = 99", "uid-range"),
        ("echo broken >&2; exit 1", "failed with status 1"),
    ] {
        program(&world, script);
        refused(&server, "alice", why);
    }
    server.wait_for_log("check: broken");
    fs::write(PROGRAM, "#!/nowhere\n").expect("program");
    refused(&server, "alice", "status 127");
}

fn a_program_makes_nobody_an_account_that_is_not_for_it() {
    let world = World::new();
    program(&world, "echo yes\necho \"account = \\\"$(cat /tmp/account)\\\"\"\n");
    world.write("/tmp/account", "ftp");
    let server = Server::start(&world, &format!("{SETTINGS}\ncheck.accounts = [\"ftp\"]"));
    log_in("anne", "s3cret", 230);
    for account in ["bob", "root"] {
        world.write("/tmp/account", account);
        refused(&server, "anne", "which accounts in [check] does not");
    }
    program(&world, "echo yes\necho system = true\n");
    refused(&server, "alice", "may not say system");
}

fn a_program_that_others_may_change_is_not_started() {
    let world = World::new();
    program(&world, "echo yes\necho uid = 70000\n");
    let server = Server::start(&world, SETTINGS);
    fs::set_permissions(PROGRAM, Permissions::from_mode(0o757)).expect("mode");
    refused(&server, "anne", "others can write to /srv/check-user");
}
