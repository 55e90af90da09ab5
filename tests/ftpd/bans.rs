//! What follows when clients guess at passwords, come too often, or are no FTP clients.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::sysinfo::sysinfo;

use crate::accounts::PASSWORD;
use crate::client::{Client, Reply};
use crate::events;
use crate::network;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    guessing_at_a_user_bans_from_that_user_alone_and_from_there_alone
    guessing_at_all_users_bans_the_address
    guessing_from_many_addresses_of_a_network_bans_all_of_it
    a_hook_writes_bans_into_a_set_of_the_firewall
    a_ban_of_an_address_ends_none_of_its_sessions
    a_ban_says_nothing_about_whether_there_is_such_a_user
    a_ban_is_over_when_its_time_is
    a_second_ban_is_twice_as_long
    bans_outlive_a_reload_and_the_daemon
    bans_are_kept_where_only_root_reads_them
    bans_and_their_ends_are_events
    a_file_of_bans_that_is_damaged_bans_nobody
    trusted_networks_are_not_banned
    guessing_from_everywhere_makes_answers_take_longer_for_who_is_wrong
    logging_in_forgives_what_was_wrong
    what_is_no_ftp_client_is_banned_as_a_guesser_is
    an_address_connects_no_faster_than_its_rate
    a_machine_with_too_much_to_do_takes_no_clients
    a_banned_client_behind_a_proxy_is_refused_and_others_are_not
}

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 21);

/// Everybody is judged, and nobody for more than the test wants.
fn start(world: &World, settings: &str) -> Server {
    Server::start(world, &format!("limits.trusted = []\nlimits.failures-per-user = \"1000/m\"\n{settings}"))
}

fn connect(last: u8) -> Client {
    Client::connect_from(IpAddr::from([127, 0, 0, last]), SERVER)
}

fn greeted(last: u8) -> Client {
    let mut client = connect(last);
    client.expect(220);
    client
}

fn attempt(client: &mut Client, user: &str, password: &str) -> Reply {
    client.command(&format!("USER {user}"), 331);
    client.send(&format!("PASS {password}"));
    client.read_reply()
}

/// A connection of its own for each wrong login, and what the last one is answered.
fn guess(last: u8, users: &[&str]) -> Reply {
    let replies: Vec<Reply> = users.iter().map(|user| attempt(&mut greeted(last), user, "wrong")).collect();
    replies.into_iter().next_back().expect("at least one user")
}

fn guessing_at_a_user_bans_from_that_user_alone_and_from_there_alone() {
    let world = World::new();
    let server = start(&world, "limits.failures-per-user-and-address = \"2/10m\"");
    guess(1, &["alice", "alice"]);
    server.wait_for_log("alice@127.0.0.1 is banned for 60 seconds: wrong logins (ban 1)");
    let refused = attempt(&mut greeted(1), "alice", PASSWORD);
    assert_eq!(refused.code, 530);
    assert!(refused.to_string().contains("Banned for now. Please try again in "), "{refused}");
    assert_eq!(attempt(&mut greeted(1), "bob", PASSWORD).code, 230);
    assert_eq!(attempt(&mut greeted(2), "alice", PASSWORD).code, 230);
}

fn guessing_at_all_users_bans_the_address() {
    let world = World::new();
    let server = start(&world, "limits.failures-per-address = \"3/10m\"\nlogin.max-failures = 50");
    guess(1, &["alice", "bob"]);
    let mut client = greeted(1);
    assert_eq!(attempt(&mut client, "nobody-at-all", "wrong").code, 530);
    client.expect_end();
    let mut refused = connect(1);
    let reply = refused.expect(421);
    assert!(reply.text().starts_with("Banned for now."), "{reply}");
    refused.expect_end();
    assert_eq!(attempt(&mut greeted(2), "alice", PASSWORD).code, 230);
    server.wait_for_log("refused: 127.0.0.1 is banned (wrong logins) for");
    server.signal(Signal::SIGUSR1);
    server.wait_for_log(" 1 bans");
}

