//! The result: medians in a Markdown table, with what they were measured on.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::install::Installed;
use crate::measures::{Measure, Row, Settings, Unit, Values};
use crate::servers::{SERVERS, Server};
use crate::tls;

/// The daemon that the others are compared with.
const OURS: &str = SERVERS[0].name;

/// Which rows are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Every one.
    All,
    /// Those for readers in a hurry.
    Headlines,
}

/// Every value of the run.
pub struct Table<'a> {
    servers: &'a [(&'a Server, Installed)],
    measures: &'a [&'a Measure],
    rounds: Vec<(usize, &'a Row, f64)>,
    failures: Vec<String>,
}

impl<'a> Table<'a> {
    /// An empty table.
    pub fn new(servers: &'a [(&'a Server, Installed)], measures: &'a [&'a Measure]) -> Table<'a> {
        Table { servers, measures, rounds: Vec::new(), failures: Vec::new() }
    }

    /// What one server reached in one measurement.
    pub fn add(&mut self, server: usize, measure: &'a Measure, values: Values) {
        match values {
            Ok(values) => {
                let known = measure.rows.iter().zip(values).filter_map(|(row, value)| Some((row, value?)));
                self.rounds.extend(known.map(|(row, value)| (server, row, value)));
            }
            Err(error) => {
                let failure = format!("{}, {}: {error}", self.servers[server].0.name, measure.rows[0].name);
                if !self.failures.contains(&failure) {
                    self.failures.push(failure);
                }
            }
        }
    }

    /// The whole text, of all rows or of those for readers in a hurry.
    pub fn render(&self, rounds: u32, settings: &Settings, rows: Rows) -> String {
        let mut text = self.facts(rounds, settings);
        let names: Vec<&str> = self.servers.iter().map(|(server, _)| server.name).collect();
        let _ = writeln!(text, "\n| | {} | {OURS} against the best peer |", names.join(" | "));
        let _ = writeln!(text, "|---|{}---:|", "---:|".repeat(names.len()));
        let wanted = |row: &&Row| rows == Rows::All || row.headline;
        for row in self.measures.iter().flat_map(|measure| measure.rows).filter(wanted) {
            let medians: Vec<Option<f64>> = (0..names.len()).map(|server| self.median(server, row)).collect();
            let cells: Vec<String> = medians.iter().map(|value| value.map_or("-".into(), digits)).collect();
            let advantage =
                self.advantage(&medians, row.unit).map_or("-".into(), |factor| format!("{factor:.2}"));
            let _ =
                writeln!(text, "| {}, {} | {} | {advantage} |", row.name, row.unit.name(), cells.join(" | "));
        }
        let _ = writeln!(
            text,
            "\nThe last column is above 1 where {OURS} is ahead of the best peer: how many times as fast, or how many times \
             less. Servers that serve all users from one event loop without becoming them are shown and not counted."
        );
        for failure in &self.failures {
            let _ = writeln!(text, "\nFailed: {failure}");
        }
        text
    }

    fn median(&self, server: usize, row: &Row) -> Option<f64> {
        let own = self.rounds.iter().filter(|(index, of, _)| *index == server && std::ptr::eq(*of, row));
        let mut values: Vec<f64> = own.map(|(_, _, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            1 => Some(values[middle]),
            _ => Some((values.get(middle.checked_sub(1)?)? + values[middle]) / 2.0),
        }
    }

    fn advantage(&self, medians: &[Option<f64>], unit: Unit) -> Option<f64> {
        let with_medians = || self.servers.iter().map(|(server, _)| *server).zip(medians.iter().copied());
        let ours = with_medians().find(|(server, _)| server.name == OURS)?.1?;
        let peers = with_medians().filter(|(server, _)| server.name != OURS && !server.event_loop);
        let values = peers.filter_map(|(_, value)| value);
        match unit.more_is_better() {
            true => Some(ours / values.reduce(f64::max)?),
            false => Some(values.reduce(f64::min)? / ours),
        }
    }

    fn facts(&self, rounds: u32, settings: &Settings) -> String {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib =
            memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
        let versions: Vec<String> = self
            .servers
            .iter()
            .map(|(server, installed)| format!("{} {}", server.name, installed.version))
            .collect();
        format!(
            "Measured on {cores} cores ({}), {:.0} GiB, {}, kernel {}; client and server share the machine, files of \
             {} MiB in tmpfs, medians of {rounds} interleaved rounds. {}. Over TLS: {}.\n",
            model.1,
            kib as f64 / f64::from(1 << 20),
            system.trim_matches('"'),
            kernel.trim(),
            settings.size >> 20,
            versions.join(", "),
            tls::WHAT,
        )
    }
}

/// The documents that show the table, and how much of it.
const DOCUMENTS: [(&str, Rows); 2] = [("README.md", Rows::Headlines), ("docs/performance.md", Rows::All)];
/// What stands around the table in them.
const BEGIN: &str = "<!-- table: written by ftpd-bench --publish -->\n";
const END: &str = "<!-- end of table -->\n";

/// Puts the table into the documents of a source tree, in the place of the one before.
pub fn publish(tree: &Path, render: impl Fn(Rows) -> String) -> Result<(), String> {
    for (name, rows) in DOCUMENTS {
        let path = tree.join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(failed)?;
        let replaced = replace_table(&text, &render(rows));
        fs::write(&path, replaced.ok_or_else(|| format!("{}: there is no table", path.display()))?)
            .map_err(failed)?;
    }
    Ok(())
}

fn replace_table(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// What is said while the measuring goes on.
pub fn progress(server: &Server, measure: &Measure, values: &Values) -> String {
    let values = match values {
        Ok(values) => values
            .iter()
            .zip(measure.rows)
            .map(|(value, row)| format!("{} {}", value.map_or("-".into(), digits), row.unit.name()))
            .collect::<Vec<_>>()
            .join(", "),
        Err(error) => error.clone(),
    };
    format!("{}: {}: {values}", measure.rows[0].name, server.name)
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let expected = format!("before\n{BEGIN}new\n{END}after\n");
        assert_eq!(replace_table(&document, "new\n"), Some(expected));
        assert_eq!(replace_table("nothing", "new\n"), None);
    }

    #[test]
    fn values_have_three_digits() {
        assert_eq!([digits(12345.6), digits(12.34), digits(0.126)], ["12346", "12.3", "0.13"]);
    }
}
