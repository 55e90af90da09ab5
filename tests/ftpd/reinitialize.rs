//! REIN: another login on the same connection.

use nix::sys::signal::Signal;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    another_user_logs_in_on_the_same_connection
    nothing_that_was_sent_ahead_of_the_next_login_is_lost
    a_session_that_was_logged_out_counts_no_longer
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
