//! `ftpd generate`: the files under man/, etc/ and docs/ that are made of the lists in this program. tests/documents.rs
//! compares them with what is committed.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Ftpd, import, manual, verbs};
use crate::config::{DEFAULT_PATH, NAMED_SECTIONS, OptionDoc, SECTIONS, SectionDoc};
use crate::ftpctl;

/// A generated file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Document {
    /// man/ftpd.8
    ManCommand,
    /// man/ftpctl.8
    ManControl,
    /// man/ftpd.toml.5
    ManConf,
    /// man/ftpd-users.5
    ManUsers,
    /// etc/ftpd.toml
    Sample,
    /// docs/verbs.md
    Verbs,
    /// docs/migrating.md
    Migrating,
    /// etc/completions/ftpd
    Bash,
    /// etc/completions/ftpd.fish
    Fish,
    /// etc/completions/_ftpd
    Zsh,
    /// etc/completions/ftpctl
    ControlBash,
    /// etc/completions/ftpctl.fish
    ControlFish,
    /// etc/completions/_ftpctl
    ControlZsh,
}

impl Document {
    /// The whole file.
    pub fn text(self) -> String {
        match self {
            Document::ManCommand => manual::command(),
            Document::ManControl => manual::control(),
            Document::ManConf => manual::configuration(),
            Document::ManUsers => manual::users(),
            Document::Sample => sample(),
            Document::Verbs => verbs::table(),
            Document::Migrating => import::document(),
            Document::Bash => completions(Shell::Bash, Ftpd::command()),
            Document::Fish => completions(Shell::Fish, Ftpd::command()),
            Document::Zsh => completions(Shell::Zsh, Ftpd::command()),
            Document::ControlBash => completions(Shell::Bash, ftpctl::command()),
            Document::ControlFish => completions(Shell::Fish, ftpctl::command()),
            Document::ControlZsh => completions(Shell::Zsh, ftpctl::command()),
        }
    }
}

/// What a shell must know to complete a command line.
fn completions(shell: Shell, mut program: clap::Command) -> String {
    let mut text = Vec::new();
    let name = program.get_name().to_string();
    clap_complete::generate(shell, &mut program, name, &mut text);
    // Some lines of the templates end in blanks.
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The name of a section that has one, in the sample.
const EXAMPLE_NAME: &str = "\"ftp.example.org\"";

/// Columns of the sample.
const WIDTH: usize = 80;

/// etc/ftpd.toml: every option, commented out, with its default and what it does.
fn sample() -> String {
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "The configuration of ftpd(8), usually {DEFAULT_PATH}; ftpd.toml(5) explains the format. Every option is \
             shown with its default, or with an example where it has none. Remove the # in front of a line to change \
             it, check with \"ftpd check\", and send the daemon SIGHUP."
        ),
    );
    SECTIONS.iter().for_each(|section| sample_section(&mut text, section, &format!("[{}]", section.name)));
    for section in NAMED_SECTIONS {
        let name = match section.name {
            "listener" => "\"[::]:21\"",
            "network" => "office",
            "quota" => "incoming",
            "hook" => "scan",
            "rule" => "incoming",
            _ => EXAMPLE_NAME,
        };
        sample_section(&mut text, section, &format!("#[{}.{name}]", section.name));
    }
    text.push('\n');
    comment(&mut text, "What of [session] is different for a user, or for the members of a group.");
    text.push_str("#[user.alice]\n#root-dir = \"real\"\n\n");
    text.push_str("#[group.visitors]\n#permissions = \"elr\"\n");
    text
}

fn sample_section(text: &mut String, section: &SectionDoc, heading: &str) {
    text.push('\n');
    comment(text, &section.text.concat());
    text.push_str(&format!("{heading}\n"));
    for option in section.options {
        text.push('\n');
        comment(text, &option.text.concat());
        text.push_str(&format!("#{} = {}\n", option.key, shown_value(option)));
    }
}

/// The default of an option, or its example.
fn shown_value(option: &OptionDoc) -> String {
    as_written(option.default.or(option.example).unwrap_or_default())
}

/// A value of the list as it stands in a file.
pub fn as_written(value: &str) -> String {
    // Of numbers: 100_000.
    if value.starts_with(|first: char| first.is_ascii_digit()) {
        value.replace('_', "")
    } else {
        value.to_string()
    }
}

fn comment(text: &mut String, prose: &str) {
    for line in wrap(prose, WIDTH - 2) {
        text.push_str(&format!("# {line}\n"));
    }
}

/// Lines of at most `width` columns, where words allow it.
pub fn wrap(prose: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in prose.split_whitespace() {
        let line = lines.last_mut().expect("there is a line from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}
