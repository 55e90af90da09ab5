//! What happens to clients who take too long, or say too much in too short a time.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    who_does_not_log_in_is_told_so
    who_says_nothing_is_told_so
    who_does_not_take_an_active_connection_is_told_so
    a_session_ends_when_its_time_is_over
    a_session_whose_time_is_over_ends_while_it_moves_data
    commands_do_not_make_a_session_longer
    commands_that_come_too_fast_are_obeyed_later
    commands_that_come_too_fast_end_a_session
    commands_that_come_too_fast_end_what_was_no_session_yet
    commands_that_come_too_fast_slow_down_the_login_too
    commands_that_come_too_fast_ban_an_address
    a_transfer_is_not_held_back_by_commands_and_abor_is_obeyed_at_once
}

fn started(settings: &str) -> (World, Server) {
    let world = World::new();
    let server = Server::start(&world, settings);
    (world, server)
}

fn who_does_not_log_in_is_told_so() {
    let (_world, server) = started("login.login-timeout = 1");
    let mut client = Client::greeted();
    client.command("NOOP", 200);
    assert_eq!(client.expect(421).text(), "Login timed out.");
    client.expect_end();
    server.wait_for_log("did not log in in time");
}

fn who_says_nothing_is_told_so() {
    let (_world, server) = started("session.idle-timeout = 1");
    let mut client = Client::logged_in("alice");
    assert_eq!(client.expect(421).text(), "Nothing was said for too long. Goodbye.");
    client.expect_end();
    server.wait_for_log("idle for too long");
}

fn who_does_not_take_an_active_connection_is_told_so() {
    let (world, _server) = started("data.connect-timeout = 1\ndata.active-port-20 = false");
    world.give("alice", "file", "content");
    let mut client = Client::logged_in("alice");
    // Its queue has room for one connection, and somebody is in it.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
    let full = listener.local_addr().expect("address");
    listen(&listener, Backlog::new(0).expect("a backlog")).expect("a short queue");
    let _first = Client::connect_to(full);
    let port = full.port();
    client.command(&format!("PORT 127,0,0,1,{},{}", port / 256, port % 256), 200);
    let reply = client.command("RETR file", 425);
    assert!(reply.text().contains("1 seconds"), "{reply}");
    client.command("NOOP", 200);
}

fn a_session_ends_when_its_time_is_over() {
    let (_world, server) = started("session.session-timeout = 3600\nuser.alice.session-timeout = 1");
    let mut client = Client::logged_in("alice");
    let mut other = Client::logged_in("bob");
    assert_eq!(client.expect(421).text(), "The time of this session is over. Goodbye.");
    client.expect_end();
    server.wait_for_log("the time of the session is over");
    other.command("NOOP", 200);
}

fn a_session_whose_time_is_over_ends_while_it_moves_data() {
    let (world, _server) = started("session.session-timeout = 1");
    let path = world.give("alice", "file", "");
    File::options().write(true).open(path).and_then(|file| file.set_len(1 << 30)).expect("file");
    for verb in ["RETR file", "STOR new"] {
        let mut client = Client::logged_in("alice");
        let _data = client.passive();
        client.command(verb, 150);
        assert_eq!(client.expect(421).text(), "The time of this session is over. Goodbye.");
        client.expect_end();
    }
}

fn commands_do_not_make_a_session_longer() {
    let (_world, _server) = started("session.session-timeout = 1");
    let mut client = Client::logged_in("alice");
    let began = Instant::now();
    loop {
        client.send("NOOP");
        if client.read_reply().code == 421 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    client.expect_end();
}

fn commands_that_come_too_fast_are_obeyed_later() {
    let (_world, _server) = started("session.command-rate = \"10/s\"");
    let mut client = Client::logged_in("alice");
    let began = Instant::now();
    client.send_bytes("NOOP\r\n".repeat(20).as_bytes());
    (0..20).for_each(|_| drop(client.expect(200)));
    // Ten at once, at most, and the others a tenth of a second each.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

fn commands_that_come_too_fast_end_a_session() {
    let (_world, server) = started("session.command-rate = \"10/m\"\nsession.command-excess = \"end\"");
    let mut client = Client::logged_in("alice");
    client.send_bytes("NOOP\r\n".repeat(20).as_bytes());
    let last = std::iter::from_fn(|| client.next_reply()).find(|reply| reply.code != 200).expect("a refusal");
    assert_eq!(last.to_string(), "421 Too many commands in a short time. Goodbye.");
    client.expect_end();
    server.wait_for_log("closed (too many commands)");
    // Nobody is banned for it.
    Client::logged_in("alice");
}

fn commands_that_come_too_fast_end_what_was_no_session_yet() {
    let (_world, _server) = started("session.command-rate = \"5/m\"\nsession.command-excess = \"end\"");
    let mut client = Client::greeted();
    (0..5).for_each(|_| drop(client.command("NOOP", 200)));
    client.command("NOOP", 421);
    client.expect_end();
}

fn commands_that_come_too_fast_slow_down_the_login_too() {
    let (_world, _server) = started("session.command-rate = \"4/s\"");
    let mut client = Client::greeted();
    let began = Instant::now();
    (0..6).for_each(|_| drop(client.command("NOOP", 200)));
    client.log_in("alice");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

fn commands_that_come_too_fast_ban_an_address() {
    let settings = "session.command-rate = \"10/m\"\nsession.command-excess = \"ban\"\nlimits.trusted = [\"127.0.0.8/29\"]";
    let (_world, server) = started(settings);
    let server_address = SocketAddr::from((Ipv4Addr::LOCALHOST, 21));
    let flood = |last: u8| {
        let address = IpAddr::from([127, 0, 0, last]);
        let mut client = Client::connect_from(address, server_address);
        client.expect(220);
        client.command("USER alice", 331);
        client.command(&format!("PASS {PASSWORD}"), 230);
        client.send_bytes("NOOP\r\n".repeat(20).as_bytes());
        std::iter::from_fn(|| client.next_reply()).find(|reply| reply.code == 421).expect("421");
        Client::connect_from(address, server_address)
    };
    assert_eq!(flood(9).read_reply().code, 220);
    flood(1);
    server.wait_for_log("127.0.0.1 is banned for 60 seconds: too many commands");
    wait_until("there is a ban", || (Client::connect().read_reply().code == 421).then_some(()));
}

fn a_transfer_is_not_held_back_by_commands_and_abor_is_obeyed_at_once() {
    let (_world, _server) = started("session.command-rate = \"6/m\"");
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"beginning").expect("data");
    let began = Instant::now();
    client.send_bytes("NOOP\r\n".repeat(8).as_bytes());
    client.send("ABOR");
    let codes: Vec<u16> =
        std::iter::from_fn(|| client.next_reply()).map(|reply| reply.code).take_while(|code| *code != 226).collect();
    assert!(codes.contains(&426), "{codes:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
