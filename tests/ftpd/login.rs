//! Who gets in, and what those who do not are told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::accounts::Account;
use crate::client::{Client, Reply};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    logs_in_with_the_system_password
    logs_in_with_a_password_hashed_by_yescrypt
    logs_in_over_ipv6
    logs_in_after_a_failure
    refuses_a_wrong_password
    refuses_an_empty_password_even_if_the_account_has_none
    refuses_locked_accounts
    refuses_root_and_accounts_of_the_system
    refuses_those_in_ftpusers
    refuses_those_without_a_valid_shell
    takes_any_shell_when_told_to
    refuses_rejected_users_and_groups
    admits_only_allowed_users
    admits_allowed_groups
    tells_nothing_about_unknown_users
    answers_all_failures_after_the_same_time
    gives_up_after_three_failures
    ends_slow_logins
    a_login_in_many_small_steps_is_slow_too
    refuses_an_expired_account_clearly
    refuses_an_expired_password_clearly
    asks_for_a_one_time_code
    refuses_a_wrong_one_time_code
    refuses_when_the_pam_session_does_not_open
    closes_the_pam_session_once
    closes_the_pam_session_when_the_session_was_killed
    serves_the_account_that_pam_returns
    never_serves_root_even_if_pam_returns_it
    without_a_pam_service_nobody_gets_in
    users_without_a_home_are_told_so
    users_without_a_home_start_in_the_fallback
    anonymous_users_may_read
    anonymous_users_may_not_write
    anonymous_users_are_refused_by_default
    a_session_cannot_become_another_user
    tells_pam_who_asks_and_from_where
    shows_what_pam_has_to_say
    the_limits_of_pam_hold_for_the_session
    a_pam_module_that_never_answers_holds_no_slot
}

/// One attempt to log in; returns the answer to PASS.
fn attempt(client: &mut Client, user: &str, password: &str) -> Reply {
    client.command(&format!("USER {user}"), 331);
    client.send(&format!("PASS {password}"));
    client.read_reply()
}

/// Whoever tries this is told what everybody else is told, and the log says `why`.
fn refused(server: &Server, user: &str, password: &str, why: &str) {
    let mut client = Client::greeted();
    let before = server.log_length();
    let reply = attempt(&mut client, user, password);
    assert_eq!(reply.lines, ["530 Login incorrect."]);
    let line = server.wait_for_log_after(before, user);
    assert!(line.contains(why), "the log does not say {why:?}: {line}");
    client.command("PWD", 530);
}

fn logs_in_with_the_system_password() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wonderland", 230);
    client.command("PWD", 257);
    client.command("QUIT", 221);
    client.expect_end();
}

fn logs_in_with_a_password_hashed_by_yescrypt() {
    let world = World::new();
    world.add(Account::new("carol", 2003).yescrypt());
    let _server = Server::start(&world, "");
    Client::logged_in("carol").command("PWD", 257);
}

fn logs_in_over_ipv6() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::connect_to("[::1]:21".parse().expect("address"));
    client.expect(220);
    client.log_in("alice");
    client.command("PWD", 257);
}

fn logs_in_after_a_failure() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "alice", "wrong").code, 530);
    client.log_in("alice");
}

fn refuses_a_wrong_password() {
    let world = World::new();
    let server = Server::start(&world, "");
    refused(&server, "alice", "looking-glass", "Authentication failure");
}

fn refuses_an_empty_password_even_if_the_account_has_none() {
    let world = World::new();
    world.add(Account::new("carol", 2003).without_password());
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER carol", 331);
    client.command("PASS ", 530);
    refused(&server, "carol", "anything", "");
}

fn refuses_locked_accounts() {
    let world = World::new();
    world.add(Account::new("carol", 2003).locked());
    let server = Server::start(&world, "");
    refused(&server, "carol", "wonderland", "");
}

fn refuses_root_and_accounts_of_the_system() {
    let world = World::new();
    world.add(Account::new("toor", 0));
    world.add(Account::new("daemon-account", 999));
    let server = Server::start(&world, "");
    refused(&server, "toor", "wonderland", "");
    refused(&server, "daemon-account", "wonderland", "min-uid");
}

fn refuses_those_in_ftpusers() {
    let world = World::new();
    world.write("/etc/ftpusers", "# not these\nroot\nalice\n");
    let server = Server::start(&world, "");
    refused(&server, "alice", "wonderland", "ftpusers");
    Client::logged_in("bob");
}

fn refuses_those_without_a_valid_shell() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    let server = Server::start(&world, "");
    refused(&server, "carol", "wonderland", "shell");
}

fn takes_any_shell_when_told_to() {
    let world = World::new();
    world.add(Account::new("carol", 2003).shell("/usr/sbin/nologin"));
    let _server = Server::start(&world, "login.require-valid-shell = false");
    Client::logged_in("carol");
}

