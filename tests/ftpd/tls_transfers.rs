//! Transfers behind TLS: whole or not at all, in every form there is, and in any number.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::accounts::PASSWORD;
use crate::client::reset;
use crate::secure::{Secure, client_config, client_config_of, wrap};
use crate::server::wait_until;
use crate::tls_clients::{certificate, start};
use crate::world::World;

tests! {
    an_upload_that_is_cut_between_two_records_leaves_what_was_there
    a_thousand_transfers_of_a_session_resume_it
    compressed_data_is_protected
    text_is_converted_behind_tls
    transfers_are_resumed_behind_tls
    uploads_are_aborted_behind_tls
    certificates_are_exchanged_while_clients_come
}

const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS13], &[&TLS12]];

/// Logged in as alice, with private data connections and TYPE I.
fn logged_in_as(config: &Arc<ClientConfig>) -> Secure {
    let mut client = Secure::connected_as(config);
    client.command("USER alice", 331);
    client.command(&format!("PASS {PASSWORD}"), 230);
    client.command("PBSZ 0", 200);
    client.command("PROT P", 200);
    client.command("TYPE I", 200);
    client
}

/// Sends a file as it should be sent.
fn store(client: &mut Secure, command: &str, content: &[u8]) {
    let data = client.passive();
    client.command(command, 150);
    let mut data = wrap(&client.config, data);
    data.write_all(content).expect("data");
    data.conn.send_close_notify();
    data.flush().expect("data");
    // The server says goodbye, too, and before that something to resume the session by.
    data.read_to_end(&mut Vec::new()).expect("a clean end");
    client.expect(226);
}

fn retrieve(client: &mut Secure, command: &str) -> Vec<u8> {
    let data = client.passive();
    client.command(command, 150);
    let mut content = Vec::new();
    wrap(&client.config, data).read_to_end(&mut content).expect("a clean end");
    client.expect(226);
    content
}

fn stored(name: &str) -> Vec<u8> {
    fs::read(Path::new("/home/alice").join(name)).expect("stored file")
}

fn an_upload_that_is_cut_between_two_records_leaves_what_was_there() {
    const RECORD: usize = 16 * 1024;
    let world = World::new();
    let server = start(&world, "");
    world.give("alice", "file", "what was there");
    for versions in VERSIONS {
        let mut client = logged_in_as(&client_config_of(versions, None));
        for records in 0..=4 {
            for by_reset in [false, true] {
                let lines = server.log_length();
                let data = client.passive();
                client.command("STOR file", 150);
                let mut data = wrap(&client.config, data);
                while data.conn.is_handshaking() {
                    data.conn.complete_io(&mut data.sock).expect("handshake");
                }
                for _ in 0..records {
                    data.write_all(&[7; RECORD]).expect("data");
                    data.flush().expect("data");
                }
                match by_reset {
                    true => reset(data.sock),
                    false => {
                        data.sock.shutdown(Shutdown::Write).expect("shutdown");
                        let _ = data.sock.read_to_end(&mut Vec::new());
                    }
                }
                client.expect(426);
                let line = server.wait_for_log_after(lines, "STOR \"/file\"");
                assert!(line.contains("completed=0"), "{line}");
                assert_eq!(stored("file"), b"what was there", "{records} records");
                assert_eq!(fs::read_dir("/home/alice").expect("home").count(), 1, "nothing stays behind");
            }
        }
        store(&mut client, "STOR file", &[7; 3 * RECORD]);
        assert_eq!(stored("file").len(), 3 * RECORD);
        world.give("alice", "file", "what was there");
    }
}

fn a_thousand_transfers_of_a_session_resume_it() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    world.give("alice", "file", "contents");
    for versions in VERSIONS {
        let mut client = logged_in_as(&client_config_of(versions, None));
        for _ in 0..1000 {
            assert_eq!(retrieve(&mut client, "RETR file"), b"contents");
        }
    }
}

