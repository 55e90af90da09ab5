//! How many files move at the same time: of a user, from an address, in all; and that the number is right whatever dies.

use std::net::{IpAddr, SocketAddr, TcpStream};

use nix::sys::signal::{Signal, kill};

use crate::client::{Client, connect_from};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_user_moves_no_more_files_than_he_may
    an_address_and_the_daemon_have_numbers_of_their_own
    whoever_has_ended_may_be_followed_at_once
    a_transfer_is_counted_until_its_session_is_gone
    a_reload_counts_what_moves_already
    without_a_limit_nobody_is_asked
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 21);

/// More than there is room for on the way to a client who does not read.
const LARGE: usize = 30_000_000;

fn world(settings: &str) -> (World, Server) {
    let world = World::new();
    for user in ["alice", "bob"] {
        world.give(user, "large", vec![b'x'; LARGE]);
        world.give(user, "small", "content");
    }
    let server = Server::start(&world, settings);
    (world, server)
}

fn logged_in(user: &str, last: u8) -> Client {
    let mut client = Client::connect_from(IpAddr::from([127, 0, 0, last]), SERVER);
    client.expect(220);
    client.log_in(user);
    client.command("TYPE I", 200);
    client
}

/// A data connection from the client's own address.
fn data(client: &mut Client) -> TcpStream {
    let there = client.passive_address();
    connect_from(SocketAddr::new(client.own().ip(), 0), there).expect("data connection")
}

/// A download that does not end.
fn busy(user: &str, last: u8) -> (Client, TcpStream) {
    let mut client = logged_in(user, last);
    let data = data(&mut client);
    client.command("RETR large", 150);
    (client, data)
}

/// What a transfer is answered at first.
fn begun(client: &mut Client, line: &str) -> u16 {
    let _data = data(client);
    client.send(line);
    let code = client.read_reply().code;
    if code == 150 {
        client.read_reply();
    }
    code
}

fn a_user_moves_no_more_files_than_he_may() {
    let (_world, server) = world("session.max-transfers-per-user = 2\nuser.bob.max-transfers-per-user = 1");
    let (mut first, _data) = busy("alice", 1);
    let second = busy("alice", 2);
    let mut third = logged_in("alice", 1);
    for line in ["RETR small", "STOR new", "APPE small", "STOU new"] {
        let _data = data(&mut third);
        let reply = third.command(line, 450);
        assert_eq!(reply.text(), "Too many transfers of this user at present.");
    }
    // Nothing has come of what was refused.
    assert!(!std::fs::exists("/home/alice/new").expect("exists"));
    assert_eq!(std::fs::read("/home/alice/small").expect("file"), b"content");
    server.wait_for_log("transfer refused: max-transfers-per-user is reached");
    assert!(third.receive_text("LIST").contains("small"));
    third.command("SITE COPY small copy", 250);
    let _bob = busy("bob", 1);
    assert_eq!(begun(&mut logged_in("bob", 1), "RETR small"), 450);
    first.send("ABOR");
    first.expect(426);
    first.expect(226);
    assert_eq!(third.receive_text("RETR small"), "content");
    drop(second);
}

fn an_address_and_the_daemon_have_numbers_of_their_own() {
    let (_world, _server) = world("limits.max-transfers = 3\nlimits.max-transfers-per-address = 2");
    let _busy = [busy("alice", 1), busy("bob", 1)];
    let mut same = logged_in("bob", 1);
    let _data = data(&mut same);
    assert_eq!(same.command("RETR small", 450).text(), "Too many transfers from your address at present.");
    let _third = busy("alice", 2);
    let mut other = logged_in("bob", 3);
    let _data = data(&mut other);
    let reply = other.command("RETR small", 450);
    assert_eq!(reply.text(), "Too many transfers at present. Please try again later.");
}

/// The reply that ends a transfer comes when it is counted no longer, and not a moment before.
fn whoever_has_ended_may_be_followed_at_once() {
    let (_world, _server) = world("session.max-transfers-per-user = 1");
    let mut clients = [logged_in("alice", 1), logged_in("alice", 1)];
    for round in 0..100 {
        assert_eq!(clients[round % 2].receive_text("RETR small"), "content");
        clients[(round + 1) % 2].transmit("STOR other", b"content");
    }
}

fn a_transfer_is_counted_until_its_session_is_gone() {
    let (_world, server) = world("session.max-transfers-per-user = 1");
    for role in ["session", "worker"] {
        let busy = busy("alice", 1);
        let mut other = logged_in("alice", 2);
        assert_eq!(begun(&mut other, "RETR small"), 450);
        let victims = server.processes().into_iter().filter(|one| one.title() == format!("ftpd: {role}"));
        // The first one is that of the transfer: they are in the order of their numbers.
        let victim = victims.min_by_key(|one| one.pid).expect("a process");
        kill(victim.pid, Signal::SIGKILL).expect("kill");
        wait_until("the next one may", || (begun(&mut other, "RETR small") == 150).then_some(()));
        drop(busy);
    }
}

fn a_reload_counts_what_moves_already() {
    let (_world, server) = world("");
    let _busy = [busy("alice", 1), busy("alice", 2)];
    let mut other = logged_in("bob", 1);
    assert_eq!(other.receive_text("RETR small"), "content");
    let mut reload = |settings: &str, code: u16| {
        let lines = server.log_length();
        server.configure(settings);
        server.signal(Signal::SIGHUP);
        server.wait_for_log_after(lines, "configuration reloaded");
        assert_eq!(begun(&mut other, "RETR small"), code, "{settings}");
    };
    reload("limits.max-transfers = 2", 450);
    reload("limits.max-transfers = 3", 150);
    reload("limits.max-transfers = 1", 450);
    reload("", 150);
}

fn without_a_limit_nobody_is_asked() {
    let (_world, server) = world("");
    let mut client = logged_in("alice", 1);
    client.receive_text("RETR small");
    let wakes = || -> u64 { server.process("supervisor").field("voluntary_ctxt_switches").parse().expect("number") };
    let before = wakes();
    (0..50).for_each(|_| assert_eq!(client.receive_text("RETR small"), "content"));
    assert!(wakes() <= before + 5, "{} wakes of the supervisor in 50 transfers", wakes() - before);
}
