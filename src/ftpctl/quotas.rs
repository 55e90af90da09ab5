//! `quotas`: how much there is where that is limited. What is shown stands in the ledgers of the daemon, beside its socket: it
//! is read there, and need not be asked of anybody.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::connection::Trouble;
use super::table::{Side, Table};
use super::{Options, Outcome, amounts, print, print_json};
use crate::ipc::ledger::{About, is_doubtful, place};
use crate::system::ledger::Book;

/// One ledger. Without a limit, `most` is null.
#[derive(Serialize)]
struct Kept {
    /// The section of the configuration; null for what `[session]` and entries of users files say.
    quota: Option<String>,
    /// Whose files count; null: those of all.
    user: Option<String>,
    directory: String,
    bytes: u64,
    most_bytes: Option<u64>,
    files: u64,
    most_files: Option<u64>,
    /// False: whoever changes something next has everything counted.
    counted: bool,
}

impl Kept {
    fn read(ledgers: &Path, name: &str) -> Option<Kept> {
        let book = Book::find(ledgers, name)?;
        let About { section, user, path, most } = About::of_text(&book.text())?;
        let number = |index| book.get(index).unwrap_or(0);
        let some = |text: String| (!text.is_empty()).then_some(text);
        let limit = |most: u64| (most != u64::MAX).then_some(most);
        // Who is active now is alive, as far as can be told from here.
        let doubtful = is_doubtful(|index| if index == place::ACTIVE { 0 } else { number(index) }, 0);
        Some(Kept {
            quota: some(section),
            user: some(user),
            directory: path,
            bytes: number(place::BYTES),
            most_bytes: limit(most.bytes),
            files: number(place::FILES),
            most_files: limit(most.files),
            counted: !doubtful,
        })
    }

    fn row(self) -> Vec<String> {
        let number = |number: u64| if self.counted { number.to_string() } else { "?".into() };
        let bytes = if self.counted { amounts::bytes(self.bytes) } else { "?".into() };
        let limit = |most: Option<u64>, show: fn(u64) -> String| most.map_or("-".into(), show);
        let files = number(self.files);
        vec![
            self.quota.unwrap_or_else(|| "-".into()),
            self.user.unwrap_or_else(|| "-".into()),
            bytes,
            limit(self.most_bytes, amounts::bytes),
            files,
            limit(self.most_files, |most| most.to_string()),
            self.directory,
        ]
    }
}

/// All that somebody has met since the machine was started.
pub fn list(options: &Options) -> Outcome {
    let ledgers = options.ledgers()?;
    let mut kept = read(&ledgers).map_err(|cause| Trouble::Unreachable { path: ledgers, cause })?;
    kept.sort_by(|a, b| (&a.directory, &a.quota, &a.user).cmp(&(&b.directory, &b.quota, &b.user)));
    if options.json {
        return print_json(&kept);
    }
    let mut table = Table::new(&[
        ("QUOTA", Side::Left),
        ("USER", Side::Left),
        ("BYTES", Side::Right),
        ("MOST", Side::Right),
        ("FILES", Side::Right),
        ("MOST", Side::Right),
        ("DIRECTORY", Side::Left),
    ]);
    kept.into_iter().for_each(|kept| table.row(kept.row()));
    print(&table.text())
}

fn read(ledgers: &Path) -> io::Result<Vec<Kept>> {
    let entries = match fs::read_dir(ledgers) {
        // Nobody with a quota has been there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        kept.extend(entry?.file_name().to_str().and_then(|name| Kept::read(ledgers, name)));
    }
    Ok(kept)
}
