//! How the daemon ends: gracefully, at once, or because somebody killed it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    term_ends_a_daemon_without_clients
    interrupt_ends_it_too
    idle_sessions_are_told
    clients_who_are_not_logged_in_are_told
    nobody_new_is_served
    a_running_download_finishes
    a_running_download_survives_interrupt_from_the_terminal
    a_running_upload_finishes
    a_transfer_that_takes_too_long_is_ended
    the_second_term_ends_everything_at_once
    nothing_stays_of_a_killed_supervisor
    nothing_stays_of_a_killed_supervisor_during_a_transfer
}

/// A daemon, and alice with a file of 64 MiB.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    let path = world.give("alice", "large", "");
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(64 << 20)).expect("large file");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn download(client: &mut Client) -> TcpStream {
    let mut data = client.passive();
    client.command("RETR large", 150);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    data
}

fn term_ends_a_daemon_without_clients() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_end().success());
    assert!(TcpStream::connect("127.0.0.1:21").is_err());
}

fn interrupt_ends_it_too() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    server.signal(Signal::SIGINT);
    client.expect(421);
    assert!(server.wait_for_end().success());
}

fn idle_sessions_are_told() {
    let (_world, mut server, mut client) = alice("");
    let began = Instant::now();
    server.signal(Signal::SIGTERM);
    client.expect(421);
    client.expect_end();
    assert!(server.wait_for_end().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

fn clients_who_are_not_logged_in_are_told() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    let mut client = Client::greeted();
    server.signal(Signal::SIGTERM);
    client.expect(421);
    client.expect_end();
    assert!(server.wait_for_end().success());
}

fn nobody_new_is_served() {
    let (_world, server, mut client) = alice("");
    let mut data = download(&mut client);
    server.signal(Signal::SIGTERM);
    wait_until("nobody listens any more", || TcpStream::connect("127.0.0.1:21").is_err().then_some(()));
    data.read_to_end(&mut Vec::new()).expect("data");
    client.expect(226);
}

fn a_running_download_finishes() {
    let (_world, mut server, mut client) = alice("");
    let mut data = download(&mut client);
    server.signal(Signal::SIGTERM);
    let mut rest = Vec::new();
    data.read_to_end(&mut rest).expect("data");
    assert_eq!(rest.len(), (64 << 20) - 1000);
    client.expect(226);
    client.expect(421);
    client.expect_end();
    assert!(server.wait_for_end().success());
}

fn a_running_download_survives_interrupt_from_the_terminal() {
    let (_world, mut server, mut client) = alice("");
    let mut data = download(&mut client);
    server.signal_from_terminal(Signal::SIGINT);
    let mut rest = Vec::new();
    data.read_to_end(&mut rest).expect("data");
    assert_eq!(rest.len(), (64 << 20) - 1000);
    client.expect(226);
    client.expect(421);
    assert!(server.wait_for_end().success());
}

fn a_running_upload_finishes() {
    let (_world, mut server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR new", 150);
    data.write_all(b"first, ").expect("data");
    server.signal(Signal::SIGTERM);
    wait_until("nobody listens any more", || TcpStream::connect("127.0.0.1:21").is_err().then_some(()));
    data.write_all(b"second").expect("data");
    drop(data);
    client.expect(226);
    client.expect(421);
    assert!(server.wait_for_end().success());
    assert_eq!(std::fs::read("/home/alice/new").expect("file"), b"first, second");
}

fn a_transfer_that_takes_too_long_is_ended() {
    let (_world, mut server, mut client) = alice("server.shutdown-grace = 1");
    let _data = download(&mut client);
    let began = Instant::now();
    server.signal(Signal::SIGTERM);
    server.wait_for_end();
    let taken = began.elapsed();
    assert!(taken > Duration::from_millis(900) && taken < Duration::from_secs(10), "{taken:?}");
    // It must not look complete.
    while let Some(reply) = client.next_reply() {
        assert_ne!(reply.code, 226);
    }
}

fn the_second_term_ends_everything_at_once() {
    let (_world, mut server, mut client) = alice("");
    let _data = download(&mut client);
    let began = Instant::now();
    server.signal(Signal::SIGTERM);
    wait_until("nobody listens any more", || TcpStream::connect("127.0.0.1:21").is_err().then_some(()));
    server.signal(Signal::SIGTERM);
    server.wait_for_end();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    wait_until("everything has ended", || process::all_of_this_world().is_empty().then_some(()));
}

fn nothing_stays_of_a_killed_supervisor() {
    let (_world, mut server, _client) = alice("");
    let _waiting = Client::greeted();
    server.signal(Signal::SIGKILL);
    server.wait_for_end();
    let killed = Instant::now();
    wait_until("everything has ended", || process::all_of_this_world().is_empty().then_some(()));
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
}

fn nothing_stays_of_a_killed_supervisor_during_a_transfer() {
    let (_world, mut server, mut client) = alice("");
    let _data = download(&mut client);
    server.signal(Signal::SIGKILL);
    server.wait_for_end();
    let killed = Instant::now();
    wait_until("everything has ended", || process::all_of_this_world().is_empty().then_some(()));
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
}
