//! What there may be in a directory, whoever puts it there: `[quota.NAME]`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};

use crate::client::Client;
use crate::quotas::{all_told, send, there};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_directory_is_full_for_all_users
    each_directory_of_a_pattern_has_a_quota_of_its_own
    a_directory_that_is_made_has_its_quota_at_once
    quotas_hold_in_the_real_file_system
    every_quota_around_a_file_is_paid
    what_moves_is_paid_where_it_comes_to
    a_directory_moves_with_all_that_is_in_it
    a_copy_is_paid_where_it_is_made
    links_lead_past_no_quota
    what_is_closed_to_a_user_counts_all_the_same
    a_directory_with_a_quota_stays_where_it_is
    who_waits_for_a_count_is_heard
    who_leaves_while_he_waits_is_gone
    who_only_reads_can_change_no_ledger
}

/// Directories in /srv, all of them open to everybody.
fn directories(names: &[&str]) {
    for name in names {
        let path = Path::new("/srv").join(name);
        fs::create_dir_all(&path).expect("directory");
        for directory in path.ancestors().take_while(|directory| directory.starts_with("/srv")) {
            fs::set_permissions(directory, Permissions::from_mode(0o777)).expect("mode");
        }
    }
}

fn quota(name: &str, path: &str, limits: &str) -> String {
    let limits: String = limits.lines().map(|limit| format!("quota.{name}.{limit}\n")).collect();
    format!("quota.{name}.paths = [\"{path}\"]\n{limits}")
}

const SHARED: &str = "session.root-dir = \"/srv\"\nsession.umask = \"000\"\n";

fn told_of(client: &mut Client, name: &str) -> [u64; 2] {
    let told = all_told(client);
    let quota = told.iter().find(|(title, _)| title.ends_with(name));
    quota.unwrap_or_else(|| panic!("{name} is told: {told:?}")).1
}

fn a_directory_is_full_for_all_users() {
    let world = World::new();
    directories(&["in", "out"]);
    let settings = SHARED.to_string() + &quota("incoming", "/srv/in", "bytes = \"100000\"\nfiles = 3");
    let _server = Server::start(&world, &settings);
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    assert_eq!(send(&mut alice, "STOR in/hers", 60_000), 226);
    assert_eq!(send(&mut bob, "STOR in/his", 60_000), 552);
    assert_eq!(there("/srv/in"), [100_000, 2]);
    // Elsewhere there is room.
    assert_eq!(send(&mut bob, "STOR out/his", 60_000), 226);
    assert!(bob.command("SITE QUOTA", 200).text().contains("no quota here"));
    bob.command("CWD in", 250);
    assert_eq!(all_told(&mut bob), [("The quota incoming".to_string(), [100_000, 2])]);
    assert_eq!(bob.command("AVBL", 213).text(), "0");
    bob.command("DELE hers", 250);
    assert_eq!(bob.command("AVBL", 213).text(), "60000");
    bob.command("MKD one", 257);
    bob.command("MKD one/two", 257);
    bob.command("MKD three", 552);
    assert_eq!(told_of(&mut bob, "incoming"), there("/srv/in"));
}

