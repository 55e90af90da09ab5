//! Digests of files: what HASH and its older relatives say, of which bytes, and how they let themselves be stopped.

use std::fs::File;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    hash_is_sha_256_unless_something_else_is_chosen
    hash_agrees_with_the_programs_of_the_machine
    rang_limits_hash_to_some_bytes_once
    rang_limits_a_download_to_some_bytes_once
    rang_is_refused_where_it_makes_no_sense
    the_older_verbs_answer_as_clients_expect
    the_older_verbs_take_a_range_and_quotes
    files_without_a_size_are_read_to_their_end
    nothing_is_hashed_that_may_not_be_read
    a_limit_keeps_large_files_from_being_hashed
    abor_ends_a_long_hash
    a_long_hash_tells_how_far_it_is
    a_long_hash_is_not_idleness
    feat_names_the_chosen_algorithm
}

/// A daemon that shows alice her home, with a file of ten bytes and a quick brown fox.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "digits", "0123456789");
    world.give("alice", "a fox", "The quick brown fox jumps over the lazy dog");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

/// A file that takes a while to read, and no room.
fn large(world: &World, bytes: u64) {
    let path = world.give("alice", "large", "");
    File::options().write(true).open(path).and_then(|file| file.set_len(bytes)).expect("large file");
}

/// What a program such as sha256sum says of a file of alice's.
fn digest_by(world: &World, program: &str, name: &str) -> String {
    let output = world.command(program).arg(format!("/home/alice/{name}")).output().expect(program);
    String::from_utf8(output.stdout).expect("text").split(' ').next().expect("digest").into()
}

fn hash_is_sha_256_unless_something_else_is_chosen() {
    let (_world, _server, mut client) = alice("");
    assert_eq!(client.command("OPTS HASH", 200).text(), "SHA-256");
    assert_eq!(
        client.command("HASH a fox", 213).text(),
        "SHA-256 0-42 d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592 a fox"
    );
    assert_eq!(client.command("OPTS HASH md5", 200).text(), "MD5");
    assert_eq!(client.command("HASH a fox", 213).text(), "MD5 0-42 9e107d9d372bb6826bd81d3542a419d6 a fox");
    client.command("OPTS HASH CRC32", 200);
    assert_eq!(client.command("HASH /a fox", 213).text(), "CRC32 0-42 414fa339 /a fox");
    client.command("OPTS HASH WHIRLPOOL", 501);
    assert_eq!(client.command("OPTS HASH", 200).text(), "CRC32");
}

fn hash_agrees_with_the_programs_of_the_machine() {
    let (world, _server, mut client) = alice("");
    let noise: Vec<u8> = (0..5_000_003u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    world.give("alice", "noise", noise);
    world.give("alice", "empty", "");
    for (algorithm, program) in
        [("SHA-256", "sha256sum"), ("SHA-512", "sha512sum"), ("SHA-1", "sha1sum"), ("MD5", "md5sum")]
    {
        client.command(&format!("OPTS HASH {algorithm}"), 200);
        for (name, range) in [("noise", "0-5000002"), ("digits", "0-9"), ("empty", "0-0")] {
            let expected = digest_by(&world, program, name);
            let reply = client.command(&format!("HASH {name}"), 213);
            assert_eq!(reply.text(), format!("{algorithm} {range} {expected} {name}"));
        }
    }
}

fn rang_limits_hash_to_some_bytes_once() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "part", "234");
    client.command("OPTS HASH MD5", 200);
    let part = digest_by(&world, "md5sum", "part");
    let whole = digest_by(&world, "md5sum", "digits");
    client.command("RANG 2 4", 350);
    assert_eq!(client.command("HASH digits", 213).text(), format!("MD5 2-4 {part} digits"));
    assert_eq!(client.command("HASH digits", 213).text(), format!("MD5 0-9 {whole} digits"));
    client.command("RANG 2 4", 350);
    client.command("RANG 1 0", 350);
    assert_eq!(client.command("HASH digits", 213).text(), format!("MD5 0-9 {whole} digits"));
    client.command("RANG 0 99", 350);
    assert_eq!(client.command("HASH digits", 213).text(), format!("MD5 0-9 {whole} digits"));
    client.command("RANG 10 20", 350);
    client.command("HASH digits", 554);
}

fn rang_limits_a_download_to_some_bytes_once() {
    let (_world, _server, mut client) = alice("");
    client.command("RANG 3 5", 350);
    assert_eq!(client.receive_text("RETR digits"), "345");
    assert_eq!(client.receive_text("RETR digits"), "0123456789");
    client.command("RANG 8 100", 350);
    assert_eq!(client.receive_text("RETR digits"), "89");
    // The last word counts.
    client.command("RANG 3 5", 350);
    client.command("REST 7", 350);
    assert_eq!(client.receive_text("RETR digits"), "789");
    client.command("REST 7", 350);
    client.command("RANG 3 5", 350);
    assert_eq!(client.receive_text("RETR digits"), "345");
}

