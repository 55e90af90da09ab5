//! The one type for names that clients send: absolute and normal, so that nothing behind it can meet a `..`.

use std::fmt;

/// Longest name of one file, in bytes (NAME_MAX of limits.h).
const LONGEST_COMPONENT: usize = 255;
/// Longest path, in bytes, without the zero byte behind it (PATH_MAX of limits.h less one).
const LONGEST_PATH: usize = 4095;

/// A path as the client sees it: starts with `/`, has no empty component, no `.`, no `..`, no zero byte.
///
/// Any other byte may stand in it: names of files are bytes, UTF-8 or not. `..` is taken off as text, not by
/// asking the file system (RFC 959 CDUP: the parent of the name, not of what a symbolic link leads to).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FtpPath {
    /// `/`, or `/a/b` without a slash at the end.
    bytes: Vec<u8>,
}

impl FtpPath {
    /// `/`, the directory in which the client's world begins.
    #[must_use]
    pub fn root() -> FtpPath {
        FtpPath { bytes: b"/".to_vec() }
    }

    /// The path that `argument` means when it is said in this directory.
    ///
    /// `..` never leads above the root. None: a zero byte, a component of more than 255 bytes, or a whole of
    /// more than 4095.
    #[must_use]
    pub fn join(&self, argument: &[u8]) -> Option<FtpPath> {
        if argument.contains(&0) {
            return None;
        }
        let mut joined = if argument.first() == Some(&b'/') { FtpPath::root() } else { self.clone() };
        for component in argument.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => joined.remove_last(),
                name => joined.push(name)?,
            }
        }
        Some(joined)
    }

    /// The directory above; the root's is the root.
    #[must_use]
    pub fn parent(&self) -> FtpPath {
        let mut parent = self.clone();
        parent.remove_last();
        parent
    }

    /// The directory above and the name in it; None for the root.
    #[must_use]
    pub fn parent_and_name(&self) -> Option<(FtpPath, &[u8])> {
        Some((self.parent(), self.name()?))
    }

    /// The last component; None for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The names from the root down. The root has none.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.bytes.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
    }

    /// The whole, beginning with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole as it is said from the root: without the slash in front, `.` for the root itself.
    #[must_use]
    pub fn from_root(&self) -> &[u8] {
        if self.is_root() { b"." } else { &self.bytes[1..] }
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.bytes.len() == 1
    }

    fn push(&mut self, name: &[u8]) -> Option<()> {
        let slash = usize::from(!self.is_root());
        if name.len() > LONGEST_COMPONENT || self.bytes.len() + slash + name.len() > LONGEST_PATH {
            return None;
        }
        if slash == 1 {
            self.bytes.push(b'/');
        }
        self.bytes.extend_from_slice(name);
        Some(())
    }

    fn remove_last(&mut self) {
        let slash = self.bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.bytes.truncate(slash.max(1));
    }
}

/// The path for people, with what is not UTF-8 replaced. Nothing is escaped: the log and `Reply` do that.
impl fmt::Display for FtpPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_normal(path: &FtpPath) -> bool {
        let bytes = path.as_bytes();
        bytes == b"/"
            || (bytes.starts_with(b"/")
                && bytes.len() <= LONGEST_PATH
                && !bytes.contains(&0)
                && bytes[1..].split(|&b| b == b'/').all(|name| {
                    !name.is_empty() && name != b"." && name != b".." && name.len() <= LONGEST_COMPONENT
                }))
    }

    fn path(text: &str) -> FtpPath {
        FtpPath::root().join(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_absolute_argument_forgets_where_we_are() {
        assert_eq!(path("/a/b").join(b"/c").unwrap(), path("/c"));
        assert_eq!(path("/a/b").join(b"c//d/./").unwrap().as_bytes(), b"/a/b/c/d");
    }

    #[test]
    fn two_dots_never_lead_above_the_root() {
        assert_eq!(path("/a").join(b"../../../etc/passwd").unwrap().as_bytes(), b"/etc/passwd");
        assert_eq!(path("/").join(b"..").unwrap(), FtpPath::root());
        assert_eq!(path("/a").parent(), FtpPath::root());
    }

    #[test]
    fn zero_bytes_and_long_names_are_refused() {
        assert_eq!(FtpPath::root().join(b"a\0b"), None);
        assert!(FtpPath::root().join(&[b'x'; 255]).is_some());
        assert_eq!(FtpPath::root().join(&[b'x'; 256]), None);
        assert_eq!(FtpPath::root().join(&b"abc/".repeat(1100)), None);
        let nearly_full = path(&"abc/".repeat(1023));
        assert_eq!(nearly_full.join(b"xy").unwrap().as_bytes().len(), LONGEST_PATH);
        assert_eq!(nearly_full.join(b"xyz"), None);
    }

    #[test]
    fn a_path_has_a_parent_and_a_name_but_the_root_has_none() {
        assert_eq!(FtpPath::root().parent_and_name(), None);
        assert_eq!(path("/a/b").parent_and_name(), Some((path("/a"), &b"b"[..])));
        assert_eq!(path("/a").parent_and_name(), Some((FtpPath::root(), &b"a"[..])));
        assert_eq!(FtpPath::root().from_root(), b".");
        assert_eq!(path("/a/b").from_root(), b"a/b");
    }

    #[test]
    fn bytes_that_are_not_utf_8_stay_as_they_are() {
        assert_eq!(FtpPath::root().join(b"\xff\xfe").unwrap().as_bytes(), b"/\xff\xfe");
    }

    proptest! {
        #[test]
        fn joining_anything_stays_normal(arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut here = FtpPath::root();
            for argument in arguments {
                if let Some(there) = here.join(&argument) {
                    prop_assert!(is_normal(&there));
                    here = there;
                }
            }
        }

        #[test]
        fn joining_dots_and_slashes_stays_normal(argument in "[./a\\\\ ]{0,60}", twice in "[./b]{0,30}") {
            let there = FtpPath::root().join(argument.as_bytes()).unwrap().join(twice.as_bytes()).unwrap();
            prop_assert!(is_normal(&there));
            prop_assert_eq!(FtpPath::root().join(there.as_bytes()), Some(there.clone()));
            if let Some((parent, name)) = there.parent_and_name() {
                prop_assert_eq!(parent.join(name), Some(there.clone()));
            }
        }
    }
}
