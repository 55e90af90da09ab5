//! A command: a verb and what stands behind it.

/// Verbs of two words: the second word says what is meant, each pair is a row of the verb table.
const FAMILIES: &[&str] = &["SITE", "OPTS"];

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Upper case. For `SITE` and `OPTS` with the word that follows: `SITE CHMOD`.
    pub verb: String,
    /// Everything behind the one space that ends the verb; names may begin and end with spaces.
    pub argument: Vec<u8>,
}

impl Command {
    /// Takes a line apart. There is no line that is not a command; verbs nobody knows are for the table to refuse.
    pub fn parse(line: &[u8]) -> Command {
        let (word, argument) = split(line);
        let verb = upper_case(word);
        if FAMILIES.contains(&verb.as_str()) && !argument.is_empty() {
            let (member, argument) = split(argument);
            return Command { verb: format!("{verb} {}", upper_case(member)), argument: argument.to_vec() };
        }
        Command { verb, argument: argument.to_vec() }
    }
}

/// What is before and behind the first space.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (text, &[]),
    }
}

fn upper_case(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(line: &[u8]) -> (String, Vec<u8>) {
        let command = Command::parse(line);
        (command.verb, command.argument)
    }

    #[test]
    fn verbs_are_upper_case_and_arguments_untouched() {
        assert_eq!(parsed(b"retr  My File "), ("RETR".into(), b" My File ".to_vec()));
        assert_eq!(parsed(b"NOOP"), ("NOOP".into(), vec![]));
        assert_eq!(parsed(b""), (String::new(), vec![]));
    }

    #[test]
    fn site_and_opts_take_their_second_word_into_the_verb() {
        assert_eq!(parsed(b"site chmod 644 a b"), ("SITE CHMOD".into(), b"644 a b".to_vec()));
        assert_eq!(parsed(b"OPTS utf8 on"), ("OPTS UTF8".into(), b"on".to_vec()));
        assert_eq!(parsed(b"SITE"), ("SITE".into(), vec![]));
    }

    proptest! {
        #[test]
        fn every_line_is_some_command(line: Vec<u8>) {
            Command::parse(&line);
        }
    }
}
