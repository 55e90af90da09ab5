//! Transfers that are not complete: what was there before stays, and nobody is told otherwise.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::Duration;

use crate::client::{Client, reset};
use crate::server::Server;
use crate::transfers::{alice, noise, stored};
use crate::world::World;

tests! {
    a_full_disk_keeps_the_old_file
    a_full_disk_keeps_the_beginning_of_a_new_file
    an_upload_that_breaks_off_keeps_the_old_file
    an_upload_that_breaks_off_keeps_the_beginning_of_a_new_file
    the_beginning_of_a_new_file_is_deleted_where_that_is_wanted
    a_resumed_upload_that_breaks_off_keeps_what_was_there
    a_download_that_breaks_off_is_not_complete
    a_file_that_shrinks_meanwhile_is_not_complete
    a_stalled_transfer_ends
    a_slow_transfer_does_not_end
    two_uploads_of_one_name_never_mix
    an_upload_whose_file_is_removed_meanwhile_is_not_complete
}

fn the_beginning_of_a_new_file_is_deleted_where_that_is_wanted() {
    let world = World::new();
    world.give("alice", "old", "old contents");
    let server = Server::start(&world, "session.delete-partial = true\nsession.stall-timeout = 1");
    let mut client = Client::logged_in("alice");
    let cut = |client: &mut Client, command: &str, written: Option<u64>| {
        let mut data = client.passive();
        client.command(command, 150);
        data.write_all(b"half").expect("data");
        if let Some(size) = written {
            server.wait_until_written(size);
        }
        reset(data);
        client.expect(426);
    };
    cut(&mut client, "STOR new", Some(4));
    assert!(!fs::exists("/home/alice/new").expect("home"));
    cut(&mut client, "STOR old", None);
    assert_eq!(fs::read("/home/alice/old").expect("file"), b"old contents");
    // What was there before the upload was resumed is not its own.
    cut(&mut client, "APPE old", Some(16));
    assert_eq!(fs::read("/home/alice/old").expect("file"), b"old contentshalf");
    let mut data = client.passive();
    client.command("STOR stalled", 150);
    data.write_all(b"half").expect("data");
    client.expect(426);
    assert!(!fs::exists("/home/alice/stalled").expect("home"));
    let data = client.passive();
    client.command("STOR aborted", 150);
    client.command("ABOR", 426);
    client.expect(226);
    drop(data);
    assert!(!fs::exists("/home/alice/aborted").expect("home"));
}

