//! REIN, and USER again: another login on the same connection.

use nix::sys::signal::Signal;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::secure::Secure;
use crate::server::{Server, wait_until};
use crate::tls_clients;
use crate::world::World;

tests! {
    another_user_logs_in_on_the_same_connection
    nothing_that_was_sent_ahead_of_the_next_login_is_lost
    a_session_that_was_logged_out_counts_no_longer
    user_in_a_session_begins_another_login
    a_transfer_ends_before_another_user_logs_in
    a_name_of_any_bytes_is_handed_on_as_it_is
    who_logs_in_anew_is_still_at_his_host
    behind_tls_another_login_needs_another_beginning
}

fn another_user_logs_in_on_the_same_connection() {
    let world = World::new();
    world.give("alice", "hers", "a");
    world.give("bob", "his", "b");
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.command("MDTM hers", 213);
    client.command("REIN", 220);
    client.command("MDTM hers", 530);
    client.log_in("bob");
    client.command("MDTM hers", 550);
    client.command("MDTM his", 213);
}

fn nothing_that_was_sent_ahead_of_the_next_login_is_lost() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let ahead = format!("NOOP\r\nREIN\r\nUSER bob\r\nPASS {PASSWORD}\r\nMKD new\r\nREIN\r\nNOOP\r\nQUIT\r\n");
    client.send_bytes(ahead.as_bytes());
    for code in [200, 220, 331, 230, 257, 220, 200, 221] {
        client.expect(code);
    }
    assert!(world.account("bob").home.join("new").is_dir());
}

fn a_session_that_was_logged_out_counts_no_longer() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 1");
    let mut client = Client::logged_in("alice");
    client.command("REIN", 220);
    client.command("REIN", 220);
    Client::connect().expect(421);
    server.signal(Signal::SIGUSR1);
    server.wait_for_log("status: 1 sessions of 1 addresses, 0 logged in, 0 users");
    client.command("QUIT", 221);
    wait_until("there is room again", || (Client::connect().read_reply().code == 220).then_some(()));
}

fn user_in_a_session_begins_another_login() {
    let world = World::new();
    world.give("alice", "hers", "a");
    world.give("bob", "his", "b");
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    let first = server.process("session");
    client.command("USER bob", 331);
    client.command("MDTM hers", 530);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("MDTM hers", 550);
    client.command("MDTM his", 213);
    wait_until("the first session has ended", || (!first.is_there()).then_some(()));
    assert_eq!(server.process("session").uids(), [2002; 4]);
    server.wait_for_log("FTP session closed (logged out, to log in again)");
}

fn a_transfer_ends_before_another_user_logs_in() {
    let world = World::new();
    let content = vec![7; 3 << 20];
    world.give("alice", "large", &content);
    let _server = Server::start(&world, "session.transfer-download-rate = \"8M\"");
    let mut client = Client::logged_in("alice");
    client.command("TYPE I", 200);
    let mut data = client.passive();
    client.command("RETR large", 150);
    client.send(&format!("USER bob\r\nPASS {PASSWORD}"));
    let mut received = Vec::new();
    std::io::Read::read_to_end(&mut data, &mut received).expect("data");
    assert!(received == content, "{} bytes", received.len());
    for code in [226, 331, 230] {
        client.expect(code);
    }
}

fn a_name_of_any_bytes_is_handed_on_as_it_is() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.send_bytes(b"USER x\xff\xffy\r\0z\r\nPASS no\r\n");
    client.expect(331);
    client.expect(530);
    // What is no UTF-8 is told as such.
    server.wait_for_log("USER \"x\u{fffd}y\\x0dz\" failed login");
}

fn who_logs_in_anew_is_still_at_his_host() {
    let world = World::new();
    let settings = "host.\"ftp.example.org\".allow-users = [\"alice\"]";
    let server = Server::start(&world, settings);
    let mut client = Client::greeted();
    client.command("HOST ftp.example.org", 220);
    client.log_in("alice");
    client.command("USER alice", 331);
    let lines = server.log_length();
    client.command(&format!("PASS {PASSWORD}"), 230);
    server.wait_for_log_after(lines, "logged in at ftp.example.org");
    client.command("USER bob", 331);
    client.command(&format!("PASS {PASSWORD}"), 530);
    // REIN forgets it (RFC 7151 3.3).
    client.command("REIN", 220);
    client.log_in("bob");
}

fn behind_tls_another_login_needs_another_beginning() {
    let world = World::new();
    let _server = tls_clients::start(&world, "");
    let mut client = Secure::logged_in();
    client.command("USER bob", 530);
    client.command("PWD", 257);
}
