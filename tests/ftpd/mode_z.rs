//! MODE Z: compressed transfers, which are whole or not at all like any other.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::client::{Client, reset};
use crate::server::Server;
use crate::world::World;

tests! {
    what_goes_up_comes_down_compressed
    listings_are_compressed
    text_is_converted_before_it_is_compressed
    offsets_count_bytes_of_the_file
    appending_is_compressed
    more_than_four_gibibytes_are_compressed
    the_log_counts_bytes_of_the_file
    a_compressed_upload_without_an_end_is_not_complete
    a_damaged_upload_is_not_complete
    what_follows_the_end_makes_an_upload_incomplete
    nothing_at_all_is_no_compressed_file
    a_bomb_fills_no_more_than_the_disk
    a_compressed_download_can_be_aborted
    a_bomb_can_be_aborted
    the_level_can_be_chosen
    compression_can_be_switched_off
    mode_s_ends_compression
}

/// A daemon that shows alice her home, compressed.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    let server = Server::start(&world, settings);
    let mut client = Client::logged_in("alice");
    client.command("MODE Z", 200);
    (world, server, client)
}

fn stored(name: &str) -> Vec<u8> {
    fs::read(Path::new("/home/alice").join(name)).expect("stored file")
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("compression");
    encoder.finish().expect("compression")
}

fn inflated(wire: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut decoder = ZlibDecoder::new(wire);
    decoder.read_to_end(&mut content).expect("a whole stream");
    assert_eq!(decoder.total_in(), wire.len() as u64, "nothing follows the stream");
    content
}

/// Text that is worth compressing, and bytes that are not.
fn content() -> Vec<u8> {
    let mut content = b"The same line again and again.\n".repeat(100_000);
    let mut state = 1u32;
    content.extend((0..1_000_003).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    content
}

fn what_goes_up_comes_down_compressed() {
    let (_world, _server, mut client) = alice("");
    for content in [content(), Vec::new(), b"x".to_vec()] {
        client.transmit("STOR file", &deflated(&content));
        assert!(stored("file") == content, "the stored file differs");
        let wire = client.receive("RETR file");
        assert!(content.len() < 100 || wire.len() < content.len() / 2, "{} bytes on the wire", wire.len());
        assert!(inflated(&wire) == content, "the file that came back differs");
    }
}

fn listings_are_compressed() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "content");
    for command in ["LIST", "NLST", "MLSD"] {
        let listing = inflated(&client.receive(command));
        assert!(listing.ends_with(b"file\r\n"), "{command}: {listing:?}");
    }
    assert_eq!(inflated(&client.receive("NLST none*")), b"");
}

fn text_is_converted_before_it_is_compressed() {
    let (_world, _server, mut client) = alice("");
    client.command("TYPE A", 200);
    client.transmit("STOR text", &deflated(b"one\r\ntwo\r\nlast\r"));
    assert_eq!(stored("text"), b"one\ntwo\nlast\r");
    assert_eq!(inflated(&client.receive("RETR text")), b"one\r\ntwo\r\nlast\r");
}

fn offsets_count_bytes_of_the_file() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "0123456789");
    client.command("REST 4", 350);
    assert_eq!(inflated(&client.receive("RETR file")), b"456789");
    client.command("REST 4", 350);
    client.transmit("STOR file", &deflated(b"abc"));
    assert_eq!(stored("file"), b"0123abc");
}

fn appending_is_compressed() {
    let (_world, _server, mut client) = alice("");
    client.transmit("APPE file", &deflated(b"one"));
    client.transmit("APPE file", &deflated(b"two"));
    assert_eq!(stored("file"), b"onetwo");
    client.transmit("STOU", &deflated(b"unique"));
    assert_eq!(stored("upload"), b"unique");
}

fn more_than_four_gibibytes_are_compressed() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "large", "");
    let large = 4u64 << 30;
    File::options().write(true).open(&path).and_then(|file| file.write_all_at(b"the end", large)).expect("sparse");
    client.command("OPTS MODE Z LEVEL 1", 200);
    let data = client.passive();
    client.command("RETR large", 150);
    let mut decoder = ZlibDecoder::new(data);
    let (mut buffer, mut total, mut end) = (vec![0; 1 << 20], 0, Vec::new());
    loop {
        let length = decoder.read(&mut buffer).expect("data");
        if length == 0 {
            break;
        }
        total += length as u64;
        end = buffer[length.saturating_sub(3)..length].to_vec();
    }
    client.expect(226);
    assert_eq!((total, end.as_slice()), (large + 7, &b"end"[..]));
    client.command(&format!("REST {large}"), 350);
    client.transmit("STOR large", &deflated(b"another end"));
    assert_eq!(fs::metadata(&path).expect("metadata").len(), large + 11);
}