/// A home of one MiB for alice.
fn in_a_small_home() -> (World, Server, Client) {
    let world = World::new();
    world.mount_small("/home/alice", "alice", 1 << 20);
    let server = Server::start(&world, "");
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// Sends more than there is room for.
fn overfill(client: &mut Client, command: &str) {
    let mut data = client.passive();
    client.command(command, 150);
    // The server may break the connection before it has taken everything.
    _ = data.write_all(&noise(4 << 20));
    drop(data);
    let code = client.read_reply().code;
    assert!([452, 552].contains(&code), "{command}: {code}");
}

/// Sends a part of a file; breaks the connection when the server has written it and the file has this size.
fn break_off(server: &Server, client: &mut Client, command: &str, part: &[u8], size: u64) {
    let mut data = client.passive();
    client.command(command, 150);
    data.write_all(part).expect("data");
    server.wait_until_written(size);
    reset(data);
    client.expect(426);
}

fn a_full_disk_keeps_the_old_file() {
    let (world, _server, mut client) = in_a_small_home();
    world.give("alice", "file", "the old content");
    overfill(&mut client, "STOR file");
    assert_eq!(stored("file"), b"the old content");
    // What did not fit takes no room any more.
    client.transmit("STOR other", &noise(500_000));
    let names: Vec<_> = fs::read_dir("/home/alice").expect("home").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

fn a_full_disk_keeps_the_beginning_of_a_new_file() {
    let (_world, _server, mut client) = in_a_small_home();
    overfill(&mut client, "STOR file");
    let kept = stored("file");
    assert!(!kept.is_empty() && noise(4 << 20).starts_with(&kept), "{} bytes are kept", kept.len());
}

fn an_upload_that_breaks_off_keeps_the_old_file() {
    let (world, server, mut client) = alice("");
    world.give("alice", "file", "the old content");
    break_off(&server, &mut client, "STOR file", b"the new", 7);
    assert_eq!(stored("file"), b"the old content");
    client.command("PWD", 257);
}

fn an_upload_that_breaks_off_keeps_the_beginning_of_a_new_file() {
    let (_world, server, mut client) = alice("");
    break_off(&server, &mut client, "STOR file", b"the beginning", 13);
    assert_eq!(stored("file"), b"the beginning");
    client.command("REST 13", 350);
    client.transmit("STOR file", b" and the end");
    assert_eq!(stored("file"), b"the beginning and the end");
}

fn a_resumed_upload_that_breaks_off_keeps_what_was_there() {
    let (world, server, mut client) = alice("");
    world.give("alice", "file", "0123");
    client.command("REST 4", 350);
    break_off(&server, &mut client, "STOR file", b"4567", 8);
    assert!(stored("file").starts_with(b"0123"), "{:?}", stored("file"));
}

fn a_download_that_breaks_off_is_not_complete() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", noise(8 << 20));
    let mut data = client.passive();
    client.command("RETR file", 150);
    data.read_exact(&mut [0; 1000]).expect("data");
    reset(data);
    client.expect(426);
    client.command("PWD", 257);
}

fn a_file_that_shrinks_meanwhile_is_not_complete() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "file", "");
    let file = File::options().write(true).open(path).expect("file");
    file.set_len(64 << 20).expect("length");
    let mut data = client.passive();
    client.command("RETR file", 150);
    data.read_exact(&mut [0; 1000]).expect("data");
    file.set_len(100).expect("length");
    _ = data.read_to_end(&mut Vec::new());
    let code = client.read_reply().code;
    assert!([426, 451].contains(&code), "{code}");
}

fn a_stalled_transfer_ends() {
    let (world, server, mut client) = alice("session.stall-timeout = 1");
    let path = world.give("alice", "file", "");
    File::options().write(true).open(path).and_then(|file| file.set_len(1 << 30)).expect("file");
    let _data = client.passive();
    client.command("RETR file", 150);
    let code = client.read_reply().code;
    assert!([426, 421].contains(&code), "{code}");
    drop(_data);
    let _data = client.passive();
    client.command("STOR other", 150);
    let code = client.read_reply().code;
    assert!([426, 421].contains(&code), "{code}");
    server.wait_for_log("file");
}

fn a_slow_transfer_does_not_end() {
    let (_world, _server, mut client) = alice("session.stall-timeout = 2\nsession.idle-timeout = 2");
    let mut data = client.passive();
    client.command("STOR file", 150);
    for _ in 0..6 {
        data.write_all(b"piece").expect("data");
        std::thread::sleep(Duration::from_millis(600));
    }
    drop(data);
    client.expect(226);
    assert_eq!(stored("file").len(), 30);
}

fn two_uploads_of_one_name_never_mix() {
    let (_world, server, mut one) = alice("");
    let mut two = Client::logged_in("alice");
    let (first, second) = (vec![b'1'; 3_000_000], vec![b'2'; 2_000_000]);
    let mut data = one.passive();
    one.command("STOR file", 150);
    data.write_all(&first[..1_000_000]).expect("data");
    server.wait_until_written(1_000_000);
    let mut other = two.passive();
    two.send("STOR file");
    let accepted = two.read_reply().code == 150;
    if accepted {
        other.write_all(&second).expect("data");
    }
    drop(other);
    let accepted = accepted && two.read_reply().code == 226;
    data.write_all(&first[1_000_000..]).expect("data");
    drop(data);
    one.expect(226);
    let found = stored("file");
    assert!(found == first || (accepted && found == second), "a mixture of {} bytes", found.len());
}

fn an_upload_whose_file_is_removed_meanwhile_is_not_complete() {
    let (_world, server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"content").expect("data");
    server.wait_until_written(7);
    fs::remove_file("/home/alice/file").expect("removed");
    drop(data);
    let reply = client.read_reply();
    assert!((400..=553).contains(&reply.code), "{reply}");
}
