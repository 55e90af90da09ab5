//! How many clients are served, and that the count stays right whatever dies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::accounts::PASSWORD;
use crate::client::{Client, connect_from};
use crate::network;
use crate::process::Process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    refuses_more_than_the_highest_number_of_sessions
    refuses_more_than_the_highest_number_of_an_address
    counts_ipv6_networks_not_addresses
    refuses_at_once_without_a_worker
    refuses_more_than_the_highest_number_of_a_network
    a_named_network_has_numbers_of_its_own
    a_listener_has_a_number_of_its_own
    refuses_more_sessions_of_a_user_than_he_may_have
    refuses_more_sessions_of_a_user_from_one_address
    refuses_more_sessions_of_a_group_than_it_may_have
    anonymous_clients_have_a_number_of_their_own
    a_reload_changes_what_is_decided_next
    a_slot_is_free_again_after_a_client_left
    a_slot_is_free_again_after_the_worker_was_killed
    a_slot_is_free_again_after_the_session_was_killed
    a_slot_is_free_again_after_the_frontend_was_killed
    a_slot_is_taken_as_long_as_any_process_of_it_lives
    a_flood_does_not_starve_those_who_are_served
    a_flood_does_not_fork_without_bounds
    a_burst_larger_than_the_spare_workers_is_served
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 21);

/// The first thing that the server says to a new client of this address.
fn greeting_of(address: IpAddr) -> (u16, Client) {
    let server = SocketAddr::new(if address.is_ipv4() { SERVER.ip() } else { Ipv6Addr::LOCALHOST.into() }, 21);
    let mut client = Client::connect_from(address, server);
    (client.read_reply().code, client)
}

fn from(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

fn refuses_more_than_the_highest_number_of_sessions() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 3");
    let _served: Vec<_> = (1..=3).map(|n| greeting_of(from(n)).1).collect();
    let mut refused = Client::connect_from(from(4), SERVER);
    let reply = refused.expect(421);
    assert!(reply.text().starts_with("Too many connections"), "{reply}");
    refused.expect_end();
    server.wait_for_log("127.0.0.4");
}

fn refuses_more_than_the_highest_number_of_an_address() {
    let world = World::new();
    let _server = Server::start(&world, "listen.max-sessions-per-address = 2");
    let _served: Vec<_> = (0..2).map(|_| Client::logged_in("alice")).collect();
    let mut refused = Client::connect();
    refused.expect(421);
    refused.expect_end();
    assert_eq!(greeting_of(from(2)).0, 220);
}

fn counts_ipv6_networks_not_addresses() {
    let world = World::new();
    let addresses = ["fd00:0:0:1::1", "fd00:0:0:1::2", "fd00:0:0:1:8000::3", "fd00:0:0:2::1"];
    let addresses = addresses.map(|address| address.parse::<Ipv6Addr>().expect("address"));
    addresses.into_iter().for_each(network::add_address);
    let _server = Server::start(&world, "listen.max-sessions-per-address = 2");
    let served: Vec<_> = addresses.iter().map(|&address| greeting_of(address.into())).collect();
    assert_eq!(served.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [220, 220, 421, 220]);
}

/// The code and text that the password of this user is answered with at this address of ours.
fn login_from(last: u8, user: &str) -> (Client, u16, String) {
    let (_, mut client) = greeting_of(from(last));
    client.command(&format!("USER {user}"), 331);
    client.send(&format!("PASS {PASSWORD}"));
    let reply = client.read_reply();
    (client, reply.code, reply.to_string())
}

fn refuses_more_than_the_highest_number_of_a_network() {
    let world = World::new();
    let _server = Server::start(&world, "limits.max-sessions-per-network = 2\nlimits.ipv4-prefix = 30");
    let _served = [greeting_of(from(4)), greeting_of(from(5))];
    let mut refused = Client::connect_from(from(6), SERVER);
    assert!(refused.expect(421).text().contains("network"));
    refused.expect_end();
    assert_eq!(greeting_of(from(8)).0, 220);
}

fn a_named_network_has_numbers_of_its_own() {
    let world = World::new();
    let server = Server::start(
        &world,
        "listen.max-sessions-per-address = 1\nnetwork.office.addresses = [\"127.0.0.4/30\"]\n\
         network.office.max-sessions = 3\nnetwork.office.max-sessions-per-address = 2",
    );
    let codes = [4, 4, 4, 5, 6, 8, 8].map(|last| greeting_of(from(last)));
    assert_eq!(codes.each_ref().map(|(code, _)| *code), [220, 220, 421, 220, 421, 220, 421]);
    server.wait_for_log("max-sessions-per-address is reached");
}

