//! Clients behind a proxy that says who they are (PROXY protocol).

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use crate::accounts::PASSWORD;
use crate::client::{Client, patient};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    the_log_names_the_client_and_not_the_proxy
    version_2_is_understood
    commands_may_follow_the_header_at_once
    whoever_is_no_trusted_proxy_is_refused
    a_connection_without_a_header_is_refused
    a_proxy_may_look_whether_the_server_is_well
    other_listeners_want_no_header
    clients_are_counted_and_not_the_proxy
    clients_are_told_the_address_they_connected_to
    data_connections_have_a_header_too
    data_connections_are_for_the_client_alone
    who_logs_in_again_is_still_the_same_client
}

const SETTINGS: &str = "
    listen.addresses = [\"127.0.0.1:21\", \"127.0.0.1:2121\"]
    listen.proxied = [\"127.0.0.1:2121\"]
    listen.trusted-proxies = [\"127.0.0.1/32\"]
";

fn started(settings: &str) -> (World, Server) {
    let world = World::new();
    world.give("alice", "file", "content");
    let server = Server::start(&world, &format!("{SETTINGS}{settings}"));
    (world, server)
}

fn header(client: &str) -> String {
    format!("PROXY TCP4 {client} 203.0.113.5 40000 21\r\n")
}

/// A client of this address, by way of the proxy. The greeting has not been read.
fn behind_proxy(client: &str) -> Client {
    let mut connection = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
    connection.send_bytes(header(client).as_bytes());
    connection
}

fn alice_behind_proxy() -> Client {
    let mut client = behind_proxy("192.0.2.7");
    client.expect(220);
    client.log_in("alice");
    client.command("TYPE I", 200);
    client
}

fn the_log_names_the_client_and_not_the_proxy() {
    let (_world, server) = started("");
    let _client = alice_behind_proxy();
    let line = server.wait_for_log("logged in");
    assert!(line.contains("192.0.2.7:40000"), "{line}");
    let log = server.log();
    assert!(!log.contains("#1 127.0.0.1"), "{log}");
}

fn version_2_is_understood() {
    let (_world, server) = started("");
    let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29".to_vec();
    header.extend("2001:db8::7".parse::<std::net::Ipv6Addr>().expect("address").octets());
    header.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().expect("address").octets());
    header.extend([0x9c, 0x40, 0, 21]);
    // A note of the proxy: five bytes that mean nothing here.
    header.extend([4, 0, 2, b'o', b'k']);
    // The second half comes later.
    client.send_bytes(&header[..20]);
    client.send_bytes(&header[20..]);
    client.expect(220);
    client.log_in("alice");
    assert!(server.wait_for_log("logged in").contains("[2001:db8::7]:40000"));
    client.command("PASV", 501);
    client.command("EPSV 2", 229);
}

fn commands_may_follow_the_header_at_once() {
    let (_world, _server) = started("");
    let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
    let all = format!("{}USER alice\r\nPASS {PASSWORD}\r\nPWD\r\n", header("192.0.2.7"));
    client.send_bytes(all.as_bytes());
    for code in [220, 331, 230, 257] {
        client.expect(code);
    }
}

fn whoever_is_no_trusted_proxy_is_refused() {
    let (_world, server) = started("");
    let mut client =
        Client::connect_from(IpAddr::from([127, 0, 0, 9]), SocketAddr::from(([127, 0, 0, 1], 2121)));
    client.expect(421);
    client.expect_end();
    assert!(server.wait_for_log("refused").contains("127.0.0.9"));
}

fn a_connection_without_a_header_is_refused() {
    let (_world, server) = started("");
    for silly in ["USER alice\r\n", "PROXY TCP4 192.0.2.7\r\n", "\r\n\r\n\0\r\nQUIX"] {
        let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
        client.send_bytes(silly.as_bytes());
        client.expect(421);
        client.expect_end();
    }
    // Nobody is counted any more.
    wait_until("all of them are gone", || server.find("worker").is_none().then_some(()));
}

fn a_proxy_may_look_whether_the_server_is_well() {
    let (_world, _server) = started("");
    for itself in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
        client.send_bytes(itself);
        client.expect(220);
        client.command("QUIT", 221);
    }
}

fn other_listeners_want_no_header() {
    let (_world, _server) = started("");
    let mut client = Client::logged_in("alice");
    assert_eq!(client.receive_text("RETR file"), "content");
    let mut client = Client::greeted();
    client.send_bytes(header("192.0.2.7").as_bytes());
    client.expect(500);
}

fn clients_are_counted_and_not_the_proxy() {
    let (_world, server) = started("listen.max-sessions-per-address = 1");
    let mut first = behind_proxy("192.0.2.7");
    first.expect(220);
    let mut second = behind_proxy("192.0.2.8");
    second.expect(220);
    let mut third = behind_proxy("192.0.2.7");
    third.expect(421);
    third.expect_end();
    assert!(server.wait_for_log("max-sessions-per-address").contains("192.0.2.7"));
    first.command("QUIT", 221);
    wait_until("there is room for him again", || {
        let mut again = behind_proxy("192.0.2.7");
        (again.read_reply().code == 220).then_some(())
    });
    // The proxy's own address is not occupied by anybody.
    Client::greeted();
}

/// The port that passive mode offers, and the address where there is one.
fn offered(client: &mut Client) -> (Ipv4Addr, u16) {
    let reply = client.command("PASV", 227);
    let numbers = reply.text().split(|c: char| !c.is_ascii_digit() && c != ',').find(|part| part.contains(','));
    let numbers: Vec<u8> = numbers.expect("numbers").split(',').map(|n| n.parse().expect("a number")).collect();
    (Ipv4Addr::new(numbers[0], numbers[1], numbers[2], numbers[3]), u16::from_be_bytes([numbers[4], numbers[5]]))
}

fn clients_are_told_the_address_they_connected_to() {
    let (_world, _server) = started("");
    let mut client = alice_behind_proxy();
    assert_eq!(offered(&mut client).0, Ipv4Addr::new(203, 0, 113, 5));
}

/// What the proxy does when the client connects to it for data.
fn data_for(client: &str, port: u16) -> TcpStream {
    let mut data = patient(TcpStream::connect(("127.0.0.1", port)).expect("data connection"));
    data.write_all(header(client).as_bytes()).expect("header");
    data
}

fn receive(client: &mut Client, mut data: TcpStream) {
    client.command("RETR file", 150);
    let mut text = String::new();
    data.read_to_string(&mut text).expect("data");
    assert_eq!(text, "content");
    client.expect(226);
}

fn data_connections_have_a_header_too() {
    let (_world, _server) = started("");
    let mut client = alice_behind_proxy();
    let port = offered(&mut client).1;
    receive(&mut client, data_for("192.0.2.7", port));
    let port = client.passive_address().port();
    let mut data = data_for("192.0.2.7", port);
    client.command("STOR new", 150);
    data.write_all(b"new content").expect("data");
    drop(data);
    client.expect(226);
    assert_eq!(std::fs::read("/home/alice/new").expect("stored"), b"new content");
}

fn data_connections_are_for_the_client_alone() {
    let (_world, server) = started("data.accept-timeout = 1");
    let mut client = alice_behind_proxy();
    let port = client.passive_address().port();
    let mut others = [data_for("192.0.2.8", port), patient(TcpStream::connect(("127.0.0.1", port)).expect("data"))];
    others[1].write_all(b"no header").expect("data");
    client.send("RETR file");
    assert!(server.wait_for_log("refused \"data connection\"").contains("192.0.2.8"));
    client.expect(425);
    for other in &mut others {
        let mut nothing = Vec::new();
        _ = other.read_to_end(&mut nothing);
        assert!(nothing.is_empty(), "{nothing:?}");
    }
    let port = client.passive_address().port();
    let _stranger = data_for("192.0.2.8", port);
    receive(&mut client, data_for("192.0.2.7", port));
}

fn who_logs_in_again_is_still_the_same_client() {
    let (_world, server) = started("listen.max-sessions-per-address = 1");
    let mut client = alice_behind_proxy();
    client.command("REIN", 220);
    client.log_in("alice");
    client.command("TYPE I", 200);
    assert!(server.wait_for_log("#2 192.0.2.7:40000-[alice] USER").contains("logged in"));
    let port = offered(&mut client).1;
    receive(&mut client, data_for("192.0.2.7", port));
    behind_proxy("192.0.2.7").expect(421);
}
