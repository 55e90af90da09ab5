//! Programs that are asked before something happens, and can refuse it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};

use crate::client::{Client, PATIENCE};
use crate::events;
use crate::hooks::hook;
use crate::process;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_program_that_is_asked_before_can_refuse_with_its_own_words
    everything_that_can_be_refused_can_be_refused
    a_program_that_does_not_answer_refuses
    a_login_can_be_refused
    a_client_can_be_refused_before_he_is_greeted
    who_may_come_in_is_greeted_and_told_of
    others_are_served_while_a_program_thinks_of_a_client
    a_program_that_thinks_for_too_long_lets_nobody_in
    nobody_is_asked_about_a_client_who_is_gone
    nobody_is_asked_again_about_who_logs_in_anew
    a_client_behind_a_proxy_is_asked_about_by_his_own_address
    no_more_programs_are_asked_at_once_than_may_be
    a_place_is_free_again_when_who_asked_has_died
}

fn a_program_that_is_asked_before_can_refuse_with_its_own_words() {
    let world = World::new();
    let script = "case $FTPD_PATH in
        *.exe) echo 'No programs here.'; echo 'And this is for the log.'; exit 1;;
        *.bat) printf 'No\\r\\n226 Transfer complete.\\033[0m\\n'; exit 1;;
        *.com) exit 1;;
        esac; [ $FTPD_WHEN = before ] && [ -z \"$FTPD_RESULT\" ] && [ -z \"$FTPD_BYTES\" ]";
    let settings = hook(&world, "scan", "\"file-received\"", script) + "hook.scan.when = \"before\"\n";
    let server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file.txt", b"content");
    let reply = client.command("STOR file.exe", 550);
    assert_eq!(reply.whole().trim_end(), "550 No programs here.");
    let reply = client.command("STOR file.bat", 550);
    assert_eq!(reply.whole().trim_end(), "550 No");
    let reply = client.command("STOR file.com", 550);
    assert_eq!(reply.whole().trim_end(), "550 This is not allowed.");
    client.transmit("STOR other.txt", b"content");
    let mut left: Vec<_> = fs::read_dir("/home/alice").expect("home").map(|e| e.expect("entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["file.txt", "other.txt"]);
    server.wait_for_log("hook scan (file-received of #1): And this is for the log.");
    let line = server.wait_for_log("refused \"file-received\" \"/file.exe\"");
    assert!(line.contains("a program said: No programs here."), "{line}");
}

fn everything_that_can_be_refused_can_be_refused() {
    let world = World::new();
    world.give("alice", "file", "content");
    world.give("alice", "dir/inner", "content");
    let events = "\"file-sent\", \"file-received\", \"deleted\", \"renamed\", \"directory-made\", \"directory-removed\", \
                  \"mode-changed\", \"time-changed\", \"group-changed\", \"linked\", \"copied\"";
    let settings = hook(&world, "no", events, "echo no $FTPD_EVENT $FTPD_PATH $FTPD_TO_PATH; exit 1")
        + "hook.no.when = \"before\"\n";
    let _server = Server::start(&world, &settings);
    let mut client = Client::logged_in("alice");
    let mut tree = std::process::Command::new("find");
    tree.args(["/home/alice", "-printf", "%p %m %g %T@\\n"]);
    let before = tree.output().expect("find").stdout;
    let _data = client.passive();
    for (line, told) in [
        ("RETR file", "file-sent /file"),
        ("STOR new", "file-received /new"),
        ("STOR file", "file-received /file"),
        ("APPE file", "file-received /file"),
        ("STOU", "file-received /upload"),
        ("DELE file", "deleted /file"),
        ("MKD new", "directory-made /new"),
        ("SITE MKDIR new/deep", "directory-made /new/deep"),
        ("RMD dir", "directory-removed /dir"),
        ("SITE RMDIR dir", "directory-removed /dir"),
        ("SITE CHMOD 600 file", "mode-changed /file"),
        ("MFF UNIX.mode=0600; file", "mode-changed /file"),
        ("MFMT 20200101000000 file", "time-changed /file"),
        ("SITE UTIME 20200101000000 file", "time-changed /file"),
        ("SITE CHGRP staff file", "group-changed /file"),
        ("SITE SYMLINK file link", "linked /link /file"),
        ("SITE COPY file copy", "copied /file /copy"),
    ] {
        let reply = client.command(line, 550);
        assert_eq!(reply.whole().trim_end(), format!("550 no {told}"), "{line}");
    }
    client.command("RNFR file", 350);
    assert_eq!(client.command("RNTO other", 550).whole().trim_end(), "550 no renamed /file /other");
    client.command("SITE CPFR file", 350);
    assert_eq!(client.command("SITE CPTO copy", 550).whole().trim_end(), "550 no copied /file /copy");
    assert!(tree.output().expect("find").stdout == before, "something was changed");
}

fn a_program_that_does_not_answer_refuses() {
    let world = World::new();
    let settings = hook(&world, "hang", "\"deleted\"", "sleep 1238")
        + "hook.hang.when = \"before\"\nhook.hang.time-limit = 1\n"
        + &hook(&world, "gone", "\"directory-made\"", "")
        + "hook.gone.when = \"before\"\n";
    world.give("alice", "file", "content");
    let server = Server::start(&world, &settings);
    fs::remove_file("/run/world/hooks/gone").expect("program");
    let mut client = Client::logged_in("alice");
    let reply = client.command("DELE file", 550);
    assert_eq!(reply.text(), "It could not be checked whether this is allowed.");
    assert!(fs::exists("/home/alice/file").expect("home"));
    server.wait_for_log("hook hang (deleted of #1) took longer than 1 s and was ended");
    client.command("MKD new", 550);
    assert!(!fs::exists("/home/alice/new").expect("home"));
}

fn a_login_can_be_refused() {
    let world = World::new();
    let script = "[ $FTPD_USER != alice ] || { echo Not at this hour.; exit 1; }";
    let settings = hook(&world, "hours", "\"login\"", script) + "hook.hours.when = \"before\"\n";
    let server = Server::start(&world, &settings);
    let mut client = Client::greeted();
    client.command("USER alice", 331);
    let reply = client.command(&format!("PASS {}", crate::accounts::PASSWORD), 530);
    assert!(reply.whole().contains("Not at this hour."), "{}", reply.whole());
    server.wait_for_log("USER \"alice\" failed login: a program said no");
    client.log_in("bob");
    // Who does not know the password is not told.
    let mut stranger = Client::greeted();
    stranger.command("USER alice", 331);
    let reply = stranger.command("PASS wrong", 530);
    assert!(!reply.whole().contains("hour"), "{}", reply.whole());
}

/// Connects from this address.
fn from(address: &str) -> Client {
    let own: IpAddr = address.parse().expect("address");
    Client::connect_from(own, SocketAddr::from(([127, 0, 0, 1], 21)))
}

fn door(world: &World, script: &str) -> String {
    hook(world, "door", "\"connect\"", script) + "hook.door.when = \"before\"\nevents.log = \"/run/world/events.json\"\n"
}

fn a_client_can_be_refused_before_he_is_greeted() {
    let world = World::new();
    let script = "[ $FTPD_PEER != 127.0.0.2 ] || { echo 'Not from there.'; exit 1; }";
    let server = Server::start(&world, &door(&world, script));
    let mut client = from("127.0.0.2");
    assert_eq!(client.expect(421).whole().trim_end(), "421 Not from there.");
    client.expect_end();
    let line = server.wait_for_log("refused: a program said: Not from there.");
    assert!(line.contains("127.0.0.2:"), "{line}");
    let event = events::wait_for("refused", 1);
    assert_eq!((&event["peer"], &event["reason"]), (&"127.0.0.2".into(), &"a program said: Not from there.".into()));
    Client::logged_in("alice").command("QUIT", 221);
    events::wait_for("disconnect", 1);
    // Who was not let in has neither come nor gone.
    assert_eq!(events::names(), ["refused", "connect", "login", "logout", "disconnect"]);
}

fn who_may_come_in_is_greeted_and_told_of() {
    let world = World::new();
    let server = Server::start(&world, &door(&world, "echo $FTPD_EVENT $FTPD_WHEN $FTPD_SESSION $FTPD_LOCAL_PORT"));
    let _client = Client::logged_in("alice");
    server.wait_for_log("hook door (connect of #1): connect before 1 21");
    assert_eq!(events::wait_for("connect", 1)["session"], 1);
}

fn others_are_served_while_a_program_thinks_of_a_client() {
    let world = World::new();
    let script = "[ $FTPD_PEER != 127.0.0.2 ] || until [ -e /tmp/go ]; do sleep 0.01; done";
    let _server = Server::start(&world, &door(&world, script));
    let mut slow = from("127.0.0.2");
    wait_until("the program thinks", || (thinking("door") > 0).then_some(()));
    Client::logged_in("alice").command("QUIT", 221);
    fs::write("/tmp/go", "").expect("go");
    slow.expect(220);
    slow.log_in("bob");
}

fn thinking(name: &str) -> usize {
    let program = format!("hooks/{name}");
    process::all_of_this_world().iter().filter(|one| one.title().contains(&program)).count()
}

fn a_program_that_thinks_for_too_long_lets_nobody_in() {
    let world = World::new();
    let settings = door(&world, "sleep 1240");
    let server = Server::start(&world, &(settings.clone() + "hook.door.time-limit = 1"));
    let mut client = Client::connect();
    assert_eq!(client.expect(421).text(), "It could not be checked whether this is allowed.");
    server.wait_for_log("hook door (connect of #1) took longer than 1 s and was ended");
    // However much time it may have, a client has no more than that to log in.
    server.configure(&(settings + "hook.door.time-limit = 1000\nlogin.login-timeout = 1"));
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    let began = Instant::now();
    Client::connect().expect(421);
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    wait_until("the program has ended", || (thinking("door") == 0).then_some(()));
}

fn nobody_is_asked_about_a_client_who_is_gone() {
    let world = World::new();
    let server = Server::start(&world, &door(&world, "sleep 1241"));
    let client = Client::connect();
    wait_until("the program thinks", || (thinking("door") > 0).then_some(()));
    drop(client);
    server.wait_for_log("hook door (connect of #1) was ended: the client is gone");
    wait_until("the program has ended", || (thinking("door") == 0).then_some(()));
    server.wait_for_log("FTP session closed (connection closed by the client)");
}

fn nobody_is_asked_again_about_who_logs_in_anew() {
    let world = World::new();
    let server = Server::start(&world, &door(&world, "echo asked"));
    let mut client = Client::logged_in("alice");
    client.command("REIN", 220);
    client.log_in("bob");
    client.command("USER alice", 331);
    assert_eq!(server.log().matches(": asked").count(), 1);
    client.command("QUIT", 221);
    events::wait_for("disconnect", 1);
    assert_eq!(events::names(), ["connect", "login", "logout", "login", "logout", "disconnect"]);
}

fn a_client_behind_a_proxy_is_asked_about_by_his_own_address() {
    let world = World::new();
    let settings = door(&world, "[ $FTPD_PEER = 192.0.2.7 ] || { echo Not you.; exit 1; }")
        + "listen.proxied = [\"[::]:21\"]\nlisten.trusted-proxies = [\"127.0.0.0/8\"]\n";
    let _server = Server::start(&world, &settings);
    let mut client = Client::connect();
    client.send_bytes(b"PROXY TCP4 192.0.2.7 203.0.113.5 40000 21\r\n");
    client.expect(220);
    client.log_in("alice");
    let mut client = Client::connect();
    client.send_bytes(b"PROXY TCP4 192.0.2.8 203.0.113.5 40000 21\r\n");
    assert_eq!(client.expect(421).text(), "Not you.");
    assert_eq!(events::wait_for("refused", 1)["peer"], "192.0.2.8");
}

/// A program that works until it may go, and one at a time.
const ONE: &str = "echo in >> /tmp/in; until [ -e /tmp/go ]; do sleep 0.01; done";

fn entered() -> usize {
    fs::read_to_string("/tmp/in").unwrap_or_default().lines().count()
}

fn no_more_programs_are_asked_at_once_than_may_be() {
    let world = World::new();
    let script = "mkdir /tmp/one || { echo Not alone.; exit 1; }; sleep 0.02; rmdir /tmp/one";
    let settings = hook(&world, "door", "\"connect\"", script) + "hook.door.when = \"before\"\nhook.door.at-once = 1\n";
    let _server = Server::start(&world, &settings);
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect()).collect();
    clients.iter_mut().for_each(|client| drop(client.expect(220)));
}

fn a_place_is_free_again_when_who_asked_has_died() {
    let world = World::new();
    let server = Server::start(&world, &(door(&world, ONE) + "hook.door.at-once = 1"));
    let mut first = Client::connect();
    wait_until("the first is asked about", || (entered() == 1).then_some(()));
    kill(server.parent_of(&server.process("keeper")).pid, Signal::SIGKILL).expect("kill");
    first.expect_end();
    fs::write("/tmp/go", "").expect("go");
    Client::logged_in("alice");
}
