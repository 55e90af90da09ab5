//! The order of the source tree, held by a test: who may use whom, where `unsafe` may stand, how long a file may be.
//!
//! docs/processes.md says why. Comments do not count; neither do the names of modules inside strings.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of src/.
struct Source {
    /// Relative to src/, such as `worker/login.rs`.
    path: String,
    /// Without comments and string literals.
    code: String,
    lines: usize,
}

impl Source {
    /// Whether the file belongs to this folder or is this file.
    fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// The modules of this crate that the code names: the first component behind `crate::`, and, where it is in
    /// a `{…}` list, all of them.
    fn uses(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if self.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &self.code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(first_names_of_list(list)),
                None => found.push(first_name(rest)),
            }
        }
        found
    }
}

/// Which folder may not name which.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("supervisor", &["protocol", "frontend", "session"]),
    ("worker", &["protocol", "supervisor"]),
    ("frontend", &["session", "worker", "supervisor", "events"]),
    ("events", &["protocol", "frontend", "session", "worker", "supervisor", "cli"]),
    ("resolver", &["config", "events", "protocol", "frontend", "session", "worker", "supervisor"]),
    ("session", &["frontend", "worker", "supervisor", "events"]),
    ("verifier", &["config", "events", "protocol", "frontend", "session", "worker", "supervisor"]),
    (
        "protocol",
        &["config", "supervisor", "worker", "frontend", "session", "ipc", "system", "log", "cli", "exit"],
    ),
    ("ipc", &["config", "supervisor", "worker", "frontend", "session", "protocol", "log", "cli"]),
    ("system", &["config", "supervisor", "worker", "frontend", "session", "protocol", "ipc", "cli"]),
    ("config", &["supervisor", "worker", "frontend", "session", "ipc"]),
    ("metrics", &["config", "protocol", "supervisor", "worker", "frontend", "session", "cli", "ftpctl"]),
    ("ftpctl", &["supervisor", "worker", "frontend", "session", "cli", "tls"]),
    ("tls", &["supervisor", "worker", "frontend", "session", "protocol", "ipc", "cli"]),
];

#[test]
fn folders_use_only_what_they_may() {
    for source in sources() {
        for (folder, forbidden) in FORBIDDEN {
            if source.is_in(folder) || source.is_in(&format!("{folder}.rs")) {
                for used in source.uses() {
                    assert!(!forbidden.contains(&used.as_str()), "src/{} may not use {used}", source.path);
                }
            }
        }
    }
}

#[test]
fn protocol_needs_nothing_but_the_standard_library_and_itself() {
    for source in sources().iter().filter(|source| source.is_in("protocol")) {
        for name in dependencies() {
            let used = words_with(&source.code, &format!("{name}::"));
            // memchr is a faster `position`, no more; ppp reads the one thing that is not FTP.
            let known = name == "memchr" || (name == "ppp" && source.path == "protocol/proxy.rs");
            assert!(!used || known, "src/{} may not use {name}", source.path);
        }
    }
}

#[test]
fn pam_is_spoken_in_one_module() {
    for source in sources() {
        let speaks = words_with(&source.code, "pam::ffi") || words_with(&source.code, "pam_start");
        assert!(!speaks || is_pam(&source), "src/{} may not speak to PAM", source.path);
    }
}

fn is_pam(source: &Source) -> bool {
    source.path == "worker/pam.rs" || source.is_in("worker/pam")
}

#[test]
fn unsafe_is_confined() {
    for source in sources() {
        let confined = source.is_in("system") || is_pam(&source);
        assert!(
            confined || !words_with(&source.code, "unsafe "),
            "src/{} may not contain unsafe",
            source.path
        );
    }
}

#[test]
fn files_fit_in_a_head() {
    // A list is read by searching it.
    for source in sources().iter().filter(|source| source.path != "config/options.rs") {
        assert!(source.lines <= 450, "src/{} has {} lines; 450 is the limit", source.path, source.lines);
    }
}

#[test]
fn files_say_what_lives_in_them() {
    for source in sources() {
        let text = fs::read_to_string(source_root().join(&source.path)).expect("source");
        assert!(text.starts_with("//! "), "src/{} does not begin with what lives there", source.path);
    }
}

#[test]
fn privileges_are_dropped_through_one_door() {
    for source in sources().iter().filter(|source| source.path != "system/privileges.rs") {
        for call in ["setresuid(", "setuid(", "setresgid(", "setgid("] {
            assert!(!source.code.contains(call), "src/{} may not call {call}", source.path);
        }
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut directories = vec![source_root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("directory") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source");
                let relative =
                    path.strip_prefix(source_root()).expect("below src").to_string_lossy().into_owned();
                sources.push(Source { path: relative, code: only_code(&text), lines: text.lines().count() });
            }
        }
    }
    assert!(sources.len() > 10, "the sources are found");
    sources
}

/// The names of the crates in `[dependencies]`, as code writes them.
fn dependencies() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("Cargo.toml");
    let section = manifest.split("[dependencies]").nth(1).expect("dependencies");
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_"))).collect()
}

/// Whether `text` contains `word` where no longer name begins before it.
fn words_with(text: &str, word: &str) -> bool {
    let longer = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(longer))
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names of the entries of a use list, whose opening brace has been read.
fn first_names_of_list(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut entry) = (1, String::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(first_name(std::mem::take(&mut entry).trim())),
            _ => entry.push(c),
        }
        if depth == 0 {
            break;
        }
    }
    names.push(first_name(entry.trim()));
    names
}

/// The text without comments and without what stands inside double quotes.
fn only_code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if let Some(inside) = rest.strip_prefix("'\"'").or_else(|| rest.strip_prefix("'\\\"'")) {
            rest = inside;
        } else if let Some(inside) = rest.strip_prefix("r#\"") {
            rest = inside.split_once("\"#").map_or("", |(_, after)| after);
        } else if let Some(inside) = rest.strip_prefix('"') {
            code.push_str("\"\"");
            rest = behind_string(inside);
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// What follows a string literal, whose opening quote has been read.
fn behind_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return &text[at + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

#[test]
fn the_reader_of_this_test_sees_uses_and_no_comments() {
    let code = only_code(
        "use crate::{ipc::{a, b}, config}; // crate::worker\nlet s = \"crate::\\\"session\"; crate::log::x();",
    );
    let source = Source { path: "supervisor/mod.rs".into(), code, lines: 1 };
    assert_eq!(source.uses(), ["ipc", "config", "log"]);
}