fn a_listener_has_a_number_of_its_own() {
    let world = World::new();
    let _server = Server::start(
        &world,
        "listen.addresses = [\"[::]:21\", \"[::]:2121\"]\nlistener.\"[::]:2121\".max-sessions = 1",
    );
    let other = SocketAddr::new(SERVER.ip(), 2121);
    let mut first = Client::connect_to(other);
    first.expect(220);
    Client::connect_to(other).expect(421);
    assert_eq!(greeting_of(from(1)).0, 220);
    first.command("QUIT", 221);
    wait_until("there is room again", || (Client::connect_to(other).read_reply().code == 220).then_some(()));
}

fn refuses_more_sessions_of_a_user_than_he_may_have() {
    let world = World::new();
    let server = Server::start(&world, "session.max-sessions-per-user = 2\nuser.bob.max-sessions-per-user = 1");
    let mut served = [login_from(1, "alice"), login_from(2, "alice"), login_from(1, "bob")];
    assert_eq!(served.each_ref().map(|(_, code, _)| *code), [230; 3]);
    let (mut refused, code, text) = login_from(3, "alice");
    assert_eq!(code, 530);
    assert!(text.contains("Too many sessions of this user."), "{text}");
    assert_eq!(login_from(3, "bob").1, 530);
    server.wait_for_log("max-sessions-per-user is reached");
    // Who guesses learns nothing about how many there are.
    refused.command("USER alice", 331);
    let wrong = refused.command("PASS wrong", 530);
    assert!(!wrong.to_string().contains("sessions"), "{wrong}");
    served[0].0.command("REIN", 220);
    wait_until("alice has room again", || (login_from(3, "alice").1 == 230).then_some(()));
}

fn refuses_more_sessions_of_a_user_from_one_address() {
    let world = World::new();
    let _server = Server::start(&world, "session.max-sessions-per-user-and-address = 1");
    let _served = [login_from(1, "alice"), login_from(1, "bob"), login_from(2, "alice")];
    assert_eq!(_served.each_ref().map(|(_, code, _)| *code), [230; 3]);
    let (_, code, text) = login_from(2, "alice");
    assert_eq!(code, 530);
    assert!(text.contains("from your address"), "{text}");
}

fn refuses_more_sessions_of_a_group_than_it_may_have() {
    let world = World::new();
    world.group("crew", 3002, &["alice", "bob"]);
    let server = Server::start(&world, "group.crew.max-sessions-per-group = 1");
    let (served, code, _) = login_from(1, "alice");
    assert_eq!(code, 230);
    assert_eq!(login_from(1, "bob").1, 530);
    server.wait_for_log("max-sessions-per-group of \"crew\" is reached");
    kill(server.process("session").pid, Signal::SIGKILL).expect("kill");
    drop(served);
    wait_until("the group has room again", || (login_from(1, "bob").1 == 230).then_some(()));
}

fn anonymous_clients_have_a_number_of_their_own() {
    let world = World::new();
    let _server = Server::start(
        &world,
        "anonymous.enabled = true\nanonymous.max-sessions = 2\nsession.max-sessions-per-user = 1",
    );
    let served = [1, 1, 1].map(|last| login_from(last, "ftp"));
    assert_eq!(served.map(|(_, code, _)| code), [230, 230, 530]);
}

fn a_reload_changes_what_is_decided_next() {
    let world = World::new();
    let server = Server::start(&world, "session.max-sessions-per-user = 1");
    let _alice = Client::logged_in("alice");
    assert_eq!(login_from(1, "alice").1, 530);
    let lines = server.log_length();
    server.configure("session.max-sessions-per-user = 2\ngroup.staff.max-sessions-per-group = 1");
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    // The group had no number when the first one came, and is counted all the same.
    let (_, code, _) = login_from(1, "alice");
    assert_eq!(code, 530);
    server.wait_for_log_after(lines, "max-sessions-per-group of \"staff\" is reached");
    let lines = server.log_length();
    server.configure("session.max-sessions-per-user = 2");
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    assert_eq!(login_from(1, "alice").1, 230);
}

fn refuses_at_once_without_a_worker() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 1\nlisten.spare-workers = 1");
    let _served = Client::logged_in("alice");
    let workers = || {
        let titles = server.processes().into_iter().map(|process| process.title());
        titles.filter(|title| title == "ftpd: worker").count()
    };
    for _ in 0..20 {
        let asked = Instant::now();
        let mut refused = Client::connect();
        refused.expect(421);
        refused.expect_end();
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(workers(), 1);
    }
}

