//! The event log: every event is told, in one line of JSON, and nothing that a client says can forge one.

use std::io::Write;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::client::{Client, reset};
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    who_comes_logs_in_and_logs_out_is_told
    who_just_goes_away_does_not_log_out
    logging_in_anew_is_a_logout
    a_login_that_fails_is_told_with_its_reason
    a_client_who_is_turned_away_is_told
    files_that_were_sent_and_received_are_told_with_their_real_path
    what_is_cut_short_is_told_as_incomplete
    changes_are_told
    what_is_forbidden_is_told
    no_name_can_forge_an_event
    the_event_log_follows_a_file_that_was_moved_away
    an_events_process_that_died_is_replaced_and_nothing_is_lost
    a_reload_begins_a_new_event_log
    what_happens_last_is_told_before_the_daemon_ends
    a_worker_that_dies_is_told_of_by_the_supervisor
    there_is_no_events_process_unless_somebody_asks_for_one
    the_events_process_can_start_programs_and_nothing_else
}

pub const LOG: &str = "/run/world/events.json";
const LOGGED: &str = "events.log = \"/run/world/events.json\"";

/// All events so far. A line that is no JSON fails the test.
pub fn events() -> Vec<Value> {
    let text = std::fs::read_to_string(LOG).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Waits until so many events of this name were told; returns the last of them.
pub fn wait_for(name: &str, count: usize) -> Value {
    wait_until(&format!("{name} is told {count} times"), || {
        let mut found: Vec<_> = events().into_iter().filter(|event| event["event"] == name).collect();
        if found.len() >= count { found.pop() } else { None }
    })
}

/// The names of all events so far.
pub fn names() -> Vec<String> {
    events().iter().map(|event| event["event"].as_str().unwrap_or_default().to_owned()).collect()
}

fn who_comes_logs_in_and_logs_out_is_told() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    let own = client.own();
    client.transmit("STOR file", b"content");
    client.command("QUIT", 221);
    let end = wait_for("disconnect", 1);
    assert_eq!(names(), ["connect", "login", "file-received", "logout", "disconnect"]);
    assert_eq!((&end["reason"], &end["files"], &end["received"]), (&"quit".into(), &1.into(), &7.into()));
    assert!(end["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{end}");
    for event in events() {
        assert_eq!(event["session"], 1);
        assert_eq!((&event["peer"], &event["peer_port"]), (&"127.0.0.1".into(), &own.port().into()));
        assert_eq!((&event["local"], &event["local_port"]), (&"127.0.0.1".into(), &21.into()));
        assert_eq!(event["tls"], false);
        let time = event["time"].as_str().expect("time");
        assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    }
    let login = wait_for("login", 1);
    assert_eq!((&login["user"], &login["uid"]), (&"alice".into(), &2001.into()));
    assert!(wait_for("connect", 1)["user"].is_null());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(LOG).expect("event log"));
    assert_eq!(mode & 0o777, 0o640);
}

fn who_just_goes_away_does_not_log_out() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    drop(Client::logged_in("alice"));
    let end = wait_for("disconnect", 1);
    assert_eq!((&end["user"], &end["reason"]), (&"alice".into(), &"connection closed by the client".into()));
    assert_eq!(names(), ["connect", "login", "disconnect"]);
}

fn logging_in_anew_is_a_logout() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    client.command("REIN", 220);
    client.log_in("bob");
    // USER in a session says that, too.
    client.log_in("alice");
    client.command("QUIT", 221);
    wait_for("disconnect", 1);
    assert_eq!(names(), ["connect", "login", "logout", "login", "logout", "login", "logout", "disconnect"]);
    let users: Vec<_> = events().iter().map(|event| event["user"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(users[1..], ["alice", "alice", "bob", "bob", "alice", "alice", "alice"]);
}

fn a_login_that_fails_is_told_with_its_reason() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    client.command("PASS wrong", 530);
    let event = wait_for("login-failed", 1);
    assert_eq!((&event["user"], &event["uid"]), (&"alice".into(), &Value::Null));
    assert!(event["reason"].as_str().is_some_and(|reason| reason.contains("Authentication failure")), "{event}");
}

fn a_client_who_is_turned_away_is_told() {
    let world = World::new();
    let _server = Server::start(&world, &format!("{LOGGED}\nlisten.max-sessions = 1"));
    let _first = Client::logged_in("alice");
    let mut second = Client::connect();
    second.expect(421);
    let event = wait_for("refused", 1);
    assert_eq!(event["peer"], "127.0.0.1");
    assert!(event["session"].is_null() && event["reason"].as_str().is_some(), "{event}");
}

