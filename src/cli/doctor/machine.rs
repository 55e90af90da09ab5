//! The doctor on the machine: what its kernel protects with, what its limits leave room for, where its log goes.

use std::fs;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};

use super::Report;
use crate::config::{Config, LogTarget};
use crate::supervisor;
use crate::system::kernel;
use crate::system::landlock::{self, Protection};

/// What a session with a PAM login takes of memory, in KiB (docs/performance.md).
const SESSION_MEMORY: u64 = 512;

pub fn examine(config: &Config, report: &mut Report) {
    protection(report);
    descriptors(config, report);
    memory(config, report);
    log(config, report);
}

fn protection(report: &mut Report) {
    for feature in kernel::features() {
        if !feature.present {
            let text = format!("no {}: there can be no session", feature.name);
            let advice =
                format!("Linux {} or newer, and no filter of a container that forbids it", feature.since);
            report.error("kernel", text, advice);
        }
    }
    match landlock::offered() {
        Protection::Full => report.good("kernel", "seccomp, openat2 and all of Landlock protect sessions"),
        Protection::Partial => {
            let text = "seccomp and openat2 protect sessions, and Landlock as far as this kernel has it";
            report.good("kernel", text);
        }
        Protection::None => {
            let text = "seccomp and openat2 protect sessions; Landlock is not there";
            report.note("kernel", text, "a kernel with Landlock (lsm=landlock,...) is a second wall");
        }
    }
}

fn descriptors(config: &Config, report: &mut Report) {
    let needed = supervisor::descriptors_for(config.listen.max_sessions.get());
    let most =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse::<u64>().ok());
    if most.is_some_and(|most| needed > most) {
        let text = format!(
            "max-sessions needs {needed} descriptors; the system gives a process {}",
            most.unwrap_or(0)
        );
        return report.error("descriptors", text, format!("sysctl fs.nr_open={needed}"));
    }
    // With the service manager its own limit counts, and root can raise it.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map(|(_, hard)| hard).unwrap_or(u64::MAX);
    match needed > limit && !nix::unistd::geteuid().is_root() {
        true => {
            let text = format!("max-sessions needs {needed} descriptors; the limit is {limit}");
            report.warning("descriptors", text, "lower max-sessions, or raise the hard limit (ulimit -Hn)");
        }
        false => report.good("descriptors", format!("{needed} are enough for max-sessions")),
    }
}

fn memory(config: &Config, report: &mut Report) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let Some(total) = total else { return };
    let sessions = u64::from(config.listen.max_sessions.get());
    let needed = sessions * SESSION_MEMORY;
    let text = format!("{} MiB for {sessions} sessions, of {} MiB", needed / 1024, total / 1024);
    match needed > total / 2 {
        true => report.warning("memory", text, "lower max-sessions"),
        false => report.good("memory", text),
    }
}

fn log(config: &Config, report: &mut Report) {
    match &config.log.to {
        LogTarget::Syslog if !Path::new("/dev/log").exists() => {
            let advice = "start a syslog daemon or journald, or set [log] to = \"/var/log/ftpd.log\"";
            report.warning("log", "there is no /dev/log: lines are lost", advice);
        }
        LogTarget::Syslog => report.good("log", "syslog"),
        LogTarget::Journal | LogTarget::Stderr | LogTarget::File(_) => {
            report.good("log", config.log.to.to_string())
        }
    }
}
