//! TLS as an attacker, an auditor and an unusual client see it.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use crate::accounts::PASSWORD;
use crate::client::Client;
use crate::process::Process;
use crate::secure::{Secure, client_config, wrap};
use crate::server::{Server, wait_until};
use crate::tls_clients::{certificate, start};
use crate::world::World;

tests! {
    words_behind_auth_end_the_connection
    auth_is_offered_where_there_is_a_certificate
    orders_and_levels_are_those_of_the_rfc
    a_login_can_require_tls
    data_connections_can_require_tls
    an_upload_that_is_cut_is_not_complete
    an_upload_that_is_cut_is_complete_for_old_clients
    a_stolen_data_port_is_of_no_use
    a_handshake_has_a_deadline
    the_relay_does_nothing_but_relay
    a_client_who_vanishes_takes_his_session_along
    commands_are_obeyed_during_a_transfer
    the_private_key_is_in_the_worker_alone
    a_bad_certificate_is_found_before_it_is_used
}

fn words_behind_auth_end_the_connection() {
    let world = World::new();
    let server = start(&world, "");
    let mut client = Client::greeted();
    client.send_bytes(b"AUTH TLS\r\nUSER alice\r\n");
    client.expect_end();
    server.wait_for_log("closed");
    // One that comes while the server waits for the handshake is no handshake.
    let mut client = Client::greeted();
    client.command("AUTH TLS", 234);
    client.send_bytes(b"USER alice\r\nPASS x\r\n");
    let mut answer = Vec::new();
    let mut rest = client.into_stream();
    let _ = rest.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"331") && !answer.windows(3).any(|code| code == b"331"), "{answer:?}");
}

fn auth_is_offered_where_there_is_a_certificate() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::greeted();
    assert!(!client.command("FEAT", 211).whole().contains("AUTH"));
    client.command("AUTH TLS", 502);
    client.command("PBSZ 0", 503);
    drop(server);
    let _server = start(&world, "");
    let mut client = Client::greeted();
    let features = client.command("FEAT", 211).whole();
    assert!(features.contains(" AUTH TLS\n") && features.contains(" PBSZ\n") && features.contains(" PROT\n"));
    client.command("AUTH KERBEROS_V4", 504);
    client.log_in("alice");
    client.command("AUTH TLS", 503);
}

fn orders_and_levels_are_those_of_the_rfc() {
    let world = World::new();
    let _server = start(&world, "");
    let mut client = Client::greeted();
    client.command("PROT P", 503);
    let mut client = Secure::connected();
    client.command("AUTH TLS", 503);
    client.command("PROT P", 503);
    client.command("PBSZ 16384", 200);
    client.command("PROT S", 536);
    client.command("PROT E", 536);
    client.command("PROT X", 504);
    client.command("PROT C", 200);
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("PROT P", 200);
    client.command("PROT E", 536);
    client.command("CCC", 534);
    client.command("QUIT", 221);
}

fn a_login_can_require_tls() {
    let world = World::new();
    let server = start(&world, "session.require-tls = \"login\"\nanonymous.enabled = true\n");
    let mut client = Client::greeted();
    client.command("USER alice", 530);
    client.command("USER anonymous", 331);
    client.command("PASS me@", 230);
    Secure::logged_in().command("NOOP", 200);
    let certificate = world.own_directory("etc").join("ftp.example.pem");
    server.configure(&format!(
        "tls.certificates = [{certificate:?}]\ngroup.staff.require-tls = \"control\"\n\
         user.bob.require-tls = \"control\"\n"
    ));
    let lines = server.log_length();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    let mut client = Client::greeted();
    client.command("USER bob", 530);
    // What his groups want is known when he is.
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 530);
    Secure::logged_in().command("NOOP", 200);
}

fn data_connections_can_require_tls() {
    let world = World::new();
    let _server = start(&world, "session.require-tls = \"data\"\n");
    let mut client = Client::logged_in("alice");
    let _data = client.passive();
    client.command("LIST", 521);
    let mut client = Secure::logged_in();
    client.command("PROT C", 534);
    let data = client.passive();
    client.send("LIST");
    client.expect(150);
    let mut data = wrap(&client.config, data);
    let mut listing = String::new();
    data.read_to_string(&mut listing).expect("a clean end");
    client.expect(226);
}

/// Sends half of a file and closes the connection without close_notify.
fn cut_an_upload(client: &mut Secure) {
    let data = client.passive();
    client.command("STOR file", 150);
    let mut data = wrap(&client.config, data);
    data.write_all(&[7; 100_000]).expect("data");
    data.flush().expect("data");
    data.sock.shutdown(std::net::Shutdown::Write).expect("shutdown");
    let _ = data.sock.read_to_end(&mut Vec::new());
}

fn an_upload_that_is_cut_is_not_complete() {
    let world = World::new();
    let server = start(&world, "");
    let mut client = Secure::logged_in();
    cut_an_upload(&mut client);
    assert!(client.expect(426).contains("close_notify"));
    assert!(server.wait_for_log("STOR \"/file\"").contains("completed=0"));
}

fn an_upload_that_is_cut_is_complete_for_old_clients() {
    let world = World::new();
    let _server = start(&world, "tls.accept-unclean-close = true\n");
    let mut client = Secure::logged_in();
    cut_an_upload(&mut client);
    client.expect(226);
    client.command("SIZE file", 213);
}

