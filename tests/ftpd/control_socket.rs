//! The control socket: where it is, who may use it, and that nobody waits for who does.

use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket};
use nix::unistd::Pid;

use crate::client::Client;
use crate::control::{ftpctl, json, refused, told};
use crate::server::{Server, wait_until};
use crate::world::{CONTROL, World};

tests! {
    only_root_controls_the_daemon
    the_socket_is_roots_alone_and_goes_with_the_daemon
    a_socket_that_was_left_behind_is_replaced
    a_second_daemon_leaves_the_socket_to_the_first
    there_is_no_socket_where_none_is_wanted
    the_configuration_says_where_the_socket_is
    a_client_who_reads_nothing_keeps_nobody_waiting
    no_more_than_so_many_control_it_at_the_same_time
}

const SOCKET: &str = "/run/ftpd/control";

fn only_root_controls_the_daemon() {
    let world = World::new();
    let server = Server::start(&world, "");
    let as_alice = || world.command(CONTROL).arg("stop").uid(2001).gid(2001).output().expect("ftpctl runs");
    assert_eq!(as_alice().status.code(), Some(3));
    // Whatever the mode of the socket is.
    std::fs::set_permissions(SOCKET, std::fs::Permissions::from_mode(0o666)).expect("mode");
    let output = as_alice();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("only root"), "{output:?}");
    server.wait_for_log("uid 2001 has tried to control the daemon");
    Client::logged_in("alice");
}

fn the_socket_is_roots_alone_and_goes_with_the_daemon() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    let metadata = std::fs::symlink_metadata(SOCKET).expect("socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    server.signal(Signal::SIGTERM);
    server.wait_for_end();
    assert!(!Path::new(SOCKET).exists());
}

fn a_socket_that_was_left_behind_is_replaced() {
    let world = World::new();
    let mut server = Server::start(&world, "");
    server.signal(Signal::SIGKILL);
    server.wait_for_end();
    assert!(Path::new(SOCKET).exists());
    assert!(refused(&world, &["status"], 3).contains("no daemon"));
    wait_until("its workers have ended", || server.processes().is_empty().then_some(()));
    let _server = Server::start(&world, "");
    assert_eq!(json(&world, &["status"])["state"], "serving");
}

fn a_second_daemon_leaves_the_socket_to_the_first() {
    let world = World::new();
    let first = Server::start(&world, "");
    let path = world.own_directory("etc").join("second.toml");
    world.write(&path, "log.to = \"stderr\"\nlisten.addresses = [\"127.0.0.1:2121\"]\n");
    let mut command = world.command(crate::world::DAEMON);
    command.arg("serve").arg("--config").arg(&path).stderr(Stdio::piped());
    let mut second = command.spawn().expect("a second daemon");
    let mut log = BufReader::new(second.stderr.take().expect("standard error")).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("another daemon listens at /run/ftpd/control")));
    assert_eq!(json(&world, &["status"])["pid"], first.pid().as_raw());
    kill(Pid::from_raw(second.id() as i32), Signal::SIGTERM).expect("signal");
    assert!(second.wait().expect("wait").success());
    assert_eq!(json(&world, &["status"])["pid"], first.pid().as_raw());
}

fn there_is_no_socket_where_none_is_wanted() {
    let world = World::new();
    let server = Server::start(&world, "control.max-clients = 0");
    assert!(!Path::new(SOCKET).exists());
    // It comes and goes, and moves, with the configuration.
    let reload = |settings: &str| {
        let lines = server.log_length();
        server.configure(settings);
        server.signal(Signal::SIGHUP);
        server.wait_for_log_after(lines, "configuration reloaded");
    };
    reload("");
    told(&world, &["status"]);
    reload("control.socket = \"/run/elsewhere/control\"");
    assert!(!Path::new(SOCKET).exists());
    assert!(told(&world, &["--socket", "/run/elsewhere/control", "status"]).contains("serving"));
    reload("control.max-clients = 0");
    assert!(!Path::new("/run/elsewhere/control").exists());
}

/// A connection to the control socket for which nobody reads.
fn raw_connection() -> std::os::fd::OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("socket");
    connect(connection.as_raw_fd(), &UnixAddr::new(SOCKET).expect("name")).expect("connection");
    connection
}

fn a_client_who_reads_nothing_keeps_nobody_waiting() {
    const WHO: u8 = 1;
    let world = World::new();
    let server = Server::start(&world, "");
    let _clients: Vec<_> = (0..20).map(|_| Client::greeted()).collect();
    let connection = raw_connection();
    // As many questions as the socket takes: their answers fill it from the other side.
    let mut refusals = 0;
    while refusals < 50 {
        if send(connection.as_raw_fd(), &[WHO], MsgFlags::MSG_NOSIGNAL).is_err() {
            refusals += 1;
            assert_eq!(json(&world, &["status"])["sessions"], 20);
        }
    }
    Client::logged_in("alice");
    // What waits, waits in the kernel.
    let memory = server.memory_in_kib();
    assert!(memory < 100_000, "the supervisor has grown to {memory} KiB");
}

fn no_more_than_so_many_control_it_at_the_same_time() {
    let world = World::new();
    let _server = Server::start(&world, "control.max-clients = 2");
    let connections = [raw_connection(), raw_connection()];
    let reason = refused(&world, &["status"], 1);
    assert!(reason.contains("max-clients"), "{reason}");
    drop(connections);
    wait_until("there is room again", || ftpctl(&world, &["status"]).status.success().then_some(()));
}

fn the_configuration_says_where_the_socket_is() {
    let world = World::new();
    let server = Server::start(&world, "control.socket = \"/run/elsewhere/control\"");
    let configuration = world.own_directory("etc").join("ftpd.toml");
    let named = configuration.to_str().expect("name");
    assert!(told(&world, &["status", "--config", named]).contains("serving"));
    assert!(refused(&world, &["status"], 3).contains("no daemon listens at /run/ftpd/control"));
    // The usual place of the configuration is looked at without being told to; what is wrong in it does not matter.
    world.write("/etc/ftpd/ftpd.toml", "nonsense\n[listen]\nmax-sessions = \"many\"\n[control]\nsocket = \"/run/elsewhere/control\"\n");
    assert!(told(&world, &["status"]).contains("serving"));
    // A daemon is told to move its socket where it still has it.
    std::fs::remove_file("/etc/ftpd/ftpd.toml").expect("configuration");
    server.configure("");
    server.signal(Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    world.write("/etc/ftpd/ftpd.toml", "[control]\nsocket = \"/run/elsewhere/control\"\n");
    server.configure("control.socket = \"/run/elsewhere/control\"");
    told(&world, &["reload"]);
    assert!(told(&world, &["status"]).contains("serving"));
    // Whoever names a file or a socket means it.
    assert!(refused(&world, &["status", "--config", "/nowhere/ftpd.toml"], 2).contains("/nowhere/ftpd.toml"));
    assert!(refused(&world, &["status", "--socket", "/run/ftpd/control"], 3).contains("/run/ftpd/control"));
    refused(&world, &["status", "--socket", "/run/elsewhere/control", "--config", named], 2);
}
