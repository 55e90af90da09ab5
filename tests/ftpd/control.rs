//! ftpctl: what administrators see and do while clients are served.

use std::os::unix::ffi::OsStrExt;
use std::process::Output;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::accounts::Account;
use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::{CONTROL, World};

tests! {
    says_how_the_daemon_is
    lists_who_is_there_before_and_after_login
    shows_what_sessions_do
    lists_a_thousand_clients
    sends_away_by_number_user_and_address
    sends_away_whom_it_cannot_tell
    a_client_who_is_sent_away_in_a_transfer_is_told_so
    sends_away_a_session_that_is_stopped
    sends_away_who_has_not_logged_in
    reloads_and_says_what_is_wrong
    drains_and_serves_again
    waits_until_the_last_client_has_left
    stops_and_waits_for_the_end
    logs_more_while_clients_are_served
    names_do_nothing_to_the_terminal
    bans_and_ends_bans
    tells_what_quotas_are_used
    throttles_what_is_running
    traces_a_client_and_no_other
    traces_an_address_and_a_number
}

/// Runs ftpctl to its end.
pub fn ftpctl(world: &World, arguments: &[&str]) -> Output {
    world.command(CONTROL).args(arguments).output().expect("ftpctl runs")
}

/// The same; it must succeed. What it printed.
pub fn told(world: &World, arguments: &[&str]) -> String {
    let output = ftpctl(world, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ftpctl {arguments:?}: {} {error}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// The same; what it printed is JSON.
pub fn json(world: &World, arguments: &[&str]) -> Value {
    let text = told(world, &[&["--json"], arguments].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The same; it must fail with this status. What it said about it.
pub fn refused(world: &World, arguments: &[&str], status: i32) -> String {
    let output = ftpctl(world, arguments);
    assert_eq!(output.status.code(), Some(status), "ftpctl {arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn says_how_the_daemon_is() {
    let world = World::new();
    let server = Server::start(&world, "listen.max-sessions = 77");
    let _alice = Client::logged_in("alice");
    let _somebody = Client::greeted();
    wait_until("both are counted", || (json(&world, &["status"])["sessions"] == 2).then_some(()));
    let status = json(&world, &["status"]);
    assert_eq!(status["state"], "serving");
    assert_eq!(status["pid"], server.pid().as_raw());
    assert_eq!((&status["logged_in"], &status["max_sessions"]), (&1.into(), &77.into()));
    assert_eq!(status["reload_error"], Value::Null);
    let text = told(&world, &["status"]);
    assert!(text.contains("2 of 77") && text.contains("serving") && text.contains("[::]:21"), "{text}");
}

fn lists_who_is_there_before_and_after_login() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let _alice = Client::logged_in("alice");
    let bob = Client::logged_in("bob");
    let _somebody = Client::greeted();
    let found = json(&world, &["who"]);
    let users: Vec<_> = found.as_array().expect("list").iter().map(|one| one["user"].clone()).collect();
    assert_eq!(users, [Value::from("alice"), "bob".into(), Value::Null]);
    assert_eq!(found[1]["address"], "127.0.0.1");
    assert_eq!(found[1]["port"], bob.own().port());
    assert_eq!(found[1]["tls"], false);
    let text = told(&world, &["who"]);
    assert!(text.starts_with("ID ") || text.starts_with(" ID "), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
    drop(bob);
    wait_until("bob has left", || (!told(&world, &["who"]).contains("bob")).then_some(()));
}

fn shows_what_sessions_do() {
    let world = World::new();
    let server = Server::start(&world, "");
    world.give("alice", "music/big", vec![7; 30_000_000]);
    let mut alice = Client::logged_in("alice");
    let idle = |one: &Value| one["idle"].as_u64().is_some_and(|idle| idle < 30);
    let alone = || json(&world, &["who"])[0].clone();
    assert!(idle(&alone()) && alone()["directory"] == "/" && alone()["transfer"].is_null(), "{}", alone());
    alice.command("CWD music", 250);
    alice.command("NOOP", 200);
    let one = alone();
    assert_eq!((&one["directory"], &one["command"], &one["state"]), (&"/music".into(), &"NOOP".into(), &"idle".into()));
    // Nobody reads, so it stays where it is.
    let data = alice.passive();
    alice.command("RETR big", 150);
    let one = wait_until("a part of the file is sent", || {
        Some(alone()).filter(|one| one["transfer"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0))
    });
    let transfer = &one["transfer"];
    assert_eq!((&one["state"], &one["idle"]), (&"downloading".into(), &Value::Null));
    assert_eq!((&transfer["file"], &transfer["size"]), (&"/music/big".into(), &30_000_000.into()));
    assert!(transfer["per_cent"].as_u64().is_some_and(|share| share < 100), "{one}");
    let text = told(&world, &["who"]);
    assert!(text.contains("/music/big") && text.contains("RETR") && text.contains("/s\n"), "{text}");
    drop(data);
    alice.expect(426);
    wait_until("it is over", || alone()["transfer"].is_null().then_some(()));
    // What a terminal would obey, and what is no text at all.
    world.give("alice", std::ffi::OsStr::from_bytes(b"music/\x1b[2J\xff"), "");
    let mut data = alice.passive();
    alice.send_bytes(b"STOR \x1b[2J\xff\r\n");
    alice.expect(150);
    std::io::Write::write_all(&mut data, b"half").expect("sent");
    server.wait_until_written(4);
    let text = told(&world, &["who"]);
    assert!(text.contains("/music/\\x1b[2J\\xff") && !text.contains('\x1b'), "{text}");
    assert_eq!(alone()["transfer"]["file"], "/music/\u{1b}[2J\u{fffd}");
}

fn lists_a_thousand_clients() {
    let world = World::new();
    let settings = "listen.max-sessions = 1000\nlisten.max-sessions-per-address = 1000\n\
                    login.login-timeout = 600\nlog.level = \"notice\"";
    let _server = Server::start(&world, settings);
    let alice = Client::logged_in("alice");
    let clients: Vec<_> = (1..1000).map(|_| Client::greeted()).collect();
    let found = json(&world, &["who"]);
    let found = found.as_array().expect("list");
    assert_eq!(found.len(), 1000);
    assert_eq!(found.iter().filter(|one| one["user"] == "alice").count(), 1);
    let mut ports: Vec<_> = found.iter().map(|one| one["port"].as_u64()).collect();
    let mut expected: Vec<_> =
        clients.iter().chain([&alice]).map(|client| Some(u64::from(client.own().port()))).collect();
    ports.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ports, expected);
    assert_eq!(told(&world, &["who"]).lines().count(), 1001);
}

/// The number by which the daemon knows the client.
fn number_of(world: &World, client: &Client) -> u64 {
    let port = client.own().port();
    let found = json(world, &["who"]);
    let mut all = found.as_array().expect("list").iter();
    all.find(|one| one["port"] == port).expect("the client is listed")["id"].as_u64().expect("number")
}

fn sends_away_by_number_user_and_address() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut first = Client::logged_in("alice");
    let mut second = Client::logged_in("alice");
    let mut bob = Client::logged_in("bob");
    let number = number_of(&world, &first);
    assert!(told(&world, &["kick", &number.to_string()]).contains("1 client"));
    first.expect(421);
    first.expect_end();
    second.command("NOOP", 200);
    assert_eq!(json(&world, &["kick", "alice"])["count"], 1);
    second.expect(421);
    bob.command("NOOP", 200);
    told(&world, &["kick", "127.0.0.0/8"]);
    bob.expect(421);
    wait_until("all are gone", || (json(&world, &["status"])["sessions"] == 0).then_some(()));
    server.wait_for_log("sent away by the administrator");
    assert_eq!(server.find("session").map(|session| session.title()), None);
}

fn sends_away_whom_it_cannot_tell() {
    let world = World::new();
    let _server = Server::start(&world, "");
    for whom in ["alice", "17", "192.0.2.1", "2001:db8::/32"] {
        assert!(refused(&world, &["kick", whom], 1).contains("not connected"));
    }
    world.add(Account::new("4711", 4711));
    let mut client = Client::logged_in("4711");
    assert!(refused(&world, &["kick", "4711"], 1).contains("not connected"));
    told(&world, &["kick", "--user", "4711"]);
    client.expect(421);
}

fn a_client_who_is_sent_away_in_a_transfer_is_told_so() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    let mut data = alice.passive();
    alice.command("STOR half", 150);
    std::io::Write::write_all(&mut data, b"the first half").expect("sent");
    server.wait_until_written(14);
    told(&world, &["kick", "alice"]);
    let reply = alice.expect(421);
    assert!(reply.text().contains("administrator"), "{reply}");
    alice.expect_end();
    server.wait_for_log("completed=0");
    wait_until("every process is gone", || server.find("session").is_none().then_some(()));
}

fn sends_away_a_session_that_is_stopped() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    kill(server.process("session").pid, Signal::SIGSTOP).expect("stopped");
    told(&world, &["kick", "alice"]);
    alice.expect_end();
    wait_until("every process is gone", || (json(&world, &["status"])["sessions"] == 0).then_some(()));
}

fn sends_away_who_has_not_logged_in() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut silent = Client::greeted();
    let mut half = Client::greeted();
    half.command("USER alice", 331);
    // A frontend that does nothing at all is ended, too.
    let mut stopped = Client::greeted();
    let numbers = [&silent, &half, &stopped].map(|client| number_of(&world, client));
    let found = json(&world, &["who"]);
    let worker = found.as_array().expect("list").iter().find(|one| one["id"] == numbers[2]);
    let worker = worker.expect("listed")["pid"].as_i64().expect("number") as i32;
    let frontend = server.processes().into_iter().find(|process| process.parent().as_raw() == worker);
    kill(frontend.expect("a frontend").pid, Signal::SIGSTOP).expect("stopped");
    for number in &numbers {
        told(&world, &["kick", &number.to_string()]);
    }
    silent.expect(421);
    silent.expect_end();
    half.expect(421);
    half.expect_end();
    stopped.expect_end();
    wait_until("all are gone", || (json(&world, &["status"])["sessions"] == 0).then_some(()));
}

