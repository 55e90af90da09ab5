//! What is agreed with systemd: sockets it has opened, and notes about how the daemon is.

use std::io::IoSliceMut;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::close;

use crate::client::{Client, PATIENCE};
use crate::control::{json, told};
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    serves_on_sockets_that_systemd_opened
    tells_systemd_how_it_is
    tells_systemd_how_many_it_serves
    tells_systemd_that_it_is_alive_also_while_nothing_happens
    leaves_its_listeners_with_systemd_so_that_a_restart_loses_nobody
    who_connects_while_it_stops_for_good_is_refused_at_once
    says_which_option_needs_a_right_that_the_unit_has_taken
    says_which_option_leads_to_a_tmp_of_its_own
    a_login_needs_no_more_rights_than_the_unit_gives
    the_unit_is_as_exposed_as_it_says
    the_unit_explains_what_it_does_not_set
}

/// Opens a listener as descriptor 3, as systemd does for a socket unit, and becomes the daemon.
const SOCKET_UNIT: &str = r#"
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 2121))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Becomes the daemon with a listener, as systemd passes what it has kept.
const RESTARTED: &str = r#"
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"#;

/// A configuration with which a daemon logs to standard error.
fn configuration(world: &World) -> PathBuf {
    let path = world.own_directory("etc").join("ftpd.toml");
    world.write(&path, "log.to = \"stderr\"\n");
    path
}

fn serves_on_sockets_that_systemd_opened() {
    let world = World::new();
    let configuration = configuration(&world);
    let mut command = world.command("python3");
    command.args(["-c", SOCKET_UNIT, DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    let mut client = Client::connect_to("127.0.0.1:2121".parse().expect("address"));
    client.expect(220);
    client.log_in("alice");
    assert!(TcpStream::connect("127.0.0.1:21").is_err(), "the configured address is served as well");
}

/// Reads notes until one contains this line.
fn wait_for_note(socket: &UnixDatagram, line: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("systemd was not told {line}"));
        if String::from_utf8_lossy(&buffer[..length]).lines().any(|found| found == line) {
            return;
        }
    }
}

fn tells_systemd_how_it_is() {
    let world = World::new();
    let path = world.own_directory("systemd").join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let configuration = configuration(&world);
    let mut command = world.command(DAEMON);
    command.env("NOTIFY_SOCKET", &path).arg("serve").arg("--config").arg(&configuration);
    let mut server = Server::run(command, configuration);
    wait_for_note(&socket, "READY=1");
    Client::greeted();
    server.signal(Signal::SIGHUP);
    wait_for_note(&socket, "RELOADING=1");
    wait_for_note(&socket, "READY=1");
    server.signal(Signal::SIGTERM);
    wait_for_note(&socket, "STOPPING=1");
    assert!(server.wait_for_end().success());
}

/// Reads notes until one is about the store of descriptors; its name there, and the descriptor, if there is one.
fn next_kept(socket: &UnixDatagram) -> (String, Option<RawFd>) {
    loop {
        let mut buffer = [0; 4096];
        let mut space = nix::cmsg_space!(RawFd);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())
            .expect("systemd is told of a listener");
        let passed = message.cmsgs().expect("control message").find_map(|one| match one {
            ControlMessageOwned::ScmRights(passed) => passed.first().copied(),
            _ => None,
        });
        let length = message.bytes;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if let Some(name) = text.lines().find_map(|line| line.strip_prefix("FDNAME=")) {
            let expected = if passed.is_some() { "FDSTORE=1" } else { "FDSTOREREMOVE=1" };
            assert!(text.lines().any(|line| line == expected), "{text}");
            return (name.to_owned(), passed);
        }
    }
}

