//! Files that go either way, whole or not at all.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    what_goes_up_comes_down
    empty_files_and_single_bytes
    text_gets_network_line_ends_on_its_way_out
    text_gets_own_line_ends_on_its_way_in
    text_is_converted_across_every_border
    resumes_a_download
    resumes_an_upload
    appends
    resumes_beyond_four_gibibytes
    refuses_to_resume_behind_the_end
    uploads_beyond_four_gibibytes
    a_restart_counts_for_one_command_only
    replaces_a_longer_file_wholly
    new_files_belong_to_the_user
    new_files_get_the_mask_of_the_user
    does_not_read_what_only_others_may
    reads_what_a_supplementary_group_may
    does_not_write_what_only_others_may
    refuses_anything_but_files_at_once
    refuses_missing_files_before_a_connection_is_made
    tells_the_time_of_a_file
    sets_the_time_of_a_file
    tells_the_size_in_bytes
    takes_allo_without_a_word
    two_clients_transfer_side_by_side
}

/// A daemon that shows alice her home.
pub fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// Bytes without a pattern that a mistake could hide in.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn stored(name: &str) -> Vec<u8> {
    fs::read(Path::new("/home/alice").join(name)).expect("stored file")
}

fn what_goes_up_comes_down() {
    let (_world, _server, mut client) = alice("");
    let content = noise(5_000_003);
    client.transmit("STOR file", &content);
    assert!(stored("file") == content, "the stored file differs");
    assert!(client.receive("RETR file") == content, "the file that came back differs");
}

fn empty_files_and_single_bytes() {
    let (_world, _server, mut client) = alice("");
    for content in [&b""[..], b"\n", b"x", b"\0"] {
        client.transmit("STOR file", content);
        assert_eq!(stored("file"), content);
        assert_eq!(client.receive("RETR file"), content);
    }
}

fn text_gets_network_line_ends_on_its_way_out() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "text", "one\ntwo\n\nfour");
    client.command("TYPE A", 200);
    assert_eq!(client.receive_text("RETR text"), "one\r\ntwo\r\n\r\nfour");
    client.command("TYPE I", 200);
    assert_eq!(client.receive_text("RETR text"), "one\ntwo\n\nfour");
}

fn text_gets_own_line_ends_on_its_way_in() {
    let (_world, _server, mut client) = alice("");
    client.command("TYPE A", 200);
    client.transmit("STOR text", b"one\r\ntwo\r\n\r\na\rb\nlast");
    assert_eq!(stored("text"), b"one\ntwo\n\na\rb\nlast");
    client.transmit("STOR text", b"ends with a return\r");
    assert_eq!(stored("text"), b"ends with a return\r");
}

fn text_is_converted_across_every_border() {
    let (_world, _server, mut client) = alice("");
    client.command("TYPE A", 200);
    let lines = |end: &str| -> Vec<u8> {
        (0..60_000).flat_map(|n| format!("{}{end}", "x".repeat(n % 71)).into_bytes()).collect()
    };
    client.transmit("STOR text", &lines("\r\n"));
    assert!(stored("text") == lines("\n"), "the stored text differs");
    assert!(client.receive("RETR text") == lines("\r\n"), "the text that came back differs");
    // A line end that arrives in two pieces, with time between them.
    let mut data = client.passive();
    data.set_nodelay(true).expect("no delay");
    client.command("STOR text", 150);
    for piece in ["one\r", "\ntwo\r", "\r", "\nthree"] {
        data.write_all(piece.as_bytes()).expect("piece");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(data);
    client.expect(226);
    assert_eq!(stored("text"), b"one\ntwo\r\nthree");
}

fn resumes_a_download() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123456789");
    client.command("REST 4", 350);
    assert_eq!(client.receive_text("RETR file"), "456789");
    client.command("REST 10", 350);
    assert_eq!(client.receive_text("RETR file"), "");
}

