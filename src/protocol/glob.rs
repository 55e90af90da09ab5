//! Shell patterns for one name, in the arguments of LIST and NLST and in rules of the configuration: `*`, `?`, `[a-z]`,
//! `[!a-z]` and `\` before what is meant literally. No braces, no `**`: what a pattern costs can be seen from its length.

/// Whether a shell would see a pattern in this.
pub fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether a name fits a pattern. A dot at its beginning must be said (POSIX 2.13.3).
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') && !pattern.starts_with(b"\\.") {
        return false;
    }
    matches_any(pattern, name)
}

/// The same, but a dot is like any other byte, also at the beginning of a name.
///
/// The time is at most the product of both lengths: only the last `*` is ever tried again.
pub fn matches_any(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, n));
            continue;
        }
        if let Some(length) = fits(&pattern[p..], name[n]) {
            p += length;
            n += 1;
            continue;
        }
        let Some((after_star, tried)) = retry else { return false };
        p = after_star;
        n = tried + 1;
        retry = Some((p, n));
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The length of the first element of the pattern if the byte fits it.
fn fits(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((length, true)) => Some(1 + length),
            Some((_, false)) => None,
            // A bracket that is never closed stands for itself.
            None => (byte == b'[').then_some(1),
        },
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// What stands behind a `[`: the length up to and including `]`, and whether the byte is in the set.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[test]
    fn patterns_mean_what_a_shell_means() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", ".a", false),
            (".*", ".a", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt~", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("[ab", "[ab", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a**b", "axyzb", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c", "abcabx", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"*a".repeat(120);
        let name = b"a".repeat(119);
        let begun = Instant::now();
        for _ in 0..1000 {
            assert!(!matches(&pattern, &name));
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    /// The meaning without cleverness; exponential, so for short texts alone.
    fn simply(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                simply(rest, name) || name.split_first().is_some_and(|(_, less)| simply(pattern, less))
            }
            ([b'?', rest @ ..], [_, less @ ..]) => simply(rest, less),
            ([a, rest @ ..], [b, less @ ..]) => a == b && simply(rest, less),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_and_marks_mean_what_they_simply_mean(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), simply(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn no_bytes_make_it_stumble(
            pattern in prop::collection::vec(any::<u8>(), 0..20),
            name in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            matches(&pattern, &name);
        }
    }
}