/// Whoever has 64 bits of IPv6 has addresses enough for each attempt.
fn guessing_from_many_addresses_of_a_network_bans_all_of_it() {
    let world = World::new();
    let addresses = ["fd00:0:0:1::1", "fd00:0:0:1::2", "fd00:0:0:1:8000::3", "fd00:0:0:2::1"];
    let addresses = addresses.map(|address| address.parse::<Ipv6Addr>().expect("address"));
    addresses.into_iter().for_each(network::add_address);
    let server = start(&world, "limits.failures-per-address = \"2/10m\"");
    let connect = |own: Ipv6Addr| Client::connect_from(own.into(), SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 21));
    for (own, user) in addresses.into_iter().zip(["alice", "bob"]) {
        let mut client = connect(own);
        client.expect(220);
        attempt(&mut client, user, "wrong");
    }
    server.wait_for_log("fd00:0:0:1::/64 is banned");
    for own in &addresses[..3] {
        connect(*own).expect(421);
    }
    connect(addresses[3]).expect(220);
}

/// The program of docs/examples, as it stands there.
fn a_hook_writes_bans_into_a_set_of_the_firewall() {
    let world = World::new();
    let nft = |arguments: &[&str]| {
        let output = world.command("nft").args(arguments).output().expect("nft");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    nft(&["add", "table", "inet", "filter"]);
    let example = include_str!("../../docs/examples/hooks.toml");
    let about = example.split("[hook.firewall]").nth(1).expect("the hook").split("\n\n").next().expect("its lines");
    for line in about.lines().filter_map(|line| line.split_once("nft add set ")) {
        let (place, set) = line.1.split_once(" '").expect("a set");
        let words: Vec<&str> = ["add", "set"].into_iter().chain(place.split(' ')).collect();
        nft(&[&words[..], &[set.trim_end_matches('\'')]].concat());
    }
    let script = about.split_once("# #!/bin/sh").expect("a script").1.replace("\n# ", "\n");
    world.write("/etc/ftpd/firewall", format!("#!/bin/sh{script}\n"));
    fs::set_permissions("/etc/ftpd/firewall", std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let server = start(
        &world,
        "limits.failures-per-address = \"2/10m\"\nhook.firewall.events = [\"banned\", \"unbanned\"]\n\
         hook.firewall.program = \"/etc/ftpd/firewall\"\nhook.firewall.account = \"root\"\nhook.firewall.at-once = 1",
    );
    guess(9, &["alice", "bob"]);
    server.wait_for_log("127.0.0.9 is banned");
    let is_in_it = || nft(&["list", "set", "inet", "filter", "ftpd4"]).contains("127.0.0.9 timeout");
    wait_until("the firewall knows", || is_in_it().then_some(()));
    crate::control::ftpctl(&world, &["unban", "127.0.0.9"]);
    wait_until("the firewall has forgotten", || (!is_in_it()).then_some(()));
}

fn a_ban_of_an_address_ends_none_of_its_sessions() {
    let world = World::new();
    let _server = start(&world, "limits.failures-per-address = \"2/10m\"");
    let mut session = greeted(1);
    session.log_in("alice");
    let mut waiting = greeted(1);
    guess(1, &["bob", "bob"]);
    connect(1).expect(421);
    session.command("PWD", 257);
    // Who was there before, and has not logged in, can do so no longer.
    assert_eq!(attempt(&mut waiting, "alice", PASSWORD).code, 530);
}

fn a_ban_says_nothing_about_whether_there_is_such_a_user() {
    let world = World::new();
    let _server = start(&world, "limits.failures-per-user-and-address = \"2/10m\"\nlimits.ban-time = 3600");
    let answers = ["alice", "nobody-at-all"].map(|user| {
        guess(1, &[user, user]);
        attempt(&mut greeted(1), user, PASSWORD).to_string()
    });
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains("in 60 minutes"), "{}", answers[0]);
}

fn a_ban_is_over_when_its_time_is() {
    let world = World::new();
    let _server = start(&world, "limits.failures-per-address = \"2/10m\"\nlimits.ban-time = 1");
    guess(1, &["alice", "alice"]);
    connect(1).expect(421);
    wait_until("the ban is over", || (connect(1).read_reply().code == 220).then_some(()));
}

fn a_second_ban_is_twice_as_long() {
    let world = World::new();
    let server = start(&world, "limits.failures-per-address = \"2/10m\"\nlimits.ban-time = 1");
    for (seconds, number) in [("1 second:", 1), ("2 seconds:", 2), ("4 seconds:", 3)] {
        wait_until("the ban is over", || (connect(1).read_reply().code == 220).then_some(()));
        guess(1, &["alice", "alice"]);
        server.wait_for_log(&format!("127.0.0.1 is banned for {seconds} wrong logins (ban {number})"));
    }
}

fn bans_outlive_a_reload_and_the_daemon() {
    let world = World::new();
    let settings = "limits.failures-per-address = \"2/10m\"\nlimits.ban-time = 3600";
    let mut server = start(&world, settings);
    guess(1, &["alice", "alice"]);
    connect(1).expect(421);
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    connect(1).expect(421);
    // By the stop it is written in any case; the next one is killed, and has had to write it before.
    server.signal(Signal::SIGTERM);
    server.wait_for_end();
    let mut server = start(&world, settings);
    connect(1).expect(421);
    guess(2, &["alice", "alice"]);
    connect(2).expect(421);
    let file = "/var/lib/ftpd/bans";
    wait_until("the ban is written", || fs::read_to_string(file).ok()?.contains("127.0.0.2").then_some(()));
    server.signal(Signal::SIGKILL);
    server.wait_for_end();
    let _server = start(&world, settings);
    connect(1).expect(421);
    connect(2).expect(421);
    connect(3).expect(220);
}

fn bans_are_kept_where_only_root_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let _server = start(&world, "limits.failures-per-address = \"1/10m\"\nserver.state-directory = \"/srv/state\"");
    guess(1, &["alice"]);
    let mode = wait_until("the ban is written", || fs::metadata("/srv/state/bans").ok()).permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::metadata("/srv/state").expect("directory").permissions().mode() & 0o777, 0o700);
}

