//! `ftpd import`: the configuration of another server becomes one of ours, and what does not map is listed.
//!
//! Each server has a table of everything it can be told, which is also docs/migrating.md.

mod draft;
mod proftpd;
mod pure_ftpd;
mod vsftpd;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{print, refuse};
use crate::config::Config;
use draft::{Draft, Ours, Row};

/// What the command line says.
#[derive(Args, Debug)]
pub struct Import {
    /// The configuration file of the other server; of Pure-FTPd also the directory that Debian has in its place
    file: PathBuf,
    /// The server it is from, where its name does not say so
    #[arg(long, value_enum)]
    from: Option<Server>,
    /// Write the configuration there, in place of standard output; nothing is overwritten
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Server {
    /// vsftpd.conf
    Vsftpd,
    /// proftpd.conf
    Proftpd,
    /// pure-ftpd.conf
    PureFtpd,
}

impl Server {
    const ALL: [Server; 3] = [Server::Vsftpd, Server::Proftpd, Server::PureFtpd];

    fn name(self) -> &'static str {
        match self {
            Server::Vsftpd => "vsftpd",
            Server::Proftpd => "proftpd",
            Server::PureFtpd => "pure-ftpd",
        }
    }

    fn rows(self) -> &'static [Row] {
        match self {
            Server::Vsftpd => vsftpd::ROWS,
            Server::Proftpd => proftpd::ROWS,
            Server::PureFtpd => pure_ftpd::ROWS,
        }
    }

    /// What the name of the file says, or of the directory that it is in.
    fn of(path: &Path) -> Option<Server> {
        path.ancestors().find_map(|path| {
            let name = path.file_name()?.to_str()?.to_ascii_lowercase();
            Server::ALL.into_iter().find(|server| name.contains(server.name()))
        })
    }

    fn read(self, path: &Path) -> std::io::Result<Draft> {
        if let (Server::PureFtpd, true) = (self, path.is_dir()) {
            return pure_ftpd::read_directory(path);
        }
        let bytes = fs::read(path)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(match self {
            Server::Vsftpd => vsftpd::translate(&text),
            Server::Proftpd => proftpd::translate(&text),
            Server::PureFtpd => pure_ftpd::translate(&text),
        })
    }
}

impl Import {
    /// Prints or writes the configuration; what does not map is told in its comments and on standard error.
    pub fn run(self) -> ExitCode {
        self.import().unwrap_or_else(|reason| refuse(&reason))
    }

    fn import(self) -> Result<ExitCode, String> {
        let shown = self.file.display();
        let Some(server) = self.from.or_else(|| Server::of(&self.file)) else {
            return Err(format!(
                "{shown}: the name does not say which server this is from; say --from SERVER"
            ));
        };
        let draft = server.read(&self.file).map_err(|error| format!("{shown}: {error}"))?;
        let text = format!("# Made by ftpd import of {shown} ({}).\n{draft}", server.name());
        for remark in draft.remarks() {
            eprintln!("{shown}:{remark}");
        }
        if let Err(error) = text.parse::<toml::Table>() {
            return Err(format!("what was made of {shown} is no TOML: {error}"));
        }
        let status = match &self.output {
            Some(path) => write_new(path, &text).map(|()| ExitCode::SUCCESS)?,
            None => print(&text),
        };
        if let Some(path) = &self.output {
            for problem in super::check::examine(&Config::load(path).map_err(|error| error.to_string())?)
                .unwrap_or_else(|problem| vec![problem])
            {
                eprintln!("warning: {problem}");
            }
        }
        Ok(status)
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// docs/migrating.md.
pub fn document() -> String {
    let mut text = include_str!("import/migrating.md.in").to_string();
    for server in Server::ALL {
        let mut table = String::from("| Theirs | Ours |\n|---|---|\n");
        for Row { theirs, ours, .. } in server.rows() {
            let ours = match ours {
                Ours::Key(section, key, _) => format!("`{key}` in `[{section}]`"),
                Ours::Already(words) | Ours::By(words, _) => (*words).to_string(),
                Ours::Fixed("", words) => format!("not there: {words}"),
                Ours::Fixed(is, words) => format!("always `{is}`: {words}"),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| `{theirs}` | {} |", ours.replace('|', "\\|"));
        }
        text = text.replace(&format!("@{}@\n", server.name()), &table);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NAMED_SECTIONS, SECTIONS};

    fn has(section: &str, key: &str) -> bool {
        let known = |name: &str| {
            let mut sections = SECTIONS.iter().chain(NAMED_SECTIONS).filter(|one| one.name == name);
            sections.any(|one| one.options.iter().any(|option| option.key == key))
        };
        // What stands in [session] may stand in these, too.
        known(section) || (["anonymous", "user.NAME", "group.NAME"].contains(&section) && known("session"))
    }

    #[test]
    fn everything_that_the_tables_name_is_there() {
        for (server, Row { theirs, ours, .. }) in
            Server::ALL.into_iter().flat_map(|server| server.rows().iter().map(move |row| (server, row)))
        {
            let server = server.name();
            let words = match ours {
                Ours::Key(section, key, _) => {
                    assert!(has(section, key), "{server}: {theirs}: there is no {key} in [{section}]");
                    continue;
                }
                Ours::Already(words) | Ours::By(words, _) | Ours::Fixed(_, words) => words,
            };
            // "`key` in `[section]`", also with several keys and several sections.
            let Some((keys, sections)) = words.split_once(" in `[") else { continue };
            let section = sections.split(']').next().unwrap_or_default();
            for key in keys.split('`').skip(1).step_by(2) {
                assert!(has(section, key), "{server}: {theirs}: there is no {key} in [{section}]");
            }
        }
    }

    #[test]
    fn nothing_stands_twice_in_a_table() {
        for server in Server::ALL {
            let mut names: Vec<_> = server.rows().iter().map(|row| row.theirs).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", server.name());
        }
    }
}
