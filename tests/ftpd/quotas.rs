//! What a user may store: never passed, and right again after whatever has happened.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use nix::sys::signal::{Signal, kill};

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_new_file_ends_at_the_byte_of_the_quota
    what_was_there_stays_when_its_successor_is_too_large
    what_is_replaced_makes_room_for_what_replaces_it
    there_are_no_more_names_than_the_quota_has
    every_change_is_counted
    sessions_that_upload_at_once_share_the_last_byte
    what_a_killed_session_left_is_counted
    what_a_killed_worker_left_is_counted
    what_a_killed_daemon_left_is_counted
    changes_by_others_are_found_at_the_next_count
    users_of_one_directory_share_its_quota
    text_and_compressed_data_are_counted_as_they_are_stored
    a_copy_stops_where_there_is_no_more_room
    without_a_quota_there_is_no_ledger
}

const HOME: &str = "/home/alice";

/// Bytes and names below a directory.
pub fn there(directory: impl AsRef<Path>) -> [u64; 2] {
    let mut found = [0, 0];
    for entry in fs::read_dir(directory).expect("directory") {
        let entry = entry.expect("entry");
        let status = entry.metadata().expect("status");
        found[1] += 1;
        if status.is_dir() {
            let inner = there(entry.path());
            found = [found[0] + inner[0], found[1] + inner[1]];
        } else if status.is_file() {
            found[0] += status.size();
        }
    }
    found
}

/// What SITE QUOTA says that is used: bytes and names.
fn told(client: &mut Client) -> [u64; 2] {
    let reply = client.command("SITE QUOTA", 200);
    ["Bytes", "Files"].map(|what| {
        let prefix = format!(" {what}: ");
        let line = reply.lines.iter().find_map(|line| line.strip_prefix(&prefix)).expect("a line");
        line.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    })
}

fn started(settings: &str) -> (World, Server) {
    let world = World::new();
    let server = Server::start(&world, settings);
    (world, server)
}

/// Of each quota in the working directory: what SITE QUOTA calls it, bytes and names.
pub fn all_told(client: &mut Client) -> Vec<(String, [u64; 2])> {
    let reply = client.command("SITE QUOTA", 200);
    let number = |line: &String| {
        let text = line.split(' ').nth(2).expect("a line of numbers");
        text.parse::<u64>().expect("a number")
    };
    let lines: Vec<_> = reply.lines[1..reply.lines.len() - 1].to_vec();
    let quota = |lines: &[String]| (lines[0].trim().trim_end_matches(':').into(), [number(&lines[1]), number(&lines[2])]);
    lines.chunks(3).map(quota).collect()
}

/// Sends so many bytes; the code of the reply that ends the transfer.
pub fn send(client: &mut Client, line: &str, length: usize) -> u16 {
    let mut data = client.passive();
    client.command(line, 150);
    // A server that has no more room takes no more.
    let _ = data.write_all(&vec![b'x'; length]);
    drop(data);
    client.read_reply().code
}

fn a_new_file_ends_at_the_byte_of_the_quota() {
    let (_world, server) = started("session.quota-bytes = \"100000\"");
    let mut client = Client::logged_in("alice");
    assert_eq!(send(&mut client, "STOR small", 40_000), 226);
    assert_eq!(send(&mut client, "STOR large", 3_000_000), 552);
    assert_eq!(there(HOME), [100_000, 2]);
    assert_eq!(told(&mut client), [100_000, 2]);
    assert_eq!(send(&mut client, "STOR other", 1), 552);
    client.command("DELE large", 250);
    assert_eq!(send(&mut client, "STOR other", 60_000), 226);
    assert_eq!(told(&mut client), there(HOME));
    server.wait_for_log("completed=0");
}

fn what_was_there_stays_when_its_successor_is_too_large() {
    let (world, _server) = started("session.quota-bytes = \"100000\"");
    world.give("alice", "file", vec![b'o'; 60_000]);
    let mut client = Client::logged_in("alice");
    assert_eq!(send(&mut client, "STOR file", 2_000_000), 552);
    assert_eq!(fs::read(format!("{HOME}/file")).expect("file"), vec![b'o'; 60_000]);
    assert_eq!(told(&mut client), [60_000, 1]);
    // The same in place.
    assert_eq!(send(&mut client, "APPE file", 2_000_000), 552);
    assert_eq!(there(HOME), [100_000, 1]);
    assert_eq!(told(&mut client), [100_000, 1]);
}

