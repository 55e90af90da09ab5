//! Hours of the week, in the time of the machine: `"Mon-Fri 08:00-18:00"`.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::value::text_values;
use crate::system::time_zone;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;

/// A minute of the week; the week begins on Monday at 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeekMinute(u16);

impl WeekMinute {
    /// This minute, in the time zone of the machine.
    pub fn now() -> WeekMinute {
        let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs().cast_signed());
        WeekMinute::at(seconds + time_zone::offset_at(seconds))
    }

    /// How much is left of this minute.
    pub fn rest() -> Duration {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let seconds = since.as_secs().cast_signed();
        // Zones have been some odd seconds ahead.
        let passed = (seconds + time_zone::offset_at(seconds)).rem_euclid(60).cast_unsigned();
        Duration::from_secs(60 - passed).saturating_sub(Duration::from_nanos(since.subsec_nanos().into()))
    }

    /// The minute of a time in seconds since 1970, where the time zone has been added.
    fn at(seconds: i64) -> WeekMinute {
        // 1970 began on a Thursday.
        let minutes = seconds.div_euclid(60) + 3 * i64::from(DAY);
        WeekMinute(minutes.rem_euclid(i64::from(WEEK)) as u16)
    }

    /// So many hours after the beginning of the week.
    #[cfg(test)]
    pub(super) fn of_hour(hour: u16) -> WeekMinute {
        WeekMinute(hour * 60 % WEEK)
    }

    /// The minutes that follow, for a week, each with how many minutes it is away.
    fn following(self) -> impl Iterator<Item = (u16, WeekMinute)> {
        (1..=WEEK).map(move |away| (away, WeekMinute((self.0 + away) % WEEK)))
    }
}

/// In how many minutes from `now` on, but within a week, something has another value than now.
pub fn next_change<T: PartialEq>(now: WeekMinute, value: impl Fn(WeekMinute) -> T) -> Option<u16> {
    let current = value(now);
    now.following().find(|(_, minute)| value(*minute) != current).map(|(away, _)| away)
}

/// Some days of the week, and on each the same hours, which may last until the next morning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// A bit for each day, Monday first.
    days: u8,
    /// Minutes of the day; the end is not among the hours.
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether this minute is among them.
    pub fn contains(self, minute: WeekMinute) -> bool {
        let (day, of_day) = (minute.0 / DAY, minute.0 % DAY);
        let is_on = |day: u16| self.days & 1 << day != 0;
        if self.from < self.to {
            return is_on(day) && (self.from..self.to).contains(&of_day);
        }
        // They began the day before, or end the day after.
        (is_on(day) && of_day >= self.from) || (is_on((day + 6) % 7) && of_day < self.to)
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Hours, String> {
        let mut words = text.split_ascii_whitespace();
        let (days, times) = match (words.next(), words.next(), words.next()) {
            (Some(days), Some(times), None) => (days_of(days), times_of(times)),
            (Some(one), None, None) if one.contains(':') => (Some(0x7f), times_of(one)),
            (Some(one), None, None) => (days_of(one), Some((0, DAY))),
            _ => (None, None),
        };
        let (Some(days), Some((from, to))) = (days, times) else {
            return Err(format!(
                "{text:?} are no hours of the week, such as \"Mon-Fri 08:00-18:00\", \"Sat,Sun\" or \"22:00-06:00\""
            ));
        };
        if from == to {
            return Err(format!("{text:?} end when they begin; a whole day is 00:00-24:00"));
        }
        Ok(Hours { days, from, to })
    }
}

/// `Mon-Fri`, `Sat,Sun`; a span may go over the end of the week.
fn days_of(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = 0;
    for span in text.split(',') {
        let (first, last) = span.split_once('-').unwrap_or((span, span));
        let (mut at, last) = (day(first)?, day(last)?);
        days |= 1 << at;
        while at != last {
            at = (at + 1) % 7;
            days |= 1 << at;
        }
    }
    Some(days)
}

