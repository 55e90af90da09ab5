//! Where TLS ends and the control connection does not: CCC (RFC 4217 12) and REIN (RFC 4217 11).

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::accounts::PASSWORD;
use crate::client::{Client, patient};
use crate::secure::{Secure, answer, client_config, wrap};
use crate::server::wait_until;
use crate::tls_clients::{curl, lftp, start};
use crate::world::World;

tests! {
    after_ccc_commands_are_heard_without_tls
    a_client_may_go_on_without_a_goodbye
    who_does_not_let_tls_end_is_gone
    ccc_is_refused_unless_it_is_configured
    curl_and_lftp_clear_the_control_connection
    rein_ends_tls_and_everything_begins_anew
    rein_ends_tls_before_a_login_too
    where_tls_is_implicit_it_begins_again_after_rein
    the_last_reply_arrives_however_many_leave_at_once
    words_behind_auth_end_the_connection_after_rein_too
}

fn after_ccc_commands_are_heard_without_tls() {
    let world = World::new();
    let server = start(&world, "session.clear-control = true\n");
    world.give("alice", "file", "contents");
    let mut client = Secure::logged_in();
    let config = client.config.clone();
    client.command("CCC", 200);
    let mut socket = client.into_plain();
    assert!(answer(&mut socket, "PWD\r\n").starts_with("257"));
    wait_until("the relay is gone", || server.find("relay").is_none().then_some(()));
    server.wait_for_log("goes on without it");
    assert!(answer(&mut socket, "CCC\r\n").starts_with("533"));
    assert!(answer(&mut socket, "AUTH TLS\r\n").starts_with("503"));
    // Data connections stay protected, and nobody can change that from between.
    assert!(answer(&mut socket, "PROT C\r\n").starts_with("534"));
    let reply = answer(&mut socket, "EPSV\r\n");
    let port: u16 = reply.split('|').nth(3).and_then(|port| port.parse().ok()).expect("port");
    let data = patient(TcpStream::connect(("127.0.0.1", port)).expect("data connection"));
    assert!(answer(&mut socket, "RETR file\r\n").starts_with("150"));
    let mut content = String::new();
    wrap(&config, data).read_to_string(&mut content).expect("a clean end");
    assert_eq!(content, "contents");
    assert!(answer(&mut socket, "").starts_with("226"));
    // Without TLS, REIN is what it is elsewhere: the next 220 is that of a new beginning.
    assert!(answer(&mut socket, "REIN\r\n").starts_with("220"));
    let mut client = Secure::upgraded(socket, &client_config(), "ftp.example");
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
}

fn a_client_may_go_on_without_a_goodbye() {
    let world = World::new();
    let _server = start(&world, "session.clear-control = true\n");
    let mut client = Secure::logged_in();
    client.command("CCC", 200);
    assert_eq!(client.stream.read(&mut [0; 100]).expect("the server's goodbye"), 0);
    let mut socket = client.stream.sock;
    assert!(answer(&mut socket, "PWD\r\n").starts_with("257"));
    assert!(answer(&mut socket, "QUIT\r\n").starts_with("221"));
}

fn who_does_not_let_tls_end_is_gone() {
    let world = World::new();
    let server = start(&world, "session.clear-control = true\ntls.handshake-timeout = 1\n");
    let mut client = Secure::logged_in();
    client.command("CCC", 200);
    assert_eq!(client.stream.read(&mut [0; 100]).expect("the server's goodbye"), 0);
    let mut rest = Vec::new();
    let _ = client.stream.sock.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    for role in ["session", "relay", "worker"] {
        wait_until("they end", || server.find(role).is_none().then_some(()));
    }
}

