//! The control connection: lines, pipelining, what works during a transfer, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    answers_pipelined_commands_in_order
    loses_nothing_that_was_sent_ahead_of_the_login
    takes_a_line_in_single_bytes
    takes_lines_that_end_with_a_line_feed_only
    takes_verbs_in_any_case
    refuses_a_line_that_is_too_long_once
    refuses_a_line_that_is_too_long_before_the_login
    a_nul_byte_is_no_name
    a_flood_without_a_line_end_takes_no_memory
    aborts_a_download
    aborts_an_upload
    aborts_with_telnet_signals_ahead
    abor_without_a_transfer_is_fine
    tells_how_a_transfer_goes
    noop_works_during_a_transfer
    quit_during_a_transfer_lets_it_finish
    other_commands_wait_for_the_transfer
    a_vanished_client_ends_a_session_at_once
    a_vanished_client_ends_a_transfer_at_once
    a_client_that_shut_down_his_side_is_gone
    ends_idle_sessions
    commands_keep_a_session_alive
    does_not_speak_http
    survives_nonsense
}

/// A daemon, and alice with a small file and one that takes for ever to transfer.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file", "content");
    let path = world.give("alice", "large", "");
    std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(1 << 30)).expect("large file");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// Starts a download that does not end while nobody reads it.
fn download(client: &mut Client) -> TcpStream {
    let mut data = client.passive();
    client.command("RETR large", 150);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    data
}

fn answers_pipelined_commands_in_order() {
    let (_world, _server, mut client) = alice("");
    client.send_bytes(b"PWD\r\nMKD new\r\nCWD new\r\nPWD\r\nCDUP\r\nRMD new\r\nNOOP\r\n");
    for code in [257, 257, 250, 257, 250, 250, 200] {
        client.expect(code);
    }
}

fn loses_nothing_that_was_sent_ahead_of_the_login() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::connect();
    client.send_bytes(b"USER alice\r\nPASS wonderland\r\nMKD early\r\nCWD early\r\nPWD\r\nQUIT\r\n");
    for code in [220, 331, 230, 257, 250] {
        client.expect(code);
    }
    assert!(client.expect(257).text().starts_with("\"/early\""));
    client.expect(221);
    client.expect_end();
}

fn takes_a_line_in_single_bytes() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    for (line, code) in [("USER alice\r\n", 331), ("PASS wonderland\r\n", 230), ("PWD\r\n", 257)] {
        for byte in line.bytes() {
            client.send_bytes(&[byte]);
            std::thread::sleep(Duration::from_millis(1));
        }
        client.expect(code);
    }
}

fn takes_lines_that_end_with_a_line_feed_only() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.send_bytes(b"USER alice\n");
    client.expect(331);
    client.send_bytes(b"PASS wonderland\n");
    client.expect(230);
    client.send_bytes(b"PWD\n");
    client.expect(257);
}

fn takes_verbs_in_any_case() {
    let (_world, _server, mut client) = alice("");
    client.command("pwd", 257);
    client.command("Syst", 215);
    client.command("site chmod 600 file", 200);
}

fn refuses_a_line_that_is_too_long_once() {
    let (_world, _server, mut client) = alice("");
    // What follows the limit must not be obeyed as a command of its own.
    client.send_bytes(format!("CWD {}MKD forged\r\nPWD\r\n", "x".repeat(100_000)).as_bytes());
    let code = client.read_reply().code;
    assert!([500, 501].contains(&code), "{code}");
    client.expect(257);
    assert!(!std::fs::exists("/home/alice/forged").expect("exists"));
}

fn refuses_a_line_that_is_too_long_before_the_login() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.send_bytes(format!("USER {}\r\nUSER alice\r\nPASS wonderland\r\n", "x".repeat(100_000)).as_bytes());
    let code = client.read_reply().code;
    assert!([500, 501].contains(&code), "{code}");
    client.expect(331);
    client.expect(230);
}

fn a_nul_byte_is_no_name() {
    let (_world, _server, mut client) = alice("");
    client.send_bytes(b"MKD one\0two\r\n");
    let code = client.read_reply().code;
    assert!((500..=553).contains(&code), "{code}");
    client.command("PWD", 257);
    assert!(!std::fs::exists("/home/alice/one").expect("exists"));
}

