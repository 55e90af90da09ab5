//! Facts of files that clients set: mode, group and times.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    chmod_takes_octal_and_symbolic_modes
    chmod_gives_no_set_id_bits
    chgrp_gives_files_to_own_groups_only
    utime_is_understood_in_both_forms
    mff_sets_several_facts_at_once
    mff_sets_all_or_nothing
    the_time_of_creation_cannot_be_set
    each_fact_needs_its_letter
}

/// A daemon that shows alice her home, with a file.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    world.give("alice", "a file", "content");
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn file() -> fs::Metadata {
    fs::metadata("/home/alice/a file").expect("file")
}

fn chmod_takes_octal_and_symbolic_modes() {
    let (_world, _server, mut client) = alice("");
    for (mode, expected) in [
        ("600", 0o600),
        ("0644", 0o644),
        ("u+x,go-r", 0o700),
        ("a=r", 0o444),
        ("+w", 0o644),
        ("g=u", 0o664),
        ("o=", 0o660),
        ("a+X", 0o660),
    ] {
        client.command(&format!("SITE CHMOD {mode} a file"), 200);
        assert_eq!(file().mode() & 0o7777, expected, "{mode}");
    }
    for mode in ["99", "8888", "u+q", "+", "u", "rw"] {
        let expected = if mode == "+" { 200 } else { 501 };
        client.command(&format!("SITE CHMOD {mode} a file"), expected);
    }
    client.command("SITE CHMOD 644 missing", 550);
    client.command("SITE CHMOD 644", 501);
}

fn chmod_gives_no_set_id_bits() {
    let (_world, _server, mut client) = alice("");
    client.command("SITE CHMOD 7755 a file", 200);
    assert_eq!(file().mode() & 0o7777, 0o755);
    for mode in ["u+s", "g+s", "+t", "u=rws"] {
        client.command(&format!("SITE CHMOD {mode} a file"), 501);
    }
    assert_eq!(file().mode() & 0o7777, 0o755);
}

fn chgrp_gives_files_to_own_groups_only() {
    let (_world, _server, mut client) = alice("");
    client.command("SITE CHGRP staff a file", 200);
    assert_eq!(file().gid(), 3001);
    client.command("SITE CHGRP 2001 a file", 200);
    assert_eq!(file().gid(), 2001);
    for group in ["bob", "root", "0", "nonsense"] {
        client.command(&format!("SITE CHGRP {group} a file"), 550);
    }
    assert_eq!(file().gid(), 2001);
    client.command("SITE CHGRP staff missing", 550);
}

fn utime_is_understood_in_both_forms() {
    let (_world, _server, mut client) = alice("");
    client.command("SITE UTIME 20010909014640 a file", 200);
    assert_eq!(file().mtime(), 1_000_000_000);
    client.command("SITE UTIME 200109090147 a file", 200);
    assert_eq!(file().mtime(), 1_000_000_020);
    client.command("SITE UTIME a file 19700101000001 20010909014641 20010909014641 UTC", 200);
    assert_eq!((file().atime(), file().mtime()), (1, 1_000_000_001));
    client.command("SITE UTIME 20011309014640 a file", 501);
    client.command("SITE UTIME a file", 501);
    client.command("SITE UTIME 20010909014640 missing", 550);
}

fn mff_sets_several_facts_at_once() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("MFF Modify=20010909014640;UNIX.mode=0640;UNIX.group=staff; a file", 213);
    assert_eq!(reply.text(), "Modify=20010909014640;UNIX.mode=0640;UNIX.group=staff; /a file");
    assert_eq!((file().mtime(), file().mode() & 0o7777, file().gid()), (1_000_000_000, 0o640, 3001));
    client.command("MFF unix.MODE=600 a file", 213);
    assert_eq!(file().mode() & 0o7777, 0o600);
}

fn mff_sets_all_or_nothing() {
    let (_world, _server, mut client) = alice("");
    let before = file().mode();
    for (facts, code) in [
        ("UNIX.mode=600;Size=5;", 504),
        ("UNIX.mode=600;Create=20010909014640;", 504),
        ("UNIX.mode=600;Modify=yesterday;", 501),
        ("UNIX.mode=600;UNIX.group=root;", 550),
        ("UNIX.mode=999;", 501),
        ("UNIX.mode", 501),
    ] {
        client.command(&format!("MFF {facts} a file"), code);
    }
    client.command("MFF UNIX.mode=600;", 501);
    client.command("MFF UNIX.mode=600; missing", 550);
    assert_eq!(file().mode(), before);
}

fn the_time_of_creation_cannot_be_set() {
    let (_world, _server, mut client) = alice("");
    client.command("MFCT 20010909014640 a file", 502);
}

fn each_fact_needs_its_letter() {
    let (_world, _server, mut client) = alice("user.alice.permissions = \"elradfmw\"");
    for line in [
        "SITE CHMOD 600 a file",
        "SITE CHGRP staff a file",
        "SITE UTIME 20010909014640 a file",
        "SITE UMASK 077",
        "MFMT 20010909014640 a file",
        "MFF Modify=20010909014640; a file",
        "MFF UNIX.mode=600; a file",
    ] {
        client.command(line, 550);
    }
    assert_eq!(file().mode() & 0o777, 0o644);
    client.command("SITE UMASK", 200);
}