fn what_is_replaced_makes_room_for_what_replaces_it() {
    let (world, _server) = started("session.quota-bytes = \"100000\"");
    world.give("alice", "file", vec![b'o'; 80_000]);
    let mut client = Client::logged_in("alice");
    assert_eq!(send(&mut client, "STOR file", 100_000), 226);
    assert_eq!(told(&mut client), [100_000, 1]);
    assert_eq!(send(&mut client, "STOR file", 10_000), 226);
    assert_eq!(told(&mut client), [10_000, 1]);
    assert_eq!(send(&mut client, "STOR file", 100_001), 552);
    assert_eq!(told(&mut client), there(HOME));
}

fn there_are_no_more_names_than_the_quota_has() {
    let (_world, _server) = started("session.quota-files = 3");
    let mut client = Client::logged_in("alice");
    client.command("MKD directory", 257);
    client.transmit("STOR directory/one", b"1");
    client.transmit("STOR two", b"2");
    client.command("MKD other", 552);
    client.command("SITE SYMLINK two link", 552);
    let _data = client.passive();
    client.command("STOR three", 552);
    // A name that is there already costs nothing.
    client.transmit("STOR two", b"again");
    client.command("DELE two", 250);
    client.command("MKD other", 257);
    assert_eq!(told(&mut client), [1, 3]);
    assert_eq!(there(HOME), [1, 3]);
}

fn every_change_is_counted() {
    let (world, _server) = started("session.quota-bytes = \"1M\"\nsession.quota-files = 100");
    world.give("alice", "here/already", "0123456789");
    let mut client = Client::logged_in("alice");
    let counted = |client: &mut Client, what: &str| assert_eq!(told(client), there(HOME), "after {what}");
    counted(&mut client, "the login");
    for (line, content) in [("STOR a", "12345"), ("APPE a", "678"), ("STOU b", "12"), ("STOU b", "34")] {
        client.transmit(line, content.as_bytes());
        counted(&mut client, line);
    }
    client.command("REST 3", 350);
    client.transmit("STOR a", b"X");
    counted(&mut client, "a shorter end");
    for line in [
        "MKD c", "SITE MKDIR d/e/f", "SITE SYMLINK a link", "SITE COPY a g", "SITE COPY here/already g", "RNFR g", "RNTO a",
        "RNFR c", "RNTO d/e/f/c", "DELE link", "DELE b", "RMD d/e/f/c", "SITE RMDIR d", "SITE RMDIR here",
    ] {
        client.send(line);
        let reply = client.read_reply();
        assert!(reply.code < 400, "{line}: {reply}");
        // RNTO follows at once, or not at all.
        if !line.starts_with("RNFR") {
            counted(&mut client, line);
        }
    }
}

fn sessions_that_upload_at_once_share_the_last_byte() {
    let (_world, _server) = started("session.quota-bytes = \"10000001\"");
    let begun: Vec<_> = (0..4)
        .map(|number| {
            let mut client = Client::logged_in("alice");
            let data = client.passive();
            client.command(&format!("STOR file{number}"), 150);
            (client, data)
        })
        .collect();
    let uploads = begun.into_iter().map(|(mut client, mut data)| {
        thread::spawn(move || {
            let _ = data.write_all(&vec![b'x'; 8_000_000]);
            drop(data);
            (client.read_reply().code, client)
        })
    });
    let uploads: Vec<_> = uploads.collect();
    let mut ended: Vec<_> = uploads.into_iter().map(|upload| upload.join().expect("upload")).collect();
    assert!(ended.iter().filter(|(code, _)| *code == 552).count() >= 3);
    let [bytes, names] = there(HOME);
    assert_eq!(bytes, 10_000_001);
    assert_eq!(told(&mut ended[0].1), [bytes, names]);
}