fn each_directory_of_a_pattern_has_a_quota_of_its_own() {
    let world = World::new();
    directories(&["customers/red", "customers/blue"]);
    let settings = "session.root-dir = \"/srv/customers/red\"\nuser.bob.root-dir = \"/srv\"\n".to_string()
        + &quota("customers", "/srv/customers/*", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    // Hers is around her root, his is inside of it.
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    assert_eq!(send(&mut alice, "STOR hers", 700), 226);
    assert_eq!(send(&mut bob, "STOR customers/red/his", 700), 552);
    assert_eq!(send(&mut bob, "STOR customers/blue/his", 700), 226);
    bob.command("CWD customers/red", 250);
    assert_eq!(told_of(&mut bob, "customers"), [1000, 2]);
    assert_eq!(told_of(&mut alice, "customers"), [1000, 2]);
    assert_eq!([there("/srv/customers/red"), there("/srv/customers/blue")], [[1000, 2], [700, 1]]);
}

fn a_directory_that_is_made_has_its_quota_at_once() {
    let world = World::new();
    directories(&["customers"]);
    let settings = SHARED.to_string() + &quota("customers", "/srv/customers/*", "bytes = \"1000\"\nfiles = 2");
    let server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("MKD customers/new", 257);
    assert_eq!(send(&mut alice, "STOR customers/new/file", 3000), 552);
    alice.command("MKD customers/new/inner", 257);
    alice.command("MKD customers/new/other", 552);
    alice.command("CWD customers/new", 250);
    assert_eq!(told_of(&mut alice, "customers"), [1000, 2]);
    // One of the same name is another one.
    alice.command("CWD /", 250);
    alice.command("SITE RMDIR customers/new", 250);
    alice.command("MKD customers/new", 257);
    assert_eq!(send(&mut alice, "STOR customers/new/file", 800), 226);
    alice.command("CWD customers/new", 250);
    assert_eq!(told_of(&mut alice, "customers"), [800, 1]);
    // A file in the directory itself is none of its directories.
    assert_eq!(send(&mut alice, "STOR ../file", 3000), 226);
    drop(server);
}

fn quotas_hold_in_the_real_file_system() {
    let world = World::new();
    directories(&["in"]);
    let settings = "session.root-dir = \"real\"\n".to_string() + &quota("incoming", "/srv/in", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    assert_eq!(send(&mut alice, "STOR /srv/in/file", 5000), 552);
    assert_eq!(send(&mut alice, "STOR file", 5000), 226);
    alice.command("RNFR file", 350);
    alice.command("RNTO /srv/in/other", 552);
    alice.command("CWD /srv/in", 250);
    assert_eq!(told_of(&mut alice, "incoming"), [1000, 1]);
}

fn every_quota_around_a_file_is_paid() {
    let world = World::new();
    directories(&["a/b/c"]);
    let settings = SHARED.to_string()
        + "session.quota-bytes = \"10000\"\n"
        + &quota("a", "/srv/a", "bytes = \"5000\"")
        + &quota("c", "/srv/a/b/c", "bytes = \"2000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    assert_eq!(send(&mut alice, "STOR a/b/c/one", 4000), 552);
    assert_eq!(send(&mut alice, "STOR a/two", 4000), 552);
    alice.command("CWD a/b/c", 250);
    let told = |client: &mut Client| all_told(client).into_iter().map(|(_, [bytes, _])| bytes).collect::<Vec<_>>();
    // The welcome of another user is there, too.
    let others = there("/srv")[0] - 5000;
    assert_eq!(told(&mut alice), [5000 + others, 2000, 5000]);
    alice.command("DELE one", 250);
    assert_eq!(told(&mut alice), [3000 + others, 0, 3000]);
    assert_eq!(send(&mut alice, "STOR /three", 40_000), 552);
    // What has room neither here nor there has paid nowhere.
    assert_eq!(send(&mut alice, "STOR one", 1), 552);
    assert_eq!(told(&mut alice), [10_000, 0, 3000]);
    assert_eq!(there("/srv")[0], 10_000);
}

fn what_moves_is_paid_where_it_comes_to() {
    let world = World::new();
    directories(&["small", "large"]);
    let settings = SHARED.to_string()
        + &quota("small", "/srv/small", "bytes = \"1000\"")
        + &quota("large", "/srv/large", "bytes = \"10000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    for (name, length) in [("large/a", 800), ("large/b", 900), ("large/c", 2000)] {
        assert_eq!(send(&mut alice, &format!("STOR {name}"), length), 226);
    }
    let rename = |client: &mut Client, from: &str, to: &str, code| {
        client.command(&format!("RNFR {from}"), 350);
        client.command(&format!("RNTO {to}"), code);
    };
    let told = |client: &mut Client| {
        ["small", "large"].map(|name| {
            client.command(&format!("CWD /{name}"), 250);
            let told = told_of(client, name);
            assert_eq!(told, there(format!("/srv/{name}")));
            client.command("CWD /", 250);
            told
        })
    };
    rename(&mut alice, "large/c", "small/c", 552);
    rename(&mut alice, "large/a", "small/x", 250);
    assert_eq!(told(&mut alice), [[800, 1], [2900, 2]]);
    rename(&mut alice, "large/b", "small/b", 552);
    // What it replaces makes room for it.
    rename(&mut alice, "large/b", "small/x", 250);
    assert_eq!(told(&mut alice), [[900, 1], [2000, 1]]);
    rename(&mut alice, "small/x", "large/c", 250);
    assert_eq!(told(&mut alice), [[0, 0], [900, 1]]);
    rename(&mut alice, "large/c", "out", 250);
    assert_eq!(told(&mut alice), [[0, 0], [0, 0]]);
}

fn a_directory_moves_with_all_that_is_in_it() {
    let world = World::new();
    directories(&["small", "large", "each/one"]);
    let settings = SHARED.to_string()
        + &quota("small", "/srv/small", "bytes = \"1000\"\nfiles = 4")
        + &quota("large", "/srv/large", "bytes = \"10000\"")
        + &quota("each", "/srv/each/*", "bytes = \"500\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("SITE MKDIR large/tree/inner", 257);
    for name in ["large/tree/a", "large/tree/inner/b"] {
        assert_eq!(send(&mut alice, &format!("STOR {name}"), 400), 226);
    }
    let rename = |client: &mut Client, from: &str, to: &str, code| {
        client.command(&format!("RNFR {from}"), 350);
        client.command(&format!("RNTO {to}"), code);
    };
    let told = |client: &mut Client, name: &str| {
        client.command(&format!("CWD /{name}"), 250);
        let told = told_of(client, name.split('/').next().expect("a name"));
        assert_eq!(told, there(format!("/srv/{name}")));
        client.command("CWD /", 250);
        told
    };
    rename(&mut alice, "large/tree", "small/tree", 250);
    assert_eq!([told(&mut alice, "small"), told(&mut alice, "large")], [[800, 4], [0, 0]]);
    alice.command("MKD small/more", 552);
    // It would have a quota of its own there, and be too large for it.
    rename(&mut alice, "small/tree", "each/tree", 552);
    alice.command("DELE small/tree/a", 250);
    rename(&mut alice, "small/tree", "each/tree", 250);
    assert_eq!([told(&mut alice, "small"), told(&mut alice, "each/tree")], [[0, 0], [400, 2]]);
    assert_eq!(send(&mut alice, "STOR each/tree/inner/c", 400), 552);
    assert_eq!(told(&mut alice, "each/tree"), [500, 3]);
    rename(&mut alice, "each/tree", "large/tree", 250);
    assert_eq!(told(&mut alice, "large"), [500, 4]);
}

fn a_copy_is_paid_where_it_is_made() {
    let world = World::new();
    directories(&["small"]);
    let settings = SHARED.to_string() + &quota("small", "/srv/small", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    directories(&["out"]);
    let mut alice = Client::logged_in("alice");
    assert_eq!(send(&mut alice, "STOR out/file", 600), 226);
    alice.command("SITE COPY out/file small/one", 250);
    alice.command("SITE COPY out/file small/two", 552);
    alice.command("SITE CPFR small/one", 350);
    alice.command("SITE CPTO out/back", 250);
    alice.command("CWD small", 250);
    assert_eq!(told_of(&mut alice, "small"), [600, 1]);
    assert_eq!(there("/srv/small"), [600, 1]);
}

fn links_lead_past_no_quota() {
    let world = World::new();
    directories(&["in", "out"]);
    std::os::unix::fs::symlink("in", "/srv/way").expect("link");
    std::os::unix::fs::symlink("../in/behind", "/srv/out/link").expect("link");
    let settings = SHARED.to_string() + &quota("in", "/srv/way", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    assert_eq!(send(&mut alice, "STOR out/link", 600), 226);
    assert_eq!(send(&mut alice, "STOR way/more", 600), 552);
    assert_eq!(send(&mut alice, "STOU out/link", 600), 226);
    alice.command("CWD in", 250);
    assert_eq!(told_of(&mut alice, "in"), [1000, 2]);
    assert_eq!(there("/srv/in"), [1000, 2]);
}

fn what_is_closed_to_a_user_counts_all_the_same() {
    let world = World::new();
    directories(&["in"]);
    fs::create_dir("/srv/in/bob").expect("directory");
    world.write("/srv/in/bob/file", vec![b'x'; 700]);
    chown("/srv/in/bob", Some(2002), Some(2002)).expect("owner");
    fs::set_permissions("/srv/in/bob", Permissions::from_mode(0o700)).expect("mode");
    let settings = SHARED.to_string() + &quota("in", "/srv/in", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("CWD in", 250);
    assert_eq!(told_of(&mut alice, "in"), [700, 2]);
    assert_eq!(send(&mut alice, "STOR hers", 700), 552);
    assert_eq!(there("/srv/in"), [1000, 3]);
}

fn a_directory_with_a_quota_stays_where_it_is() {
    let world = World::new();
    directories(&["a/in"]);
    let settings = SHARED.to_string() + &quota("in", "/srv/a/in", "bytes = \"1000\"");
    let _server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    for name in ["a", "a/in"] {
        alice.command(&format!("RNFR {name}"), 350);
        alice.command("RNTO other", 550);
    }
    alice.command("RMD a/in", 550);
    assert!(Path::new("/srv/a/in").is_dir());
}

/// Holds the only ledger there is, as somebody does who counts.
fn hold_ledger() -> File {
    let ledger = fs::read_dir("/run/ftpd/quota").expect("ledgers").next().expect("a ledger").expect("a ledger");
    let file = File::options().read(true).write(true).open(ledger.path()).expect("ledger");
    let lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as _,
        l_whence: nix::libc::SEEK_SET as _,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).expect("lock");
    file
}

fn who_waits_for_a_count_is_heard() {
    let world = World::new();
    directories(&["in"]);
    let settings = SHARED.to_string() + &quota("in", "/srv/in", "bytes = \"1000\"");
    let server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("MKD in/one", 257);
    let ledger = hold_ledger();
    let began = Instant::now();
    alice.send("MKD in/two");
    wait_until("somebody counts", || server.find("counter"));
    // Who asks so soon is answered in turn, but for ABOR.
    alice.send("ABOR");
    alice.expect(426);
    alice.expect(226);
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    assert!(!Path::new("/srv/in/two").exists());
    drop(ledger);
    alice.command("MKD in/two", 257);
    // A command that waits is obeyed, with all that was said for it.
    let ledger = hold_ledger();
    alice.command("RNFR in/two", 350);
    alice.send("RNTO in/three");
    wait_until("somebody counts", || server.find("counter"));
    drop(ledger);
    alice.expect(250);
    assert!(Path::new("/srv/in/three").is_dir());
    alice.command("CWD in", 250);
    assert_eq!(told_of(&mut alice, "in"), [0, 2]);
}

fn who_leaves_while_he_waits_is_gone() {
    let world = World::new();
    directories(&["in"]);
    let settings = SHARED.to_string() + &quota("in", "/srv/in", "bytes = \"1000\"");
    let server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("MKD in/one", 257);
    let ledger = hold_ledger();
    let began = Instant::now();
    alice.send("MKD in/two");
    wait_until("somebody counts", || server.find("counter"));
    alice.reset();
    wait_until("nobody is left", || {
        (server.find("session").is_none() && server.find("counter").is_none()).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    drop(ledger);
    let mut alice = Client::logged_in("alice");
    alice.command("CWD in", 250);
    assert_eq!(told_of(&mut alice, "in"), [0, 1]);
}

fn who_only_reads_can_change_no_ledger() {
    let world = World::new();
    directories(&["in"]);
    world.write("/srv/in/file", "12345");
    let settings = SHARED.to_string() + "session.permissions = \"elr\"\n" + &quota("in", "/srv/in", "bytes = \"1000\"");
    let server = Server::start(&world, &settings);
    let mut alice = Client::logged_in("alice");
    alice.command("CWD in", 250);
    assert_eq!(told_of(&mut alice, "in"), [5, 1]);
    let maps = |pid: nix::unistd::Pid| fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    assert!(!maps(server.process("session").pid).contains("/run/ftpd/quota"));
    alice.command("QUIT", 221);
    wait_until("the session is gone", || server.find("session").is_none().then_some(()));
    server.configure(&(SHARED.to_string() + &quota("in", "/srv/in", "bytes = \"1000\"")));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log("reload");
    let mut alice = Client::logged_in("alice");
    alice.command("CWD in", 250);
    alice.command("MKD two", 257);
    let session = server.process("session");
    assert!(maps(session.pid).contains("/run/ftpd/quota"));
    // Who has it mapped has nothing open with which it could be made shorter.
    for (number, what) in session.descriptors() {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{number}", session.pid)).expect("descriptor");
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags").trim();
        let flags = u32::from_str_radix(flags, 8).expect("a number");
        assert!(!what.contains("/quota/") || flags & 3 == 0, "{number} is {what}");
    }
}
