//! What PAM's modules do to a session, and what they say to the client.

use std::fs;

use crate::client::Client;
use crate::server::Server;
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
}

/// The service of the daemon, with these lines between the plain ones.
fn with(world: &World, lines: &str) {
    let plain = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";
    world.pam("ftpd", &format!("{plain}{lines}session required pam_permit.so\n"));
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
    world.write("/run/world/module.c", GROUP);
    let mut compiler = world.command("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-o", "/run/world/module.so", "/run/world/module.c"]);
    assert!(compiled.status().expect("cc").success(), "the module compiles");
    with(&world, "auth optional /run/world/module.so\n");
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
