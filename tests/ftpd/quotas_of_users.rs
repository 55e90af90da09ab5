//! Quotas of users who share a directory: each has his own.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::thread;

use nix::sys::signal::{Signal, kill};

use crate::client::Client;
use crate::quotas::{all_told, send, there};
use crate::server::{Server, wait_until};
use crate::virtual_users::{hash, write_users};
use crate::world::{DAEMON, World};

tests! {
    users_of_one_directory_have_quotas_of_their_own
    a_quota_of_a_users_entry_is_his_own
    users_who_cannot_be_told_apart_are_refused
    what_somebody_else_removes_is_known_to_its_owner
    what_is_given_away_is_paid_by_nobody_who_gave_it
    without_root_quotas_hold_as_well
    uploads_of_two_users_into_one_directory_are_exact_whoever_dies
}

const TEAM: &str = "session.root-dir = \"/srv/team\"\nsession.umask = \"000\"\nsession.quota-of = \"user\"\n";

fn team() -> World {
    let world = World::new();
    fs::create_dir_all("/srv/team").expect("directory");
    fs::set_permissions("/srv/team", Permissions::from_mode(0o777)).expect("mode");
    world
}

/// Bytes and names of each uid.
fn by_owner(directory: &str) -> BTreeMap<u32, [u64; 2]> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("directory") {
        let status = entry.expect("entry").metadata().expect("status");
        let of = found.entry(status.uid()).or_insert([0, 0]);
        of[0] += if status.is_file() { status.size() } else { 0 };
        of[1] += 1;
    }
    found
}

fn told(client: &mut Client) -> [u64; 2] {
    let told = all_told(client);
    told.iter().find(|(title, _)| title == "Your files").expect("a quota of the user").1
}

fn users_of_one_directory_have_quotas_of_their_own() {
    let world = team();
    let settings = TEAM.to_string() + "session.quota-bytes = \"1000\"\nuser.bob.quota-bytes = \"500\"\n";
    let _server = Server::start(&world, &settings);
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    assert_eq!(send(&mut alice, "STOR hers", 900), 226);
    assert_eq!(send(&mut bob, "STOR his", 400), 226);
    assert_eq!(send(&mut bob, "STOR more", 400), 552);
    assert_eq!(send(&mut alice, "STOR more of hers", 400), 552);
    assert_eq!([told(&mut alice), told(&mut bob)], [[1000, 2], [500, 2]]);
    assert_eq!(by_owner("/srv/team"), [(2001, [1000, 2]), (2002, [500, 2])].into());
}

fn entries(world: &World, entries: &[(&str, &str)]) {
    let hash = hash(world, "tweedle");
    let entry = |(name, more): &(&str, &str)| {
        format!("[{name}]\npassword = '{hash}'\nroot-dir = '/srv/team'\nhome = '/srv/team'\n{more}\n")
    };
    write_users(world, &entries.iter().map(entry).collect::<String>());
}

const USERS: &str = "login.users-file = \"/etc/ftpd-users.toml\"\nlogin.uid-range = \"70000-70009\"";

fn log_in(name: &str, code: u16) -> Client {
    let mut client = Client::greeted();
    client.command(&format!("USER {name}"), 331);
    client.command("PASS tweedle", code);
    client
}

fn a_quota_of_a_users_entry_is_his_own() {
    let world = team();
    entries(
        &world,
        &[("carl", "uid = 70000\nquota-bytes = '1000'"), ("dora", "uid = 70001\nquota-bytes = '300'\nquota-files = 2")],
    );
    let _server = Server::start(&world, USERS);
    let [mut carl, mut dora] = ["carl", "dora"].map(|name| log_in(name, 230));
    assert_eq!(send(&mut carl, "STOR his", 900), 226);
    assert_eq!(send(&mut dora, "STOR hers", 900), 552);
    dora.command("MKD directory", 257);
    dora.command("MKD another", 552);
    carl.command("MKD directory", 550);
    assert_eq!([told(&mut carl), told(&mut dora)], [[900, 1], [300, 2]]);
    assert_eq!(by_owner("/srv/team"), [(70000, [900, 1]), (70001, [300, 2])].into());
}

