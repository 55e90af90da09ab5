//! What is said of quotas: of whose files, and of which directories.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::SessionOptions;
use super::value::text_values;
use super::values::words;

words! {
    /// Whose files a quota of a session counts.
    QuotaOf {
        /// All below its root directory.
        Root = "root",
        /// Those of them that belong to its uid.
        User = "user",
    }
}

/// A directory of the machine, or all directories in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaPath {
    directory: String,
    children: bool,
}

impl QuotaPath {
    /// The longest name of a section with such paths, in bytes: files are called by it.
    pub const LONGEST_NAME: usize = 64;

    /// The directory that is named.
    pub fn directory(&self) -> &Path {
        Path::new(&self.directory)
    }

    /// Whether it is not this directory that is meant, but each in it.
    pub fn children(&self) -> bool {
        self.children
    }
}

impl FromStr for QuotaPath {
    type Err = String;

    fn from_str(text: &str) -> Result<QuotaPath, String> {
        if !text.starts_with('/') || text.contains('\0') {
            return Err(format!("{text:?} is no absolute path"));
        }
        let (directory, children) = match text.strip_suffix("/*") {
            Some(directory) => (directory, true),
            None => (text, false),
        };
        if directory.contains(['*', '?', '[']) {
            return Err(format!("{text:?} has a pattern in it; only a last component of * can be one"));
        }
        let directory = directory.trim_end_matches('/');
        let directory = if directory.is_empty() { "/" } else { directory };
        Ok(QuotaPath { directory: directory.to_string(), children })
    }
}

impl fmt::Display for QuotaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.directory.as_str(), self.children) {
            (directory, false) => f.write_str(directory),
            ("/", true) => f.write_str("/*"),
            (directory, true) => write!(f, "{directory}/*"),
        }
    }
}

text_values! {
    QuotaPath: "absolute path, which may end with /*".into();
}

impl SessionOptions {
    /// Whether what is below the root directory is limited.
    pub fn has_quota(&self) -> bool {
        self.quota_bytes.bytes().is_some() || self.quota_files.get() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_directory_or_all_in_one() {
        for (text, directory, children, again) in [
            ("/srv/in", "/srv/in", false, "/srv/in"),
            ("/srv/in/", "/srv/in", false, "/srv/in"),
            ("/srv/*", "/srv", true, "/srv/*"),
            ("/", "/", false, "/"),
            ("/*", "/", true, "/*"),
        ] {
            let path: QuotaPath = text.parse().unwrap();
            assert_eq!((path.directory(), path.children()), (Path::new(directory), children));
            assert_eq!(path.to_string(), again);
        }
        for wrong in ["srv", "", "/srv/*/in", "/srv/a*", "/srv\0"] {
            assert!(wrong.parse::<QuotaPath>().is_err(), "{wrong}");
        }
    }
}