fn a_flood_without_a_line_end_takes_no_memory() {
    let (_world, server, mut client) = alice("");
    let memory = || -> u64 {
        let session = server.process("session");
        session.field("VmRSS").trim_end_matches(" kB").parse().expect("VmRSS")
    };
    let before = memory();
    for _ in 0..200 {
        client.send_bytes(&[b'x'; 100_000]);
    }
    client.send_bytes(b"\r\n");
    let code = client.read_reply().code;
    assert!([500, 501].contains(&code), "{code}");
    let after = memory();
    assert!(after < before + 2_000, "{before} kB became {after} kB");
}

fn aborts_a_download() {
    let (_world, _server, mut client) = alice("");
    let data = download(&mut client);
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    drop(data);
    client.command("PWD", 257);
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn aborts_an_upload() {
    let (_world, _server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"the new").expect("data");
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    drop(data);
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn aborts_with_telnet_signals_ahead() {
    let (_world, _server, mut client) = alice("");
    let data = download(&mut client);
    // IAC IP, IAC DM, as RFC 959 asks for.
    client.send_bytes(b"\xff\xf4\xff\xf2ABOR\r\n");
    client.expect(426);
    client.expect(226);
    drop(data);
    client.command("PWD", 257);
}

fn abor_without_a_transfer_is_fine() {
    let (_world, _server, mut client) = alice("");
    client.send("ABOR");
    let code = client.read_reply().code;
    assert!([225, 226].contains(&code), "{code}");
}

fn tells_how_a_transfer_goes() {
    let (_world, _server, mut client) = alice("");
    let _data = download(&mut client);
    client.send("STAT");
    let reply = client.read_reply();
    assert!([211, 213].contains(&reply.code), "{reply}");
    assert!(reply.whole().contains("byte"), "{reply}");
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
}

fn noop_works_during_a_transfer() {
    let (_world, _server, mut client) = alice("");
    let _data = download(&mut client);
    client.command("NOOP", 200);
    client.command("NOOP", 200);
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
}

fn quit_during_a_transfer_lets_it_finish() {
    let (_world, _server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR new", 150);
    data.write_all(b"first, ").expect("data");
    client.send("QUIT");
    data.write_all(b"second").expect("data");
    drop(data);
    let mut codes = vec![client.read_reply().code, client.read_reply().code];
    codes.sort_unstable();
    assert_eq!(codes, [221, 226]);
    client.expect_end();
    assert_eq!(std::fs::read("/home/alice/new").expect("file"), b"first, second");
}

fn other_commands_wait_for_the_transfer() {
    let (_world, _server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR new", 150);
    client.send("PWD");
    data.write_all(b"content").expect("data");
    drop(data);
    let codes = [client.read_reply().code, client.read_reply().code];
    assert!(codes == [226, 257] || codes[1] == 226, "{codes:?}");
}

fn a_vanished_client_ends_a_session_at_once() {
    let (_world, server, client) = alice("");
    let session = server.process("session");
    let left = Instant::now();
    drop(client);
    wait_until("the session has ended", || (!session.is_there()).then_some(()));
    assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
}

fn a_vanished_client_ends_a_transfer_at_once() {
    let (_world, server, mut client) = alice("");
    let _data = download(&mut client);
    let session = server.process("session");
    let left = Instant::now();
    client.reset();
    wait_until("the session has ended", || (!session.is_there()).then_some(()));
    assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
}

fn a_client_that_shut_down_his_side_is_gone() {
    let (_world, server, client) = alice("");
    let session = server.process("session");
    client.shut_down_sending();
    wait_until("the session has ended", || (!session.is_there()).then_some(()));
}

fn ends_idle_sessions() {
    let (_world, _server, mut client) = alice("session.idle-timeout = 1");
    client.expect(421);
    client.expect_end();
}

fn commands_keep_a_session_alive() {
    let (_world, _server, mut client) = alice("session.idle-timeout = 2");
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(700));
        client.command("NOOP", 200);
    }
}

fn does_not_speak_http() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut client = Client::greeted();
    client.send_bytes(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nUSER alice\r\nPASS wonderland\r\n");
    while let Some(reply) = client.next_reply() {
        assert_ne!(reply.code, 230, "a web browser was made to log in");
    }
}

fn survives_nonsense() {
    let (_world, _server, mut client) = alice("");
    for line in ["", " ", "\u{1b}[2J", "XYZZY", "RETR", "CWD", "TYPE", "TYPE X", "MODE B", "STRU P", "REST x", "PASS", "OPTS"] {
        client.send(line);
        let code = client.read_reply().code;
        assert!((500..=553).contains(&code) || code == 202, "{line:?}: {code}");
    }
    client.send_bytes(b"\x80\xfe\xc0\xaf\r\n");
    assert!(client.read_reply().code >= 500);
    client.command("PWD", 257);
}
