//! Modes as SITE CHMOD says them: in octal, or as chmod(1) takes them apart into letters. Pure.

/// What is to become of a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These permission bits and no others.
    Octal(u32),
    /// One after the other.
    Symbolic(Vec<Clause>),
}

/// One part of a symbolic mode, such as `go-w`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The bits of those it is about.
    who: u32,
    /// Nobody was named: what the umask withholds stays as it is.
    masked: bool,
    operator: Operator,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Read 4, write 2, execute 1; `search`: execute, but only where it has a meaning already.
    Bits { bits: u32, search: bool },
    /// What the user, the group or the others have: how far to the left of the others they stand.
    Of(u32),
}

impl Change {
    /// `644`, `0644`, `u+rwX,go-w`. None for anything else, and for what would be more than permission bits: set-id
    /// bits and the sticky bit are not for clients to give.
    pub fn parse(text: &str) -> Option<Change> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|_| (3..=4).contains(&text.len()))?;
            return Some(Change::Octal(bits & 0o777));
        }
        text.split(',')
            .map(clauses)
            .collect::<Option<Vec<_>>>()
            .map(|clauses| Change::Symbolic(clauses.concat()))
    }

    /// The permission bits that come of these.
    pub fn applied_to(&self, mode: u32, directory: bool, umask: u32) -> u32 {
        match self {
            Change::Octal(bits) => *bits,
            Change::Symbolic(clauses) => {
                clauses.iter().fold(mode & 0o777, |mode, clause| clause.applied_to(mode, directory, umask))
            }
        }
    }
}

impl Clause {
    fn applied_to(&self, mode: u32, directory: bool, umask: u32) -> u32 {
        let bits = match self.what {
            What::Bits { bits, search } if search && (directory || mode & 0o111 != 0) => bits | 1,
            What::Bits { bits, .. } => bits,
            What::Of(shift) => mode >> shift & 7,
        };
        let who = if self.masked { self.who & !umask } else { self.who };
        let bits = (bits * 0o111) & who;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => mode & !self.who | bits,
        }
    }
}

/// `[ugoa]*` and at least one of `[+-=]` with what follows it.
fn clauses(text: &str) -> Option<Vec<Clause>> {
    let operators = |letter: char| matches!(letter, '+' | '-' | '=');
    let (names, mut rest) = text.split_at(text.find(operators)?);
    let mut who = 0;
    for name in names.chars() {
        who |= match name {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    let masked = who == 0;
    if masked {
        who = 0o777;
    }
    let mut found = Vec::new();
    while let Some(letter) = rest.chars().next() {
        let operator = match letter {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let end = rest[1..].find(operators).map_or(rest.len(), |end| end + 1);
        found.push(Clause { who, masked, operator, what: what(&rest[1..end])? });
        rest = &rest[end..];
    }
    Some(found)
}

fn what(letters: &str) -> Option<What> {
    match letters {
        "u" => return Some(What::Of(6)),
        "g" => return Some(What::Of(3)),
        "o" => return Some(What::Of(0)),
        _ => {}
    }
    let (mut bits, mut search) = (0, false);
    for letter in letters.chars() {
        match letter {
            'r' => bits |= 4,
            'w' => bits |= 2,
            'x' => bits |= 1,
            'X' => search = true,
            _ => return None,
        }
    }
    Some(What::Bits { bits, search })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed(text: &str, mode: u32) -> Option<u32> {
        Some(Change::parse(text)?.applied_to(mode, false, 0o022))
    }

    #[test]
    fn modes_are_those_of_chmod() {
        for (text, before, after) in [
            ("644", 0o777, 0o644),
            ("0640", 0, 0o640),
            ("7751", 0, 0o751),
            ("u+x", 0o644, 0o744),
            ("u+rwx,go-w", 0o066, 0o744),
            ("go=", 0o777, 0o700),
            ("a=rx", 0, 0o555),
            ("+w", 0o444, 0o644),
            ("=rw", 0o777, 0o644),
            ("g=u", 0o640, 0o660),
            ("o=g-w", 0o660, 0o664),
            ("u=rwx,g=u,o=", 0, 0o770),
            ("+X", 0o644, 0o644),
            ("a+X", 0o744, 0o755),
            ("ug+r-x", 0o131, 0o461),
        ] {
            assert_eq!(changed(text, before), Some(after), "{text}");
        }
        assert_eq!(Change::parse("a+X").unwrap().applied_to(0o600, true, 0), 0o711);
    }

    #[test]
    fn what_is_no_mode_or_more_than_permissions_is_refused() {
        for text in
            ["", "64", "06444", "888", "u", "u+s", "g+s", "+t", "u+rq", "z+r", "u+r,", ",u+r", "rw", "u+gr"]
        {
            assert_eq!(Change::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_mode_is_nine_bits_whatever_is_said(text in "[0-7ugoarwxXst+=,-]{0,12}", mode in 0u32..0o10000, umask in 0u32..0o1000) {
            if let Some(change) = Change::parse(&text) {
                prop_assert_eq!(change.applied_to(mode, mode % 2 == 0, umask) & !0o777, 0);
            }
        }
    }
}