fn reloads_and_says_what_is_wrong() {
    let world = World::new();
    let server = Server::start(&world, "server.banner = \"Hello.\"");
    server.configure("server.banner = \"Good day.\"");
    told(&world, &["reload"]);
    // It is done when ftpctl says so.
    assert!(Client::connect().expect(220).whole().contains("Good day."));
    server.configure_exactly("[listen]\nmax-sesions = 3\n");
    let reason = refused(&world, &["reload"], 1);
    assert!(reason.contains("ftpd.toml") && reason.contains("max-sesions"), "{reason}");
    assert!(Client::connect().expect(220).whole().contains("Good day."));
    let status = json(&world, &["status"]);
    assert!(status["reload_error"].as_str().expect("text").contains("max-sesions"), "{status}");
    let failure = ftpctl(&world, &["--json", "reload"]);
    let failure: Value = serde_json::from_slice(&failure.stdout).expect("JSON");
    assert!(failure["error"].as_str().expect("text").contains("max-sesions"));
    server.configure("");
    told(&world, &["reload"]);
    assert_eq!(json(&world, &["status"])["reload_error"], Value::Null);
}

fn drains_and_serves_again() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    assert!(told(&world, &["drain"]).contains("1 is connected"));
    assert_eq!(json(&world, &["status"])["state"], "draining");
    let mut refused = Client::connect();
    refused.expect(421);
    refused.expect_end();
    // Who was there goes on as if nothing were.
    alice.transmit("STOR file", b"content");
    assert_eq!(alice.receive_text("RETR file"), "content");
    told(&world, &["drain", "--off"]);
    Client::logged_in("bob");
    assert_eq!(json(&world, &["status"])["state"], "serving");
}

