//! How data connections are made, and who may take part in them.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::client::{Client, connect_from, patient};
use crate::server::Server;
use crate::world::World;

tests! {
    passive_over_ipv4
    passive_over_ipv6
    active_over_ipv4
    active_over_ipv6
    active_with_port_and_passive_with_pasv
    active_connections_come_from_the_data_port
    active_connections_come_from_any_port_when_told_to
    active_connections_are_refused_when_told_to
    passive_ports_stay_in_their_range
    tells_the_masquerade_address
    another_address_cannot_take_a_passive_connection
    never_connects_to_another_address
    never_connects_to_a_privileged_port
    connects_to_a_privileged_port_when_told_to
    pasv_has_no_answer_over_ipv6
    epsv_all_ends_all_other_ways
    epsv_names_protocols
    a_client_that_does_not_come_is_not_waited_for
    a_client_that_does_not_listen_is_told_so
    a_client_that_does_not_listen_is_told_so_without_the_data_port
    a_transfer_needs_a_data_connection
    a_new_port_replaces_the_old_one
    listens_only_where_the_client_came_to
    two_transfers_from_the_data_port_side_by_side
}

/// A daemon, and alice with a file.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file", "content");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// The same over IPv6.
fn alice_over_ipv6() -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file", "content");
    let server = Server::start(&world, "");
    let mut client = Client::connect_to("[::1]:21".parse().expect("address"));
    client.expect(220);
    client.log_in("alice");
    (world, server, client)
}

fn text(mut data: TcpStream) -> String {
    let mut text = String::new();
    data.read_to_string(&mut text).expect("data");
    text
}

/// What RETR brings over an active connection, and where that came from.
fn receive_actively(client: &mut Client, listener: &TcpListener) -> (String, SocketAddr) {
    client.command("RETR file", 150);
    let (data, from) = listener.accept().expect("the server connects");
    let content = text(patient(data));
    client.expect(226);
    (content, from)
}