fn compressed_data_is_protected() {
    let world = World::new();
    let _server = start(&world, "session.require-tls = \"all\"\n");
    let mut client = Secure::logged_in();
    client.command("MODE Z", 200);
    let content: Vec<u8> = (0..2_000_000u32).map(|number| (number / 1000) as u8).collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content).expect("compression");
    store(&mut client, "STOR file", &encoder.finish().expect("compression"));
    assert!(stored("file") == content);
    let wire = retrieve(&mut client, "RETR file");
    assert!(wire.len() < content.len() / 10, "{} bytes", wire.len());
    let mut back = Vec::new();
    ZlibDecoder::new(wire.as_slice()).read_to_end(&mut back).expect("a whole stream");
    assert!(back == content);
    let listing = retrieve(&mut client, "NLST");
    let mut names = String::new();
    ZlibDecoder::new(listing.as_slice()).read_to_string(&mut names).expect("a whole stream");
    assert_eq!(names, "file\r\n");
}

fn text_is_converted_behind_tls() {
    let world = World::new();
    let _server = start(&world, "");
    let mut client = Secure::logged_in();
    client.command("TYPE A", 200);
    store(&mut client, "STOR text", b"one\r\ntwo\r\n");
    assert_eq!(stored("text"), b"one\ntwo\n");
    assert_eq!(retrieve(&mut client, "RETR text"), b"one\r\ntwo\r\n");
}

fn transfers_are_resumed_behind_tls() {
    let world = World::new();
    let _server = start(&world, "tls.session-reuse = \"require\"\n");
    let content: Vec<u8> = (0..300_000u32).map(|number| (number * 7 % 251) as u8).collect();
    for versions in VERSIONS {
        let mut client = logged_in_as(&client_config_of(versions, None));
        store(&mut client, "STOR file", &content[..100_000]);
        client.command("REST 100000", 350);
        store(&mut client, "STOR file", &content[100_000..200_000]);
        store(&mut client, "APPE file", &content[200_000..]);
        assert!(stored("file") == content);
        client.command("REST 250000", 350);
        assert!(retrieve(&mut client, "RETR file") == content[250_000..]);
        fs::remove_file("/home/alice/file").expect("file");
    }
}

fn uploads_are_aborted_behind_tls() {
    let world = World::new();
    let _server = start(&world, "");
    world.give("alice", "file", "what was there");
    let mut client = Secure::logged_in();
    let data = client.passive();
    client.command("STOR file", 150);
    let mut data = wrap(&client.config, data);
    data.write_all(&[7; 50_000]).expect("data");
    data.flush().expect("data");
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    assert_eq!(stored("file"), b"what was there");
    // The session goes on.
    assert_eq!(retrieve(&mut client, "RETR file"), b"what was there");
}

fn certificates_are_exchanged_while_clients_come() {
    const NAMES: [&str; 2] = ["one.example", "two.example"];
    let world = World::new();
    let _server = start(&world, "listen.max-sessions-per-address = 100\n");
    let path = world.own_directory("etc").join("ftp.example.pem");
    let texts = NAMES.map(|name| fs::read(certificate(&world, name)).expect("certificate"));
    let (over, seen) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let exchange = |turn: usize| {
        let next = path.with_extension("next");
        fs::write(&next, &texts[turn % 2]).expect("certificate");
        fs::rename(&next, &path).expect("rename");
    };
    exchange(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let config = client_config();
                while !over.load(Ordering::Relaxed) {
                    let mut client = Secure::connected_as(&config);
                    client.command("NOOP", 200);
                    let shown = client.stream.conn.peer_certificates().expect("certificates")[0].to_vec();
                    let shown = String::from_utf8_lossy(&shown).into_owned();
                    let index = NAMES.iter().position(|name| shown.contains(name)).expect("one of the two");
                    seen[index].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for turn in 0..20 {
            exchange(turn);
            // Somebody has come, and has been shown this one.
            let before = seen[turn % 2].load(Ordering::Relaxed);
            wait_until("clients see it", || (seen[turn % 2].load(Ordering::Relaxed) > before).then_some(()));
        }
        over.store(true, Ordering::Relaxed);
    });
}
