//! Which addresses and ports clients are told, who may take part in data connections, and how these are marked.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use nix::sys::signal::{Signal, kill};

use crate::client::{Client, connect_from, patient};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    tells_each_of_its_addresses_as_the_map_says
    tells_neighbors_its_own_address
    a_name_is_looked_up_in_the_background
    a_name_without_an_address_is_no_obstacle
    the_resolver_is_nobody
    a_dead_resolver_harms_nobody
    epsv_only_refuses_all_other_ways
    active_connections_can_be_refused_at_one_listener
    whoever_is_allowed_to_can_send_from_server_to_server
    a_foreign_address_can_connect_where_that_is_allowed
    a_foreign_privileged_port_is_never_connected_to
    a_port_that_nobody_came_to_is_nobody_elses
    a_port_that_a_stranger_knows_is_nobody_elses
    a_port_that_the_system_chose_stays_occupied
    an_exhausted_range_gives_back_what_was_kept
    each_timeout_says_what_it_is
    connections_are_marked_as_configured
    silent_clients_are_asked_whether_they_are_there
}

fn started(settings: &str) -> (World, Server) {
    let world = World::new();
    world.give("alice", "file", "content");
    world.give("bob", "file", "content");
    let server = Server::start(&world, settings);
    (world, server)
}

/// Alice, connected to this address of the server from that of ours.
fn alice_between(own: [u8; 4], server: &str) -> Client {
    let mut client = Client::connect_from(IpAddr::from(own), server.parse().expect("address"));
    client.expect(220);
    client.log_in("alice");
    client.command("TYPE I", 200);
    client
}

/// The address in the reply to PASV, and the port.
fn pasv(client: &mut Client) -> (Ipv4Addr, u16) {
    let reply = client.command("PASV", 227);
    let numbers = reply.text().split(|c: char| !c.is_ascii_digit() && c != ',').find(|part| part.contains(','));
    let numbers: Vec<u8> = numbers.expect("numbers").split(',').map(|n| n.parse().expect("a number")).collect();
    (Ipv4Addr::new(numbers[0], numbers[1], numbers[2], numbers[3]), u16::from_be_bytes([numbers[4], numbers[5]]))
}

fn text(data: TcpStream) -> String {
    let mut text = String::new();
    patient(data).read_to_string(&mut text).expect("data");
    text
}

fn tells_each_of_its_addresses_as_the_map_says() {
    let (_world, _server) = started(
        "data.masquerade-address = \"203.0.113.7\"\n\
         data.masquerade-map = { \"127.0.0.2\" = \"203.0.113.8\", \"127.0.0.3\" = \"203.0.113.9\" }",
    );
    for (server, told) in [
        ("127.0.0.1:21", [203, 0, 113, 7]),
        ("127.0.0.2:21", [203, 0, 113, 8]),
        ("127.0.0.3:21", [203, 0, 113, 9]),
    ] {
        assert_eq!(pasv(&mut alice_between([127, 0, 0, 1], server)).0, Ipv4Addr::from(told));
    }
}

fn tells_neighbors_its_own_address() {
    let (_world, _server) =
        started("data.masquerade-address = \"203.0.113.7\"\ndata.masquerade-exempt = [\"127.1.0.0/16\"]");
    assert_eq!(pasv(&mut alice_between([127, 0, 0, 1], "127.0.0.1:21")).0, Ipv4Addr::new(203, 0, 113, 7));
    let mut neighbor = alice_between([127, 1, 2, 3], "127.0.0.2:21");
    assert_eq!(pasv(&mut neighbor).0, Ipv4Addr::new(127, 0, 0, 2));
}

const BY_NAME: &str = "data.masquerade-address = \"ftp.example.org\"\ndata.masquerade-refresh = 1";

fn with_hosts(hosts: &str, settings: &str) -> (World, Server) {
    let world = World::new();
    world.write("/etc/hosts", hosts);
    world.give("alice", "file", "content");
    let server = Server::start(&world, settings);
    (world, server)
}

