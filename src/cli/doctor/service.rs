//! The doctor on the service: whether systemd runs it, and leaves it what the configuration needs.

use std::path::Path;
use std::process::Command;

use super::Report;
use crate::config::Config;
use crate::supervisor;

const UNIT: &str = "ftpd.service";

/// What systemd says of the service, where it runs the machine.
pub fn examine(config: &Config, report: &mut Report) {
    if !Path::new("/run/systemd/system").exists() {
        let text = "systemd does not run this machine";
        return report.note("service", text, "ftpd serve --daemon --pid-file FILE");
    }
    if show(UNIT, "LoadState") != "loaded" {
        let text = "systemd knows no ftpd.service";
        return report.note("service", text, "install the package, or make install");
    }
    match show(UNIT, "ActiveState").as_str() {
        "active" => report.good("service", "runs"),
        "failed" => {
            report.error("service", "has failed", "journalctl -u ftpd says why; systemctl restart ftpd")
        }
        _ if show("ftpd.socket", "ActiveState") == "active" => {
            report.good("service", "waits for its first client (ftpd.socket)");
        }
        _ => report.note("service", "does not run", "systemctl enable --now ftpd"),
    }
    if show(UNIT, "NRestarts").parse::<u32>().is_ok_and(|count| count > 0) {
        let text = format!("was started anew {} times after it had failed", show(UNIT, "NRestarts"));
        report.warning("service", text, "journalctl -u ftpd says why");
    }
    leaves(config, report);
}

/// What the unit takes away that the configuration needs.
fn leaves(config: &Config, report: &mut Report) {
    if let Some(problem) = config.shows_tmp().filter(|_| show(UNIT, "PrivateTmp") == "yes") {
        report.warning("service", problem.to_string(), "");
    }
    if let Some(problem) = config.gives_files_away()
        && !show(UNIT, "CapabilityBoundingSet").split(' ').any(|right| right == "cap_chown")
    {
        report.warning("service", problem.to_string(), "");
    }
    let sessions = u64::from(config.listen.max_sessions.get());
    // Without a limit, what is shown is no number.
    let descriptors = supervisor::descriptors_for(config.listen.max_sessions.get());
    for (property, needed) in [("TasksMax", sessions * 3 + 64), ("LimitNOFILE", descriptors)] {
        let limit = show(UNIT, property);
        if limit.parse::<u64>().is_ok_and(|limit| limit < needed) {
            let text = format!("max-sessions needs {property}={needed}, and the unit has {limit}");
            report.warning("service", text, "systemctl edit ftpd, or lower max-sessions");
        }
    }
}

fn show(unit: &str, property: &str) -> String {
    let output = Command::new("systemctl").args(["show", "--value", "--property", property, unit]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}