fn passive_over_ipv4() {
    let (_world, _server, mut client) = alice("");
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn passive_over_ipv6() {
    let (_world, _server, mut client) = alice_over_ipv6();
    assert_eq!(client.receive_text("RETR file"), "content");
    client.transmit("STOR other", b"other");
}

fn active_over_ipv4() {
    let (_world, _server, mut client) = alice("");
    let listener = client.active();
    assert_eq!(receive_actively(&mut client, &listener).0, "content");
    let listener = client.active();
    client.command("STOR other", 150);
    let (mut data, _) = listener.accept().expect("the server connects");
    data.write_all(b"other").expect("data");
    drop(data);
    client.expect(226);
    assert_eq!(client.receive_text("RETR other"), "other");
}

fn active_over_ipv6() {
    let (_world, _server, mut client) = alice_over_ipv6();
    let listener = client.active();
    assert_eq!(receive_actively(&mut client, &listener).0, "content");
}

/// The argument of PORT, and what is in the reply to PASV.
fn commas(address: Ipv4Addr, port: u16) -> String {
    let [a, b, c, d] = address.octets();
    format!("{a},{b},{c},{d},{},{}", port >> 8, port & 0xff)
}

/// The address in the reply to PASV.
fn pasv(client: &mut Client) -> (Ipv4Addr, u16) {
    let reply = client.command("PASV", 227);
    let numbers = reply.text().split(|c: char| !c.is_ascii_digit() && c != ',').find(|part| part.contains(','));
    let numbers: Vec<u8> = numbers.expect("numbers").split(',').map(|n| n.parse().expect("a number")).collect();
    assert_eq!(numbers.len(), 6, "{reply}");
    (Ipv4Addr::new(numbers[0], numbers[1], numbers[2], numbers[3]), u16::from_be_bytes([numbers[4], numbers[5]]))
}

fn active_with_port_and_passive_with_pasv() {
    let (_world, _server, mut client) = alice("");
    let (address, port) = pasv(&mut client);
    assert_eq!(address, Ipv4Addr::LOCALHOST);
    let data = TcpStream::connect((address, port)).expect("data connection");
    client.command("RETR file", 150);
    assert_eq!(text(patient(data)), "content");
    client.expect(226);
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    let port = listener.local_addr().expect("address").port();
    client.command(&format!("PORT {}", commas(Ipv4Addr::LOCALHOST, port)), 200);
    assert_eq!(receive_actively(&mut client, &listener).0, "content");
}

fn active_connections_come_from_the_data_port() {
    let (_world, _server, mut client) = alice("");
    let listener = client.active();
    assert_eq!(receive_actively(&mut client, &listener).1.port(), 20);
}

fn active_connections_come_from_any_port_when_told_to() {
    let (_world, _server, mut client) = alice("data.active-port-20 = false");
    let listener = client.active();
    assert!(receive_actively(&mut client, &listener).1.port() >= 1024);
}

fn active_connections_are_refused_when_told_to() {
    let (_world, _server, mut client) = alice("data.active = false");
    for command in ["PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"] {
        client.send(command);
        let code = client.read_reply().code;
        assert!((500..=550).contains(&code), "{command}: {code}");
    }
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn passive_ports_stay_in_their_range() {
    let (_world, _server, mut client) = alice("data.passive-ports = \"50000-50003\"");
    for _ in 0..20 {
        let port = client.passive_address().port();
        assert!((50_000..=50_003).contains(&port), "{port}");
    }
    assert_eq!(client.receive_text("RETR file"), "content");
    // More sessions than ports: the last one is told, and nobody is harmed.
    let mut others: Vec<_> = (0..4).map(|_| Client::logged_in("alice")).collect();
    client.passive_address();
    let mut codes: Vec<u16> = others
        .iter_mut()
        .map(|other| {
            other.send("EPSV");
            other.read_reply().code
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [229, 229, 229, 425]);
}

fn tells_the_masquerade_address() {
    let (_world, _server, mut client) = alice("data.masquerade-address = \"192.0.2.7\"");
    let (address, port) = pasv(&mut client);
    assert_eq!(address, Ipv4Addr::new(192, 0, 2, 7));
    let data = TcpStream::connect(("127.0.0.1", port)).expect("data connection");
    client.command("RETR file", 150);
    assert_eq!(text(patient(data)), "content");
    client.expect(226);
}

fn another_address_cannot_take_a_passive_connection() {
    let (_world, _server, mut client) = alice("");
    let address = client.passive_address();
    let thief = SocketAddr::new(IpAddr::from([127, 0, 0, 2]), 0);
    let stolen = connect_from(thief, address);
    client.send("RETR file");
    // The one who may take it comes later, and gets it.
    let data = TcpStream::connect(address).expect("data connection");
    client.expect(150);
    assert_eq!(text(patient(data)), "content");
    client.expect(226);
    if let Ok(mut stolen) = stolen {
        let mut nothing = Vec::new();
        _ = stolen.read_to_end(&mut nothing);
        assert!(nothing.is_empty(), "the thief got {nothing:?}");
    }
}

fn never_connects_to_another_address() {
    let (_world, _server, mut client) = alice("");
    let listener = TcpListener::bind("127.0.0.2:0").expect("listener");
    listener.set_nonblocking(true).expect("without waiting");
    let port = listener.local_addr().expect("address").port();
    let port_command = format!("PORT {}", commas(Ipv4Addr::new(127, 0, 0, 2), port));
    for command in [port_command, format!("EPRT |1|127.0.0.2|{port}|"), format!("EPRT |2|::1|{port}|")] {
        client.send(&command);
        let code = client.read_reply().code;
        assert!((500..=550).contains(&code), "{command}: {code}");
        client.command("RETR file", 425);
    }
    assert!(listener.accept().is_err(), "the server connected to another address");
}

fn never_connects_to_a_privileged_port() {
    let (_world, _server, mut client) = alice("");
    for command in ["PORT 127,0,0,1,0,25", "EPRT |1|127.0.0.1|1023|", "PORT 127,0,0,1,0,0"] {
        client.send(command);
        let code = client.read_reply().code;
        assert!((500..=550).contains(&code), "{command}: {code}");
    }
    for command in ["PORT 127,0,0,1,4", "PORT 256,0,0,1,4,1", "PORT a,b,c,d,e,f", "EPRT |1|127.0.0.1|", "EPRT", "PORT"] {
        client.command(command, 501);
    }
    client.command("EPRT |3|127.0.0.1|51201|", 522);
}

fn connects_to_a_privileged_port_when_told_to() {
    for (port, from_20) in [(1019, true), (1020, false)] {
        let (_world, _server, mut client) =
            alice(&format!("session.privileged-ports = true\ndata.active-port-20 = {from_20}"));
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("listener for the data connection");
        client.command(&format!("EPRT |1|127.0.0.1|{port}|"), 200);
        let (content, from) = receive_actively(&mut client, &listener);
        assert_eq!((content.as_str(), from.port() == 20), ("content", from_20));
        client.command("PORT 127,0,0,1,0,0", 501);
    }
}

fn pasv_has_no_answer_over_ipv6() {
    let (_world, _server, mut client) = alice_over_ipv6();
    client.send("PASV");
    let code = client.read_reply().code;
    assert!([425, 501, 502, 522].contains(&code), "{code}");
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn epsv_all_ends_all_other_ways() {
    let (_world, _server, mut client) = alice("");
    client.command("EPSV ALL", 200);
    for command in ["PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"] {
        client.send(command);
        let code = client.read_reply().code;
        assert!([501, 503, 522].contains(&code), "{command}: {code}");
    }
    assert_eq!(client.receive_text("RETR file"), "content");
    client.send("PASV");
    let code = client.read_reply().code;
    assert_ne!(code, 227, "EPSV ALL is forgotten after a transfer");
}

fn epsv_names_protocols() {
    let (_world, _server, mut client) = alice("");
    client.command("EPSV 1", 229);
    client.command("EPSV 2", 522);
    client.command("EPSV 3", 522);
    client.command("EPSV x", 501);
}

fn a_client_that_does_not_come_is_not_waited_for() {
    let (_world, _server, mut client) = alice("data.accept-timeout = 1");
    client.passive_address();
    client.send("RETR file");
    let mut code = client.read_reply().code;
    if code == 150 {
        code = client.read_reply().code;
    }
    assert_eq!(code, 425);
    assert_eq!(client.receive_text("RETR file"), "content");
}

/// Names a port on which nobody listens.
fn without_a_listener(settings: &str) {
    let (_world, _server, mut client) = alice(settings);
    drop(client.active());
    client.send("RETR file");
    let mut code = client.read_reply().code;
    if code == 150 {
        code = client.read_reply().code;
    }
    assert_eq!(code, 425);
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn a_client_that_does_not_listen_is_told_so() {
    without_a_listener("");
}

fn a_client_that_does_not_listen_is_told_so_without_the_data_port() {
    without_a_listener("data.active-port-20 = false");
}

fn a_transfer_needs_a_data_connection() {
    let (_world, _server, mut client) = alice("");
    for command in ["RETR file", "STOR new", "LIST", "MLSD"] {
        client.command(command, 425);
    }
    assert!(!std::fs::exists("/home/alice/new").expect("exists"));
}

fn a_new_port_replaces_the_old_one() {
    let (_world, _server, mut client) = alice("");
    let old = client.passive_address();
    let new = client.passive_address();
    assert_ne!(old, new);
    assert!(TcpStream::connect(old).is_err(), "the old port still listens");
    let data = TcpStream::connect(new).expect("data connection");
    client.command("RETR file", 150);
    assert_eq!(text(patient(data)), "content");
    client.expect(226);
    assert!(TcpStream::connect(new).is_err(), "the port of a finished transfer still listens");
}

fn listens_only_where_the_client_came_to() {
    let (_world, _server, mut client) = alice("");
    let port = client.passive_address().port();
    assert!(TcpStream::connect(("127.0.0.3", port)).is_err(), "a passive port listens on other addresses");
}

fn two_transfers_from_the_data_port_side_by_side() {
    let (_world, _server, mut one) = alice("");
    let mut two = Client::logged_in("alice");
    let (first, second) = (one.active(), two.active());
    one.command("RETR file", 150);
    two.command("RETR file", 150);
    let (first, _) = first.accept().expect("the server connects");
    let (second, _) = second.accept().expect("the server connects");
    assert_eq!((text(patient(first)), text(patient(second))), ("content".into(), "content".into()));
    one.expect(226);
    two.expect(226);
}