fn a_name_is_looked_up_in_the_background() {
    let (world, server) = with_hosts("203.0.113.7 ftp.example.org\n", BY_NAME);
    server.wait_for_log("masquerade-address ftp.example.org is 203.0.113.7");
    let mut first = Client::logged_in("alice");
    assert_eq!(pasv(&mut first).0, Ipv4Addr::new(203, 0, 113, 7));
    world.write("/etc/hosts", "203.0.113.8 ftp.example.org\n");
    server.wait_for_log("masquerade-address ftp.example.org is 203.0.113.8");
    assert_eq!(pasv(&mut Client::logged_in("alice")).0, Ipv4Addr::new(203, 0, 113, 8));
    // The last good answer stays.
    world.write("/etc/hosts", "");
    server.wait_for_log("masquerade-address ftp.example.org cannot be looked up");
    assert_eq!(pasv(&mut Client::logged_in("alice")).0, Ipv4Addr::new(203, 0, 113, 8));
    // So it does over a reload that does not change the name; another name is another matter.
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    assert_eq!(pasv(&mut Client::logged_in("alice")).0, Ipv4Addr::new(203, 0, 113, 8));
    let lines = server.log_length();
    server.configure("data.masquerade-address = \"203.0.113.9\"");
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    assert_eq!(pasv(&mut Client::logged_in("alice")).0, Ipv4Addr::new(203, 0, 113, 9));
    assert!(server.find("resolver").is_none());
}

