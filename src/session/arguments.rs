//! Arguments of verbs that have more than a word and a path: names in quotes, and numbers or names behind them.

/// A path and a range of its bytes, as the older digest verbs take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranged {
    /// The name, without quotes.
    pub path: Vec<u8>,
    /// The first byte and the one behind the last, where they were said.
    pub range: Option<(u64, u64)>,
}

/// Takes `"path" start end` and `path start end` apart; both numbers may be missing, a comma may stand before each.
/// None: a quote that does not end, or something other than two numbers behind it.
///
/// A name may itself end like that, so the whole should be tried as a name first.
pub fn ranged(argument: &[u8]) -> Option<Ranged> {
    if let Some((path, rest)) = quoted(argument) {
        let words: Vec<&[u8]> = words(rest).collect();
        return match words[..] {
            [] => Some(Ranged { path, range: None }),
            [start, end] => Some(Ranged { path, range: Some((number(start)?, number(end)?)) }),
            _ => None,
        };
    }
    if argument.first() == Some(&b'"') {
        return None;
    }
    let unranged = || Ranged { path: argument.to_vec(), range: None };
    let mut parts = argument.rsplitn(3, |&byte| byte == b' ');
    let (Some(end), Some(start), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Some(unranged());
    };
    let bare = |word| words(word).next().and_then(number);
    match (bare(start), bare(end)) {
        (Some(start), Some(end)) if !path.is_empty() => {
            let path = path.strip_suffix(b",").unwrap_or(path).to_vec();
            Some(Ranged { path, range: Some((start, end)) })
        }
        _ => Some(unranged()),
    }
}

/// Two names, one behind the other: each in quotes, or both without spaces. None: it is not clear where the first
/// ends, or one is missing.
pub fn two_names(argument: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (first, rest) = match quoted(argument) {
        Some((first, rest)) => (first, rest.strip_prefix(b" ")?),
        None => {
            let space = argument.iter().position(|&byte| byte == b' ')?;
            (argument[..space].to_vec(), &argument[space + 1..])
        }
    };
    let second = match quoted(rest) {
        Some((second, [])) => second,
        Some(_) => return None,
        None if argument.first() == Some(&b'"') || !rest.contains(&b' ') => rest.to_vec(),
        None => return None,
    };
    (!first.is_empty() && !second.is_empty()).then_some((first, second))
}

/// A name in quotes at the front, and what is behind it. Quotes within it are doubled.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut name = Vec::new();
    loop {
        match rest {
            [b'"', b'"', after @ ..] => {
                name.push(b'"');
                rest = after;
            }
            [b'"', after @ ..] if after.is_empty() || after.starts_with(b" ") || after.starts_with(b",") => {
                return Some((name, after));
            }
            [byte, after @ ..] if *byte != b'"' => {
                name.push(*byte);
                rest = after;
            }
            _ => return None,
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b' ' || byte == b',').filter(|word| !word.is_empty())
}

/// A number of bytes.
pub fn number(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path_and_range(argument: &str) -> Option<(String, Option<(u64, u64)>)> {
        ranged(argument.as_bytes()).map(|found| (String::from_utf8(found.path).unwrap(), found.range))
    }

    fn names(argument: &str) -> Option<(String, String)> {
        let (first, second) = two_names(argument.as_bytes())?;
        Some((String::from_utf8(first).unwrap(), String::from_utf8(second).unwrap()))
    }

    #[test]
    fn a_path_may_stand_in_quotes_with_numbers_behind_it() {
        for (argument, path, range) in [
            ("file", "file", None),
            ("file 0 10", "file", Some((0, 10))),
            ("\"file\" 0 10", "file", Some((0, 10))),
            ("\"a file\", 5, 10", "a file", Some((5, 10))),
            ("a file, 5, 10", "a file", Some((5, 10))),
            ("a file", "a file", None),
            ("a 1", "a 1", None),
            ("1 2", "1 2", None),
            ("\"a \"\"b\"\"\"", "a \"b\"", None),
        ] {
            assert_eq!(path_and_range(argument), Some((path.into(), range)), "{argument}");
        }
        for argument in ["\"file", "\"file\" 1", "\"file\" 1 x", "\"file\" 1 2 3", "\"a\"b"] {
            assert_eq!(path_and_range(argument), None, "{argument}");
        }
    }

    #[test]
    fn two_names_need_quotes_where_they_have_spaces() {
        let pair = |a: &str, b: &str| Some((a.to_string(), b.to_string()));
        assert_eq!(names("a b"), pair("a", "b"));
        assert_eq!(names("\"a b\" \"c d\""), pair("a b", "c d"));
        assert_eq!(names("\"a b\" c d"), pair("a b", "c d"));
        assert_eq!(names("a \"c d\""), pair("a", "c d"));
        for argument in ["a", "a b c", "", " ", "a ", "\"a\"", "\"a\" ", "\"a\" \"b\" c"] {
            assert_eq!(names(argument), None, "{argument:?}");
        }
    }

    proptest! {
        #[test]
        fn any_two_names_survive_quotes(first in "[^\0\r\n]{1,20}", second in "[^\0\r\n]{1,20}") {
            let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let argument = format!("{} {}", quote(&first), quote(&second));
            prop_assert_eq!(names(&argument), Some((first.clone(), second)));
            prop_assert_eq!(path_and_range(&format!("{} 3 7", quote(&first))), Some((first, Some((3, 7)))));
        }

        #[test]
        fn nothing_is_too_silly(argument: Vec<u8>) {
            let _ = ranged(&argument);
            let _ = two_names(&argument);
        }
    }
}