fn refuses_rejected_users_and_groups() {
    let world = World::new();
    world.add(Account::new("carol", 2003));
    let server = Server::start(&world, "login.reject-users = [\"bob\"]\nlogin.reject-groups = [\"staff\"]");
    refused(&server, "bob", "wonderland", "reject");
    refused(&server, "alice", "wonderland", "reject");
    Client::logged_in("carol");
}

fn admits_only_allowed_users() {
    let world = World::new();
    let server = Server::start(&world, "login.allow-users = [\"bob\"]");
    refused(&server, "alice", "wonderland", "allow");
    Client::logged_in("bob");
}

fn admits_allowed_groups() {
    let world = World::new();
    let server = Server::start(&world, "login.allow-groups = [\"staff\"]");
    refused(&server, "bob", "wonderland", "allow");
    Client::logged_in("alice");
}

fn tells_nothing_about_unknown_users() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut known = Client::greeted();
    let mut unknown = Client::greeted();
    assert_eq!(known.command("USER alice", 331).text(), unknown.command("USER nobody-at-all", 331).text());
    known.send("PASS wrong");
    unknown.send("PASS wrong");
    assert_eq!(known.read_reply().lines, unknown.read_reply().lines);
    refused(&server, "nobody-at-all", "wrong", "");
}

fn answers_all_failures_after_the_same_time() {
    let world = World::new();
    world.add(Account::new("carol", 2003).locked());
    world.add(Account::new("dave", 2004).yescrypt());
    let _server = Server::start(&world, "login.failure-delay = 1\nlogin.max-failures = 10");
    for user in ["alice", "carol", "dave", "root", "nobody-at-all"] {
        let mut client = Client::greeted();
        client.command(&format!("USER {user}"), 331);
        let asked = Instant::now();
        client.command("PASS wrong", 530);
        let taken = asked.elapsed();
        assert!(taken >= Duration::from_millis(990), "{user} was refused after {taken:?}");
        // Nothing but a machine that is too busy makes it later.
        assert!(taken < Duration::from_secs(5), "{user} was refused after {taken:?}");
    }
}

fn gives_up_after_three_failures() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    for _ in 0..3 {
        assert_eq!(attempt(&mut client, "alice", "wrong").code, 530);
    }
    client.expect_end();
}

fn ends_slow_logins() {
    let world = World::new();
    let _server = Server::start(&world, "login.login-timeout = 1");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.expect(421);
    client.expect_end();
}

fn a_login_in_many_small_steps_is_slow_too() {
    let world = World::new();
    let _server = Server::start(&world, "login.login-timeout = 1");
    let mut client = Client::greeted();
    let began = Instant::now();
    loop {
        client.send("NOOP");
        if client.read_reply().code == 421 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "NOOP keeps a login alive");
        std::thread::sleep(Duration::from_millis(100));
    }
    client.expect_end();
}

fn refuses_an_expired_account_clearly() {
    let world = World::new();
    world.add(Account::new("carol", 2003).expired());
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    let reply = attempt(&mut client, "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().contains("expired"), "not clear: {reply}");
    server.wait_for_log("expired");
    // Who does not know the password learns nothing about the account.
    assert_eq!(attempt(&mut client, "carol", "wrong").lines, ["530 Login incorrect."]);
}

fn refuses_an_expired_password_clearly() {
    let world = World::new();
    world.add(Account::new("carol", 2003).password_expired());
    let server = Server::start(&world, "");
    let reply = attempt(&mut Client::greeted(), "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().contains("password"), "not clear: {reply}");
    server.wait_for_log("carol");
}

/// A PAM module that says something, asks for a code, and wants 271828.
const ONE_TIME_CODE: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <security/pam_modules.h>
#include <security/pam_ext.h>
int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    char *code = NULL;
    int wrong;
    pam_info(pamh, "The code is on your card.");
    if (pam_prompt(pamh, PAM_PROMPT_ECHO_ON, &code, "Code: ") != PAM_SUCCESS || code == NULL) return PAM_AUTH_ERR;
    wrong = strcmp(code, "271828");
    free(code);
    return wrong ? PAM_AUTH_ERR : PAM_SUCCESS;
}
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) { return PAM_SUCCESS; }
"#;

/// A PAM module that decides who the user is.
const OTHER_USER: &str = r#"
#include <security/pam_modules.h>
int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    return pam_set_item(pamh, PAM_USER, argv[0]);
}
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) { return PAM_SUCCESS; }
"#;

/// Compiles a PAM module; returns where it is.
fn module(world: &World, name: &str, source: &str) -> String {
    let directory = world.own_directory("modules");
    let (code, object) = (directory.join(format!("{name}.c")), directory.join(format!("{name}.so")));
    fs::write(&code, source).expect("source of the module");
    let mut compiler = world.command("cc");
    let status = compiler.args(["-shared", "-fPIC", "-o"]).arg(&object).arg(&code).arg("-lpam").status();
    assert!(status.expect("cc").success(), "the module compiles");
    object.to_string_lossy().into_owned()
}