fn users_who_cannot_be_told_apart_are_refused() {
    let world = team();
    entries(&world, &[("carl", "account = 'ftp'\nquota-bytes = '1000'"), ("dora", "account = 'ftp'\nquota-bytes = '1000'")]);
    let server = Server::start(&world, USERS);
    let mut carl = log_in("carl", 230);
    assert_eq!(send(&mut carl, "STOR his", 900), 226);
    let mut dora = Client::greeted();
    dora.command("USER dora", 331);
    dora.send("PASS tweedle");
    let reply = dora.read_reply();
    assert!(reply.code >= 400, "{reply}");
    assert!(reply.whole().contains("cannot be told from that of somebody else"), "{reply}");
    let line = server.wait_for_log("cannot be told from that of");
    assert!(line.contains("carl") && line.contains("991") && line.contains("/srv/team"), "{line}");
    // Where nothing is left of one, the other takes his place.
    carl.command("DELE his", 250);
    log_in("dora", 230);
}

fn what_somebody_else_removes_is_known_to_its_owner() {
    let world = team();
    let settings = TEAM.to_string() + "session.quota-bytes = \"1000\"\n";
    let _server = Server::start(&world, &settings);
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    for name in ["one", "two", "three"] {
        assert_eq!(send(&mut bob, &format!("STOR {name}"), 300), 226);
    }
    assert_eq!(told(&mut bob), [900, 3]);
    alice.command("DELE one", 250);
    assert_eq!([told(&mut alice), told(&mut bob)], [[0, 0], [600, 2]]);
    // It stays his, and so it is he who pays for it.
    assert_eq!(send(&mut alice, "APPE two", 100), 226);
    assert_eq!([told(&mut alice), told(&mut bob)], [[0, 0], [700, 2]]);
    assert_eq!(send(&mut alice, "STOR mine", 50), 226);
    alice.command("RNFR mine", 350);
    alice.command("RNTO three", 250);
    assert_eq!([told(&mut alice), told(&mut bob)], [[50, 1], [400, 1]]);
    assert_eq!(by_owner("/srv/team"), [(2001, [50, 1]), (2002, [400, 1])].into());
}

fn what_is_given_away_is_paid_by_nobody_who_gave_it() {
    let world = team();
    let settings = TEAM.to_string()
        + "session.quota-bytes = \"1000\"\nrule.gift.paths = [\"/\"]\nrule.gift.names = [\"*.gift\"]\nrule.gift.owner = \"bob\"\n";
    for name in ["old.gift", "other.gift"] {
        let old = format!("/srv/team/{name}");
        world.write(&old, vec![b'o'; 300]);
        chown(&old, Some(2001), Some(2001)).expect("owner");
    }
    let _server = Server::start(&world, &settings);
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    assert_eq!(told(&mut alice), [600, 2]);
    // What takes the place of something, and what is changed where it is.
    assert_eq!(send(&mut alice, "STOR old.gift", 600), 226);
    assert_eq!([told(&mut alice), told(&mut bob)], [[300, 1], [600, 1]]);
    assert_eq!(send(&mut alice, "APPE other.gift", 100), 226);
    assert_eq!([told(&mut alice), told(&mut bob)], [[0, 0], [1000, 2]]);
    for name in ["a.gift", "b.gift", "c.gift"] {
        assert_eq!(send(&mut alice, &format!("STOR {name}"), 600), 226);
        assert_eq!(told(&mut alice), [0, 0]);
    }
    assert_eq!(told(&mut bob), [2800, 5]);
    assert_eq!(send(&mut bob, "STOR his", 1), 552);
    assert_eq!(send(&mut alice, "STOR hers", 1), 226);
    assert_eq!(by_owner("/srv/team")[&2002], [2800, 5]);
}

