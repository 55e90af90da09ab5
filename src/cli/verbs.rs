//! docs/verbs.md: the verb table as a table.

use super::generate::wrap;
use crate::protocol::verb::{Access, COMMON_REPLIES, Entry, FILE_REPLIES};
use crate::session::ENTRIES;

/// Columns of the prose.
const WIDTH: usize = 100;

/// The whole file.
pub fn table() -> String {
    let mut text = String::from("# Verbs\n\n");
    for paragraph in [
        "Generated from the verb table of the program; to change it, change src/session/verbs/mod.rs and run \
         `make documents`.",
        &format!(
            "*Replies* are the codes a verb may be answered with, beside {COMMON_REPLIES}, which any verb may be, and \
             {FILE_REPLIES}, which any verb may be that needs a permission. *Login*: whether one has to be logged in. \
             *Permission*: the letter of the option `permissions` that the user must have; ftpd.toml(5) says what \
             each stands for. *Meanwhile*: whether it is obeyed while data moves; the others wait. *Feature*: the line \
             of FEAT that announces it. *Since*: the version of ftpd that had it first."
        ),
    ] {
        text.push_str(&format!("{}\n\n", wrap(paragraph, WIDTH).join("\n")));
    }
    text.push_str(&row([
        "Usage",
        "Meaning",
        "Defined in",
        "Replies",
        "Login",
        "Permission",
        "Meanwhile",
        "Feature",
        "Since",
    ]));
    text.push_str(&"|---".repeat(9));
    text.push_str("|\n");
    ENTRIES.iter().for_each(|entry| text.push_str(&verb(entry)));
    text
}

fn verb(entry: &Entry) -> String {
    let (usage, meaning) = entry.help.split_once(": ").unwrap_or((entry.name, entry.help));
    let defined = match entry.rfc.split_once(' ') {
        _ if !entry.rfc.starts_with(|letter: char| letter.is_ascii_digit()) => entry.rfc.to_string(),
        Some((number, section)) => format!("RFC {number}, {section}"),
        None => format!("RFC {}", entry.rfc),
    };
    let login = match entry.access {
        Access::Anybody => "",
        Access::User => "yes",
    };
    let letter = entry.permission.map(|letter| format!("`{letter}`")).unwrap_or_default();
    let meanwhile = if entry.during_transfer { "yes" } else { "" };
    let feature = entry.feature.map(|feature| format!("`{feature}`")).unwrap_or_default();
    let usage = format!("`{usage}`");
    row([&usage, meaning, &defined, entry.replies, login, &letter, meanwhile, &feature, entry.since])
}

fn row(cells: [&str; 9]) -> String {
    let cells: String = cells.iter().map(|cell| format!("| {} ", cell.replace('|', "\\|"))).collect();
    format!("{cells}|\n")
}