fn bans_and_their_ends_are_events() {
    let world = World::new();
    let log = format!("events.log = \"{}\"", events::LOG);
    let settings = format!("limits.failures-per-user-and-address = \"1/10m\"\nlimits.ban-time = 1\n{log}");
    let _server = start(&world, &settings);
    guess(1, &["alice"]);
    let event = events::wait_for("banned", 1);
    assert_eq!(event["banned"], "alice@127.0.0.1");
    assert_eq!(event["seconds"], 1);
    assert_eq!(event["reason"], "wrong logins");
    assert_eq!(events::wait_for("unbanned", 1)["banned"], "alice@127.0.0.1");
}

fn a_file_of_bans_that_is_damaged_bans_nobody() {
    let world = World::new();
    world.write("/var/lib/ftpd/bans", b"\xff\xfe\t1\t\0\n99999999999999999999\t1\t127.0.0.1\t\n\t\t\t\n");
    let server = start(&world, "");
    assert_eq!(attempt(&mut greeted(1), "alice", PASSWORD).code, 230);
    drop(server);
    fs::remove_file("/var/lib/ftpd/bans").expect("remove");
    fs::create_dir("/var/lib/ftpd/bans").expect("directory");
    let server = start(&world, "");
    assert_eq!(attempt(&mut greeted(1), "alice", PASSWORD).code, 230);
    server.wait_for_log("bans of /var/lib/ftpd cannot be read");
}

