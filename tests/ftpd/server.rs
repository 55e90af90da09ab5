//! The real daemon in a world: starts it, reads its log, ends it, and sees that nothing of it stays.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::process::{self, Process};
use crate::world::{DAEMON, World};

/// What is configured in every test that does not say otherwise. Failed logins are answered without the delay that
/// keeps guessers away, so that the tests which are not about it do not wait for it.
const DEFAULTS: &str = r#"
    log.to = "stderr"
    log.level = "debug"
    login.failure-delay = 0
    listen.spare-workers = 2
"#;

/// How long the daemon may take to do what a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running daemon.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    configuration: PathBuf,
}

impl Server {
    /// Starts the daemon. `settings` are lines of its configuration with dotted keys (`session.umask = "077"`), which
    /// take the place of `DEFAULTS`; returns when it listens.
    pub fn start(world: &World, settings: &str) -> Server {
        let configuration = world.own_directory("etc").join("ftpd.toml");
        fs::write(&configuration, merged(settings)).expect("configuration");
        let mut command = world.command(DAEMON);
        command.arg("serve").arg("--config").arg(&configuration);
        let server = Server::run(command, configuration);
        server.wait_for_log("listening on");
        server
    }

    /// Runs any command line of the daemon; does not wait for anything.
    pub fn run(mut command: Command, configuration: PathBuf) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own, as a shell makes one for each command.
        command.process_group(0);
        let mut child = command.spawn().expect("the daemon starts");
        let log = Arc::new(Log::default());
        log.collect(child.stdout.take().expect("standard output"));
        log.collect(child.stderr.take().expect("standard error"));
        Server { child, log, configuration }
    }

    /// Replaces the configuration file; the daemon reads it at the next SIGHUP.
    pub fn configure(&self, settings: &str) {
        fs::write(&self.configuration, merged(settings)).expect("configuration");
    }

    /// Replaces the configuration file with exactly this text.
    pub fn configure_exactly(&self, text: &str) {
        fs::write(&self.configuration, text).expect("configuration");
    }

    /// What is configured.
    pub fn settings(&self) -> String {
        fs::read_to_string(&self.configuration).expect("configuration")
    }

    /// Waits for a line of the log that contains `text`, and returns it.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_after(0, text)
    }

    /// The same, but overlooks the first lines: `lines` is what `log_length` said earlier.
    pub fn wait_for_log_after(&self, lines: usize, text: &str) -> String {
        self.log.wait(lines, text).unwrap_or_else(|log| panic!("no {text:?} in the log:\n{log}"))
    }

    pub fn log_length(&self) -> usize {
        self.log.lines().len()
    }

    /// The whole log so far.
    pub fn log(&self) -> String {
        self.log.lines().join("\n")
    }

    /// The supervisor.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("signal to the supervisor");
    }

    /// Sends a signal to the daemon's process group, as a terminal does.
    pub fn signal_from_terminal(&self, signal: Signal) {
        killpg(self.pid(), signal).expect("signal to the process group");
    }

    /// Waits until the supervisor has ended.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait_until("the supervisor ends", || self.child.try_wait().expect("wait for the supervisor"))
    }

    /// The processes of the daemon.
    pub fn processes(&self) -> Vec<Process> {
        process::all_of_this_world()
    }

    /// What the supervisor has in memory.
    pub fn memory_in_kib(&self) -> u64 {
        let process = Process::read(self.pid()).expect("the supervisor");
        process.field("VmRSS").trim_end_matches(" kB").trim().parse().expect("a number")
    }

    /// A process of this role, if there is one.
    pub fn find(&self, role: &str) -> Option<Process> {
        let prefix = format!("ftpd: {role}");
        self.processes().into_iter().find(|process| process.title().starts_with(&prefix))
    }

    /// A process of this role; waits for it.
    pub fn process(&self, role: &str) -> Process {
        wait_until(&format!("there is a process ftpd: {role}"), || self.find(role))
    }

    /// The process of this role that serves a client already: a child of a worker that is no longer spare.
    pub fn serving(&self, role: &str) -> Process {
        let prefix = format!("ftpd: {role}");
        wait_until(&format!("a process ftpd: {role} serves a client"), || {
            let processes = self.processes();
            let worker = processes.iter().find(|process| process.title().starts_with("ftpd: worker"))?;
            let is_it = |p: &&Process| p.parent() == worker.pid && p.title().starts_with(&prefix);
            processes.iter().find(is_it).cloned()
        })
    }

    /// Waits until a file that the session has open has this size: what was sent has been written.
    pub fn wait_until_written(&self, size: u64) {
        let session = self.process("session");
        wait_until(&format!("{size} bytes are written"), || {
            session.descriptors().into_iter().find(|(number, what)| {
                let file = format!("/proc/{}/fd/{number}", session.pid);
                what.starts_with('/')
                    && fs::metadata(file).is_ok_and(|file| file.is_file() && file.len() == size)
            })
        });
    }

    pub fn parent_of(&self, process: &Process) -> Process {
        Process::read(process.parent()).expect("the parent of a process")
    }

    /// Ends the daemon the hard way if the soft one takes too long, and returns what is left of it.
    fn end(&mut self) -> Vec<Process> {
        let began = Instant::now();
        let mut terms = 0;
        while let Ok(None) = self.child.try_wait() {
            let elapsed = began.elapsed();
            if elapsed > DEADLINE {
                _ = self.child.kill();
                _ = self.child.wait();
                break;
            }
            // The second one ends running transfers as well; later ones are for a daemon that missed one.
            if elapsed > Duration::from_millis(300 * terms) {
                _ = kill(self.pid(), Signal::SIGTERM);
                terms += 1;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let began = Instant::now();
        loop {
            let left = process::all_of_this_world();
            if left.is_empty() || began.elapsed() > Duration::from_secs(10) {
                return left;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let left = self.end();
        if failing || !left.is_empty() {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!("--- log of the daemon in {test}:\n{}\n---", self.log());
        }
        for process in &left {
            _ = kill(process.pid, Signal::SIGKILL);
        }
        if !failing {
            let names: Vec<_> = left.iter().map(|process| process.title()).collect();
            assert!(left.is_empty(), "processes stayed behind the daemon: {names:?}");
        }
    }
}

/// Asks again and again until there is an answer; fails the test when that takes too long.
pub fn wait_until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `DEFAULTS` with `settings` laid over them.
fn merged(settings: &str) -> String {
    let lines = DEFAULTS.lines().chain(settings.lines()).filter_map(|line| line.split_once('='));
    let merged: BTreeMap<_, _> = lines.map(|(key, value)| (key.trim(), value.trim())).collect();
    merged.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// The lines a daemon wrote to standard output and standard error.
#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Default)]
struct LogState {
    lines: Vec<String>,
    /// How many outputs may still bring lines.
    open: usize,
}

impl Log {
    /// Reads lines from `output` until it ends, in a thread of its own.
    fn collect(self: &Arc<Log>, output: impl Read + Send + 'static) {
        self.state.lock().expect("log").open += 1;
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.state.lock().expect("log").lines.push(line);
                log.changed.notify_all();
            }
            log.state.lock().expect("log").open -= 1;
            log.changed.notify_all();
        });
    }

    fn lines(&self) -> Vec<String> {
        self.state.lock().expect("log").lines.clone()
    }

    /// The first line behind `skip` that contains `text`; or the whole log when there will be none.
    fn wait(&self, skip: usize, text: &str) -> Result<String, String> {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock().expect("log");
        loop {
            if let Some(line) = state.lines.iter().skip(skip).find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.open == 0 || left.is_zero() {
                return Err(state.lines.join("\n"));
            }
            state = self.changed.wait_timeout(state, left).expect("log").0;
        }
    }
}