/// `08:00-18:00`, as minutes.
fn times_of(text: &str) -> Option<(u16, u16)> {
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| is_number(text));
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        Some(hours * 60 + minutes).filter(|all| hours <= 24 && minutes < 60 && *all <= DAY)
    };
    let (from, to) = text.split_once('-')?;
    Some((minutes(from).filter(|from| *from < DAY)?, minutes(to)?))
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole_day = (self.from, self.to) == (0, DAY);
        if self.days != 0x7f || is_whole_day {
            let mut at = 0;
            let mut separator = "";
            while at < 7 {
                let length = (at..7).take_while(|day| self.days & 1 << day != 0).count();
                match length {
                    0 => {}
                    1 => write!(f, "{separator}{}", DAYS[at])?,
                    _ => write!(f, "{separator}{}-{}", DAYS[at], DAYS[at + length - 1])?,
                }
                if length > 0 {
                    separator = ",";
                }
                at += length.max(1);
            }
            if is_whole_day {
                return Ok(());
            }
            f.write_str(" ")?;
        }
        let Hours { from, to, .. } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

text_values! {
    Hours: "hours of the week, such as \"Mon-Fri 08:00-18:00\"".into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn minute(day: u16, hour: u16, minute: u16) -> WeekMinute {
        WeekMinute(day * DAY + hour * 60 + minute)
    }

    #[test]
    fn the_week_begins_on_monday() {
        // 2024-01-01, 00:00:59, was a Monday.
        assert_eq!(WeekMinute::at(1_704_067_259), minute(0, 0, 0));
        assert_eq!(WeekMinute::at(1_704_067_200 - 1), minute(6, 23, 59));
        assert_eq!(WeekMinute::at(-1), minute(2, 23, 59));
    }

    #[test]
    fn hours_have_a_beginning_and_an_end() {
        let office = hours("Mon-Fri 08:00-18:00");
        for (day, hour, of_hour, inside) in
            [(0, 8, 0, true), (0, 7, 59, false), (4, 17, 59, true), (4, 18, 0, false), (5, 12, 0, false)]
        {
            assert_eq!(office.contains(minute(day, hour, of_hour)), inside, "{day} {hour}:{of_hour}");
        }
        assert!(hours("Sat").contains(minute(5, 0, 0)) && hours("Sat").contains(minute(5, 23, 59)));
        assert!(!hours("Sat").contains(minute(6, 0, 0)));
    }

    #[test]
    fn a_night_ends_in_the_morning_of_the_next_day() {
        let night = hours("Sun 22:00-06:00");
        assert!(night.contains(minute(6, 22, 0)) && night.contains(minute(0, 5, 59)));
        assert!(!night.contains(minute(0, 6, 0)) && !night.contains(minute(6, 5, 0)));
        assert!(hours("22:00-06:00").contains(minute(3, 3, 0)));
    }

    #[test]
    fn spans_of_days_may_go_over_the_end_of_the_week() {
        assert_eq!(hours("Sat-Mon"), hours("Mon,Sat,Sun"));
        assert_eq!(hours("sat-mon").to_string(), "Mon,Sat-Sun");
    }

    #[test]
    fn hours_are_read_and_written_alike() {
        for text in ["Mon-Fri 08:00-18:00", "Sat-Sun", "22:00-06:00", "Mon,Wed,Fri 00:00-12:30", "Mon-Sun"] {
            assert_eq!(hours(text).to_string(), text);
        }
        assert_eq!(hours("Tue 12:00-24:00").to_string(), "Tue 12:00-24:00");
        for text in [
            "",
            "Mon-",
            "Mond",
            "8:00-18:00",
            "08:00",
            "08:00-08:00",
            "24:00-25:00",
            "24:00-12:00",
            "12:60-13:00",
            "Mon Tue",
            "Mon 08:00-18:00 x",
            "08:00-18:00 Mon",
            "+8:00-12:00",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
    }

    #[test]
    fn it_is_known_when_something_changes() {
        let office = hours("Mon-Fri 08:00-18:00");
        let next = |minute| next_change(minute, |minute| office.contains(minute));
        assert_eq!(next(minute(0, 7, 0)), Some(60));
        assert_eq!(next(minute(0, 8, 0)), Some(600));
        assert_eq!(next(minute(5, 8, 0)), Some(2 * DAY));
        assert_eq!(next_change(minute(0, 0, 0), |_| 1), None);
    }

    proptest! {
        #[test]
        fn any_hours_read_back(days in 1u8..128, from in 0..DAY, to in 0..=DAY) {
            prop_assume!(from != to);
            let all = Hours { days, from, to };
            prop_assert_eq!(all.to_string().parse(), Ok(all));
        }

        #[test]
        fn no_text_makes_it_stumble(text: String) {
            let _ = text.parse::<Hours>();
        }
    }
}
