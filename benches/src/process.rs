//! A server while it runs: started, counted, ended, with every process of it.
//!
//! This program is process 1 of its namespace and runs one server at a time, so each process that is not this one
//! belongs to the server, whoever forked it and however it left its parent.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use perf_event::events::Software;
use perf_event::{Builder, Counter};

use crate::client::Client;
use crate::install::Installed;
use crate::measures::{Measure, Need};
use crate::servers::Server;
use crate::world::ROOT;

/// How long a server may take to answer its first client.
const START: Duration = Duration::from_secs(10);
/// How long a server may take to end when asked to.
const STOP: Duration = Duration::from_secs(3);

/// A server that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    master: Child,
    watched: bool,
    cpu: Option<Counter>,
    log: PathBuf,
}

impl Running {
    /// Starts a server, under another command if asked, and returns when it has greeted a client.
    pub fn start(
        server: &Server,
        installed: &Installed,
        measure: &Measure,
        under: Option<&str>,
    ) -> Result<Running, String> {
        let log = Path::new(ROOT).join(format!("{}.log", server.name));
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = output.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let command = server
            .command(installed, measure.needs(Need::Tls))
            .map_err(|error| format!("configuration: {error}"))?;
        let libraries = std::env::join_paths(&installed.libraries).map_err(|error| error.to_string())?;

        // The shell waits for a line until the counter is attached; the counter then follows every fork.
        let mut master = Command::new("/bin/sh")
            .args(["-c", "read go; exec \"$@\" </dev/null", "sh"])
            .args(under.into_iter().flat_map(str::split_whitespace))
            .args(command)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LD_LIBRARY_PATH", libraries)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("starting: {error}"))?;
        let cpu = if measure.needs(Need::Cpu) { Some(attach(master.id())?) } else { None };
        if let Some(mut stdin) = master.stdin.take() {
            stdin.write_all(b"go\n").map_err(|error| format!("starting: {error}"))?;
        }

        let address = SocketAddr::from(([127, 0, 0, 1], server.port));
        let mut running = Running { address, master, watched: under.is_some(), cpu, log };
        match running.wait_until_ready() {
            Ok(()) => Ok(running),
            Err(error) => {
                running.stop();
                Err(format!("{error} ({})", running.last_words()))
            }
        }
    }

    /// CPU seconds that all processes of the server have used, those that are gone included; for a server that was
    /// started without counting: nothing.
    pub fn cpu_seconds(&mut self) -> Result<f64, String> {
        let counter = self.cpu.as_mut().ok_or("CPU time is not counted")?;
        let nanoseconds = counter.read().map_err(|error| format!("reading the CPU time: {error}"))?;
        Ok(nanoseconds as f64 / 1e9)
    }

    /// Proportional set size of all processes of the server together, in KiB: what is shared is counted once.
    pub fn pss_kib(&self) -> u64 {
        processes()
            .iter()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
            .filter_map(|rollup| {
                let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
                line.split_whitespace().nth(1)?.parse::<u64>().ok()
            })
            .sum()
    }

    /// Ends all processes of the server and collects them.
    pub fn stop(&mut self) {
        let master = Pid::from_raw(self.master.id() as i32);
        // A tracer ends by itself when what it traces has ended, and only then says what it saw.
        signal(Signal::SIGTERM, self.watched.then_some(master));
        if !collect(STOP) {
            kill_all();
            collect(STOP);
        }
    }

    /// The end of what the server wrote to standard output and error.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            let error = match Client::connect(self.address) {
                Ok(client) => {
                    let _ = client.quit();
                    return Ok(());
                }
                Err(error) => error,
            };
            if let Ok(Some(status)) = self.master.try_wait() {
                return Err(format!("ended at once: {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("does not answer: {error}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn attach(pid: u32) -> Result<Counter, String> {
    let mut builder = Builder::new().kind(Software::TASK_CLOCK).observe_pid(pid as i32);
    builder.inherit(true).include_kernel();
    let counter = builder.build().and_then(|mut counter| counter.enable().map(|()| counter));
    counter.map_err(|error| format!("counting CPU time (perf_event_open): {error}"))
}

/// Every process of the namespace but this one.
fn processes() -> Vec<i32> {
    let own = std::process::id() as i32;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own).collect()
}

/// Ends all processes of the server the hard way.
pub fn kill_all() {
    signal(Signal::SIGKILL, None);
}

fn signal(signal: Signal, but: Option<Pid>) {
    for pid in processes().into_iter().map(Pid::from_raw).filter(|pid| Some(*pid) != but) {
        // One that has just gone is no loss.
        let _ = kill(pid, signal);
    }
}

/// Reaps until nobody is left. Orphans come to process 1 too.
fn collect(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return true,
            Ok(WaitStatus::StillAlive) if Instant::now() > deadline => return false,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(2)),
            _ => {}
        }
    }
}