/// In the middle of an upload, something happens; then the daemon says what is there.
fn what_is_left_is_counted_after(end: impl FnOnce(&World, Server) -> Server) {
    let (world, server) = started("session.quota-bytes = \"1000000\"");
    world.give("alice", "old", vec![b'o'; 1000]);
    let mut client = Client::logged_in("alice");
    assert_eq!(told(&mut client), [1000, 1]);
    let mut fresh = client.passive();
    client.command("STOR new", 150);
    fresh.write_all(&[b'x'; 70_000]).expect("data");
    server.wait_until_written(70_000);
    let server = end(&world, server);
    wait_until("the session is gone", || server.find("session").is_none().then_some(()));
    let mut client = Client::logged_in("alice");
    assert_eq!(told(&mut client), [71_000, 2]);
    assert_eq!(there(HOME), [71_000, 2]);
    // Of what was to take the place of another file, nothing is left.
    let mut replacing = client.passive();
    client.command("STOR old", 150);
    replacing.write_all(&[b'x'; 70_000]).expect("data");
    server.wait_until_written(70_000);
    kill(server.process("session").pid, Signal::SIGKILL).expect("kill");
    wait_until("the session is gone", || server.find("session").is_none().then_some(()));
    let mut client = Client::logged_in("alice");
    assert_eq!(told(&mut client), [71_000, 2]);
    assert_eq!(send(&mut client, "APPE new", 2_000_000), 552);
    assert_eq!(there(HOME), [1_000_000, 2]);
}

fn what_a_killed_session_left_is_counted() {
    what_is_left_is_counted_after(|_, server| {
        kill(server.process("session").pid, Signal::SIGKILL).expect("kill");
        server
    });
}

fn what_a_killed_worker_left_is_counted() {
    what_is_left_is_counted_after(|_, server| {
        kill(server.parent_of(&server.process("session")).pid, Signal::SIGKILL).expect("kill");
        server
    });
}

fn what_a_killed_daemon_left_is_counted() {
    what_is_left_is_counted_after(|world, mut server| {
        let processes = server.processes();
        server.signal(Signal::SIGKILL);
        for process in processes.iter().filter(|process| process.pid != server.pid()) {
            // Some have ended with it.
            _ = kill(process.pid, Signal::SIGKILL);
        }
        server.wait_for_end();
        drop(server);
        Server::start(world, "session.quota-bytes = \"1000000\"")
    });
}

fn changes_by_others_are_found_at_the_next_count() {
    let (world, _server) = started("session.quota-bytes = \"1000000\"\nsession.quota-recount = 1");
    let mut client = Client::logged_in("alice");
    assert_eq!(told(&mut client), [0, 0]);
    world.give("alice", "a/b/file", "content");
    wait_until("the file is counted", || (told(&mut client) == [7, 3]).then_some(()));
}

fn users_of_one_directory_share_its_quota() {
    let world = World::new();
    world.write("/srv/shared/readme", "12345");
    fs::set_permissions("/srv/shared", std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("mode");
    let _server = Server::start(&world, "session.root-dir = \"/srv/shared\"\nsession.quota-bytes = \"1000\"");
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    alice.transmit("STOR hers", &[b'a'; 600]);
    assert_eq!(told(&mut bob), [605, 2]);
    assert_eq!(send(&mut bob, "STOR his", 600), 552);
    assert_eq!(there("/srv/shared"), [1000, 3]);
}

fn text_and_compressed_data_are_counted_as_they_are_stored() {
    let (_world, _server) = started("session.quota-bytes = \"1000\"");
    let mut client = Client::logged_in("alice");
    client.command("TYPE A", 200);
    client.transmit("STOR text", b"one\r\ntwo\r\n");
    assert_eq!(told(&mut client), [8, 1]);
    let mut data = client.passive();
    client.command("STOR more", 150);
    data.write_all("line\r\n".repeat(400).as_bytes()).expect("data");
    drop(data);
    client.expect(552);
    assert_eq!(there(HOME), [1000, 2]);
    assert_eq!(told(&mut client), [1000, 2]);
}

fn a_copy_stops_where_there_is_no_more_room() {
    let (world, _server) = started("session.quota-bytes = \"1000\"");
    world.give("alice", "file", vec![b'x'; 600]);
    let mut client = Client::logged_in("alice");
    client.command("SITE COPY file copy", 552);
    assert_eq!(told(&mut client), [600, 1]);
    assert_eq!(there(HOME), [600, 1]);
}

fn without_a_quota_there_is_no_ledger() {
    let (_world, _server) = started("user.bob.quota-bytes = \"1M\"");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    assert!(!Path::new("/run/ftpd/quota").exists());
    Client::logged_in("bob");
    assert_eq!(fs::read_dir("/run/ftpd/quota").expect("ledgers").count(), 1);
}
