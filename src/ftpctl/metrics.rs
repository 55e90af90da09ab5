//! `metrics`: the daemon's numbers, as text for those who collect such.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::connection::{Connection, Trouble};
use super::{Options, Outcome, print, print_json, times};
use crate::ipc::control::{Answer, Request};
use crate::ipc::measures::Family;
use crate::metrics::families::describe;
use crate::metrics::text::{Format, Sample};

/// How they are written, and where to.
#[derive(Args, Debug)]
pub struct Metrics {
    /// Write them to this file, in the older format, for the textfile collector of node_exporter; who reads it meanwhile
    /// finds what was there before
    #[arg(short, long, value_name = "FILE")]
    textfile: Option<PathBuf>,
    /// In which format
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "textfile")]
    format: Option<Shape>,
}

/// A format, as the command line calls it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// OpenMetrics 1.0
    Openmetrics,
    /// The older format of Prometheus
    Prometheus,
}

#[derive(Serialize)]
struct Number<'a> {
    name: &'static str,
    labels: std::collections::BTreeMap<&'static str, &'a str>,
    value: u64,
}

impl Metrics {
    /// Prints or writes them.
    pub fn run(&self, daemon: &Connection, options: &Options) -> Outcome {
        let mut samples = Vec::new();
        daemon.ask(&Request::Metrics, |answer| {
            if let Answer::Sample { family, labels, value } = answer {
                samples.push(Sample { family, labels, value });
            }
        })?;
        if let Some(path) = &self.textfile {
            let text = Format::Prometheus.text(&samples, times::now());
            return replace(path, text.as_bytes())
                .map_err(|error| Trouble::Refused(format!("{}: {error}", path.display())));
        }
        if options.json {
            return print_json(&samples.iter().map(Number::of).collect::<Vec<_>>());
        }
        let format = match self.format {
            None | Some(Shape::Openmetrics) => Format::OpenMetrics,
            Some(Shape::Prometheus) => Format::Prometheus,
        };
        print(&format.text(&samples, times::now()))
    }
}

impl Number<'_> {
    /// As it was counted, in the unit in which it was.
    fn of(sample: &Sample) -> Number<'_> {
        let description = describe(sample.family);
        let labels =
            description.labels.iter().copied().zip(sample.labels.iter().map(String::as_str)).collect();
        let name = match sample.family {
            Family::CertificateEnd => "ftpd_certificate_end_seconds",
            Family::TransferMicros => "ftpd_transfer_duration_microseconds_sum",
            Family::TransferSeconds => "ftpd_transfer_duration_seconds_bucket",
            _ => description.name,
        };
        Number { name, labels, value: sample.value }
    }
}

/// The file has the old content or the new one, never a part, and its reader need not be root.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    // Collectors read what ends like their files do.
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}