fn resumes_an_upload() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123");
    client.command("REST 4", 350);
    client.transmit("STOR file", b"456789");
    assert_eq!(stored("file"), b"0123456789");
}

fn appends() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123");
    client.transmit("APPE file", b"4567");
    client.transmit("APPE file", b"89");
    client.transmit("APPE new", b"new");
    assert_eq!(stored("file"), b"0123456789");
    assert_eq!(stored("new"), b"new");
}

fn resumes_beyond_four_gibibytes() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "large", "");
    let large = 5 << 30;
    File::options().write(true).open(path).and_then(|file| file.write_all_at(b"the end", large)).expect("sparse");
    assert_eq!(client.command("SIZE large", 213).text(), (large + 7).to_string());
    assert!(client.receive_text("LIST").contains(&(large + 7).to_string()));
    client.command(&format!("REST {}", large - 3), 350);
    assert_eq!(client.receive_text("RETR large"), "\0\0\0the end");
}

fn uploads_beyond_four_gibibytes() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "large", "");
    let large = 5u64 << 30;
    File::options().write(true).open(&path).and_then(|file| file.set_len(large)).expect("sparse");
    client.command(&format!("REST {large}"), 350);
    client.transmit("STOR large", b"the end");
    client.transmit("APPE large", b", really");
    let file = File::open(&path).expect("file");
    let mut end = [0; 15];
    file.read_exact_at(&mut end, large).expect("the end");
    assert_eq!(&end, b"the end, really");
    assert_eq!(file.metadata().expect("metadata").len(), large + 15);
}

fn refuses_to_resume_behind_the_end() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123");
    let mut refused = |restart: &str, command: &str| {
        client.send(restart);
        if client.read_reply().code != 350 {
            return;
        }
        let _data = client.passive();
        client.send(command);
        let code = client.read_reply().code;
        assert!([501, 550, 551, 554].contains(&code), "{restart}, {command}: {code}");
    };
    refused("REST 5", "RETR file");
    refused("REST 5", "STOR file");
    refused("REST 18446744073709551617", "RETR file");
    refused("REST -1", "RETR file");
    refused("REST 9223372036854775807", "STOR file");
    assert_eq!(stored("file"), b"0123");
}

fn a_restart_counts_for_one_command_only() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123456789");
    client.command("REST 4", 350);
    assert_eq!(client.receive_text("RETR file"), "456789");
    assert_eq!(client.receive_text("RETR file"), "0123456789");
}

fn replaces_a_longer_file_wholly() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "file", "a long content");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).expect("mode");
    client.transmit("STOR file", b"short");
    assert_eq!(stored("file"), b"short");
    assert_eq!(fs::metadata(path).expect("file").mode() & 0o777, 0o604, "the file keeps its mode");
}

fn new_files_belong_to_the_user() {
    let (_world, _server, mut client) = alice("");
    client.transmit("STOR file", b"content");
    let file = fs::metadata("/home/alice/file").expect("file");
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (2001, 2001, 0o644));
}

fn new_files_get_the_mask_of_the_user() {
    let world = World::new();
    let _server = Server::start(&world, "session.umask = \"077\"\nuser.bob.umask = \"007\"");
    for (user, mode) in [("alice", 0o600), ("bob", 0o660)] {
        Client::logged_in(user).transmit("STOR file", b"content");
        let file = fs::metadata(format!("/home/{user}/file")).expect("file");
        assert_eq!(file.mode() & 0o7777, mode, "mode of the file of {user}");
    }
}

/// Makes a file of bob's in a directory that everybody can enter.
fn shared(world: &World, name: &str, group: Option<u32>, mode: u32) {
    world.write(format!("/srv/shared/{name}"), "shared");
    let path = format!("/srv/shared/{name}");
    std::os::unix::fs::chown(&path, Some(2002), group.or(Some(2002))).expect("owner");
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode");
}

fn does_not_read_what_only_others_may() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    shared(&world, "private", None, 0o600);
    let _data = client.passive();
    client.command("RETR /srv/shared/private", 550);
}

