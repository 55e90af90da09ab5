//! Without systemd: in the background of a shell, with a pid file, and as process 1 of a container.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};

use crate::client::Client;
use crate::process::{self, Process};
use crate::server::{Server, wait_until};
use crate::world::{DAEMON, World};

tests! {
    goes_on_in_the_background_once_clients_can_connect
    tells_the_shell_why_there_is_no_daemon
    does_not_leave_the_terminal_with_a_log_that_goes_there
    takes_over_a_pid_file_that_a_crash_left_behind
    reaps_and_obeys_as_process_1
}

/// A configuration with a log file.
fn configuration(world: &World) -> PathBuf {
    let directory = world.own_directory("etc");
    let path = directory.join("ftpd.toml");
    let log = directory.join("ftpd.log");
    world.write(&path, format!("log.to = {:?}\nlisten.spare-workers = 1\n", log.to_str().expect("path")));
    path
}

fn daemon(world: &World, configuration: &Path, pid_file: &Path) -> Command {
    let mut command = world.command(DAEMON);
    command.args(["serve", "--daemon", "--config"]).arg(configuration).arg("--pid-file").arg(pid_file);
    command.stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The daemon of a pid file.
struct Background(Process);

impl Background {
    fn of(pid_file: &Path) -> Background {
        let number = fs::read_to_string(pid_file).expect("pid file");
        let pid = nix::unistd::Pid::from_raw(number.trim().parse().expect("a number"));
        Background(Process::read(pid).expect("a process"))
    }

    fn end(&self, signal: Signal) {
        kill(self.0.pid, signal).expect("signal");
        wait_until("nothing of the daemon is left", || process::all_of_this_world().is_empty().then_some(()));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for process in process::all_of_this_world() {
            _ = kill(process.pid, Signal::SIGKILL);
        }
    }
}

fn goes_on_in_the_background_once_clients_can_connect() {
    let world = World::new();
    let (configuration, pid_file) = (configuration(&world), world.own_directory("run").join("ftpd.pid"));
    let started = daemon(&world, &configuration, &pid_file).output().expect("the command runs");
    assert!(started.status.success(), "{}", text(&started));
    // No waiting: when the command has ended, clients can connect.
    let mut client = Client::greeted();
    client.log_in("alice");
    let background = Background::of(&pid_file);
    assert_eq!(background.0.title(), "ftpd: supervisor");
    assert_eq!(background.0.link("cwd"), Path::new("/"));
    let streams = background.0.descriptors();
    assert!((0..3).all(|number| streams[&number] == "/dev/null"), "{streams:?}");

    let again = daemon(&world, &configuration, &pid_file).output().expect("the command runs");
    assert!(!again.status.success());
    let said = text(&again);
    assert!(said.contains(&format!("process {} has it", background.0.pid)), "{said}");
    client.command("NOOP", 200);
    client.command("QUIT", 221);

    background.end(Signal::SIGTERM);
    assert!(!pid_file.exists(), "the pid file is left behind");
}

fn tells_the_shell_why_there_is_no_daemon() {
    let world = World::new();
    let (configuration, pid_file) = (configuration(&world), world.own_directory("run").join("ftpd.pid"));
    let _taken = TcpListener::bind("0.0.0.0:21").expect("listener");
    let started = daemon(&world, &configuration, &pid_file).output().expect("the command runs");
    assert!(!started.status.success());
    let log = fs::read_to_string(configuration.with_file_name("ftpd.log")).expect("log");
    assert!(log.contains("listen on [::]:21"), "{log}");
    assert!(text(&started).contains("the daemon did not start"), "{}", text(&started));
    assert!(!pid_file.exists(), "the pid file is left behind");
}

fn does_not_leave_the_terminal_with_a_log_that_goes_there() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    world.write(&configuration, "log.to = \"stderr\"\n");
    let pid_file = world.own_directory("run").join("ftpd.pid");
    let started = daemon(&world, &configuration, &pid_file).output().expect("the command runs");
    assert!(!started.status.success());
    assert!(text(&started).contains("standard error"), "{}", text(&started));
}

fn takes_over_a_pid_file_that_a_crash_left_behind() {
    let world = World::new();
    let (configuration, pid_file) = (configuration(&world), world.own_directory("run").join("ftpd.pid"));
    // The number is that of a living process which is no daemon.
    world.write(&pid_file, format!("{}\n", std::process::id()));
    let started = daemon(&world, &configuration, &pid_file).output().expect("the command runs");
    assert!(started.status.success(), "{}", text(&started));
    let background = Background::of(&pid_file);
    assert_eq!(background.0.title(), "ftpd: supervisor");
    background.end(Signal::SIGTERM);
}

fn reaps_and_obeys_as_process_1() {
    let world = World::new();
    let configuration = world.own_directory("etc").join("ftpd.toml");
    world.write(&configuration, "log.to = \"stderr\"\nlisten.spare-workers = 1\n");
    let mut command = world.command("unshare");
    command.args(["--pid", "--fork", DAEMON, "serve", "--config"]).arg(&configuration);
    let mut server = Server::run(command, configuration);
    server.wait_for_log("listening on");
    let init = server.process("init");
    let mut client = Client::greeted();
    client.log_in("alice");
    let session = server.process("session");
    kill(server.serving("session").parent(), Signal::SIGKILL).expect("end of the worker");
    wait_until("the orphan is reaped", || {
        (!Path::new(&format!("/proc/{}", session.pid)).exists()).then_some(())
    });
    Client::greeted().log_in("alice");
    kill(init.pid, Signal::SIGTERM).expect("signal");
    assert!(server.wait_for_end().success());
}
