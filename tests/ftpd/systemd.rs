//! What is agreed with systemd: sockets it has opened, and notes about how the daemon is.

use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::client::{Client, PATIENCE};
use crate::server::Server;
use crate::world::{DAEMON, World};

tests! {
    serves_on_sockets_that_systemd_opened
    tells_systemd_how_it_is
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