fn waits_until_the_last_client_has_left() {
    let world = World::new();
    let _server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    assert!(refused(&world, &["drain", "--wait", "0"], 1).contains("1 client is still connected"));
    let mut waiting = world.command(CONTROL);
    let mut waiting = waiting.args(["drain", "--wait"]).spawn().expect("ftpctl runs");
    alice.command("QUIT", 221);
    let status = wait_until("ftpctl has seen it", || waiting.try_wait().expect("wait"));
    assert!(status.success());
    assert_eq!(json(&world, &["status"])["sessions"], 0);
}

fn stops_and_waits_for_the_end() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    let mut alice = Client::logged_in("alice");
    let mut data = alice.passive();
    alice.command("STOR file", 150);
    std::io::Write::write_all(&mut data, b"half").expect("sent");
    told(&world, &["stop", "--grace", "60", "--no-wait"]);
    server.wait_for_log("transfers may finish for 60 s");
    assert_eq!(json(&world, &["status"])["state"], "stopping");
    // Who stops it has changed his mind: at once.
    told(&world, &["stop", "--now"]);
    assert!(server.wait_for_end().success());
    assert!(refused(&world, &["status"], 3).contains("no daemon"));
}

fn logs_more_while_clients_are_served() {
    let world = World::new();
    let server = Server::start(&world, "log.level = \"notice\"");
    let mut alice = Client::logged_in("alice");
    assert_eq!(told(&world, &["log-level"]), "notice\n");
    assert_eq!(told(&world, &["log-level", "info"]), "info\n");
    alice.command("QUIT", 221);
    // The line of a session that was there already, and that of one that comes.
    server.wait_for_log("FTP session closed (quit)");
    let lines = server.log_length();
    Client::greeted();
    server.wait_for_log_after(lines, "FTP session opened");
    assert_eq!(told(&world, &["log-level", "configured"]), "notice\n");
    assert!(refused(&world, &["log-level", "loud"], 1).contains("none of"));
    told(&world, &["log-level", "debug"]);
    told(&world, &["reload"]);
    assert_eq!(told(&world, &["log-level"]), "notice\n");
}