fn with_one_time_code(world: &World) {
    let module = module(world, "code", ONE_TIME_CODE);
    let service = "account required pam_unix.so\nsession required pam_permit.so\n";
    world.pam("ftpd", &format!("auth required pam_unix.so nodelay\nauth required {module}\n{service}"));
}

fn asks_for_a_one_time_code() {
    let world = World::new();
    with_one_time_code(&world);
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let question = client.command("PASS wonderland", 331);
    assert!(question.whole().contains("Code:"), "the prompt is shown: {question}");
    assert!(question.whole().contains("The code is on your card."), "what PAM says is shown: {question}");
    client.command("PASS 271828", 230);
    client.command("PWD", 257);
}

fn refuses_a_wrong_one_time_code() {
    let world = World::new();
    with_one_time_code(&world);
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wonderland", 331);
    client.command("PASS 314159", 530);
    client.command("PWD", 530);
    // The next attempt begins anew.
    client.command("USER alice", 331);
    client.command("PASS wonderland", 331);
    client.command("PASS 271828", 230);
}

fn refuses_when_the_pam_session_does_not_open() {
    let world = World::new();
    let text = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_deny.so\n";
    world.pam("ftpd", text);
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "alice", "wonderland").code, 530);
    client.command("PWD", 530);
    assert!(server.processes().iter().all(|process| !process.title().contains("session")), "there is a session");
}

/// Has PAM write `open_session` and `close_session` into a file; returns the file.
fn with_witness(world: &World) -> std::path::PathBuf {
    let witness = world.own_directory("witness").join("sessions");
    world.write("/run/world/witness/hook", format!("#!/bin/sh\necho \"$PAM_TYPE $PAM_USER\" >>{}\n", witness.display()));
    let executable = PermissionsExt::from_mode(0o755);
    fs::set_permissions("/run/world/witness/hook", executable).expect("mode of the hook");
    let text = "auth required pam_unix.so\naccount required pam_unix.so\n\
                session required pam_exec.so /run/world/witness/hook\n";
    world.pam("ftpd", text);
    witness
}

fn closes_the_pam_session_once() {
    let world = World::new();
    let witness = with_witness(&world);
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    assert_eq!(fs::read_to_string(&witness).expect("witness"), "open_session alice\n");
    client.command("QUIT", 221);
    let text = wait_until("the PAM session is closed", || {
        let text = fs::read_to_string(&witness).expect("witness");
        text.contains("close").then_some(text)
    });
    assert_eq!(text, "open_session alice\nclose_session alice\n");
    drop(server);
    assert_eq!(fs::read_to_string(&witness).expect("witness"), text);
}

fn closes_the_pam_session_when_the_session_was_killed() {
    let world = World::new();
    let witness = with_witness(&world);
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let session = server.process("session");
    nix::sys::signal::kill(session.pid, nix::sys::signal::SIGKILL).expect("kill");
    client.expect_end();
    wait_until("the PAM session is closed", || {
        let text = fs::read_to_string(&witness).expect("witness");
        (text == "open_session alice\nclose_session alice\n").then_some(())
    });
}

fn with_other_user(world: &World, name: &str) {
    let module = module(world, "other", OTHER_USER);
    let text = format!("auth required {module} {name}\naccount required pam_permit.so\nsession required pam_permit.so\n");
    world.pam("ftpd", &text);
}

fn serves_the_account_that_pam_returns() {
    let world = World::new();
    with_other_user(&world, "bob");
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    assert_eq!(server.process("session").uids(), [2002; 4]);
}

fn never_serves_root_even_if_pam_returns_it() {
    let world = World::new();
    with_other_user(&world, "root");
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    assert_eq!(attempt(&mut client, "alice", "wonderland").code, 530);
    client.command("PWD", 530);
}

fn without_a_pam_service_nobody_gets_in() {
    let world = World::new();
    let server = Server::start(&world, "login.pam-service = \"missing\"");
    refused(&server, "alice", "wonderland", "");
}

fn users_without_a_home_are_told_so() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/nowhere/carol"));
    let server = Server::start(&world, "");
    let reply = attempt(&mut Client::greeted(), "carol", "wonderland");
    assert_eq!(reply.code, 530);
    assert!(reply.whole().to_lowercase().contains("home"), "not clear: {reply}");
    server.wait_for_log("/nowhere/carol");
}

fn users_without_a_home_start_in_the_fallback() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/nowhere/carol"));
    world.write("/srv/guests/hello.txt", "Hello.");
    let _server = Server::start(&world, "session.missing-home = \"/srv/guests\"");
    let mut client = Client::logged_in("carol");
    assert_eq!(client.receive_text("RETR hello.txt"), "Hello.");
}

