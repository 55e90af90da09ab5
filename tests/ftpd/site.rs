//! SITE: copies, trees, links, and what a session is like.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    copies_a_file_with_its_mode
    a_copy_takes_the_place_of_what_was_there
    copies_what_cpfr_named_and_nothing_else
    a_copy_that_does_not_fit_leaves_nothing
    abor_ends_a_copy_and_leaves_nothing
    copies_only_what_may_be_read_to_where_may_be_written
    makes_a_whole_path
    removes_a_tree_and_follows_no_links
    removes_no_tree_of_somebody_else
    a_link_leads_there_inside_and_outside
    a_link_cannot_lead_out
    the_umask_counts_for_what_comes_after
    silence_can_be_made_shorter_and_not_longer
    tells_the_time
    tells_that_there_is_no_quota
    tells_a_quota_and_what_it_leaves
    tells_the_log_what_was_done
    help_names_every_member
    announces_what_there_is
}

/// A daemon that shows alice her home.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn stored(name: &str) -> Vec<u8> {
    fs::read(format!("/home/alice/{name}")).expect("stored file")
}

fn names() -> Vec<String> {
    let entries = fs::read_dir("/home/alice").expect("home");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect();
    names.sort();
    names
}

/// A file of this size that takes a while to copy.
fn large(world: &World, name: &str, bytes: u64) {
    let path = world.give("alice", name, "");
    let file = File::options().write(true).open(path).expect("file");
    file.set_len(bytes).expect("size");
    file.write_all_at(b"the end", bytes - 7).expect("end");
}

fn copies_a_file_with_its_mode() {
    let (world, _server, mut client) = alice("");
    let path = world.give("alice", "from", "content");
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("mode");
    world.give("alice", "a name", "spaces");
    world.give("alice", "empty", "");
    client.command("SITE COPY from to", 250);
    assert_eq!(stored("to"), b"content");
    let copy = fs::metadata("/home/alice/to").expect("copy");
    assert_eq!((copy.mode() & 0o7777, copy.uid(), copy.gid()), (0o755, 2001, 2001));
    client.command("SITE COPY \"a name\" \"another name\"", 250);
    assert_eq!(stored("another name"), b"spaces");
    client.command("SITE COPY empty nothing", 250);
    assert_eq!(stored("nothing"), b"");
    large(&world, "large", 50_000_003);
    client.command("SITE COPY large larger", 250);
    assert!(stored("larger") == stored("large"), "the copy differs");
}

fn a_copy_takes_the_place_of_what_was_there() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "from", "new");
    let path = world.give("alice", "to", "the old content");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).expect("mode");
    client.command("SITE COPY from to", 250);
    assert_eq!(stored("to"), b"new");
    assert_eq!(fs::metadata(&path).expect("file").mode() & 0o777, 0o604);
    client.command("SITE COPY to to", 250);
    assert_eq!(stored("to"), b"new");
    fs::create_dir("/home/alice/directory").expect("directory");
    client.command("SITE COPY from directory", 550);
    client.command("SITE COPY directory from", 550);
    client.command("SITE COPY missing to", 550);
    client.command("SITE COPY from missing/to", 550);
    assert_eq!(names(), ["directory", "from", "to"]);
}

fn copies_what_cpfr_named_and_nothing_else() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "from", "content");
    client.command("SITE CPTO to", 503);
    client.command("SITE CPFR missing", 550);
    client.command("SITE CPFR from", 350);
    client.command("SITE CPTO to", 250);
    client.command("SITE CPTO too", 503);
    client.command("SITE CPFR from", 350);
    client.command("NOOP", 200);
    client.command("SITE CPTO too", 503);
    assert_eq!(names(), ["from", "to"]);
}

fn a_copy_that_does_not_fit_leaves_nothing() {
    let world = World::new();
    world.mount_small("/home/alice", "alice", 1 << 20);
    let _server = Server::start(&world, "session.root-dir = \"real\"");
    let mut client = Client::logged_in("alice");
    world.write("/srv/large", vec![7; 4 << 20]);
    world.give("alice", "old", "the old content");
    client.send("SITE COPY /srv/large /home/alice/new");
    let code = client.read_reply().code;
    assert!([452, 552].contains(&code), "{code}");
    client.send("SITE COPY /srv/large /home/alice/old");
    let code = client.read_reply().code;
    assert!([452, 552].contains(&code), "{code}");
    assert_eq!(names(), ["old"]);
    assert_eq!(stored("old"), b"the old content");
}

