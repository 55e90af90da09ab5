//! The options of ls(1) that clients put before the path of LIST and NLST.

/// What is listed, in which order, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// -a: names that begin with a dot too, with `.` and `..`.
    pub all: bool,
    /// -A: names that begin with a dot too, without `.` and `..`.
    pub almost_all: bool,
    /// -d: a directory itself, not what is in it.
    pub directory_itself: bool,
    /// -F: a mark behind each name says what it stands for.
    pub classify: bool,
    /// -h: sizes for people.
    pub human: bool,
    /// -L: symbolic links are shown as what they lead to.
    pub follow: bool,
    /// -1, without -l: names only.
    pub names_only: bool,
    /// -R: directories in directories too.
    pub recursive: bool,
    /// -r: the order is turned round.
    pub reverse: bool,
    /// -t, -S, or neither.
    pub order: Order,
}

/// What entries are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Byte by byte.
    #[default]
    Name,
    /// Newest first.
    Modified,
    /// Largest first.
    Size,
}

impl Options {
    /// Takes the options from the beginning of an argument; what is left is a path, or nothing.
    ///
    /// Words that begin with a dash count as options as long as every letter of them is one; `--` ends them. So a
    /// name that begins with a dash can be said plainly if it does not look like options, and behind `--` always.
    pub fn parse(argument: &[u8]) -> (Options, &[u8]) {
        let mut options = Options::default();
        let mut long = false;
        let mut rest = argument;
        loop {
            let begins = rest.iter().position(|&byte| byte != b' ').unwrap_or(rest.len());
            let word_on = &rest[begins..];
            let ends = word_on.iter().position(|&byte| byte == b' ').unwrap_or(word_on.len());
            let (word, behind) = word_on.split_at(ends);
            if word == b"--" {
                rest = behind.strip_prefix(b" ").unwrap_or(behind);
                break;
            }
            let Some(with_word) = options.with(word, &mut long) else {
                // Blanks before the first option are the client's; those before a path may belong to its name.
                rest = if word_on.is_empty() { word_on } else { rest.strip_prefix(b" ").unwrap_or(rest) };
                break;
            };
            options = with_word;
            rest = behind;
        }
        options.names_only &= !long;
        (options, rest)
    }

    fn with(mut self, word: &[u8], long: &mut bool) -> Option<Options> {
        let (b'-', letters @ [_, ..]) = word.split_first()? else { return None };
        let mut is_long = *long;
        for letter in letters {
            match letter {
                b'a' => self.all = true,
                b'A' => self.almost_all = true,
                b'd' => self.directory_itself = true,
                b'F' => self.classify = true,
                b'h' => self.human = true,
                b'L' => self.follow = true,
                b'l' => is_long = true,
                b'1' => self.names_only = true,
                b'R' => self.recursive = true,
                b'r' => self.reverse = true,
                b'S' => self.order = Order::Size,
                b't' => self.order = Order::Modified,
                // Columns: old clients ask for them; a listing has one entry on each line all the same.
                b'C' => {}
                _ => return None,
            }
        }
        *long = is_long;
        Some(self)
    }

    /// Whether a name is shown at all.
    pub fn shows(&self, name: &[u8]) -> bool {
        self.all || self.almost_all || name.first() != Some(&b'.')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(argument: &str) -> (Options, &str) {
        let (options, rest) = Options::parse(argument.as_bytes());
        (options, std::str::from_utf8(rest).unwrap())
    }

    #[test]
    fn options_may_be_joined_or_apart() {
        let expected = Options { all: true, reverse: true, order: Order::Modified, ..Options::default() };
        for argument in ["-latr", "-l -a -tr", " -la  -t -r", "-latr "] {
            assert_eq!(parsed(argument), (expected, ""), "{argument:?}");
        }
        assert_eq!(parsed("-latr some dir").1, "some dir");
    }

    #[test]
    fn names_that_begin_with_a_dash_can_be_said() {
        assert_eq!(parsed("-- -a"), (Options::default(), "-a"));
        assert_eq!(parsed("-a -- -R x").1, "-R x");
        assert_eq!(parsed("-file"), (Options::default(), "-file"));
        assert_eq!(parsed("-").1, "-");
        assert_eq!(parsed("--").1, "");
        assert_eq!(parsed("").1, "");
    }

    #[test]
    fn long_wins_over_names_only() {
        assert!(parsed("-1").0.names_only);
        assert!(!parsed("-1l").0.names_only);
    }

    #[test]
    fn a_path_keeps_its_blanks() {
        assert_eq!(parsed("-a a  b ").1, "a  b ");
        assert_eq!(parsed("a  b ").1, "a  b ");
        assert_eq!(parsed("--  a").1, " a");
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_end_of_the_argument(argument in prop::collection::vec(any::<u8>(), 0..30)) {
            prop_assert!(argument.ends_with(Options::parse(&argument).1));
        }
    }
}
