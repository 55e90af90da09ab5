//! Messages that an administrator or a user has written for clients: what stands for what in them, and how they become
//! the lines of a reply.

use std::net::IpAddr;

use super::civil::Civil;

/// The most that one message comes to, in bytes: replacements could make much of little.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Something in a message that stands for something else: a percent sign and a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `%u`
    User,
    /// `%h`
    Home,
    /// `%d`
    Directory,
    /// `%c`
    Client,
    /// `%l`
    Host,
    /// `%T`
    Time,
    /// `%%`
    Percent,
}

impl Placeholder {
    /// All of them, in the order of the documents.
    pub const ALL: [Placeholder; 7] = [
        Placeholder::User,
        Placeholder::Home,
        Placeholder::Directory,
        Placeholder::Client,
        Placeholder::Host,
        Placeholder::Time,
        Placeholder::Percent,
    ];

    /// What stands behind the percent sign.
    pub fn letter(self) -> char {
        match self {
            Placeholder::User => 'u',
            Placeholder::Home => 'h',
            Placeholder::Directory => 'd',
            Placeholder::Client => 'c',
            Placeholder::Host => 'l',
            Placeholder::Time => 'T',
            Placeholder::Percent => '%',
        }
    }

    /// What it stands for, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Placeholder::User => "the name of the user",
            Placeholder::Home => "the directory in which the session began, as the client sees it",
            Placeholder::Directory => "the working directory",
            Placeholder::Client => "the address of the client",
            Placeholder::Host => {
                "the name of the virtual host, or the address that the client connected to where there is none"
            }
            Placeholder::Time => "the time, such as `2026-11-21 14:05:09 UTC`",
            Placeholder::Percent => "a percent sign",
        }
    }

    /// Whether it means something only when somebody is logged in.
    pub fn is_of_sessions(self) -> bool {
        match self {
            Placeholder::User | Placeholder::Home | Placeholder::Directory => true,
            Placeholder::Client | Placeholder::Host | Placeholder::Time | Placeholder::Percent => false,
        }
    }

    fn of(letter: u8) -> Option<Placeholder> {
        Placeholder::ALL.into_iter().find(|placeholder| placeholder.letter() == char::from(letter))
    }
}

/// What placeholders stand for at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who is logged in, if anybody is.
    pub session: Option<SessionFacts<'a>>,
    /// The client's address.
    pub client: IpAddr,
    /// The name of the virtual host, if there is one.
    pub host: Option<&'a str>,
    /// The address that the client connected to.
    pub local: IpAddr,
    /// Seconds since 1970, UTC.
    pub now: i64,
}

/// What placeholders stand for when somebody is logged in.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    /// His name.
    pub user: &'a str,
    /// Where his session began.
    pub home: &'a [u8],
    /// Where he is.
    pub directory: &'a [u8],
}

/// What is wrong with a message, in words, if anything is: a placeholder that there is none of, or that means nothing
/// before login.
pub fn objection(text: &str, before_login: bool) -> Option<String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let Some(letter) = after.chars().next() else {
            return Some("ends with a percent sign; %% stands for one".into());
        };
        match Placeholder::of(u8::try_from(letter).unwrap_or_default()) {
            Some(placeholder) if before_login && placeholder.is_of_sessions() => {
                return Some(format!("%{letter} means nothing before somebody is logged in"));
            }
            Some(_) => {}
            None => {
                return Some(format!("%{letter} stands for nothing; %% stands for a percent sign"));
            }
        }
        rest = &after[letter.len_utf8()..];
    }
    None
}

/// The lines of a message. What stands for nothing stays as it is; an empty line at the end is none. Control characters,
/// which could do something to the terminal of whoever reads them, become question marks.
pub fn expand(text: &[u8], facts: &Facts<'_>) -> Vec<Vec<u8>> {
    let mut whole = Vec::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first()
        && whole.len() < MAX_LENGTH
    {
        rest = after;
        let placeholder = after.first().filter(|_| byte == b'%').and_then(|letter| Placeholder::of(*letter));
        let Some(placeholder) = placeholder else {
            whole.push(byte);
            continue;
        };
        rest = &after[1..];
        let session =
            |fact: fn(&SessionFacts<'_>) -> Vec<u8>| facts.session.as_ref().map_or_else(Vec::new, fact);
        whole.extend(match placeholder {
            Placeholder::User => one_line(&session(|session| session.user.as_bytes().to_vec())),
            Placeholder::Home => one_line(&session(|session| session.home.to_vec())),
            Placeholder::Directory => one_line(&session(|session| session.directory.to_vec())),
            Placeholder::Client => facts.client.to_canonical().to_string().into_bytes(),
            Placeholder::Host => match facts.host {
                Some(host) => host.as_bytes().to_vec(),
                None => facts.local.to_canonical().to_string().into_bytes(),
            },
            Placeholder::Time => time(facts.now).into_bytes(),
            Placeholder::Percent => b"%".to_vec(),
        });
    }
    whole.truncate(MAX_LENGTH);
    let whole = whole.strip_suffix(b"\n").unwrap_or(&whole);
    whole
        .split(|&byte| byte == b'\n')
        .map(|line| harmless(line.strip_suffix(b"\r").unwrap_or(line)))
        .collect()
}

/// A name may contain what would end the line.
fn one_line(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'\n' { b'?' } else { byte }).collect()
}

