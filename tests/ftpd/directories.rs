//! Directories, names, and where the walls of a jail are.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::client::Client;
use crate::server::Server;
use crate::world::World;

tests! {
    makes_and_removes_directories
    does_not_remove_a_directory_with_files
    renames_files_and_directories
    rnto_without_rnfr_is_out_of_order
    removes_files
    doubles_quotes_in_paths
    keeps_every_kind_of_name
    keeps_names_of_255_bytes
    refuses_names_that_are_too_long
    a_jail_has_no_outside
    links_out_of_a_jail_lead_nowhere
    links_within_a_jail_work
    the_real_file_system_starts_at_home
    a_template_makes_the_root
    a_user_can_have_another_root
    a_group_can_have_another_root
    does_not_enter_directories_of_others
    new_directories_belong_to_the_user
    changes_modes
    does_not_set_identities
    a_home_moved_away_is_still_the_root
    obeys_the_letters_of_the_permissions
}

/// A daemon that shows alice her home.
fn alice(settings: &str) -> (World, Server, Client) {
    let world = World::new();
    let server = Server::start(&world, settings);
    let client = Client::logged_in("alice");
    (world, server, client)
}

fn makes_and_removes_directories() {
    let (_world, _server, mut client) = alice("");
    client.command("MKD one", 257);
    client.command("MKD one/two", 257);
    client.command("CWD one/two", 250);
    assert!(client.command("PWD", 257).text().starts_with("\"/one/two\""));
    client.command("CDUP", 250);
    assert!(client.command("PWD", 257).text().starts_with("\"/one\""));
    client.command("RMD two", 250);
    client.command("CWD /", 250);
    client.command("RMD one", 250);
    client.command("CWD one", 550);
    assert!(!fs::exists("/home/alice/one").expect("exists"));
}

fn does_not_remove_a_directory_with_files() {
    let (world, _server, mut client) = alice("");
    let file = world.give("alice", "full/file", "content");
    client.command("RMD full", 550);
    client.command("DELE full", 550);
    client.command("RMD full/file", 550);
    assert!(file.exists());
}

fn renames_files_and_directories() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "old/file", "content");
    client.command("RNFR old/file", 350);
    client.command("RNTO old/other", 250);
    client.command("RNFR old", 350);
    client.command("RNTO new", 250);
    assert_eq!(fs::read("/home/alice/new/other").expect("file"), b"content");
    client.command("RNFR missing", 550);
    client.command("RNTO anything", 503);
}

fn rnto_without_rnfr_is_out_of_order() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "content");
    client.command("RNTO other", 503);
    client.command("RNFR file", 350);
    client.command("NOOP", 200);
    client.command("RNTO other", 503);
}

fn removes_files() {
    let (world, _server, mut client) = alice("");
    let file = world.give("alice", "file", "content");
    client.command("DELE file", 250);
    assert!(!file.exists());
    client.command("DELE file", 550);
}

fn doubles_quotes_in_paths() {
    let (_world, _server, mut client) = alice("");
    let reply = client.command("MKD say \"hello\"", 257);
    assert!(reply.text().starts_with("\"/say \"\"hello\"\"\""), "{reply}");
    client.command("CWD say \"hello\"", 250);
    let reply = client.command("PWD", 257);
    assert!(reply.text().starts_with("\"/say \"\"hello\"\"\""), "{reply}");
}

fn keeps_every_kind_of_name() {
    let (_world, _server, mut client) = alice("");
    let names =
        ["two words", " leading space", "Grüße aus 東京", "-l", "--", "*", "[a]", "back\\slash", "~", "$HOME", "a;b", "%2e"];
    for name in names {
        client.transmit(&format!("STOR {name}"), name.as_bytes());
        assert_eq!(fs::read(format!("/home/alice/{name}")).expect(name), name.as_bytes());
        assert_eq!(client.receive_text(&format!("RETR {name}")), name);
        let size = client.command(&format!("SIZE {name}"), 213);
        assert_eq!(size.text(), name.len().to_string());
    }
    let listed = client.receive_text("NLST");
    for name in names {
        assert!(listed.contains(&format!("{name}\r\n")), "{name} is not in {listed}");
        client.command(&format!("RNFR {name}"), 350);
        client.command(&format!("RNTO {name} again"), 250);
        client.command(&format!("DELE {name} again"), 250);
    }
}

