//! `ftpd doctor`: looks at an installation, running or planned, and says what to do.
//!
//! `ftpd check` says what is wrong with a configuration by itself; here it is held against the machine.

mod accounts;
mod firewall;
mod iptables;
mod machine;
mod network;
mod service;

use std::fmt::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::{ConfigFile, check, print};
use crate::config::Config;

/// What the command line says.
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    file: ConfigFile,
}

/// How it is with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Good,
    /// Good to know.
    Note,
    /// Somebody will run into this.
    Warning,
    /// This way there is no service.
    Error,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mark::Good => "ok",
            Mark::Note => "note",
            Mark::Warning => "warning",
            Mark::Error => "error",
        })
    }
}

/// What was looked at, and how it is.
#[derive(Debug)]
struct Finding {
    mark: Mark,
    subject: &'static str,
    text: String,
    /// What to do about it; empty: nothing.
    advice: String,
}

/// Everything that was looked at so far.
#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, mark: Mark, subject: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { mark, subject, text: text.into(), advice: advice.into() });
    }

    fn good(&mut self, subject: &'static str, text: impl Into<String>) {
        self.add(Mark::Good, subject, text, "");
    }

    fn note(&mut self, subject: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Mark::Note, subject, text, advice);
    }

    fn warning(&mut self, subject: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Mark::Warning, subject, text, advice);
    }

    fn error(&mut self, subject: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Mark::Error, subject, text, advice);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { mark, subject, text, advice } in &self.0 {
            writeln!(f, "{mark:<8} {subject:<14} {text}")?;
            if !advice.is_empty() {
                writeln!(f, "{:<23} -> {advice}", "")?;
            }
        }
        let count = |mark| self.0.iter().filter(|finding| finding.mark == mark).count();
        writeln!(f, "errors: {}, warnings: {}", count(Mark::Error), count(Mark::Warning))
    }
}

impl Doctor {
    /// Looks at everything. Exit status 1 if something is such that there is no service.
    pub fn run(self) -> ExitCode {
        let mut report = Report::default();
        let path = &self.file.config;
        match Config::load(path) {
            Ok(config) => {
                match check::examine(&config) {
                    Ok(problems) if problems.is_empty() => {
                        report.good("configuration", path.display().to_string());
                    }
                    Ok(problems) => {
                        for problem in problems {
                            report.warning("configuration", problem.to_string(), "");
                        }
                    }
                    Err(problem) => report.error("configuration", problem.to_string(), "correct it"),
                }
                if !nix::unistd::geteuid().is_root() {
                    let text = "not everything can be looked at without root";
                    report.note("rights", text, "start ftpd doctor as root");
                }
                accounts::examine(&config, &mut report);
                network::examine(&config, &mut report);
                machine::examine(&config, &mut report);
                service::examine(&config, &mut report);
            }
            Err(error) => report.error("configuration", error.to_string(), "correct it: ftpd check"),
        }
        let mut text = String::new();
        let printed = match write!(text, "{report}") {
            Ok(()) => print(&text),
            Err(fmt::Error) => ExitCode::FAILURE,
        };
        let failed = report.0.iter().any(|finding| finding.mark == Mark::Error);
        if failed { ExitCode::FAILURE } else { printed }
    }
}
