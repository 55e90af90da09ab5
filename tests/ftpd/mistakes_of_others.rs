//! What other servers got wrong, each by its own test, so that we do not.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    unique_names_of_two_clients_at_once_differ
    urgent_data_before_abor_is_understood
    urgent_data_without_a_transfer_breaks_nothing
    hidden_and_missing_files_are_told_alike
    the_longest_path_can_be_used_and_listed
    an_exhausted_range_is_no_end_of_the_session
    no_pattern_takes_long
    recursion_through_links_ends
    facts_have_their_grammar_whatever_the_name
    a_data_connection_serves_once
    resuming_an_upload_keeps_what_is_behind_or_cuts_but_never_leaves_a_hole
    renaming_over_a_file_replaces_it
    a_download_of_a_growing_file_ends
    other_connections_to_the_control_port_are_no_data
}

fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "file", "content");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// vsftpd looks for a free name and takes it later.
fn unique_names_of_two_clients_at_once_differ() {
    let (_world, _server, first) = alice("");
    let mut clients = vec![first];
    clients.extend((1..6).map(|_| Client::logged_in("alice")));
    let mut transfers: Vec<_> = clients.iter_mut().map(Client::passive).collect();
    clients.iter_mut().for_each(|client| client.send("STOU file"));
    let names: BTreeSet<String> = clients.iter_mut().map(|client| client.expect(150).text().into()).collect();
    assert_eq!(names.len(), clients.len(), "{names:?}");
    for (number, data) in transfers.iter_mut().enumerate() {
        write!(data, "{number}").expect("data");
    }
    drop(transfers);
    clients.iter_mut().for_each(|client| _ = client.expect(226));
    let contents: BTreeSet<String> = names
        .iter()
        .map(|text| fs::read_to_string(format!("/home/alice{}", text.trim_start_matches("FILE: "))).expect("file"))
        .collect();
    assert_eq!(contents.len(), names.len(), "{names:?}");
    assert_eq!(fs::read("/home/alice/file").expect("file"), b"content");
}

/// The Synch of Telnet, as the clients of the BSDs send it: the last IAC is urgent.
fn synch(client: &Client) {
    client.send_urgent(b"\xff\xf4\xff");
}

/// Without SO_OOBINLINE the kernel takes the urgent byte out of the line, and what is left is no command.
fn urgent_data_before_abor_is_understood() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "large", vec![b'x'; 20_000_000]);
    let mut data = client.passive();
    client.command("RETR large", 150);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    synch(&client);
    client.send_bytes(b"\xf2ABOR\r\n");
    client.expect(426);
    client.expect(226);
    drop(data);
    client.command("NOOP", 200);
    assert_eq!(client.receive_text("RETR file"), "content");
}

fn urgent_data_without_a_transfer_breaks_nothing() {
    let (_world, _server, mut client) = alice("");
    for line in ["ABOR", "STAT", "NOOP"] {
        synch(&client);
        client.send_bytes(&[b"\xf2", line.as_bytes(), b"\r\n"].concat());
        let code = client.read_reply().code;
        assert!([225, 211, 200].contains(&code), "{line}: {code}");
    }
}

/// pyftpdlib asks for some things as root, so that one learns what others have.
fn hidden_and_missing_files_are_told_alike() {
    let world = World::new();
    world.give("bob", "secret", "");
    let _server = Server::start(&world, "session.root-dir = \"real\"");
    let mut client = Client::logged_in("alice");
    for verb in ["LIST", "NLST", "MLSD", "RNFR", "SIZE", "MDTM", "CWD", "DELE", "RMD", "MLST", "STAT", "RETR", "SITE CHMOD 644", "MFMT 20200102030405"] {
        let mut ask = |name: &str| {
            client.send(&format!("{verb} /home/bob/{name}"));
            client.read_reply().whole()
        };
        assert_eq!(ask("secret"), ask("missing"), "{verb}");
    }
}

