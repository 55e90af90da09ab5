//! Programs that fetch or keep whole trees and large files: wget, aria2 and rclone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::accounts::PASSWORD;
use crate::clients::{FILES, assert_same, content, own_file, run};
use crate::server::Server;
use crate::world::World;

tests! {
    wget_fetches_a_tree
    wget_resumes
    wget_fetches_only_what_is_newer
    wget_expands_patterns
    aria2_fetches_in_segments
    aria2_resumes
    rclone_syncs_and_checks
    rclone_fetches_in_parallel
}

/// wget as alice.
fn wget(world: &World, arguments: &[&str]) -> String {
    let password = format!("--password={PASSWORD}");
    // It has a table of names of its own; "nocontrol" leaves UTF-8 alone.
    let common = ["--no-config", "--no-verbose", "--tries=1", "--user=alice", &password, "--restrict-file-names=nocontrol"];
    // Where wget is the second version, which knows no FTP, the first is beside it under this name.
    let program = if Path::new("/usr/bin/wget1").exists() { "wget1" } else { "wget" };
    run(world, program, &[&common, arguments].concat())
}

fn wget_fetches_a_tree() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for (name, length) in FILES {
        world.give("alice", name, content(*length));
    }
    wget(&world, &["--recursive", "--no-host-directories", "--directory-prefix=copy", "ftp://127.0.0.1/"]);
    assert_same(Path::new("/home/alice"), Path::new("/run/world/client/copy"));
}

fn wget_resumes() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let whole = content(500_000);
    world.give("alice", "large", &whole);
    let own = own_file(&world, "large", &whole[..300_000]);
    wget(&world, &["--continue", "ftp://127.0.0.1/large"]);
    assert!(fs::read(own).expect("file") == whole);
}

fn wget_fetches_only_what_is_newer() {
    let world = World::new();
    let server = Server::start(&world, "");
    world.give("alice", "file", "content");
    wget(&world, &["--timestamping", "ftp://127.0.0.1/file"]);
    let before = server.log_length();
    wget(&world, &["--timestamping", "ftp://127.0.0.1/file"]);
    server.wait_for_log_after(before, "session closed");
    let log = server.log();
    assert_eq!(log.matches("RETR").count(), 1, "{log}");
}

fn wget_expands_patterns() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for name in ["one.txt", "two.txt", "three.dat"] {
        world.give("alice", name, name);
    }
    wget(&world, &["ftp://127.0.0.1/*.txt"]);
    let own = Path::new("/run/world/client");
    assert!(own.join("one.txt").exists() && own.join("two.txt").exists() && !own.join("three.dat").exists());
}

/// aria2c as alice.
fn aria2(world: &World, arguments: &[&str]) -> String {
    let password = format!("--ftp-passwd={PASSWORD}");
    let common = ["--no-conf", "--ftp-user=alice", &password, "--max-tries=1", "--file-allocation=none"];
    run(world, "aria2c", &[&common, arguments].concat())
}

fn aria2_fetches_in_segments() {
    let world = World::new();
    // Otherwise the first connection has everything before the others have logged in.
    let server = Server::start(&world, "session.download-rate = \"4M\"");
    let whole = content(8_000_000);
    world.give("alice", "large", &whole);
    let segments = ["--max-connection-per-server=4", "--split=4", "--min-split-size=1M"];
    aria2(&world, &[&segments[..], &["ftp://127.0.0.1/large"]].concat());
    assert!(fs::read("/run/world/client/large").expect("file") == whole);
    assert!(server.log().matches("logged in").count() >= 2, "{}", server.log());
}

fn aria2_resumes() {
    let world = World::new();
    // Of two replies that it reads together, it waits a minute for the second.
    let _server = Server::start(&world, "session.download-rate = \"8M\"");
    let whole = content(3_000_000);
    world.give("alice", "large", &whole);
    let own = own_file(&world, "large", &whole[..1_000_000]);
    aria2(&world, &["--continue=true", "ftp://127.0.0.1/large"]);
    assert!(fs::read(own).expect("file") == whole);
}

/// rclone, for which the server is `ftpd:`.
fn rclone(world: &World, arguments: &[&str]) -> String {
    let password = run(world, "rclone", &["obscure", PASSWORD]);
    let remote = format!(":ftp,host=127.0.0.1,user=alice,pass={}:", password.trim());
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("ftpd:", &remote)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(world, "rclone", &[&["--config=", "--retries=1", "--low-level-retries=1"], &arguments[..]].concat())
}

fn rclone_syncs_and_checks() {
    let world = World::new();
    let server = Server::start(&world, "");
    let original = world.own_directory("client/original");
    for (name, length) in FILES {
        world.write(original.join(name), content(*length));
    }
    rclone(&world, &["sync", "original", "ftpd:copy"]);
    assert_same(&original, Path::new("/home/alice/copy"));
    rclone(&world, &["check", "--download", "original", "ftpd:copy"]);
    let time = |path: &Path| fs::metadata(path).expect("file").mtime();
    assert_eq!(time(&original.join("directory/large")), time(Path::new("/home/alice/copy/directory/large")));
    // Nothing has changed: nothing is sent again.
    let before = fs::metadata("/home/alice/copy/directory/large").expect("file").ino();
    rclone(&world, &["sync", "original", "ftpd:copy"]);
    assert_eq!(fs::metadata("/home/alice/copy/directory/large").expect("file").ino(), before, "{}", server.log());
    // What is gone here goes there, what is new comes.
    fs::remove_file(original.join("one byte")).expect("removed");
    fs::remove_dir_all(original.join("directory/deeper")).expect("removed");
    world.write(original.join("new"), "new");
    rclone(&world, &["sync", "original", "ftpd:copy"]);
    rclone(&world, &["check", "--download", "original", "ftpd:copy"]);
    assert!(!Path::new("/home/alice/copy/one byte").exists());
    assert!(!Path::new("/home/alice/copy/directory/deeper").exists());
    assert_eq!(fs::read("/home/alice/copy/new").expect("file"), b"new");
}

fn rclone_fetches_in_parallel() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for number in 0..40 {
        world.give("alice", format!("tree/{}/{number}", number % 4), content(number * 1000));
    }
    rclone(&world, &["copy", "--transfers=8", "--checkers=8", "ftpd:tree", "copy"]);
    for number in 0..40 {
        let path = format!("/run/world/client/copy/{}/{number}", number % 4);
        assert!(fs::read(&path).expect("file") == content(number * 1000), "{path}");
    }
    assert_eq!(rclone(&world, &["size", "--json", "ftpd:tree"]).trim(), r#"{"count":40,"bytes":780000,"sizeless":0}"#);
}
