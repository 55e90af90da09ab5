//! What PAM's modules do to a session, and what they say to the client.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    limits_of_pam_hold_in_the_session
    groups_of_pam_are_those_of_the_session
    texts_of_the_session_modules_greet_the_client
    texts_of_a_refusal_reach_the_client
    a_refused_account_is_a_wrong_login_to_the_client
    knows_where_the_client_is
    takes_services_from_a_directory_of_its_own
    modules_do_not_delay_a_refusal
    asks_for_a_one_time_code
    refuses_a_wrong_one_time_code
    refuses_when_the_pam_session_does_not_open
    closes_the_pam_session_once
    closes_the_pam_session_when_the_session_was_killed
    serves_the_account_that_pam_returns
    never_serves_root_even_if_pam_returns_it
    a_pam_module_that_never_answers_holds_no_slot
}

/// The service of the daemon, with these lines between the plain ones.
fn with(world: &World, lines: &str) {
    let plain = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";
    world.pam("ftpd", &format!("{plain}{lines}session required pam_permit.so\n"));
}

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

fn limits_of_pam_hold_in_the_session() {
    let world = World::new();
    world.write("/run/world/limits", "alice hard nofile 77\nalice soft nofile 66\n");
    with(&world, "session required pam_limits.so conf=/run/world/limits\n");
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process("session").pid));
    let limits = limits.expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 2 && numbers[0] <= 66 && numbers[1] <= 77, "{line}");
}

fn groups_of_pam_are_those_of_the_session() {
    let world = World::new();
    world.group("cards", 3002, &[]);
    let module = module(&world, "group", GROUP);
    with(&world, &format!("auth optional {module}\n"));
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    let mut groups = server.process("session").groups();
    groups.sort();
    assert_eq!(groups, [2001, 3001, 3002]);
    assert!(!server.parent_of(&server.process("session")).groups().contains(&3002), "the worker keeps its own");
}

/// Adds a group to the process that sets credentials, as pam_group does at the hours of its configuration.
const GROUP: &str = r#"
#include <grp.h>
#include <unistd.h>
int pam_sm_authenticate(void *pamh, int flags, int argc, const char **argv) { return 25; }
int pam_sm_setcred(void *pamh, int flags, int argc, const char **argv) {
    gid_t groups[64];
    int count = getgroups(63, groups);
    if (count < 0) return 17;
    groups[count] = 3002;
    return setgroups(count + 1, groups) == 0 ? 0 : 17;
}
"#;

fn texts_of_the_session_modules_greet_the_client() {
    let world = World::new();
    world.write("/run/world/motd", "Tea at six.\nBring\x1b[31m a cup.\n");
    with(&world, "session optional pam_echo.so file=/run/world/motd\n");
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let greeting = client.command("PASS wonderland", 230);
    assert!(greeting.whole().contains("Tea at six.\n"), "{greeting}");
    assert!(!greeting.whole().contains('\x1b'), "{greeting}");
}

fn texts_of_a_refusal_reach_the_client() {
    let world = World::new();
    with(&world, "account required pam_nologin.so\n");
    world.write("/etc/nologin", "Down for repairs.\n");
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let refusal = client.command("PASS wonderland", 530);
    assert!(refusal.whole().contains("Down for repairs."), "{refusal}");
    server.wait_for_log("Down for repairs.");
}

fn a_refused_account_is_a_wrong_login_to_the_client() {
    let world = World::new();
    with(&world, "account required pam_deny.so\n");
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    assert_eq!(client.command("PASS wonderland", 530).lines, ["530 Login incorrect."]);
}

fn knows_where_the_client_is() {
    let world = World::new();
    world.write("/run/world/access", "+:alice:127.0.0.1\n-:ALL:ALL\n");
    with(&world, "account required pam_access.so accessfile=/run/world/access\n");
    let _server = Server::start(&world, "");
    Client::logged_in("alice");
    let mut elsewhere = Client::connect_to("[::1]:21".parse().expect("address"));
    elsewhere.expect(220);
    elsewhere.command("USER alice", 331);
    elsewhere.command("PASS wonderland", 530);
}

fn takes_services_from_a_directory_of_its_own() {
    let world = World::new();
    let text = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";
    world.write("/run/world/pam.d/files", text);
    let settings = "login.pam-directory = \"/run/world/pam.d\"\nlogin.pam-service = \"files\"";
    let _server = Server::start(&world, settings);
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS anything", 230);
}

fn modules_do_not_delay_a_refusal() {
    let world = World::new();
    let lines = "auth required pam_faildelay.so delay=600000000\nauth required pam_unix.so\n";
    world.pam("ftpd", &format!("{lines}account required pam_unix.so\nsession required pam_permit.so\n"));
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wrong", 530);
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
    client.command("USER alice", 331);
    client.command("PASS wonderland", 530);
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
    client.command("USER alice", 331);
    client.command("PASS wonderland", 530);
    client.command("PWD", 530);
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
