//! The machine's own records of logins, as its own programs read them.

use std::fs;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    who_and_last_show_who_is_logged_in
    nothing_is_recorded_unless_it_is_wanted
    records_that_do_not_exist_are_not_made
    a_kernel_that_hears_no_audit_keeps_nobody_out
}

/// A machine that keeps records of logins, none so far.
fn with_records(world: &World) {
    world.mount_small("/var/log", "root", 1 << 20);
    for file in ["/run/utmp", "/var/log/wtmp", "/var/log/lastlog"] {
        fs::write(file, "").expect("record");
    }
}

/// What a program of the machine prints.
fn output(world: &World, program: &str, arguments: &[&str]) -> String {
    let output = world.command(program).args(arguments).output().expect(program);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn who_and_last_show_who_is_logged_in() {
    let world = World::new();
    with_records(&world);
    let server = Server::start(&world, "log.utmp = true");
    let mut client = Client::logged_in("alice");
    let _other = Client::logged_in("bob");
    let who = || output(&world, "who", &["/run/utmp"]);
    let shown = wait_until("both are shown", || {
        let shown = who();
        (shown.contains("alice") && shown.contains("bob")).then_some(shown)
    });
    let line = shown.lines().find(|line| line.starts_with("alice ")).expect("alice");
    assert!(line.contains(" ftpd") && line.contains("(127.0.0.1)"), "{line}");
    let last = output(&world, "last", &["-i", "-f", "/var/log/wtmp"]);
    let line = last.lines().find(|line| line.starts_with("alice ")).expect("alice");
    // Whether last(1) says "still logged in" depends on pam_loginuid.
    assert!(line.contains("ftpd") && line.contains("127.0.0.1") && !line.contains("(00:00)"), "{line}");
    client.command("QUIT", 221);
    wait_until("alice is not shown any more", || (!who().contains("alice")).then_some(()));
    assert!(who().contains("bob"));
    server.wait_for_log("closed (quit)");
    let last = output(&world, "last", &["-i", "-f", "/var/log/wtmp"]);
    let line = last.lines().find(|line| line.starts_with("alice ")).expect("alice");
    // What has ended in this very second, last(1) takes for running.
    assert!(line.contains("(00:00)") || line.contains("still running"), "{line}");
    // lastlog(8): a place of 292 bytes for each account.
    let lastlog = fs::read("/var/log/lastlog").expect("lastlog");
    let place = &lastlog[2001 * 292..2002 * 292];
    assert!(u32::from_ne_bytes(place[..4].try_into().expect("time")) > 1_700_000_000);
    assert!(place[4..].starts_with(b"ftpd") && place[36..].starts_with(b"127.0.0.1\0"));
}

fn nothing_is_recorded_unless_it_is_wanted() {
    let world = World::new();
    with_records(&world);
    let server = Server::start(&world, "");
    Client::logged_in("alice").command("QUIT", 221);
    server.wait_for_log("closed (quit)");
    for file in ["/run/utmp", "/var/log/wtmp", "/var/log/lastlog"] {
        assert_eq!(fs::metadata(file).expect(file).len(), 0, "{file}");
    }
}

fn records_that_do_not_exist_are_not_made() {
    let world = World::new();
    world.mount_small("/var/log", "root", 1 << 20);
    let server = Server::start(&world, "log.utmp = true");
    Client::logged_in("alice").command("QUIT", 221);
    server.wait_for_log("closed (quit)");
    assert_eq!(fs::read_dir("/var/log").expect("/var/log").count(), 0);
    assert!(!server.log().contains("cannot be recorded"), "{}", server.log());
}

fn a_kernel_that_hears_no_audit_keeps_nobody_out() {
    let world = World::new();
    let server = Server::start(&world, "log.audit = true");
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wrong", 530);
    client.log_in("alice");
    client.command("QUIT", 221);
    server.wait_for_log("closed (quit)");
    assert!(server.find("session").is_none());
}