fn a_name_without_an_address_is_no_obstacle() {
    let (_world, server) = with_hosts("", BY_NAME);
    server.wait_for_log("masquerade-address ftp.example.org cannot be looked up");
    let mut client = Client::logged_in("alice");
    client.command("PASV", 425);
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn the_resolver_is_nobody() {
    let (_world, server) = with_hosts("203.0.113.7 ftp.example.org\n", BY_NAME);
    server.wait_for_log("masquerade-address ftp.example.org is 203.0.113.7");
    let resolver = server.process("resolver");
    assert_eq!(resolver.uids(), [990; 4]);
    assert_eq!((resolver.field("NoNewPrivs"), resolver.field("Seccomp")), ("1", "2"));
    assert_eq!(resolver.capabilities("CapEff"), 0);
    let descriptors = resolver.descriptors();
    assert_eq!(descriptors.len(), 4, "{descriptors:?}");
}

fn a_dead_resolver_harms_nobody() {
    let (_world, server) = with_hosts("203.0.113.7 ftp.example.org\n", BY_NAME);
    server.wait_for_log("masquerade-address ftp.example.org is 203.0.113.7");
    kill(server.process("resolver").pid, Signal::SIGKILL).expect("kill the resolver");
    server.wait_for_log("the resolver of ftp.example.org has died");
    assert_eq!(pasv(&mut Client::logged_in("alice")).0, Ipv4Addr::new(203, 0, 113, 7));
}

fn epsv_only_refuses_all_other_ways() {
    let (_world, _server) = started("data.epsv-only = true");
    let mut client = Client::logged_in("alice");
    for command in ["PASV", "P@SW", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"] {
        let reply = client.command(command, 502);
        assert!(reply.text().contains("EPSV"), "{reply}");
    }
    assert!(!client.command("FEAT", 211).whole().contains("EPRT"));
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn active_connections_can_be_refused_at_one_listener() {
    let (_world, _server) = started(
        "listen.addresses = [\"127.0.0.1:21\", \"127.0.0.1:2121\"]\nlisten.passive-only = [\"127.0.0.1:2121\"]",
    );
    Client::logged_in("alice").active();
    let mut client = alice_between([127, 0, 0, 1], "127.0.0.1:2121");
    client.command("EPRT |1|127.0.0.1|51201|", 502);
    assert_eq!(client.receive_text("RETR file"), "content");
}

/// Two control connections: what one server sends, the other stores.
fn whoever_is_allowed_to_can_send_from_server_to_server() {
    let (_world, _server) = started("session.foreign-addresses = true");
    let mut from = alice_between([127, 0, 0, 1], "127.0.0.5:21");
    let mut to = alice_between([127, 0, 0, 1], "127.0.0.6:21");
    let (address, port) = pasv(&mut to);
    assert_eq!(address, Ipv4Addr::new(127, 0, 0, 6));
    from.command(&format!("PORT 127,0,0,6,{},{}", port >> 8, port & 0xff), 200);
    to.send("STOR copy");
    from.command("RETR file", 150);
    from.expect(226);
    to.expect(150);
    to.expect(226);
    assert_eq!(std::fs::read("/home/alice/copy").expect("copy"), b"content");
}

fn a_foreign_address_can_connect_where_that_is_allowed() {
    let (_world, _server) = started("user.alice.foreign-addresses = true");
    let foreign = SocketAddr::from(([127, 0, 0, 9], 0));
    let mut alice = Client::logged_in("alice");
    let data = connect_from(foreign, alice.passive_address()).expect("data connection");
    alice.command("RETR file", 150);
    assert_eq!(text(data), "content");
    alice.expect(226);
    let listener = TcpListener::bind("127.0.0.9:0").expect("listener");
    let port = listener.local_addr().expect("address").port();
    alice.command(&format!("EPRT |1|127.0.0.9|{port}|"), 200);
    alice.command("RETR file", 150);
    assert_eq!(text(listener.accept().expect("the server connects").0), "content");
    alice.expect(226);
    // What is allowed to her is not to him.
    Client::logged_in("bob").command(&format!("EPRT |1|127.0.0.9|{port}|"), 501);
}

fn a_foreign_privileged_port_is_never_connected_to() {
    let (_world, _server) = started("session.foreign-addresses = true");
    Client::logged_in("alice").command("EPRT |1|127.0.0.9|25|", 501);
}

/// As many clients as there may be without the first.
fn everybody_else(ports: usize) -> Vec<u16> {
    let mut clients: Vec<Client> = (0..ports).map(|_| Client::logged_in("bob")).collect();
    let mut found = Vec::new();
    for client in &mut clients {
        client.send("EPSV");
        let reply = client.read_reply();
        if reply.code == 229 {
            let port = reply.text().split('|').nth(3).expect("a port").parse().expect("a number");
            found.push(port);
        } else {
            assert_eq!(reply.code, 425, "{reply}");
        }
    }
    found
}

fn a_port_that_nobody_came_to_is_nobody_elses() {
    let (_world, _server) =
        started("data.passive-ports = \"50000-50031\"\nlisten.max-sessions-per-address = 100");
    let mut alice = Client::logged_in("alice");
    let unused = alice.passive_address();
    let used = alice.passive_address();
    assert!(TcpStream::connect(unused).is_err(), "nobody listens there");
    let others = everybody_else(32);
    assert_eq!(others.len(), 30);
    assert!(!others.contains(&unused.port()) && !others.contains(&used.port()));
    // It is not lost when its session has ended.
    drop(alice);
    let again = || everybody_else(32).contains(&unused.port()).then_some(());
    wait_until("the port is free again", again);
}

fn a_port_that_a_stranger_knows_is_nobody_elses() {
    let (_world, _server) =
        started("data.passive-ports = \"50000-50031\"\nlisten.max-sessions-per-address = 100");
    let mut alice = Client::logged_in("alice");
    let address = alice.passive_address();
    let _stranger = connect_from(SocketAddr::from(([127, 0, 0, 9], 0)), address).expect("a stranger knocks");
    let data = TcpStream::connect(address).expect("data connection");
    alice.command("RETR file", 150);
    assert_eq!(text(data), "content");
    alice.expect(226);
    let others = everybody_else(32);
    assert_eq!(others.len(), 31);
    assert!(!others.contains(&address.port()));
}

fn a_port_that_the_system_chose_stays_occupied() {
    let (_world, _server) = started("");
    let mut alice = Client::logged_in("alice");
    let unused = alice.passive_address();
    alice.passive_address();
    assert!(TcpStream::connect(unused).is_err(), "nobody listens there");
    assert!(TcpListener::bind(unused).is_err(), "the port is free");
}

fn an_exhausted_range_gives_back_what_was_kept() {
    let (_world, _server) =
        started("data.passive-ports = \"50000-50031\"\nlisten.max-sessions-per-address = 100");
    let mut alice = Client::logged_in("alice");
    let unused = alice.passive_address();
    let mut others: Vec<Client> = (0..31).map(|_| Client::logged_in("bob")).collect();
    for other in &mut others {
        other.passive_address();
    }
    // The only port that is left is the one she did not use.
    others[0].send("NOOP");
    others[0].expect(200);
    assert_eq!(alice.passive_address(), unused);
    assert_eq!(alice.receive_text("RETR file"), "content");
}

fn each_timeout_says_what_it_is() {
    let (_world, _server) = started("data.accept-timeout = 1\nsession.stall-timeout = 1");
    let mut client = Client::logged_in("alice");
    let port = client.passive_address().port();
    let reply = client.command("RETR file", 425);
    assert_eq!(reply.text(), format!("Nobody connected to port {port} within 1 seconds."));
    let mut data = client.passive();
    client.command("STOR new", 150);
    data.write_all(b"beginning").expect("data");
    let reply = client.expect(426);
    assert_eq!(reply.text(), "Nothing moved for 1 seconds; the transfer is incomplete.");
}

/// A socket that gets a copy of every packet of TCP that arrives here.
fn listening_in() -> OwnedFd {
    let kind = (AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::Tcp);
    socket(kind.0, kind.1, kind.2, kind.3).expect("a raw socket")
}

/// Port of the sender and mark (DSCP) of each packet with contents.
fn marks(socket: &OwnedFd) -> Vec<(u16, u8)> {
    let mut marks = Vec::new();
    let mut packet = [0; 2048];
    while let Ok(length) = recv(socket.as_raw_fd(), &mut packet, MsgFlags::empty()) {
        let header = usize::from(packet[0] & 15) * 4;
        let tcp = &packet[header..length];
        if tcp.len() > usize::from(tcp[12] >> 4) * 4 {
            marks.push((u16::from_be_bytes([tcp[0], tcp[1]]), packet[1] >> 2));
        }
    }
    marks
}

fn connections_are_marked_as_configured() {
    let (_world, _server) = started("data.dscp = 10\nlisten.dscp = 16");
    let packets = listening_in();
    let mut client = Client::logged_in("alice");
    let address = client.passive_address();
    let data = TcpStream::connect(address).expect("data connection");
    client.command("RETR file", 150);
    assert_eq!(text(data), "content");
    client.expect(226);
    let listener = client.active();
    client.command("RETR file", 150);
    let (data, from) = listener.accept().expect("the server connects");
    assert_eq!(text(data), "content");
    client.expect(226);
    let marks = marks(&packets);
    for (port, mark) in [(21, 16), (address.port(), 10), (from.port(), 10)] {
        let found: Vec<u8> = marks.iter().filter(|found| found.0 == port).map(|found| found.1).collect();
        assert!(!found.is_empty() && found.iter().all(|found| *found == mark), "port {port}: {found:?}");
    }
}

fn silent_clients_are_asked_whether_they_are_there() {
    let (_world, _server) = started("listen.keepalive = 30");
    let client = Client::logged_in("alice");
    // The last reply must have been acknowledged before.
    let seconds = wait_until("the timer runs", || keepalive_timer(client.own().port()));
    assert!((1..=30).contains(&seconds), "{seconds}");
}

/// In how many seconds the server will ask the client of this port (proc_net_tcp(5)).
fn keepalive_timer(port: u16) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp6").expect("connections");
    let line = table.lines().find(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, peer) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        local.ends_with(":0015") && peer.ends_with(&format!(":{port:04X}"))
    })?;
    let ticks = line.split_whitespace().nth(5)?.strip_prefix("02:")?;
    u32::from_str_radix(ticks, 16).ok().map(|ticks| ticks.div_ceil(100))
}