fn leaves_its_listeners_with_systemd_so_that_a_restart_loses_nobody() {
    let world = World::new();
    let path = world.own_directory("systemd").join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let configuration = configuration(&world);
    let mut command = world.command(DAEMON);
    command.env("NOTIFY_SOCKET", &path).arg("serve").arg("--config").arg(&configuration);
    let mut server = Server::run(command, configuration.clone());
    let (name, kept) = next_kept(&socket);
    let kept = kept.expect("a listener");
    wait_for_note(&socket, "READY=1");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_end().success());

    // He comes while there is no daemon, and is served by the next one.
    let mut client = Client::connect();
    let mut command = world.command("python3");
    command.env("NOTIFY_SOCKET", &path).args(["-c", RESTARTED, &kept.to_string(), &name, DAEMON]);
    command.args(["serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    close(kept).expect("close");
    client.expect(220);
    client.log_in("alice");

    // What is not listened on any more is not kept either.
    server.configure_exactly("log.to = \"stderr\"\nlisten.addresses = [\"127.0.0.1:2121\"]\n");
    server.signal(Signal::SIGHUP);
    let mut changes = Vec::new();
    while changes.len() < 2 {
        let (changed, descriptor) = next_kept(&socket);
        // The one of the start, told once more by the new daemon.
        if descriptor.is_none() || changed != name {
            changes.push((changed, descriptor.is_some()));
        }
    }
    assert_eq!(changes, [(name, false), ("listen-127.0.0.1_2121".to_owned(), true)]);
}

fn tells_systemd_how_many_it_serves() {
    let world = World::new();
    let path = world.own_directory("systemd").join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let configuration = configuration(&world);
    let mut command = world.command(DAEMON);
    command.env("NOTIFY_SOCKET", &path).arg("serve").arg("--config").arg(&configuration);
    let mut server = Server::run(command, configuration);
    wait_for_note(&socket, "STATUS=0 of 512 clients, 0 logged in");
    let alice = Client::logged_in("alice");
    let somebody = Client::greeted();
    wait_for_note(&socket, "STATUS=2 of 512 clients, 1 logged in");
    // However many come and go, it is told no more than once a second.
    let began = std::time::Instant::now();
    (0..50).for_each(|_| drop(Client::greeted()));
    drop((alice, somebody));
    let notes = notes_until(&socket, "STATUS=0 of 512 clients, 0 logged in");
    let most = began.elapsed().as_secs() + 2;
    assert!(notes <= most, "{notes} notes where {most} are enough");
    server.signal(Signal::SIGTERM);
    wait_for_note(&socket, "STOPPING=1");
    assert!(server.wait_for_end().success());
}

fn tells_systemd_that_it_is_alive_also_while_nothing_happens() {
    let world = World::new();
    let path = world.own_directory("systemd").join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let configuration = configuration(&world);
    let mut command = world.command(DAEMON);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").arg("serve").arg("--config").arg(&configuration);
    let server = Server::run(command, configuration);
    wait_for_note(&socket, "READY=1");
    let began = std::time::Instant::now();
    (0..3).for_each(|_| wait_for_note(&socket, "WATCHDOG=1"));
    assert!(began.elapsed().as_millis() < 3 * 400, "later than systemd waits: {:?}", began.elapsed());
    // One that hangs says nothing any more.
    server.signal(Signal::SIGSTOP);
    socket.set_read_timeout(Some(std::time::Duration::from_millis(600))).expect("timeout");
    let mut buffer = [0; 4096];
    while socket.recv(&mut buffer).is_ok() {}
    server.signal(Signal::SIGCONT);
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    wait_for_note(&socket, "WATCHDOG=1");
}

/// Reads notes until one is this line; how many there were.
fn notes_until(socket: &UnixDatagram, line: &str) -> u64 {
    let mut buffer = [0; 4096];
    let mut count = 0;
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("systemd was not told {line}"));
        count += 1;
        if buffer[..length].trim_ascii_end() == line.as_bytes() {
            return count;
        }
    }
}

