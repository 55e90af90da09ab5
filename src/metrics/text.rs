//! Numbers as text: OpenMetrics 1.0, and the older format of Prometheus, which the textfile collector of node_exporter
//! and many tools want.

use std::fmt::Write;

use super::families::{ALL, Description, Kind, describe};
use crate::ipc::measures::Family;

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/openmetrics-text`.
    OpenMetrics,
    /// `text/plain; version=0.0.4`.
    Prometheus,
}

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub family: Family,
    /// As many as the family has.
    pub labels: Vec<String>,
    pub value: u64,
}

impl Format {
    /// What HTTP calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// All of it. `now` in seconds since 1970.
    pub fn text(self, samples: &[Sample], now: u64) -> String {
        let mut text = String::new();
        for family in ALL {
            let mut found = samples.iter().filter(|sample| sample.family == *family).peekable();
            if found.peek().is_none() {
                continue;
            }
            let description = describe(*family);
            self.head(&mut text, &description);
            match description.kind {
                Kind::Histogram => histograms(&mut text, &description, samples),
                Kind::Gauge | Kind::Counter | Kind::Info => found.for_each(|sample| {
                    let name = format!("{}{}", description.name, ending(description.kind));
                    line(&mut text, &name, description.labels, &sample.labels, &value(sample, now));
                }),
            }
        }
        if self == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn head(self, text: &mut String, description: &Description) {
        let Description { kind, help, unit, .. } = *description;
        // The older format knows nothing of endings: there, a name is whole.
        let name = match self {
            Format::OpenMetrics => description.name.to_string(),
            Format::Prometheus => format!("{}{}", description.name, ending(kind)),
        };
        let _ = writeln!(text, "# HELP {name} {help}.");
        let word = match (self, kind) {
            (_, Kind::Gauge) | (Format::Prometheus, Kind::Info) => "gauge",
            (Format::OpenMetrics, Kind::Info) => "info",
            (_, Kind::Counter) => "counter",
            (_, Kind::Histogram) => "histogram",
        };
        let _ = writeln!(text, "# TYPE {name} {word}");
        if let Some(unit) = unit.filter(|_| self == Format::OpenMetrics) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
    }
}

fn ending(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge | Kind::Histogram => "",
        Kind::Counter => "_total",
        Kind::Info => "_info",
    }
}

/// Numbers cross as whole ones; some are shown in another unit.
fn value(sample: &Sample, now: u64) -> String {
    match sample.family {
        Family::CertificateEnd => (i128::from(sample.value) - i128::from(now)).to_string(),
        Family::TransferMicros => format!("{:.6}", sample.value as f64 / 1e6),
        _ => sample.value.to_string(),
    }
}

/// What belongs to one direction stands together: the classes, how many, how long.
fn histograms(text: &mut String, description: &Description, samples: &[Sample]) {
    let sums = samples.iter().filter(|sample| sample.family == Family::TransferMicros);
    for sum in sums {
        let Some(direction) = sum.labels.first() else { continue };
        let mut count = 0;
        let classes = samples.iter().filter(|sample| {
            sample.family == Family::TransferSeconds && sample.labels.first() == Some(direction)
        });
        for class in classes {
            count = class.value;
            let name = format!("{}_bucket", description.name);
            line(text, &name, description.labels, &class.labels, &count.to_string());
        }
        let own = &description.labels[..1];
        line(text, &format!("{}_count", description.name), own, &sum.labels, &count.to_string());
        line(text, &format!("{}_sum", description.name), own, &sum.labels, &value(sum, 0));
    }
}

fn line(text: &mut String, name: &str, labels: &[&str], values: &[String], value: &str) {
    text.push_str(name);
    if !labels.is_empty() {
        let pairs: Vec<String> = labels
            .iter()
            .zip(values)
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let _ = write!(text, "{{{}}}", pairs.join(","));
    }
    let _ = writeln!(text, " {value}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(family: Family, labels: &[&str], value: u64) -> Sample {
        Sample { family, labels: labels.iter().map(ToString::to_string).collect(), value }
    }

    #[test]
    fn each_format_has_its_own_heads() {
        let samples = [sample(Family::Logins, &["success"], 3)];
        let open = Format::OpenMetrics.text(&samples, 0);
        let expected = "# HELP ftpd_logins Attempts to log in.\n# TYPE ftpd_logins counter\n\
                        ftpd_logins_total{result=\"success\"} 3\n# EOF\n";
        assert_eq!(open, expected);
        let older = Format::Prometheus.text(&samples, 0);
        assert!(older.contains("# TYPE ftpd_logins_total counter\n") && !older.contains("EOF"));
    }

    #[test]
    fn a_histogram_counts_what_is_in_its_last_class() {
        let samples = [
            sample(Family::TransferSeconds, &["download", "1.0"], 2),
            sample(Family::TransferSeconds, &["download", "+Inf"], 3),
            sample(Family::TransferMicros, &["download"], 1_500_000),
        ];
        let text = Format::OpenMetrics.text(&samples, 0);
        assert!(text.contains("_bucket{direction=\"download\",le=\"1.0\"} 2\n"), "{text}");
        assert!(text.contains("_count{direction=\"download\"} 3\n"), "{text}");
        assert!(text.contains("_sum{direction=\"download\"} 1.500000\n"), "{text}");
    }

    #[test]
    fn what_stands_in_a_label_stays_there() {
        let text = Format::Prometheus.text(&[sample(Family::CertificateEnd, &["/a\"\n\\"], 86_400)], 60);
        assert!(text.contains("{file=\"/a\\\"\\n\\\\\"} 86340\n"), "{text}");
    }

    #[test]
    fn every_family_is_shown_and_says_what_it_is() {
        for (number, family) in ALL.iter().enumerate() {
            let description = describe(*family);
            assert!(description.name.starts_with("ftpd_") && description.help.len() > 8);
            assert!(description.unit.is_none_or(|unit| description.name.ends_with(unit)));
            assert!(!ALL[..number].contains(family));
        }
    }
}
