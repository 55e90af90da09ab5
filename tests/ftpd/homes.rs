//! Home directories that are made at the first login, and the templates that name them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::accounts::Account;
use crate::client::Client;
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    a_home_is_made_at_the_first_login
    a_home_begins_with_the_skeleton
    a_home_that_is_there_stays_as_it_is
    directories_above_a_home_are_made_as_well_and_are_roots
    no_home_is_made_where_others_could_turn_the_way
    a_home_that_cannot_be_made_leaves_nothing_behind
    a_home_is_made_without_the_right_to_give_files_away
    without_the_option_no_home_is_made
    a_template_names_users_groups_and_homes
}

/// "letmein" by sha512-crypt, with few rounds.
const HASH: &str = "$6$rounds=1000$saltsalt$aNF9tU6uHTOC2NiIWiuJn8z6qyclAE02Yy4ol5lET6jnZ3f54SKVp6wF/gNfMbLgvQnz1/GTHnAGslNPaMo7b/";
const SETTINGS: &str = "login.users-file = \"/etc/ftpd-users.toml\"\nlogin.uid-range = \"70000-70009\"\nsession.make-home = true";

/// A world with anne, whose number is 70000, and these lines about her.
fn with_anne(lines: &str) -> World {
    let world = World::new();
    world.write("/etc/ftpd-users.toml", format!("[anne]\npassword = '{HASH}'\nuid = 70000\n{lines}\n"));
    fs::set_permissions("/etc/ftpd-users.toml", Permissions::from_mode(0o600)).expect("mode");
    world
}

fn log_in(code: u16) -> Client {
    let mut client = Client::greeted();
    client.command("USER anne", 331);
    client.command("PASS letmein", code);
    client
}

/// Mode, uid and gid.
fn belongs(path: impl AsRef<Path>) -> (u32, u32, u32) {
    let found = fs::symlink_metadata(path).expect("what was made");
    (found.mode() & 0o7777, found.uid(), found.gid())
}

fn a_home_is_made_at_the_first_login() {
    let _world = with_anne("root-dir = \"/srv/users/%u\"\nhome-mode = \"750\"");
    fs::create_dir("/srv/users").expect("directory");
    let server = Server::start(&_world, SETTINGS);
    let mut client = log_in(230);
    client.transmit("STOR file", b"hers");
    assert_eq!(belongs("/srv/users/anne"), (0o750, 70000, 70000));
    assert_eq!(belongs("/srv/users/anne/file"), (0o644, 70000, 70000));
    server.wait_for_log("home directory /srv/users/anne was made");
    let lines = server.log_length();
    log_in(230);
    server.wait_for_log_after(lines, "\"anne\" logged in");
    assert_eq!(server.log().matches("was made").count(), 1);
}

fn a_home_begins_with_the_skeleton() {
    let world = with_anne("root-dir = \"/srv/%u\"\nhome-skeleton = \"/usr/local/skel\"");
    // /usr is the host's.
    let skeleton = world.own_directory("skeleton");
    world.write("/etc/ftpd-users.toml", fs::read_to_string("/etc/ftpd-users.toml").expect("file").replace("/usr/local/skel", "/run/world/skeleton"));
    fs::set_permissions("/etc/ftpd-users.toml", Permissions::from_mode(0o600)).expect("mode");
    fs::create_dir(skeleton.join("inbox")).expect("directory");
    fs::set_permissions(skeleton.join("inbox"), Permissions::from_mode(0o2770)).expect("mode");
    world.write(skeleton.join("inbox/README"), "Put it here.");
    world.write(skeleton.join("run"), "#!/bin/sh");
    fs::set_permissions(skeleton.join("run"), Permissions::from_mode(0o4755)).expect("mode");
    symlink("/etc/shadow", skeleton.join("link")).expect("link");
    mkfifo(&skeleton.join("pipe"), Mode::S_IRWXU).expect("pipe");
    let _server = Server::start(&world, SETTINGS);
    let mut client = log_in(230);
    assert_eq!(client.receive_text("RETR inbox/README"), "Put it here.");
    assert_eq!(belongs("/srv/anne"), (0o700, 70000, 70000));
    assert_eq!(belongs("/srv/anne/inbox"), (0o770, 70000, 70000));
    assert_eq!(belongs("/srv/anne/inbox/README"), (0o644, 70000, 70000));
    assert_eq!(belongs("/srv/anne/run"), (0o755, 70000, 70000), "it runs as nobody else");
    assert_eq!(fs::read_link("/srv/anne/link").expect("a link stays a link"), Path::new("/etc/shadow"));
    assert_eq!(belongs("/srv/anne/link").1, 70000);
    assert_eq!(belongs("/etc/shadow").1, 0);
    assert!(fs::symlink_metadata("/srv/anne/pipe").is_err(), "a pipe is left out");
    assert!(fs::metadata(skeleton.join("pipe")).expect("pipe").file_type().is_fifo());
}

fn a_home_that_is_there_stays_as_it_is() {
    let world = with_anne("root-dir = \"/srv/anne\"\nhome-skeleton = \"/etc/pam.d\"");
    world.write("/srv/anne/old", "old");
    fs::set_permissions("/srv", Permissions::from_mode(0o777)).expect("mode");
    let server = Server::start(&world, SETTINGS);
    let mut client = log_in(230);
    assert_eq!(client.receive_text("RETR old"), "old");
    assert_eq!(belongs("/srv/anne"), (0o755, 0, 0));
    assert_eq!(fs::read_dir("/srv/anne").expect("directory").count(), 1);
    assert!(!server.log().contains("could not be made"), "{}", server.log());
}