fn says_which_option_needs_a_right_that_the_unit_has_taken() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    world.write(&configuration, "log.to = \"stderr\"\n[rule.incoming]\npaths = [\"/in\"]\nowner = \"bob\"\n");
    let mut command = world.command("setpriv");
    command.args(["--bounding-set", "-chown", DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    let line = server.wait_for_log("CAP_CHOWN");
    assert!(line.contains("[rule.incoming] owner"), "{line}");
    server.wait_for_log("listening on");
    // Where there is nothing to warn of, nothing is said.
    server.configure_exactly("log.to = \"stderr\"\n");
    let lines = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    assert_eq!(server.log().matches("[rule.incoming]").count(), 1, "{}", server.log());
}

fn says_which_option_leads_to_a_tmp_of_its_own() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    world.write(&configuration, "log.to = \"stderr\"\n[user.alice]\nroot-dir = \"real\"\n");
    // As PrivateTmp= does it.
    let private = world.own_directory("systemd-private-0-ftpd.service-0").join("tmp");
    std::fs::create_dir(&private).expect("directory");
    let mount = "mount --make-rprivate / && mount --bind \"$1\" /var/tmp && shift && exec \"$@\"";
    let mut command = world.command("unshare");
    command.args(["--mount", "sh", "-c", mount, "sh"]).arg(&private).args([DAEMON, "serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    let line = server.wait_for_log("PrivateTmp=no");
    assert!(line.contains("ftpd.toml:3: [user.alice] root-dir"), "{line}");
    server.wait_for_log("listening on");
    server.configure_exactly("log.to = \"stderr\"\n");
    let lines = server.log_length();
    server.signal(Signal::SIGHUP);
    server.wait_for_log_after(lines, "configuration reloaded");
    assert_eq!(server.log().matches("PrivateTmp").count(), 1, "{}", server.log());
}

fn who_connects_while_it_stops_for_good_is_refused_at_once() {
    let world = World::new();
    let path = world.own_directory("systemd").join("notify");
    let socket = UnixDatagram::bind(&path).expect("socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let configuration = configuration(&world);
    let mut command = world.command(DAEMON);
    command.env("NOTIFY_SOCKET", &path).arg("serve").arg("--config").arg(&configuration);
    let mut server = Server::run(command, configuration);
    let (name, kept) = next_kept(&socket);
    wait_for_note(&socket, "READY=1");
    let mut alice = Client::logged_in("alice");
    let data = alice.passive();
    alice.command("STOR file", 150);
    told(&world, &["stop", "--no-wait"]);
    // systemd does as it is told.
    assert_eq!(next_kept(&socket), (name, None));
    close(kept.expect("a listener")).expect("close");
    // Her transfer goes on, and nobody listens.
    assert_eq!(json(&world, &["status"])["state"], "stopping");
    assert!(TcpStream::connect("127.0.0.1:21").is_err(), "somebody still listens");
    drop(data);
    alice.expect(226);
    assert!(server.wait_for_end().success());
}

/// The unit that packages install: the file itself may be out of sight in a world.
const UNIT: &str = include_str!("../../systemd/ftpd.service");

/// What the unit sets, with the lines of lists joined.
fn set_in_unit(key: &str) -> String {
    let values = UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.collect::<Vec<_>>().join(" ")
}

fn a_login_needs_no_more_rights_than_the_unit_gives() {
    let world = World::new();
    world.pam(
        "ftpd",
        "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_limits.so conf=/etc/limits\n\
         session required pam_loginuid.so\nsession required pam_unix.so\n",
    );
    world.write("/etc/limits", "alice - nofile 200\nalice - priority 3\n");
    let kept = set_in_unit("CapabilityBoundingSet").to_lowercase().replace("cap_", "+").replace(' ', ",");
    let configuration = configuration(&world);
    let mut command = world.command("setpriv");
    command.args(["--inh-caps=-all", &format!("--bounding-set=-all,{kept}"), "--no-new-privs", DAEMON]);
    command.args(["serve", "--config"]).arg(&configuration);
    let server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    let mut alice = Client::logged_in("alice");
    alice.transmit("STOR file", b"content");
    assert_eq!(std::fs::metadata("/home/alice/file").expect("file").uid(), 2001);
    alice.command("QUIT", 221);
    server.wait_for_log("closed");
    assert!(!server.log().contains("Operation not permitted"), "{}", server.log());
}

/// Whether systemd-analyze can look at a unit that is not installed.
pub fn can_be_analyzed() -> bool {
    analyze("short").is_some()
}

/// What systemd-analyze(1) says of the unit, as JSON or as a table.
fn analyze(form: &str) -> Option<String> {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/ftpd.service");
    let mut command = std::process::Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager", &format!("--json={form}"), unit]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn the_unit_is_as_exposed_as_it_says() {
    let table = analyze("off").expect("systemd-analyze");
    let (_, rest) = table.split_once("Overall exposure level for ftpd.service: ").expect("level");
    let level = rest.split(' ').next().expect("number");
    assert!(level.parse::<f64>().is_ok_and(|level| level <= 3.0), "{level}: {table}");
    assert!(UNIT.contains(&format!("\"systemd-analyze security ftpd\" says {level};")), "it says {level}");
}

fn the_unit_explains_what_it_does_not_set() {
    let rows: serde_json::Value = serde_json::from_str(&analyze("short").expect("systemd-analyze")).expect("JSON");
    let comments: String = UNIT.lines().filter(|line| line.starts_with('#')).map(|line| line.to_owned() + "\n").collect();
    let mut missing = Vec::new();
    for row in rows.as_array().expect("list").iter().filter(|row| row["set"] == false) {
        let name = row["name"].as_str().expect("name");
        let (key, value) = name.split_once('=').expect(name);
        // What is left of a group is explained by the name of each member that is set.
        let words: Vec<String> = match key {
            "CapabilityBoundingSet" | "RestrictAddressFamilies" => {
                let set = set_in_unit(key);
                let is_meant = |one: &&str| is_of(one, value.trim_start_matches('~'));
                set.split(' ').filter(is_meant).map(|one| one.trim_start_matches("CAP_").to_owned()).collect()
            }
            "SystemCallFilter" => vec![value.to_owned()],
            _ => name.split('/').map(|one| one.trim_end_matches('=').to_owned() + "=").collect(),
        };
        assert!(!words.is_empty(), "{name} is not set, and nothing in the unit is why");
        missing.extend(words.into_iter().filter(|word| !comments.contains(word.as_str())).map(|word| format!("{name}: {word}")));
    }
    assert!(missing.is_empty(), "not explained: {missing:#?}");
}

/// Whether a group such as `CAP_NET_(BIND_SERVICE|RAW)`, `CAP_AUDIT_*` or `AF_UNIX` has this member.
fn is_of(member: &str, group: &str) -> bool {
    match group.split_once('(') {
        Some((start, rest)) => rest.trim_end_matches(')').split('|').any(|end| is_of(member, &format!("{start}{end}"))),
        None => match group.split_once('*') {
            Some((start, _)) => member.starts_with(start),
            None => member == group,
        },
    }
}
