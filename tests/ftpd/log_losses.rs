//! A log that takes nothing any more, for a while: lines are lost and counted, and no session waits.

use std::fs;

use serde_json::Value;

use crate::client::Client;
use crate::log_receivers::{fields, journal};
use crate::logging::start_silently;
use crate::server::{Server, wait_until};
use crate::world::World;

tests! {
    a_journal_that_was_restarted_or_is_full_makes_nobody_wait
    a_full_disk_loses_lines_and_no_session
    a_pipe_that_nobody_reads_makes_nobody_wait
    a_named_pipe_that_nobody_reads_makes_nobody_wait
    a_device_that_is_full_makes_nobody_wait
    signals_of_logrotate_do_no_harm
}

fn a_journal_that_was_restarted_or_is_full_makes_nobody_wait() {
    let world = World::new();
    let socket = journal();
    let _server = start_silently(&world, "log.to = \"journal\"\nlog.commands = true");
    let mut client = Client::logged_in("alice");
    // Nobody reads: the queue of the socket fills, and what does not fit is counted.
    for _ in 0..2000 {
        client.command("NOOP", 200);
    }
    socket.set_nonblocking(true).expect("nonblocking");
    let lost = wait_until("the loss is told", || {
        client.command("NOOP", 200);
        let mut buffer = [0; 20_000];
        while let Ok(length) = socket.recv(&mut buffer) {
            let fields = fields(&buffer[..length]);
            if let Some(field) = fields.iter().find(|field| field.1.ends_with(" log lines were lost")) {
                return Some(field.1.clone());
            }
        }
        None
    });
    let count = lost.split(' ').next().and_then(|count| count.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > 0), "{lost}");
    drop(socket);
    fs::remove_file("/run/systemd/journal/socket").expect("socket");
    client.command("NOOP", 200);
    let socket = journal();
    // What is being started at this moment may still hold the old socket open, for whom nobody can tell that it is gone.
    socket.set_nonblocking(true).expect("nonblocking");
    wait_until("the log goes on", || {
        client.transmit("STOR found", b"");
        let mut buffer = [0; 20_000];
        let mut entries = std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| fields(&buffer[..length])));
        entries.any(|entry| entry.contains(&("FTPD_PATH".into(), "/found".into()))).then_some(())
    });
}

/// A pipe with a name, and a reader who does not read.
fn a_named_pipe_that_nobody_reads_makes_nobody_wait() {
    let world = World::new();
    let path = "/run/world/pipe";
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("pipe");
    let _reader = fs::OpenOptions::new().read(true).write(true).open(path).expect("reader");
    let _server = start_silently(&world, &format!("log.to = {path:?}\nlog.commands = true\nlog.xferlog = {path:?}"));
    let mut client = Client::logged_in("alice");
    for _ in 0..2000 {
        client.command("NOOP", 200);
    }
    client.transmit("STOR file", b"content");
    client.command("QUIT", 221);
    Client::logged_in("bob");
}

/// What is always full, like a disk for good.
fn a_device_that_is_full_makes_nobody_wait() {
    let world = World::new();
    let _server = start_silently(&world, "log.to = \"/dev/full\"\nlog.xferlog = \"/dev/full\"\nevents.log = \"/dev/full\"");
    let mut client = Client::logged_in("alice");
    client.transmit("STOR file", b"content");
    assert_eq!(client.receive_text("RETR file"), "content");
    client.command("QUIT", 221);
    Client::logged_in("bob");
}

fn a_full_disk_loses_lines_and_no_session() {
    let world = World::new();
    world.mount_small("/run/world/small", "root", 64 << 10);
    let settings = "log.to = \"/run/world/small/log\"\nlog.xferlog = \"/run/world/small/xferlog\"\n\
                    events.log = \"/run/world/small/events\"";
    let _server = start_silently(&world, settings);
    let mut client = Client::logged_in("alice");
    fs::write("/run/world/small/filler", vec![0; 1 << 20]).expect_err("the disk is full");
    for number in 0..20 {
        client.transmit(&format!("STOR file{number}-{}", "x".repeat(200)), b"content");
    }
    fs::remove_file("/run/world/small/filler").expect("filler");
    client.transmit("STOR end", b"content");
    client.transmit("STOR very-end", b"content");
    let read = |name: &str| fs::read_to_string(format!("/run/world/small/{name}")).unwrap_or_default();
    wait_until("the log goes on", || read("log").contains("very-end").then_some(()));
    assert!(read("log").contains("log lines were lost"), "{}", read("log"));
    wait_until("the event log goes on", || read("events").contains("very-end").then_some(()));
    assert!(read("xferlog").contains("/home/alice/very-end"));
    // A line that was torn does not take the next one with it.
    let events = read("events");
    assert!(events.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count() <= 1, "{events}");
    let last = events.lines().last().expect("a line");
    assert!(serde_json::from_str::<Value>(last).is_ok(), "{last}");
}

fn a_pipe_that_nobody_reads_makes_nobody_wait() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    fs::write(&configuration, "log.to = \"stderr\"\nlog.commands = true\n").expect("configuration");
    let (read, write) = nix::unistd::pipe().expect("pipe");
    let mut command = world.command(crate::world::DAEMON);
    command.arg("serve").arg("--config").arg(&configuration).stderr(write);
    let mut daemon = command.spawn().expect("daemon");
    drop(command);
    wait_until("the daemon listens", || std::net::TcpStream::connect("127.0.0.1:21").ok());
    let mut client = Client::logged_in("alice");
    // 64 KiB is what the pipe takes.
    for _ in 0..3000 {
        client.command("NOOP", 200);
    }
    client.command("QUIT", 221);
    drop(read);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .expect("signal");
    daemon.wait().expect("the daemon ends");
}

fn signals_of_logrotate_do_no_harm() {
    let world = World::new();
    let server = Server::start(&world, "");
    let mut client = Client::logged_in("alice");
    server.signal(nix::sys::signal::Signal::SIGUSR2);
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_log("configuration reloaded");
    client.command("NOOP", 200);
    Client::logged_in("bob").command("QUIT", 221);
}
