//! The resource limits of the processes that a client can reach, as /proc shows them.

use std::fs;

use crate::client::Client;
use crate::process::Process;
use crate::server::Server;
use crate::world::World;

tests! {
    a_frontend_can_make_no_process_no_file_and_few_descriptors
    a_session_can_make_no_process_and_leaves_no_core
}

/// Soft and hard limit, as /proc/PID/limits words them.
fn limits(process: &Process, name: &str) -> [String; 2] {
    let text = fs::read_to_string(format!("/proc/{}/limits", process.pid)).expect("the limits of a process");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a limit of this name");
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().expect("a soft limit"), words.next().expect("a hard limit")]
}

fn a_frontend_can_make_no_process_no_file_and_few_descriptors() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _client = Client::greeted();
    let frontend = server.serving("frontend");
    for name in ["Max core file size", "Max file size", "Max processes"] {
        assert_eq!(limits(&frontend, name), ["0", "0"], "{name}");
    }
    assert_eq!(limits(&frontend, "Max open files"), ["32", "32"]);
}

fn a_session_can_make_no_process_and_leaves_no_core() {
    let world = World::new();
    let server = Server::start(&world, "");
    let _client = Client::logged_in("alice");
    let session = server.process("session");
    for name in ["Max core file size", "Max processes"] {
        assert_eq!(limits(&session, name), ["0", "0"], "{name}");
    }
}