fn files_that_were_sent_and_received_are_told_with_their_real_path() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    client.command("MKD d", 257);
    client.command("CWD d", 250);
    client.transmit("STOR file", b"content");
    client.receive("RETR file");
    for name in ["file-received", "file-sent"] {
        let event = wait_for(name, 1);
        assert_eq!((&event["path"], &event["file"]), (&"/d/file".into(), &"/home/alice/d/file".into()));
        assert_eq!((&event["bytes"], &event["result"]), (&7.into(), &"complete".into()));
        assert!(event["seconds"].as_f64().is_some(), "{event}");
    }
}

fn what_is_cut_short_is_told_as_incomplete() {
    let world = World::new();
    let server = Server::start(&world, LOGGED);
    world.give("alice", "large", vec![7; 50 << 20]);
    let mut client = Client::logged_in("alice");
    let mut data = client.passive();
    client.command("STOR file", 150);
    data.write_all(b"content").expect("data");
    server.wait_until_written(7);
    reset(data);
    client.expect(426);
    let event = wait_for("incomplete-file-received", 1);
    assert_eq!((&event["file"], &event["bytes"]), (&"/home/alice/file".into(), &7.into()));
    assert_eq!((&event["result"], &event["left"]), (&"broken".into(), &"beginning".into()));
    // Of what else was begun, something else is left.
    for (line, left) in [("STOR file", "old"), ("APPE file", "changed"), ("STOR other", "nothing")] {
        let data = client.passive();
        client.command(line, 150);
        if left != "nothing" {
            (&data).write_all(b"other").expect("data");
            server.wait_until_written(if left == "old" { 5 } else { 12 });
        }
        reset(data);
        client.expect(426);
        wait_until("it is told", || {
            events().pop().is_some_and(|event| event["path"] == format!("/{}", &line[5..]) && event["left"] == left).then_some(())
        });
    }
    client.transmit("STOR whole", b"content");
    assert!(wait_for("file-received", 1)["left"].is_null());
    let data = client.passive();
    client.command("RETR large", 150);
    client.command("ABOR", 426);
    client.expect(226);
    drop(data);
    let event = wait_for("incomplete-file-sent", 1);
    assert_eq!((&event["file"], &event["result"]), (&"/home/alice/large".into(), &"aborted".into()));
}

fn changes_are_told() {
    let world = World::new();
    world.give("alice", "a", "content");
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    for (line, code) in [
        ("RNFR a", 350),
        ("RNTO b", 250),
        ("MKD d", 257),
        ("SITE CHMOD 600 b", 200),
        ("MFMT 20200101000000 b", 213),
        ("SITE CHGRP staff b", 200),
        ("SITE SYMLINK b s", 200),
        ("SITE COPY b c", 250),
        ("RMD d", 250),
        ("DELE b", 250),
    ] {
        client.send(line);
        let reply = client.read_reply();
        assert!(reply.code / 100 == code / 100, "{line}: {}", reply.whole());
    }
    wait_for("deleted", 1);
    let told = |name| wait_for(name, 1);
    let renamed = told("renamed");
    assert_eq!((&renamed["file"], &renamed["to_file"]), (&"/home/alice/a".into(), &"/home/alice/b".into()));
    assert_eq!((&renamed["path"], &renamed["to_path"]), (&"/a".into(), &"/b".into()));
    assert_eq!(told("directory-made")["file"], "/home/alice/d");
    assert_eq!(told("mode-changed")["mode"], "0600");
    assert_eq!(told("time-changed")["path"], "/b");
    assert_eq!(told("group-changed")["gid"], 3001);
    let linked = told("linked");
    assert_eq!((&linked["path"], &linked["to_path"]), (&"/s".into(), &"/b".into()));
    assert_eq!(told("copied")["to_file"], "/home/alice/c");
    assert_eq!(told("directory-removed")["path"], "/d");
}

fn what_is_forbidden_is_told() {
    let world = World::new();
    world.give("alice", "a", "content");
    let _server = Server::start(&world, &format!("{LOGGED}\nsession.permissions = \"elr\""));
    Client::logged_in("alice").command("DELE a", 550);
    let event = wait_for("forbidden", 1);
    assert_eq!((&event["operation"], &event["path"]), (&"DELE".into(), &"/a".into()));
    assert!(event["reason"].as_str().is_some(), "{event}");
}