fn keeps_names_of_255_bytes() {
    let (_world, _server, mut client) = alice("");
    let name = format!("{}x", "ü".repeat(127));
    client.transmit(&format!("STOR {name}"), b"content");
    assert_eq!(client.receive_text(&format!("RETR {name}")), "content");
    assert!(client.receive_text("NLST").contains(&name));
    assert!(client.receive_text("MLSD").contains(&name));
    assert!(client.receive_text("LIST").contains(&name));
}

fn refuses_names_that_are_too_long() {
    let (_world, _server, mut client) = alice("");
    let name = "x".repeat(256);
    client.send(&format!("MKD {name}"));
    let code = client.read_reply().code;
    assert!([501, 550, 553].contains(&code), "{code}");
    client.command("PWD", 257);
}

fn a_jail_has_no_outside() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "file", "alice's");
    let bobs = world.give("bob", "file", "bob's");
    fs::set_permissions("/home/bob", PermissionsExt::from_mode(0o755)).expect("mode");
    fs::set_permissions(bobs, PermissionsExt::from_mode(0o644)).expect("mode");
    client.command("CWD ..", 250);
    assert!(client.command("PWD", 257).text().starts_with("\"/\""));
    client.command("CWD ../../../..", 250);
    assert!(client.command("PWD", 257).text().starts_with("\"/\""));
    client.command("CWD /home/bob", 550);
    client.command("CWD ../bob", 550);
    client.command("SIZE /etc/passwd", 550);
    client.command("SIZE ../../etc/passwd", 550);
    assert_eq!(client.receive_text("RETR ../../../file"), "alice's");
}

fn links_out_of_a_jail_lead_nowhere() {
    let (world, _server, mut client) = alice("");
    let bobs = world.give("bob", "file", "bob's");
    fs::set_permissions("/home/bob", PermissionsExt::from_mode(0o777)).expect("mode");
    fs::set_permissions(bobs, PermissionsExt::from_mode(0o666)).expect("mode");
    for (target, link) in [("/home/bob/file", "absolute"), ("../bob/file", "relative"), ("/home/bob", "directory")] {
        symlink(target, format!("/home/alice/{link}")).expect("link");
    }
    for command in ["SIZE absolute", "SIZE relative", "CWD directory", "SIZE directory/file", "MKD directory/new"] {
        client.command(command, 550);
    }
    let _data = client.passive();
    client.command("RETR absolute", 550);
    client.send("STOR directory/new");
    let code = client.read_reply().code;
    assert!([550, 553].contains(&code), "{code}");
    assert!(!fs::exists("/home/bob/new").expect("exists"));
    client.command("DELE absolute", 250);
    assert!(fs::exists("/home/bob/file").expect("exists"));
}

fn links_within_a_jail_work() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "real/file", "content");
    symlink("real", "/home/alice/directory").expect("link");
    symlink("/real/file", "/home/alice/from-the-root").expect("link");
    assert_eq!(client.receive_text("RETR directory/file"), "content");
    assert_eq!(client.receive_text("RETR from-the-root"), "content");
    client.command("CWD directory", 250);
    client.command("SIZE file", 213);
}

