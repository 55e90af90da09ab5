//! Values that say who may come in: kinds of hashes, sources of users, ranges of uids, dates, networks, e-mail patterns.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::data::Network;
use super::value::text_values;
use super::values::words;

words! {
    /// What makes a hash of a password, by the names that crypt(5) has for them.
    HashKind {
        /// The winner of the password hashing competition, RFC 9106.
        Argon2id = "argon2id",
        /// What distributions use for the passwords of accounts.
        Yescrypt = "yescrypt",
        /// RFC 7914.
        Scrypt = "scrypt",
        /// From OpenBSD; looks at 72 bytes of a password.
        Bcrypt = "bcrypt",
        /// What distributions used for the passwords of accounts.
        Sha512Crypt = "sha512-crypt",
        /// The same with a shorter digest.
        Sha256Crypt = "sha256-crypt",
    }
    /// Somebody who may know a user.
    Source {
        /// The users file.
        UsersFile = "users-file",
        /// The program that is asked.
        Check = "check",
        /// The accounts of the machine, through PAM.
        System = "system",
    }
}

impl HashKind {
    /// All of them, the best first.
    pub const ALL: &[HashKind] = &[
        HashKind::Argon2id,
        HashKind::Yescrypt,
        HashKind::Scrypt,
        HashKind::Bcrypt,
        HashKind::Sha512Crypt,
        HashKind::Sha256Crypt,
    ];
}

/// Uids that no account of the machine has, first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    first: u32,
    last: u32,
}

impl UidRange {
    /// The uids, in order.
    pub fn uids(self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

impl FromStr for UidRange {
    type Err = String;

    fn from_str(text: &str) -> Result<UidRange, String> {
        let uid = |text: &str| text.trim().parse().ok();
        let Some((Some(first), Some(last))) =
            text.split_once('-').map(|(first, last)| (uid(first), uid(last)))
        else {
            return Err(format!("{text:?} is no range of uids, such as \"70000-99999\""));
        };
        match (first, last) {
            _ if first > last => Err(format!("{first}-{last} is an empty range")),
            // Below are the accounts of people and services on every machine; setresuid(2) takes the last for "as it is".
            _ if first < 1000 || last > u32::MAX - 2 => {
                Err(format!("{first}-{last} is not within 1000-4294967293"))
            }
            // nobody, and what 16 bits make of it.
            _ if (first..=last).contains(&65534) || (first..=last).contains(&65535) => {
                Err(format!("{first}-{last} has 65534 or 65535 in it, which is nobody"))
            }
            _ => Ok(UidRange { first, last }),
        }
    }
}

impl fmt::Display for UidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A network that somebody may come from or, with a `!` in front, may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    network: Network,
    is_excluded: bool,
}

impl Origin {
    /// Whether somebody with this list may come from this address: from none of the excluded networks, and from one of
    /// the others, if there are any.
    pub fn permits(list: &[Origin], address: IpAddr) -> bool {
        let has = |excluded: bool| {
            list.iter().any(|origin| origin.is_excluded == excluded && origin.network.contains(address))
        };
        !has(true) && (has(false) || list.iter().all(|origin| origin.is_excluded))
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        let (network, is_excluded) = match text.strip_prefix('!') {
            Some(network) => (network, true),
            None => (text, false),
        };
        Ok(Origin { network: network.parse()?, is_excluded })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_excluded { "!" } else { "" }, self.network)
    }
}

/// A day of the calendar, as days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i64);

impl Date {
    /// How many days after 1 January 1970 it is.
    pub fn days(self) -> i64 {
        self.0
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Date, String> {
        let wrong = || format!("{text:?} is no date, such as \"2027-12-31\"");
        let parts: Vec<&str> = text.split('-').collect();
        let &[year, month, day] = parts.as_slice() else { return Err(wrong()) };
        let is_number =
            |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(is_number(year, 4) && is_number(month, 2) && is_number(day, 2)) {
            return Err(wrong());
        }
        let number = |part: &str| part.parse().unwrap_or_default();
        let date = time::Month::try_from(number(month) as u8)
            .and_then(|month| time::Date::from_calendar_date(number(year), month, number(day) as u8))
            .map_err(|_| wrong())?;
        Ok(Date(i64::from(date.to_julian_day()) - i64::from(EPOCH)))
    }
}

/// The Julian day of 1 January 1970.
const EPOCH: i32 = 2_440_588;

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = i32::try_from(self.0).ok().and_then(|days| days.checked_add(EPOCH));
        match day.and_then(|day| time::Date::from_julian_day(day).ok()) {
            Some(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
            None => f.write_str("?"),
        }
    }
}