fn trusted_networks_are_not_banned() {
    let world = World::new();
    let settings = "limits.failures-per-address = \"2/10m\"\nlimits.failures-per-user-and-address = \"2/10m\"\n\
                    limits.trusted = [\"127.0.0.8/29\"]\nlimits.connection-rate = \"5/m\"";
    let _server = Server::start(&world, settings);
    for _ in 0..4 {
        guess(9, &["alice", "alice"]);
    }
    assert_eq!(attempt(&mut greeted(9), "alice", PASSWORD).code, 230);
    guess(1, &["alice", "alice"]);
    connect(1).expect(421);
}

fn guessing_from_everywhere_makes_answers_take_longer_for_who_is_wrong() {
    let world = World::new();
    let _server = Server::start(
        &world,
        "limits.trusted = []\nlimits.failures-per-user = \"3/10m\"\nlimits.slowest-answer = 2",
    );
    let mut times = Vec::new();
    for last in 1..=4 {
        let began = Instant::now();
        guess(last, &["alice"]);
        times.push(began.elapsed());
    }
    assert!(times[2] >= Duration::from_secs(1) && times[3] >= Duration::from_secs(2), "{times:?}");
    let began = Instant::now();
    assert_eq!(attempt(&mut greeted(5), "alice", PASSWORD).code, 230);
    assert!(began.elapsed() < times[3], "{:?}", began.elapsed());
}

fn logging_in_forgives_what_was_wrong() {
    let world = World::new();
    let _server = start(&world, "limits.failures-per-user-and-address = \"2/10m\"");
    for _ in 0..3 {
        guess(1, &["alice"]);
        assert_eq!(attempt(&mut greeted(1), "alice", PASSWORD).code, 230);
    }
}

fn what_is_no_ftp_client_is_banned_as_a_guesser_is() {
    let world = World::new();
    let server = start(&world, "limits.failures-per-address = \"2/10m\"");
    for _ in 0..2 {
        let mut browser = greeted(1);
        browser.send("GET / HTTP/1.1");
        browser.expect_end();
    }
    server.wait_for_log("127.0.0.1 is banned for 60 seconds: misuse");
    connect(1).expect(421);
}

fn an_address_connects_no_faster_than_its_rate() {
    let world = World::new();
    let server = start(&world, "limits.connection-rate = \"3/m\"");
    let codes = [1, 1, 1, 1, 2].map(|last| connect(last).read_reply().code);
    assert_eq!(codes, [220, 220, 220, 421, 220]);
    server.wait_for_log("connection-rate is reached");
}

fn a_machine_with_too_much_to_do_takes_no_clients() {
    let world = World::new();
    let load = || sysinfo().expect("sysinfo").load_average().0;
    drop(start(&world, "limits.max-load = 10000").process("supervisor"));
    let before = load();
    let server = start(&world, "limits.max-load = 1");
    let code = connect(1).read_reply().code;
    match (before > 1.0, load() > 1.0) {
        (true, true) => {
            assert_eq!(code, 421);
            server.wait_for_log("max-load is reached");
        }
        (false, false) => assert_eq!(code, 220),
        // It has changed in between: either is right.
        _ => assert!([220, 421].contains(&code)),
    }
}

fn a_banned_client_behind_a_proxy_is_refused_and_others_are_not() {
    let world = World::new();
    let _server = start(
        &world,
        "limits.failures-per-address = \"2/10m\"\nlisten.proxied = [\"[::]:21\"]\nlisten.trusted-proxies = [\"127.0.0.1\"]",
    );
    let behind = |address: &str| {
        let mut client = Client::connect();
        client.send(&format!("PROXY TCP4 {address} 127.0.0.1 1000 21"));
        let reply = client.read_reply();
        (client, reply)
    };
    for _ in 0..2 {
        attempt(&mut behind("203.0.113.1").0, "alice", "wrong");
    }
    let (_, reply) = behind("203.0.113.1");
    assert_eq!(reply.code, 421);
    assert!(reply.text().starts_with("Banned for now."), "{reply}");
    assert_eq!(behind("203.0.113.2").1.code, 220);
}