fn abor_ends_a_copy_and_leaves_nothing() {
    let (world, _server, mut client) = alice("");
    large(&world, "large", 200 << 30);
    client.send_bytes(b"SITE COPY large copy\r\nABOR\r\n");
    client.expect(426);
    client.expect(226);
    client.command("PWD", 257);
    assert_eq!(names(), ["large"]);
}

fn copies_only_what_may_be_read_to_where_may_be_written() {
    let world = World::new();
    let _server = Server::start(
        &world,
        "session.root-dir = \"real\"\nuser.bob.permissions = \"elwd\"\nuser.alice.permissions = \"elr\"",
    );
    world.write("/srv/secret", "secret");
    fs::set_permissions("/srv/secret", PermissionsExt::from_mode(0o600)).expect("mode");
    world.give("bob", "file", "content");
    let mut client = Client::logged_in("bob");
    client.command("SITE COPY file copy", 550);
    client.command("SITE CPFR file", 550);
    let mut client = Client::logged_in("alice");
    client.command("SITE COPY /srv/ftp/welcome.txt copy", 550);
    client.command("SITE CPFR /srv/secret", 550);
    client.command("SITE CPFR /srv/ftp/welcome.txt", 350);
    client.command("SITE CPTO copy", 550);
    assert!(names().is_empty());
}

fn makes_a_whole_path() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("SITE MKDIR a/b b/c", 257);
    assert!(reply.text().starts_with("\"/a/b b/c\""), "{reply}");
    client.command("SITE MKDIR a/b b/c", 257);
    client.command("CWD a/b b/c", 250);
    client.command("SITE MKDIR /", 257);
    fs::write("/home/alice/file", "").expect("file");
    client.command("SITE MKDIR /file/x", 550);
    client.command("SITE MKDIR /file", 550);
}

fn removes_a_tree_and_follows_no_links() {
    let (world, _server, mut client) = alice("");
    for name in ["tree/a/b/c/file", "tree/file", "tree/.hidden", "kept/file"] {
        world.give("alice", name, "content");
    }
    symlink("/home/alice/kept", "/home/alice/tree/a/link").expect("link");
    symlink("../kept", "/home/alice/tree/relative").expect("link");
    symlink("tree", "/home/alice/shortcut").expect("link");
    client.command("SITE RMDIR shortcut", 550);
    client.command("SITE RMDIR missing", 550);
    client.command("SITE RMDIR kept/file", 550);
    client.command("SITE RMDIR /", 550);
    client.command("SITE RMDIR tree", 250);
    assert_eq!(names(), ["kept", "shortcut"]);
    assert_eq!(stored("kept/file"), b"content");
    for number in 0..3000 {
        world.give("alice", format!("many/{number}"), "");
    }
    client.command("SITE RMDIR many", 250);
    assert_eq!(names(), ["kept", "shortcut"]);
}

fn removes_no_tree_of_somebody_else() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    world.give("bob", "file", "content");
    fs::set_permissions("/home/bob", PermissionsExt::from_mode(0o755)).expect("mode");
    client.command("SITE RMDIR /home/bob", 550);
    client.command("SITE RMDIR /srv", 550);
    assert_eq!(fs::read("/home/bob/file").expect("file"), b"content");
}

fn a_link_leads_there_inside_and_outside() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "a/file", "content");
    world.give("alice", "b/c/other", "");
    client.command("SITE SYMLINK /a/file /b/c/link", 250);
    assert_eq!(client.receive_text("RETR b/c/link"), "content");
    assert_eq!(fs::read_link("/home/alice/b/c/link").expect("link").to_str(), Some("../../a/file"));
    assert_eq!(stored("b/c/link"), b"content");
    client.command("CWD b", 250);
    client.command("SITE SYMLINK c \"a link\"", 250);
    client.command("CWD a link", 250);
    client.command("SITE SYMLINK missing link", 550);
    client.command("SITE SYMLINK /a /b", 550);
}

fn a_link_cannot_lead_out() {
    let (world, _server, mut client) = alice("");
    client.command("SITE SYMLINK ../../etc/passwd passwd", 550);
    world.give("alice", "etc/passwd", "mine");
    client.command("SITE SYMLINK ../../../etc/passwd passwd", 250);
    assert_eq!(fs::read_link("/home/alice/passwd").expect("link").to_str(), Some("etc/passwd"));
    assert_eq!(client.receive_text("RETR passwd"), "mine");
}