fn names_do_nothing_to_the_terminal() {
    let world = World::new();
    world.write("/etc/users.toml", "");
    let _server = Server::start(&world, "");
    let reason = refused(&world, &["kick", "\u{1b}[2J\nforged"], 1);
    assert!(!reason.trim_end().contains(|c: char| c.is_control()), "{reason:?}");
}

fn tells_what_quotas_are_used() {
    let world = World::new();
    world.write("/srv/in/file", "12345");
    let settings = "user.alice.quota-bytes = \"2K\"\nuser.alice.quota-of = \"user\"\n\
                    quota.incoming.paths = [\"/srv/in\"]\nquota.incoming.files = 10\nsession.root-dir = \"/srv\"";
    let _server = Server::start(&world, settings);
    assert_eq!(json(&world, &["quotas"]), serde_json::json!([]));
    let mut alice = Client::logged_in("alice");
    assert!(told(&world, &["quotas"]).contains('?'), "nobody has counted yet");
    alice.command("CWD in", 250);
    alice.command("SITE QUOTA", 200);
    let incoming = serde_json::json!({
        "quota": "incoming", "user": null, "directory": "/srv/in", "bytes": 5, "most_bytes": null, "files": 1,
        "most_files": 10, "counted": true
    });
    let hers = serde_json::json!({
        "quota": null, "user": "alice", "directory": "/srv", "bytes": 0, "most_bytes": 2048, "files": 0,
        "most_files": null, "counted": true
    });
    assert_eq!(json(&world, &["quotas"]), serde_json::json!([hers, incoming]));
    let table = told(&world, &["quotas"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["-", "alice", "0", "2.0K", "0", "-", "/srv"]);
    assert_eq!(lines[2], ["incoming", "-", "5", "-", "1", "10", "/srv/in"]);
}

fn bans_and_ends_bans() {
    let world = World::new();
    let _server = Server::start(&world, "limits.trusted = []");
    told(&world, &["ban", "127.0.0.9", "--for", "1h", "--why", "a test"]);
    told(&world, &["ban", "bob@", "--for", "1h"]);
    let address = |last: u8| std::net::IpAddr::from([127, 0, 0, last]);
    let server = "127.0.0.1:21".parse().expect("address");
    Client::connect_from(address(9), server).expect(421);
    Client::connect_from(address(8), server).expect(220);
    let found = json(&world, &["bans"]);
    let one = found.as_array().expect("list").iter().find(|one| one["whom"] == "127.0.0.9").expect("the ban");
    assert!(one["seconds_left"].as_u64().is_some_and(|left| (3000..=3600).contains(&left)), "{found}");
    assert_eq!(one["why"], "a test");
    assert_eq!(told(&world, &["bans"]).lines().count(), 3);
    told(&world, &["unban", "127.0.0.9"]);
    Client::connect_from(address(9), server).expect(220);
    assert!(refused(&world, &["unban", "127.0.0.9"], 1).contains("not banned"));
    assert!(refused(&world, &["ban", "nonsense"], 1).contains("nonsense"));
    refused(&world, &["ban", "127.0.0.9", "--for", "soon"], 2);
}

fn throttles_what_is_running() {
    let world = World::new();
    let server = Server::start(&world, "");
    world.give("alice", "big", vec![7; 100_000_000]);
    let mut alice = Client::logged_in("alice");
    told(&world, &["throttle", "alice", "--down", "100K"]);
    let mut data = alice.passive();
    alice.command("RETR big", 150);
    let mut buffer = vec![0; 1 << 16];
    let began = std::time::Instant::now();
    let mut received = 0;
    while received < 150_000 {
        received += std::io::Read::read(&mut data, &mut buffer).expect("data");
    }
    assert!(began.elapsed() > std::time::Duration::from_millis(300), "150 KB in {:?}", began.elapsed());
    let found = json(&world, &["throttle"]);
    assert_eq!((&found[0]["whom"], &found[0]["direction"]), (&"user alice".into(), &"down".into()));
    assert_eq!(found[0]["bytes_per_second"], 102_400);
    // From here on it is as fast as it can be.
    told(&world, &["throttle", "alice", "--down", "configured"]);
    let rest = std::io::copy(&mut data, &mut std::io::sink()).expect("data");
    assert_eq!(rest + received as u64, 100_000_000);
    alice.expect(226);
    assert_eq!(json(&world, &["throttle"]), Value::Array(Vec::new()));
    assert!(refused(&world, &["throttle", "4711", "--up", "1M"], 1).contains("not connected"));
    refused(&world, &["throttle", "alice"], 1);
    drop(server);
}

fn traces_a_client_and_no_other() {
    let world = World::new();
    let server = Server::start(&world, "log.level = \"notice\"");
    let mut alice = Client::logged_in("alice");
    let mut bob = Client::logged_in("bob");
    assert!(told(&world, &["trace", "alice"]).contains("1 of them"));
    alice.command("MKD traced", 257);
    bob.command("MKD untold", 257);
    server.wait_for_log("\"MKD\" \"traced\" 257");
    // Who comes later, too.
    let mut again = Client::logged_in("alice");
    again.command("RMD traced", 250);
    server.wait_for_log("\"RMD\" \"traced\" 250");
    told(&world, &["trace", "--off"]);
    alice.command("MKD quiet", 257);
    alice.command("QUIT", 221);
    again.command("QUIT", 221);
    wait_until("they have left", || (json(&world, &["status"])["sessions"] == 1).then_some(()));
    let log = server.log();
    assert!(!log.contains("untold") && !log.contains("quiet"), "{log}");
}

fn traces_an_address_and_a_number() {
    let world = World::new();
    let server = Server::start(&world, "log.level = \"notice\"");
    let from = |last: u8| {
        let address = std::net::IpAddr::from([127, 0, 0, last]);
        let mut client = Client::connect_from(address, "127.0.0.1:21".parse().expect("address"));
        client.expect(220);
        client
    };
    told(&world, &["trace", "127.0.0.9"]);
    let (mut traced, mut other) = (from(9), from(8));
    traced.log_in("alice");
    other.log_in("bob");
    other.command("MKD untold", 257);
    traced.command("MKD told", 257);
    server.wait_for_log("\"MKD\" \"told\" 257");
    told(&world, &["trace", "--off"]);
    let number = number_of(&world, &other).to_string();
    told(&world, &["trace", &number]);
    other.command("RMD untold", 250);
    server.wait_for_log("\"RMD\" \"untold\" 250");
    let log = server.log();
    assert!(!log.contains("\"MKD\" \"untold\""), "{log}");
}
