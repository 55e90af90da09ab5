//! What is wrong with a configuration, for the administrator.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, or looks wrong, as one line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or nothing when the configuration came from the command line.
    pub path: Option<PathBuf>,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The column, counted from 1; only for text that is no TOML at all.
    pub column: Option<usize>,
    /// Section and option: `[data] passive-ports`.
    pub place: Option<String>,
    /// What is wrong, in words.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}:", path.display())?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.reason)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Error {
    /// A line for each problem; no line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What the system said, without the number that Rust appends.
pub(super) fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_string(),
        None => error.to_string(),
    }
}