fn log_in_anonymously() -> Client {
    let mut client = Client::greeted();
    client.command("USER anonymous", 331);
    client.command("PASS guest@example.org", 230);
    client.command("TYPE I", 200);
    client
}

fn anonymous_users_may_read() {
    let world = World::new();
    let server = Server::start(&world, "anonymous.enabled = true");
    let mut client = log_in_anonymously();
    assert_eq!(client.receive_text("RETR welcome.txt"), "Welcome.\n");
    assert!(client.receive_text("LIST").contains("welcome.txt"));
    assert_eq!(server.process("session").uids(), [991; 4]);
}

fn anonymous_users_may_not_write() {
    let world = World::new();
    let open_to_all = PermissionsExt::from_mode(0o777);
    fs::set_permissions("/srv/ftp", open_to_all).expect("mode");
    let _server = Server::start(&world, "anonymous.enabled = true");
    let mut client = log_in_anonymously();
    for command in ["MKD new", "DELE welcome.txt", "RNFR welcome.txt", "SITE CHMOD 777 welcome.txt"] {
        client.command(command, 550);
    }
    let _data = client.passive();
    client.command("STOR new.txt", 550);
    assert!(!fs::exists("/srv/ftp/new.txt").expect("exists"));
}

fn anonymous_users_are_refused_by_default() {
    let world = World::new();
    let server = Server::start(&world, "");
    refused(&server, "anonymous", "guest@example.org", "");
}

fn a_session_cannot_become_another_user() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.send("USER bob");
    let code = client.read_reply().code;
    assert!([530, 503].contains(&code), "USER after login: {code}");
    client.send("PASS wonderland");
    let code = client.read_reply().code;
    assert!([530, 503, 202, 230].contains(&code), "PASS after login: {code}");
    assert_eq!(server.process("session").uids(), [2001; 4]);
}

/// Has PAM run a shell script in the session phase, after the usual checks.
fn with_hook(world: &World, kind: &str, script: &str) {
    world.write("/run/world/witness/hook", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions("/run/world/witness/hook", PermissionsExt::from_mode(0o755)).expect("mode of the hook");
    let text = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n";
    world.pam("ftpd", &format!("{text}{kind} required pam_exec.so /run/world/witness/hook\n"));
}

fn tells_pam_who_asks_and_from_where() {
    let world = World::new();
    with_hook(&world, "auth", "echo \"$PAM_SERVICE $PAM_USER $PAM_RHOST $PAM_TTY\" >/run/world/witness/facts");
    let _server = Server::start(&world, "");
    Client::logged_in("alice");
    let facts = fs::read_to_string("/run/world/witness/facts").expect("facts");
    assert_eq!(facts, "ftpd alice 127.0.0.1 ftp\n");
}

fn shows_what_pam_has_to_say() {
    let world = World::new();
    world.write("/run/world/witness/notice", "The cellar is closed today.\n");
    let text = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n";
    world.pam("ftpd", &format!("{text}account optional pam_echo.so file=/run/world/witness/notice\n"));
    let _server = Server::start(&world, "");
    let reply = attempt(&mut Client::greeted(), "alice", "wonderland");
    assert_eq!(reply.code, 230);
    assert!(reply.whole().contains("The cellar is closed today."), "{reply}");
}

fn the_limits_of_pam_hold_for_the_session() {
    let world = World::new();
    world.write("/run/world/witness/limits", "alice hard nofile 77\nalice soft nofile 77\n");
    let text = "auth required pam_unix.so\naccount required pam_unix.so\n\
                session required pam_limits.so conf=/run/world/witness/limits\n";
    world.pam("ftpd", text);
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    let session = server.process("session");
    let limits = fs::read_to_string(format!("/proc/{}/limits", session.pid)).expect("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("limit of files");
    let numbers: Vec<u64> = files.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.iter().all(|number| *number <= 77), "{files}");
}

/// A PAM module that never answers.
const SLEEPER: &str = r#"
#include <unistd.h>
#include <security/pam_modules.h>
int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    for (;;) pause();
}
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) { return PAM_SUCCESS; }
"#;

fn a_pam_module_that_never_answers_holds_no_slot() {
    let world = World::new();
    let module = module(&world, "sleeper", SLEEPER);
    world.pam("ftpd", &format!("auth required {module}\naccount required pam_permit.so\n"));
    let server = Server::start(&world, "login.login-timeout = 1\nlisten.max-sessions = 1");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.send("PASS wonderland");
    while client.next_reply().is_some() {}
    wait_until("the slot is free", || (Client::connect().read_reply().code == 220).then_some(()));
    wait_until("the worker has ended", || server.find("worker").is_none().then_some(()));
}
