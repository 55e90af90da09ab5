//! `status`: how the daemon is.

use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::{Options, Outcome, print, print_json, times};
use crate::ipc::control::{Answer, Phase, Request};
use crate::ipc::measures::Family;
use crate::log::escaped;

/// What the daemon says of itself.
#[derive(Serialize)]
pub struct Status {
    pid: u32,
    state: &'static str,
    #[serde(serialize_with = "times::as_rfc3339")]
    started: u64,
    #[serde(serialize_with = "times::as_rfc3339")]
    configuration_loaded: u64,
    /// Why a later configuration is not in force.
    reload_error: Option<String>,
    listeners: Vec<String>,
    log_level: String,
    sessions: u64,
    max_sessions: u64,
    addresses: u64,
    logged_in: u64,
    users: u64,
    spare_workers: u64,
    served: u64,
    refused: u64,
    certificates: Vec<Certificate>,
}

/// A certificate that clients are shown.
#[derive(Serialize)]
struct Certificate {
    file: String,
    #[serde(serialize_with = "times::as_rfc3339")]
    ends: u64,
    /// Whole days; below zero where it has ended.
    days_left: i64,
}

impl Status {
    /// Asks the daemon.
    pub fn of(daemon: &Connection) -> Result<Status, Trouble> {
        let mut found = None;
        daemon.ask(&Request::Status, |answer| {
            if let Answer::Status {
                pid,
                phase,
                started,
                loaded,
                reload_error,
                listeners,
                log_level,
                sessions,
                max_sessions,
                addresses,
                logged_in,
                users,
                spare_workers,
                served,
                refused,
            } = answer
            {
                found = Some(Status {
                    pid,
                    state: match phase {
                        Phase::Serving => "serving",
                        Phase::Draining => "draining",
                        Phase::Stopping => "stopping",
                    },
                    started,
                    configuration_loaded: loaded,
                    reload_error: Some(reload_error).filter(|error| !error.is_empty()),
                    listeners,
                    log_level,
                    sessions,
                    max_sessions,
                    addresses,
                    logged_in,
                    users,
                    spare_workers,
                    served,
                    refused,
                    certificates: Vec::new(),
                });
            }
        })?;
        found.ok_or(Trouble::Gone)
    }

    /// In a few words.
    pub fn in_short(&self) -> String {
        let Status { state, sessions, max_sessions, logged_in, .. } = self;
        format!("{state}, {sessions} of {max_sessions} clients, {logged_in} logged in")
    }

    /// How much is logged.
    pub fn log_level(&self) -> &str {
        &self.log_level
    }

    /// How many are connected.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    fn text(&self) -> String {
        let Status { pid, state, sessions, max_sessions, .. } = self;
        let ago = |moment: u64| times::span(times::now().saturating_sub(moment));
        let mut lines = vec![
            ("state", format!("{state} (pid {pid})")),
            ("running for", format!("{}, since {}", ago(self.started), times::local(self.started))),
            ("configuration", format!("loaded {}", times::local(self.configuration_loaded))),
        ];
        if let Some(error) = &self.reload_error {
            lines.push(("not reloaded", escaped(error.trim_end().as_bytes()).to_string()));
        }
        lines.extend([
            ("listening on", self.listeners.join(" ")),
            ("clients", format!("{sessions} of {max_sessions}, from {} addresses", self.addresses)),
            ("logged in", format!("{}, as {} users", self.logged_in, self.users)),
            ("spare workers", self.spare_workers.to_string()),
            ("so far", format!("{} served, {} refused", self.served, self.refused)),
            ("log level", self.log_level.clone()),
        ]);
        lines.extend(self.certificates.iter().map(|one| {
            let days = match one.days_left {
                1 => "1 day left".to_string(),
                days if days < 0 => "has ended".to_string(),
                days => format!("{days} days left"),
            };
            ("certificate", format!("{}: {days}", escaped(one.file.as_bytes())))
        }));
        lines.iter().map(|(name, value)| format!("{name:<14} {value}\n")).collect()
    }
}

impl Certificate {
    fn all(daemon: &Connection) -> Result<Vec<Certificate>, Trouble> {
        let mut found = Vec::new();
        let now = times::now();
        daemon.ask(&Request::Metrics, |answer| {
            if let Answer::Sample { family: Family::CertificateEnd, labels, value: ends } = answer {
                let days_left = (ends as i64 - now as i64).div_euclid(86400);
                found.push(Certificate { file: labels.join(" "), ends, days_left });
            }
        })?;
        Ok(found)
    }
}

/// Prints it.
pub fn run(daemon: &Connection, options: &Options) -> Outcome {
    let mut status = Status::of(daemon)?;
    status.certificates = Certificate::all(daemon)?;
    if options.json { print_json(&status) } else { print(&status.text()) }
}