fn the_real_file_system_starts_at_home() {
    let (world, _server, mut client) = alice("session.root-dir = \"real\"");
    world.give("alice", "file", "content");
    assert!(client.command("PWD", 257).text().starts_with("\"/home/alice\""));
    assert_eq!(client.receive_text("RETR file"), "content");
    assert_eq!(client.receive_text("RETR /etc/ftpusers"), "root\n");
    client.command("CWD /srv/ftp", 250);
    assert_eq!(client.receive_text("RETR welcome.txt"), "Welcome.\n");
    let _data = client.passive();
    client.command("RETR /etc/shadow", 550);
    client.send("STOR /etc/new");
    let code = client.read_reply().code;
    assert!([550, 553].contains(&code), "{code}");
}

fn a_template_makes_the_root() {
    let world = World::new();
    world.write("/srv/sites/alice/index.html", "Alice's site.");
    let _server = Server::start(&world, "session.root-dir = \"/srv/sites/%u\"");
    let mut client = Client::logged_in("alice");
    assert!(client.command("PWD", 257).text().starts_with("\"/\""));
    assert_eq!(client.receive_text("RETR index.html"), "Alice's site.");
}

fn a_user_can_have_another_root() {
    let world = World::new();
    let _server = Server::start(&world, "user.alice.root-dir = \"real\"");
    assert!(Client::logged_in("alice").command("PWD", 257).text().starts_with("\"/home/alice\""));
    assert!(Client::logged_in("bob").command("PWD", 257).text().starts_with("\"/\""));
}

fn a_group_can_have_another_root() {
    let world = World::new();
    let _server = Server::start(&world, "group.staff.root-dir = \"real\"");
    assert!(Client::logged_in("alice").command("PWD", 257).text().starts_with("\"/home/alice\""));
    assert!(Client::logged_in("bob").command("PWD", 257).text().starts_with("\"/\""));
}

fn does_not_enter_directories_of_others() {
    let (_world, _server, mut client) = alice("session.root-dir = \"real\"");
    client.command("CWD /home/bob", 550);
    client.command("MKD /home/bob/new", 550);
    client.command("CWD /root", 550);
    assert!(client.command("PWD", 257).text().starts_with("\"/home/alice\""));
}

fn new_directories_belong_to_the_user() {
    let (_world, _server, mut client) = alice("session.umask = \"027\"");
    client.command("MKD new", 257);
    let new = fs::metadata("/home/alice/new").expect("directory");
    assert_eq!((new.uid(), new.gid(), new.mode() & 0o7777), (2001, 2001, 0o750));
}

fn changes_modes() {
    let (world, _server, mut client) = alice("");
    let file = world.give("alice", "file", "content");
    client.command("SITE CHMOD 640 file", 200);
    assert_eq!(fs::metadata(file).expect("file").mode() & 0o7777, 0o640);
    client.command("SITE CHMOD 640 missing", 550);
    client.command("SITE CHMOD nonsense file", 501);
}

fn does_not_set_identities() {
    let (world, _server, mut client) = alice("");
    let file = world.give("alice", "file", "content");
    client.send("SITE CHMOD 4755 file");
    client.read_reply();
    assert_eq!(fs::metadata(file).expect("file").mode() & 0o6000, 0);
}

fn a_home_moved_away_is_still_the_root() {
    let (world, _server, mut client) = alice("");
    world.give("alice", "deep/file", "content");
    client.command("CWD deep", 250);
    fs::rename("/home/alice/deep", "/srv/moved").or_else(|_| fs::rename("/home/alice", "/home/moved")).expect("move");
    client.send("CWD ..");
    client.read_reply();
    client.command("SIZE /etc/passwd", 550);
    client.command("CWD /home", 550);
}

fn obeys_the_letters_of_the_permissions() {
    let (world, _server, mut client) = alice("session.permissions = \"elr\"");
    world.give("alice", "file", "content");
    assert_eq!(client.receive_text("RETR file"), "content");
    for command in ["DELE file", "MKD new", "RNFR file", "SITE CHMOD 777 file"] {
        client.command(command, 550);
    }
    let _data = client.passive();
    client.command("STOR new", 550);
    client.command("APPE file", 550);
    assert_eq!(fs::read("/home/alice/file").expect("file"), b"content");
}
