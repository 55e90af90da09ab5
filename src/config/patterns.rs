//! Patterns for paths and for names, as rules have them. Pure: text is compared with text, and no file is looked at.
//!
//! A path comes with a number, `exact`: so many of its names, from the root down, are in directories that tell large
//! letters from small ones. From there on the file system does not, and neither does a pattern.

use std::fmt;
use std::str::FromStr;

use super::value::text_values;
use crate::protocol::glob;
use crate::system::folding::{folded, letters};

/// Which files and directories are meant: `/in`, `~/public`, `/home/*/in`, `/data/**/private`.
///
/// What the user sees as `/` is the beginning; `~` is where his session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    from_home: bool,
    steps: Vec<Step>,
}

/// A component of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// This name.
    Name(Vec<u8>),
    /// A name that matches.
    Pattern(Vec<u8>),
    /// Any number of directories, also none (`**`).
    Any,
}

impl Step {
    fn fits(&self, name: &[u8], exact: bool) -> bool {
        match self {
            Step::Name(own) => alike(own, name, exact),
            Step::Pattern(pattern) => {
                glob::matches_any(pattern, name)
                    || !exact && glob::matches_any(&letters(pattern), &folded(name))
            }
            Step::Any => true,
        }
    }
}

/// Whether two names are the same.
fn alike(own: &[u8], name: &[u8], exact: bool) -> bool {
    own == name || !exact && folded(own) == folded(name)
}

/// The path from this directory on, and how many of those names are compared exactly.
fn below<'p, 'n>(path: &'p [&'n [u8]], exact: usize, home: &[&[u8]]) -> Option<(&'p [&'n [u8]], usize)> {
    let (above, rest) = path.split_at_checked(home.len())?;
    let inside = above.iter().zip(home).enumerate().all(|(at, (name, own))| alike(own, name, at < exact));
    inside.then(|| (rest, exact.saturating_sub(home.len())))
}

impl PathPattern {
    /// How far above `path` the directories are that match: 0, the path itself does; 1, its directory; and so on. `home`
    /// is where the session begins. Both are components, from the root down.
    pub fn above(&self, path: &[&[u8]], exact: usize, home: &[&[u8]]) -> impl Iterator<Item = usize> {
        let path = match self.from_home {
            false => Some((path, exact)),
            true => below(path, exact, home),
        };
        let lengths = path.map_or_else(Vec::new, |(path, exact)| {
            (0..=path.len()).rev().filter(|&length| fits(&self.steps, &path[..length], exact)).collect()
        });
        let whole = path.map_or(0, |(path, _)| path.len());
        lengths.into_iter().map(move |length| whole - length)
    }

    /// Whether what matches could be below this directory, or is it.
    pub fn could_be_in(&self, directory: &[&[u8]], exact: usize, home: &[&[u8]]) -> bool {
        let home = if self.from_home { home } else { &[] };
        if directory.len() <= home.len() {
            return below(directory, exact, &home[..directory.len()]).is_some();
        }
        let Some((rest, exact)) = below(directory, exact, home) else { return false };
        for (at, step) in self.steps.iter().enumerate() {
            let Some(name) = rest.get(at) else { return true };
            if *step == Step::Any {
                return true;
            }
            if !step.fits(name, at < exact) {
                return false;
            }
        }
        rest.len() <= self.steps.len()
    }

    /// Whether it names what is called so in whatever directory (`/**/private`): then nothing in a directory gets out of it,
    /// or into it, when that is moved.
    pub fn is_of_any_place(&self) -> bool {
        let (last, above) =
            self.steps.split_last().map_or((None, &[][..]), |(last, above)| (Some(last), above));
        !self.from_home
            && !above.is_empty()
            && above.iter().all(|step| *step == Step::Any)
            && last.is_some_and(|last| *last != Step::Any)
    }

    /// Whether it says how deep the directories are that it names (there is no `**` in it).
    pub fn is_of_some_depth(&self) -> bool {
        !self.steps.contains(&Step::Any)
    }

    /// The names from the root down that are said in front of the first pattern, and what follows them.
    pub fn literal(&self, home: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
        let said = self.steps.iter().map_while(|step| match step {
            Step::Name(name) => Some(name.clone()),
            Step::Pattern(_) | Step::Any => None,
        });
        let home = if self.from_home { home } else { &[] };
        let names: Vec<Vec<u8>> = home.iter().map(|name| name.to_vec()).chain(said).collect();
        let said = names.len() - home.len();
        (names, said)
    }

    /// The same pattern, with these names in place of the first `said` steps and of the home directory.
    #[must_use]
    pub fn rebased(&self, names: Vec<Vec<u8>>, said: usize) -> PathPattern {
        let steps = names.into_iter().map(Step::Name).chain(self.steps.iter().skip(said).cloned()).collect();
        PathPattern { text: self.text.clone(), from_home: false, steps }
    }
}

