//! `ftpd share`: a directory for somebody, without root.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use crate::client::Client;
use crate::server::{Server, wait_until};
use crate::world::{DAEMON, World};

tests! {
    hands_out_a_directory_to_read
    says_how_to_connect_and_how_to_stop
    lets_everybody_write_when_told_to
    lets_in_one_user_only_when_told_to
    makes_a_password_when_there_is_none
    has_no_outside
    takes_the_flags_of_pyftpdlib
    refuses_to_run_as_root
    all_of_its_processes_are_the_user
    needs_no_root
}

/// Runs `ftpd share` as alice with these arguments, and waits until it listens.
fn share(world: &World, arguments: &[&str]) -> Server {
    world.give("alice", "shared/file", "content");
    let mut command = world.command("setpriv");
    command.args(["--reuid=2001", "--regid=2001", "--clear-groups", DAEMON, "share"]).args(arguments);
    command.current_dir("/home/alice/shared");
    let server = Server::run(command, Default::default());
    server.wait_for_log("listening on");
    server
}

fn client(user: &str, password: &str) -> Client {
    let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
    client.expect(220);
    client.command(&format!("USER {user}"), 331);
    client.command(&format!("PASS {password}"), 230);
    client.command("TYPE I", 200);
    client
}

fn anonymous() -> Client {
    client("anonymous", "guest")
}

fn hands_out_a_directory_to_read() {
    let world = World::new();
    let _server = share(&world, &[]);
    let mut client = anonymous();
    assert_eq!(client.receive_text("RETR file"), "content");
    assert!(client.receive_text("LIST").contains(" file"));
    for command in ["DELE file", "MKD new"] {
        client.command(command, 550);
    }
    let _data = client.passive();
    client.command("STOR new", 550);
    assert!(fs::exists("/home/alice/shared/file").expect("exists"));
}

fn says_how_to_connect_and_how_to_stop() {
    let world = World::new();
    let server = share(&world, &["/home/alice/shared"]);
    server.wait_for_log("Ctrl-C");
    let log = server.log();
    for word in ["/home/alice/shared", "2121", "ftp://", "read only"] {
        assert!(log.contains(word), "{word} is not in {log}");
    }
}

fn lets_everybody_write_when_told_to() {
    let world = World::new();
    let _server = share(&world, &["--write"]);
    anonymous().transmit("STOR new", b"new");
    let file = fs::metadata("/home/alice/shared/new").expect("file");
    assert_eq!(file.uid(), 2001);
}

fn lets_in_one_user_only_when_told_to() {
    let world = World::new();
    let _server = share(&world, &["--user", "guest", "--password", "rabbit-hole"]);
    assert_eq!(client("guest", "rabbit-hole").receive_text("RETR file"), "content");
    for (user, password) in [("guest", "wrong"), ("anonymous", "guest"), ("alice", "wonderland")] {
        let mut client = Client::connect_to(SocketAddr::from(([127, 0, 0, 1], 2121)));
        client.expect(220);
        client.command(&format!("USER {user}"), 331);
        client.command(&format!("PASS {password}"), 530);
    }
}

fn makes_a_password_when_there_is_none() {
    let world = World::new();
    let server = share(&world, &["--user", "guest"]);
    let line = wait_until("the password is printed", || {
        server.log().lines().find(|line| line.to_lowercase().contains("password")).map(str::to_owned)
    });
    let password = line.split_whitespace().last().expect("a password");
    assert!(password.len() >= 10, "{line}");
    client("guest", password);
}

fn has_no_outside() {
    let world = World::new();
    world.give("alice", "secret", "secret");
    let _server = share(&world, &[]);
    symlink("/etc/passwd", "/home/alice/shared/absolute").expect("link");
    symlink("../secret", "/home/alice/shared/relative").expect("link");
    symlink("/home", "/home/alice/shared/directory").expect("link");
    let mut client = anonymous();
    let names = ["absolute", "relative", "directory/alice/secret", "../secret", "/etc/passwd", "/proc/self/environ"];
    for name in names {
        client.command(&format!("SIZE {name}"), 550);
        let _data = client.passive();
        client.command(&format!("RETR {name}"), 550);
    }
    client.command("CWD directory", 550);
}

fn takes_the_flags_of_pyftpdlib() {
    let world = World::new();
    world.give("alice", "other/inside", "inside");
    let arguments = "-i 127.0.0.1 -p 2121 -d /home/alice/other -w -n 192.0.2.7 -r 50000-50003 -u guest -P rabbit-hole";
    let _server = share(&world, &arguments.split(' ').collect::<Vec<_>>());
    let mut client = client("guest", "rabbit-hole");
    assert_eq!(client.receive_text("RETR inside"), "inside");
    client.transmit("STOR new", b"new");
    assert!((50_000..=50_003).contains(&client.passive_address().port()));
    let reply = client.command("PASV", 227);
    assert!(reply.text().contains("192,0,2,7,"), "{reply}");
}

fn refuses_to_run_as_root() {
    let world = World::new();
    let output = world.command(DAEMON).args(["share", "/home/alice"]).output().expect("ftpd");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("root"));
}

fn all_of_its_processes_are_the_user() {
    let world = World::new();
    let server = share(&world, &[]);
    let _client = anonymous();
    server.process("session");
    for process in server.processes() {
        assert_eq!(process.uids(), [2001; 4], "{}", process.title());
        assert_eq!(process.capabilities("CapEff"), 0, "{}", process.title());
    }
    let session = server.process("session");
    assert_eq!((session.field("NoNewPrivs"), session.field("Seccomp")), ("1", "2"));
}

/// The only test that runs on the host, if there is no root: what it needs is a free port.
fn needs_no_root() {
    if crate::world::possible().is_ok() {
        let world = World::new();
        let _server = share(&world, &[]);
        assert_eq!(anonymous().receive_text("RETR file"), "content");
        return;
    }
    let directory = std::env::temp_dir().join(format!("ftpd-test-{}", std::process::id()));
    fs::create_dir(&directory).expect("directory");
    fs::write(directory.join("file"), "content").expect("file");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpd"));
    command.args(["share", "-i", "127.0.0.1", "-p", &free.port().to_string(), "-d"]).arg(&directory);
    let server = Server::run(command, Default::default());
    server.wait_for_log("listening on");
    let mut client = Client::connect_to(free);
    client.expect(220);
    client.command("USER anonymous", 331);
    client.command("PASS guest", 230);
    assert_eq!(client.receive_text("RETR file"), "content");
    drop(client);
    drop(server);
    fs::remove_dir_all(directory).expect("directory");
}