/// With a single slot that is taken: `end` ends the one who has it, then the next one must get it.
fn slot_is_free_after(logged_in: bool, end: impl FnOnce(&Server, Client)) {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 1");
    let mut client = Client::greeted();
    if logged_in {
        client.log_in("alice");
    }
    Client::connect().expect(421);
    end(&server, client);
    let mut next = wait_until("the slot is free", || {
        let mut next = Client::connect();
        (next.read_reply().code == 220).then_some(next)
    });
    next.log_in("alice");
    // It is one slot, and not two.
    Client::connect().expect(421);
    next.command("PWD", 257);
}

fn a_slot_is_free_again_after_a_client_left() {
    slot_is_free_after(true, |_, mut client| {
        client.command("QUIT", 221);
    });
}

fn a_slot_is_free_again_after_the_worker_was_killed() {
    slot_is_free_after(true, |server, _client| {
        kill(server.parent_of(&server.process("session")).pid, Signal::SIGKILL).expect("kill");
    });
}

fn a_slot_is_free_again_after_the_session_was_killed() {
    slot_is_free_after(true, |server, _client| {
        kill(server.process("session").pid, Signal::SIGKILL).expect("kill");
    });
}

fn a_slot_is_free_again_after_the_frontend_was_killed() {
    slot_is_free_after(false, |server, _client| {
        kill(server.serving("frontend").pid, Signal::SIGKILL).expect("kill");
    });
}

fn a_slot_is_taken_as_long_as_any_process_of_it_lives() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 1");
    let _client = Client::logged_in("alice");
    let session = server.process("session");
    let worker = server.parent_of(&session);
    kill(session.pid, Signal::SIGSTOP).expect("stop");
    kill(worker.pid, Signal::SIGKILL).expect("kill");
    wait_until("the slot is free", || (Client::connect().read_reply().code == 220).then_some(()));
    assert!(!session.is_there(), "the slot is free, but the session is still there");
}

fn a_flood_does_not_starve_those_who_are_served() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 20\nlisten.max-sessions-per-address = 10");
    let mut served = Client::logged_in("alice");
    let memory = |server: &Server| -> u64 {
        server.process("supervisor").field("VmRSS").trim_end_matches(" kB").parse().expect("VmRSS")
    };
    let before = memory(&server);
    let mut slowest = Duration::ZERO;
    for round in 0..100 {
        // Connections that come and go without waiting for anything.
        let flood: Vec<_> = (0..20).filter_map(|_| connect_from(SocketAddr::new(from(9), 0), SERVER).ok()).collect();
        let asked = Instant::now();
        served.command("NOOP", 200);
        slowest = slowest.max(asked.elapsed());
        if round % 10 == 0 {
            served.transmit("STOR file", b"content");
        }
        drop(flood);
    }
    assert!(slowest < Duration::from_secs(5), "a served client waited {slowest:?}");
    wait_until("the flood is over", || {
        let titles: Vec<_> = server.processes().iter().map(Process::title).collect();
        (titles.iter().filter(|title| *title == "ftpd: worker").count() == 1).then_some(())
    });
    let after = memory(&server);
    assert!(after < before + 4_000, "{before} kB became {after} kB");
}

fn a_flood_does_not_fork_without_bounds() {
    let world = World::new();
    let server = Server::start(&world, "listen.spare-workers = 4\nlisten.max-sessions = 512");
    let flood: Vec<_> = (0..30).filter_map(|_| TcpStream::connect(SERVER).ok()).collect();
    for _ in 0..100 {
        // A worker calls itself spare until it has seen that it is not.
        let is_worker = |process: &Process| ["ftpd: spare", "ftpd: worker"].contains(&process.title().as_str());
        let workers = server.processes().iter().filter(|process| is_worker(process)).count();
        assert!(workers <= flood.len() + 2 * 4, "{workers} workers for {} clients", flood.len());
    }
    drop(flood);
}

fn a_burst_larger_than_the_spare_workers_is_served() {
    let world = World::new();
    let _server = Server::start(&world, "listen.spare-workers = 1");
    let mut burst: Vec<_> = (0..30).map(|_| Client::connect()).collect();
    for client in &mut burst {
        client.expect(220);
    }
    for client in &mut burst {
        client.log_in("alice");
    }
}