fn rang_is_refused_where_it_makes_no_sense() {
    let (_world, _server, mut client) = alice("");
    for argument in ["", " ", " 1", " 5 4", " 2 1", " a b", " -1 5", " 1 2 3", " 0 18446744073709551615"] {
        client.command(&format!("RANG{argument}"), 501);
    }
    client.command("RANG 0 1", 350);
    let _data = client.passive();
    client.command("STOR digits", 503);
    assert_eq!(std::fs::read("/home/alice/digits").expect("file"), b"0123456789");
    client.command("RANG 10 10", 350);
    client.command("RETR digits", 554);
    client.command("TYPE A", 200);
    client.command("RANG 0 1", 350);
    client.command("RETR digits", 504);
}

fn the_older_verbs_answer_as_clients_expect() {
    let (world, _server, mut client) = alice("");
    assert_eq!(client.command("XCRC digits", 250).text(), "A684C7C6");
    for (verb, program) in [
        ("XMD5", "md5sum"),
        ("XSHA", "sha1sum"),
        ("XSHA1", "sha1sum"),
        ("XSHA256", "sha256sum"),
        ("XSHA512", "sha512sum"),
    ] {
        let expected = digest_by(&world, program, "a fox").to_uppercase();
        assert_eq!(client.command(&format!("{verb} a fox"), 250).text(), expected, "{verb}");
    }
    assert_eq!(client.command("MD5 a fox", 251).text(), "a fox 9E107D9D372BB6826BD81D3542A419D6");
    for verb in ["XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512", "MD5", "HASH"] {
        client.command(verb, 501);
        client.command(&format!("{verb} missing"), 550);
        client.command(&format!("{verb} /"), 550);
    }
}

fn the_older_verbs_take_a_range_and_quotes() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "part", "234");
    world.give("alice", "digits 0 5", "a name like an argument");
    let part = digest_by(&world, "md5sum", "part").to_uppercase();
    assert_eq!(client.command("XMD5 digits 2 5", 250).text(), part);
    assert_eq!(client.command("XMD5 \"digits\" 2 5", 250).text(), part);
    assert_eq!(client.command("XMD5 \"digits\", 2, 5", 250).text(), part);
    let named = digest_by(&world, "md5sum", "digits 0 5").to_uppercase();
    assert_eq!(client.command("XMD5 digits 0 5", 250).text(), named);
    client.command("XMD5 \"a fox\"", 250);
    client.command("XMD5 \"digits\" 5 5", 501);
    client.command("XMD5 \"digits\" 5", 501);
    client.command("XMD5 \"digits", 501);
    client.command("XMD5 \"digits\" 10 12", 554);
}

fn files_without_a_size_are_read_to_their_end() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    let output = world.command("sha256sum").arg("/proc/filesystems").output().expect("sha256sum");
    let expected = String::from_utf8(output.stdout).expect("text");
    let reply = client.command("HASH /proc/filesystems", 213);
    assert!(reply.text().contains(&expected[..64]), "{reply}");
}

fn nothing_is_hashed_that_may_not_be_read() {
    let (_world, _server, mut client) = alice("user.alice.permissions = \"el\"");
    for verb in ["HASH", "XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512", "MD5"] {
        client.command(&format!("{verb} digits"), 550);
        client.command(&format!("{verb} missing"), 550);
    }
}

fn a_limit_keeps_large_files_from_being_hashed() {
    let (_world, _server, mut client) = alice("session.hash-limit = \"42\"");
    client.command("HASH digits", 213);
    client.command("HASH a fox", 550);
    client.command("XCRC a fox", 550);
    client.command("RANG 1 42", 350);
    client.command("HASH a fox", 213);
}

fn abor_ends_a_long_hash() {
    let (world, _server, mut client) = alice("");
    large(&world, 50 << 30);
    client.send("HASH large");
    let asked = Instant::now();
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    client.command("PWD", 257);
}

fn a_long_hash_tells_how_far_it_is() {
    let (world, _server, mut client) = alice("");
    large(&world, 50 << 30);
    client.send("HASH large");
    // What comes at once waits, since the client may expect replies in order.
    std::thread::sleep(Duration::from_millis(1500));
    let reply = client.command("STAT", 213);
    assert!(reply.whole().contains("bytes"), "{reply}");
    client.command("NOOP", 200);
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
}

fn a_long_hash_is_not_idleness() {
    let (world, _server, mut client) = alice("session.idle-timeout = 1\nsession.stall-timeout = 1");
    large(&world, 50 << 30);
    client.send("HASH large");
    std::thread::sleep(Duration::from_millis(2500));
    client.send("ABOR");
    client.expect(426);
    client.expect(226);
    client.command("PWD", 257);
}

fn feat_names_the_chosen_algorithm() {
    let (_world, _server, mut client) = alice("");
    client.command("OPTS HASH SHA-1", 200);
    let features = client.command("FEAT", 211).whole();
    for line in [" HASH SHA-256;SHA-512;SHA-1*;MD5;CRC32\n", " RANG STREAM\n", " XCRC\n", " MD5\n"] {
        assert!(features.contains(line), "{line} in {features}");
    }
}