/// MLSD of ProFTPD wrote behind a buffer when a path was long.
fn the_longest_path_can_be_used_and_listed() {
    let (_world, _server, mut client) = alice("");
    let name = "n".repeat(255);
    let mut length = 0;
    while length + 256 + 1 < 4095 {
        client.command(&format!("MKD {name}"), 257);
        client.command(&format!("CWD {name}"), 250);
        length += 256;
    }
    let last = "l".repeat(4095 - length - 1);
    client.transmit(&format!("STOR {last}"), b"deep");
    assert_eq!(client.receive_text(&format!("RETR {last}")), "deep");
    for verb in ["LIST", "NLST", "MLSD"] {
        assert!(client.receive_text(verb).trim_end().ends_with(&last), "{verb}");
    }
    for verb in ["MLST", "STAT"] {
        client.send(&format!("{verb} {last}"));
        let reply = client.read_reply();
        assert!(reply.code < 400 && reply.whole().contains(&last), "{verb}: {reply}");
    }
    client.command(&format!("MKD {last}x"), 501);
    assert!(client.command("PWD", 257).text().len() >= length);
    assert!(!client.receive_text("NLST -R /").is_empty());
}

/// vsftpd ends the session, pyftpdlib takes a port outside the range.
fn an_exhausted_range_is_no_end_of_the_session() {
    let (_world, server, mut client) = alice("data.passive-ports = \"50000-50000\"");
    let mut other = Client::logged_in("alice");
    let taken = other.passive_address();
    for verb in ["EPSV", "PASV", "EPSV"] {
        client.command(verb, 425);
    }
    client.command("NOOP", 200);
    let before = server.log_length();
    drop(other);
    server.wait_for_log_after(before, "session closed");
    wait_until("the port is free", || {
        client.send("EPSV");
        (client.read_reply().code == 229).then_some(())
    });
    assert_eq!(taken.port(), 50_000);
}