fn the_log_counts_bytes_of_the_file() {
    let (_world, server, mut client) = alice("");
    client.transmit("STOR file", &deflated(&[b'x'; 123_456]));
    assert!(server.wait_for_log("STOR \"/file\"").contains("bytes=123456 "));
    client.receive("RETR file");
    assert!(server.wait_for_log("RETR \"/file\"").contains("bytes=123456 "));
}

/// Sends bytes to STOR and ends the connection properly; what the server says of it.
fn upload(client: &mut Client, wire: &[u8]) -> u16 {
    let mut data = client.passive();
    client.command("STOR file", 150);
    // The server may refuse the rest.
    let _ = data.write_all(wire);
    drop(data);
    client.read_reply().code
}

fn a_compressed_upload_without_an_end_is_not_complete() {
    let (world, server, mut client) = alice("");
    world.give("alice", "file", "the old content");
    let wire = deflated(&content());
    for cut in [wire.len() - 1, wire.len() / 2, 1] {
        assert_eq!(upload(&mut client, &wire[..cut]), 426);
        assert_eq!(stored("file"), b"the old content");
    }
    assert!(server.wait_for_log("STOR \"/file\"").contains("completed=0"));
    client.command("DELE file", 250);
    assert_eq!(upload(&mut client, &wire[..wire.len() - 1]), 426);
    assert!(content().starts_with(&stored("file")), "what came is kept for resuming");
}

fn a_damaged_upload_is_not_complete() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "the old content");
    let mut wire = deflated(&content());
    let last = wire.len() - 1;
    wire[last] ^= 1;
    assert_eq!(upload(&mut client, &wire), 451);
    assert_eq!(upload(&mut client, b"This has not been compressed at all."), 451);
    assert_eq!(stored("file"), b"the old content");
}

fn what_follows_the_end_makes_an_upload_incomplete() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "the old content");
    let mut wire = deflated(b"the new content");
    wire.extend_from_slice(b"and more");
    assert_eq!(upload(&mut client, &wire), 451);
    assert_eq!(stored("file"), b"the old content");
}

fn nothing_at_all_is_no_compressed_file() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "the old content");
    assert_eq!(upload(&mut client, b""), 426);
    assert_eq!(stored("file"), b"the old content");
}

/// A gibibyte of zeros, as it comes over the wire.
fn bomb() -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| encoder.write_all(&zeros).expect("compression"));
    encoder.finish().expect("compression")
}

fn a_bomb_fills_no_more_than_the_disk() {
    let world = World::new();
    world.mount_small("/home/alice", "alice", 1 << 20);
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.command("MODE Z", 200);
    let code = upload(&mut client, &bomb());
    assert!([452, 552].contains(&code), "{code}");
    client.command("NOOP", 200);
}

fn a_compressed_download_can_be_aborted() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "large", "");
    File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 40)).expect("sparse");
    let _data = client.passive();
    client.command("RETR large", 150);
    // The transfer is what 426 ends; ABOR itself is answered with 226.
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    assert_eq!(inflated(&client.receive("NLST")), b"large\r\n");
}

fn a_bomb_can_be_aborted() {
    let (_world, _server, mut client) = alice("");
    let mut data = client.passive();
    client.command("STOR file", 150);
    let wire = bomb();
    data.write_all(&wire[..wire.len() - 10]).expect("data");
    // The transfer is what 426 ends; ABOR itself is answered with 226.
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    reset(data);
    client.command("NOOP", 200);
}

fn the_level_can_be_chosen() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", content());
    let mut sizes = Vec::new();
    for level in ["0", "1", "9"] {
        client.command(&format!("OPTS MODE Z LEVEL {level}"), 200);
        let wire = client.receive("RETR file");
        assert!(inflated(&wire) == content(), "the file differs at level {level}");
        sizes.push(wire.len());
    }
    assert!(sizes[0] > content().len() && sizes[1] < sizes[0] && sizes[2] <= sizes[1], "{sizes:?}");
    for silly in ["LEVEL 10", "LEVEL", "LEVEL -1", "LEVEL x", "ENGINE X"] {
        client.command(&format!("OPTS MODE Z {silly}"), 501);
    }
    assert!(client.command("FEAT", 211).whole().contains("\n MODE Z\n"));
}

fn compression_can_be_switched_off() {
    let world = World::new();
    let _server = Server::start(&world, "data.mode-z = false");
    let mut client = Client::greeted();
    assert!(!client.command("FEAT", 211).whole().contains("MODE Z"));
    client.log_in("alice");
    assert!(!client.command("FEAT", 211).whole().contains("MODE Z"));
    client.command("MODE Z", 504);
    client.command("MODE S", 200);
    client.command("OPTS MODE Z LEVEL 1", 501);
}

fn mode_s_ends_compression() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "content");
    client.command("MODE S", 200);
    assert_eq!(client.receive_text("RETR file"), "content");
    client.command("MODE B", 504);
    assert_eq!(client.receive_text("RETR file"), "content");
}