fn without_root_quotas_hold_as_well() {
    let world = World::new();
    world.give("alice", "shared/in/file", "12345");
    let configuration = world.give(
        "alice",
        "ftpd.toml",
        "[listen]\naddresses = [\"127.0.0.1:2121\"]\n[control]\nsocket = \"/home/alice/run/control\"\n[log]\nto = \"stderr\"\n\
         [anonymous]\nenabled = true\nroot-dir = \"/home/alice/shared\"\npermissions = \"elradfmw\"\nquota-bytes = \"1000\"\n\
         [quota.incoming]\npaths = [\"/home/alice/shared/in\"]\nfiles = 2\n",
    );
    let mut command = world.command("setpriv");
    command.args(["--reuid=2001", "--regid=2001", "--clear-groups", DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    let mut client = Client::connect_to("127.0.0.1:2121".parse().expect("address"));
    client.expect(220);
    client.command("USER anonymous", 331);
    client.command("PASS guest", 230);
    client.command("TYPE I", 200);
    assert_eq!(send(&mut client, "STOR in/more", 3000), 552);
    client.command("MKD in/another", 552);
    client.command("CWD in", 250);
    let told = all_told(&mut client);
    assert_eq!(told.iter().map(|(_, used)| *used).collect::<Vec<_>>(), [[1000, 3], [1000, 2]]);
    assert_eq!(there("/home/alice/shared"), [1000, 3]);
}

fn uploads_of_two_users_into_one_directory_are_exact_whoever_dies() {
    let world = team();
    let settings = TEAM.to_string()
        + "session.quota-bytes = \"20000000\"\nquota.team.paths = [\"/srv/team\"]\nquota.team.bytes = \"30000001\"\nquota.team.files = 100\n";
    let server = Server::start(&world, &settings);
    let begun: Vec<_> = (0..8)
        .map(|number| {
            let mut client = Client::logged_in(if number % 2 == 0 { "alice" } else { "bob" });
            let data = client.passive();
            client.command(&format!("STOR file{number}"), 150);
            (number, client, data)
        })
        .collect();
    let sessions = || server.processes().into_iter().filter(|process| process.title().starts_with("ftpd: session"));
    let mut victims: Vec<_> = sessions().map(|process| process.pid).collect();
    victims.truncate(3);
    let uploads: Vec<_> = begun
        .into_iter()
        .map(|(_, mut client, mut data)| {
            thread::spawn(move || {
                let _ = data.write_all(&vec![b'x'; 9_000_000]);
                drop(data);
                client.next_reply().map(|reply| (reply.code, client))
            })
        })
        .collect();
    wait_until("something has come", || (there("/srv/team")[0] > 5_000_000).then_some(()));
    for victim in victims {
        kill(victim, Signal::SIGKILL).expect("kill");
    }
    let ended: Vec<_> = uploads.into_iter().filter_map(|upload| upload.join().expect("upload")).collect();
    assert!(ended.iter().any(|(code, _)| *code == 552));
    drop(ended);
    wait_until("the sessions are gone", || (sessions().count() == 0).then_some(()));
    let [mut alice, mut bob] = ["alice", "bob"].map(Client::logged_in);
    let found = by_owner("/srv/team");
    assert_eq!([told(&mut alice), told(&mut bob)], [found[&2001], found[&2002]]);
    assert_eq!(all_told(&mut bob)[1].1, there("/srv/team"));
    // And from there on to the last byte, two at once.
    let more: Vec<_> = [alice, bob]
        .into_iter()
        .map(|mut client| thread::spawn(move || (send(&mut client, "STOU more", 25_000_000), client)))
        .collect();
    let ended: Vec<_> = more.into_iter().map(|upload| upload.join().expect("upload")).collect();
    assert!(ended.iter().all(|(code, _)| *code == 552));
    let found = by_owner("/srv/team");
    let [bytes, _] = there("/srv/team");
    assert!(bytes == 30_000_001 || found.values().all(|[bytes, _]| *bytes == 20_000_000), "{found:?}");
    for (client, uid) in ended.into_iter().map(|(_, client)| client).zip([2001, 2002]) {
        let mut client = client;
        assert_eq!(told(&mut client), found[&uid]);
    }
}