fn the_umask_counts_for_what_comes_after() {
    let (_world, _server, mut client) = alice("");
    assert!(client.command("SITE UMASK", 200).text().contains("022"));
    client.command("SITE UMASK 077", 200);
    assert!(client.command("SITE UMASK", 200).text().contains("077"));
    client.command("MKD directory", 257);
    client.transmit("STOR file", b"");
    let mode = |name: &str| fs::metadata(format!("/home/alice/{name}")).expect("file").mode() & 0o777;
    assert_eq!((mode("directory"), mode("file")), (0o700, 0o600));
    client.command("SITE UMASK 1000", 501);
    client.command("SITE UMASK +77", 501);
}

fn silence_can_be_made_shorter_and_not_longer() {
    let (_world, _server, mut client) = alice("session.idle-timeout = 60");
    assert!(client.command("SITE IDLE", 200).text().contains("60"));
    client.command("SITE IDLE 61", 501);
    client.command("SITE IDLE 0", 501);
    client.command("SITE IDLE soon", 501);
    client.command("SITE IDLE 1", 200);
    client.expect(421);
    client.expect_end();
}

fn tells_the_time() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("SITE TIME", 200);
    assert!(reply.text().len() == 14 && reply.text().starts_with("20"), "{reply}");
}

fn tells_that_there_is_no_quota() {
    let (_world, _server, mut client) = alice("");
    assert!(client.command("SITE QUOTA", 200).text().contains("no quota"));
    let free: u64 = client.command("AVBL", 213).text().parse().expect("number");
    assert!(free > 0);
    client.command("AVBL /", 213);
    client.command("AVBL missing", 550);
}

fn tells_a_quota_and_what_it_leaves() {
    let world = World::new();
    world.mount_with_quota("/home/alice", "alice", 1 << 20);
    let _server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", &[7; 300_000]);
    let reply = client.command("SITE QUOTA", 200).whole();
    assert!(reply.contains("1048576"), "{reply}");
    let free: u64 = client.command("AVBL", 213).text().parse().expect("number");
    assert!((500_000..800_000).contains(&free), "{free}");
    client.command("ALLO 900000", 552);
    client.command("ALLO 400000", 202);
}

fn tells_the_log_what_was_done() {
    let (world, server, mut client) = alice("");
    world.give("alice", "file", "content");
    for (line, expected) in [
        ("SITE COPY file copy", "copied \"/file\" to \"/copy\""),
        ("SITE SYMLINK file link", "made link \"/link\" to \"/file\""),
        ("SITE CHGRP staff file", "changed the group of \"/file\" to 3001"),
        ("SITE MKDIR a/b", "made directory \"/a/b\""),
        ("SITE RMDIR a", "removed directory \"/a/b\""),
        ("HASH file", "HASH \"/file\" completed=1 bytes=7"),
    ] {
        client.send(line);
        assert!(client.read_reply().code < 300, "{line}");
        server.wait_for_log(expected);
    }
}

fn help_names_every_member() {
    let (_world, _server, mut client) = alice("");
    for line in ["SITE HELP", "HELP SITE"] {
        let help = client.command(line, 214).whole();
        for member in [
            "CHMOD", "CHGRP", "UMASK", "UTIME", "IDLE", "TIME", "SYMLINK", "CPFR", "CPTO", "COPY", "MKDIR",
            "RMDIR", "QUOTA", "HELP",
        ] {
            assert!(help.contains(&format!("SITE {member}")), "{member} in {help}");
        }
    }
    client.command("SITE HELP COPY", 214);
}

fn announces_what_there_is() {
    let (_world, _server, mut client) = alice("");
    let features = client.command("FEAT", 211).whole();
    for line in ["MFF Modify;UNIX.group;UNIX.mode;", "LANG EN*", "CLNT", "CSID", "AVBL", "PRET", "SITE COPY", "SITE SYMLINK"] {
        assert!(features.contains(&format!(" {line}\n")), "{line} in {features}");
    }
    assert!(!features.contains("MFCT"), "{features}");
    for (line, code) in [
        ("LANG", 200),
        ("LANG EN-GB", 200),
        ("LANG FR", 504),
        ("OPTS UTF8 OFF", 200),
        ("OPTS UTF8 ON", 200),
        ("PRET LIST", 200),
        ("PRET RETR missing", 550),
        ("PRET STOR missing/file", 550),
        ("PRET STOR new", 200),
        ("PRET RETR", 501),
    ] {
        client.command(line, code);
    }
}
