//! Whether somebody who has given the right password may come in here and now. Pure.

use std::fmt;
use std::net::IpAddr;

use crate::config::users::UserOptions;
use crate::config::{Date, Origin, SessionOptions, WeekMinute, next_change};

/// What is known about somebody who has given the right password, or needs none.
pub struct Proven<'a> {
    /// Where he is.
    pub peer: IpAddr,
    /// The options that his session would have.
    pub options: &'a SessionOptions,
    /// What a users file, or the program that was asked, says of him.
    pub entry: Option<&'a UserOptions>,
    /// Whether the control connection is protected by TLS.
    pub is_protected: bool,
    /// Whether he needed no password.
    pub is_anonymous: bool,
    /// Today, in days since 1970 (UTC).
    pub today: i64,
    /// This minute, in the time zone of the machine.
    pub minute: WeekMinute,
}

/// Why somebody with the right password may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// His entry says `disabled`.
    Disabled,
    /// His entry says until when.
    Expired(Date),
    /// login-networks does not have his address.
    Network,
    /// login-hours does not have this one.
    Hours,
    /// require-tls, and there is none.
    WithoutTls,
}

impl Reservation {
    /// What he may read. From where he may come is not told: the password may be stolen.
    pub fn text(&self) -> Option<&'static str> {
        match self {
            Reservation::Disabled | Reservation::Network => None,
            Reservation::Expired(_) => Some("Your account has expired."),
            Reservation::Hours => Some("You cannot log in at this hour."),
            Reservation::WithoutTls => Some("This login needs TLS; say AUTH TLS first."),
        }
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reservation::Disabled => f.write_str("the entry is disabled"),
            Reservation::Expired(date) => write!(f, "the account has expired on {date}"),
            Reservation::Network => f.write_str("login-networks does not have the address"),
            Reservation::Hours => f.write_str("login-hours does not have this hour"),
            Reservation::WithoutTls => f.write_str("it came without TLS"),
        }
    }
}

/// In how many minutes, this one included, the hours are over at which somebody may be logged in. None: within a week,
/// never.
pub fn minutes_left(options: &SessionOptions, minute: WeekMinute) -> Option<u16> {
    let hours = &options.login_hours;
    let is_within = |minute| hours.is_empty() || hours.iter().any(|hours| hours.contains(minute));
    if is_within(minute) { next_change(minute, is_within) } else { Some(0) }
}

/// Whether anything speaks against this session, here and now.
pub fn reservation(proven: &Proven<'_>) -> Option<Reservation> {
    let Proven { peer, options, entry, is_protected, is_anonymous, today, minute } = *proven;
    if entry.is_some_and(|entry| entry.disabled) {
        return Some(Reservation::Disabled);
    }
    if let Some(date) = entry.and_then(|entry| entry.expires).filter(|date| today >= date.days()) {
        return Some(Reservation::Expired(date));
    }
    if !Origin::permits(&options.login_networks, peer) {
        return Some(Reservation::Network);
    }
    if minutes_left(options, minute) == Some(0) {
        return Some(Reservation::Hours);
    }
    if !is_protected && options.require_tls.of_login(!is_anonymous) {
        return Some(Reservation::WithoutTls);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn the_right_password_is_not_enough_for_everybody() {
        let against = |entry: &UserOptions, change: fn(&mut SessionOptions), is_protected| {
            let mut options = SessionOptions::default();
            change(&mut options);
            let proven = Proven {
                peer: PEER,
                options: &options,
                entry: Some(entry),
                is_protected,
                is_anonymous: false,
                today: "2026-11-21".parse::<Date>().unwrap().days(),
                minute: WeekMinute::now(),
            };
            reservation(&proven)
        };
        let until =
            |date: &str| UserOptions { expires: Some(date.parse().unwrap()), ..UserOptions::default() };
        let nobody = UserOptions::default();
        assert_eq!(against(&nobody, |_| {}, false), None);
        assert_eq!(against(&until("2026-11-22"), |_| {}, false), None);
        let today = until("2026-11-21");
        assert_eq!(against(&today, |_| {}, false), today.expires.map(Reservation::Expired));
        let disabled = UserOptions { disabled: true, ..UserOptions::default() };
        assert_eq!(against(&disabled, |_| {}, false), Some(Reservation::Disabled));
        let here =
            |options: &mut SessionOptions| options.login_networks = vec!["192.0.2.0/24".parse().unwrap()];
        let not_here =
            |options: &mut SessionOptions| options.login_networks = vec!["!192.0.2.7".parse().unwrap()];
        assert_eq!(against(&nobody, here, false), None);
        assert_eq!(against(&nobody, not_here, false), Some(Reservation::Network));
        let always = |options: &mut SessionOptions| options.login_hours = vec!["Mon-Sun".parse().unwrap()];
        assert_eq!(against(&nobody, always, false), None);
        let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].map(|day| {
            let options =
                SessionOptions { login_hours: vec![day.parse().unwrap()], ..SessionOptions::default() };
            reservation(&Proven {
                peer: PEER,
                options: &options,
                entry: None,
                is_protected: true,
                is_anonymous: false,
                today: 0,
                minute: WeekMinute::now(),
            })
        });
        assert_eq!(days.iter().filter(|day| day.is_none()).count(), 1, "it is one day of the week: {days:?}");
        let tls = |options: &mut SessionOptions| options.require_tls = "login".parse().unwrap();
        assert_eq!(against(&nobody, tls, true), None);
        assert_eq!(against(&nobody, tls, false), Some(Reservation::WithoutTls));
    }
}