fn reads_what_a_supplementary_group_may() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    shared(&world, "for-staff", Some(3001), 0o640);
    assert_eq!(client.receive_text("RETR /srv/shared/for-staff"), "shared");
    let mut bob = Client::greeted();
    bob.log_in("bob");
    // The owner may; the group does not matter for him.
    assert_eq!(bob.receive_text("RETR /srv/shared/for-staff"), "shared");
}

fn does_not_write_what_only_others_may() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    shared(&world, "readable", None, 0o644);
    assert_eq!(client.receive_text("RETR /srv/shared/readable"), "shared");
    for command in ["STOR", "APPE"] {
        let _data = client.passive();
        client.send(&format!("{command} /srv/shared/readable"));
        let code = client.read_reply().code;
        assert!([550, 553].contains(&code), "{command}: {code}");
    }
    client.command("DELE /srv/shared/readable", 550);
    client.command("RNFR /srv/shared/readable", 350);
    client.command("RNTO /srv/shared/other", 550);
    assert_eq!(fs::read("/srv/shared/readable").expect("file"), b"shared");
}

fn refuses_anything_but_files_at_once() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    world.give("alice", "directory/file", "");
    nix::unistd::mkfifo("/home/alice/fifo", Mode::from_bits_truncate(0o666)).expect("fifo");
    fs::set_permissions("/home/alice/fifo", PermissionsExt::from_mode(0o666)).expect("mode");
    let _socket = UnixListener::bind("/home/alice/socket").expect("socket");
    for name in ["fifo", "socket", "directory", "/dev/zero", "/dev/null", "/proc/self/mem"] {
        let _data = client.passive();
        let asked = Instant::now();
        client.command(&format!("RETR {name}"), 550);
        client.send(&format!("STOR {name}"));
        let code = client.read_reply().code;
        assert!([550, 553].contains(&code), "STOR {name}: {code}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{name} took {:?}", asked.elapsed());
    }
}

fn refuses_missing_files_before_a_connection_is_made() {
    let (_world, _server, mut client) = alice("");
    client.passive_address();
    client.command("RETR missing", 550);
    client.passive_address();
    client.send("STOR missing/file");
    let code = client.read_reply().code;
    assert!([550, 553].contains(&code), "{code}");
}

fn tells_the_time_of_a_file() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "file", "content");
    // 1999-12-31 23:59:59 UTC
    let time = std::time::UNIX_EPOCH + Duration::from_secs(946_684_799);
    File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("time");
    assert_eq!(client.command("MDTM file", 213).text(), "19991231235959");
    client.command("MDTM missing", 550);
}

fn sets_the_time_of_a_file() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "file", "content");
    let reply = client.command("MFMT 19991231235959 file", 213);
    assert!(reply.text().to_lowercase().starts_with("modify=19991231235959; "), "{reply}");
    assert_eq!(fs::metadata(path).expect("file").mtime(), 946_684_799);
    client.command("MFMT 19991331235959 file", 501);
}

fn tells_the_size_in_bytes() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123\n");
    assert_eq!(client.command("SIZE file", 213).text(), "5");
    client.command("SIZE missing", 550);
    client.command("SIZE .", 550);
}

fn takes_allo_without_a_word() {
    let (_world, _server, mut client) = alice("");
    client.send("ALLO 1000");
    let code = client.read_reply().code;
    assert!([200, 202].contains(&code), "{code}");
}

fn two_clients_transfer_side_by_side() {
    let (world, server, mut one) = alice("");
    let mut two = Client::logged_in("bob");
    world.give("alice", "file", noise(100_000));
    let mut data = one.passive();
    one.command("RETR file", 150);
    two.transmit("STOR file", b"content");
    let mut content = Vec::new();
    data.read_to_end(&mut content).expect("data");
    one.expect(226);
    assert!(content == noise(100_000));
    wait_until("both are served", || (server.log().contains("bob")).then_some(()));
}