fn a_stolen_data_port_is_of_no_use() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    world.give("alice", "file", "secret");
    // Without a session, and with that of another control connection.
    let mut thief = Secure::logged_in();
    for config in [client_config(), Arc::clone(&thief.config)] {
        let mut client = Secure::logged_in();
        let data = client.passive();
        client.command("RETR file", 150);
        let mut data = wrap(&config, data);
        let mut stolen = Vec::new();
        let end = data.read_to_end(&mut stolen);
        assert!(end.is_err() && stolen.is_empty(), "{stolen:?}");
        client.expect(522);
        // The client himself gets it.
        let data = client.passive();
        client.command("RETR file", 150);
        let mut content = String::new();
        wrap(&client.config, data).read_to_string(&mut content).expect("a clean end");
        assert_eq!(content, "secret");
        client.expect(226);
    }
    thief.command("NOOP", 200);
}

fn a_handshake_has_a_deadline() {
    let world = World::new();
    let server = start(&world, "tls.handshake-timeout = 1\nlisten.implicit-addresses = [\"127.0.0.1:990\"]\n");
    let mut client = Client::greeted();
    client.command("AUTH TLS", 234);
    client.expect_end();
    server.wait_for_log("took too long");
    let lines = server.log_length();
    Client::connect_to("127.0.0.1:990".parse().expect("address")).expect_end();
    server.wait_for_log_after(lines, "took too long");
}

fn the_relay_does_nothing_but_relay() {
    let world = World::new();
    let server = start(&world, "");
    let mut client = Secure::logged_in();
    let relay = server.process("relay");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(relay.capabilities(set), 0, "{set}");
    }
    assert_eq!(relay.uids(), [990; 4]);
    assert_eq!(relay.field("NoNewPrivs"), "1");
    assert_eq!(relay.field("Seccomp"), "2");
    let root = std::fs::read_dir(format!("/proc/{}/root/", relay.pid)).expect("its root");
    assert_eq!(root.count(), 0, "its root is empty");
    // Standard input, output and error, the life pipe, the worker, the client (twice), the session.
    assert!(relay.descriptors().len() <= 8, "{:?}", relay.descriptors());
    client.command("QUIT", 221);
    wait_until("the relay ends with the session", || server.find("relay").is_none().then_some(()));
    wait_until("the session ends", || server.find("session").is_none().then_some(()));
}

fn a_client_who_vanishes_takes_his_session_along() {
    let world = World::new();
    let server = start(&world, "");
    let client = Secure::logged_in();
    server.process("session");
    drop(client);
    for role in ["session", "relay", "worker"] {
        wait_until("they end", || server.find(role).is_none().then_some(()));
    }
}

fn commands_are_obeyed_during_a_transfer() {
    let world = World::new();
    let _server = start(&world, "");
    let path = world.give("alice", "large", "");
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(1 << 28)).expect("a large file");
    let mut client = Secure::logged_in();
    let data = client.passive();
    client.command("RETR large", 150);
    let mut data = wrap(&client.config, data);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    client.command("STAT", 213);
    client.command("NOOP", 200);
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    // Nobody can take that for the end of the file.
    let error = data.read_to_end(&mut Vec::new()).expect_err("no clean end");
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
}

/// Whether these bytes stand anywhere in the memory of a process.
fn holds(process: &Process, wanted: &[u8]) -> bool {
    process.memory().windows(wanted.len()).any(|window| window == wanted)
}

fn the_private_key_is_in_the_worker_alone() {
    let world = World::new();
    let server = start(&world, "login.login-timeout = 600");
    let text = std::fs::read_to_string(world.own_directory("etc").join("ftp.example.pem")).expect("key");
    let body: String =
        text.split("-----BEGIN PRIVATE KEY-----").nth(1).expect("key").lines().take(4).collect();
    let encoded = body.split("-----").next().expect("key").as_bytes()[20..60].to_vec();
    // PKCS#8 of an elliptic curve: the secret number is 32 bytes at a fixed place.
    let der = decode(body.split("-----").next().expect("key"));
    let secret = der[36..68].to_vec();
    let reversed: Vec<u8> = secret.iter().rev().copied().collect();
    let mut client = Secure::connected();
    client.command("USER alice", 331);
    let frontend = server.serving("frontend");
    let worker = server.parent_of(&frontend);
    assert!(holds(&worker, &secret), "the worker has it, so it is found where it is");
    let nobody_has_it = |processes: Vec<Process>| {
        for process in processes.iter().filter(|process| !process.title().starts_with("ftpd: worker")) {
            for wanted in [&secret, &reversed, &encoded] {
                assert!(!holds(process, wanted), "{} has the key", process.title());
            }
        }
    };
    nobody_has_it(server.processes());
    client.command(&format!("PASS {PASSWORD}"), 230);
    server.process("relay");
    server.process("session");
    nobody_has_it(server.processes());
    for process in [server.process("relay"), server.process("session")] {
        assert!(!holds(&process, PASSWORD.as_bytes()), "{} has the password", process.title());
    }
    // The relay keeps nothing of what has passed through it.
    client.command("SITE HELP unmistakable", 502);
    assert!(!holds(&server.process("relay"), b"unmistakable"));
}

fn decode(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|letter| LETTERS.iter().position(|other| *other == letter));
    let bits: Vec<u8> = digits.flat_map(|digit| (0..6).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn a_bad_certificate_is_found_before_it_is_used() {
    let world = World::new();
    let server = start(&world, "");
    let one = certificate(&world, "one.example");
    let other = certificate(&world, "other.example");
    let lines = server.log_length();
    server.configure(&format!("tls.certificates = [{one:?}]\ntls.keys = [{other:?}]\n"));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log_after(lines, "more than one key");
    let text = std::fs::read_to_string(&one).expect("certificate");
    let end = text.find("-----BEGIN PRIVATE").expect("key");
    std::fs::write(&one, &text[..end]).expect("certificate");
    let lines = server.log_length();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log_after(lines, "the key does not belong to the certificate");
    // The old configuration serves on.
    Secure::logged_in().command("NOOP", 200);
}