fn no_name_can_forge_an_event() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::greeted();
    client.send_bytes(b"USER x\"}\r{\"event\":\"login\"}\x1b[31m\xc2\x9b\r\n");
    client.read_reply();
    client.command("PASS x", 530);
    client.log_in("alice");
    client.send_bytes(b"MKD \"}\x1b]0;t\x07\xc2\x85\xe2\x80\xa8{\"event\":\"logout\",\"user\":\"root\"}\r\n");
    client.read_reply();
    client.send_bytes(b"MKD gr\xfcn\r\n");
    client.read_reply();
    wait_for("directory-made", 2);
    let text = std::fs::read_to_string(LOG).expect("event log");
    let wild = text.chars().find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{2028}' | '\u{202e}'));
    assert!(wild.is_none(), "{wild:?} is in the event log as it is");
    assert_eq!(names(), ["connect", "login-failed", "login", "directory-made", "directory-made"]);
    let made = events().into_iter().find(|event| event["event"] == "directory-made").expect("event");
    assert!(made["path"].as_str().is_some_and(|path| path.starts_with("/\"}\u{1b}]0;t\u{7}\u{85}\u{2028}{")), "{made}");
    let made = wait_for("directory-made", 2);
    assert_eq!((&made["path"], &made["path_hex"]), (&"/gr\u{fffd}n".into(), &"2f6772fc6e".into()));
}

fn the_event_log_follows_a_file_that_was_moved_away() {
    let world = World::new();
    let _server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    wait_for("login", 1);
    std::fs::rename(LOG, "/run/world/events.json.1").expect("rename");
    client.command("MKD d", 257);
    wait_for("directory-made", 1);
    assert_eq!(names(), ["directory-made"]);
}

fn an_events_process_that_died_is_replaced_and_nothing_is_lost() {
    let world = World::new();
    let server = Server::start(&world, LOGGED);
    let mut client = Client::logged_in("alice");
    wait_for("login", 1);
    let first = server.process("events");
    kill(first.pid, Signal::SIGKILL).expect("kill");
    for number in 0..20 {
        client.command(&format!("MKD d{number}"), 257);
    }
    server.wait_for_log("the events process has died");
    wait_for("directory-made", 20);
    assert_ne!(server.process("events").pid, first.pid);
}

fn a_reload_begins_a_new_event_log() {
    let world = World::new();
    let server = Server::start(&world, LOGGED);
    let mut old = Client::logged_in("alice");
    wait_for("login", 1);
    server.configure("events.log = \"/run/world/new.json\"");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    Client::logged_in("bob").command("QUIT", 221);
    // Who came before goes on as he began, and so does what is told of him.
    old.command("MKD d", 257);
    wait_for("directory-made", 1);
    old.command("QUIT", 221);
    wait_for("disconnect", 1);
    assert!(events().iter().all(|event| event["user"] != "bob"));
    wait_until("bob is in the new log", || {
        let text = std::fs::read_to_string("/run/world/new.json").unwrap_or_default();
        (text.contains("\"bob\"") && text.contains("disconnect")).then_some(())
    });
    wait_until("the old events process has ended", || {
        let count = server.processes().iter().filter(|one| one.title().starts_with("ftpd: events")).count();
        (count == 1).then_some(())
    });
}

fn what_happens_last_is_told_before_the_daemon_ends() {
    let world = World::new();
    let mut server = Server::start(&world, LOGGED);
    let _client = Client::logged_in("alice");
    wait_for("login", 1);
    server.signal(Signal::SIGTERM);
    server.wait_for_end();
    assert_eq!(names(), ["connect", "login", "disconnect"]);
    assert_eq!(events()[2]["reason"], "the daemon is stopping");
}

fn a_worker_that_dies_is_told_of_by_the_supervisor() {
    let world = World::new();
    let server = Server::start(&world, LOGGED);
    let _client = Client::logged_in("alice");
    wait_for("login", 1);
    kill(server.process("worker").pid, Signal::SIGKILL).expect("kill");
    let event = wait_for("disconnect", 1);
    assert_eq!((&event["user"], &event["session"]), (&"alice".into(), &1.into()));
    assert_eq!(event["reason"], "its worker has failed");
}

fn there_is_no_events_process_unless_somebody_asks_for_one() {
    let world = World::new();
    let server = Server::start(&world, "");
    Client::logged_in("alice").command("QUIT", 221);
    assert!(server.find("events").is_none());
}

fn the_events_process_can_start_programs_and_nothing_else() {
    let world = World::new();
    let server = Server::start(&world, LOGGED);
    let _client = Client::logged_in("alice");
    wait_for("login", 1);
    let events = server.process("events");
    // CAP_SETGID (6), CAP_SETUID (7) and CAP_KILL (5).
    let status = std::fs::read_to_string(format!("/proc/{}/status", events.pid)).expect("status");
    for set in ["CapPrm", "CapEff"] {
        let bits = status.lines().find_map(|line| line.strip_prefix(&format!("{set}:\t"))).expect(set);
        assert_eq!(u64::from_str_radix(bits, 16), Ok(0b1110_0000), "{status}");
    }
    // Its standard streams, its ear, its file; no listener, no client, no other end of a link.
    let open: Vec<_> = events.descriptors().into_iter().filter(|(number, _)| *number > 2).collect();
    assert!(open.iter().any(|(_, what)| what == LOG), "{open:?}");
    assert_eq!(open.len(), 2, "{open:?}");
}