fn directories_above_a_home_are_made_as_well_and_are_roots() {
    let world = with_anne("home = \"/srv/a/b/./anne\"");
    // A link of root's is followed.
    fs::create_dir("/srv/real").expect("directory");
    symlink("real", "/srv/a").expect("link");
    let _server = Server::start(&world, SETTINGS);
    let mut client = log_in(230);
    assert!(client.command("PWD", 257).text().contains("\"/anne\""));
    assert_eq!(belongs("/srv/real/b"), (0o755, 0, 0));
    assert_eq!(belongs("/srv/real/b/anne"), (0o700, 70000, 70000));
}

fn no_home_is_made_where_others_could_turn_the_way() {
    let world = with_anne("root-dir = \"/srv/shared/link/anne\"");
    fs::create_dir("/srv/shared").expect("directory");
    fs::create_dir("/srv/elsewhere").expect("directory");
    symlink("/srv/elsewhere", "/srv/shared/link").expect("link");
    fs::set_permissions("/srv/shared", Permissions::from_mode(0o777)).expect("mode");
    let server = Server::start(&world, SETTINGS);
    log_in(530);
    server.wait_for_log("could not be made: others can write to /srv/shared");
    assert_eq!(fs::read_dir("/srv/elsewhere").expect("directory").count(), 0);
    // Nor below what belongs to somebody else.
    fs::set_permissions("/srv/shared", Permissions::from_mode(0o755)).expect("mode");
    std::os::unix::fs::chown("/srv/shared", Some(2001), None).expect("owner");
    log_in(530);
    server.wait_for_log("could not be made: /srv/shared belongs to uid 2001");
}

fn a_home_that_cannot_be_made_leaves_nothing_behind() {
    let world = with_anne("root-dir = \"/srv/users/%u\"\nhome-skeleton = \"/run/world/skeleton\"");
    let skeleton = world.own_directory("skeleton");
    world.write(skeleton.join("a/file"), "first");
    let deep: String = (0..40).map(|_| "d/").collect();
    fs::create_dir_all(skeleton.join(deep)).expect("directories");
    fs::create_dir("/srv/users").expect("directory");
    let server = Server::start(&world, SETTINGS);
    log_in(530);
    server.wait_for_log("could not be made: the skeleton is too deep");
    assert_eq!(fs::read_dir("/srv/users").expect("directory").count(), 0);
}

fn a_home_is_made_without_the_right_to_give_files_away() {
    let world = with_anne("root-dir = \"/srv/users/%u\"\nhome-skeleton = \"/run/world/skeleton\"");
    let skeleton = world.own_directory("skeleton");
    // Nobody but root can read it.
    fs::set_permissions(&skeleton, Permissions::from_mode(0o700)).expect("mode");
    world.write(skeleton.join("inbox/README"), "Put it here.");
    fs::create_dir("/srv/users").expect("directory");
    // What is made in such a directory belongs to its group.
    std::os::unix::fs::chown("/srv/users", None, Some(3001)).expect("group");
    fs::set_permissions("/srv/users", Permissions::from_mode(0o2755)).expect("mode");
    let configuration = world.own_directory("etc").join("ftpd.toml");
    world.write(&configuration, format!("log.to = \"stderr\"\n{SETTINGS}\n"));
    let mut command = world.command("setpriv");
    command.args(["--bounding-set", "-chown,-fowner,-dac_override", DAEMON, "serve", "--config"]);
    command.arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    let mut client = log_in(230);
    assert_eq!(client.receive_text("RETR inbox/README"), "Put it here.");
    assert_eq!(belongs("/srv/users/anne"), (0o700, 70000, 70000));
    assert_eq!(belongs("/srv/users/anne/inbox"), (0o755, 70000, 70000));
    assert_eq!(belongs("/srv/users/anne/inbox/README"), (0o644, 70000, 70000));
    assert_eq!(fs::read_dir("/srv/users").expect("directory").count(), 1);
    assert!(!server.log().contains("CAP_CHOWN"), "{}", server.log());
}

fn without_the_option_no_home_is_made() {
    let world = with_anne("root-dir = \"/srv/users/%u\"\nmake-home = false");
    fs::create_dir("/srv/users").expect("directory");
    let _server = Server::start(&world, SETTINGS);
    log_in(530);
    assert_eq!(fs::read_dir("/srv/users").expect("directory").count(), 0);
}

fn a_template_names_users_groups_and_homes() {
    let world = World::new();
    world.add(Account::new("carol", 2003).home("/srv/homes/carol"));
    world.write("/srv/staff/alice/here.txt", "Here.");
    world.write("/srv/homes/carol/ftp/there.txt", "There.");
    let _server = Server::start(
        &world,
        "session.root-dir = \"%h/ftp\"\nuser.alice.root-dir = \"/srv/%g/%u\"\nlogin.min-uid = 1000",
    );
    // Her primary group is her own.
    fs::rename("/srv/staff", "/srv/alice").expect("directory");
    assert_eq!(Client::logged_in("alice").receive_text("RETR here.txt"), "Here.");
    assert_eq!(Client::logged_in("carol").receive_text("RETR there.txt"), "There.");
}