fn no_pattern_takes_long() {
    let (world, _server, mut client) = alice("");
    for number in 0..50 {
        world.give("alice", format!("{}{number}", "a".repeat(200)), "");
    }
    let began = Instant::now();
    let pattern = "*a".repeat(100);
    client.receive(&format!("LIST {pattern}b"));
    client.command(&format!("NLST {}", "*/".repeat(100)), 550);
    client.receive(&format!("NLST {}", "[a-z]*".repeat(40)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

fn recursion_through_links_ends() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "tree/one/inside", "");
    symlink("..", "/home/alice/tree/up").expect("link");
    symlink(".", "/home/alice/tree/one/here").expect("link");
    symlink("../../..", "/home/alice/tree/one/above").expect("link");
    for options in ["-R", "-lR", "-LR", "-laRL"] {
        let mut data = client.passive();
        client.command(&format!("LIST {options} /"), 150);
        let mut listing = Vec::new();
        data.read_to_end(&mut listing).expect("listing");
        // What goes on for too long is cut, and says so.
        let code = client.read_reply().code;
        assert!([226, 451].contains(&code), "{options}: {code}");
        assert!(listing.len() < 10_000_000 && !listing.is_empty(), "{options}: {}", listing.len());
    }
}

/// RFC 3659 7.2: facts that end with semicolons, one blank, and the name as it is.
fn facts_have_their_grammar_whatever_the_name() {
    let (world, _server, mut client) = alice("");
    let names = [" begins with a blank", "ends with one ", "type=dir; x", ";", "=", "a;b=c; d", "\u{1b}[2J", "Größe"];
    for name in names {
        world.give("alice", format!("all/{name}"), "12345");
    }
    let listing = client.receive_text("MLSD all");
    let mut found = BTreeSet::new();
    for line in listing.split_terminator("\r\n") {
        let (facts, name) = line.split_once(' ').expect("a blank behind the facts");
        let facts = facts.strip_suffix(';').expect("a semicolon behind the last fact");
        let mut is_file = false;
        for fact in facts.split(';') {
            let (fact, value) = fact.split_once('=').expect("fact=value");
            assert!(fact.bytes().all(|b| b.is_ascii_alphanumeric() || b"./-_".contains(&b)), "{line}");
            assert!(value.bytes().all(|b| b.is_ascii_graphic()), "{line}");
            is_file |= fact == "type" && value == "file";
        }
        if is_file {
            found.insert(name.to_string());
        }
    }
    assert_eq!(found, names.iter().map(|name| name.to_string()).collect());
    for name in names {
        let reply = client.command(&format!("MLST all/{name}"), 250);
        assert!(reply.lines[1].starts_with(" type=file;") && reply.lines[1].ends_with(&format!("; /all/{name}")), "{reply}");
    }
}

fn a_data_connection_serves_once() {
    let (_world, _server, mut client) = alice("");
    assert_eq!(client.receive_text("RETR file"), "content");
    client.command("RETR file", 425);
    let listener = client.active();
    client.command("RETR file", 150);
    drop(listener.accept().expect("the server connects"));
    client.read_reply();
    client.command("RETR file", 425);
}

/// unFTP sets the length to where REST points: a file that was shorter grows a hole.
fn resuming_an_upload_keeps_what_is_behind_or_cuts_but_never_leaves_a_hole() {
    let (_world, _server, mut client) = alice("");
    client.command("REST 3", 350);
    client.transmit("STOR file", b"XY");
    let content = fs::read("/home/alice/file").expect("file");
    assert!(content == b"conXY" || content == b"conXYnt", "{content:?}");
    client.command("REST 100", 350);
    let _data = client.passive();
    client.command("STOR file", 554);
    assert_eq!(fs::read("/home/alice/file").expect("file"), content);
    client.command("REST 5", 350);
    let _data = client.passive();
    client.send("STOR missing");
    assert!(client.read_reply().code >= 500);
    assert!(!fs::exists("/home/alice/missing").expect("exists"));
}

fn renaming_over_a_file_replaces_it() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "new", "new");
    client.command("RNFR new", 350);
    client.command("RNTO file", 250);
    assert_eq!(fs::read("/home/alice/file").expect("file"), b"new");
    assert!(!fs::exists("/home/alice/new").expect("exists"));
    world.give("alice", "directory/inside", "");
    client.command("RNFR file", 350);
    client.command("RNTO directory", 550);
    assert!(fs::exists("/home/alice/directory/inside").expect("exists"));
}

/// What is appended meanwhile belongs to the next download: a log file would never end.
fn a_download_of_a_growing_file_ends() {
    let (world, _server, mut client) = alice("");
    let size = 30_000_000;
    let path = world.give("alice", "large", vec![b'x'; size]);
    let mut data = client.passive();
    client.command("RETR large", 150);
    data.read_exact(&mut [0; 1000]).expect("data moves");
    let mut file = fs::File::options().append(true).open(path).expect("file");
    file.write_all(&[b'y'; 1000]).expect("appended");
    let mut rest = Vec::new();
    data.read_to_end(&mut rest).expect("data");
    client.expect(226);
    assert!([size, size + 1000].contains(&(rest.len() + 1000)), "{}", rest.len());
}

/// A second connection to port 21 is a session of its own, also while the first one waits for its data.
fn other_connections_to_the_control_port_are_no_data() {
    let (_world, _server, mut client) = alice("");
    let address = client.passive_address();
    client.send("RETR file");
    let mut other = Client::connect_to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 21));
    other.expect(220);
    other.command("RETR file", 530);
    let mut data = std::net::TcpStream::connect(address).expect("data connection");
    client.expect(150);
    let mut content = String::new();
    data.read_to_string(&mut content).expect("data");
    assert_eq!(content, "content");
    client.expect(226);
}