/// A pattern for e-mail addresses: `*` stands for any letters, `?` for one. Case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailPattern(String);

impl EmailPattern {
    /// Whether an address fits. The time is at most the product of both lengths: only the last `*` is tried again.
    pub fn fits(&self, address: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut p, mut a) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while a < address.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    p += 1;
                    retry = Some((p, a));
                }
                Some(letter) if *letter == b'?' || letter.eq_ignore_ascii_case(&address[a]) => {
                    p += 1;
                    a += 1;
                }
                Some(_) | None => {
                    let Some((after_star, tried)) = retry else { return false };
                    (p, a) = (after_star, tried + 1);
                    retry = Some((after_star, tried + 1));
                }
            }
        }
        pattern[p..].iter().all(|letter| *letter == b'*')
    }
}

impl FromStr for EmailPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<EmailPattern, String> {
        let is_stray = |letter: char| letter.is_control() || letter.is_whitespace();
        match text.is_empty() || text.contains(is_stray) {
            true => Err(format!("{text:?} is no pattern for e-mail addresses, such as \"*@*.*\"")),
            false => Ok(EmailPattern(text.to_string())),
        }
    }
}

impl fmt::Display for EmailPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_values! {
    Date: "date, such as \"2027-12-31\"".into();
    EmailPattern: "pattern for e-mail addresses".into();
    Origin: "network, or `!` and a network".into();
    UidRange: "range of uids, such as \"70000-99999\"".into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uids_are_those_of_nobody_else() {
        assert_eq!("70000-99999".parse::<UidRange>().unwrap().uids(), 70000..=99999);
        for bad in ["", "70000", "9-8", "99999-70000", "0-100000", "60000-70000", "70000-4294967295", "a-b"] {
            assert!(bad.parse::<UidRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_exclude_first_and_then_admit() {
        let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Origin>>();
        let may = |texts: &[&str], address: &str| Origin::permits(&list(texts), address.parse().unwrap());
        assert!(may(&[], "192.0.2.1"));
        assert!(may(&["192.0.2.0/24"], "192.0.2.1") && !may(&["192.0.2.0/24"], "198.51.100.1"));
        assert!(!may(&["192.0.2.0/24", "!192.0.2.1"], "192.0.2.1"));
        assert!(may(&["!192.0.2.1"], "::1") && !may(&["!192.0.2.1"], "::ffff:192.0.2.1"));
        assert!("!".parse::<Origin>().is_err() && "!!::1".parse::<Origin>().is_err());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let days = |text: &str| text.parse::<Date>().map(Date::days);
        assert_eq!(days("1970-01-01"), Ok(0));
        assert_eq!(days("2026-11-21"), Ok(20778));
        for bad in ["", "2026-13-01", "2026-02-30", "2026-2-3", "26-01-01", "+026-01-01", "2026-01-01-01"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_says_what_an_address_looks_like() {
        let fits =
            |pattern: &str, address: &str| pattern.parse::<EmailPattern>().unwrap().fits(address.as_bytes());
        assert!(fits("*@*.*", "alice@example.org") && fits("*@Example.org", "alice@eXample.org"));
        assert!(!fits("*@*.*", "alice") && !fits("*@*.*", "") && !fits("a?", "a") && fits("a?", "ab"));
        assert!(fits("*", "") && fits("**a*", "ba"));
        assert!("".parse::<EmailPattern>().is_err() && "a b".parse::<EmailPattern>().is_err());
    }

    proptest! {
        #[test]
        fn a_date_reads_back(days in 0i64..100_000) {
            prop_assert_eq!(Date(days).to_string().parse(), Ok(Date(days)));
        }

        #[test]
        fn a_literal_pattern_fits_itself_alone(text in "[a-z@.]{1,12}", other in "[a-z@.]{0,12}") {
            let pattern: EmailPattern = text.parse().unwrap();
            prop_assert!(pattern.fits(text.as_bytes()));
            prop_assert_eq!(pattern.fits(other.as_bytes()), text == other);
        }
    }
}