fn ccc_is_refused_unless_it_is_configured() {
    let world = World::new();
    let server = start(&world, "");
    let mut client = Secure::logged_in();
    client.command("CCC", 534);
    assert!(!client.command_whole("FEAT").contains(" CCC"));
    drop((client, server));
    std::fs::remove_file(world.own_directory("etc").join("ftp.example.pem")).expect("its certificate");
    let _server = start(&world, "session.clear-control = true\nuser.bob.require-tls = \"control\"\n");
    let mut client = Secure::logged_in();
    assert!(client.command_whole("FEAT").contains(" CCC\r\n"));
    let mut client = Secure::connected();
    client.command("CCC", 530);
    client.command("USER bob", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("CCC", 534);
    let mut client = Client::logged_in("alice");
    client.command("CCC", 533);
}

fn curl_and_lftp_clear_the_control_connection() {
    let world = World::new();
    let server = start(&world, "session.clear-control = true\nlog.commands = true\n");
    world.give("alice", "file", "contents");
    for mode in ["active", "passive"] {
        let lines = server.log_length();
        let with = ["--ssl-reqd", "--ftp-ssl-ccc", "--ftp-ssl-ccc-mode", mode, "ftp://localhost/file"];
        assert_eq!(curl(&world, &with), "contents", "{mode}");
        server.wait_for_log_after(lines, "goes on without it");
    }
    let lines = server.log_length();
    assert_eq!(lftp(&world, "ftp://127.0.0.1", "set ftp:ssl-use-ccc yes; cat file"), "contents");
    server.wait_for_log_after(lines, "\"CCC\"");
}

fn rein_ends_tls_and_everything_begins_anew() {
    let world = World::new();
    let server = start(&world, "");
    let mut client = Secure::logged_in();
    client.command("REIN", 220);
    let mut socket = client.into_plain();
    // There is no second greeting, and nobody is logged in.
    assert!(answer(&mut socket, "PWD\r\n").starts_with("530"));
    assert!(answer(&mut socket, "PROT P\r\n").starts_with("503"));
    wait_until("the session is gone", || server.find("session").is_none().then_some(()));
    let mut client = Secure::upgraded(socket, &client_config(), "ftp.example");
    client.command("PROT P", 503);
    client.command("USER bob", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    server.wait_for_log("USER \"bob\" logged in");
    client.command("PBSZ 0", 200);
    client.command("PROT P", 200);
    assert_eq!(client.list(), "");
    // And once more, without TLS this time.
    client.command("REIN", 220);
    let mut socket = client.into_plain();
    assert!(answer(&mut socket, "USER alice\r\n").starts_with("331"));
    assert!(answer(&mut socket, &format!("PASS {PASSWORD}\r\n")).starts_with("230"));
}

fn rein_ends_tls_before_a_login_too() {
    let world = World::new();
    let _server = start(&world, "");
    let mut client = Secure::connected();
    for _ in 0..3 {
        client.command("USER bob", 331);
        client.command("REIN", 220);
        let mut socket = client.into_plain();
        assert!(answer(&mut socket, "PASS x\r\n").starts_with("503"));
        client = Secure::upgraded(socket, &client_config(), "ftp.example");
    }
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    // Whoever does nothing else is not served for ever.
    let mut client = Secure::connected();
    for _ in 0..3 {
        client.command("REIN", 220);
        client = Secure::upgraded(client.into_plain(), &client_config(), "ftp.example");
    }
    client.command("REIN", 220);
    assert!(answer(&mut client.into_plain(), "AUTH TLS\r\n").starts_with("421"));
}

fn where_tls_is_implicit_it_begins_again_after_rein() {
    let world = World::new();
    let _server = start(&world, "listen.implicit-addresses = [\"127.0.0.1:990\"]\n");
    let socket = TcpStream::connect("127.0.0.1:990").expect("connection");
    let config = client_config();
    let mut client = Secure::over(wrap(&config, socket), &config);
    client.expect(220);
    client.command("REIN", 220);
    let mut client = Secure::over(wrap(&config, client.into_plain()), &config);
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("REIN", 220);
    let mut client = Secure::over(wrap(&config, client.into_plain()), &config);
    client.command("USER bob", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    assert_eq!(client.list(), "");
}

fn words_behind_auth_end_the_connection_after_rein_too() {
    let world = World::new();
    let _server = start(&world, "");
    let mut client = Secure::logged_in();
    client.command("REIN", 220);
    let mut socket = client.into_plain();
    socket.write_all(b"AUTH TLS\r\nUSER alice\r\n").expect("the server takes what we send");
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert!(!rest.windows(3).any(|code| code == b"331" || code == b"234"), "{rest:?}");
}

fn the_last_reply_arrives_however_many_leave_at_once() {
    let world = World::new();
    let _server = start(&world, "listen.max-sessions-per-address = 100\n");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    Secure::logged_in().command("QUIT", 221);
                }
            });
        }
    });
}