/// Whether the steps match all of these names.
fn fits(steps: &[Step], names: &[&[u8]], exact: usize) -> bool {
    // Which numbers of steps match the names so far: a line of the table that recursion would fill in again and again.
    let mut reached = vec![false; steps.len() + 1];
    reached[0] = true;
    let skip = |reached: &mut Vec<bool>| {
        for (index, step) in steps.iter().enumerate() {
            reached[index + 1] |= reached[index] && *step == Step::Any;
        }
    };
    skip(&mut reached);
    for (at, name) in names.iter().enumerate() {
        let mut next = vec![false; steps.len() + 1];
        for (index, step) in steps.iter().enumerate().filter(|(index, _)| reached[*index]) {
            match step {
                Step::Any => next[index] = true,
                Step::Name(_) | Step::Pattern(_) => next[index + 1] |= step.fits(name, at < exact),
            }
        }
        skip(&mut next);
        reached = next;
    }
    reached[steps.len()]
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<PathPattern, String> {
        let (from_home, rest) = match text.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if !(rest.starts_with('/') || from_home && rest.is_empty()) || text.contains('\0') {
            return Err(format!("{text:?} is no path that begins with \"/\" or \"~/\""));
        }
        let mut steps = Vec::new();
        for name in rest.split('/').filter(|name| !name.is_empty()) {
            steps.push(match name {
                "." | ".." => return Err(format!("{text:?} has {name:?} in it")),
                "**" => Step::Any,
                name if name.contains(['*', '?', '[', '\\']) => Step::Pattern(name.as_bytes().to_vec()),
                name => Step::Name(name.as_bytes().to_vec()),
            });
        }
        Ok(PathPattern { text: text.to_string(), from_home, steps })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Which names are meant: `*.exe`. Capital letters and small ones are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    lower: Vec<u8>,
}

impl NamePattern {
    /// Whether a name matches. Not `exact`: the directory that it is in knows it also by other spellings.
    pub fn matches(&self, name: &[u8], exact: bool) -> bool {
        glob::matches_any(&self.lower, &lower(name))
            || !exact && glob::matches_any(&letters(self.text.as_bytes()), &folded(name))
    }
}

/// In small letters, where that is text: whoever forbids `*.exe` and `*.ä` means `X.EXE` and `X.Ä` too.
fn lower(name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<NamePattern, String> {
        match text.is_empty() || text.contains(['/', '\0']) {
            true => Err(format!("{text:?} is no pattern for the name of a file, such as \"*.exe\"")),
            false => Ok(NamePattern { text: text.to_string(), lower: lower(text.as_bytes()) }),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_values! {
    NamePattern: "pattern for names".into();
    PathPattern: "path or pattern for paths".into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn components(path: &str) -> Vec<&[u8]> {
        path.split('/').filter(|name| !name.is_empty()).map(str::as_bytes).collect()
    }

    fn above(pattern: &str, path: &str) -> Vec<usize> {
        let pattern: PathPattern = pattern.parse().unwrap();
        pattern.above(&components(path), usize::MAX, &components("/home/bob")).collect()
    }

    #[test]
    fn a_path_is_matched_by_what_names_it_or_a_directory_above_it() {
        for (pattern, path, expected) in [
            ("/", "/", &[0][..]),
            ("/", "/a/b", &[2]),
            ("/in", "/in", &[0]),
            ("/in/", "/in/x/y", &[2]),
            ("/in", "/inside", &[]),
            ("/in", "/", &[]),
            ("/home/*/in", "/home/bob/in/x", &[1]),
            ("/home/*/in", "/home/bob/sub/in", &[]),
            ("/data/**/private", "/data/private/x", &[1]),
            ("/data/**/private", "/data/a/b/private", &[0]),
            ("/data/**/private", "/data/private/private", &[0, 1]),
            ("/**", "/a/b", &[0, 1, 2]),
            ("/*", "/.hidden", &[0]),
            ("~", "/home/bob", &[0]),
            ("~/in", "/home/bob/in/x", &[1]),
            ("~/in", "/home/eve/in/x", &[]),
            ("/a\\*", "/a*", &[0]),
        ] {
            assert_eq!(above(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_directory_could_have_in_it_what_matches() {
        let could = |pattern: &str, directory: &str| {
            let pattern: PathPattern = pattern.parse().unwrap();
            pattern.could_be_in(&components(directory), usize::MAX, &components("/home/bob"))
        };
        for (pattern, directory) in [
            ("/a/b", "/"),
            ("/a/b", "/a"),
            ("/a/b", "/a/b"),
            ("/a/*/c", "/a/x"),
            ("/a/**", "/a/x/y"),
            ("~/in", "/home"),
        ] {
            assert!(could(pattern, directory), "{pattern} {directory}");
        }
        for (pattern, directory) in [
            ("/a/b", "/b"),
            ("/a/b", "/a/b/c"),
            ("/a/*/c", "/a/x/d"),
            ("~/in", "/home/eve"),
            ("~/in", "/srv"),
        ] {
            assert!(!could(pattern, directory), "{pattern} {directory}");
        }
    }

    #[test]
    fn a_pattern_can_stand_elsewhere() {
        let pattern: PathPattern = "~/in/*/x".parse().unwrap();
        let home = components("/home/bob");
        let (names, said) = pattern.literal(&home);
        assert_eq!((names, said), (components("/home/bob/in").iter().map(|name| name.to_vec()).collect(), 1));
        let moved = pattern.rebased(vec![b"data".to_vec()], said);
        assert_eq!(moved.above(&components("/data/a/x/y"), usize::MAX, &home).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "in", "~bob", "/a/../b", "/./a", "/a\0"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text:?}");
        }
        for text in ["", "a/b", "a\0"] {
            assert!(text.parse::<NamePattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_match_in_capital_and_small_letters() {
        let pattern: NamePattern = "*.ExE".parse().unwrap();
        let matches = |name: &[u8]| pattern.matches(name, true);
        assert!(matches(b"a.exe") && matches(b".EXE") && !matches(b"a.exe.txt") && !matches(b"a.exe."));
        assert!("Ä*".parse::<NamePattern>().unwrap().matches("äx".as_bytes(), true));
        assert!("*".parse::<NamePattern>().unwrap().matches(b"\xff", true));
        // vfat takes dots at the end off.
        assert!(pattern.matches(b"a.exe.", false) && pattern.matches("a.\u{200b}exe".as_bytes(), false));
    }

    #[test]
    fn where_letters_are_the_same_paths_are_too() {
        let home = components("/home/bob");
        let pattern: PathPattern = "/mnt/Secret/*.key".parse().unwrap();
        let above = |path: &str, exact| pattern.above(&components(path), exact, &home).count();
        assert_eq!((above("/mnt/secret/A.KEY", 1), above("/mnt/secret/A.KEY", 2)), (1, 0));
        assert_eq!((above("/MNT/secret/a.key", 1), above("/MNT/secret/a.key", 0)), (0, 1));
        assert_eq!((above("/mnt/Secret/a.key", 3), above("/mnt/Secret/a.KEY", 3)), (1, 0));
        let of_home: PathPattern = "~/in".parse().unwrap();
        assert_eq!(of_home.above(&components("/home/BOB/IN/x"), 1, &home).collect::<Vec<_>>(), [1]);
        assert_eq!(of_home.above(&components("/HOME/bob/in"), 1, &home).count(), 0);
        for (directory, exact, expected) in
            [("/Home", 0, true), ("/Home", 1, false), ("/home/bob/IN", 2, true), ("/home/bob/IN", 3, false)]
        {
            assert_eq!(of_home.could_be_in(&components(directory), exact, &home), expected, "{directory}");
        }
    }

    /// The same by recursion, as the words of the manual say it.
    fn simply(steps: &[&str], names: &[&str]) -> bool {
        match (steps, names) {
            ([], []) => true,
            (["**", rest @ ..], _) => simply(rest, names) || !names.is_empty() && simply(steps, &names[1..]),
            ([step, rest @ ..], [name, less @ ..]) => (*step == "*" || step == name) && simply(rest, less),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_simply_matches(pattern in "(/(a|b|\\*|\\*\\*)){0,6}", path in "(/(a|b)){0,6}") {
            let text = if pattern.is_empty() { "/" } else { &pattern };
            let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
            let steps: Vec<&str> = pattern.split('/').filter(|name| !name.is_empty()).collect();
            let expected: Vec<usize> =
                (0..=names.len()).filter(|up| simply(&steps, &names[..names.len() - up])).collect();
            prop_assert_eq!(above(text, &path), expected.clone());
            let parsed: PathPattern = text.parse().unwrap();
            if !expected.is_empty() {
                prop_assert!(parsed.could_be_in(&[], 0, &[]));
            }
        }

        #[test]
        fn no_text_makes_it_stumble(text: String, path: String) {
            if let Ok(pattern) = text.parse::<PathPattern>() {
                pattern.above(&components(&path), 0, &[]).for_each(drop);
            }
            if let Ok(pattern) = text.parse::<NamePattern>() {
                pattern.matches(path.as_bytes(), false);
            }
        }
    }
}