fn harmless(line: &[u8]) -> Vec<u8> {
    let is_harmful = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    line.iter().map(|&byte| if is_harmful(byte) { b'?' } else { byte }).collect()
}

fn time(now: i64) -> String {
    let Civil { year, month, day, seconds } = Civil::of(now);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02} UTC", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEFORE: Facts<'static> = Facts {
        session: None,
        client: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
        host: None,
        local: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        now: 1_795_269_909,
    };

    fn alice() -> Facts<'static> {
        Facts { session: Some(SessionFacts { user: "alice", home: b"/", directory: b"/a\nb" }), ..BEFORE }
    }

    fn lines(text: &str, facts: &Facts<'_>) -> Vec<String> {
        let lines = expand(text.as_bytes(), facts);
        lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn placeholders_stand_for_facts() {
        assert_eq!(lines("%u in %d of %h, 100%%", &alice()), ["alice in /a?b of /, 100%"]);
        assert_eq!(lines("%c at %l", &BEFORE), ["192.0.2.7 at 127.0.0.1"]);
        assert_eq!(lines("%l", &Facts { host: Some("ftp.example.org"), ..BEFORE }), ["ftp.example.org"]);
        assert_eq!(lines("%T", &BEFORE), ["2026-11-21 14:05:09 UTC"]);
    }

    #[test]
    fn an_ipv4_address_is_written_as_one_also_over_ipv6() {
        let mapped = Facts { client: "::ffff:192.0.2.1".parse().unwrap(), ..BEFORE };
        assert_eq!(lines("%c", &mapped), ["192.0.2.1"]);
    }

    #[test]
    fn what_stands_for_nothing_stays_and_what_is_not_known_is_nothing() {
        assert_eq!(lines("50% of %q %", &BEFORE), ["50% of %q %"]);
        assert_eq!(lines("<%u>", &BEFORE), ["<>"]);
    }

    #[test]
    fn lines_end_in_either_way_and_the_last_need_not() {
        assert_eq!(lines("a\r\nb\n\nc\n", &BEFORE), ["a", "b", "", "c"]);
        assert_eq!(lines("a\nb", &BEFORE), ["a", "b"]);
        assert_eq!(lines("", &BEFORE), [""]);
    }

    #[test]
    fn control_characters_do_not_reach_terminals() {
        assert_eq!(lines("a\x1b[2Jb\tc\x07\rd", &BEFORE), ["a?[2Jb\tc??d"]);
    }

    #[test]
    fn objections_name_the_placeholder() {
        assert_eq!(objection("%u%h%d%c%l%T%%", false), None);
        assert_eq!(objection("%c%l%T%%", true), None);
        assert_eq!(objection("%u", true).unwrap(), "%u means nothing before somebody is logged in");
        assert_eq!(objection("a%ß", false).unwrap(), "%ß stands for nothing; %% stands for a percent sign");
        assert_eq!(objection("100%", false).unwrap(), "ends with a percent sign; %% stands for one");
    }

    #[test]
    fn letters_are_unique() {
        for placeholder in Placeholder::ALL {
            assert_eq!(Placeholder::of(placeholder.letter() as u8), Some(placeholder));
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_more_than_its_length_or_a_broken_line(text: Vec<u8>) {
            let many = text.repeat(1 + 20_000 / (1 + text.len()));
            let lines = expand(&many, &alice());
            prop_assert!(!lines.is_empty());
            prop_assert!(lines.iter().map(Vec::len).sum::<usize>() <= MAX_LENGTH);
            prop_assert!(lines.iter().flatten().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
        }

        #[test]
        fn what_has_no_objection_has_no_percent_sign_left(text in "[a-z%]*") {
            if objection(&text, false).is_none() {
                let facts = Facts { session: Some(SessionFacts { user: "", home: b"", directory: b"" }), ..BEFORE };
                let percents = expand(text.as_bytes(), &facts).concat().iter().filter(|byte| **byte == b'%').count();
                prop_assert_eq!(percents, text.matches("%%").count());
            }
        }
    }
}
